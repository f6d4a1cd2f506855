/** Connections on which nothing is heard any more, long before the transport gives them up. */
import { afterEach, expect, test } from 'vitest'
import { Bottleneck, Delay } from '../../sim/support/link-parts.ts'
import { frameOf } from './support.ts'
import { LinkWorld } from './world.ts'

let world: LinkWorld
afterEach(() => world.close())

test('TRN-10: a peer that was killed and came back elsewhere gets what its dead connection took, within seconds', async () => {
  world = new LinkWorld('silent')
  const [node, other] = [await world.peer('node'), await world.peer('other')]
  world.wire('node', 'other')
  await world.value(node.links.send(other.id, frameOf(0)), 1_000)
  await world.until(() => other.log.numbers.length === 1, 1_000)
  world.network.silence('other')
  await world.value(node.links.send(other.id, frameOf(1)), 100, 'the dead connection takes it')
  await world.run(5_000)
  const reborn = await world.peer('reborn', { secretKey: other.secretKey })
  world.wire('node', 'reborn')
  await world.until(() => reborn.log.numbers.length === 1, 20_000, 'the message')
  expect(reborn.log.numbers).toEqual([1])
  expect(node.links.stats).toMatchObject({ evictions: 1, resent: 1, lost: 0 })
})

test('TRN-10: who comes back at once gets it within seconds', async () => {
  world = new LinkWorld('silent and back')
  const [node, other] = [await world.peer('node'), await world.peer('other')]
  world.wire('node', 'other')
  await world.value(node.links.send(other.id, frameOf(0)), 1_000)
  await world.until(() => other.log.numbers.length === 1, 1_000)
  world.network.silence('other')
  const reborn = await world.peer('reborn', { secretKey: other.secretKey })
  world.wire('node', 'reborn')
  const start = world.now
  await world.value(node.links.send(other.id, frameOf(1)), 100, 'the dead connection takes it')
  await world.until(() => reborn.log.numbers.length === 1, 10_000, 'the message')
  expect(world.now - start).toBeLessThan(4_500)
})

test('TRN-10: a connection that is slow, but not silent, stays', async () => {
  world = new LinkWorld('slow')
  const [node, other] = [await world.peer('node'), await world.peer('other')]
  world.wire('node', 'other', [new Delay(200), new Bottleneck(25, 64_000)])
  await world.value(node.links.send(other.id, frameOf(0, 200_000)), 30_000)
  await world.until(() => other.log.numbers.length === 1, 60_000)
  expect(node.links.stats).toMatchObject({ dials: 1, evictions: 0, resent: 0 })
})
