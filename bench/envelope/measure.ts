/** Which figures about messages are measured, how often and in which order; ours and Rust in turns, so that a noisy minute hits both. Bounded in time as a whole. */
import { TOM } from '../contenders.ts'
import type { Counts } from '../counts/transfer.ts'
import { progress } from '../measure.ts'
import { pause } from '../pause.ts'
import { runBundle } from '../processes.ts'
import type { Results } from '../rows.ts'
import { percentile, summarize } from '../statistics.ts'
import { growWhole, measureIdle, measurePair, measureTraffic, type PairPlan, randomPairs } from './figures.ts'
import type { KnownPeers } from './known-peers.ts'
import {
  BYTES_IN_NODE,
  BYTES_IN_TABLE,
  ENVELOPE,
  ofPair,
  ofSealed,
  ofSwarm,
  ofWire,
  RUST,
  SEALED_SIZES,
  UNDELIVERED,
  WIRE_SIZES,
} from './names.ts'
import { NativePair, nativeSealing } from './native-pair.ts'
import type { SealResult } from './seal.ts'
import { pairStacks, startOurs } from './stacks.ts'
import { NodeSwarm } from './swarm.ts'
import type { NodeProcess, PairStack } from './types.ts'

export interface SealPlan {
  readonly rounds: number
  /** Of each figure of each size. */
  readonly ms: number
}

export interface SwarmPlan {
  /** Nodes. */
  readonly size: number
  readonly rounds: number
  /** Pairs that write to each other for the first time, and then so many times more. */
  readonly pairs: number
  readonly warmRounds: number
  readonly perSecond: number
  /** What nodes ask of themselves while they meet, they say within some seconds. */
  readonly settleSeconds: number
  readonly idleSeconds: number
  /** For everybody to know everybody, ms. */
  readonly limitMs: number
}

export interface EnvelopePlan {
  readonly sealing: SealPlan
  readonly pairs: PairPlan & { readonly rounds: number }
  readonly wireSeeds: readonly string[]
  readonly knownPeers: number
  /** In the order they are measured. */
  readonly swarms: readonly SwarmPlan[]
  /** What has not begun after this is left out, ms. */
  readonly limitMs: number
}

export function envelopePlan(quick: boolean): EnvelopePlan {
  const swarm = {
    rounds: 1,
    pairs: 100,
    warmRounds: 2,
    perSecond: 20,
    settleSeconds: 10,
    idleSeconds: 10,
    limitMs: 60_000,
  }
  if (quick)
    return {
      sealing: { rounds: 1, ms: 100 },
      pairs: { rounds: 1, size: 100, warmUp: 100, roundTrips: 200, messages: 1_000, inFlight: 64 },
      wireSeeds: ['1'],
      knownPeers: 2_000,
      swarms: [{ ...swarm, size: 10, pairs: 20, settleSeconds: 0, idleSeconds: 2 }],
      limitMs: 60_000,
    }
  return {
    sealing: { rounds: 5, ms: 300 },
    pairs: { rounds: 3, size: 100, warmUp: 500, roundTrips: 1_000, messages: 5_000, inFlight: 64 },
    wireSeeds: ['1', '2', '3'],
    knownPeers: 10_000,
    swarms: [
      { ...swarm, size: 10, pairs: 40, warmRounds: 3 },
      { ...swarm, size: 50, rounds: 2 },
      { ...swarm, size: 100 },
    ],
    limitMs: 280_000,
  }
}

/** How the programs are started; tests have others. */
export interface EnvelopeStacks {
  /** By the column of the table. */
  readonly sealing: ReadonlyMap<string, (sizes: readonly number[], ms: number) => Promise<readonly SealResult[]>>
  readonly pairs: readonly PairStack[]
  readonly startProcess: () => Promise<NodeProcess>
  readonly countWire: (seeds: readonly string[]) => Promise<readonly Counts[]>
  readonly knownPeers: (count: number) => Promise<KnownPeers>
  /** What a line costs that tells a native node to send, µs; undefined: there is none. */
  readonly nativeLine: (() => Promise<number>) | undefined
}

