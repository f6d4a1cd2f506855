import { describe, expect, test } from 'vitest'
import { createCongestion } from '../../../src/quic/recovery/congestion.ts'
import { Cubic } from '../../../src/quic/recovery/cubic.ts'
import { NewReno } from '../../../src/quic/recovery/new-reno.ts'
import { RttEstimator } from '../../../src/quic/recovery/rtt.ts'

const MTU = 1200

function rttOf(ms: number): RttEstimator {
  const rtt = new RttEstimator(ms)
  for (let count = 0; count < 50; count++) rtt.update(ms, 0, true, 25)
  return rtt
}

/** Acknowledges a full window spread evenly over each round trip, until `until`. */
function run(controller: Cubic | NewReno, rtt: RttEstimator, from: number, until: number): void {
  for (let now = from; now < until; ) {
    const packets = Math.max(1, Math.floor(controller.window / MTU))
    const step = rtt.smoothed / packets
    for (let index = 0; index < packets && now < until; index++) {
      now += step
      controller.acked(0, MTU, now - 0.001, now, rtt, false)
    }
  }
}

describe.each(['cubic', 'new-reno'] as const)('%s', (kind) => {
  test.each([
    [1200, 12_000],
    [1452, 14_520],
    [1500, 14_720],
    [8000, 16_000],
  ])('RFC 9002 §7.2: initial window with datagrams of %d bytes', (mtu, window) => {
    expect(createCongestion(kind, mtu).window).toBe(window)
  })

  test('RFC 9002 §7.3.1: slow start grows by what is acknowledged', () => {
    const controller = createCongestion(kind, MTU)
    expect(controller.slowStart).toBe(true)
    const before = controller.window
    controller.acked(0, 1000, 0, 10, rttOf(10), false)
    expect(controller.window).toBe(before + 1000)
  })

  test('RFC 9002 §7.8: an unused window does not grow', () => {
    const controller = createCongestion(kind, MTU)
    controller.acked(0, 1000, 0, 10, rttOf(10), true)
    expect(controller.window).toBe(12_000)
  })

  test('RFC 9002 §7.3.2: one reduction per recovery period, and no growth in it', () => {
    const controller = createCongestion(kind, MTU)
    const kept = kind === 'cubic' ? 0.7 : 0.5
    controller.lost(1200, 5, 20, false)
    expect(controller.window).toBeCloseTo(12_000 * kept, 6)
    expect(controller.slowStart).toBe(false)
    controller.lost(1200, 20, 25, false)
    controller.acked(0, 1200, 19, 26, rttOf(10), false)
    expect(controller.window).toBeCloseTo(12_000 * kept, 6)
    controller.lost(1200, 21, 30, false)
    expect(controller.window).toBeCloseTo(12_000 * kept * kept, 6)
  })

  test('RFC 9002 §7.2: never below two datagrams', () => {
    const controller = createCongestion(kind, MTU)
    for (let now = 10; now < 300; now += 10) controller.lost(1200, now - 1, now, false)
    expect(controller.window).toBe(2 * MTU)
    controller.setMtu(9000)
    expect(controller.window).toBe(18_000)
  })

  test('RFC 9002 §7.6.2: persistent congestion leaves the minimum, and slow start follows', () => {
    const controller = createCongestion(kind, MTU)
    controller.lost(1200, 5, 20, true)
    expect(controller.window).toBe(2 * MTU)
    expect(controller.slowStart).toBe(true)
    controller.acked(0, 1200, 10, 21, rttOf(10), false)
    expect(controller.window).toBe(3 * MTU)
    controller.spurious(22)
    expect(controller.window).toBe(3 * MTU)
  })

  test('RFC 9438 §4.9.2: a wrong reduction is undone, once', () => {
    const controller = createCongestion(kind, MTU)
    const rtt = rttOf(10)
    for (let index = 0; index < 50; index++) controller.acked(index, 1200, index, index + 10, rtt, false)
    const before = controller.window
    controller.lost(1200, 60, 70, false)
    controller.spurious(80)
    expect(controller.window).toBe(before)
    expect(controller.slowStart).toBe(true)
    // The period is over too: the next loss counts.
    controller.lost(1200, 65, 90, false)
    const reduced = controller.window
    expect(reduced).toBeLessThan(before)
    controller.spurious(91)
    controller.spurious(92)
    expect(controller.window).toBe(before)
  })

  test('RFC 9000 §9.4: a fresh controller for a fresh link', () => {
    const controller = createCongestion(kind, MTU)
    controller.lost(1200, 5, 20, false)
    controller.setMtu(1400)
    const fresh = controller.fresh()
    expect([fresh.name, fresh.window, fresh.slowStart]).toEqual([kind, 14_000, true])
  })
})

