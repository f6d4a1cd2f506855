/** Keeps the frames that connections send, for stories about who says what on which path. */
import { describeFrames, type TraceSink } from '../../../../src/quic/index.ts'

export interface SentFrames {
  readonly site: string
  readonly at: number
  readonly pathId: number
  /** As qlog has them. */
  readonly frames: readonly Record<string, unknown>[]
}

export class Tap {
  readonly sent: SentFrames[] = []
  /** Packets that could not be opened, by site. */
  readonly undecryptable: string[] = []

  readonly trace = (site: string): TraceSink => ({
    packetSent: (at, _level, pathId, _packetNumber, _size, bytes, start, end) =>
      this.sent.push({ site, at, pathId, frames: describeFrames(bytes, start, end) }),
    packetReceived() {},
    packetDropped: (_at, _size, reason) => {
      if (reason === 'decryption_failure') this.undecryptable.push(site)
    },
    metrics() {},
    event() {},
  })

  /** Frames of one type that `site` sent from `since` on, ms, with the path they went over. */
  frames(site: string, type: string, since = 0): (Record<string, unknown> & { over: number })[] {
    return this.sent.flatMap((packet) =>
      packet.site === site && packet.at >= since
        ? packet.frames.flatMap((frame) => (frame.frame_type === type ? [{ ...frame, over: packet.pathId }] : []))
        : [],
    )
  }
}
