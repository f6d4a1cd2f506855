/**
 * What goes out to one peer: frames wait for the connection we dial, one dial at a time for all of them, then each gets a stream of its own in the order of the calls (spec/envelope.md §3.2,
 * §3.4, TRN-3, TRN-9, TRN-10). What a connection did not deliver before it ended is tried again, as often as an envelope is.
 */
import { ConnectError, type Connection, EndpointError } from '../../endpoint/index.ts'
import type { EndpointId } from '../../identity/index.ts'
import { Lane, type LaneHost } from './lane.ts'
import { LinkError } from './link-error.ts'
import { PendingSend, SendQueue } from './pending-send.ts'
import type { LinkSettings } from './settings.ts'
import type { LinkCounters } from './stats.ts'

/** Frames that wait, of one peer or of all. */
export interface Waiting {
  sends: number
  bytes: number
}

/** What sending needs of the links. */
export interface OutgoingHost {
  readonly settings: LinkSettings
  readonly counters: LinkCounters
  /** Of all peers. */
  readonly waiting: Waiting
  now(): number
  wakeAt(at: number): void
  /** Dials; never the same peer twice at a time. */
  dial(id: EndpointId, attempt: number, abort: AbortController): Promise<Connection>
  /** A connection was dialled: it is read, and its end is told. */
  dialled(connection: Connection): void
  /** Something was settled that a shutdown may wait for. */
  settled(): void
}

/** Trying again cannot help. */
const FINAL: readonly string[] = ['SELF_DIAL', 'INVALID_ALPN', 'ENDPOINT_CLOSED', 'ALPN_MISMATCH']

export class Outgoing implements LaneHost {
  readonly settings: LinkSettings
  readonly counters: LinkCounters
  readonly #id: EndpointId
  readonly #host: OutgoingHost
  readonly #queue = new SendQueue()
  /** Neither taken by the transport nor given up, in the order of their deadlines. */
  readonly #unfinished = new Set<PendingSend>()
  #bytes = 0
  /** Failed, and wait for their next attempt. */
  #delayed: PendingSend[] = []
  #lane: Lane | undefined = undefined
  readonly #retiring = new Set<Lane>()
  /** Of the dial that is going on, and since when, ms. */
  #dialling: AbortController | undefined = undefined
  #dialledAt = 0
  /** There was news of the peer while the dial was young. */
  #hasNews = false
  /** The dial was given up for a new one. */
  #isRedialling = false
  #isPumping = false
  #isClosed = false
  #unanswered = 0

  constructor(id: EndpointId, host: OutgoingHost) {
    this.settings = host.settings
    this.counters = host.counters
    this.#id = id
    this.#host = host
  }

  /** The connection that is sent on. */
  get connection(): Connection | undefined {
    return this.#lane?.connection
  }

