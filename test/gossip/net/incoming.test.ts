import { expect, test } from 'vitest'
import { encodeHex } from '../../../src/bytes/index.ts'
import { blake3Hash } from '../../../src/crypto/index.ts'
import { type IncomingHost, IncomingStreams, PeerBudget } from '../../../src/gossip/net/incoming.ts'
import { newCounters } from '../../../src/gossip/net/metrics.ts'
import { NET_SETTINGS } from '../../../src/gossip/net/settings.ts'
import { TokenBucket } from '../../../src/gossip/net/token-bucket.ts'
import type { Message } from '../../../src/gossip/proto/messages.ts'
import { TopicId } from '../../../src/gossip/topic-id.ts'
import { encodeFrame, encodeHeader } from '../../../src/gossip/wire/frames.ts'
import { KeyCheck } from '../../../src/gossip/wire/key-check.ts'
import { SecretKey } from '../../../src/identity/index.ts'
import { bytes, closeAfterEach, eventually, Log, type Node, node } from './nodes.ts'
import { frame, JOIN, join, RawPeer } from './raw-peer.ts'

closeAfterEach()

const payload = (text: string): Message<string> => ({
  kind: 'gossip',
  id: encodeHex(blake3Hash(bytes(text))),
  content: bytes(text),
  round: 0,
})
const BAD = encodeFrame(Uint8Array.of(9, 9))

async function neighbors(settings = {}): Promise<{ a: Node; atA: Log; peer: RawPeer }> {
  const a = await node({}, settings)
  const atA = new Log(a.gossip.subscribe('chat'))
  const peer = await RawPeer.dial(a)
  peer.listen()
  return { a, atA, peer }
}

test('spec/gossip.md §3.6: a bad frame is skipped and counted, what follows counts', async () => {
  const { a, atA, peer } = await neighbors()
  const stream = await peer.open('chat', JOIN)
  const oversized = encodeFrame(new Uint8Array(4097))
  const lie = frame({ kind: 'gossip', id: 'ab'.repeat(32), content: bytes('lie'), round: 0 })
  await stream.write(join([BAD, encodeFrame(new Uint8Array(0)), oversized, lie, frame(payload('truth'))]))
  await atA.until((log) => log.texts.length === 1)
  expect(atA.texts).toEqual(['truth'])
  expect(a.gossip.metrics()).toMatchObject({ badFrames: 4, floods: 0 })
  expect(a.errors).toEqual([])
})

test('spec/gossip.md §3.6, §11.2 N4, §11.3: who goes on with bad frames has the connection closed, and is reported; others go on', async () => {
  const { a, atA, peer } = await neighbors()
  const other = await RawPeer.dial(a)
  const good = await other.open('chat', JOIN)
  await peer.open('chat', JOIN)
  await atA.until((log) => log.count('neighbor-up') === 2)
  const stream = await peer.open('chat')
  await stream.write(join(Array.from({ length: 20 }, () => BAD)))
  // a stopped stream alone makes iroh-gossip 0.101 stand still
  expect(await peer.connection.closed).toMatchObject({ code: 'PEER_CLOSED', closeCode: 0 })
  await atA.until((log) => log.count('neighbor-down') === 1)
  expect(a.gossip.metrics().floods).toBe(1)
  expect(a.errors).toMatchObject([{ name: 'GossipPeerError', code: 'BAD_FRAMES', peer: peer.endpoint.id }])
  await good.write(frame(payload('unhurt')))
  await atA.until((log) => log.texts.length === 1)
  expect(other.connection.closeReason).toBeUndefined()
})

test('spec/gossip.md §3.4: a header that is none costs its stream only, while it does not go on', async () => {
  const { a, atA, peer } = await neighbors()
  const stream = await peer.connection.openUni()
  await stream.write(join([encodeFrame(bytes('no topic')), ...Array.from({ length: 10 }, () => frame(JOIN))]))
  await eventually(() => a.gossip.metrics().badFrames === 11, 'all are bad')
  await peer.open('chat', JOIN, payload('fine'))
  await atA.until((log) => log.texts.length === 1)
  await stream.write(join(Array.from({ length: 20 }, () => frame(JOIN))))
  expect(await peer.connection.closed).toMatchObject({ code: 'PEER_CLOSED' })
  expect(a.gossip.metrics().floods).toBe(1)
})

