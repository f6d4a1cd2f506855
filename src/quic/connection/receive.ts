/**
 * A datagram on its way in: split into packets, headers unmasked and payloads opened in place, duplicates dropped, frames dispatched,
 * acknowledgements noted (RFC 9000 §12, §5.2, RFC 9001 §5). The one place where a TransportError is caught.
 */
import type { AeadKey, HeaderKey } from '../../crypto/index.ts'
import { LOCAL_ID_LENGTH, MIN_DATAGRAM } from '../config.ts'
import { ErrorCode, TransportError } from '../errors.ts'
import { Level } from '../level.ts'
import type { Path } from '../path/path.ts'
import type { Route } from '../path/route.ts'
import type { PacketSpace } from '../recovery/packet-space.ts'
import { FIXED_BIT, type PacketHeader, PacketKind, parseHeader } from '../wire/header.ts'
import { verifyRetry } from '../wire/retry-packet.ts'
import { readVersionNegotiation } from '../wire/version-negotiation.ts'
import { FrameDispatch } from './frame-dispatch.ts'
import { follow } from './migration.ts'
import type { Parts } from './parts.ts'

/** Packets kept until their keys exist (RFC 9001 §5.7); more are loss. */
const MAX_STASHED = 16

interface Stashed {
  readonly bytes: Uint8Array
  readonly level: Level
  readonly route: Route
  readonly pathId: number
  readonly sequence: number
}

/** What the connection does when a datagram tells it something only it can act on. */
export interface ReceiveHost {
  /** Client: an acceptable Retry came on this route; Initial packets sent so far are void. */
  retried(route: Route): void
  /** Client: the server offers none of our versions. */
  versionsOffered(versions: readonly number[]): void
  /** Server: a Handshake packet proved the client's address and made Initial keys superfluous. */
  firstHandshakePacket(): void
  /** Client, dialling: the peer answered on this route. */
  answered(route: Route): void
}

export class Receive {
  readonly #parts: Parts
  readonly #host: ReceiveHost
  readonly #dispatch: FrameDispatch
  readonly #header: PacketHeader
  #stash: Stashed[] = []
  /** Any packet was authenticated: version negotiation and Retry come too late. */
  #authenticatedAny = false

  constructor(parts: Parts, host: ReceiveHost) {
    this.#parts = parts
    this.#host = host
    this.#header = parts.scratch.header
    this.#dispatch = new FrameDispatch(parts)
  }

