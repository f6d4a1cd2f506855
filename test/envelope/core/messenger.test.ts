import { expect, test } from 'vitest'
import { bytes, type CoreNode, CoreSwarm, WALL } from './support/swarm.ts'

const HOUR = 3_600_000

/** Nodes that have heard of each other. */
function swarm(...names: string[]): [CoreSwarm, ...CoreNode[]] {
  const core = new CoreSwarm()
  const nodes = names.map((name) => core.node(name))
  core.run(2_000)
  return [core, ...nodes]
}

function online(node: CoreNode): string[] {
  return [...node.messenger.peers()]
    .filter(({ liveness }) => liveness === 'online')
    .map(({ name }) => name)
    .sort()
}

test('spec/envelope.md §5.4, W10: nodes learn of each other by signed announcements', () => {
  const [, alice, bob] = swarm('alice', 'bob', 'carol') as [CoreSwarm, CoreNode, CoreNode]
  expect(online(alice)).toEqual(['bob', 'carol'])
  expect(online(bob)).toEqual(['alice', 'carol'])
  expect(alice.messenger.peer(bob.key)).toMatchObject({ isVerified: true, isOurs: true })
})

test('spec/envelope.md §4.4: a message is pending, sent and delivered, and read when its reader says so', () => {
  const [core, alice, bob] = swarm('alice', 'bob') as [CoreSwarm, CoreNode, CoreNode]
  const id = alice.send(bob, 'hello')
  core.runUntil(() => bob.taken.length > 0, 1_000)
  const [message] = bob.taken
  expect(message).toMatchObject({ id, from: alice.key, isEncrypted: true, isAuthorBound: true, broughtBy: alice.key })
  expect(message!.sentAt).toBeGreaterThan(WALL)
  core.run(100)
  expect(alice.statesOf(id)).toEqual(['sent', 'delivered'])
  bob.act((messenger) => messenger.markRead(id, alice.key, core.now))
  core.run(100)
  expect(alice.statesOf(id)).toEqual(['sent', 'delivered', 'read'])
})

test('L1d: after the acknowledgement every copy is gone, also on the disk', () => {
  const [core, alice, bob] = swarm('alice', 'bob') as [CoreSwarm, CoreNode, CoreNode]
  const id = alice.send(bob, 'hello')
  core.run(500)
  expect(alice.messenger.metrics()).toMatchObject({ stored: 0, storedBytes: 0 })
  expect(alice.disk.map(({ kind }) => kind)).toEqual(['keep', 'drop'])
  expect(alice.disk[1]).toMatchObject({ id, from: alice.key })
})

test('lock 1: a message is acknowledged when the application takes it, not before', () => {
  const core = new CoreSwarm()
  const alice = core.node('alice')
  const bob = core.node('bob', { reads: false })
  core.run(2_000)
  const id = alice.send(bob, 'hello')
  core.run(20_000)
  expect(alice.statesOf(id)).toEqual(['sent'])
  expect(bob.messenger.metrics().waiting).toBe(1)
  bob.act(() => bob.read())
  core.run(100)
  expect(alice.statesOf(id)).toEqual(['sent', 'delivered'])
})

test('§4.5: what is sent again while it waits for the application is handed over once', () => {
  const core = new CoreSwarm()
  const alice = core.node('alice')
  const bob = core.node('bob', { reads: false })
  core.run(2_000)
  const id = alice.send(bob, 'hello')
  core.run(80_000)
  expect(bob.messenger.metrics().waiting).toBe(1)
  bob.act(() => bob.read())
  core.run(100)
  expect(bob.texts).toEqual(['hello'])
  expect(alice.statesOf(id).at(-1)).toBe('delivered')
})

