import { expect, test } from 'vitest'
import { Gossip, type GossipEvent } from '../../../src/gossip/net/gossip.ts'
import { UPSTREAM_GOSSIP_PROFILE } from '../../../src/gossip/proto/settings.ts'
import { TopicId } from '../../../src/gossip/topic-id.ts'
import { EndpointId, SecretKey } from '../../../src/identity/index.ts'
import { bindEndpoint, bytes, closeAfterEach, eventually, Log, type Node, node } from './nodes.ts'

closeAfterEach()

/** Both have subscribed, the second joined the first, and both know it. */
async function pair(a: Node, b: Node, topic = 'chat'): Promise<[Log, Log]> {
  const atA = new Log(a.gossip.subscribe(topic))
  const atB = new Log(b.gossip.subscribe(topic, { bootstrap: [a.endpoint.addr()] }))
  await Promise.all([atA.topic.joined(), atB.topic.joined()])
  return [atA, atB]
}

test('spec/gossip.md §8: two nodes join and hear each other', async () => {
  const [a, b] = [await node(), await node()]
  const [atA, atB] = await pair(a, b)
  expect(atA.topic.neighbors().map(String)).toEqual([b.id])
  expect(atB.topic.neighbors().map(String)).toEqual([a.id])
  await atA.topic.broadcast(bytes('from a'))
  await atB.topic.broadcast(bytes('from b'))
  await atA.until((log) => log.texts.length === 1)
  await atB.until((log) => log.texts.length === 1)
  expect(atA.events).toEqual([
    { kind: 'neighbor-up', peer: b.endpoint.id },
    { kind: 'received', content: bytes('from b'), deliveredFrom: b.endpoint.id, scope: 'swarm', round: 0 },
  ])
  // spec/gossip.md §7.4: no local echo
  expect(atB.texts).toEqual(['from a'])
  expect([...a.errors, ...b.errors]).toEqual([])
})

test('spec/gossip.md §7.5: a message to neighbours says so, and goes no further', async () => {
  const [a, b, c] = [await node(), await node(), await node()]
  const [atA, atB] = await pair(a, b)
  const atC = new Log(c.gossip.subscribe('chat', { bootstrap: [b.endpoint.ticket().toString()] }))
  await atB.until((log) => log.count('neighbor-up') === 2)
  await eventually(() => atC.topic.neighbors().length === 2, 'c knows both')
  await atC.topic.broadcastNeighbors(bytes('near'))
  await Promise.all([atA, atB].map((log) => log.until((other) => other.texts.length === 1)))
  const received = atB.events.find((event) => event.kind === 'received')
  expect(received).toMatchObject({ scope: 'neighbors', round: 0, deliveredFrom: c.endpoint.id })
  await atC.topic.broadcast(bytes('all'))
  await Promise.all([atA, atB].map((log) => log.until((other) => other.texts.length === 2)))
  expect(atA.texts).toEqual(['near', 'all'])
})

test('a message to one neighbour reaches that one alone, as one to neighbours; to a stranger nothing is sent', async () => {
  const [a, b, c] = [await node(), await node(), await node()]
  const [atA, atB] = await pair(a, b)
  const atC = new Log(c.gossip.subscribe('chat', { bootstrap: [b.endpoint.ticket().toString()] }))
  await eventually(() => atC.topic.neighbors().length === 2, 'c knows both')
  await atC.topic.sendToNeighbor(SecretKey.generate().id, bytes('nobody'))
  await atC.topic.sendToNeighbor(a.endpoint.id, bytes('for a'))
  await atA.until((log) => log.texts.length === 1)
  expect(atA.events.find((event) => event.kind === 'received')).toMatchObject({
    scope: 'neighbors',
    round: 0,
    deliveredFrom: c.endpoint.id,
  })
  await atC.topic.broadcast(bytes('all'))
  await Promise.all([atA, atB].map((log) => log.until((other) => other.texts.includes('all'))))
  expect([atA.texts, atB.texts]).toEqual([['for a', 'all'], ['all']])
  await expect(atA.topic.sendToNeighbor(c.endpoint.id, new Uint8Array(4059))).rejects.toMatchObject({
    code: 'MESSAGE_TOO_LARGE',
  })
})

