/** Many trees over a fixed random graph of neighbours, in virtual time: enough to see how trees settle, without membership (spec/gossip.md §12.1). */
import type { BroadcastEffects, BroadcastTimer, Delivery } from '../../../src/gossip/proto/effects.ts'
import type { BroadcastMessage, MessageId } from '../../../src/gossip/proto/messages.ts'
import { PlumTree } from '../../../src/gossip/proto/plumtree.ts'
import type { GossipProfile } from '../../../src/gossip/proto/settings.ts'
import { EventQueue } from '../../sim/gossip/support/event-queue.ts'
import { type LatencyModel, parseLatency } from '../../sim/gossip/support/latency.ts'
import { SimRandom } from '../../sim/support/random.ts'
import { contentOf, hashOf } from './plumtree-recorder.ts'

const MESSAGE = 0
const TIMER = 1
const NEIGHBORS = 5

export class TreeSwarm {
  readonly trees: PlumTree<number>[] = []
  readonly neighbors: Set<number>[] = []
  readonly random: SimRandom
  readonly gone = new Set<number>()
  /** Of messages since the last `reset`: copies, deliveries. */
  payloads = 0
  delivered = 0
  /** Ids that a node got twice. */
  repeated = 0
  /** From the broadcast to each delivery, ms. */
  delays: number[] = []
  readonly #latency: LatencyModel
  readonly #queue = new EventQueue()
  readonly #sentAt = new Map<MessageId, number>()
  readonly #known: Set<MessageId>[] = []
  #measuredFrom = 0
  #now = 0

  /** `profiles` go round: node n has the profile n modulo their number. */
  constructor(nodes: number, latency: string, seed: string, ...profiles: readonly GossipProfile[]) {
    this.random = new SimRandom(seed)
    this.#latency = parseLatency(latency, seed)
    for (let node = 0; node < nodes; node++) {
      const profile = profiles[node % profiles.length]!
      this.neighbors.push(new Set())
      this.#known.push(new Set())
      this.trees.push(
        new PlumTree({
          me: node,
          settings: profile.broadcast,
          isRepaired: profile.isRepaired,
          hash: hashOf,
          effects: this.#effectsOf(node),
        }),
      )
    }
    for (let degree = 0; degree < NEIGHBORS; degree++) this.#match(nodes)
  }

  #effectsOf(node: number): BroadcastEffects<number> {
    return {
      send: (peer: number, message: BroadcastMessage) =>
        this.#queue.push(this.#now + this.#latency.betweenUs(node, peer), MESSAGE, peer, node, 0, message),
      schedule: (timer: BroadcastTimer, afterMs: number) =>
        this.#queue.push(this.#now + Math.round(afterMs * 1_000), TIMER, node, node, 0, timer),
      deliver: ({ id }: Delivery<number>) => {
        if (this.#known[node]!.has(id)) this.repeated++
        this.#known[node]!.add(id)
        if (!this.#isMeasured(id)) return
        this.delivered++
        this.delays.push((this.#now - this.#sentAt.get(id)!) / 1_000)
      },
      roundTripMs: (peer: number) => this.#latency.betweenUs(node, peer) / 500,
    }
  }

  /** Everybody gets a neighbour. */
  #match(nodes: number): void {
    const order = Array.from({ length: nodes }, (_, at) => at)
    for (let at = nodes - 1; at > 0; at--) {
      const other = this.random.int(0, at)
      const swapped = order[at]!
      order[at] = order[other]!
      order[other] = swapped
    }
    for (let at = 0; at + 1 < nodes; at += 2) this.link(order[at]!, order[at + 1]!)
  }

  link(a: number, b: number): void {
    if (this.neighbors[a]!.has(b)) return
    this.neighbors[a]!.add(b)
    this.neighbors[b]!.add(a)
    this.trees[a]!.neighborUp(b, this.#now / 1_000)
    this.trees[b]!.neighborUp(a, this.#now / 1_000)
  }

  unlink(a: number, b: number): void {
    if (!this.neighbors[a]!.delete(b)) return
    this.neighbors[b]!.delete(a)
    this.trees[a]!.neighborDown(b, this.#now / 1_000)
    this.trees[b]!.neighborDown(a, this.#now / 1_000)
  }

  alive(): number[] {
    return this.trees.map((_, node) => node).filter((node) => !this.gone.has(node))
  }

  /** Others learn it only from missing messages. */
  kill(part: number): void {
    for (const node of this.alive()) if (this.random.chance(part)) this.gone.add(node)
  }

  broadcast(author: number): void {
    const name = `${this.#sentAt.size}`
    this.#sentAt.set(`#${name}`, this.#now)
    this.trees[author]!.broadcast(contentOf(name), false, this.#now / 1_000)
  }

  run(ms: number): void {
    const until = this.#now + ms * 1_000
    const queue = this.#queue
    while (queue.nextTime <= until) {
      queue.pop()
      this.#now = queue.time
      const tree = this.trees[queue.target]!
      if (this.gone.has(queue.target)) continue
      if (queue.kind === TIMER) {
        tree.fire(queue.payload as BroadcastTimer, this.#now / 1_000)
        continue
      }
      const message = queue.payload as BroadcastMessage
      if (message.kind === 'gossip' && this.#isMeasured(message.id)) this.payloads++
      tree.receive(queue.source, message, this.#now / 1_000)
    }
    this.#now = until
  }

  #isMeasured(id: MessageId): boolean {
    return Number(id.slice(1)) >= this.#measuredFrom
  }

  reset(): void {
    this.#measuredFrom = this.#sentAt.size
    this.payloads = 0
    this.delivered = 0
    this.delays = []
  }

  /** Broadcasts, one in `everyMs`, and the measures of the last `measured` of them. `author` undefined: another one each time. */
  rounds(count: number, everyMs: number, author: number | undefined, measured = count): Measures {
    for (let at = 0; at < count; at++) {
      if (at === count - measured) this.reset()
      this.broadcast(author ?? this.random.pick(this.alive()))
      this.run(everyMs)
    }
    this.run(20_000)
    const others = this.alive().length - 1
    const delays = this.delays.sort((a, b) => a - b)
    return {
      redundancy: this.payloads / (measured * others) - 1,
      missed: measured * others - this.delivered,
      medianMs: delays[delays.length >> 1]!,
      longestMs: delays.at(-1)!,
    }
  }

  /** Eager links that are none at the other end. */
  oneSided(): number {
    let count = 0
    for (const node of this.alive()) {
      for (const peer of this.trees[node]!.eager) if (!this.trees[peer]!.eager.includes(node)) count++
    }
    return count
  }
}

export interface Measures {
  /** RMR of the paper: 0 is a perfect tree. */
  readonly redundancy: number
  readonly missed: number
  readonly medianMs: number
  readonly longestMs: number
}
