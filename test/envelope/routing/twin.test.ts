/** The flat seen cache against a slow and obvious one, over the same random lives. A failure prints fast-check's seed. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SeenCache } from '../../../src/envelope/routing/seen-cache.ts'
import { packKey } from '../../../src/envelope/routing/seen-key.ts'
import { FACTOR, TIMEOUT } from '../../fuzz/support/budget.ts'
import { key, uuid, WALL } from './support.ts'

class Twin {
  readonly #capacity: number
  entries: { id: string; from: string; expiresAt: number; touchedAt: number; times: number }[] = []

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  find(id: string, from: string) {
    return this.entries.find((entry) => entry.id === id && entry.from === from)
  }

  add(id: string, from: string, expiresAt: number, wall: number): void {
    const known = this.find(id, from)
    if (known !== undefined) {
      known.touchedAt = wall
      known.times = Math.min(255, known.times + 1)
      return
    }
    if (this.entries.length === this.#capacity) this.entries.shift()
    this.entries.push({ id, from, expiresAt, touchedAt: wall, times: 1 })
  }

  expire(wall: number): void {
    while (this.entries.length > 0 && this.entries[0]!.expiresAt <= wall) this.entries.shift()
  }
}

// few of each, so that they meet; some that do not pack, and some that only differ where packing might forget it
const id = fc.oneof(
  { weight: 6, arbitrary: fc.nat(120).map(uuid) },
  { weight: 1, arbitrary: fc.nat(20).map((number) => `message-${number}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'ABCDEF00-0000-4000-8000-00000000000A',
      'abcdef00-0000-4000-8000-00000000000a',
      'abcdef00_0000-4000-8000-00000000000a',
      'abcdef00-0000-4000-8000-00000000000',
      'abcdef00-0000-4000-8000-00000000000aa',
      'ffffffff-ffff-ffff-ffff-ffffffffffff',
      'fffffffg-ffff-ffff-ffff-ffffffffffff',
      '0',
    ),
  },
)
const from = fc.oneof(
  { weight: 6, arbitrary: fc.nat(3).map(key) },
  { weight: 1, arbitrary: fc.constantFrom('f'.repeat(64), `${'f'.repeat(63)}e`, `e${'f'.repeat(63)}`, 'someone') },
)
const seconds = fc.nat(400).map((number) => number * 1_000)
type Step =
  | { readonly kind: 'add'; readonly id: string; readonly from: string; readonly lifeMs: number }
  | { readonly kind: 'has'; readonly id: string; readonly from: string }
  | { readonly kind: 'expire' }
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('add' as const), id, from, lifeMs: seconds }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('has' as const), id, from }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('expire' as const) }) },
)
const life = fc.record({
  capacity: fc.constantFrom(1, 2, 63, 64, 65, 100, 200, 1_000),
  steps: fc.array(fc.record({ step, pauseMs: fc.constantFrom(0, 0, 1_000, 2_000, 100_000) }), {
    minLength: 1,
    maxLength: 400,
    size: 'max',
  }),
})

test(
  'RTR-10: it knows what the obvious one knows, at every step',
  () => {
    fc.assert(
      fc.property(life, ({ capacity, steps }) => {
        const cache = new SeenCache(capacity)
        const twin = new Twin(capacity)
        let wall = WALL
        for (const { step, pauseMs } of steps) {
          wall += pauseMs
          if (step.kind === 'expire') {
            cache.expire(wall)
            twin.expire(wall)
          } else if (step.kind === 'add') {
            const at = cache.add(step.id, step.from, wall + step.lifeMs, wall)
            twin.add(step.id, step.from, wall + step.lifeMs, wall)
            const expected = twin.find(step.id, step.from)!
            expect([cache.touchedAt(at), cache.timesAt(at)]).toEqual([expected.touchedAt, expected.times])
          } else expect(cache.has(step.id, step.from)).toBe(twin.find(step.id, step.from) !== undefined)
          expect(cache.size).toBe(twin.entries.length)
        }
        for (const { id, from, touchedAt, times } of twin.entries) {
          const at = cache.find(id, from)
          expect(at).toBeGreaterThanOrEqual(0)
          expect([cache.touchedAt(at), cache.timesAt(at)]).toEqual([touchedAt, times])
        }
        for (const { step } of steps)
          if (step.kind !== 'expire')
            expect(cache.has(step.id, step.from)).toBe(twin.find(step.id, step.from) !== undefined)
      }),
      { numRuns: 50 * FACTOR },
    )
  },
  TIMEOUT,
)

test('RTR-10, RTR-11: a hundred thousand in less than 70 bytes each, the newest ones, whoever they are from', () => {
  const cache = new SeenCache(100_000)
  expect(cache.bytes).toBeLessThan(5_000)
  const seen = (number: number): [string, string] => [uuid(number * 7_919), key(number)]
  for (let number = 0; number < 150_000; number++) cache.add(...seen(number), WALL + number, WALL)
  expect(cache.size).toBe(100_000)
  expect(cache.bytes / 100_000).toBeLessThan(70)
  expect([49_999, 50_000, 149_999].map((number) => cache.has(...seen(number)))).toEqual([false, true, true])
  cache.expire(WALL + 150_000)
  expect(cache.size).toBe(0)
  // and gives the memory back
  expect(cache.bytes).toBeLessThan(5_000)
  expect(cache.has(...seen(149_999))).toBe(false)
})

test('RTR-10: texts that hash alike are told apart all the same', () => {
  // the words of an odd key are one number of 32 bits, and these two have the same
  const [one, other] = ['tdrnx3nw', 'ea24wn7h'] as const
  const words = [one, other].map((id) => {
    const into = new Uint32Array(12)
    packKey(id, 'someone', into)
    return [...into]
  })
  expect(words[0]).toEqual(words[1])
  const cache = new SeenCache(10)
  cache.add(one, 'someone', WALL, WALL)
  expect([cache.has(one, 'someone'), cache.has(other, 'someone')]).toEqual([true, false])
  cache.add(other, 'someone', WALL + 5_000, WALL)
  expect([cache.size, cache.has(one, 'someone'), cache.has(other, 'someone')]).toEqual([2, true, true])
  cache.expire(WALL + 1_000)
  expect([cache.size, cache.has(one, 'someone'), cache.has(other, 'someone')]).toEqual([1, false, true])
})

type Key = readonly [id: string, from: string]
const ALIKE: readonly (readonly [what: string, one: Key, other: Key])[] = [
  [
    'a letter that is no digit',
    ['0000000g-0000-4000-8000-000000000000', '0'.repeat(64)],
    ['00000010-0000-4000-8000-000000000000', '0'.repeat(64)],
  ],
  ['a digit beyond the key', [uuid(1), `${key(1)}0`], [uuid(1), key(1)]],
  ['a key that is too short', [uuid(1), key(1).slice(0, 63)], [uuid(1), `${key(1).slice(0, 63)}0`]],
  [
    'capital letters',
    ['0000000A-0000-4000-8000-000000000000', key(1)],
    ['0000000a-0000-4000-8000-000000000000', key(1)],
  ],
  [
    'another place for the dashes',
    [`00000000${'-0000'.repeat(2)}00-00-000000000000`, key(1)],
    [`00000000${'-0000'.repeat(3)}-000000000000`, key(1)],
  ],
  ['what the text of both together hides', ['b c', 'a'], ['c', 'a b']],
]

test.each(ALIKE)('RTR-10: nothing is taken for something else: %s', (_, one, other) => {
  for (const [first, second] of [
    [one, other],
    [other, one],
  ] as const) {
    const cache = new SeenCache(10)
    cache.add(...first, WALL, WALL)
    expect([cache.has(...first), cache.has(...second)]).toEqual([true, false])
  }
})

test('what is seen more often than can be counted stays at the most', () => {
  const cache = new SeenCache(10)
  for (let count = 0; count < 300; count++) cache.add(uuid(1), key(1), WALL, WALL)
  expect(cache.timesAt(cache.find(uuid(1), key(1)))).toBe(255)
})
