import { createHash } from 'node:crypto'
import { inspect } from 'node:util'
import { ed25519 } from '@noble/curves/ed25519.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeHex, encodeBase32Hex, encodeHex } from '../../src/bytes/index.ts'
import { EndpointId, IdentityError, SecretKey } from '../../src/identity/index.ts'
import { EXAMPLE_BASE32, EXAMPLE_ID, EXAMPLE_KEY, EXAMPLE_SEED, EXAMPLE_Z32 } from './examples.ts'

const seed = fc.uint8Array({ minLength: 32, maxLength: 32 })

function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    expect(error).toBeInstanceOf(IdentityError)
    expect((error as IdentityError).message).not.toContain('\n')
    return (error as IdentityError).code
  }
  return 'no error'
}

describe('SecretKey', () => {
  test('RFC 8032 §7.1: the public key of a seed', () => {
    const key = SecretKey.fromHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60')
    expect(key.id.toString()).toBe('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a')
  })

  test('endpoint.md §1.1: the worked example, from bytes and from hex', () => {
    expect(EXAMPLE_KEY.id.toString()).toBe(EXAMPLE_ID)
    expect(SecretKey.fromHex(EXAMPLE_SEED.toUpperCase()).id.equals(EXAMPLE_KEY.id)).toBe(true)
    expect(EXAMPLE_KEY.toHex()).toBe(EXAMPLE_SEED)
    expect(encodeHex(EXAMPLE_KEY.toBytes())).toBe(EXAMPLE_SEED)
  })

  test('the seed is copied in and out', () => {
    const bytes = decodeHex(EXAMPLE_SEED)
    const key = SecretKey.fromBytes(bytes)
    bytes.fill(0)
    key.toBytes().fill(0)
    expect(key.toHex()).toBe(EXAMPLE_SEED)
    expect(key.id.toString()).toBe(EXAMPLE_ID)
  })

  test('a fresh key takes exactly 32 bytes of the given randomness, or the system’s', () => {
    const random = { fill: (out: Uint8Array) => void out.fill(7) }
    expect(SecretKey.generate(random).toHex()).toBe('07'.repeat(32))
    expect(SecretKey.generate().toHex()).not.toBe(SecretKey.generate().toHex())
  })

  test('nothing that prints shows the secret', () => {
    const shown = [String(EXAMPLE_KEY), `${EXAMPLE_KEY}`, JSON.stringify({ key: EXAMPLE_KEY }), inspect(EXAMPLE_KEY)]
    shown.push(inspect({ deep: { key: EXAMPLE_KEY } }, { depth: null, showHidden: true }))
    for (const text of shown) {
      expect(text).toContain('redacted')
      expect(text).not.toContain('0102')
      expect(text).not.toContain('1, 2')
    }
    expect(Object.keys(EXAMPLE_KEY)).toEqual([])
  })

  test('other lengths and other text are refused, and not repeated', () => {
    for (const length of [0, 31, 33, 64])
      expect(codeOf(() => SecretKey.fromBytes(new Uint8Array(length)))).toBe('INVALID_KEY')
    for (const text of ['', EXAMPLE_SEED.slice(2), `${EXAMPLE_SEED}00`, ` ${EXAMPLE_SEED}`, `${EXAMPLE_SEED}\n`]) {
      expect(codeOf(() => SecretKey.fromHex(text))).toBe('INVALID_KEY')
    }
    const typo = `${EXAMPLE_SEED.slice(0, 63)}x`
    expect(() => SecretKey.fromHex(typo)).toThrow(/^(?!.*0102).*$/)
  })
})

