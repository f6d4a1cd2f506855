import { expect, test } from 'vitest'
import { createRelayCounters } from '../../../src/relay/server/hub/index.ts'
import { metricsAnswer, metricsText } from '../../../src/relay/server/metrics.ts'

/** All that iroh's server exports, spec/relay.md §4.6. */
const IROH_NAMES = [
  'bytes_sent_total',
  'bytes_recv_total',
  'send_packets_sent_total',
  'send_packets_recv_total',
  'send_packets_dropped_total',
  'other_packets_sent_total',
  'other_packets_recv_total',
  'other_packets_dropped_total',
  'unknown_frames_total',
  'got_ping_total',
  'sent_pong_total',
  'accepts_total',
  'disconnects_total',
  'unique_client_keys_total',
  'clients_inactive_added_total',
  'clients_inactive_removed_total',
  'bytes_rx_ratelimited_total',
  'conns_rx_ratelimited_total',
  'qad_incoming_total',
  'qad_incoming_error_total',
  'qad_connections_total',
  'qad_connections_closed_total',
  'qad_connections_errored_total',
  'http_connections_total',
  'http_connections_closed_total',
  'http_connections_errored_total',
]

test("spec/relay.md §4.6: the names of iroh's server, each once and as a counter, and the end mark", () => {
  const counters = createRelayCounters()
  counters.bytes_sent = 9_007_199_254_740_991
  counters.bytes_rx_ratelimited_total = 7
  const lines = metricsText(counters, []).split('\n')
  expect(lines.slice(-2)).toEqual(['# EOF', ''])
  const samples = lines.filter((line) => line.startsWith('relayserver_')).map((line) => line.split(' '))
  expect(samples.map(([name]) => name).sort()).toEqual(IROH_NAMES.map((name) => `relayserver_${name}`).sort())
  expect(samples).toContainEqual(['relayserver_bytes_sent_total', '9007199254740991'])
  expect(samples).toContainEqual(['relayserver_bytes_rx_ratelimited_total', '7'])
  expect(lines).toContain('# TYPE relayserver_bytes_rx_ratelimited counter')
  expect(lines).toContain('# TYPE relayserver_accepts counter')
})

test('OpenMetrics 1.0.0: every sample follows the help and the type of its family', () => {
  const text = metricsText(createRelayCounters(), [
    { name: 'tom_relay_x', type: 'gauge', help: 'Something', value: 1.5 },
    { name: 'tom_relay_y', type: 'counter', help: 'Else', value: 2 },
  ])
  const lines = text.split('\n').slice(0, -2)
  const families = new Set<string>()
  for (let index = 0; index < lines.length; index += 3) {
    const [, family, help] = /^# HELP (\w+) (.+)$/.exec(lines[index]!)!
    const [, again, type] = /^# TYPE (\w+) (counter|gauge)$/.exec(lines[index + 1]!)!
    const [, sample] = /^(\w+) [\d.]+$/.exec(lines[index + 2]!)!
    expect([again, sample]).toEqual([family, type === 'counter' ? `${family}_total` : family])
    expect(help).not.toContain('\\')
    families.add(family!)
  }
  expect(families.size).toBe(lines.length / 3)
  // Ours have a prefix of their own, and those that go down again are gauges.
  expect(text).toContain('\n# TYPE tom_relay_links gauge\ntom_relay_links 0\n')
  expect(text).toContain('\n# TYPE tom_relay_denied counter\ntom_relay_denied_total 0\n')
  expect(
    text.endsWith(
      'tom_relay_x 1.5\n# HELP tom_relay_y Else.\n# TYPE tom_relay_y counter\ntom_relay_y_total 2\n# EOF\n',
    ),
  ).toBe(true)
})

test('spec/relay.md §4.6: the type of the answer', () => {
  const ask = (method: string, headers = {}) => metricsAnswer(method, headers, () => '# EOF\n')
  expect(ask('GET')).toEqual({
    status: 200,
    headers: { 'Content-Type': 'text/plain; charset=utf-8' },
    body: '# EOF\n',
  })
  const accept = 'application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1'
  expect(ask('GET', { accept }).headers).toEqual({
    'Content-Type': 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  })
  expect(ask('POST')).toMatchObject({ status: 405, headers: { Allow: 'GET, HEAD' } })
})
