import { expect, test } from 'vitest'
import { encodeHex } from '../../../src/bytes/index.ts'
import { blake3Hash } from '../../../src/crypto/index.ts'
import { Endpoint } from '../../../src/endpoint/node.ts'
import { Gossip } from '../../../src/gossip/net/gossip.ts'
import type { Message } from '../../../src/gossip/proto/messages.ts'
import { decodeAddrInfo } from '../../../src/gossip/wire/addr-info.ts'
import { EndpointAddr, formatTransportAddr, SecretKey } from '../../../src/identity/index.ts'
import { NodePlatform } from '../../../src/platform/node/index.ts'
import { bindEndpoint, bytes, closeAfterEach, eventually, Log, node } from './nodes.ts'
import { ALPN, frame, JOIN, join, RawPeer } from './raw-peer.ts'

closeAfterEach()

const contents = (messages: readonly Message<string>[]): string[] =>
  messages.flatMap((message) => (message.kind === 'gossip' ? [new TextDecoder().decode(message.content)] : []))

test('spec/gossip.md §3.8 C1, C2, C7: the newest connection is sent on, all are read, and the loss of one is no loss of the peer', async () => {
  const a = await node()
  const atA = new Log(a.gossip.subscribe('chat'))
  const first = await RawPeer.dial(a)
  first.listen()
  const stream = await first.open('chat', JOIN)
  await atA.until((log) => log.count('neighbor-up') === 1)
  await atA.topic.broadcast(bytes('one'))
  await eventually(() => contents(first.messages('chat')).length === 1, 'the first connection is used')

  const second = await RawPeer.dial(a, first)
  second.listen()
  await eventually(() => a.gossip.metrics().connections === 2, 'the second is there')
  await atA.topic.broadcast(bytes('two'))
  await eventually(() => contents(second.messages('chat')).length === 1, 'the second connection is used')
  expect(contents(first.messages('chat'))).toEqual(['one'])
  // the stream on the old connection was ended in good order, the connection stays and is read
  await eventually(() => first.heard.every(({ isFinished }) => isFinished), 'the old stream ends')
  expect(first.connection.closeReason).toBeUndefined()
  const content = bytes('old way')
  await stream.write(frame({ kind: 'gossip', id: encodeHex(blake3Hash(content)), content, round: 0 }))
  await atA.until((log) => log.texts.length === 1)

  second.connection.close(0)
  await eventually(() => second.connection.closeReason !== undefined, 'the second is closed')
  await eventually(() => {
    atA.topic.broadcast(bytes(`three ${first.heard.length}`))
    return contents(first.messages('chat')).some((text) => text.startsWith('three'))
  }, 'the first is used again')
  expect(atA.count('neighbor-down')).toBe(0)
  first.connection.close(0)
  await atA.until((log) => log.count('neighbor-down') === 1)
  expect(atA.events.at(-1)).toMatchObject({ reason: 'connection-lost' })
})

test('spec/gossip.md §3.8 C3, C4: after Disconnect the stream ends, and the connection only when that arrived and nobody needs it', async () => {
  const a = await node({}, { idleGraceMs: 100 })
  const one = new Log(a.gossip.subscribe('one'))
  const two = new Log(a.gossip.subscribe('two'))
  const peer = await RawPeer.dial(a)
  peer.listen()
  await peer.open('one', JOIN)
  await peer.open('two', JOIN)
  await Promise.all([one, two].map((log) => log.until((other) => other.count('neighbor-up') === 1)))
  await one.topic.close()
  const farewell = peer.heard.find(({ topic }) => topic === one.topic.id.toString())
  expect(farewell).toMatchObject({ isFinished: true })
  expect(farewell?.messages.at(-1)).toEqual({ kind: 'disconnect', alive: false })
  // long past the time of grace, the other topic still holds it
  await new Promise((resolve) => setTimeout(resolve, 250))
  expect(peer.connection.closeReason).toBeUndefined()
  await two.topic.close()
  const reason = await peer.connection.closed
  expect(reason).toMatchObject({ code: 'PEER_CLOSED', closeCode: 0 })
  expect(peer.heard.every(({ isFinished }) => isFinished)).toBe(true)
})

