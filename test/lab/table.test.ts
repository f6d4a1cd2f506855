/** What runs are summed up to, and what the tables say of them. */
import { expect, test } from 'vitest'
import type { Ping } from './lab-node.ts'
import { longestStallMs, percentile } from './measure.ts'
import { merge } from './report.ts'
import type { RunResult } from './result.ts'
import { formatMs, groupTable, natTable, summarize, wallsTable } from './table.ts'

function ping(sentAt: number, at: number): Ping {
  return { event: 'ping', connection: 1, seq: 1, sentAt, at, rttMs: at - sentAt, via: 'direct' }
}

function result(scenario: string, run: number, timeToDirectMs: number | null, ok = true): RunResult {
  return { scenario, pair: 'tom-tom', run, ok, timeToDirectMs, longestStallMs: 100 + run, packetsUntilDirect: 30 }
}

test('the longest stall counts from the first ping, between answers in any order, and to the end', () => {
  const pings = [ping(0, 50), ping(100, 700), ping(200, 650)]
  expect(longestStallMs(pings, 710)).toBe(600)
  expect(longestStallMs(pings, 2000)).toBe(1300)
  expect(longestStallMs([ping(0, 900), ping(100, 950)], 960)).toBe(900)
  expect(longestStallMs([], 1000)).toBe(0)
})

test('percentiles are nearest ranks', () => {
  const values = Array.from({ length: 20 }, (_, index) => 20 - index)
  expect([0, 0.5, 0.95, 1].map((share) => percentile(values, share))).toEqual([1, 10, 19, 20])
  expect(percentile([], 0.5)).toBeNaN()
})

test('times are for people', () => {
  expect([0.4, 999.4, 1234, Number.NaN].map(formatMs)).toEqual(['0 ms', '999 ms', '1.23 s', '–'])
})

test('a summary holds what passed, and leaves out runs without a value', () => {
  const [summary] = summarize([result('a', 1, 10), result('a', 2, null, false), result('a', 3, 30)])
  expect(summary).toMatchObject({ scenario: 'a', runs: 3, passed: 2 })
  expect(summary!.value('timeToDirectMs', 1)).toBe(30)
  expect(summary!.value('nothing', 0.5)).toBeNaN()
})

test('the matrix says relay where nothing went direct, and how many passed where not all did', () => {
  const results = [
    result('nat-none-open', 1, 15),
    result('nat-moderate-strict', 1, 1500),
    result('nat-moderate-strict', 2, null, false),
    result('nat-strict-strict', 1, null),
  ]
  expect(natTable(results, 'tom-tom').split('\n')).toEqual([
    '| server \\ client | none | open | moderate | strict |',
    '| --- | --- | --- | --- | --- |',
    '| none |  | 15 ms |  |  |',
    '| open |  |  |  |  |',
    '| moderate |  |  |  | 1.50 s (1 of 2) |',
    '| strict |  |  |  | relay |',
  ])
})

test('a group has a row a scenario and pair', () => {
  const rows = groupTable([result('failover', 1, 20), result('failover', 2, 40)], ['toRelayMs']).split('\n')
  expect(rows[0]).toBe(
    '| scenario | server – client | passed | direct p50 | direct p95 | longest stall | packets | to relay |',
  )
  expect(rows[2]).toBe('| `failover` | ours – ours | 2 of 2 | 20 ms | 40 ms | 102 ms | 30 | – |')
})

test('the walls stand beside the article', () => {
  const cold = { ...result('wall-lan', 1, 210), startToDirectMs: 320 }
  expect(
    wallsTable([cold, result('wall-lan-warm', 1, 90)])
      .split('\n')
      .slice(2, 5),
  ).toEqual([
    '| same LAN | 0.37 s | 320 ms / 320 ms, 1 of 1 | – |',
    '| … from the dial |  | 210 ms / 210 ms, 1 of 1 | – |',
    '| … both online before, relay alone known |  | 90 ms / 90 ms, 1 of 1 | – |',
  ])
})

test('new runs replace all of the same scenario and pair, and nothing else', () => {
  const kept = [result('a', 1, 10), result('a', 2, 20), result('b', 1, 30)]
  const fresh = [result('a', 1, 99)]
  expect(merge(kept, fresh)).toEqual([kept[2], fresh[0]])
})
