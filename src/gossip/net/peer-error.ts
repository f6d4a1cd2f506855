/** To `onError` only: a peer that does not keep to the protocol. Nothing is to be done, unless it is one of yours. */
import type { EndpointId } from '../../identity/index.ts'

export type GossipPeerErrorCode =
  /** It went on sending frames that are none; its connection was closed. */
  | 'BAD_FRAMES'
  /** It went on sending more than anybody has to; its connection was closed. */
  | 'FLOOD'
  /** It did not take what it was sent; it is no neighbour of the topic any more. */
  | 'STALLED'

/** Match on `code`. */
export class GossipPeerError extends Error {
  override readonly name = 'GossipPeerError'
  readonly code: GossipPeerErrorCode
  readonly peer: EndpointId

  constructor(code: GossipPeerErrorCode, peer: EndpointId, message: string) {
    super(`${peer.toShortString()} ${message}`)
    this.code = code
    this.peer = peer
  }
}
