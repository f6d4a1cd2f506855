/**
 * What happens in a simulation, as data, and how a seed becomes such data. Every number is drawn here; running it is simulation.ts's
 * business.
 */
import type { QuicSettings } from '../../../src/quic/index.ts'
import { SimRandom } from './random.ts'

export type Side = 'client' | 'server'
export type Size = 'small' | 'bulk'

/** One family's way between the two sites, both directions alike. */
export interface PathSpec {
  readonly delayMs: number
  readonly jitterMs: number
  readonly loss: number
  /** Mean length of a run of losses, datagrams; 1 = each on its own. */
  readonly burst: number
  readonly duplicate: number
  readonly corrupt: number
  readonly straggle: { readonly share: number; readonly ms: number }
  readonly spikes: { readonly everyMs: number; readonly lengthMs: number } | undefined
  readonly bottleneck: { readonly bytesPerMs: number; readonly queue: number } | undefined
  readonly mtu: number
  /** From so many ms after the start on, the path carries only 1,200 bytes. */
  readonly mtuShrinksAt: number | undefined
  /** ms after the start. */
  readonly outage: { readonly from: number; readonly to: number } | undefined
}

/** A stream: who opens it, how many bytes, how it ends. */
export interface Transfer {
  readonly opener: Side
  readonly bidirectional: boolean
  /** Bytes from the opener, 4 at least: they begin with the transfer's number. */
  readonly size: number
  /** Bytes back; bidirectional only. */
  readonly reply: number
  /** 'reset': the opener gives up after `endAt` bytes; 'stop': the reader does. */
  readonly end: 'finish' | 'reset' | 'stop'
  readonly endAt: number
  /** ms after the connection is up. */
  readonly startsAt: number
  /** Largest piece given to `write`. */
  readonly piece: number
  /** Largest `read`. */
  readonly bite: number
  /** The reader rests so long after each 16 KiB, ms; 0 = never. */
  readonly restMs: number
  readonly priority: number
}

export interface DatagramFlow {
  readonly from: Side
  readonly count: number
  readonly size: number
  readonly everyMs: number
}

export interface ClosePlan {
  readonly by: Side | 'both'
  /** ms after the dial, or when all is done. */
  readonly at: number | 'done'
  readonly code: number
  readonly reason: string
}

export interface ConnectionPlan {
  /** Which node dials; the other one answers. */
  readonly dialler: 0 | 1
  /** ms after the start. */
  readonly startsAt: number
  /** Dial over IPv4 and IPv6 at once; else over `family`. */
  readonly fanOut: boolean
  readonly family: 4 | 6
  readonly settings: Partial<QuicSettings>
  /** Shows the token that an earlier connection got. */
  readonly showsToken?: boolean
  readonly transfers: readonly Transfer[]
  readonly datagrams: readonly DatagramFlow[]
  /** Who updates keys, ms after the handshake is confirmed there. */
  readonly keyUpdates: readonly { readonly by: Side; readonly at: number }[]
  /** The client moves to its other family, ms after confirmation; each entry moves on. */
  readonly migrations: readonly number[]
  readonly close: ClosePlan
}

export interface Scenario {
  readonly name: string
  readonly paths: { readonly 4: PathSpec; readonly 6: PathSpec }
  /** Node 0's IPv4 is behind a NAT. */
  readonly nat: boolean
  /** The NAT forgets its mappings, ms after every connection is confirmed; `host`: a new public address, too. */
  readonly rebinds: readonly { readonly at: number; readonly host: boolean }[]
  /** Copies of node 0's 1-RTT datagrams arrive from a third address as well, ahead of the original. */
  readonly attacker: { readonly at: number; readonly count: number } | undefined
  /** By node, for the connections it answers. */
  readonly answering: readonly [Partial<QuicSettings>, Partial<QuicSettings>]
  /** By node: whom it does not know it makes prove the address first. */
  readonly retry: readonly [boolean, boolean]
  /** Node `node` loses power at `at` ms; with `back`, so many ms later a new one stands in its place. */
  readonly powerCut: { readonly node: 0 | 1; readonly at: number; readonly back: number | undefined } | undefined
  readonly timerGrainMs: number
  /** Datagrams a socket takes per ms before it queues; undefined = any number. */
  readonly socketPerMs: number | undefined
  readonly slots: number
  readonly connections: readonly ConnectionPlan[]
  /** Everything must be over by then, ms after the start. */
  readonly deadlineMs: number
}

export const CLEAN_PATH: PathSpec = {
  delayMs: 10,
  jitterMs: 0,
  loss: 0,
  burst: 1,
  duplicate: 0,
  corrupt: 0,
  straggle: { share: 0, ms: 0 },
  spikes: undefined,
  bottleneck: undefined,
  mtu: 1500,
  mtuShrinksAt: undefined,
  outage: undefined,
}

