import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Contribution } from '../../../src/envelope/peers/contribution.ts'
import { HOUR_MS } from './support.ts'

const MEBIBYTE = 1_048_576

test('spec/envelope.md §5.2: five forwards, no failure, nothing else make 10', () => {
  const contribution = new Contribution()
  for (let count = 0; count < 5; count++) contribution.forwarded(0, 1_000)
  expect(contribution.score(1_000)).toBe(10)
})

test('spec/envelope.md §5.2: one forward, 100 MiB, five times what was received make 33.5', () => {
  const contribution = new Contribution()
  contribution.received(20 * MEBIBYTE)
  contribution.forwarded(100 * MEBIBYTE, 1_000)
  expect(contribution.score(1_000)).toBe(33.5)
})

test('spec/envelope.md §5.2: nothing received and bytes forwarded count as a ratio of 1', () => {
  const contribution = new Contribution()
  contribution.forwarded(MEBIBYTE, 0)
  expect(contribution.score(0)).toBeCloseTo(1 + 5 + 0.2 + 1.5, 12)
})

test('spec/envelope.md §5.2: the hours count from activity to activity, and a failure is one', () => {
  const contribution = new Contribution()
  contribution.forwarded(0, 5 * HOUR_MS)
  contribution.failed(6 * HOUR_MS)
  contribution.forwarded(0, 8 * HOUR_MS)
  expect(contribution.score(8 * HOUR_MS)).toBeCloseTo(2 + (2 / 3) * 5 + 3 * 0.5, 12)
})

test('spec/envelope.md §5.2: half is gone after 13.9 h, and 10 is below 2 after 32.2 h', () => {
  const contribution = new Contribution()
  for (let count = 0; count < 5; count++) contribution.forwarded(0, 0)
  expect(contribution.score(13.863 * HOUR_MS)).toBeCloseTo(5, 3)
  expect(contribution.score(32.1 * HOUR_MS)).toBeGreaterThan(2)
  expect(contribution.score(32.2 * HOUR_MS)).toBeLessThan(2)
})

test('spec/envelope.md §5.2: nothing attempted scores nothing, whatever was received', () => {
  const contribution = new Contribution()
  expect(contribution.score(HOUR_MS)).toBe(0)
  contribution.received(MEBIBYTE)
  expect(contribution.score(HOUR_MS)).toBe(0)
})

test('L4a: once earned, the score stays above zero for years and falls without a jump', () => {
  const contribution = new Contribution()
  contribution.forwarded(1, 0)
  const scores = Array.from({ length: 3_000 }, (_, minutes) => contribution.score(minutes * 60_000))
  const steps = scores.slice(1).map((score, index) => scores[index]! - score)
  expect(Math.min(...steps)).toBeGreaterThan(0)
  expect(Math.max(...steps)).toBeLessThan(0.01)
  expect(contribution.score(365 * 24 * HOUR_MS)).toBeGreaterThan(0)
})

test('L4a: a measurement has no field that could mean a ban: after failures alone one good forward scores as much as it would', () => {
  const contribution = new Contribution()
  for (let count = 0; count < 1_000; count++) contribution.failed(0)
  expect(contribution.score(0)).toBe(0)
  contribution.forwarded(0, 0)
  expect(contribution.score(0)).toBeCloseTo(1 + 5 / 1_001, 12)
})

test('L4b: success is 0.5 for the unknown, follows the latest attempts, and goes back to 0.5 with time', () => {
  const contribution = new Contribution()
  expect(contribution.success(0)).toBe(0.5)
  for (let count = 0; count < 60; count++) contribution.failed(0)
  expect(contribution.success(0)).toBe(0.01)
  expect(contribution.success(1_000 * HOUR_MS)).toBeCloseTo(0.5, 6)
  for (let count = 0; count < 30; count++) contribution.forwarded(0, 0)
  expect(contribution.success(0)).toBeGreaterThan(0.97)
  expect(contribution.success(1_000 * HOUR_MS)).toBeCloseTo(0.5, 6)
})

test('L4b: an attempt counts on top of what is still believed, not of what was believed long ago', () => {
  const contribution = new Contribution()
  for (let count = 0; count < 60; count++) contribution.failed(0)
  contribution.forwarded(0, 1_000 * HOUR_MS)
  expect(contribution.success(1_000 * HOUR_MS)).toBeCloseTo(0.5 + 0.5 / 8, 6)
})

/** The formula as the specification writes it, from the list of all that happened. */
function scoreOf(history: readonly Attempt[], receivedBytes: number, now: number): number {
  const good = history.filter((attempt) => attempt.isGood)
  const forwardedBytes = good.reduce((sum, attempt) => sum + attempt.bytes, 0)
  const first = history[0]
  const last = history.at(-1)
  if (first === undefined || last === undefined) return 0
  const hours = (last.at - first.at) / HOUR_MS
  const ratio = receivedBytes > 0 ? forwardedBytes / receivedBytes : forwardedBytes > 0 ? 1 : 0
  const raw =
    good.length * 1.0 +
    (good.length / history.length) * 5.0 +
    hours * 0.5 +
    (forwardedBytes / MEBIBYTE) * 0.2 +
    ratio * 1.5
  return raw * Math.exp((-0.05 * (now - last.at)) / HOUR_MS)
}

interface Attempt {
  readonly isGood: boolean
  readonly bytes: number
  readonly at: number
}

test('spec/envelope.md §5.2: the score is the formula over the whole history', () => {
  const attempt = fc.record({ isGood: fc.boolean(), bytes: fc.nat(10_000_000), pauseMs: fc.nat(40 * HOUR_MS) })
  fc.assert(
    fc.property(
      fc.array(attempt, { maxLength: 30 }),
      fc.nat(10_000_000),
      fc.nat(100 * HOUR_MS),
      (steps, taken, idle) => {
        const contribution = new Contribution()
        const history: Attempt[] = []
        let now = 7_777
        contribution.received(taken)
        for (const { isGood, bytes, pauseMs } of steps) {
          now += pauseMs
          history.push({ isGood, bytes, at: now })
          if (isGood) contribution.forwarded(bytes, now)
          else contribution.failed(now)
        }
        const expected = scoreOf(history, taken, now + idle)
        expect(Math.abs(contribution.score(now + idle) - expected)).toBeLessThanOrEqual(1e-9 * (1 + expected))
      },
    ),
    { numRuns: 200 },
  )
})
