/** The whole server over real sockets, with `ws` and bytes by hand as its clients. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { EndpointId } from '../../../src/identity/index.ts'
import {
  AllowList,
  DenyList,
  RelayServer,
  type RelayServerOptions,
  SharedToken,
} from '../../../src/relay/server/index.ts'
import { type Pem, Pki } from './pki.ts'
import { QadClient } from './qad-client.ts'
import { ask, RawConnection } from './raw-http.ts'
import { start } from './running.ts'
import { Identity, WsClient } from './ws-client.ts'

const PKI = new Pki()
const [ALICE, BOB] = [new Identity(1), new Identity(2)] as const
const certificate = PKI.issue()

const datagram = (type: number, peer: Identity, text: string): Uint8Array =>
  Buffer.concat([Buffer.of(type), peer.publicKey, Buffer.of(0), Buffer.from(text)])

describe('clients', () => {
  test('spec/relay.md §3.2, §3.5: two of different versions, a datagram each way, a ping', async () => {
    const { server } = await start()
    const alice = await WsClient.connect(server.url.href, ALICE)
    const bob = await WsClient.connect(server.url.href, BOB, { protocols: ['iroh-relay-v1'] })
    expect([alice.ws.protocol, bob.ws.protocol, server.clientCount]).toEqual(['iroh-relay-v2', 'iroh-relay-v1', 2])
    alice.ws.send(datagram(4, BOB, 'to Bob'))
    expect(Buffer.from(await bob.next())).toEqual(datagram(6, ALICE, 'to Bob'))
    bob.ws.send(datagram(4, ALICE, 'to Alice'))
    expect(Buffer.from(await alice.next())).toEqual(datagram(6, BOB, 'to Alice'))
    bob.ws.send(Buffer.from('090102030405060708', 'hex'))
    expect(Buffer.from(await bob.next()).toString('hex')).toBe('0a0102030405060708')
    expect(server.counters).toMatchObject({ accepts: 2, send_packets_recv: 2, send_packets_sent: 2, got_ping: 1 })
    alice.ws.close(1000)
    expect(Buffer.from(await bob.next())).toEqual(Buffer.concat([Buffer.of(8), ALICE.publicKey]))
  })

  test('spec/relay.md §2.6: a signature that does not hold', async () => {
    const { server } = await start()
    const client = await WsClient.open(server.url.href)
    const challenge = await client.next()
    const answer = Buffer.from(ALICE.answer(challenge.subarray(1)))
    answer[97]! ^= 1
    client.ws.send(answer)
    await expect(client.admitted()).rejects.toThrow('denied: signature invalid')
    expect(server.clientCount).toBe(0)
  })

  test('spec/relay.md §3.1: the largest message that is read, and one byte more', async () => {
    const { server } = await start()
    const client = await WsClient.connect(server.url.href, ALICE)
    // A frame type in eight bytes, the longest way to write one, and a body of 65,536 bytes.
    const largest = Buffer.alloc(65_544)
    largest.set([0xc0, 0, 0, 0, 0, 0, 0, 4])
    largest.set(BOB.publicKey, 8)
    client.ws.send(largest)
    client.ws.send(Buffer.from('090000000000000000', 'hex'))
    expect((await client.next())[0]).toBe(10)
    client.ws.send(Buffer.alloc(65_545))
    expect(await client.ended()).toMatchObject({ code: 1009 })
  })

  test('spec/relay.md §0: whoever was upgraded is not cut with those that were not, with TLS or without', async () => {
    for (const tls of [undefined, { certificate }]) {
      const { server, port } = await start({
        limits: { establishTimeoutMs: 200 },
        ...(tls === undefined ? {} : { tls }),
      })
      const url = server.url.href.replace('relay.test', 'localhost')
      const client = await WsClient.connect(url, ALICE, tls === undefined ? {} : { ca: PKI.rootPem })
      expect(server.metrics()).toContain('\ntom_relay_http_waiting 0\n')
      await (await RawConnection.open(port)).rest()
      client.ws.send(Buffer.from('090000000000000000', 'hex'))
      expect((await client.next())[0]).toBe(10)
    }
  })

  test('disconnect ends all connections of an id', async () => {
    const { server } = await start()
    const clients = [await WsClient.connect(server.url.href, ALICE), await WsClient.connect(server.url.href, ALICE)]
    expect([server.clientCount, server.connectionCount]).toEqual([1, 2])
    expect(server.disconnect(EndpointId.fromBytes(ALICE.publicKey))).toBe(2)
    await Promise.all(clients.map((client) => client.ended()))
    await expect.poll(() => server.connectionCount).toBe(0)
  })
})

describe('spec/relay.md §2.4: header authentication', () => {
  async function tls(port: number, version: 'TLSv1.2' | 'TLSv1.3'): Promise<TLSSocket> {
    const socket = connectTls({ host: '127.0.0.1', port, ca: PKI.rootPem, minVersion: version, maxVersion: version })
    onTestFinished(() => void socket.destroy())
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve)
      socket.once('error', reject)
    })
    expect(socket.getProtocol()).toBe(version)
    return socket
  }

  /** The type of the first frame after an upgrade with this header. */
  async function firstFrame(socket: TLSSocket, header: string): Promise<number> {
    let text = ''
    const frame = new Promise<number>((resolve, reject) => {
      socket.on('close', () => reject(new Error('closed')))
      socket.setEncoding('latin1').on('data', (chunk: string) => {
        text += chunk
        const at = text.indexOf('\r\n\r\n')
        if (at >= 0 && text.length > at + 6) resolve(text.charCodeAt(at + 6))
      })
    })
    socket.write(
      'GET /relay HTTP/1.1\r\nHost: relay.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n' +
        `sec-websocket-protocol: iroh-relay-v2\r\nX-Iroh-Relay-Client-Auth-V1: ${header}\r\n\r\n`,
    )
    return frame
  }

  test('over TLS 1.2 and 1.3 it spares the challenge', async () => {
    const { server, port } = await start({ tls: { certificate } })
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const socket = await tls(port, version)
      expect([version, await firstFrame(socket, ALICE.header(socket))]).toEqual([version, 2])
    }
    expect(server.counters.accepts).toBe(2)
    expect(server.clientCount).toBe(1)
  })

  const flip = (at: number) => (bytes: Buffer) => {
    bytes[at]! ^= 1
  }

  test('whatever is wrong with it: the challenge', async () => {
    const { port } = await start({ tls: { certificate } })
    const headers: [string, (socket: TLSSocket) => string][] = [
      ['suffix', (socket) => ALICE.header(socket, flip(112))],
      ['signature', (socket) => ALICE.header(socket, flip(40))],
      ['key', (socket) => ALICE.header(socket, (bytes) => void bytes.set(BOB.publicKey))],
      ['length', (socket) => ALICE.header(socket).slice(0, -4)],
      ['no base64', () => '!!!'],
    ]
    for (const [what, header] of headers) {
      const socket = await tls(port, 'TLSv1.3')
      expect([what, await firstFrame(socket, header(socket))]).toEqual([what, 0])
    }
  })

  test('of another session: the challenge', async () => {
    const { port } = await start({ tls: { certificate } })
    const [one, other] = [await tls(port, 'TLSv1.3'), await tls(port, 'TLSv1.3')]
    expect(await firstFrame(one, ALICE.header(other))).toBe(0)
  })

  test('over plain HTTP, as behind a proxy: the challenge', async () => {
    const secure = await start({ tls: { certificate } })
    const header = ALICE.header(await tls(secure.port, 'TLSv1.3'))
    const { server } = await start()
    const headers = { 'x-iroh-relay-client-auth-v1': header }
    await WsClient.connect(server.url.href, ALICE, { headers })
    expect(server.clientCount).toBe(1)
  })
})

