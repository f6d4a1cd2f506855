import { describe, expect, test } from 'vitest'
import {
  DEFAULT_GOSSIP_PROFILE,
  type GossipProfile,
  UPSTREAM_GOSSIP_PROFILE,
} from '../../../src/gossip/proto/settings.ts'
import { bootstrap, runCycles } from './support/bootstrap.ts'
import { fixedLatency, uniformLatency } from './support/latency.ts'
import { runRound, runRounds } from './support/rounds.ts'
import { histogram } from './support/statistics.ts'
import { Swarm, type SwarmOptions } from './support/swarm.ts'
import { topologyOf } from './support/topology.ts'
import { kindCode } from './support/traffic.ts'

const PROFILES: readonly GossipProfile[] = [UPSTREAM_GOSSIP_PROFILE, DEFAULT_GOSSIP_PROFILE]

function swarmOf(options: Partial<SwarmOptions> = {}): Swarm {
  return new Swarm({ seed: 'test', profile: DEFAULT_GOSSIP_PROFILE, latency: fixedLatency(50), ...options })
}

/** `node kind peer @ µs`, as it happens. */
function record(swarm: Swarm): string[] {
  const out: string[] = []
  swarm.onEvent = (node, event) => {
    if (event.kind === 'neighbor-up') out.push(`${node.id} up ${event.peer} @ ${swarm.nowUs}`)
    if (event.kind === 'neighbor-down') out.push(`${node.id} down ${event.peer} ${event.reason} @ ${swarm.nowUs}`)
  }
  return out
}

/** Two nodes that have found each other, and what happens from then on. */
function pairOf(options: Partial<SwarmOptions> = {}): { swarm: Swarm; events: string[] } {
  const swarm = swarmOf(options)
  swarm.add([])
  swarm.add([0])
  swarm.runForMs(2000)
  expect(swarm.nodes.map((node) => node.topic?.neighbors)).toEqual([[1], [0]])
  return { swarm, events: record(swarm) }
}

interface Run {
  readonly profile?: GossipProfile
  readonly seed?: string
  readonly isWire?: boolean
}

/** A swarm that lives through something of everything; its trace and what it delivered. */
function life({ profile = DEFAULT_GOSSIP_PROFILE, seed = 'a', isWire = false }: Run): {
  trace: string
  events: number
  delivered: number
} {
  const swarm = swarmOf({
    profile,
    seed,
    isWire,
    latency: uniformLatency(10, 100, seed),
    dialRoundTrips: 1,
    deadDialMs: 500,
  })
  bootstrap(swarm, 60, { kind: 'set', count: 5 })
  runRounds(swarm, 5, 'changing')
  swarm.faults.setLoss(0.02)
  swarm.faults.slowDown(3, 200_000)
  for (const id of [7, 20, 33]) swarm.remove(swarm.nodes[id]!)
  swarm.quit(swarm.nodes[8]!)
  runRounds(swarm, 3, 'one')
  swarm.restart(swarm.nodes[7]!, [0])
  swarm.split((node) => node % 3, 5_000)
  runCycles(swarm, 1)
  swarm.heal()
  runRounds(swarm, 2, 'all')
  return { trace: swarm.traceHash, events: swarm.eventCount, delivered: swarm.ledger.delivered }
}

describe('determinism', () => {
  for (const profile of PROFILES) {
    test(`spec/gossip.md §12.8 S3: ${profile.name}: the same seed is the same run, another seed is another`, () => {
      const first = life({ profile })
      expect(life({ profile })).toEqual(first)
      expect(first.events).toBeGreaterThan(20_000)
      expect(first.delivered).toBeGreaterThan(2_000)
      expect(life({ profile, seed: 'b' }).trace).not.toBe(first.trace)
    })
  }

  test('spec/gossip.md §12.8 S3: every node has dice of its own, and they are fair', () => {
    const swarm = swarmOf()
    const rolls = [swarm.add([]), swarm.add([])].map((node) => Array.from({ length: 6000 }, () => node.below(6)))
    expect(rolls[0]).not.toEqual(rolls[1])
    for (const own of rolls) for (const count of histogram(own)) expect(Math.abs(count - 1000)).toBeLessThan(120)
    expect(rolls.map((own) => histogram(own).length)).toEqual([6, 6])
  })

  test('spec/gossip.md §12.8 S1: the profiles are two', () => {
    expect(life({ profile: UPSTREAM_GOSSIP_PROFILE }).trace).not.toBe(life({}).trace)
  })

  test('spec/gossip.md §12.8 S7: with every message encoded and decoded nothing happens otherwise', () => {
    for (const profile of PROFILES) expect(life({ profile, isWire: true })).toEqual(life({ profile }))
  })

  test('spec/gossip.md §12.8 S7, S9: over the wire everybody has bytes of its own, else all share them', () => {
    for (const isWire of [true, false]) {
      const { swarm } = pairOf({ isWire })
      const contents: Uint8Array[] = []
      swarm.onEvent = (_node, event) => event.kind === 'received' && contents.push(event.content)
      const content = swarm.ledger.open(0, 1, 2, swarm.nowUs)
      swarm.broadcast(swarm.nodes[0]!, content)
      swarm.runForMs(100)
      expect(contents).toEqual([content])
      expect(contents[0] === content).toBe(!isWire)
    }
  })
})

