import { describe, expect, test } from 'vitest'
import { RttEstimator } from '../../../src/quic/recovery/rtt.ts'

describe('RttEstimator', () => {
  test('RFC 9002 §5.3: before a sample the initial RTT and half of it', () => {
    const rtt = new RttEstimator(333)
    expect(rtt.hasSample).toBe(false)
    expect(rtt.smoothed).toBe(333)
    expect(rtt.variance).toBe(166.5)
    // RFC 9002 §6.2.2: about one second.
    expect(rtt.ptoBase).toBe(999)
  })

  test.each([
    // sample, ack delay, confirmed, max ack delay -> latest, min, smoothed, variance after a first sample of 100
    [100, 0, true, 25, 100, 100, 100, 37.5],
    [140, 0, true, 25, 140, 100, 105, 47.5],
    [140, 20, true, 25, 140, 100, 102.5, 42.5],
    // The delay is capped by max_ack_delay once confirmed, not before.
    [140, 40, true, 25, 140, 100, 101.875, 41.25],
    [140, 40, false, 25, 140, 100, 100, 37.5],
    // A delay that would push the sample below the minimum is ignored.
    [110, 20, true, 25, 110, 100, 101.25, 40],
    [60, 20, true, 25, 60, 60, 95, 47.5],
  ])(
    'RFC 9002 §5.3: sample %d, delay %d, confirmed %s',
    (sample, delay, confirmed, max, latest, min, smoothed, variance) => {
      const rtt = new RttEstimator(333)
      rtt.update(100, 50, true, 25)
      expect([rtt.latest, rtt.min, rtt.smoothed, rtt.variance]).toEqual([100, 100, 100, 50])
      rtt.update(sample, delay, confirmed, max)
      expect([rtt.latest, rtt.min, rtt.smoothed, rtt.variance]).toEqual([latest, min, smoothed, variance])
    },
  )

  test('RFC 9002 §5.2: the minimum is taken anew after persistent congestion', () => {
    const rtt = new RttEstimator(333)
    rtt.update(10, 0, true, 25)
    rtt.forgetMin()
    rtt.update(50, 0, true, 25)
    expect(rtt.min).toBe(50)
    rtt.update(60, 0, true, 25)
    expect(rtt.min).toBe(50)
  })

  test('RFC 9002 §6.2.1: the variation counts as at least the granularity', () => {
    const rtt = new RttEstimator(333)
    for (let count = 0; count < 200; count++) rtt.update(8, 0, true, 25)
    expect(rtt.ptoBase).toBeCloseTo(9, 6)
  })
})
