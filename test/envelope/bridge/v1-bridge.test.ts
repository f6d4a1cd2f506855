import { afterEach, expect, test } from 'vitest'
import { x25519PublicOf } from '../../../src/crypto/index.ts'
import { writeBridged } from '../../../src/envelope/bridge/bridged-text.ts'
import { V1Bridge } from '../../../src/envelope/bridge/v1-bridge.ts'
import { readV1 } from '../../../src/envelope/v1/v1-reader.ts'
import { EndpointId } from '../../../src/identity/index.ts'
import { until } from '../../platform/support/loopback.ts'
import { WebPlatform } from '../../relay/client/support.ts'
import { CRYPTO } from '../v1/support.ts'
import { FakeNode } from './support/fake-node.ts'
import type { V1Client } from './support/v1-client.ts'
import { nextNotice, nextText, World } from './support/world.ts'

let world: World

afterEach(async () => {
  await world.close()
  expect(world.errors).toEqual([])
})

const acked = (client: V1Client, line: string): Promise<void> => until(() => client.acks.includes(line), line)

test('V1-4: a v1 text reaches the v2 peer as an unsigned claim, encrypted past the bridge; its ack and its read receipt go back', async () => {
  world = await World.start()
  const { bob, bridge } = world
  const alice = await world.metClient(1)
  const id = alice.write(bob.id, 'héllo')
  expect(await nextText(bob)).toEqual({
    id,
    author: alice.id,
    to: bob.id.toString(),
    text: 'héllo',
    signatureState: 'absent',
    sentAt: expect.any(Number),
    isEncrypted: true,
  })
  await acked(alice, `received ${id}`)
  expect(alice.envelopes[0]).toMatchObject({ from: bob.id.toString(), via: [], signature: '' })
  world.node.sent[0]!.update('read')
  await acked(alice, `read ${id}`)
  expect(bridge.metrics()).toMatchObject({ textsToV2: 1, acksToV1: 1, inFlight: 0, refused: 0, flooded: 0 })
})

test('V1-4: a signed v1 text keeps its signature all the way', async () => {
  world = await World.start({ isSealed: false })
  const alice = await world.metClient(1)
  alice.write(world.bob.id, 'signed', { isSigned: true })
  expect(await nextText(world.bob)).toMatchObject({ text: 'signed', signatureState: 'valid', isEncrypted: false })
  const forged = { id: 'x', from: alice.id, to: world.bob.id.toString(), via: [], type: 'chat' }
  alice.pass(world.bob.id.toString(), {
    ...forged,
    payload: { text: 'forged' },
    timestamp: Date.now(),
    signature: 'ab'.repeat(64),
  })
  expect(await nextText(world.bob)).toMatchObject({ text: 'forged', signatureState: 'invalid' })
})

test('lock 1: no ack goes back to v1 before the v2 peer has acknowledged', async () => {
  world = await World.start()
  const alice = await world.metClient(1)
  const id = alice.write(world.bob.id, 'wait for it')
  await until(() => world.bob.waiting === 1)
  // a round trip through the server and the bridge, in which an early ack would have come
  const other = await world.metClient(2)
  other.write(alice.id, 'hi', { via: [world.bob.id.toString()] })
  await until(() => alice.texts.length === 1)
  expect(alice.acks).toEqual([])
  await world.bob.next()
  await acked(alice, `received ${id}`)
})

test('a v2 text reaches the v1 peer with its signature, and the v1 ack comes back as a claim', async () => {
  world = await World.start()
  const { bob } = world
  const alice = await world.metClient(1)
  const id = await world.write(bob, alice.id, 'from the other side')
  expect(await nextNotice(bob)).toEqual({ kind: 'received', originalId: id, by: alice.id, signatureState: 'absent' })
  expect(alice.texts).toEqual([{ from: bob.id.toString(), text: 'from the other side', isEncrypted: false }])
  expect(readV1(JSON.stringify(alice.envelopes[0]), CRYPTO).signatureState).toBe('valid')
  alice.read(bob.id.toString(), id)
  expect(await nextNotice(bob)).toMatchObject({ kind: 'read', originalId: id })
  expect(world.bridge.metrics()).toMatchObject({ textsToV1: 1, acksToV2: 2, inFlight: 0, undelivered: 0 })
})

test('a v2 text that is encrypted for the v1 peer is opened there and nowhere between', async () => {
  world = await World.start()
  const alice = await world.metClient(1)
  const id = await world.write(world.bob, alice.id, 'for your eyes', alice.encryptionKey)
  expect(await nextNotice(world.bob)).toMatchObject({ kind: 'received', originalId: id })
  expect(alice.texts).toEqual([{ from: world.bob.id.toString(), text: 'for your eyes', isEncrypted: true }])
  expect(JSON.stringify(world.server.heard)).not.toContain('for your eyes')
})

