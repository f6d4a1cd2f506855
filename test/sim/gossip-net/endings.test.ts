/** The last words of a node, and dials that come to nothing, in virtual time. */
import { afterEach, describe, expect, test } from 'vitest'
import { Delay } from '../support/link-parts.ts'
import { bytes, GossipWorld, OTHER_TOPIC, TOPIC } from './support/world.ts'

let world: GossipWorld
afterEach(async () => world.close())

describe('the end', () => {
  test('spec/gossip.md §3.8 C8, §11.2 N6: all that was said before the end arrives, then the farewell, then the end', async () => {
    world = new GossipWorld('farewell')
    const [stays, goes] = [await world.peer('stays'), await world.peer('goes')]
    world.wire('stays', 'goes', [new Delay(40)])
    const ears = [stays.subscribe(), stays.subscribe([], OTHER_TOPIC)] as const
    const here = [goes.subscribe([stays]), goes.subscribe([stays], OTHER_TOPIC)] as const
    await world.meet([...ears, ...here])
    for (let number = 0; number < 300; number++) void here[number % 2]!.topic.broadcast(bytes(`last words ${number}`))
    await world.value(goes.gossip.close(), 6_000)
    const words = (parity: number) => Array.from({ length: 150 }, (_, index) => `last words ${2 * index + parity}`)
    expect(ears[0].texts).toEqual(words(0))
    expect(ears[1].texts).toEqual(words(1))
    for (const ear of ears) expect(ear.downs()).toEqual(['left'])
    expect(here.map(({ isEnded }) => isEnded)).toEqual([true, true])
    expect(goes.faults).toEqual([])
  })

  test('spec/gossip.md §3.8 C8: nobody waits longer than 5 s for a peer that is gone', async () => {
    world = new GossipWorld('nobody there')
    const [stays, goes] = [await world.peer('stays'), await world.peer('goes')]
    const ears = [stays.subscribe(), goes.subscribe([stays])]
    await world.meet(ears)
    world.network.silence('stays')
    const closedAt = world.now
    await world.value(goes.gossip.close(), 6_000)
    expect(world.now - closedAt).toBeLessThanOrEqual(5_100)
  })

  test('spec/gossip.md §3.8 C8: gossip that never said anything ends at once, and so does one that was closed twice', async () => {
    world = new GossipWorld('silent')
    const node = await world.peer('node')
    node.subscribe()
    const closedAt = world.now
    await world.value(Promise.all([node.gossip.close(), node.gossip.close()]), 1_000)
    expect(world.now - closedAt).toBeLessThan(100)
    await world.run(60_000)
    expect(node.faults).toEqual([])
  })
})

describe('dials that fail', () => {
  test('spec/gossip.md §3.8 C6, §11.2 N1: a peer that could not be reached is dialled again for the next message', async () => {
    world = new GossipWorld('later')
    const late = await world.peer('late')
    const node = await world.peer('node')
    world.network.silence('late')
    const there = late.subscribe()
    const ear = node.subscribe([late])
    await world.until(() => node.gossip.metrics().dialFailures > 0, 40_000, 'a failed dial')
    expect(ear.events).toContainEqual(expect.objectContaining({ kind: 'join-failed', peer: late.endpoint.id }))
    world.network.restore('late')
    ear.topic.joinPeers([late.endpoint.addr()])
    await world.meet([ear, there], 5_000)
    await world.expectHeard(ear, [there], 'at last')
  })

  test('spec/gossip.md §3.8 C6: what waited for a dial that failed is not said later', async () => {
    world = new GossipWorld('stale')
    const [node, hand] = [await world.peer('node'), await world.hand('hand')]
    world.network.silence('hand')
    node.subscribe([hand.endpoint.addr()])
    await world.until(() => node.gossip.metrics().dialFailures > 1, 80_000, 'two failed dials')
    expect(node.gossip.metrics().peers).toBe(0)
    world.network.restore('hand')
    await world.until(() => hand.has(TOPIC, 'join'), 60_000, 'a Join')
    await world.run(10)
    // a repeated Join comes with the word that a peer waits for which takes us for its neighbour still (§11.1 P2)
    expect(hand.messages(TOPIC).map(({ kind }) => kind)).toEqual(['neighbor', 'join'])
  })

  test('spec/gossip.md §11.1 P4: without a word from the application, too', async () => {
    world = new GossipWorld('by itself')
    const late = await world.peer('late')
    const node = await world.peer('node')
    world.network.silence('late')
    const there = late.subscribe()
    const ear = node.subscribe([late])
    await world.run(60_000)
    expect(ear.neighbors).toEqual([])
    world.network.restore('late')
    await world.meet([ear, there], 60_000)
  })

  test('spec/gossip.md §11.2 N8: a peer that has not subscribed says nothing: joined() gives up and says what was tried', async () => {
    world = new GossipWorld('not there')
    const [node, deaf] = [await world.peer('node'), await world.peer('deaf')]
    const ear = node.subscribe([deaf])
    const joining = ear.topic.joined({ timeoutMs: 20_000 })
    await expect(world.value(joining, 21_000)).rejects.toMatchObject({
      code: 'JOIN_TIMEOUT',
      message: expect.stringContaining(deaf.endpoint.id.toShortString()),
    })
    expect(deaf.gossip.metrics().unknownTopic).toBeGreaterThan(0)
    // and once it subscribes, all is well
    const there = deaf.subscribe()
    await world.meet([ear, there], 60_000)
  })
})
