import { describe, expect, test } from 'vitest'
import { Cubic } from '../../../src/quic/recovery/cubic.ts'
import { HyStart } from '../../../src/quic/recovery/hystart.ts'
import { RttEstimator } from '../../../src/quic/recovery/rtt.ts'

/** One round: `count` packets sent at `start`, each acknowledged alone after `rttMs`. Returns whether slow start ended. */
function round(hyStart: HyStart, rtt: RttEstimator, start: number, rttMs: number, count: number): boolean {
  let ended = false
  for (let index = 0; index < count && !ended; index++) {
    rtt.update(rttMs, 0, true, 25)
    ended = hyStart.acked(start, start + rttMs, rtt)
  }
  return ended
}

describe('HyStart++', () => {
  test('RFC 9406 §4.2: a steady round-trip time never ends slow start', () => {
    const hyStart = new HyStart()
    const rtt = new RttEstimator(333)
    for (let index = 0, now = 0; index < 30; index++, now += 50) {
      expect(round(hyStart, rtt, now, 50, 20)).toBe(false)
      expect(hyStart.growthDivisor).toBe(1)
    }
  })

  test.each([
    // round-trip time of two rounds, whether the rise is enough: the threshold is an eighth, within 4 and 16 ms
    [10, 13.9, false],
    [10, 14, true],
    [80, 89.9, false],
    [80, 90, true],
    [400, 415.9, false],
    [400, 416, true],
  ])('RFC 9406 §4.2: from %d to %d ms', (first, second, suspicious) => {
    const hyStart = new HyStart()
    const rtt = new RttEstimator(333)
    round(hyStart, rtt, 0, first, 8)
    round(hyStart, rtt, first, second, 8)
    expect(hyStart.growthDivisor).toBe(suspicious ? 4 : 1)
  })

  test('RFC 9406 §4.2: fewer than eight samples are not judged', () => {
    const hyStart = new HyStart()
    const rtt = new RttEstimator(333)
    round(hyStart, rtt, 0, 50, 8)
    round(hyStart, rtt, 50, 90, 7)
    expect(hyStart.growthDivisor).toBe(1)
  })

  test('RFC 9406 §4.2: a sample counts once however many packets the ACK covers', () => {
    const hyStart = new HyStart()
    const rtt = new RttEstimator(333)
    round(hyStart, rtt, 0, 50, 8)
    rtt.update(90, 0, true, 25)
    for (let index = 0; index < 20; index++) hyStart.acked(50, 140, rtt)
    expect(hyStart.growthDivisor).toBe(1)
  })

  test('RFC 9406 §4.2: back to slow start when the rise was noise', () => {
    const hyStart = new HyStart()
    const rtt = new RttEstimator(333)
    round(hyStart, rtt, 0, 50, 8)
    round(hyStart, rtt, 50, 70, 8)
    expect(hyStart.growthDivisor).toBe(4)
    expect(round(hyStart, rtt, 120, 52, 8)).toBe(false)
    expect(hyStart.growthDivisor).toBe(1)
  })

  test('RFC 9406 §4.2: five rounds of conservative slow start, the partial one included, then the end', () => {
    const hyStart = new HyStart()
    const rtt = new RttEstimator(333)
    round(hyStart, rtt, 0, 50, 8)
    round(hyStart, rtt, 50, 70, 8)
    let now = 120
    let rounds = 1
    while (!round(hyStart, rtt, now, 75, 8)) {
      now += 75
      rounds++
      expect(hyStart.growthDivisor).toBe(4)
      expect(rounds).toBeLessThan(10)
    }
    expect(rounds).toBe(5)
  })

  test('RFC 9438 §4.10: Cubic leaves slow start without a loss and takes the window as plateau', () => {
    const cubic = new Cubic(1200)
    const rtt = new RttEstimator(333)
    let now = 0
    const ackRound = (rttMs: number): void => {
      const packets = Math.floor(cubic.window / 1200)
      const start = now
      now += rttMs
      for (let index = 0; index < packets; index++) {
        rtt.update(rttMs, 0, true, 25)
        cubic.acked(index, 1200, start, now, rtt, false)
      }
    }
    ackRound(50)
    ackRound(50)
    const before = cubic.window
    expect(before).toBe(48_000)
    // Eight samples at full speed, the other 32 packets at a quarter.
    ackRound(70)
    expect(cubic.window).toBeCloseTo(before + 1200 * (7 + 33 / 4), 6)
    for (let index = 0; index < 4; index++) {
      expect(cubic.slowStart).toBe(true)
      ackRound(70)
    }
    const atEnd = cubic.window
    ackRound(70)
    expect(cubic.slowStart).toBe(false)
    expect(cubic.window / atEnd).toBeLessThan(1.05)
    // From the plateau growth is slow: 2 s later Reno's one datagram per round trip still leads.
    const packets = cubic.window / 1200
    for (let index = 0; index < 28; index++) ackRound(70)
    expect(cubic.window / 1200 - packets).toBeGreaterThan(26)
    expect(cubic.window / 1200 - packets).toBeLessThan(30)
  })
})
