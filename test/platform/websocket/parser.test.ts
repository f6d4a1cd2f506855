import fc from 'fast-check'
import { expect, test } from 'vitest'
import { WebSocketEvent, WebSocketParser, WebSocketProtocolError } from '../../../src/platform/websocket/parser.ts'
import { decode, decodeSlowly, type Events, type Frame, frameBytes, hex, unhex } from './twin.ts'

const MAX = 100_000
const MASK = [0x37, 0xfa, 0x21, 0x3d] as const

const toServer = (text: string, cuts: number[] = []): Events =>
  decode(new WebSocketParser('server', MAX), unhex(text), cuts)
const toClient = (text: string, cuts: number[] = []): Events =>
  decode(new WebSocketParser('client', MAX), unhex(text), cuts)
const stream = (...frames: Frame[]): Uint8Array => Uint8Array.from(frames.flatMap(frameBytes))
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)

test('spec/relay.md §8.1: the samples from the wire', () => {
  expect(toClient('8211 00000102030405060708090a0b0c0d0e0f 820102')).toEqual([
    'message 00000102030405060708090a0b0c0d0e0f',
    'message 02',
  ])
  expect(toServer('828937fa213d3ed00b171dd00b171d')).toEqual(['message 092a2a2a2a2a2a2a2a'])
  expect(
    toServer(`82e237fa213d3670a9deea8e28cca20773e61ac69b604530463488e7b52f2c0955b5364e2e526bba6c6319dd
      90c9bc5c5469c85ca4b44ee7fed122d3767108dcc5085c3a54f3d759fc93e95fda360a1b14a024a7ef3b9d85
      3818551eaccab625a761400bf62bc7f7`),
  ).toEqual([
    `message ${hex(
      unhex(`018a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c40
      4d5e2e27b1f48ba67554ffa68589791ddfec1529574c3f26e4356bc075cee0a3
      ddaedea5fb0b3de1359d135dce06aa7f192562e48df781df865c77f1d716f00d`),
    )}`,
  ])
})

test('RFC 6455 §5.4: fragments are joined, control frames between them come when they come, text goes by', () => {
  expect(toClient('0201aa 0001bb 8901cc 8a00 8001dd 8201ee 0101ff 8000 8100')).toEqual([
    'ping cc',
    'pong ',
    'message aabbdd',
    'message ee',
    'text',
    'text',
  ])
  expect(toClient('0200 0000 8000 8200')).toEqual(['message ', 'message '])
})

/** The texts of `stream`, read by one who wants them; `wantedFrom`: from which chunk on. */
function textsOf(bytes: string, cuts: number[] = [], wantedFrom = 0): Events {
  const parser = new WebSocketParser('client', MAX)
  const whole = unhex(bytes)
  const found: Events = []
  let from = 0
  for (const [index, end] of [...cuts, whole.length].entries()) {
    if (index === wantedFrom) parser.takesText = true
    parser.push(whole.slice(from, end))
    from = end
    try {
      for (let event = parser.next(); event !== WebSocketEvent.None; event = parser.next()) {
        found.push(event === WebSocketEvent.Text ? `text ${parser.text}` : `${event} ${hex(parser.payload)}`)
      }
    } catch (error) {
      found.push(`error ${(error as WebSocketProtocolError).closeCode}`)
    }
  }
  return found
}

test('RFC 6455 §5.6: text is read whole where somebody wants it, in fragments too, cut anywhere, with its BOM', () => {
  const bytes = '8102 6869 0101c3 8901cc 8001a9 8100 8203aabbcc 8104efbbbf41'
  const expected = ['text hi', '3 cc', 'text é', 'text ', '1 aabbcc', 'text \ufeffA']
  expect(textsOf(bytes)).toEqual(expected)
  for (let cut = 1; cut < unhex(bytes).length; cut++) expect(textsOf(bytes, [cut])).toEqual(expected)
})

test('RFC 6455 §8.1: text that is no UTF-8 ends the connection with 1007 where it is read; unread it goes by', () => {
  expect(textsOf('8102 c328 8102 6869')).toEqual(['error 1007'])
  expect(textsOf('0102 6869 8001c3')).toEqual(['error 1007'])
  expect(toClient('8102 c328 8102 6869')).toEqual(['text', 'text'])
})

test('text that began before anybody wanted it is skipped, not delivered in part', () => {
  expect(textsOf('8104 61626364 8101 65', [4], 1)).toEqual(['text undefined', 'text e'])
})

