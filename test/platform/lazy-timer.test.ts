import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import type { TimerOptions } from '../../src/platform/index.ts'
import { LazyTimer } from '../../src/platform/lazy-timer.ts'

let now = 0
const fired: number[] = []
const deferred: (() => void)[] = []

function createTimer(): LazyTimer {
  return new LazyTimer(
    () => now,
    (callback) => deferred.push(callback),
    () => fired.push(now),
  )
}

function advance(ms: number): void {
  for (let step = 0; step < ms; step++) {
    now += 1
    vi.advanceTimersByTime(1)
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  now = 1000
  fired.length = 0
  deferred.length = 0
})
afterEach(() => vi.useRealTimers())

test('fires once, at the time it was armed for', () => {
  createTimer().arm(1010)
  advance(9)
  expect(fired).toEqual([])
  advance(20)
  expect(fired).toEqual([1010])
})

test('arming later keeps the running timeout, which sleeps again when it wakes early', () => {
  const timer = createTimer()
  timer.arm(1010)
  for (let at = 1011; at <= 1050; at++) timer.arm(at)
  expect(vi.getTimerCount()).toBe(1)
  advance(49)
  expect(fired).toEqual([])
  advance(1)
  expect(fired).toEqual([1050])
  expect(vi.getTimerCount()).toBe(0)
})

test('arming earlier wins', () => {
  const timer = createTimer()
  timer.arm(1500)
  timer.arm(1005)
  advance(600)
  expect(fired).toEqual([1005])
})

test('a time in the past fires one macrotask later, not inside arm', () => {
  const timer = createTimer()
  timer.arm(999)
  timer.arm(998)
  expect(fired).toEqual([])
  expect(deferred.length).toBe(1)
  deferred[0]?.()
  expect(fired).toEqual([1000])
})

test('cancel leaves nothing behind, also when the firing was already deferred', () => {
  const timer = createTimer()
  timer.arm(1010)
  timer.cancel()
  expect(vi.getTimerCount()).toBe(0)
  timer.arm(900)
  timer.cancel()
  deferred[0]?.()
  advance(100)
  expect(fired).toEqual([])
})

test('a timeout that wakes a fraction early does not fire early', () => {
  const timer = createTimer()
  timer.arm(1010.5)
  now = 1010.2
  vi.advanceTimersByTime(11)
  expect(fired).toEqual([])
  now = 1011.3
  vi.advanceTimersByTime(1)
  expect(fired).toEqual([1011.3])
})

test('waits longer than setTimeout can take are slept in pieces', () => {
  const timer = createTimer()
  timer.arm(now + 2 ** 32)
  now += 2 ** 31 - 1
  vi.advanceTimersByTime(2 ** 31 - 1)
  expect(fired).toEqual([])
  expect(vi.getTimerCount()).toBe(1)
  timer.cancel()
})

test('in the background: fires as any other, but does not keep the process alive', () => {
  vi.useRealTimers()
  const setTimeouts = vi.spyOn(globalThis, 'setTimeout')
  onTestFinished(() => setTimeouts.mockRestore())
  const hasRef = (options?: TimerOptions): boolean | undefined => {
    const timer = new LazyTimer(
      () => now,
      () => {},
      () => {},
      options,
    )
    timer.arm(now + 60_000)
    const { value } = setTimeouts.mock.results.at(-1)!
    const answer = (value as NodeJS.Timeout).hasRef()
    timer.cancel()
    return answer
  }
  expect(hasRef({ isBackground: true })).toBe(false)
  expect([hasRef(), hasRef({}), hasRef({ isBackground: false })]).toEqual([true, true, true])
})
