import { describe, expect, test } from 'vitest'
import {
  BATCH_HEADER,
  DATAGRAM_HEADER,
  FrameType,
  FrameView,
  frameName,
  HEALTH_TEXT,
  isForwardable,
  MAX_BATCH_CONTENTS,
  MAX_DATAGRAM_CONTENTS,
  MAX_RELAY_FRAME,
  PeerIdCheck,
  PING_LENGTH,
  type RelayProtocol,
  readClientFrame,
  readServerFrame,
  StatusCode,
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
} from '../../../src/relay/index.ts'
import { counting, hex, toHex } from '../../crypto/hex.ts'
import { CLIENT_ID, ID_2A, MASK, NO_POINT, onTheWire, PEER_ID, reasonOf } from './support.ts'

const V1: RelayProtocol = 'iroh-relay-v1'
const V2: RelayProtocol = 'iroh-relay-v2'
const HELLO = '48656c6c6f20576f726c6421'
/** A place before which nothing may be written. */
const AT = 3

/** What `write` wrote from `AT` on, with a check that it stayed there. */
function written(write: (out: Uint8Array, at: number) => number): string {
  const out = new Uint8Array(200).fill(0xee)
  const end = write(out, AT)
  expect(toHex(out.subarray(0, AT))).toBe('eeeeee')
  expect(out.subarray(end).every((byte) => byte === 0xee)).toBe(true)
  return toHex(out.subarray(AT, end))
}

function clientFrame(text: string): FrameView {
  const view = new FrameView()
  readClientFrame(hex(text), view)
  return view
}

function serverFrame(text: string, protocol: RelayProtocol = V2): FrameView {
  const view = new FrameView()
  readServerFrame(hex(text), view, protocol)
  return view
}

const refusedByServer = (text: string) => reasonOf(() => clientFrame(text))
const refusedByClient = (text: string, protocol: RelayProtocol = V2) => reasonOf(() => serverFrame(text, protocol))

/** The frame that a receiver gets when `sender` sent `text`. */
function forwarded(text: string, sender: string): string {
  const message = hex(text)
  const view = new FrameView()
  readClientFrame(message, view)
  return toHex(message.subarray(toReceiverFrame(message, view, hex(sender)), view.end))
}

function segments(text: string): string[] {
  const message = hex(text)
  const view = serverFrame(text)
  const found: string[] = []
  for (let at = view.contentsAt, next = at; at < view.end; at = next) {
    next = segmentEnd(view, at)
    found.push(toHex(message.subarray(at, next)))
  }
  return found
}

