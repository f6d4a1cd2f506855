import { describe, expect, test } from 'vitest'
import { ErrorCode, Level } from '../../../src/quic/index.ts'
import { type ForgeOptions, forge, padded } from './forge.ts'
import { type Node, Pair, type PairOptions } from './pair.ts'

type Side = 'client' | 'server'

const other = (side: Side): Side => (side === 'client' ? 'server' : 'client')

/** What the node told the peer when it closed. */
function closeSent(node: Node): Record<string, unknown> | undefined {
  return node.tap.sent.flatMap(({ frames }) => frames).find((frame) => frame.frame_type === 'connection_close')
}

function expectClosedWith(pair: Pair, target: Side, code: number): void {
  expect(pair[target].of('closed')[0]?.reason).toMatchObject({ kind: 'local-transport', code })
  expect(closeSent(pair[target])).toMatchObject({ error_space: 'transport', error_code: code })
  expect(pair[target].slots.inUse).toBe(0)
  // time passes, the connection goes, the engine is as it was
  pair.run(5_000)
  expect(pair[target].of('drained').length).toBe(1)
  expect(pair[target].engine.leftovers).toBe(0)
}

/** A 1-RTT packet with `frames` from `from` closes the connection with `code`. */
function breaks(
  name: string,
  from: Side,
  frames: number[],
  code: number,
  options: ForgeOptions = {},
  pairOptions: PairOptions = {},
): void {
  test(name, () => {
    const pair = new Pair(pairOptions).connect().cut()
    forge(pair, from, frames, options)
    expectClosedWith(pair, other(from), code)
  })
}

/** A server that has sent its first flight; the client's answer never comes. */
function midHandshake(): Pair {
  const pair = new Pair({ wire: () => [] })
  pair.flush()
  pair.deliver('server', pair.log[0]!.bytes, 100)
  pair.flush()
  return pair
}

const { FRAME_ENCODING_ERROR, PROTOCOL_VIOLATION, STREAM_STATE_ERROR } = ErrorCode

describe('payloads', () => {
  breaks('RFC 9000 §12.4: a packet without frames', 'client', [], PROTOCOL_VIOLATION)
  breaks('RFC 9000 §12.4: an unknown frame type', 'client', [0x21], FRAME_ENCODING_ERROR)
  breaks(
    'RFC 9000 §12.4: an unknown frame type of four bytes',
    'server',
    [0x80, 0x12, 0x34, 0x56],
    FRAME_ENCODING_ERROR,
  )
  breaks('RFC 9000 §12.4: a frame type cut off', 'client', [0x01, 0x40], FRAME_ENCODING_ERROR)
  breaks('RFC 9000 §12.4: a frame cut off inside a field', 'client', [0x11, 0x00], FRAME_ENCODING_ERROR)
  breaks('RFC 9000 §19.8: a STREAM frame longer than its packet', 'client', [0x0a, 0, 9, 1], FRAME_ENCODING_ERROR)
  breaks('RFC 9000 §17.3.1: reserved bits in a short header', 'client', [0x01, 0, 0], PROTOCOL_VIOLATION, {
    firstByteBits: 0x08,
  })

  test('RFC 9000 §17.3.1: reserved bits of a packet that does not open mean nothing', () => {
    const pair = new Pair().connect().cut()
    forge(pair, 'client', [0x01, 0, 0], { firstByteBits: 0x18, generation: 7, keyPhase: 0 })
    expect(pair.server.connection!.isClosed).toBe(false)
  })

  test('RFC 9000 §11.1: the connection closes, the engine goes on with the next one', () => {
    const pair = new Pair().connect()
    forge(pair, 'client', [0x21])
    pair.run(5_000)
    pair.client.events.length = 0
    pair.server.events.length = 0
    pair.dial()
    pair.connect()
    expect(pair.carries(10_000)).toBe(true)
  })
})

