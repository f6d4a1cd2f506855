import { expect, test } from 'vitest'
import { encodeHex, sameBytes } from '../../src/bytes/index.ts'
import type { Message } from '../../src/gossip/proto/messages.ts'
import { decodeAddrInfo, encodeAddrInfo, MAX_ADDRESSES_ACCEPTED } from '../../src/gossip/wire/addr-info.ts'
import { DecodeError } from '../../src/gossip/wire/decode-error.ts'
import { fitMessage } from '../../src/gossip/wire/fit.ts'
import { encodeFrame, FrameReader } from '../../src/gossip/wire/frames.ts'
import { KeyCheck } from '../../src/gossip/wire/key-check.ts'
import { decodeMessage, encodeMessage, messageLength } from '../../src/gossip/wire/message-codec.ts'
import { EndpointId } from '../../src/identity/index.ts'
import { hex } from '../crypto/hex.ts'
import { A, B, C, D1, D2, VECTORS } from '../gossip/wire/vectors.ts'
import { SimRandom } from '../sim/support/random.ts'
import { FACTOR, SEED, TIMEOUT } from './support/budget.ts'
import { mutate } from './support/mutate.ts'

const BODIES = 20_000 * FACTOR
const STREAMS = 2_000 * FACTOR
const INFOS = 5_000 * FACTOR

/** Every bit of a number that postcard may write, so that the twin needs no rule but the width. */
function varint(bytes: readonly number[], at: { value: number }, bits: number): number {
  let value = 0n
  for (let shift = 0; ; shift += 7) {
    const byte = take(bytes, at, 1)[0]!
    if (shift >= bits) throw new Error('too many bytes')
    value |= BigInt(byte & 0x7f) << BigInt(shift)
    if (value >= 1n << BigInt(bits)) throw new Error('too wide')
    if (byte < 0x80) return Number(value)
  }
}

function take(bytes: readonly number[], at: { value: number }, count: number): number[] {
  if (count > bytes.length - at.value) throw new Error('cut')
  at.value += count
  return bytes.slice(at.value - count, at.value)
}

const text = (bytes: readonly number[]) => Buffer.from(bytes).toString('hex')

/** The obvious twin of `decodeMessage`, after the tables of spec/gossip.md §4.1 to §4.3. */
function decodePlainly(body: Uint8Array, isKey: (key: Uint8Array) => boolean): Message<string> | undefined {
  const bytes = [...body]
  const at = { value: 0 }
  const u16 = () => varint(bytes, at, 16)
  const id = () => text(take(bytes, at, 32))
  const key = () => {
    const name = take(bytes, at, 32)
    if (!isKey(Uint8Array.from(name))) throw new Error('no key')
    return text(name)
  }
  const flag = () => {
    const [byte] = take(bytes, at, 1)
    if (byte! > 1) throw new Error('no bool')
    return byte === 1
  }
  const blob = () => Uint8Array.from(take(bytes, at, varint(bytes, at, 64)))
  const data = () => (flag() ? blob() : undefined)
  const peer = () => ({ id: key(), data: data() })
  const list = <T>(read: () => T) => {
    const items: T[] = []
    for (let left = varint(bytes, at, 64); left > 0; left--) items.push(read())
    return items
  }
  const one = <T>(...cases: (() => T)[]) => {
    const read = cases[varint(bytes, at, 32)]
    if (read === undefined) throw new Error('no such variant')
    return read()
  }
  try {
    return one<Message<string>>(
      () =>
        one<Message<string>>(
          () => ({ kind: 'join', data: data() }),
          () => ({ kind: 'forward-join', peer: peer(), ttl: u16() }),
          () => ({ kind: 'shuffle', origin: key(), nodes: list(peer), ttl: u16() }),
          () => ({ kind: 'shuffle-reply', nodes: list(peer) }),
          () => ({
            kind: 'neighbor',
            priority: one<'high' | 'low'>(
              () => 'high',
              () => 'low',
            ),
            data: data(),
          }),
          () => ({ kind: 'disconnect', alive: [flag(), flag()][0]! }),
        ),
      () =>
        one<Message<string>>(
          () => ({ kind: 'gossip', id: id(), content: blob(), round: one<number | undefined>(u16, () => undefined) }),
          () => ({ kind: 'prune' }),
          () => ({ kind: 'graft', id: flag() ? id() : undefined, round: u16() }),
          () => ({ kind: 'ihave', announcements: list(() => ({ id: id(), round: u16() })) }),
        ),
    )
  } catch {
    return undefined
  }
}