test('spec/gossip.md §16 15: the third node becomes a neighbour of the second through the address in the peer data', async () => {
  const [a, b, c] = [await node(), await node(), await node()]
  const [, atB] = await pair(a, b)
  const atC = new Log(c.gossip.subscribe('chat', { bootstrap: [a.endpoint.addr()] }))
  await atC.until((log) => log.count('neighbor-up') === 2)
  await atB.until((log) => log.count('neighbor-up') === 2)
  expect(atC.topic.neighbors().map(String).sort()).toEqual([a.id, b.id].sort())
})

test('spec/gossip.md §16 10, 11: subscriptions share the topic, existing neighbours come first, the last one leaves', async () => {
  const [a, b] = [await node(), await node()]
  const [first, atB] = await pair(a, b)
  const second = new Log(a.gossip.subscribe('chat'))
  await second.until((log) => log.events.length === 1)
  expect(second.events).toEqual([{ kind: 'neighbor-up', peer: b.endpoint.id }])
  await first.topic.close()
  await first.until((log) => log.isEnded)
  await expect(first.topic.broadcast(bytes('x'))).rejects.toMatchObject({ code: 'TOPIC_CLOSED' })
  await atB.topic.broadcast(bytes('still here'))
  await second.until((log) => log.texts.length === 1)
  expect(first.texts).toEqual([])
  expect(atB.count('neighbor-down')).toBe(0)
  await second.topic.close()
  await atB.until((log) => log.count('neighbor-down') === 1)
  expect(atB.events.at(-1)).toEqual({ kind: 'neighbor-down', peer: a.endpoint.id, reason: 'left' })
  expect(atB.topic.neighbors()).toEqual([])
})

test('spec/gossip.md §16 12: a node that leaves and comes back is a neighbour again', async () => {
  const [a, b] = [await node(), await node()]
  const [atA, atB] = await pair(a, b)
  await atA.topic.close()
  await atB.until((log) => log.count('neighbor-down') === 1)
  const again = new Log(a.gossip.subscribe('chat', { bootstrap: [b.endpoint.addr()] }))
  await atB.until((log) => log.count('neighbor-up') === 2)
  await atB.topic.broadcast(bytes('welcome'))
  await again.until((log) => log.texts.length === 1)
  expect(atA.texts).toEqual([])
})

test('spec/gossip.md §3.8 C9: leaving and joining again at once ends as neighbours, many times over', async () => {
  const [a, b] = [await node(), await node()]
  const [atA, atB] = await pair(a, b)
  let topic = atA.topic
  for (let round = 0; round < 5; round++) {
    topic.close()
    topic = a.gossip.subscribe('chat', { bootstrap: [b.endpoint.id] })
    await topic.joined()
    await atB.until((log) => log.count('neighbor-down') === round + 1 && log.count('neighbor-up') === round + 2)
  }
  await topic.broadcast(bytes('back'))
  await atB.until((log) => log.texts.length === 1)
  expect(a.gossip.metrics().connections).toBe(1)
})

test('spec/gossip.md §16 17: leaving one of two topics leaves the other and the connection alone', async () => {
  const [a, b] = [await node(), await node()]
  const [one, atB] = await pair(a, b, 'one')
  const [two] = await pair(a, b, 'two')
  await one.topic.close()
  await atB.until((log) => log.count('neighbor-down') === 1)
  await two.topic.broadcast(bytes('goes on'))
  expect(two.topic.neighbors().map(String)).toEqual([b.id])
  expect([a.gossip.metrics().connections, b.gossip.metrics().connections]).toEqual([1, 1])
  expect(two.count('neighbor-down')).toBe(0)
})

