import { expect, test } from 'vitest'
import { ReceiveWindow, SendWindow } from '../../../src/quic/streams/flow-control.ts'

test('RFC 9000 §4.1: a send window never shrinks and reports each limit once', () => {
  const window = new SendWindow(10)
  expect(window.takeBlockedReport()).toBe(false)
  window.used = 10
  expect([window.takeBlockedReport(), window.takeBlockedReport()]).toEqual([true, false])
  expect([window.raise(9), window.raise(10), window.raise(12)]).toEqual([false, false, true])
  expect(window.room).toBe(2)
  expect([window.takeBlockedReport(), window.isBlockedAt(12)]).toEqual([false, false])
  window.used = 12
  expect([window.takeBlockedReport(), window.isBlockedAt(12), window.isBlockedAt(10)]).toEqual([true, true, false])
})

test('spec/quic.md §6.6: a new limit is due when it moves by an eighth of the window', () => {
  const window = new ReceiveWindow(800, 800)
  window.consumed = 99
  expect(window.isDue).toBe(false)
  window.consumed = 100
  expect(window.isDue).toBe(true)
  expect(window.advance()).toBe(900)
  expect(window.isDue).toBe(false)
})

test('a window doubles while half of it is consumed in less than two round trips, up to its bound', () => {
  const window = new ReceiveWindow(1000, 3000)
  expect(window.tune(0, 50)).toBe(false)
  window.consumed = 499
  expect(window.tune(10, 50)).toBe(false)
  window.consumed = 500
  expect([window.tune(99, 50), window.size]).toEqual([true, 2000])
  window.consumed = 1500
  expect([window.tune(199, 50), window.size]).toEqual([false, 2000])
  window.consumed = 2500
  expect([window.tune(298, 50), window.size]).toEqual([true, 3000])
  window.consumed = 9000
  expect([window.tune(299, 50), window.size]).toEqual([false, 3000])
  expect(window.advance()).toBe(12_000)
})

test('a window does not grow while the round trip is not known', () => {
  const window = new ReceiveWindow(1000, 3000)
  window.tune(0, 0)
  window.consumed = 900
  expect(window.tune(0, 0)).toBe(false)
})

test('a window without a bound stays a safe integer', () => {
  const window = new ReceiveWindow(2 ** 62, 2 ** 62)
  window.consumed = 1_000_000
  expect([window.limit, window.isDue, window.advance()]).toEqual([
    Number.MAX_SAFE_INTEGER,
    false,
    Number.MAX_SAFE_INTEGER,
  ])
})
