/**
 * Two providers against each other on the same inputs: packets of every length, headers, masks, hashes and the primitives of the
 * handshake. Each is the twin that judges the other.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { AeadName, CryptoProvider } from '../../src/crypto/index.ts'
import { toHex } from './hex.ts'

const AEADS = ['aes-128-gcm', 'aes-256-gcm', 'chacha20-poly1305'] as const
const MARGIN = 8

interface Packet {
  readonly key: Uint8Array
  readonly iv: Uint8Array
  readonly header: Uint8Array
  readonly payload: Uint8Array
  readonly path: number
  readonly packetNumber: number
  /** Picks a bit of header, payload or tag. */
  readonly flip: number
}

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

const packet: fc.Arbitrary<Packet> = fc.record({
  key: bytes(32),
  iv: bytes(12),
  header: fc.uint8Array({ maxLength: 63 }),
  payload: fc.uint8Array({ maxLength: 1500, size: 'max' }),
  path: fc.oneof(fc.constant(0), fc.nat(7), fc.integer({ min: 0, max: 0xffff_ffff })),
  packetNumber: fc.oneof(fc.nat(1000), fc.maxSafeNat()),
  flip: fc.nat(),
})

export function differentialSuite(left: CryptoProvider, right: CryptoProvider): void {
  describe(`${left.name} against ${right.name}`, { timeout: 60_000 }, () => {
    differentialPackets(left, right, AEADS)

    test.each(['sha256', 'sha384'] as const)('RFC 5869: hashes, HMAC and HKDF with %s', (name) => {
      const data = fc.uint8Array({ maxLength: 200 })
      fc.assert(
        fc.property(data, data, data, fc.nat(400), (one, two, three, length) => {
          const results = [left, right].map((crypto) => {
            const running = crypto.createHash(name)
            const digests = [one, two, three].map((part) => {
              running.update(part)
              return running.digest()
            })
            const secret = crypto.hkdfExtract(name, one, two)
            const made = [crypto.hash(name, one), crypto.hmac(name, one, two), secret]
            return [...digests, ...made, crypto.hkdfExpand(name, secret, three, length)].map(toHex)
          })
          expect(results[0]).toEqual(results[1])
        }),
      )
    })

    test('RFC 7748 §6.1, RFC 8446 §7.4.2: key exchanges', () => {
      fc.assert(
        fc.property(fc.constantFrom('x25519', 'p256'), bytes(32), bytes(32), (group, one, two) => {
          // Below the order of P-256, and not zero.
          for (const secret of [one, two]) secret[0] = (secret[0]! & 0x7f) | 1
          const a = left.keyExchange(group, one)
          const b = right.keyExchange(group, two)
          const twin = right.keyExchange(group, one)
          expect(a.publicKey).toEqual(twin.publicKey)
          const shared = a.agree(b.publicKey)
          expect(shared.length).toBe(32)
          expect(b.agree(a.publicKey)).toEqual(shared)
          for (const handle of [a, b, twin]) handle.free()
        }),
        { numRuns: 40 },
      )
    })

    test('RFC 8032 §5.1: signatures, and the verdict on altered ones', () => {
      fc.assert(
        fc.property(bytes(32), fc.uint8Array({ maxLength: 300 }), fc.nat(767), (seed, message, flip) => {
          const a = left.signer(seed)
          const b = right.signer(seed)
          expect(a.publicKey).toEqual(b.publicKey)
          const signature = a.sign(message)
          expect(b.sign(message)).toEqual(signature)
          expect(left.verify(a.publicKey, message, signature)).toBe(true)
          expect(right.verify(a.publicKey, message, signature)).toBe(true)
          const altered = new Uint8Array([...a.publicKey, ...signature])
          altered[flip >> 3]! ^= 1 << (flip & 7)
          const key = altered.slice(0, 32)
          expect(left.verify(key, message, altered.slice(32))).toBe(false)
          expect(right.verify(key, message, altered.slice(32))).toBe(false)
          a.free()
          b.free()
        }),
        { numRuns: 40 },
      )
    })
  })
}