  /** Nothing waits, and the peer has all bytes of what was sent. */
  get isSettled(): boolean {
    if (this.#unfinished.size > 0 || (this.#lane?.unacked ?? 0) > 0) return false
    for (const lane of this.#retiring) if (!lane.isSettled) return false
    return true
  }

  get isIdle(): boolean {
    return this.isSettled && this.#dialling === undefined && this.#retiring.size === 0
  }

  /** Until when a shutdown has something to wait for, ms: as long as a connection may deliver, and not for a dial that has got nowhere. */
  get drainsUntil(): number {
    if (this.isSettled) return Number.NEGATIVE_INFINITY
    if (this.#lane !== undefined) return Number.POSITIVE_INFINITY
    for (const lane of this.#retiring) if (!lane.isSettled) return Number.POSITIVE_INFINITY
    return this.#dialling === undefined ? Number.NEGATIVE_INFINITY : this.#dialledAt + this.settings.drainDialsMs
  }

  now(): number {
    return this.#host.now()
  }

  wakeAt(at: number): void {
    this.#host.wakeAt(at)
  }

  /** Resolves when the transport took it. */
  send(frame: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    const problem = this.#problem(frame)
    if (problem !== undefined) return Promise.reject(problem)
    return new Promise((resolve, reject) => {
      const send = this.#add(frame, resolve, reject)
      this.#queue.push(send)
      if (signal !== undefined) send.watch(signal, () => this.#giveUp(send, signal.reason))
      this.#pump()
    })
  }

  /** TRN-10. */
  unanswered(): void {
    if (++this.#unanswered >= this.settings.unansweredLimit) this.evict()
  }

  answered(): void {
    this.#unanswered = 0
  }

  /** The connection counts as dead: what comes dials anew, what it has may still arrive. */
  evict(): void {
    this.#unanswered = 0
    const lane = this.#lane
    if (lane === undefined) return
    this.counters.evictions++
    this.#lane = undefined
    this.#retiring.add(lane)
    lane.retire(this.now() + this.settings.retireMs)
    this.wakeAt(lane.retiresAt)
    this.#endRetired()
    this.#pump()
  }

  /** There is news of where the peer is: a dial that has got nowhere begins anew, with what is known now; a young one has its time first. */
  heardOf(): void {
    if (this.#dialling === undefined) return
    const at = this.#dialledAt + this.settings.redialAfterMs
    this.#hasNews = this.now() < at
    if (this.#hasNews) {
      this.wakeAt(at)
      return
    }
    this.#isRedialling = true
    this.#dialling.abort(new Error('the peer is dialled anew'))
  }

  /** A connection ended, ours or another. */
  closed(connection: Connection): void {
    for (const lane of this.#retiring) if (lane.connection === connection) this.#retiring.delete(lane)
    if (this.#lane?.connection !== connection) return
    this.#lane = undefined
    this.#pump()
  }

  /** Looks what is due; when to look again, ms. */
  expire(now: number): number {
    let next = this.#expireSends(now)
    next = Math.min(next, this.#wakeDelayed(now))
    if (this.#hasNews && this.#dialling !== undefined) {
      const at = this.#dialledAt + this.settings.redialAfterMs
      if (at > now) next = Math.min(next, at)
      else this.heardOf()
    }
    if (this.#lane !== undefined) next = Math.min(next, this.#lane.expire(now), this.#look(this.#lane, now))
    for (const lane of this.#retiring) {
      if (lane.retiresAt <= now) lane.connection.close(0, 'given up for another connection')
      else next = Math.min(next, lane.expire(now), lane.retiresAt)
    }
    return next
  }

  /** What waits is given up with `reason`. */
  close(reason: unknown): void {
    this.#isClosed = true
    for (const send of [...this.#unfinished]) this.#giveUp(send, reason)
    this.#delayed = []
  }

  // what lanes tell

  taken(send: PendingSend): void {
    if (send.isSettled) return
    send.isTaken = true
    this.counters.framesSent++
    this.counters.bytesSent += send.frame.length
    this.#remove(send)
    send.resolve()
  }

  failed(send: PendingSend, error: unknown): void {
    if (send.isSettled) return
    send.lastError = error
    send.attempts++
    if (send.attempts >= this.settings.attempts || this.#isClosed || isFinal(error)) {
      this.#giveUp(send, error)
      return
    }
    this.counters.retries++
    this.#delay(send)
  }

  lost(send: PendingSend): void {
    const attempts = send.attempts + 1
    if (this.#isClosed || attempts >= this.settings.attempts || this.#problem(send.frame) !== undefined) {
      this.counters.lost++
      return
    }
    this.counters.resent++
    const again = this.#add(send.frame, nothing, () => {
      this.counters.lost++
    })
    again.attempts = attempts
    this.#delay(again)
  }

  settled(): void {
    if (this.#retiring.size > 0) this.#endRetired()
    this.#host.settled()
  }

  // inside

  #problem(frame: Uint8Array): LinkError | undefined {
    const { maxQueued, maxQueuedBytes, maxQueuedPerPeer, maxQueuedBytesPerPeer } = this.settings
    const { waiting } = this.#host
    const { length } = frame
    if (this.#unfinished.size >= maxQueuedPerPeer || this.#bytes + length > maxQueuedBytesPerPeer)
      return new LinkError('QUEUE_FULL', `too much waits for ${this.#id.toShortString()}; wait until some was sent`)
    if (waiting.sends >= maxQueued || waiting.bytes + length > maxQueuedBytes)
      return new LinkError('QUEUE_FULL', 'too much waits for all peers together; wait until some was sent')
    return undefined
  }

  #add(frame: Uint8Array, resolve: () => void, reject: (error: unknown) => void): PendingSend {
    const send = new PendingSend(frame, this.now() + this.settings.sendTimeoutMs, resolve, reject)
    this.#unfinished.add(send)
    this.#bytes += frame.length
    this.#host.waiting.sends++
    this.#host.waiting.bytes += frame.length
    this.wakeAt(send.deadline)
    return send
  }

  #delay(send: PendingSend): void {
    send.readyAt = this.now() + (this.settings.retryDelaysMs[send.attempts - 1] ?? 0)
    this.#delayed.push(send)
    this.wakeAt(send.readyAt)
  }

  #remove(send: PendingSend): void {
    if (!this.#unfinished.delete(send)) return
    this.#bytes -= send.frame.length
    this.#host.waiting.sends--
    this.#host.waiting.bytes -= send.frame.length
    this.#host.settled()
  }

  #giveUp(send: PendingSend, error: unknown): void {
    if (send.isSettled) return
    this.counters.sendFailures++
    // half a frame is none
    send.stream?.reset(0)
    this.#remove(send)
    send.reject(error)
  }

  /** Gives a stream to each that waits, or sees to it that there will be a connection. */
  async #pump(): Promise<void> {
    if (this.#isPumping) return
    this.#isPumping = true
    while (this.#queue.peek() !== undefined) {
      const lane = this.#lane
      if (lane === undefined || !lane.isUsable) {
        this.#dial()
        break
      }
      try {
        const stream = await lane.open()
        const send = this.#queue.peek()
        if (send === undefined) {
          // given up meanwhile
          lane.discard(stream)
          break
        }
        this.#queue.shift()
        lane.write(stream, send)
      } catch (error) {
        if (lane.isUsable) this.#failedToOpen(error)
        // its end is told a moment later than here
        else if (this.#lane === lane) this.#lane = undefined
        else this.#endRetired()
      }
    }
    this.#isPumping = false
  }

  /** Not because the connection ended: a defect must not become an endless loop. */
  #failedToOpen(error: unknown): void {
    const send = this.#queue.peek()
    if (send === undefined) return
    this.#queue.shift()
    this.failed(send, error)
  }

  /** TRN-10: dials beside a connection on which nothing is heard any more; when to look again, ms. */
  #look(lane: Lane, now: number): number {
    const next = lane.look(now)
    if (lane.isSilent) this.#dial()
    return next
  }

  /** TRN-9. */
  async #dial(): Promise<void> {
    if (this.#dialling !== undefined || this.#isClosed) return
    const abort = new AbortController()
    this.#dialling = abort
    this.#dialledAt = this.now()
    this.#hasNews = false
    // beside a silent connection our relays are asked at once: the peer may be back elsewhere
    const attempt = this.#lane === undefined ? (this.#queue.peek()?.attempts ?? 0) : 1
    let connection: Connection
    try {
      connection = await this.#host.dial(this.#id, attempt, abort)
    } catch (error) {
      this.#dialling = undefined
      if (this.#isRedialling) this.#redial()
      else this.#dialFailed(error)
      return
    }
    this.#dialling = undefined
    this.#isRedialling = false
    if (this.#isClosed) {
      connection.close(0, '')
      return
    }
    const silent = this.#lane
    this.#lane = new Lane(connection, this)
    this.#unanswered = 0
    if (silent !== undefined) {
      this.counters.evictions++
      // what it has not delivered is sent again on the new one
      silent.connection.close(0, 'silent')
    }
    this.#host.dialled(connection)
    this.#wakeDelayed(Number.POSITIVE_INFINITY)
    this.#pump()
  }

  /** It does not count as an attempt. */
  #redial(): void {
    this.#isRedialling = false
    if (this.#queue.peek() !== undefined) this.#dial()
    else this.#host.settled()
  }

  #dialFailed(error: unknown): void {
    for (const send of this.#queue.takeAll()) this.failed(send, error)
    this.#host.settled()
  }

  #expireSends(now: number): number {
    for (const send of this.#unfinished) {
      if (send.deadline > now) return send.deadline
      const text = `${this.#id.toShortString()} did not take a frame of ${send.frame.length} bytes in time; try again later`
      this.#giveUp(send, new LinkError('SEND_TIMEOUT', text, { cause: send.lastError }))
    }
    return Number.POSITIVE_INFINITY
  }

  #wakeDelayed(now: number): number {
    if (this.#delayed.length === 0) return Number.POSITIVE_INFINITY
    const waiting: PendingSend[] = []
    let next = Number.POSITIVE_INFINITY
    for (const send of this.#delayed) {
      if (send.isSettled) continue
      if (send.readyAt <= now) this.#queue.push(send)
      else {
        waiting.push(send)
        next = Math.min(next, send.readyAt)
      }
    }
    this.#delayed = waiting
    this.#pump()
    return next
  }

  #endRetired(): void {
    for (const lane of this.#retiring) if (lane.isSettled) lane.connection.close(0, 'given up for another connection')
  }
}

function isFinal(error: unknown): boolean {
  return (error instanceof ConnectError || error instanceof EndpointError) && FINAL.includes(error.code)
}

function nothing(): void {}
