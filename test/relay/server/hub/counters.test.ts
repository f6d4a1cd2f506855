import { expect, test } from 'vitest'
import { createRelayCounters, RELAY_COUNTER_HELP, RELAY_GAUGES } from '../../../../src/relay/server/hub/index.ts'

const OF_IROH = [
  ...['bytes_sent', 'bytes_recv', 'send_packets_sent', 'send_packets_recv', 'send_packets_dropped', 'got_ping'],
  ...[
    'sent_pong',
    'accepts',
    'disconnects',
    'unique_client_keys',
    'clients_inactive_added',
    'clients_inactive_removed',
  ],
  ...['bytes_rx_ratelimited_total', 'conns_rx_ratelimited_total', 'qad_incoming', 'qad_incoming_error'],
  ...['qad_connections', 'qad_connections_closed', 'qad_connections_errored', 'http_connections'],
  ...['http_connections_closed', 'http_connections_errored', 'other_packets_sent', 'other_packets_recv'],
  ...['other_packets_dropped', 'unknown_frames'],
]

test('spec/relay.md §4.6: all of iroh’s counters, ours under a prefix, a line of help for each, all at 0', () => {
  const counters = createRelayCounters()
  const names = Object.keys(counters)
  expect(names.filter((name) => !name.startsWith('tom_')).sort()).toEqual([...OF_IROH].sort())
  expect(Object.keys(RELAY_COUNTER_HELP)).toEqual(names)
  expect(new Set(Object.values(counters))).toEqual(new Set([0]))
  expect(RELAY_GAUGES.every((name) => name.startsWith('tom_') && names.includes(name))).toBe(true)
})