test('spec/gossip.md §3.8 C4: a connection that nobody needs is closed after the time of grace', async () => {
  const a = await node({}, { idleGraceMs: 50 })
  a.gossip.subscribe('chat')
  const peer = await RawPeer.dial(a)
  await peer.open('something else', JOIN)
  expect(await peer.connection.closed).toMatchObject({ code: 'PEER_CLOSED', closeCode: 0 })
  expect(a.gossip.metrics()).toMatchObject({ unknownTopic: 1, msgsCtrlSent: 0, badFrames: 0, peers: 0, topics: 1 })
})

test('spec/gossip.md §3.8 C4, §5: before it is closed, a peer that spoke on a topic hears a last message there, or 0.101 would never dial us again', async () => {
  const a = await node({}, { idleGraceMs: 100 })
  const peer = await RawPeer.dial(a)
  peer.listen()
  await peer.open('nobody is in it', JOIN)
  expect(await peer.connection.closed).toMatchObject({ code: 'PEER_CLOSED', reason: 'not needed any more' })
  expect(peer.messages('nobody is in it')).toEqual([{ kind: 'shuffle-reply', nodes: [] }])
  expect(peer.heard.map(({ isFinished }) => isFinished)).toEqual([true])
})

test('spec/gossip.md §3.4, §3.8 C4: streams that are open then are finished first', async () => {
  const a = await node({}, { idleGraceMs: 100 })
  const atA = new Log(a.gossip.subscribe('chat'))
  const peer = await RawPeer.dial(a)
  peer.listen()
  const stream = await peer.open('chat', JOIN)
  await atA.until((log) => log.count('neighbor-up') === 1)
  await stream.write(frame({ kind: 'disconnect', alive: true }))
  await atA.until((log) => log.count('neighbor-down') === 1)
  await eventually(() => peer.heard[0]?.isFinished === true, 'our stream ends')
  expect(await peer.connection.closed).toMatchObject({ code: 'PEER_CLOSED', closeCode: 0 })
  await eventually(() => a.gossip.metrics().peers === 0, 'nothing is left of the peer')
})

test('spec/gossip.md §3.8 C6, §11.2 N1: a peer that could not be dialled is dialled again for the next message', async () => {
  const [a, b] = [await node(), await node()]
  const atA = new Log(a.gossip.subscribe('chat', { bootstrap: [b.endpoint.id] }))
  await atA.until((log) => log.count('join-failed') === 1)
  expect(atA.events[0]).toMatchObject({ kind: 'join-failed', peer: b.endpoint.id, error: { code: 'NO_ADDRESS' } })
  // what waited for it is gone
  expect(a.gossip.metrics().peers).toBe(0)
  b.gossip.subscribe('chat')
  atA.topic.joinPeers([b.endpoint.addr()])
  await atA.topic.joined()
  expect(a.gossip.metrics()).toMatchObject({ dials: 2, dialFailures: 1, peers: 1 })
})

test('spec/gossip.md §3.3: a connection that comes while we dial takes over what waits, and the failure of the dial is then no loss', async () => {
  const a = await node({}, { dialTimeoutMs: 1_000 })
  const endpoint = await bindEndpoint({ alpns: [ALPN] })
  // nobody is there
  const addr = new EndpointAddr(endpoint.id).withIp('127.0.0.1:9')
  const atA = new Log(a.gossip.subscribe('chat', { bootstrap: [addr] }))
  const peer = await RawPeer.dial(a, { endpoint })
  peer.listen()
  await eventually(() => peer.messages('chat').some(({ kind }) => kind === 'join'), 'the Join that waited')
  expect(a.gossip.metrics().dialFailures).toBe(0)
  await peer.open('chat', { kind: 'neighbor', priority: 'high', data: undefined })
  await atA.until((log) => log.count('neighbor-up') === 1)
  await eventually(() => a.gossip.metrics().dialFailures === 1, 'the dial fails')
  await atA.topic.broadcast(bytes('still neighbours'))
  await eventually(() => contents(peer.messages('chat')).length === 1, 'the message')
  expect(atA.count('neighbor-down') + atA.count('join-failed')).toBe(0)
})

