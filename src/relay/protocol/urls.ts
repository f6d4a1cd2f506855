/** Where a relay is reached: the URL to dial and the URL to probe, made from the relay's own URL (spec/relay.md §1.1, §1.7, §6.2). */
import { parseUrl, quote } from '../../bytes/index.ts'
import { IdentityError, type RelayUrl } from '../../identity/index.ts'
import { RELAY_PATH, RELAY_PROBE_PATH } from './constants.ts'

/**
 * The `ws:` or `wss:` URL of the upgrade request: the path replaced, the query kept, no user and no fragment. `token` goes into the query: only for
 * browsers, which cannot send it in a header. Throws IdentityError INVALID_RELAY_URL for a URL without a host.
 */
export function relayDialUrl(url: RelayUrl, token?: string): string {
  const { search } = url.toURL()
  const query = token === undefined ? '' : `${search === '' ? '?' : '&'}${new URLSearchParams({ token })}`
  return join(url, 'ws', `${RELAY_PATH}${search}${query}`)
}

/** The `http:` or `https:` URL of the latency probe; the query is not sent. Throws IdentityError INVALID_RELAY_URL for a URL without a host. */
export function relayProbeUrl(url: RelayUrl): string {
  return join(url, 'http', RELAY_PROBE_PATH)
}

/** Whether the relay is reached over TLS: always, but for `http:` and `ws:`. */
export function isSecureRelay(url: RelayUrl): boolean {
  const { protocol } = url.toURL()
  return protocol !== 'http:' && protocol !== 'ws:'
}

function join(url: RelayUrl, plainScheme: 'ws' | 'http', rest: string): string {
  const { host } = url.toURL()
  const text = `${plainScheme}${isSecureRelay(url) ? 's' : ''}://${host}${rest}`
  const joined = host === '' ? undefined : parseUrl(text)
  if (joined === undefined) {
    throw new IdentityError(
      'INVALID_RELAY_URL',
      `a relay needs a URL with a host, like https://relay.example/, got ${quote(url.href)}`,
    )
  }
  return joined.href
}