  /**
   * `pathId` and `sequence` are those of the connection id the datagram was sent to, 0 and -1 for a client's first choice. Returns false when
   * not one packet of it was authentic: it may be a stateless reset.
   */
  datagram(
    bytes: Uint8Array,
    start: number,
    length: number,
    route: Route,
    pathId: number,
    sequence: number,
    now: number,
  ): boolean {
    const parts = this.#parts
    const { lifecycle, paths } = parts
    const path = paths.find(pathId)
    if (!this.#isRouteAllowed(path, pathId, route)) return true
    if (path !== undefined) {
      const link = path.linkOn(route)
      if (link !== undefined && !link.validated) {
        // RFC 9000 §8.1: every datagram that is for this connection counts, whole
        link.bytesReceived += length
        path.detection.atAmplificationLimit = false
      }
      path.datagramsReceived++
      path.bytesReceived += length
    }
    let authentic = false
    try {
      authentic = this.#packets(bytes, start, start + length, route, pathId, sequence, length, now)
      if (this.#stash.length > 0 && !lifecycle.isEnded) this.#replay(now)
    } catch (error) {
      if (!(error instanceof TransportError)) throw error
      parts.fail(error.code, error.frameType, error.message, now)
      return true
    }
    return authentic
  }

  /** spec/quic.md §5.2, §5.3, RFC 9000 §9: who may come from where. */
  #isRouteAllowed(path: Path | undefined, pathId: number, route: Route): boolean {
    const { handshake, role, paths, traversal } = this.#parts
    // before, its ids are the peer's to know, but not to use
    if (path === undefined)
      return handshake.isConfirmed ? paths.mayAppear(pathId) : paths.first.linkOn(route) !== undefined
    if (path.linkOn(route) !== undefined) return true
    // a client takes the first authentic answer from anywhere while it dials; later only to be probed, for a server never moves on its own
    if (role === 'client')
      return handshake.isConfirmed
        ? traversal.isNegotiated
        : !handshake.receivedHandshakePacket && !handshake.isComplete
    return handshake.isConfirmed
  }

  #packets(
    bytes: Uint8Array,
    start: number,
    end: number,
    route: Route,
    pathId: number,
    sequence: number,
    datagramLength: number,
    now: number,
  ): boolean {
    const header = this.#header
    let at = start
    let authentic = false
    let idStart = -1
    let idLength = 0
    while (at < end) {
      if (!parseHeader(bytes, at, end, LOCAL_ID_LENGTH, header)) break
      const packetStart = at
      at = header.end
      if (idStart === -1) {
        idStart = header.destinationStart
        idLength = header.destinationLength
      } else if (!equals(bytes, idStart, idLength, bytes, header.destinationStart, header.destinationLength)) {
        // RFC 9000 §12.2: coalesced packets for somebody else
        continue
      }
      if (this.#parts.lifecycle.isEnded && this.#parts.lifecycle.state !== 'closing') return true
      if (this.#onePacket(bytes, packetStart, route, pathId, sequence, datagramLength, now)) authentic = true
    }
    return authentic
  }

  #onePacket(
    bytes: Uint8Array,
    start: number,
    route: Route,
    pathId: number,
    sequence: number,
    datagramLength: number,
    now: number,
  ): boolean {
    const { handshake, role } = this.#parts
    const header = this.#header
    const { kind } = header
    // RFC 9000 §17.2: the engine has looked at the first packet only; version negotiation may lack the bit (RFC 8999)
    if ((header.firstByte & FIXED_BIT) === 0 && kind !== PacketKind.VersionNegotiation) return false
    if ((kind === PacketKind.Initial || kind === PacketKind.Handshake) && !this.#isFromPeer(bytes)) return false
    switch (kind) {
      case PacketKind.VersionNegotiation:
        this.#versionNegotiation(bytes)
        return false
      case PacketKind.Retry:
        this.#retry(bytes, start, route)
        return false
      case PacketKind.Initial: {
        // RFC 9000 §14.1: small datagrams; §17.2.2: a server has no tokens to show
        if (role === 'server' ? datagramLength < MIN_DATAGRAM : header.tokenLength > 0) return false
        const keys = handshake.initialKeys
        if (keys === undefined) return false
        return this.#open(
          bytes,
          start,
          Level.Initial,
          keys.receive.header,
          keys.receive.aead,
          route,
          pathId,
          sequence,
          datagramLength,
          now,
        )
      }
      case PacketKind.Handshake: {
        const keys = handshake.handshakeReceive
        if (keys === undefined) {
          if (!handshake.isComplete) this.#keep(bytes, start, header.end, Level.Handshake, route, pathId, sequence)
          return false
        }
        const { header: headerKey, aead } = keys
        return this.#open(bytes, start, Level.Handshake, headerKey, aead, route, pathId, sequence, datagramLength, now)
      }
      case PacketKind.OneRtt: {
        const oneRtt = handshake.oneRtt
        // RFC 9001 §5.7: a server takes no 1-RTT packet before the client's Finished
        if (oneRtt === undefined || (role === 'server' && !handshake.isComplete)) {
          this.#keep(bytes, start, header.end, Level.OneRtt, route, pathId, sequence)
          return false
        }
        return this.#open(
          bytes,
          start,
          Level.OneRtt,
          oneRtt.receiveHeader,
          oneRtt.receiveKey,
          route,
          pathId,
          sequence,
          datagramLength,
          now,
        )
      }
      default:
        // 0-RTT, which we never accept, and other versions
        return false
    }
  }

