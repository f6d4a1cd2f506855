import { describe, expect, test } from 'vitest'
import { DEFAULT_GOSSIP_PROFILE, UPSTREAM_GOSSIP_PROFILE } from '../../../src/gossip/proto/settings.ts'
import { LONG_SPLIT, partition, SHORT_SPLIT } from './scenarios/partition.ts'
import { type Settings, settledSwarm } from './scenarios/settings.ts'
import { runRounds } from './support/rounds.ts'
import { lastingOneSided, topologyOf } from './support/topology.ts'

const settings: Settings = {
  nodes: 200,
  seed: '1',
  profile: DEFAULT_GOSSIP_PROFILE,
  latency: 'uniform:10..100',
  bootstrap: { kind: 'sequential', intervalMs: 50, contact: 'random' },
  cycles: 2,
  rounds: 10,
  isWire: false,
  loss: 0,
  dialRoundTrips: undefined,
  deadDialMs: undefined,
}

describe('partitions', () => {
  for (const profile of [UPSTREAM_GOSSIP_PROFILE, DEFAULT_GOSSIP_PROFILE]) {
    test(`spec/gossip.md §11.1 P12: ${profile.name}: after a short split nodes that look for neighbours find the other half`, () => {
      const swarm = settledSwarm({ ...settings, profile })
      const { components, delivery } = partition(swarm, SHORT_SPLIT)
      expect(components).toEqual({ split: 2, healed: 1, rejoined: 1 })
      expect(delivery).toEqual({ split: 1, healed: 1, rejoined: 1 })
    })

    test(`spec/gossip.md §11.1 P12: ${profile.name}: after a long one nobody looks, and one rejoin brings all together`, () => {
      const swarm = settledSwarm({ ...settings, profile })
      const { components, delivery } = partition(swarm, LONG_SPLIT)
      expect(components).toEqual({ split: 2, healed: 2, rejoined: 1 })
      expect(delivery.split).toBe(1)
      // each half for itself
      expect(delivery.healed).toBeCloseTo(99 / 199, 2)
      expect(delivery.rejoined).toBe(1)
      expect(runRounds(swarm, 5, 'changing').filter((round) => round.missed > 0)).toEqual([])
    })
  }

  test('spec/gossip.md §11.1 P5: a node that is cut off comes back by itself', () => {
    const swarm = settledSwarm(settings)
    swarm.split((node) => (node === 17 ? 1 : 0), 30_000)
    swarm.runForMs(120_000)
    expect(swarm.nodes[17]!.topic?.neighbors).toEqual([])
    swarm.heal()
    swarm.runForMs(60_000)
    expect(lastingOneSided(swarm)).toBe(0)
    expect(topologyOf(swarm, 0)).toMatchObject({ components: 1, isolated: 0 })
    expect(runRounds(swarm, 5, 'changing').filter((round) => round.missed > 0)).toEqual([])
  })

  test('spec/gossip.md §12.8 S6: a split that ends before anybody notices costs what was sent meanwhile, and no more', () => {
    const swarm = settledSwarm(settings)
    swarm.split((node) => node % 2, 30_000)
    const [during] = runRounds(swarm, 1, 'changing')
    expect(during!.missed).toBeGreaterThan(0)
    swarm.heal()
    swarm.runForMs(40_000)
    expect(lastingOneSided(swarm)).toBe(0)
    expect(topologyOf(swarm, 0).components).toBe(1)
    expect(runRounds(swarm, 5, 'changing').filter((round) => round.missed > 0)).toEqual([])
  })
})
