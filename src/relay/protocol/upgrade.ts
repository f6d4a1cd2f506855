/**
 * What a server looks at in an HTTP request that wants to become a relay connection: the WebSocket upgrade and the version (spec/relay.md §1.3, §1.4), and
 * the client's token (§2.5). The answer 101 itself is the WebSocket's.
 */
import { RELAY_PROTOCOLS, type RelayProtocol } from './constants.ts'

/** Header lines by lower-case name, each name with its lines in order: what `headersDistinct` is in Node. */
export type HeaderLines = Readonly<Record<string, readonly string[] | undefined>>

export type UpgradeCheck =
  | { readonly ok: true; readonly protocol: RelayProtocol; readonly key: string }
  | {
      readonly ok: false
      readonly status: 400 | 404
      /** Plain text. */
      readonly text: string
      /** To be sent with the answer. */
      readonly headers: Readonly<Record<string, string>>
    }

/** Checks a request for `/relay` in the order of spec/relay.md §1.3. */
export function checkUpgrade(method: string, headers: HeaderLines): UpgradeCheck {
  if (method !== 'GET') return { ok: false, status: 404, text: 'Not Found', headers: {} }
  const upgrade = headers.upgrade?.[0]
  if (upgrade === undefined) return refuse('the header Upgrade is missing')
  if (upgrade !== 'websocket') return refuse('the header Upgrade must be: websocket')
  const key = headers['sec-websocket-key']?.[0]
  if (key === undefined) return refuse('the header Sec-WebSocket-Key is missing')
  const version = headers['sec-websocket-version']?.[0]
  if (version !== '13') {
    return refuse('the header Sec-WebSocket-Version must be: 13', { 'Sec-WebSocket-Version': '13' })
  }
  const offered = headers['sec-websocket-protocol']?.[0]
  if (offered === undefined) return refuse('the header Sec-WebSocket-Protocol is missing')
  const protocol = chooseProtocol(offered)
  if (protocol === undefined) {
    return refuse(`the header Sec-WebSocket-Protocol must name one of: ${RELAY_PROTOCOLS.join(', ')}`)
  }
  return { ok: true, protocol, key }
}

/** The newest version that a `Sec-WebSocket-Protocol` line names, whatever its order; undefined when it names none, or is not visible ASCII. */
export function chooseProtocol(header: string): RelayProtocol | undefined {
  if (!isVisibleAscii(header)) return undefined
  const offered = header.split(',').map((name) => name.trim())
  return RELAY_PROTOCOLS.find((protocol) => offered.includes(protocol))
}

/**
 * The token of a client: what follows `Bearer ` in the first `Authorization` line of that scheme, untrimmed; else the first `token` of the query of
 * `url` (path and query of the request), decoded. A line that is not visible ASCII ends the search without a token.
 */
export function bearerToken(authorization: readonly string[], url: string): string | undefined {
  for (const line of authorization) {
    if (!isVisibleAscii(line)) return undefined
    const space = line.indexOf(' ')
    if (space > 0 && line.slice(0, space).toLowerCase() === 'bearer') return line.slice(space + 1)
  }
  const [target = ''] = url.split('#', 1)
  const query = target.indexOf('?')
  return query < 0 ? undefined : (new URLSearchParams(target.slice(query + 1)).get('token') ?? undefined)
}

function refuse(text: string, headers: Readonly<Record<string, string>> = {}): UpgradeCheck {
  return { ok: false, status: 400, text, headers }
}

function isVisibleAscii(text: string): boolean {
  return /^[\t\x20-\x7e]*$/.test(text)
}