test('RFC 6455 §5.5.1, §7.1.5: Close with and without code and reason, and nothing after it', () => {
  expect(toClient('8800 8201aa')).toEqual(['close 1005 '])
  expect(toClient('880203e8')).toEqual(['close 1000 '])
  expect(toClient('8805 03f4 c3a9 21 ff')).toEqual(['close 1012 é!'])
  expect(toClient('8805 1387 efbbbf')).toEqual(['close 4999 \ufeff'])
})

test.each([
  ['§5.2: a reserved bit', 'client', 'c200', 1002],
  ['§5.2: another reserved bit', 'client', 'a2', 1002],
  ['§5.2: the third reserved bit', 'client', '92', 1002],
  ['§5.2: an unknown data opcode', 'client', '83', 1002],
  ['§5.2: an unknown control opcode', 'client', '8b', 1002],
  ['§5.1: a masked frame from a server', 'client', '8281', 1002],
  ['§5.1: an unmasked frame from a client', 'server', '8201', 1002],
  ['§5.2: 16 bits for a length of 125', 'client', '827e007d', 1002],
  ['§5.2: 64 bits for a length of 65535', 'client', '827f000000000000ffff', 1002],
  ['§5.2: the top bit of a length', 'client', '827f8000000000010000', 1002],
  ['§5.4: a continuation of nothing', 'client', '8000', 1002],
  ['§5.4: a message inside another', 'client', '0200 8200', 1002],
  ['§5.4: text inside a message', 'client', '0200 8100', 1002],
  ['§5.5: a ping in fragments', 'client', '0900', 1002],
  ['§5.5: a ping of 126 bytes', 'client', '897e', 1002],
  ['§5.5.1: Close of one byte', 'client', '880103', 1002],
  ['§7.4.1: Close with 1005', 'client', '880203ed', 1002],
  ['§7.4.1: Close with 1006', 'client', '880203ee', 1002],
  ['§7.4.2: Close with 999', 'client', '880203e7', 1002],
  ['§8.1: a reason that is not UTF-8', 'client', '880403e8 c328', 1007],
  ['§8.1: a reason cut inside a character', 'client', '880303e8 c3', 1007],
  ['§10.4: a message that says it is too large', 'client', '827f00000000000186a1', 1009],
  ['§10.4: fragments that are too large together', 'client', `02 7e c350 ${'00'.repeat(50_000)} 80 7e c351`, 1009],
  ['§10.4: text that says it is too large', 'client', '817f00000000000186a1', 1009],
  ['§10.4: 2^62 bytes', 'client', '827f4000000000000000', 1009],
] as const)('RFC 6455 %s', (_name, role, bytes, closeCode) => {
  const refused = [`error ${closeCode}`]
  const whole = unhex(bytes)
  expect(decode(new WebSocketParser(role, MAX), whole)).toEqual(refused)
  expect(decodeSlowly(whole, role, MAX)).toEqual(refused)
  const everywhere = whole.length > 100 ? [] : Array.from(whole, (_, index) => index)
  expect(decode(new WebSocketParser(role, MAX), whole, everywhere)).toEqual(refused)
})

test('RFC 6455 §10.4: the largest message is taken', () => {
  const payload = new Uint8Array(MAX).fill(3)
  const events = decode(new WebSocketParser('server', MAX), stream({ opcode: 2, payload, mask: MASK }), [9, 70_000])
  expect(events).toEqual([`message ${hex(payload)}`])
})

test('after an error, and after Close, nothing is read', () => {
  const parser = new WebSocketParser('client', MAX)
  parser.push(unhex('c2'))
  expect(() => parser.next()).toThrow(WebSocketProtocolError)
  parser.push(unhex('820102'))
  expect(parser.next()).toBe(WebSocketEvent.None)
})

test('a message that stands whole in a chunk is a view into it; one that is cut is not', () => {
  const parser = new WebSocketParser('server', MAX)
  const chunk = stream(
    { opcode: 2, payload: ascii('first'), mask: MASK },
    { opcode: 2, payload: ascii('second'), mask: MASK },
  )
  const cut = chunk.length - 2
  const front = chunk.slice(0, cut)
  parser.push(front)
  expect(parser.next()).toBe(WebSocketEvent.Message)
  expect(parser.payload.buffer).toBe(front.buffer)
  expect(parser.payload).toEqual(ascii('first'))
  expect(parser.next()).toBe(WebSocketEvent.None)
  parser.push(chunk.slice(cut))
  expect(parser.next()).toBe(WebSocketEvent.Message)
  expect(parser.payload).toEqual(ascii('second'))
})

