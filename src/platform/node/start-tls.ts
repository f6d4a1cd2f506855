/**
 * A TLS session of ours over a socket that stands (spec/relay.md §1.6): whom to trust, which name to ask for, and what only the two ends can
 * compute.
 */
import { X509Certificate } from 'node:crypto'
import { isIP, type Socket } from 'node:net'
import { connect, createSecureContext, type SecureContext, TLSSocket } from 'node:tls'
import type { ExportKeyingMaterial } from '../platform.ts'
import { WebError } from '../web-error.ts'
import { ignoreError, socketStep } from './socket-step.ts'

/** Trust in these PEM certificates, or in Node's list. Throws WebError WEB_TLS when one cannot be read. */
export function secureContextOf(ca: readonly string[] | undefined): SecureContext {
  try {
    // Node would pass over what is no certificate, and then trust nobody.
    for (const text of ca ?? []) new X509Certificate(text)
    return createSecureContext(ca === undefined ? {} : { ca: [...ca] })
  } catch (error) {
    const reason = (error as Error).message
    throw new WebError('WEB_TLS', `the certificates to trust cannot be read: ${reason}`, undefined, error)
  }
}

/**
 * Resolves with the secure socket when the session stands and the certificate is `host`'s. Without ALPN (spec/relay.md §1.3): HTTP/1.1 is all we
 * speak. Rejects with WebError WEB_TLS or the signal's reason; both sockets are destroyed then.
 */
export function startTls(
  socket: Socket,
  host: string,
  secureContext: SecureContext,
  signal: AbortSignal,
): Promise<Socket> {
  const isNumeric = isIP(host) !== 0
  // A trailing dot belongs to DNS: neither SNI nor certificates have it (spec/relay.md §1.1).
  const name = isNumeric ? host : host.replace(/\.$/, '')
  const secure = connect({
    socket,
    host: name,
    ...(isNumeric ? {} : { servername: name }),
    secureContext,
    // Said here, so that no environment variable says otherwise.
    rejectUnauthorized: true,
  })
  secure.on('error', ignoreError)
  const failed = (reason: string, cause?: unknown): WebError =>
    new WebError('WEB_TLS', `no TLS session with ${host}: ${reason}`, undefined, cause)
  return socketStep<Socket>(secure, signal, failed, (step) => step.on('secureConnect', () => step.done(secure)))
}

/** RFC 5705, RFC 8446 §7.5 over Node's session; undefined without one. The function throws when the session is over. */
export function exporterOf(socket: Socket): ExportKeyingMaterial | undefined {
  if (!(socket instanceof TLSSocket)) return undefined
  return (label, context, length) => socket.exportKeyingMaterial(length, label, Buffer.from(context))
}
