import { afterEach, expect, test } from 'vitest'
import type { HttpRequestOptions } from '../../src/platform/index.ts'
import { Cleanup, openConnections, openSockets, until } from './support/loopback.ts'
import { scripted, webClient } from './support/servers.ts'

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

async function expectNothingOpen(): Promise<void> {
  await until(() => openConnections() === 0, 'the end of all connections')
  await cleanup.run()
  expect(openSockets()).toBe(0)
}

/** What a server that says `answer` comes to. */
async function ask(answer: string | undefined, more: Partial<HttpRequestOptions> = {}) {
  const server = await scripted(cleanup, () => answer)
  const url = `http://127.0.0.1:${server.port}/ctl?a=%20b`
  const options = { method: 'POST', url, body: Buffer.from('<x/>'), maxBody: 10, ...more }
  const asked = webClient().request(options)
  return { server, asked }
}

/** As text. */
async function body(answer: string): Promise<string> {
  const { asked } = await ask(answer)
  return Buffer.from((await asked).body).toString()
}

const head = (...lines: string[]) => ['HTTP/1.1 200 OK', ...lines, '', ''].join('\r\n')

test('RFC 9112 §3, §6: the request line by line, the answer with status, headers and body', async () => {
  const { server, asked } = await ask('HTTP/1.1 500 Oops\r\nContent-Length: 5\r\nX-Y: a\r\nX-Y: b\r\n\r\nhello\r\n', {
    headers: { SOAPAction: '"urn:x#Y"' },
  })
  const answer = await asked
  expect([answer.status, answer.header('x-y'), answer.header('X-Z')]).toEqual([500, 'a, b', undefined])
  expect(Buffer.from(answer.body).toString()).toBe('hello')
  const [request] = server.requests
  expect(request!.split('\r\n')).toEqual([
    'POST /ctl?a=%20b HTTP/1.1',
    `Host: 127.0.0.1:${server.port}`,
    'Connection: close',
    'Content-Length: 4',
    'SOAPAction: "urn:x#Y"',
    '',
    '<x/>',
  ])
  await expectNothingOpen()
})

test('RFC 9112 §6.3, §7.1: the body by its length, in chunks, to the end of the connection, none', async () => {
  expect(await body(`${head('Content-Length: 3')}abc`)).toBe('abc')
  expect(await body(`${head('Transfer-Encoding: chunked')}3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n`)).toBe('abcde')
  expect(await body(head('Content-Length: 0'))).toBe('')
  expect(await body('HTTP/1.1 204 No Content\r\n\r\n')).toBe('')
  const server = await scripted(cleanup, (_request, socket) => {
    socket.end(`${head()}until end`)
    return undefined
  })
  const url = `http://127.0.0.1:${server.port}/`
  const answer = await webClient().request({ method: 'GET', url, maxBody: 10 })
  expect(Buffer.from(answer.body).toString()).toBe('until end')
  await expectNothingOpen()
})

test('RFC 9110 §15.4: a redirect is an answer like any other', async () => {
  const { asked } = await ask('HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n')
  expect((await asked).status).toBe(302)
  await expectNothingOpen()
})

test.each([
  ['a body too large', `${head('Content-Length: 11')}01234567890`, 'larger than 10 bytes'],
  [
    'chunks too large',
    `${head('Transfer-Encoding: chunked')}6\r\n012345\r\n6\r\n012345\r\n0\r\n\r\n`,
    'larger than 10 bytes',
  ],
  ['a head too large', head(`X: ${'y'.repeat(20_000)}`), 'Header overflow'],
  ['no HTTP', 'SSH-2.0-x\r\n\r\n', 'Parse Error'],
  ['a broken chunk', `${head('Transfer-Encoding: chunked')}zz\r\n`, 'Parse Error'],
])('RFC 9112 §2 to §7: %s is a failure', async (_what, answer, reason) => {
  const { asked } = await ask(answer)
  await expect(asked).rejects.toMatchObject({ code: 'WEB_HTTP', message: expect.stringContaining(reason) })
  await expectNothingOpen()
})

test('RFC 9112 §8: a connection that ends too early is a failure', async () => {
  for (const said of ['', 'HTTP/1.1 200', `${head('Content-Length: 9')}abc`]) {
    const server = await scripted(cleanup, (_request, socket) => {
      socket.end(said)
      return undefined
    })
    const url = `http://127.0.0.1:${server.port}/`
    await expect(webClient().request({ method: 'GET', url, maxBody: 10 })).rejects.toMatchObject({ code: 'WEB_HTTP' })
  }
  await expectNothingOpen()
})

test('an abort at every stage leaves nothing open', async () => {
  const reason = new Error('enough')
  const early = await ask(head(), { signal: AbortSignal.abort(reason) })
  await expect(early.asked).rejects.toBe(reason)
  for (const said of [undefined, 'HTTP/1.1 200 OK\r\n', `${head('Content-Length: 9')}abc`]) {
    const controller = new AbortController()
    const { server, asked } = await ask(said, { signal: controller.signal })
    await until(() => server.requests.length > 0, 'the request')
    controller.abort(reason)
    await expect(asked).rejects.toBe(reason)
  }
  await expectNothingOpen()
})

test('what cannot be asked is refused at once', async () => {
  const ask = (url: string, headers = {}) => webClient().request({ method: 'GET', url, headers, maxBody: 1 })
  for (const url of ['https://127.0.0.1/', 'ftp://127.0.0.1/', 'nonsense'])
    await expect(ask(url)).rejects.toMatchObject({ code: 'WEB_URL' })
  const server = await scripted(cleanup, () => head('Content-Length: 0'))
  const url = `http://127.0.0.1:${server.port}/`
  await expect(ask(url, { 'X-Y': 'a\r\nb' })).rejects.toMatchObject({ code: 'WEB_URL' })
  expect(server.requests).toEqual([])
  await expectNothingOpen()
})

test('nobody there', async () => {
  const asked = webClient().request({ method: 'GET', url: 'http://127.0.0.1:1/', maxBody: 1 })
  await expect(asked).rejects.toMatchObject({ code: 'WEB_CONNECT' })
  await expectNothingOpen()
})
