import { describe, expect, test } from 'vitest'
import { BatchWriter, type FrameSink, MAX_BATCH_BYTES } from '../../../src/relay/client/batch-writer.ts'
import { relayClientLimits } from '../../../src/relay/client/limits.ts'
import { ReturnRoutes } from '../../../src/relay/client/return-routes.ts'
import { SendQueue } from '../../../src/relay/client/send-queue.ts'
import { bytes, OTHER, PEER } from './support.ts'

class Sink implements FrameSink {
  readonly frames: { bytes: Uint8Array; count: number; length: number }[] = []

  sendFrame(frame: Uint8Array, start: number, end: number, count: number, length: number): void {
    this.frames.push({ bytes: frame.slice(start, end), count, length })
  }
}

const filled = (length: number, value = 7) => new Uint8Array(length).fill(value)

describe('BatchWriter', () => {
  test('spec/relay.md §3.1: a single datagram goes as type 4, not marked for ECN', () => {
    const sink = new Sink()
    const writer = new BatchWriter()
    writer.add(sink, PEER, bytes('hi'))
    expect(sink.frames).toEqual([])
    writer.flush()
    expect(sink.frames).toEqual([{ bytes: bytes(4, PEER, 0, 'hi'), count: 1, length: 2 }])
    writer.flush()
    expect(sink.frames).toHaveLength(1)
  })

  test('spec/relay.md §3.1: datagrams of equal size to one peer go as one type 5, a shorter one ends it', () => {
    const sink = new Sink()
    const writer = new BatchWriter()
    for (const text of ['aaaa', 'bbbb', 'cc']) writer.add(sink, PEER, bytes(text))
    expect(sink.frames).toEqual([{ bytes: bytes(5, PEER, 0, 0, 4, 'aaaabbbbcc'), count: 3, length: 10 }])
    writer.add(sink, PEER, bytes('dddd'))
    writer.flush()
    expect(sink.frames[1]!.bytes).toEqual(bytes(4, PEER, 0, 'dddd'))
  })

  test('a longer datagram, another peer and another relay begin a new frame', () => {
    const sink = new Sink()
    const elsewhere = new Sink()
    const writer = new BatchWriter()
    writer.add(sink, PEER, bytes('a'))
    writer.add(sink, PEER, bytes('bb'))
    writer.add(sink, OTHER, bytes('cc'))
    writer.add(elsewhere, OTHER, bytes('dd'))
    writer.flush()
    expect(sink.frames.map((frame) => frame.bytes)).toEqual([
      bytes(4, PEER, 0, 'a'),
      bytes(4, PEER, 0, 'bb'),
      bytes(4, OTHER, 0, 'cc'),
    ])
    expect(elsewhere.frames.map((frame) => frame.bytes)).toEqual([bytes(4, OTHER, 0, 'dd')])
  })

  test('a peer that differs in its last byte only is another peer', () => {
    const sink = new Sink()
    const writer = new BatchWriter()
    const near = PEER.slice()
    near[31]! ^= 1
    writer.add(sink, PEER, bytes('a'))
    writer.add(sink, near, bytes('b'))
    writer.flush()
    expect(sink.frames.map((frame) => frame.bytes)).toEqual([bytes(4, PEER, 0, 'a'), bytes(4, near, 0, 'b')])
  })

  test('the array that names the peer may be used for another one at once', () => {
    const sink = new Sink()
    const writer = new BatchWriter()
    const scratch = PEER.slice()
    writer.add(sink, scratch, bytes('a'))
    scratch.set(OTHER)
    writer.add(sink, scratch, bytes('b'))
    writer.flush()
    expect(sink.frames.map((frame) => frame.bytes)).toEqual([bytes(4, PEER, 0, 'a'), bytes(4, OTHER, 0, 'b')])
  })

  test('a batch holds at most 16 datagrams', () => {
    const sink = new Sink()
    const writer = new BatchWriter()
    for (let count = 0; count < 33; count++) writer.add(sink, PEER, filled(10))
    writer.flush()
    expect(sink.frames.map((frame) => frame.count)).toEqual([16, 16, 1])
  })

  test('a batch holds at most 16 KiB', () => {
    const sink = new Sink()
    const writer = new BatchWriter()
    for (let count = 0; count < 14; count++) writer.add(sink, PEER, filled(1300))
    writer.flush()
    expect(sink.frames.map((frame) => frame.count)).toEqual([12, 2])
    for (const size of [8192, 8193]) for (let count = 0; count < 2; count++) writer.add(sink, PEER, filled(size))
    writer.flush()
    expect(sink.frames.slice(2).map((frame) => [frame.count, frame.length])).toEqual([
      [2, MAX_BATCH_BYTES],
      [1, 8193],
      [1, 8193],
    ])
  })

  test('spec/relay.md §3.1: the largest datagram makes the largest frame, 65,536 bytes', () => {
    const sink = new Sink()
    const writer = new BatchWriter()
    writer.add(sink, PEER, filled(65_502, 3))
    expect(sink.frames).toHaveLength(1)
    const frame = sink.frames[0]!.bytes
    expect(frame).toHaveLength(65_536)
    expect(frame.slice(0, 34)).toEqual(bytes(4, PEER, 0))
    expect(frame.subarray(34).every((byte) => byte === 3)).toBe(true)
  })
})