test('spec/gossip.md §3.4, §3.7: 300 topics share one connection', async () => {
  const [a, b] = [await node(), await node()]
  const topics = Array.from({ length: 300 }, (_, index) => `topic ${index}`)
  const atA = topics.map((topic) => new Log(a.gossip.subscribe(topic)))
  const atB = topics.map((topic) => new Log(b.gossip.subscribe(topic, { bootstrap: [a.endpoint.addr()] })))
  await Promise.all([...atA, ...atB].map((log) => log.topic.joined()))
  await Promise.all(atA.map((log, index) => log.topic.broadcast(bytes(`for ${index}`))))
  await Promise.all(atB.map((log) => log.until((other) => other.texts.length === 1)))
  expect(atB.map((log) => log.texts)).toEqual(topics.map((_, index) => [`for ${index}`]))
  expect(a.gossip.metrics().connections).toBe(1)
})

test('spec/gossip.md §16 14: custom ALPNs, one of several in common, and none', async () => {
  const a = await node({ alpns: ['/tom-gossip/1'] })
  const b = await node({ alpns: ['/iroh-gossip/1', '/tom-gossip/1'] })
  const [atA, atB] = await pair(a, b)
  // the other way round, the one that accepts knows both
  const c = await node({ alpns: [bytes('/tom-gossip/1')] })
  const atC = new Log(c.gossip.subscribe('chat', { bootstrap: [b.endpoint.addr()] }))
  await atC.topic.joined()
  await atC.topic.broadcast(bytes('hello'))
  await Promise.all([atA, atB].map((log) => log.until((other) => other.texts.length === 1)))
  const stranger = await node({ alpns: ['/other/1'] })
  const alone = new Log(stranger.gossip.subscribe('chat', { bootstrap: [a.endpoint.addr()] }))
  await alone.until((log) => log.count('join-failed') === 1)
  expect(alone.events).toMatchObject([{ kind: 'join-failed', peer: a.endpoint.id, error: { code: 'ALPN_MISMATCH' } }])
})

test('spec/gossip.md §3.5, §11.2 N4: the largest payload arrives, one byte more is refused at the call', async () => {
  const [a, b] = [await node(), await node()]
  const [atA, atB] = await pair(a, b)
  expect(a.gossip.maxMessageSize).toBe(4096)
  await expect(atA.topic.broadcast(new Uint8Array(4058))).rejects.toMatchObject({
    code: 'MESSAGE_TOO_LARGE',
    message: expect.stringContaining('at most 4057'),
  })
  await expect(atA.topic.broadcastNeighbors(new Uint8Array(4059))).rejects.toMatchObject({
    code: 'MESSAGE_TOO_LARGE',
    message: expect.stringContaining('at most 4058'),
  })
  await atA.topic.broadcast(new Uint8Array(4057).fill(1))
  await atA.topic.broadcastNeighbors(new Uint8Array(4058).fill(2))
  await atB.until((log) => log.count('received') === 2)
  const sizes = atB.events.flatMap((event) => (event.kind === 'received' ? [event.content.length] : []))
  expect(sizes).toEqual([4057, 4058])
  expect(b.gossip.metrics()).toMatchObject({ badFrames: 0, msgsDataRecv: 2, msgsDataRecvSize: 2 * (4095 + 32) })
})

test('spec/gossip.md §8.2: a slow reader loses the oldest and is told how many', async () => {
  const [a, b] = [await node(), await node()]
  const [atA, atB] = await pair(a, b)
  const slow = b.gossip.subscribe('chat', { maxBufferedEvents: 3 })
  for (let index = 0; index < 10; index++) await atA.topic.broadcast(bytes(`${index}`))
  await atB.until((log) => log.texts.length === 10)
  const events: GossipEvent[] = []
  for await (const event of slow) {
    events.push(event)
    if (events.length === 4) break
  }
  // the neighbour was the first, and seven messages
  expect(events[0]).toEqual({ kind: 'lagged', missed: 8 })
  expect(events.slice(1).map((event) => event.kind === 'received' && new TextDecoder().decode(event.content))).toEqual([
    '7',
    '8',
    '9',
  ])
  expect(b.gossip.metrics().missedEvents).toBe(8)
})