describe('spec/relay.md §2.5, §4.4: access', () => {
  const denied = 'denied: not authorized'

  test('lists', async () => {
    const ids = [EndpointId.fromBytes(ALICE.publicKey)]
    const allowing = await start({ access: new AllowList(ids) })
    await WsClient.connect(allowing.server.url.href, ALICE)
    await expect(WsClient.connect(allowing.server.url.href, BOB)).rejects.toThrow(denied)
    const denying = await start({ access: new DenyList(ids) })
    await expect(WsClient.connect(denying.server.url.href, ALICE)).rejects.toThrow(denied)
    expect(denying.server.counters).toMatchObject({ accepts: 0, tom_denied: 1 })
    expect(denying.log).toContainEqual(expect.objectContaining({ event: 'denied', endpoint: ALICE.hex }))
  })

  test('a token, in a header or in the query', async () => {
    const { server } = await start({ access: new SharedToken(['p+q r']) })
    const { href } = server.url
    const bearer = (token: string) => ({ headers: { authorization: `bearer ${token}` } })
    await WsClient.connect(href, ALICE, bearer('p+q r'))
    await WsClient.connect(`${href}?token=p%2Bq+r`, ALICE)
    await expect(WsClient.connect(href, ALICE)).rejects.toThrow(denied)
    await expect(WsClient.connect(`${href}?token=other`, ALICE)).rejects.toThrow(denied)
    await expect(WsClient.connect(`${href}?token=p%2Bq+r`, ALICE, bearer('other'))).rejects.toThrow(denied)
  })

  test('an object of the application, with a reason of its own; one that throws', async () => {
    const seen: unknown[] = []
    const access: RelayServerOptions['access'] = {
      allow: (request) => {
        seen.push({ ...request, id: request.id.toString() })
        if (seen.length === 2) throw new Error('out of order')
        return { allowed: false, reason: 'come back on Monday' }
      },
    }
    const { server, log } = await start({ access })
    await expect(WsClient.connect(`${server.url.href}?a=b`, ALICE)).rejects.toThrow('denied: come back on Monday')
    expect(seen).toEqual([
      {
        id: ALICE.hex,
        protocol: 'iroh-relay-v2',
        url: '/relay?a=b',
        token: undefined,
        remoteAddress: '127.0.0.1',
      },
    ])
    await expect(WsClient.connect(server.url.href, ALICE)).rejects.toThrow('denied')
    expect(server.counters.tom_access_errors).toBe(1)
    expect(log).toContainEqual(expect.objectContaining({ event: 'access-failed', level: 'error' }))
  })
})