/** The part about packets: sealing, opening and refusing, header masks. */
export function differentialPackets(left: CryptoProvider, right: CryptoProvider, names: readonly AeadName[]): void {
  test.each(names)('RFC 9001 §5.3: %s of every payload length from 0 to 300', (name) => {
    const key = pseudoRandom(1, 32)
    for (let length = 0; length <= 300; length++) {
      comparePacket(left, right, name, {
        key,
        iv: pseudoRandom(2, 12),
        header: pseudoRandom(3, length % 41),
        payload: pseudoRandom(4, length),
        path: length % 3,
        packetNumber: length * 0x1234_5678_9,
        flip: length * 7919,
      })
    }
  })

  test.each(names)('RFC 9001 §5.3: %s of random packets', (name) => {
    fc.assert(
      fc.property(packet, (value) => comparePacket(left, right, name, value)),
      { numRuns: 150 },
    )
  })

  test.each(names)('RFC 9001 §5.4: %s header masks', (name) => {
    fc.assert(
      fc.property(bytes(32), fc.uint8Array({ minLength: 16, maxLength: 40 }), fc.nat(24), (secret, data, at) => {
        const start = Math.min(at, data.length - 16)
        const masks = [left, right].map((crypto) => {
          const key = crypto.headerKey(name, keyFor(name, secret))
          const mask = new Uint8Array(5)
          key.mask(data, start, mask)
          key.free()
          return toHex(mask)
        })
        expect(masks[0]).toBe(masks[1])
      }),
      { numRuns: 300 },
    )
  })
}

/** Both seal to the same bytes, each opens the other's, neither takes a flipped bit, and nothing else in the buffer moves. */
function comparePacket(left: CryptoProvider, right: CryptoProvider, name: AeadName, value: Packet): void {
  const { header, payload, path, packetNumber } = value
  const payloadStart = MARGIN + header.length
  const payloadEnd = payloadStart + payload.length
  const sealedEnd = payloadEnd + 16
  const plain = new Uint8Array(sealedEnd + MARGIN).fill(0xa5)
  plain.set(header, MARGIN)
  plain.set(payload, payloadStart)
  const keys = [left, right].map((crypto) => crypto.aeadKey(name, keyFor(name, value.key), value.iv))
  const sealed = keys.map((key) => {
    const buffer = plain.slice()
    key.seal(buffer, MARGIN, payloadStart, payloadEnd, path, packetNumber)
    return buffer
  })
  expectSame(sealed[0]!, sealed[1]!)
  expectSame(sealed[0]!.subarray(0, payloadStart), plain.subarray(0, payloadStart))
  expectSame(sealed[0]!.subarray(sealedEnd), plain.subarray(sealedEnd))

  const bit = value.flip % ((sealedEnd - MARGIN) * 8)
  for (const key of keys) {
    const opened = sealed[0]!.slice()
    expect(key.open(opened, MARGIN, payloadStart, sealedEnd, path, packetNumber)).toBe(payloadEnd)
    expectSame(opened.subarray(0, payloadEnd), plain.subarray(0, payloadEnd))
    expectSame(opened.subarray(payloadEnd), sealed[0]!.subarray(payloadEnd))

    const broken = sealed[0]!.slice()
    broken[MARGIN + (bit >> 3)]! ^= 1 << (bit & 7)
    const before = broken.slice()
    expect(key.open(broken, MARGIN, payloadStart, sealedEnd, path, packetNumber)).toBe(-1)
    expectSame(broken.subarray(payloadEnd), before.subarray(payloadEnd))
    expectSame(broken.subarray(0, payloadStart), before.subarray(0, payloadStart))
    key.free()
  }
}

/** `toEqual` walks typed arrays element by element, which is most of the time of a test like this. */
function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) !== 0) expect(toHex(actual)).toBe(toHex(expected))
}

function keyFor(name: AeadName, secret: Uint8Array): Uint8Array {
  return name === 'aes-128-gcm' ? secret.slice(0, 16) : secret
}

/** Filler that repeats from run to run. */
function pseudoRandom(seed: number, length: number): Uint8Array {
  let state = seed * 0x9e37_79b9
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b_3c6d) + 0x9e37_79b9) | 0
    return state >>> 24
  })
}
