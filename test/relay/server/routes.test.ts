import { describe, expect, test } from 'vitest'
import { pathOf, refusal, route } from '../../../src/relay/server/routes.ts'

const PLAIN = { kind: 'relay', isTls: false, version: '1.2.3' } as const
const TLS = { ...PLAIN, isTls: true } as const
const PROBE = { kind: 'probe', isTls: false, version: '' } as const
const SECURITY = {
  'Strict-Transport-Security': 'max-age=63072000; includeSubDomains',
  'Content-Security-Policy': expect.stringContaining("default-src 'none'"),
}

const get = (path: string, context: Parameters<typeof route>[3] = PLAIN, headers = {}) =>
  route('GET', path, headers, context)

describe('spec/relay.md §1.2: routes of the main listener', () => {
  test('/ping', () => {
    for (const context of [PLAIN, TLS]) {
      expect(get('/ping', context)).toEqual({
        status: 200,
        headers: { ...SECURITY, 'Access-Control-Allow-Origin': '*' },
        body: '',
      })
    }
  })

  test('/healthz, /robots.txt, / and /index.html', () => {
    expect(get('/healthz')).toEqual({
      status: 200,
      headers: { ...SECURITY, 'Content-Type': 'application/json' },
      body: '{"status":"ok","version":"1.2.3","git_hash":"unknown"}',
    })
    expect(get('/robots.txt')).toMatchObject({ status: 200, body: 'User-agent: *\nDisallow: /\n' })
    expect(get('/')).toMatchObject({ status: 200, headers: { 'Content-Type': 'text/html; charset=utf-8' } })
    expect(get('/index.html')).toEqual(get('/'))
    expect(get('/').body).toMatch(/^<!DOCTYPE html>[\s\S]*<\/html>\n$/)
  })

  test('the match is exact on method and path; all else is 404 Not Found', () => {
    const missing = [
      ['HEAD', '/ping'],
      ['POST', '/ping'],
      ['get', '/ping'],
      ['GET', '/PING'],
      ['GET', '/ping/'],
      ['GET', '//ping'],
      ['GET', '/derp'],
      ['GET', ''],
      ['GET', '*'],
      ['OPTIONS', '*'],
    ]
    for (const [method, path] of missing) {
      const answer = route(method!, path!, {}, PLAIN)
      expect([method, path, answer.status, answer.body]).toEqual([method, path, 404, 'Not Found'])
    }
  })

  test('the query is no part of the path, nor is what stands before it in absolute form', () => {
    expect(get('/ping?x=/robots.txt').status).toBe(200)
    expect(get('http://relay.example/ping?x').status).toBe(200)
    expect(pathOf('https://relay.example')).toBe('/')
    expect(pathOf('HTTP://h:80?x')).toBe('/')
    expect(pathOf('/http://h/ping')).toBe('/http://h/ping')
  })

  test('a refusal has the headers of the listener, and its own', () => {
    expect(refusal(400, 'no', { 'Sec-WebSocket-Version': '13' })).toEqual({
      status: 400,
      headers: { ...SECURITY, 'Content-Type': 'text/plain; charset=utf-8', 'Sec-WebSocket-Version': '13' },
      body: 'no',
    })
  })
})

describe('spec/relay.md §6.3: captive portals', () => {
  const ask = (challenge: unknown, name = 'x-iroh-challenge') => get('/generate_204', PROBE, { [name]: challenge })

  test('204, and the challenge comes back', () => {
    expect(ask('ts_relay.example')).toEqual({
      status: 204,
      headers: { 'X-Iroh-Response': 'response ts_relay.example' },
      body: '',
    })
    expect(ask('ts_relay.example', 'x-tailscale-challenge').headers).toEqual({
      'X-Tailscale-Response': 'response ts_relay.example',
    })
  })

  test('only a challenge of 1 to 63 plain characters', () => {
    for (const good of ['A', 'a.b-c_9', 'x'.repeat(63)]) expect(ask(good).headers).not.toEqual({})
    for (const bad of [undefined, '', 'x'.repeat(64), 'a b', 'a\nb', 'ä', 'a/b', ['a', 'b']]) {
      expect([bad, ask(bad)]).toEqual([bad, { status: 204, headers: {}, body: '' }])
    }
  })

  test('on the plain main listener and beside TLS, not on the TLS one', () => {
    expect(get('/generate_204', PLAIN)).toEqual({ status: 204, headers: SECURITY, body: '' })
    expect(get('/generate_204', TLS).status).toBe(404)
    expect(route('POST', '/generate_204', {}, PROBE).status).toBe(404)
  })

  test('beside TLS there is nothing else, and no promise about TLS over plain HTTP', () => {
    for (const path of ['/', '/ping', '/healthz', '/relay', '/robots.txt']) {
      expect(get(path, PROBE)).toEqual({
        status: 404,
        headers: { 'Content-Type': 'text/plain; charset=utf-8' },
        body: 'Not Found',
      })
    }
  })
})
