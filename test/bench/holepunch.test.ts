/** What the hole punching benchmark makes of its measurements, and the paced link that it measures over. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { TOM } from '../../bench/contenders.ts'
import { HOLEPUNCH, NATIVE } from '../../bench/holepunch/names.ts'
import { goodput, gridStep, renderPlot } from '../../bench/holepunch/plot.ts'
import { Shaper } from '../../bench/holepunch/shaper.ts'
import { type Switching, switchFigures } from '../../bench/holepunch/switching.ts'
import { missedPunchAims, renderPunchTable } from '../../bench/holepunch/table.ts'
import { describeOrigins, type Published, publishedJson, takeOver } from '../../bench/published.ts'
import { Results } from '../../bench/rows.ts'
import { percentile, summarize } from '../../bench/statistics.ts'
import { renderTables } from '../../bench/table.ts'

const MBIT = 8
/** Bytes a step of 10 ms at 8 Mbit/s. */
const STEP = 10_000

/** Relay until 4 s, direct until 8 s (shut at 7 s), relay until 10 s; 8 Mbit/s but where `change` says otherwise. */
function switching(change: (step: number) => number = () => STEP): Switching {
  return {
    stepMs: 10,
    bytes: Array.from({ length: 1000 }, (_, step) => (step >= 700 && step < 830 ? 0 : change(step))),
    rtts: [
      [50, 30],
      [5_000, 25],
    ],
    phases: [
      { kind: 'relay', from: 0, to: 4_000 },
      { kind: 'direct', from: 4_000, to: 8_000 },
      { kind: 'relay', from: 8_000, to: 10_000 },
    ],
    shutAt: 7_000,
  }
}

describe('figures of the switch', () => {
  test('all as before', () => {
    const { relayMbit, ...rest } = switchFigures(switching())
    expect(relayMbit).toBeCloseTo(MBIT)
    expect(rest).toEqual({ worst: 1, middle: 1, leftAfterMs: 1_000, stallMs: 1_300 })
  })

  test('a hole of 100 ms takes half of the window of 200 ms that it lies in', () => {
    const { worst, middle } = switchFigures(switching((step) => (step >= 500 && step < 510 ? 0 : STEP)))
    expect([worst, middle]).toEqual([0.5, 1])
  })

  test('holes before the switch count for the relay', () => {
    const { relayMbit, worst } = switchFigures(switching((step) => (step < 400 && step % 2 === 0 ? 0 : STEP)))
    expect(relayMbit).toBeCloseTo(MBIT / 2)
    expect(worst).toBeCloseTo(2)
  })

  test('it was direct from the start: that says nothing', () => {
    const { phases, ...rest } = switching()
    expect(() => switchFigures({ ...rest, phases: [phases[0]!, { ...phases[1]!, from: 500 }] })).toThrow('relay phase')
  })

  test('percentiles', () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index)
    expect([percentile(values, 0.5), percentile(values, 0.95), percentile([7], 0.95)]).toEqual([51, 96, 7])
  })
})

describe('paced link', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  function link(queueBytes: number | undefined) {
    vi.useFakeTimers()
    const arrivals: [number, number][] = []
    const left: number[] = []
    // 1,000 bytes take 1 ms
    const shaper = new Shaper(
      { mbit: 8, delayMs: 10, queueBytes },
      () => Date.now(),
      () => left.push(shaper.queuedBytes),
    )
    const begin = Date.now()
    const push = (index: number, length: number): void =>
      shaper.push(length, () => arrivals.push([index, Date.now() - begin]))
    return { shaper, arrivals, left, push }
  }

  test('each datagram after those before it, and so much later', () => {
    const { arrivals, push } = link(undefined)
    for (let index = 0; index < 3; index++) push(index, 2_000)
    vi.advanceTimersByTime(30)
    expect(arrivals).toEqual([
      [0, 12],
      [1, 14],
      [2, 16],
    ])
    push(3, 1_000)
    vi.advanceTimersByTime(30)
    expect(arrivals[3]).toEqual([3, 41])
  })

  test('beyond the queue datagrams are lost; what is on its way is not in the queue', () => {
    const { shaper, arrivals, left, push } = link(3_000)
    for (let index = 0; index < 5; index++) push(index, 1_000)
    expect([shaper.queuedBytes, shaper.lost]).toEqual([3_000, 2])
    vi.advanceTimersByTime(2)
    expect(shaper.queuedBytes).toBe(1_000)
    expect(left.at(-1)).toBe(1_000)
    push(5, 1_000)
    vi.advanceTimersByTime(30)
    expect(arrivals.map(([index]) => index)).toEqual([0, 1, 2, 5])
  })

  test('cleared: nothing arrives', () => {
    const { shaper, arrivals, push } = link(undefined)
    push(0, 1_000)
    shaper.clear()
    vi.advanceTimersByTime(30)
    expect(arrivals).toEqual([])
  })
})

