import { describe, expect, test } from 'vitest'
import { describeFrames, Level, QlogTrace } from '../../src/quic/index.ts'
import { Pair, pattern } from './connection/pair.ts'

interface QlogRecord {
  time: number
  name: string
  data: {
    header: { packet_type: string; packet_number: number }
    raw: { length: number; payload_length: number }
    frames: Record<string, unknown>[]
    [field: string]: unknown
  }
}

/** A pair whose ends both write qlog, and what they wrote. */
function traced(run: (pair: Pair) => void) {
  const files = { client: [] as string[], server: [] as string[] }
  const ids: string[] = []
  const pair = new Pair({
    trace: (role, originalDestinationId) => {
      ids.push(originalDestinationId)
      return new QlogTrace({
        role,
        originalDestinationId,
        write: (record) => files[role].push(record),
        referenceTimeMs: 5,
      })
    },
  }).connect()
  run(pair)
  pair.client.connection!.close(3, 'bye', pair.now)
  pair.run(3_000)
  const parse = (lines: string[]) => {
    for (const line of lines) {
      expect(line.startsWith('\x1e')).toBe(true)
      expect(line.endsWith('\n')).toBe(true)
      expect(line.indexOf('\n')).toBe(line.length - 1)
    }
    const [header, ...events] = lines.map((line) => JSON.parse(line.slice(1)))
    return { header, events: events as QlogRecord[] }
  }
  return { client: parse(files.client), server: parse(files.server), ids }
}

describe('qlog 0.3', () => {
  const { client, server, ids } = traced((pair) => {
    expect(pair.carries(50_000)).toBe(true)
    pair.client.connection!.datagrams.send(pattern(20))
    pair.run(100)
  })

  test('the header names format, version, vantage point and the shared id', () => {
    for (const [file, type] of [
      [client, 'client'],
      [server, 'server'],
    ] as const)
      expect(file.header).toMatchObject({
        qlog_format: 'JSON-SEQ',
        qlog_version: '0.3',
        trace: {
          vantage_point: { type },
          common_fields: { ODCID: ids[0], time_format: 'relative', reference_time: 5 },
        },
      })
    expect(ids[1]).toBe(ids[0])
  })

  test('time begins at zero and never runs back', () => {
    for (const { events } of [client, server]) {
      expect(events[0]!.time).toBe(0)
      for (let index = 1; index < events.length; index++)
        expect(events[index]!.time).toBeGreaterThanOrEqual(events[index - 1]!.time)
    }
  })

  test('every packet that one side received is the one the other side sent, frame by frame', () => {
    const key = ({ data }: QlogRecord) => `${data.header.packet_type} ${data.header.packet_number}`
    for (const [from, to] of [
      [client, server],
      [server, client],
    ]) {
      const sent = new Map(from!.events.filter(({ name }) => name === 'transport:packet_sent').map((e) => [key(e), e]))
      const received = to!.events.filter(({ name }) => name === 'transport:packet_received')
      expect(received.length).toBeGreaterThan(5)
      for (const event of received) expect(event.data).toEqual(sent.get(key(event))!.data)
    }
  })

  test('the events and frames are those that qvis knows', () => {
    const names = new Set([...client.events, ...server.events].map(({ name }) => name))
    for (const name of [
      'connectivity:connection_started',
      'connectivity:connection_state_updated',
      'connectivity:connection_closed',
      'transport:packet_sent',
      'transport:packet_received',
      'recovery:metrics_updated',
    ])
      expect(names).toContain(name)
    const frames = client.events.flatMap(({ data }) => data.frames ?? [])
    const types = new Set(frames.map(({ frame_type }) => frame_type))
    for (const type of ['crypto', 'padding', 'ack', 'stream', 'new_connection_id', 'handshake_done', 'datagram'])
      expect(types).toContain(type)
    expect(types).not.toContain('unknown')
    expect(frames).toContainEqual({
      frame_type: 'connection_close',
      error_space: 'application',
      error_code: 3,
      reason: 'bye',
    })
    const kinds = new Set(
      client.events.map(({ data }) => data.header?.packet_type).filter((kind) => kind !== undefined),
    )
    expect([...kinds].sort()).toEqual(['1RTT', 'handshake', 'initial'])
    const metrics = client.events.find(({ name }) => name === 'recovery:metrics_updated')!.data
    expect(metrics).toMatchObject({ smoothed_rtt: 20, latest_rtt: 20, pto_count: 0 })
  })

  test('a packet that does not open is told as dropped', () => {
    const { server } = traced((pair) => {
      const bytes = pair.log.at(-1)!.bytes.slice()
      const last = pair.sentBy('client').at(-1)!.bytes.slice()
      last[last.length - 1] = last[last.length - 1]! ^ 1
      expect(bytes.length).toBeGreaterThan(0)
      pair.deliver('server', last, 100)
    })
    expect(server.events.find(({ name }) => name === 'transport:packet_dropped')!.data).toMatchObject({
      trigger: 'decryption_failure',
    })
  })
})