test('BAK-1, lock 1: sender and recipient die, the recipient returns alone and has its mail from a third node, once, from its author', () => {
  const [core, alice, bob, carol, dave] = swarm('alice', 'bob', 'carol', 'dave') as [CoreSwarm, ...CoreNode[]]
  bob!.crash()
  core.run(1_000)
  const id = alice!.send(bob!, 'for when you are back')
  core.run(3_000)
  expect(alice!.events).toContainEqual({ kind: 'state', id, state: 'pending', holders: 2 })
  expect([carol!, dave!].map((node) => node.messenger.metrics().kept)).toEqual([1, 1])
  alice!.crash()
  core.run(60_000)
  bob!.restart()
  core.run(5_000)
  expect(bob!.texts).toEqual(['for when you are back'])
  expect(bob!.taken[0]).toMatchObject({ from: alice!.key, isAuthorBound: true })
  expect([carol!.key, dave!.key]).toContain(bob!.taken[0]!.broughtBy)
  // all holders have dropped it
  expect([carol!, dave!].map((node) => node.messenger.metrics().stored)).toEqual([0, 0])
  // and the sender, when it is back, hears of it
  alice!.restart()
  core.run(120_000)
  expect(alice!.messenger.metrics().stored).toBe(0)
  expect(bob!.texts).toHaveLength(1)
})

test('lock 2: nothing outlives 24 h, in memory and on the disk', () => {
  const [core, alice, bob, carol, dave] = swarm('alice', 'bob', 'carol', 'dave') as [CoreSwarm, ...CoreNode[]]
  bob!.crash()
  const id = alice!.send(bob!, 'too late')
  core.run(10_000)
  expect(carol!.messenger.metrics().stored).toBe(1)
  // as a machine that slept: one cleanup period later all must be gone
  core.now += 24 * HOUR
  core.run(300_000)
  for (const node of [alice!, carol!, dave!]) {
    expect(node.messenger.metrics()).toMatchObject({ stored: 0, pending: 0 })
    expect(node.disk.at(-1)).toMatchObject({ kind: 'drop', id })
  }
  bob!.restart()
  core.run(60_000)
  expect(bob!.texts).toEqual([])
  expect(alice!.statesOf(id).at(-1)).toBe('failed')
})

test('RTR-13: the state becomes failed after 90 to 105 s, and delivered by a late acknowledgement', () => {
  const [core, alice, bob] = swarm('alice', 'bob') as [CoreSwarm, CoreNode, CoreNode]
  bob.crash()
  const begin = core.now
  const id = alice.send(bob, 'late')
  core.runUntil(() => alice.statesOf(id).includes('failed'), 120_000)
  expect(core.now - begin).toBeGreaterThanOrEqual(90_000)
  expect(core.now - begin).toBeLessThanOrEqual(105_000)
  bob.restart()
  core.run(5_000)
  expect(alice.statesOf(id)).toEqual(['failed', 'delivered'])
})

test('RTR-9, ROL-2: where the straight way fails a hop is taken, and credited', () => {
  const [core, alice, bob, hop] = swarm('alice', 'bob', 'hop') as [CoreSwarm, CoreNode, CoreNode, CoreNode]
  const id = alice.send(bob, 'around', { via: [hop.key] })
  core.run(500)
  expect(bob.taken[0]).toMatchObject({ via: [hop.key], broughtBy: hop.key })
  expect(alice.statesOf(id)).toEqual(['sent', 'relayed', 'delivered'])
  expect(hop.messenger.metrics().forwarded).toBe(2)
  expect(alice.messenger.peer(hop.key)!.key).toBe(hop.key)
})

