import { expect, test } from 'vitest'
import { DEFAULTS, outcome, type Packet, parametersOf, pattern, Side } from './pipe.ts'

/** RFC 9000 figure 3, and what the application sees of it. */
type State =
  | 'receive'
  | 'size-known'
  | 'data-received'
  | 'data-read'
  | 'reset-received'
  | 'reset-read'
  | 'stopped'
  | 'stopped and ended'
type Input =
  | 'next data'
  | 'data with FIN'
  | 'data beyond 20'
  | 'other FIN'
  | 'RESET_STREAM at 20'
  | 'RESET_STREAM at 30'
  | 'STREAM_DATA_BLOCKED'
  | 'read'
  | 'stopSending'

/** Opened by the peer: unidirectional, so only a receiving half. */
const ID = 3
/** Few streams, so that the end of each is worth a MAX_STREAMS. */
const SETTINGS = { ...DEFAULTS, maxStreamsUni: 7 }

/** The final size is 20 where it is known; 10 bytes came in order. */
function reach(state: State): Side {
  const side = new Side('client', SETTINGS).connect(parametersOf(DEFAULTS))
  side.data(ID, 0, 10)
  side.streams.accept(false)
  if (state === 'size-known') side.data(ID, 15, 5, true)
  if (state.startsWith('data')) side.data(ID, 10, 10, true)
  if (state.startsWith('reset')) side.streams.receiveReset(ID, 5, 20)
  if (state.startsWith('stopped')) side.streams.stopSending(ID, 4)
  if (state === 'stopped and ended') side.streams.receiveReset(ID, 4, 20)
  if (state.endsWith('read')) side.readAll(ID)
  side.flush()
  side.events.take()
  return side
}

function react(state: State, input: Input): string {
  const side = reach(state)
  const { streams } = side
  const said: string[] = []
  const result = outcome(() => {
    if (input === 'next data') side.data(ID, 10, 5)
    else if (input === 'data with FIN') side.data(ID, 10, 10, true)
    else if (input === 'data beyond 20') side.data(ID, 20, 5)
    else if (input === 'other FIN') side.data(ID, 10, 9, true)
    else if (input === 'RESET_STREAM at 20') streams.receiveReset(ID, 5, 20)
    else if (input === 'RESET_STREAM at 30') streams.receiveReset(ID, 5, 30)
    else if (input === 'STREAM_DATA_BLOCKED') streams.receiveStreamDataBlocked(ID, 100)
    else if (input === 'stopSending') streams.stopSending(ID, 8)
    else {
      const read = streams.read(ID, 100)
      said.push(
        typeof read === 'string' ? read : read.kind === 'data' ? `${read.bytes.length} bytes` : `reset ${read.code}`,
      )
    }
  })
  const sent = side.sent().map((frame) => frame.replace(` ${ID}`, ''))
  return [result, ...said, ...sent, ...side.events.take()].join(', ')
}

const over: Record<Input, string> = {
  'next data': 'ok',
  'data with FIN': 'ok',
  'data beyond 20': 'ok',
  'other FIN': 'ok',
  'RESET_STREAM at 20': 'ok',
  'RESET_STREAM at 30': 'ok',
  STREAM_DATA_BLOCKED: 'ok',
  read: 'STREAM_UNKNOWN',
  stopSending: 'STREAM_UNKNOWN',
}

/** FIN or RESET_STREAM said 20. */
const sizeChecks = {
  'data beyond 20': 'FINAL_SIZE_ERROR',
  'other FIN': 'FINAL_SIZE_ERROR',
  'RESET_STREAM at 30': 'FINAL_SIZE_ERROR',
}

const TABLE: Record<State, Record<Input, string>> = {
  receive: {
    'next data': 'ok',
    'data with FIN': 'ok',
    'data beyond 20': 'ok',
    'other FIN': 'ok',
    'RESET_STREAM at 20': 'ok',
    'RESET_STREAM at 30': 'ok',
    STREAM_DATA_BLOCKED: 'ok',
    read: 'ok, 10 bytes',
    stopSending: 'ok, STOP_SENDING 8',
  },
  'size-known': {
    ...sizeChecks,
    'next data': 'ok',
    'data with FIN': 'ok',
    'RESET_STREAM at 20': 'ok',
    STREAM_DATA_BLOCKED: 'ok',
    read: 'ok, 10 bytes',
    stopSending: 'ok, MAX_STREAMS_UNI 8',
  },
  'data-received': {
    ...sizeChecks,
    'next data': 'ok',
    'data with FIN': 'ok',
    'RESET_STREAM at 20': 'ok',
    STREAM_DATA_BLOCKED: 'ok',
    read: 'ok, 20 bytes',
    stopSending: 'ok, MAX_STREAMS_UNI 8',
  },
  'data-read': over,
  'reset-received': {
    ...sizeChecks,
    'next data': 'ok',
    'data with FIN': 'ok',
    'RESET_STREAM at 20': 'ok',
    STREAM_DATA_BLOCKED: 'ok',
    read: 'ok, reset 5, MAX_STREAMS_UNI 8',
    stopSending: 'ok, MAX_STREAMS_UNI 8',
  },
  'reset-read': over,
  stopped: {
    'next data': 'ok',
    'data with FIN': 'ok, MAX_STREAMS_UNI 8',
    'data beyond 20': 'ok',
    'other FIN': 'ok, MAX_STREAMS_UNI 8',
    'RESET_STREAM at 20': 'ok, MAX_STREAMS_UNI 8',
    'RESET_STREAM at 30': 'ok, MAX_STREAMS_UNI 8',
    STREAM_DATA_BLOCKED: 'ok',
    read: 'STREAM_STOPPED',
    stopSending: 'ok',
  },
  'stopped and ended': over,
}

