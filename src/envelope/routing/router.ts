/**
 * What becomes of a verified envelope: delivered, passed on, acted upon, dropped or rejected (spec/envelope.md §4.1 to §4.3). A verdict remembers nothing of it (W4); the owner
 * says what was done, and only that makes it a known one.
 */
import { EnvelopeError, type EnvelopeErrorCode } from '../errors.ts'
import type { Ack, AckKind, ReadReceipt } from '../wire/bodies.ts'
import { decodeAck, decodeReadReceipt } from '../wire/body-codec.ts'
import { CLOCK_SKEW_MS, type Envelope, LIFETIME_MS, MAX_HOPS, type PeerKey } from '../wire/envelope.ts'
import { RateBuckets } from './rate-buckets.ts'
import { SeenCache } from './seen-cache.ts'
import { ROUTER_SETTINGS, type RouterSettings } from './settings.ts'

export type Verdict =
  /** Ours, and new: any type but Ack and ReadReceipt. */
  | { readonly kind: 'deliver' }
  /** Ours, and had before. `mayAckAgain`: its acknowledgement is due once more (ACK-4); asking used that up. */
  | { readonly kind: 'duplicate'; readonly mayAckAgain: boolean }
  /** For the tracker, who knows whether its author may say so (ACK-1 to ACK-3). */
  | { readonly kind: 'ack'; readonly ack: Ack }
  | { readonly kind: 'read'; readonly receipt: ReadReceipt }
  /** To be passed on as `envelope`; `acknowledges`: its author is told so (ACK-5). */
  | {
      readonly kind: 'forward'
      readonly next: PeerKey
      readonly envelope: Envelope
      readonly acknowledges: boolean
    }
  | { readonly kind: 'drop'; readonly reason: 'seen' | 'stranger' | 'forwarded-before' }
  | { readonly kind: 'reject'; readonly code: EnvelopeErrorCode | 'NO_HOPS_LEFT' }

const DELIVER: Verdict = { kind: 'deliver' }
const DUPLICATE: Verdict = { kind: 'duplicate', mayAckAgain: false }
const DUPLICATE_TO_ACK: Verdict = { kind: 'duplicate', mayAckAgain: true }
const SEEN: Verdict = { kind: 'drop', reason: 'seen' }
const STRANGER: Verdict = { kind: 'drop', reason: 'stranger' }
const FORWARDED_BEFORE: Verdict = { kind: 'drop', reason: 'forwarded-before' }
const INVALID_FIELD: Verdict = { kind: 'reject', code: 'INVALID_FIELD' }
const EXPIRED: Verdict = { kind: 'reject', code: 'EXPIRED' }
const FROM_FUTURE: Verdict = { kind: 'reject', code: 'FROM_FUTURE' }
const NO_HOPS_LEFT: Verdict = { kind: 'reject', code: 'NO_HOPS_LEFT' }

export class Router {
  readonly #self: PeerKey
  readonly #settings: RouterSettings
  readonly #delivered: SeenCache
  readonly #forwarded: SeenCache
  readonly #acted: Readonly<Record<AckKind | 'Read', SeenCache>>
  readonly #acksAgain: RateBuckets
  readonly #waiting = new Set<string>()

