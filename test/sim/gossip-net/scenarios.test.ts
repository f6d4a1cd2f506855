/** Swarms of real nodes in virtual time: the stories of spec/gossip.md §16, moving, stalling, dying and coming back. */
import { afterEach, describe, expect, test } from 'vitest'
import { EndpointAddr } from '../../../src/identity/index.ts'
import type { HandPeer } from './support/hand-peer.ts'
import {
  type Birth,
  bytes,
  type Ear,
  GOSSIP_ALPN,
  GossipWorld,
  OTHER_TOPIC,
  type Peer,
  TOPIC,
} from './support/world.ts'

let world: GossipWorld
afterEach(async () => world.close())

/** `count` peers that join the first one. */
async function swarm(seed: string, count: number): Promise<{ peers: Peer[]; ears: Ear[] }> {
  world = new GossipWorld(seed)
  const peers: Peer[] = []
  const ears: Ear[] = []
  for (let index = 0; index < count; index++) {
    peers.push(await world.peer(`p${index}`))
    ears.push(peers[index]!.subscribe(index === 0 ? [] : [peers[0]!]))
    await world.run(50)
  }
  await world.meet(ears)
  await world.run(2_000)
  return { peers, ears }
}

/** Everybody's neighbour has him as a neighbour. */
function expectSymmetric(peers: readonly Peer[], ears: readonly Ear[]): void {
  for (const [index, ear] of ears.entries())
    for (const neighbor of ear.neighbors) {
      const there = ears[peers.findIndex(({ id }) => id === neighbor)]
      expect(there?.neighbors, `neighbours of a neighbour of ${peers[index]!.name}`).toContain(peers[index]!.id)
    }
}

describe('swarms', () => {
  test('spec/gossip.md §6, §11.2 N2: nine nodes: views are symmetric, each hears each once, and connections are as many as needed', async () => {
    const { peers, ears } = await swarm('nine', 9)
    for (const [index, ear] of ears.entries()) {
      const others = ears.filter((other) => other !== ear)
      await world.expectHeard(ear, others, `from ${index}`)
    }
    await world.run(20_000)
    expectSymmetric(peers, ears)
    for (const [index, ear] of ears.entries()) {
      expect(ear.neighbors.length).toBeLessThanOrEqual(5)
      expect([...ear.texts].sort()).toEqual(ears.flatMap((_, from) => (from === index ? [] : [`from ${from}`])).sort())
    }
    // both ends count each link; simultaneous dials may leave a second connection
    const links = ears.reduce((sum, { neighbors }) => sum + neighbors.length, 0)
    const open = peers.reduce((sum, { openAccepted }) => sum + 2 * openAccepted, 0)
    expect(open).toBeGreaterThanOrEqual(links)
    expect(open).toBeLessThanOrEqual(links * 1.2)
    for (const { faults } of peers) expect(faults).toEqual([])
  })

  test('spec/gossip.md §4.6, §16 #15: who knows one address learns the others from what is said about them', async () => {
    world = new GossipWorld('addresses')
    const [one, two, three] = [await world.peer('one'), await world.peer('two'), await world.peer('three')]
    const ears = [one.subscribe(), two.subscribe([one])]
    await world.meet(ears)
    const last = three.subscribe([one])
    await world.until(() => last.neighbors.length === 2, 10_000, 'both neighbours')
    expect(last.neighbors).toEqual([one.id, two.id].sort())
  })

  test('spec/gossip.md §3.1, §16 #14: another ALPN on both sides, and both on one of them', async () => {
    world = new GossipWorld('alpn')
    const alpns = ['/tom-gossip/1']
    const both = await world.peer('both', { options: { alpns: [GOSSIP_ALPN, ...alpns] } })
    const tom = await world.peer('tom', { options: { alpns } })
    const iroh = await world.peer('iroh')
    const ears = [both.subscribe(), tom.subscribe([both]), iroh.subscribe([both])] as const
    await world.meet(ears)
    await world.expectHeard(ears[1], [ears[0], ears[2]], 'from one world to the other')
  })

  test('spec/gossip.md §3.5, §11.2 N4: what is too long is refused at the call and silences nobody', async () => {
    const { ears } = await swarm('too long', 3)
    const [first, ...others] = ears
    await expect(first!.topic.broadcast(new Uint8Array(4_058))).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
    await expect(first!.topic.broadcastNeighbors(new Uint8Array(4_059))).rejects.toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
    })
    await world.expectHeard(first!, others, 'x'.repeat(4_057))
    await first!.topic.broadcastNeighbors(new Uint8Array(4_058).fill(0x79))
    await world.until(() => others.every((ear) => ear.hears('y'.repeat(4_058))), 5_000)
    await world.expectHeard(others[0]!, [first!, others[1]!], 'back')
  })

  test('spec/gossip.md §7.5, §11.1 P10: what is for neighbours reaches all of them and nobody else', async () => {
    const { peers, ears } = await swarm('neighbours', 9)
    // trees are pruned by now
    for (const [index, ear] of ears.entries())
      await world.expectHeard(
        ear,
        ears.filter((other) => other !== ear),
        `first ${index}`,
      )
    const [speaker] = ears
    await speaker!.topic.broadcastNeighbors(bytes('near'))
    await world.run(1_000)
    const near = peers.filter((_, index) => ears[index]!.hears('near')).map(({ id }) => id)
    expect(near.sort()).toEqual(speaker!.neighbors)
    expect(near.length).toBeLessThan(8)
  })
})

