/** Connections between two nodes: which one is used, which stays, and which ends, in virtual time. */
import { afterEach, describe, expect, test } from 'vitest'
import { encodeHex } from '../../../src/bytes/index.ts'
import { blake3Hash } from '../../../src/crypto/index.ts'
import type { Connection } from '../../../src/endpoint/index.ts'
import { TopicId } from '../../../src/gossip/index.ts'
import type { Message } from '../../../src/gossip/proto/messages.ts'
import { EndpointAddr } from '../../../src/identity/index.ts'
import { Delay } from '../support/link-parts.ts'
import type { HandPeer, SpokenStream } from './support/hand-peer.ts'
import { bytes, type Ear, GossipWorld, OTHER_TOPIC, type Peer, TOPIC } from './support/world.ts'

const JOIN: Message<string> = { kind: 'join', data: undefined }
const NEIGHBOR: Message<string> = { kind: 'neighbor', priority: 'high', data: undefined }

let world: GossipWorld
afterEach(async () => world.close())

function gossip(what: string): Message<string> {
  return { kind: 'gossip', id: encodeHex(blake3Hash(bytes(what))), content: bytes(what), round: 0 }
}

interface Joined {
  readonly node: Peer
  readonly ear: Ear
  readonly hand: HandPeer
  readonly first: Connection
  readonly stream: SpokenStream
}

/** A node with one neighbour that is made by hand and dialled it. */
async function joined(seed: string): Promise<Joined> {
  world = new GossipWorld(seed)
  const node = await world.peer('node')
  const hand = await world.hand('hand')
  const ear = node.subscribe()
  const first = await world.value(hand.dial(node.endpoint.addr()), 5_000)
  const stream = await world.value(hand.open(first, TOPIC, JOIN), 1_000)
  await world.until(() => hand.has(TOPIC, 'neighbor'), 5_000, 'an answer to Join')
  await stream.say(NEIGHBOR)
  await world.run(100)
  expect(ear.neighbors).toEqual([hand.id])
  return { node, ear, hand, first, stream }
}

/** Where the last thing that the hand heard came in. */
function lastOn(hand: HandPeer, connection: Connection): boolean {
  const streams = hand.streams(TOPIC).filter(({ messages }) => messages.length > 0)
  const latest = streams.sort((left, right) => left.messages.at(-1)!.at - right.messages.at(-1)!.at).at(-1)
  return latest?.connection === connection
}