test('a v2 text for somebody who is not there is held, sent when he comes, and acknowledged then', async () => {
  world = await World.start()
  const late = new FakeNode(world.net, 90)
  const id = await world.write(world.bob, late.id.toString(), 'are you there?')
  await world.untilEvent('text', id)
  const client = world.client(90)
  expect(await nextNotice(world.bob)).toMatchObject({ kind: 'received', originalId: id, by: client.id })
})

test('V1-2: an ack counts only from the v1 peer that was written to, and only for a text that was sent to it', async () => {
  world = await World.start()
  const [alice, mallory] = [await world.metClient(1), await world.metClient(2)]
  alice.isSilent = true
  const id = await world.write(world.bob, alice.id, 'hi')
  await until(() => alice.texts.length === 1)
  const to = world.bob.id.toString()
  mallory.send({ to, type: 'ack', payload: { originalMessageId: id } })
  mallory.read(to, id)
  alice.send({ to, type: 'ack', payload: { originalMessageId: 'another' } })
  alice.send({ to, type: 'ack', payload: { originalMessageId: id, ackType: 'relay-forwarded' } })
  await until(() => world.bridge.metrics().refused === 3)
  expect([world.bob.waiting, world.bridge.metrics().inFlight]).toEqual([0, 1])
  alice.send({ to, type: 'ack', payload: { originalMessageId: id } })
  expect(await nextNotice(world.bob)).toMatchObject({ kind: 'received', originalId: id })
})

test('V1-4: nobody speaks for another on the v1 side, nor unsigned, and strangers only where the bridge is open', async () => {
  world = await World.start()
  const { bob, node, bridge, platform } = world
  const alice = await world.metClient(1)
  const stranger = new FakeNode(world.net, 60)
  const asBob = writeBridged({ to: EndpointId.parse(alice.id), text: 'I am Bob', secretKey: bob.secretKey, platform })
  await stranger.send(node.id, asBob.bytes)
  expect(await nextNotice(stranger)).toEqual({ kind: 'undelivered', originalId: asBob.id, reason: 'refused' })
  const unsigned = new TextDecoder().decode(asBob.bytes).replace(/"signature":"\w+"/, '"signature":""')
  await bob.send(node.id, new TextEncoder().encode(unsigned))
  expect(await nextNotice(bob)).toMatchObject({ reason: 'refused' })
  const own = await world.write(stranger, alice.id, 'I am myself')
  expect(await nextNotice(stranger)).toEqual({ kind: 'undelivered', originalId: own, reason: 'not-presented' })
  for (const text of ['just text', '{"type":"bridge-undelivered"}', '[1]'])
    await bob.send(node.id, new TextEncoder().encode(text))
  await until(() => bridge.metrics().foreignMail === 3)
  expect([alice.texts, bob.waiting]).toEqual([[], 0])
})

