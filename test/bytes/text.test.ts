import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeBase32,
  decodeBase32Hex,
  decodeHex,
  decodeUtf8,
  decodeZ32,
  EncodingError,
  encodeBase32,
  encodeBase32Hex,
  encodeHex,
  encodeUtf8,
  encodeZ32,
  quote,
} from '../../src/bytes/index.ts'

const bytes = fc.uint8Array({ maxLength: 80 })

describe('hex', () => {
  test('agrees with Buffer, both ways and in any case', () => {
    fc.assert(
      fc.property(bytes, (data) => {
        const text = encodeHex(data)
        expect(text).toBe(Buffer.from(data).toString('hex'))
        expect(decodeHex(text)).toEqual(data)
        expect(decodeHex(text.toUpperCase())).toEqual(data)
      }),
    )
  })

  test.each(['0', '0g', ' 00', '0x00', '00 ', '0/', '0:', '0@', '0`', 'é0'])('refuses %j', (text) => {
    expect(() => decodeHex(text)).toThrow(EncodingError)
  })
})

describe('base32', () => {
  test.each([
    ['', '', ''],
    ['f', 'my', 'co'],
    ['fo', 'mzxq', 'cpng'],
    ['foo', 'mzxw6', 'cpnmu'],
    ['foob', 'mzxw6yq', 'cpnmuog'],
    ['fooba', 'mzxw6ytb', 'cpnmuoj1'],
    ['foobar', 'mzxw6ytboi', 'cpnmuoj1e8'],
  ])('RFC 4648 §10: %j', (text, base32, base32hex) => {
    expect(encodeBase32(encodeUtf8(text))).toBe(base32)
    expect(encodeBase32Hex(encodeUtf8(text))).toBe(base32hex)
    expect(decodeUtf8(decodeBase32(base32))).toBe(text)
    expect(decodeUtf8(decodeBase32(base32.toUpperCase()))).toBe(text)
    expect(decodeUtf8(decodeBase32Hex(base32hex))).toBe(text)
  })

  test('z-base-32 is the same bits with other letters', () => {
    const digits = { from: 'abcdefghijklmnopqrstuvwxyz234567', to: 'ybndrfg8ejkmcpqxot1uwisza345h769' }
    fc.assert(
      fc.property(bytes, (data) => {
        const other = [...encodeBase32(data)].map((digit) => digits.to[digits.from.indexOf(digit)]).join('')
        expect(encodeZ32(data)).toBe(other)
      }),
    )
  })

  test.each([
    ['base32', encodeBase32, decodeBase32],
    ['base32hex', encodeBase32Hex, decodeBase32Hex],
    ['z-base-32', encodeZ32, decodeZ32],
  ] as const)('%s comes back, and no other text of the same length gives the same bytes', (_name, encode, decode) => {
    fc.assert(
      fc.property(bytes, fc.nat(), fc.nat(), (data, position, replacement) => {
        const text = encode(data)
        expect(decode(text)).toEqual(data)
        if (text.length === 0) return
        const at = position % text.length
        const digit = '0123456789abcdefghijklmnopqrstuvwxyz'[replacement % 36]!
        const changed = text.slice(0, at) + digit + text.slice(at + 1)
        if (changed === text) return
        let result: Uint8Array | undefined
        try {
          result = decode(changed)
        } catch (error) {
          expect(error).toBeInstanceOf(EncodingError)
        }
        if (result !== undefined) expect(result).not.toEqual(data)
      }),
    )
  })

  test.each(['my======', 'm y', ' my', 'm1', 'm8', 'mé', 'm\u{1f600}', 'mz', 'a', 'aaa', 'aaaaaa'])(
    'RFC 4648 §3.3, §3.5: refuses %j (padding, spaces, foreign letters, spare bits, impossible lengths)',
    (text) => {
      expect(() => decodeBase32(text)).toThrow(EncodingError)
    },
  )

  test('z-base-32 and base32hex are lower case only', () => {
    expect(() => decodeZ32('YB')).toThrow(EncodingError)
    expect(() => decodeBase32Hex('CO')).toThrow(EncodingError)
  })
})

describe('UTF-8', () => {
  test('keeps a byte order mark and every well-formed text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(decodeUtf8(encodeUtf8(text))).toBe(text)
      }),
    )
    expect(decodeUtf8(decodeHex('efbbbf61'))).toBe('\ufeffa')
  })

  test.each(['ff', 'c080', 'eda080', 'f4908080', 'c3'])('RFC 3629 §3: refuses %s', (hex) => {
    expect(() => decodeUtf8(decodeHex(hex))).toThrow(EncodingError)
  })
})

test('a quoted text stays on one line and short', () => {
  expect(quote('a\n"b"')).toBe('"a\\n\\"b\\""')
  expect(quote('x'.repeat(1000)).length).toBeLessThan(70)
})
