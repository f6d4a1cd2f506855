/** Measures a relay server beside the real one, in interleaved rounds, the same generator for both, and what idle clients occupy. */
import { buildNative } from '../../conformance/peer.ts'
import { TOM } from '../contenders.ts'
import { progress } from '../measure.ts'
import { pause } from '../pause.ts'
import type { Results } from '../rows.ts'
import { summarize } from '../statistics.ts'
import { type ForwardShape, RelayLoad } from './load.ts'
import { IROH_RELAY, RELAY } from './names.ts'
import { type MeasuredServer, residentBytes, startOurs, startReal } from './servers.ts'

export interface RelayPlan {
  readonly rounds: number
  /** Of each measured stretch. */
  readonly ms: number
  readonly warmUpMs: number
  readonly roundTrips: number
  readonly idleClients: number
  readonly idleSeconds: number
}

export function relayPlan(quick: boolean, rounds: number): RelayPlan {
  return quick
    ? { rounds, ms: 1000, warmUpMs: 300, roundTrips: 1000, idleClients: 1000, idleSeconds: 3 }
    : { rounds, ms: 3000, warmUpMs: 500, roundTrips: 5000, idleClients: 10_000, idleSeconds: 30 }
}

/** 1,200 bytes: a QUIC datagram of the least size. Windows below what either server queues for one client. */
const SHAPES: readonly { readonly name: string; readonly shape: ForwardShape }[] = [
  { name: 'one pair', shape: { pairs: 1, size: 1200, batch: 1, window: 256 } },
  { name: 'one pair, batches of 10', shape: { pairs: 1, size: 1200, batch: 10, window: 256 } },
  { name: '100 pairs', shape: { pairs: 100, size: 1200, batch: 1, window: 64 } },
  { name: '100 pairs, batches of 10', shape: { pairs: 100, size: 1200, batch: 10, window: 64 } },
]
const GIB = 1 << 30
/** Idle clients live in so many processes. */
const IDLE_PROCESSES = 4

type Samples = Map<string, Map<string, number[]>>

function sample(samples: Samples, value: string, stack: string, number: number): void {
  const ofValue = samples.get(value) ?? new Map<string, number[]>()
  samples.set(value, ofValue)
  ofValue.set(stack, [...(ofValue.get(stack) ?? []), number])
}

/** Everything about relays. A server that cannot be started or measured is absent, with the reason. */
export async function measureRelay(plan: RelayPlan, withReal: boolean, results: Results): Promise<void> {
  let load: RelayLoad
  try {
    load = new RelayLoad(await buildNative())
  } catch (error) {
    results.absent(TOM, error, RELAY)
    return
  }
  await inRounds(load, plan, withReal, results)
  await idle(load, plan, withReal, results)
}

async function startServers(withReal: boolean, results: Results): Promise<MeasuredServer[]> {
  const servers: MeasuredServer[] = []
  const starts: [string, () => Promise<MeasuredServer>][] = [
    [TOM, startOurs],
    [IROH_RELAY, startReal],
  ]
  for (const [stack, start] of starts) {
    if (stack === IROH_RELAY && !withReal) continue
    try {
      servers.push(await start())
    } catch (error) {
      results.absent(stack, error, RELAY)
    }
  }
  return servers
}

async function inRounds(load: RelayLoad, plan: RelayPlan, withReal: boolean, results: Results): Promise<void> {
  const servers = await startServers(withReal, results)
  const samples: Samples = new Map()
  let taking = servers
  try {
    // the first round is a warm-up
    for (let round = -1; round < plan.rounds; round++) {
      for (const server of taking) {
        try {
          const found = await oneRound(load, plan, server)
          if (round >= 0) for (const [value, number] of found) sample(samples, value, server.stack, number)
        } catch (error) {
          results.absent(server.stack, error, RELAY)
          taking = taking.filter((other) => other !== server)
        }
      }
      progress('.')
    }
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
  for (const [value, ofValue] of samples)
    for (const [stack, numbers] of ofValue) results.add(RELAY, value, stack, summarize(numbers))
}

async function oneRound(load: RelayLoad, plan: RelayPlan, server: MeasuredServer): Promise<[string, number][]> {
  const values: [string, number][] = []
  for (const { name, shape } of SHAPES) {
    const found = await load.forward(server, shape, plan.ms, plan.warmUpMs)
    values.push(
      [`${name}, Mbit/s`, found.mbit],
      [`${name}, CPU s/GiB`, found.serverCpuMs / 1000 / (found.bytes / GIB)],
      [`${name}, lost of a million`, (found.lost / found.sent) * 1e6],
      [`${name}, generator's CPU`, found.generatorCpuMs / found.ms],
    )
  }
  const direct = await load.roundTrips(server, plan.roundTrips, true)
  const relayed = await load.roundTrips(server, plan.roundTrips)
  values.push(
    ['round trip p50 µs', relayed.p50Us],
    ['round trip p99 µs', relayed.p99Us],
    ['added p50 µs', relayed.p50Us - direct.p50Us],
    // of the slow ones it is what the relay makes of an ordinary one; the difference of two p99 would be noise
    ['added p99 µs', relayed.p99Us - direct.p50Us],
  )
  const accepted = await load.accepts(server, plan.ms, plan.warmUpMs)
  values.push(['accepts a second', accepted.perSecond], ['accept, CPU ms', accepted.serverCpuMs / accepted.accepts])
  return values
}

/** Fresh processes, the clients in processes of their own. JavaScript's garbage is collected before the first reading and not before the second: it counts as the clients'. */
async function idle(load: RelayLoad, plan: RelayPlan, withReal: boolean, results: Results): Promise<void> {
  const servers = await startServers(withReal, results)
  const stops: (() => Promise<void>)[] = servers.map((server) => () => server.stop())
  const before = new Map<MeasuredServer, { resident: number; javascript: number | undefined }>()
  try {
    for (const server of servers) {
      try {
        // code that was never run is not memory of a client
        await load.accepts(server, 200, 200)
        await pause(1000)
        before.set(server, { javascript: await server.javascript(), resident: residentBytes(server.pid) })
        const share = Math.ceil(plan.idleClients / IDLE_PROCESSES)
        for (let left = plan.idleClients; left > 0; left -= share) {
          const clients = await load.idle(server.address, Math.min(share, left))
          stops.unshift(() => clients.stop())
        }
      } catch (error) {
        before.delete(server)
        results.absent(server.stack, error, RELAY)
      }
      progress('.')
    }
    await pause(plan.idleSeconds * 1000)
    for (const [server, { resident, javascript }] of before) {
      const perClient = (bytes: number): number => bytes / plan.idleClients / 1000
      results.add(RELAY, 'idle client, kB', server.stack, summarize([perClient(residentBytes(server.pid) - resident)]))
      const now = await server.javascript()
      if (now !== undefined && javascript !== undefined)
        results.add(RELAY, 'idle client, JS kB', server.stack, summarize([perClient(now - javascript)]))
    }
  } finally {
    for (const stop of stops) await stop()
  }
  progress(` ${RELAY}\n`)
}
