import { createRequire } from 'node:module'
import type { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { parseResponseHead } from '../../src/platform/node/http-head.ts'
import { WebSocketParser } from '../../src/platform/websocket/parser.ts'
import { decode, decodeSlowly, type Events, type Frame, frameBytes, hex } from '../platform/websocket/twin.ts'
import { SimRandom } from '../sim/support/random.ts'
import { FACTOR, SEED, TIMEOUT } from './support/budget.ts'
import { mutate } from './support/mutate.ts'

const ROUNDS = 5000 * FACTOR
const MAX = 2000

// Its types leave the class out.
const { Receiver } = createRequire(import.meta.url)('ws') as {
  Receiver: new (options: {
    isServer: boolean
    maxPayload: number
    skipUTF8Validation: boolean
    allowSynchronousEvents: boolean
  }) => Writable
}

type Role = 'client' | 'server'

function genuine(random: SimRandom, role: Role): Uint8Array {
  const bytes: number[] = []
  for (let count = random.int(1, 6); count > 0; count--) {
    const opcode = random.pick([2, 2, 2, 1, 9, 10, 8])
    const payload =
      opcode === 8
        ? Uint8Array.of(3, random.pick([232, 233, 234, 244, 0]), 0x61)
        : random.bytes(random.pick([0, 1, 9, 125, 126, 300]))
    const pieces = opcode <= 2 ? random.int(1, 3) : 1
    for (let piece = 0; piece < pieces; piece++) {
      const frame: Frame = {
        opcode: piece === 0 ? opcode : 0,
        payload: opcode >= 8 ? payload.subarray(0, 125) : payload,
        isFinal: piece === pieces - 1,
        ...(role === 'server' && { mask: [...random.bytes(4)] as [number, number, number, number] }),
      }
      bytes.push(...frameBytes(frame))
      if (random.chance(0.2))
        bytes.push(...frameBytes({ ...frame, opcode: 9, isFinal: true, payload: random.bytes(3) }))
    }
  }
  // As many as `mutate` takes.
  return Uint8Array.from(bytes.slice(0, 1500))
}

/** What another author's decoder makes of it. Texts and reasons are left out: it keeps the one, we check the other. */
function decodeElsewhere(stream: Uint8Array, role: Role): Events {
  const events: Events = []
  const receiver = new Receiver({
    isServer: role === 'server',
    maxPayload: MAX,
    skipUTF8Validation: true,
    allowSynchronousEvents: true,
  })
  receiver.on('message', (data: Uint8Array, isBinary: boolean) =>
    events.push(isBinary ? `message ${hex(data)}` : 'text'),
  )
  receiver.on('ping', (data: Uint8Array) => events.push(`ping ${hex(data)}`))
  receiver.on('pong', (data: Uint8Array) => events.push(`pong ${hex(data)}`))
  receiver.on('conclude', (code: number) => events.push(`close ${code}`))
  receiver.on('error', () => {})
  // Past the stream's own queue, which would tell of errors a tick later.
  const write = (bytes: Buffer): boolean => {
    let failed = false
    receiver._write(bytes, 'latin1', (error) => {
      if (!error) return
      failed = true
      const status = Object.getOwnPropertySymbols(error).find((symbol) => symbol.description === 'status-code')
      events.push(`error ${(error as unknown as Record<symbol, number>)[status!]}`)
    })
    return !failed
  }
  // It looks at a header only when all of it is there.
  if (write(Buffer.from(stream))) write(Buffer.alloc(14))
  return events
}

test(
  'RFC 6455: streams that nobody should send: the same from the parser, however it is cut, and from its twin',
  () => {
    const random = new SimRandom(`websocket ${SEED}`)
    for (let round = 0; round < ROUNDS; round++) {
      const role: Role = random.pick(['client', 'server'])
      const stream = mutate(random, genuine(random, role), genuine(random, role))
      const expected = decodeSlowly(stream, role, MAX)
      const whole = decode(new WebSocketParser(role, MAX), stream)
      const cuts = Array.from({ length: random.int(0, 12) }, () => random.int(0, stream.length))
      const cut = decode(new WebSocketParser(role, MAX), stream, cuts)
      if (whole.join() !== expected.join() || cut.join() !== expected.join()) {
        expect({ round, whole, cut }, `${role} ${hex(stream)} cut at ${cuts}`).toEqual({
          round,
          whole: expected,
          cut: expected,
        })
      }
    }
  },
  TIMEOUT,
)

test(
  'RFC 6455: the same from the decoder of ws',
  () => {
    const random = new SimRandom(`websocket elsewhere ${SEED}`)
    let compared = 0
    for (let round = 0; round < ROUNDS; round++) {
      const role: Role = random.pick(['client', 'server'])
      const stream = mutate(random, genuine(random, role), genuine(random, role))
      const reasons: string[] = []
      const ours = decode(new WebSocketParser(role, MAX), stream, [], reasons).map((event) =>
        event.replace(/^(close \d+).*$/s, '$1'),
      )
      // It takes lengths that are longer than they must be, answers those beyond 2^63 otherwise, and does not look at the reason here.
      if (/length longer|64 bits|not UTF-8/.test(reasons.join())) continue
      const theirs = decodeElsewhere(stream, role)
      // What the bytes behind a stream without an error do to it says nothing.
      if (reasons.length === 0 && theirs.length > ours.length) theirs.length = ours.length
      compared++
      if (ours.join() !== theirs.join()) expect(ours, `${role} ${hex(stream)}`).toEqual(theirs)
    }
    expect(compared).toBeGreaterThan(ROUNDS / 2)
  },
  TIMEOUT,
)

test(
  'heads of HTTP answers that nobody should send never throw',
  () => {
    const random = new SimRandom(`head ${SEED}`)
    const head =
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nA: '
    const bytes = Uint8Array.from(Buffer.from(head))
    let taken = 0
    for (let round = 0; round < ROUNDS; round++) {
      const text = Buffer.from(mutate(random, bytes, bytes)).toString('latin1')
      const result = parseResponseHead(text)
      if (typeof result === 'string') continue
      taken++
      expect(result.status).toBeGreaterThanOrEqual(100)
      for (const [name, value] of result.headers) expect(`${name}${value}`).not.toMatch(/[\r\n\0]/)
    }
    expect(taken).toBeGreaterThan(ROUNDS / 50)
  },
  TIMEOUT,
)
