/** MessagePack for fuzzers: a generic reader that is slow and obvious, a writer that takes any form that means the same, and bytes gone wrong. */
import type { SimRandom } from '../../sim/support/random.ts'

export type Value =
  | { readonly kind: 'int'; readonly value: bigint }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'bin'; readonly value: Uint8Array }
  | { readonly kind: 'array'; readonly value: readonly Value[] }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'other' }

const DEEPEST = 12

/** All of `bytes` as one value; undefined where they are none. Written after the MessagePack specification, not after ours. */
export function parse(bytes: Uint8Array): Value | undefined {
  const at = { value: 0 }
  try {
    const value = next(bytes, at, 0)
    return at.value === bytes.length ? value : undefined
  } catch {
    return undefined
  }
}

function take(bytes: Uint8Array, at: { value: number }, count: number): Uint8Array {
  if (count > bytes.length - at.value) throw new Error('cut')
  at.value += count
  return bytes.subarray(at.value - count, at.value)
}

function big(bytes: Uint8Array): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
}

function next(bytes: Uint8Array, at: { value: number }, depth: number): Value {
  if (depth > DEEPEST) throw new Error('deep')
  const head = take(bytes, at, 1)[0]!
  const sized = (width: number) => Number(big(take(bytes, at, width)))
  const int = (value: bigint): Value => ({ kind: 'int', value })
  const string = (length: number): Value => {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    return { kind: 'string', value: decoder.decode(take(bytes, at, length)) }
  }
  const items = (count: number): Value[] => {
    const list: Value[] = []
    for (let left = count; left > 0; left--) list.push(next(bytes, at, depth + 1))
    return list
  }
  if (head < 0x80) return int(BigInt(head))
  if (head < 0x90) return items(2 * (head & 15)) && { kind: 'other' }
  if (head < 0xa0) return { kind: 'array', value: items(head & 15) }
  if (head < 0xc0) return string(head & 31)
  if (head >= 0xe0) return int(BigInt(head) - 256n)
  if (head >= 0xcc && head <= 0xcf) return int(big(take(bytes, at, 1 << (head - 0xcc))))
  if (head >= 0xd0 && head <= 0xd3) {
    const width = 1 << (head - 0xd0)
    return int(BigInt.asIntN(8 * width, big(take(bytes, at, width))))
  }
  if (head >= 0xc4 && head <= 0xc6) return { kind: 'bin', value: take(bytes, at, sized(1 << (head - 0xc4))) }
  if (head >= 0xd9 && head <= 0xdb) return string(sized(1 << (head - 0xd9)))
  if (head === 0xdc || head === 0xdd) return { kind: 'array', value: items(sized(head === 0xdc ? 2 : 4)) }
  if (head === 0xde || head === 0xdf) return items(2 * sized(head === 0xde ? 2 : 4)) && { kind: 'other' }
  if (head === 0xca || head === 0xcb) {
    const raw = take(bytes, at, head === 0xca ? 4 : 8)
    const view = new DataView(raw.buffer, raw.byteOffset, raw.length)
    return { kind: 'float', value: head === 0xca ? view.getFloat32(0) : view.getFloat64(0) }
  }
  if (head === 0xc2 || head === 0xc3) return { kind: 'bool', value: head === 0xc3 }
  if (head === 0xc0) return { kind: 'other' }
  throw new Error('extension')
}

function be(value: number | bigint, width: number): number[] {
  return Array.from({ length: width }, (_, index) => Number((BigInt(value) >> BigInt(8 * (width - 1 - index))) & 0xffn))
}

/** The same values in whatever form comes up; each call is another one. */
export class AnyForm {
  readonly #random: SimRandom

  constructor(random: SimRandom) {
    this.#random = random
  }

  int(value: number): number[] {
    const forms = [0xcc, 0xcd, 0xce, 0xcf].filter((head) => BigInt(value) < 1n << BigInt(8 << (head - 0xcc)))
    const signed = [0xd0, 0xd1, 0xd2, 0xd3].filter((head) => BigInt(value) < 1n << BigInt((8 << (head - 0xd0)) - 1))
    const head = this.#random.pick([...forms, ...signed, ...(value < 0x80 ? [value] : [])])
    return head < 0x80 ? [head] : [head, ...be(value, 1 << (head & 3))]
  }

  array(count: number): number[] {
    const forms = [...(count < 16 ? [[0x90 + count]] : []), [0xdc, ...be(count, 2)], [0xdd, ...be(count, 4)]]
    return this.#random.pick(forms)
  }

  string(text: string): number[] {
    const utf8 = [...new TextEncoder().encode(text)]
    const { length } = utf8
    const forms = [
      ...(length < 32 ? [[0xa0 + length]] : []),
      ...(length < 256 ? [[0xd9, length]] : []),
      [0xda, ...be(length, 2)],
      [0xdb, ...be(length, 4)],
    ]
    return [...this.#random.pick(forms), ...utf8]
  }

  bytes(data: Uint8Array): number[] {
    const { length } = data
    if (this.#random.chance(0.5)) {
      const forms = [...(length < 256 ? [[0xc4, length]] : []), [0xc5, ...be(length, 2)], [0xc6, ...be(length, 4)]]
      return [...this.#random.pick(forms), ...data]
    }
    const isPlain = this.#random.chance(0.5)
    const shortest = (byte: number) => (byte < 0x80 ? [byte] : [0xcc, byte])
    return [...this.array(length), ...[...data].flatMap((byte) => (isPlain ? shortest(byte) : this.int(byte)))]
  }
}

const HEADS = [
  0x00, 0x7f, 0x80, 0x81, 0x8a, 0x8f, 0x90, 0x91, 0x93, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9f, 0xa0, 0xa1, 0xbf, 0xc0,
  0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4,
  0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff,
]

/** Genuine bytes changed, cut, joined, or noise. */
export function broken(random: SimRandom, genuine: Uint8Array, other: Uint8Array): Uint8Array {
  const bytes = genuine.slice()
  const position = () => random.int(0, Math.max(0, bytes.length - 1))
  switch (random.int(0, 8)) {
    case 0:
    case 1:
      for (let changes = random.int(1, 3); changes > 0; changes--) bytes[position()] = random.pick(HEADS)
      return bytes
    case 2:
      for (let changes = random.int(1, 4); changes > 0; changes--) bytes[position()]! ^= 1 << random.int(0, 7)
      return bytes
    case 3:
      return bytes.slice(0, random.int(0, bytes.length))
    case 4: {
      const at = position()
      return Uint8Array.of(...bytes.subarray(0, at), ...random.bytes(random.int(1, 5)), ...bytes.subarray(at))
    }
    case 5: {
      const at = position()
      return Uint8Array.of(...bytes.subarray(0, at), ...bytes.subarray(at + random.int(1, 5)))
    }
    case 6:
      return Uint8Array.of(...bytes.subarray(0, position()), ...other.subarray(random.int(0, other.length)))
    case 7: {
      // a length that is a lie
      const at = position()
      const lie = [random.pick([0xc6, 0xdb, 0xdd, 0xdf, 0xc5, 0xda, 0xdc]), 0xff, 0xff, 0xff, 0xff]
      return Uint8Array.of(...bytes.subarray(0, at), ...lie, ...bytes.subarray(at))
    }
    default: {
      const noise = random.bytes(random.int(0, 300))
      for (let index = 0; index < noise.length; index++) if (random.chance(0.5)) noise[index] = random.pick(HEADS)
      return noise
    }
  }
}