describe('levels', () => {
  const wrong: [string, number[]][] = [
    ['STREAM', [0x08, 0x00]],
    ['MAX_DATA', [0x10, 0x05]],
    ['HANDSHAKE_DONE', [0x1e]],
    ['CONNECTION_CLOSE of the application', [0x1d, 0x00, 0x00]],
    ['PATH_CHALLENGE', [0x1a, 1, 2, 3, 4, 5, 6, 7, 8]],
    ['DATAGRAM', [0x31, 0x00]],
    ['IMMEDIATE_ACK', [0x1f]],
  ]
  for (const [name, frames] of wrong) {
    test(`RFC 9000 §12.5, §17.2.2: ${name} in an Initial packet`, () => {
      const pair = midHandshake()
      forge(pair, 'client', padded(frames, 1160), { level: Level.Initial })
      expectClosedWith(pair, 'server', PROTOCOL_VIOLATION)
    })
    test(`RFC 9000 §12.5, §17.2.4: ${name} in a Handshake packet`, () => {
      const pair = midHandshake()
      forge(pair, 'client', frames, { level: Level.Handshake })
      expectClosedWith(pair, 'server', PROTOCOL_VIOLATION)
    })
  }

  for (const level of [Level.Initial, Level.Handshake])
    test(`RFC 9000 §17.2: reserved bits at level ${level}`, () => {
      const pair = midHandshake()
      forge(pair, 'client', padded([0x01], 1160), { level, firstByteBits: 0x04 })
      expectClosedWith(pair, 'server', PROTOCOL_VIOLATION)
    })

  test('RFC 9001 §4.1.3: new CRYPTO data at a level that TLS has left', () => {
    const pair = midHandshake()
    // more of the client's Initial stream, after its ClientHello
    const length = pair.client.tap.sent[0]!.frames.find(({ frame_type }) => frame_type === 'crypto')!.length as number
    forge(pair, 'client', padded([0x06, 0x40 | (length >>> 8), length & 0xff, 4, 1, 0, 0, 0], 1160), {
      level: Level.Initial,
    })
    expectClosedWith(pair, 'server', PROTOCOL_VIOLATION)
  })
})

describe('who may say what', () => {
  breaks('RFC 9000 §19.20: HANDSHAKE_DONE from a client', 'client', [0x1e, 0, 0], PROTOCOL_VIOLATION)
  breaks('RFC 9000 §19.7: NEW_TOKEN from a client', 'client', [0x07, 1, 1], PROTOCOL_VIOLATION)
  breaks('RFC 9000 §19.7: NEW_TOKEN without a token', 'server', [0x07, 0, 0], FRAME_ENCODING_ERROR)
  breaks('RFC 9001 §6: a TLS KeyUpdate from a client', 'client', [0x06, 0, 5, 24, 0, 0, 1, 0], 0x10a)
  breaks('RFC 9001 §6: a TLS KeyUpdate from a server', 'server', [0x06, 0, 5, 24, 0, 0, 1, 0], 0x10a)

  const multipath: [string, number[]][] = [
    ['PATH_ACK', [0x3e, 0, 0, 0, 0, 0]],
    ['PATH_ABANDON', [0x7e, 0x75, 0, 0]],
    ['PATH_STATUS_BACKUP', [0x7e, 0x76, 0, 1]],
    ['PATH_STATUS_AVAILABLE', [0x7e, 0x77, 0, 1]],
    ['PATH_RETIRE_CONNECTION_ID', [0x7e, 0x79, 0, 0]],
    ['MAX_PATH_ID', [0x7e, 0x7a, 3]],
    ['PATHS_BLOCKED', [0x7e, 0x7b, 3]],
    ['PATH_CIDS_BLOCKED', [0x7e, 0x7c, 0, 0]],
    ['OBSERVED_ADDRESS', [0x80, 0x9f, 0x81, 0xa6, 0, 1, 2, 3, 4, 0, 9]],
    ['ADD_ADDRESS', [0x80, 0x3d, 0x7f, 0x90, 0, 1, 2, 3, 4, 0, 9]],
    ['REACH_OUT', [0x80, 0x3d, 0x7f, 0x92, 1, 1, 2, 3, 4, 0, 9]],
    ['REMOVE_ADDRESS', [0x80, 0x3d, 0x7f, 0x94, 0]],
  ]
  for (const [name, frames] of multipath)
    breaks(`RFC 9000 §19.21: ${name}, which was not negotiated`, 'client', frames, PROTOCOL_VIOLATION)

  const noAckDelay = { server: { minAckDelayUs: undefined } }
  breaks('RFC 9000 §19.21: IMMEDIATE_ACK, not announced', 'client', [0x1f, 0, 0], PROTOCOL_VIOLATION, {}, noAckDelay)
  breaks(
    'RFC 9000 §19.21: ACK_FREQUENCY, not announced',
    'client',
    [0x40, 0xaf, 0, 1, 0x67, 0x10, 1],
    PROTOCOL_VIOLATION,
    {},
    noAckDelay,
  )
  breaks(
    'spec §4.3: ACK_FREQUENCY that asks for less than our min_ack_delay',
    'client',
    [0x40, 0xaf, 0, 1, 0x43, 0xe7, 1],
    PROTOCOL_VIOLATION,
  )
  breaks(
    'RFC 9221 §3: a DATAGRAM that was not announced',
    'client',
    [0x31, 1, 7],
    PROTOCOL_VIOLATION,
    {},
    {
      server: { maxDatagramFrameSize: 0 },
    },
  )
})

