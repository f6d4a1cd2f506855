/**
 * A datagram on its way out: which path and link, what congestion, pacing and the amplification limit allow, which packets go into
 * it, padding, sealing, the sent record (RFC 9000 §12.2, §14, RFC 9002 §7). It decides nothing about content: owners write their frames.
 */
import { ACK_DELAY_EXPONENT, MIN_DATAGRAM } from '../config.ts'
import { ErrorCode, TransportError } from '../errors.ts'
import { Level } from '../level.ts'
import type { Route } from '../path/route.ts'
import { TAG_LENGTH } from '../protection/packet-protection.ts'
import type { PacketSpace } from '../recovery/packet-space.ts'
import type { Transmit } from '../slots.ts'
import { pollClose } from './close-datagram.ts'
import { DatagramBuilder } from './datagram-builder.ts'
import type { PacketDraft } from './packet-draft.ts'
import { type Parts, Pending } from './parts.ts'
import { pollMtuProbe, pollValidation } from './path-datagrams.ts'

const NEVER = Number.POSITIVE_INFINITY
/** After so many packets with nothing but ACKs in them, one asks to be acknowledged, so that old ranges can be forgotten (RFC 9000 §13.2.4). */
const ACK_ONLY_LIMIT = 32
/** Packet numbers between two deliberate gaps, at least and at random beyond (RFC 9000 §21.4). */
const SKIP_BASE = 128

export interface TransmitHost {
  /** Client: the first Handshake packet left, so Initial keys go (RFC 9001 §4.9.1). */
  firstHandshakePacketSent(): void
}

export class Transmitter {
  readonly #parts: Parts
  readonly #host: TransmitHost
  readonly #builder: DatagramBuilder
  /** Dialling: further routes that get a copy of each datagram until the first answer. */
  #fanOut: readonly Route[] = []
  #copy: Uint8Array | undefined = undefined
  #copyNext = 0
  #nextSkip: number
  #sentHandshakePacket = false
  readonly #scratch = new Uint8Array(8)

  constructor(parts: Parts, host: TransmitHost) {
    this.#parts = parts
    this.#host = host
    this.#builder = new DatagramBuilder(parts)
    this.#nextSkip = parts.settings.skipPacketNumbers ? this.#skipDistance() : NEVER
  }