describe('spec/relay.md §8.3: vectors', () => {
  test('Ping and Pong, also on the wire', () => {
    const payload = new Uint8Array(8).fill(0x2a)
    expect(written((out, at) => writePing(out, at, payload))).toBe('092a2a2a2a2a2a2a2a')
    expect(written((out, at) => writePong(out, at, payload))).toBe('0a2a2a2a2a2a2a2a2a')
    expect(toHex(onTheWire(hex('092a2a2a2a2a2a2a2a'), MASK))).toBe('828937fa213d3ed00b171dd00b171d')
    for (const read of [clientFrame, serverFrame]) {
      expect(read('092a2a2a2a2a2a2a2a')).toMatchObject({ type: FrameType.Ping, contentsAt: 1, end: 9 })
      expect(read('0a2a2a2a2a2a2a2a2a')).toMatchObject({ type: FrameType.Pong, contentsAt: 1, end: 9 })
    }
    expect(PING_LENGTH).toBe(9)
  })

  test('a ping payload from the middle of a message', () => {
    expect(written((out, at) => writePing(out, at, counting(0, 12), 2))).toBe('090203040506070809')
    expect(written((out, at) => writePong(out, at, counting(0, 12), 4))).toBe('0a0405060708090a0b')
  })

  test('single datagrams, both directions', () => {
    const body = `${ID_2A}03${HELLO}`
    expect(written((out, at) => writeDatagramHeader(out, at, 4, hex(ID_2A), 3))).toBe(`04${ID_2A}03`)
    expect(written((out, at) => writeDatagramHeader(out, at, 6, hex(ID_2A), 3))).toBe(`06${ID_2A}03`)
    const parts = { peerAt: 1, ecn: 3, segmentSize: 0, contentsAt: 34, end: 46 }
    expect(clientFrame(`04${body}`)).toMatchObject({ type: 4, ...parts })
    expect(serverFrame(`06${body}`)).toMatchObject({ type: 6, ...parts })
    expect(segments(`06${body}`)).toEqual([HELLO])
    expect(DATAGRAM_HEADER).toBe(34)
  })

  test('batches, both directions', () => {
    const body = `${ID_2A}030006${HELLO}`
    expect(written((out, at) => writeBatchHeader(out, at, 5, hex(ID_2A), 3, 6))).toBe(`05${ID_2A}030006`)
    expect(written((out, at) => writeBatchHeader(out, at, 7, hex(ID_2A), 3, 0x1234))).toBe(`07${ID_2A}031234`)
    const parts = { peerAt: 1, ecn: 3, segmentSize: 6, contentsAt: 36, end: 48 }
    expect(clientFrame(`05${body}`)).toMatchObject({ type: 5, ...parts })
    expect(serverFrame(`07${body}`)).toMatchObject({ type: 7, ...parts })
    expect(segments(`07${body}`)).toEqual(['48656c6c6f20', '576f726c6421'])
    expect(BATCH_HEADER).toBe(36)
  })

  test('EndpointGone', () => {
    expect(written((out, at) => writeEndpointGone(out, at, hex(ID_2A)))).toBe(`08${ID_2A}`)
    expect(serverFrame(`08${ID_2A}`)).toMatchObject({ type: FrameType.EndpointGone, peerAt: 1 })
  })

  test('Health, Restarting, Status', () => {
    const health = '0b48656c6c6f3f20596573207468697320697320646f672e'
    expect(written((out, at) => writeHealth(out, at, 'Hello? Yes this is dog.'))).toBe(health)
    expect(serverFrame(health, V1)).toMatchObject({ type: FrameType.Health, text: 'Hello? Yes this is dog.' })
    expect(written((out, at) => writeRestarting(out, at, 10, 20))).toBe('0c0000000a00000014')
    expect(serverFrame('0c0000000a00000014')).toMatchObject({ type: 12, reconnectInMs: 10, tryForMs: 20 })
    for (const [name, code] of Object.entries({ Healthy: 0, SameEndpointIdConnected: 1, RateLimited: 2 })) {
      expect(StatusCode).toHaveProperty(name, code)
      expect(written((out, at) => writeStatus(out, at, code))).toBe(`0d0${code}`)
      expect(serverFrame(`0d0${code}`)).toMatchObject({ type: FrameType.Status, status: code })
    }
  })

  test('§3.4: large numbers and texts', () => {
    expect(written((out, at) => writeRestarting(out, at, 0xffff_ffff, 0x8000_0001))).toBe('0cffffffff80000001')
    expect(serverFrame('0cffffffff80000001', V1)).toMatchObject({ reconnectInMs: 0xffff_ffff, tryForMs: 0x8000_0001 })
    // word for word what the table says: clients show it
    expect(HEALTH_TEXT).toEqual({
      Healthy: 'The connection is healthy and has recovered from previous problems',
      SameEndpointIdConnected:
        'Another endpoint connected with the same endpoint id. No more messages will be received.',
    })
    for (const text of Object.values(HEALTH_TEXT)) {
      expect(
        serverFrame(
          written((out, at) => writeHealth(out, at, text)),
          V1,
        ).text,
      ).toBe(text)
    }
    expect(() => writeHealth(new Uint8Array(70_000), 0, 'x'.repeat(65_536))).toThrow(RangeError)
    expect(serverFrame('0b', V1).text).toBe('')
  })

  test('§3.2: "hi" from one key to another', () => {
    expect(forwarded(`04${PEER_ID}006869`, CLIENT_ID)).toBe(`06${CLIENT_ID}006869`)
  })
})

