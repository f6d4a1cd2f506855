/**
 * What the application sees when something fails: classes with a stable `code`, the peer where there is one, and a message that ends in
 * what to do. Owns the translation from QUIC's close reasons; nothing here is thrown by the network code itself.
 */
import type { EndpointId } from '../identity/index.ts'
import { type CloseReason, ErrorCode } from '../quic/index.ts'

export type EndpointErrorCode =
  /** The endpoint was closed: bind a new one. */
  | 'ENDPOINT_CLOSED'
  /** A local address could not be bound: choose another port, or 0. */
  | 'BIND_FAILED'
  /** No home relay was connected in time: the message says why. */
  | 'OFFLINE'
  /** To `onError` only: a relay says something about us, such as that another endpoint has our key. */
  | 'RELAY_NOTICE'
  /** An option makes no sense; the message says which. */
  | 'INVALID_OPTION'

/** Match on `code`. */
export class EndpointError extends Error {
  override readonly name = 'EndpointError'
  readonly code: EndpointErrorCode

  constructor(code: EndpointErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export type ConnectErrorCode =
  /** The target is this endpoint itself. */
  | 'SELF_DIAL'
  /** The ALPN is empty or longer than 255 bytes. */
  | 'INVALID_ALPN'
  /** Nothing says where the peer is, or no address of it can be used from here: pass a ticket or addresses. */
  | 'NO_ADDRESS'
  /** No address answered in time; `tried` names them all. */
  | 'CONNECT_TIMEOUT'
  /** The peer refused the connection: it is closing, busy, or does not want it. */
  | 'REFUSED'
  /** The peer does not speak the ALPN that was asked for. */
  | 'ALPN_MISMATCH'
  /** Somebody else answers at the address: the key is not the one that was dialled. */
  | 'WRONG_PEER'
  /** The peer speaks no QUIC version of ours. */
  | 'VERSION_MISMATCH'
  /** Any other failure of the handshake; `closeCode` is QUIC's error code. */
  | 'HANDSHAKE_FAILED'
  /** This endpoint was closed meanwhile. */
  | 'ENDPOINT_CLOSED'

/** A connection did not come about. Match on `code`. */
export class ConnectError extends Error {
  override readonly name = 'ConnectError'
  readonly code: ConnectErrorCode
  /** Undefined where an incoming handshake failed before the peer's key was known. */
  readonly peer: EndpointId | undefined
  /** Every address that was dialled, as text. */
  readonly tried: readonly string[]
  /** The error code of the CONNECTION_CLOSE, where there was one. */
  readonly closeCode: number | undefined

  constructor(
    code: ConnectErrorCode,
    message: string,
    peer: EndpointId | undefined,
    tried: readonly string[] = [],
    closeCode?: number,
  ) {
    super(message)
    this.code = code
    this.peer = peer
    this.tried = tried
    this.closeCode = closeCode
  }
}

export type ConnectionClosedCode =
  /** The peer's application closed it; `closeCode` and `reason` are its own. */
  | 'PEER_CLOSED'
  /** This side's `close` was called. */
  | 'LOCALLY_CLOSED'
  /** Nothing was heard from the peer for the idle timeout. */
  | 'IDLE_TIMEOUT'
  /** The handshake was not complete in time. */
  | 'HANDSHAKE_TIMEOUT'
  /** The peer restarted and lost its state. */
  | 'RESET'
  /** The peer broke the protocol (or, as INTERNAL_ERROR, we did); `closeCode` is QUIC's. */
  | 'TRANSPORT_ERROR'
  /** The peer says that we broke the protocol; `closeCode` is QUIC's. */
  | 'PEER_TRANSPORT_ERROR'
  | 'VERSION_MISMATCH'

/** Why a connection ended: what `closed` resolves with, and what every wait on the connection is rejected with. */
export class ConnectionClosedError extends Error {
  override readonly name = 'ConnectionClosedError'
  readonly code: ConnectionClosedCode
  readonly peer: EndpointId | undefined
  /** The application's code (PEER_CLOSED, LOCALLY_CLOSED) or QUIC's; 0 where no code was exchanged. */
  readonly closeCode: number
  /** The text that came with the code; empty where there was none. */
  readonly reason: string

  constructor(code: ConnectionClosedCode, message: string, peer: EndpointId | undefined, closeCode = 0, reason = '') {
    super(message)
    this.code = code
    this.peer = peer
    this.closeCode = closeCode
    this.reason = reason
  }
}

export type StreamErrorCode =
  /** The peer gave up sending (RESET_STREAM) with `closeCode`, or this side did. */
  | 'STREAM_RESET'
  /** The peer reads no more (STOP_SENDING) with `closeCode`, or this side's `stop` was called. */
  | 'STREAM_STOPPED'
  /** Written after `finish`. */
  | 'STREAM_FINISHED'
  /** Read after the end of the stream was reported, or written after everything was over. */
  | 'STREAM_OVER'
  /** `readToEnd` met its limit; the stream was stopped. */
  | 'TOO_LONG'

/** One stream ended, the connection lives on. Match on `code`. */
export class StreamError extends Error {
  override readonly name = 'StreamError'
  readonly code: StreamErrorCode
  readonly peer: EndpointId
  readonly streamId: number
  /** The application code of the peer's reset or stop. */
  readonly closeCode: number | undefined

  constructor(code: StreamErrorCode, message: string, peer: EndpointId, streamId: number, closeCode?: number) {
    super(`stream ${streamId}: ${message}`)
    this.code = code
    this.peer = peer
    this.streamId = streamId
    this.closeCode = closeCode
  }
}

/** TLS alerts that mean "this is not the key I expected" (spec/endpoint.md §11.2; RFC 8446 §6.2): bad_certificate, unknown_ca. */
const WRONG_KEY_ALERTS: readonly number[] = [42, 48]
/** no_application_protocol, RFC 7301 §3.2. */
const NO_ALPN_ALERT = 120

/** The close reason as the application sees it. */
export function connectionClosed(reason: CloseReason, peer: EndpointId | undefined): ConnectionClosedError {
  const who = peer?.toShortString() ?? 'an unknown peer'
  switch (reason.kind) {
    case 'local-application':
      return new ConnectionClosedError(
        'LOCALLY_CLOSED',
        `the connection to ${who} was closed here with code ${reason.code}; connect again to go on`,
        peer,
        reason.code,
        reason.reason,
      )
    case 'peer-application':
      return new ConnectionClosedError(
        'PEER_CLOSED',
        `${who} closed the connection with code ${reason.code}${quoted(reason.reason)}; connect again if that was not the end`,
        peer,
        reason.code,
        reason.reason,
      )
    case 'local-transport':
      return new ConnectionClosedError(
        'TRANSPORT_ERROR',
        `the connection to ${who} was closed for a protocol error: ${reason.reason}; please report this with a key log or qlog`,
        peer,
        reason.code,
        reason.reason,
      )
    case 'peer-transport':
      return new ConnectionClosedError(
        'PEER_TRANSPORT_ERROR',
        `${who} closed the connection with QUIC error 0x${reason.code.toString(16)}${quoted(reason.reason)}; connect again, and report it if it recurs`,
        peer,
        reason.code,
        reason.reason,
      )
    case 'idle-timeout':
      return new ConnectionClosedError(
        'IDLE_TIMEOUT',
        `nothing was heard from ${who} for the idle timeout; it is gone or unreachable: connect again`,
        peer,
      )
    case 'handshake-timeout':
      return new ConnectionClosedError(
        'HANDSHAKE_TIMEOUT',
        `${who} did not complete the handshake in time; connect again`,
        peer,
      )
    case 'stateless-reset':
      return new ConnectionClosedError('RESET', `${who} restarted and forgot the connection; connect again`, peer)
    case 'version-negotiation':
      return new ConnectionClosedError(
        'VERSION_MISMATCH',
        `${who} speaks QUIC versions ${reason.versions.map((version) => `0x${version.toString(16)}`).join(', ')}, not version 1`,
        peer,
      )
  }
}

/** Why a handshake failed, as the application sees it. `peer` is who was dialled; undefined for an incoming connection. */
export function handshakeFailed(
  reason: CloseReason,
  peer: EndpointId | undefined,
  tried: readonly string[],
): ConnectError {
  const who = peer?.toShortString() ?? 'the incoming peer'
  const at = tried.length === 0 ? '' : ` at ${tried.join(', ')}`
  const fail = (code: ConnectErrorCode, message: string, closeCode?: number): ConnectError =>
    new ConnectError(code, message, peer, tried, closeCode)
  switch (reason.kind) {
    case 'idle-timeout':
    case 'handshake-timeout':
      return fail(
        'CONNECT_TIMEOUT',
        `no answer from ${who}${at}; check that it runs, that the address is right and that UDP gets through`,
      )
    case 'version-negotiation':
      return fail('VERSION_MISMATCH', `${who}${at} does not speak QUIC version 1; is the address right?`)
    case 'stateless-reset':
      return fail('HANDSHAKE_FAILED', `${who}${at} reset the connection; connect again`)
    case 'local-application':
      return fail('ENDPOINT_CLOSED', `the connection to ${who} was given up here before it was established`)
    case 'peer-application':
      return fail('REFUSED', `${who} closed the connection at once${quoted(reason.reason)}`, reason.code)
    default:
      break
  }
  const { code } = reason
  const alert = code >= ErrorCode.CRYPTO_ERROR && code <= 0x1ff ? code & 0xff : -1
  if (code === ErrorCode.CONNECTION_REFUSED) {
    return fail('REFUSED', `${who}${at} refused the connection; it may be closing or busy: try again later`, code)
  }
  if (alert === NO_ALPN_ALERT) {
    return fail('ALPN_MISMATCH', `${who}${at} does not speak the protocol (ALPN) that was asked for`, code)
  }
  if (reason.kind === 'local-transport' && WRONG_KEY_ALERTS.includes(alert)) {
    return fail('WRONG_PEER', `somebody else than ${who} answered${at}; get a fresh ticket of the peer`, code)
  }
  return fail('HANDSHAKE_FAILED', `the handshake with ${who}${at} failed: ${reason.reason || `code ${code}`}`, code)
}

function quoted(text: string): string {
  return text === '' ? '' : ` (${JSON.stringify(text)})`
}
