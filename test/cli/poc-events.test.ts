import { expect, test } from 'vitest'
import { PingLog } from '../../src/cli/ping-log.ts'
import { formatFloat, formatPocEvent, pocTimestamp } from '../../src/cli/poc-events.ts'

test('spec/envelope.md §8.3: the lines of the specification, byte by byte', () => {
  const lines = [
    formatPocEvent('started', { name: 'A', id: '8a88…6f5c', mode: 'connect', timestamp: '1770000000s' }),
    formatPocEvent('path_change', {
      selected: 'RELAY',
      rtt_ms: 150.5,
      paths: ['relay:Relay(RelayUrl("https://relay.example./"))*'],
      elapsed_s: 0.3,
    }),
    formatPocEvent('ping', { seq: 1, rtt_ms: 120.25, via: 'RELAY', elapsed_s: 0.42 }),
    formatPocEvent('summary', {
      name: 'A',
      total_pings: 20,
      successful_pings: 20,
      failed_pings: 0,
      direct_pings: 19,
      relay_pings: 1,
      direct_pct: 95,
      avg_rtt_direct_ms: 32,
      avg_rtt_relay_ms: 120.25,
      hole_punch_success: true,
      time_to_direct_s: 2.5,
      reconnections: 0,
      total_disconnected_s: 0,
      elapsed_s: 41,
    }),
  ]
  expect(lines).toEqual([
    '{"event":"started","name":"A","id":"8a88…6f5c","mode":"connect","timestamp":"1770000000s"}',
    '{"event":"path_change","selected":"RELAY","rtt_ms":150.5,"paths":["relay:Relay(RelayUrl(\\"https://relay.example./\\"))*"],"elapsed_s":0.3}',
    '{"event":"ping","seq":1,"rtt_ms":120.25,"via":"RELAY","elapsed_s":0.42}',
    '{"event":"summary","name":"A","total_pings":20,"successful_pings":20,"failed_pings":0,"direct_pings":19,"relay_pings":1,"direct_pct":95.0,"avg_rtt_direct_ms":32.0,"avg_rtt_relay_ms":120.25,"hole_punch_success":true,"time_to_direct_s":2.5,"reconnections":0,"total_disconnected_s":0.0,"elapsed_s":41.0}',
  ])
})

test('CLI-3: hole_punch is the old line with one field more at its end', () => {
  const line = formatPocEvent('hole_punch', {
    success: true,
    time_to_direct_s: 2.5,
    relay_rtt_ms: 120.25,
    direct_rtt_ms: 31,
    direct_path_at_s: 1.125,
  })
  expect(line).toBe(
    '{"event":"hole_punch","success":true,"time_to_direct_s":2.5,"relay_rtt_ms":120.25,"direct_rtt_ms":31.0,"direct_path_at_s":1.125}',
  )
})

test('spec/envelope.md §8.3: the events of a lost connection', () => {
  const timestamp = pocTimestamp(1_770_836_929_999)
  expect(formatPocEvent('disconnected', { reason: 'gone', session_pings: 3, elapsed_s: 9, timestamp })).toBe(
    '{"event":"disconnected","reason":"gone","session_pings":3,"elapsed_s":9.0,"timestamp":"1770836929s"}',
  )
  expect(formatPocEvent('reconnecting', { attempt: 2, elapsed_s: 9.5, timestamp })).toBe(
    '{"event":"reconnecting","attempt":2,"elapsed_s":9.5,"timestamp":"1770836929s"}',
  )
  expect(formatPocEvent('reconnected', { attempt: 1, reconnect_time_ms: 1000, elapsed_s: 10, timestamp })).toBe(
    '{"event":"reconnected","attempt":1,"reconnect_time_ms":1000.0,"elapsed_s":10.0,"timestamp":"1770836929s"}',
  )
})

test('CLI-1: floats have a point, three decimals at most, and no exponent', () => {
  expect([0, 95, 1.23456, 0.0000001, 123456789, 0.5].map(formatFloat)).toEqual([
    '0.0',
    '95.0',
    '1.235',
    '0.0',
    '123456789.0',
    '0.5',
  ])
})

test('the summary counts UNKNOWN pings in the denominator only, and hole_punch is printed once', () => {
  const log = new PingLog()
  log.total = 5
  expect(log.answered(10, 'UNKNOWN', 0.1, undefined)).toBeUndefined()
  expect(log.answered(100, 'RELAY', 0.2, undefined)).toBeUndefined()
  expect(log.answered(200, 'RELAY', 0.3, undefined)).toBeUndefined()
  expect(log.missedHolePunch).toMatchObject({ success: false })
  expect(log.answered(20, 'DIRECT', 1.35, 0.37)).toEqual({
    success: true,
    time_to_direct_s: 1.35,
    relay_rtt_ms: 100,
    direct_rtt_ms: 20,
    direct_path_at_s: 0.37,
  })
  log.failed = 1
  expect(log.missedHolePunch).toBeUndefined()
  expect(log.summary('N', 2)).toMatchObject({
    total_pings: 5,
    successful_pings: 4,
    failed_pings: 1,
    direct_pings: 1,
    relay_pings: 2,
    direct_pct: 25,
    avg_rtt_direct_ms: 20,
    avg_rtt_relay_ms: 150,
    hole_punch_success: true,
    time_to_direct_s: 1.35,
  })
})

test('a run without any answer has zeros, not NaN', () => {
  expect(new PingLog().summary('N', 1)).toMatchObject({ direct_pct: 0, avg_rtt_direct_ms: 0, avg_rtt_relay_ms: 0 })
})
