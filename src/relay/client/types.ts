/** What the relay client is told and what it tells: configuration, status, the handler of its owner. The classes are beside this file. */
import type { RelayUrl } from '../../identity/index.ts'

/** One relay of the local relay map. */
export interface RelayConfig {
  readonly url: RelayUrl
  /** Bearer token that the relay asks for (spec/relay.md §2.5). Secret. */
  readonly token?: string
  /** UDP port of QUIC address discovery; null: the relay has none. Default 7842. */
  readonly quicPort?: number | null
}

/**
 * `connected`: the handshake is done. `disconnected`: nothing is under way at the moment; `error` says why the last attempt or connection ended, and is
 * undefined after a deliberate close. Its message names the relay without query and credentials.
 */
export type RelayStatus =
  | { readonly state: 'connecting' }
  | { readonly state: 'connected' }
  | { readonly state: 'disconnected'; readonly error: Error | undefined }

/** The owner of a `RelayTransport`. `url` is always `RelayUrl.href`. Every method may call back into the transport. */
export interface RelayTransportHandler {
  /** One datagram that `peer` (32 bytes) sent through the relay; batches are split. Both arrays are valid only during the call. */
  onDatagram(url: string, peer: Uint8Array, data: Uint8Array): void
  /** A hint: `peer` (32 bytes, valid only during the call) has no connection to this relay any more. */
  onPeerGone(url: string, peer: Uint8Array): void
  onStatus(url: string, status: RelayStatus): void
  /** `isBlocked(url)` may have changed. */
  onBlockedChange(url: string): void
  /** A chunk of the stream was read through: what it held has been handed out. Not called in browsers. */
  onRead?(): void
  /** For people: the relay said something about this connection (spec/relay.md §3.4), such as that the same id connected elsewhere. One line. */
  onNotice?(url: string, notice: string): void
}

/** Counts since the transport was made. */
export interface RelayTransportStats {
  /** Datagrams handed to a WebSocket, the bytes of their contents, and the frames that carried them. */
  datagramsSent: number
  bytesSent: number
  framesSent: number
  /** Datagrams handed to the owner, and their bytes. */
  datagramsReceived: number
  bytesReceived: number
  /** Datagrams that `send` took and that went nowhere: empty or over-long, queue full, too old, connection lost. */
  datagramsDropped: number
}
