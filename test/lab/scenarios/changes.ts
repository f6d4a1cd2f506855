/** Networks that change under a running conversation: a direct path that dies, uplinks switched, outages, a faster link, addresses that come. */
import { eventually, pause } from '../lab-node.ts'
import type { Pair } from '../pair.ts'
import { round } from '../pair.ts'
import type { Scenario } from '../result.ts'
import type { Family, Host, Router, World } from '../world.ts'
import { Failed, type Places, runPair } from './run-pair.ts'

interface Homes extends Places {
  readonly left: Router
  readonly right: Router
}

/** Two homes, 20 ms apart; relays 30 ms away. */
async function twoHomes(world: World): Promise<Homes> {
  const [left, right] = [await world.router('nat-s'), await world.router('nat-c', { link: { rttMs: 20 } })]
  return { left, right, server: await world.host('server', left), client: await world.host('client', right) }
}

const RELAY = { rttMs: 30 }

/** iroh's limit for going direct at first, ms. */
const PUNCH_MS = 15_000

async function beDirect(pair: Pair): Promise<void> {
  if ((await pair.bothOn('direct', PUNCH_MS)) === undefined) throw new Failed('it was not direct to begin with')
  await pause(2_000)
}

const CUT_MS = 10_000

const failover: Scenario = {
  name: 'failover',
  group: 'changes',
  topology:
    'two home routers 20 ms apart, relays 30 ms away; the way between the homes is cut for 10 s, the relays stay reachable',
  passes:
    'two of ours: an answer over the relay within 2 s of the cut, direct again within 10 s of its end; iroh: 17 s and 75 s; no ping lost',
  pairs: ['tom-tom', 'iroh-iroh'],
  runs: 10,
  smoke: ['tom-tom'],
  run: (context) =>
    runPair(context, {
      relayLink: RELAY,
      losesNone: true,
      build: twoHomes,
      async play(pair, world, { left, right }) {
        const isOurs = context.pair === 'tom-tom'
        await beDirect(pair)
        const cutAt = Date.now()
        await world.cutBetween(left, right)
        const relayed = await pair.answeredAfter(cutAt, isOurs ? 8_000 : 25_000, 'relay')
        if (relayed === undefined) throw new Failed('no answer came over the relay')
        const left_ = pair.client.selectedAt(pair.atClient, 'relay', cutAt)
        await pause(Math.max(0, cutAt + CUT_MS - Date.now()))
        const joinedAt = Date.now()
        await world.joinAgain(left, right)
        const back = await pair.answeredAfter(joinedAt, isOurs ? 30_000 : 80_000, 'direct')
        const measures = {
          leftMs: left_ === undefined ? null : round(left_ - cutAt),
          toRelayMs: round(relayed - cutAt),
          backMs: back === undefined ? null : round(back - joinedAt),
        }
        if (measures.toRelayMs > (isOurs ? 2_000 : 17_000))
          throw new Failed(`over the relay after ${measures.toRelayMs} ms`, measures)
        if (back === undefined || back - joinedAt > (isOurs ? 10_000 : 75_000))
          throw new Failed(`direct again after ${measures.backMs} ms`, measures)
        return measures
      },
    }),
}

const FAMILIES: readonly Family[] = ['v4', 'v6', 'dual']
const SWITCH_MS = 30_000
const SWITCH_STALL_MS = 5_000

type Side = 'server' | 'client'

interface SwitchPlaces extends Places {
  readonly switcher: Host
  readonly to: Router
}

function switching(side: Side, from: Family, to: Family): Scenario {
  return {
    name: `switch-${side}-${from}-${to}`,
    group: 'switch',
    topology: `the ${side} moves from a ${from} home to a ${to} one, the other stays in a dual-stack home`,
    passes: `the other side selects a new direct path of the new family within 30 s, and a ping crosses; two of ours: no stall over ${SWITCH_STALL_MS / 1000} s`,
    pairs: ['tom-tom', 'iroh-iroh'],
    runs: 3,
    ...(side === 'client' && from === 'v4' && to === 'dual' ? { smoke: ['tom-tom'] as const } : {}),
    run: (context) =>
      runPair<SwitchPlaces>(context, {
        relayLink: RELAY,
        losesNone: true,
        async build(world) {
          const observer = await world.host('observer', await world.router('home', { family: 'dual' }))
          const old = await world.router('from', { family: from })
          const next = await world.router('to', { family: to })
          const switcher = await world.host('switcher', old)
          const [server, client] = side === 'client' ? [observer, switcher] : [switcher, observer]
          return { server, client, switcher, to: next }
        },
        async play(pair, world, places) {
          await beDirect(pair)
          const [observer, atObserver] = side === 'client' ? [pair.server, pair.atServer] : [pair.client, pair.atClient]
          const before = new Set((await observer.paths(atObserver)).map(({ remote }) => remote))
          const since = Date.now()
          await world.replug(places.switcher, 'eth0', places.to)
          const isNew = (remote: string): boolean =>
            !before.has(remote) && (to === 'dual' || remote.includes('[') === (to === 'v6'))
          const moved = await eventually(() => observer.selectedAt(atObserver, 'direct', since, isNew), SWITCH_MS)
          const answered = moved === undefined ? undefined : await pair.answeredAfter(moved, SWITCH_MS, 'direct')
          const stallMs = pair.stallSince(since)
          if (moved === undefined || answered === undefined)
            throw new Failed(`no new direct path; stalled for ${stallMs} ms`, { switchStallMs: stallMs })
          if (context.pair === 'tom-tom' && stallMs > SWITCH_STALL_MS)
            throw new Failed(`stalled for ${stallMs} ms`, { switchStallMs: stallMs })
          return { movedMs: round(moved - since), switchStallMs: stallMs }
        },
      }),
  }
}

