/**
 * A small swarm in memory for tests of the machines: virtual time, a seeded network and seeded dice, so that a run is a function of its options. The network is that
 * of spec/gossip.md §12.1 (with what is named in the options); the big simulator is test/sim/gossip.
 */
import type { Dice, TopicEffects, TopicEvent, TopicTimer } from '../../../src/gossip/proto/effects.ts'
import type { Message } from '../../../src/gossip/proto/messages.ts'
import {
  DEFAULT_GOSSIP_PROFILE,
  type GossipProfile,
  type MembershipSettings,
} from '../../../src/gossip/proto/settings.ts'
import { TopicState } from '../../../src/gossip/proto/topic-state.ts'

export interface SwarmOptions {
  readonly seed?: number
  readonly profile?: GossipProfile
  readonly settings?: Partial<MembershipSettings>
  /** From the least to the most, ms; one value per pair, drawn at first use. */
  readonly latencyMs?: readonly [number, number]
  /** Each message draws its own latency: messages overtake each other. */
  readonly isReordering?: boolean
  /** Whoever sends to a node that is not there learns of it (a failed dial); else nothing happens, as upstream's simulator has it. */
  readonly isDialFailing?: boolean
  /** A connection that the one side needs no more stays while the other needs it. */
  readonly isCounting?: boolean
}