describe('two connections to one peer', () => {
  test('spec/gossip.md §3.8 C1, C2: what came later is sent on, both are read, and neither is closed', async () => {
    const { node, ear, hand, first, stream } = await joined('two')
    await ear.topic.broadcast(bytes('one'))
    await world.until(() => hand.has(TOPIC, 'gossip'), 1_000)
    expect(lastOn(hand, first)).toBe(true)
    const second = await world.value(hand.dial(node.endpoint.addr()), 5_000)
    await world.run(100)
    await ear.topic.broadcast(bytes('two'))
    await world.until(() => hand.messages(TOPIC).filter(({ kind }) => kind === 'gossip').length === 2, 1_000)
    expect(lastOn(hand, second)).toBe(true)
    await stream.say(gossip('by the first'))
    const other = await world.value(hand.open(second, TOPIC, gossip('by the second')), 1_000)
    await world.until(() => ear.hears('by the first') && ear.hears('by the second'), 1_000)
    // long after any time of grace
    await world.run(60_000)
    expect([first.closeReason, second.closeReason]).toEqual([undefined, undefined])
    await stream.say(gossip('still by the first'))
    await other.say(gossip('still by the second'))
    await world.until(() => ear.hears('still by the first') && ear.hears('still by the second'), 1_000)
    expect(ear.downs()).toEqual([])
    expect(node.gossip.metrics().connections).toBe(2)
  })

  test('spec/gossip.md §3.8 C7, §11.2 N7: when the one that is sent on ends, the other takes over and nobody hears of it', async () => {
    const { node, ear, hand, first } = await joined('newest dies')
    const second = await world.value(hand.dial(node.endpoint.addr()), 5_000)
    await world.run(100)
    await ear.topic.broadcast(bytes('one'))
    await world.until(() => hand.has(TOPIC, 'gossip'), 1_000)
    expect(lastOn(hand, second)).toBe(true)
    second.close(0, 'the newer one')
    await world.run(100)
    await ear.topic.broadcast(bytes('two'))
    await world.until(() => hand.messages(TOPIC).filter(({ kind }) => kind === 'gossip').length === 2, 1_000)
    expect(lastOn(hand, first)).toBe(true)
    expect(ear.downs()).toEqual([])
    expect(ear.neighbors).toEqual([hand.id])
  })

  test('spec/gossip.md §3.8 C7: when the older one ends nothing happens; when the last one ends the neighbour is gone', async () => {
    const { node, ear, hand, first } = await joined('oldest dies')
    const second = await world.value(hand.dial(node.endpoint.addr()), 5_000)
    await world.run(100)
    first.close(0, 'the older one')
    await world.run(1_000)
    expect(ear.downs()).toEqual([])
    await ear.topic.broadcast(bytes('on'))
    await world.until(() => hand.has(TOPIC, 'gossip'), 1_000)
    second.close(0, 'the last one')
    await world.until(() => ear.downs().length > 0, 1_000)
    expect(ear.downs()).toEqual(['connection-lost'])
  })

  test('spec/gossip.md §3.3: what waits while a dial goes on leaves by a connection that comes in first', async () => {
    world = new GossipWorld('inbound first')
    const node = await world.peer('node')
    const hand = await world.hand('hand')
    const ear = node.subscribe([new EndpointAddr(hand.endpoint.id).withIp('10.9.9.9:9')])
    await world.run(1_000)
    expect(node.gossip.metrics()).toMatchObject({ dials: 1, dialFailures: 0, connections: 0 })
    const inbound = await world.value(hand.dial(node.endpoint.addr()), 5_000)
    await world.until(() => hand.has(TOPIC, 'join'), 1_000)
    expect(hand.heard[0]?.connection).toBe(inbound)
    await world.value(hand.open(inbound, TOPIC, NEIGHBOR), 1_000)
    await world.until(() => ear.neighbors.length === 1, 1_000)
    // the dial fails now, and means nothing
    await world.run(40_000)
    expect(node.gossip.metrics().dialFailures).toBe(1)
    expect(ear.downs()).toEqual([])
  })

  test('spec/gossip.md §3.3, §16 #16: both dial at the same moment: neighbours they are and stay, with two connections at most', async () => {
    world = new GossipWorld('at once')
    const [left, right] = [await world.peer('left'), await world.peer('right')]
    const ears = [left.subscribe([right]), right.subscribe([left])]
    await world.meet(ears)
    await world.run(12_000)
    for (const ear of ears) {
      expect(ear.downs()).toEqual([])
      expect(ear.ups()).toHaveLength(1)
    }
    for (const { gossip } of [left, right]) expect(gossip.metrics().connections).toBeLessThanOrEqual(2)
    await world.expectHeard(ears[0]!, [ears[1]!], 'from the left')
    await world.expectHeard(ears[1]!, [ears[0]!], 'from the right')
  })

  test('spec/gossip.md §3.8: a peer that dials again and again is held to some connections', async () => {
    const { node, ear, hand } = await joined('many')
    for (let dial = 0; dial < 20; dial++) await world.value(hand.dial(node.endpoint.addr()), 5_000)
    await world.run(1_000)
    const open = hand.connections.filter(({ closeReason }) => closeReason === undefined)
    expect(open.length).toBe(16)
    expect(ear.downs()).toEqual([])
    await ear.topic.broadcast(bytes('still'))
    await world.until(() => hand.has(TOPIC, 'gossip'), 1_000)
    expect(lastOn(hand, open.at(-1)!)).toBe(true)
  })
})

