import { describe, expect, test } from 'vitest'
import { PacketHeader, parseHeader } from '../../../src/quic/wire/header.ts'
import { forge } from './forge.ts'
import { frameTypes, Pair } from './pair.ts'

type Side = 'client' | 'server'

const framesOf = (pair: Pair, side: Side, type: string) =>
  pair[side].tap.sent.flatMap(({ frames }) => frames).filter(({ frame_type }) => frame_type === type)

function destinationOf(bytes: Uint8Array): number[] {
  const header = new PacketHeader()
  parseHeader(bytes, 0, bytes.length, 8, header)
  return [...bytes.slice(header.destinationStart, header.destinationStart + header.destinationLength)]
}

const id = (seed: number) => Array.from({ length: 8 }, (_, index) => seed * 16 + index)
const token = (seed: number) => Array.from({ length: 16 }, (_, index) => seed * 7 + index)
/** NEW_CONNECTION_ID. */
const issue = (sequence: number, retirePriorTo: number) => [
  0x18,
  sequence,
  retirePriorTo,
  8,
  ...id(sequence),
  ...token(sequence),
]

/** What a stateless reset with that token looks like. */
const reset = (seed: number) => Uint8Array.from([0x41, 9, 9, 9, 9, 9, 9, 9, 9, 9, ...token(seed)])

describe('ids that we issue', () => {
  for (const [limit, expected] of [
    [2, 1],
    [5, 4],
    [50, 7],
  ] as const) {
    test(`RFC 9000 §5.1.1: a peer with room for ${limit} ids gets ${expected} more`, () => {
      const pair = new Pair({ client: { activeConnectionIdLimit: limit } }).connect()
      pair.run(100)
      const sequences = framesOf(pair, 'server', 'new_connection_id').map((frame) => frame.sequence_number)
      expect(sequences).toEqual(Array.from({ length: expected }, (_, index) => index + 1))
    })
  }

  test('RFC 9000 §5.1.1: a retired id is replaced by the next one, and leads nowhere any more', () => {
    const pair = new Pair().connect().cut()
    const first = framesOf(pair, 'server', 'new_connection_id')[0]!
    const destination = Uint8Array.from(Buffer.from(first.connection_id as string, 'hex'))
    forge(pair, 'client', [0x01, 0, 0], { destination })
    expect(pair.server.tap.received.at(-1)!.frames[0]).toEqual({ frame_type: 'ping' })
    forge(pair, 'client', [0x19, 1, 0])
    expect(framesOf(pair, 'server', 'new_connection_id').at(-1)).toMatchObject({
      sequence_number: 5,
      retire_prior_to: 0,
    })
    const received = pair.server.tap.received.length
    forge(pair, 'client', [0x01, 0, 0], { destination })
    expect(pair.server.tap.received.length).toBe(received)
    // once more changes nothing
    const issued = framesOf(pair, 'server', 'new_connection_id').length
    forge(pair, 'client', [0x19, 1, 0])
    expect(framesOf(pair, 'server', 'new_connection_id').length).toBe(issued)
    expect(pair.server.connection!.isClosed).toBe(false)
  })

  test('RFC 9000 §19.16: the first id may be retired from another one', () => {
    const pair = new Pair().connect().cut()
    const second = framesOf(pair, 'server', 'new_connection_id')[1]!
    const destination = Uint8Array.from(Buffer.from(second.connection_id as string, 'hex'))
    forge(pair, 'client', [0x19, 0, 0], { destination })
    expect(pair.server.connection!.isClosed).toBe(false)
    forge(pair, 'client', [0x19, 2, 0], { destination })
    expect(pair.server.connection!.isClosed).toBe(true)
  })

  test('RFC 9000 §13.3: a NEW_CONNECTION_ID that was lost is sent again', () => {
    const pair = new Pair()
    pair.wire = (datagram) =>
      frameTypes(datagram.packets).includes('new_connection_id') && datagram.from === 'server' ? [] : [datagram]
    pair.until(() => framesOf(pair, 'server', 'new_connection_id').length >= 4)
    pair.wire = (datagram) => [datagram]
    pair.run(3_000)
    const received = pair.client.tap.received.flatMap(({ frames }) => frames)
    const sequences = received
      .filter(({ frame_type }) => frame_type === 'new_connection_id')
      .map((f) => f.sequence_number)
    expect([...new Set(sequences)].sort()).toEqual([1, 2, 3, 4])
  })
})

describe('ids of the peer', () => {
  test('RFC 9000 §5.1.2: Retire Prior To makes us switch, and retire what lies below', () => {
    const pair = new Pair().connect().cut()
    const before = destinationOf(pair.sentBy('server').at(-1)!.bytes)
    forge(pair, 'client', issue(5, 5))
    pair.run(1_000)
    const last = destinationOf(pair.sentBy('server').at(-1)!.bytes)
    expect(last).toEqual(id(5))
    expect(last).not.toEqual(before)
    const retired = new Set(framesOf(pair, 'server', 'retire_connection_id').map((frame) => frame.sequence_number))
    expect([...retired].sort()).toEqual([0, 1, 2, 3, 4])
  })

  test('RFC 9000 §19.15: an id below an earlier Retire Prior To is retired at once', () => {
    const pair = new Pair().connect().cut()
    forge(pair, 'client', issue(7, 7))
    forge(pair, 'client', issue(6, 0))
    pair.run(1_000)
    const retired = new Set(framesOf(pair, 'server', 'retire_connection_id').map((frame) => frame.sequence_number))
    expect([...retired].sort()).toEqual([0, 1, 2, 3, 4, 6])
    expect(destinationOf(pair.sentBy('server').at(-1)!.bytes)).toEqual(id(7))
  })

  test('RFC 9000 §10.3.1: the token of the id in use resets; those of spare and of retired ids do not', () => {
    const pair = new Pair().connect().cut()
    forge(pair, 'client', issue(5, 5))
    forge(pair, 'client', issue(6, 5))
    pair.deliver('server', reset(6), 100)
    expect(pair.server.connection!.isClosed).toBe(false)
    forge(pair, 'client', issue(7, 6))
    expect(destinationOf(pair.sentBy('server').at(-1)!.bytes)).toEqual(id(6))
    pair.deliver('server', reset(5), 100)
    expect(pair.server.connection!.isClosed).toBe(false)
    pair.deliver('server', reset(6), 100)
    expect(pair.server.of('closed')[0]!.reason).toEqual({ kind: 'stateless-reset' })
    expect(pair.server.engine.leftovers).toBe(0)
  })
})
