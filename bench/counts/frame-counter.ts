/** Counts packets that carry nothing but acknowledgements, and the acknowledgements themselves, as a connection's trace. */
import { describeFrames, type Level, type TraceSink } from '../../src/quic/index.ts'

const ACKS = new Set(['ack', 'path_ack'])

export class FrameCounter implements TraceSink {
  packets = 0
  ackFrames = 0
  /** Packets of ACK and PADDING only. */
  ackOnlyPackets = 0

  packetSent(
    _now: number,
    _level: Level,
    _pathId: number,
    _packetNumber: number,
    _size: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    this.packets++
    const types = describeFrames(bytes, start, end).map((frame) => String(frame.frame_type))
    const acks = types.filter((type) => ACKS.has(type)).length
    this.ackFrames += acks
    if (acks > 0 && types.every((type) => ACKS.has(type) || type === 'padding')) this.ackOnlyPackets++
  }

  packetReceived(): void {}
  packetDropped(): void {}
  metrics(): void {}
  event(): void {}
}
