/** What an envelope may be, field by field (spec/envelope.md §1.3, §1.9). */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeBase32 } from '../../../src/bytes/index.ts'
import { EnvelopeError } from '../../../src/envelope/errors.ts'
import { type Envelope, MAX_ENVELOPE_LENGTH } from '../../../src/envelope/wire/envelope.ts'
import { decodeEnvelope, encodeEnvelope, envelopeSigningBytes } from '../../../src/envelope/wire/envelope-codec.ts'
import { KnownKeys } from '../../../src/envelope/wire/known-keys.ts'
import { MESSAGE_TYPES } from '../../../src/envelope/wire/message-type.ts'
import { hex, toHex } from '../../crypto/hex.ts'
import { anyEnvelope, KEYS } from './arbitrary.ts'
import { ALICE, BOB, HELLO, HOP, idOf, TIMESTAMP, VECTORS } from './vectors.ts'

const keys = new KnownKeys()
const A = VECTORS.A_clear_direct

const envelope: Envelope = {
  id: idOf(1),
  from: ALICE,
  to: BOB,
  via: [],
  type: 'Chat',
  payload: HELLO,
  timestamp: TIMESTAMP,
  signature: hex(A.signature),
  hopsLeft: 4,
  isEncrypted: false,
}

function codeOf(use: () => unknown): string {
  try {
    use()
  } catch (error) {
    if (error instanceof EnvelopeError) return error.code
    throw error
  }
  return 'none'
}

const text = (value: string): string => {
  const utf8 = toHex(new TextEncoder().encode(value))
  return `d9${(utf8.length / 2).toString(16).padStart(2, '0')}${utf8}`
}

/** The ten fields of vector A as hex, some of them put in another way. */
function wire(changes: Readonly<Record<number, string>> = {}): string {
  const fields = [
    text(idOf(1)),
    text(ALICE),
    text(BOB),
    '90',
    'a443686174',
    '9568656c6c6f',
    'cf0000018dacbbb800',
    A.wire.slice(2 * 192, 2 * 286),
    '04',
    'c2',
  ]
  return `9a${fields.map((field, index) => changes[index] ?? field).join('')}`
}

const decode = (text: string) => decodeEnvelope(hex(text), keys)

test('the fields of this test are those of vector A', () => {
  expect(wire()).toBe(A.wire)
})

describe('spec/envelope.md §1.3: read, and written again in the canonical form', () => {
  test.each<[string, string, Partial<Envelope>?]>([
    ['the array with a longer head', `dc000a${A.wire.slice(2)}`],
    ['with the longest', `dd0000000a${A.wire.slice(2)}`],
    ['payload and signature as bin', A.same_message_compact_bin_form_accepted_by_rust_decoder],
    ['payload as bin of 16 bits', wire({ 5: 'c5000568656c6c6f' })],
    ['a longer string', wire({ 4: 'db0000000443686174' })],
    ['payload bytes in longer forms', wire({ 5: '95cc68cd0065ce0000006ccf000000000000006c6f' })],
    ['ttl in a longer form', wire({ 8: 'ce00000004' })],
    ['timestamp as a signed integer', wire({ 6: 'd30000018dacbbb800' })],
    ['author in base32', wire({ 1: text(encodeBase32(hex(ALICE))) })],
    ['recipient in base32, upper case', wire({ 2: text(encodeBase32(hex(BOB)).toUpperCase()) })],
    ['via with a longer head', wire({ 3: 'dc0000' })],
  ])('%s', (_what, text) => {
    expect(decode(text)).toEqual(envelope)
    expect(toHex(encodeEnvelope(decode(text)))).toBe(A.wire)
  })

  test('RTR-5: a ttl above 4 is 4', () => {
    for (const [ttl, hopsLeft] of [
      ['00', 0],
      ['03', 3],
      ['05', 4],
      ['ceffffffff', 4],
    ] as const)
      expect(decode(wire({ 8: ttl })).hopsLeft).toBe(hopsLeft)
  })

  test('a missing signature is the business of who verifies', () => {
    expect(decode(A.unsigned_wire).signature).toEqual(hex(''))
  })

  test.each(MESSAGE_TYPES)('spec/envelope.md §1.7: %s', (type) => {
    const bytes = encodeEnvelope({ ...envelope, type })
    expect(decodeEnvelope(bytes, keys).type).toBe(type)
  })
})