  constructor(self: PeerKey, settings: Partial<RouterSettings> = {}) {
    this.#self = self
    this.#settings = { ...ROUTER_SETTINGS, ...settings }
    const { maxDelivered, maxForwarded, maxActed, maxAuthors } = this.#settings
    this.#delivered = new SeenCache(maxDelivered)
    this.#forwarded = new SeenCache(maxForwarded)
    this.#acted = {
      RelayForwarded: new SeenCache(maxActed),
      RecipientReceived: new SeenCache(maxActed),
      Read: new SeenCache(maxActed),
    }
    this.#acksAgain = new RateBuckets(maxAuthors)
  }

  /** What to do with an envelope whose signature is verified (RTR-3), whatever its type (RTR-1). `now`: monotonic ms; `wall`: ms since 1970. */
  route(envelope: Envelope, now: number, wall: number): Verdict {
    if (!isPathSound(envelope)) return INVALID_FIELD
    // W3, L2c: for every type, and without an ack
    if (envelope.timestamp < wall - LIFETIME_MS) return EXPIRED
    if (envelope.timestamp > wall + CLOCK_SKEW_MS) return FROM_FUTURE
    if (envelope.to !== this.#self) return this.#passOn(envelope, wall)
    if (envelope.type === 'Ack') return this.#ack(envelope)
    if (envelope.type === 'ReadReceipt') return this.#read(envelope, wall)
    return this.#arrive(envelope, now, wall)
  }

  /** A message was decrypted and the application has it: from now on it is a duplicate, and acknowledged as such. */
  delivered(envelope: Envelope, wall: number): void {
    const { id, from, timestamp } = envelope
    this.unwaiting(envelope)
    this.#delivered.add(id, from, timestamp + this.#settings.deliveredMs, wall)
  }

  /** A message waits for the application: it is a duplicate from now on, but not acknowledged. */
  waiting(envelope: Envelope, _wall: number): void {
    this.#waiting.add(keyOf(envelope))
    if (this.#waiting.size <= this.#settings.maxWaiting) return
    for (const oldest of this.#waiting) {
      this.#waiting.delete(oldest)
      break
    }
  }

  /** It does not wait any more. */
  unwaiting(envelope: Envelope): void {
    this.#waiting.delete(keyOf(envelope))
  }

  /** An envelope was passed on. */
  forwarded(envelope: Envelope, wall: number): void {
    const { id, from, timestamp } = envelope
    this.#forwarded.add(id, from, timestamp + this.#settings.forwardedMs, wall)
  }

  /** An ack or a receipt had its effect: others that say the same are dropped. */
  acted(envelope: Envelope, wall: number): void {
    const expiresAt = wall + this.#settings.actedMs
    if (envelope.type === 'Ack') {
      const { originalId, kind } = decodeAck(envelope.payload)
      this.#acted[kind].add(originalId, envelope.from, expiresAt, wall)
    } else if (envelope.type === 'ReadReceipt') {
      const { originalId } = decodeReadReceipt(envelope.payload)
      this.#acted.Read.add(originalId, envelope.from, expiresAt, wall)
    }
  }

  /** What the application had before a restart, the oldest first. `timestamp`: the envelope's, ms since 1970. */
  restore(delivered: readonly { readonly id: string; readonly from: PeerKey; readonly timestamp: number }[]): void {
    for (const { id, from, timestamp } of delivered)
      this.#delivered.add(id, from, timestamp + this.#settings.deliveredMs, timestamp)
  }

  /** Forgets what is out of date. `wall`: ms since 1970. */
  expire(wall: number): void {
    this.#delivered.expire(wall)
    this.#forwarded.expire(wall)
    this.#acted.RelayForwarded.expire(wall)
    this.#acted.RecipientReceived.expire(wall)
    this.#acted.Read.expire(wall)
  }

  /** Entries of the caches, and the bytes of those that can become large. */
  get sizes(): {
    readonly delivered: number
    readonly forwarded: number
    readonly acted: number
    readonly waiting: number
    readonly bytes: number
  } {
    const { RelayForwarded, RecipientReceived, Read } = this.#acted
    const acted = [RelayForwarded, RecipientReceived, Read]
    return {
      delivered: this.#delivered.size,
      forwarded: this.#forwarded.size,
      acted: acted.reduce((sum, { size }) => sum + size, 0),
      waiting: this.#waiting.size,
      bytes: [this.#delivered, this.#forwarded, ...acted].reduce((sum, { bytes }) => sum + bytes, 0),
    }
  }

  /** Steps 5 and 6. */
  #passOn(envelope: Envelope, wall: number): Verdict {
    const { id, from, to, via, type } = envelope
    const place = via.indexOf(this.#self)
    // RTR-4; our own envelopes that come back are nobody's business either
    if (place < 0 && (!this.#settings.forwardsForStrangers || from === this.#self)) return STRANGER
    // RTR-5: not signed, so anybody may have raised it
    const hopsLeft = Math.min(envelope.hopsLeft, MAX_HOPS)
    if (hopsLeft <= 0) return NO_HOPS_LEFT
    if (!this.#mayForward(id, from, wall)) return FORWARDED_BEFORE
    return {
      kind: 'forward',
      next: place < 0 ? to : (via[place + 1] ?? to),
      // RTR-8: only the number of hops changes
      envelope: {
        id,
        from,
        to,
        via,
        type,
        payload: envelope.payload,
        timestamp: envelope.timestamp,
        signature: envelope.signature,
        hopsLeft: hopsLeft - 1,
        isEncrypted: envelope.isEncrypted,
      },
      acknowledges: type !== 'Ack' && type !== 'ReadReceipt',
    }
  }

  /** RTR-7: never, once in a while if its author tries again, ever more rarely. */
  #mayForward(id: string, from: PeerKey, wall: number): boolean {
    const at = this.#forwarded.find(id, from)
    if (at < 0) return true
    const waitMs = this.#settings.forwardAgainAfterMs * 2 ** Math.max(0, this.#forwarded.timesAt(at) - 2)
    return Math.abs(wall - this.#forwarded.touchedAt(at)) >= waitMs
  }

  /** Step 2. */
  #ack({ payload, from }: Envelope): Verdict {
    try {
      const ack = decodeAck(payload)
      return this.#acted[ack.kind].has(ack.originalId, from) ? SEEN : { kind: 'ack', ack }
    } catch (error) {
      return rejected(error)
    }
  }

  /** Step 3. */
  #read({ payload, from }: Envelope, wall: number): Verdict {
    try {
      const { originalId, readAt } = decodeReadReceipt(payload)
      if (this.#acted.Read.has(originalId, from)) return SEEN
      const earliest = wall - this.#settings.maxReadAgeMs
      return { kind: 'read', receipt: { originalId, readAt: Math.min(wall, Math.max(earliest, readAt)) } }
    } catch (error) {
      return rejected(error)
    }
  }

  /** Step 4. */
  #arrive(envelope: Envelope, now: number, wall: number): Verdict {
    const { id, from } = envelope
    const at = this.#delivered.find(id, from)
    if (at < 0) return this.#waiting.size > 0 && this.#waiting.has(keyOf(envelope)) ? DUPLICATE : DELIVER
    // ACK-4: one message not twice in a moment, one author not without end
    const { ackAgainAfterMs, acksAgainPerSecond, acksAgainBurst } = this.#settings
    if (Math.abs(wall - this.#delivered.touchedAt(at)) < ackAgainAfterMs) return DUPLICATE
    if (!this.#acksAgain.take(from, acksAgainPerSecond, acksAgainBurst, now)) return DUPLICATE
    this.#delivered.touch(at, wall)
    return DUPLICATE_TO_ACK
  }
}

/** Step 1 and RTR-6; what was decoded from the wire is sound already. */
function isPathSound({ via, from, to }: Envelope): boolean {
  if (via.length > MAX_HOPS) return false
  for (let at = 0; at < via.length; at++) {
    const hop = via[at]!
    if (hop === from || hop === to || via.indexOf(hop) !== at) return false
  }
  return true
}

function rejected(error: unknown): Verdict {
  if (error instanceof EnvelopeError) return { kind: 'reject', code: error.code }
  throw error
}

/** An id is only unique for one author; keys are of one length. */
function keyOf({ id, from }: Envelope): string {
  return `${from}${id}`
}