describe('dying and coming back', () => {
  test('spec/gossip.md §16 #13: killed without a word and born again with its key: what it says is heard', async () => {
    const { peers, ears } = await swarm('born again', 4)
    const victim = peers[2]!
    world.kill(victim)
    const again = await world.peer('p2 again', { secretKey: victim.secretKey })
    const ear = again.subscribe([peers[0]!])
    await world.meet([ear])
    await world.expectHeard(ear, [ears[0]!, ears[1]!, ears[3]!], 'I am back', 10_000)
    await world.expectHeard(ears[1]!, [ears[0]!, ears[3]!, ear], 'so I hear', 10_000)
    // the old connections die of silence; that must not cost the new ones
    await world.run(60_000)
    await world.expectHeard(ear, [ears[0]!, ears[1]!, ears[3]!], 'and still here', 10_000)
  })

  test.each(['the one that was joined', 'the one that joined'] as const)(
    'spec/gossip.md §11.1 P2, §16 #19: in a swarm of two %s is killed and comes back with its key',
    async (which) => {
      world = new GossipWorld(which)
      const [first, second] = [await world.peer('first'), await world.peer('second')]
      const ears = [first.subscribe(), second.subscribe([first])] as const
      await world.meet(ears)
      const isFirst = which === 'the one that was joined'
      const [victim, other, otherEar] = isFirst ? [first, second, ears[1]] : [second, first, ears[0]]
      world.kill(victim)
      await world.run(1_000)
      const again = await world.peer('again', { secretKey: victim.secretKey })
      const ear = again.subscribe([other])
      await world.until(() => ear.neighbors.length === 1, 5_000, 'the other for the one born again')
      await world.expectHeard(ear, [otherEar], 'hello again', 5_000)
      await world.expectHeard(otherEar, [ear], 'hello to you', 5_000)
      await world.run(60_000)
      expect([ear.neighbors, otherEar.neighbors]).toEqual([[other.id], [victim.id]])
    },
  )

  test('spec/gossip.md §6.7, §16 #5: one of seven dies: the others notice by the silence and close the gap', async () => {
    const { peers, ears } = await swarm('one dies', 7)
    world.kill(peers[3]!)
    ears.splice(3, 1)
    const rest = peers.filter(({ name }) => name !== 'p3')
    await world.run(45_000)
    for (const ear of ears) expect(ear.neighbors).not.toContain(peers[3]!.id)
    expectSymmetric(rest, ears)
    for (const [index, ear] of ears.entries())
      await world.expectHeard(
        ear,
        ears.filter((other) => other !== ear),
        `without ${index}`,
      )
  })

  test('spec/gossip.md §11.1 P5, §11.2 N11: a node that loses everybody for a minute finds the swarm again by itself', async () => {
    const { peers, ears } = await swarm('lost for a minute', 6)
    world.network.silence('p4')
    await world.run(60_000)
    expect(ears[4]!.neighbors).toEqual([])
    world.network.restore('p4')
    await world.until(() => ears[4]!.neighbors.length > 0, 40_000, 'a neighbour again')
    await world.expectHeard(
      ears[4]!,
      ears.filter((_, index) => index !== 4),
      'I was away',
      10_000,
    )
    await world.expectHeard(ears[0]!, ears.slice(1), 'welcome', 10_000)
    expect(peers[4]!.faults).toEqual([])
  })
})