describe('frames', () => {
  const describeAll = (...bytes: number[]) => describeFrames(Uint8Array.from(bytes), 0, bytes.length)

  test('each kind has its name and fields', () => {
    expect(describeAll(0, 0, 0, 1, 0)).toEqual([
      { frame_type: 'padding', length: 3 },
      { frame_type: 'ping' },
      { frame_type: 'padding', length: 1 },
    ])
    expect(describeAll(2, 9, 5, 1, 1, 2, 3)).toEqual([
      {
        frame_type: 'ack',
        ack_delay: 0.04,
        acked_ranges: [
          [8, 9],
          [1, 4],
        ],
      },
    ])
    expect(describeAll(4, 3, 7, 9, 5, 2, 1)).toEqual([
      { frame_type: 'reset_stream', stream_id: 3, error_code: 7, final_size: 9 },
      { frame_type: 'stop_sending', stream_id: 2, error_code: 1 },
    ])
    expect(describeAll(0x10, 5, 0x11, 4, 6, 0x12, 7, 0x13, 8, 0x14, 9, 0x15, 4, 1, 0x16, 2, 0x17, 3)).toEqual([
      { frame_type: 'max_data', maximum: 5 },
      { frame_type: 'max_stream_data', stream_id: 4, maximum: 6 },
      { frame_type: 'max_streams', stream_type: 'bidirectional', maximum: 7 },
      { frame_type: 'max_streams', stream_type: 'unidirectional', maximum: 8 },
      { frame_type: 'data_blocked', limit: 9 },
      { frame_type: 'stream_data_blocked', stream_id: 4, limit: 1 },
      { frame_type: 'streams_blocked', stream_type: 'bidirectional', limit: 2 },
      { frame_type: 'streams_blocked', stream_type: 'unidirectional', limit: 3 },
    ])
    expect(describeAll(7, 2, 1, 1, 0x19, 4, 0x1f, 0x1e, 0x1b, 1, 2, 3, 4, 5, 6, 7, 8)).toEqual([
      { frame_type: 'new_token', token: { length: 2 } },
      { frame_type: 'retire_connection_id', sequence_number: 4 },
      { frame_type: 'immediate_ack' },
      { frame_type: 'handshake_done' },
      { frame_type: 'path_response', data: '0102030405060708' },
    ])
    expect(describeAll(0x1c, 7, 6, 2, 0x68, 0x69)).toEqual([
      { frame_type: 'connection_close', error_space: 'transport', error_code: 7, trigger_frame_type: 6, reason: 'hi' },
    ])
  })

  test('what cannot be read ends the list, and nothing throws', () => {
    expect(describeAll(1, 0x10)).toEqual([{ frame_type: 'ping' }, { frame_type: 'unknown', raw: { length: 0 } }])
    expect(describeAll(0x21, 9, 9)).toEqual([{ frame_type: 'unknown', frame_type_value: 0x21, raw: { length: 2 } }])
    expect(describeFrames(new Uint8Array(0), 0, 0)).toEqual([])
  })

  test('a trace without events is a header', () => {
    const lines: string[] = []
    const trace = new QlogTrace({
      role: 'client',
      originalDestinationId: 'ab',
      write: (line) => lines.push(line),
      title: 'mine',
    })
    expect(JSON.parse(lines[0]!.slice(1)).title).toBe('mine')
    trace.packetSent(7, Level.Initial, 3, 1, 30, Uint8Array.of(1), 0, 1)
    expect(JSON.parse(lines[1]!.slice(1))).toMatchObject({ time: 0, data: { header: { path_id: 3 } } })
  })
})