describe('spec/relay.md §3.2: forwarding in place', () => {
  test('a batch stays a batch, contents untouched', () => {
    expect(forwarded(`05${PEER_ID}020003${HELLO}`, CLIENT_ID)).toBe(`07${CLIENT_ID}020003${HELLO}`)
  })

  test('a batch with segment size 0 becomes a single datagram', () => {
    expect(forwarded(`05${PEER_ID}010000${HELLO}`, CLIENT_ID)).toBe(`06${CLIENT_ID}01${HELLO}`)
  })

  test('the ECN byte is masked', () => {
    expect(forwarded(`04${PEER_ID}fe${HELLO}`, CLIENT_ID)).toBe(`06${CLIENT_ID}02${HELLO}`)
    expect(forwarded(`05${PEER_ID}fc0001${HELLO}`, CLIENT_ID)).toBe(`07${CLIENT_ID}000001${HELLO}`)
    expect(forwarded(`05${PEER_ID}550000${HELLO}`, CLIENT_ID)).toBe(`06${CLIENT_ID}01${HELLO}`)
    expect(written((out, at) => writeDatagramHeader(out, at, 4, hex(ID_2A), 0xff))).toBe(`04${ID_2A}03`)
  })

  test('§2.1: longer forms of the type are normalised', () => {
    for (const type of ['4004', '80000004', 'c000000000000004']) {
      expect(forwarded(`${type}${PEER_ID}006869`, CLIENT_ID)).toBe(`06${CLIENT_ID}006869`)
    }
    expect(forwarded(`4005${PEER_ID}0000016869`, CLIENT_ID)).toBe(`07${CLIENT_ID}0000016869`)
    expect(forwarded(`80000005${PEER_ID}0000006869`, CLIENT_ID)).toBe(`06${CLIENT_ID}006869`)
  })

  test('§3.1: empty and over-long datagrams are legal to read and not to forward', () => {
    expect(isForwardable(clientFrame(`04${PEER_ID}00`))).toBe(false)
    expect(isForwardable(clientFrame(`05${PEER_ID}000005`))).toBe(false)
    expect(isForwardable(clientFrame(`05${PEER_ID}000000`))).toBe(false)
    expect(isForwardable(clientFrame(`04${PEER_ID}0001`))).toBe(true)
    expect(MAX_DATAGRAM_CONTENTS).toBe(65_502)
    expect(MAX_BATCH_CONTENTS).toBe(65_500)
    const frame = (header: string, contents: number) => `${header}${'ab'.repeat(contents)}`
    expect(isForwardable(clientFrame(frame(`04${PEER_ID}00`, 65_502)))).toBe(true)
    expect(isForwardable(clientFrame(frame(`04${PEER_ID}00`, 65_503)))).toBe(false)
    expect(isForwardable(clientFrame(frame(`05${PEER_ID}000500`, 65_500)))).toBe(true)
    expect(isForwardable(clientFrame(frame(`05${PEER_ID}000500`, 65_501)))).toBe(false)
    // the receiver's frame is what must fit: two bytes shorter, or a longer type normalised
    expect(isForwardable(clientFrame(frame(`05${PEER_ID}000000`, 65_501)))).toBe(true)
    expect(isForwardable(clientFrame(frame(`c000000000000004${PEER_ID}00`, 65_502)))).toBe(true)
  })

  test('§3.5: a pong is the ping where it stands', () => {
    for (const text of ['090102030405060708', '40090102030405060708']) {
      const message = hex(text)
      const view = new FrameView()
      readClientFrame(message, view)
      expect(toHex(message.subarray(toPongFrame(message, view), view.end))).toBe('0a0102030405060708')
    }
  })
})

