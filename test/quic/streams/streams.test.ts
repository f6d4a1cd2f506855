import { expect, test } from 'vitest'
import { StreamError } from '../../../src/quic/streams/stream-error.ts'
import { connectedSides, DEFAULTS, outcome, parametersOf, pattern, Side } from './pipe.ts'

function server(overrides = {}, peer = {}): Side {
  return new Side('server', { ...DEFAULTS, ...overrides }).connect(parametersOf({ ...DEFAULTS, ...peer }))
}

// Which frames a stream may get. Of a server: 0 client bidi, 1 server bidi, 2 client uni, 3 server uni.

const FRAMES: Record<string, (side: Side, id: number) => void> = {
  STREAM: (side, id) => side.data(id, 0, 1),
  RESET_STREAM: (side, id) => side.streams.receiveReset(id, 0, 0),
  STREAM_DATA_BLOCKED: (side, id) => side.streams.receiveStreamDataBlocked(id, 0),
  STOP_SENDING: (side, id) => side.streams.receiveStopSending(id, 0),
  MAX_STREAM_DATA: (side, id) => side.streams.receiveMaxStreamData(id, 2_000_000),
}

test('RFC 9000 §19.4 to §19.13: direction and existence decide which frames a stream may get', () => {
  const table = Object.entries(FRAMES).map(([name, frame]) => {
    const cell = (id: number, opened: boolean) => {
      const side = server()
      if (opened) side.streams.open(id === 1)
      return outcome(() => frame(side, id))
    }
    return [name, cell(0, false), cell(2, false), cell(1, false), cell(1, true), cell(3, false), cell(3, true)]
  })
  const bad = 'STREAM_STATE_ERROR'
  expect(table).toEqual([
    // peer bidi, peer uni, our bidi not opened, opened, our uni not opened, opened
    ['STREAM', 'ok', 'ok', bad, 'ok', bad, bad],
    ['RESET_STREAM', 'ok', 'ok', bad, 'ok', bad, bad],
    ['STREAM_DATA_BLOCKED', 'ok', 'ok', bad, 'ok', bad, bad],
    ['STOP_SENDING', 'ok', bad, bad, 'ok', bad, 'ok'],
    ['MAX_STREAM_DATA', 'ok', bad, bad, 'ok', bad, 'ok'],
  ])
})

test('RFC 9000 §4.6: a stream beyond the limit is an error, of either kind, by any frame', () => {
  const limits = { maxStreamsBidi: 3, maxStreamsUni: 2 }
  for (const frame of Object.values(FRAMES)) {
    expect(outcome(() => frame(server(limits), 8))).toBe('ok')
    expect(outcome(() => frame(server(limits), 12))).toBe('STREAM_LIMIT_ERROR')
  }
  expect(outcome(() => server(limits).data(6, 0, 1))).toBe('ok')
  expect(outcome(() => server(limits).data(10, 0, 1))).toBe('STREAM_LIMIT_ERROR')
  expect(outcome(() => server(limits).data(Number.MAX_SAFE_INTEGER - 3, 0, 1))).toBe('STREAM_LIMIT_ERROR')
})

test('RFC 9000 §2.1: a stream id opens the lower ones, which are accepted in order', () => {
  const side = server()
  side.data(8, 0, 5)
  expect(side.events.take()).toEqual(['incoming bidi'])
  side.data(12, 0, 5)
  expect(side.events.take()).toEqual([])
  const accepted = Array.from({ length: 5 }, () => side.streams.accept(true))
  expect(accepted).toEqual([0, 4, 8, 12, -1])
  expect(side.events.take()).toEqual(['readable 8', 'readable 12'])
  expect([side.streams.accept(false), side.streams.openCount]).toEqual([-1, 4])
  side.data(0, 0, 5)
  side.data(16, 0, 0, true)
  expect(side.events.take()).toEqual(['readable 0', 'incoming bidi'])
})

