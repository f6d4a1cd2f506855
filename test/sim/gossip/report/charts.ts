/** The charts of a report: delivery over the part of nodes that failed, and redundancy over the rounds, a colour for each profile. */
import type { Result } from '../scenarios/result.ts'
import { mean } from '../support/statistics.ts'
import type { Chart, Line } from './chart.ts'

function distinct(values: readonly string[]): string[] {
  return [...new Set(values)]
}

function of(results: readonly Result[], profile: string): Result[] {
  return results.filter((result) => result.profile === profile)
}

/** The mean over seeds, for each percentage. */
function overFailures(results: readonly Result[], figure: string): [number, number][] {
  const percents = [...new Set(results.map(({ figures }) => figures.percent!))].sort((a, b) => a - b)
  return percents.map((percent) => [
    percent,
    100 * mean(results.filter(({ figures }) => figures.percent === percent).map(({ figures }) => figures[figure] ?? 0)),
  ])
}

/** The mean over seeds, round by round. */
function overRounds(results: readonly Result[], series: string): [number, number][] {
  const length = Math.max(...results.map((result) => result.series[series]?.length ?? 0))
  return Array.from({ length }, (_, round) => [
    round + 1,
    mean(results.flatMap((result) => result.series[series]?.[round] ?? [])),
  ])
}

function subtitle(results: readonly Result[]): string {
  const first = results[0]!
  const seeds = distinct(results.map(({ seed }) => seed)).length
  return `${first.nodes.toLocaleString('en')} nodes, ${first.latency}, ${seeds === 1 ? 'one seed' : `mean of ${seeds} seeds`}`
}

function failureChart(results: readonly Result[]): Chart {
  const lines: Line[] = distinct(results.map(({ profile }) => profile)).flatMap((profile, color) => {
    const own = of(results, profile)
    return [
      { name: `${profile}, first 10 messages`, color, isDashed: true, points: overFirst(own) },
      { name: `${profile}, after two cycles`, color, points: overFailures(own, 'afterTwoCycles') },
    ]
  })
  return {
    title: 'Delivery after a part of the swarm failed at once',
    subtitle: subtitle(results),
    xTitle: 'failed, % of all nodes',
    yTitle: 'reached, % of the living',
    xMin: 0,
    xMax: 100,
    yMin: 0,
    yMax: 100,
    lines,
  }
}

function overFirst(results: readonly Result[]): [number, number][] {
  return overFailures(
    results.map((result) => ({
      ...result,
      figures: { ...result.figures, firstTen: mean((result.series.delivery ?? []).slice(0, 10)) },
    })),
    'firstTen',
  )
}

function roundsChart(results: readonly Result[]): Chart {
  const names = distinct(results.map(({ variant }) => variant))
  const profiles = distinct(results.map(({ profile }) => profile))
  const lines = profiles.flatMap((profile, color) =>
    names.flatMap((name, index): Line[] => {
      const own = of(results, profile).filter(({ variant }) => variant === name)
      if (own.length === 0) return []
      return [{ name: `${profile}, ${name}`, color, isDashed: index > 0, points: overRounds(own, 'paperRmr') }]
    }),
  )
  return {
    title: 'Redundancy of broadcasts, round by round',
    subtitle: subtitle(results),
    xTitle: 'round',
    yTitle: 'copies per node reached, less 1 (RMR)',
    lines,
  }
}

/** The largest swarm of each kind; empty when nothing that was run has a chart. */
export function chartsOf(results: readonly Result[]): Chart[] {
  const charts: Chart[] = []
  const largestOf = (chosen: readonly Result[]) => {
    const nodes = Math.max(...chosen.map((result) => result.nodes))
    return chosen.filter((result) => result.nodes === nodes)
  }
  const failures = results.filter(({ scenario }) => scenario === 'failures')
  if (failures.length > 0) charts.push(failureChart(largestOf(failures)))
  const rounds = results.filter(
    ({ scenario, variant }) => scenario === 'upstream' && (variant === 'GossipSingle' || variant === 'GossipMulti'),
  )
  if (rounds.length > 0) charts.push(roundsChart(largestOf(rounds)))
  return charts
}