describe('leaving', () => {
  test('spec/gossip.md §3.8 C3, C4: Disconnect, FIN, and the connection ends with code 0 after a time of grace', async () => {
    const { node, ear, hand, first } = await joined('leave')
    const leftAt = world.now
    await world.value(ear.topic.close(), 6_000)
    expect(world.now - leftAt).toBeLessThan(1_000)
    const [stream] = hand.streams(TOPIC)
    expect(stream!.messages.at(-1)).toMatchObject({ kind: 'disconnect', alive: false })
    expect(stream!.endedAt).toBeDefined()
    expect(first.closeReason).toBeUndefined()
    await world.run(leftAt + 4_900 - world.now)
    expect(first.closeReason).toBeUndefined()
    await world.run(3_000)
    expect(first.closeReason).toMatchObject({ code: 'PEER_CLOSED', closeCode: 0 })
    expect(node.faults).toEqual([])
  })

  test('spec/gossip.md §3.8 C3: a peer that cannot acknowledge is waited for, but not for ever', async () => {
    const { ear, first } = await joined('deaf line')
    world.cutDirect(true)
    world.network.silence('hand')
    const leftAt = world.now
    await world.value(ear.topic.close(), 6_000)
    expect(world.now - leftAt).toBeGreaterThanOrEqual(4_900)
    expect(first.closeReason).toBeUndefined()
  })

  test('spec/gossip.md §3.8 C4, §11.2 N2: peers that are no neighbours any more do not keep a connection', async () => {
    const { node, ear, hand, first } = await joined('evicted')
    const other = await world.peer('other')
    const there = other.subscribe([node])
    await world.until(() => ear.neighbors.length === 2, 5_000)
    // it made room for somebody else
    await world.value(hand.open(first, TOPIC, { kind: 'disconnect', alive: true }), 1_000)
    await world.until(() => ear.downs().length === 1, 1_000)
    expect(ear.downs()).toEqual(['evicted-by-peer'])
    // a place is free, so it is asked once more, and does not answer
    await world.run(30_000)
    expect(first.closeReason).toMatchObject({ code: 'PEER_CLOSED', closeCode: 0 })
    expect([ear.neighbors, there.neighbors]).toEqual([[other.id], [node.id]])
  })

  test('spec/gossip.md §3.8 C5, §11.2 N5, §16 #17: one of two topics is left: the other goes on over the same connection', async () => {
    world = new GossipWorld('two topics')
    const [left, right] = [await world.peer('left'), await world.peer('right')]
    const there = [right.subscribe(), right.subscribe([], OTHER_TOPIC)] as const
    const here = [left.subscribe([right]), left.subscribe([right], OTHER_TOPIC)] as const
    await world.meet([...here, ...there])
    await world.value(here[0].topic.close(), 6_000)
    await world.until(() => there[0].downs().length === 1, 1_000)
    expect(there[0].downs()).toEqual(['left'])
    for (let round = 0; round < 4; round++) {
      await world.run(10_000)
      await world.expectHeard(here[1], [there[1]], `out ${round}`)
      await world.expectHeard(there[1], [here[1]], `in ${round}`)
    }
    expect([here[1].downs(), there[1].downs()]).toEqual([[], []])
    expect(left.gossip.metrics().connections).toBe(1)
    await world.value(here[1].topic.close(), 6_000)
    await world.run(10_000)
    expect(there[1].downs()).toEqual(['left'])
  })

  test('spec/gossip.md §3.7, §3.8 C5: topics that are entered and left one after the other do not use up the streams of a connection', async () => {
    world = new GossipWorld('tour')
    const [stays, tours] = [await world.peer('stays'), await world.peer('tours')]
    const base = [stays.subscribe(), tours.subscribe([stays])]
    await world.meet(base)
    for (let visit = 0; visit < 110; visit++) {
      const topic = TopicId.fromName(`visited ${visit}`)
      const host = stays.subscribe([], topic)
      const guest = tours.subscribe([stays], topic)
      await world.until(() => host.neighbors.length === 1 && guest.neighbors.length === 1, 10_000, `topic ${visit}`)
      await world.value(guest.topic.close(), 6_000)
    }
    expect(stays.openAccepted).toBe(1)
  })

  test('spec/gossip.md §3.8 C4: neighbours that have nothing to say keep their connection for hours', async () => {
    world = new GossipWorld('quiet')
    const [left, right] = [await world.peer('left'), await world.peer('right')]
    const ears = [left.subscribe(), right.subscribe([left])] as const
    await world.meet(ears)
    await world.run(1_800_000)
    expect(ears.flatMap((ear) => ear.downs())).toEqual([])
    expect([left, right].map(({ gossip }) => gossip.metrics().connections)).toEqual([1, 1])
    await world.expectHeard(ears[0], [ears[1]], 'after half an hour')
  })
})

