/**
 * Envelopes that come over a connection: checked in the order of ENC-1, routed, and acted upon; and messages that wait for the application. A message is acknowledged when the
 * application takes it and that is on the disk: what was not taken is still the sender's.
 */
import { EnvelopeError } from '../errors.ts'
import type { Verdict } from '../routing/router.ts'
import { encodeAck, encodeReadReceipt } from '../wire/body-codec.ts'
import { type Envelope, LIFETIME_MS, MAX_ENVELOPE_LENGTH, type PeerKey } from '../wire/envelope.ts'
import { decodeEnvelope, encodeEnvelope } from '../wire/envelope-codec.ts'
import { type Context, sendSigned } from './context.ts'
import type { Custody } from './custody.ts'
import { type Arrival, Friction } from './friction.ts'
import type { Outbox } from './outbox.ts'

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

export class Inbox {
  readonly #context: Context
  readonly #outbox: Outbox
  readonly #custody: Custody
  readonly #friction: Friction
  readonly #waiting: Waiting[] = []
  /** Messages that were taken and are not written down yet, each with when somebody has seen it, ms since 1970. */
  readonly #unwritten = new Map<string, number | undefined>()
  #first = 0
  #bytes = 0

  constructor(context: Context, outbox: Outbox, custody: Custody) {
    this.#context = context
    this.#outbox = outbox
    this.#custody = custody
    this.#friction = new Friction(context, (arrival) => this.#admit(arrival))
  }

  get size(): number {
    return this.#waiting.length - this.#first
  }

  /** A frame that the peer `link` brought. Never throws for what is in it. */
  receive(frame: Uint8Array, link: PeerKey): void {
    try {
      this.#receive(frame, link)
    } catch (error) {
      if (!(error instanceof EnvelopeError)) throw error
      this.#context.refuse(link, error.code)
    }
  }

  deadline(): number {
    return this.#friction.deadline()
  }

  tick(): void {
    this.#friction.tick()
  }

  #receive(frame: Uint8Array, link: PeerKey): void {
    const { clock, keys, sealer, router, budgets, trusts } = this.#context
    if (!trusts(link) && !budgets.mayReceiveFrom(link, clock.now)) {
      this.#context.refuse(link, 'LINK_FLOOD')
      return
    }
    if (frame.length > MAX_ENVELOPE_LENGTH) throw new EnvelopeError('TOO_LARGE', `${frame.length} bytes`)
    const envelope = decodeEnvelope(frame, keys)
    sealer.verify(envelope)
    const { from, timestamp } = envelope
    if (from === link || Math.abs(clock.wall - timestamp) < this.#context.settings.freshMs) this.#alive(from)
    const arrival = { envelope, length: frame.length, link }
    const verdict = router.route(envelope, clock.now, clock.wall)
    // W12: what is known already costs its author nothing, or whoever repeats it could silence him
    if (verdict.kind === 'deliver' || verdict.kind === 'forward') this.#friction.receive(arrival)
    else this.#act(arrival, verdict)
  }

  /** Verified, and within its author's budget. */
  #admit(arrival: Arrival): void {
    const { clock, router } = this.#context
    try {
      // once more: it may have waited
      this.#act(arrival, router.route(arrival.envelope, clock.now, clock.wall))
    } catch (error) {
      if (!(error instanceof EnvelopeError)) throw error
      this.#context.refuse(arrival.link, error.code)
    }
  }

  #alive(from: PeerKey): void {
    const change = this.#context.peers.alive(from, this.#context.clock.now)
    if (change !== undefined) this.#context.onPeerChange(change)
  }

  #act({ envelope, length, link }: Arrival, verdict: Verdict): void {
    const { counters, router, clock } = this.#context
    switch (verdict.kind) {
      case 'reject':
        this.#context.refuse(link, verdict.code)
        return
      case 'deliver':
        this.#deliver(envelope, link)
        return
      case 'duplicate':
        counters.duplicates++
        if (verdict.mayAckAgain && !this.#unwritten.has(envelope.from + envelope.id))
          this.#acknowledge(envelope, link, true)
        return
      case 'ack':
        if (this.#outbox.onAck(verdict.ack, envelope.from, length)) router.acted(envelope, clock.wall)
        else this.#context.refuse(link, 'NOT_ENTITLED')
        return
      case 'read':
        if (this.#outbox.onRead(verdict.receipt, envelope.from)) router.acted(envelope, clock.wall)
        else this.#context.refuse(link, 'NOT_ENTITLED')
        return
      case 'forward':
        this.#forward(envelope, verdict.next, verdict.envelope, verdict.acknowledges, link)
        return
      case 'drop':
        if (verdict.reason === 'stranger') this.#context.refuse(link, 'STRANGER')
        else counters.duplicates++
    }
  }

  #deliver(envelope: Envelope, link: PeerKey): void {
    if (envelope.type === 'Chat' || envelope.type === 'Heartbeat') {
      this.#queue(envelope, link)
      return
    }
    try {
      this.#attend(envelope, link)
    } finally {
      // also where it made no sense: repeated, it would cost its author again
      this.#context.router.delivered(envelope, this.#context.clock.wall)
    }
  }

  /** What nodes say to each other. Throws EnvelopeError. */
  #attend(envelope: Envelope, link: PeerKey): void {
    switch (envelope.type) {
      case 'BackupReplicate':
      case 'BackupStore':
      case 'BackupDeliver':
        this.#custody.onReplica(envelope)
        return
      case 'BackupReplicateAck':
        this.#custody.onReplicaAck(envelope)
        return
      case 'BackupQuery':
        this.#custody.onQuery(envelope)
        return
      case 'BackupConfirmDelivery':
        this.#custody.onConfirm(envelope)
        return
      case 'BackupQueryResponse':
        // whoever has mail for us brings it as well
        return
      default:
        this.#context.refuse(link, 'UNSUPPORTED_TYPE')
    }
  }

  // messages for the application

  #queue(envelope: Envelope, link: PeerKey): void {
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
    const name = from + id
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
    this.#custody.confirmations.tell(broughtBy, id)
    this.#custody.confirmations.tellAll(id)
  }

  /** Tells the sender that somebody has seen the message. */
  markRead(id: string, from: PeerKey): void {
    const { wall } = this.#context.clock
    // it says that the message has arrived, as an ack does, and waits for the same
    if (this.#unwritten.has(from + id)) this.#unwritten.set(from + id, wall)
    else this.#tellRead(id, from, wall)
  }

  #tellRead(id: string, from: PeerKey, readAt: number): void {
    const payload = encodeReadReceipt({ originalId: id, readAt })
    sendSigned(this.#context, from, 'ReadReceipt', payload)
  }

  // envelopes for others

  #forward(received: Envelope, next: PeerKey, envelope: Envelope, acknowledges: boolean, link: PeerKey): void {
    const { router, clock, peers, counters, transmissions } = this.#context
    const wire = encodeEnvelope(envelope)
    peers.receivedForOthers(wire.length, clock.now)
    const settle = (isAccepted: boolean): void => {
      if (!isAccepted) {
        peers.failedForOthers(clock.now)
        return
      }
      counters.forwarded++
      peers.forwardedForOthers(wire.length, clock.now)
      if (!acknowledges) return
      const payload = encodeAck({ originalId: received.id, kind: 'RelayForwarded' })
      sendSigned(this.#context, received.from, 'Ack', payload)
    }
    if (transmissions.send(next, wire, settle)) router.forwarded(received, clock.wall)
    else this.#context.refuse(link, 'LINK_FLOOD')
  }
}