describe('a neighbour that does not read', () => {
  interface Stalled {
    readonly node: Peer
    readonly hand: HandPeer
    /** The node's, the good neighbour's: of the topic on which the hand does not read. */
    readonly ears: readonly [Ear, Ear]
    readonly others: readonly [Ear, Ear]
    /** 3,800 bytes each; what it gives settles when all are broadcast. */
    flood(count: number): Promise<void>
  }

  async function stalled(seed: string, birth: Birth = {}, other: Birth = {}): Promise<Stalled> {
    world = new GossipWorld(seed)
    const node = await world.peer('node', birth)
    const good = await world.peer('good')
    const hand = await world.hand('hand', other)
    const ears = [node.subscribe(), good.subscribe([node])] as const
    const others = [node.subscribe([], OTHER_TOPIC), good.subscribe([node], OTHER_TOPIC)] as const
    await world.meet([...ears, ...others])
    const connection = await world.value(hand.dial(node.endpoint.addr()), 5_000)
    for (const topic of [TOPIC, OTHER_TOPIC]) {
      const stream = await world.value(hand.open(connection, topic, { kind: 'join', data: undefined }), 1_000)
      await world.until(() => hand.has(topic, 'neighbor'), 5_000)
      await stream.say({ kind: 'neighbor', priority: 'high', data: undefined })
    }
    await world.until(() => ears[0].neighbors.length === 2 && others[0].neighbors.length === 2, 5_000)
    hand.deafTopics.add(TOPIC.toString())
    const flood = async (count: number) => {
      for (let sent = 0; sent < count; sent++) {
        const content = new Uint8Array(3_800)
        new DataView(content.buffer).setUint32(0, sent)
        await ears[0].topic.broadcast(content)
      }
    }
    return { node, hand, ears, others, flood }
  }

  const received = (ear: Ear) => ear.events.filter(({ kind }) => kind === 'received').length
  const heardOther = (hand: HandPeer) => hand.messages(OTHER_TOPIC).filter(({ kind }) => kind === 'gossip').length

  test('spec/gossip.md §11.2 N3, §16 #18: 1500 messages of 3.8 kB wait for it; the other neighbour gets them, and the other topic goes on with both', async () => {
    const { hand, ears, others, flood } = await stalled('stalled')
    const flooding = flood(1_500)
    for (let round = 0; round < 5; round++) {
      await world.run(100)
      await world.expectHeard(others[0], [others[1]], `meanwhile ${round}`, 1_000)
      await world.until(() => heardOther(hand) > round, 1_000, 'the other topic at the one that stalls')
    }
    await world.value(flooding, 60_000, 'the flood')
    await world.until(() => received(ears[1]) === 1_500, 30_000)
    await world.expectHeard(others[1], [others[0]], 'and back', 1_000)
  })

  test('spec/gossip.md §11.2 N3: more than any buffer holds: authors are held up for seconds, it is given up in that topic, and is a neighbour of the other still', async () => {
    const { node, hand, ears, others, flood } = await stalled(
      'stalled for good',
      { quic: { sendBuffer: 500_000 }, settings: { highWaterBytes: 65_536, maxQueuedBytes: 262_144 } },
      { quic: { streamReceiveWindow: 250_000 } },
    )
    const count = 400
    const from = world.now
    await world.value(flood(count), 60_000, 'the flood')
    expect(world.now - from).toBeLessThan(4_000)
    await world.until(() => received(ears[1]) === count, 30_000)
    await world.until(() => !ears[0].neighbors.includes(hand.id), 30_000, 'the end of patience')
    expect(others[0].neighbors).toContain(hand.id)
    expect(node.gossip.metrics().stalledPeers).toBe(1)
    expect(node.faults).toEqual([expect.objectContaining({ name: 'GossipPeerError', code: 'STALLED' })])
    const before = heardOther(hand)
    await world.expectHeard(others[0], [others[1]], 'afterwards', 1_000)
    await world.until(() => heardOther(hand) > before, 1_000, 'the other topic at the one that stalled')
  })
})

