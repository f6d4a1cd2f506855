import { expect, test } from 'vitest'
import { DEFAULTS, isPattern, outcome, type Packet, parametersOf, pattern, Side } from './pipe.ts'

/** RFC 9000 figure 2, and what the application sees of it. */
type State =
  | 'ready'
  | 'ready, finished'
  | 'send'
  | 'data-sent'
  | 'data-received'
  | 'reset-sent'
  | 'reset-received'
  | 'stopped'
type Input = 'write' | 'finish' | 'reset' | 'STOP_SENDING' | 'MAX_STREAM_DATA' | 'all acked' | 'all lost'

const ID = 2

/** A unidirectional stream of ours in a state; 10 bytes were sent in most of them. */
function reach(state: State): { side: Side; flight: Packet[] } {
  const side = new Side('client').connect(parametersOf({ ...DEFAULTS, streamReceiveWindow: 12 }))
  expect(side.streams.open(false)).toBe(ID)
  const flight: Packet[] = []
  const flush = () => void flight.push(...side.flush())
  if (state === 'ready, finished') side.streams.finish(ID)
  if (state.startsWith('ready')) return { side, flight }
  side.streams.write(ID, pattern(0, 10), 0, 10)
  if (state.startsWith('data')) side.streams.finish(ID)
  flush()
  if (state.startsWith('reset')) side.streams.reset(ID, 7)
  if (state === 'stopped') side.streams.receiveStopSending(ID, 6)
  flush()
  if (state.endsWith('received')) side.settle(flight.splice(0), true)
  side.events.take()
  return { side, flight }
}

/** What the call says, what is sent then, which events come. */
function react(state: State, input: Input): string {
  const { side, flight } = reach(state)
  const { streams } = side
  const result = outcome(() => {
    if (input === 'write') streams.write(ID, pattern(10, 5), 0, 5)
    else if (input === 'finish') streams.finish(ID)
    else if (input === 'reset') streams.reset(ID, 9)
    else if (input === 'STOP_SENDING') streams.receiveStopSending(ID, 8)
    else if (input === 'MAX_STREAM_DATA') streams.receiveMaxStreamData(ID, 1000)
    else side.settle(flight, input === 'all acked')
  })
  const sent = side.sent().map((frame) => frame.replace(` ${ID}`, ''))
  const events = side.events.take().map((event) => event.replace(` ${ID}`, ''))
  return [result, ...sent, ...events].join(', ')
}

const TABLE: Record<State, Record<Input, string>> = {
  ready: {
    write: 'ok, STREAM 0..5',
    finish: 'ok, STREAM 0..0 fin',
    reset: 'ok, RESET_STREAM 9 0',
    STOP_SENDING: 'ok, RESET_STREAM 8 0, stopped 8',
    MAX_STREAM_DATA: 'ok',
    'all acked': 'ok',
    'all lost': 'ok',
  },
  'ready, finished': {
    write: 'STREAM_FINISHED, STREAM 0..0 fin',
    finish: 'STREAM_FINISHED, STREAM 0..0 fin',
    reset: 'ok, RESET_STREAM 9 0',
    STOP_SENDING: 'ok, RESET_STREAM 8 0, stopped 8',
    MAX_STREAM_DATA: 'ok, STREAM 0..0 fin',
    'all acked': 'ok, STREAM 0..0 fin',
    'all lost': 'ok, STREAM 0..0 fin',
  },
  send: {
    // The limit is 12.
    write: 'ok, STREAM 10..12, STREAM_DATA_BLOCKED 12',
    finish: 'ok, STREAM 10..10 fin',
    reset: 'ok, RESET_STREAM 9 10',
    STOP_SENDING: 'ok, RESET_STREAM 8 10, stopped 8',
    MAX_STREAM_DATA: 'ok',
    'all acked': 'ok',
    'all lost': 'ok, STREAM 0..10',
  },
  'data-sent': {
    write: 'STREAM_FINISHED',
    finish: 'STREAM_FINISHED',
    reset: 'ok, RESET_STREAM 9 10',
    STOP_SENDING: 'ok, RESET_STREAM 8 10, stopped 8',
    MAX_STREAM_DATA: 'ok',
    'all acked': 'ok, finished',
    'all lost': 'ok, STREAM 0..10 fin',
  },
  'data-received': {
    write: 'STREAM_UNKNOWN',
    finish: 'STREAM_UNKNOWN',
    reset: 'STREAM_UNKNOWN',
    STOP_SENDING: 'ok',
    MAX_STREAM_DATA: 'ok',
    'all acked': 'ok',
    'all lost': 'ok',
  },
  'reset-sent': {
    write: 'STREAM_RESET',
    finish: 'STREAM_RESET',
    reset: 'ok',
    STOP_SENDING: 'ok',
    MAX_STREAM_DATA: 'ok',
    'all acked': 'ok',
    'all lost': 'ok, RESET_STREAM 7 10',
  },
  'reset-received': {
    write: 'STREAM_UNKNOWN',
    finish: 'STREAM_UNKNOWN',
    reset: 'STREAM_UNKNOWN',
    STOP_SENDING: 'ok',
    MAX_STREAM_DATA: 'ok',
    'all acked': 'ok',
    'all lost': 'ok',
  },
  stopped: {
    write: 'STREAM_STOPPED',
    finish: 'STREAM_STOPPED',
    reset: 'ok',
    STOP_SENDING: 'ok',
    MAX_STREAM_DATA: 'ok',
    'all acked': 'ok',
    'all lost': 'ok, RESET_STREAM 6 10',
  },
}

