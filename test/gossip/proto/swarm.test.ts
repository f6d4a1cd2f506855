/** Swarms of both profiles: the behaviour tests of spec/gossip.md §16, and what §13 asks of the membership. */
import { describe, expect, test } from 'vitest'
import { DEFAULT_GOSSIP_PROFILE, UPSTREAM_GOSSIP_PROFILE } from '../../../src/gossip/proto/settings.ts'
import { Swarm, type SwarmOptions } from './swarm.ts'

const SEEDS = Array.from({ length: 20 }, (_, index) => index + 1)

function eachSeed(options: SwarmOptions, run: (swarm: Swarm) => void): void {
  for (const seed of SEEDS) {
    const swarm = new Swarm({ ...options, seed })
    try {
      run(swarm)
    } catch (cause) {
      throw new Error(`seed ${seed}: ${(cause as Error).message}`, { cause })
    }
  }
}

function upsOf(swarm: Swarm): string[] {
  return swarm.events.flatMap(({ kind, node, ...event }) =>
    kind === 'neighbor-up' ? [`${node} ${(event as { peer: number }).peer}`] : [],
  )
}

function triangle(swarm: Swarm): void {
  swarm.start(2)
  swarm.start(1, [2])
  swarm.start(0, [1, 2])
  swarm.runTrips(3)
}

/** Two groups of three, then one link between them. */
function twoGroups(swarm: Swarm): void {
  for (const id of [0, 3]) swarm.start(id)
  for (const id of [1, 2]) swarm.start(id, [0])
  for (const id of [4, 5]) swarm.start(id, [3])
  swarm.runTrips(4)
}

for (const profile of [UPSTREAM_GOSSIP_PROFILE, DEFAULT_GOSSIP_PROFILE]) {
  describe(profile.name, () => {
    test('spec/gossip.md §16 #1: three nodes become a triangle', () => {
      eachSeed({ profile, settings: { activeViewCapacity: 2 } }, (swarm) => {
        triangle(swarm)
        expect([0, 1, 2].map((id) => swarm.activeOf(id))).toEqual([
          [1, 2],
          [0, 2],
          [0, 1],
        ])
        expect(upsOf(swarm).sort()).toEqual(['0 1', '0 2', '1 0', '1 2', '2 0', '2 1'])
      })
    })

    test('spec/gossip.md §16 #2: a full node makes room for a newcomer', () => {
      eachSeed({ profile, settings: { activeViewCapacity: 2 } }, (swarm) => {
        triangle(swarm)
        swarm.events.length = 0
        swarm.start(3, [0])
        swarm.runTrips(2)
        expect(swarm.activeOf(3)).toEqual([0])
        expect(swarm.activeOf(0)).toContain(3)
        const downs = swarm.events.flatMap((event) =>
          event.kind === 'neighbor-down' ? [`${event.node} ${event.peer} ${event.reason}`] : [],
        )
        const evicted = [1, 2].find((id) => !swarm.activeOf(0).includes(id))
        expect(downs).toEqual([`0 ${evicted} evicted`, `${evicted} 0 evicted-by-peer`])
        expect(swarm.oneSided()).toEqual([])
      })
    })

    test('spec/gossip.md §16 #3, #4: a broadcast reaches its group, and both when they are joined', () => {
      eachSeed({ profile }, (swarm) => {
        twoGroups(swarm)
        swarm.broadcast(1, 'first')
        swarm.runTrips(4)
        expect(swarm.deliveriesOf('first').sort()).toEqual([0, 2])
        swarm.join(2, [5])
        swarm.runTrips(3)
        swarm.broadcast(1, 'second')
        swarm.runTrips(5)
        expect(swarm.deliveriesOf('second').sort()).toEqual([0, 2, 3, 4, 5])
        expect(swarm.oneSided()).toEqual([])
        for (const id of swarm.ids)
          for (const peer of swarm.node(id).tree.eager) expect(swarm.node(peer).tree.eager).toContain(id)
      })
    })

    test('spec/gossip.md §16 #5: a node that leaves is in no view any more', () => {
      eachSeed({ profile, settings: { activeViewCapacity: 2 } }, (swarm) => {
        swarm.start(0)
        for (const id of [1, 2, 3]) {
          swarm.start(id, [id - 1])
          swarm.runTrips(3)
        }
        swarm.quit(3)
        swarm.runTrips(4)
        for (const id of swarm.ids) expect(swarm.activeOf(id)).not.toContain(3)
        expect(swarm.oneSided()).toEqual([])
        expect(swarm.components()).toEqual([3])
      })
    })

    test('spec/gossip.md §16 #19, §11.1 P2: two nodes, and the one that joined is started anew', () => {
      eachSeed({ profile }, (swarm) => {
        swarm.start(0)
        swarm.start(1, [0])
        swarm.runTrips(4)
        swarm.restart(1, [0])
        swarm.runTrips(4)
        // both see each other: in one profile only where no entry is left behind, and here none is
        expect(swarm.activeOf(1)).toEqual([0])
        expect(swarm.activeOf(0)).toEqual([1])
      })
    })

    test('spec/gossip.md §16 #19, §11.1 P2: two nodes, and the contact is started anew and joins through the other', () => {
      const isRepaired = profile.isRepaired
      eachSeed({ profile }, (swarm) => {
        swarm.start(0)
        swarm.start(1, [0])
        swarm.runTrips(4)
        swarm.restart(0, [1])
        swarm.runTrips(4)
        expect(swarm.activeOf(1)).toEqual([0])
        // the defect: 1 holds 0 for asked, and does not answer
        expect(swarm.activeOf(0)).toEqual(isRepaired ? [1] : [])
      })
    })

    test('spec/gossip.md §11.1 P1, §13: active views after ten cycles', () => {
      const swarm = new Swarm({ profile, seed: 7, latencyMs: [10, 100], settings: { shuffleIntervalMs: 10_000 } })
      swarm.start(0)
      for (let id = 1; id < 100; id++) {
        swarm.start(id, [0])
        swarm.run(100)
      }
      swarm.run(100_000)
      if (profile.isRepaired) expect(swarm.meanActive()).toBeGreaterThan(4.9)
      else expect(swarm.meanActive()).toBeLessThan(4.7)
      expect(swarm.components()).toEqual([100])
      for (const id of swarm.ids) expect(swarm.activeOf(id).length).toBeLessThanOrEqual(5)
    })
  })
}

