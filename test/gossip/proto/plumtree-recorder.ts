/** A tree with an owner that writes down what it was told, in order, with a clock that the test moves. */
import type { BroadcastEffects, BroadcastTimer, Delivery } from '../../../src/gossip/proto/effects.ts'
import type { Announcement, BroadcastMessage, MessageId } from '../../../src/gossip/proto/messages.ts'
import { PlumTree } from '../../../src/gossip/proto/plumtree.ts'
import {
  type BroadcastSettings,
  DEFAULT_GOSSIP_PROFILE,
  UPSTREAM_GOSSIP_PROFILE,
} from '../../../src/gossip/proto/settings.ts'

export const ME = 100
const utf8 = new TextEncoder()
const text = new TextDecoder()

export const contentOf = (name: string): Uint8Array => utf8.encode(name)
/** Stands for BLAKE3. */
export const hashOf = (content: Uint8Array): MessageId => `#${text.decode(content)}`

export type Gossip = Extract<BroadcastMessage, { kind: 'gossip' }>

export const gossip = (name: string, round: number | undefined): Gossip => ({
  kind: 'gossip',
  id: `#${name}`,
  content: contentOf(name),
  round,
})
export const ihave = (...announcements: [name: string, round: number][]): BroadcastMessage => ({
  kind: 'ihave',
  announcements: announcements.map(([name, round]): Announcement => ({ id: `#${name}`, round })),
})
export const graft = (name: string | undefined, round: number): BroadcastMessage => ({
  kind: 'graft',
  id: name === undefined ? undefined : `#${name}`,
  round,
})
export const PRUNE: BroadcastMessage = { kind: 'prune' }

export interface TreeOptions {
  readonly isRepaired: boolean
  readonly settings?: Partial<BroadcastSettings>
  readonly roundTripMs?: (peer: number) => number | undefined
}

export class RecordedTree implements BroadcastEffects<number> {
  readonly tree: PlumTree<number>
  /** What came out since the last `take`. */
  readonly #log: string[] = []
  readonly sent: { peer: number; message: BroadcastMessage }[] = []
  readonly delivered: Delivery<number>[] = []
  /** By the time they are due. */
  readonly #timers: { timer: BroadcastTimer; at: number }[] = []
  readonly #roundTripMs: (peer: number) => number | undefined
  now = 1_000.25

  constructor({ isRepaired, settings, roundTripMs }: TreeOptions) {
    this.#roundTripMs = roundTripMs ?? (() => undefined)
    const profile = isRepaired ? DEFAULT_GOSSIP_PROFILE : UPSTREAM_GOSSIP_PROFILE
    this.tree = new PlumTree({
      me: ME,
      settings: { ...profile.broadcast, ...settings },
      isRepaired,
      hash: hashOf,
      effects: this,
    })
  }

  up(...peers: number[]): this {
    for (const peer of peers) this.tree.neighborUp(peer, this.now)
    return this
  }

  down(...peers: number[]): this {
    for (const peer of peers) this.tree.neighborDown(peer, this.now)
    return this
  }

  receive(from: number, message: BroadcastMessage): this {
    this.tree.receive(from, message, this.now)
    return this
  }

  broadcast(name: string, isForNeighbors = false): this {
    this.tree.broadcast(contentOf(name), isForNeighbors, this.now)
    return this
  }

  /** Lets time pass: timers fire when they are due, in order. */
  wait(ms: number): this {
    const until = this.now + ms
    for (;;) {
      const next = this.#timers[0]
      if (next === undefined || next.at > until) break
      this.#timers.shift()
      this.now = Math.max(this.now, next.at)
      this.tree.fire(next.timer, this.now)
    }
    this.now = until
    return this
  }

  /** What came out, evictions left out, and forgets it. */
  take(): string[] {
    return this.#log.splice(0).filter((line) => !line.startsWith('timer evict'))
  }

  /** As `take`, with evictions. */
  takeAll(): string[] {
    return this.#log.splice(0)
  }

  get timers(): readonly BroadcastTimer[] {
    return this.#timers.map(({ timer }) => timer)
  }

  send(peer: number, message: BroadcastMessage): void {
    this.sent.push({ peer, message })
    this.#log.push(`${describe(message)} -> ${peer}`)
  }

  schedule(timer: BroadcastTimer, afterMs: number): void {
    const at = this.now + afterMs
    let index = this.#timers.length
    while (index > 0 && this.#timers[index - 1]!.at > at) index--
    this.#timers.splice(index, 0, { timer, at })
    const what = timer.kind === 'graft' ? `graft ${timer.id}` : timer.kind
    this.#log.push(`timer ${what} ${Math.round(afterMs * 1000) / 1000}`)
  }

  deliver(delivery: Delivery<number>): void {
    this.delivered.push(delivery)
    this.#log.push(`received ${delivery.id} from ${delivery.from} round ${delivery.round}`)
  }

  roundTripMs(peer: number): number | undefined {
    return this.#roundTripMs(peer)
  }
}

function describe(message: BroadcastMessage): string {
  switch (message.kind) {
    case 'gossip':
      return `gossip ${message.id} ${message.round}`
    case 'prune':
      return 'prune'
    case 'graft':
      return `graft ${message.id} ${message.round}`
    case 'ihave':
      return `ihave ${message.announcements.map(({ id, round }) => `${id} ${round}`).join(', ')}`
  }
}