test('RFC 9000 §2.4: what happened before accept is told at accept', () => {
  const side = server()
  side.data(0, 0, 5)
  side.streams.receiveStopSending(0, 77)
  const reset = side.flush()
  side.settle(reset, true)
  side.events.take()
  expect(side.streams.accept(true)).toBe(0)
  expect(side.events.take()).toEqual(['stopped 0 77', 'readable 0'])
  expect(outcome(() => side.streams.write(0, pattern(0, 5), 0, 5))).toBe('STREAM_UNKNOWN')
})

test('RFC 9000 §4.6: a peer that resets its streams gets no new ones while the application takes none', () => {
  const side = server({ maxStreamsBidi: 10, maxStreamsUni: 10 })
  for (let index = 0; index < 10; index++) side.streams.receiveReset(index * 4 + 2, 0, 0)
  expect(side.sent()).toEqual([])
  expect(outcome(() => side.streams.receiveReset(42, 0, 0))).toBe('STREAM_LIMIT_ERROR')
})

test('RFC 9000 §4.6: streams that are over in both directions make room for new ones', () => {
  const side = server({ maxStreamsBidi: 8 })
  for (let index = 0; index < 20; index++) {
    const id = index * 4
    side.data(id, 0, 3, true)
    expect(side.streams.accept(true)).toBe(id)
    side.readAll(id)
    expect(side.sent()).toEqual([])
    side.streams.finish(id)
    const packets = side.flush()
    side.settle(packets, true)
    const update = side.flush()
    side.settle(update, true)
    expect(update.length).toBe(1)
    expect(side.streams.openCount).toBe(0)
    // Late frames of a stream that is over are ignored.
    side.data(id, 0, 3, true)
    side.streams.receiveStopSending(id, 0)
    side.streams.receiveReset(id, 0, 9999)
  }
  expect(side.pool.live).toBe(0)
})

test('RFC 9000 §13.3: MAX_STREAMS is said again when lost, unless a newer one is out', () => {
  const side = server({ maxStreamsUni: 8 })
  const end = (id: number) => {
    side.data(id, 0, 0, true)
    side.streams.accept(false)
    side.readAll(id)
  }
  end(2)
  const first = side.flush()
  end(6)
  const second = side.flush()
  side.settle(first, false)
  expect(side.sent()).toEqual([])
  side.settle(second, false)
  expect(side.sent()).toEqual(['MAX_STREAMS_UNI 10'])
})

test('RFC 9000 §19.14: open says -1 at the limit, STREAMS_BLOCKED once, and "available" when there is room', () => {
  const side = server({}, { maxStreamsBidi: 2, maxStreamsUni: 0 })
  expect([side.streams.open(true), side.streams.open(true), side.streams.open(true), side.streams.open(true)]).toEqual([
    1, 5, -1, -1,
  ])
  expect(side.streams.open(false)).toBe(-1)
  expect(side.sent()).toEqual(['STREAMS_BLOCKED_BIDI 2', 'STREAMS_BLOCKED_UNI 0'])
  side.streams.receiveMaxStreams(true, 2)
  side.streams.receiveMaxStreams(true, 1)
  expect(side.events.take()).toEqual([])
  side.streams.receiveMaxStreams(true, 3)
  side.streams.receiveMaxStreams(true, 4)
  expect(side.events.take()).toEqual(['available bidi'])
  expect([side.streams.open(true), side.streams.open(true), side.streams.open(true)]).toEqual([9, 13, -1])
  expect(side.streams.stats.opened).toBe(4)
})

test('before the peer said its limits nothing can be opened or said', () => {
  const side = new Side('client')
  expect([side.streams.open(true), side.streams.hasPending]).toEqual([-1, false])
  side.connect(parametersOf(DEFAULTS))
  expect(side.events.take()).toEqual(['available bidi'])
})