test('spec/gossip.md §11.1 P2: between the profiles: our contact of upstream kind is found again when we come back to where it had joined us', () => {
  eachSeed({ profile: DEFAULT_GOSSIP_PROFILE }, (swarm) => {
    swarm.start(0)
    swarm.start(1, [0], { profile: UPSTREAM_GOSSIP_PROFILE })
    swarm.runTrips(4)
    swarm.restart(0, [1])
    // it holds us for asked: the first Join is not answered, but the next one
    swarm.runTrips(4)
    expect(swarm.activeOf(0)).toEqual([])
    swarm.run(2_000)
    expect(swarm.activeOf(0)).toEqual([1])
    expect(swarm.activeOf(1)).toEqual([0])
  })
})

function grown(options: SwarmOptions, count: number): Swarm {
  const swarm = new Swarm(options)
  swarm.start(0)
  for (let id = 1; id < count; id++) {
    swarm.start(id, [0])
    swarm.run(100)
  }
  swarm.run(2_000)
  return swarm
}

test.each([true, false])(
  'spec/gossip.md §13: whole 20 maximum latencies after half of the nodes failed (told of failed dials: %s)',
  (isDialFailing) => {
    for (const seed of [1, 2]) {
      const swarm = grown({ seed, latencyMs: [10, 100], isDialFailing }, 120)
      swarm.run(120_000)
      for (let id = 1; id < 120; id += 2) swarm.kill(id)
      swarm.runTrips(20)
      expect(swarm.components(), `seed ${seed}`).toEqual([60])
      swarm.run(10_000)
      expect(swarm.oneSided(), `seed ${seed}`).toEqual([])
    }
  },
)

test('a swarm at rest is at rest: without broadcasts a cycle costs a shuffle and little more', () => {
  const swarm = grown({ seed: 4, latencyMs: [10, 100] }, 100)
  swarm.run(600_000)
  const before = swarm.sentCount
  swarm.run(600_000)
  // ten cycles of one shuffle: up to seven hops, and its answer
  expect((swarm.sentCount - before) / 100 / 10).toBeLessThan(12)
})

