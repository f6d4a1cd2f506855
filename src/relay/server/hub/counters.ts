/**
 * What a relay counts, as a plain object of numbers under the names of its metrics: those of iroh's server (spec/relay.md §4.6), and ours, which begin
 * with `tom_`. Rendering is the server's; QAD and HTTP count into the same object.
 */

/** Names that iroh's server has, too; the texts say what ours count. All of them only grow. */
const IROH_COUNTERS = {
  bytes_sent: 'Bytes of datagram contents handed to connections of their receivers',
  bytes_recv: 'Bytes of datagram contents received from clients',
  send_packets_sent: 'Datagram frames handed to connections of their receivers',
  send_packets_recv: 'Datagram frames received from clients',
  send_packets_dropped: 'Datagram frames whose receiver is not connected',
  other_packets_sent: 'Never counted; here because dashboards know it',
  other_packets_recv: 'Never counted; here because dashboards know it',
  other_packets_dropped: 'Never counted; here because dashboards know it',
  unknown_frames: 'Never counted; see tom_protocol_errors_frame_type',
  got_ping: 'Pings received from clients',
  sent_pong: 'Pongs sent to clients',
  accepts: 'Connections that were let in',
  disconnects: 'Connections that had been let in and ended',
  unique_client_keys: 'Endpoint ids that connected while they had no other connection',
  clients_inactive_added: 'Connections that became inactive because of a newer one with the same id',
  clients_inactive_removed: 'Inactive connections that became active again or ended',
  bytes_rx_ratelimited_total: 'Bytes of the reads after which a client had to wait for its rate limit',
  conns_rx_ratelimited_total: 'Connections that had to wait for their rate limit at least once',
  qad_incoming: 'QUIC address discovery: connections that came',
  qad_incoming_error: 'QUIC address discovery: handshakes that failed',
  qad_connections: 'QUIC address discovery: connections established',
  qad_connections_closed: 'QUIC address discovery: connections closed in order',
  qad_connections_errored: 'QUIC address discovery: connections lost',
  http_connections: 'HTTP connections that came',
  http_connections_closed: 'HTTP connections that ended in order or became relay connections',
  http_connections_errored: 'HTTP connections that failed',
} as const

/** What only our server counts; all of them only grow, but those in `RELAY_GAUGES`. */
const OWN_COUNTERS = {
  tom_links: 'WebSocket links now, whatever their state',
  tom_handshakes: 'Connections now that are not let in yet',
  tom_connections: 'Connections now that were let in, inactive ones with the same id included',
  tom_endpoints: 'Endpoint ids connected now',
  tom_links_refused: 'Links closed at once, because there were too many or the relay was closing',
  tom_denied: 'Connections that the access rules denied',
  tom_access_errors: 'Access decisions that failed; the connection was denied',
  tom_signature_errors: 'Connections whose signature did not hold',
  tom_handshake_timeouts: 'Connections that took too long to be let in',
  tom_handshakes_abandoned: 'Connections that ended before they were let in',
  tom_duplicates_denied: 'Connections denied because their id had too many others that are alive',
  tom_duplicates_dropped: 'Silent inactive connections dropped because their id had too many',
  tom_queue_full_frames: 'Datagram frames dropped because the queue of their receiver was full',
  tom_queue_full_messages: 'Other frames dropped because the queue of their receiver was full',
  tom_queue_lost_frames: 'Datagram frames that waited for a receiver when it left',
  tom_unforwardable_frames: 'Datagram frames dropped because they were empty or too long to be sent on',
  tom_endpoint_gone: 'EndpointGone frames for clients, sent or queued',
  tom_protocol_errors_handshake: 'Connections dropped for breaking the protocol before they were let in',
  tom_protocol_errors_frame_type: 'Connections dropped for a frame that clients do not send',
  tom_protocol_errors_frame_length: 'Connections dropped for a frame of a wrong length',
  tom_write_timeouts: 'Connections dropped because they took no bytes',
  tom_ping_timeouts: 'Connections dropped because they did not answer a ping',
  tom_pings_sent: 'Pings sent to silent clients',
  tom_turn_pauses: 'Times that a client was not read from for a turn of the event loop, so that others got theirs',
} as const

export type RelayCounters = Record<keyof typeof IROH_COUNTERS | keyof typeof OWN_COUNTERS, number>

/** One line of help for each counter, in the order of `RelayCounters`. */
export const RELAY_COUNTER_HELP: Readonly<Record<keyof RelayCounters, string>> = { ...IROH_COUNTERS, ...OWN_COUNTERS }

/** Counters that go down again. */
export const RELAY_GAUGES: readonly (keyof RelayCounters)[] = [
  'tom_links',
  'tom_handshakes',
  'tom_connections',
  'tom_endpoints',
]

/** All of them, at 0. Written out: an object that grows key by key becomes a hash table, and these are counted up for each frame. */
export function createRelayCounters(): RelayCounters {
  return {
    bytes_sent: 0,
    bytes_recv: 0,
    send_packets_sent: 0,
    send_packets_recv: 0,
    send_packets_dropped: 0,
    other_packets_sent: 0,
    other_packets_recv: 0,
    other_packets_dropped: 0,
    unknown_frames: 0,
    got_ping: 0,
    sent_pong: 0,
    accepts: 0,
    disconnects: 0,
    unique_client_keys: 0,
    clients_inactive_added: 0,
    clients_inactive_removed: 0,
    bytes_rx_ratelimited_total: 0,
    conns_rx_ratelimited_total: 0,
    qad_incoming: 0,
    qad_incoming_error: 0,
    qad_connections: 0,
    qad_connections_closed: 0,
    qad_connections_errored: 0,
    http_connections: 0,
    http_connections_closed: 0,
    http_connections_errored: 0,
    tom_links: 0,
    tom_handshakes: 0,
    tom_connections: 0,
    tom_endpoints: 0,
    tom_links_refused: 0,
    tom_denied: 0,
    tom_access_errors: 0,
    tom_signature_errors: 0,
    tom_handshake_timeouts: 0,
    tom_handshakes_abandoned: 0,
    tom_duplicates_denied: 0,
    tom_duplicates_dropped: 0,
    tom_queue_full_frames: 0,
    tom_queue_full_messages: 0,
    tom_queue_lost_frames: 0,
    tom_unforwardable_frames: 0,
    tom_endpoint_gone: 0,
    tom_protocol_errors_handshake: 0,
    tom_protocol_errors_frame_type: 0,
    tom_protocol_errors_frame_length: 0,
    tom_write_timeouts: 0,
    tom_ping_timeouts: 0,
    tom_pings_sent: 0,
    tom_turn_pauses: 0,
  }
}
