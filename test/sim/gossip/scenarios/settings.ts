/** What a scenario may be told, and the swarm that it begins with. */
import type { GossipProfile } from '../../../../src/gossip/proto/settings.ts'
import { type Bootstrap, bootstrap, runCycles } from '../support/bootstrap.ts'
import { parseLatency } from '../support/latency.ts'
import type { SimNode } from '../support/node.ts'
import { Swarm } from '../support/swarm.ts'

export interface Settings {
  readonly nodes: number
  readonly seed: string
  readonly profile: GossipProfile
  /** `fixed:50`, `uniform:10..100`, `internet`. */
  readonly latency: string
  readonly bootstrap: Bootstrap
  /** Membership cycles between the last join and the first message. */
  readonly cycles: number
  /** Broadcasts. */
  readonly rounds: number
  readonly isWire: boolean
  /** The part of messages that vanish, once the swarm stands. */
  readonly loss: number
  readonly dialRoundTrips: number | undefined
  readonly deadDialMs: number | undefined
}

export function newSwarm(settings: Settings): Swarm {
  const { seed, profile, isWire, dialRoundTrips, deadDialMs } = settings
  return new Swarm({
    seed,
    profile,
    isWire,
    latency: parseLatency(settings.latency, seed),
    ...(dialRoundTrips === undefined ? {} : { dialRoundTrips }),
    ...(deadDialMs === undefined ? {} : { deadDialMs }),
  })
}

/** All nodes have joined, and the views had their cycles. */
export function settledSwarm(settings: Settings): Swarm {
  const swarm = newSwarm(settings)
  bootstrap(swarm, settings.nodes, settings.bootstrap)
  runCycles(swarm, settings.cycles)
  swarm.faults.setLoss(settings.loss)
  return swarm
}

/** Removes so many random nodes at once, without a word of theirs. */
export function removeRandom(swarm: Swarm, count: number): SimNode[] {
  const rest = swarm.alive()
  const removed: SimNode[] = []
  while (removed.length < count && rest.length > 1) {
    const index = swarm.random.int(0, rest.length - 1)
    const node = rest[index]!
    rest[index] = rest[rest.length - 1]!
    rest.pop()
    removed.push(node)
  }
  for (const node of removed) swarm.remove(node)
  return removed
}