test('spec/gossip.md §5: streams of unknown topics are read and dropped without an answer, and count once the topic is ours', async () => {
  const { a, peer } = await neighbors()
  const stream = await peer.open('later', JOIN, payload('too early'))
  await stream.write(BAD)
  await eventually(() => a.gossip.metrics().unknownTopic === 3, 'all are dropped')
  expect(a.gossip.metrics()).toMatchObject({ badFrames: 0, msgsCtrlSent: 0, neighborUp: 0 })
  const later = new Log(a.gossip.subscribe('later'))
  await stream.write(join([frame(JOIN), frame(payload('in time'))]))
  await later.until((log) => log.texts.length === 1)
  expect(later.texts).toEqual(['in time'])
})

test('spec/gossip.md §11.3: unknown keys are checked within a budget, and known ones cost nothing', async () => {
  const { a, atA, peer } = await neighbors({ keyBurst: 10, keysPerSecond: 0 })
  const known = SecretKey.generate().id.toString()
  const shuffle = (ids: readonly string[]): Message<string> => ({
    kind: 'shuffle-reply',
    nodes: ids.map((id) => ({ id, data: undefined })),
  })
  const stream = await peer.open('chat', JOIN)
  for (let round = 0; round < 20; round++) await stream.write(frame(shuffle([known])))
  await stream.write(frame(payload('first')))
  await atA.until((log) => log.texts.length === 1)
  expect(a.gossip.metrics().rateLimited).toBe(0)
  const many = Array.from({ length: 30 }, () => SecretKey.generate().id.toString())
  for (let at = 0; at < 30; at += 5) await stream.write(frame(shuffle(many.slice(at, at + 5))))
  await stream.write(frame(payload('last')))
  await atA.until((log) => log.texts.length === 2)
  // one, five and four keys fit
  expect(a.gossip.metrics()).toMatchObject({ rateLimited: 5, badFrames: 0 })
})

test('spec/gossip.md §11.3: a flood of membership messages is dropped beyond a budget, and its connection closed when it goes on', async () => {
  const { a, atA, peer } = await neighbors({ membershipBurst: 10, membershipPerSecond: 0, floodedAfter: 50 })
  const stream = await peer.open('chat', JOIN)
  await stream.write(join(Array.from({ length: 100 }, () => frame(JOIN))))
  await peer.connection.closed
  expect(a.gossip.metrics()).toMatchObject({ msgsCtrlRecv: 10, rateLimited: 51, floods: 1 })
  expect(a.errors).toMatchObject([{ code: 'FLOOD' }])
  await atA.until((log) => log.count('neighbor-down') === 1)
})

test('spec/gossip.md §11.3: requests for payloads have a budget: each can cost a whole message', async () => {
  const { a, atA, peer } = await neighbors({ graftBurst: 5, graftsPerSecond: 0 })
  const stream = await peer.open('chat', JOIN, payload('big'))
  await atA.until((log) => log.texts.length === 1)
  const id = encodeHex(blake3Hash(bytes('big')))
  await stream.write(join(Array.from({ length: 20 }, () => frame({ kind: 'graft', id, round: 0 }))))
  await stream.write(frame(payload('end')))
  await atA.until((log) => log.texts.length === 2)
  expect(a.gossip.metrics()).toMatchObject({ rateLimited: 15, msgsDataSent: 5 })
})

test('spec/gossip.md §3.9: a connection that floods gives others their turn', async () => {
  // frames of an unknown topic without end, there before they are asked for
  const chunk = join([encodeHeader(TopicId.fromName('any')), ...Array.from({ length: 100 }, () => frame(JOIN))])
  let read = 0
  let isOver = false
  const stream = {
    read: async () => {
      if (isOver) return undefined
      read += chunk.length
      return chunk
    },
    stop: () => {},
  }
  let streams = 3
  const connection = {
    remoteId: SecretKey.generate().id,
    acceptUni: async () => (streams-- > 0 ? stream : new Promise(() => {})),
    close: () => {},
  }
  const host: IncomingHost = {
    settings: { ...NET_SETTINGS, readPerTurn: 10_000 },
    counters: newCounters(),
    maxMessageSize: 4096,
    keyCheck: new KeyCheck(),
    keyBudget: new TokenBucket(1, 1, 0),
    now: () => 0,
    defer: (callback) => setImmediate(callback),
    topic: () => undefined,
    report: () => {},
    reportPeer: () => {},
  }
  new IncomingStreams(connection as never, new PeerBudget(host.settings, 0), host).run()
  for (let turn = 1; turn <= 5; turn++) {
    await new Promise((resolve) => setImmediate(resolve))
    // each of the three streams may be in the middle of a chunk
    expect(read).toBeLessThanOrEqual((turn + 1) * (10_000 + 3 * chunk.length))
  }
  expect(read).toBeGreaterThan(10_000)
  isOver = true
})