test('an open bridge presents whoever writes, the last ones; listed peers stay', async () => {
  world = await World.start({ isOpen: true }, { maxPresented: 2 })
  const alice = await world.metClient(1)
  const [carol, dave] = [new FakeNode(world.net, 61), new FakeNode(world.net, 62)]
  const first = await world.write(carol, alice.id, 'from Carol')
  expect(await nextNotice(carol)).toMatchObject({ kind: 'received', originalId: first })
  const second = await world.write(dave, alice.id, 'from Dave')
  expect(await nextNotice(dave)).toMatchObject({ kind: 'received', originalId: second })
  expect(world.bridge.presented()).toEqual([world.bob.id.toString(), dave.id.toString()])
  await until(() => !world.server.registered.includes(carol.id.toString()))
  expect(alice.texts.map(({ text }) => text)).toEqual(['from Carol', 'from Dave'])
  expect(() => world.bridge.present({ id: world.node.id })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  world.bridge.present({ id: carol.id })
  expect(() => world.bridge.present({ id: dave.id })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
})

test('an open bridge without room lets go who was silent longest', async () => {
  world = await World.start({ isOpen: true, peers: [] }, { maxPresented: 2 })
  const alice = await world.metClient(1, world.node.id)
  const [carol, dave, erin] = [61, 62, 63].map((seed) => new FakeNode(world.net, seed)) as [
    FakeNode,
    FakeNode,
    FakeNode,
  ]
  for (const peer of [carol, dave, carol, erin]) {
    await world.write(peer, alice.id, 'hi')
    expect(await nextNotice(peer)).toMatchObject({ kind: 'received' })
  }
  expect(world.bridge.presented()).toEqual([carol.id.toString(), erin.id.toString()])
})

test('presence: the bridge sees v1 peers come and go, v1 peers see those it presents, by name and key', async () => {
  world = await World.start()
  const alice = await world.metClient(1)
  expect(world.bridge.participants()).toEqual([
    { id: alice.id, name: 'v1-1', encryptionKey: Buffer.from(alice.encryptionKey).toString('hex') },
  ])
  expect(alice.peers).toContainEqual({
    nodeId: world.bob.id.toString(),
    username: 'Bob',
    encryptionKey: Buffer.from(x25519PublicOf(world.bob.id.toBytes())!).toString('hex'),
  })
  expect(alice.peers.map(({ username }) => username)).toContain('bridge')
  alice.close()
  await world.untilEvent('left', alice.id)
  world.bridge.withdraw(world.bob.id)
  await until(() => world.server.registered.length === 1)
  expect(world.bridge.participants()).toEqual([])
})

test('spec/envelope.md §4.1: a presented peer that was made a relay passes on, once, with a relay ack', async () => {
  world = await World.start()
  const [alice, carol] = [await world.metClient(1), await world.metClient(2)]
  await alice.sees(carol.id)
  const relay = world.bob.id.toString()
  const id = alice.write(carol.id, 'via Bob', { via: [relay] })
  await until(() => carol.texts.length === 1)
  await acked(alice, `relayed ${id}`)
  await acked(alice, `received ${id}`)
  const [sent] = carol.envelopes
  alice.pass(relay, sent)
  alice.pass(relay, { ...sent, id: 'to-nobody', to: 'ab'.repeat(32) })
  alice.pass(relay, { ...sent, id: 'by-nobody', from: 'ab'.repeat(32) })
  alice.pass(relay, { ...sent, id: 'round-and-round', via: [relay, relay] })
  alice.pass(relay, { ...sent, id: 'for-all', to: '', via: [] })
  await until(() => world.bridge.metrics().refused === 5)
  expect([carol.texts.length, world.bridge.metrics().forwarded, world.bob.waiting]).toEqual([1, 1, 0])
})

test('ACK-4: a v1 text that comes again is not delivered again, but acknowledged again', async () => {
  world = await World.start()
  const alice = await world.metClient(1)
  const draft = { id: 'again', to: world.bob.id.toString(), type: 'chat', payload: { text: 'once' } }
  alice.send(draft)
  alice.send(draft)
  expect(await nextText(world.bob)).toMatchObject({ text: 'once' })
  await acked(alice, 'received again')
  alice.send(draft)
  await until(() => alice.acks.filter((line) => line === 'received again').length === 2)
  expect(world.bob.waiting).toBe(0)
})

test('W3: v1 envelopes of yesterday and of the future, unreadable ones and types that no bridge carries are counted', async () => {
  world = await World.start()
  const alice = await world.metClient(1)
  const to = world.bob.id.toString()
  alice.write(to, 'old', { timestamp: Date.now() - 25 * 3_600_000 })
  alice.write(to, 'new', { timestamp: Date.now() + 10 * 60_000 })
  alice.send({ to, type: 'chat', payload: { words: 'none' } })
  alice.send({ to, type: 'ack', payload: {} })
  alice.pass(to, { id: 'no envelope' })
  alice.send({ to, type: 'chat', payload: { text: 'x'.repeat(100_000) } })
  alice.send({ to, type: 'chat', payload: { text: '€'.repeat(34_000) } })
  alice.send({ to, type: 'app', payload: { type: 'peer-list-request' } })
  await until(() => world.bridge.metrics().notCarried === 1)
  expect([world.bridge.metrics().refused, world.bob.waiting, alice.acks]).toEqual([7, 0, []])
})

test('limits: texts to and from one peer under way, and envelopes a second', async () => {
  world = await World.start({}, { maxToV2PerPeer: 2, maxToV1PerPeer: 1, perPeerPerSecond: 1 })
  const alice = await world.metClient(1)
  alice.isSilent = true
  for (let count = 0; count < 7; count++) alice.write(world.bob.id, `${count}`)
  await until(() => world.bridge.metrics().flooded === 5)
  expect([world.bob.waiting, world.bridge.metrics().textsToV2]).toEqual([2, 2])
  await world.bob.next()
  await world.bob.next()
  await world.write(world.bob, alice.id, 'first')
  const id = await world.write(world.bob, alice.id, 'second')
  expect(await nextNotice(world.bob)).toEqual({ kind: 'undelivered', originalId: id, reason: 'busy' })
})

test('mail is taken only while there is room: what the bridge does not take stays with its sender', async () => {
  world = await World.start({}, { maxToV1: 1 })
  const alice = await world.metClient(1)
  alice.isSilent = true
  const first = await world.write(world.bob, alice.id, 'first')
  await world.write(world.bob, alice.id, 'second')
  await until(() => alice.texts.length === 1)
  expect(world.node.waiting).toBe(1)
  alice.send({ to: world.bob.id.toString(), type: 'ack', payload: { originalMessageId: first } })
  await until(() => alice.texts.length === 2)
  expect(world.node.waiting).toBe(0)
})

test('the signalling server dies: no mail is taken, v1 mail waits; it comes back: everybody is registered again, nothing is lost', async () => {
  world = await World.start()
  const { server, bob, node, bridge } = world
  const gone = await world.metClient(4)
  await server.stop()
  await world.untilEvent('down')
  expect(world.events.slice(-2).map(({ kind }) => kind)).toEqual(['left', 'down'])
  gone.close()
  const peer = new FakeNode(world.net, 3)
  const id = await world.write(bob, peer.id.toString(), 'while it was away')
  expect([node.waiting, bridge.participants()]).toEqual([1, []])
  await server.restart()
  const alice = world.client(3)
  expect(await nextNotice(bob)).toMatchObject({ kind: 'received', originalId: id, by: alice.id })
  await until(() => server.registered.length === 3)
  alice.write(bob.id, 'hello again')
  expect(await nextText(bob)).toMatchObject({ text: 'hello again' })
  expect(bridge.metrics()).toMatchObject({ reconnects: 1, undelivered: 0 })
})

test('hostile: a server that says anything to everybody is counted, and the bridge goes on', async () => {
  world = await World.start({}, { maxParticipants: 5 })
  const { server, bridge, bob } = world
  const alice = await world.metClient(1)
  const to = bob.id.toString()
  const signal = (envelope: unknown): string =>
    JSON.stringify({ type: 'signal', from: alice.id, to, payload: { type: 'message', envelope } })
  const participants = Array.from({ length: 9 }, (_, index) => ({
    nodeId: String(index).repeat(64),
    username: '\u001b[31m',
  }))
  const lines = [
    '',
    'null',
    '{"__proto__":{"type":"signal"}}',
    '['.repeat(100_000),
    signal(undefined),
    signal([]),
    signal({ id: 'x' }),
    signal({ ...alice.peers[0], from: alice.id, to, id: 'x', via: 'x', type: 'chat', payload: {}, timestamp: 1 }),
    JSON.stringify({ type: 'signal', from: alice.id, to: 'nobody', payload: { type: 'message', envelope: {} } }),
    JSON.stringify({ type: 'error', error: 'x'.repeat(100_000) }),
    JSON.stringify({ type: 'participants', participants: 'everybody' }),
    JSON.stringify({ type: 'participants', participants }),
  ]
  server.say(Uint8Array.of(1, 2, 3), to)
  for (const line of lines) server.say(line, to)
  for (const line of lines) server.say(line, world.node.id.toString())
  await until(() => bridge.metrics().participants === 5)
  expect(bridge.metrics()).toMatchObject({ refused: 14, reconnects: 0, textsToV2: 0 })
  // to somebody else than the connection's own: not ours to take
  const stray = { id: 'x', from: alice.id, to, via: [], type: 'chat', payload: { text: 'x' }, timestamp: Date.now() }
  server.say(signal(stray).replace(`"to":"${to}"`, `"to":"${alice.id}"`), to)
  alice.write(to, 'still here')
  expect(await nextText(bob)).toMatchObject({ text: 'still here' })
  expect(bob.waiting).toBe(0)
})

test('hostile: a message of more than a MiB costs the server the connection, and that only', async () => {
  world = await World.start()
  const { server, bridge } = world
  server.say(`"${'x'.repeat(1_048_576)}"`, world.node.id.toString())
  await world.untilEvent('down')
  await bridge.ready()
  expect(bridge.metrics().reconnects).toBe(1)
  server.say('\u00ff'.repeat(10), world.node.id.toString())
  await until(() => bridge.metrics().refused === 1)
})

test('a text that was sent when the server died, and not acknowledged, is sent again afterwards', async () => {
  world = await World.start({}, { resendMs: 30 })
  const alice = await world.metClient(1)
  alice.isSilent = true
  const id = await world.write(world.bob, alice.id, 'lost on the way')
  await until(() => alice.texts.length === 1)
  alice.close()
  await world.server.stop()
  await world.server.restart()
  const again = world.client(1)
  expect(await nextNotice(world.bob)).toMatchObject({ kind: 'received', originalId: id })
  expect(again.texts.map(({ text }) => text)).toContain('lost on the way')
})

test('an acknowledgement that comes while the server or the author is away is told when both are back', async () => {
  world = await World.start()
  const { server, bob } = world
  const alice = await world.metClient(1)
  const id = alice.write(bob.id, 'before the fall')
  await until(() => bob.waiting === 1)
  alice.close()
  await server.stop()
  await world.untilEvent('down')
  await bob.next()
  await world.untilEvent('delivered', id)
  await server.restart()
  await until(() => server.registered.length === 2)
  const again = world.client(1)
  await acked(again, `received ${id}`)
})

test('W4: a forged copy that came first does not keep the signed text away', async () => {
  world = await World.start({ isSealed: false })
  const alice = await world.metClient(1)
  const draft = { id: 'the-same', to: world.bob.id.toString(), type: 'chat', timestamp: Date.now() }
  alice.send({ ...draft, payload: { text: 'forged' } })
  alice.send({ ...draft, payload: { text: 'signed' } }, true)
  alice.send({ ...draft, payload: { text: 'signed' } }, true)
  alice.write(world.bob.id, 'the last')
  const texts = [await nextText(world.bob), await nextText(world.bob), await nextText(world.bob)]
  expect(texts.map((one) => [one!.text, one!.signatureState])).toEqual([
    ['forged', 'absent'],
    ['signed', 'valid'],
    ['the last', 'absent'],
  ])
})

test('a v2 node that takes nothing: the v1 text may come again', async () => {
  world = await World.start()
  const alice = await world.metClient(1)
  world.node.isFull = true
  const draft = { id: 'twice', to: world.bob.id.toString(), type: 'chat', payload: { text: 'try again' } }
  alice.send(draft)
  await world.untilEvent('undelivered', 'twice')
  world.node.isFull = false
  alice.send(draft)
  expect(await nextText(world.bob)).toMatchObject({ text: 'try again' })
  await acked(alice, 'received twice')
  expect(world.bridge.metrics().inFlight).toBe(0)
})

test('RTR-13: a text that failed at the v2 side and is delivered later is acknowledged then', async () => {
  world = await World.start({}, { maxToV2: 1 })
  const alice = await world.metClient(1)
  const id = alice.write(world.bob.id, 'late')
  await until(() => world.node.sent.length === 1)
  world.node.sent[0]!.update('failed')
  await world.untilEvent('undelivered', id)
  expect(world.bridge.metrics().inFlight).toBe(0)
  await world.bob.next()
  await acked(alice, `received ${id}`)
})

test('closing tells senders what was not delivered, and leaves the server', async () => {
  world = await World.start()
  const alice = await world.metClient(1)
  alice.isSilent = true
  const id = await world.write(world.bob, alice.id, 'hi')
  await until(() => alice.texts.length === 1)
  await Promise.all([world.bridge.close(), world.bridge.close()])
  expect(await nextNotice(world.bob)).toEqual({ kind: 'undelivered', originalId: id, reason: 'no-answer' })
  await until(() => world.server.registered.length === 1)
  await expect(world.bridge.ready()).rejects.toMatchObject({ code: 'NODE_CLOSED' })
})

test('options that make no sense are refused', async () => {
  world = await World.start()
  const { node, platform, bob } = world
  for (const url of ['http://example', 'example', 'ws://', 'ws://a b'])
    expect(() => new V1Bridge({ node, platform, url })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  for (const name of ['', 'x'.repeat(65)]) {
    expect(() => new V1Bridge({ node, platform, url: 'ws://a', name })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    )
    expect(() => world.bridge.present({ id: new FakeNode(world.net, 70).id, name })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    )
  }
  // and then nothing was begun
  const idle = new WebPlatform()
  expect(() => new V1Bridge({ node, platform: idle, url: 'ws://a', peers: [{ id: bob.id }, { id: node.id }] })).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION' }),
  )
  expect([idle.nextTimer, idle.web!.dials.length]).toEqual([Number.POSITIVE_INFINITY, 0])
  const peers = [{ id: bob.id }, { id: new FakeNode(world.net, 71).id }]
  expect(() => new V1Bridge({ node, platform, url: 'ws://a', peers, settings: { maxPresented: 1 } })).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION' }),
  )
})