test('spec/gossip.md §11.1 P4: two nodes that start at the same time and miss each other find each other', () => {
  const swarm = new Swarm()
  swarm.start(1, [2])
  swarm.run(400)
  // the Join of 1 went nowhere
  swarm.start(2)
  swarm.run(2_000)
  expect(swarm.activeOf(1)).toEqual([2])
  expect(swarm.activeOf(2)).toEqual([1])
})

test('spec/gossip.md §11.1 P5: after an outage of everything a swarm is whole again', () => {
  const swarm = grown({ seed: 2, isDialFailing: true }, 12)
  swarm.run(60_000)
  const pairs = swarm.ids.flatMap((from) => swarm.ids.map((to) => `${from} ${to}`))
  for (const pair of pairs) swarm.blocked.add(pair)
  for (const from of swarm.ids) for (const to of swarm.ids) if (from < to) swarm.cut(from, to)
  swarm.run(60_000)
  expect(swarm.components()).toEqual(new Array(12).fill(1))
  swarm.blocked.clear()
  swarm.run(45_000)
  expect(swarm.components()).toEqual([12])
  expect(swarm.oneSided()).toEqual([])
})

test('a link that only one side has ends, or gets its other side, with the next broadcast', () => {
  eachSeed({}, (swarm) => {
    triangle(swarm)
    // 0 loses the connection, and 1 never learns of it
    swarm.node(0).disconnected(1, swarm.now)
    expect(swarm.oneSided()).toEqual(['1 0'])
    swarm.broadcast(1, 'hello')
    swarm.runTrips(6)
    expect(swarm.oneSided()).toEqual([])
  })
})

test('spec/gossip.md §11.2 N10: a Disconnect that arrives after the Join that followed it does no lasting harm', () => {
  eachSeed({}, (swarm) => {
    triangle(swarm)
    swarm.restart(0, [1])
    swarm.run(50)
    swarm.inject(0, 1, { kind: 'disconnect', alive: false })
    expect(swarm.activeOf(1)).not.toContain(0)
    swarm.runTrips(5)
    expect(swarm.oneSided()).toEqual([])
    expect(swarm.activeOf(0)).toEqual([1, 2])
  })
})

test('a link that only one side has does not outlive the shuffles', () => {
  for (const seed of SEEDS) {
    const swarm = grown({ seed }, 12)
    const peer = swarm.activeOf(0)[0]!
    swarm.node(0).disconnected(peer, swarm.now)
    expect(swarm.oneSided()).toEqual([`${peer} 0`])
    swarm.run(20 * 60_000)
    expect(swarm.oneSided(), `seed ${seed}`).toEqual([])
  }
})

test('spec/gossip.md §11.1 P12: an island that knows somebody of the others joins them', () => {
  const swarm = new Swarm({ isDialFailing: true })
  twoGroups(swarm)
  expect(swarm.components()).toEqual([3, 3])
  // 3 heard of 0 when 0 was away
  swarm.blocked.add('3 0')
  swarm.join(3, [0])
  swarm.run(1_000)
  swarm.blocked.clear()
  expect(swarm.components()).toEqual([3, 3])
  swarm.run(61_000)
  expect(swarm.components()).toEqual([6])
})

test('spec/gossip.md §11.1: the profiles live together', () => {
  for (const seed of SEEDS.slice(0, 10)) {
    const swarm = new Swarm({ seed, latencyMs: [10, 100], isCounting: true })
    swarm.start(0)
    for (let id = 1; id < 60; id++) {
      swarm.start(id, [0], { profile: id % 2 === 0 ? UPSTREAM_GOSSIP_PROFILE : DEFAULT_GOSSIP_PROFILE })
      swarm.run(100)
    }
    swarm.run(300_000)
    expect(swarm.components(), `seed ${seed}`).toEqual([60])
    swarm.broadcast(17, 'hello')
    swarm.run(5_000)
    expect(swarm.deliveriesOf('hello').length, `seed ${seed}`).toBe(59)
    expect(swarm.oneSided(), `seed ${seed}`).toEqual([])
  }
})