export function envelopeStacks(withNative: boolean): EnvelopeStacks {
  const sealOurs = (sizes: readonly number[], ms: number): Promise<SealResult[]> =>
    runBundle('envelope/seal.ts', [sizes.join(','), String(ms)], [])
  return {
    sealing: new Map(
      withNative
        ? [
            [TOM, sealOurs],
            [RUST, nativeSealing],
          ]
        : [[TOM, sealOurs]],
    ),
    pairs: pairStacks(withNative),
    startProcess: startOurs,
    countWire: (seeds) => runBundle('counts/envelope.ts', seeds, []),
    knownPeers: (count) => runBundle('envelope/known-peers.ts', [String(count)], ['--expose-gc']),
    nativeLine: withNative ? measureLine : undefined,
  }
}

async function measureLine(): Promise<number> {
  const pair = await NativePair.start()
  try {
    return await pair.line()
  } finally {
    await pair.stop()
  }
}

/** Everything about messages. What cannot be started or measured is absent, with the reason. */
export async function measureEnvelopes(plan: EnvelopePlan, stacks: EnvelopeStacks, results: Results): Promise<void> {
  const run = new Run(plan, stacks, results)
  await run.sealing()
  await run.pairs()
  await run.wire()
  await run.knownPeers()
  await run.swarms()
  run.write()
  progress(` ${ENVELOPE}\n`)
}

class Run {
  readonly #plan: EnvelopePlan
  readonly #stacks: EnvelopeStacks
  readonly #results: Results
  readonly #deadline: number
  /** Values by name and stack, until they become rows. */
  readonly #values = new Map<string, Map<string, number[]>>()

  constructor(plan: EnvelopePlan, stacks: EnvelopeStacks, results: Results) {
    this.#plan = plan
    this.#stacks = stacks
    this.#results = results
    this.#deadline = performance.now() + plan.limitMs
  }

