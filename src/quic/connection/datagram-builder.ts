/**
 * What every datagram on its way out has in common: the drafts of its packets, the spaces they belong to, sealing, the counters and
 * the caller's record. What goes in, and whether it may, is decided by transmit.ts, path-datagrams.ts and close-datagram.ts.
 */
import { Level } from '../level.ts'
import type { Path } from '../path/path.ts'
import type { PathLink } from '../path/path-link.ts'
import type { Route } from '../path/route.ts'
import type { PacketSpace } from '../recovery/packet-space.ts'
import type { Transmit } from '../slots.ts'
import { FrameType } from '../wire/frame-types.ts'
import type { PacketDraft } from './packet-draft.ts'
import type { Parts } from './parts.ts'

export class DatagramBuilder {
  readonly drafts: readonly [PacketDraft, PacketDraft, PacketDraft]
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
    this.drafts = parts.scratch.drafts
  }

  /** The space whose packets can be sealed and may be sent at this level; undefined when there is none. */
  space(level: Level, path: Path): PacketSpace | undefined {
    const { handshake } = this.#parts
    if (level === Level.OneRtt) return handshake.oneRtt !== undefined && handshake.isComplete ? path.space : undefined
    // the handshake is path 0's
    if (path.id !== 0) return undefined
    if (level === Level.Initial) return handshake.initialKeys === undefined ? undefined : handshake.initialSpace
    if (level === Level.Handshake) return handshake.handshakeSend === undefined ? undefined : handshake.handshakeSpace
    return undefined
  }

  /** Starts a packet of `path` at `at` in the slots; with its tag it ends at `limit` or before. False when there is no room for it. */
  begin(draft: PacketDraft, at: number, limit: number, space: PacketSpace, path: Path): boolean {
    const { handshake, paths, slots } = this.#parts
    const phase = handshake.oneRtt?.phase ?? 0
    const { sourceId, token } = handshake
    const multipath = paths.multipath && space.level === Level.OneRtt
    draft.writer.pool = this.#parts.pool
    return draft.begin(slots.bytes, at, limit, space, path.peerIds.active, sourceId, token, phase, multipath)
  }

  /** A frame that asks for an acknowledgement and says nothing else. */
  writePing(draft: PacketDraft): void {
    const writer = draft.writer
    if (writer.room < 1) return
    // spec/quic.md §4.4: a peer that understands IMMEDIATE_ACK answers a probe at once
    const immediate = draft.level === Level.OneRtt && this.#parts.handshake.peerParameters?.minAckDelay !== undefined
    writer.u8(immediate ? FrameType.IMMEDIATE_ACK : FrameType.PING)
    writer.eliciting()
  }

  /** Returns the packet's size in bytes. */
  seal(draft: PacketDraft, now: number): number {
    const parts = this.#parts
    const { handshake, paths } = parts
    if (draft.level === Level.OneRtt) {
      const oneRtt = handshake.oneRtt!
      const size = draft.seal(parts, oneRtt.sendKey, oneRtt.sendHeader, now)
      // RFC 9001 §6.6: new keys, from the next packet on, before these have protected too much
      if (oneRtt.sealed() && handshake.isConfirmed && oneRtt.initiate()) paths.phaseStarted()
      return size
    }
    const keys = draft.level === Level.Initial ? handshake.initialKeys!.send : handshake.handshakeSend!
    return draft.seal(parts, keys.aead, keys.header, now)
  }

  /** The datagram is complete: counts it and fills `out`. `link` is the one on `route`, if there is one. */
  handOver(
    out: Transmit,
    slot: number,
    length: number,
    path: Path,
    link: PathLink | undefined,
    route: Route,
    kind: Transmit['kind'],
  ): void {
    if (link !== undefined && !link.validated) link.bytesSent += length
    path.datagramsSent++
    path.bytesSent += length
    out.slot = slot
    out.length = length
    out.route = route
    out.path = path.id
    out.kind = kind
  }
}
