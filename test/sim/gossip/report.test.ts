import { describe, expect, test } from 'vitest'
import { UPSTREAM_GOSSIP_PROFILE } from '../../../src/gossip/proto/settings.ts'
import { HELP, parseOrder } from './options.ts'
import { renderCharts, ticks } from './report/chart.ts'
import { chartsOf } from './report/charts.ts'
import { number, percent } from './report/figures.ts'
import { compareReports, parseReport, toCsv, toJson } from './report/files.ts'
import { renderChecks, renderResults } from './report/table.ts'
import { SCENARIOS } from './scenarios/index.ts'
import type { Result } from './scenarios/result.ts'
import type { Settings } from './scenarios/settings.ts'

const settings: Settings = {
  nodes: 60,
  seed: '0',
  profile: UPSTREAM_GOSSIP_PROFILE,
  latency: 'uniform:10..50',
  bootstrap: { kind: 'sequential', intervalMs: 20, contact: 'random' },
  cycles: 1,
  rounds: 6,
  isWire: false,
  loss: 0,
  dialRoundTrips: undefined,
  deadDialMs: undefined,
}

function run(name: string, rest: Partial<Settings> = {}): Result[] {
  const scenario = SCENARIOS.find((one) => one.name === name)!
  return [...scenario.run({ settings: { ...settings, ...rest }, failures: [20, 60], hasNodes: true })]
}

describe('scenarios', () => {
  for (const { name } of SCENARIOS)
    test(`spec/gossip.md §12.8 S10: ${name}: results say how to run them again`, () => {
      const results = run(name)
      expect(results.length).toBeGreaterThan(0)
      for (const result of results) {
        expect(result).toMatchObject({ scenario: name, nodes: 60, seed: '0' })
        expect(result.config).toMatchObject({ cycles: name === 'upstream' ? 0 : 1, loss: 0, isWire: false })
        expect(result.traceHash).toMatch(/^[0-9a-f]{16}$/)
        expect(Object.entries(result.figures).filter(([, value]) => !Number.isFinite(value))).toEqual([])
      }
      const lines = renderResults(name, results).split('\n')
      expect(lines).toHaveLength(results.length + 1)
      expect(lines[1]).toContain(results[0]!.variant)
    })
})

describe('reports', () => {
  const results = run('failures')

  test('numbers as people read them', () => {
    expect([percent(1), percent(0.99999), percent(0.5), percent(0)]).toEqual(['100', '99.99', '50.00', '0.00'])
    expect([number(3), number(1234.5), number(12.34), number(1.234), number(0.01234)]).toEqual([
      '3',
      '1235',
      '12.3',
      '1.23',
      '0.0123',
    ])
  })

  test('spec/gossip.md §12.8 S10: JSON comes back as it was, and nothing else is taken for a report', () => {
    expect(parseReport(toJson(results)).results).toEqual(results)
    for (const text of ['{}', 'null', '{"format":2,"results":[]}']) expect(() => parseReport(text)).toThrow('no report')
  })

  test('CSV has a line for each figure, and texts with commas in quotes', () => {
    const named = results.map((result) => ({ ...result, variant: 'a, "b"' }))
    const lines = toCsv(named).trimEnd().split('\n')
    expect(lines[0]).toBe('scenario,variant,profile,nodes,seed,latency,figure,value')
    expect(lines).toHaveLength(1 + results.reduce((sum, { figures }) => sum + Object.keys(figures).length, 0))
    expect(lines[1]).toBe('failures,"a, ""b""",upstream-0.101,60,0,uniform:10..50,percent,20')
  })

  test('spec/gossip.md §12.8 S10: compare names what changed, by how much, and what is missing', () => {
    const report = (changed: readonly Result[]) => parseReport(toJson(changed))
    const before = report(results)
    expect(compareReports(before, before).split('\n')).toEqual(results.map(() => expect.stringMatching(/same trace$/)))
    const [first, second] = results as [Result, Result]
    const figures = { ...first.figures, ldh: first.figures.ldh! * 2, first: first.figures.first! + 0.001 }
    const text = compareReports(before, report([{ ...first, figures, traceHash: 'other' }]))
    expect(text).toContain(`trace ${first.traceHash} → other`)
    expect(text).toMatch(/ {2}ldh .*\+100 %/)
    expect(text).not.toMatch(/ {2}first /)
    expect(text).toContain(
      `failures, ${second.variant}, upstream-0.101, 60 nodes, seed 0, uniform:10..50: only in the first`,
    )
    expect(compareReports(report([]), before)).toContain('only in the second')
  })

  test('a missed check stands out', () => {
    const check = { goal: 'all of it', bound: '= 1', value: 0.5, isMet: false }
    const text = renderChecks([{ ...results[0]!, checks: [check, { ...check, isMet: true }] }])
    expect(text).toMatch(/^MISSED +all of it +0\.50 += 1/m)
    expect(text).toMatch(/^met /m)
    expect(renderChecks(results)).toBe('')
  })
})

