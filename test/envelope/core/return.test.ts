/** Recipients that return after others took their mail and lost it (spec/envelope.md §6, BAK-1, §4.3). */
import { expect, test } from 'vitest'
import { type CoreNode, CoreSwarm } from './support/swarm.ts'

test('BAK-1: what a hop took and lost is brought to the recipient as soon as it is back, not 30 s after the hop took it', () => {
  const core = new CoreSwarm()
  const [alice, bob, hop] = ['alice', 'bob', 'hop'].map((name) => core.node(name)) as [CoreNode, CoreNode, CoreNode]
  core.run(2_000)
  bob.crash()
  // until it counts as offline
  core.run(60_000)
  const id = alice.send(bob, 'by way of somebody', { via: [hop.key] })
  core.runUntil(() => alice.statesOf(id).includes('sent'), 5_000)
  hop.crash()
  core.run(3_000)
  bob.restart()
  core.run(5_000)
  expect(bob.texts).toEqual(['by way of somebody'])
  // the acknowledgement wants to go back over the hop
  core.run(20_000)
  expect(alice.statesOf(id).at(-1)).toBe('delivered')
})
