/** The NAT matrix: each kind against each, server × client, 16 pairs. */
import type { PairKind } from '../pair.ts'
import type { Scenario } from '../result.ts'
import { NAT_KINDS, type NatKind } from '../router-rules.ts'
import { Failed, runPair } from './run-pair.ts'

/** iroh's limit for a pair, ms. */
const LIMIT_MS = 15_000
/** Ours where iroh stays on the relay, ms. */
const BIRTHDAY_LIMIT_MS = 10_000

const SMOKE: Readonly<Record<string, readonly PairKind[]>> = {
  'moderate-moderate': ['tom-tom', 'tom-iroh', 'iroh-tom'],
  'strict-open': ['tom-tom'],
  'moderate-strict': ['tom-tom'],
}

/** What nobody can punch without guessing ports. */
function isHard(server: NatKind, client: NatKind): boolean {
  const pair = [server, client]
  return pair.includes('strict') && (pair.includes('moderate') || server === client)
}

function isRelayed(server: NatKind, client: NatKind, pair: PairKind): boolean {
  return isHard(server, client) && (server === client || pair !== 'tom-tom')
}

function matrixScenario(server: NatKind, client: NatKind): Scenario {
  const hard = isHard(server, client)
  return {
    name: `nat-${server}-${client}`,
    group: 'nat',
    topology: `server behind a router with NAT ${server}, client behind one with ${client}`,
    passes: !hard
      ? 'both direct within 15 s'
      : server === client
        ? 'stays on the relay for 15 s and loses no ping'
        : 'two of ours: both direct within 10 s; with iroh: stays on the relay and loses no ping',
    pairs: ['tom-tom', 'tom-iroh', 'iroh-tom', 'iroh-iroh'],
    runs: 1,
    smoke: SMOKE[`${server}-${client}`] ?? [],
    run: (context) =>
      runPair(context, {
        losesNone: true,
        async build(world) {
          const [left, right] = [
            await world.router('nat-s', { nat: server }),
            await world.router('nat-c', { nat: client }),
          ]
          return { server: await world.host('server', left), client: await world.host('client', right) }
        },
        async play(pair) {
          const relayed = isRelayed(server, client, context.pair)
          const direct = await pair.bothOn('direct', hard && !relayed ? BIRTHDAY_LIMIT_MS : LIMIT_MS)
          if (relayed && direct !== undefined) throw new Failed('it went direct, which this lab should make impossible')
          if (!relayed && direct === undefined) throw new Failed('it stayed on the relay')
          return {}
        },
      }),
  }
}

export const natScenarios: readonly Scenario[] = NAT_KINDS.flatMap((server) =>
  NAT_KINDS.map((client) => matrixScenario(server, client)),
)
