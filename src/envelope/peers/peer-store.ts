/**
 * The state of all known peers in columns: a peer is a slot, a small integer, and each fact about it stands in an array at that index. 10,000 peers cost a few
 * megabytes less than as objects, and a sign of life makes no garbage. Knows no rules but the bound; those are `PeerTable`'s.
 */
import type { PeerKey } from '../wire/envelope.ts'
import { PeerQueues } from './peer-queues.ts'
import { SlotSet } from './slot-set.ts'

/** The queues, in the order in which they make room for newcomers; but hints come before all. First peers of which we only know what they signed, by liveness. */
export const OFFLINE = 0
export const STALE = 1
export const ONLINE = 2
/** Added to those three: we had a connection with the peer, or an envelope from it. */
export const MET = 3
export const CONNECTED = 6
/** The first of the queues of peers that only unsigned announcements speak of. */
export const HINTED = 7

export const NO_SLOT = -1
const FIRST_CAPACITY = 64

export class PeerStore {
  readonly #maxPeers: number
  readonly #slots = new Map<PeerKey, number>()
  readonly #keys: PeerKey[] = []
  readonly #names: string[] = []
  /** Slots that were given back. */
  readonly #free: number[] = []
  #capacity = 0

  readonly queues: PeerQueues
  /** Who is online; of them, who is a node of ours; and who has a live connection. */
  readonly online = new SlotSet()
  readonly onlineOurs = new SlotSet()
  readonly connected = new SlotSet()

  /** The last verified sign of life, monotonic ms. */
  seenAt = new Float64Array(0)
  /** Since when it counts as stale or offline, or the last unsigned announcement where there is nothing else, monotonic ms. */
  since = new Float64Array(0)
  /** Timestamps of the latest signed announcement and of the latest signed word on its role, ms since 1970. */
  announcedAt = new Float64Array(0)
  roleStatedAt = new Float64Array(0)
  /** When a role change, and when a name from an unsigned announcement, was last heeded, monotonic ms. */
  roleChangedAt = new Float64Array(0)
  namedAt = new Float64Array(0)
  isOurs = new Uint8Array(0)
  /** Unsigned announcements of it were heard. */
  isHinted = new Uint8Array(0)
  claimsRelay = new Uint8Array(0)

  constructor(maxPeers: number, hintLanes: number) {
    this.#maxPeers = maxPeers
    this.queues = new PeerQueues(HINTED + hintLanes)
  }

  get size(): number {
    return this.#slots.size
  }

  get isFull(): boolean {
    return this.#slots.size >= this.#maxPeers
  }

  /** `NO_SLOT`: unknown. */
  find(peer: PeerKey): number {
    return this.#slots.get(peer) ?? NO_SLOT
  }

  slots(): Iterable<number> {
    return this.#slots.values()
  }

  key(slot: number): PeerKey {
    return this.#keys[slot]!
  }

  name(slot: number): string {
    return this.#names[slot]!
  }

  setName(slot: number, name: string): void {
    this.#names[slot] = name
  }

  /** In no queue yet. `isFull` must be false, the peer unknown. */
  add(peer: PeerKey): number {
    let slot = this.#free.pop()
    if (slot === undefined) {
      slot = this.#keys.length
      if (slot === this.#capacity) this.#grow(Math.min(Math.max(FIRST_CAPACITY, slot * 2), this.#maxPeers))
    }
    this.#slots.set(peer, slot)
    this.#keys[slot] = peer
    this.#names[slot] = ''
    this.seenAt[slot] = Number.NEGATIVE_INFINITY
    this.since[slot] = Number.NEGATIVE_INFINITY
    this.announcedAt[slot] = Number.NEGATIVE_INFINITY
    this.roleStatedAt[slot] = Number.NEGATIVE_INFINITY
    this.roleChangedAt[slot] = Number.NEGATIVE_INFINITY
    this.namedAt[slot] = Number.NEGATIVE_INFINITY
    this.isOurs[slot] = 0
    this.isHinted[slot] = 0
    this.claimsRelay[slot] = 0
    return slot
  }

  /** Must be in a queue. */
  remove(slot: number): void {
    this.queues.remove(slot)
    this.online.remove(slot)
    this.onlineOurs.remove(slot)
    this.connected.remove(slot)
    this.#slots.delete(this.#keys[slot]!)
    this.#keys[slot] = ''
    this.#names[slot] = ''
    this.#free.push(slot)
  }

  /** To the end of a queue, and into the sets it stands for. */
  move(slot: number, queue: number): void {
    this.queues.move(slot, queue)
    const isOnline = queue === ONLINE || queue === MET + ONLINE || queue === CONNECTED
    put(this.online, slot, isOnline)
    put(this.onlineOurs, slot, isOnline && this.isOurs[slot] === 1)
    put(this.connected, slot, queue === CONNECTED)
  }

  setOurs(slot: number): void {
    this.isOurs[slot] = 1
    if (this.online.has(slot)) this.onlineOurs.add(slot)
  }

  #grow(capacity: number): void {
    this.#capacity = capacity
    this.queues.grow(capacity)
    this.online.grow(capacity)
    this.onlineOurs.grow(capacity)
    this.connected.grow(capacity)
    this.seenAt = grown(this.seenAt, capacity)
    this.since = grown(this.since, capacity)
    this.announcedAt = grown(this.announcedAt, capacity)
    this.roleStatedAt = grown(this.roleStatedAt, capacity)
    this.roleChangedAt = grown(this.roleChangedAt, capacity)
    this.namedAt = grown(this.namedAt, capacity)
    this.isOurs = grownFlags(this.isOurs, capacity)
    this.isHinted = grownFlags(this.isHinted, capacity)
    this.claimsRelay = grownFlags(this.claimsRelay, capacity)
  }
}

function put(set: SlotSet, slot: number, isMember: boolean): void {
  if (isMember) set.add(slot)
  else set.remove(slot)
}

function grown(column: Float64Array, capacity: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(capacity)
  larger.set(column)
  return larger
}

function grownFlags(column: Uint8Array, capacity: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(capacity)
  larger.set(column)
  return larger
}
