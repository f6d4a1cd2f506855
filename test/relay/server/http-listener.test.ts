import { connect } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { NodePlatform } from '../../../src/platform/node/index.ts'
import { HttpListener, type ListenerLimits, type ListenerOptions } from '../../../src/relay/server/http-listener.ts'
import type { Answer } from '../../../src/relay/server/routes.ts'
import { Pki } from './pki.ts'
import { ask, RawConnection } from './raw-http.ts'

const LIMITS: ListenerLimits = {
  maxConnections: 100,
  maxHeaderBytes: 4096,
  headerTimeoutMs: 10_000,
  establishTimeoutMs: 10_000,
  acceptsPerIp: { perSecond: 0, burst: 1 },
  accepts: { perSecond: 0, burst: 1 },
}

interface Counts {
  accepted: number
  upgraded: number
  closed: number
  errored: number
  refused: number
}

async function open(
  limits: Partial<ListenerLimits> = {},
  change: Partial<ListenerOptions> = {},
): Promise<{ listener: HttpListener; port: number; counts: Counts }> {
  const counts: Counts = { accepted: 0, upgraded: 0, closed: 0, errored: 0, refused: 0 }
  const listener = await HttpListener.open(
    {
      platform: new NodePlatform(),
      limits: { ...LIMITS, ...limits },
      counters: {
        onAccept: () => counts.accepted++,
        onEnd: (end) => counts[end]++,
        onRefused: () => counts.refused++,
      },
      answer: (method, target) => ({ status: 200, headers: { 'X-Asked': `${method} ${target}` }, body: 'hello' }),
      ...change,
    },
    { host: '127.0.0.1', port: 0 },
    'http',
  )
  onTestFinished(() => listener.close())
  return { listener, port: listener.address.port, counts }
}

const CLOSE = 'Connection: close'

describe('answers', () => {
  test('RFC 9110 §8.6: a body with its length, and the connection ends when it is asked to', async () => {
    const { port, counts } = await open()
    expect(await ask(port, ['GET /x?y HTTP/1.1', 'Host: h', CLOSE])).toBe(
      'HTTP/1.1 200 OK\r\nX-Asked: GET /x?y\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello',
    )
    await expect.poll(() => counts).toEqual({ accepted: 1, upgraded: 0, closed: 1, errored: 0, refused: 0 })
  })

  test('RFC 9110 §15.3.5: 204 has neither body nor length', async () => {
    const { port } = await open({}, { answer: () => ({ status: 204, headers: {}, body: '' }) })
    const answer = await ask(port, ['GET / HTTP/1.1', 'Host: h', CLOSE])
    expect(answer).toBe('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n')
  })

  test('RFC 9112 §9.3: one connection for several requests, with bodies that nobody reads', async () => {
    const { port, counts } = await open()
    const connection = await RawConnection.open(port)
    connection.send('POST /1 HTTP/1.1', 'Host: h', 'Content-Length: 5')
    connection.socket.write('12345')
    connection.send('HEAD /2 HTTP/1.1', 'Host: h')
    connection.send('GET /3 HTTP/1.1', 'Host: h', CLOSE)
    expect((await connection.rest()).match(/X-Asked: .*/g)).toEqual([
      'X-Asked: POST /1',
      'X-Asked: HEAD /2',
      'X-Asked: GET /3',
    ])
    expect(counts.accepted).toBe(1)
  })

  test('RFC 9110 §7.8: an upgrade that nobody wants is ignored, and the request answered', async () => {
    const { port, counts } = await open()
    const answer = await ask(port, [
      'GET /x HTTP/1.1',
      'Host: h',
      'Connection: Upgrade, HTTP2-Settings',
      'Upgrade: h2c',
    ])
    expect(answer).toBe('HTTP/1.1 200 OK\r\nX-Asked: GET /x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello')
    await expect.poll(() => counts).toEqual({ accepted: 1, upgraded: 0, closed: 1, errored: 0, refused: 0 })
  })

  test('an upgrade that is refused, and one that is taken', async ({ onTestFinished }) => {
    let refusal: Answer | undefined = { status: 400, headers: {}, body: 'no' }
    const { listener, port, counts } = await open(
      { establishTimeoutMs: 300 },
      {
        upgrade: (_request, socket, head) => {
          if (refusal !== undefined) return refusal
          onTestFinished(() => void socket.destroy())
          socket.write(`taken with ${Buffer.from(head).toString()}`)
          return undefined
        },
      },
    )
    const lines = ['GET /x HTTP/1.1', 'Host: h', 'Connection: Upgrade', 'Upgrade: websocket']
    expect(await ask(port, lines)).toBe('HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno')
    refusal = undefined
    const connection = await RawConnection.open(port)
    connection.socket.write(`${lines.join('\r\n')}\r\n\r\nearly`)
    await connection.until(() => connection.text === 'taken with early', 'the first bytes')
    expect(counts).toMatchObject({ accepted: 2, upgraded: 1 })
    // Its owner's from here on: the time of those that were not upgraded does not touch it.
    const idle = await RawConnection.open(port)
    await idle.rest()
    expect([connection.isClosed, listener.waitingCount]).toEqual([false, 0])
    connection.socket.destroy()
    await expect.poll(() => counts).toEqual({ accepted: 3, upgraded: 1, closed: 2, errored: 0, refused: 0 })
  })
})

