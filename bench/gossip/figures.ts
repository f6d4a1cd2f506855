/** What is measured of a swarm, each figure from commands and counts alone; which swarms, how often and in which order is `measure.ts`'. */

import { pause } from '../pause.ts'
import type { SwarmStack } from './stacks.ts'
import { Swarm } from './swarm.ts'

/** A newcomer that has no neighbour by then is left alone; the next one comes. ms. */
const JOIN_PATIENCE_MS = 3_000
/** From the first subscription until broadcasts reach everybody. ms. */
const WHOLE_LIMIT_MS = 40_000
/** Nodes that prove in turn that the swarm is whole, spread over it. */
const PROBES = 5
const PROBE_BYTES = 64
/** A probe that has not reached all by then has not. ms. */
const PROBE_PATIENCE_MS = 1_000
/** A message that comes later counts as lost. ms. */
const PATIENCE_MS = 3_000
/** Sizes of broadcasts in turns, bytes. */
const SIZES = [64, 128, 256] as const
/** Coprime to the sizes of the swarms: all nodes send in turns, in both processes. */
const SENDER_STEP = 7
const FLOOD_BYTES = 100
const FLOOD_PATIENCE_MS = 2_000
const FLOOD_LIMIT_MS = 60_000

/**
 * Lets all nodes in and resolves with the ms from the first subscription until everybody had a neighbour and one broadcast from each of five nodes had reached all others;
 * undefined when that did not come about within 40 s.
 */
export async function growWhole(swarm: Swarm, limitMs = WHOLE_LIMIT_MS): Promise<number | undefined> {
  const began = performance.now()
  await swarm.subscribeAll(JOIN_PATIENCE_MS)
  const left = (): number => began + limitMs - performance.now()
  const probes = Math.min(PROBES, swarm.size)
  while (left() > 0) {
    if (!(await swarm.nobodyIsLonely(left()))) return undefined
    // what earlier probes left behind does not count
    await swarm.collect()
    for (let probe = 0; probe < probes; probe++)
      await swarm.broadcast(Math.floor((probe * swarm.size) / probes), PROBE_BYTES, 1)
    const wanted = probes * (swarm.size - 1)
    const { received, lastAt } = await swarm.drain(wanted, PROBE_PATIENCE_MS, false)
    if (received >= wanted) return lastAt - began
  }
  return undefined
}

export interface Traffic {
  readonly broadcasts: number
  readonly perSecond: number
}

export interface TrafficFigures {
  /** Deliveries to those that should have been: senders get nothing. */
  readonly delivered: number
  readonly latenciesMs: readonly number[]
  /** Of both processes, for each delivery; idling included. */
  readonly cpuUsPerDelivery: number
  /** Payloads received for each one needed, less 1 (relative message redundancy); undefined where the stack does not say. */
  readonly redundancy: number | undefined
}

/** Broadcasts from senders in turns, 64 to 256 bytes, at a steady rate. */
export async function measureTraffic(swarm: Swarm, { broadcasts, perSecond }: Traffic): Promise<TrafficFigures> {
  await swarm.collect()
  const before = await swarm.usage()
  const taken: Promise<void>[] = []
  const began = performance.now()
  for (let index = 0; index < broadcasts; index++) {
    await pause(began + (index * 1000) / perSecond - performance.now())
    taken.push(swarm.broadcast((index * SENDER_STEP) % swarm.size, SIZES[index % SIZES.length]!, 1))
  }
  await Promise.all(taken)
  const wanted = broadcasts * (swarm.size - 1)
  const { received, latenciesUs, duplicates } = await swarm.drain(wanted, PATIENCE_MS)
  const { cpuUs } = await swarm.usage()
  return {
    delivered: received / wanted,
    latenciesMs: latenciesUs.map((us) => us / 1000),
    cpuUsPerDelivery: (cpuUs - before.cpuUs) / received,
    redundancy: duplicates === undefined ? undefined : duplicates / received,
  }
}

export interface FloodFigures {
  /** Messages that a receiver got, a second, on the average of all receivers. */
  readonly perSecond: number
  readonly delivered: number
  readonly cpuUsPerDelivery: number
}

/** One node broadcasts 100 bytes as fast as they are taken. */
export async function measureFlood(swarm: Swarm, count: number): Promise<FloodFigures> {
  await swarm.collect(false)
  const before = await swarm.usage()
  const began = performance.now()
  const wanted = count * (swarm.size - 1)
  const sending = swarm.broadcast(0, FLOOD_BYTES, count, FLOOD_LIMIT_MS)
  const [{ received, lastAt }] = await Promise.all([swarm.drain(wanted, FLOOD_PATIENCE_MS, false), sending])
  const { cpuUs } = await swarm.usage()
  return {
    perSecond: received / (swarm.size - 1) / ((lastAt - began) / 1000),
    delivered: received / wanted,
    cpuUsPerDelivery: (cpuUs - before.cpuUs) / received,
  }
}

export interface IdlePlan {
  /** Nodes. */
  readonly size: number
  readonly seconds: number
  /** From joining until idling begins. */
  readonly settleMs: number
}

export interface IdleFigures {
  /** Above processes without a node. */
  readonly kilobytesPerNode: number
  readonly cpuMsPerNodeMinute: number
}

/**
 * What nodes cost that have nothing to say. All swarms idle at the same time, for nothing happens but waiting. `failed` hears of stacks that fall out.
 */
export async function measureIdleNodes(
  stacks: readonly SwarmStack[],
  { size, seconds, settleMs }: IdlePlan,
  failed: (stack: SwarmStack, error: unknown) => void,
): Promise<Map<string, IdleFigures>> {
  const swarms: { stack: SwarmStack; swarm: Swarm; emptyBytes: number }[] = []
  const figures = new Map<string, IdleFigures>()
  try {
    for (const stack of stacks) {
      let swarm: Swarm | undefined
      try {
        const emptyBytes = await emptyProcesses(stack)
        swarm = await Swarm.start(stack, size)
        await growWhole(swarm)
        swarms.push({ stack, swarm, emptyBytes })
      } catch (error) {
        failed(stack, error)
        await swarm?.stop()
      }
    }
    // the tail of joining
    await pause(settleMs)
    const before = await Promise.all(swarms.map(({ swarm }) => swarm.usage()))
    await pause(seconds * 1000)
    for (const [index, { stack, swarm, emptyBytes }] of swarms.entries()) {
      const { cpuUs } = await swarm.usage()
      const { rssBytes } = await swarm.usage(true)
      figures.set(stack.name, {
        kilobytesPerNode: (rssBytes - emptyBytes) / size / 1000,
        cpuMsPerNodeMinute: (cpuUs - before[index]!.cpuUs) / 1000 / size / (seconds / 60),
      })
    }
  } finally {
    await Promise.all(swarms.map(({ swarm }) => swarm.stop()))
  }
  return figures
}

async function emptyProcesses(stack: SwarmStack): Promise<number> {
  const empty = await Swarm.start(stack, 0)
  try {
    return (await empty.usage(true)).rssBytes
  } finally {
    await empty.stop()
  }
}
