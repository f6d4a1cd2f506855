/** The three walls of the article rebuilt: the same LAN, a phone hotspot behind a carrier's NAT, a guest network across a border. */
import type { LinkConditions } from '../link.ts'
import type { Scenario } from '../result.ts'
import type { World } from '../world.ts'
import { Failed, type Places, runPair } from './run-pair.ts'

/** How far the relays are from everybody. */
const RELAY: LinkConditions = { rttMs: 40 }
const GIVE_UP_MS = 15_000

interface Wall {
  readonly name: string
  readonly topology: string
  /** What the article measured, ms. */
  readonly articleMs: number
  build(world: World): Promise<Places>
}

const WALLS: readonly Wall[] = [
  {
    name: 'wall-lan',
    topology: 'two hosts in one home network, relays 40 ms away',
    articleMs: 370,
    async build(world) {
      const home = await world.router('home')
      return { server: await world.host('server', home), client: await world.host('client', home) }
    },
  },
  {
    name: 'wall-cgnat-hotspot',
    topology:
      'client behind a phone hotspot (60 ms ± 15, 0.5 % loss, 20 Mbit/s) behind a carrier NAT, server behind a home router, relays 40 ms away',
    articleMs: 2900,
    async build(world) {
      const home = await world.router('home')
      const carrier = await world.router('carrier', { isCarrier: true })
      const radio = { rttMs: 60, jitterMs: 15, lossPct: 0.5, burst: 4, rateKbit: 20_000 }
      const phone = await world.router('phone', { behind: carrier, link: radio })
      return { server: await world.host('server', home), client: await world.host('client', phone) }
    },
  },
  {
    name: 'wall-guest-border',
    topology:
      'client in a guest network (outward only 443 and UDP above 1024) across a 30 ms border, server behind a home router, relays 40 ms away',
    articleMs: 1400,
    async build(world) {
      const home = await world.router('home')
      const guest = await world.router('guest', { firewall: 'guest', link: { rttMs: 30 } })
      return { server: await world.host('server', home), client: await world.host('client', guest) }
    },
  },
]

/**
 * As the article measured: the clock starts with the client's process, which dials the server's ticket. Warm: both are online when the dial begins, as two programs are that were
 * started earlier, the client knows the relay alone, and the clock starts with the dial; nothing in the article compares.
 */
function wallScenario({ name, topology, articleMs, build }: Wall, isWarm: boolean): Scenario {
  return {
    name: isWarm ? `${name}-warm` : name,
    group: 'walls',
    topology,
    passes: isWarm
      ? 'both online; both direct within 15 s of the dial, which knows the relay alone'
      : `both direct, the client's first direct path within ${articleMs} ms of the start of its process, which dials a ticket`,
    pairs: ['tom-tom', 'iroh-iroh'],
    runs: 50,
    ...(isWarm ? { smoke: ['tom-tom'] as const } : {}),
    run: (context) =>
      runPair(context, {
        relayLink: RELAY,
        pair: isWarm ? { waitForClient: true } : { isClientCold: true, knowsAddresses: true },
        build,
        async play(pair) {
          if ((await pair.bothOn('direct', GIVE_UP_MS)) === undefined) throw new Failed('it stayed on the relay')
          return { articleMs }
        },
      }).then((outcome) => {
        const took = outcome.measures.startToDirectMs
        if (context.isSmoke || isWarm || !outcome.ok || typeof took !== 'number' || took <= articleMs) return outcome
        return { ...outcome, ok: false, why: `direct after ${took} ms, not within ${articleMs}` }
      }),
  }
}

export const wallScenarios: readonly Scenario[] = [false, true].flatMap((isWarm) =>
  WALLS.map((wall) => wallScenario(wall, isWarm)),
)
