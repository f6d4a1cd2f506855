/** Announcements that wait for the next dispatch, for each peer, in ascending order of the peers (spec/gossip.md §4.5, §7.1). */
import type { BroadcastEffects } from './effects.ts'
import type { Announcement, BroadcastMessage, PeerKey } from './messages.ts'

type Announce = Extract<BroadcastMessage, { kind: 'ihave' }>

/** Topic id and layer, then message and count, and the largest announcement, bytes (spec/gossip.md §4.5). */
const OVERHEAD = 33 + 3
const LARGEST = 35

/** Announcements in one message: 116 with 4096 bytes (spec/gossip.md §4.5). */
export function announcementsPerMessage(maxMessageSize: number): number {
  return Math.max(1, Math.floor((maxMessageSize - OVERHEAD) / LARGEST))
}

type Sender<P extends PeerKey> = Pick<BroadcastEffects<P>, 'send'>

interface Waiting<P extends PeerKey> {
  readonly peer: P
  readonly announcements: Announcement[]
}

export class AnnouncementQueue<P extends PeerKey> {
  readonly #waiting: Waiting<P>[] = []
  readonly #batch: number

  constructor(maxMessageSize: number) {
    this.#batch = announcementsPerMessage(maxMessageSize)
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** Announcements that wait, of all peers. */
  get size(): number {
    return this.#waiting.reduce((sum, { announcements }) => sum + announcements.length, 0)
  }

  /** True when a whole message waits for this peer now. */
  add(peer: P, announcement: Announcement): boolean {
    const { announcements } = this.#of(peer)
    announcements.push(announcement)
    return announcements.length >= this.#batch
  }

  delete(peer: P): void {
    const at = this.#waiting.findIndex((entry) => entry.peer === peer)
    if (at >= 0) this.#waiting.splice(at, 1)
  }

  /** Sends what waits for one peer. */
  flush(peer: P, out: Sender<P>): void {
    const at = this.#waiting.findIndex((entry) => entry.peer === peer)
    if (at < 0) return
    const [entry] = this.#waiting.splice(at, 1)
    this.#send(entry!, undefined, out)
  }

  /** Sends everything. Peers with the same announcements get the same object. */
  flushAll(out: Sender<P>): void {
    let last: Announce | undefined
    for (const entry of this.#waiting) last = this.#send(entry, last, out)
    this.#waiting.length = 0
  }

  #send({ peer, announcements }: Waiting<P>, last: Announce | undefined, out: Sender<P>): Announce | undefined {
    if (announcements.length <= this.#batch) {
      const message = last !== undefined && isSame(last.announcements, announcements) ? last : toMessage(announcements)
      out.send(peer, message)
      return message
    }
    for (let at = 0; at < announcements.length; at += this.#batch) {
      out.send(peer, toMessage(announcements.slice(at, at + this.#batch)))
    }
    return undefined
  }

  #of(peer: P): Waiting<P> {
    const waiting = this.#waiting
    let at = waiting.length
    while (at > 0 && waiting[at - 1]!.peer > peer) at--
    if (at > 0 && waiting[at - 1]!.peer === peer) return waiting[at - 1]!
    const entry: Waiting<P> = { peer, announcements: [] }
    waiting.splice(at, 0, entry)
    return entry
  }
}

function toMessage(announcements: readonly Announcement[]): Announce {
  return { kind: 'ihave', announcements }
}

function isSame(a: readonly Announcement[], b: readonly Announcement[]): boolean {
  if (a.length !== b.length) return false
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false
  return true
}
