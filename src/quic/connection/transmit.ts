/**
 * A datagram on its way out: which path and link, what congestion, pacing and the amplification limit allow, which packets go into
 * it, padding, sealing, the sent record (RFC 9000 §12.2, §14, RFC 9002 §7). It decides nothing about content: owners write their frames.
 */
import { ACK_DELAY_EXPONENT, MIN_DATAGRAM } from '../config.ts'
import { ErrorCode, TransportError } from '../errors.ts'
import { Level } from '../level.ts'
import type { Path } from '../path/path.ts'
import type { PathLink } from '../path/path-link.ts'
import { bestRank, Rank, rankOf } from '../path/path-scheduler.ts'
import type { Route } from '../path/route.ts'
import { TAG_LENGTH } from '../protection/packet-protection.ts'
import type { PacketSpace } from '../recovery/packet-space.ts'
import type { Transmit } from '../slots.ts'
import { FrameType } from '../wire/frame-types.ts'
import { CloseDatagrams } from './close-datagram.ts'
import { DatagramBuilder } from './datagram-builder.ts'
import type { PacketDraft } from './packet-draft.ts'
import { type Parts, Pending } from './parts.ts'
import { pollMtuProbe, pollValidation } from './path-datagrams.ts'
import { pollProbe } from './probe-datagrams.ts'

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
  readonly #close: CloseDatagrams
  /** Dialling: further routes that get a copy of each datagram until the first answer. */
  #fanOut: readonly Route[] = []
  #copy: Uint8Array | undefined = undefined
  #copyNext = 0
  #sentHandshakePacket = false
  readonly #scratch = new Uint8Array(8)

  constructor(parts: Parts, host: TransmitHost) {
    this.#parts = parts
    this.#host = host
    this.#builder = new DatagramBuilder(parts)
    this.#close = new CloseDatagrams(parts, this.#builder)
  }

  /** Leaves out a packet number of this path when its time has come, and draws when that is next. */
  #skip(space: PacketSpace): void {
    if (space.nextPacketNumber < space.skipAt) return
    const { settings, random } = this.#parts
    if (space.skipAt !== -1) space.skipPacketNumber()
    random.fill(this.#scratch)
    space.skipAt = settings.skipPacketNumbers ? space.nextPacketNumber + SKIP_BASE + this.#scratch[0]! * 4 : NEVER
  }

  setFanOut(routes: readonly Route[]): void {
    this.#fanOut = routes
  }

  stopFanOut(): void {
    this.#fanOut = []
    this.#copy = undefined
  }

  /** What a packet holds may have changed with the preferred path and its datagram size: whoever sends a DATAGRAM must know. */
  measureRoom({ link, peerIds }: Path): void {
    this.#parts.datagrams.packetRoom = link.mtu.current - 1 - peerIds.active.length - 4 - TAG_LENGTH
  }

  /**
   * Fills `out` with one datagram; false when there is nothing to send now. Throws TransportError when the connection must end for
   * something on our side (RFC 9001 §6.6).
   */
  poll(now: number, out: Transmit): boolean {
    const parts = this.#parts
    const builder = this.#builder
    const { lifecycle, paths, handshake } = parts
    if (this.#copy !== undefined) return this.#pollCopy(out)
    if (lifecycle.state === 'drained') return false
    if (lifecycle.isEnded) {
      if (!this.#close.poll(now, out)) return false
      this.#keepCopy(out)
      return true
    }
    if (handshake.oneRtt?.isSpent === true)
      throw new TransportError(ErrorCode.AEAD_LIMIT_REACHED, 0, 'the key has protected as many packets as it may')
    const { live, preferred } = paths
    this.measureRoom(preferred)
    for (const path of live) if (path.wantsValidation && pollValidation(parts, builder, path, now, out)) return true
    if (parts.traversal.probes.hasDue && pollProbe(parts, builder, now, out)) return true
    if (live.length === 1 ? this.#pollData(preferred, true, now, out) : this.#pollPaths(live, now, out)) return true
    for (const path of live) if (path.isOpen && pollMtuProbe(parts, builder, path, now, out)) return true
    return false
  }

  /**
   * Each path says what only it can say; what belongs to none goes over those of the best rank, the next when the first is full. spec/quic.md §5.5: when
   * no other way is known to work, that a path is abandoned is said on that path, too. But not by a client whose other paths the server may not
   * know: it would think that it has none left.
   */
  #pollPaths(live: readonly Path[], now: number, out: Transmit): boolean {
    const best = bestRank(live)
    const isServer = this.#parts.role === 'server'
    for (const path of live) {
      const hasOwn = path.isOpen && rankOf(path) !== best
      const hasWord = path.carriesLastWord && (best === Rank.Suspect || (best === Rank.Unvalidated && isServer))
      if ((hasOwn || hasWord) && this.#pollData(path, hasWord, now, out)) return true
    }
    // acknowledgements and probes first: data may fill the paths before them for as long as there is some
    for (const path of live) {
      const { ackPolicy, probes } = path.space
      const isUrgent = path.isOpen && (probes > 0 || ackPolicy.isDue(now)) && rankOf(path) === best
      if (isUrgent && this.#pollData(path, true, now, out)) return true
    }
    for (const path of live) {
      const mayCarry = rankOf(path) === best && (path.isOpen || path.carriesLastWord)
      if (mayCarry && this.#pollData(path, true, now, out)) return true
    }
    return false
  }

  /** `carries`: the path may take what belongs to no path. */
  #pollData(path: Path, carries: boolean, now: number, out: Transmit): boolean {
    const { handshake, slots, role, routes, paths } = this.#parts
    const builder = this.#builder
    const link = path.link
    if (paths.isBlocked(link.route)) return false
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
    const bound = link.flightBound(routes)
    const window = Math.min(recovery.congestion.window, bound)
    let mayData = recovery.bytesInFlight + maxSize + this.#probeRoom(link, window, now) <= window
    path.pacedUntil = NEVER
    const wanted = this.#wantsAny(path, carries)
    if (mayData && wanted) {
      const readyAt = recovery.pacer.readyAt(maxSize, window, recovery.rtt.smoothed, now)
      if (readyAt > now) {
        mayData = false
        path.pacedUntil = readyAt
      }
    }
    // RFC 9002 §7.8: when there is nothing to send, or the receiver's buffer is what limits us, the window is not
    recovery.appLimited = bound < recovery.congestion.window || (mayData && !wanted)
    if (!wanted && !this.#anyAckOrProbe(path, carries, now)) return false
    // RFC 9002 §6.2.4: a probe takes the handshake data of the other spaces along, which a full window may hold back for good
    const isProbing = !handshake.isConfirmed && this.#isProbing(path)
    const slot = slots.acquire()
    if (slot === -1) return false
    const base = slots.offset(slot)
    const end = base + maxSize
    let at = base
    let count = 0
    let padded = false
    for (let level: Level = Level.Initial; level <= Level.OneRtt; level++) {
      const space = builder.space(level as Level, path)
      if (space === undefined) continue
      const draft = builder.drafts[count]!
      const may = mayData || (isProbing && level !== Level.OneRtt)
      if (!this.#writePacket(draft, at, end, path, space, may, carries, now)) continue
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
    this.#finish(path, count, slot, now, out)
    return true
  }

  /** Bytes of the window that data leaves to the MTU probe that is due: a full window would keep it waiting for good. */
  #probeRoom(link: PathLink, window: number, now: number): number {
    if (!this.#parts.handshake.isConfirmed || !link.validated) return 0
    const size = link.mtu.probeSize(now)
    return size < window / 2 ? size : 0
  }

  #wantsAny(path: Path, carries: boolean): boolean {
    if (this.#wants(Level.OneRtt, path, carries)) return true
    if (this.#parts.handshake.isConfirmed) return false
    return this.#wants(Level.Initial, path, carries) || this.#wants(Level.Handshake, path, carries)
  }

  #wants(level: Level, path: Path, carries: boolean): boolean {
    const parts = this.#parts
    if (this.#builder.space(level, path) === undefined) return false
    if (level !== Level.OneRtt) return parts.handshake.hasCrypto(level)
    // an abandoned path, the last there was, carries the word of that and nothing else
    if (!path.isOpen) return carries && (parts.pending & Pending.Paths) !== 0
    if (path.pingPending || path.wantsReport) return true
    if (!carries) return false
    return (
      parts.pending !== 0 ||
      parts.streams.hasPending ||
      parts.datagrams.hasPending ||
      parts.handshake.hasCrypto(Level.OneRtt)
    )
  }

  #isProbing(path: Path): boolean {
    const { handshake } = this.#parts
    return (
      (handshake.initialSpace?.probes ?? 0) > 0 || (handshake.handshakeSpace?.probes ?? 0) > 0 || path.space.probes > 0
    )
  }

  #anyAckOrProbe(path: Path, carries: boolean, now: number): boolean {
    for (let level: Level = Level.Initial; level <= Level.OneRtt; level++) {
      const space = this.#builder.space(level as Level, path)
      if (space !== undefined && (space.probes > 0 || space.isAckDue(now))) return true
    }
    return carries && this.#isForeignAckDue(path, now)
  }

  /** spec/quic.md §4.4, §5.5: what comes on a path that cannot answer is acknowledged on another. */
  #isForeignAckDue(path: Path, now: number): boolean {
    const { paths } = this.#parts
    const { live } = paths
    if (live.length === 1 || path.space.isClogged) return false
    for (const other of live) if (other !== path && other.space.ackPolicy.isDue(now) && paths.isMute(other)) return true
    return false
  }

  #writeForeignAcks(draft: PacketDraft, path: Path, now: number): void {
    const { paths } = this.#parts
    for (const other of paths.live) {
      const { ackPolicy, received } = other.space
      if (other === path || !ackPolicy.isDue(now) || !paths.isMute(other)) continue
      if (received.writeAck(draft.writer, other.id, ACK_DELAY_EXPONENT, now)) ackPolicy.sentAck()
    }
  }

  /** Header and frames of one packet. False when there was nothing to say: nothing was used up. */
  #writePacket(
    draft: PacketDraft,
    at: number,
    end: number,
    path: Path,
    space: PacketSpace,
    mayData: boolean,
    carries: boolean,
    now: number,
  ): boolean {
    const level = space.level
    const probe = space.probes > 0
    const foreignAck = carries && level === Level.OneRtt && this.#isForeignAckDue(path, now)
    const ackDue = foreignAck || space.isAckDue(now)
    // RFC 9002 §6.2.4: the last probe said it all, and may be lost as well; a server may refuse a first Initial packet without a CRYPTO frame
    if (probe && level !== Level.OneRtt && !this.#wants(level, path, carries)) path.detection.repeat(space)
    const data = (mayData || probe) && this.#wants(level, path, carries)
    if (!ackDue && !probe && !data) return false
    if (level === Level.OneRtt) this.#skip(space)
    if (!this.#builder.begin(draft, at, end, space, path)) return false
    const writer = draft.writer
    const ackPath = writer.multipath ? path.id : -1
    if (space.ackPolicy.hasPending && space.received.writeAck(writer, ackPath, ACK_DELAY_EXPONENT, now))
      draft.largestAckSent = space.received.largest
    if (foreignAck) this.#writeForeignAcks(draft, path, now)
    if (data) this.#writeFrames(draft, level, path, carries)
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

  #writeFrames(draft: PacketDraft, level: Level, path: Path, carries: boolean): void {
    const parts = this.#parts
    const writer = draft.writer
    if (level !== Level.OneRtt) {
      parts.handshake.writeCrypto(level, writer)
      return
    }
    const { paths, pending } = parts
    if (path.pingPending && writer.room > 0) {
      writer.u8(FrameType.PING)
      writer.eliciting()
      path.pingPending = false
    }
    if (path.wantsReport) paths.reports.write(writer)
    if (!carries) return
    if ((pending & Pending.Paths) !== 0 && !paths.control.write(writer)) parts.pending &= ~Pending.Paths
    if (!path.isOpen) return
    parts.handshake.writeCrypto(level, writer)
    if ((pending & Pending.Control) !== 0 && !parts.control.write(writer)) parts.pending &= ~Pending.Control
    if ((pending & Pending.Ids) !== 0 && !paths.writeIds(writer)) parts.pending &= ~Pending.Ids
    if ((pending & Pending.Traversal) !== 0 && !parts.traversal.write(writer)) parts.pending &= ~Pending.Traversal
    if ((pending & Pending.Messages) !== 0 && !parts.messages.write(writer)) parts.pending &= ~Pending.Messages
    if (parts.datagrams.hasPending) parts.datagrams.frames.write(writer)
    if (parts.streams.hasPending) parts.streams.frames.write(writer)
  }

  /** Seals the drafts, records them as sent, fills `out`. */
  #finish(path: Path, count: number, slot: number, now: number, out: Transmit): void {
    const { lifecycle, role, paths } = this.#parts
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
    if (eliciting) {
      lifecycle.sentEliciting(now, paths.largestPtoMs)
      path.sentEliciting(now)
    }
    builder.handOver(out, slot, length, path, link, link.route, 'data')
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
    this.#builder.handOver(
      out,
      slot,
      copy.length,
      this.#parts.paths.first,
      undefined,
      this.#fanOut[this.#copyNext++]!,
      'data',
    )
    if (this.#copyNext >= this.#fanOut.length) this.#copy = undefined
    return true
  }
}
