import { expect, test } from 'vitest'
import { CoreSwarm } from './support/swarm.ts'

const MINUTE_MS = 60_000
const DAY_MS = 1_440 * MINUTE_MS

test('L2a: what an application has not taken within a day it does not get any more, and nobody is told that it did', () => {
  const core = new CoreSwarm()
  const alice = core.node('alice')
  const bob = core.node('bob', { reads: false })
  core.run(2_000)
  const id = alice.send(bob, 'too late')
  core.run(1_000)
  expect(bob.messenger.metrics().waiting).toBe(1)
  core.now += DAY_MS - 10_000
  const inTime = alice.send(bob, 'in time')
  core.run(2_000)
  expect(bob.messenger.metrics().waiting).toBe(2)
  core.now += 10_000
  bob.reads = true
  bob.read()
  core.run(1_000)
  expect(bob.texts).toEqual(['in time'])
  expect(alice.statesOf(inTime)).toContain('delivered')
  expect(alice.statesOf(id)).not.toContain('delivered')
})

test('L2a: a clean-up takes what waits for an application that never reads', () => {
  const core = new CoreSwarm()
  const alice = core.node('alice')
  const bob = core.node('bob', { reads: false })
  core.run(2_000)
  alice.send(bob, 'never')
  core.run(1_000)
  core.now += DAY_MS
  core.run(6 * MINUTE_MS)
  const { waiting, refused } = bob.messenger.metrics()
  expect(waiting).toBe(0)
  expect(refused.EXPIRED).toBe(1)
})
