/**
 * Decides which sent packets arrived, which are lost, and when the peer must be probed, over the packet number spaces of one path. Settles
 * the frames of the packets, charges links, and never sends anything itself. RFC 9002 §6, §7.6, appendix A; RFC 9000 §13.1.
 */
import { ErrorCode, TransportError } from '../errors.ts'
import { Level } from '../level.ts'
import type { AckFrame } from '../wire/ack-frames.ts'
import { FrameType } from '../wire/frame-types.ts'
import type { PacketWriter, SentFramePool } from './frame-owner.ts'
import type { LinkRecovery } from './link-recovery.ts'
import type { PacketSpace } from './packet-space.ts'
import { GRANULARITY_MS } from './rtt.ts'
import { SentState } from './sent-packets.ts'

/** RFC 9002 §6.1.1: packets sent after this many others that were acknowledged are lost. */
const PACKET_THRESHOLD = 3
/** RFC 9002 §6.1.2, in round trips. */
const TIME_THRESHOLD = 9 / 8
/** RFC 9002 §7.6.1, in probe timeouts. */
const PERSISTENT_THRESHOLD = 3
/** RFC 9002 §6.2.4: up to two datagrams a timeout. */
const PROBES = 2
/** Probe timeouts after which a late acknowledgement is no longer looked for. */
const LATE_ACK_PTOS = 3

/** What became of single packets, and the link they went over. */
export interface LossEvents {
  mtuProbeAcked(size: number, link: LinkRecovery): void
  mtuProbeLost(size: number, link: LinkRecovery): void
  /** A packet that counts in flight and was no MTU probe was lost. */
  packetLost(size: number, link: LinkRecovery): void
  /** A packet that counts in flight arrived. */
  packetAcked(size: number, link: LinkRecovery): void
}

export interface LossSettings {
  /** Longest time between probes, ms, unless a single probe timeout is longer (spec/quic.md §6.1). Default 2000. */
  readonly maxPtoMs: number
}

export interface LossStats {
  lostPackets: number
  lostBytes: number
  spuriousLosses: number
  ptos: number
}

function neverSent(packetNumber: number): TransportError {
  return new TransportError(
    ErrorCode.PROTOCOL_VIOLATION,
    FrameType.ACK,
    `ACK of packet ${packetNumber}: packet was never sent`,
  )
}

export class LossDetection {
  /** The link new packets go to. Set before anything is sent. */
  link!: LinkRecovery
  /** The peer's max_ack_delay, ms. */
  peerMaxAckDelayMs: number
  handshakeConfirmed: boolean
  /** A server that may not send for want of received bytes arms no timer (RFC 9002 §6.2.2.1). */
  atAmplificationLimit: boolean
  /** Probe timeouts in a row without an acknowledgement. */
  ptoCount: number
  /** When the newest of the packets that were acknowledged so far was sent, ms; -Infinity before the first. */
  answeredSentAt: number
  readonly stats: LossStats
  readonly #pool: SentFramePool
  readonly #events: LossEvents
  readonly #settings: LossSettings
  /** Initial, Handshake, OneRtt. */
  readonly #spaces: (PacketSpace | undefined)[]
  #peerValidated: boolean
  #isClient: boolean
  /** When something was last sent, acknowledged or probed, ms: base of a client's timer with nothing in flight. */
  #touchedAt: number
  #ptoSpace: PacketSpace | undefined

  constructor(pool: SentFramePool, events: LossEvents, settings: LossSettings) {
    this.peerMaxAckDelayMs = 25
    this.handshakeConfirmed = false
    this.atAmplificationLimit = false
    this.ptoCount = 0
    this.answeredSentAt = Number.NEGATIVE_INFINITY
    this.stats = { lostPackets: 0, lostBytes: 0, spuriousLosses: 0, ptos: 0 }
    this.#pool = pool
    this.#events = events
    this.#settings = settings
    this.#spaces = [undefined, undefined, undefined]
    this.#peerValidated = true
    this.#isClient = false
    this.#touchedAt = Number.POSITIVE_INFINITY
    this.#ptoSpace = undefined
  }