test('RFC 9000 §4.1: the connection limit stops all new data, is reported once, and lost data needs no credit', () => {
  const side = server({}, { initialMaxData: 1000 })
  for (const id of [3, 7]) {
    side.streams.open(false)
    side.streams.write(id, pattern(0, 800), 0, 800)
  }
  const packets = side.flush(600)
  expect(side.streams.stats.bytesSent).toBe(1000)
  expect(side.streams.hasPending).toBe(false)
  side.settle(packets, false)
  expect(side.streams.hasPending).toBe(true)
  const again = side.sent(600)
  expect(again.filter((frame) => frame.startsWith('DATA_BLOCKED'))).toEqual(['DATA_BLOCKED 1000'])
  expect([side.streams.stats.bytesSent, side.streams.stats.retransmittedBytes]).toEqual([1000, 1000])
  const { wakes } = side
  side.streams.receiveMaxData(1100)
  expect(side.wakes).toBeGreaterThan(wakes)
  side.flush()
  side.streams.receiveMaxData(5000)
  side.flush()
  expect(side.streams.stats.bytesSent).toBe(1600)
})

test('RFC 9000 §4.1: a lone FIN needs no credit', () => {
  const side = server({}, { initialMaxData: 10, streamReceiveWindow: 10 })
  side.streams.open(false)
  side.streams.write(3, pattern(0, 10), 0, 10)
  side.flush()
  side.streams.finish(3)
  expect(side.sent()).toEqual(['STREAM 3 10..10 fin'])
})

test('streams take turns, packet by packet', () => {
  const side = server()
  for (const id of [3, 7, 11]) {
    side.streams.open(false)
    side.streams.write(id, pattern(0, 5000), 0, 5000)
  }
  const order = side.sent(1000).map((frame) => frame.split(' ')[1])
  expect(order.slice(0, 9)).toEqual(['3', '7', '11', '3', '7', '11', '3', '7', '11'])
})

test('RFC 9000 §2.3: a higher priority goes first, also before what others lost', () => {
  const side = server()
  for (const id of [3, 7, 11]) {
    side.streams.open(false)
    side.streams.write(id, pattern(0, 1500), 0, 1500)
  }
  side.streams.setPriority(11, 5)
  side.streams.setPriority(3, -1)
  const packets = side.flush(1000)
  const order = packets.map((packet) => packet.bytes[1])
  expect(order).toEqual([11, 11, 7, 7, 3])
  side.settle(packets.slice(2), false)
  side.streams.write(11, pattern(1500, 900), 0, 900)
  side.streams.write(7, pattern(1500, 900), 0, 900)
  const again = side.flush(1000).map((packet) => packet.bytes[1])
  expect(again.slice(0, 2)).toEqual([11, 7])
})

test('RFC 9000 §3.5: STOP_SENDING makes the peer reset with the same code', () => {
  const [client, other] = connectedSides()
  const id = client.streams.open(true)
  client.streams.write(id, pattern(0, 5000), 0, 5000)
  for (const packet of client.flush()) other.receive(packet.bytes)
  other.streams.accept(true)
  other.streams.stopSending(id, 42)
  for (const packet of other.flush()) client.receive(packet.bytes)
  expect(client.events.take()).toEqual([`stopped ${id} 42`])
  expect(client.sent()).toEqual([`RESET_STREAM ${id} 42 5000`])
  try {
    client.streams.write(id, pattern(0, 1), 0, 1)
    expect.unreachable()
  } catch (error) {
    expect(error).toBeInstanceOf(StreamError)
    expect(error).toMatchObject({ code: 'STREAM_STOPPED', streamId: id, peerCode: 42 })
  }
  // The other direction lives on.
  other.streams.write(id, pattern(0, 10), 0, 10)
  other.streams.finish(id)
  for (const packet of other.flush()) client.receive(packet.bytes)
  expect(client.readAll(id)).toEqual({ bytes: pattern(0, 10), end: 'fin' })
})

