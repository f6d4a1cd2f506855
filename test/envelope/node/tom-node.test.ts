import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Endpoint } from '../../../src/endpoint/node.ts'
import {
  DISCOVERY_TOPIC_TEXT,
  decodePeerAnnounce,
  ENVELOPE_ALPN,
  Sealer,
  TomError,
} from '../../../src/envelope/index.ts'
import { TomNode } from '../../../src/envelope/node.ts'
import { Gossip } from '../../../src/gossip/index.ts'
import { SecretKey } from '../../../src/identity/index.ts'
import { RelayServer } from '../../../src/relay/server/index.ts'
import { bytes, errors, LIMIT_MS, start, swarm, take, text, until } from './support/nodes.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tom-node-'))
  errors.length = 0
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
  expect(errors).toEqual([])
})

test('three nodes that know one ticket find each other, and a sealed message arrives and is acknowledged', async () => {
  const [alice, bob, carol] = (await swarm(3)) as [TomNode, TomNode, TomNode]
  expect(
    bob
      .peers()
      .map(({ name, isVerified }) => [name, isVerified])
      .sort(),
  ).toEqual([
    ['n0', true],
    ['n2', true],
  ])
  const receipt = await bob.send(carol.id, bytes('hello'))
  const [message] = await take(carol, 1)
  expect(text(message!)).toBe('hello')
  expect(message).toMatchObject({ id: receipt.id, isEncrypted: true, isAuthorBound: true, via: [] })
  expect(message!.from.equals(bob.id)).toBe(true)
  await receipt.delivered({ timeoutMs: LIMIT_MS })
  expect(receipt.history.map(({ state }) => state)).toEqual(['pending', 'sent', 'delivered'])
  message!.markRead()
  for await (const { state } of receipt) if (state === 'read') break
  expect(alice.metrics()).toMatchObject({ received: 0, forwarded: 0 })
})

test('a newcomer knows a swarm in which it is not greeted, for its neighbours hand it what they have heard', async () => {
  const nodes = await swarm(14)
  const late = await start({ name: 'late', bootstrap: [nodes[0]!.ticket()] })
  await until(late, () => late.peers().filter(({ liveness }) => liveness === 'online').length === 14)
  expect(late.peers().every(({ isVerified }) => isVerified)).toBe(true)
  // many of the fourteen had spoken before it came
  expect(nodes.reduce((sum, node) => sum + node.metrics().handedOn, 0)).toBeGreaterThan(14)
})

test('L7a: any bytes are delivered unchanged, also none, and as many as fit', async () => {
  const [alice, bob] = (await swarm(2)) as [TomNode, TomNode]
  const contents = [
    new Uint8Array(0),
    Uint8Array.of(0),
    bytes('{"from":"x"}'),
    Uint8Array.from({ length: 100_000 }, (_, at) => (at * 31) & 255),
  ]
  const receipts = await Promise.all(contents.map((content) => alice.send(bob.ticket(), content)))
  const messages = await take(bob, contents.length)
  const byId = new Map(messages.map((message) => [message.id, message.bytes]))
  expect(receipts.map(({ id }) => byId.get(id))).toEqual(contents)
})

test('spec/envelope.md §11: a node that is written to without having met anybody is reached by its ticket alone', async () => {
  const alice = await start()
  const bob = await start()
  const receipt = await alice.send(bob.ticket(), bytes('out of the blue'))
  const [message] = await take(bob, 1)
  expect(text(message!)).toBe('out of the blue')
  await receipt.delivered({ timeoutMs: LIMIT_MS })
})

test.each(['/iroh-gossip/1', '/tom-gossip/1'])(
  'spec/envelope.md §3.1, Q4: members of the swarm may speak %s, and read the unsigned announcement',
  async (alpn) => {
    const node = await start({ name: 'Node' })
    const endpoint = await Endpoint.bind({ bind: ['127.0.0.1:0'], networkMonitor: false })
    try {
      const gossip = Gossip.on(endpoint, { alpns: [alpn] })
      const topic = gossip.subscribe(DISCOVERY_TOPIC_TEXT, { bootstrap: [node.ticket()] })
      for await (const event of topic) {
        if (event.kind !== 'received' || event.content[0] !== 0x95) continue
        expect(decodePeerAnnounce(event.content)).toMatchObject({ peer: `${node.id}`, name: 'Node', roles: ['Peer'] })
        break
      }
      await gossip.close()
    } finally {
      await endpoint.close()
    }
  },
)

