import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RateBuckets } from '../../../src/envelope/routing/rate-buckets.ts'
import { SenderBudgets } from '../../../src/envelope/routing/sender-budget.ts'
import { MESSAGE_TYPES } from '../../../src/envelope/wire/message-type.ts'
import { ALICE, BOB, EVE, key } from './support.ts'

/** How many of `asked` get through between two times, spread evenly. */
function passing(budgets: SenderBudgets, score: number, from: number, until: number, asked: number): number {
  let passed = 0
  for (let index = 0; index < asked; index++)
    if (budgets.maySend(EVE, 'Chat', score, from + ((until - from) * index) / asked)) passed++
  return passed
}

describe('spec/envelope.md §5.2: the rate', () => {
  test.each([
    [0, 10],
    [10, 30],
    [50, 43.333],
    [-5, 10],
    [Number.NaN, 10],
    [Number.POSITIVE_INFINITY, 50],
  ])('score %d: %d a second', (score, rate) => {
    expect(new SenderBudgets().rateFor(score)).toBeCloseTo(rate, 3)
  })

  test('L5a, L5b: from 10 to 50 a second, never less for a better score', () => {
    const budgets = new SenderBudgets()
    const score = fc.double({ noNaN: true })
    fc.assert(
      fc.property(score, score, (one, other) => {
        const [low, high] = [Math.min(one, other), Math.max(one, other)].map((value) => budgets.rateFor(value)) as [
          number,
          number,
        ]
        expect(low).toBeGreaterThanOrEqual(10)
        expect(high).toBeLessThanOrEqual(50)
        expect(high).toBeGreaterThanOrEqual(low)
      }),
    )
  })

  test.each([
    [0, 20, 100],
    [10, 60, 300],
    [1e9, 100, 500],
  ])('L5a: with score %d %d pass at once, and then %d in ten seconds', (score, burst, later) => {
    const budgets = new SenderBudgets()
    expect(passing(budgets, score, 0, 0, 500)).toBe(burst)
    // the last of the ten seconds' is due at their end
    expect(passing(budgets, score, 0, 10_000, 20_000)).toBeGreaterThanOrEqual(later - 1)
    expect(passing(budgets, score, 10_000, 10_100, 20_000)).toBeLessThanOrEqual(later / 100 + 1)
  })
})

describe('L5c: after a flood', () => {
  test.each([0.01, 0.37, 1, 7, 1_000])('one passes within 100 ms, however fast it was (one each %d ms)', (gapMs) => {
    const budgets = new SenderBudgets()
    let now = 5
    for (let index = 0; index < 20_000; index++) {
      budgets.maySend(EVE, 'Chat', 0, now)
      now += gapMs
    }
    const last = now
    // take what is there, then ask again 100 ms later
    while (budgets.maySend(EVE, 'Chat', 0, last));
    expect(budgets.maySend(EVE, 'Chat', 0, last + 100)).toBe(true)
  })

  test('nothing is held against anybody: two seconds later all of the burst is there', () => {
    const budgets = new SenderBudgets()
    passing(budgets, 0, 0, 60_000, 100_000)
    expect(passing(budgets, 0, 62_000, 62_000, 100)).toBe(20)
  })
})

test.each(MESSAGE_TYPES)('spec/envelope.md §5.2: %s is exempt only if others need it from us', (type) => {
  const budgets = new SenderBudgets()
  const answers = Array.from({ length: 100 }, () => budgets.maySend(EVE, type, 0, 0))
  const isExempt = type === 'Ack' || type === 'ReadReceipt' || type === 'Heartbeat'
  expect(answers.filter(Boolean).length).toBe(isExempt ? 100 : 20)
})

describe('W12: by connection first, then by author', () => {
  test('a connection has a budget of its own, for all that it brings', () => {
    const budgets = new SenderBudgets({ linkBurst: 50, linkPerSecond: 100 })
    const count = (link: string, now: number) =>
      Array.from({ length: 200 }, () => budgets.mayReceiveFrom(link, now)).filter(Boolean).length
    expect([count(EVE, 0), count(EVE, 0), count(ALICE, 0), count(EVE, 100)]).toEqual([50, 0, 50, 10])
  })

  test('a flood of one starves nobody else', () => {
    const budgets = new SenderBudgets()
    for (let index = 0; index < 50_000; index++) {
      budgets.mayReceiveFrom(EVE, index / 10)
      budgets.maySend(EVE, 'Chat', 0, index / 10)
    }
    // the next ones are due at this very moment, and no more
    expect([budgets.mayReceiveFrom(EVE, 5_000), budgets.maySend(EVE, 'Chat', 0, 5_000)]).toEqual([true, true])
    expect([budgets.mayReceiveFrom(EVE, 5_000), budgets.maySend(EVE, 'Chat', 0, 5_000)]).toEqual([false, false])
    expect([budgets.mayReceiveFrom(BOB, 5_000), budgets.maySend(BOB, 'Chat', 0, 5_000)]).toEqual([true, true])
    const passed = Array.from({ length: 100 }, () => budgets.maySend(BOB, 'Chat', 0, 5_000)).filter(Boolean).length
    expect(passed).toBe(19)
  })

  test('invented names: bounded, and those in use are not pushed out', () => {
    const budgets = new SenderBudgets()
    while (budgets.maySend(EVE, 'Chat', 0, 0));
    for (let index = 0; index < 30_000; index++) {
      budgets.maySend(key(1_000 + index), 'Chat', 0, 1)
      budgets.mayReceiveFrom(key(1_000 + index), 1)
      if (index % 5_000 === 0) expect(budgets.maySend(EVE, 'Chat', 0, 1)).toBe(false)
    }
    expect(budgets.sizes).toEqual({ links: 10_000, authors: 10_000 })
    expect(budgets.maySend(EVE, 'Chat', 0, 1)).toBe(false)
  })
})

describe('the buckets', () => {
  test('exactly the one heard of least recently goes', () => {
    const buckets = new RateBuckets(3)
    const isEmpty = (peer: string) => !buckets.take(peer, 0, 1, 0)
    for (const peer of ['a', 'b', 'c']) expect(isEmpty(peer)).toBe(false)
    // a was heard of again, though nothing was to be had
    expect(isEmpty('a')).toBe(true)
    expect(isEmpty('d')).toBe(false)
    expect([isEmpty('a'), isEmpty('c'), isEmpty('d')]).toEqual([true, true, true])
    expect(isEmpty('b')).toBe(false)
    expect(buckets.size).toBe(3)
  })

  test('a clock that stands still or goes back gives nothing and takes nothing', () => {
    const buckets = new RateBuckets(3)
    expect([0, -500, 0].map((now) => buckets.take('a', 10, 2, now))).toEqual([true, true, false])
    expect(buckets.take('a', 10, 2, 100)).toBe(true)
    expect(buckets.take('a', 10, 2, 100)).toBe(false)
  })

  test('less than one at once is never', () => {
    expect(new RateBuckets(3).take('a', 10, 0.5, 0)).toBe(false)
  })
})
