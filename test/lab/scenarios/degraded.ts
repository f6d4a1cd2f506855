/** iroh's ladder of degraded links, either side impaired; and whether ours stay direct on its rungs when nothing is wrong. */

import { pause } from '../lab-node.ts'
import { LADDER } from '../link.ts'
import type { Scenario } from '../result.ts'
import type { World } from '../world.ts'
import { Failed, type Places, runPair } from './run-pair.ts'

type Side = 'server' | 'client'

async function build(world: World, level: number, side: Side): Promise<Places> {
  const [left, right] = [await world.router('nat-s'), await world.router('nat-c')]
  const link = LADDER[level]!
  return {
    server: await world.host('server', left, side === 'server' ? { link } : {}),
    client: await world.host('client', right, side === 'client' ? { link } : {}),
  }
}

function describe(level: number, side: Side): string {
  const { label, rttMs, jitterMs = 0, rateKbit, lossPct, burst } = LADDER[level]!
  return `two home routers, the ${side}'s access ${label}: ${rttMs} ms ± ${jitterMs}, ${rateKbit} kbit/s, ${lossPct} % loss in bursts of ${burst}`
}

function rung(level: number, side: Side): Scenario {
  const limitMs = 20_000 + 10_000 * level
  return {
    name: `degrade-${level}-${side}`,
    group: 'degraded',
    topology: describe(level, side),
    passes: `both direct within ${limitMs / 1000} s of the start of the nodes`,
    pairs: ['tom-tom', 'iroh-iroh'],
    runs: 20,
    ...(level === 2 && side === 'client' ? { smoke: ['tom-tom'] as const } : {}),
    run: (context) =>
      runPair(context, {
        build: (world) => build(world, level, side),
        pair: { startLimitMs: limitMs },
        async play(pair) {
          const left = limitMs - (Date.now() - Math.min(pair.server.spawnedAt, pair.client.spawnedAt))
          if ((await pair.bothOn('direct', Math.max(0, left))) === undefined) throw new Failed('it stayed on the relay')
          return {}
        },
      }),
  }
}

/** Levels that must not be taken for a dead path. */
const CALM_LEVELS = 7

function calm(level: number): Scenario {
  return {
    name: `calm-${level}`,
    group: 'calm',
    topology: describe(level, 'client'),
    passes: 'ten pings a second for 10 minutes after both are direct; neither side leaves the direct path',
    pairs: ['tom-tom'],
    runs: 1,
    run: (context) =>
      runPair(context, {
        build: (world) => build(world, level, 'client'),
        pair: { startLimitMs: 90_000 },
        async play(pair) {
          if ((await pair.bothOn('direct', 90_000)) === undefined) throw new Failed('it stayed on the relay')
          const since = Date.now()
          await pause(context.minutes * 60_000)
          const left = [pair.client, pair.server].map(
            (node) =>
              node.changes.filter(({ change, kind, at }) => change === 'selected' && kind === 'relay' && at >= since)
                .length,
          )
          const failovers = left[0]! + left[1]!
          if (failovers > 0) throw new Failed(`the direct path was left ${failovers} times`)
          return { minutes: context.minutes }
        },
      }),
  }
}

const SIDES: readonly Side[] = ['server', 'client']
export const degradedScenarios: readonly Scenario[] = LADDER.flatMap((_, level) =>
  SIDES.map((side) => rung(level, side)),
)
export const calmScenarios: readonly Scenario[] = Array.from({ length: CALM_LEVELS }, (_, level) => calm(level))