/** As `encodeAddrInfo`, without its bound. */
function concatAddresses(addr: EndpointAddr): Uint8Array {
  const addresses = addr.ipAddrs.map(({ ip, port }) => [0, ...ip, port])
  return Uint8Array.from([0, addresses.length, ...addresses.flat()])
}

describe('moving', () => {
  test('spec/gossip.md §11.2 N9: a node with another address is found by those who come later', async () => {
    world = new GossipWorld('moved')
    const [one, two] = [await world.peer('one'), await world.peer('two')]
    const ears = [one.subscribe(), two.subscribe([one])]
    await world.meet(ears)
    // it is born again elsewhere, with its key: what was known of it is stale
    world.kill(two)
    const moved = await world.peer('two elsewhere', { secretKey: two.secretKey })
    const there = moved.subscribe([one])
    await world.meet([there])
    const late = await world.peer('late')
    const ear = late.subscribe([one])
    await world.until(() => ear.neighbors.length === 2, 60_000, 'both, at their true addresses')
    await world.expectHeard(ear, [ears[0]!, there], 'found you', 10_000)
  })

  test('spec/gossip.md §4.6, §11.3: what others say about a peer does not push out what it says itself', async () => {
    world = new GossipWorld('hearsay')
    const [node, liar, other] = [await world.peer('node'), await world.hand('liar'), await world.peer('other')]
    const ear = node.subscribe()
    const there = other.subscribe([node])
    await world.meet([ear, there])
    const connection = await world.value(liar.dial(node.endpoint.addr()), 5_000)
    const stream = await world.value(liar.open(connection, TOPIC, { kind: 'join', data: undefined }), 1_000)
    await world.until(() => liar.has(TOPIC, 'neighbor'), 5_000)
    let nowhere = new EndpointAddr(other.endpoint.id)
    for (let host = 1; host <= 99; host++) nowhere = nowhere.withIp(`10.9.9.${host}:9`)
    const data = concatAddresses(nowhere)
    await stream.say({ kind: 'shuffle', origin: liar.id, nodes: [{ id: other.id, data }], ttl: 0 })
    // the other leaves, its connection ends, and it is called back by its name alone
    await world.value(there.topic.close(), 6_000)
    await world.run(15_000)
    expect(node.gossip.metrics().peers).toBe(1)
    const again = other.subscribe()
    ear.topic.joinPeers([other.endpoint.id])
    await world.until(() => again.neighbors.includes(node.id), 30_000, 'the other, at the address that it told')
  })

  test('spec/gossip.md §4.6: false addresses among true ones do not keep a node away', async () => {
    world = new GossipWorld('false addresses')
    const [one, two] = [await world.peer('one'), await world.peer('two')]
    const addr = one.endpoint.addr()
    const there = one.subscribe()
    const ear = two.subscribe([new EndpointAddr(addr.id, addr.addrs).withIp('10.9.9.9:9').withIp('10.9.9.8:9')])
    await world.meet([ear, there])
  })
})