/** sfc32, seeded by splitmix32. */
export function seededDice(seed: number): Dice {
  let mix = seed | 0
  const next = () => {
    mix = (mix + 0x9e3779b9) | 0
    let value = mix ^ (mix >>> 16)
    value = Math.imul(value, 0x21f0aaad)
    value ^= value >>> 15
    value = Math.imul(value, 0x735a2d97)
    return (value ^ (value >>> 15)) | 0
  }
  let [a, b, c, d] = [next(), next(), next(), 1]
  const draw = () => {
    const sum = (a + b + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    c |= 0
    return sum >>> 0
  }
  for (let round = 0; round < 12; round++) draw()
  return { below: (limit) => draw() % limit }
}

type Happening =
  | { readonly kind: 'message'; readonly from: number; readonly to: number; readonly message: Message<number> }
  | { readonly kind: 'closed'; readonly from: number; readonly to: number; readonly epoch: number }
  | { readonly kind: 'timer'; readonly to: number; readonly epoch: number; readonly timer: TopicTimer<number> }

interface Entry {
  readonly at: number
  readonly order: number
  readonly happening: Happening
}

export interface Sent {
  readonly from: number
  readonly to: number
  readonly message: Message<number>
}

interface SwarmNode {
  readonly epoch: number
  readonly state: TopicState<number>
}

const AFTER_MESSAGES_MS = 0.001

export class Swarm {
  now = 0
  /** What the nodes told their applications, in order. */
  readonly events: (TopicEvent<number> & { readonly node: number; readonly at: number })[] = []
  /** What was put on the way, when somebody wants to look. */
  sent: Sent[] | undefined
  readonly learned: { readonly node: number; readonly peer: number; readonly data: Uint8Array }[] = []
  sentCount = 0
  handled = 0
  readonly maxLatencyMs: number
  readonly #options: SwarmOptions
  readonly #profile: GossipProfile
  readonly #dice: Dice
  readonly #nodes = new Map<number, SwarmNode>()
  readonly #heap: Entry[] = []
  readonly #latencies = new Map<number, number>()
  readonly #connected = new Set<number>()
  /** Pairs that nothing passes between, as `${from} ${to}`. */
  readonly blocked = new Set<string>()
  #order = 0
  #epoch = 0

  constructor(options: SwarmOptions = {}) {
    this.#options = options
    const profile = options.profile ?? DEFAULT_GOSSIP_PROFILE
    this.#profile = { ...profile, membership: { ...profile.membership, ...options.settings } }
    this.#dice = seededDice(options.seed ?? 1)
    this.maxLatencyMs = options.latencyMs?.[1] ?? 50
  }

  get ids(): number[] {
    return [...this.#nodes.keys()]
  }

  has(id: number): boolean {
    return this.#nodes.has(id)
  }

  node(id: number): TopicState<number> {
    const node = this.#nodes.get(id)
    if (node === undefined) throw new Error(`node ${id} is not there`)
    return node.state
  }

  activeOf(id: number): number[] {
    return [...this.node(id).neighbors].sort((left, right) => left - right)
  }

  /** A node that is new, or new again: it knows nothing. Whatever was on its way to an earlier one still arrives; connections are gone when `isClosing`. */
  start(
    id: number,
    peers: readonly number[] = [],
    { profile = this.#profile, data = undefined as Uint8Array | undefined } = {},
  ): void {
    const epoch = ++this.#epoch
    const state = new TopicState<number>({
      me: id,
      data,
      profile,
      dice: seededDice((this.#options.seed ?? 1) * 1_000_003 + epoch),
      hash: (content) => new TextDecoder().decode(content),
      effects: this.#effects(id, epoch),
    })
    this.#nodes.set(id, { epoch, state })
    state.join(peers, this.now)
  }

  join(id: number, peers: readonly number[]): void {
    this.node(id).join(peers, this.now)
  }

  broadcast(id: number, text: string): void {
    this.node(id).broadcast(new TextEncoder().encode(text), false, this.now)
  }

  /** Leaves by the rules. */
  quit(id: number): void {
    this.node(id).quit(this.now)
    this.#nodes.delete(id)
  }

  /** Gone without a word; those that are connected see the connection end. */
  kill(id: number): void {
    this.#nodes.delete(id)
    for (const pair of [...this.#connected]) {
      const [one, other] = endsOf(pair)
      if (one === id) this.#disconnect(id, other)
      else if (other === id) this.#disconnect(id, one)
    }
  }

  /** Gone without a word and back at once with the same id; nobody sees a connection end (spec/gossip.md §16 #19). */
  restart(id: number, peers: readonly number[]): void {
    this.#nodes.delete(id)
    for (const pair of [...this.#connected]) if (endsOf(pair).includes(id)) this.#connected.delete(pair)
    this.start(id, peers)
  }

  /** The connection between the two ends without either wanting it. */
  cut(one: number, other: number): void {
    if (!this.#connected.delete(pairOf(one, other))) return
    this.#push(this.#latency(one, other), { kind: 'closed', from: one, to: other, epoch: this.#epochOf(other) })
    this.#push(this.#latency(one, other), { kind: 'closed', from: other, to: one, epoch: this.#epochOf(one) })
  }

  /** A message as if `from` had sent it, at once. */
  inject(from: number, to: number, message: Message<number>): void {
    this.#nodes.get(to)?.state.receive(from, message, this.now)
  }

  runTrips(count: number): void {
    this.run(count * this.maxLatencyMs)
  }

  run(ms: number): void {
    const end = this.now + ms
    while (this.#heap.length > 0 && this.#heap[0]!.at <= end) {
      const { at, happening } = this.#pop()
      this.now = at
      this.handled++
      this.#handle(happening)
    }
    this.now = end
  }

  /** Links that only one side has, as `from to`. */
  oneSided(): string[] {
    const found: string[] = []
    for (const id of this.ids)
      for (const peer of this.node(id).neighbors)
        if (!this.has(peer) || !this.node(peer).neighbors.includes(id)) found.push(`${id} ${peer}`)
    return found
  }

  /** Sizes of the parts that links (of both sides) hold together, largest first. */
  components(): number[] {
    const seen = new Set<number>()
    const sizes: number[] = []
    for (const id of this.ids) {
      if (seen.has(id)) continue
      const waiting = [id]
      seen.add(id)
      let size = 0
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        size++
        for (const peer of this.node(next).neighbors) {
          if (seen.has(peer) || !this.has(peer)) continue
          if (!this.node(peer).neighbors.includes(next)) continue
          seen.add(peer)
          waiting.push(peer)
        }
      }
      sizes.push(size)
    }
    return sizes.sort((left, right) => right - left)
  }

  meanActive(): number {
    let sum = 0
    for (const { state } of this.#nodes.values()) sum += state.neighbors.length
    return sum / this.#nodes.size
  }

  deliveriesOf(text: string): number[] {
    return this.events.flatMap((event) => (event.kind === 'received' && event.id === text ? [event.node] : []))
  }

  #effects(id: number, epoch: number): TopicEffects<number> {
    return {
      send: (peer, message) => {
        if (peer === id) throw new Error(`node ${id} sent to itself: ${message.kind}`)
        this.sentCount++
        this.sent?.push({ from: id, to: peer, message })
        this.#push(this.#latency(id, peer), { kind: 'message', from: id, to: peer, message })
      },
      release: (peer) => {
        if (this.#options.isCounting && this.#nodes.get(peer)?.state.needs(id)) return
        this.#disconnect(id, peer)
      },
      schedule: (timer, afterMs) => this.#push(afterMs, { kind: 'timer', to: id, epoch, timer }),
      emit: (event) => this.events.push({ ...event, node: id, at: this.now }),
      learned: (peer, data) => this.learned.push({ node: id, peer, data }),
      roundTripMs: (peer) => 2 * this.#latency(id, peer),
    }
  }

  #disconnect(from: number, to: number): void {
    if (!this.#connected.delete(pairOf(from, to))) return
    const epoch = this.#epochOf(to)
    this.#push(this.#latency(from, to) + AFTER_MESSAGES_MS, { kind: 'closed', from, to, epoch })
  }

  #epochOf(id: number): number {
    return this.#nodes.get(id)?.epoch ?? 0
  }

  #handle(happening: Happening): void {
    const node = this.#nodes.get(happening.to)
    switch (happening.kind) {
      case 'message': {
        const { from, to, message } = happening
        if (node === undefined || (this.blocked.size > 0 && this.blocked.has(`${from} ${to}`))) {
          const epoch = this.#epochOf(from)
          if (this.#options.isDialFailing && epoch > 0)
            this.#push(this.#latency(from, to), { kind: 'closed', from: to, to: from, epoch })
          return
        }
        this.#connected.add(pairOf(from, to))
        node.state.receive(from, message, this.now)
        break
      }
      case 'closed':
        if (node?.epoch === happening.epoch) node.state.disconnected(happening.from, this.now)
        break
      case 'timer':
        if (node?.epoch === happening.epoch) node.state.fire(happening.timer, this.now)
    }
  }

  #latency(from: number, to: number): number {
    const [least, most] = this.#options.latencyMs ?? [50, 50]
    if (least === most) return least
    const pair = pairOf(from, to)
    const known = this.#options.isReordering ? undefined : this.#latencies.get(pair)
    if (known !== undefined) return known
    const latency = least + this.#dice.below(1_000) * ((most - least) / 1_000)
    this.#latencies.set(pair, latency)
    return latency
  }

  #push(afterMs: number, happening: Happening): void {
    const entry = { at: this.now + afterMs, order: this.#order++, happening }
    const heap = this.#heap
    let index = heap.push(entry) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(entry, heap[parent]!)) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = entry
  }

  #pop(): Entry {
    const heap = this.#heap
    const first = heap[0]!
    const last = heap.pop()!
    if (heap.length === 0) return first
    let index = 0
    while (true) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = last
    return first
  }
}

const PAIR = 2 ** 20

function pairOf(one: number, other: number): number {
  return one < other ? one * PAIR + other : other * PAIR + one
}

function endsOf(pair: number): readonly [number, number] {
  return [Math.floor(pair / PAIR), pair % PAIR]
}

function isBefore(left: Entry, right: Entry): boolean {
  return left.at === right.at ? left.order < right.order : left.at < right.at
}
