/** Envelopes that come over a connection: checked in the order of ENC-1, routed, and given to whom they concern; those for others are passed on (spec/envelope.md §4.1). */
import { EnvelopeError } from '../errors.ts'
import type { Verdict } from '../routing/router.ts'
import { encodeAck } from '../wire/body-codec.ts'
import { type Envelope, MAX_ENVELOPE_LENGTH, type PeerKey } from '../wire/envelope.ts'
import { decodeEnvelope, encodeEnvelope } from '../wire/envelope-codec.ts'
import { type Context, sendSigned } from './context.ts'
import type { Custody } from './custody.ts'
import type { Deliveries } from './deliveries.ts'
import { type Arrival, Friction } from './friction.ts'
import type { Holders } from './holders.ts'
import type { Outbox } from './outbox.ts'

/** Whom an envelope may concern. */
export interface InboxParts {
  readonly outbox: Outbox
  readonly custody: Custody
  readonly holders: Holders
  readonly deliveries: Deliveries
}

export class Inbox {
  readonly #context: Context
  readonly #outbox: Outbox
  readonly #custody: Custody
  readonly #holders: Holders
  readonly #deliveries: Deliveries
  readonly #friction: Friction

  constructor(context: Context, parts: InboxParts) {
    this.#context = context
    this.#outbox = parts.outbox
    this.#custody = parts.custody
    this.#holders = parts.holders
    this.#deliveries = parts.deliveries
    this.#friction = new Friction(context, (arrival) => this.#admit(arrival))
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
    this.#context.onPeerChange(this.#context.peers.alive(from, this.#context.clock.now))
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
        if (verdict.mayAckAgain) this.#deliveries.repeated(envelope, link)
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
      this.#deliveries.add(envelope, link)
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
        this.#holders.onReplicaAck(envelope)
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
