import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Reader } from '../../src/bytes/index.ts'
import {
  FrameType,
  FrameView,
  isForwardable,
  MAX_RELAY_FRAME,
  RELAY_PROTOCOLS,
  RelayProtocolError,
  readClientFrame,
  readServerFrame,
  segmentEnd,
  toPongFrame,
  toReceiverFrame,
  writeBatchHeader,
  writeDatagramHeader,
  writeEndpointGone,
  writeHealth,
  writePing,
  writePong,
  writeRestarting,
  writeStatus,
} from '../../src/relay/index.ts'
import { SimRandom } from '../sim/support/random.ts'
import { FACTOR, SEED, TIMEOUT } from './support/budget.ts'
import { mutate } from './support/mutate.ts'

const ROUNDS = 40_000 * FACTOR
const RUNS = { numRuns: 500 * FACTOR, seed: Number(SEED) }
const SENDER = new Uint8Array(32).fill(0x5e)

/** What a frame says, read slowly. Undefined for what must drop the connection. */
interface Plain {
  readonly type: number
  readonly peer?: Uint8Array
  readonly ecn?: number
  readonly segmentSize?: number
  readonly contents?: Uint8Array
  readonly numbers?: readonly number[]
}

/** The obvious twin of both readers: `side` is who sent the frame, a client or a server of some version. */
function readPlainly(message: Uint8Array, side: 'client' | 'v1' | 'v2'): Plain | undefined {
  const allowed = { client: [4, 5, 9, 10], v1: [6, 7, 8, 9, 10, 11, 12], v2: [6, 7, 8, 9, 10, 12, 13] }[side]
  try {
    const reader = new Reader(message)
    const type = reader.varint()
    if (!allowed.includes(type) || reader.remaining > 65_536) return undefined
    if (type >= 4 && type <= 7) {
      const peer = reader.view(32)
      const ecn = reader.u8() & 3
      const segmentSize = type % 2 === 1 ? reader.u16() : 0
      return { type, peer, ecn, segmentSize, contents: reader.view(reader.remaining) }
    }
    const body = reader.view(reader.remaining)
    if (type === 8) return body.length === 32 ? { type, peer: body } : undefined
    if (type === 9 || type === 10) return body.length === 8 ? { type, contents: body } : undefined
    if (type === 11)
      return Buffer.from(Buffer.from(body).toString()).equals(body) ? { type, contents: body } : undefined
    if (type === 13) return body.length > 0 ? { type, numbers: [body[0]!] } : undefined
    if (body.length !== 8) return undefined
    const view = new DataView(body.buffer, body.byteOffset)
    return { type, numbers: [view.getUint32(0), view.getUint32(4)] }
  } catch {
    return undefined
  }
}

/** The same from the fast readers. */
function readFast(message: Uint8Array, side: 'client' | 'v1' | 'v2', view: FrameView): Plain | undefined {
  try {
    if (side === 'client') readClientFrame(message, view)
    else readServerFrame(message, view, side === 'v1' ? 'iroh-relay-v1' : 'iroh-relay-v2')
  } catch (error) {
    if (!(error instanceof RelayProtocolError)) throw error
    return undefined
  }
  const { type, ecn, segmentSize } = view
  const peer = message.subarray(view.peerAt, view.peerAt + 32)
  const contents = message.subarray(view.contentsAt, view.end)
  if (view.end !== message.length) throw new Error(`ends at ${view.end}`)
  if (type >= 4 && type <= 7) return { type, peer, ecn, segmentSize, contents }
  if (type === 8) return { type, peer }
  if (type === 13) return { type, numbers: [view.status] }
  if (type === 12) return { type, numbers: [view.reconnectInMs, view.tryForMs] }
  if (type === 11) expect(new TextEncoder().encode(view.text)).toEqual(Uint8Array.from(contents))
  return { type, contents }
}