describe('the network', () => {
  test('spec/gossip.md §12.1: a message takes the latency of its pair', () => {
    const swarm = swarmOf()
    const events = record(swarm)
    swarm.add([])
    swarm.add([0])
    swarm.runForMs(1000)
    expect(events).toEqual(['0 up 1 @ 50000', '1 up 0 @ 100000'])
  })

  test('spec/gossip.md §12.8 S8: a first message waits for its connection, later ones do not', () => {
    const swarm = swarmOf({ dialRoundTrips: 1.5 })
    const events = record(swarm)
    swarm.add([])
    swarm.add([0])
    swarm.runForMs(1000)
    // 150 ms of dialling and 50 ms; the answer goes back over the same connection
    expect(events).toEqual(['0 up 1 @ 200000', '1 up 0 @ 250000'])
  })

  test('spec/gossip.md §12.8 S6: slow nodes', () => {
    const swarm = swarmOf()
    swarm.faults.slowDown(0, 30_000)
    const events = record(swarm)
    swarm.add([])
    swarm.add([0])
    swarm.runForMs(1000)
    expect(events).toEqual(['0 up 1 @ 80000', '1 up 0 @ 160000'])
  })

  test('spec/gossip.md §12.1: the connections of a node that vanishes close behind its last messages', () => {
    const { swarm, events } = pairOf()
    swarm.remove(swarm.nodes[1]!)
    swarm.runForMs(1000)
    expect(events).toEqual(['0 down 1 connection-lost @ 2050001'])
    expect(topologyOf(swarm)).toMatchObject({ nodes: 1, isolated: 1, dead: 0 })
  })

  test('spec/gossip.md §3.7: or they are found dead after a while', () => {
    const { swarm, events } = pairOf()
    swarm.remove(swarm.nodes[1]!, 15_000)
    swarm.runForMs(14_999)
    expect(events).toEqual([])
    expect(topologyOf(swarm).dead).toBe(1)
    swarm.runForMs(10)
    expect(events).toEqual(['0 down 1 connection-lost @ 17000000'])
  })

  test('spec/gossip.md §6.3: who quits says so', () => {
    const { swarm, events } = pairOf()
    swarm.quit(swarm.nodes[1]!)
    swarm.runForMs(1000)
    expect(events).toEqual(['1 down 0 quit @ 2000000', '0 down 1 left @ 2050000'])
  })

  test('spec/gossip.md §12.8 S6: parts hear nothing of each other, and find their connections dead in time', () => {
    const { swarm, events } = pairOf()
    swarm.split((node) => node, 10_000)
    const lost = runRound(swarm, [swarm.nodes[0]!])
    expect([lost.delivered, lost.missed]).toEqual([0, 1])
    swarm.runForMs(4_999)
    expect(events).toEqual([])
    swarm.runForMs(10)
    expect(events).toEqual(['0 down 1 connection-lost @ 12000000', '1 down 0 connection-lost @ 12000000'])
  })

  test('spec/gossip.md §12.8 S6: connections outlive a split that was short', () => {
    const { swarm, events } = pairOf()
    swarm.split((node) => node, 10_000)
    swarm.runForMs(9_000)
    swarm.heal()
    swarm.runForMs(20_000)
    expect(events).toEqual([])
    expect(runRound(swarm, [swarm.nodes[1]!]).delivered).toBe(1)
  })

  test('spec/gossip.md §12.8 S6: messages on their way into a part do not arrive', () => {
    const { swarm } = pairOf()
    const { ledger } = swarm
    swarm.broadcast(swarm.nodes[0]!, ledger.open(0, 1, 2, swarm.nowUs))
    swarm.runForMs(49)
    swarm.split((node) => node, 60_000)
    swarm.runForMs(1000)
    expect(ledger.delivered).toBe(0)
  })

  test('spec/gossip.md §12.8 S6: what is lost does not arrive, and counts as sent', () => {
    const { swarm } = pairOf()
    swarm.faults.setLoss(1)
    const round = runRound(swarm, [swarm.nodes[0]!])
    expect([round.delivered, round.traffic.dataMessages]).toEqual([0, 1])
    swarm.faults.setLoss(0)
    expect(runRound(swarm, [swarm.nodes[0]!]).delivered).toBe(1)
  })

  test('spec/gossip.md §11.2: a dial to a node that is gone fails when the model says so, or never', () => {
    const failures = (options: Partial<SwarmOptions>) => {
      const swarm = swarmOf(options)
      const out: number[] = []
      swarm.add([])
      swarm.remove(swarm.nodes[0]!)
      swarm.onEvent = (_node, event) => event.kind === 'join-failed' && out.push(swarm.nowUs)
      swarm.add([0])
      swarm.runForMs(900)
      return out
    }
    expect(failures({ deadDialMs: 400 })).toEqual([400_000])
    expect(failures({})).toEqual([])
  })

  for (const restarted of [0, 1])
    test(`spec/gossip.md §16 #19: node ${restarted} of two restarts with its id; each sees the other again`, () => {
      const { swarm, events } = pairOf()
      const other = 1 - restarted
      const node = swarm.nodes[restarted]!
      swarm.remove(node, 30_000)
      swarm.restart(node, [other])
      swarm.runForMs(60_000)
      expect(swarm.nodes.map(({ topic }) => topic?.neighbors)).toEqual([[1], [0]])
      // the old connection is found dead while the new one is there (spec/gossip.md §3.8 C7)
      expect(events.filter((event) => event.includes('down'))).toEqual([])
      expect(runRound(swarm, [node]).delivered).toBe(1)
      expect(runRound(swarm, [swarm.nodes[other]!]).delivered).toBe(1)
    })

  test('spec/gossip.md §8.3: what was meant for an earlier life of a node is dropped', () => {
    const { swarm } = pairOf()
    const node = swarm.nodes[1]!
    const { ledger } = swarm
    swarm.broadcast(swarm.nodes[0]!, ledger.open(0, 1, 2, swarm.nowUs))
    swarm.remove(node)
    swarm.restart(node, [])
    swarm.runForMs(49.9)
    expect(swarm.inFlight).toBe(1)
    swarm.runForMs(1)
    expect([ledger.delivered, swarm.inFlight, node.epoch]).toEqual([0, 0, 2])
  })

  test('spec/gossip.md §8.3: the timers of an earlier life do not run in the new one', () => {
    const { swarm } = pairOf()
    for (let life = 0; life < 3; life++) {
      swarm.remove(swarm.nodes[1]!)
      swarm.restart(swarm.nodes[1]!, [0])
      swarm.runForMs(1000)
    }
    const shuffles = kindCode('shuffle')
    const before = swarm.traffic.totals().messages[shuffles]!
    runCycles(swarm, 10)
    // one for each node and cycle
    expect(swarm.traffic.totals().messages[shuffles]! - before).toBe(20)
  })
})