describe('acknowledgements and CRYPTO', () => {
  breaks('RFC 9000 §13.1: an ACK of a packet never sent', 'client', [0x02, 0x53, 0x88, 0, 0, 0], PROTOCOL_VIOLATION)
  breaks('RFC 9000 §19.3.1: an ACK range below packet 0', 'client', [0x02, 0, 0, 0, 5], FRAME_ENCODING_ERROR)
  breaks(
    'RFC 9000 §19.3: an ACK with more ranges than bytes',
    'client',
    [0x02, 0, 0, 0x7f, 0xff, 0],
    FRAME_ENCODING_ERROR,
  )
  breaks(
    'RFC 9000 §7.5: CRYPTO data far beyond what is in order',
    'client',
    [0x06, 0x80, 0x01, 0x86, 0xa0, 1, 0],
    ErrorCode.CRYPTO_BUFFER_EXCEEDED,
  )
})

describe('streams', () => {
  breaks('RFC 9000 §19.8: STREAM on a stream that only we send on', 'client', [0x08, 3, 1], STREAM_STATE_ERROR)
  breaks('RFC 9000 §19.8: STREAM on a stream of ours not yet opened', 'client', [0x08, 1, 1], STREAM_STATE_ERROR)
  breaks('RFC 9000 §19.4: RESET_STREAM on a stream that only we send on', 'client', [0x04, 3, 0, 0], STREAM_STATE_ERROR)
  breaks('RFC 9000 §19.5: STOP_SENDING on a stream that only we read', 'client', [0x05, 2, 0], STREAM_STATE_ERROR)
  breaks('RFC 9000 §19.10: MAX_STREAM_DATA on a stream that only we read', 'client', [0x11, 2, 9], STREAM_STATE_ERROR)
  breaks(
    'RFC 9000 §19.13: STREAM_DATA_BLOCKED on a stream that only we send on',
    'client',
    [0x15, 3, 9],
    STREAM_STATE_ERROR,
  )
  breaks('RFC 9000 §4.6: a stream beyond the limit', 'client', [0x08, 0x41, 0x90, 1], ErrorCode.STREAM_LIMIT_ERROR)
  breaks(
    'RFC 9000 §4.1: data beyond the window of a stream',
    'client',
    [0x0c, 0, 0x80, 0x20, 0, 0, 1],
    ErrorCode.FLOW_CONTROL_ERROR,
  )
  breaks(
    'RFC 9000 §4.5: data beyond the final size',
    'client',
    [0x0b, 0, 1, 0xaa, 0x0e, 0, 5, 1, 0xbb],
    ErrorCode.FINAL_SIZE_ERROR,
  )
  breaks('RFC 9000 §19.11: MAX_STREAMS above 2^60', 'client', [0x12, 0xd0, 0, 0, 0, 0, 0, 0, 1], FRAME_ENCODING_ERROR)
  breaks(
    'RFC 9000 §19.14: STREAMS_BLOCKED above 2^60',
    'client',
    [0x16, 0xd0, 0, 0, 0, 0, 0, 0, 1],
    FRAME_ENCODING_ERROR,
  )
})

