/**
 * One connection that we dialled, as far as sending goes: its streams from their opening until the peer has all of their bytes and has ended the reverse direction (spec/envelope.md §3.2,
 * TRN-2, TRN-5, TRN-6).
 */
import { type BiStream, type Connection, WaitQueue } from '../../endpoint/index.ts'
import { frameHeader } from './framing.ts'
import type { PendingSend } from './pending-send.ts'
import type { LinkSettings } from './settings.ts'
import type { LinkCounters } from './stats.ts'

export interface LaneHost {
  readonly settings: LinkSettings
  readonly counters: LinkCounters
  now(): number
  wakeAt(at: number): void
  /** The transport took a frame, with its end. */
  taken(send: PendingSend): void
  /** An attempt failed. */
  failed(send: PendingSend, error: unknown): void
  /** The connection ended before the peer acknowledged the bytes of a frame that was taken. */
  lost(send: PendingSend): void
  /** The peer has acknowledged all bytes of a frame, or does not want them. */
  settled(): void
}

interface Underway {
  readonly stream: BiStream
  /** When what comes next, the acknowledgement or then the reverse end, is not waited for any longer, ms. */
  deadline: number
  /** The reverse direction has ended. */
  isReversed: boolean
  /** The connection ended before the peer had it all. */
  isLost: boolean
}

export class Lane {
  readonly connection: Connection
  readonly #host: LaneHost
  readonly #abort = new AbortController()
  /** Streams with bytes that the peer has not acknowledged; and those whose reverse direction alone has not ended. Each in the order of its deadlines. */
  readonly #unacked = new Set<Underway>()
  readonly #acked = new Set<Underway>()
  readonly #room = new WaitQueue()
  #opening = 0
  /** Datagrams of the peer at the last look, how many looks ago that was another number, and when to look again, ms. */
  #heard = 0
  #silentLooks = 0
  #lookAt = Number.POSITIVE_INFINITY
  /** Evicted: it ends when everything was delivered, at the latest then, ms. */
  retiresAt = Number.POSITIVE_INFINITY

  constructor(connection: Connection, host: LaneHost) {
    this.connection = connection
    this.#host = host
    connection.limitSendBuffer(host.settings.sendBuffer)
  }

  /** Takes new streams. */
  get isUsable(): boolean {
    return this.retiresAt === Number.POSITIVE_INFINITY && this.connection.closeReason === undefined
  }

  /** Streams with bytes that the peer has not acknowledged. */
  get unacked(): number {
    return this.#unacked.size
  }

  /** Nothing would be lost by closing it. */
  get isSettled(): boolean {
    return this.#unacked.size + this.#opening === 0
  }

  /** An acknowledgement is due, and for some time nothing at all has come. */
  get isSilent(): boolean {
    return this.#unacked.size > 0 && this.#silentLooks >= this.#host.settings.silentLooks
  }