const say = (message: Message<string> | undefined) =>
  JSON.stringify(message, (_key, value) => (value instanceof Uint8Array ? encodeHex(value) : value))

/** Longer ones than the vectors have, so that mutations fall into lists. */
function genuineBodies(random: SimRandom): Uint8Array[] {
  const nodes = Array.from({ length: random.int(0, 30) }, () => ({
    id: random.pick([A, B, C]),
    data: random.pick([undefined, hex(D1), hex(D2), hex('')]),
  }))
  const announcements = Array.from({ length: random.int(0, 40) }, () => ({
    id: encodeHex(random.bytes(32)),
    round: random.pick([0, 1, 127, 128, 65_535]),
  }))
  return [
    ...VECTORS.map(([, frame]) => hex(frame.slice(8))),
    encodeMessage({ kind: 'shuffle', origin: A, nodes, ttl: random.int(0, 200) }),
    encodeMessage({ kind: 'shuffle-reply', nodes }),
    encodeMessage({ kind: 'ihave', announcements }),
    encodeMessage({ kind: 'gossip', id: A, content: random.bytes(random.int(0, 1_000)), round: random.int(0, 300) }),
  ]
}

/** Now and then a count or a length becomes absurd. */
function exaggerate(random: SimRandom, body: Uint8Array): Uint8Array {
  if (!random.chance(0.1) || body.length < 3) return body
  const claim = random.pick(['ffffffff0f', 'ffffffffffffffffff01', 'ffff03', '80808080808080808000', '818000'])
  const at = random.pick([0, 1, 2, 34, 35, random.int(0, body.length - 1)])
  return Uint8Array.from([...body.subarray(0, at), ...hex(claim), ...body.subarray(at + 1)])
}

test(
  'spec/gossip.md §3.6, §4: whatever a peer sends, the reader says the same as a slow one, keeps nothing that did not come, and can say it again',
  () => {
    const random = new SimRandom(`gossip bodies/${SEED}`)
    const keys = new KeyCheck(256)
    const seen = { taken: 0, refused: 0 }
    const reasons = new Set<string>()
    let genuine = genuineBodies(random)
    for (let round = 0; round < BODIES; round++) {
      if (round % 200 === 0) genuine = genuineBodies(random)
      const body = exaggerate(random, mutate(random, random.pick(genuine), random.pick(genuine)))
      // most noise dies at its layer
      if (body.length > 1 && random.chance(0.3)) body.set([random.int(0, 1), random.int(0, 5)])
      let asked = 0
      let message: Message<string> | undefined
      try {
        message = decodeMessage(body, (key) => {
          asked++
          return keys.isKey(key)
        })
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error
        reasons.add(error.reason)
      }
      const expected = decodePlainly(body, (key) => keys.isKey(key))
      if (say(message) !== say(expected)) throw new Error(`read otherwise: ${encodeHex(body)}`)
      if (asked > body.length / 32) throw new Error(`${asked} keys: ${encodeHex(body)}`)
      if (message === undefined) {
        seen.refused++
        continue
      }
      seen.taken++
      if (messageLength(message) > body.length) throw new Error(`longer than it came: ${encodeHex(body)}`)
      const again = decodeMessage(encodeMessage(message), (key) => keys.isKey(key))
      if (say(again) !== say(message)) throw new Error(`written otherwise: ${encodeHex(body)}`)
      const limit = random.int(0, 600)
      const fitted = fitMessage(message, limit)
      if (fitted !== undefined && messageLength(fitted) > limit) throw new Error(`no fit: ${encodeHex(body)}`)
    }
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(BODIES / 20)
    expect([...reasons].sort()).toEqual(['invalid-key', 'malformed', 'truncated', 'unknown-variant'])
    expect(keys.size).toBeLessThanOrEqual(256)
  },
  TIMEOUT,
)