describe('spec/envelope.md §1.3, ENV-6: refused', () => {
  const hops = (...names: string[]) => `9${names.length}${names.map(text).join('')}`
  const noPoint = `02${'00'.repeat(31)}`
  const [, , , , ...others] = KEYS

  test.each<[string, string, string]>([
    ['nine fields', `99${A.wire.slice(2, -2)}`, 'MALFORMED'],
    ['eleven', `9b${A.wire.slice(2)}c0`, 'MALFORMED'],
    ['no array', `d9${A.wire.slice(2)}`, 'MALFORMED'],
    ['a map with names of fields', `8a${A.wire.slice(2)}`, 'MALFORMED'],
    ['a byte behind it', `${A.wire}00`, 'MALFORMED'],
    ['a byte less', A.wire.slice(0, -2), 'MALFORMED'],
    ['nothing', '', 'MALFORMED'],
    ['no id', wire({ 0: 'a0' }), 'INVALID_FIELD'],
    ['an id of 65 characters', wire({ 0: text('a'.repeat(65)) }), 'INVALID_FIELD'],
    ['an id with a line feed', wire({ 0: text('a\nb') }), 'INVALID_FIELD'],
    ['an id beyond ASCII', wire({ 0: text('é') }), 'INVALID_FIELD'],
    ['an id as a number', wire({ 0: '05' }), 'MALFORMED'],
    ['an id as bin', wire({ 0: 'c40161' }), 'MALFORMED'],
    ['an author in upper case', wire({ 1: text(ALICE.toUpperCase()) }), 'INVALID_KEY'],
    ['a recipient in upper case', wire({ 2: text(BOB.toUpperCase()) }), 'INVALID_KEY'],
    ['an author that is no point', wire({ 1: text(noPoint) }), 'INVALID_KEY'],
    ['a recipient that is no point', wire({ 2: text(noPoint) }), 'INVALID_KEY'],
    ['a hop that is no point', wire({ 3: hops(noPoint) }), 'INVALID_KEY'],
    ['a hop in base32 that is no point', wire({ 3: hops(encodeBase32(hex(noPoint))) }), 'INVALID_KEY'],
    ['an author as bytes', wire({ 1: `c420${ALICE}` }), 'MALFORMED'],
    ['no recipient', wire({ 2: 'c0' }), 'MALFORMED'],
    ['five hops', wire({ 3: hops(HOP, ...others.slice(0, 4)) }), 'INVALID_FIELD'],
    ['RTR-6: a hop twice', wire({ 3: hops(HOP, others[0]!, HOP) }), 'INVALID_FIELD'],
    ['RTR-6: a hop twice, once in base32', wire({ 3: hops(HOP, encodeBase32(hex(HOP))) }), 'INVALID_FIELD'],
    ['RTR-6: the author as a hop', wire({ 3: hops(HOP, ALICE) }), 'INVALID_FIELD'],
    ['RTR-6: the recipient as a hop', wire({ 3: hops(BOB) }), 'INVALID_FIELD'],
    ['no hops at all', wire({ 3: 'c0' }), 'MALFORMED'],
    ['a type by its index', wire({ 4: '00' }), 'MALFORMED'],
    ['a type as a map', wire({ 4: '81a443686174c0' }), 'MALFORMED'],
    ['an unknown type', wire({ 4: 'a443686179' }), 'UNKNOWN_TYPE'],
    ['a type in lower case', wire({ 4: 'a463686174' }), 'UNKNOWN_TYPE'],
    ['a type of an object', wire({ 4: text('constructor') }), 'UNKNOWN_TYPE'],
    ['an empty type', wire({ 4: 'a0' }), 'UNKNOWN_TYPE'],
    ['a very long type', wire({ 4: text('G'.repeat(200)) }), 'UNKNOWN_TYPE'],
    ['a payload byte above 255', wire({ 5: '95cd0168656c6c6f' }), 'MALFORMED'],
    ['a payload as a string', wire({ 5: 'a568656c6c6f' }), 'MALFORMED'],
    ['a payload longer than all', wire({ 5: 'ddffffffff' }), 'MALFORMED'],
    ['a timestamp of 2^53', wire({ 6: 'cf0020000000000000' }), 'INVALID_FIELD'],
    ['a negative timestamp', wire({ 6: 'ff' }), 'INVALID_FIELD'],
    ['a timestamp as a float', wire({ 6: 'cb4278dacbbb800000' }), 'MALFORMED'],
    ['a signature of 63 bytes', wire({ 7: `c43f${'00'.repeat(63)}` }), 'INVALID_FIELD'],
    ['a signature of 65 bytes', wire({ 7: `c441${'00'.repeat(65)}` }), 'INVALID_FIELD'],
    ['a signature as a string', wire({ 7: text('a'.repeat(64)) }), 'MALFORMED'],
    ['a negative ttl', wire({ 8: 'd0ff' }), 'MALFORMED'],
    ['a ttl beyond 32 bits', wire({ 8: 'cf0000000100000000' }), 'MALFORMED'],
    ['a flag that is a number', wire({ 9: '00' }), 'MALFORMED'],
    ['a flag that is nil', wire({ 9: 'c0' }), 'MALFORMED'],
  ])('%s', (_what, text, code) => {
    expect(codeOf(() => decode(text))).toBe(code)
  })

  test('cut anywhere', () => {
    const bytes = hex(VECTORS.B_clear_one_hop.wire_ttl4)
    for (let length = 0; length < bytes.length; length++)
      expect(codeOf(() => decodeEnvelope(bytes.subarray(0, length), keys))).toBe('MALFORMED')
  })

  test('an error says nothing of the content', () => {
    expect(() => decode(wire({ 1: text(ALICE.toUpperCase()) }))).toThrow(/^(?!.*8A88).*at byte 105/)
  })
})

