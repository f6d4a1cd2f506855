/** Recipients that return after others took their mail and lost it (spec/envelope.md §6, BAK-1, §4.3). */
import { expect, test } from 'vitest'
import { encodePeerAnnounce } from '../../../src/envelope/wire/body-codec.ts'
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
  // who brought it himself is answered straight, whatever way was meant: the hop is gone
  core.run(1_000)
  expect(alice.statesOf(id).at(-1)).toBe('delivered')
})

test('PRS-2: an unsigned announcement of somebody who has mail is a hint to dial, and many are no more than one', () => {
  const core = new CoreSwarm()
  const [alice, bob, carol] = ['alice', 'bob', 'carol'].map((name) => core.node(name)) as [CoreNode, CoreNode, CoreNode]
  core.run(2_000)
  bob.crash()
  core.run(60_000)
  alice.send(bob, 'for later')
  // its attempts are over, and those that follow are minutes apart
  core.run(200_000)
  let attempts = 0
  const transmit = alice.transmit.bind(alice)
  alice.transmit = (peer, frame, ticket) => {
    if (peer === bob.key) attempts++
    transmit(peer, frame, ticket)
  }
  const hint = (): void => {
    const announce = { peer: bob.key, name: 'bob', roles: ['Peer'], timestamp: core.wall } as const
    alice.act((messenger) => messenger.gossip(encodePeerAnnounce(announce), carol.key, core.now))
    core.run(500)
  }
  hint()
  expect(attempts).toBe(1)
  for (let count = 0; count < 10; count++) hint()
  expect(attempts).toBe(1)
  // the dial has failed in the meantime
  core.run(20_000)
  hint()
  expect(attempts).toBe(2)
})
