/** What a connection is made with, and what of it is the handshake's. */
import type { Signer } from '../../crypto/index.ts'
import type { Route } from '../path/route.ts'
import type { HandshakeOptions } from './handshake.ts'

export interface ConnectionOptions extends Omit<HandshakeOptions, 'sourceId' | 'resetToken' | 'signer'> {
  /** Where datagrams go first. */
  readonly route: Route
  /** Client, dialling: all known routes, the first included. */
  readonly routes?: readonly Route[] | undefined
  /** Server: a token proved the client's address. */
  readonly validated?: boolean
  /** Server: the id of the client's first packet. */
  readonly peerSourceId?: Uint8Array
  readonly now: number
}

/** `sourceId` is our connection id in the handshake, `resetToken` its stateless reset token (servers). */
export function handshakeOptions(
  options: ConnectionOptions,
  signer: Signer,
  sourceId: Uint8Array,
  resetToken: Uint8Array | undefined,
): HandshakeOptions {
  const { alpns, originalDestinationId, retrySourceId, expectedPeer, authentication, certificate, token, keys } =
    options
  return {
    signer,
    alpns,
    sourceId,
    originalDestinationId,
    retrySourceId,
    expectedPeer,
    authentication,
    certificate,
    token,
    keys,
    resetToken,
  }
}