describe('spec/relay.md §4.8: bounds', () => {
  test('a head that is too large is 431, one that is no HTTP 400', async () => {
    const { port, counts } = await open()
    const tooLarge = await ask(port, ['GET / HTTP/1.1', 'Host: h', `X: ${'x'.repeat(5000)}`])
    expect(tooLarge).toBe(
      'HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
    )
    expect(await ask(port, ['nonsense'])).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    await expect.poll(() => counts).toEqual({ accepted: 2, upgraded: 0, closed: 0, errored: 2, refused: 0 })
  })

  test('a head that takes too long is 408', async () => {
    const { port } = await open({ headerTimeoutMs: 100 })
    const connection = await RawConnection.open(port)
    connection.socket.write('GET / HTTP/1.1\r\nHost: h\r\n')
    expect(await connection.rest()).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/)
  })

  test('spec/relay.md §0: whoever was not upgraded in time is cut, idle or busy, with TLS or before it', async () => {
    const pki = new Pki()
    for (const tls of [undefined, pki.issue()]) {
      const { listener, port, counts } = await open({ establishTimeoutMs: 300 }, tls === undefined ? {} : { tls })
      const options = tls === undefined ? {} : { ca: pki.rootPem }
      const idle = await RawConnection.open(port)
      const busy = await RawConnection.open(port, options)
      const asking = setInterval(() => busy.send('GET / HTTP/1.1', 'Host: h'), 20)
      onTestFinished(() => clearInterval(asking))
      await Promise.all([idle.rest(), busy.rest()])
      expect(idle.text).toBe('')
      expect(busy.text).toContain('hello')
      await expect.poll(() => listener.waitingCount).toBe(0)
      expect(counts).toMatchObject({ accepted: 2, upgraded: 0 })
      expect(counts.closed + counts.errored).toBe(2)
    }
  })

  test('each has its own time', async () => {
    const { port } = await open({ establishTimeoutMs: 200 })
    const first = await RawConnection.open(port)
    await new Promise((resolve) => setTimeout(resolve, 100))
    const second = await RawConnection.open(port)
    await first.rest()
    expect(second.isClosed).toBe(false)
    await second.rest()
  })

  test('no more connections than allowed', async () => {
    const { port, counts } = await open({ maxConnections: 2 })
    const first = await RawConnection.open(port)
    await RawConnection.open(port)
    await expect.poll(() => counts.accepted).toBe(2)
    const third = await RawConnection.open(port)
    expect(await third.rest()).toBe('')
    expect(counts).toMatchObject({ accepted: 2, refused: 1 })
    first.socket.destroy()
    await expect.poll(() => counts.closed).toBe(1)
    expect(await ask(port, ['GET / HTTP/1.1', 'Host: h', CLOSE])).toContain('hello')
  })

  test('not faster than allowed', async () => {
    const { port, counts } = await open({ accepts: { perSecond: 0.001, burst: 2 } })
    const all = await Promise.all([1, 2, 3, 4].map(() => RawConnection.open(port)))
    await expect.poll(() => counts).toMatchObject({ accepted: 2, refused: 2 })
    await expect.poll(() => all.filter(({ isClosed }) => isClosed).length).toBe(2)
  })

  test('loopback is not held to the rate of one address', async () => {
    const { port, counts } = await open({ acceptsPerIp: { perSecond: 0.001, burst: 1 } })
    await Promise.all([1, 2, 3].map(() => RawConnection.open(port)))
    await expect.poll(() => counts).toMatchObject({ accepted: 3, refused: 0 })
  })

  test('a TLS handshake that is none ends with a mark', async () => {
    const { port, counts } = await open({}, { tls: new Pki().issue() })
    const connection = await RawConnection.open(port)
    connection.send('GET / HTTP/1.1', 'Host: h')
    await connection.rest()
    await expect.poll(() => counts).toEqual({ accepted: 1, upgraded: 0, closed: 0, errored: 1, refused: 0 })
  })
})

test('RelayServerError BIND_FAILED: a port in use, an address of others', async () => {
  const { port } = await open()
  const options = {
    platform: new NodePlatform(),
    limits: LIMITS,
    counters: { onAccept() {}, onEnd() {}, onRefused() {} },
  }
  const answer = () => ({ status: 200, headers: {}, body: '' })
  const failure = (host: string, at: number) =>
    expect(HttpListener.open({ ...options, answer }, { host, port: at }, 'http')).rejects
  await failure('127.0.0.1', port).toMatchObject({
    code: 'BIND_FAILED',
    message: `http: cannot listen on 127.0.0.1:${port}: another program has this port; stop it or choose another port`,
  })
  await failure('192.0.2.1', 0).toMatchObject({
    code: 'BIND_FAILED',
    message: 'http: cannot listen on 192.0.2.1:0: this host has no such address',
  })
})

test('close ends who was not upgraded, and lets nobody in', async () => {
  const { listener, port } = await open()
  const idle = await RawConnection.open(port)
  await listener.close()
  await idle.rest()
  await expect(
    new Promise((resolve, reject) => connect(port, '127.0.0.1', () => resolve('in')).on('error', reject)),
  ).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})
