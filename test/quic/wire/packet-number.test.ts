import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodePacketNumber, packetNumberLength } from '../../../src/quic/wire/packet-number.ts'

const none = -1

/** RFC 9000 appendix A.3, word for word on BigInt: the judge of the fast one. */
function twin(truncated: number, bytesLength: number, largestReceived: number): number {
  const expected = BigInt(largestReceived) + 1n
  const window = 1n << BigInt(8 * bytesLength)
  const candidate = (expected & ~(window - 1n)) | BigInt(truncated)
  if (candidate <= expected - window / 2n && candidate < (1n << 62n) - window) return Number(candidate + window)
  if (candidate > expected + window / 2n && candidate >= window) return Number(candidate - window)
  return Number(candidate)
}

describe('packet numbers', () => {
  test('RFC 9000 §A.2: the two examples of the encoder', () => {
    expect(packetNumberLength(0xac5c02, 0xabe8b3)).toBe(2)
    expect(packetNumberLength(0xace8fe, 0xabe8b3)).toBe(3)
  })

  test('RFC 9000 §A.3: the example of the decoder', () => {
    expect(decodePacketNumber(0x9b32, 2, 0xa82f30ea)).toBe(0xa82f9b32)
  })

  test('RFC 9001 §A.5: packet number 654360564 in three bytes', () => {
    expect(decodePacketNumber(0x00bff4, 3, 654360563)).toBe(654360564)
  })

  test('RFC 9000 §17.1: the first numbers of a space', () => {
    expect(packetNumberLength(0, none)).toBe(1)
    expect(packetNumberLength(126, none)).toBe(1)
    expect(packetNumberLength(127, none)).toBe(2)
    expect(decodePacketNumber(0, 1, none)).toBe(0)
    expect(decodePacketNumber(200, 1, none)).toBe(200)
  })

  test('RFC 9000 §17.1: the range written is more than twice the distance to the largest acknowledged', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 31 - 2 }), fc.integer({ min: -1, max: 2 ** 52 }), (distance, largestAcked) => {
        const length = packetNumberLength(largestAcked + 1 + distance, largestAcked)
        if (length < 4) expect(2 ** (8 * length)).toBeGreaterThan(2 * (distance + 1))
        if (length > 1) expect(2 ** (8 * (length - 1))).toBeLessThanOrEqual(2 * (distance + 1))
      }),
    )
  })

  test('RFC 9000 §A.3: the decoder agrees with its slow twin', () => {
    const nearWindow = fc.oneof(fc.integer({ min: -1, max: 70_000 }), fc.integer({ min: -1, max: 2 ** 52 }))
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.nat({ max: 0xffffffff }), nearWindow, (length, raw, largest) => {
        const truncated = raw % 2 ** (8 * length)
        expect(decodePacketNumber(truncated, length, largest)).toBe(twin(truncated, length, largest))
      }),
      { numRuns: 2000 },
    )
  })

  test('RFC 9000 §A.3: the edges of the window belong to the side the RFC says', () => {
    for (const length of [1, 2, 3, 4]) {
      const window = 2 ** (8 * length)
      for (const expected of [window / 2, window, window * 1.5, window * 3]) {
        for (const step of [-2, -1, 0, 1, 2]) {
          for (const edge of [expected - window / 2, expected, expected + window / 2]) {
            const truncated = (edge + step + window) % window
            expect(decodePacketNumber(truncated, length, expected - 1)).toBe(twin(truncated, length, expected - 1))
          }
        }
      }
    }
  })

  test('RFC 9000 §17.1: what the sender shortens the receiver finds, wherever between acked and sent it stands', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1, max: 2 ** 50 }),
        fc.nat({ max: 2 ** 31 - 2 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (acked, ahead, seen) => {
          const packetNumber = acked + 1 + ahead
          const length = packetNumberLength(packetNumber, acked)
          const largestReceived = acked + Math.floor(seen * ahead)
          expect(decodePacketNumber(packetNumber % 2 ** (8 * length), length, largestReceived)).toBe(packetNumber)
        },
      ),
    )
  })

  test('RFC 9000 §17.1: a peer that climbs beyond 2^53 gets no inexact number', () => {
    for (const length of [1, 2, 3, 4]) {
      for (const largest of [Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER]) {
        expect(Number.isSafeInteger(decodePacketNumber(0, length, largest))).toBe(true)
        expect(Number.isSafeInteger(decodePacketNumber(6, length, largest))).toBe(true)
      }
    }
  })
})
