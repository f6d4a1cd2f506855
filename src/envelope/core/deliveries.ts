/**
 * Messages that wait for the application, in the order of their arrival and within bounds, and what is said to their senders: an acknowledgement when the application has taken one and
 * that is on the disk, a receipt when somebody has seen it. What was not taken is still the sender's (lock 1, L2a, ACK-4, ACK-6).
 */
import { encodeAck, encodeReadReceipt } from '../wire/body-codec.ts'
import { type Envelope, LIFETIME_MS, type PeerKey } from '../wire/envelope.ts'
import type { Confirmations } from './confirmations.ts'
import { type Context, sendSigned } from './context.ts'

/** A message as the application gets it. */
export interface Taken {
  readonly id: string
  readonly from: PeerKey
  readonly bytes: Uint8Array
  /** Ms since 1970, by the sender's clock. */
  readonly sentAt: number
  readonly isEncrypted: boolean
  readonly isAuthorBound: boolean
  readonly via: readonly PeerKey[]
  readonly broughtBy: PeerKey
}

interface Waiting {
  readonly envelope: Envelope
  readonly taken: Taken
}

export class Deliveries {
  readonly #context: Context
  readonly #confirmations: Confirmations
  readonly #waiting: Waiting[] = []
  /** Messages that were taken and are not written down yet, each with when somebody has seen it, ms since 1970. */
  readonly #unwritten = new Map<string, number | undefined>()
  #first = 0
  #bytes = 0

  constructor(context: Context, confirmations: Confirmations) {
    this.#context = context
    this.#confirmations = confirmations
  }

  get size(): number {
    return this.#waiting.length - this.#first
  }

  /** A message for us, which was verified; `link` brought it. Throws EnvelopeError DECRYPT_FAILED. */
  add(envelope: Envelope, link: PeerKey): void {
    const { sealer, settings, router, clock, world } = this.#context
    // ENC-3: nothing is remembered of what does not open
    const { plaintext, isAuthorBound } = envelope.isEncrypted
      ? sealer.open(envelope)
      : { plaintext: envelope.payload, isAuthorBound: false }
    if (this.size >= settings.maxWaiting || this.#bytes + plaintext.length > settings.maxWaitingBytes) {
      this.#context.refuse(link, 'QUEUE_FULL')
      return
    }
    const { id, from, via, timestamp, isEncrypted } = envelope
    const taken = {
      id,
      from,
      bytes: plaintext,
      sentAt: timestamp,
      isEncrypted,
      isAuthorBound,
      via,
      broughtBy: link,
    }
    router.waiting(envelope, clock.wall)
    this.#waiting.push({ envelope, taken })
    this.#bytes += plaintext.length
    world.emit({ kind: 'message' })
  }

  /** One that the application has had came again: its sender may not know. */
  repeated(envelope: Envelope, link: PeerKey): void {
    if (!this.#unwritten.has(nameOf(envelope.from, envelope.id))) this.#acknowledge(envelope, link, true)
  }

  /** The oldest message that waits. It is acknowledged once it is written down that the application has had it. */
  take(): Taken | undefined {
    const waiting = this.#next()
    if (waiting === undefined) return undefined
    const { router, clock, counters, world } = this.#context
    const { envelope, taken } = waiting
    router.delivered(envelope, clock.wall)
    router.unwaiting(envelope)
    counters.received++
    const { id, from, timestamp } = envelope
    // what could not be written is acknowledged too: the application has it, and a sender that goes on would only repeat it
    const name = nameOf(from, id)
    this.#unwritten.set(name, undefined)
    world.persist({ kind: 'delivered', id, from, timestamp }, () => {
      const readAt = this.#unwritten.get(name)
      this.#unwritten.delete(name)
      this.#acknowledge(envelope, taken.broughtBy)
      if (readAt !== undefined) this.#tellRead(id, from, readAt)
    })
    return taken
  }

  /** What nobody took within its day goes (L2a). For the clean-up of caches. */
  expire(): void {
    const waiting = this.#waiting.splice(0).slice(this.#first)
    this.#first = 0
    for (const one of waiting) {
      if (this.#isOver(one)) this.#forget(one)
      else this.#waiting.push(one)
    }
  }

  /** Out of the queue. */
  #next(): Waiting | undefined {
    for (;;) {
      const waiting = this.#waiting[this.#first]
      if (waiting === undefined) return undefined
      this.#first++
      if (this.#first === this.#waiting.length || this.#first > 256) {
        this.#waiting.splice(0, this.#first)
        this.#first = 0
      }
      if (!this.#isOver(waiting)) {
        this.#bytes -= waiting.taken.bytes.length
        return waiting
      }
      this.#forget(waiting)
    }
  }

  /** As the router sees it. */
  #isOver({ envelope }: Waiting): boolean {
    return envelope.timestamp < this.#context.clock.wall - LIFETIME_MS
  }

  #forget({ envelope, taken }: Waiting): void {
    this.#bytes -= taken.bytes.length
    this.#context.router.unwaiting(envelope)
    this.#context.refuse(taken.broughtBy, 'EXPIRED')
  }

  /** `isAgain`: we have had it before, so that a hop which brings it is one that keeps it. */
  #acknowledge({ id, from, via }: Envelope, broughtBy: PeerKey, isAgain = false): void {
    const payload = encodeAck({ originalId: id, kind: 'RecipientReceived' })
    // who brought it himself is there; else it goes back the way it came
    sendSigned(this.#context, from, 'Ack', payload, broughtBy === from ? [] : [...via].reverse())
    this.#context.counters.acknowledgementsSent++
    if (broughtBy === from || (!isAgain && via.includes(broughtBy))) return
    // it came from somebody who kept it, and others may keep it too
    this.#confirmations.tell(broughtBy, id)
    this.#confirmations.tellAll(id)
  }

  /** Tells the sender that somebody has seen the message. */
  markRead(id: string, from: PeerKey): void {
    const { wall } = this.#context.clock
    // it says that the message has arrived, as an ack does, and waits for the same
    const name = nameOf(from, id)
    if (this.#unwritten.has(name)) this.#unwritten.set(name, wall)
    else this.#tellRead(id, from, wall)
  }

  #tellRead(id: string, from: PeerKey, readAt: number): void {
    const payload = encodeReadReceipt({ originalId: id, readAt })
    sendSigned(this.#context, from, 'ReadReceipt', payload)
  }
}

/** An id is only unique for one sender. */
function nameOf(from: PeerKey, id: string): string {
  return from + id
}