describe('charts', () => {
  test('ticks are round and within the range', () => {
    expect(ticks(0, 100)).toEqual([0, 20, 40, 60, 80, 100])
    expect(ticks(10, 95)).toEqual([20, 40, 60, 80])
    expect(ticks(0, 0.3)).toEqual([0, 0.1, 0.2, 0.3])
  })

  test('both kinds, one colour for each profile, all points within the frame', () => {
    const both = [...run('failures'), ...run('upstream')]
    const twin = both.map((result) => ({ ...result, profile: 'a <b> & c' }))
    const charts = chartsOf([...both, ...twin])
    expect(charts.map(({ lines }) => lines.length)).toEqual([4, 4])
    expect(charts[0]!.lines.map(({ color }) => color)).toEqual([0, 0, 1, 1])
    const svg = renderCharts(charts)
    expect(svg).toContain('a &lt;b&gt; &amp; c')
    expect(svg).not.toMatch(/NaN|undefined|<b>/)
    for (const [, x, y] of svg.matchAll(/<circle cx="([^"]+)" cy="([^"]+)"/g)) {
      expect(Number(x)).toBeGreaterThanOrEqual(70)
      expect(Number(x)).toBeLessThanOrEqual(696)
      expect(Number(y)).toBeGreaterThanOrEqual(62)
      expect(Number(y)).toBeLessThanOrEqual(296)
    }
    expect(chartsOf(run('healing'))).toEqual([])
  })
})

describe('the command', () => {
  test('what it is told', () => {
    const order = parseOrder(
      '--scenario churn,healing --nodes 50 --seed 1,2 --seed 3 --profile both --failures 10,95 --bootstrap set:4 --loss 5 --dial 1.5 --wire'.split(
        ' ',
      ),
    )
    expect(order).toMatchObject({
      nodes: 50,
      seeds: ['1', '2', '3'],
      failures: [10, 95],
      bootstrap: { kind: 'set', count: 4 },
      loss: 0.05,
      dialRoundTrips: 1.5,
      isWire: true,
      cycles: 10,
      rounds: 30,
    })
    expect(order?.scenarios.map(({ name }) => name)).toEqual(['churn', 'healing'])
    expect(order?.profiles.map(({ name }) => name)).toEqual(['upstream-0.101', 'default'])
    expect(parseOrder(['--scenario', 'all'])?.scenarios).toEqual(SCENARIOS)
    expect(parseOrder(['--help'])).toBeUndefined()
    for (const { name } of SCENARIOS) expect(HELP).toContain(name)
  })

  test('what makes no sense', () => {
    const wrong: [string, string][] = [
      ['', '--scenario is missing'],
      ['--scenario nothing', '"nothing" is no scenario'],
      ['--scenario churn --nodes 1', '--nodes takes a number from 2'],
      ['--scenario churn --nodes many', '--nodes takes a number'],
      ['--scenario churn --profile new', '"new" is no profile'],
      ['--scenario churn --latency far', '"far" is no latency'],
      ['--scenario churn --failures 100', 'up to 99'],
      ['--scenario churn --bootstrap tree', '--bootstrap is'],
      ['--scenario churn --contact last', '--contact is'],
      ['--scenario churn --loss 101', 'percentage'],
      ['--scenario churn --dial -1', 'dial'],
      ['--scenario churn --what', 'what'],
    ]
    for (const [args, message] of wrong)
      expect(() => parseOrder(args.split(' ').filter(Boolean)), args).toThrow(message)
  })
})
