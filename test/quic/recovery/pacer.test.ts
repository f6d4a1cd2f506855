import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Pacer } from '../../../src/quic/recovery/pacer.ts'

const MTU = 1200

/** Sends full packets whenever the pacer lets it, with a timer of `granularity` ms. Returns bytes sent until `until`. */
function flood(pacer: Pacer, window: number, rtt: number, until: number, granularity: number): number {
  let sent = 0
  let now = 0
  while (now < until) {
    const at = pacer.readyAt(MTU, window, rtt, now)
    if (at <= now) {
      pacer.spend(MTU, window, rtt, now)
      sent += MTU
    } else now = Math.max(at, now + granularity)
  }
  return sent
}

describe('Pacer', () => {
  test('RFC 9002 §7.7: ten packets at once, then at 1.25 windows a round trip', () => {
    const pacer = new Pacer(MTU)
    for (let index = 0; index < 10; index++) {
      expect(pacer.readyAt(MTU, 12_000, 100, 0)).toBe(0)
      pacer.spend(MTU, 12_000, 100, 0)
    }
    // 150 bytes a ms
    expect(pacer.readyAt(MTU, 12_000, 100, 0)).toBe(8)
    expect(pacer.readyAt(MTU, 12_000, 100, 8)).toBe(8)
  })

  test('spec/fast-path.md §4: no more than 64 packets at once after a pause, however large the window', () => {
    const pacer = new Pacer(MTU)
    let count = 0
    while (pacer.readyAt(MTU, 100_000_000, 10, 1000) <= 1000) {
      pacer.spend(MTU, 100_000_000, 10, 1000)
      count++
    }
    expect(count).toBe(64)
  })

  test('spec/fast-path.md §4: of large datagrams ten at once, for they fill a receive buffer sooner', () => {
    const count = (mtu: number): number => {
      const pacer = new Pacer(mtu)
      let sent = 0
      for (; pacer.readyAt(mtu, 100_000_000, 10, 1000) <= 1000; sent++) pacer.spend(mtu, 100_000_000, 10, 1000)
      return sent
    }
    expect([1452, 8900, 16_000].map(count)).toEqual([64, 10, 10])
  })

  test('RFC 9002 §7.7: what was sent without asking is paid back', () => {
    const pacer = new Pacer(MTU)
    for (let index = 0; index < 12; index++) pacer.spend(MTU, 12_000, 100, 0)
    expect(pacer.readyAt(MTU, 12_000, 100, 0)).toBe(24)
  })

  test('RFC 9002 §7.7: over a long time the rate is met and never passed, also with a timer of 1 ms', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 3_000, max: 2_000_000 }),
        fc.double({ min: 5, max: 400, noNaN: true }),
        fc.constantFrom(0, 1),
        (window, rtt, granularity) => {
          const until = 20 * rtt
          const rate = (1.25 * window) / rtt
          const sent = flood(new Pacer(MTU), window, rtt, until, granularity)
          const burst = Math.min(Math.max(rate * 2, 10 * MTU), 64 * MTU)
          expect(sent).toBeLessThanOrEqual(until * rate + burst + 2 * MTU)
          // 64 packets a ms is as much as a timer of 1 ms can carry.
          const possible = granularity === 0 ? rate : Math.min(rate, 64 * MTU)
          expect(sent).toBeGreaterThanOrEqual(0.98 * (until - 2) * possible - 2 * MTU)
        },
      ),
      { numRuns: 60 },
    )
  })
})