describe('certificates', () => {
  function files(first: Pem): { certPath: string; keyPath: string; write: (pair: Pem) => void } {
    const folder = mkdtempSync(join(tmpdir(), 'tom-relay-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const [certPath, keyPath] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
    const write = ({ cert, key }: Pem): void => {
      writeFileSync(certPath, cert)
      writeFileSync(keyPath, key)
    }
    write(first)
    return { certPath, keyPath, write }
  }

  /** The first host name of the certificate that is shown now. */
  async function shown(port: number): Promise<string> {
    const socket = connectTls({ host: '127.0.0.1', port, ca: PKI.rootPem })
    await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
    const names = socket.getPeerCertificate().subjectaltname!
    socket.destroy()
    return names.split(', ')[0]!
  }

  test('spec/relay.md §4.5: replaced while running, for WebSockets and address discovery; clients stay', async () => {
    const own = files(certificate)
    const { server, port, log } = await start({ tls: { certificate: own }, quic: { bind: '127.0.0.1:0' } })
    const alice = await WsClient.connect(server.url.href.replace('relay.test', 'localhost'), ALICE, { ca: PKI.rootPem })
    expect(await shown(port)).toBe('DNS:relay.test')
    own.write(PKI.issue('renewed.test'))
    await expect.poll(() => log.map(({ event }) => event)).toContain('certificate-replaced')
    expect(await shown(port)).toBe('DNS:renewed.test')
    const { quicAddress } = server
    const client = await QadClient.dial('127.0.0.1', quicAddress!.port, PKI.roots, { serverName: 'renewed.test' })
    expect(await client.observed()).toBe(client.own)
    alice.ws.send(Buffer.from('090000000000000000', 'hex'))
    expect((await alice.next())[0]).toBe(10)
    expect(server.metrics()).toContain('\ntom_relay_certificates_replaced_total 1\n')
  })

  test('a bad new one changes nothing but the log', async () => {
    const own = files(certificate)
    const { port, log } = await start({ tls: { certificate: own } })
    own.write({ ...PKI.issue('renewed.test'), key: 'nothing' })
    await expect.poll(() => log.map(({ event }) => event)).toContain('certificate-bad')
    expect(log.find(({ event }) => event === 'certificate-bad')!.message).toMatch(/; the old certificate stays in use$/)
    expect(await shown(port)).toBe('DNS:relay.test')
  })

  test('given by the application', async () => {
    const { server, port } = await start({ tls: { certificate }, quic: { bind: '127.0.0.1:0' } })
    server.setCertificate(PKI.issue('given.test'))
    expect(await shown(port)).toBe('DNS:given.test')
    const client = await QadClient.dial('127.0.0.1', server.quicAddress!.port, PKI.roots, { serverName: 'given.test' })
    await client.observed()
    const mixed = { cert: certificate.cert, key: PKI.issue().key }
    expect(() => server.setCertificate(mixed)).toThrow(
      'the key in `key` does not belong to the first certificate in `cert`',
    )
    expect(await shown(port)).toBe('DNS:given.test')
    const plain = await start()
    expect(() => plain.server.setCertificate(certificate)).toThrow('there is no TLS')
  })

  test('one that ended, or soon will, is told of', async () => {
    const events = async (days: number) => {
      const { log } = await start({ tls: { certificate: PKI.issue('relay.test', days) } })
      return log.map(({ event, level }) => `${event} ${level}`)
    }
    expect(await events(90)).toEqual([])
    expect(await events(13)).toEqual(['certificate-expires warn'])
    expect(await events(-1)).toEqual(['certificate-expires error'])
  })

  test('address discovery without TLS has a certificate of its own', async () => {
    const { server } = await start({ quic: { bind: '127.0.0.1:0', certificate } })
    const client = await QadClient.dial('127.0.0.1', server.quicAddress!.port, PKI.roots)
    expect(await client.observed()).toBe(client.own)
    expect(server.counters).toMatchObject({ qad_incoming: 1, qad_connections: 1 })
  })
})

test('spec/relay.md §4.6: metrics have a port of their own, any path', async () => {
  const { server } = await start({ metricsBind: '127.0.0.1:0' })
  await WsClient.connect(server.url.href, ALICE)
  const answer = await ask(server.metricsAddress!.port, ['GET /any/path HTTP/1.1', 'Host: h', 'Connection: close'])
  const [head, body] = answer.split('\r\n\r\n')
  expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\nContent-Type: text\/plain; charset=utf-8\r\nContent-Length: \d+\r\n/)
  expect(body).toContain('\nrelayserver_accepts_total 1\n')
  expect(body).toContain('\ntom_relay_endpoints 1\n')
  expect(body).toMatch(/\n# EOF\n$/)
})

test("spec/relay.md §1.1: the server's URL", async () => {
  const url = async (options: RelayServerOptions) => {
    const { server, port } = await start(options)
    return server.url.href.replace(String(port), 'PORT')
  }
  expect(await url({})).toBe('http://127.0.0.1:PORT/')
  expect(await url({ httpBind: '[::1]:0' })).toBe('http://[::1]:PORT/')
  expect(await url({ httpBind: '[::]:0' })).toBe('http://localhost:PORT/')
  expect(await url({ hostname: 'relay.example' })).toBe('http://relay.example:PORT/')
  expect(await url({ tls: { certificate } })).toBe('https://relay.test:PORT/')
  expect(await url({ tls: { certificate }, hostname: 'Other.Example' })).toBe('https://other.example:PORT/')
})

describe('spec/relay.md §4.7: the end', () => {
  test('clients are told to come back, then everything is closed', async () => {
    const { server, port } = await start({
      tls: { certificate },
      quic: { bind: '127.0.0.1:0' },
      metricsBind: '127.0.0.1:0',
    })
    const alice = await WsClient.connect(server.url.href.replace('relay.test', 'localhost'), ALICE, { ca: PKI.rootPem })
    const ports = [port, server.httpAddress!.port, server.metricsAddress!.port]
    await server.close({ reconnectInMs: 10, tryForMs: 20 })
    expect(Buffer.from(await alice.next()).toString('hex')).toBe('0c0000000a00000014')
    expect(await alice.ended()).toEqual({ code: 1012, reason: 'restarting' })
    for (const gone of ports) {
      const dial = new Promise((_resolve, reject) => connectTcp(gone, '127.0.0.1').on('error', reject))
      await expect(dial).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    }
    // The ports can be had again at once.
    await start({ httpBind: `127.0.0.1:${ports[0]}` })
  })

  test('twice is once', async () => {
    const { server } = await start()
    expect(server.close()).toBe(server.close())
    await server.close()
  })
})

describe('RelayServerError: what keeps a server from starting', () => {
  const failure = (options: RelayServerOptions) =>
    RelayServer.start({ httpBind: '127.0.0.1:0', ...options }).then(
      (server) => server.close().then(() => 'it started'),
      (error) => `${error.code}: ${error.message}`,
    )

  test('options', async () => {
    const tls = { certificate, bind: '127.0.0.1:0' }
    expect(await failure({ httpBind: 'localhost:80' })).toBe(
      'INVALID_OPTION: httpBind: expected ip:port or [ipv6]:port, got "localhost:80"',
    )
    expect(await failure({ metricsBind: ':80' })).toMatch(/^INVALID_OPTION: metricsBind: /)
    expect(await failure({ tls: { ...tls, bind: '[::1]' } })).toMatch(/^INVALID_OPTION: tls\.bind: /)
    expect(await failure({ tls, quic: { bind: 'x' } })).toMatch(/^INVALID_OPTION: quic\.bind: /)
    expect(await failure({ quic: {} })).toBe(
      'INVALID_OPTION: quic: address discovery needs a certificate; give tls or quic.certificate',
    )
    expect(await failure({ limits: { maxConnections: 0 } })).toMatch(/^INVALID_OPTION: limits: maxConnections must be /)
    expect(await failure({ limits: { rateLimit: { bytesPerSecond: 9 } } })).toMatch(/^INVALID_OPTION: limits: /)
    expect(await failure({ hostname: 'two words' })).toMatch(/^INVALID_OPTION: hostname: /)
  })

  test('certificates', async () => {
    const bind = '127.0.0.1:0'
    expect(await failure({ tls: { bind, certificate: { ...certificate, key: '' } } })).toMatch(
      /^BAD_CERTIFICATE: `key` has no usable private key in it /,
    )
    expect(await failure({ tls: { bind, certificate: { certPath: '/none/a', keyPath: '/none/b' } } })).toBe(
      'BAD_CERTIFICATE: cannot read the certificate /none/a: there is no such file',
    )
  })

  test('ports; what was open is closed again', async () => {
    const { port } = await start()
    expect(await failure({ httpBind: `127.0.0.1:${port}` })).toMatch(/^BIND_FAILED: http: cannot listen on /)
    expect(await failure({ metricsBind: `127.0.0.1:${port}` })).toMatch(/^BIND_FAILED: metrics: cannot listen on /)
    expect(await failure({ tls: { certificate, bind: `127.0.0.1:${port}` } })).toMatch(/^BIND_FAILED: https: /)
    const { server } = await start({ quic: { certificate, bind: '127.0.0.1:0' } })
    const quic = { certificate, bind: `127.0.0.1:${server.quicAddress!.port}` }
    const own = await start()
    await own.server.close()
    const httpBind = `127.0.0.1:${own.port}`
    expect(await failure({ httpBind, quic })).toMatch(/^BIND_FAILED: quic: /)
    await start({ httpBind })
  })
})
