import { describe, expect, test } from 'vitest'
import { chooseHome, RelayMemory } from '../../../src/holepunch/net-report/home-choice.ts'
import type { RelayLatency } from '../../../src/holepunch/net-report/report.ts'

const MINUTE = 60_000
const NOW = 10 * MINUTE

interface Case {
  readonly what: string
  readonly latencies: Readonly<Record<string, RelayLatency>>
  /** Lowest latency of earlier reports. */
  readonly before?: Readonly<Record<string, number>>
  readonly home?: string
  readonly isSticky?: boolean
  readonly wasHomeAsked?: boolean
  readonly expected: string | undefined
}

const https = (httpsMs: number): RelayLatency => ({ httpsMs })

function choose({ latencies, before = {}, home, isSticky = true, wasHomeAsked = true }: Case): string | undefined {
  const memory = new RelayMemory()
  for (const [url, ms] of Object.entries(before)) memory.record(url, ms, NOW - MINUTE)
  const answered = new Map(Object.entries(latencies))
  for (const [url, { httpsMs, qadV4Ms, qadV6Ms }] of answered) {
    for (const ms of [httpsMs, qadV4Ms, qadV6Ms]) if (ms !== undefined) memory.record(url, ms, NOW)
  }
  return chooseHome({ latencies: answered, memory, home, wasHomeAsked, isSticky, now: NOW })
}

const CASES: readonly Case[] = [
  { what: 'the lowest', latencies: { a: https(60), b: https(5), c: https(30) }, expected: 'b' },
  { what: 'of equals the first', latencies: { a: https(5), b: https(5) }, expected: 'a' },
  { what: 'of equals the present one', latencies: { a: https(5), b: https(5) }, home: 'b', expected: 'b' },
  {
    what: 'of equals the present one, after a full report as well',
    latencies: { a: https(5), b: https(5) },
    home: 'b',
    isSticky: false,
    expected: 'b',
  },
  { what: 'any kind of probe counts', latencies: { a: https(20), b: { httpsMs: 60, qadV4Ms: 19 } }, expected: 'b' },
  {
    what: 'the lowest of five minutes counts',
    latencies: { a: https(20), b: https(50) },
    before: { b: 10 },
    expected: 'b',
  },
  { what: 'but only of relays that answered now', latencies: { a: https(20) }, before: { b: 10 }, expected: 'a' },
  { what: 'nobody answered, no home', latencies: {}, before: { a: 3 }, expected: undefined },
  { what: 'nobody answered: home stays', latencies: {}, home: 'a', expected: 'a' },
  { what: 'home did not answer', latencies: { a: https(200) }, before: { b: 3 }, home: 'b', expected: 'a' },
  { what: 'exactly 2/3: move', latencies: { a: https(20), b: https(30) }, home: 'b', expected: 'a' },
  { what: 'above 2/3: stay', latencies: { a: https(20.1), b: https(30) }, home: 'b', expected: 'b' },
  {
    what: 'above 2/3, after a full report: move',
    latencies: { a: https(29), b: https(30) },
    home: 'b',
    isSticky: false,
    expected: 'a',
  },
  {
    what: 'the rival counts with its best of five minutes, home with what it takes now',
    latencies: { a: https(40), b: https(30) },
    before: { a: 19, b: 25 },
    home: 'b',
    expected: 'a',
  },
  {
    what: 'of several samples of home that of QAD over IPv6 counts',
    latencies: { a: https(20), b: { httpsMs: 90, qadV4Ms: 28, qadV6Ms: 30 } },
    home: 'b',
    expected: 'a',
  },
  {
    what: 'else that of QAD over IPv4',
    latencies: { a: https(20), b: { httpsMs: 29, qadV4Ms: 30 } },
    home: 'b',
    expected: 'a',
  },
  {
    what: 'home is the best of five minutes itself, but slow now',
    latencies: { a: https(10), b: https(100) },
    before: { b: 9 },
    home: 'b',
    expected: 'b',
  },
  {
    what: 'home was not asked: what it took before must be beaten',
    latencies: { a: https(20) },
    before: { b: 29 },
    home: 'b',
    wasHomeAsked: false,
    expected: 'b',
  },
  {
    what: 'home was not asked, and is beaten',
    latencies: { a: https(20) },
    before: { b: 30 },
    home: 'b',
    wasHomeAsked: false,
    expected: 'a',
  },
  {
    what: 'home was not asked for longer than anybody remembers',
    latencies: { a: https(1) },
    home: 'b',
    wasHomeAsked: false,
    expected: 'b',
  },
]

test.each(CASES)('spec/relay.md §5.7: $what', (each) => {
  expect(choose(each)).toBe(each.expected)
})

describe('the memory', () => {
  test('spec/relay.md §5.7: the lowest latency of the last five minutes', () => {
    const memory = new RelayMemory()
    memory.record('a', 10, 0)
    memory.record('a', 30, MINUTE)
    memory.record('a', 20, 2 * MINUTE)
    expect(memory.lowestMs('a', 5 * MINUTE)).toBe(10)
    expect(memory.lowestMs('a', 5 * MINUTE + 1)).toBe(20)
    expect(memory.lowestMs('a', 7 * MINUTE + 1)).toBeUndefined()
    expect(memory.lowestMs('b', 0)).toBeUndefined()
  })

  test('the best of some, as far as anybody knows', () => {
    const memory = new RelayMemory()
    memory.record('a', 10, 0)
    memory.record('b', 5, 0)
    expect(memory.best(['c', 'a', 'b'], 1)).toBe('b')
    expect(memory.best(['c', 'a'], 1)).toBe('a')
    expect(memory.best(['c'], 1)).toBeUndefined()
    expect(memory.best(['a', 'b'], 6 * MINUTE)).toBeUndefined()
  })

  test('it keeps nothing that cannot count any more', () => {
    const memory = new RelayMemory()
    for (let at = 0; at < 1000; at++) memory.record('a', 1000 - at, at)
    expect(memory.size).toBe(1)
    for (let at = 0; at < 100; at++) memory.record('a', at, at * MINUTE)
    memory.prune(99 * MINUTE)
    expect(memory.size).toBe(6)
    memory.prune(200 * MINUTE)
    expect(memory.size).toBe(0)
  })

  test('two relays that differ by less than a third never take turns', () => {
    const memory = new RelayMemory()
    let home: string | undefined
    const homes = new Set<string | undefined>()
    for (let report = 0; report < 100; report++) {
      const now = report * 23_000
      const latencies = new Map([
        ['a', https(30 + ((report * 7) % 10))],
        ['b', https(30 + ((report * 3) % 10))],
      ])
      for (const [url, latency] of latencies) memory.record(url, latency.httpsMs!, now)
      home = chooseHome({ latencies, memory, home, wasHomeAsked: true, isSticky: report > 0, now })
      homes.add(home)
    }
    expect(homes.size).toBe(1)
  })
})
