/** A trace that keeps the frames that have to do with paths, as qlog describes them, with the path they travelled on. */
import { describeFrames, type TraceSink } from '../../src/quic/index.ts'

export interface LoggedFrame {
  /** Path of the packet; most frames name the path they are about as `path_id`. */
  readonly on: number
  readonly frame_type: string
  readonly [field: string]: unknown
}

/** Too many of them, and of no interest here. */
const IGNORED = new Set(['padding', 'stream', 'crypto', 'datagram', 'max_stream_data', 'max_data', 'max_streams'])

export class FrameLog implements TraceSink {
  readonly sent: LoggedFrame[] = []
  readonly received: LoggedFrame[] = []

  packetSent(...[, , path, , , bytes, start, end]: Parameters<TraceSink['packetSent']>): void {
    keep(this.sent, path, bytes, start, end)
  }

  packetReceived(...[, , path, , , bytes, start, end]: Parameters<TraceSink['packetReceived']>): void {
    keep(this.received, path, bytes, start, end)
  }

  packetDropped(): void {}
  metrics(): void {}
  event(): void {}
}

function keep(list: LoggedFrame[], on: number, bytes: Uint8Array, start: number, end: number): void {
  for (const frame of describeFrames(bytes, start, end))
    if (!IGNORED.has(String(frame.frame_type))) list.push({ ...frame, on } as unknown as LoggedFrame)
}

/** Those of one type, and of one path where one is given. */
export function ofType(frames: readonly LoggedFrame[], type: string, path?: number): LoggedFrame[] {
  return frames.filter(({ frame_type, path_id }) => frame_type === type && (path === undefined || path_id === path))
}

/** The codes of PATH_ABANDON for a path; the frame may come again where its acknowledgement was late. */
export function abandonCodes(frames: readonly LoggedFrame[], path: number): unknown[] {
  return [...new Set(ofType(frames, 'path_abandon', path).map((frame) => frame.error_code))]
}

/** How many connection ids were issued for a path. */
export function issuedFor(frames: readonly LoggedFrame[], path: number): number {
  return new Set(ofType(frames, 'path_new_connection_id', path).map((frame) => frame.sequence_number)).size
}
