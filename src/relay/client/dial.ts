/**
 * One dial of a relay: the URL, the versions, and how we prove our key and show our token in the upgrade request. Meets spec/relay.md §1.1, §1.3, §1.7,
 * §2.4 and §2.5; the challenge that may follow is `ClientHandshake`'s.
 */
import type { Signer } from '../../crypto/index.ts'
import type { RelayUrl } from '../../identity/index.ts'
import type { ExportKeyingMaterial, WebClient, WebSocketLink } from '../../platform/index.ts'
import { CLIENT_AUTH_HEADER, clientAuthHeader, RELAY_PROTOCOLS, relayDialUrl } from '../protocol/index.ts'

/** Largest WebSocket message taken, bytes: spec/relay.md §1.5. */
const MAX_MESSAGE = 1_048_576

/** Throws IdentityError INVALID_RELAY_URL at once for a URL that cannot be dialled; all other failures reject. `signer` is not used once `signal` aborts. */
export function dialRelay(
  web: WebClient,
  signer: Signer,
  url: RelayUrl,
  token: string | undefined,
  preferIpv6: boolean,
  signal: AbortSignal,
): Promise<WebSocketLink> {
  const { canSetHeaders } = web
  const target = relayDialUrl(url, canSetHeaders ? undefined : token)
  const options = { url: target, protocols: RELAY_PROTOCOLS, preferIpv6, maxMessageSize: MAX_MESSAGE, signal }
  const headers = (exporter: ExportKeyingMaterial | undefined): Record<string, string> =>
    signal.aborted ? {} : upgradeHeaders(signer, token, exporter)
  return open(web, canSetHeaders ? { ...options, headers } : options)
}

/** A client that throws has rejected. */
async function open(web: WebClient, options: Parameters<WebClient['openWebSocket']>[0]): Promise<WebSocketLink> {
  return web.openWebSocket(options)
}

/** Over TLS the key is proven in the request, which saves a round trip; a relay that cannot use it asks for the challenge. */
function upgradeHeaders(
  signer: Signer,
  token: string | undefined,
  exporter: ExportKeyingMaterial | undefined,
): Record<string, string> {
  const headers: Record<string, string> = {}
  if (token !== undefined) headers.authorization = `Bearer ${token}`
  if (exporter === undefined) return headers
  try {
    headers[CLIENT_AUTH_HEADER] = clientAuthHeader(signer, exporter)
  } catch {
    // the challenge will do
  }
  return headers
}