describe('EndpointId', () => {
  const id = EXAMPLE_KEY.id

  test('endpoint.md §1.1: every text form of the worked example', () => {
    expect(id.toString()).toBe(EXAMPLE_ID)
    expect(JSON.stringify({ id })).toBe(`{"id":"${EXAMPLE_ID}"}`)
    expect(id.toShortString()).toBe('03a107bff3')
    expect(id.toBase32()).toBe(EXAMPLE_BASE32)
    expect(id.toZ32()).toBe(EXAMPLE_Z32)
    expect(encodeBase32Hex(id.toBytes())).toBe('0eggffvjpo8bs7bgrkceeiu0j5ju9lhgjeigqnotri3684il66s0')
    expect(inspect(id)).toBe(`EndpointId(${EXAMPLE_ID})`)
  })

  test('endpoint.md §1.1: the general parser takes lower-case hex and base32 in any case', () => {
    for (const text of [EXAMPLE_ID, EXAMPLE_BASE32, EXAMPLE_BASE32.toUpperCase()]) {
      expect(EndpointId.parse(text).equals(id)).toBe(true)
    }
    expect(EndpointId.fromZ32(EXAMPLE_Z32).equals(id)).toBe(true)
  })

  test.each([
    ['upper-case hex', EXAMPLE_ID.toUpperCase()],
    ['one upper-case digit', EXAMPLE_ID.replace('a', 'A')],
    ['z-base-32', EXAMPLE_Z32],
    ['hex with a space', ` ${EXAMPLE_ID}`],
    ['too short', EXAMPLE_ID.slice(2)],
    ['padded base32', `${EXAMPLE_BASE32}====`],
    ['base32 with spare bits', `${EXAMPLE_BASE32.slice(0, -1)}b`],
    ['no hex', 'g'.repeat(64)],
    ['empty', ''],
    ['no point', '02'.padEnd(64, '0')],
  ])('endpoint.md §1.1: the general parser refuses %s', (_name, text) => {
    expect(codeOf(() => EndpointId.parse(text))).toBe('INVALID_ID')
  })

  test('z-base-32 has its own strict parser', () => {
    for (const text of [EXAMPLE_Z32.toUpperCase(), EXAMPLE_ID, EXAMPLE_Z32.slice(1), `${EXAMPLE_Z32.slice(0, -1)}b`]) {
      expect(codeOf(() => EndpointId.fromZ32(text))).toBe('INVALID_ID')
    }
  })

  test('every form of every key comes back', () => {
    fc.assert(
      fc.property(seed, (bytes) => {
        const { id } = SecretKey.fromBytes(bytes)
        expect(EndpointId.parse(id.toString()).equals(id)).toBe(true)
        expect(EndpointId.parse(id.toBase32()).equals(id)).toBe(true)
        expect(EndpointId.fromZ32(id.toZ32()).equals(id)).toBe(true)
        expect(EndpointId.fromBytes(id.toBytes()).equals(id)).toBe(true)
      }),
      { numRuns: 10 },
    )
  })

  test('endpoint.md §1.1: exactly the encodings of curve points are accepted, about half of all', () => {
    const p = 2n ** 255n - 19n
    const d = ed25519.Point.CURVE().d
    const power = (base: bigint, exponent: bigint): bigint => {
      let result = 1n
      for (let rest = exponent, square = base % p; rest > 0n; rest >>= 1n, square = (square * square) % p) {
        if ((rest & 1n) === 1n) result = (result * square) % p
      }
      return result
    }
    // x² = (y² - 1) / (d y² + 1) has a root or is zero
    const isPoint = (bytes: Uint8Array): boolean => {
      const y = BigInt(`0x${encodeHex(Uint8Array.from(bytes).reverse())}`) & (2n ** 255n - 1n)
      const x2 = ((y * y - 1n + p) * power(((d * y) % p) * y + 1n, p - 2n)) % p
      return power(x2, (p - 1n) / 2n) <= 1n
    }
    let points = 0
    for (let index = 0; index < 40; index++) {
      const bytes = Uint8Array.from(createHash('sha256').update(`candidate ${index}`).digest())
      const accepted = codeOf(() => EndpointId.fromBytes(bytes)) === 'no error'
      expect([index, accepted]).toEqual([index, isPoint(bytes)])
      points += Number(accepted)
    }
    expect(points).toBeGreaterThan(8)
    expect(points).toBeLessThan(32)
  })

  test('like iroh, small-order and non-canonical points are ids, with their bytes as given', () => {
    const p = 2n ** 255n - 19n
    const nonCanonical = Uint8Array.from(decodeHex((p + 1n).toString(16))).reverse()
    for (const bytes of [decodeHex('01'.padEnd(64, '0')), new Uint8Array(32), nonCanonical]) {
      expect(EndpointId.fromBytes(bytes).toBytes()).toEqual(bytes)
    }
  })

  test('is immutable', () => {
    const bytes = id.toBytes()
    const copy = EndpointId.fromBytes(bytes)
    bytes.fill(0)
    copy.toBytes().fill(0)
    expect(encodeHex(copy.toBytes())).toBe(EXAMPLE_ID)
  })

  test('order is bytewise', () => {
    const ids = [1, 2, 3, 4, 5].map((value) => SecretKey.fromBytes(new Uint8Array(32).fill(value)).id)
    const byText = ids.map(String).sort()
    expect(ids.sort((left, right) => left.compare(right)).map(String)).toEqual(byText)
    expect(id.compare(EndpointId.parse(EXAMPLE_ID))).toBe(0)
    expect(id.equals(ids[0]!)).toBe(false)
  })

  test.each([0, 31, 33])('%i bytes are no id', (length) => {
    expect(codeOf(() => EndpointId.fromBytes(new Uint8Array(length)))).toBe('INVALID_ID')
  })
})
