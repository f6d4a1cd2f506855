import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EncodingError, encodeHex, GrowingWriter } from '../../../src/bytes/index.ts'
import { blake3Hash } from '../../../src/crypto/index.ts'
import type { Message } from '../../../src/gossip/proto/messages.ts'
import { DecodeError } from '../../../src/gossip/wire/decode-error.ts'
import { encodeFrame } from '../../../src/gossip/wire/frames.ts'
import { KeyCheck } from '../../../src/gossip/wire/key-check.ts'
import { decodeMessage, encodeMessage, messageLength, writeMessage } from '../../../src/gossip/wire/message-codec.ts'
import { hex } from '../../crypto/hex.ts'
import { messages } from './arbitrary.ts'
import { A, B, E, H, VECTORS, W } from './vectors.ts'

const keys = new KeyCheck()
const isKey = (key: Uint8Array) => keys.isKey(key)

function decode(body: string): Message<string> {
  return decodeMessage(hex(body), isKey)
}

/** Why a body is refused; undefined when it is not. */
function refusal(body: string): string | undefined {
  try {
    decode(body)
    return undefined
  } catch (error) {
    if (error instanceof DecodeError) return error.reason
    throw error
  }
}

describe('spec/gossip.md §15: the vectors', () => {
  test.each(VECTORS)('spec/gossip.md §15 %s is written', (_name, frame, message) => {
    expect(encodeHex(encodeFrame(encodeMessage(message)))).toBe(frame)
    const writer = new GrowingWriter(1)
    writeMessage(writer, message)
    expect(encodeHex(writer.finish())).toBe(frame.slice(8))
  })

  test.each(VECTORS)('spec/gossip.md §15 %s is read', (_name, frame, message) => {
    const decoded = decode(frame.slice(8))
    expect(decoded).toEqual(message)
    // `toEqual` does not tell an absent field from an undefined one
    expect(Object.keys(decoded).sort()).toEqual(Object.keys(message).sort())
  })

  test('spec/gossip.md §4.2: the ids are BLAKE3 of the contents', () => {
    expect(encodeHex(blake3Hash(new TextEncoder().encode('hello')))).toBe(H)
    expect(encodeHex(blake3Hash(new TextEncoder().encode('world')))).toBe(W)
    expect(encodeHex(blake3Hash(hex('')))).toBe(E)
  })
})

describe('spec/gossip.md §15: sizes', () => {
  const gossip = (bytes: number, round: number | undefined): Message<string> => ({
    kind: 'gossip',
    id: H,
    content: new Uint8Array(bytes),
    round,
  })
  const ihave = (count: number, round: number): Message<string> => ({
    kind: 'ihave',
    announcements: Array.from({ length: count }, () => ({ id: H, round })),
  })
  test.each<[string, Message<string>, number]>([
    ['Gossip of 4057 bytes from the author', gossip(4057, 0), 4095],
    ['Gossip of 4057 bytes at hop 127', gossip(4057, 127), 4095],
    ['Gossip of 4058 bytes', gossip(4058, 0), 4096],
    ['Gossip of 4057 bytes at hop 128', gossip(4057, 128), 4096],
    ['Gossip of 4058 bytes for neighbours', gossip(4058, undefined), 4095],
    ['IHave of 116 entries', ihave(116, 65_535), 4063],
    ['ForwardJoin, least', { kind: 'forward-join', peer: { id: A, data: undefined }, ttl: 6 }, 36],
    ['Shuffle, least', { kind: 'shuffle', origin: A, nodes: [], ttl: 6 }, 36],
    ['Gossip, least', gossip(0, undefined), 36],
    ['IHave, least', ihave(0, 0), 3],
  ])('spec/gossip.md §4.3, §15: %s', (_name, message, length) => {
    expect(messageLength(message)).toBe(length)
    expect(encodeMessage(message)).toHaveLength(length)
  })
})

describe('spec/gossip.md §15: what is refused', () => {
  const notOnTheCurve = '02'.padEnd(64, '0')
  test.each([
    ['0002', 'truncated', 'a cut Shuffle'],
    ['0006', 'unknown-variant', 'an unknown membership message'],
    ['0104', 'unknown-variant', 'an unknown broadcast message'],
    ['02', 'unknown-variant', 'an unknown layer'],
    ['', 'truncated', 'nothing at all'],
    ['00', 'truncated', 'a layer alone'],
    ['000002', 'malformed', 'an option of 2'],
    ['00050200', 'malformed', 'a bool of 2'],
    ['000501', 'truncated', 'a Disconnect without its obsolete field'],
    ['00050102', 'malformed', 'a Disconnect whose obsolete field is no bool'],
    [`0100${H}0a0102030405`, 'truncated', 'a content longer than the body'],
    [`0100${H}00`, 'truncated', 'a Gossip without scope'],
    [`0100${H}0002`, 'unknown-variant', 'a Gossip of an unknown scope'],
    [`0001${notOnTheCurve}0006`, 'invalid-key', 'a ForwardJoin of no key'],
    [`0002${notOnTheCurve}0006`, 'invalid-key', 'a Shuffle from no key'],
    [`0002${A}02${B}00${notOnTheCurve}0006`, 'invalid-key', 'a Shuffle with no key among keys'],
    [`000301${notOnTheCurve}00`, 'invalid-key', 'a ShuffleReply with no key'],
    ['00040200', 'unknown-variant', 'a Neighbor of an unknown priority'],
    ['010200808004', 'malformed', 'a round above 65535'],
    ['01020080808000', 'malformed', 'a round in four bytes'],
    ['0303', 'unknown-variant', 'an unknown layer with more behind it'],
    ['808080808000', 'malformed', 'a layer in six bytes'],
    ['ffffffff1f', 'malformed', 'a layer beyond 32 bits'],
    ['000108ff', 'truncated', 'a ForwardJoin of four bytes'],
    ['0000010a00', 'truncated', 'data shorter than announced'],
    ['000001ffffffffffffffffff01', 'malformed', 'data of 2^64 - 1 bytes'],
    ['000001ffffffffffffffffff02', 'malformed', 'data beyond 2^64'],
    ['0003ffffffff0f', 'malformed', 'four billion peers that are not there'],
    ['0103ffffffffffffff0f', 'malformed', '2^53 - 1 announcements that are not there'],
    [`010302${H}00`, 'malformed', 'two announcements, and one is there'],
  ])('spec/gossip.md §3.6, §15: %s is %s: %s', (body, reason) => {
    expect(refusal(body)).toBe(reason)
  })

  test('spec/gossip.md §3.6: an error of the key check itself is not taken for an error of the peer', () => {
    const failing = () => {
      throw new RangeError('ours')
    }
    expect(() => decodeMessage(hex(`000301${A}00`), failing)).toThrow(RangeError)
  })
})