function isSame(fast: Plain | undefined, plain: Plain | undefined): boolean {
  if (fast === undefined || plain === undefined) return fast === plain
  const isEqual = (left?: Uint8Array, right?: Uint8Array) =>
    left === undefined || right === undefined ? left === right : Buffer.compare(left, right) === 0
  return (
    fast.type === plain.type &&
    fast.ecn === plain.ecn &&
    fast.segmentSize === plain.segmentSize &&
    isEqual(fast.peer, plain.peer) &&
    isEqual(fast.contents, plain.contents) &&
    String(fast.numbers) === String(plain.numbers)
  )
}

/** Datagrams of a frame: they must cover its contents without a gap. */
function countSegments(view: FrameView): number {
  let count = 0
  let at = view.contentsAt
  while (at < view.end) {
    const next = segmentEnd(view, at)
    if (next <= at || next > view.end) throw new Error(`a datagram from ${at} to ${next} of ${view.end}`)
    if (view.segmentSize !== 0 && next < view.end && next - at !== view.segmentSize) throw new Error('a short datagram')
    at = next
    count++
  }
  return count
}

function genuineFrames(random: SimRandom): Uint8Array[] {
  const frame = (write: (out: Uint8Array) => number, contents = 0) => {
    const out = random.bytes(200 + contents)
    return out.slice(0, write(out) + contents)
  }
  const peer = random.bytes(32)
  const contents = random.int(0, 1200)
  return [
    frame((out) => writeDatagramHeader(out, 0, 4, peer, 2), contents),
    frame((out) => writeDatagramHeader(out, 0, 6, peer, 3), contents),
    frame((out) => writeBatchHeader(out, 0, 5, peer, 1, random.int(0, 1300)), contents),
    frame((out) => writeBatchHeader(out, 0, 7, peer, 0, random.int(0, 1300)), contents),
    frame((out) => writePing(out, 0, peer)),
    frame((out) => writePong(out, 0, peer)),
    frame((out) => writeEndpointGone(out, 0, peer)),
    frame((out) => writeHealth(out, 0, 'ünwell')),
    frame((out) => writeRestarting(out, 0, random.u32(), random.u32())),
    frame((out) => writeStatus(out, 0, random.int(0, 255))),
  ]
}

/** The type in one of the longer forms of RFC 9000 §16, now and then. */
function lengthenType(random: SimRandom, message: Uint8Array): Uint8Array {
  const type = message[0]
  if (type === undefined || type >= 0x40 || !random.chance(0.1)) return message
  const length = random.pick([2, 4, 8])
  const longer = new Uint8Array(length)
  longer[0] = { 2: 0x40, 4: 0x80, 8: 0xc0 }[length]!
  longer[length - 1]! |= type
  return Uint8Array.from([...longer, ...message.subarray(1)])
}

test(
  'spec/relay.md §3: whatever comes, both readers say the same as a slow one, and forward only what a client takes',
  () => {
    const random = new SimRandom(`relay frames/${SEED}`)
    const view = new FrameView()
    const forwarded = new FrameView()
    const seen = { read: 0, refused: 0, forwarded: 0 }
    let genuine = genuineFrames(random)
    for (let round = 0; round < ROUNDS; round++) {
      if (round % 100 === 0) genuine = genuineFrames(random)
      const message = lengthenType(random, mutate(random, random.pick(genuine), random.pick(genuine)))
      // most noise dies at its type; half of it may go on
      if (message.length > 0 && random.chance(0.3)) message[0] = random.int(3, 14)
      for (const side of ['client', 'v1', 'v2'] as const) {
        const fast = readFast(message, side, view)
        if (!isSame(fast, readPlainly(message, side)))
          throw new Error(`${side}: ${Buffer.from(message).toString('hex')}`)
        if (fast === undefined) seen.refused++
        else seen.read++
        if (fast?.segmentSize !== undefined) countSegments(view)
        if (fast === undefined || side !== 'client') continue
        const before = message.slice()
        if (fast.type === FrameType.Ping) {
          const pong = message.subarray(toPongFrame(message, view), view.end)
          readServerFrame(pong, forwarded, 'iroh-relay-v2')
          expect([forwarded.type, forwarded.end]).toEqual([FrameType.Pong, 9])
        } else if (fast.type !== FrameType.Pong) {
          const start = toReceiverFrame(message, view, SENDER)
          if (isForwardable(view)) {
            const frame = message.subarray(start, view.end)
            if (frame.length > MAX_RELAY_FRAME) throw new Error(`${frame.length} bytes`)
            const got = readPlainly(frame, 'v2')
            const { ecn, segmentSize } = fast
            const contents = before.subarray(view.contentsAt)
            if (
              !isSame(got, {
                type: segmentSize === 0 ? 6 : 7,
                peer: SENDER,
                ecn: ecn!,
                segmentSize: segmentSize!,
                contents,
              })
            )
              throw new Error(`forwarded wrongly: ${Buffer.from(before).toString('hex')}`)
            seen.forwarded++
          }
        }
        message.set(before)
      }
    }
    // all three kinds were met often, or the mutations miss the point
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(ROUNDS / 20)
  },
  TIMEOUT,
)

