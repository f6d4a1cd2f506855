/**
 * Whole packets protected and unprotected in one call, for any provider: against the separate steps, against a slow twin for packet
 * numbers, and what is left in the buffer when a packet is refused. Meets RFC 9001 §5.3, §5.4 and §6.3.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type AeadName, type CryptoProvider, decodePacketNumber, Unprotect } from '../../src/crypto/index.ts'
import { counting, toHex } from './hex.ts'

const AEADS = ['aes-128-gcm', 'aes-256-gcm', 'chacha20-poly1305'] as const
const SHORT = 0x40
const LONG = 0xe0
const PHASE = 0x04

/** Where things are in a packet with bytes of other packets around it. */
interface Shape {
  readonly first: number
  readonly start: number
  readonly idLength: number
  readonly numberLength: number
  readonly payloadLength: number
}

export function wholePacketSuite(crypto: CryptoProvider, names: readonly AeadName[] = AEADS): void {
  const keys = (name: AeadName) => {
    const length = name === 'aes-128-gcm' ? 16 : 32
    const aead = crypto.aeadKey(name, counting(3, length), counting(60, 12))
    const header = crypto.headerKey(name, counting(99, length))
    return { aead, header, free: () => [aead, header].map((key) => key.free()) }
  }

  /** A buffer with an unprotected packet in it, and its positions. */
  const build = ({ first, start, idLength, numberLength, payloadLength }: Shape, packetNumber: number) => {
    const numberStart = start + 1 + idLength
    const payloadStart = numberStart + numberLength
    const payloadEnd = payloadStart + payloadLength
    const bytes = counting(7, payloadEnd + 16 + 5)
    bytes[start] = first | (numberLength - 1)
    for (let i = 0; i < numberLength; i++)
      bytes[numberStart + i] = Math.floor(packetNumber / 256 ** (numberLength - 1 - i)) & 0xff
    return { bytes, numberStart, payloadStart, payloadEnd, end: payloadEnd + 16 }
  }

  /** The nearest in the middle of what `largest` allows, so that the number comes back. */
  const aboveLargest = (largest: number, numberLength: number, place: number) =>
    Math.max(0, largest + 1 + Math.floor((place - 0.5) * 0.9 * 256 ** numberLength))

  const shape: fc.Arbitrary<Shape> = fc.record({
    first: fc.constantFrom(SHORT, SHORT | PHASE, SHORT | 0x20, LONG, LONG | 0x10),
    start: fc.nat(9),
    idLength: fc.nat(40),
    numberLength: fc.integer({ min: 1, max: 4 }),
    payloadLength: fc.oneof(fc.integer({ min: 4, max: 64 }), fc.integer({ min: 4, max: 1500 })),
  })

  /** Protects in one call and in steps, and unprotects with `seen` as the largest number received. */
  const compareWithSteps = (
    { aead, header }: Pick<ReturnType<typeof keys>, 'aead' | 'header'>,
    form: Shape,
    path: number,
    packetNumber: number,
    seen: number,
  ) => {
    const { bytes, numberStart, payloadStart, payloadEnd, end } = build(form, packetNumber)
    const plain = bytes.slice()
    const steps = bytes.slice()
    aead.protect(header, bytes, form.start, numberStart, payloadStart, payloadEnd, path, packetNumber)

    aead.seal(steps, form.start, payloadStart, payloadEnd, path, packetNumber)
    const mask = new Uint8Array(5)
    header.mask(steps, numberStart + 4, mask)
    steps[form.start]! ^= mask[0]! & (form.first & 0x80 ? 0x0f : 0x1f)
    for (let i = 0; i < form.numberLength; i++) steps[numberStart + i]! ^= mask[1 + i]!
    expect(toHex(bytes)).toBe(toHex(steps))

    const phase = form.first & 0x80 ? -1 : (form.first >> 2) & 1
    expect(aead.unprotect(header, bytes, form.start, numberStart, end, path, seen, phase)).toBe(payloadEnd)
    expect(toHex(bytes.subarray(0, payloadEnd))).toBe(toHex(plain.subarray(0, payloadEnd)))
    expect(toHex(bytes.subarray(payloadEnd))).toBe(toHex(steps.subarray(payloadEnd)))
  }

  test.each(names)('RFC 9001 §5.4.1: %s protect is seal and mask, unprotect undoes it', (name) => {
    const pair = keys(name)
    const largest = fc.oneof(fc.constant(-1), fc.nat(100_000), fc.integer({ min: 0, max: 2 ** 52 }))
    fc.assert(
      fc.property(
        shape,
        fc.integer({ min: 0, max: 0xffff_ffff }),
        largest,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (form, path, seen, place) =>
          compareWithSteps(pair, form, path, aboveLargest(seen, form.numberLength, place), seen),
      ),
      { numRuns: 150 },
    )
    pair.free()
  })

  test.each(names)('RFC 9001 §5.4.2: %s, the sample reaches into the tag of the shortest packets', (name) => {
    const pair = keys(name)
    for (const numberLength of [1, 2, 3, 4])
      for (let payloadLength = 4 - numberLength; payloadLength <= 24; payloadLength++)
        compareWithSteps(pair, { first: SHORT, start: 1, idLength: 8, numberLength, payloadLength }, 2, 9, 8)
    pair.free()
  })

  test.each(names)('RFC 9000 §A.3: %s unprotect expands packet numbers as the decoder does', (name) => {
    const { aead, header, free } = keys(name)
    const opens = (numberLength: number, truncated: number, largest: number) => {
      // Sealed under the number that the decoder gives, so it opens only when both agree.
      const packetNumber = decodePacketNumber(truncated, numberLength, largest)
      const form = { first: SHORT, start: 0, idLength: 8, numberLength, payloadLength: 4 }
      const { bytes, numberStart, payloadStart, payloadEnd, end } = build(form, truncated)
      aead.protect(header, bytes, 0, numberStart, payloadStart, payloadEnd, 1, packetNumber)
      const result = aead.unprotect(header, bytes, 0, numberStart, end, 1, largest, -1)
      expect(result, `${truncated} in ${numberLength} bytes after ${largest}`).toBe(payloadEnd)
    }
    for (const numberLength of [1, 2, 3, 4]) {
      const window = 2 ** (8 * numberLength)
      const bases = [0, window / 2, window, window * 1.5, window * 3, 2 ** 31, 2 ** 32, 2 ** 52]
      const tops = [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER - window, Number.MAX_SAFE_INTEGER - window / 2]
      for (const expected of [...bases, ...tops, Number.MAX_SAFE_INTEGER + 1]) {
        for (const step of [-2, -1, 0, 1, 2]) {
          for (const offset of [-window / 2, 0, window / 2]) {
            const truncated = (((expected + offset + step) % window) + window) % window
            opens(numberLength, truncated, Math.max(-1, Math.min(Number.MAX_SAFE_INTEGER, expected - 1)))
          }
        }
      }
    }
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.nat(0xffff_ffff),
        fc.oneof(fc.integer({ min: -1, max: 70_000 }), fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER })),
        (numberLength, raw, largest) => opens(numberLength, raw % 2 ** (8 * numberLength), largest),
      ),
      { numRuns: 200 },
    )
    free()
  })

  test.each(names)('RFC 9001 §6.3: %s, a packet of the other phase keeps its payload', (name) => {
    const { aead, header, free } = keys(name)
    const form = { first: SHORT | PHASE, start: 2, idLength: 8, numberLength: 2, payloadLength: 30 }
    const { bytes, numberStart, payloadStart, payloadEnd, end } = build(form, 1000)
    const plain = bytes.slice()
    aead.protect(header, bytes, 2, numberStart, payloadStart, payloadEnd, 0, 1000)
    const sealed = bytes.slice()
    expect(aead.unprotect(header, bytes, 2, numberStart, end, 0, 999, 0)).toBe(Unprotect.OtherPhase)
    expect(toHex(bytes.subarray(0, payloadStart))).toBe(toHex(plain.subarray(0, payloadStart)))
    expect(toHex(bytes.subarray(payloadStart))).toBe(toHex(sealed.subarray(payloadStart)))
    expect(aead.open(bytes, 2, payloadStart, end, 0, 1000)).toBe(payloadEnd)
    expect(toHex(bytes.subarray(0, payloadEnd))).toBe(toHex(plain.subarray(0, payloadEnd)))

    const again = sealed.slice()
    expect(aead.unprotect(header, again, 2, numberStart, end, 0, 999, 1)).toBe(payloadEnd)
    free()
  })

  test.each(names)('RFC 9001 §5.4.2: %s, a packet without room for a sample is left alone', (name) => {
    const { aead, header, free } = keys(name)
    for (let end = 10; end < 9 + 20; end++) {
      const bytes = counting(SHORT, 40)
      expect(aead.unprotect(header, bytes, 0, 9, end, 0, -1, -1)).toBe(Unprotect.TooShort)
      expect(bytes).toEqual(counting(SHORT, 40))
    }
    expect(aead.unprotect(header, counting(SHORT, 40), 0, 9, 9 + 20, 0, -1, -1)).toBe(Unprotect.Failed)
    free()
  })

  test.each(names)('RFC 9001 §5.3: %s, every flipped bit of a packet is refused and its last 16 bytes stay', (name) => {
    const { aead, header, free } = keys(name)
    const form = { first: SHORT, start: 0, idLength: 4, numberLength: 2, payloadLength: 21 }
    const { bytes, numberStart, payloadStart, payloadEnd, end } = build(form, 77)
    aead.protect(header, bytes, 0, numberStart, payloadStart, payloadEnd, 5, 77)
    for (let bit = 0; bit < end * 8; bit++) {
      const broken = bytes.slice()
      broken[bit >> 3]! ^= 1 << (bit & 7)
      const tail = broken.slice(end - 16)
      expect(aead.unprotect(header, broken, 0, numberStart, end, 5, 76, -1), `bit ${bit}`).toBe(Unprotect.Failed)
      expect(broken.slice(end - 16, end)).toEqual(tail.slice(0, 16))
      expect(broken.slice(end)).toEqual(bytes.slice(end))
    }
    expect(aead.unprotect(header, bytes.slice(), 0, numberStart, end, 6, 76, -1), 'another path').toBe(Unprotect.Failed)
    free()
  })

  test('RFC 9001 §5.4: positions outside of the buffer and packets too short for a sample are refused before anything is done', () => {
    for (const name of names) {
      const { aead, header, free } = keys(name)
      const bytes = counting(SHORT, 60)
      // payload and packet number have 3 bytes together
      expect(() => aead.protect(header, bytes, 0, 9, 10, 12, 0, 0)).toThrow(RangeError)
      expect(bytes).toEqual(counting(SHORT, 60))
      free()
    }
  })

  test('fast-path.md §2: packets in the packet memory and elsewhere come out the same', () => {
    const memory = crypto.packetMemory(3 * 65_536 + 100)
    expect(memory.length).toBe(3 * 65_536 + 100)
    expect(memory.every((byte) => byte === 0)).toBe(true)
    const later = crypto.packetMemory(5000)
    const { aead, header, free } = keys('chacha20-poly1305')
    const form = { first: SHORT, start: 3, idLength: 8, numberLength: 3, payloadLength: 1337 }
    const { bytes, numberStart, payloadStart, payloadEnd, end } = build(form, 5)
    const plain = bytes.slice()
    aead.protect(header, bytes, 3, numberStart, payloadStart, payloadEnd, 0, 5)
    // The last one ends with the memory.
    for (const [place, at] of [
      [memory, 0],
      [memory, 70_001],
      [memory, memory.length - bytes.length],
      [memory.subarray(65_537), 4],
      [later, 0],
      [later, later.length - bytes.length],
    ] as const) {
      place.set(plain, at)
      const before = place.slice()
      aead.protect(header, place, at + 3, at + numberStart, at + payloadStart, at + payloadEnd, 0, 5)
      before.set(bytes, at)
      expect(Buffer.compare(place, before)).toBe(0)
      expect(aead.unprotect(header, place, at + 3, at + numberStart, at + end, 0, 4, 0)).toBe(at + payloadEnd)
      expect(Buffer.compare(place.subarray(at, at + payloadEnd), plain.subarray(0, payloadEnd))).toBe(0)
      expect(Buffer.compare(place.subarray(at + end), before.subarray(at + end))).toBe(0)
    }
    expect(memory.length, 'views stay').toBe(3 * 65_536 + 100)
    free()
  })
}
