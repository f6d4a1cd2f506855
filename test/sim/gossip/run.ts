/** `npm run sim:gossip`: runs scenarios, prints tables, writes files. The only place of the simulator that looks at a clock. */
import { readFileSync, writeFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { HELP, parseOrder, type RunOrder } from './options.ts'
import { renderCharts } from './report/chart.ts'
import { chartsOf } from './report/charts.ts'
import { compareReports, parseReport, toCsv, toJson } from './report/files.ts'
import { renderChecks, renderResults } from './report/table.ts'
import type { Scenario } from './scenarios/index.ts'
import type { Result } from './scenarios/result.ts'

const DEFAULT_NODES = 1000

function* ordered(order: RunOrder, scenario: Scenario): Generator<Result> {
  for (const profile of order.profiles)
    for (const seed of order.seeds)
      yield* scenario.run({
        failures: order.failures,
        hasNodes: order.nodes !== undefined,
        settings: {
          nodes: order.nodes ?? DEFAULT_NODES,
          seed,
          profile,
          latency: order.latency ?? scenario.latency,
          bootstrap: order.bootstrap,
          cycles: order.cycles,
          rounds: order.rounds,
          isWire: order.isWire,
          loss: order.loss,
          dialRoundTrips: order.dialRoundTrips,
          deadDialMs: order.deadDialMs,
        },
      })
}

/** Says on stderr how far it is: runs of 10,000 nodes take their time. */
function runScenario(order: RunOrder, scenario: Scenario): Result[] {
  const results: Result[] = []
  let start = performance.now()
  for (const result of ordered(order, scenario)) {
    const seconds = (performance.now() - start) / 1000
    const { variant, profile, nodes, seed, events, simulatedMs, traceHash } = result
    process.stderr.write(
      `${scenario.name}: ${variant}, ${profile}, ${nodes} nodes, seed ${seed}: ${events} events, ` +
        `${(simulatedMs / 1000).toFixed(0)} s simulated in ${seconds.toFixed(1)} s, trace ${traceHash}\n`,
    )
    results.push(result)
    start = performance.now()
  }
  return results
}

function runOrder(order: RunOrder): number {
  const all: Result[] = []
  for (const scenario of order.scenarios) {
    const results = runScenario(order, scenario)
    all.push(...results)
    console.log(`\n${scenario.name}: ${scenario.about}\n${renderResults(scenario.name, results)}`)
    const checks = renderChecks(results)
    if (checks !== '') console.log(`\n${checks}`)
  }
  if (order.json !== undefined) writeFileSync(order.json, toJson(all))
  if (order.csv !== undefined) writeFileSync(order.csv, toCsv(all))
  if (order.svg !== undefined) {
    const charts = chartsOf(all)
    if (charts.length === 0) console.error('no chart: --svg shows the scenarios failures and upstream')
    else writeFileSync(order.svg, renderCharts(charts))
  }
  return all.some((result) => result.checks.some((check) => !check.isMet)) ? 1 : 0
}

function main(args: readonly string[]): number {
  if (args[0] === 'compare') {
    if (args.length !== 3) throw new Error('compare takes two JSON reports')
    const [before, after] = args.slice(1).map((file) => parseReport(readFileSync(file, 'utf8')))
    console.log(compareReports(before!, after!))
    return 0
  }
  const order = parseOrder(args)
  if (order === undefined) {
    console.log(HELP)
    return 0
  }
  return runOrder(order)
}

try {
  process.exitCode = main(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 2
}
