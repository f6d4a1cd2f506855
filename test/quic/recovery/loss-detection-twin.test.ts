import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RttEstimator } from '../../../src/quic/recovery/rtt.ts'
import { ackOfSet, Bed } from './support.ts'

interface Packet {
  readonly number: number
  readonly sentAt: number
  readonly size: number
  readonly eliciting: boolean
  hasFrames: boolean
  state: 'out' | 'acked' | 'lost'
  lostAt: number
  /** No longer looked for. */
  over: boolean
}

/** The pseudo-code of RFC 9002 appendix A for one confirmed 1-RTT space, with lists and no cleverness. */
class Twin {
  readonly packets: Packet[] = []
  readonly rtt = new RttEstimator(333)
  readonly ackedIds: number[] = []
  readonly lostIds: number[] = []
  largestAcked = -1
  lossTime = Number.POSITIVE_INFINITY
  ptoCount = 0
  lastPtoAt = Number.NEGATIVE_INFINITY
  spurious = 0

  get out(): Packet[] {
    return this.packets.filter((packet) => packet.state === 'out')
  }

  get bytesInFlight(): number {
    return this.out.reduce((sum, packet) => sum + (packet.eliciting ? packet.size : 0), 0)
  }

  pto(): number {
    return this.rtt.smoothed + Math.max(4 * this.rtt.variance, 1) + 25
  }

  deadline(): number {
    if (this.lossTime !== Number.POSITIVE_INFINITY) return this.lossTime
    const eliciting = this.out.filter((packet) => packet.eliciting)
    if (eliciting.length === 0) return Number.POSITIVE_INFINITY
    const last = Math.max(...this.packets.filter((packet) => packet.eliciting).map((packet) => packet.sentAt))
    const wait = Math.max(this.pto(), Math.min(this.pto() * 2 ** this.ptoCount, 2000))
    return Math.max(last, this.lastPtoAt) + wait
  }

  receivedAck(numbers: ReadonlySet<number>, now: number): boolean {
    const horizon = now - 3 * this.pto()
    const fresh = this.out.filter((packet) => numbers.has(packet.number))
    for (const packet of this.packets) {
      if (packet.state !== 'lost' || !packet.eliciting || packet.over) continue
      if (packet.lostAt < horizon) packet.over = true
      else if (numbers.has(packet.number)) {
        packet.over = true
        this.spurious++
      }
    }
    if (fresh.length === 0) return false
    const largest = Math.max(...numbers)
    this.largestAcked = Math.max(this.largestAcked, largest)
    const newest = fresh.at(-1)!
    if (newest.number === largest && fresh.some((packet) => packet.eliciting))
      this.rtt.update(now - newest.sentAt, 0, true, 25)
    for (const packet of fresh) {
      packet.state = 'acked'
      if (packet.hasFrames) this.ackedIds.push(packet.number)
    }
    this.detectLost(now)
    this.ptoCount = 0
    return true
  }

  detectLost(now: number): void {
    this.lossTime = Number.POSITIVE_INFINITY
    const delay = Math.max((9 / 8) * Math.max(this.rtt.latest, this.rtt.smoothed), 1)
    for (const packet of this.out) {
      if (packet.number > this.largestAcked) continue
      if (packet.sentAt + delay <= now || this.largestAcked >= packet.number + 3) {
        packet.state = 'lost'
        packet.lostAt = now
        if (packet.hasFrames) this.lostIds.push(packet.number)
      } else if (packet.eliciting) this.lossTime = Math.min(this.lossTime, packet.sentAt + delay)
    }
  }

  timeout(now: number): void {
    if (this.lossTime !== Number.POSITIVE_INFINITY) {
      this.detectLost(now)
      return
    }
    this.ptoCount++
    this.lastPtoAt = now
    for (const packet of this.out.filter((candidate) => candidate.hasFrames).slice(0, 2)) {
      packet.hasFrames = false
      this.lostIds.push(packet.number)
    }
  }
}

