/** The command line of the simulator as values; throws with one sentence when it makes no sense. */
import { parseArgs } from 'node:util'
import {
  DEFAULT_GOSSIP_PROFILE,
  type GossipProfile,
  UPSTREAM_GOSSIP_PROFILE,
} from '../../../src/gossip/proto/settings.ts'
import { DEFAULT_FAILURES, SCENARIOS, type Scenario } from './scenarios/index.ts'
import type { Bootstrap } from './support/bootstrap.ts'
import { parseLatency } from './support/latency.ts'

export interface RunOrder {
  readonly scenarios: readonly Scenario[]
  readonly nodes: number | undefined
  readonly seeds: readonly string[]
  readonly profiles: readonly GossipProfile[]
  readonly latency: string | undefined
  readonly failures: readonly number[]
  readonly bootstrap: Bootstrap
  readonly cycles: number
  readonly rounds: number
  readonly isWire: boolean
  readonly loss: number
  readonly dialRoundTrips: number | undefined
  readonly deadDialMs: number | undefined
  readonly csv: string | undefined
  readonly svg: string | undefined
  readonly json: string | undefined
}

export const HELP = `Simulated gossip swarms: the machines of src/gossip/proto over a network in virtual time. Same seed, same trace.

  npm run sim:gossip -- --scenario NAME [options]
  npm run sim:gossip -- compare BEFORE.json AFTER.json

Scenarios (--scenario, several with commas, or all):
${SCENARIOS.map(({ name, about, latency }) => `  ${name.padEnd(12)}${about} [${latency}]`).join('\n')}

Options:
  --nodes N                 nodes, default 1000 (upstream: its own numbers)
  --seed S[,S…]             default 0; may be given several times
  --profile NAME            upstream, default (the default) or both
  --latency MODEL           fixed:50, uniform:10..100 (ms, one way) or internet; default: the scenario's
  --failures P[,P…]         % of nodes for the scenario failures, default ${DEFAULT_FAILURES.join(',')}
  --bootstrap HOW           sequential (default), single or set:N; upstream: single
  --join-interval MS        between two joins when sequential, default 100
  --contact WHO             random (default) or first: whom a node joins when sequential
  --cycles N                membership cycles before the first message, default 10
  --rounds N                broadcasts, default 30
  --loss P                  % of messages that vanish, default 0
  --dial RT                 round trips until a new connection carries messages, default 0
  --dead-dial MS            after which a dial to a node that is gone fails; default: never, as upstream
  --wire                    encode and decode every message
  --csv FILE, --json FILE, --svg FILE
  --help

Exit code 1: a threshold was missed. 2: the command makes no sense.
`

function list(values: readonly string[] | undefined): string[] {
  return (values ?? [])
    .flatMap((value) => value.split(','))
    .map((value) => value.trim())
    .filter((value) => value !== '')
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < least)
    throw new Error(`--${name} takes a number from ${least}, not "${text}"`)
  return value
}

function numeric(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!Number.isFinite(value) || value < 0) throw new Error(`--${name} takes a number from 0, not "${text}"`)
  return value
}

function scenariosOf(names: readonly string[]): Scenario[] {
  if (names.length === 0) throw new Error('--scenario is missing; --help lists them')
  if (names.includes('all')) return [...SCENARIOS]
  return names.map((name) => {
    const found = SCENARIOS.find((scenario) => scenario.name === name)
    if (found === undefined) throw new Error(`"${name}" is no scenario; --help lists them`)
    return found
  })
}

function profilesOf(name: string): GossipProfile[] {
  switch (name) {
    case 'default':
      return [DEFAULT_GOSSIP_PROFILE]
    case 'upstream':
      return [UPSTREAM_GOSSIP_PROFILE]
    case 'both':
      return [UPSTREAM_GOSSIP_PROFILE, DEFAULT_GOSSIP_PROFILE]
    default:
      throw new Error(`"${name}" is no profile: upstream, default or both`)
  }
}

function bootstrapOf(how: string, intervalMs: number, contact: string): Bootstrap {
  if (contact !== 'first' && contact !== 'random') throw new Error(`--contact is first or random, not "${contact}"`)
  if (how === 'sequential') return { kind: 'sequential', intervalMs, contact }
  if (how === 'single') return { kind: 'single' }
  const set = /^set:(\d+)$/.exec(how)
  if (set !== null) return { kind: 'set', count: whole('bootstrap', set[1]!, 1) }
  throw new Error(`--bootstrap is sequential, single or set:N, not "${how}"`)
}

/** Undefined: help was asked for. */
export function parseOrder(args: readonly string[]): RunOrder | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      scenario: { type: 'string', multiple: true },
      nodes: { type: 'string' },
      seed: { type: 'string', multiple: true },
      profile: { type: 'string' },
      latency: { type: 'string' },
      failures: { type: 'string', multiple: true },
      bootstrap: { type: 'string' },
      'join-interval': { type: 'string' },
      contact: { type: 'string' },
      cycles: { type: 'string' },
      rounds: { type: 'string' },
      loss: { type: 'string' },
      dial: { type: 'string' },
      'dead-dial': { type: 'string' },
      wire: { type: 'boolean' },
      csv: { type: 'string' },
      svg: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean' },
    },
  })
  if (values.help === true) return undefined
  if (values.latency !== undefined) parseLatency(values.latency, '')
  const seeds = list(values.seed)
  const failures = list(values.failures).map((text) => whole('failures', text, 0))
  if (failures.some((percent) => percent > 99)) throw new Error('--failures are percentages up to 99')
  const loss = numeric('loss', values.loss) ?? 0
  if (loss > 100) throw new Error('--loss is a percentage')
  return {
    scenarios: scenariosOf(list(values.scenario)),
    nodes: values.nodes === undefined ? undefined : whole('nodes', values.nodes, 2),
    seeds: seeds.length === 0 ? ['0'] : seeds,
    profiles: profilesOf(values.profile ?? 'default'),
    latency: values.latency,
    failures: failures.length === 0 ? DEFAULT_FAILURES : failures,
    bootstrap: bootstrapOf(
      values.bootstrap ?? 'sequential',
      numeric('join-interval', values['join-interval']) ?? 100,
      values.contact ?? 'random',
    ),
    cycles: whole('cycles', values.cycles ?? '10', 0),
    rounds: whole('rounds', values.rounds ?? '30', 1),
    isWire: values.wire === true,
    loss: loss / 100,
    dialRoundTrips: numeric('dial', values.dial),
    deadDialMs: numeric('dead-dial', values['dead-dial']),
    csv: values.csv,
    svg: values.svg,
    json: values.json,
  }
}