  #skipDistance(): number {
    this.#parts.random.fill(this.#scratch)
    return SKIP_BASE + this.#scratch[0]! * 4
  }

  setFanOut(routes: readonly Route[]): void {
    this.#fanOut = routes
  }

  stopFanOut(): void {
    this.#fanOut = []
    this.#copy = undefined
  }

  /**
   * Fills `out` with one datagram; false when there is nothing to send now. Throws TransportError when the connection must end for
   * something on our side (RFC 9001 §6.6).
   */
  poll(now: number, out: Transmit): boolean {
    const parts = this.#parts
    const builder = this.#builder
    const { lifecycle, path, handshake } = parts
    if (this.#copy !== undefined) return this.#pollCopy(out)
    if (lifecycle.state === 'drained') return false
    if (lifecycle.isEnded) {
      if (!lifecycle.closePending || !pollClose(parts, builder, now, out)) return false
      this.#keepCopy(out)
      return true
    }
    if (handshake.oneRtt?.isSpent === true)
      throw new TransportError(ErrorCode.AEAD_LIMIT_REACHED, 0, 'the key has protected as many packets as it may')
    parts.datagrams.packetRoom = path.link.mtu.current - 1 - path.peerIds.active.length - 4 - TAG_LENGTH
    if (path.responses.length > 0 || path.link.challengePending || path.previous?.challengePending === true) {
      if (pollValidation(parts, builder, now, out)) return true
    }
    if (this.#pollData(now, out)) return true
    return pollMtuProbe(parts, builder, now, out)
  }

  #pollData(now: number, out: Transmit): boolean {
    const { path, handshake, slots, role } = this.#parts
    const builder = this.#builder
    const link = path.link
    const recovery = link.recovery
    let maxSize = Math.min(link.mtu.current, slots.slotSize)
    const budget = link.amplificationBudget
    path.detection.atAmplificationLimit = false
    if (budget < maxSize) {
      // RFC 9000 §8.1; while the handshake runs only whole 1200-byte datagrams are worth sending
      if (budget < (handshake.isConfirmed ? 64 : MIN_DATAGRAM)) {
        path.detection.atAmplificationLimit = true
        return false
      }
      maxSize = budget
    }
    const window = recovery.congestion.window
    let mayData = recovery.bytesInFlight + maxSize <= window
    path.pacedUntil = NEVER
    const wanted = this.#wantsAny()
    if (mayData && wanted) {
      const readyAt = recovery.pacer.readyAt(maxSize, window, recovery.rtt.smoothed, now)
      if (readyAt > now) {
        mayData = false
        path.pacedUntil = readyAt
      }
    }
    // RFC 9002 §7.8: when there is nothing to send, the window is not what limits us
    recovery.appLimited = mayData && !wanted
    if (!wanted && !this.#anyAckOrProbe(now)) return false
    // RFC 9002 §6.2.4: a probe takes the handshake data of the other spaces along, which a full window may hold back for good
    const isProbing = !handshake.isConfirmed && this.#isProbing
    const slot = slots.acquire()
    if (slot === -1) return false
    const base = slots.offset(slot)
    const end = base + maxSize
    let at = base
    let count = 0
    let padded = false
    for (let level: Level = Level.Initial; level <= Level.OneRtt; level++) {
      const space = builder.space(level as Level)
      if (space === undefined) continue
      const draft = builder.drafts[count]!
      const may = mayData || (isProbing && level !== Level.OneRtt)
      if (!this.#writePacket(draft, at, end, space, may, now)) continue
      // RFC 9000 §14.1: a client's Initial datagrams, and a server's when they ask for an answer
      if (level === Level.Initial && (role === 'client' || draft.writer.ackEliciting)) padded = true
      at += draft.size
      count++
      if (level === Level.OneRtt) break
    }
    if (count === 0) {
      slots.release(slot)
      return false
    }
    if (padded) builder.drafts[count - 1]!.padTo(base + MIN_DATAGRAM)
    this.#finish(count, slot, now, out)
    return true
  }

  #wantsAny(): boolean {
    return this.#wants(Level.Initial) || this.#wants(Level.Handshake) || this.#wants(Level.OneRtt)
  }

  #wants(level: Level): boolean {
    const parts = this.#parts
    if (this.#builder.space(level) === undefined) return false
    if (parts.handshake.streams[level].hasPending) return true
    return level === Level.OneRtt && (parts.pending !== 0 || parts.streams.hasPending || parts.datagrams.hasPending)
  }

  get #isProbing(): boolean {
    const { handshake, path } = this.#parts
    return handshake.initialSpace.probes > 0 || handshake.handshakeSpace.probes > 0 || path.space.probes > 0
  }

  #anyAckOrProbe(now: number): boolean {
    for (let level: Level = Level.Initial; level <= Level.OneRtt; level++) {
      const space = this.#builder.space(level as Level)
      if (space !== undefined && (space.probes > 0 || space.ackPolicy.isDue(now))) return true
    }
    return false
  }

  /** Header and frames of one packet. False when there was nothing to say: nothing was used up. */
  #writePacket(
    draft: PacketDraft,
    at: number,
    end: number,
    space: PacketSpace,
    mayData: boolean,
    now: number,
  ): boolean {
    const level = space.level
    const probe = space.probes > 0
    const ackDue = space.ackPolicy.isDue(now)
    const data = (mayData || probe) && this.#wants(level)
    if (!ackDue && !probe && !data) return false
    if (level === Level.OneRtt && space.nextPacketNumber >= this.#nextSkip) {
      space.skipPacketNumber()
      this.#nextSkip = space.nextPacketNumber + this.#skipDistance()
    }
    if (!this.#builder.begin(draft, at, end, space)) return false
    const writer = draft.writer
    if (space.ackPolicy.hasPending && space.received.writeAck(writer, -1, ACK_DELAY_EXPONENT, now))
      draft.largestAckSent = space.received.largest
    if (data) this.#writeFrames(draft, level)
    if (!writer.ackEliciting) {
      if (probe || (mayData && space.nonElicitingRun >= ACK_ONLY_LIMIT)) this.#builder.writePing(draft)
    }
    // an ACK that kept waiting data from fitting goes alone, or the two would wait for each other
    if (draft.isEmpty || (!writer.ackEliciting && !ackDue && !probe && !data)) {
      this.#parts.pool.drop(writer.frames)
      writer.frames = undefined
      return false
    }
    return true
  }

  #writeFrames(draft: PacketDraft, level: Level): void {
    const parts = this.#parts
    const writer = draft.writer
    parts.handshake.streams[level].write(writer)
    if (level !== Level.OneRtt) return
    const pending = parts.pending
    if (pending !== 0) {
      if ((pending & Pending.Control) !== 0 && !parts.control.write(writer)) parts.pending &= ~Pending.Control
      if ((pending & Pending.PeerIds) !== 0 && !parts.path.peerIds.write(writer)) parts.pending &= ~Pending.PeerIds
      if ((pending & Pending.LocalIds) !== 0 && !parts.path.localIds.write(writer)) parts.pending &= ~Pending.LocalIds
    }
    if (parts.datagrams.hasPending) parts.datagrams.frames.write(writer)
    if (parts.streams.hasPending) parts.streams.frames.write(writer)
  }

  /** Seals the drafts, records them as sent, fills `out`. */
  #finish(count: number, slot: number, now: number, out: Transmit): void {
    const { path, lifecycle, role } = this.#parts
    const builder = this.#builder
    const { link } = path
    const { recovery } = link
    let length = 0
    let eliciting = false
    let inFlight = 0
    let handshake = false
    for (let index = 0; index < count; index++) {
      const draft = builder.drafts[index]!
      const size = builder.seal(draft, now)
      length += size
      const space = draft.space!
      const writer = draft.writer
      if (writer.inFlight) inFlight += size
      path.detection.sent(space, draft.packetNumber, size, writer, recovery, now, false, draft.largestAckSent)
      if (draft.largestAckSent !== -1) space.ackPolicy.sentAck()
      if (draft.level === Level.Handshake) handshake = true
      if (writer.ackEliciting) {
        eliciting = true
        if (space.probes > 0) space.probes--
      }
    }
    if (inFlight > 0) recovery.pacer.spend(inFlight, recovery.congestion.window, recovery.rtt.smoothed, now)
    if (eliciting) lifecycle.sentEliciting(now, path.detection.ptoMs())
    builder.handOver(out, slot, length, link, link.route, 'data')
    this.#keepCopy(out)
    if (role === 'client' && handshake && !this.#sentHandshakePacket) {
      this.#sentHandshakePacket = true
      this.#host.firstHandshakePacketSent()
    }
  }

  #keepCopy(out: Transmit): void {
    if (this.#fanOut.length === 0) return
    const { slots } = this.#parts
    const start = slots.offset(out.slot)
    this.#copy = slots.bytes.slice(start, start + out.length)
    this.#copyNext = 0
  }

  #pollCopy(out: Transmit): boolean {
    const { slots } = this.#parts
    const copy = this.#copy!
    if (this.#copyNext >= this.#fanOut.length) {
      this.#copy = undefined
      this.#copyNext = 0
      return false
    }
    const slot = slots.acquire()
    if (slot === -1) return false
    slots.bytes.set(copy, slots.offset(slot))
    this.#builder.handOver(out, slot, copy.length, undefined, this.#fanOut[this.#copyNext++]!, 'data')
    if (this.#copyNext >= this.#fanOut.length) this.#copy = undefined
    return true
  }
}