describe('NewReno', () => {
  test('RFC 9002 §7.3.3: one datagram per round trip in congestion avoidance', () => {
    const controller = new NewReno(MTU)
    controller.lost(1200, 5, 20, false)
    const before = controller.window
    run(controller, rttOf(50), 30, 30 + 10 * 50)
    expect(controller.window).toBeGreaterThan(before + 8 * MTU)
    expect(controller.window).toBeLessThan(before + 11 * MTU)
  })
})

describe('Cubic', () => {
  /** In congestion avoidance at time 20 after a loss with `packets` in the window. */
  function afterLoss(packets: number): { cubic: Cubic; rtt: RttEstimator } {
    const cubic = new Cubic(MTU)
    const rtt = rttOf(100)
    for (let index = 0; cubic.window < packets * MTU; index++) cubic.acked(index, MTU, 0, 1, rtt, false)
    expect(cubic.window / MTU).toBeCloseTo(packets, 6)
    cubic.lost(1200, 5, 20, false)
    return { cubic, rtt }
  }

  test('RFC 9438 §4.6: beta is 0.7', () => {
    expect(afterLoss(1000).cubic.window / MTU).toBeCloseTo(700, 6)
  })

  test.each([0.25, 0.5, 1, 1.25])('RFC 9438 §4.2: the window follows the cubic function, at %d K', (part) => {
    const { cubic, rtt } = afterLoss(1000)
    const k = Math.cbrt((1000 * 0.3) / 0.4)
    const start = 21
    run(cubic, rtt, start, start + part * k * 1000)
    const expected = 0.4 * (part * k - k) ** 3 + 1000
    // The window aims one round trip ahead and reaches that within it.
    expect(cubic.window / MTU / expected).toBeGreaterThan(0.99)
    expect(cubic.window / MTU / expected).toBeLessThan(1.01)
  })

  test('RFC 9438 §4.2: at most half as much again per round trip', () => {
    const { cubic, rtt } = afterLoss(20)
    run(cubic, rtt, 21, 3000)
    const before = cubic.window
    run(cubic, rtt, 600_000, 600_000 + 100)
    expect(cubic.window / before).toBeLessThan(1.7)
    expect(cubic.window / before).toBeGreaterThan(1.4)
  })

  test('RFC 9438 §4.3: small windows grow as Reno would, with alpha 0.53 up to the old window and 1 beyond', () => {
    const { cubic } = afterLoss(10)
    const rtt = rttOf(10)
    const alpha = (3 * 0.3) / 1.7
    const rounds = 4
    run(cubic, rtt, 21, 21 + rounds * 10)
    const expected = 7 + alpha * rounds
    expect(cubic.window / MTU).toBeGreaterThan(expected * 0.95)
    expect(cubic.window / MTU).toBeLessThan(expected * 1.05)
    // 3 / 0.53 rounds to the old window; the slope is 1 afterwards.
    run(cubic, rtt, 61, 61 + 40)
    const before = cubic.window / MTU
    run(cubic, rtt, 101, 101 + 100)
    expect(cubic.window / MTU - before).toBeGreaterThan(9)
    expect(cubic.window / MTU - before).toBeLessThan(11)
  })

  test('RFC 9438 §4.7: fast convergence lowers the plateau when the window had not recovered', () => {
    const { cubic, rtt } = afterLoss(1000)
    cubic.lost(1200, 25, 30, false)
    expect(cubic.window / MTU).toBeCloseTo(490, 6)
    // W_max is 700 * 0.85 = 595: after K the curve is there.
    const k = Math.cbrt((595 - 490) / 0.4)
    run(cubic, rtt, 31, 31 + k * 1000)
    expect(cubic.window / MTU).toBeGreaterThan(590)
    expect(cubic.window / MTU).toBeLessThan(600)
  })

  test('RFC 9438 §5.8: time with an unused window is no time to grow in', () => {
    const { cubic, rtt } = afterLoss(1000)
    const twin = afterLoss(1000)
    run(cubic, rtt, 21, 1021)
    run(twin.cubic, twin.rtt, 21, 1021)
    cubic.acked(0, MTU, 1021, 1022, rtt, true)
    cubic.acked(0, MTU, 31_000, 31_001, rtt, true)
    cubic.acked(0, MTU, 31_020, 31_022, rtt, false)
    run(cubic, rtt, 31_022, 32_022)
    run(twin.cubic, twin.rtt, 1022, 2022)
    expect(cubic.window / twin.cubic.window).toBeCloseTo(1, 2)
  })
})