/** After an outage the echo must go on within this, ms. */
const RESUME_MS = 5_000

const PATIENT = { options: { settings: { maxIdleTimeoutMs: 60_000 } } }

function outage(seconds: number): Scenario {
  const isLong = seconds >= 30
  return {
    name: `outage-${seconds}s`,
    group: 'changes',
    topology: `two home routers 20 ms apart; the client's uplink is dead for ${seconds} s`,
    passes: `the same connection goes on: an answer within ${RESUME_MS / 1000} s of the end, no ping lost${isLong ? '; asked for an idle timeout of 60 s, for the usual one is 30 s' : ''}`,
    pairs: isLong ? ['tom-tom'] : ['tom-tom', 'iroh-iroh'],
    runs: 3,
    run: (context) =>
      runPair(context, {
        relayLink: RELAY,
        ...(isLong ? { pair: { server: PATIENT, client: PATIENT } } : {}),
        losesNone: true,
        build: twoHomes,
        async play(pair, world, { right }) {
          await beDirect(pair)
          const since = Date.now()
          await world.setUplink(right, false)
          await pause(seconds * 1000)
          const upAt = Date.now()
          await world.setUplink(right, true)
          const answered = await eventually(() => pair.client.answered.find(({ at }) => at >= upAt)?.at, 20_000)
          const resumeMs = answered === undefined ? null : round(answered - upAt)
          await pause(3_000)
          if (resumeMs === null || resumeMs > RESUME_MS)
            throw new Failed(`answers came again after ${resumeMs} ms`, { resumeMs })
          return { resumeMs, outageStallMs: pair.stallSince(since) }
        },
      }),
  }
}

const FASTER_MS = 30_000

const fasterLink: Scenario = {
  name: 'faster-link',
  group: 'changes',
  topology: 'the client is online over weak 4G (90 ms) and gets a wire as well, which becomes its default route',
  passes: 'pings take less than 45 ms within 30 s; two of ours: no stall over 5 s',
  pairs: ['tom-tom', 'iroh-iroh'],
  runs: 3,
  run: (context) =>
    runPair(context, {
      relayLink: RELAY,
      losesNone: true,
      async build(world) {
        const [left, mobile, wire] = [
          await world.router('nat-s'),
          await world.router('mobile'),
          await world.router('wire'),
        ]
        const client = await world.host('client', mobile, { link: { rttMs: 90 }, metric: 600 })
        return { server: await world.host('server', left), client, wire }
      },
      async play(pair, world, { client, wire }) {
        await beDirect(pair)
        const since = Date.now()
        await world.plug(client, 'eth1', wire, { metric: 100 })
        const fast = await eventually(
          () => pair.client.answered.find(({ sentAt, rttMs }) => sentAt >= since && rttMs < 45)?.at,
          FASTER_MS,
        )
        const stallMs = pair.stallSince(since)
        if (fast === undefined) throw new Failed('pings did not become faster')
        if (context.pair === 'tom-tom' && stallMs > SWITCH_STALL_MS)
          throw new Failed(`stalled for ${stallMs} ms`, { switchStallMs: stallMs })
        return { fasterMs: round(fast - since), switchStallMs: stallMs }
      },
    }),
}

export const changeScenarios: readonly Scenario[] = [failover, ...[1, 2, 5, 10, 20, 30].map(outage), fasterLink]
export const switchScenarios: readonly Scenario[] = (['client', 'server'] as const).flatMap((side) =>
  FAMILIES.flatMap((from) => FAMILIES.map((to) => switching(side, from, to))),
)
