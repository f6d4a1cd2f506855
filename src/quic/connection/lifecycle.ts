/**
 * The life of a connection and its clocks: handshake, open, closing, draining, drained (RFC 9000 §10). Only this file changes the
 * state; it knows no packets. All times in ms.
 */
import type { CloseReason } from '../errors.ts'

export type LifeState = 'handshake' | 'open' | 'closing' | 'draining' | 'drained'

/** What to tell the peer while closing. */
export interface CloseFrame {
  readonly application: boolean
  readonly code: number
  readonly frameType: number
  readonly reason: Uint8Array
}

export type LifecycleTick = 'none' | 'idle-timeout' | 'handshake-timeout' | 'drained'

const NEVER = Number.POSITIVE_INFINITY

export class Lifecycle {
  #state: LifeState = 'handshake'
  /** Set once, when the connection ends. */
  reason: CloseReason | undefined = undefined
  closeFrame: CloseFrame | undefined = undefined
  /** A CONNECTION_CLOSE datagram is due. */
  closePending = false
  #idleMs: number
  #idleAt = NEVER
  #handshakeAt: number
  #endAt = NEVER
  /** RFC 9000 §10.1: the idle timer restarts on the first ack-eliciting packet sent since the last receipt. */
  #sentSinceReceived = false
  /** RFC 9000 §10.2.1: packets seen while closing; answered at powers of two. */
  #seenWhileClosing = 0

  constructor(now: number, idleMs: number, handshakeMs: number) {
    this.#idleMs = idleMs
    this.#handshakeAt = now + handshakeMs
  }

  get state(): LifeState {
    return this.#state
  }

  /** Closing, draining or gone: no application data moves any more. */
  get isEnded(): boolean {
    return this.#state !== 'handshake' && this.#state !== 'open'
  }

  /** The peer's max_idle_timeout became known: the smaller counts, 0 means none (RFC 9000 §10.1). */
  setPeerIdle(peerMs: number): void {
    if (peerMs === 0) return
    this.#idleMs = this.#idleMs === 0 ? peerMs : Math.min(this.#idleMs, peerMs)
  }

  opened(now: number, ptoMs: number): void {
    if (this.#state !== 'handshake') return
    this.#state = 'open'
    this.#handshakeAt = NEVER
    this.#restartIdle(now, ptoMs)
  }

  /** An authenticated packet arrived. */
  received(now: number, ptoMs: number): void {
    if (this.#state !== 'open') return
    this.#sentSinceReceived = false
    this.#restartIdle(now, ptoMs)
  }

  /** An ack-eliciting packet left. */
  sentEliciting(now: number, ptoMs: number): void {
    if (this.#state !== 'open' || this.#sentSinceReceived) return
    this.#sentSinceReceived = true
    this.#restartIdle(now, ptoMs)
  }

  #restartIdle(now: number, ptoMs: number): void {
    // RFC 9000 §10.1: never less than three PTOs
    this.#idleAt = this.#idleMs === 0 ? NEVER : now + Math.max(this.#idleMs, 3 * ptoMs)
  }

  /** We end it: CONNECTION_CLOSE now, then silence for three PTOs (RFC 9000 §10.2). */
  close(frame: CloseFrame, reason: CloseReason, now: number, ptoMs: number): boolean {
    if (this.isEnded) return false
    this.#end('closing', reason, now + 3 * ptoMs)
    this.closeFrame = frame
    this.closePending = true
    return true
  }

  /** The peer ended it; one CONNECTION_CLOSE in answer, then nothing (RFC 9000 §10.2.2). */
  peerClosed(reason: CloseReason, now: number, ptoMs: number): boolean {
    if (this.isEnded) return false
    this.#end('draining', reason, now + 3 * ptoMs)
    this.closeFrame = { application: false, code: 0, frameType: 0, reason: new Uint8Array(0) }
    this.closePending = true
    return true
  }

  /** While we were closing, so did the peer: nothing more needs saying (RFC 9000 §10.2.1). True the first time. */
  peerClosedToo(): boolean {
    if (this.#state !== 'closing') return false
    this.#state = 'draining'
    this.closePending = false
    return true
  }

  /** Over without a word: idle timeout, stateless reset, version negotiation, or never begun. */
  vanish(reason: CloseReason): boolean {
    if (this.isEnded) return false
    this.#end('drained', reason, NEVER)
    return true
  }

  /** The engine goes: what was still closing or draining is over at once. */
  forget(): void {
    this.#state = 'drained'
    this.#endAt = NEVER
    this.closePending = false
  }

  #end(state: LifeState, reason: CloseReason, endAt: number): void {
    this.#state = state
    this.reason = reason
    this.#endAt = endAt
    this.#idleAt = NEVER
    this.#handshakeAt = NEVER
  }

  /** A packet arrived after the end. */
  receivedAfterEnd(): void {
    if (this.#state !== 'closing') return
    this.#seenWhileClosing++
    if ((this.#seenWhileClosing & (this.#seenWhileClosing - 1)) === 0) this.closePending = true
  }

  get deadline(): number {
    return Math.min(this.#idleAt, this.#handshakeAt, this.#endAt)
  }

  tick(now: number): LifecycleTick {
    if (now >= this.#endAt) {
      this.#endAt = NEVER
      this.#state = 'drained'
      return 'drained'
    }
    if (now >= this.#handshakeAt) return 'handshake-timeout'
    if (now >= this.#idleAt) return 'idle-timeout'
    return 'none'
  }
}