test('the path begins at the relay and becomes a direct one, and is told', async () => {
  const relay = await RelayServer.start({ httpBind: '127.0.0.1:0' })
  try {
    const relays = [relay.url]
    const alice = await start({ relays })
    await alice.online()
    const bob = await start({ relays, bootstrap: [`${alice.id}`] })
    await bob.online()
    const kinds: (string | undefined)[] = []
    const events = bob.pathEvents({ signal: AbortSignal.timeout(LIMIT_MS) })
    // only the id is known, and so only the relay
    const receipt = await bob.send(alice.id, bytes('over the relay'))
    await take(alice, 1)
    await receipt.delivered({ timeoutMs: LIMIT_MS })
    while (kinds.at(-1) !== 'direct') kinds.push((await events.next()).value?.path?.kind)
    expect(kinds).toContain('direct')
    expect(bob.peer(alice.id)?.path?.kind).toBe('direct')
    await Promise.all([alice.close(), bob.close()])
  } finally {
    await relay.close()
  }
})

test('TRN-7: messages handed to send right before close arrive', async () => {
  const [alice, bob] = (await swarm(2, { trusts: () => true })) as [TomNode, TomNode]
  const sends = Array.from({ length: 50 }, (_, index) => alice.send(bob.id, bytes(`${index}`)))
  const taking = take(bob, 50)
  await Promise.all(sends)
  await alice.close()
  const texts = (await taking).map(text)
  expect(new Set(texts).size).toBe(50)
})

test('BAK-1: the recipient is away, the sender goes, and a third node brings the message when the recipient returns', async () => {
  const key = SecretKey.generate()
  const [alice, carol] = (await swarm(2)) as [TomNode, TomNode]
  const bob = await start({ secretKey: key, storage: join(folder, 'bob'), bootstrap: [alice.ticket()] })
  await until(alice, () => alice.peer(bob.id)?.isVerified === true)
  await until(carol, () => carol.peer(bob.id)?.isVerified === true)
  await bob.close()
  const receipt = await alice.send(key.id, bytes('while you were out'))
  for await (const { holders } of receipt) if (holders > 0) break
  expect(receipt.isDelivered).toBe(false)
  await alice.close()
  const back = await start({ secretKey: key, storage: join(folder, 'bob'), bootstrap: [carol.ticket()] })
  const [message] = await take(back, 1)
  expect(text(message!)).toBe('while you were out')
  expect(message!.from.equals(alice.id)).toBe(true)
  expect(message!.broughtBy.equals(carol.id)).toBe(true)
})

test('a message that waits in the storage is delivered by the next life of its sender', async () => {
  const [aliceKey, bobKey] = [SecretKey.generate(), SecretKey.generate()]
  const storage = join(folder, 'alice')
  const alice = await start({ secretKey: aliceKey, storage })
  const receipt = await alice.send(bobKey.id, bytes('kept'))
  expect(receipt.state).toBe('pending')
  await alice.close()
  await expect(receipt.delivered()).rejects.toMatchObject({ code: 'NOT_DELIVERED' })
  const again = await start({ secretKey: aliceKey, storage })
  expect(again.metrics().stored).toBe(1)
  const bob = await start({ secretKey: bobKey, bootstrap: [again.ticket()] })
  const [message] = await take(bob, 1)
  expect(text(message!)).toBe('kept')
})

test('RTR-11: what was taken in an earlier life is not handed over again', async () => {
  const bobKey = SecretKey.generate()
  const storage = join(folder, 'bob')
  const alice = await start()
  const bob = await start({ secretKey: bobKey, storage })
  const receipt = await alice.send(bob.ticket(), bytes('once'))
  await take(bob, 1)
  await receipt.delivered({ timeoutMs: LIMIT_MS })
  await bob.close()
  const again = await start({ secretKey: bobKey, storage })
  // the very same envelope, as a holder would bring it
  const sealer = new Sealer({
    secretKey: alice.endpoint.secretKey,
    crypto: alice.endpoint.crypto,
    random: alice.endpoint.platform.random,
  })
  const sealed = sealer.seal({
    to: bobKey.id.toString(),
    type: 'Chat',
    payload: bytes('once'),
    timestamp: Date.now(),
    isEncrypted: true,
    id: receipt.id,
  })
  const hand = await Endpoint.bind({ bind: ['127.0.0.1:0'], networkMonitor: false })
  try {
    const connection = await hand.connect(again.ticket(), ENVELOPE_ALPN)
    await sendFrame(connection, sealed.wire)
    await eventually(() => again.metrics().duplicates === 1)
    expect(again.metrics()).toMatchObject({ received: 0, waiting: 0 })
  } finally {
    sealer.free()
    await hand.close()
  }
})