describe('strangers', () => {
  test('spec/gossip.md §11.2 N2, §11.3: many that join and are gone at once leave nothing behind', async () => {
    world = new GossipWorld('strangers')
    const [node, friend] = [await world.peer('node'), await world.peer('friend')]
    const ears = [node.subscribe(), friend.subscribe([node])] as const
    await world.meet(ears)
    for (let wave = 0; wave < 3; wave++) {
      const hands = await Promise.all(Array.from({ length: 5 }, (_, index) => world.hand(`stranger ${wave} ${index}`)))
      for (const [index, hand] of hands.entries()) {
        const connection = await world.value(hand.dial(node.endpoint.addr()), 5_000)
        await world.value(hand.open(connection, TOPIC, JOIN), 1_000)
        // some say goodbye, others are silent from now on
        if (index % 2 === 0) connection.close(0, 'gone')
        else world.network.silence(`stranger ${wave} ${index}`)
      }
      expect(ears[0].neighbors.length).toBeLessThanOrEqual(5)
      expect(node.gossip.metrics().peers).toBeLessThanOrEqual(1 + 5 * (wave + 1))
    }
    await world.run(120_000)
    expect(node.gossip.metrics()).toMatchObject({ peers: 1, topics: 1 })
    expect([ears[0].neighbors, ears[1].neighbors]).toEqual([[friend.id], [node.id]])
    expect(node.faults).toEqual([])
  })
})

describe('leaving and coming back at once', () => {
  test('spec/gossip.md §3.8 C9, §11.2 N10: the new stream waits until the peer has the old one to its end', async () => {
    const { node, ear, hand } = await joined('back at once')
    world.network.silence('hand')
    void ear.topic.close()
    const again = node.subscribe([hand.endpoint.addr()])
    await world.run(300)
    world.network.restore('hand')
    await world.until(() => hand.has(TOPIC, 'join'), 10_000)
    const [old, fresh] = hand.streams(TOPIC)
    expect(old!.messages.at(-1)).toMatchObject({ kind: 'disconnect', alive: false })
    expect(fresh!.messages[0]).toMatchObject({ kind: 'join' })
    expect(old!.endedAt).toBeLessThan(fresh!.openedAt)
    expect(again.isEnded).toBe(false)
  })

  test.each(Array.from({ length: 8 }, (_, seed) => seed))(
    'spec/gossip.md §3.8 C9, §16 #12: over a bad line: the other hears down, then up, and both agree at the end (seed %i)',
    async (seed) => {
      world = new GossipWorld(`back ${seed}`)
      const [stays, goes] = [await world.peer('stays'), await world.peer('goes')]
      badLine('stays', 'goes', seed)
      const there = stays.subscribe()
      let here = goes.subscribe([stays])
      await world.meet([here, there], 20_000)
      for (let round = 0; round < 3; round++) {
        const { length } = there.events
        void here.topic.close()
        here = goes.subscribe([stays])
        await world.until(
          () => there.events.slice(length).some(({ kind }) => kind === 'neighbor-up'),
          20_000,
          'up again',
        )
        expect(there.events.slice(length).map(({ kind }) => kind)).toEqual(['neighbor-down', 'neighbor-up'])
        await world.until(() => here.neighbors.length === 1, 20_000)
      }
      await world.expectHeard(here, [there], 'out', 20_000)
      await world.expectHeard(there, [here], 'in', 20_000)
      expect([here.downs(), there.neighbors]).toEqual([[], [goes.id]])
    },
  )

  test('spec/gossip.md §16 #12: on a good line that takes less than half a second', async () => {
    world = new GossipWorld('back soon')
    const [stays, goes] = [await world.peer('stays'), await world.peer('goes')]
    const there = stays.subscribe()
    const here = goes.subscribe([stays])
    await world.meet([here, there])
    const leftAt = world.now
    void here.topic.close()
    const again = goes.subscribe([stays])
    await world.until(() => there.ups().length === 2 && again.neighbors.length === 1, 500)
    expect(world.now - leftAt).toBeLessThan(500)
  })
})

/** Loss, and an order that changes. */
function badLine(left: string, right: string, seed: number): void {
  const random = world.random.fork(`line ${seed}`)
  world.wire(left, right, [
    new Delay(20),
    {
      pass: (parcel, next) =>
        random.chance(0.15) ? undefined : next({ ...parcel, at: parcel.at + random.int(0, 60) }),
    },
  ])
}