const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ send: fc.integer({ min: 1, max: 5 }), eliciting: fc.boolean() }) },
  // Bits choose among the newest packets; the rest of what was ever acknowledged comes along or not.
  { weight: 4, arbitrary: fc.record({ ack: fc.integer({ min: 1, max: 0xffff }), cumulative: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ wait: fc.integer({ min: 1, max: 400 }) }) },
  { weight: 1, arbitrary: fc.constant({ skip: true as const }) },
  { weight: 1, arbitrary: fc.constant({ fire: true as const }) },
)

/** One line, since comparing it is cheap. */
function describeState(
  bytes: number,
  deadline: number,
  live: number,
  settled: { readonly ackedIds: readonly number[]; readonly lostIds: readonly number[] },
): string {
  const acked = settled.ackedIds.toSorted((left, right) => left - right).join()
  const lost = settled.lostIds.toSorted((left, right) => left - right).join()
  return `${bytes} bytes, deadline ${deadline}, ${live} frames, acked ${acked}, lost ${lost}`
}

describe('LossDetection', () => {
  test('RFC 9002 §A: against a slow twin, any order of sending, acks, losses and timeouts', () => {
    let losses = 0
    let spurious = 0
    let ptos = 0
    fc.assert(
      fc.property(fc.array(action, { minLength: 60, maxLength: 120 }), (actions) => {
        const bed = new Bed().confirmed()
        const twin = new Twin()
        const reported = new Set<number>()
        let now = 0
        const fire = (): void => {
          // Sooner or later a timer that fires moves on: it must not be stuck at one instant.
          for (let guard = 0; bed.detection.deadline() <= now; guard++) {
            expect(guard).toBeLessThan(20)
            bed.detection.timeout(now)
            twin.timeout(now)
          }
        }
        for (const step of actions) {
          if ('send' in step) {
            for (let count = 0; count < step.send; count++) {
              const size = 100 + count
              const number = bed.send(now, { size, eliciting: step.eliciting })
              const hasFrames = step.eliciting
              const fresh = { number, sentAt: now, size, eliciting: step.eliciting, hasFrames }
              twin.packets.push({ ...fresh, state: 'out', lostAt: 0, over: false })
            }
          } else if ('ack' in step) {
            const recent = twin.packets.slice(-16).filter((_, index) => (step.ack & (1 << index)) !== 0)
            const numbers = new Set(recent.map((packet) => packet.number))
            if (step.cumulative) for (const number of reported) numbers.add(number)
            if (numbers.size === 0) continue
            for (const number of numbers) reported.add(number)
            const fresh = bed.detection.receivedAck(bed.space, ackOfSet(numbers), 0, now)
            expect(fresh).toBe(twin.receivedAck(numbers, now))
          } else if ('wait' in step) {
            now += step.wait / 7
            fire()
          } else if ('fire' in step) {
            if (bed.detection.deadline() === Number.POSITIVE_INFINITY) continue
            now = Math.max(now, bed.detection.deadline())
            fire()
          } else bed.space.skipPacketNumber()

          const is = describeState(bed.link.bytesInFlight, bed.detection.deadline(), bed.pool.live, bed.owner)
          const live = twin.out.filter((packet) => packet.hasFrames).length
          const ought = describeState(twin.bytesInFlight, twin.deadline(), live, twin)
          if (is !== ought) expect(is).toBe(ought)
          if (bed.detection.stats.spuriousLosses !== twin.spurious)
            expect(bed.detection.stats.spuriousLosses).toBe(twin.spurious)
        }
        // Nobody hears of a frame twice.
        const settled = [...bed.owner.ackedIds, ...bed.owner.lostIds]
        expect(new Set(settled).size).toBe(settled.length)
        losses += bed.detection.stats.lostPackets
        spurious += bed.detection.stats.spuriousLosses
        ptos += bed.detection.stats.ptos
        bed.detection.clear()
        expect([bed.pool.live, bed.link.bytesInFlight]).toEqual([0, 0])
      }),
      { numRuns: 60 },
    )
    // The walk reached what it is meant to judge.
    expect(Math.min(losses, spurious, ptos)).toBeGreaterThan(50)
  })
})