const id = fc.uint8Array({ minLength: 32, maxLength: 32 })
const ecn = fc.nat(255)
const contents = fc.uint8Array({ minLength: 1, maxLength: 3000 })
const at = fc.nat(10)

test('spec/relay.md §3: what was written is read, by both ends', () => {
  const out = new Uint8Array(70_000)
  const view = new FrameView()
  fc.assert(
    fc.property(id, ecn, contents, fc.integer({ min: 1, max: 65_535 }), at, (peer, bits, data, segmentSize, start) => {
      for (const isBatch of [false, true]) {
        for (const isClient of [false, true]) {
          const head = isBatch
            ? writeBatchHeader(out, start, isClient ? 5 : 7, peer, bits, segmentSize)
            : writeDatagramHeader(out, start, isClient ? 4 : 6, peer, bits)
          out.set(data, head)
          const message = out.subarray(start, head + data.length)
          if (isClient) readClientFrame(message, view)
          else readServerFrame(message, view, 'iroh-relay-v1')
          expect(isForwardable(view)).toBe(true)
          expect([view.ecn, view.segmentSize]).toEqual([bits & 3, isBatch ? segmentSize : 0])
          expect(message.slice(view.peerAt, view.peerAt + 32)).toEqual(peer)
          expect(message.slice(view.contentsAt, view.end)).toEqual(data)
          expect(countSegments(view)).toBe(isBatch ? Math.ceil(data.length / segmentSize) : 1)
        }
      }
    }),
    RUNS,
  )
})

test('spec/relay.md §3: the rare frames, too', () => {
  const out = new Uint8Array(2000)
  const view = new FrameView()
  const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
  const text = fc.string({ unit: 'grapheme', maxLength: 100 })
  fc.assert(
    fc.property(id, fc.nat(255), u32, u32, text, at, (peer, code, reconnectInMs, tryForMs, problem, start) => {
      const read = (end: number, protocol: (typeof RELAY_PROTOCOLS)[number]) => {
        readServerFrame(out.subarray(start, end), view, protocol)
        return view
      }
      read(writeEndpointGone(out, start, peer), 'iroh-relay-v2')
      expect(out.slice(start + view.peerAt, start + view.peerAt + 32)).toEqual(peer)
      expect(read(writeStatus(out, start, code), 'iroh-relay-v2').status).toBe(code)
      expect(read(writeHealth(out, start, problem), 'iroh-relay-v1').text).toBe(problem)
      expect(read(writeRestarting(out, start, reconnectInMs, tryForMs), 'iroh-relay-v1')).toMatchObject({
        reconnectInMs,
        tryForMs,
      })
      for (const protocol of RELAY_PROTOCOLS) {
        read(writePong(out, start, peer, 5), protocol)
        expect(out.slice(start + view.contentsAt, start + view.end)).toEqual(peer.slice(5, 13))
      }
    }),
    RUNS,
  )
})
