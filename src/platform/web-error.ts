/** Why a `WebClient` could not do what it was asked: one class for Node and browsers. What an AbortSignal ends rejects with the signal's reason instead. */

/**
 * - `WEB_URL`: the URL, a header or a protocol name cannot be used.
 * - `WEB_NAME`: the host name has no address.
 * - `WEB_CONNECT`: no TCP connection; in browsers: anything, they do not tell.
 * - `WEB_PROXY`: the proxy could not be used, or refused.
 * - `WEB_TLS`: no TLS session; usually the certificate.
 * - `WEB_HTTP`: the answer is not HTTP, or not a WebSocket.
 * - `WEB_REFUSED`: an HTTP answer that is not 101; `status` says which.
 * - `WEB_TIMEOUT`: nothing happened for too long.
 */
export type WebErrorCode =
  | 'WEB_URL'
  | 'WEB_NAME'
  | 'WEB_CONNECT'
  | 'WEB_PROXY'
  | 'WEB_TLS'
  | 'WEB_HTTP'
  | 'WEB_REFUSED'
  | 'WEB_TIMEOUT'

export class WebError extends Error {
  override readonly name = 'WebError'
  readonly code: WebErrorCode
  /** HTTP status of the answer that was refused: the server's, or with `WEB_PROXY` the proxy's. */
  readonly status: number | undefined
  constructor(code: WebErrorCode, message: string, status?: number, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.status = status
  }
}