  /** RFC 9000 §7.2: who began with one source id does not go on with another; such packets are somebody else's. */
  #isFromPeer(bytes: Uint8Array): boolean {
    const { peerSourceId } = this.#parts.handshake
    const { sourceStart, sourceLength } = this.#header
    return peerSourceId === undefined || equals(bytes, sourceStart, sourceLength, peerSourceId)
  }

  #keep(
    bytes: Uint8Array,
    start: number,
    end: number,
    level: Level,
    route: Route,
    pathId: number,
    sequence: number,
  ): void {
    if (this.#stash.length >= MAX_STASHED) return
    this.#stash.push({ bytes: bytes.slice(start, end), level, route, pathId, sequence })
  }

  /** Packets that came before their keys. */
  #replay(now: number): void {
    const { handshake, role } = this.#parts
    const ready = (level: Level) =>
      level === Level.Handshake
        ? handshake.handshakeReceive !== undefined
        : handshake.oneRtt !== undefined && (role === 'client' || handshake.isComplete)
    if (!this.#stash.some((packet) => ready(packet.level))) return
    const stashed = this.#stash
    this.#stash = []
    for (const packet of stashed) {
      const { bytes, route, pathId, sequence } = packet
      if (ready(packet.level)) this.#packets(bytes, 0, bytes.length, route, pathId, sequence, bytes.length, now)
      else this.#stash.push(packet)
    }
  }

  #open(
    bytes: Uint8Array,
    start: number,
    level: Level,
    headerKey: HeaderKey,
    currentAead: AeadKey,
    route: Route,
    pathId: number,
    sequence: number,
    datagramLength: number,
    now: number,
  ): boolean {
    const parts = this.#parts
    const { paths, handshake, lifecycle, trace, protection } = parts
    const header = this.#header
    const end = header.end
    const isOneRtt = level === Level.OneRtt
    let path = paths.find(pathId)
    // spec/quic.md §5.4: only clients open paths
    if (path === undefined && isOneRtt && !(handshake.isConfirmed && paths.mayAppear(pathId))) return false
    const known = this.#space(level, path)
    const phase = isOneRtt ? handshake.oneRtt!.phase : -1
    const largest = known?.received.largest ?? -1
    let aead = currentAead
    let result = protection.unprotect(
      aead,
      headerKey,
      bytes,
      start,
      header.packetNumberStart,
      end,
      isOneRtt ? pathId : 0,
      largest,
      phase,
    )
    if (result === 'too-short') return false
    const { packetNumber, payloadStart } = protection
    if (result === 'other-phase') {
      aead = handshake.oneRtt!.select(phase ^ 1, packetNumber, path?.receivePhaseStart ?? -1)
      if (protection.open(aead, bytes, start, end, pathId)) result = 'opened'
    }
    if (result !== 'opened') {
      if (isOneRtt) handshake.oneRtt!.openFailed()
      trace?.packetDropped(now, end - start, 'decryption_failure')
      return false
    }
    const { plainEnd } = protection
    const first = bytes[start]!
    if (lifecycle.isEnded) {
      if (!this.#dispatch.holdsClose(bytes, payloadStart, plainEnd)) lifecycle.receivedAfterEnd()
      else if (lifecycle.peerClosedToo()) parts.events.push({ type: 'close-answered' })
      return true
    }
    // RFC 9000 §17.2, §17.3.1: reserved bits, checked only once the packet is known to be authentic
    if ((first & ((first & 0x80) !== 0 ? 0x0c : 0x18)) !== 0)
      throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, 0, 'reserved header bits are set')
    // spec/quic.md §4.3: the handshake is path 0's
    if (!isOneRtt && pathId !== 0)
      throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, 0, `a handshake packet on path ${pathId}`)
    path ??= paths.appeared(pathId, route, datagramLength, now)
    if (path === undefined) return true
    const space = known ?? path.space
    if (isOneRtt) this.#phase(path, aead, packetNumber, now)
    this.#authentic(bytes, level, route)
    if (space.received.isDuplicate(packetNumber)) return true
    trace?.packetReceived(now, level, pathId, packetNumber, end - start, bytes, payloadStart, plainEnd)
    const largestBefore = space.received.largest
    // before the frames: an ACK among them may prune what lies below
    space.received.add(packetNumber, now)
    const dispatch = this.#dispatch
    dispatch.dispatch(bytes, payloadStart, plainEnd, level, path, space, sequence, route, datagramLength, now)
    // the peer closed the connection: nothing is acknowledged, and no path moves any more
    if (lifecycle.isEnded) return true
    space.ackPolicy.received(packetNumber, dispatch.ackEliciting, largestBefore, now, space.received.hasGaps)
    if (dispatch.immediateAck) space.ackPolicy.immediate()
    lifecycle.received(now, paths.largestPtoMs)
    if (path.isOpen) {
      // RFC 9000 §9.3: only the newest non-probing packet moves a path
      if (route !== path.link.route && dispatch.nonProbing && packetNumber > largestBefore && parts.role === 'server')
        follow(parts, path, route, datagramLength, now)
      // what probes another address says nothing about this one
      if (route === path.link.route || path.linkOn(route) !== undefined)
        path.received(now, paths.live.length === 1 || dispatch.ackEliciting)
    }
    return true
  }

  #space(level: Level, path: Path | undefined): PacketSpace | undefined {
    const { handshake } = this.#parts
    if (level === Level.OneRtt) return path?.space
    // there while there are keys
    return level === Level.Initial ? handshake.initialSpace! : handshake.handshakeSpace!
  }

  #phase(path: Path, aead: AeadKey, packetNumber: number, now: number): void {
    const { handshake, paths } = this.#parts
    const oneRtt = handshake.oneRtt!
    if (oneRtt.beginsPhase(aead) && oneRtt.opened(aead, now, 3 * paths.largestPtoMs)) {
      // spec/quic.md §1.9: one phase for the whole connection
      paths.phaseStarted()
      path.receivePhaseStart = packetNumber
    } else if (
      oneRtt.isCurrentReceiveKey(aead) &&
      (path.receivePhaseStart === -1 || packetNumber < path.receivePhaseStart)
    )
      path.receivePhaseStart = packetNumber
  }

  /** First proofs of who and where the peer is. */
  #authentic(bytes: Uint8Array, level: Level, route: Route): void {
    const { paths, handshake, role } = this.#parts
    const header = this.#header
    this.#authenticatedAny = true
    if (level === Level.OneRtt) return
    if (handshake.peerSourceId === undefined) {
      // RFC 9000 §7.2: from now on packets go to the id that the peer chose
      handshake.peerSourceId = bytes.slice(header.sourceStart, header.sourceStart + header.sourceLength)
      paths.first.peerIds.replaceFirst(handshake.peerSourceId)
    }
    if (role === 'client') {
      if (!handshake.receivedHandshakePacket) this.#host.answered(route)
      if (level === Level.Handshake) handshake.receivedHandshakePacket = true
    } else if (level === Level.Handshake && !handshake.receivedHandshakePacket) {
      handshake.receivedHandshakePacket = true
      this.#host.firstHandshakePacket()
    }
  }

  #versionNegotiation(bytes: Uint8Array): void {
    const { role, handshake } = this.#parts
    const header = this.#header
    // RFC 9000 §6.2: only in answer to the first flight, with our ids swapped, and never listing the version we use
    if (role !== 'client' || this.#authenticatedAny || handshake.wasRetried) return
    if (!equals(bytes, header.sourceStart, header.sourceLength, handshake.originalDestinationId)) return
    const versions = readVersionNegotiation(bytes, header, header.end)
    if (versions.length === 0 || versions.includes(1)) return
    this.#host.versionsOffered(versions)
  }

  #retry(bytes: Uint8Array, start: number, route: Route): void {
    const { role, handshake, crypto } = this.#parts
    const header = this.#header
    if (role !== 'client' || this.#authenticatedAny || handshake.wasRetried) return
    if (!verifyRetry(crypto, bytes, start, header.end, handshake.originalDestinationId)) return
    const sourceId = bytes.slice(header.sourceStart, header.sourceStart + header.sourceLength)
    const token = bytes.slice(header.tokenStart, header.tokenStart + header.tokenLength)
    // RFC 9000 §17.2.5.1: the Retry must change the id
    if (equals(sourceId, 0, sourceId.length, handshake.originalDestinationId)) return
    if (!handshake.receiveRetry(sourceId, token)) return
    this.#parts.paths.first.peerIds.replaceFirst(sourceId)
    this.#host.retried(route)
  }

  release(): void {
    this.#stash = []
  }
}

/** Without a view for either side: this runs for every packet. */
function equals(
  bytes: Uint8Array,
  start: number,
  length: number,
  other: Uint8Array,
  otherStart = 0,
  otherLength = other.length,
): boolean {
  if (length !== otherLength) return false
  for (let index = 0; index < length; index++) if (bytes[start + index] !== other[otherStart + index]) return false
  return true
}
