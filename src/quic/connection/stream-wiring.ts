/** What the streams and datagrams of a connection begin with: their share of the settings, and the events that their calls become. */
import type { QuicSettings } from '../config.ts'
import type { EventQueue } from '../events.ts'
import type { StreamEvents } from '../streams/streams.ts'

export function streamSettings(settings: QuicSettings) {
  return {
    initialMaxData: settings.connectionReceiveWindow,
    streamReceiveWindow: settings.streamReceiveWindow,
    maxReceiveWindow: settings.maxStreamReceiveWindow,
    maxStreamsBidi: settings.maxStreamsBidi,
    maxStreamsUni: settings.maxStreamsUni,
    sendBuffer: settings.sendBuffer,
    datagramReceiveBuffer: settings.maxDatagramFrameSize === 0 ? 0 : settings.datagramReceiveBuffer,
    datagramSendBuffer: settings.datagramSendBuffer,
  }
}

export function streamEvents(events: EventQueue): StreamEvents {
  return {
    readable: (id) => events.push({ type: 'stream-readable', id }),
    writable: (id) => events.push({ type: 'stream-writable', id }),
    incoming: (bidirectional) => events.push({ type: 'stream-incoming', bidirectional }),
    available: (bidirectional) => events.push({ type: 'stream-available', bidirectional }),
    stopped: (id, code) => events.push({ type: 'stream-stopped', id, code }),
    finished: (id) => events.push({ type: 'stream-finished', id }),
    datagram: () => events.push({ type: 'datagram' }),
    datagramWritable: () => events.push({ type: 'datagram-writable' }),
  }
}
