/** The server as HTTP clients see it: routes byte by byte, and the upgrade (spec/relay.md §1.2, §1.3). */
import { describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { Pki } from './pki.ts'
import { ask, RawConnection, upgradeLines } from './raw-http.ts'
import { start } from './running.ts'
import { WsClient } from './ws-client.ts'

const PKI = new Pki()
const COMMON =
  'Strict-Transport-Security: max-age=63072000; includeSubDomains\r\n' +
  "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'; form-action 'none'; base-uri 'self'\r\n"
const get = (path: string, ...more: string[]) => [
  `GET ${path} HTTP/1.1`,
  'Host: relay.test',
  ...more,
  'Connection: close',
]

describe('spec/relay.md §1.2: routes', () => {
  test('/ping, byte by byte, plain and over TLS', async () => {
    const expected = `HTTP/1.1 200 OK\r\n${COMMON}Access-Control-Allow-Origin: *\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`
    const plain = await start()
    expect(await ask(plain.port, get('/ping', 'Accept: */*'))).toBe(expected)
    const secure = await start({ tls: { certificate: PKI.issue() } })
    expect(await ask(secure.port, get('/ping'), { ca: PKI.rootPem })).toBe(expected)
  })

  test('/healthz, /robots.txt and what is not there', async () => {
    const { port } = await start({ version: '9.8.7' })
    const [health, robots, missing] = await Promise.all(
      ['/healthz', '/robots.txt', '/derp'].map((path) => ask(port, get(path))),
    )
    expect(health).toBe(
      `HTTP/1.1 200 OK\r\n${COMMON}Content-Type: application/json\r\nContent-Length: 54\r\nConnection: close\r\n\r\n` +
        '{"status":"ok","version":"9.8.7","git_hash":"unknown"}',
    )
    expect(robots).toMatch(/\r\n\r\nUser-agent: \*\nDisallow: \/\n$/)
    expect(missing).toBe(
      `HTTP/1.1 404 Not Found\r\n${COMMON}Content-Type: text/plain; charset=utf-8\r\nContent-Length: 9\r\nConnection: close\r\n\r\nNot Found`,
    )
  })

  test('spec/relay.md §6.3: /generate_204 on plain HTTP only, and nothing else there', async () => {
    const { server, port } = await start({ tls: { certificate: PKI.issue() } })
    const beside = server.httpAddress!.port
    expect(beside).not.toBe(port)
    expect(await ask(beside, get('/generate_204', 'X-Iroh-Challenge: ts_relay.test'))).toBe(
      'HTTP/1.1 204 No Content\r\nX-Iroh-Response: response ts_relay.test\r\nConnection: close\r\n\r\n',
    )
    expect(await ask(port, get('/generate_204'), { ca: PKI.rootPem })).toMatch(/^HTTP\/1\.1 404 /)
    expect(await ask(beside, get('/ping'))).toMatch(/^HTTP\/1\.1 404 /)
    expect(await ask(beside, upgradeLines())).toMatch(/^HTTP\/1\.1 404 /)
    const plain = await start()
    expect(await ask(plain.port, get('/generate_204', 'X-Tailscale-Challenge: ts_x'))).toBe(
      `HTTP/1.1 204 No Content\r\n${COMMON}X-Tailscale-Response: response ts_x\r\nConnection: close\r\n\r\n`,
    )
  })

  test('spec/relay.md §1.6: no protocol is agreed on with who offers none', async () => {
    const { port } = await start({ tls: { certificate: PKI.issue() } })
    const connection = await RawConnection.open(port, { ca: PKI.rootPem })
    expect([connection.tls.alpnProtocol, connection.tls.getProtocol()]).toEqual([false, 'TLSv1.3'])
  })

  test('a relay that is switched off still answers probes', async () => {
    const { port } = await start({ relay: false })
    expect(await ask(port, upgradeLines())).toMatch(/^HTTP\/1\.1 404 /)
    expect(await ask(port, get('/relay'))).toMatch(/^HTTP\/1\.1 404 /)
    expect(await ask(port, get('/ping'))).toMatch(/^HTTP\/1\.1 200 /)
  })
})

describe('spec/relay.md §1.3: the upgrade', () => {
  test('101, byte by byte, with four header lines', async () => {
    const { port } = await start()
    const connection = await RawConnection.open(port)
    connection.send(...upgradeLines())
    expect(await connection.head()).toEqual([
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
      'Sec-WebSocket-Protocol: iroh-relay-v2',
    ])
    // The challenge is the first frame: binary, 17 bytes, not masked.
    const frames = () => connection.text.slice(connection.text.indexOf('\r\n\r\n') + 4)
    await connection.until(() => frames().length === 19, 'a challenge')
    expect(frames().slice(0, 3)).toBe('\x82\x11\x00')
  })

  test('the checks in their order: each failure hides those behind it', async () => {
    const { port } = await start()
    const wrong: Record<string, string | undefined> = {
      Upgrade: 'WebSocket',
      'Sec-WebSocket-Key': undefined,
      'Sec-WebSocket-Version': '12',
      'sec-websocket-protocol': 'chat, iroh-relay-v3',
    }
    const texts: string[] = []
    for (const name of Object.keys(wrong)) {
      const answer = await ask(port, upgradeLines(wrong))
      const head = answer.split('\r\n\r\n')[0]!
      expect(head).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
      expect(head).toContain('\r\nContent-Type: text/plain; charset=utf-8\r\n')
      expect(head.includes('\r\nSec-WebSocket-Version: 13\r\n')).toBe(name === 'Sec-WebSocket-Version')
      texts.push(answer.split('\r\n\r\n')[1]!)
      delete wrong[name]
    }
    expect(texts).toEqual([
      'the header Upgrade must be: websocket',
      'the header Sec-WebSocket-Key is missing',
      'the header Sec-WebSocket-Version must be: 13',
      'the header Sec-WebSocket-Protocol must name one of: iroh-relay-v2, iroh-relay-v1',
    ])
    const missing = await ask(port, upgradeLines({ 'sec-websocket-protocol': undefined }))
    expect(missing).toMatch(/the header Sec-WebSocket-Protocol is missing$/)
  })

  test('what is no upgrade at all: no GET 404, no Upgrade 400, no Connection 400, HTTP/1.0 400', async () => {
    const { port } = await start()
    const [first, ...rest] = upgradeLines()
    const answers = await Promise.all([
      ask(port, [first!.replace('GET', 'POST'), ...rest]),
      ask(port, [first!.replace('GET', 'HEAD'), ...rest]),
      ask(port, get('/relay')),
      ask(port, upgradeLines({ Connection: 'close' })),
      ask(port, [first!.replace('1.1', '1.0'), ...rest]),
    ])
    expect(answers.map((answer) => answer.slice(9, 12))).toEqual(['404', '404', '400', '400', '400'])
    expect(answers.map((answer) => answer.split('\r\n\r\n')[1])).toEqual([
      'Not Found',
      '',
      'the header Upgrade is missing',
      'the header Connection must be: Upgrade',
      'an upgrade needs HTTP/1.1',
    ])
  })

  test('RFC 9110 §7.8: other paths answer as ever when an upgrade is offered', async () => {
    const { port } = await start()
    expect(await ask(port, upgradeLines({}, '/ping'))).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(await ask(port, upgradeLines({}, '/relay/'))).toMatch(/^HTTP\/1\.1 404 /)
  })

  test('spec/relay.md §1.4: both versions, however the list is written; extensions are ignored', async () => {
    const { server, port } = await start()
    const agreed = async (list: string): Promise<string> => {
      const connection = await RawConnection.open(port)
      connection.send(...upgradeLines({ 'sec-websocket-protocol': list }))
      return (await connection.head()).at(-1)!.replace('Sec-WebSocket-Protocol: ', '')
    }
    expect(await agreed('iroh-relay-v1')).toBe('iroh-relay-v1')
    expect(await agreed('iroh-relay-v1,iroh-relay-v2')).toBe('iroh-relay-v2')
    expect(await agreed('chat ,  iroh-relay-v1 ')).toBe('iroh-relay-v1')
    for (const protocols of [['iroh-relay-v1'], ['iroh-relay-v1', 'iroh-relay-v2']]) {
      // ws offers permessage-deflate by itself.
      const client = await WsClient.open(server.url.href, { protocols })
      expect(client.ws.protocol).toBe(protocols.at(-1))
      expect(client.ws.extensions).toBe('')
    }
  })

  test('ws hears the status of a refusal', async () => {
    const { server } = await start()
    const target = server.url.href.replace('http', 'ws')
    const status = await new Promise((resolve) => {
      const ws = new WebSocket(`${target}relay`, ['chat'])
      ws.on('unexpected-response', (_request, response) => {
        resolve(response.statusCode)
        ws.terminate()
      })
      ws.on('error', () => {})
    })
    expect(status).toBe(400)
  })

  test('spec/relay.md §4.6: HTTP connections are counted, upgraded ones as closed', async () => {
    const { server, port } = await start()
    await ask(port, get('/ping'))
    await ask(port, ['nonsense'])
    const connection = await RawConnection.open(port)
    connection.send(...upgradeLines())
    await connection.head()
    await expect
      .poll(() => server.counters)
      .toMatchObject({ http_connections: 3, http_connections_closed: 2, http_connections_errored: 1, tom_links: 1 })
    expect(server.metrics()).toContain('\ntom_relay_http_waiting 0\n')
  })

  test('frames that come together with the request are not lost', async () => {
    const { port } = await start()
    const connection = await RawConnection.open(port)
    const early = Buffer.from('898137fa213d4f', 'hex').toString('latin1')
    connection.socket.write(`${upgradeLines().join('\r\n')}\r\n\r\n${early}`, 'latin1')
    await connection.until(() => connection.text.includes('\x8a\x01x'), 'the pong')
  })
})
