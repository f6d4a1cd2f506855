import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeHex } from '../../../src/bytes/index.ts'
import { TopicId } from '../../../src/gossip/topic-id.ts'
import { DecodeError } from '../../../src/gossip/wire/decode-error.ts'
import { decodeHeader, encodeFrame, encodeHeader, FrameReader } from '../../../src/gossip/wire/frames.ts'
import { encodeMessage } from '../../../src/gossip/wire/message-codec.ts'
import { hex } from '../../crypto/hex.ts'
import { TOPIC, VECTORS } from './vectors.ts'

/** All bodies that are complete, as hex; copied, as views end with the next push. */
function drain(reader: FrameReader): string[] {
  const bodies: string[] = []
  for (let body = reader.next(); body !== undefined; body = reader.next()) bodies.push(encodeHex(body))
  return bodies
}

/** Pushes `bytes` in pieces that are overwritten as soon as they were read. */
function readInPieces(reader: FrameReader, bytes: Uint8Array, sizes: readonly number[]): string[] {
  const bodies: string[] = []
  let turn = 0
  for (let at = 0; at < bytes.length; ) {
    const size = sizes[turn++ % sizes.length]!
    const chunk = bytes.slice(at, at + size)
    at += chunk.length
    reader.push(chunk)
    bodies.push(...drain(reader))
    chunk.fill(0xee)
  }
  return bodies
}

function joined(frames: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(frames.flatMap((frame) => [...frame]))
}

describe('written', () => {
  test('spec/gossip.md §15 #1: the header of a stream', () => {
    expect(encodeHex(encodeHeader(TopicId.fromBytes(hex(TOPIC))))).toBe(`00000020${TOPIC}`)
  })

  test('spec/gossip.md §3.4: the length is 32 bits, big endian, of the body alone', () => {
    expect(encodeHex(encodeFrame(hex('')))).toBe('00000000')
    expect(encodeHex(encodeFrame(hex('aabb')))).toBe('00000002aabb')
    expect(encodeHex(encodeFrame(new Uint8Array(70_000)).subarray(0, 5))).toBe('0001117000')
  })
})

describe('the header', () => {
  test('spec/gossip.md §3.4: is 32 bytes; more behind them is ignored, less is refused', () => {
    expect(decodeHeader(hex(TOPIC)).toString()).toBe(TOPIC)
    expect(decodeHeader(hex(`${TOPIC}ff`)).toString()).toBe(TOPIC)
    for (const body of ['', TOPIC.slice(2)]) expect(() => decodeHeader(hex(body))).toThrow(DecodeError)
  })
})

