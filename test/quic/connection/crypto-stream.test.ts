import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CryptoStream } from '../../../src/quic/connection/crypto-stream.ts'
import { ErrorCode } from '../../../src/quic/errors.ts'
import { Level } from '../../../src/quic/level.ts'
import { PacketWriter, SentFramePool } from '../../../src/quic/recovery/frame-owner.ts'

const data = (length: number) => Uint8Array.from({ length }, (_, index) => (index * 7 + (index >>> 8)) & 0xff)

describe('receiving', () => {
  test('RFC 9000 §19.6: pieces in any order, overlapping and repeated, come out once and in order', () => {
    const whole = data(300)
    const pieces = fc.array(fc.tuple(fc.nat(299), fc.integer({ min: 1, max: 80 })), { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(pieces, (list) => {
        const stream = new CryptoStream()
        const out: number[] = []
        for (const [offset, wanted] of [...list, [0, 300] as [number, number]]) {
          const length = Math.min(wanted, 300 - offset)
          const ready = stream.receive(whole, offset, length, offset)
          if (ready !== undefined) out.push(...ready)
        }
        expect(Uint8Array.from(out)).toEqual(whole)
      }),
      { numRuns: 200 },
    )
  })

  test('RFC 9000 §7.5: 4096 bytes ahead are kept, even byte by byte; there is a bound to bytes and to pieces', () => {
    const bytes = data(70_000)
    const stream = new CryptoStream()
    for (let offset = 1; offset <= 4_095; offset += 2) stream.receive(bytes, offset, 1, offset)
    expect(() => stream.receive(bytes, 5_000, 1, 5_000)).toThrow(
      expect.objectContaining({ code: ErrorCode.CRYPTO_BUFFER_EXCEEDED }),
    )
    for (let offset = 0; offset < 4_096; offset += 2) stream.receive(bytes, offset, 1, offset)
    expect(stream.receive(bytes, 4_096, 4, 4_096)).toEqual(bytes.slice(4_096, 4_100))
    const far = new CryptoStream()
    expect(() => far.receive(bytes, 65_530, 7, 65_530)).toThrow(
      expect.objectContaining({ code: ErrorCode.CRYPTO_BUFFER_EXCEEDED }),
    )
    expect(far.receive(bytes, 65_530, 6, 65_530)).toBeUndefined()
  })
})

describe('sending', () => {
  /** Writes one packet of at most `room` bytes; the ranges in it. */
  function write(stream: CryptoStream, pool: SentFramePool, room: number) {
    const packet = new PacketWriter(pool)
    packet.begin(new Uint8Array(2_000), 0, room, Level.Initial, 0, false)
    stream.write(packet)
    const ranges: [number, number][] = []
    for (let frame = packet.frames; frame !== undefined; frame = frame.next) ranges.unshift([frame.a, frame.b])
    return { ranges, frames: packet.frames }
  }

  test('RFC 9000 §13.3: what was lost goes first, what was acknowledged is not sent again', () => {
    const pool = new SentFramePool()
    const stream = new CryptoStream()
    stream.send(data(100))
    stream.send(data(50))
    const first = write(stream, pool, 84)
    expect(first.ranges).toEqual([[0, 80]])
    const second = write(stream, pool, 2_000)
    expect(second.ranges).toEqual([[80, 150]])
    expect(stream.hasPending).toBe(false)
    pool.settle(first.frames, false)
    // a probe of the same range, acknowledged before it too is deemed lost
    const third = write(stream, pool, 2_000)
    expect(third.ranges).toEqual([[0, 80]])
    pool.settle(third.frames, true)
    stream.lost({ owner: stream, a: 0, b: 80, c: 0, d: 0, next: undefined })
    expect(stream.hasPending).toBe(false)
    pool.settle(second.frames, false)
    expect(write(stream, pool, 40).ranges.length).toBe(1)
    expect(stream.hasPending).toBe(true)
    expect(write(stream, pool, 5).ranges).toEqual([])
  })
})