test('W1, W5: frames of a hostile peer are refused and counted, and the node goes on', async () => {
  const [alice, bob] = (await swarm(2)) as [TomNode, TomNode]
  const hand = await Endpoint.bind({ bind: ['127.0.0.1:0'], networkMonitor: false })
  try {
    const connection = await hand.connect(bob.ticket(), ENVELOPE_ALPN)
    for (const frame of [
      bytes('\x9anonsense'),
      Uint8Array.of(0x9a),
      Uint8Array.of(0xdc, 0xff, 0xff),
      new Uint8Array(70_000).fill(0x9a),
    ])
      await sendFrame(connection, frame)
    await eventually(() => (bob.metrics().refused.MALFORMED ?? 0) >= 3)
    const receipt = await alice.send(bob.id, bytes('still there?'))
    await take(bob, 1)
    await receipt.delivered({ timeoutMs: LIMIT_MS })
  } finally {
    await hand.close()
  }
})

test('errors name what is wrong, by their code', async () => {
  const node = await start()
  const stranger = SecretKey.generate().id
  await expect(TomNode.start({ name: 'x'.repeat(65), bind: [] })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  await expect(node.send(node.id, bytes('me'))).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  await expect(node.send('nobody', bytes('x'))).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  await expect(node.send(stranger, bytes('x'), { via: [stranger] })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  await expect(node.send(stranger, new Uint8Array(300_000))).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
  const receipt = await node.send(stranger, bytes('nobody is there'))
  await expect(receipt.delivered({ timeoutMs: 50 })).rejects.toThrow(/not acknowledged within 50 ms/)
  await node.close()
  await expect(node.send(stranger, bytes('x'))).rejects.toMatchObject({ code: 'NODE_CLOSED' })
  await expect(receipt.delivered()).rejects.toBeInstanceOf(TomError)
})

test('two nodes cannot have one storage folder', async () => {
  await start({ storage: folder })
  await expect(TomNode.start({ storage: folder, bind: [] })).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
})

test('a node ends with its endpoint', async () => {
  const endpoint = await Endpoint.bind({ bind: ['127.0.0.1:0'], networkMonitor: false })
  const node = await TomNode.on(endpoint)
  const waiting = node.messages().next()
  await endpoint.close()
  expect((await waiting).done).toBe(true)
  expect(node.isClosed).toBe(true)
  await node.close()
})

test('what could not be started leaves nothing behind on the endpoint', async () => {
  const endpoint = await Endpoint.bind({ bind: ['127.0.0.1:0'], networkMonitor: false })
  try {
    await expect(TomNode.on(endpoint, { bootstrap: ['nobody'] })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    const node = await TomNode.on(endpoint)
    // one is enough
    await expect(TomNode.on(endpoint)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await node.close()
    expect(endpoint.isClosed).toBe(false)
    await (await TomNode.on(endpoint)).close()
  } finally {
    await endpoint.close()
  }
})

test('everything that waits ends with the node', async () => {
  const node = await start()
  const messages = node.messages()
  const peers = node.peerEvents()
  const paths = node.pathEvents()
  const ends = Promise.all([messages.next(), peers.next(), paths.next()])
  await node.close()
  expect((await ends).map(({ done }) => done)).toEqual([true, true, true])
  await node.close()
  expect(node.endpoint.isClosed).toBe(true)
})

async function sendFrame(connection: Awaited<ReturnType<Endpoint['connect']>>, frame: Uint8Array): Promise<void> {
  const { send } = await connection.openBi()
  const header = new Uint8Array(4)
  new DataView(header.buffer).setUint32(0, frame.length)
  await send.write(header)
  await send.write(frame)
  await send.finish()
}

async function eventually(isDone: () => boolean): Promise<void> {
  const end = performance.now() + LIMIT_MS
  while (!isDone()) {
    if (performance.now() > end) throw new Error('it did not come about')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