export const PLAIN_TRANSFER: Transfer = {
  opener: 'client',
  bidirectional: true,
  size: 32_768,
  reply: 32_768,
  end: 'finish',
  endAt: 0,
  startsAt: 0,
  piece: 16_384,
  bite: 65_536,
  restMs: 0,
  priority: 0,
}

export const PLAIN_CONNECTION: ConnectionPlan = {
  dialler: 0,
  startsAt: 0,
  fanOut: false,
  family: 4,
  settings: {},
  transfers: [PLAIN_TRANSFER],
  datagrams: [],
  keyUpdates: [],
  migrations: [],
  close: { by: 'client', at: 'done', code: 7, reason: 'done' },
}

export const PLAIN_SCENARIO: Scenario = {
  name: 'plain',
  paths: { 4: CLEAN_PATH, 6: CLEAN_PATH },
  nat: false,
  rebinds: [],
  attacker: undefined,
  answering: [{}, {}],
  retry: [false, false],
  powerCut: undefined,
  timerGrainMs: 0,
  socketPerMs: undefined,
  slots: 256,
  connections: [PLAIN_CONNECTION],
  deadlineMs: 120_000,
}

/** The scenario of a seed. The same forever: a change here makes old seeds mean something else. */
export function scenarioOf(size: Size, seed: number): Scenario {
  const random = new SimRandom(`${size}:${seed}`)
  const isBulk = size === 'bulk'
  const nat = random.chance(0.35)
  const calm = random.chance(0.15)
  const v4 = drawPath(random, calm, isBulk)
  const v6 = random.chance(0.5) ? v4 : drawPath(random, calm, isBulk)
  const powerCut =
    !isBulk && random.chance(0.12)
      ? {
          node: random.pick([0, 1] as const),
          at: random.between(1, 800),
          back: random.chance(0.4) ? random.between(10, 2000) : undefined,
        }
      : undefined
  const total = isBulk ? 4 * 1024 * 1024 : 64 * 1024
  const count = isBulk ? random.pick([1, 1, 2]) : random.pick([1, 1, 1, 2, 3])
  const connections: ConnectionPlan[] = []
  for (let index = 0; index < count; index++)
    connections.push(drawConnection(random, nat, isBulk, Math.floor(total / count), powerCut !== undefined))
  return {
    name: `${size}:${seed}`,
    paths: { 4: v4, 6: v6 },
    nat,
    rebinds: nat
      ? Array.from({ length: random.int(0, 3) }, (_, index) => ({
          at: index * 300 + random.between(0, isBulk ? 3000 : 400),
          host: random.chance(0.3),
        }))
      : [],
    attacker: random.chance(0.08) ? { at: random.between(20, 400), count: random.int(1, 6) } : undefined,
    answering: [drawSettings(random, isBulk), drawSettings(random, isBulk)],
    retry: [random.chance(0.2), random.chance(0.2)],
    powerCut,
    timerGrainMs: random.pick([0, 1]),
    socketPerMs: random.chance(0.15) ? random.int(2, 20) : undefined,
    slots: random.pick([256, 256, 64, 12]),
    connections,
    deadlineMs: isBulk ? 3_600_000 : 600_000,
  }
}

function drawPath(random: SimRandom, calm: boolean, isBulk: boolean): PathSpec {
  const delayMs = random.pick([0.2, 5, 20, 50, 120])
  if (calm) return { ...CLEAN_PATH, delayMs }
  const mtu = random.pick([1500, 1500, 1452, 1320, 1200])
  return {
    delayMs,
    jitterMs: random.pick([0, 0, 1, 10, 40]),
    loss: random.pick(isBulk ? [0, 0, 0.01, 0.05, 0.2] : [0, 0.01, 0.05, 0.1, 0.2]),
    burst: random.pick([1, 1, 4]),
    duplicate: random.pick([0, 0, 0.02, 0.2]),
    corrupt: random.pick([0, 0, 0.01, 0.05]),
    straggle: { share: random.pick([0, 0, 0.02, 0.1]), ms: random.pick([30, 300]) },
    spikes: random.chance(0.15) ? { everyMs: random.between(400, 5000), lengthMs: random.between(30, 390) } : undefined,
    bottleneck: random.chance(0.3)
      ? {
          bytesPerMs: random.pick(isBulk ? [250, 1250, 12_500] : [20, 125, 1250]),
          queue: random.pick([8000, 30_000, 200_000]),
        }
      : undefined,
    mtu,
    mtuShrinksAt: mtu > 1200 && random.chance(0.08) ? random.between(50, 1000) : undefined,
    outage: random.chance(0.08)
      ? { from: 1000 + random.between(50, 1500), to: 1000 + random.between(1500, 3500) }
      : undefined,
  }
}

