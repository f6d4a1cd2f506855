import { expect, test } from 'vitest'
import { BARE_UDP, NATIVE_PLAIN, NUMBER0, TOM } from '../../bench/contenders.ts'
import { replaceBlock } from '../../bench/markers.ts'
import { Results } from '../../bench/rows.ts'
import { formatNumber, formatSummary, median, pairedRatio, relativeSpread, summarize } from '../../bench/statistics.ts'
import { missedAims, renderTables } from '../../bench/table.ts'

function rowsOf(text: string): Map<string, string[]> {
  const lines = text.split('\n').filter((line) => line.startsWith('| '))
  return new Map(
    lines.map((line) => {
      const cells = line.slice(2, -2).split(' | ')
      return [cells[0]!, cells.slice(1)]
    }),
  )
}

test('median, spread and paired ratios', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 3, 2])).toBe(3)
  expect(median([])).toBeNaN()
  expect(relativeSpread(summarize([90, 100, 110]))).toBeCloseTo(0.1)
  expect(relativeSpread(summarize([0, 0]))).toBe(0)
  // round by round: twice as fast in each, whatever the machine did
  expect(pairedRatio([20, 200, 2], [10, 100, 1])).toEqual({ median: 2, min: 2, max: 2, samples: [2, 2, 2] })
})

test('numbers keep three digits', () => {
  expect([0.123, 1.234, 12.34, 123.4, 1234.5].map(formatNumber)).toEqual(['0.12', '1.23', '12.3', '123', '1,235'])
  expect(formatSummary(summarize([1, 2, 3]))).toBe('2.00 (1.00–3.00)')
  expect(formatSummary(summarize([5]))).toBe('5.00')
})

function results(tomRates: number[], nativeRates: number[]): Results {
  const found = new Results()
  found.add('bulk', 'Mbit/s', TOM, summarize(tomRates))
  found.add('bulk', 'Mbit/s', NATIVE_PLAIN, summarize(nativeRates))
  found.add('bulk', 'Mbit/s', NUMBER0, summarize([100, 100, 100]))
  return found
}

test('rows that lose are in the table, with the aim and what stands beside it', () => {
  const rows = rowsOf(renderTables(results([400, 400, 400], [2000, 2000, 2000])))
  expect(rows.get('figure')).toEqual(['aim', '', TOM, NATIVE_PLAIN, NUMBER0])
  expect(rows.get('bulk, one stream, datagrams up to 1,452 B, Mbit/s')).toEqual([
    `1,000; floor 500 and 5 × ${NUMBER0}`,
    'missed',
    '400 (400–400)',
    '2,000 (2,000–2,000)',
    '100 (100–100)',
  ])
  expect(rows.get('… ÷ native iroh without offload')).toEqual(['≥ 0.5', 'missed', '0.20 (0.20–0.20)', '', ''])
})

test.each([
  [1000, 'met'],
  [600, 'floor met'],
  [499, 'missed'],
])('bulk of %d Mbit/s: %s', (rate, verdict) => {
  const found = results([rate, rate, rate], [1000, 1000, 1000])
  expect(rowsOf(renderTables(found)).get('bulk, one stream, datagrams up to 1,452 B, Mbit/s')![1]).toBe(verdict)
})

test('the floor is five times the Node binding as well', () => {
  const found = new Results()
  found.add('bulk', 'Mbit/s', TOM, summarize([600]))
  found.add('bulk', 'Mbit/s', NUMBER0, summarize([121]))
  expect(rowsOf(renderTables(found)).get('bulk, one stream, datagrams up to 1,452 B, Mbit/s')![1]).toBe('missed')
  expect(missedAims(found)[0]).toMatch(/^bulk, one stream.*: 600, aim 1,000/)
})

test('p99 is put beside bare UDP of the same round', () => {
  const found = new Results()
  found.add('rtt', 'p99 µs', TOM, summarize([200, 900]))
  found.add('rtt', 'p99 µs', BARE_UDP, summarize([100, 300]))
  expect(rowsOf(renderTables(found)).get('… ÷ bare UDP in the same round')).toEqual([
    'published',
    '',
    '3.00 (2.00–3.00)',
    '1.00 (1.00–1.00)',
  ])
})

test('who is missing is named with the reason', () => {
  const found = results([1000], [1000])
  found.absent('js-libp2p, TCP', new Error('Cannot find package\nat somewhere'))
  found.absent(NUMBER0, 'too slow', 'idle')
  expect(renderTables(found)).toContain(
    `Not measured: js-libp2p, TCP: Cannot find package; ${NUMBER0} (idle): too slow.`,
  )
})

test('a reason names no folder and no host', () => {
  const found = new Results()
  found.absent('a', "Cannot find package 'a' imported from /home/somebody/worker.mjs")
  found.absent('b', 'request to https://registry.example/b failed: ECONNREFUSED')
  found.absent('c', 'udx server ended with 1: no such file /var/x/y.node')
  expect(found.absences.map(({ reason }) => reason)).toEqual([
    "Cannot find package 'a'",
    'request to  failed: ECONNREFUSED',
    'udx server ended with 1: no such file',
  ])
})

test('a block is replaced between its marks and nowhere else', () => {
  const text = 'a\n<!-- x:start -->\nold\n<!-- x:end -->\nb\n'
  expect(replaceBlock(text, 'x', 'new\n')).toBe('a\n<!-- x:start -->\nnew\n<!-- x:end -->\nb\n')
  expect(() => replaceBlock(text, 'y', '')).toThrow(/no <!-- y:start -->/)
  expect(() => replaceBlock('<!-- x:end --><!-- x:start -->', 'x', '')).toThrow(/no <!-- x:start -->/)
})
