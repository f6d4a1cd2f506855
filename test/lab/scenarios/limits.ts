/** Where there is no direct way, or one that comes late: UDP blocked, relays restarted, a hard NAT that turns easy, many addresses to try. */
import { pause } from '../lab-node.ts'
import { round } from '../pair.ts'
import type { Scenario } from '../result.ts'
import type { Host, World } from '../world.ts'
import { Failed, runPair } from './run-pair.ts'

const PUNCH_MS = 15_000
const RELAY = { rttMs: 30 }

function udpBlocked(blocked: 'both' | 'server' | 'client'): Scenario {
  return {
    name: `udp-blocked-${blocked}`,
    group: 'limits',
    topology: `two home routers; no UDP passes ${blocked === 'both' ? 'either' : `the ${blocked}'s`}`,
    passes: 'stays on the relay for 15 s and loses no ping',
    pairs: ['tom-tom', 'tom-iroh', 'iroh-tom', 'iroh-iroh'],
    runs: 1,
    ...(blocked === 'both' ? { smoke: ['tom-tom'] as const } : {}),
    run: (context) =>
      runPair(context, {
        relayLink: RELAY,
        losesNone: true,
        async build(world) {
          const wall = (side: string): 'no-udp' | 'home' => (blocked === 'both' || blocked === side ? 'no-udp' : 'home')
          const left = await world.router('nat-s', { firewall: wall('server') })
          const right = await world.router('nat-c', { firewall: wall('client') })
          return { server: await world.host('server', left), client: await world.host('client', right) }
        },
        async play(pair) {
          if ((await pair.bothOn('direct', PUNCH_MS)) !== undefined)
            throw new Failed('it went direct, which this lab should make impossible')
          return {}
        },
      }),
  }
}

/** The relay is away for so long, ms. */
const RESTART_MS = 2_000
const COME_BACK_MS = 20_000

/** `kill`: it does not say that it goes. */
function relayRestart(kill: boolean): Scenario {
  return {
    name: kill ? 'relay-killed' : 'relay-restarted',
    group: 'limits',
    topology: `two hosts behind strict NATs talk over one relay, which ${kill ? 'is killed' : 'is stopped'} and is back ${RESTART_MS / 1000} s later`,
    passes: 'the same connection goes on: an answer within 20 s, no ping lost',
    pairs: ['tom-tom', 'iroh-iroh'],
    runs: 3,
    run: (context) =>
      runPair(context, {
        relayLink: RELAY,
        losesNone: true,
        pair: { server: { relays: ['https://relay-a.lab/'] }, client: { relays: ['https://relay-a.lab/'] } },
        async build(world) {
          const [left, right] = [
            await world.router('nat-s', { nat: 'strict' }),
            await world.router('nat-c', { nat: 'strict' }),
          ]
          return { server: await world.host('server', left), client: await world.host('client', right) }
        },
        async play(pair, world) {
          await pause(3_000)
          const since = Date.now()
          await world.relays.stopRelay(0, kill)
          await pause(RESTART_MS)
          await world.relays.startRelay(0)
          const upAt = Date.now()
          const answered = await pair.answeredAfter(since + 500, COME_BACK_MS)
          if (answered === undefined) throw new Failed('no answer came any more')
          await pause(2_000)
          return { resumeMs: round(answered - upAt), outageStallMs: pair.stallSince(since) }
        },
      }),
  }
}

const SOFT_MS = 75_000

const natSoftens: Scenario = {
  name: 'nat-softens',
  group: 'limits',
  topology:
    'both behind strict NATs; after 5 s the client’s router gets another NAT, open, and forgets its connections',
  passes: 'both direct within 75 s of the change, no ping lost',
  pairs: ['tom-tom', 'iroh-iroh'],
  runs: 3,
  run: (context) =>
    runPair(context, {
      relayLink: RELAY,
      losesNone: true,
      async build(world) {
        const [left, right] = [
          await world.router('nat-s', { nat: 'strict' }),
          await world.router('nat-c', { nat: 'strict' }),
        ]
        return { server: await world.host('server', left), client: await world.host('client', right), right }
      },
      async play(pair, world, { right }) {
        await pause(5_000)
        const since = Date.now()
        await world.setRules(right, 'open', 'home')
        const direct = await pair.bothOn('direct', SOFT_MS, since)
        if (direct === undefined) throw new Failed('it stayed on the relay')
        return { softenedMs: round(direct - since), switchStallMs: pair.stallSince(since) }
      },
    }),
}

/** Private addresses that lead nowhere. */
async function addAddresses(world: World, host: Host, count: number): Promise<void> {
  await world.spaces.ip(
    host.name,
    Array.from({ length: count }, (_, index) => `address add 10.99.${index}.2/32 dev eth0`),
  )
}

function candidates(count: number): Scenario {
  return {
    name: `candidates-${count}`,
    group: 'limits',
    topology: `two home routers; server and client have ${count} addresses each, of which one is of use`,
    passes: 'both direct within 15 s, no ping lost',
    pairs: ['tom-tom', 'tom-iroh', 'iroh-tom', 'iroh-iroh'],
    runs: 3,
    run: (context) =>
      runPair(context, {
        relayLink: RELAY,
        losesNone: true,
        async build(world) {
          const [left, right] = [await world.router('nat-s'), await world.router('nat-c')]
          const [server, client] = [await world.host('server', left), await world.host('client', right)]
          // one is the interface's own, one is what the relays see
          for (const host of [server, client]) await addAddresses(world, host, count - 2)
          return { server, client }
        },
        async play(pair) {
          if ((await pair.bothOn('direct', PUNCH_MS)) === undefined) throw new Failed('it stayed on the relay')
          return {}
        },
      }),
  }
}

export const limitScenarios: readonly Scenario[] = [
  ...(['both', 'server', 'client'] as const).map(udpBlocked),
  relayRestart(false),
  relayRestart(true),
  natSoftens,
  ...[8, 16, 32].map(candidates),
]