describe('read', () => {
  const stream = joined([
    encodeHeader(TopicId.fromBytes(hex(TOPIC))),
    ...VECTORS.map(([, frame]) => hex(frame)),
    encodeFrame(hex('')),
  ])
  const bodies = [TOPIC, ...VECTORS.map(([, frame]) => frame.slice(8)), '']

  test('spec/gossip.md §15: a whole stream at once', () => {
    const reader = new FrameReader(4096)
    const whole = hex(`00000020${TOPIC}000000060000010200000000000700040001020000`)
    expect(readInPieces(reader, whole, [whole.length])).toEqual([TOPIC, '000001020000', '00040001020000'])
    expect(reader.isInsideBody).toBe(false)
  })

  test.each(Array.from({ length: 40 }, (_, index) => index + 1))(
    'spec/gossip.md §3.4: in pieces of %i bytes, each overwritten when it was read',
    (size) => {
      const reader = new FrameReader(4096)
      expect(readInPieces(reader, stream, [size])).toEqual(bodies)
      expect(reader.oversized).toBe(0)
      expect(reader.isInsideBody).toBe(false)
    },
  )

  test('spec/gossip.md §3.4: whatever the frames and the pieces, the same bodies; those over the limit are passed over', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 6 }),
        fc.nat(60),
        (contents, sizes, limit) => {
          const reader = new FrameReader(limit)
          const read = readInPieces(reader, joined(contents.map(encodeFrame)), sizes)
          expect(read).toEqual(contents.filter(({ length }) => length <= limit).map(encodeHex))
          expect(reader.oversized).toBe(contents.filter(({ length }) => length > limit).length)
          expect(reader.isInsideBody).toBe(false)
        },
      ),
    )
  })

  test('spec/gossip.md §3.6: every place where a stream may end: clean, in a length, or inside a body', () => {
    const bytes = joined([encodeFrame(hex('aabbcc')), encodeFrame(hex('')), encodeFrame(hex('dd'))])
    const inside = Array.from({ length: bytes.length + 1 }, (_, end) => {
      const reader = new FrameReader(10)
      readInPieces(reader, bytes.subarray(0, end), [2])
      return reader.isInsideBody ? end : undefined
    }).filter((end) => end !== undefined)
    // the lengths are at 0 to 3, 7 to 10 and 11 to 14
    expect(inside).toEqual([4, 5, 6, 15])
  })

  test('spec/gossip.md §3.6: inside a body that is passed over counts as inside', () => {
    const reader = new FrameReader(2)
    reader.push(hex('00000004aabb'))
    expect(reader.next()).toBeUndefined()
    expect([reader.isInsideBody, reader.oversized]).toEqual([true, 1])
    reader.push(hex('ccdd00000001ee'))
    expect(drain(reader)).toEqual(['ee'])
    expect(reader.isInsideBody).toBe(false)
  })

  test('spec/gossip.md §3.5: a body of exactly the limit is read, one byte more is not', () => {
    const reader = new FrameReader(4096)
    const read = readInPieces(
      reader,
      joined([encodeFrame(new Uint8Array(4096)), encodeFrame(new Uint8Array(4097)), encodeFrame(hex('01'))]),
      [1000],
    )
    expect(read.map(({ length }) => length / 2)).toEqual([4096, 1])
    expect(reader.oversized).toBe(1)
  })

  test('nothing is stored of a frame over the limit, and of others only what came', () => {
    const reader = new FrameReader(1 << 30)
    reader.push(hex('3fffffff'))
    expect(reader.next()).toBeUndefined()
    expect(reader.heldBytes).toBe(0)
    reader.push(hex('00'))
    expect(reader.next()).toBeUndefined()
    expect(reader.heldBytes).toBeLessThanOrEqual(1024)
    for (let came = 1_001; came < 100_000; came += 1_000) {
      reader.push(new Uint8Array(1_000))
      expect(reader.next()).toBeUndefined()
      expect(reader.heldBytes).toBeLessThanOrEqual(2 * came)
      expect(reader.heldBytes).toBeGreaterThanOrEqual(came)
    }
    const strict = new FrameReader(4096)
    strict.push(hex('ffffffff'))
    for (let piece = 0; piece < 100; piece++) {
      strict.push(new Uint8Array(60_000))
      expect(strict.next()).toBeUndefined()
    }
    expect([strict.heldBytes, strict.oversized]).toEqual([0, 1])
  })

  test('the memory of a large body is let go with it', () => {
    const reader = new FrameReader(100_000)
    const frame = encodeFrame(new Uint8Array(50_000))
    expect(readInPieces(reader, frame, [7_000])).toHaveLength(1)
    expect(reader.heldBytes).toBe(0)
  })

  test('bytes pushed before the last ones were read are not lost', () => {
    const reader = new FrameReader(100)
    reader.push(hex('00000001aa00000001bb0000'))
    expect(encodeHex(reader.next()!)).toBe('aa')
    reader.push(hex('0002ccdd'))
    expect(drain(reader)).toEqual(['bb', 'ccdd'])
  })

  test('a body is a view as long as it came in one piece: nothing is copied on the fast way', () => {
    const chunk = encodeFrame(encodeMessage({ kind: 'prune' }))
    const reader = new FrameReader(100)
    reader.push(chunk)
    expect(reader.next()!.buffer).toBe(chunk.buffer)
  })
})