describe('bootstrap', () => {
  test('spec/gossip.md §12.2: through one, through a few, one after the other', () => {
    for (const how of [
      { kind: 'single' },
      { kind: 'set', count: 4 },
      { kind: 'sequential', intervalMs: 200, contact: 'first' },
      { kind: 'sequential', intervalMs: 200, contact: 'random' },
    ] as const) {
      const swarm = swarmOf()
      bootstrap(swarm, 40, how)
      const trips = { single: 20, set: 27, sequential: 20 + (39 * 200) / 50 }[how.kind]
      expect(swarm.nowUs, JSON.stringify(how)).toBe(trips * 50_000)
      expect(topologyOf(swarm), JSON.stringify(how)).toMatchObject({ nodes: 40, components: 1, isolated: 0, dead: 0 })
    }
  })
})

describe('rounds', () => {
  test('spec/gossip.md §12.3: both definitions of RMR, LDH and duration on a chain', () => {
    const profile: GossipProfile = {
      ...UPSTREAM_GOSSIP_PROFILE,
      membership: { ...UPSTREAM_GOSSIP_PROFILE.membership, activeViewCapacity: 2, passiveViewCapacity: 0 },
    }
    const swarm = swarmOf({ profile })
    swarm.add([])
    swarm.runTrips(4)
    swarm.add([0])
    swarm.runTrips(4)
    // 0 forwards the join to 1, which is alone but for 0 and takes it: a triangle
    swarm.add([0])
    swarm.runTrips(10)
    expect(swarm.nodes.map((node) => [...(node.topic?.neighbors ?? [])].sort())).toEqual([
      [1, 2],
      [0, 2],
      [0, 1],
    ])
    const [first, second] = runRounds(swarm, 2, 'one', { isDrained: true })
    // two copies from the author, and 1 and 2 send each other one
    expect(first).toMatchObject({ expected: 2, delivered: 2, missed: 0, durationMs: 50, lastHop: 0 })
    expect(first!.paperRmr).toBe(4 / 2 - 1)
    // only two were processed while the round lasted, and the divisor is deliveries − 1
    expect(first!.upstreamRmr).toBe(2 / 1 - 1)
    expect(second!.paperRmr).toBe(0)
    expect(first!.traffic).toMatchObject({ dataMessages: 4 })
    expect(swarm.ledger.broadcasts.map(({ repeated }) => repeated)).toEqual([0, 0])
  })

  test('spec/gossip.md §12.3: a round that somebody misses ends after its time', () => {
    const { swarm } = pairOf()
    swarm.split((node) => node, 60_000)
    const round = runRound(swarm, [swarm.nodes[0]!], { timeoutMs: 700 })
    expect(round).toMatchObject({
      expected: 1,
      delivered: 0,
      missed: 1,
      durationMs: 700,
      deliveryRatio: 0,
      paperRmr: 0,
    })
  })
})
