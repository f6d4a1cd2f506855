/** News of where a peer is, and closing while nobody answers; in virtual time (spec/envelope.md §3.4, TRN-7). */
import { afterEach, expect, test } from 'vitest'
import { EndpointAddr } from '../../../src/identity/index.ts'
import { frameOf } from './support.ts'
import { LinkWorld } from './world.ts'

let world: LinkWorld
afterEach(async () => world.close())

/** The address of somebody who is not there. */
function nowhere(node: { readonly endpoint: { readonly id: EndpointAddr['id'] } }): EndpointAddr {
  return new EndpointAddr(node.endpoint.id).withIp('10.9.9.9:9')
}

test('spec/envelope.md §3.4: a dial to where a peer was begins anew when it is heard of, and costs no attempt', async () => {
  world = new LinkWorld('news')
  const [node, other] = [await world.peer('node'), await world.peer('other', { isUnknown: true })]
  world.wire('node', 'other')
  world.book.add(nowhere(other))
  const sending = node.links.send(other.id, frameOf(1))
  await world.run(3_000)
  world.book.remove(other.endpoint.id)
  world.book.add(other.endpoint.addr())
  node.links.heardOf(other.id)
  await world.value(sending, 500, 'the dial to where it is now')
  expect(node.links.stats).toMatchObject({ dials: 2, retries: 0, sendFailures: 0 })
})

test('spec/envelope.md §3.4: a connection from the peer is such news too', async () => {
  world = new LinkWorld('incoming news')
  const [node, other] = [await world.peer('node'), await world.peer('other', { isUnknown: true })]
  world.wire('node', 'other')
  world.book.add(nowhere(other))
  const sending = node.links.send(other.id, frameOf(1))
  await world.run(3_000)
  world.book.remove(other.endpoint.id)
  world.book.add(other.endpoint.addr())
  await world.value(other.links.send(node.id, frameOf(2)), 500, 'what the peer sends')
  await world.value(sending, 500, 'our dial, begun anew')
})

test('spec/envelope.md §3.4: a young dial has its time, and news of others do not concern it', async () => {
  world = new LinkWorld('young')
  const [node, other] = [await world.peer('node'), await world.peer('other', { isUnknown: true })]
  world.book.add(nowhere(other))
  const { links } = node
  const failing = world.failure(links.send(other.id, frameOf(1)), 60_000)
  await world.run(200)
  links.heardOf(other.id)
  links.heardOf(other.id)
  await world.run(790)
  expect(links.stats.dials).toBe(1)
  await world.run(20)
  expect(links.stats.dials).toBe(2)
  await world.run(3_000)
  links.heardOf(node.id)
  await world.run(1_000)
  expect(links.stats.dials).toBe(2)
  await failing
})

test('TRN-7: closing does not wait for a dial that nobody answers', async () => {
  world = new LinkWorld('closing')
  const [node, other] = [await world.peer('node'), await world.peer('other', { isUnknown: true })]
  world.book.add(nowhere(other))
  const failing = world.failure(node.links.send(other.id, frameOf(1)), 60_000)
  await world.run(2_000)
  const start = world.now
  await world.value(node.links.close(), 400, 'closing')
  expect(world.now - start).toBeLessThanOrEqual(301)
  expect((await failing).error).toMatchObject({ code: 'LINKS_CLOSED' })
})

test('TRN-7: closing waits for a dial that is about to finish, and for what then goes out', async () => {
  world = new LinkWorld('about to finish')
  const [node, other] = [await world.peer('node'), await world.peer('other')]
  world.wire('node', 'other')
  const sending = node.links.send(other.id, frameOf(1))
  await world.value(Promise.all([sending, node.links.close()]), 1_000, 'closing')
  await world.until(() => other.log.numbers.length === 1, 1_000)
})
