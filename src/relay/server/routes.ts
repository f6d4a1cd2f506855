/**
 * What the HTTP listeners answer, as a pure function of method, path and headers: probes, health, robots and the page for people
 * (spec/relay.md §1.2, §6.2, §6.3). The upgrade itself is `upgrade.ts`'s.
 */

export interface Answer {
  readonly status: number
  /** Names as they are sent. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** `relay`: the listener that clients use. `probe`: plain HTTP beside TLS, for `/generate_204` alone. */
export type ListenerKind = 'relay' | 'probe'

export interface RouteContext {
  readonly kind: ListenerKind
  readonly isTls: boolean
  /** In the answer of `/healthz`. */
  readonly version: string
}

/** Values of a request header by its lower-case name, as node:http gives them. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

/** What the main listener says with every answer (spec/relay.md §1.2). */
const MAIN_HEADERS = {
  'Strict-Transport-Security': 'max-age=63072000; includeSubDomains',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'; form-action 'none'; base-uri 'self'",
}

const PAGE = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Relay</title></head>
<body><h1>Relay</h1><p>This is a relay for peer-to-peer connections, wire compatible with iroh. It forwards encrypted packets and cannot read them.</p></body></html>
`

/** Spec/relay.md §6.3: only such a challenge is echoed. */
const CHALLENGE = /^[A-Za-z0-9._-]{1,63}$/

/** The header pairs of captive-portal probes; the second is that of clients before 0.93. */
const CHALLENGE_HEADERS = [
  ['x-iroh-challenge', 'X-Iroh-Response'],
  ['x-tailscale-challenge', 'X-Tailscale-Response'],
] as const

/** The path of a request target, without the query: `/ping?x` and `http://host/ping` (RFC 9112 §3.2.2) both give `/ping`. */
export function pathOf(target: string): string {
  const origin = /^https?:\/\/[^/?]*/i.exec(target)?.[0] ?? ''
  const rest = target.slice(origin.length)
  const query = rest.indexOf('?')
  const path = query < 0 ? rest : rest.slice(0, query)
  return path === '' && origin !== '' ? '/' : path
}

/** The answer to everything but an upgrade. */
export function route(method: string, target: string, headers: Headers, context: RouteContext): Answer {
  const path = method === 'GET' ? pathOf(target) : ''
  if (context.kind === 'probe') return path === '/generate_204' ? noContent(headers, {}) : notFound({})
  switch (path) {
    case '/ping':
      return { status: 200, headers: { ...MAIN_HEADERS, 'Access-Control-Allow-Origin': '*' }, body: '' }
    case '/healthz':
      return typed('application/json', JSON.stringify({ status: 'ok', version: context.version, git_hash: 'unknown' }))
    case '/robots.txt':
      return typed('text/plain; charset=utf-8', 'User-agent: *\nDisallow: /\n')
    case '/':
    case '/index.html':
      return typed('text/html; charset=utf-8', PAGE)
    case '/generate_204':
      return context.isTls ? notFound(MAIN_HEADERS) : noContent(headers, MAIN_HEADERS)
    default:
      return notFound(MAIN_HEADERS)
  }
}

/** A refusal of the main listener in plain text. */
export function refusal(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers: { ...MAIN_HEADERS, 'Content-Type': 'text/plain; charset=utf-8', ...headers }, body: text }
}

function typed(type: string, body: string): Answer {
  return { status: 200, headers: { ...MAIN_HEADERS, 'Content-Type': type }, body }
}

function notFound(headers: Readonly<Record<string, string>>): Answer {
  return { status: 404, headers: { ...headers, 'Content-Type': 'text/plain; charset=utf-8' }, body: 'Not Found' }
}

function noContent(request: Headers, headers: Readonly<Record<string, string>>): Answer {
  const echoed: Record<string, string> = { ...headers }
  for (const [asked, answered] of CHALLENGE_HEADERS) {
    const challenge = request[asked]
    if (typeof challenge === 'string' && CHALLENGE.test(challenge)) echoed[answered] = `response ${challenge}`
  }
  return { status: 204, headers: echoed, body: '' }
}
