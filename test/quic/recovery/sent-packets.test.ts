import { describe, expect, test } from 'vitest'
import { SentPackets, SentState } from '../../../src/quic/recovery/sent-packets.ts'
import { Bed } from './support.ts'

describe('SentPackets', () => {
  test('RFC 9002 §A.1: the ring grows with what is outstanding and reuses its records', () => {
    const sent = new SentPackets()
    const seen = new Set<unknown>()
    for (let number = 0; number < 100; number++) {
      const record = sent.add(number)
      record.inFlight = true
      seen.add(record)
    }
    expect(seen.size).toBe(100)
    for (let number = 0; number < 100; number++) {
      expect(sent.at(number).packetNumber).toBe(number)
      sent.release(sent.at(number), SentState.Free)
    }
    sent.advance()
    expect([sent.first, sent.end]).toEqual([100, 100])
    const again = new Set<unknown>()
    for (let number = 100; number < 1000; number++) {
      const record = sent.add(number)
      again.add(record)
      sent.release(record, SentState.Free)
      sent.advance()
    }
    expect(again.size).toBe(128)
  })

  test('records are made when they are needed, and a large ring is let go once nothing is outstanding', () => {
    const kept = (count: number): number => {
      const sent = new SentPackets()
      const records = new Set<unknown>()
      for (let number = 0; number < count; number++) {
        const record = sent.add(number)
        record.inFlight = true
        records.add(record)
      }
      for (let number = 0; number < count; number++) sent.release(sent.at(number), SentState.Free)
      sent.advance()
      let again = 0
      for (let number = count; number < 2 * count; number++) if (records.has(sent.add(number))) again++
      return again
    }
    expect([2, 200, 257, 1000].map(kept)).toEqual([0, 144, 0, 0])
  })

  test('RFC 9000 §21.4: numbers left out are marked', () => {
    const sent = new SentPackets()
    sent.add(0)
    sent.add(3)
    expect([0, 1, 2, 3].map((number) => sent.at(number).state)).toEqual([
      SentState.Outstanding,
      SentState.Skipped,
      SentState.Skipped,
      SentState.Outstanding,
    ])
    expect(() => sent.add(3)).toThrow(RangeError)
  })

  test('packet numbers beyond 2^32 keep their records', () => {
    const sent = new SentPackets()
    sent.first = sent.end = 2 ** 40 + 5
    for (let index = 0; index < 40; index++) sent.add(2 ** 40 + 5 + index).sentAt = index
    for (let index = 0; index < 40; index++) expect(sent.at(2 ** 40 + 5 + index).sentAt).toBe(index)
  })

  test('RFC 9000 §13.2.1: packets that are never acknowledged take bounded memory', () => {
    const bed = new Bed().confirmed()
    for (let count = 0; count < 5000; count++) bed.send(count, { eliciting: false })
    expect(bed.space.sent.end - bed.space.sent.first).toBeLessThanOrEqual(513)
    expect(bed.space.nonElicitingRun).toBe(5000)
    expect(bed.detection.deadline()).toBe(Number.POSITIVE_INFINITY)
    // An ack of one long forgotten is no violation.
    expect(bed.ack(5000, [0, 10])).toBe(false)
    expect(bed.ack(5000, [4990, 4999])).toBe(true)
  })
})
