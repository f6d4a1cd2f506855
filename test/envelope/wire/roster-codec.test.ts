import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeHex } from '../../../src/bytes/index.ts'
import { EnvelopeError } from '../../../src/envelope/errors.ts'
import {
  decodeRosterMessage,
  encodeOffer,
  encodeWant,
  ROSTER_AT_ONCE,
  shortOf,
} from '../../../src/envelope/wire/roster-codec.ts'
import { toHex } from '../../crypto/hex.ts'
import { ALICE } from './vectors.ts'

const short = fc.uint8Array({ minLength: 8, maxLength: 8 }).map(encodeHex)
const entry = fc.record({ short, timestamp: fc.integer({ min: 0, max: 2 ** 48 - 1 }) })

test('what is offered and wanted comes back', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: ROSTER_AT_ONCE }), (entries) => {
      expect(decodeRosterMessage(encodeOffer(entries))).toEqual({ kind: 'offer', entries })
      const shorts = entries.map((one) => one.short)
      expect(decodeRosterMessage(encodeWant(shorts))).toEqual({ kind: 'want', shorts })
    }),
  )
})

test('the bytes: a list of the kind and one string of bytes, numbers in network order', () => {
  const offer = encodeOffer([{ short: shortOf(ALICE), timestamp: 0x0102_0304_0506 }])
  expect(toHex(offer)).toBe(`9201c40e${ALICE.slice(0, 16)}010203040506`)
  expect(toHex(encodeWant([shortOf(ALICE)]))).toBe(`9202c408${ALICE.slice(0, 16)}`)
})

test('the longest message fits into one of gossip', () => {
  const entries = Array.from({ length: ROSTER_AT_ONCE }, () => ({ short: '0'.repeat(16), timestamp: 1 }))
  expect(encodeOffer(entries).length).toBeLessThan(4_057)
})

test('anything else is refused with a code', () => {
  const one = encodeWant(['00'.repeat(8)])
  const offer = encodeOffer([{ short: '00'.repeat(8), timestamp: 1 }])
  const tooMany = Uint8Array.of(0x92, 2, 0xc5, 0x05, 0x08, ...new Uint8Array(0x0508))
  const otherKind = Uint8Array.from(one, (byte, index) => (index === 1 ? 3 : byte))
  const wrongs = [one.subarray(0, 7), offer.subarray(0, -1), Uint8Array.of(...one, 0), tooMany, otherKind]
  // 13 bytes are no entry, 7 no short key
  wrongs.push(
    Uint8Array.of(0x92, 1, 0xc4, 13, ...new Uint8Array(13)),
    Uint8Array.of(0x92, 2, 0xc4, 7, ...new Uint8Array(7)),
  )
  for (const wrong of wrongs) expect(() => decodeRosterMessage(wrong)).toThrow(EnvelopeError)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decodeRosterMessage(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(EnvelopeError)
      }
    }),
  )
})