test('spec/gossip.md §3.8 C9: what follows a Disconnect on the same topic waits until the peer has that', async () => {
  const a = await node()
  const atA = new Log(a.gossip.subscribe('chat'))
  const peer = await RawPeer.dial(a)
  peer.listen()
  await peer.open('chat', JOIN)
  await atA.until((log) => log.count('neighbor-up') === 1)
  atA.topic.close()
  const again = a.gossip.subscribe('chat', { bootstrap: [peer.endpoint.id] })
  await eventually(() => peer.messages('chat').some(({ kind }) => kind === 'join'), 'the second Join')
  const kinds = peer.heard.map(({ messages }) => messages.map(({ kind }) => kind))
  expect(kinds[0]?.at(-1)).toBe('disconnect')
  expect(peer.heard[0]?.isFinished).toBe(true)
  expect(kinds[1]?.[0]).toBe('join')
  await again.close()
})

test('spec/gossip.md §3.6: a peer that stops one of our streams gets what comes later on another', async () => {
  const a = await node()
  const atA = new Log(a.gossip.subscribe('chat'))
  const peer = await RawPeer.dial(a)
  await peer.open('chat', JOIN)
  const stream = await peer.connection.acceptUni()
  await stream.read()
  stream.stop(0)
  await eventually(() => a.gossip.metrics().streamsStopped === 1, 'the stop arrives')
  peer.listen()
  await atA.topic.broadcast(bytes('hello again'))
  await eventually(() => contents(peer.messages('chat')).length === 1, 'another stream')
  expect(atA.count('neighbor-down')).toBe(0)
})

test('spec/gossip.md §3.9, §11.2 N3, §16 18: a neighbour that reads nothing of one topic costs neither the author nor the other topic anything', async () => {
  // our own send buffer and its window are small, so that the stall is felt soon
  const a = await node(
    {},
    {
      stalledAfterMs: 300,
      dropAfterMs: 900,
      stallCheckMs: 20,
      sendBuffer: 60_000,
      maxQueuedBytes: 150_000,
      highWaterBytes: 20_000,
    },
    {
      settings: { sendBuffer: 60_000 },
    },
  )
  const b = await node()
  const stuck = new Log(a.gossip.subscribe('stuck'))
  const fine = new Log(a.gossip.subscribe('fine'))
  const atB = new Log(b.gossip.subscribe('stuck', { bootstrap: [a.endpoint.addr()] }))
  const peer = await RawPeer.dial(a, undefined, { streamReceiveWindow: 50_000 })
  await peer.open('stuck', JOIN)
  await stuck.until((log) => log.count('neighbor-up') === 2)
  // that one is never read again
  const unread = await peer.connection.acceptUni()
  await peer.open('fine', JOIN)
  await fine.until((log) => log.count('neighbor-up') === 1)
  peer.listen()
  const content = new Uint8Array(3_800)
  for (let index = 0; index < 200; index++) {
    new DataView(content.buffer).setUint32(0, index)
    await stuck.topic.broadcast(content)
    if (index % 20 === 0) await fine.topic.broadcast(bytes(`fine ${index}`))
  }
  await atB.until((log) => log.count('received') === 200)
  await eventually(() => contents(peer.messages('fine')).length === 10, 'the other topic goes on')
  await stuck.until((log) => log.count('neighbor-down') === 1)
  expect(stuck.events.at(-1)).toMatchObject({ kind: 'neighbor-down', peer: peer.endpoint.id })
  expect(a.gossip.metrics()).toMatchObject({ stalledPeers: 1 })
  expect(a.gossip.metrics().dropped).toBeGreaterThan(0)
  expect(a.errors).toMatchObject([{ code: 'STALLED', peer: peer.endpoint.id }])
  // it is told, on another stream
  await eventually(() => peer.messages('stuck').some(({ kind }) => kind === 'disconnect'), 'the Disconnect')
  await expect(
    (async () => {
      while ((await unread.read()) !== undefined);
    })(),
  ).rejects.toMatchObject({ code: 'STREAM_RESET' })
  expect(peer.connection.closeReason).toBeUndefined()
  expect(fine.count('neighbor-down')).toBe(0)
})