  /** May be called before the space has keys. */
  setSpace(space: PacketSpace): void {
    this.#spaces[indexOf(space)] = space
  }

  /** The keys of the space are gone (RFC 9001 §4.9): its packets leave the flight and their frames are dropped. */
  discard(space: PacketSpace): void {
    space.forget(false)
    space.discarded = true
    if (this.#spaces[indexOf(space)] === space) this.#spaces[indexOf(space)] = undefined
    // RFC 9002 §6.2.2: a new start for the timer.
    this.ptoCount = 0
  }

  /** Makes the frames of everything in flight pending again, with no word to congestion control: after Retry, or when the path is abandoned. */
  requeue(space: PacketSpace): void {
    space.forget(true)
    this.ptoCount = 0
  }

  /** The way seems dead and there is another: the frames of everything in flight are pending again, but the packets may still be acknowledged. */
  resendElsewhere(space: PacketSpace): void {
    this.#requeueOldest(space, Number.POSITIVE_INFINITY)
  }

  /** A client passes false until the server has shown that it validated us (RFC 9002 §6.2.2.1). True from the start for servers. */
  setPeerValidated(done: boolean): void {
    if (!done) this.#isClient = true
    this.#peerValidated = done
  }

  /**
   * A packet of `size` UDP payload bytes went out over `link`; its frames now belong here. `largestAckSent`: the largest number acknowledged in it, of
   * this very space, or -1. Without a link it went to an address that is none of the path's: it has no frames and does not count in flight.
   */
  sent(
    space: PacketSpace,
    packetNumber: number,
    size: number,
    packet: PacketWriter,
    link: LinkRecovery | undefined,
    now: number,
    mtuProbe: boolean,
    largestAckSent: number,
  ): void {
    const record = space.sent.add(packetNumber)
    record.sentAt = now
    record.size = size
    record.ackEliciting = packet.ackEliciting
    record.inFlight = packet.inFlight
    record.frames = packet.frames
    record.link = link
    record.mtuProbe = mtuProbe
    record.largestAckSent = largestAckSent
    packet.frames = undefined
    this.#touchedAt = now
    if (packet.inFlight && link !== undefined) {
      link.bytesInFlight += size
      link.congestion.sent(packetNumber, size, now)
    }
    if (packet.ackEliciting) {
      space.sent.eliciting++
      space.lastElicitingAt = now
      space.nonElicitingRun = 0
    } else space.nonElicitingRun++
  }

  /**
   * RFC 9002 appendix A.7. `ackDelayMs` is scaled by the peer's exponent. Throws PROTOCOL_VIOLATION for numbers never sent (RFC 9000
   * §13.1). True when something new was acknowledged that went over the path itself.
   */
  receivedAck(space: PacketSpace, ack: AckFrame, ackDelayMs: number, now: number): boolean {
    const sent = space.sent
    const largest = ack.largest[0]!
    if (largest >= sent.end) throw neverSent(largest)

    // Only the overlap with the ring is walked: what a peer claims beyond that costs nothing.
    let newest = -1
    let newestHere = -1
    let eliciting = false
    for (let range = ack.count - 1; range >= 0; range--) {
      const high = ack.largest[range]!
      const low = ack.smallest[range]!
      if (low <= space.lastSkipped && space.lastSkipped <= high) throw neverSent(space.lastSkipped)
      for (let number = Math.max(low, sent.first); number <= high; number++) {
        const packet = sent.at(number)
        if (packet.state === SentState.Outstanding) {
          packet.state = SentState.Acked
          newest = number
          if (packet.link !== undefined) newestHere = number
          if (packet.ackEliciting) eliciting = true
        } else if (packet.state === SentState.Skipped) throw neverSent(number)
      }
    }
    if (!space.lost.isEmpty) this.#lookForLate(space, ack, now)
    if (newest < 0) return false

    this.#touchedAt = now
    if (largest > space.largestAcked) space.largestAcked = largest
    // RFC 9002 §5.1: a sample needs the largest to be new, and something that asked for the ACK.
    if (newest === largest && newest === newestHere && eliciting) this.#sampleRtt(space, newest, ackDelayMs, now)
    if (newestHere >= 0) {
      space.largestHere = Math.max(space.largestHere, newestHere)
      this.answeredSentAt = Math.max(this.answeredSentAt, sent.at(newestHere).sentAt)
    }
    this.#detectLost(space, now)
    this.#settleAcked(space, ack, now)
    sent.advance()
    if (newestHere < 0) return false
    // RFC 9002 §6.2.1: a server that has not validated us may be stuck however much it acknowledges.
    if (this.#peerValidated) this.ptoCount = 0
    return true
  }

  #sampleRtt(space: PacketSpace, packetNumber: number, ackDelayMs: number, now: number): void {
    const packet = space.sent.at(packetNumber)
    const link = packet.link!
    // RFC 9002 §5.3: Initial packets are not delayed on purpose.
    const delay = space.level === Level.Initial ? 0 : ackDelayMs
    link.rtt.update(now - packet.sentAt, delay, this.handshakeConfirmed, this.peerMaxAckDelayMs)
    if (link.firstSampleAt === Number.POSITIVE_INFINITY) link.firstSampleAt = now
  }

  #settleAcked(space: PacketSpace, ack: AckFrame, now: number): void {
    const sent = space.sent
    let seen = -1
    for (let range = ack.count - 1; range >= 0; range--) {
      const high = ack.largest[range]!
      const low = ack.smallest[range]!
      for (let number = Math.max(low, sent.first); number <= high; number++) {
        const packet = sent.at(number)
        if (packet.state !== SentState.Acked) continue
        const { size, frames } = packet
        const link = packet.link!
        if (packet.largestAckSent > seen) seen = packet.largestAckSent
        if (packet.ackEliciting) sent.eliciting--
        sent.release(packet, SentState.Free)
        if (packet.inFlight) {
          link.bytesInFlight -= size
          link.congestion.acked(number, size, packet.sentAt, now, link.rtt, link.appLimited)
          if (packet.mtuProbe) this.#events.mtuProbeAcked(size, link)
          else this.#events.packetAcked(size, link)
        }
        this.#pool.settle(frames, true)
      }
    }
    // RFC 9000 §13.2.4: the peer knows these ranges now.
    if (seen >= 0) space.received.prune(seen)
  }