describe('spec/relay.md §3.1: batches are walked without an iterator', () => {
  const batch = (segmentSize: string, contents: string) => segments(`07${PEER_ID}00${segmentSize}${contents}`)

  test('the last datagram may be shorter', () => {
    expect(batch('0005', HELLO)).toEqual(['48656c6c6f', '20576f726c', '6421'])
    expect(batch('0001', '010203')).toEqual(['01', '02', '03'])
    expect(batch('0002', '010203')).toEqual(['0102', '03'])
  })

  test('a segment size of 0, or not below the length, is one datagram', () => {
    for (const size of ['0000', '000c', '000d', 'ffff']) expect(batch(size, HELLO)).toEqual([HELLO])
  })

  test('no contents, no datagram', () => {
    expect(batch('0005', '')).toEqual([])
    expect(batch('0000', '')).toEqual([])
    expect(segments(`06${PEER_ID}00`)).toEqual([])
  })
})

describe('spec/relay.md §8.4: what a client takes', () => {
  const S = PEER_ID
  const check = (text: string) => new PeerIdCheck().check(hex(text), 1)
  const single = (body: number) => `06${S}00${'ab'.repeat(body - 33)}`

  test.each([
    ['empty single', `06${S}00`],
    ['empty batch', `07${S}000005`],
    ['segment size 0', `07${S}00000068656c6c6f`],
    ['segment size above the length, ECN ff', `07${S}ff000968656c6c6f`],
    ['segment size 1 with 3000 bytes', `07${S}000001${'ab'.repeat(3000)}`],
    ['a body of 65,536 bytes', single(65_536)],
    ['EndpointGone', `08${S}`],
    ['EndpointGone with a longer type', `4008${S}`],
    ['an unknown Status with more bytes', '0d63010203'],
    ['Restarting', '0c0102030405060708'],
  ])('kept: %s', (_name, text) => {
    expect(() => serverFrame(text)).not.toThrow()
  })

  test.each([
    ['no ECN byte', `06${S}`, 'RelayToClientDatagram (6) with 32 bytes, expected 33 or more'],
    ['a body of 65,537 bytes', single(65_537), 'RelayToClientDatagram (6) with 65537 bytes, at most 65536 are allowed'],
    ['EndpointGone and a byte', `08${S}00`, 'EndpointGone (8) with 33 bytes, expected exactly 32'],
    ['an empty message', '', 'an empty message'],
    ['a frame of the handshake', '02', 'ServerConfirmsAuth (2) is no frame that a server sends after the handshake'],
    ['Status without a code', '0d', 'Status (13) without its code'],
    ['an unknown type', '0e01', 'unknown frame type 14 is no frame that a server sends after the handshake'],
  ])('dropped: %s', (_name, text, reason) => {
    expect(refusedByClient(text)).toBe(reason)
  })

  test('Health belongs to version 1, Status to version 2', () => {
    expect(serverFrame('0b61', V1).text).toBe('a')
    expect(refusedByClient('0b61', V2)).toBe('Health (11) does not exist in iroh-relay-v2')
    expect(refusedByClient('0d01', V1)).toBe('Status (13) does not exist in iroh-relay-v1')
  })

  test('an id that is no point of the curve', () => {
    expect(() => serverFrame(`06${NO_POINT}00ab`)).not.toThrow()
    expect(() => check(`06${S}00ab`)).not.toThrow()
    expect(reasonOf(() => check(`06${NO_POINT}00ab`))).toBe('an endpoint id that is no point of the curve')
  })
})