test('misuse throws at the call', () => {
  const side = server()
  side.streams.open(false)
  expect(outcome(() => side.streams.read(3, 10))).toBe('STREAM_UNKNOWN')
  expect(outcome(() => side.streams.stopSending(3, 0))).toBe('STREAM_UNKNOWN')
  expect(outcome(() => side.streams.write(7, pattern(0, 1), 0, 1))).toBe('STREAM_UNKNOWN')
  side.data(2, 0, 1)
  expect(outcome(() => side.streams.write(2, pattern(0, 1), 0, 1))).toBe('STREAM_UNKNOWN')
  expect(outcome(() => side.streams.setPriority(2, 1))).toBe('STREAM_UNKNOWN')
  expect(() => side.streams.read(2, 0)).toThrow(RangeError)
})

// Attacks.

test('a peer that never sends the gap costs its window, and no more', () => {
  const side = server({ streamReceiveWindow: 100_000, maxReceiveWindow: 100_000 })
  for (let offset = 1; offset + 1000 <= 100_000; offset += 1000) side.data(0, offset, 1000)
  expect(outcome(() => side.data(0, 99_500, 1000))).toBe('FLOW_CONTROL_ERROR')
})

test('gaps on many streams are bounded together, and closed ones are not counted', () => {
  const side = server({ maxStreamsUni: 1000 })
  const byte = new Uint8Array(1)
  const gap = (id: number, index: number) => side.streams.receiveStream(id, 1 + index * 2, byte, 0, 1, false, 0)
  const fill = (from: number, to: number) => {
    for (let stream = from; stream < to; stream++) {
      for (let index = 0; index < 900; index++) gap(stream * 4 + 2, index)
    }
  }
  fill(0, 70)
  while (side.streams.accept(false) >= 0) {}
  for (let stream = 0; stream < 70; stream++) {
    const id = stream * 4 + 2
    if (stream % 3 === 0) side.data(id, 0, 1801)
    else if (stream % 3 === 1) side.streams.receiveReset(id, 0, 1801)
    else side.streams.stopSending(id, 0)
  }
  expect(outcome(() => fill(100, 170))).toBe('ok')
  expect(outcome(() => fill(170, 173))).toBe('PROTOCOL_VIOLATION')
})

test('a window grows while the reader keeps up, and the connection stays ahead of the stream', () => {
  const settings = { streamReceiveWindow: 10_000, maxReceiveWindow: 50_000, initialMaxData: 15_000 }
  const side = server(settings)
  side.streams.rttMs = 300
  const bytes = new Uint8Array(1000)
  let offset = 0
  const limits = new Map<string, number>()
  for (let round = 0; round < 400; round++) {
    side.now += 10
    side.streams.receiveStream(0, offset, bytes, 0, 1000, false, side.now)
    offset += 1000
    if (round === 0) side.streams.accept(true)
    side.readAll(0)
    for (const frame of side.sent()) {
      const [name, ...numbers] = frame.split(' ')
      limits.set(name!, Number(numbers.at(-1)) - offset)
    }
  }
  expect(limits.get('MAX_STREAM_DATA')).toBe(50_000)
  expect(limits.get('MAX_DATA')).toBe(75_000)
})

test('a slow reader does not grow the window', () => {
  const side = server({ streamReceiveWindow: 10_000, maxReceiveWindow: 50_000 })
  side.streams.rttMs = 10
  let last = 0
  for (let round = 0; round < 100; round++) {
    side.now += 10
    side.data(0, round * 1000, 1000)
    if (round === 0) side.streams.accept(true)
    side.readAll(0)
    for (const frame of side.sent()) last = Number(frame.split(' ').at(-1)) - (round + 1) * 1000
  }
  expect(last).toBe(10_000)
})

