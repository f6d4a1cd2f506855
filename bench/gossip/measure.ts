/** Which swarms are measured, how often and in which order; ours and native in turns, so that a noisy minute hits both. Bounded in time as a whole. */
import { progress } from '../measure.ts'
import type { Results } from '../rows.ts'
import { percentile, summarize } from '../statistics.ts'
import { growWhole, type IdlePlan, measureFlood, measureIdleNodes, measureTraffic, type Traffic } from './figures.ts'
import { GOSSIP, LOST, ofFlood, ofSwarm } from './names.ts'
import { NATIVE_STACK, ourStack, type SwarmStack } from './stacks.ts'
import { Swarm } from './swarm.ts'

export interface SwarmPlan {
  /** Nodes. */
  readonly size: number
  readonly rounds: number
  /** Before what counts: the tree settles and compilers are done. */
  readonly warmUp: Traffic
  readonly traffic: Traffic
}

export interface FloodPlan {
  readonly size: number
  readonly rounds: number
  readonly warmUp: number
  readonly messages: number
}

export interface GossipPlan {
  /** The most important first. */
  readonly swarms: readonly SwarmPlan[]
  readonly floods: readonly FloodPlan[]
  readonly idle: IdlePlan
  /** What has not begun after this is left out, ms. */
  readonly limitMs: number
}

export function gossipPlan(quick: boolean): GossipPlan {
  if (quick)
    return {
      swarms: [
        { size: 10, rounds: 1, warmUp: { broadcasts: 20, perSecond: 20 }, traffic: { broadcasts: 40, perSecond: 20 } },
      ],
      floods: [{ size: 2, rounds: 1, warmUp: 1000, messages: 3000 }],
      idle: { size: 10, seconds: 5, settleMs: 1000 },
      limitMs: 60_000,
    }
  const warmUp = { broadcasts: 100, perSecond: 40 }
  const traffic = { broadcasts: 200, perSecond: 20 }
  const less = { broadcasts: 100, perSecond: 20 }
  return {
    swarms: [
      { size: 50, rounds: 3, warmUp, traffic },
      { size: 10, rounds: 1, warmUp, traffic: less },
      { size: 100, rounds: 1, warmUp, traffic: less },
    ],
    floods: [
      { size: 2, rounds: 3, warmUp: 5_000, messages: 20_000 },
      { size: 10, rounds: 3, warmUp: 1_000, messages: 5_000 },
    ],
    idle: { size: 50, seconds: 60, settleMs: 15_000 },
    limitMs: 310_000,
  }
}

export function stacksOf(withNative: boolean): readonly SwarmStack[] {
  return withNative ? [ourStack(), NATIVE_STACK] : [ourStack()]
}

/** Everything about gossip. A stack that cannot be started or measured is absent from that figure, with the reason. */
export async function measureGossip(plan: GossipPlan, stacks: readonly SwarmStack[], results: Results): Promise<void> {
  const deadline = performance.now() + plan.limitMs
  const samples = new Samples(results)
  const absent = (stack: SwarmStack, what: string, error: unknown): void => {
    const reason = error instanceof Error ? error.message : String(error)
    results.absent(stack.name, `${what}: ${reason}`, GOSSIP)
  }
  /** In rounds, the stacks in turns; who failed is out. */
  const inRounds = async (
    what: string,
    rounds: number,
    measure: (stack: SwarmStack) => Promise<void>,
  ): Promise<void> => {
    let taking = stacks
    for (let round = 0; round < rounds; round++)
      for (const stack of taking) {
        if (performance.now() > deadline) {
          if (round === 0) absent(stack, what, 'left out, the time was up')
          continue
        }
        try {
          await measure(stack)
        } catch (error) {
          absent(stack, what, error)
          taking = taking.filter((other) => other !== stack)
        }
        progress('.')
      }
  }

  for (const swarm of plan.swarms)
    await inRounds(`${swarm.size} nodes`, swarm.rounds, (stack) => swarmRound(stack, swarm, samples, absent))
  if (performance.now() > deadline) for (const stack of stacks) absent(stack, 'idle', 'left out, the time was up')
  else {
    const idle = await measureIdleNodes(stacks, plan.idle, (stack, error) => absent(stack, 'idle', error))
    for (const [stack, { kilobytesPerNode, cpuMsPerNodeMinute }] of idle) {
      samples.add(stack, 'idle node, kB', kilobytesPerNode)
      samples.add(stack, 'idle node, CPU ms a minute', cpuMsPerNodeMinute)
    }
  }
  for (const flood of plan.floods)
    await inRounds(`flood, ${flood.size} nodes`, flood.rounds, (stack) => floodRound(stack, flood, samples))
  samples.write()
  progress(` ${GOSSIP}\n`)
}

async function swarmRound(
  stack: SwarmStack,
  plan: SwarmPlan,
  samples: Samples,
  absent: (stack: SwarmStack, what: string, error: unknown) => void,
): Promise<void> {
  const { size } = plan
  const add = (what: string, value: number): void => samples.add(stack.name, ofSwarm(size, what), value)
  const swarm = await Swarm.start(stack, size)
  try {
    const wholeMs = await growWhole(swarm)
    // what it delivers all the same is said too
    if (wholeMs === undefined)
      absent(stack, ofSwarm(size, 'whole'), `not in time, ${swarm.lonely()} nodes had no neighbour`)
    else add('whole, ms', wholeMs)
    await measureTraffic(swarm, plan.warmUp)
    const { delivered, latenciesMs, cpuUsPerDelivery, redundancy } = await measureTraffic(swarm, plan.traffic)
    add(LOST, (1 - delivered) * 1e6)
    add('p50 ms', percentile(latenciesMs, 0.5))
    add('p99 ms', percentile(latenciesMs, 0.99))
    add('CPU µs a delivery', cpuUsPerDelivery)
    if (redundancy !== undefined) add('redundancy', redundancy)
    add('resident kB a node', (await swarm.usage()).rssBytes / 1000 / size)
  } finally {
    await swarm.stop()
  }
}

async function floodRound(stack: SwarmStack, plan: FloodPlan, samples: Samples): Promise<void> {
  const { size } = plan
  const add = (what: string, value: number): void => samples.add(stack.name, ofFlood(size, what), value)
  const swarm = await Swarm.start(stack, size)
  try {
    await growWhole(swarm)
    await measureFlood(swarm, plan.warmUp)
    const { perSecond, delivered, cpuUsPerDelivery } = await measureFlood(swarm, plan.messages)
    add('messages a second', perSecond)
    add(LOST, (1 - delivered) * 1e6)
    add('CPU µs a delivery', cpuUsPerDelivery)
  } finally {
    await swarm.stop()
  }
}

/** Values by name and stack, until they become rows. */
class Samples {
  readonly #results: Results
  readonly #values = new Map<string, Map<string, number[]>>()

  constructor(results: Results) {
    this.#results = results
  }

  add(stack: string, value: string, number: number): void {
    const ofValue = this.#values.get(value) ?? new Map<string, number[]>()
    this.#values.set(value, ofValue)
    ofValue.set(stack, [...(ofValue.get(stack) ?? []), number])
  }

  write(): void {
    for (const [value, ofValue] of this.#values)
      for (const [stack, numbers] of ofValue) this.#results.add(GOSSIP, value, stack, summarize(numbers))
  }
}
