/**
 * QUIC error codes and the one exception that bytes from a peer may cause. `TransportError` is thrown by codecs and owners and caught in
 * one place, which closes the connection (RFC 9000 §11). What the application sees is `CloseReason`.
 */

/** RFC 9000 §20.1, RFC 9001 §8.3, and those of multipath (spec/quic.md §6.7). */
export const ErrorCode = {
  NO_ERROR: 0x00,
  INTERNAL_ERROR: 0x01,
  CONNECTION_REFUSED: 0x02,
  FLOW_CONTROL_ERROR: 0x03,
  STREAM_LIMIT_ERROR: 0x04,
  STREAM_STATE_ERROR: 0x05,
  FINAL_SIZE_ERROR: 0x06,
  FRAME_ENCODING_ERROR: 0x07,
  TRANSPORT_PARAMETER_ERROR: 0x08,
  CONNECTION_ID_LIMIT_ERROR: 0x09,
  PROTOCOL_VIOLATION: 0x0a,
  INVALID_TOKEN: 0x0b,
  APPLICATION_ERROR: 0x0c,
  CRYPTO_BUFFER_EXCEEDED: 0x0d,
  KEY_UPDATE_ERROR: 0x0e,
  AEAD_LIMIT_REACHED: 0x0f,
  NO_VIABLE_PATH: 0x10,
  CRYPTO_ERROR: 0x100,
} as const

const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(ErrorCode).map(([name, code]) => [code, name]))

/** The RFC's name of a transport error code, or its hex form. */
export function errorCodeName(code: number): string {
  if (code >= 0x100 && code <= 0x1ff) return `CRYPTO_ERROR (TLS alert ${code & 0xff})`
  return NAMES.get(code) ?? `0x${code.toString(16)}`
}

/** The peer (or, rarely, we) broke the protocol; the connection closes with this code. */
export class TransportError extends Error {
  override readonly name = 'TransportError'
  /** Code for CONNECTION_CLOSE 0x1c. */
  readonly code: number
  /** The frame type that caused it, 0 when none did. */
  readonly frameType: number

  constructor(code: number, frameType: number, message: string) {
    super(message)
    this.code = code
    this.frameType = frameType
  }
}

/** TLS alert as a transport error, RFC 9001 §4.8. */
export function tlsAlert(alert: number, message: string): TransportError {
  return new TransportError(ErrorCode.CRYPTO_ERROR | alert, 0, message)
}

/** Why a connection ended. */
export type CloseReason =
  /** We closed it, by an application's call. */
  | { readonly kind: 'local-application'; readonly code: number; readonly reason: string }
  /** We closed it because the peer broke the protocol, or the handshake failed here. */
  | { readonly kind: 'local-transport'; readonly code: number; readonly frameType: number; readonly reason: string }
  | { readonly kind: 'peer-application'; readonly code: number; readonly reason: string }
  | { readonly kind: 'peer-transport'; readonly code: number; readonly frameType: number; readonly reason: string }
  /** Nothing was heard for the idle timeout, RFC 9000 §10.1. */
  | { readonly kind: 'idle-timeout' }
  /** The peer never finished the handshake. */
  | { readonly kind: 'handshake-timeout' }
  /** The peer lost its state, RFC 9000 §10.3. */
  | { readonly kind: 'stateless-reset' }
  /** The server speaks no version that we do, RFC 9000 §6.2. */
  | { readonly kind: 'version-negotiation'; readonly versions: readonly number[] }
