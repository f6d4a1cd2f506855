import { expect, test } from 'vitest'
import { TOM } from '../../bench/contenders.ts'
import { relayPlan } from '../../bench/relay/measure.ts'
import { IROH_RELAY, RELAY } from '../../bench/relay/names.ts'
import { missedRelayAims, renderRelayTable } from '../../bench/relay/table.ts'
import { Results } from '../../bench/rows.ts'
import { summarize } from '../../bench/statistics.ts'
import { renderTables } from '../../bench/table.ts'

function results(value: string, ours: readonly number[], theirs?: readonly number[]): Results {
  const found = new Results()
  found.add(RELAY, value, TOM, summarize(ours))
  if (theirs !== undefined) found.add(RELAY, value, IROH_RELAY, summarize(theirs))
  return found
}

function cellsOf(text: string | undefined, label: string): string[] | undefined {
  const line = text?.split('\n').find((candidate) => candidate.startsWith(`| ${label} |`))
  return line?.slice(2, -2).split(' | ').slice(1)
}

test.each([
  ['one pair, Mbit/s', [300, 300, 300], '≥ 0.5 ×', 'met'],
  ['one pair, Mbit/s', [100, 100, 100], '≥ 0.5 ×', 'missed'],
  ['idle client, kB', [400, 400, 400], '≤ 1 ×', 'met'],
  ['idle client, kB', [500, 500, 500], '≤ 1 ×', 'missed'],
])('%s of %j beside 400: aim %s, %s', (value, ours, aim, verdict) => {
  const found = results(value, ours, [400, 400, 400])
  const ratio = (ours[0]! / 400).toFixed(2)
  expect(cellsOf(renderRelayTable(found), value)).toEqual([
    aim,
    verdict,
    `${ours[0]} (${ours[0]}–${ours[0]})`,
    '400 (400–400)',
    `${ratio} (${ratio}–${ratio})`,
  ])
  expect(missedRelayAims(found).length).toBe(verdict === 'missed' ? 1 : 0)
})

test('the ratio is of the same rounds, and the aim is asked of its median', () => {
  // a noisy round hits both: thrice as slow is thrice as slow in each
  const found = results('added p50 µs', [30, 300, 60], [10, 100, 20])
  expect(cellsOf(renderRelayTable(found), 'added round trip, p50 µs')?.slice(1)).toEqual([
    'missed',
    '60.0 (30.0–300)',
    '20.0 (10.0–100)',
    '3.00 (3.00–3.00)',
  ])
})

test('without the real server there are numbers and no verdicts', () => {
  const found = results('one pair, Mbit/s', [300, 310, 320])
  expect(cellsOf(renderRelayTable(found), 'one pair, Mbit/s')).toEqual(['≥ 0.5 ×', '', '310 (300–320)', '', ''])
  expect(missedRelayAims(found)).toEqual([])
})

test('what a relay lost stands below the table', () => {
  const found = results('100 pairs, lost of a million', [0, 12, 30], [0, 0, 0])
  const text = renderRelayTable(found)!
  expect(text).toContain(`${TOM}, 100 pairs, lost of a million: 12.0.`)
  expect(text).not.toContain(`${IROH_RELAY}, 100 pairs, lost`)
})

test('the table stands in the report of all figures, alone when nothing else was measured', () => {
  const found = results('accepts a second', [1000], [2000])
  expect(renderTables(found)).toBe(renderRelayTable(found))
  found.add('bulk', 'Mbit/s', TOM, summarize([1000]))
  const tables = renderTables(found).split('\n\n')
  expect(tables.map((table) => table.split('\n')[0])).toEqual([
    `| figure | aim |  | ${TOM} |`,
    `| relay | aim |  | ${TOM} | ${IROH_RELAY} | ratio |`,
  ])
  expect(renderRelayTable(new Results())).toBeUndefined()
})

test('the quick plan is short, the whole one asks what the aims are about', () => {
  expect(relayPlan(true, 2)).toMatchObject({ rounds: 2, idleSeconds: 3 })
  expect(relayPlan(false, 5)).toMatchObject({ rounds: 5, idleClients: 10_000, idleSeconds: 30 })
})