describe('spec/relay.md §3: everything else drops the connection', () => {
  const BODIES = new Map<number, string>([
    [0, '00'.repeat(16)],
    [1, `${CLIENT_ID}40${'00'.repeat(64)}`],
    [2, ''],
    [3, '0161'],
    [4, `${PEER_ID}00ab`],
    [5, `${PEER_ID}000001ab`],
    [6, `${PEER_ID}00ab`],
    [7, `${PEER_ID}000001ab`],
    [8, PEER_ID],
    [9, '0102030405060708'],
    [10, '0102030405060708'],
    [11, '61'],
    [12, '0000000a00000014'],
    [13, '01'],
    [14, ''],
    [63, ''],
  ])
  const CLIENT_SENDS = [4, 5, 9, 10]
  const SERVER_SENDS = { [V1]: [6, 7, 8, 9, 10, 11, 12], [V2]: [6, 7, 8, 9, 10, 12, 13] }

  test('every type in every direction and version', () => {
    for (const [type, body] of BODIES) {
      const text = `${type.toString(16).padStart(2, '0')}${body}`
      expect([type, refusedByServer(text) === 'no error']).toEqual([type, CLIENT_SENDS.includes(type)])
      for (const protocol of [V1, V2]) {
        const isTaken = refusedByClient(text, protocol) === 'no error'
        expect([type, protocol, isTaken]).toEqual([type, protocol, SERVER_SENDS[protocol].includes(type)])
      }
    }
  })

  test('types that end early, and types beyond 63', () => {
    for (const text of ['40', '800000', 'c0', 'ff000000000000']) {
      expect(refusedByServer(text)).toBe('a message that ends inside its frame type')
      expect(refusedByClient(text)).toBe('a message that ends inside its frame type')
    }
    // 0x104 has the low byte of 4, and 2^32 + 6 the low word of 6
    expect(refusedByServer(`4104${PEER_ID}00ab`)).toContain('unknown frame type 260')
    expect(refusedByClient(`c000000100000006${PEER_ID}00ab`)).toContain('unknown frame type 4294967302')
    expect(refusedByServer('ffffffffffffffff')).toContain('unknown frame type 4611686018427388000')
  })

  test('a name of Object is no frame name', () => {
    expect([frameName(9), frameName(14), frameName(-1)]).toEqual([
      'Ping (9)',
      'unknown frame type 14',
      'unknown frame type -1',
    ])
  })

  test('exact and least lengths', () => {
    const short = (text: string) => text.slice(0, -2)
    for (const ping of ['090102030405060708', '0a0102030405060708']) {
      for (const text of [short(ping), `${ping}00`, ping.slice(0, 2)]) {
        expect(refusedByServer(text)).toContain('expected exactly 8')
        expect(refusedByClient(text)).toContain('expected exactly 8')
      }
    }
    expect(refusedByClient('0c00000000000000')).toContain('expected exactly 8')
    expect(refusedByClient('0c000000000000000000')).toContain('expected exactly 8')
    expect(refusedByServer(short(`04${PEER_ID}00`))).toContain('expected 33 or more')
    expect(refusedByServer('04')).toContain('expected 33 or more')
    expect(refusedByServer(short(`05${PEER_ID}000001`))).toContain('expected 35 or more')
    expect(refusedByClient(short(`07${PEER_ID}000001`))).toContain('expected 35 or more')
    expect(refusedByClient(short(`08${PEER_ID}`))).toContain('expected exactly 32')
    expect(refusedByServer(`04${'ab'.repeat(MAX_RELAY_FRAME + 1)}`)).toContain('at most 65536')
  })

  test('Health that is not UTF-8', () => {
    expect(refusedByClient('0bc3', V1)).toBe('Health (11) with text that is not UTF-8')
  })

  test('a view tells nothing of the frame before', () => {
    const view = new FrameView()
    readClientFrame(hex(`05${PEER_ID}030001ab`), view)
    readClientFrame(hex(`04${PEER_ID}00ab`), view)
    expect(view).toMatchObject({ type: 4, ecn: 0, segmentSize: 0, contentsAt: 34, end: 35 })
  })

  test('a message may be a view into a larger chunk', () => {
    const chunk = hex(`eeee04${PEER_ID}006869ee`)
    const message = chunk.subarray(2, chunk.length - 1)
    const view = new FrameView()
    readClientFrame(message, view)
    expect(toReceiverFrame(message, view, hex(CLIENT_ID))).toBe(0)
    expect(toHex(chunk)).toBe(`eeee06${CLIENT_ID}006869ee`)
  })
})