  /** Acknowledgements of packets already declared lost. */
  #lookForLate(space: PacketSpace, ack: AckFrame, now: number): void {
    space.lost.expire(now - LATE_ACK_PTOS * this.ptoMs(space))
    this.stats.spuriousLosses += space.lost.receivedAck(ack, now)
  }

  /** RFC 9002 appendix A.10, and persistent congestion (§7.6) over the packets found lost here. */
  #detectLost(space: PacketSpace, now: number): void {
    const sent = space.sent
    // what went another way says nothing about this one, neither about order nor about time
    const largestAcked = space.largestHere
    space.lossTime = Number.POSITIVE_INFINITY
    let link: LinkRecovery | undefined
    let lossDelay = 0
    let persistentMs = 0
    let lostCount = 0
    let lostBytes = 0
    let largestLostSentAt = 0
    let persistent = false
    /** Send time of the first ack-eliciting packet of an unbroken run of lost ones. */
    let runStart = Number.POSITIVE_INFINITY
    for (let number = sent.first; number <= largestAcked; number++) {
      const packet = sent.at(number)
      if (packet.state !== SentState.Outstanding) {
        // RFC 9002 §7.6.2: an acknowledged packet in between ends the run.
        if (packet.state === SentState.Acked || packet.state === SentState.Free) runStart = Number.POSITIVE_INFINITY
        continue
      }
      if (packet.link === undefined) {
        // a probe of another way, or an answer to one: whether it arrived is told there
        sent.release(packet, SentState.Lost)
        continue
      }
      if (packet.link !== link) {
        // Packets of before and after a migration: each link bears its own losses.
        if (lostCount > 0) link!.lost(lostCount, lostBytes, largestLostSentAt, now, persistent)
        link = packet.link
        lossDelay = Math.max(TIME_THRESHOLD * Math.max(link.rtt.latest, link.rtt.smoothed), GRANULARITY_MS)
        persistentMs = (link.rtt.ptoBase + this.peerMaxAckDelayMs) * PERSISTENT_THRESHOLD
        lostCount = 0
        lostBytes = 0
        persistent = false
        runStart = Number.POSITIVE_INFINITY
      }
      const { sentAt, size, frames, inFlight, ackEliciting, mtuProbe } = packet
      // Added the same way as the deadline, so that rounding cannot make the timer fire for nothing.
      if (number > largestAcked - PACKET_THRESHOLD && sentAt + lossDelay > now) {
        if (inFlight && sentAt + lossDelay < space.lossTime) space.lossTime = sentAt + lossDelay
        continue
      }
      sent.release(packet, SentState.Lost)
      if (ackEliciting) sent.eliciting--
      if (inFlight) {
        link!.bytesInFlight -= size
        if (mtuProbe) this.#events.mtuProbeLost(size, link!)
        else {
          lostCount++
          lostBytes += size
          largestLostSentAt = sentAt
          this.stats.lostPackets++
          this.stats.lostBytes += size
          space.lost.add(number, link!, now)
          this.#events.packetLost(size, link!)
        }
        // RFC 9002 §7.6.2: only ack-eliciting packets sent after the first sample bound the period; MTU probes say nothing.
        if (ackEliciting && !mtuProbe && sentAt > link!.firstSampleAt) {
          if (runStart === Number.POSITIVE_INFINITY) runStart = sentAt
          else if (sentAt - runStart > persistentMs) persistent = true
        }
      }
      this.#pool.settle(frames, false)
    }
    if (lostCount > 0) link!.lost(lostCount, lostBytes, largestLostSentAt, now, persistent)
  }

  /** When `timeout` is to be called, ms: the earlier of loss time and probe timeout; Infinity when neither is set (RFC 9002 appendix A.8). */
  deadline(): number {
    let lossTime = Number.POSITIVE_INFINITY
    for (let index = 0; index < 3; index++) {
      const space = this.#spaces[index]
      if (space !== undefined && space.lossTime < lossTime) lossTime = space.lossTime
    }
    if (lossTime !== Number.POSITIVE_INFINITY) return lossTime
    if (this.atAmplificationLimit) return Number.POSITIVE_INFINITY
    return this.#ptoTime()
  }

  /** Earliest probe timeout, ms; sets `#ptoSpace`. */
  #ptoTime(): number {
    let earliest = Number.POSITIVE_INFINITY
    this.#ptoSpace = undefined
    for (let index = 0; index < 3; index++) {
      const space = this.#spaces[index]
      if (space === undefined || space.sent.eliciting === 0) continue
      // RFC 9002 §6.2.1: before confirmation the peer may be unable to read, or acknowledge, application data.
      if (space.level === Level.OneRtt && !this.handshakeConfirmed) continue
      // A timeout whose probe could not be sent yet counts as well, or it would fire at once again.
      const at = Math.max(space.lastElicitingAt, space.lastPtoAt) + this.#backedOff(this.ptoMs(space))
      if (at < earliest) {
        earliest = at
        this.#ptoSpace = space
      }
    }
    if (this.#ptoSpace !== undefined || (this.#peerValidated && !this.#isFinishedStuck)) return earliest
    // RFC 9002 §6.2.2.1: the server may be out of allowance, and only we can give it more.
    const initial = this.#spaces[0]
    const handshake = this.#spaces[1]
    const inUse = handshake !== undefined && (handshake.sent.end > 0 || handshake.received.largest >= 0)
    this.#ptoSpace = inUse ? handshake : (initial ?? handshake)
    if (this.#ptoSpace === undefined) return Number.POSITIVE_INFINITY
    return this.#touchedAt + this.#backedOff(this.ptoMs(this.#ptoSpace))
  }

  /**
   * A client's 1-RTT packets fill the window, unreadable for the server until it has our Finished, which the window does not let out again
   * once it is lost. No timer of RFC 9002 runs then, so the Handshake space keeps probing.
   */
  get #isFinishedStuck(): boolean {
    if (!this.#isClient || this.handshakeConfirmed || this.#spaces[1] === undefined) return false
    return (this.#spaces[2]?.sent.eliciting ?? 0) > 0
  }

  /** RFC 9002 §6.2.1: doubled with each timeout, up to the cap, but never below one probe timeout. */
  #backedOff(ptoMs: number): number {
    return Math.max(ptoMs, Math.min(ptoMs * 2 ** this.ptoCount, this.#settings.maxPtoMs))
  }

  /** Current probe timeout without back-off, ms. Includes the peer's max_ack_delay for 1-RTT, the default. */
  ptoMs(space?: PacketSpace): number {
    const base = this.link.rtt.ptoBase
    return space === undefined || space.level === Level.OneRtt ? base + this.peerMaxAckDelayMs : base
  }

  /**
   * Call when `deadline()` has passed. Returns the space that wants `probes` packets now, or undefined when packets were declared lost
   * instead. A client with nothing in flight gets the space to send a PING in (RFC 9002 §6.2.2.1).
   */
  timeout(now: number): PacketSpace | undefined {
    let lossDue = false
    for (let index = 0; index < 3; index++) {
      const space = this.#spaces[index]
      if (space === undefined || space.lossTime > now) continue
      lossDue = true
      this.#detectLost(space, now)
      space.sent.advance()
    }
    if (lossDue || this.atAmplificationLimit || this.#ptoTime() > now) return undefined
    const space = this.#ptoSpace!
    this.ptoCount++
    this.stats.ptos++
    this.#touchedAt = now
    space.lastPtoAt = now
    if (space.sent.eliciting === 0) this.#probeHandshake()
    space.probes = PROBES
    // A handshake flight is small, and all of it is wanted.
    this.#requeueOldest(space, space.level === Level.OneRtt ? PROBES : Number.POSITIVE_INFINITY)
    return space
  }

  /** RFC 9002 §6.2.2.1: in a Handshake packet if there are keys for one, else Initial. Whoever writes knows; a space without keys sends nothing. */
  #probeHandshake(): void {
    for (let index = 0; index < 2; index++) {
      const space = this.#spaces[index]
      if (space !== undefined) space.probes = PROBES
    }
  }

  /** Makes everything in `space` that was not acknowledged pending once more, so that the next probe, too, has something to say. */
  repeat(space: PacketSpace): void {
    this.#requeueOldest(space, Number.POSITIVE_INFINITY)
  }

  /** RFC 9002 §6.2.4: probes carry what has waited longest. The packets stay in flight, to be acknowledged or lost. */
  #requeueOldest(space: PacketSpace, count: number): void {
    const sent = space.sent
    let left = count
    for (let number = sent.first; number < sent.end && left > 0; number++) {
      const packet = sent.at(number)
      if (packet.state !== SentState.Outstanding || packet.frames === undefined) continue
      const frames = packet.frames
      packet.frames = undefined
      this.#pool.settle(frames, false)
      left--
    }
  }

  /** The connection is over: everything is forgotten, frames are dropped, no timer is left. */
  clear(): void {
    for (let index = 0; index < 3; index++) {
      this.#spaces[index]?.forget(false)
      this.#spaces[index] = undefined
    }
    this.ptoCount = 0
  }
}

/** Initial 0, Handshake 1, OneRtt 2. */
function indexOf(space: PacketSpace): number {
  return space.level === Level.Initial ? 0 : space.level === Level.Handshake ? 1 : 2
}