describe('ENV-5: 262,144 bytes', () => {
  // 288 bytes for five, and two more for the longer head
  const fits = MAX_ENVELOPE_LENGTH - (288 - 5) - 4
  const withPayload = (length: number, fill = 0) => ({ ...envelope, payload: new Uint8Array(length).fill(fill) })

  test('are written and read', () => {
    const bytes = encodeEnvelope(withPayload(fits))
    expect(bytes.length).toBe(MAX_ENVELOPE_LENGTH)
    expect(decodeEnvelope(bytes, keys).payload.length).toBe(fits)
  })

  test('one more is neither', () => {
    expect(codeOf(() => encodeEnvelope(withPayload(fits + 1)))).toBe('TOO_LARGE')
    expect(codeOf(() => encodeEnvelope(withPayload(MAX_ENVELOPE_LENGTH / 2, 0xff)))).toBe('TOO_LARGE')
    expect(codeOf(() => decodeEnvelope(new Uint8Array(MAX_ENVELOPE_LENGTH + 1), keys))).toBe('TOO_LARGE')
  })

  test('spec/envelope.md §1.3: in the compact form twice as much fits', () => {
    const payload = withPayload(MAX_ENVELOPE_LENGTH - 400, 0xff)
    const bytes = encodeEnvelope(payload, { isCompact: true })
    expect(bytes.length).toBeLessThanOrEqual(MAX_ENVELOPE_LENGTH)
    expect(decodeEnvelope(bytes, keys).payload.length).toBe(payload.payload.length)
    const more = { ...payload, payload: new Uint8Array(MAX_ENVELOPE_LENGTH) }
    expect(codeOf(() => encodeEnvelope(more, { isCompact: true }))).toBe('TOO_LARGE')
  })
})

test('ENV-1, ENV-4: any envelope, both forms, and back; both have the same signing bytes', () => {
  fc.assert(
    fc.property(anyEnvelope, (any) => {
      const bytes = encodeEnvelope(any)
      const decoded = decodeEnvelope(bytes, keys)
      expect(decoded).toEqual(any)
      expect(toHex(encodeEnvelope(decoded))).toBe(toHex(bytes))
      const compact = decodeEnvelope(encodeEnvelope(any, { isCompact: true }), keys)
      expect(compact).toEqual(any)
      expect(toHex(envelopeSigningBytes(compact))).toBe(toHex(envelopeSigningBytes(any)))
    }),
    { numRuns: 60 },
  )
})

test('what was decoded does not hang on the bytes it came from', () => {
  const bytes = hex(A.wire)
  const decoded = decodeEnvelope(bytes, keys)
  bytes.fill(0)
  expect(decoded).toEqual(envelope)
})
