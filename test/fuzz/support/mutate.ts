/** Datagrams that never were: genuine ones changed, joined, cut, or noise with a plausible beginning. */
import type { SimRandom } from '../../sim/support/random.ts'

const FIRST_BYTES = [0x40, 0x4f, 0x60, 0x80, 0xc0, 0xc3, 0xcf, 0xd0, 0xe0, 0xe3, 0xf0, 0xff]
const VERSIONS = [
  [0, 0, 0, 0],
  [0, 0, 0, 1],
  [0x6b, 0x33, 0x43, 0xcf],
  [0x1a, 0x2a, 0x3a, 0x4a],
  [0xff, 0, 0, 29],
]
const MOST_BYTES = 1500

type Mutation = (random: SimRandom, genuine: Uint8Array, other: Uint8Array) => Uint8Array

const MUTATIONS: readonly Mutation[] = [
  (random, genuine) => flip(random, genuine, random.int(1, 3)),
  (random, genuine) => flip(random, genuine, random.int(4, 60)),
  // the header is where parsers live
  (random, genuine) => {
    const bytes = genuine.slice()
    for (let changes = random.int(1, 3); changes > 0; changes--)
      bytes[random.int(0, Math.min(bytes.length, 60) - 1)] = random.pick([
        0, 1, 20, 21, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff,
      ])
    return bytes
  },
  (random, genuine) => genuine.slice(0, random.int(1, genuine.length)),
  (random, genuine) => genuine.slice(random.int(0, genuine.length - 1)),
  (random, genuine) => join(genuine, random.bytes(random.int(1, 200))),
  (random, genuine, other) => join(genuine.slice(0, random.int(1, genuine.length)), other),
  (_random, genuine, other) => join(genuine, other),
  (random, genuine, other) => {
    const bytes = genuine.slice()
    const at = random.int(0, bytes.length - 1)
    bytes.set(other.subarray(0, Math.min(other.length, bytes.length - at)), at)
    return bytes
  },
  (random, genuine) => {
    const bytes = genuine.slice()
    if (bytes.length >= 5) bytes.set(random.pick(VERSIONS), 1)
    return bytes
  },
  (random, genuine) => {
    const bytes = genuine.slice()
    bytes[0] = random.pick(FIRST_BYTES)
    return bytes
  },
  (_random, genuine) => genuine.slice(),
  (random) => random.bytes(random.int(1, MOST_BYTES)),
  (random, genuine) => {
    const bytes = random.bytes(random.pick([21, 43, 1200, random.int(1, MOST_BYTES)]))
    bytes[0] = random.pick(FIRST_BYTES)
    if (bytes.length > 5) bytes.set(random.pick(VERSIONS), 1)
    // a destination id that exists
    const from = (genuine[0]! & 0x80) === 0 ? 1 : 6
    const at = (bytes[0]! & 0x80) === 0 ? 1 : 6
    const id = genuine.subarray(from, Math.min(from + 8, genuine.length))
    if (at + id.length < bytes.length) bytes.set(id, at)
    if (at === 6 && bytes.length > 6) bytes[5] = id.length
    return bytes
  },
]

function flip(random: SimRandom, genuine: Uint8Array, count: number): Uint8Array {
  const bytes = genuine.slice()
  for (let flips = count; flips > 0; flips--) bytes[random.int(0, bytes.length - 1)]! ^= 1 << random.int(0, 7)
  return bytes
}

function join(left: Uint8Array, right: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(Math.min(left.length + right.length, MOST_BYTES))
  bytes.set(left.subarray(0, bytes.length))
  bytes.set(right.subarray(0, Math.max(0, bytes.length - left.length)), Math.min(left.length, bytes.length))
  return bytes
}

export function mutate(random: SimRandom, genuine: Uint8Array, other: Uint8Array): Uint8Array {
  return random.pick(MUTATIONS)(random, genuine, other)
}