test('spec/gossip.md §4.6: we say where we are, anew when that changes, and count what cannot be read of others', async () => {
  const a = await node()
  const atA = new Log(a.gossip.subscribe('chat'))
  const peer = await RawPeer.dial(a)
  peer.listen()
  const said = (): string[] =>
    peer.messages('chat').flatMap((message) => {
      if (message.kind !== 'neighbor' || message.data === undefined) return []
      return [decodeAddrInfo(a.endpoint.id, message.data).addrs.map(formatTransportAddr).join()]
    })
  const stream = await peer.open('chat', { kind: 'join', data: Uint8Array.of(7, 7, 7) })
  await eventually(() => said().length === 1, 'the answer')
  expect(said()[0]).toBe(a.endpoint.addr().addrs.map(formatTransportAddr).join())
  expect(a.gossip.metrics().badAddresses).toBe(1)
  a.endpoint.addExternalAddress('192.0.2.7:4433')
  await stream.write(frame({ kind: 'disconnect', alive: true }))
  await atA.until((log) => log.count('neighbor-down') === 1)
  await stream.write(frame(JOIN))
  await eventually(() => said().length === 2, 'the second answer')
  expect(said()[1]).toContain('192.0.2.7:4433')
})

test('spec/gossip.md §7.2: what is asked for later is what was broadcast, whatever became of the buffer', async () => {
  const a = await node()
  const atA = new Log(a.gossip.subscribe('chat'))
  const peer = await RawPeer.dial(a)
  peer.listen()
  const stream = await peer.open('chat', JOIN)
  await atA.until((log) => log.count('neighbor-up') === 1)
  const content = bytes('original')
  const id = encodeHex(blake3Hash(content))
  await atA.topic.broadcast(content)
  content.fill(0)
  await stream.write(frame({ kind: 'graft', id, round: 0 }))
  await eventually(() => contents(peer.messages('chat')).length === 2, 'the payload, twice')
  expect(contents(peer.messages('chat'))).toEqual(['original', 'original'])
})

test('spec/gossip.md §3.8: what a peer said just before it closed the connection counts', async () => {
  const a = await node()
  const atA = new Log(a.gossip.subscribe('chat'))
  const peer = await RawPeer.dial(a)
  const stream = await peer.open('chat', JOIN)
  await atA.until((log) => log.count('neighbor-up') === 1)
  const content = bytes('my last words')
  await stream.write(
    join([
      frame({ kind: 'gossip', id: encodeHex(blake3Hash(content)), content, round: 0 }),
      frame({ kind: 'disconnect', alive: false }),
    ]),
  )
  await stream.finish()
  await stream.closed
  peer.connection.close(0)
  await atA.until((log) => log.count('neighbor-down') === 1)
  expect(atA.texts).toEqual(['my last words'])
  expect(atA.events.at(-1)).toMatchObject({ reason: 'left' })
})

/** Sockets that can go silent, as those of a process that was killed. */
class MortalPlatform extends NodePlatform {
  isDead = false

  override async bindUdp(options: Parameters<NodePlatform['bindUdp']>[0]): ReturnType<NodePlatform['bindUdp']> {
    const socket = await super.bindUdp(options)
    const send = socket.send.bind(socket)
    socket.send = (data, start, length, host, port, done) =>
      this.isDead ? done() : send(data, start, length, host, port, done)
    return socket
  }
}

test('spec/gossip.md §16 13, 19: a node that was killed and comes back with the same key is a neighbour again', async () => {
  const platform = new MortalPlatform()
  const secretKey = SecretKey.generate()
  const a = await node({}, {}, { secretKey, runtime: { platform } })
  const b = await node()
  const atA = new Log(a.gossip.subscribe('chat'))
  const atB = new Log(b.gossip.subscribe('chat', { bootstrap: [a.endpoint.addr()] }))
  await Promise.all([atA.topic.joined(), atB.topic.joined()])
  platform.isDead = true
  const endpoint = await Endpoint.bind({ secretKey, bind: ['127.0.0.1:0'], networkMonitor: false })
  try {
    const again = new Log(Gossip.on(endpoint).subscribe('chat', { bootstrap: [b.endpoint.addr()] }))
    await again.topic.joined()
    await again.topic.broadcast(bytes('I am back'))
    await atB.until((log) => log.texts.length === 1)
    await atB.topic.broadcast(bytes('so I hear'))
    await again.until((log) => log.texts.length === 1)
    expect(atB.count('neighbor-down')).toBe(0)
  } finally {
    // or its close would wait for answers
    platform.isDead = false
    await endpoint.close()
  }
})