  async sealing(): Promise<void> {
    const { rounds, ms } = this.#plan.sealing
    for (let round = 0; round < rounds; round++)
      for (const [stack, seal] of this.#stacks.sealing)
        await this.#attempt(stack, 'envelopes', round, async () => {
          for (const { size, wireLength, builtPerSecond, openedPerSecond } of await seal(SEALED_SIZES, ms)) {
            this.#add(stack, ofSealed(size, 'envelope bytes'), wireLength)
            this.#add(stack, ofSealed(size, 'built a second'), builtPerSecond)
            this.#add(stack, ofSealed(size, 'opened a second'), openedPerSecond)
          }
        })
  }

  async pairs(): Promise<void> {
    const { rounds, ...plan } = this.#plan.pairs
    for (let round = 0; round < rounds; round++)
      for (const { name, isStored, start } of this.#stacks.pairs)
        await this.#attempt(name, ofPair(isStored, 'messages'), round, async () => {
          const pair = await start()
          try {
            const { p50Ms, p99Ms, oneWayMs, perSecond, cpuUs } = await measurePair(pair, plan)
            this.#add(name, ofPair(isStored, 'p50 ms'), p50Ms)
            this.#add(name, ofPair(isStored, 'p99 ms'), p99Ms)
            if (oneWayMs !== undefined) this.#add(name, ofPair(isStored, 'one way, p50 ms'), oneWayMs)
            this.#add(name, ofPair(isStored, 'messages a second'), perSecond)
            this.#add(name, ofPair(isStored, 'CPU µs a message'), cpuUs)
          } finally {
            await pair.stop()
          }
        })
    const { nativeLine } = this.#stacks
    if (nativeLine === undefined) return
    await this.#attempt(RUST, 'a line', 0, async () =>
      this.#add(RUST, ofPair(false, 'a line, p50 ms'), (await nativeLine()) / 1000),
    )
  }

  async wire(): Promise<void> {
    await this.#attempt(TOM, 'bytes on the wire', 0, async () => {
      for (const counts of await this.#stacks.countWire(this.#plan.wireSeeds)) {
        const add = (size: number, what: string, count: string): void =>
          this.#add(TOM, ofWire(size, what), counts[`envelope ${count}`]!)
        for (const size of WIRE_SIZES) {
          add(size, 'UDP bytes', `wire bytes a message, ${size} B`)
          add(size, 'datagrams', `datagrams a message, ${size} B`)
          add(size, 'envelope bytes', `length, ${size} B`)
        }
        add(100, 'UDP bytes, 64 in flight', 'wire bytes a message, 100 B, flood')
        add(100, 'datagrams, 64 in flight', 'datagrams a message, 100 B, flood')
      }
    })
  }

  async knownPeers(): Promise<void> {
    await this.#attempt(TOM, 'known peers', 0, async () => {
      const { bytesInTable, bytesInNode } = await this.#stacks.knownPeers(this.#plan.knownPeers)
      this.#add(TOM, BYTES_IN_TABLE, bytesInTable)
      this.#add(TOM, BYTES_IN_NODE, bytesInNode)
    })
  }

  async swarms(): Promise<void> {
    for (const plan of this.#plan.swarms)
      for (let round = 0; round < plan.rounds; round++)
        await this.#attempt(TOM, `${plan.size} nodes`, round, () => this.#swarm(plan))
  }

  write(): void {
    for (const [value, ofValue] of this.#values)
      for (const [stack, numbers] of ofValue) this.#results.add(ENVELOPE, value, stack, summarize(numbers))
  }

  async #swarm(plan: SwarmPlan): Promise<void> {
    const { size, pairs, warmRounds, perSecond, settleSeconds, idleSeconds, limitMs } = plan
    const add = (what: string, value: number | undefined): void => {
      if (value === undefined) this.#absent(TOM, ofSwarm(size, what), 'not in time')
      else this.#add(TOM, ofSwarm(size, what), value)
    }
    const swarm = await NodeSwarm.start(this.#stacks.startProcess)
    try {
      const { joinedMs, wholeMs } = await growWhole(swarm, size, limitMs)
      add('joined, ms', joinedMs)
      add('whole, ms', wholeMs)
      await pause(settleSeconds * 1000)
      const { cpuMsPerNodeMinute, kilobytesPerNode } = await measureIdle(swarm, idleSeconds)
      add('idle CPU ms a node and minute', cpuMsPerNodeMinute)
      add('resident kB a node', kilobytesPerNode)
      const chosen = randomPairs(size, pairs)
      for (const [how, rounds] of [
        ['first', 1],
        ['later', warmRounds],
      ] as const) {
        const { delivered, latenciesMs } = await measureTraffic(swarm, chosen, perSecond, rounds)
        add(`${how}, ${UNDELIVERED}`, (1 - delivered) * 1000)
        if (latenciesMs.length === 0) continue
        add(`${how}, p50 ms`, percentile(latenciesMs, 0.5))
        add(`${how}, p99 ms`, percentile(latenciesMs, 0.99))
      }
      const { neighborMs, strangerMs, messageMs, everybodyMs, knownMs } = await swarm.newcomer(limitMs)
      add('newcomer: neighbour, ms', neighborMs)
      add('newcomer: first stranger, ms', strangerMs)
      add('newcomer: message delivered, ms', messageMs)
      add('newcomer: known to all, ms', knownMs)
      add('newcomer: knows all, ms', everybodyMs)
    } finally {
      await swarm.stop()
    }
  }

  /** A stack that fails in one round is measured in the next all the same; each reason is told once. */
  async #attempt(stack: string, what: string, round: number, measure: () => Promise<void>): Promise<void> {
    if (performance.now() > this.#deadline) {
      if (round === 0) this.#absent(stack, what, 'left out, the time was up')
      return
    }
    try {
      await measure()
    } catch (error) {
      this.#absent(stack, what, error instanceof Error ? error.message : String(error))
    }
    progress('.')
  }

  #add(stack: string, value: string, number: number): void {
    const ofValue = this.#values.get(value) ?? new Map<string, number[]>()
    this.#values.set(value, ofValue)
    ofValue.set(stack, [...(ofValue.get(stack) ?? []), number])
  }

  #absent(stack: string, what: string, why: string): void {
    const reason = `${what}: ${why}`
    const isTold = this.#results.absences.some((absence) => absence.stack === stack && absence.reason === reason)
    if (!isTold) this.#results.absent(stack, reason, ENVELOPE)
  }
}