test('five thousand streams at once, each served, and nothing is left', () => {
  const many = { ...DEFAULTS, maxStreamsBidi: 5000, initialMaxData: 100_000_000 }
  const [client, other] = connectedSides(many, many)
  const data = pattern(0, 300)
  for (let index = 0; index < 5000; index++) {
    const id = client.streams.open(true)
    client.streams.write(id, data, 0, data.length)
    client.streams.finish(id)
  }
  expect(client.streams.open(true)).toBe(-1)
  const exchange = (from: Side, to: Side) => {
    const packets = from.flush()
    for (const packet of packets) to.receive(packet.bytes)
    from.settle(packets, true)
  }
  exchange(client, other)
  for (let id = other.streams.accept(true); id >= 0; id = other.streams.accept(true)) {
    expect(other.readAll(id).bytes.length).toBe(300)
    other.streams.write(id, data, 0, data.length)
    other.streams.finish(id)
  }
  exchange(other, client)
  for (let index = 0; index < 5000; index++) expect(client.readAll(index * 4).end).toBe('fin')
  exchange(other, client)
  expect([client.streams.openCount, other.streams.openCount]).toEqual([0, 0])
  expect([client.streams.bufferedBytes, client.pool.live, other.pool.live]).toEqual([0, 0, 0])
  expect(client.streams.open(true)).toBe(20_000)
})

// The end.

test('close tells who waits, keeps what had arrived readable, and forgets the rest', () => {
  const side = server({ sendBuffer: 10_000 }, { maxStreamsUni: 1 })
  side.data(0, 0, 100, true)
  side.data(4, 0, 100)
  side.data(8, 0, 0)
  for (let count = 0; count < 4; count++) side.streams.accept(true)
  side.streams.read(8, 10)
  side.streams.open(false)
  side.streams.open(false)
  side.streams.write(3, new Uint8Array(20_000), 0, 20_000)
  const packets = side.flush()
  side.events.take()
  side.streams.close()
  side.streams.close()
  expect(side.events.take().toSorted()).toEqual([
    'available uni',
    'incoming bidi',
    'incoming uni',
    'readable 8',
    'writable 3',
  ])
  expect([side.streams.openCount, side.streams.bufferedBytes, side.streams.hasPending]).toEqual([0, 0, false])
  expect([side.streams.open(true), side.streams.accept(true)]).toEqual([-1, -1])
  expect(outcome(() => side.streams.write(3, pattern(0, 1), 0, 1))).toBe('CONNECTION_CLOSED')
  expect(outcome(() => side.streams.read(8, 10))).toBe('CONNECTION_CLOSED')
  const { bytesReceived } = side.streams.stats
  side.data(4, 100, 100)
  expect(side.streams.stats.bytesReceived).toBe(bytesReceived)
  expect(side.readAll(0)).toEqual({ bytes: pattern(0, 100), end: 'fin' })
  expect(outcome(() => side.readAll(4))).toBe('CONNECTION_CLOSED')
  expect(outcome(() => side.readAll(0))).toBe('CONNECTION_CLOSED')
  // Late acknowledgements and frames change nothing.
  side.settle(packets, false)
  side.data(4, 100, 100)
  side.data(999, 0, 1)
  side.streams.receiveMaxData(2 ** 40)
  expect([side.streams.hasPending, side.streams.openCount, side.pool.live]).toEqual([false, 0, 0])
  expect(side.events.take()).toEqual([])
})

test('waiting: what a read can have now, and Infinity once nothing more comes', () => {
  const side = server()
  side.data(0, 0, 500)
  side.data(0, 700, 100)
  expect(side.streams.waiting(0)).toBe(500)
  side.streams.accept(true)
  side.streams.read(0, 200)
  expect(side.streams.waiting(0)).toBe(300)
  side.data(0, 500, 200)
  expect(side.streams.waiting(0)).toBe(600)
  side.data(4, 0, 10)
  side.streams.receiveReset(4, 7, 10)
  expect(side.streams.waiting(4)).toBe(Number.POSITIVE_INFINITY)
  expect(side.streams.waiting(8)).toBe(Number.POSITIVE_INFINITY)
  side.data(8, 0, 10)
  side.streams.accept(true)
  side.streams.accept(true)
  side.streams.stopSending(8, 0)
  expect(side.streams.waiting(8)).toBe(0)
  side.streams.close()
  expect(side.streams.waiting(0)).toBe(Number.POSITIVE_INFINITY)
})
