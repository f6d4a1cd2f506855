/** What the recovery tests share: an owner that remembers what became of its frames, and short ways to send and acknowledge. */
import { Level } from '../../../src/quic/level.ts'
import { createCongestion } from '../../../src/quic/recovery/congestion.ts'
import { type FrameOwner, PacketWriter, type SentFrame, SentFramePool } from '../../../src/quic/recovery/frame-owner.ts'
import { LinkRecovery } from '../../../src/quic/recovery/link-recovery.ts'
import { LossDetection, type LossEvents } from '../../../src/quic/recovery/loss-detection.ts'
import { PacketSpace } from '../../../src/quic/recovery/packet-space.ts'
import { AckFrame } from '../../../src/quic/wire/ack-frames.ts'

/** Frame ids (`a`) in the order they were settled. */
export class RecordingOwner implements FrameOwner {
  readonly ackedIds: number[] = []
  readonly lostIds: number[] = []
  write(): boolean {
    return false
  }
  acked(frame: SentFrame): void {
    this.ackedIds.push(frame.a)
  }
  lost(frame: SentFrame): void {
    this.lostIds.push(frame.a)
  }
}

export class RecordingEvents implements LossEvents {
  readonly log: string[] = []
  mtuProbeAcked(size: number): void {
    this.log.push(`probe acked ${size}`)
  }
  mtuProbeLost(size: number): void {
    this.log.push(`probe lost ${size}`)
  }
  packetLost(size: number): void {
    this.log.push(`lost ${size}`)
  }
  packetAcked(): void {}
}

/** Ranges in any order: `ackOf([0, 3], [5, 5])`. */
export function ackOf(...ranges: [number, number][]): AckFrame {
  const sorted = [...ranges].sort((left, right) => right[0] - left[0])
  const ack = new AckFrame()
  ack.reserve(sorted.length)
  ack.count = sorted.length
  for (const [index, [low, high]] of sorted.entries()) {
    ack.largest[index] = high
    ack.smallest[index] = low
  }
  return ack
}

/** The ranges of a set of numbers. */
export function ackOfSet(numbers: Iterable<number>): AckFrame {
  const ranges: [number, number][] = []
  for (const number of [...numbers].sort((left, right) => left - right)) {
    const last = ranges.at(-1)
    if (last !== undefined && number === last[1] + 1) last[1] = number
    else ranges.push([number, number])
  }
  return ackOf(...ranges)
}

export interface SendOptions {
  readonly space?: PacketSpace
  readonly size?: number
  /** Default true. */
  readonly eliciting?: boolean
  /** Counts in flight though it is not ack-eliciting, RFC 9002 §2. */
  readonly padding?: boolean
  readonly mtuProbe?: boolean
  readonly largestAckSent?: number
  readonly link?: LinkRecovery
  /** To an address that is none of the path's; not ack-eliciting then, as far as recovery goes. */
  readonly offPath?: boolean
}

export function makeLink(initialRttMs = 333, kind: 'cubic' | 'new-reno' = 'new-reno'): LinkRecovery {
  return new LinkRecovery(createCongestion(kind, 1200), initialRttMs, 1200)
}

/** Loss detection over one or three spaces, with frames whose id is the packet number. */
export class Bed {
  readonly pool = new SentFramePool()
  readonly owner = new RecordingOwner()
  readonly events = new RecordingEvents()
  readonly writer = new PacketWriter(this.pool)
  readonly detection: LossDetection
  readonly initial: PacketSpace
  readonly handshake: PacketSpace
  readonly space: PacketSpace
  link = makeLink()

  constructor(maxPtoMs = 2000) {
    const settings = { immediate: false, maxAckDelayMs: 25, elicitingThreshold: 2 }
    this.detection = new LossDetection(this.pool, this.events, { maxPtoMs })
    this.initial = new PacketSpace(Level.Initial, 0, this.pool, settings)
    this.handshake = new PacketSpace(Level.Handshake, 0, this.pool, settings)
    this.space = new PacketSpace(Level.OneRtt, 0, this.pool, settings)
    this.detection.link = this.link
    this.detection.peerMaxAckDelayMs = 25
  }

  /** The usual case: 1-RTT only, confirmed. */
  confirmed(): this {
    this.detection.setSpace(this.space)
    this.detection.handshakeConfirmed = true
    return this
  }

  send(now: number, options: SendOptions = {}): number {
    const { space = this.space, size = 1200, eliciting = true, mtuProbe = false, largestAckSent = -1 } = options
    const number = space.takePacketNumber()
    this.writer.begin(new Uint8Array(0), 0, 0, space.level, 0, false)
    if (eliciting && mtuProbe) this.writer.eliciting()
    else if (eliciting) this.writer.record(this.owner, number)
    if (options.padding === true) this.writer.inFlight = true
    const link = options.offPath === true ? undefined : (options.link ?? this.link)
    this.detection.sent(space, number, size, this.writer, link, now, mtuProbe, largestAckSent)
    return number
  }

  ack(now: number, ...ranges: [number, number][]): boolean {
    return this.detection.receivedAck(this.space, ackOf(...ranges), 0, now)
  }
}
