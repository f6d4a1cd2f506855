import { expect, test } from 'vitest'
import { type Baseline, compare, describeFinding, type Measurement, makeBaseline } from '../../bench/baseline.ts'

const ORIGIN = { date: '2026-01-01', commit: 'abc', machine: '2 × test', node: 'v20' }
const MEASURED: Measurement = {
  cpu: { sender: [2, 2.1, 1.9] },
  counts: { datagrams: [100, 100, 100], bytes: [1000, 1010, 990], lost: [0, 0, 0] },
  allocations: { heap: [1000, 1020, 980], buffers: [500, 500, 500] },
}

const baseline: Baseline = makeBaseline(ORIGIN, MEASURED)

test('a baseline keeps medians, and tolerances from the noise that was seen', () => {
  expect(baseline).toEqual({
    ...ORIGIN,
    cpu: { sender: { value: 2, tolerance: 0.25 } },
    counts: {
      datagrams: { value: 100, tolerance: 0.005 },
      bytes: { value: 1000, tolerance: 0.01 },
      lost: { value: 0, tolerance: 0.005 },
      heap: { value: 1000, tolerance: 0.06 },
      buffers: { value: 500, tolerance: 0.03 },
    },
  })
})

test('the same measurement is neither worse nor better than its own baseline', () => {
  const findings = [
    ...compare(baseline.cpu, MEASURED.cpu),
    ...compare(baseline.counts, { ...MEASURED.counts, ...MEASURED.allocations }),
  ]
  expect(findings).toHaveLength(6)
  expect(findings.filter(({ isWorse, isBetter }) => isWorse || isBetter)).toEqual([])
})

test.each([
  ['CPU at the limit of 25 %', { sender: [2.5] }, false],
  ['CPU just above it', { sender: [2.52] }, true],
  ['the median counts, not one bad round', { sender: [2, 9, 2] }, false],
])('%s', (_, now, isWorse) => {
  expect(compare(baseline.cpu, now)[0]!.isWorse).toBe(isWorse)
})

test.each([
  ['datagrams', 101, true],
  ['datagrams', 100.4, false],
  ['bytes', 1009, false],
  ['bytes', 1011, true],
  ['lost', 1, true],
  ['lost', 0, false],
])('%s of %d: worse is %s', (name, now, isWorse) => {
  const bound = { [name]: baseline.counts[name]! }
  expect(compare(bound, { [name]: [now] })[0]!.isWorse).toBe(isWorse)
})

test('a finding says what, how much, and what was allowed', () => {
  const [worse] = compare(baseline.cpu, { sender: [3] })
  expect(describeFinding(worse!)).toBe('WORSE  sender: 3.00, baseline 2.00 (+50.0 %, allowed +25.0 %)')
  const [better] = compare(baseline.cpu, { sender: [1] })
  expect(describeFinding(better!)).toMatch(/^better sender: 1\.00, .*-50\.0 %/)
})

test('quantities that only one side knows mean a baseline of another guard', () => {
  expect(() => compare(baseline.cpu, {})).toThrow(/sender is only in the baseline/)
  expect(() => compare({}, { sender: [1] })).toThrow(/sender is only in this run/)
})
