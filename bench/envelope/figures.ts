/** What is measured of pairs and swarms, each figure from commands and counts alone; which, how often and in which order is `measure.ts`'. */

import { pause } from '../pause.ts'
import { percentile } from '../statistics.ts'
import type { NodeSwarm } from './swarm.ts'
import type { Pair } from './types.ts'
import type { Sent } from './worker-node.ts'

/** Longer than a lost datagram's repair, and shorter than the second attempt of an envelope. ms. */
const PATIENCE_MS = 15_000
const SWARM_SIZE_BYTES = 100
/** Golden ratio of 2^32: a sequence that does not repeat soon. */
const STEP = 0x9e3779b9

export interface PairPlan {
  /** Of plaintext, bytes. */
  readonly size: number
  readonly warmUp: number
  readonly roundTrips: number
  readonly messages: number
  readonly inFlight: number
}

export interface PairFigures {
  readonly p50Ms: number
  readonly p99Ms: number
  /** Until the application of the recipient has it; undefined where the stack does not say. */
  readonly oneWayMs: number | undefined
  readonly perSecond: number
  /** Of both processes, while messages are in flight. */
  readonly cpuUs: number
}

/** One after the other, then many at a time. Rejects when a message is not delivered. */
export async function measurePair(pair: Pair, plan: PairPlan): Promise<PairFigures> {
  const { size, inFlight } = plan
  const send = async (count: number, atOnce: number): Promise<Sent> => {
    const sent = await pair.send({ size, count, inFlight: atOnce, patienceMs: PATIENCE_MS })
    if (sent.delivered < count) throw new Error(`${count - sent.delivered} of ${count} not delivered: ${sent.problem}`)
    return sent
  }
  await send(plan.warmUp, 1)
  await pair.oneWayUs()
  const { latenciesUs } = await send(plan.roundTrips, 1)
  const oneWayUs = await pair.oneWayUs()
  await send(plan.warmUp, inFlight)
  const before = await pair.cpuUs()
  const { ms } = await send(plan.messages, inFlight)
  const cpuUs = ((await pair.cpuUs()) - before) / plan.messages
  return {
    p50Ms: percentile(latenciesUs, 0.5) / 1000,
    p99Ms: percentile(latenciesUs, 0.99) / 1000,
    oneWayMs: oneWayUs === undefined ? undefined : percentile(oneWayUs, 0.5) / 1000,
    perSecond: (plan.messages * 1000) / ms,
    cpuUs,
  }
}

export interface GrowFigures {
  /** All have come, and had a neighbour or gave up. */
  readonly joinedMs: number
  /** Everybody has everybody else for online; undefined: not in time. */
  readonly wholeMs: number | undefined
}

/** From just before the first node is started. */
export async function growWhole(swarm: NodeSwarm, size: number, limitMs: number): Promise<GrowFigures> {
  const began = performance.now()
  await swarm.grow(size)
  const joinedMs = performance.now() - began
  const wholeAt = await swarm.whole(limitMs - joinedMs)
  return { joinedMs, wholeMs: wholeAt === undefined ? undefined : wholeAt - began }
}

/** The same numbers for the same size: every pair of nodes at most once, in either direction. */
export function randomPairs(size: number, count: number): [number, number][] {
  const pairs: [number, number][] = []
  for (let left = 0; left < size; left++) for (let right = 0; right < left; right++) pairs.push([left, right])
  let state = size
  const random = (below: number): number => {
    state = Math.imul(state ^ (state >>> 15), STEP) + STEP
    return Math.floor(((state >>> 0) / 2 ** 32) * below)
  }
  for (let index = 0; index < pairs.length; index++) {
    const other = index + random(pairs.length - index)
    const [left, right] = pairs[other]!
    pairs[other] = pairs[index]!
    pairs[index] = random(2) === 0 ? [left, right] : [right, left]
  }
  return pairs.slice(0, count)
}

export interface TrafficFigures {
  /** Share of messages that were acknowledged in time. */
  readonly delivered: number
  readonly latenciesMs: readonly number[]
}

/** A message each of 100 bytes, at a steady rate, `rounds` times. */
export async function measureTraffic(
  swarm: NodeSwarm,
  pairs: readonly (readonly [number, number])[],
  perSecond: number,
  rounds = 1,
): Promise<TrafficFigures> {
  const plan = { size: SWARM_SIZE_BYTES, count: 1, inFlight: 1, patienceMs: PATIENCE_MS }
  const sending: Promise<Sent>[] = []
  const began = performance.now()
  for (let index = 0; index < pairs.length * rounds; index++) {
    await pause(began + (index * 1000) / perSecond - performance.now())
    const [from, to] = pairs[index % pairs.length]!
    const sent = swarm.send(from, to, plan)
    // looked at below; a process that ended is told then
    sent.catch(() => {})
    sending.push(sent)
  }
  const all = await Promise.all(sending)
  return {
    delivered: all.reduce((sum, { delivered }) => sum + delivered, 0) / all.length,
    latenciesMs: all.flatMap(({ latenciesUs }) => latenciesUs.map((us) => us / 1000)),
  }
}

export interface IdleFigures {
  readonly cpuMsPerNodeMinute: number
  /** Both processes, what they need without nodes included. */
  readonly kilobytesPerNode: number
}

/** What it costs to be there and say so, once the swarm has come to rest. */
export async function measureIdle(swarm: NodeSwarm, seconds: number): Promise<IdleFigures> {
  const before = await swarm.usage()
  await pause(seconds * 1000)
  const after = await swarm.usage()
  return {
    cpuMsPerNodeMinute: (after.cpuUs - before.cpuUs) / 1000 / swarm.size / (seconds / 60),
    kilobytesPerNode: after.rssBytes / 1000 / swarm.size,
  }
}