test('spec/envelope.md §10 W1: what is unsigned, forged or broken is refused and counted, and changes nothing', () => {
  const [core, alice, bob] = swarm('alice', 'bob') as [CoreSwarm, CoreNode, CoreNode]
  alice.send(bob, 'genuine')
  core.run(500)
  const { frame } = core.frames.find(({ from, to }) => from === 'alice' && to === 'bob')!
  const before = bob.messenger.metrics()
  for (let index = 0; index < frame.length; index += 7) {
    const forged = frame.slice()
    forged[index]! ^= 0x41
    bob.act((messenger) => messenger.receive(forged, alice.key, core.now))
  }
  bob.act((messenger) => messenger.receive(bytes('nonsense'), alice.key, core.now))
  bob.act((messenger) => messenger.receive(new Uint8Array(0), alice.key, core.now))
  const { refused, ...after } = bob.messenger.metrics()
  expect(Object.values(refused).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(30)
  expect({ ...after, refused: {}, duplicates: 0 }).toEqual({ ...before, duplicates: 0 })
  expect(bob.texts).toEqual(['genuine'])
})

test('L5, lock 5: who sends faster than he may is served slower, and loses nothing', () => {
  const [core, alice, bob] = swarm('alice', 'bob') as [CoreSwarm, CoreNode, CoreNode]
  for (let index = 0; index < 60; index++) alice.send(bob, `${index}`)
  core.run(200)
  expect(bob.taken.length).toBeLessThan(30)
  core.run(8_000)
  expect(bob.texts).toEqual(Array.from({ length: 60 }, (_, index) => `${index}`))
})

test('lock 5: a peer that is trusted is not slowed down', () => {
  const core = new CoreSwarm()
  const alice = core.node('alice')
  const bob = core.node('bob', { trusts: (peer) => peer === alice.key })
  core.run(2_000)
  for (let index = 0; index < 60; index++) alice.send(bob, `${index}`)
  core.run(200)
  expect(bob.taken).toHaveLength(60)
})

test('BAK-6: a holder whose disk is full does not claim to keep a message, and another is asked', () => {
  const core = new CoreSwarm()
  const [alice, bob, full, dave] = ['alice', 'bob', 'full', 'dave'].map((name) => core.node(name)) as CoreNode[]
  core.run(2_000)
  full!.isDiskFull = true
  bob!.crash()
  const id = alice!.send(bob!, 'keep this')
  core.run(5_000)
  const last = alice!.events.filter((event) => event.kind === 'state' && event.id === id).at(-1)
  expect(last).toMatchObject({ holders: 1 })
  expect(full!.messenger.metrics()).toMatchObject({ stored: 0, refused: { NOT_KEPT: 1 } })
  expect(dave!.messenger.metrics().stored).toBe(1)
})

test('BAK-7: the largest message is kept by others like any other', () => {
  const [core, alice, bob, carol] = swarm('alice', 'bob', 'carol') as [CoreSwarm, CoreNode, CoreNode, CoreNode]
  bob.crash()
  // one envelope of just below 256 KiB: growing by 2.5 bytes for each of random content
  let content = new Uint8Array(0)
  let id = ''
  for (let length = 105_500; id === ''; length -= 20) {
    content = Uint8Array.from({ length }, (_, at) => (at * 167) & 255)
    try {
      id = alice.messenger.send(bob.key, content, {}, core.now)
    } catch (error) {
      expect(error).toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
    }
  }
  core.arm(alice)
  expect(alice.messenger.metrics().storedBytes).toBeGreaterThan(261_300)
  core.run(5_000)
  expect(carol.messenger.metrics().kept).toBe(1)
  alice.crash()
  bob.restart()
  // carol still dials where bob was, and hears of him again after that
  core.run(40_000)
  expect(bob.taken.map(({ id, bytes }) => [id, bytes])).toEqual([[id, content]])
})

test('spec/envelope.md §8.1: in a small swarm who comes late is greeted, for its neighbours may be of those that hand nothing on', () => {
  const core = new CoreSwarm()
  core.isStar = true
  core.handsOn = false
  const nodes = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => core.node(name))
  // right after everybody has spoken
  core.run(30_000)
  const before = nodes.map((node) => node.messenger.metrics().announced)
  const late = core.node('late')
  core.run(1_500)
  expect(online(late)).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
  // once each, for one who came
  const greetings = nodes.map((node, index) => node.messenger.metrics().announced - before[index]!)
  expect(Math.max(...greetings)).toBeLessThanOrEqual(2)
})