/** The obvious twin of the frame reader: all bytes at hand. */
function splitPlainly(stream: Uint8Array, limit: number) {
  const bodies: string[] = []
  const view = new DataView(stream.buffer, stream.byteOffset, stream.length)
  let oversized = 0
  let at = 0
  while (at + 4 <= stream.length) {
    const length = view.getUint32(at)
    if (length > limit) oversized++
    if (at + 4 + length > stream.length) return { bodies, oversized, isInsideBody: true }
    if (length <= limit) bodies.push(encodeHex(stream.subarray(at + 4, at + 4 + length)))
    at += 4 + length
  }
  return { bodies, oversized, isInsideBody: false }
}

test(
  'spec/gossip.md §3.4, §3.6: streams of frames that were changed, in any pieces, give the same bodies as a slow reader finds',
  () => {
    const random = new SimRandom(`gossip streams/${SEED}`)
    const seen = { bodies: 0, oversized: 0, inside: 0 }
    let genuine = genuineBodies(random)
    for (let round = 0; round < STREAMS; round++) {
      if (round % 20 === 0) genuine = genuineBodies(random)
      const frames = Array.from({ length: random.int(1, 8) }, () => {
        const frame = encodeFrame(random.pick(genuine))
        if (random.chance(0.2)) frame.set([0, 0, random.int(0, 8), random.int(0, 255)])
        if (random.chance(0.03)) frame.set(random.bytes(4))
        return random.chance(0.1) ? mutate(random, frame, frame) : frame
      })
      const stream = Uint8Array.from(frames.flatMap((frame) => [...frame]))
      const limit = random.pick([0, 40, 512, 4_096])
      const reader = new FrameReader(limit)
      const read: string[] = []
      for (let at = 0; at < stream.length; ) {
        const chunk = stream.slice(at, at + random.pick([1, 2, 3, 5, 40, 700, 5_000]))
        at += chunk.length
        reader.push(chunk)
        // a slow consumer takes one and lets more come
        const most = random.chance(0.05) ? 1 : Number.POSITIVE_INFINITY
        for (let count = 0; count < most; count++) {
          const body = reader.next()
          if (body === undefined) {
            chunk.fill(random.int(0, 255))
            break
          }
          read.push(encodeHex(body))
        }
        if (reader.heldBytes > Math.min(limit, Math.max(2 * at, 1_024))) throw new Error(`holds ${reader.heldBytes}`)
      }
      for (let body = reader.next(); body !== undefined; body = reader.next()) read.push(encodeHex(body))
      const expected = splitPlainly(stream, limit)
      const { oversized, isInsideBody } = reader
      expect({ bodies: read, oversized, isInsideBody }).toEqual(expected)
      seen.bodies += read.length
      seen.oversized += oversized
      if (isInsideBody) seen.inside++
    }
    expect(seen.bodies).toBeGreaterThan(STREAMS)
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(STREAMS / 20)
  },
  TIMEOUT,
)

test(
  'spec/gossip.md §4.6: whatever is said about addresses becomes few addresses, or is refused',
  () => {
    const random = new SimRandom(`gossip addresses/${SEED}`)
    const id = EndpointId.parse(A)
    const crowd = Array.from({ length: 100 }, (_, index) => `000a0000${index.toString(16).padStart(2, '0')}01`)
    const genuine = ['0000', D1, D2, `0064${crowd.join('')}`].map(hex)
    const seen = { taken: 0, refused: 0 }
    for (let round = 0; round < INFOS; round++) {
      const data = exaggerate(random, mutate(random, random.pick(genuine), random.pick(genuine)))
      try {
        const addr = decodeAddrInfo(id, data)
        seen.taken++
        if (addr.addrs.length > MAX_ADDRESSES_ACCEPTED + 1) throw new Error(encodeHex(data))
        const again = encodeAddrInfo(addr)
        if (!sameBytes(encodeAddrInfo(decodeAddrInfo(id, again)), again)) throw new Error(encodeHex(data))
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error
        seen.refused++
      }
    }
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(INFOS / 20)
  },
  TIMEOUT,
)