test('spec/gossip.md §11.2 N8: joined says what was tried, and whether nobody was', async () => {
  const [a, b] = [await node(), await node()]
  const nobody = a.gossip.subscribe('empty')
  await expect(nobody.joined({ timeoutMs: 1 })).rejects.toMatchObject({
    code: 'JOIN_TIMEOUT',
    message: expect.stringContaining('nobody was tried'),
  })
  const unknown = SecretKey.generate().id
  const topic = new Log(a.gossip.subscribe('elsewhere', { bootstrap: [b.endpoint.addr(), unknown] }))
  await topic.until((log) => log.count('join-failed') > 0)
  const error = await topic.topic.joined({ timeoutMs: 50 }).catch((reason: Error) => reason.message)
  expect(error).toContain(`${unknown.toShortString()} (`)
  expect(error).toContain('only its id is known')
  expect(error).toContain(`${b.endpoint.id.toShortString()} (no answer)`)
  await expect(topic.topic.joined({ timeoutMs: 0 })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  const abort = new AbortController()
  const waiting = topic.topic.joined({ signal: abort.signal })
  abort.abort(new Error('enough'))
  await expect(waiting).rejects.toThrow('enough')
  const closing = expect(topic.topic.joined()).rejects.toMatchObject({ code: 'TOPIC_CLOSED' })
  await topic.topic.close()
  await closing
})

test('spec/gossip.md §16 16: both join each other at once and stay neighbours', async () => {
  const [a, b] = [await node(), await node()]
  const atA = new Log(a.gossip.subscribe('chat', { bootstrap: [b.endpoint.addr()] }))
  const atB = new Log(b.gossip.subscribe('chat', { bootstrap: [a.endpoint.addr()] }))
  await Promise.all([atA.topic.joined(), atB.topic.joined()])
  await atA.topic.broadcast(bytes('one'))
  await atB.topic.broadcast(bytes('two'))
  await atA.until((log) => log.texts.length === 1)
  await atB.until((log) => log.texts.length === 1)
  expect([...atA.events, ...atB.events].filter(({ kind }) => kind === 'neighbor-down')).toEqual([])
  expect(a.gossip.metrics().connections).toBeLessThanOrEqual(2)
})

test('spec/gossip.md §3.8 C8: close flushes what was broadcast a moment ago, and says goodbye', async () => {
  const [a, b] = [await node(), await node()]
  const [atA, atB] = await pair(a, b)
  for (let index = 0; index < 100; index++) atA.topic.broadcast(bytes(`last words ${index}`))
  await a.gossip.close()
  await atB.until((log) => log.count('neighbor-down') === 1)
  expect(atB.texts).toHaveLength(100)
  expect(atB.events.at(-1)).toMatchObject({ kind: 'neighbor-down', reason: 'left' })
  await atA.until((log) => log.isEnded)
  await expect(atA.topic.broadcast(bytes('x'))).rejects.toMatchObject({ code: 'GOSSIP_CLOSED' })
  await expect(atA.topic.joined()).rejects.toMatchObject({ code: 'GOSSIP_CLOSED' })
  expect(() => a.gossip.subscribe('chat')).toThrow(expect.objectContaining({ code: 'GOSSIP_CLOSED' }))
  expect(a.endpoint.isClosed).toBe(false)
  expect(atA.topic.neighbors()).toEqual([])
})

test('spec/gossip.md §8.1: after close the endpoint can have another gossip with the same ALPN; a failed one leaves none behind', async () => {
  const [a, b] = [await node(), await node()]
  const taken = { alpns: ['free/1', '/iroh-gossip/1'] }
  expect(() => Gossip.on(a.endpoint, taken)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  await a.gossip.close()
  const again = Gossip.on(a.endpoint, taken)
  const atA = new Log(again.subscribe('chat'))
  const atB = new Log(b.gossip.subscribe('chat', { bootstrap: [a.endpoint.addr()] }))
  await atB.topic.joined()
  await atB.topic.broadcast(bytes('once more'))
  await atA.until((log) => log.texts.length === 1)
  await again.close()
})

test('spec/gossip.md §8.3: an endpoint closed by somebody else ends everything, and nothing is left unhandled', async () => {
  const [a, b] = [await node(), await node()]
  const [atA, atB] = await pair(a, b)
  const waiting = expect(a.gossip.subscribe('other').joined()).rejects.toMatchObject({ code: 'GOSSIP_CLOSED' })
  for (let index = 0; index < 10; index++) atA.topic.broadcast(bytes(`${index}`))
  await a.endpoint.close()
  await waiting
  await atA.until((log) => log.isEnded)
  await expect(atA.topic.broadcast(bytes('x'))).rejects.toMatchObject({ code: 'GOSSIP_CLOSED' })
  await atA.topic.close()
  await a.gossip.close()
  await atB.until((log) => log.count('neighbor-down') === 1)
  expect(atB.events.at(-1)).toMatchObject({ reason: 'connection-lost' })
  expect(() => Gossip.on(a.endpoint)).toThrow(expect.objectContaining({ code: 'GOSSIP_CLOSED' }))
})

test('spec/gossip.md §8.1: an application that accepts connections itself hands them over', async () => {
  const a = await node({ accept: false }, {}, { alpns: ['/iroh-gossip/1'] })
  const b = await node()
  const accepted = a.endpoint.accept()
  const atA = new Log(a.gossip.subscribe('chat'))
  const atB = new Log(b.gossip.subscribe('chat', { bootstrap: [a.endpoint.addr()] }))
  const handled = a.gossip.handleConnection((await accepted)!)
  await Promise.all([atA.topic.joined(), atB.topic.joined()])
  await b.gossip.close()
  await handled
})

test('spec/gossip.md §8.1: what makes no sense is refused at the call', async () => {
  const endpoint = await bindEndpoint()
  const refused = (text: string) =>
    expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(text) })
  expect(() => Gossip.on(endpoint, { maxMessageSize: 511 })).toThrow(refused('512'))
  expect(() => Gossip.on(endpoint, { alpns: [] })).toThrow(refused('at least one'))
  expect(() => Gossip.on(endpoint, { alpns: [''] })).toThrow(refused('255'))
  const gossip = Gossip.on(endpoint)
  expect(() => Gossip.on(endpoint)).toThrow(refused('has a handler already'))
  expect(() => gossip.subscribe(new Uint8Array(31))).toThrow(refused('32'))
  expect(() => gossip.subscribe('')).toThrow(refused('empty'))
  expect(() => gossip.subscribe('t', { bootstrap: ['nonsense'] })).toThrow(refused('a peer to join'))
  expect(() => gossip.subscribe('t', { maxBufferedEvents: 0 })).toThrow(refused('maxBufferedEvents'))
  const topic = gossip.subscribe(TopicId.fromName('t'), { bootstrap: [endpoint.id] })
  expect(topic.id.equals(gossip.subscribe('t').id)).toBe(true)
  expect(topic.neighbors()).toEqual([])
  expect(gossip.metrics().dials).toBe(0)
})

test('spec/gossip.md §11: the profile as upstream works over the network, too', async () => {
  const [a, b] = [await node({ profile: UPSTREAM_GOSSIP_PROFILE }), await node({ profile: UPSTREAM_GOSSIP_PROFILE })]
  const [atA, atB] = await pair(a, b)
  await atA.topic.broadcast(bytes('hello'))
  await atB.until((log) => log.texts.length === 1)
  expect(EndpointId.parse(b.id).equals(atA.topic.neighbors()[0]!)).toBe(true)
})