describe('spec/gossip.md §4.1: what is accepted although nobody should send it', () => {
  test.each<[string, Message<string>, string]>([
    ['0101ff', { kind: 'prune' }, 'bytes behind the message'],
    ['01020080800000', { kind: 'graft', id: undefined, round: 0 }, 'a padded round, and a byte behind'],
    ['010200808003', { kind: 'graft', id: undefined, round: 49_152 }, 'the highest third byte'],
    ['8180008100', { kind: 'prune' }, 'padded indexes'],
    ['8180808000818080800000', { kind: 'prune' }, 'indexes in five bytes'],
    ['00038080808080808080800000', { kind: 'shuffle-reply', nodes: [] }, 'a count in ten bytes'],
    ['0000018100aa', { kind: 'join', data: hex('aa') }, 'a padded length'],
    ['000480000000', { kind: 'neighbor', priority: 'high', data: undefined }, 'a padded priority'],
    ['00050101', { kind: 'disconnect', alive: true }, 'respond'],
  ])('spec/gossip.md §4.1, §3.6: %s', (body, message) => {
    expect(decode(body)).toEqual(message)
  })
})

test('spec/gossip.md §4.4: a round or ttl beyond 16 bits is written as 65535, which every peer can read', () => {
  const far: Message<string> = { kind: 'gossip', id: H, content: hex(''), round: 65_536 }
  expect(decodeMessage(encodeMessage(far), isKey)).toEqual({ ...far, round: 65_535 })
  const shuffle: Message<string> = { kind: 'shuffle', origin: A, nodes: [], ttl: 70_000 }
  expect(decodeMessage(encodeMessage(shuffle), isKey)).toEqual({ ...shuffle, ttl: 65_535 })
})

test('spec/gossip.md §4.2: an id that is no 64 hex digits is not written', () => {
  for (const id of ['', 'ab', `${H}00`, 'g'.repeat(64)])
    expect(() => encodeMessage({ kind: 'graft', id, round: 0 })).toThrow(EncodingError)
})

test('spec/gossip.md §4.3: whatever can be said comes back, whatever stands behind it', () => {
  fc.assert(
    fc.property(messages, fc.uint8Array({ maxLength: 3 }), (message, behind) => {
      const body = encodeMessage(message)
      expect(body).toHaveLength(messageLength(message))
      expect(decodeMessage(body, isKey)).toEqual(message)
      expect(decodeMessage(Uint8Array.from([...body, ...behind]), isKey)).toEqual(message)
    }),
  )
})

test('spec/gossip.md §3.6: a message cut anywhere is refused, never read as another', () => {
  fc.assert(
    fc.property(messages, fc.nat(), (message, cut) => {
      const body = encodeMessage(message)
      expect(() => decodeMessage(body.subarray(0, cut % body.length), isKey)).toThrow(DecodeError)
    }),
  )
})

test('contents and data are copies: the buffer they came in may be used again', () => {
  const read = (message: Message<string>) => {
    // a Buffer, whose `slice` would be a view
    const body = Buffer.from(encodeMessage(message))
    const decoded = decodeMessage(body, isKey)
    body.fill(0xee)
    return decoded
  }
  const peer = { id: A, data: hex('0102') }
  for (const message of [
    { kind: 'gossip', id: H, content: hex('aabbcc'), round: 1 },
    { kind: 'join', data: hex('0102') },
    { kind: 'neighbor', priority: 'low', data: hex('0102') },
    { kind: 'forward-join', peer, ttl: 1 },
    { kind: 'shuffle', origin: A, nodes: [peer], ttl: 1 },
  ] satisfies Message<string>[])
    expect(read(message)).toEqual(message)
})

test('a copy holds its own bytes and not the whole frame', () => {
  const decoded = decode(`0100${H}03aabbcc0000`)
  expect(decoded.kind === 'gossip' && decoded.content.buffer.byteLength).toBe(3)
})
