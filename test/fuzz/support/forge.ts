/**
 * A peer that has the keys and breaks the rules: just before a packet is sealed its plaintext is changed, so that every layer above the AEAD
 * meets it. The length of the packet stays.
 */
import type { AeadKey, AeadName, CryptoProvider } from '../../../src/crypto/index.ts'
import { SteppedAeadKey } from '../../../src/crypto/stepped-aead-key.ts'
import type { Role } from '../../../src/quic/index.ts'
import type { SimRandom } from '../../sim/support/random.ts'

/** The payload of a packet is `bytes[start, end)`. */
export type Change = (bytes: Uint8Array, start: number, end: number) => void

/** `provider`, but what its AEAD keys seal goes through `change` first. */
export function forging(provider: CryptoProvider, change: Change): CryptoProvider {
  return new Proxy(provider, {
    get(target, name) {
      if (name === 'aeadKey')
        return (algorithm: AeadName, key: Uint8Array, iv: Uint8Array) =>
          new ForgingKey(target.aeadKey(algorithm, key, iv), change)
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

class ForgingKey extends SteppedAeadKey {
  readonly name: AeadName
  readonly #key: AeadKey
  readonly #change: Change

  constructor(key: AeadKey, change: Change) {
    super()
    this.name = key.name
    this.#key = key
    this.#change = change
  }

  seal(
    bytes: Uint8Array,
    headerStart: number,
    payloadStart: number,
    payloadEnd: number,
    pathId: number,
    packetNumber: number,
  ): void {
    this.#change(bytes, payloadStart, payloadEnd)
    this.#key.seal(bytes, headerStart, payloadStart, payloadEnd, pathId, packetNumber)
  }

  open(
    bytes: Uint8Array,
    headerStart: number,
    payloadStart: number,
    sealedEnd: number,
    pathId: number,
    packetNumber: number,
  ): number {
    return this.#key.open(bytes, headerStart, payloadStart, sealedEnd, pathId, packetNumber)
  }

  free(): void {
    this.#key.free()
  }
}

/** Fields of a frame: v = varint, 8/16 = so many bytes, n = varint length and that many bytes, i = length byte and an id, d = data up to the end. */
const LAYOUTS: readonly (readonly [type: number, fields: string])[] = [
  [0x00, ''],
  [0x01, ''],
  [0x02, 'vv0v'],
  [0x02, 'vv1vvv'],
  [0x03, 'vv2vvvvvvvv'],
  [0x04, 'vvv'],
  [0x05, 'vv'],
  [0x06, 'vn'],
  [0x07, 'n'],
  [0x08, 'vd'],
  [0x0a, 'vn'],
  [0x0b, 'vn'],
  [0x0e, 'vvn'],
  [0x0f, 'vvn'],
  [0x0c, 'vvd'],
  [0x10, 'v'],
  [0x11, 'vv'],
  [0x12, 'v'],
  [0x13, 'v'],
  [0x14, 'v'],
  [0x15, 'vv'],
  [0x16, 'v'],
  [0x17, 'v'],
  [0x18, 'vvi*'],
  [0x18, 'vvi*'],
  [0x19, 'v'],
  [0x1a, '8'],
  [0x1b, '8'],
  [0x1e, ''],
  [0x1f, ''],
  [0x30, 'd'],
  [0x31, 'n'],
  [0xaf, 'vvvv'],
  [0x3e, 'vvv0v'],
  [0x3e75, 'vv'],
  [0x3e77, 'v'],
  [0x3e78, 'vvvi*'],
  [0x3d7e90, 'vvv'],
  [0x3d7f90, 'v4w'],
  [0x3d7f93, 'v*w'],
  [0x3d7f94, 'v'],
  [0x746f6e, 'n'],
  [0x9f81a6, 'v8v'],
]
/** Frames of the extensions (spec/quic.md §4.1); p = the id of a path that may exist, s = a sequence or packet number that may, w = two bytes. */
const EXTENSIONS: readonly (readonly [type: number, fields: string])[] = [
  [0x1a, '8'],
  [0x1b, '8'],
  [0x1f, ''],
  [0x3e, 'psv00'],
  [0x3e, 'psv1000'],
  [0x3f, 'psv00vvv'],
  [0xaf, 'vvvv'],
  [0x3e75, 'pv'],
  [0x3e76, 'pv'],
  [0x3e77, 'pv'],
  [0x3e78, 'ps0i*'],
  [0x3e78, 'pssi*'],
  [0x3e79, 'ps'],
  [0x3e7a, 'p'],
  [0x3e7a, 'v'],
  [0x3e7b, 'p'],
  [0x3e7c, 'ps'],
  [0x9f81a6, 'v4w'],
  [0x9f81a7, 'v*w'],
]
/** NAT traversal, by who may send it: from the other side it closes the connection, so that is rare. And a message of five bytes, from both. */
const TRAVERSAL: Readonly<Record<Role, readonly (readonly [type: number, fields: string])[]>> = {
  client: [
    [0x3d7f92, 's4w'],
    [0x3d7f92, 'v4w'],
    [0x3d7f93, 's*w'],
    [0x746f6e, '540'],
  ],
  server: [
    [0x3d7f90, 's4w'],
    [0x3d7f90, 'v4w'],
    [0x3d7f91, 's*w'],
    [0x3d7f94, 's'],
    [0x746f6e, '540'],
  ],
}
const CLOSES: readonly (readonly [type: number, fields: string])[] = [
  [0x1c, 'vvn'],
  [0x1d, 'vn'],
]
const VALUES = [
  0, 0, 1, 2, 3, 4, 5, 8, 12, 63, 64, 100, 399, 400, 16_383, 16_384, 70_000, 1_250_000, 0x3fffffff, 0x40000000,
]

/** Writes well-formed frames with unlikely contents until the payload is full. */
export function frames(random: SimRandom, bytes: Uint8Array, start: number, end: number): void {
  write(random, bytes, start, end, 0.2, () => (random.chance(0.02) ? random.pick(CLOSES) : random.pick(LAYOUTS)))
}

/** The same with frames of the extensions only, as `role` may send them, so that paths live long enough to be confused. */
export function extensionFrames(random: SimRandom, bytes: Uint8Array, start: number, end: number, role: Role): void {
  const other = role === 'client' ? 'server' : 'client'
  write(random, bytes, start, end, 0.5, () => {
    if (random.chance(0.002)) return random.pick(TRAVERSAL[other])
    return random.pick(random.chance(0.3) ? TRAVERSAL[role] : EXTENSIONS)
  })
}

function write(
  random: SimRandom,
  bytes: Uint8Array,
  start: number,
  end: number,
  stops: number,
  next: () => readonly [type: number, fields: string],
): void {
  let at = start
  const put = (value: number) => {
    if (at < end) bytes[at++] = value
  }
  const varint = (value: number) => {
    const width = value < 64 ? 1 : value < 16_384 ? 2 : 4
    for (let index = width - 1; index >= 0; index--) {
      const byte = Math.floor(value / 2 ** (8 * index)) & 0xff
      put(index === width - 1 ? byte | ((width >> 1) << 6) : byte)
    }
  }
  const value = () => {
    if (random.chance(0.06)) {
      put(0xc0 | random.int(0, 63))
      for (let index = 0; index < 7; index++) put(random.u32())
    } else varint(random.pick(VALUES))
  }
  const noise = (length: number) => {
    for (let index = 0; index < length && at < end; index++) put(random.u32())
  }
  while (at < end) {
    const [type, fields] = next()
    varint(type)
    for (const field of fields) {
      if (field === 'v') value()
      else if (field === 'n') {
        const length = random.chance(0.9) ? random.int(0, 40) : random.int(0, 2000)
        varint(length)
        noise(length)
      } else if (field === 'i') {
        const length = random.pick([8, 8, 8, 0, 1, 20, 21])
        put(length)
        noise(length)
      } else if (field === '*') noise(16)
      else if (field === '8') noise(8)
      else if (field === '4') noise(4)
      else if (field === 'w') noise(2)
      else if (field === 's') {
        if (random.chance(0.9)) varint(random.int(0, 6))
        else value()
      } else if (field === 'p') varint(random.chance(0.97) ? random.int(0, 7) : random.pick(VALUES))
      else if (field === 'd') noise(random.int(0, 60))
      else varint(Number(field))
    }
    if (random.chance(stops)) {
      bytes.fill(0, at, end)
      return
    }
  }
}

/** A few bits or bytes of what would have been sent. */
export function scribble(random: SimRandom, bytes: Uint8Array, start: number, end: number): void {
  for (let changes = random.int(1, 6); changes > 0; changes--) {
    // Mostly where the frames begin.
    const reach = random.chance(0.7) ? Math.min(end - start, 40) : end - start
    const at = start + random.int(0, reach - 1)
    bytes[at] = random.chance(0.5) ? bytes[at]! ^ (1 << random.int(0, 7)) : random.u32()
  }
}
