/**
 * Lines of an SSLKEYLOGFILE (draft-ietf-tls-keylogfile): label, client random, secret, in lower-case hex. They are built only when the
 * host asked for a key log; where they go is the host's business.
 */
import { encodeHex } from '../../bytes/index.ts'
import type { TlsHost } from './session.ts'

export type KeyLogLabel =
  | 'CLIENT_HANDSHAKE_TRAFFIC_SECRET'
  | 'SERVER_HANDSHAKE_TRAFFIC_SECRET'
  | 'CLIENT_TRAFFIC_SECRET_0'
  | 'SERVER_TRAFFIC_SECRET_0'
  | 'EXPORTER_SECRET'

/** Without a line end. */
export function logSecret(host: TlsHost, label: KeyLogLabel, clientRandom: Uint8Array, secret: Uint8Array): void {
  if (host.keyLog === undefined) return
  host.keyLog(`${label} ${encodeHex(clientRandom)} ${encodeHex(secret)}`)
}
