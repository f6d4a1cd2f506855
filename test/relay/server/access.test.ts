import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SecretKey } from '../../../src/identity/index.ts'
import { AllowList, DenyList, SharedToken } from '../../../src/relay/server/access.ts'
import { AccessHook } from '../../../src/relay/server/access-hook.ts'
import type { AccessRequest } from '../../../src/relay/server/hub/index.ts'
import { Pki } from './pki.ts'

const [ALICE, BOB] = [1, 2].map((byte) => SecretKey.fromBytes(new Uint8Array(32).fill(byte)).id)
const ALLOWED = { allowed: true }
const DENIED = { allowed: false, reason: 'not authorized' }

function request(change: Partial<AccessRequest> = {}): AccessRequest {
  return {
    id: ALICE!,
    protocol: 'iroh-relay-v2',
    url: '/relay',
    token: undefined,
    remoteAddress: '127.0.0.1',
    ...change,
  }
}

describe('spec/relay.md §4.4: lists and tokens', () => {
  test('allowlist and denylist', () => {
    const allow = new AllowList([ALICE!])
    const deny = new DenyList([ALICE!])
    expect([allow.allow(request()), allow.allow(request({ id: BOB! }))]).toEqual([ALLOWED, DENIED])
    expect([deny.allow(request()), deny.allow(request({ id: BOB! }))]).toEqual([DENIED, ALLOWED])
    expect(new AllowList([]).allow(request())).toEqual(DENIED)
  })

  test('shared tokens: one of them, exactly', () => {
    const access = new SharedToken(['first', 'zwölf'])
    const answers = ['first', 'zwölf', undefined, '', 'First', 'first ', 'firs', 'firstzwölf'].map((token) =>
      access.allow(request({ token })),
    )
    expect(answers).toEqual([ALLOWED, ALLOWED, DENIED, DENIED, DENIED, DENIED, DENIED, DENIED])
  })

  test('INVALID_OPTION: no token, or an empty one', () => {
    expect(() => new SharedToken([])).toThrow('shared_token: expected at least one token')
    expect(() => new SharedToken(['a', ''])).toThrow('shared_token: a token is empty')
  })
})

type Handler = (request: IncomingMessage, response: ServerResponse) => void

async function hook(handler: Handler, options: Partial<ConstructorParameters<typeof AccessHook>[0]> = {}) {
  const server = createServer(handler)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const access = new AccessHook({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/may?x=1`,
    ...options,
  })
  onTestFinished(() => {
    access.close()
    server.closeAllConnections()
    server.close()
  })
  return access
}

const answering = (status: number, body: string) =>
  hook((_request, response) => void response.writeHead(status).end(body))

describe('spec/relay.md §4.4: the HTTP hook', () => {
  test('what it is asked', async () => {
    const seen: unknown[] = []
    const access = await hook(
      (asked, response) => {
        let body = ''
        asked.on('data', (chunk) => {
          body += chunk
        })
        asked.on('end', () => {
          seen.push({ method: asked.method, url: asked.url, headers: asked.headers, body })
          response.end('true')
        })
      },
      { bearerToken: 's3cret' },
    )
    expect(await access.allow(request({ id: BOB! }))).toEqual(ALLOWED)
    expect(seen).toEqual([
      {
        method: 'POST',
        url: '/may?x=1',
        body: '',
        headers: expect.objectContaining({
          'x-iroh-nodeid': BOB!.toString(),
          'x-iroh-endpoint-id': BOB!.toString(),
          authorization: 'Bearer s3cret',
          'content-length': '0',
        }),
      },
    ])
  })

  test('yes is 200 with the body true, and nothing else is', async () => {
    const cases: [status: number, body: string, answer: unknown][] = [
      [200, 'true', ALLOWED],
      [200, 'false', DENIED],
      [200, '', DENIED],
      [200, 'True', DENIED],
      [200, 'true\n', DENIED],
      [200, '"true"', DENIED],
      [200, `true${' '.repeat(100_000)}`, DENIED],
      [201, 'true', DENIED],
      [204, '', DENIED],
      [301, 'true', DENIED],
      [403, 'true', DENIED],
    ]
    for (const [status, body, answer] of cases) {
      const access = await answering(status, body)
      expect([status, body.slice(0, 8), await access.allow(request())]).toEqual([status, body.slice(0, 8), answer])
    }
  })

  test('what fails rejects, so that it is denied, counted and told', async () => {
    const silent = await hook(() => {}, { timeoutMs: 50 })
    await expect(silent.allow(request())).rejects.toThrow(
      /^the access hook at http:\/\/127\.0\.0\.1:\d+: no answer within 50 ms$/,
    )
    const dripping = await hook((_asked, response) => void response.write('tr'), { timeoutMs: 50 })
    await expect(dripping.allow(request())).rejects.toThrow('no answer within 50 ms')
    const broken = await answering(500, 'true')
    await expect(broken.allow(request())).rejects.toThrow('it answered 500')
    const cut = await hook((_asked, response) => {
      response.writeHead(200, { 'Content-Length': '4' }).write('tr')
      setTimeout(() => response.destroy(), 20)
    })
    await expect(cut.allow(request())).rejects.toThrow(/^the access hook at [^ ]+: [^\n]+$/)
    const gone = new AccessHook({ url: 'http://127.0.0.1:1/' })
    await expect(gone.allow(request())).rejects.toThrow('ECONNREFUSED')
  })

  test('over HTTPS, with an authority of its own', async () => {
    const pki = new Pki()
    const server = createHttps({ ...pki.issue() }, (_asked, response) => void response.end('true'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const [trusting, wary] = [new AccessHook({ url, ca: [pki.rootPem] }), new AccessHook({ url })]
    onTestFinished(() => [trusting, wary].forEach((access) => void access.close()))
    expect(await trusting.allow(request())).toEqual(ALLOWED)
    await expect(wary.allow(request())).rejects.toThrow('certificate')
  })

  test('INVALID_OPTION: a URL or a token that cannot be used', () => {
    const make = (url: string, bearerToken?: string) => () =>
      new AccessHook({ url, ...(bearerToken === undefined ? {} : { bearerToken }) })
    expect(make('nonsense')).toThrow('access.http.url: expected an http or https URL, got "nonsense"')
    expect(make('ftp://host/')).toThrow('access.http.url')
    expect(make('http://host/', 'two words')).toThrow('access.http.bearer_token')
    expect(make('http://host/', 'line\nbreak')).toThrow('access.http.bearer_token')
  })
})
