/**
 * Which seeds a test file runs, and what a failing one leaves: the command that repeats it, and its qlog. `TOM_SIM_SEED=123` (or `bulk:7`,
 * `multipath:9`, `relay:4`, `nat:3`) runs one seed; `TOM_SIM_SEEDS=1..5000` (or a count) and `TOM_SIM_BULK_SEEDS` run others than usual.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { QlogTrace, type Role, type TraceSink } from '../../../src/quic/index.ts'
import { interact } from './multipath/interaction.ts'
import { type Scenario, type Size, scenarioOf } from './scenario.ts'
import { type Outcome, Simulation } from './simulation.ts'

const USUAL = { small: 500, bulk: 20, multipath: 150, relay: 6, nat: 10 } as const
/** Kinds of seeds: scenarios drawn beforehand, and interactions drawn as they go. */
type Kind = Size | 'multipath' | 'relay' | 'nat'

/** Below the folder the tests run in; git ignores what ends in .sqlog. */
const QLOG_FOLDER = 'qlog'
/** One file runs every so many-th seed. */
export interface Shard {
  readonly index: number
  readonly of: number
}

export function seedsOf(size: Kind, shard: Shard = { index: 0, of: 1 }): number[] {
  const one = process.env.TOM_SIM_SEED
  if (one !== undefined) {
    const [kind, number] = one.includes(':') ? one.split(':') : ['small', one]
    return kind === size && shard.index === 0 ? [Number(number)] : []
  }
  const asked = process.env[size === 'bulk' ? 'TOM_SIM_BULK_SEEDS' : 'TOM_SIM_SEEDS'] ?? `${USUAL[size]}`
  const [from, to] = asked.includes('..') ? asked.split('..').map(Number) : [1, Number(asked)]
  const seeds: number[] = []
  for (let seed = from!; seed <= to!; seed++) if (seed % shard.of === shard.index) seeds.push(seed)
  return seeds
}

/** Repeats one seed. */
export function replayCommand(size: Kind, seed: number): string {
  return `TOM_SIM_SEED=${size === 'small' ? seed : `${size}:${seed}`} npx vitest run --project sim`
}

/** Runs the scenario and fails with all that was wrong. `replay`: the command that repeats it. */
export function expectGoodEnd(scenario: Scenario, replay?: string): Outcome {
  const outcome = new Simulation(scenario).run()
  if (outcome.violations.length > 0) {
    const files = writeQlog(scenario.name, (trace) => new Simulation(scenario, { trace }).run())
    const text = [
      `${scenario.name}: ${outcome.violations.length} things are wrong`,
      ...outcome.violations,
      ...(replay === undefined ? [] : [`again: ${replay}`]),
      `qlog: ${files.join(' ')}`,
    ]
    expect.fail(text.join('\n'))
  }
  return outcome
}

type MakeTrace = (site: string, role: Role, originalDestinationId: string) => TraceSink

/** The same once more, with traces: a file for each end of each connection. */
function writeQlog(title: string, again: (trace: MakeTrace) => void): string[] {
  const records = new Map<string, string[]>()
  again((site, role, originalDestinationId) => {
    const name = `${title.replaceAll(/[^a-z0-9]+/gi, '-')}-${site}-${role}-${originalDestinationId.slice(0, 8)}`
    const lines: string[] = []
    records.set(name, lines)
    return new QlogTrace({ role, originalDestinationId, write: (record) => lines.push(record), title })
  })
  mkdirSync(QLOG_FOLDER, { recursive: true })
  return [...records].map(([name, lines]) => {
    const file = `${QLOG_FOLDER}/${name}.sqlog`
    writeFileSync(file, lines.join(''))
    return file
  })
}

/** Lets a seed of random interaction run and fails with all that was wrong, and all that was done. */
export function expectGoodInteraction(seed: number): void {
  const { violations, deeds } = interact(seed)
  if (violations.length === 0) return
  const files = writeQlog(`multipath:${seed}`, (trace) => interact(seed, trace))
  const again = `again: ${replayCommand('multipath', seed)}`
  expect.fail(
    [...deeds, `${violations.length} things are wrong`, ...violations, again, `qlog: ${files.join(' ')}`].join('\n'),
  )
}

export function runInteractions(shard: Shard): void {
  const seeds = seedsOf('multipath', shard)
  if (seeds.length === 0) test.skip('no multipath seeds here', () => {})
  for (const seed of seeds) test(`seed multipath:${seed} ends well`, () => expectGoodInteraction(seed))
}

export function runSeeds(size: Size, shard: Shard): void {
  const seeds = seedsOf(size, shard)
  if (seeds.length === 0) test.skip(`no ${size} seeds here`, () => {})
  for (const seed of seeds)
    test(`seed ${size}:${seed} ends well`, () => {
      expectGoodEnd(scenarioOf(size, seed), replayCommand(size, seed))
    })
}
