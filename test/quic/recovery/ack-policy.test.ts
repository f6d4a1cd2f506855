import { describe, expect, test } from 'vitest'
import { AckPolicy } from '../../../src/quic/recovery/ack-policy.ts'
import { ReceivedPackets } from '../../../src/quic/recovery/received-packets.ts'

class Receiver {
  readonly received = new ReceivedPackets()
  readonly policy: AckPolicy

  constructor(immediate = false) {
    this.policy = new AckPolicy({ immediate, maxAckDelayMs: 25, elicitingThreshold: 2 }, this.received)
  }

  /** Returns whether an ACK is due at once. */
  packet(number: number, now = 0, eliciting = true): boolean {
    const before = this.received.largest
    this.received.add(number, now)
    this.policy.received(number, eliciting, before, now, this.received.hasGaps)
    return this.policy.isDue(now)
  }
}

describe('AckPolicy', () => {
  test('RFC 9000 §13.2.2: every second ack-eliciting packet', () => {
    const receiver = new Receiver()
    expect([0, 1].map((number) => receiver.packet(number))).toEqual([false, true])
    receiver.policy.sentAck()
    expect(receiver.policy.isDue(1000)).toBe(false)
    expect([2, 3].map((number) => receiver.packet(number))).toEqual([false, true])
  })

  test('RFC 9000 §13.2.1: a single packet waits for max_ack_delay at most', () => {
    const receiver = new Receiver()
    expect(receiver.policy.deadline()).toBe(Number.POSITIVE_INFINITY)
    receiver.packet(0, 100)
    expect(receiver.policy.hasPending).toBe(true)
    expect(receiver.policy.deadline()).toBe(125)
    expect(receiver.policy.isDue(124.9)).toBe(false)
    expect(receiver.policy.isDue(125)).toBe(true)
    receiver.policy.sentAck()
    expect(receiver.policy.hasPending).toBe(false)
    expect(receiver.policy.deadline()).toBe(Number.POSITIVE_INFINITY)
  })

  test('RFC 9000 §13.2.1: at once after a gap, and when the gap is filled', () => {
    const receiver = new Receiver()
    receiver.packet(0)
    receiver.policy.sentAck()
    expect(receiver.packet(2)).toBe(true)
    receiver.policy.sentAck()
    // The old gap alone does not make every later packet urgent.
    expect(receiver.packet(3)).toBe(false)
    receiver.policy.sentAck()
    expect(receiver.packet(1)).toBe(true)
  })

  test('RFC 9000 §13.2.1: a gap before a packet that asks for nothing is told with the next that does', () => {
    const receiver = new Receiver()
    receiver.packet(0)
    receiver.policy.sentAck()
    expect(receiver.packet(2, 0, false)).toBe(false)
    expect(receiver.packet(3)).toBe(true)
  })

  test('RFC 9000 §13.2.1: packets that ask for nothing never make an ACK due, but one rides along in the end', () => {
    const receiver = new Receiver()
    for (let number = 0; number < 9; number++) expect(receiver.packet(number, 0, false)).toBe(false)
    expect(receiver.policy.hasPending).toBe(false)
    expect(receiver.packet(9, 0, false)).toBe(false)
    expect(receiver.policy.hasPending).toBe(true)
    expect(receiver.policy.deadline()).toBe(Number.POSITIVE_INFINITY)
  })

  test('RFC 9000 §13.2.1: Initial and Handshake packets are acknowledged at once', () => {
    const receiver = new Receiver(true)
    expect(receiver.packet(0, 5)).toBe(true)
    expect(receiver.policy.deadline()).toBeLessThanOrEqual(5)
    receiver.policy.sentAck()
    expect(receiver.packet(1, 5, false)).toBe(false)
  })

  test('ack-frequency §5: IMMEDIATE_ACK', () => {
    const receiver = new Receiver()
    receiver.policy.immediate()
    expect(receiver.policy.isDue(0)).toBe(true)
    receiver.policy.sentAck()
    expect(receiver.policy.isDue(0)).toBe(false)
  })

  test('ack-frequency §6: the threshold is what may arrive without an ACK, and the delay is replaced', () => {
    const receiver = new Receiver()
    receiver.policy.applyFrequency({ threshold: 4, maxAckDelayMs: 60, reorderingThreshold: 1 })
    expect([0, 1, 2, 3, 4].map((number) => receiver.packet(number))).toEqual([false, false, false, false, true])
    receiver.policy.sentAck()
    receiver.packet(5, 10)
    expect(receiver.policy.deadline()).toBe(70)
    receiver.policy.applyFrequency({ threshold: 0, maxAckDelayMs: 60, reorderingThreshold: 1 })
    expect(receiver.policy.isDue(10)).toBe(true)
  })

  test('ack-frequency §6.2: with a reordering threshold of 0 order does not matter', () => {
    const receiver = new Receiver()
    receiver.policy.applyFrequency({ threshold: 100, maxAckDelayMs: 60, reorderingThreshold: 0 })
    expect([5, 1, 9, 3].map((number) => receiver.packet(number))).toEqual([false, false, false, false])
  })

  // The two examples of the draft.
  test.each([
    [3, [0, 1, 3, 4, 5, 8, 9, 10], [5, 9, 10]],
    [5, [0, 1, 3, 5, 6, 7, 8, 9], [7, 9]],
  ])('ack-frequency §6.2.1: reordering threshold %d', (reorderingThreshold, arrivals, expected) => {
    const receiver = new Receiver()
    receiver.policy.applyFrequency({ threshold: 100, maxAckDelayMs: 60, reorderingThreshold })
    const acks: number[] = []
    for (const number of arrivals) {
      if (!receiver.packet(number)) continue
      acks.push(number)
      receiver.policy.sentAck()
    }
    expect(acks).toEqual(expected)
  })
})