describe('connection ids', () => {
  /** NEW_CONNECTION_ID whose id and token follow from its sequence number, or from `seed`. */
  const newId = (sequence: number, retirePriorTo = 0, seed = sequence, length = 8) => [
    0x18,
    0x40,
    sequence,
    0x40,
    retirePriorTo,
    length,
    ...Array.from({ length }, (_, index) => 0xa0 + seed * 3 + index),
    ...Array.from({ length: 16 }, (_, index) => 0x10 + seed * 5 + index),
  ]
  breaks('RFC 9000 §19.15: an id of 0 bytes', 'client', newId(5, 0, 5, 0), FRAME_ENCODING_ERROR)
  breaks('RFC 9000 §19.15: an id of 21 bytes', 'client', newId(5, 0, 5, 21), FRAME_ENCODING_ERROR)
  breaks('RFC 9000 §19.15: Retire Prior To above the sequence number', 'client', newId(5, 6), FRAME_ENCODING_ERROR)
  breaks('RFC 9000 §5.1.1: more ids than our limit', 'client', newId(5), ErrorCode.CONNECTION_ID_LIMIT_ERROR)
  breaks('RFC 9000 §19.15: the same sequence number with another id', 'client', newId(1), PROTOCOL_VIOLATION)
  breaks(
    'RFC 9000 §19.15: the same sequence number with another token',
    'client',
    [...newId(5, 5), ...newId(5, 5).slice(0, -1), 0xee],
    PROTOCOL_VIOLATION,
  )
  breaks(
    'RFC 9000 §19.15: the same id with another sequence number',
    'client',
    [...newId(5, 5), ...newId(6, 5, 5)],
    PROTOCOL_VIOLATION,
  )
  test('RFC 9000 §5.1.2: ids retired faster than that can be acknowledged', () => {
    const pair = new Pair().connect().cut()
    const renew = (from: number) => Array.from({ length: 35 }, (_, index) => newId(from + index, from + index)).flat()
    forge(pair, 'client', renew(5))
    expect(pair.server.connection!.isClosed).toBe(false)
    forge(pair, 'client', renew(40))
    expectClosedWith(pair, 'server', ErrorCode.CONNECTION_ID_LIMIT_ERROR)
  })
  breaks('RFC 9000 §19.16: retiring an id never issued', 'client', [0x19, 0x3f], PROTOCOL_VIOLATION)
  breaks('RFC 9000 §19.16: retiring the id the packet came on', 'client', [0x19, 0, 0], PROTOCOL_VIOLATION)
})

describe('what is allowed', () => {
  test('RFC 9000 §8.2.3: an answer to no challenge is ignored', () => {
    const pair = new Pair().connect().cut()
    for (const from of ['client', 'server'] as const) forge(pair, from, [0x1b, 1, 2, 3, 4, 5, 6, 7, 8])
    expect(pair.client.connection!.isClosed).toBe(false)
    expect(pair.server.connection!.isClosed).toBe(false)
    expect(pair.server.of('path-validated')).toEqual([])
  })
})