for (const [state, row] of Object.entries(TABLE) as [State, Record<Input, string>][]) {
  test(`RFC 9000 §3.2: every input in state "${state}"`, () => {
    const reactions = Object.keys(row).map((input) => [input, react(state, input as Input)])
    expect(Object.fromEntries(reactions)).toEqual(row)
  })
}

test('RFC 9000 §3.2: "readable" comes once, and again only after "empty"', () => {
  const side = reach('receive')
  side.data(ID, 10, 5)
  expect(side.events.take()).toEqual([])
  expect(side.readAll(ID).bytes).toEqual(pattern(0, 15))
  side.data(ID, 20, 5)
  expect(side.events.take()).toEqual([])
  side.data(ID, 15, 5)
  expect(side.events.take()).toEqual([`readable ${ID}`])
  side.readAll(ID)
  side.data(ID, 25, 0, true)
  expect(side.events.take()).toEqual([`readable ${ID}`])
  expect(side.streams.read(ID, 10)).toBe('fin')
})

test('RFC 9000 §4.5: FIN below what was received is an error', () => {
  expect(outcome(() => reach('receive').data(ID, 5, 4, true))).toBe('FINAL_SIZE_ERROR')
  expect(outcome(() => reach('receive').streams.receiveReset(ID, 1, 9))).toBe('FINAL_SIZE_ERROR')
})

function smallSide(): Side {
  const settings = { ...SETTINGS, streamReceiveWindow: 800, maxReceiveWindow: 800, initialMaxData: 1200 }
  return new Side('client', settings).connect(parametersOf(DEFAULTS))
}

test('RFC 9000 §4.1: beyond a stream limit is an error, also by RESET_STREAM', () => {
  for (const last of [800, 801]) {
    const expected = last === 800 ? 'ok' : 'FLOW_CONTROL_ERROR'
    expect(outcome(() => smallSide().data(ID, last - 1, 1))).toBe(expected)
    expect(outcome(() => smallSide().streams.receiveReset(ID, 0, last))).toBe(expected)
  }
})

test('RFC 9000 §4.1: beyond the connection limit is an error, counted over all streams', () => {
  const side = smallSide()
  side.data(ID, 0, 700)
  side.data(ID, 100, 600)
  side.data(7, 0, 500)
  expect(outcome(() => side.data(11, 0, 1))).toBe('FLOW_CONTROL_ERROR')
  expect(outcome(() => side.streams.receiveReset(15, 0, 1))).toBe('FLOW_CONTROL_ERROR')
})

test('RFC 9000 §4.1: reading gives credit, and the newest limit is said again when lost', () => {
  const side = smallSide()
  side.data(ID, 0, 300)
  expect(side.sent()).toEqual([])
  side.readAll(ID)
  const first = side.flush()
  expect(first.length).toBe(1)
  side.settle(first, false)
  const again = side.flush()
  side.data(ID, 300, 400)
  side.readAll(ID)
  expect(side.sent()).toEqual(['MAX_DATA 1900', 'MAX_STREAM_DATA 3 1500'])
  side.settle(again, false)
  expect(side.sent()).toEqual([])
})

test('RFC 9000 §3.2: no credit is given to a stream whose size is known', () => {
  const side = smallSide()
  side.data(ID, 0, 700, true)
  side.readAll(ID)
  expect(side.sent()).toEqual(['MAX_DATA 1900', 'MAX_STREAMS_UNI 8'])
})

test('RFC 9000 §4.5: a reset gives the connection the credit of what was not read, once', () => {
  const side = smallSide()
  side.data(ID, 0, 500)
  side.streams.read(ID, 200)
  side.data(ID, 600, 100)
  side.streams.receiveReset(ID, 1, 800)
  side.streams.receiveReset(ID, 1, 800)
  expect(side.sent()).toContain('MAX_DATA 2000')
})

test('RFC 9000 §3.5: after stopSending nothing is kept and all credit of the connection comes back', () => {
  const side = smallSide()
  side.data(ID, 0, 500)
  side.streams.read(ID, 100)
  side.streams.stopSending(ID, 3)
  expect(side.sent()).toEqual(['MAX_DATA 1700', 'STOP_SENDING 3 3'])
  side.data(ID, 500, 200)
  expect(side.sent()).toEqual(['MAX_DATA 1900'])
  side.streams.receiveReset(ID, 3, 750)
  side.data(7, 0, 800)
  side.readAll(7)
  // 1200 + 750 + 800.
  expect(side.sent()).toContain('MAX_DATA 2750')
})

test('RFC 9000 §13.3: STOP_SENDING is said again until the peer ended the stream', () => {
  const side = smallSide()
  side.data(ID, 0, 5)
  side.streams.stopSending(ID, 3)
  const packets: Packet[] = side.flush()
  side.settle(packets, false)
  const again = side.flush()
  expect(again.length).toBe(1)
  side.streams.receiveReset(ID, 3, 5)
  side.settle(again, false)
  expect(side.sent()).toEqual(['MAX_STREAMS_UNI 8'])
})
