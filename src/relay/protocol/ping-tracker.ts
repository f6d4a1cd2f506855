/**
 * One outstanding ping of a relay connection: its payload, its deadline, the round trip (spec/relay.md §3.5). When pings are sent is the owner's; time comes
 * in as an argument (ms, monotonic).
 */
import type { RandomSource } from '../../platform/index.ts'
import { FrameType, PING_LENGTH, PING_PAYLOAD } from './constants.ts'

/** What a pong may take while no round trip is known, and at most, ms. */
const LONGEST_TIMEOUT_MS = 5000
const SHORTEST_TIMEOUT_MS = 500

export class PingTracker {
  // two numbers instead of an array: a server has ten thousand of these
  #high: number
  #low: number
  #sentAt: number
  #deadline: number
  #rttMs: number

  constructor() {
    this.#high = 0
    this.#low = 0
    this.#sentAt = 0
    this.#deadline = Number.POSITIVE_INFINITY
    this.#rttMs = -1
  }

  /** When the outstanding ping counts as lost and the connection as dead; Infinity while none is outstanding. */
  get deadline(): number {
    return this.#deadline
  }

  /** Of the last ping that was answered, ms; undefined before the first: the connection is not established in the sense of spec/relay.md §5.3. */
  get rttMs(): number | undefined {
    return this.#rttMs < 0 ? undefined : this.#rttMs
  }

  /** What the next ping's answer may take, ms: 5 s at first, then three round trips, at least 0.5 s and at most 5 s. */
  get timeoutMs(): number {
    if (this.#rttMs < 0) return LONGEST_TIMEOUT_MS
    return Math.min(Math.max(3 * this.#rttMs, SHORTEST_TIMEOUT_MS), LONGEST_TIMEOUT_MS)
  }

  /** Writes a Ping frame (9 bytes) with a random payload and takes it for sent at `now`; it replaces an outstanding one. Returns the position after it. */
  writePing(out: Uint8Array, at: number, random: RandomSource, now: number): number {
    out[at] = FrameType.Ping
    random.fill(out.subarray(at + 1, at + PING_LENGTH))
    this.#high = readU32(out, at + 1)
    this.#low = readU32(out, at + 1 + PING_PAYLOAD / 2)
    this.#sentAt = now
    this.#deadline = now + this.timeoutMs
    return at + PING_LENGTH
  }

  /**
   * Takes a Pong whose 8 bytes stand at `payloadAt`. True when it answers the outstanding ping: `rttMs` is new then. Any other is ignored; one that comes
   * after the deadline counts still, if the owner has not given up.
   */
  receivePong(message: Uint8Array, payloadAt: number, now: number): boolean {
    if (this.#deadline === Number.POSITIVE_INFINITY) return false
    if (readU32(message, payloadAt) !== this.#high) return false
    if (readU32(message, payloadAt + PING_PAYLOAD / 2) !== this.#low) return false
    this.#rttMs = Math.max(0, now - this.#sentAt)
    this.#deadline = Number.POSITIVE_INFINITY
    return true
  }
}

function readU32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}