describe('table', () => {
  function results(value: string, ours: number, theirs?: number): Results {
    const found = new Results()
    found.add(HOLEPUNCH, value, TOM, summarize([ours]))
    if (theirs !== undefined) found.add(HOLEPUNCH, value, NATIVE, summarize([theirs]))
    return found
  }

  test.each([
    ['direct p95, ms', 5, 5, 'met'],
    ['direct p95, ms', 6, 5, 'missed'],
    ['direct p95, ms', 6, undefined, ''],
    ['worst window ÷ relay', 0.8, undefined, 'met'],
    ['worst window ÷ relay', 0.79, undefined, 'missed'],
    ['left after, ms', 1501, undefined, 'missed'],
    ['packets', 20, 30, ''],
  ])('%s: %d beside %s is %j', (value, ours, theirs, verdict) => {
    const found = results(value, ours, theirs)
    const cells = renderPunchTable(found)!.split('\n').at(-1)!.slice(2, -2).split(' | ')
    expect(cells[2]?.trim()).toBe(verdict)
    expect(missedPunchAims(found)).toHaveLength(verdict === 'missed' ? 1 : 0)
  })

  test('it is a table of its own among the others', () => {
    const text = renderTables(results('packets', 20, 30))
    expect(text).toContain(`| from relay to direct | aim |  | ${TOM} | ${NATIVE} |`)
    expect(text).not.toContain('| figure |')
    expect(renderPunchTable(new Results())).toBeUndefined()
  })
})

describe('plot', () => {
  test('goodput in steps of 100 ms', () => {
    const points = goodput(switching())
    expect(points).toHaveLength(100)
    expect(points[0]).toEqual([50, 8])
    expect(points[75]).toEqual([7550, 0])
  })

  test.each([
    [20, 5],
    [24, 10],
    [1.2, 0.5],
    [300, 100],
  ])('lines up to %d every %d', (max, step) => {
    expect(gridStep(max)).toBe(step)
  })

  test('two panels, three phases in each, everything within the picture', () => {
    const svg = renderPlot(switching(), 'a transfer')
    expect(svg.match(/<polyline/g)).toHaveLength(2)
    expect(svg.match(/>direct</g)).toHaveLength(2)
    expect(svg.match(/>relay</g)).toHaveLength(4)
    const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)!.map(Number)
    for (const [, list] of svg.matchAll(/points="([^"]+)"/g))
      for (const point of list!.split(' ')) {
        const [x, y] = point.split(',').map(Number)
        expect(x! >= 0 && x! <= width! && y! >= 0 && y! <= height!).toBe(true)
      }
    // every tag is closed
    expect(svg.match(/<(?:svg|text|title)[ >]/g)!.length).toBe(svg.match(/<\/(?:svg|text|title)>/g)!.length)
  })
})

test('a run of one figure leaves the others as they were published', () => {
  const origin = { date: '2026-02-02', commit: 'new', machine: 'M', node: 'v20' }
  const row = (figure: string, value: number) => ({ figure, value: 'x', stack: TOM, summary: summarize([value]) })
  const before: Published = {
    date: '2026-01-01',
    commit: 'old',
    machine: 'M',
    node: 'v20',
    rounds: 5,
    quick: false,
    seconds: 9,
    absences: [{ stack: 'gone', reason: 'why' }],
    parts: [{ figures: ['relay', HOLEPUNCH], origin: { ...origin, commit: 'older' } }],
    rows: [row('bulk', 1), row(HOLEPUNCH, 2)],
  }
  const results = new Results()
  results.add(HOLEPUNCH, 'x', TOM, summarize([3]))
  const head = takeOver(before, [HOLEPUNCH], origin, results)
  expect(results.rows.map(({ figure, summary }) => [figure, summary.median])).toEqual([
    ['bulk', 1],
    [HOLEPUNCH, 3],
  ])
  expect(describeOrigins(head)).toBe(
    'M, Node v20; commit old, 2026-01-01; relay: commit older, 2026-02-02; holepunch: commit new, 2026-02-02',
  )
  const elsewhere = { ...head, parts: [{ figures: ['x'], origin: { ...origin, machine: 'N' } }] }
  expect(describeOrigins(elsewhere)).toBe('M, Node v20; commit old, 2026-01-01; x: N, Node v20; commit new, 2026-02-02')
  const written = JSON.parse(publishedJson(head, results.rows)) as Published
  expect(written).toMatchObject({ commit: 'old', absences: [{ stack: 'gone' }] })
  expect(written.rows).toEqual(results.rows)
})
