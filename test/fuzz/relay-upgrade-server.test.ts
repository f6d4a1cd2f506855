/**
 * HTTP that nobody should send to a relay server, over real sockets: upgrades changed, cut, joined and followed by noise, and WebSocket frames that are none.
 * The server must answer or close, keep nothing, throw nothing, and serve an honest client all along.
 */
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { RelayServer, type RelayServerLogEntry } from '../../src/relay/server/index.ts'
import { upgradeLines } from '../relay/server/raw-http.ts'
import { Identity, WsClient } from '../relay/server/ws-client.ts'
import { SimRandom } from '../sim/support/random.ts'
import { FACTOR, SEED, TIMEOUT } from './support/budget.ts'
import { mutate } from './support/mutate.ts'

const ROUNDS = 8 * FACTOR
/** At the same time. */
const STRANGERS = 120
/** A connection that nothing happens on for so long is cut, ms. */
const ESTABLISH_MS = 150
/** Who did not leave by then is out of patience, ms. */
const PATIENCE_MS = 250

/** Not Buffers: their `slice` does not copy. */
const plain = (bytes: Uint8Array) => Uint8Array.from(bytes)
const text = (lines: readonly string[]) => plain(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'))
const AUTH = Buffer.from('iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1xAGkiVzJzFETOHJt', 'latin1').toString()

/** Genuine requests, as material. */
const REQUESTS: readonly Uint8Array[] = [
  text(upgradeLines()),
  text(upgradeLines({ 'sec-websocket-protocol': 'iroh-relay-v1', 'x-iroh-relay-client-auth-v1': AUTH })),
  text(upgradeLines({ authorization: 'Bearer token' }, '/relay?token=%zz&token=2')),
  text(upgradeLines({ Upgrade: 'h2c' }, '/ping')),
  text(['GET /ping HTTP/1.1', 'Host: relay.test']),
  text(['GET /generate_204 HTTP/1.1', 'Host: relay.test', 'X-Iroh-Challenge: ts_relay.test']),
  text(['POST /relay HTTP/1.1', 'Host: relay.test', 'Transfer-Encoding: chunked', '', '5', 'hello', '0', '']),
  text(['GET http://relay.test/relay HTTP/1.1', 'Host: relay.test', 'Connection: upgrade', 'Upgrade: websocket']),
  text(['PRI * HTTP/2.0', '', 'SM']),
]

/** WebSocket frames of a client, and some that no client may send. */
const FRAMES: readonly Uint8Array[] = [
  '898137fa213d4f',
  '828937fa213d3ed00b171dd00b171d',
  '828037fa213d',
  '8200',
  '82fe ffff 37fa213d'.replaceAll(' ', ''),
  '82ff7fffffffffffffff37fa213d',
  'c28137fa213d00',
  '028137fa213d00',
  '888237fa213d3412',
].map((hex) => plain(Buffer.from(hex, 'hex')))

function stranger(random: SimRandom): Uint8Array {
  const [genuine, other] = [random.pick(REQUESTS), random.pick(REQUESTS)]
  const request = random.chance(0.4) ? genuine : mutate(random, genuine, other)
  const frames = Array.from({ length: random.int(0, 4) }, () =>
    random.chance(0.5) ? random.pick(FRAMES) : mutate(random, random.pick(FRAMES), random.pick(FRAMES)),
  )
  return Buffer.concat([request, ...frames])
}

/** Sends the bytes, in one piece or several, and waits for the end; tells what came back. */
function visit(port: number, bytes: Uint8Array, random: SimRandom): Promise<string> {
  const cut = random.chance(0.3) ? random.int(0, bytes.length) : bytes.length
  const leaves = random.chance(0.5)
  return new Promise((resolve) => {
    let answer = ''
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(bytes.subarray(0, cut))
      setImmediate(() => {
        if (socket.destroyed) return
        socket.write(bytes.subarray(cut))
        if (leaves) socket.end()
      })
    })
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      if (answer.length < 4096) answer += chunk
    })
    socket.on('error', () => {})
    const timer = setTimeout(() => socket.destroy(), PATIENCE_MS)
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(answer)
    })
  })
}

test(
  'spec/relay.md §1.3, §4.8: whatever comes to the HTTP listener, others never notice',
  async () => {
    const log: RelayServerLogEntry[] = []
    const server = await RelayServer.start({
      httpBind: '127.0.0.1:0',
      limits: { establishTimeoutMs: ESTABLISH_MS, headerTimeoutMs: ESTABLISH_MS, handshakeTimeoutMs: ESTABLISH_MS },
      onLog: (entry) => log.push(entry),
    })
    onTestFinished(() => server.close())
    const { port } = server.httpAddress!
    const honest = await WsClient.connect(server.url.href, new Identity(1))
    const answers = new Map<string, number>()
    for (let round = 0; round < ROUNDS; round++) {
      const random = new SimRandom(`${SEED}/relay-upgrade/${round}`)
      const visits = Array.from({ length: STRANGERS }, (_, index) => {
        const own = random.fork(String(index))
        return visit(port, stranger(own), own)
      })
      const ping = Buffer.concat([Buffer.of(9), random.bytes(8)])
      honest.ws.send(ping)
      expect(Buffer.from(await honest.next()).subarray(1)).toEqual(ping.subarray(1))
      for (const answer of await Promise.all(visits)) {
        const status = /^HTTP\/1\.1 (\d{3}) [A-Z]/.exec(answer)?.[1] ?? (answer === '' ? 'silence' : 'garbage')
        answers.set(status, (answers.get(status) ?? 0) + 1)
      }
    }
    expect(answers.has('garbage')).toBe(false)
    expect([...answers.keys()]).toEqual(expect.arrayContaining(['101', '200', '204', '400', '404', 'silence']))
    expect(log.filter(({ level, event }) => level === 'error' || event === 'fault')).toEqual([])
    // Nothing of them is left.
    await expect.poll(() => server.counters).toMatchObject({ tom_links: 1, tom_handshakes: 0, tom_endpoints: 1 })
    expect(server.metrics()).toContain('\ntom_relay_http_waiting 0\n')
    const {
      http_connections: came,
      http_connections_closed: closed,
      http_connections_errored: errored,
    } = server.counters
    expect(closed + errored).toBe(came)
    expect(errored).toBeGreaterThan(0)
  },
  TIMEOUT,
)