function drawConnection(
  random: SimRandom,
  nat: boolean,
  isBulk: boolean,
  total: number,
  hasPowerCut: boolean,
): ConnectionPlan {
  const family = random.pick([4, 4, 6] as const)
  const dialler = nat && family === 4 ? 0 : random.pick([0, 1] as const)
  const early = !isBulk && !hasPowerCut && random.chance(0.15)
  return {
    dialler,
    startsAt: random.between(0, 60),
    fanOut: dialler === 0 && random.chance(0.25),
    family,
    settings: drawSettings(random, isBulk),
    transfers: drawTransfers(random, total, isBulk),
    datagrams: random.chance(0.4)
      ? [
          {
            from: random.pick(['client', 'server'] as const),
            count: random.int(1, 40),
            size: random.pick([4, 60, 500, 1100]),
            everyMs: random.pick([0, 1, 7]),
          },
        ]
      : [],
    keyUpdates: Array.from({ length: random.pick([0, 0, 1, 2, 4]) }, () => ({
      by: random.pick(['client', 'server'] as const),
      at: random.between(0, isBulk ? 4000 : 500),
    })),
    migrations:
      dialler === 0 && random.chance(0.25)
        ? Array.from({ length: random.int(1, 3) }, () => random.between(0, isBulk ? 3000 : 600))
        : [],
    close: {
      by: random.pick(['client', 'client', 'server', 'server', 'both'] as const),
      at: early ? random.between(0, 900) : 'done',
      code: random.int(0, 1_000_000),
      reason: random.pick(['', 'done', 'x'.repeat(2000)]),
    },
  }
}

function drawSettings(random: SimRandom, isBulk: boolean): Partial<QuicSettings> {
  const tight = random.chance(0.3)
  return {
    suites: random.pick([
      [0x1301, 0x1303, 0x1302],
      [0x1301, 0x1302, 0x1303],
      [0x1302, 0x1301, 0x1303],
      [0x1303, 0x1301],
    ]),
    groups: random.pick([
      ['x25519', 'p256'],
      ['x25519', 'p256'],
      ['p256', 'x25519'],
    ] as const),
    congestion: random.pick(['cubic', 'cubic', 'new-reno'] as const),
    maxIdleTimeoutMs: random.pick([15_000, 30_000]),
    keepAliveMs: random.pick([2000, 5000]),
    activeConnectionIdLimit: random.pick([2, 5, 8]),
    minAckDelayUs: random.chance(0.3) ? undefined : 1000,
    issueTokens: random.chance(0.3),
    skipPacketNumbers: random.chance(0.8),
    maxMtu: random.pick([1452, 1452, 1200]),
    ...(tight && !isBulk
      ? {
          connectionReceiveWindow: 24_000,
          streamReceiveWindow: 8000,
          maxStreamReceiveWindow: 16_000,
          sendBuffer: 20_000,
        }
      : {}),
    ...(tight && isBulk ? { connectionReceiveWindow: 300_000, streamReceiveWindow: 100_000, sendBuffer: 200_000 } : {}),
    ...(random.chance(0.2) ? { maxStreamsBidi: 1, maxStreamsUni: 1 } : {}),
  }
}

function drawTransfers(random: SimRandom, total: number, isBulk: boolean): Transfer[] {
  const count = isBulk ? random.pick([1, 2, 4]) : random.pick([1, 2, 4, 8, 20])
  const share = Math.floor(total / count)
  return Array.from({ length: count }, (): Transfer => {
    const bidirectional = random.chance(0.5)
    // One direction mostly, so that the other side only acknowledges.
    const reply = bidirectional ? Math.floor(share * random.pick([0, 0.1, 0.5, 0.9])) : 0
    const size = Math.max(4, share - reply)
    const end = random.pick(['finish', 'finish', 'finish', 'finish', 'reset', 'stop'] as const)
    return {
      opener: random.pick(['client', 'server'] as const),
      bidirectional,
      size,
      reply,
      end,
      endAt: random.int(0, size),
      startsAt: random.chance(0.6) ? 0 : random.between(0, 300),
      piece: random.pick([100, 1500, 16_384, 1_000_000]),
      bite: random.pick([1000, 65_536, 1_000_000]),
      restMs: random.chance(0.15) ? random.between(1, isBulk ? 5 : 40) : 0,
      priority: random.pick([0, 0, 0, 5, -5]),
    }
  })
}