for (const [state, row] of Object.entries(TABLE) as [State, Record<Input, string>][]) {
  test(`RFC 9000 §3.1: every input in state "${state}"`, () => {
    const reactions = Object.keys(row).map((input) => [input, react(state, input as Input)])
    expect(Object.fromEntries(reactions)).toEqual(row)
  })
}

function openSide(overrides = {}): Side {
  const side = new Side('client', { ...DEFAULTS, ...overrides }).connect(parametersOf(DEFAULTS))
  side.streams.open(false)
  return side
}

test('RFC 9000 §3.1: the stream is forgotten when reset or data are acknowledged, and counted until then', () => {
  const side = openSide()
  side.streams.write(ID, pattern(0, 10), 0, 10)
  side.streams.finish(ID)
  const packets = side.flush()
  expect([side.streams.openCount, side.streams.bufferedBytes]).toEqual([1, 10])
  side.settle(packets, true)
  expect([side.streams.openCount, side.streams.bufferedBytes, side.pool.live]).toEqual([0, 0, 0])
})

test('RFC 9000 §19.8: a frame that fills the packet has no Length, any other has one', () => {
  const side = openSide()
  side.streams.write(ID, pattern(0, 3000), 0, 3000)
  const [first, second, third] = side.flush(1200)
  expect([first!.bytes.length, first!.bytes[0]! & 0x02]).toEqual([1200, 0])
  expect([second!.bytes.length, second!.bytes[0]! & 0x02]).toEqual([1200, 0])
  expect(third!.bytes[0]! & 0x02).toBe(0x02)
})

test('RFC 9000 §19.8: around the end of a packet, every length arrives whole', () => {
  for (const size of [80, 1200, 20_000]) {
    for (let length = size - 12; length <= size + 2; length++) {
      const side = openSide()
      const other = new Side('server').connect(parametersOf(DEFAULTS))
      side.streams.write(ID, pattern(0, length), 0, length)
      side.streams.finish(ID)
      for (const packet of side.flush(size)) other.receive(packet.bytes)
      expect(other.streams.accept(false)).toBe(ID)
      const { bytes, end } = other.readAll(ID)
      expect([bytes.length, isPattern(bytes, 0), end]).toEqual([length, true, 'fin'])
    }
  }
})

test('a lone FIN may fill the last bytes of a packet', () => {
  const side = openSide()
  side.streams.finish(ID)
  expect(side.packet(2)?.bytes).toEqual(Uint8Array.of(0x09, ID))
})

