/**
 * Rounds of broadcasts and their measures, in upstream's definition and in the papers' (spec/gossip.md §12.3, with the traps named there). A round ends with the last
 * delivery or after 5 s; drained, it also waits for what is still on its way.
 */
import type { Broadcast } from './ledger.ts'
import type { SimNode } from './node.ts'
import { sum } from './statistics.ts'
import type { Swarm } from './swarm.ts'
import { type TrafficSums, trafficBetween } from './traffic.ts'

export interface RoundOptions {
  /** Default 5,000 (upstream). */
  readonly timeoutMs?: number
  /** Waits until duplicates, prunes and grafts have arrived, as the papers' cycles do. Default false: they count in the next round (upstream). */
  readonly isDrained?: boolean
}

export class Round {
  readonly broadcasts: readonly Broadcast[]
  /** From the broadcast to the last delivery or the timeout, simulated time. */
  readonly durationMs: number
  /** Upstream's RMR: payloads processed while the round lasted ÷ (deliveries − 1), less 1. */
  readonly upstreamRmr: number
  readonly traffic: TrafficSums

  constructor(broadcasts: readonly Broadcast[], durationMs: number, payloadsProcessed: number, traffic: TrafficSums) {
    this.broadcasts = broadcasts
    this.durationMs = durationMs
    this.traffic = traffic
    this.upstreamRmr = this.delivered > 1 ? payloadsProcessed / (this.delivered - 1) - 1 : 0
  }

  get expected(): number {
    return sum(this.broadcasts.map((broadcast) => broadcast.expected))
  }

  /** Also what came after the end of the round. */
  get delivered(): number {
    return sum(this.broadcasts.map((broadcast) => broadcast.delivered))
  }

  get missed(): number {
    return this.expected - this.delivered
  }

  /** 0 to 1. */
  get deliveryRatio(): number {
    return this.expected === 0 ? 1 : this.delivered / this.expected
  }

  /** Last delivery hop: the largest round number of a first reception; hops − 1. */
  get lastHop(): number {
    return this.broadcasts.reduce((most, broadcast) => Math.max(most, broadcast.lastHop), 0)
  }

  /** The papers' RMR: copies sent ÷ nodes reached besides the author, less 1. Final when nothing is on its way any more. */
  get paperRmr(): number {
    const { delivered } = this
    return delivered === 0 ? 0 : sum(this.broadcasts.map((broadcast) => broadcast.copies)) / delivered - 1
  }
}

const ROUND_TIMEOUT_MS = 5_000

/** Everyone in `authors` broadcasts one message at the same time. */
export function runRound(swarm: Swarm, authors: readonly SimNode[], options: RoundOptions = {}): Round {
  const { ledger } = swarm
  const before = swarm.traffic.totals()
  const start = swarm.nowUs
  const others = swarm.alive().length - 1
  const first = ledger.broadcasts.length
  const wanted = ledger.delivered + authors.length * others
  for (const author of authors) swarm.broadcast(author, ledger.open(author.id, others, swarm.nodes.length, swarm.nowUs))
  const isDone = () => ledger.delivered >= wanted
  if (!isDone()) swarm.runForMs(options.timeoutMs ?? ROUND_TIMEOUT_MS, isDone)
  const after = swarm.traffic.totals()
  const round = new Round(
    ledger.broadcasts.slice(first),
    (swarm.nowUs - start) / 1000,
    after.payloadsProcessed - before.payloadsProcessed,
    trafficBetween(before, after),
  )
  if (options.isDrained === true) drain(swarm)
  return round
}

/** Until nothing of the broadcast layer is on its way; announcements that wait are sent first. */
export function drain(swarm: Swarm): void {
  swarm.runTrips(2)
  if (swarm.inFlight > 0) swarm.runForMs(ROUND_TIMEOUT_MS, () => swarm.inFlight === 0)
}

export type Sender = 'one' | 'changing' | 'all'

/** `count` rounds, one after the other: always the same random sender, a new one for each, or all at once (spec/gossip.md §12.4). */
export function runRounds(swarm: Swarm, count: number, sender: Sender, options: RoundOptions = {}): Round[] {
  const alive = swarm.alive()
  const fixed = swarm.random.pick(alive)
  const rounds: Round[] = []
  for (let index = 0; index < count; index++) {
    const authors = sender === 'all' ? alive : [sender === 'one' ? fixed : swarm.random.pick(alive)]
    rounds.push(runRound(swarm, authors, options))
  }
  return rounds
}