describe('SendQueue', () => {
  test('keeps order, and is empty afterwards', () => {
    const queue = new SendQueue(64, 1000)
    const scratch = bytes('a')
    queue.push(PEER, scratch)
    scratch[0] = 0
    queue.push(OTHER, bytes('bc'))
    const taken: unknown[] = []
    queue.drain((peer, data) => taken.push([peer, data]))
    expect(taken).toEqual([
      [PEER, bytes('a')],
      [OTHER, bytes('bc')],
    ])
    expect(queue.length).toBe(0)
  })

  test('spec/relay.md §5.4: refuses the 65th datagram, and more bytes than it may hold', () => {
    const queue = new SendQueue(64, 100)
    for (let count = 0; count < 64; count++) expect(queue.push(PEER, filled(1))).toBe(true)
    expect(queue.push(PEER, filled(1))).toBe(false)
    expect(queue.clear()).toBe(64)
    expect(queue.push(PEER, filled(60))).toBe(true)
    expect(queue.push(PEER, filled(41))).toBe(false)
    expect(queue.push(PEER, filled(40))).toBe(true)
  })
})

describe('ReturnRoutes', () => {
  const id = (number: number) =>
    filled(32)
      .fill(number, 1, 3)
      .fill(number >> 8, 10, 12)

  test('finds what was added, wherever it stands, and always the same array', () => {
    const routes = new ReturnRoutes(10)
    const frame = bytes(6, PEER, 0, 'hi')
    expect(routes.find(frame, 1)).toBeUndefined()
    const added = routes.add(frame, 1)
    frame.fill(0)
    expect(added).toEqual(PEER)
    expect(routes.find(bytes(0, 0, PEER), 2)).toBe(added)
    expect(routes.find(OTHER, 0)).toBeUndefined()
  })

  test('ids that fall into one place of the short memory are kept apart', () => {
    const routes = new ReturnRoutes(10)
    const ids = [0, 1, 2].map((number) => id(5 + 64 * number).fill(5, 1, 2))
    const added = ids.map((one) => routes.add(one, 0))
    for (let round = 0; round < 2; round++) expect(ids.map((one) => routes.find(one, 0))).toEqual(added)
    routes.delete(ids[1]!, 0)
    expect(ids.map((one) => routes.find(one, 0) !== undefined)).toEqual([true, false, true])
  })

  test('is bounded: the oldest goes, out of the short memory too', () => {
    const routes = new ReturnRoutes(1024)
    for (let number = 0; number < 1025; number++) routes.add(id(number), 0)
    expect(routes.size).toBe(1024)
    expect(routes.find(id(0), 0)).toBeUndefined()
    expect(routes.find(id(1), 0)).toBeDefined()
    const one = new ReturnRoutes(1)
    one.add(PEER, 0)
    one.add(OTHER, 0)
    expect(one.find(PEER, 0)).toBeUndefined()
    expect(one.find(OTHER, 0)).toEqual(OTHER)
    one.delete(OTHER, 0)
    expect(one.find(OTHER, 0)).toBeUndefined()
    expect(one.size).toBe(0)
  })
})

test('limits: a link is not called full below what it drains to, and drops nothing before it is full', () => {
  expect(relayClientLimits()).toMatchObject({ blockAtBytes: 262_144, dropAtBytes: 1_048_576, maxOnDemand: 16 })
  expect(relayClientLimits({ blockAtBytes: 1 }).blockAtBytes).toBe(262_144)
  expect(relayClientLimits({ blockAtBytes: 2_000_000 })).toMatchObject({ dropAtBytes: 2_000_000 })
})
