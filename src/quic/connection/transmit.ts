/**
 * A datagram on its way out: which path and link, what congestion, pacing and the amplification limit allow, which packets go into
 * it, padding, sealing, the sent record (RFC 9000 §12.2, §14, RFC 9002 §7). It decides nothing about content: owners write their frames.
 */
import { ACK_DELAY_EXPONENT, MIN_DATAGRAM } from '../config.ts'
import { Level } from '../level.ts'
import type { PathLink } from '../path/path-link.ts'
import type { Route } from '../path/route.ts'
import { TAG_LENGTH } from '../protection/packet-protection.ts'
import type { PacketSpace } from '../recovery/packet-space.ts'
import type { Transmit } from '../slots.ts'
import { writeConnectionClose } from '../wire/control-frames.ts'
import { FrameType } from '../wire/frame-types.ts'
import { writePathChallenge, writePathResponse } from '../wire/path-frames.ts'
import { PacketDraft } from './packet-draft.ts'
import { type Parts, Pending } from './parts.ts'

const EMPTY = new Uint8Array(0)
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
  readonly #drafts: readonly [PacketDraft, PacketDraft, PacketDraft]
  /** Dialling: further routes that get a copy of each datagram until the first answer. */
  #fanOut: readonly Route[] = []
  #copy: Uint8Array | undefined = undefined
  #copyNext = 0
  #ackOnly = 0
  #nextSkip: number
  #sentHandshakePacket = false
  readonly #scratch = new Uint8Array(8)

  constructor(parts: Parts, host: TransmitHost) {
    this.#parts = parts
    this.#host = host
    this.#drafts = [new PacketDraft(parts.pool), new PacketDraft(parts.pool), new PacketDraft(parts.pool)]
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

  /** Fills `out` with one datagram; false when there is nothing to send now. */
  poll(now: number, out: Transmit): boolean {
    const parts = this.#parts
    const { lifecycle, path } = parts
    if (this.#copy !== undefined) return this.#pollCopy(out)
    if (lifecycle.state === 'drained') return false
    if (lifecycle.isEnded) return lifecycle.closePending && this.#pollClose(now, out)
    parts.datagrams.packetRoom = path.link.mtu.current - 1 - path.peerIds.active.length - 4 - TAG_LENGTH
    if (path.responses.length > 0 || path.link.challengePending || path.previous?.challengePending === true) {
      if (this.#pollValidation(now, out)) return true
    }
    if (this.#pollData(now, out)) return true
    return this.#pollMtuProbe(now, out)
  }

  // the usual datagram

  #pollData(now: number, out: Transmit): boolean {
    const parts = this.#parts
    const { path, handshake, slots, role } = parts
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
    const slot = slots.acquire()
    if (slot === -1) return false
    const base = slots.offset(slot)
    const end = base + maxSize
    let at = base
    let count = 0
    let padded = false
    for (let level: Level = Level.Initial; level <= Level.OneRtt; level++) {
      const space = this.#space(level as Level)
      if (space === undefined) continue
      const draft = this.#drafts[count]!
      if (!this.#writePacket(draft, slots.bytes, at, end, space, mayData, now)) continue
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
    if (padded) this.#drafts[count - 1]!.padTo(base + MIN_DATAGRAM)
    this.#finish(count, slot, base, link, link.route, now, out)
    return true
  }

  #space(level: Level): PacketSpace | undefined {
    const { handshake, path } = this.#parts
    if (level === Level.OneRtt) return handshake.oneRtt !== undefined && handshake.isComplete ? path.space : undefined
    if (level === Level.Initial) return handshake.initialKeys === undefined ? undefined : handshake.initialSpace
    if (level === Level.Handshake) return handshake.handshakeSend === undefined ? undefined : handshake.handshakeSpace
    return undefined
  }

  #wantsAny(): boolean {
    return this.#wants(Level.Initial) || this.#wants(Level.Handshake) || this.#wants(Level.OneRtt)
  }

  #wants(level: Level): boolean {
    const parts = this.#parts
    if (this.#space(level) === undefined) return false
    if (parts.handshake.streams[level].hasPending) return true
    return level === Level.OneRtt && (parts.pending !== 0 || parts.streams.hasPending || parts.datagrams.hasPending)
  }

  #anyAckOrProbe(now: number): boolean {
    for (let level: Level = Level.Initial; level <= Level.OneRtt; level++) {
      const space = this.#space(level as Level)
      if (space !== undefined && (space.probes > 0 || space.ackPolicy.isDue(now))) return true
    }
    return false
  }

  /** Header and frames of one packet. False when there was nothing to say: nothing was used up. */
  #writePacket(
    draft: PacketDraft,
    bytes: Uint8Array,
    at: number,
    end: number,
    space: PacketSpace,
    mayData: boolean,
    now: number,
  ): boolean {
    const parts = this.#parts
    const { handshake, path } = parts
    const level = space.level
    const probe = space.probes > 0
    const ackDue = space.ackPolicy.isDue(now)
    const data = (mayData || probe) && this.#wants(level)
    if (!ackDue && !probe && !data) return false
    if (level === Level.OneRtt && space.nextPacketNumber >= this.#nextSkip) {
      space.skipPacketNumber()
      this.#nextSkip = space.nextPacketNumber + this.#skipDistance()
    }
    if (
      !draft.begin(
        bytes,
        at,
        end,
        space,
        path.peerIds.active,
        handshake.sourceId,
        handshake.token,
        handshake.oneRtt?.phase ?? 0,
      )
    )
      return false
    const writer = draft.writer
    if (space.ackPolicy.hasPending && space.received.writeAck(writer, -1, ACK_DELAY_EXPONENT, now))
      draft.largestAckSent = space.received.largest
    if (data) this.#writeFrames(draft, level)
    if (!writer.ackEliciting) {
      if (probe || (mayData && this.#ackOnly >= ACK_ONLY_LIMIT)) this.#writePing(draft, level)
    }
    // an ACK that kept waiting data from fitting goes alone, or the two would wait for each other
    if (draft.isEmpty || (!writer.ackEliciting && !ackDue && !probe && !data)) {
      parts.pool.drop(writer.frames)
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

  #writePing(draft: PacketDraft, level: Level): void {
    const writer = draft.writer
    if (writer.room < 1) return
    // spec/quic.md §4.4: a peer that understands IMMEDIATE_ACK answers a probe at once
    const immediate = level === Level.OneRtt && this.#parts.handshake.peerParameters?.minAckDelay !== undefined
    writer.u8(immediate ? FrameType.IMMEDIATE_ACK : FrameType.PING)
    writer.eliciting()
  }

  /** Seals the drafts, records them as sent, fills `out`. */
  #finish(count: number, slot: number, base: number, link: PathLink, route: Route, now: number, out: Transmit): void {
    const parts = this.#parts
    const { path, lifecycle, role } = parts
    let length = 0
    let eliciting = false
    let inFlight = 0
    for (let index = 0; index < count; index++) {
      const draft = this.#drafts[index]!
      const size = this.#seal(draft, now)
      length += size
      const space = draft.space!
      const writer = draft.writer
      if (writer.inFlight) inFlight += size
      path.detection.sent(space, draft.packetNumber, size, writer, link.recovery, now, false, draft.largestAckSent)
      if (draft.largestAckSent !== -1) space.ackPolicy.sentAck()
      if (writer.ackEliciting) {
        eliciting = true
        if (space.probes > 0) space.probes--
        this.#ackOnly = 0
      } else this.#ackOnly++
    }
    if (inFlight > 0)
      link.recovery.pacer.spend(inFlight, link.recovery.congestion.window, link.recovery.rtt.smoothed, now)
    if (eliciting) lifecycle.sentEliciting(now, path.detection.ptoMs())
    this.#account(link, length)
    out.slot = slot
    out.length = length
    out.route = route
    out.path = path.id
    out.kind = 'data'
    if (this.#fanOut.length > 0) {
      this.#copy = parts.slots.bytes.slice(base, base + length)
      this.#copyNext = 0
    }
    if (role === 'client' && !this.#sentHandshakePacket) {
      for (let index = 0; index < count; index++)
        if (this.#drafts[index]!.level === Level.Handshake) this.#sentHandshakePacket = true
      if (this.#sentHandshakePacket) this.#host.firstHandshakePacketSent()
    }
  }

  #seal(draft: PacketDraft, now: number): number {
    const parts = this.#parts
    const { handshake } = parts
    if (draft.level === Level.OneRtt) {
      const oneRtt = handshake.oneRtt!
      if (oneRtt.sealing() && oneRtt.initiate()) this.phaseStarted()
      return draft.seal(parts, oneRtt.sendKey, oneRtt.sendHeader, now)
    }
    const keys = draft.level === Level.Initial ? handshake.initialKeys!.send : handshake.handshakeSend!
    return draft.seal(parts, keys.aead, keys.header, now)
  }

  /** A key update began: later packets belong to the new phase. */
  phaseStarted(): void {
    const { path } = this.#parts
    path.sendPhaseStart = path.space.nextPacketNumber
    path.receivePhaseStart = -1
  }

  #account(link: PathLink | undefined, length: number): void {
    const { path } = this.#parts
    if (link !== undefined && !link.validated) link.bytesSent += length
    path.datagramsSent++
    path.bytesSent += length
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
    out.slot = slot
    out.length = copy.length
    out.route = this.#fanOut[this.#copyNext++]!
    out.path = 0
    out.kind = 'data'
    if (this.#copyNext >= this.#fanOut.length) this.#copy = undefined
    this.#account(undefined, copy.length)
    return true
  }

  // path validation

  /** PATH_RESPONSE and PATH_CHALLENGE go in datagrams of their own, padded (RFC 9000 §8.2.1, §8.2.2), outside congestion control. */
  #pollValidation(now: number, out: Transmit): boolean {
    const { path, handshake } = this.#parts
    if (handshake.oneRtt === undefined || !handshake.isComplete) return false
    const response = path.responses.shift()
    if (response !== undefined) {
      const link = path.linkOn(response.route)
      const challenge = link?.challengePending === true && link.amplificationBudget > 0 ? link : undefined
      const budget = link === undefined ? 3 * response.received : Math.max(link.amplificationBudget, response.received)
      return this.#validationDatagram(response.route, budget, response.data, challenge, now, out)
    }
    for (const link of [path.link, path.previous]) {
      if (link?.challengePending === true && link.amplificationBudget >= 64)
        return this.#validationDatagram(link.route, link.amplificationBudget, undefined, link, now, out)
    }
    return false
  }

  #validationDatagram(
    route: Route,
    budget: number,
    response: Uint8Array | undefined,
    challenged: PathLink | undefined,
    now: number,
    out: Transmit,
  ): boolean {
    const parts = this.#parts
    const { path, handshake, slots } = parts
    const slot = slots.acquire()
    if (slot === -1) {
      if (response !== undefined) path.responses.unshift({ route, data: response, received: budget })
      return false
    }
    const base = slots.offset(slot)
    const end = base + Math.min(MIN_DATAGRAM, budget)
    const draft = this.#drafts[0]
    if (!draft.begin(slots.bytes, base, end, path.space, path.peerIds.active, EMPTY, EMPTY, handshake.oneRtt!.phase)) {
      slots.release(slot)
      return false
    }
    if (response !== undefined && draft.writer.room >= 9) writePathResponse(draft.writer, response)
    if (challenged !== undefined && draft.writer.room >= 9) {
      const data = new Uint8Array(8)
      parts.random.fill(data)
      writePathChallenge(draft.writer, data)
      challenged.challengeSent(data, now, Math.max(path.detection.ptoMs(), 1))
    }
    draft.padTo(end)
    const length = this.#seal(draft, now)
    // neither counted in flight nor timed: challenges have a schedule of their own, responses are not repeated (RFC 9000 §13.3)
    draft.writer.inFlight = false
    path.detection.sent(path.space, draft.packetNumber, length, draft.writer, path.link.recovery, now, false, -1)
    this.#account(path.linkOn(route), length)
    out.slot = slot
    out.length = length
    out.route = route
    out.path = path.id
    out.kind = 'probe'
    return true
  }

  // path MTU

  #pollMtuProbe(now: number, out: Transmit): boolean {
    const parts = this.#parts
    const { path, handshake, slots } = parts
    const link = path.link
    if (!handshake.isConfirmed || !link.validated || handshake.oneRtt === undefined) return false
    const size = link.mtu.probeSize(now)
    if (size === 0 || link.recovery.bytesInFlight + size > link.recovery.congestion.window) return false
    const slot = slots.acquire()
    if (slot === -1) return false
    const base = slots.offset(slot)
    const draft = this.#drafts[0]
    draft.begin(slots.bytes, base, base + size, path.space, path.peerIds.active, EMPTY, EMPTY, handshake.oneRtt.phase)
    this.#writePing(draft, Level.OneRtt)
    draft.padTo(base + size)
    const length = this.#seal(draft, now)
    link.mtu.probeSent(length)
    path.detection.sent(path.space, draft.packetNumber, length, draft.writer, link.recovery, now, true, -1)
    this.#account(link, length)
    out.slot = slot
    out.length = length
    out.route = link.route
    out.path = path.id
    out.kind = 'mtu'
    return true
  }

  // closing

  /** CONNECTION_CLOSE at every level the peer may be able to read (RFC 9000 §10.2.3). */
  #pollClose(now: number, out: Transmit): boolean {
    const parts = this.#parts
    const { path, handshake, slots, lifecycle, role } = parts
    const frame = lifecycle.closeFrame!
    const link = path.link
    const maxSize = Math.min(MIN_DATAGRAM, link.amplificationBudget)
    lifecycle.closePending = false
    if (maxSize < 64) return false
    const slot = slots.acquire()
    if (slot === -1) {
      lifecycle.closePending = true
      return false
    }
    const base = slots.offset(slot)
    let at = base
    let count = 0
    let padded = false
    for (let level: Level = Level.Initial; level <= Level.OneRtt; level++) {
      const isOneRtt = level === Level.OneRtt
      const space = isOneRtt ? (handshake.oneRtt !== undefined ? path.space : undefined) : this.#space(level as Level)
      if (space === undefined || (handshake.isConfirmed && !isOneRtt)) continue
      const draft = this.#drafts[count]!
      const begun = draft.begin(
        slots.bytes,
        at,
        base + maxSize,
        space,
        path.peerIds.active,
        handshake.sourceId,
        handshake.token,
        handshake.oneRtt?.phase ?? 0,
      )
      if (!begun || draft.writer.room < 24) continue
      if (space.received.largest !== -1) space.received.writeAck(draft.writer, -1, ACK_DELAY_EXPONENT, now)
      // RFC 9000 §10.2.3: the application's code and words are for 1-RTT only
      if (frame.application && !isOneRtt) writeConnectionClose(draft.writer, false, 0x0c, 0, EMPTY)
      else writeConnectionClose(draft.writer, frame.application, frame.code, frame.frameType, frame.reason)
      if (level === Level.Initial && role === 'client') padded = true
      at += draft.size
      count++
    }
    if (count === 0) {
      slots.release(slot)
      return false
    }
    if (padded) this.#drafts[count - 1]!.padTo(base + MIN_DATAGRAM)
    let length = 0
    for (let index = 0; index < count; index++) length += this.#seal(this.#drafts[index]!, now)
    this.#account(link, length)
    out.slot = slot
    out.length = length
    out.route = link.route
    out.path = path.id
    out.kind = 'data'
    if (this.#fanOut.length > 0) {
      this.#copy = slots.bytes.slice(base, base + length)
      this.#copyNext = 0
    }
    return true
  }
}
