/**
 * One packet number space: the numbers we give out, what we sent, what we received, and when to acknowledge it. Keys and packets are not
 * its business. RFC 9000 §12.3, §21.4; RFC 9002 appendix A.3 (the variables kept per space).
 */
import type { Level } from '../level.ts'
import { AckPolicy, type AckSettings } from './ack-policy.ts'
import type { SentFramePool } from './frame-owner.ts'
import { LostPackets } from './lost-packets.ts'
import { ReceivedPackets } from './received-packets.ts'
import { SentPackets, SentState } from './sent-packets.ts'

/**
 * Records of packets that do not count in flight, behind one that does: a peer that acknowledges nothing gets no more acknowledgements and
 * answers then. An honest one has a round trip for them, in which it may send twice as many packets. About 100 bytes each.
 */
const MAX_UNSETTLED = 8192

export class PacketSpace {
  readonly level: Level
  readonly pathId: number
  nextPacketNumber: number
  /** Highest number of ours that the peer acknowledged, -1 before the first. */
  largestAcked: number
  /** The same of those that went over the path itself, and not to an address that was probed: what losses are measured by. */
  largestHere: number
  readonly received: ReceivedPackets
  readonly ackPolicy: AckPolicy
  readonly sent: SentPackets
  readonly lost: LostPackets
  /** The last number left out on purpose, -1 before the first: remembered for longer than the ring does. */
  lastSkipped: number
  /** The number to leave out next; -1 until that is drawn. */
  skipAt: number
  /** Packets to send now without asking congestion control (RFC 9002 §6.2.4): set by a probe timeout, counted down by the writer. */
  probes: number
  /** When the next packet is deemed lost by time, ms; Infinity when none is in question. */
  lossTime: number
  /** When the last ack-eliciting packet went out, ms. */
  lastElicitingAt: number
  /** When the last probe timeout of this space fired, ms. */
  lastPtoAt: number
  /** Packets sent since the last ack-eliciting one: who only acknowledges adds a PING now and then (RFC 9000 §13.2.4). */
  nonElicitingRun: number
  discarded: boolean
  readonly #pool: SentFramePool

  constructor(level: Level, pathId: number, pool: SentFramePool, ackSettings: AckSettings) {
    this.level = level
    this.pathId = pathId
    this.nextPacketNumber = 0
    this.largestAcked = -1
    this.largestHere = -1
    this.received = new ReceivedPackets()
    this.ackPolicy = new AckPolicy(ackSettings, this.received)
    this.sent = new SentPackets()
    this.lost = new LostPackets()
    this.lastSkipped = -1
    this.skipAt = -1
    this.probes = 0
    this.lossTime = Number.POSITIVE_INFINITY
    this.lastElicitingAt = Number.NEGATIVE_INFINITY
    this.lastPtoAt = Number.NEGATIVE_INFINITY
    this.nonElicitingRun = 0
    this.discarded = false
    this.#pool = pool
  }

  /** The peer acknowledges nothing that we send: until it does, only what counts in flight may be sent. */
  get isClogged(): boolean {
    const { first, end, eliciting } = this.sent
    return end - first - eliciting >= MAX_UNSETTLED
  }

  /** An acknowledgement must go now, and may. */
  isAckDue(now: number): boolean {
    return this.ackPolicy.isDue(now) && !this.isClogged
  }

  /** When it must, ms: in the past when it is due already, Infinity when none is wanted or may go. */
  get ackDeadline(): number {
    return this.isClogged ? Number.POSITIVE_INFINITY : this.ackPolicy.deadline()
  }

  /** The number for the packet that is sent next. */
  takePacketNumber(): number {
    return this.nextPacketNumber++
  }

  /** Leaves one number out (RFC 9000 §21.4): who acknowledges it has not received what it says. The caller draws when. */
  skipPacketNumber(): void {
    this.lastSkipped = this.nextPacketNumber++
  }

  /**
   * Takes everything out of flight without a word to congestion control. `resend`: the frames become pending again (Retry, an abandoned
   * path); else they are dropped (keys discarded, connection over).
   */
  forget(resend: boolean): void {
    const sent = this.sent
    for (let number = sent.first; number < sent.end; number++) {
      const packet = sent.at(number)
      const frames = packet.frames
      // Acked here: the acknowledgement that covers it is still being processed, or broke off.
      const counts = packet.state === SentState.Outstanding || packet.state === SentState.Acked
      if (counts && packet.inFlight) packet.link!.bytesInFlight -= packet.size
      sent.release(packet, SentState.Free)
      if (resend) this.#pool.settle(frames, false)
      else this.#pool.drop(frames)
    }
    sent.advance()
    sent.eliciting = 0
    this.lost.clear()
    this.lossTime = Number.POSITIVE_INFINITY
    this.probes = 0
  }
}