  /** Looks whether the peer is still heard; when to look again, ms. */
  look(now: number): number {
    if (this.#unacked.size === 0) return Number.POSITIVE_INFINITY
    if (now < this.#lookAt) return this.#lookAt
    let heard = 0
    let inFlight = 0
    for (const { datagramsReceived, bytesInFlight } of this.connection.stats().paths) {
      heard += datagramsReceived
      inFlight += bytesInFlight
    }
    // a peer that does not read is silent for another reason
    this.#silentLooks = heard === this.#heard && inFlight > 0 ? this.#silentLooks + 1 : 0
    this.#heard = heard
    this.#lookAt = now + this.#host.settings.lookMs
    return this.#lookAt
  }

  /** A new stream for `write` or `discard`, when the peer allows one. Rejects when the connection has ended or retires. */
  async open(): Promise<BiStream> {
    const { signal } = this.#abort
    this.#opening++
    try {
      while (this.#underway >= this.#host.settings.maxUnderway) await this.#room.wait(signal)
      return await this.connection.openBi({ signal })
    } catch (error) {
      this.#opening--
      throw error
    }
  }

  /** There was nothing to say on it. */
  discard({ send, recv }: BiStream): void {
    this.#opening--
    send.reset(0)
    recv.stop(0)
  }

  /** Writes a frame onto a stream of its own. Never rejects: the host hears how it went. */
  async write(stream: BiStream, send: PendingSend): Promise<void> {
    this.#opening--
    const underway = this.#follow(stream, send)
    send.stream = stream.send
    try {
      // one packet, where it fits: it leaves when all promises have had their say
      await stream.send.write(frameHeader(send.frame.length))
      await stream.send.write(send.frame)
      await stream.send.finish()
    } catch (error) {
      send.stream = undefined
      this.#host.failed(send, error)
      return
    }
    send.stream = undefined
    if (underway.isLost) this.#host.failed(send, this.connection.closeReason)
    else this.#host.taken(send)
  }

  /** No more streams: it closes when what it has was delivered, or after a time. */
  retire(at: number): void {
    this.retiresAt = at
    this.#abort.abort(new Error('the connection was given up'))
  }

  /** Stops waiting for what does not come; when to look again, ms. */
  expire(now: number): number {
    return Math.min(this.#expireUnacked(now), this.#expireAcked(now))
  }

  get #underway(): number {
    return this.#unacked.size + this.#acked.size
  }

  /** The peer does not read: what the frame holds of our send buffer is for others. */
  #expireUnacked(now: number): number {
    for (const underway of this.#unacked) {
      if (underway.deadline > now) return underway.deadline
      this.#host.counters.lost++
      underway.isReversed = true
      underway.stream.recv.stop(0)
      underway.stream.send.reset(0)
      // at once, not when the promise has had its say
      this.#unacked.delete(underway)
    }
    return Number.POSITIVE_INFINITY
  }

  #expireAcked(now: number): number {
    for (const underway of this.#acked) {
      if (underway.deadline > now) return underway.deadline
      this.#acked.delete(underway)
      underway.isReversed = true
      this.#host.counters.reverseTimeouts++
      underway.stream.recv.stop(0)
      this.#room.wake()
    }
    return Number.POSITIVE_INFINITY
  }

  #follow(stream: BiStream, send: PendingSend): Underway {
    const deadline = this.#host.now() + this.#host.settings.unackedTimeoutMs
    const underway: Underway = { stream, deadline, isReversed: false, isLost: false }
    if (this.#unacked.size === 0) {
      this.#silentLooks = 0
      this.#lookAt = this.#host.now() + this.#host.settings.lookMs
      this.#host.wakeAt(this.#lookAt)
    }
    this.#unacked.add(underway)
    this.#host.wakeAt(deadline)
    this.#awaitReverse(underway)
    stream.send.closed.then(({ kind }) => {
      this.#unacked.delete(underway)
      if (kind !== 'connection-closed' && !underway.isReversed) {
        underway.deadline = this.#host.now() + this.#host.settings.reverseEndMs
        this.#acked.add(underway)
        this.#host.wakeAt(underway.deadline)
      } else this.#room.wake()
      if (kind === 'connection-closed') {
        underway.isLost = true
        // while it is being written, the write tells
        if (send.isTaken) this.#host.lost(send)
      }
      this.#host.settled()
    })
    return underway
  }

  /** It carries no data (spec/envelope.md §3.2); whoever sends some is not listened to. */
  async #awaitReverse(underway: Underway): Promise<void> {
    const { recv } = underway.stream
    try {
      if ((await recv.read(1)) !== undefined) recv.stop(0)
    } catch {
      // reset, given up by us, or the connection ended
    }
    if (underway.isReversed) return
    underway.isReversed = true
    if (this.#acked.delete(underway)) this.#room.wake()
    if (this.connection.closeReason === undefined) this.#host.counters.reverseEnds++
  }
}