test('no scrap of data is squeezed into the last bytes of a packet', () => {
  const side = openSide()
  side.streams.write(ID, pattern(0, 100), 0, 100)
  side.streams.open(false)
  side.streams.write(6, pattern(0, 100), 0, 100)
  expect(side.sent(115)).toEqual(['STREAM 2 0..100', 'STREAM 6 0..100'])
})

test('RFC 9000 §13.3: lost data goes first, cut and joined as packets need it', () => {
  const side = openSide()
  side.streams.write(ID, pattern(0, 2000), 0, 2000)
  const packets = side.flush(500)
  side.settle(packets.slice(0, 2), false)
  side.streams.write(ID, pattern(2000, 100), 0, 100)
  expect(side.sent(1200)).toEqual(['STREAM 2 0..994', 'STREAM 2 2000..2100'])
  expect(side.streams.stats.retransmittedBytes).toBe(994)
})

test('RFC 9000 §13.3: after a reset neither acknowledged nor lost data matters', () => {
  const side = openSide()
  side.streams.write(ID, pattern(0, 3000), 0, 3000)
  side.streams.finish(ID)
  const [first, ...others] = side.flush()
  side.streams.reset(ID, 1)
  expect(side.streams.bufferedBytes).toBe(0)
  side.settle(first!, true)
  side.settle(others, false)
  expect(side.sent()).toEqual(['RESET_STREAM 2 1 3000'])
  expect(side.events.take()).toEqual([])
})

test('RFC 9000 §3.3: FIN is sent again alone when only it was lost', () => {
  const side = openSide()
  side.streams.write(ID, pattern(0, 100), 0, 100)
  const data = side.flush()
  side.streams.finish(ID)
  const fin = side.flush()
  side.settle(fin, false)
  expect(side.sent()).toEqual(['STREAM 2 100..100 fin'])
  side.settle(data, true)
  expect(side.events.take()).toEqual([])
})

test('a short write promises one event, when there is room worth having', () => {
  const side = openSide({ sendBuffer: 100_000 })
  const data = pattern(0, 200_000)
  expect(side.streams.write(ID, data, 0, data.length)).toBe(80_000)
  expect(side.streams.write(ID, data, 0, data.length)).toBe(0)
  const packets = side.flush()
  side.settle(packets.splice(0, 5), true)
  expect(side.events.take()).toEqual([])
  side.settle(packets, true)
  expect(side.events.take()).toEqual([`writable ${ID}`])
})

test('a writer is woken although others hold the whole buffer', () => {
  const side = openSide({ sendBuffer: 50_000 })
  const data = pattern(0, 60_000)
  side.streams.write(ID, data, 0, data.length)
  side.flush()
  for (let index = 0; index < 20; index++) {
    const id = side.streams.open(false)
    while (side.streams.write(id, data, 0, data.length) > 0) {}
  }
  side.events.take()
  const packets = side.flush()
  side.settle(packets, true)
  // All but the first stream, which still waits for its own acknowledgements.
  expect(side.events.take().length).toBe(20)
})

test('RFC 9000 §19.13: being blocked is said once per limit, again when lost, and not when it is over', () => {
  const side = new Side('client').connect(parametersOf({ ...DEFAULTS, streamReceiveWindow: 100 }))
  side.streams.open(false)
  side.streams.write(ID, pattern(0, 1000), 0, 1000)
  expect(side.sent()).toEqual(['STREAM 2 0..100', 'STREAM_DATA_BLOCKED 2 100'])
  side.streams.write(ID, pattern(0, 10), 0, 10)
  expect(side.sent()).toEqual([])
  side.streams.receiveMaxStreamData(ID, 150)
  const packets = side.flush()
  side.settle(packets, false)
  expect(side.sent()).toEqual(['STREAM_DATA_BLOCKED 2 150', 'STREAM 2 100..150'])
  const again = side.flush()
  side.streams.receiveMaxStreamData(ID, 2000)
  side.settle(again, false)
  expect(side.sent()).toEqual(['STREAM 2 150..1010'])
})