test('spec/relay.md §4.8: messages that are only announced cost nothing', () => {
  const before = process.memoryUsage().arrayBuffers
  const parsers = Array.from({ length: 500 }, () => {
    const parser = new WebSocketParser('client', 1 << 20)
    decode(parser, unhex('027f00000000000fffff 00'))
    return parser
  })
  expect(parsers).toHaveLength(500)
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 << 20)
})

test('spec/relay.md §4.8: a cut message takes at most twice what has come', () => {
  const start = unhex('027f00000000000fffff')
  const chunks = Array.from({ length: 50 }, () => Uint8Array.from([...start, ...new Uint8Array(40_000)]))
  const before = process.memoryUsage().arrayBuffers
  const parsers = chunks.map((chunk) => {
    const parser = new WebSocketParser('client', 1 << 20)
    decode(parser, chunk)
    return parser
  })
  expect(parsers).toHaveLength(50)
  // And a copy of each chunk.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50 * 3.2 * 40_000)
})

test('RFC 6455 §5.4: a message of many pieces that came in many chunks', () => {
  for (const arrived of [1, 1000, 3000, 50_000]) {
    const parser = new WebSocketParser('client', 1 << 20)
    const payload = Uint8Array.from({ length: MAX }, (_, at) => at >> 4)
    const frame = Uint8Array.from(frameBytes({ opcode: 2, isFinal: false, payload }))
    const cuts = [10 + arrived, 10 + 2 * arrived]
    expect(decode(parser, Uint8Array.from([...frame, 0x80, 0x01, 0xff]), cuts)).toEqual([`message ${hex(payload)}ff`])
  }
})

/** Frames that make a stream which is right, or nearly. */
const frames: fc.Arbitrary<Frame> = fc
  .record({
    opcode: fc.constantFrom(0, 0, 1, 2, 2, 2, 2, 8, 9, 10, 3),
    size: fc.oneof(
      { weight: 30, arbitrary: fc.nat(40) },
      fc.constantFrom(125, 126, 127, 300),
      fc.constantFrom(125, 4000),
      { weight: 1, arbitrary: fc.constantFrom(300, 65_535, 65_536) },
    ),
    isFinal: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, fc.constant(false)),
    mask: fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)),
    oddity: fc.oneof({ weight: 30, arbitrary: fc.constant(0) }, fc.nat(4)),
    fill: fc.nat(255),
  })
  .map(({ opcode, size, isFinal, mask, oddity, fill }) => ({
    opcode,
    payload: Uint8Array.from({ length: opcode >= 8 ? Math.min(size, 126) : size }, (_, at) => (fill + 7 * at) & 0xff),
    isFinal: isFinal || opcode >= 8,
    mask: mask as [number, number, number, number],
    reserved: oddity === 1 ? 1 + (fill % 7) : 0,
    ...(oddity === 2 && { sizeBytes: 8 as const }),
    ...(oddity === 3 && { isFinal: !isFinal }),
  }))

test('RFC 6455 §5: whatever the stream and wherever it is cut, the parser agrees with its slow twin', () => {
  fc.assert(
    fc.property(
      fc.array(frames, { minLength: 1, maxLength: 12 }),
      fc.boolean(),
      fc.array(fc.nat(400), { maxLength: 30 }),
      fc.nat(20),
      (list, isServer, steps, missing) => {
        const role = isServer ? 'server' : 'client'
        const whole = stream(...list.map(({ mask, ...frame }) => (isServer ? { ...frame, mask: mask! } : frame)))
        const bytes = whole.subarray(0, whole.length - (missing < 10 ? missing : 0))
        let at = 0
        const cuts = steps.map((step) => {
          at += step % 7 === 0 ? step * 50 : step % 20
          return at
        })
        const expected = decodeSlowly(bytes, role, MAX)
        expect(decode(new WebSocketParser(role, MAX), bytes)).toEqual(expected)
        expect(decode(new WebSocketParser(role, MAX), bytes, cuts)).toEqual(expected)
      },
    ),
    { numRuns: 120 },
  )
})
