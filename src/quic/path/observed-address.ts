/**
 * Address discovery (draft-seemann-quic-address-discovery; spec/quic.md §5.9): tells the peer from which address its packets come, once for each
 * link, on the path it is about. Reading the peer's reports is frame-dispatch.ts's business.
 */
import type { FrameOwner, PacketWriter, SentFrame } from '../recovery/frame-owner.ts'
import { writeObservedAddress } from '../wire/address-frames.ts'
import type { Path } from './path.ts'
import type { RouteInfo } from './route.ts'

/** Longest OBSERVED_ADDRESS, bytes. */
const LONGEST = 30

/** Does an endpoint of role `from` report to one of role `to`? Roles of the transport parameter: 0 only sends reports, 1 only receives them, 2 does both. */
export function sendsReports(from: number | undefined, to: number | undefined): boolean {
  return (from === 0 || from === 2) && (to === 1 || to === 2)
}

export class AddressReports implements FrameOwner {
  readonly #routes: RouteInfo
  readonly #findPath: (id: number) => Path | undefined
  readonly #wake: () => void
  /** Counts over the whole connection. */
  #nextSequence = 0

  constructor(routes: RouteInfo, findPath: (id: number) => Path | undefined, wake: () => void) {
    this.#routes = routes
    this.#findPath = findPath
    this.#wake = wake
  }

  /** Writes the report that `packet.pathId` waits for, if any; true while it waits for room. */
  write(packet: PacketWriter): boolean {
    const path = this.#findPath(packet.pathId)
    if (path === undefined || !path.reportPending) return false
    const address = this.#routes.address(path.link.route)
    if (address === undefined) {
      path.reportPending = false
      return false
    }
    if (packet.room < LONGEST) return true
    writeObservedAddress(packet, this.#nextSequence++, address)
    packet.record(this, path.id, path.link.route)
    path.reportPending = false
    return false
  }

  acked(_frame: SentFrame): void {}

  /** Said again, with a new sequence, as long as the path is still where it was: else another report is under way. */
  lost(frame: SentFrame): void {
    const path = this.#findPath(frame.a)
    if (path === undefined || !path.isOpen || path.link.route !== frame.b) return
    path.reportPending = true
    this.#wake()
  }
}
