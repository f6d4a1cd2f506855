/** Connections over relays and direct paths: real endpoints, relay clients and relays in virtual time. */
import { describe, expect, test } from 'vitest'
import type { Connection, PathEvent } from '../../src/endpoint/index.ts'
import { RelayUrl } from '../../src/identity/index.ts'
import { Delay } from './support/link-parts.ts'
import { addrOf, echoed, kinds, Pinging, serveEcho } from './support/relay/traffic.ts'
import { ALPN, type NodeShape, RelayWorld, type SimEndpoint } from './support/relay/world.ts'
import { seedsOf } from './support/suite.ts'

interface Pair {
  readonly world: RelayWorld
  readonly client: SimEndpoint
  readonly server: SimEndpoint
  /** The server's ends. */
  readonly accepted: Connection[]
}

const relayOnly = ({ kind }: { kind: string }): boolean => kind === 'relay'

/** A client and an echo server, both at home on relay `a`; UDP between them takes `directMs`, or is dropped. */
async function pair(seed: string, directMs: number | undefined, shape: NodeShape = {}, relays = ['a']): Promise<Pair> {
  const world = new RelayWorld(seed)
  const urls = relays.map((name) => world.relay(name).url)
  const client = await world.node('client', { ...shape, relays: urls })
  const server = await world.node('server', { ...shape, relays: urls })
  world.wire('client', 'server', directMs === undefined ? [{ pass: () => {} }] : [new Delay(directMs)])
  const accepted = serveEcho(server)
  await world.value(Promise.all([client.endpoint.online(), server.endpoint.online()]), 2_000, 'going online')
  return { world, client, server, accepted }
}

async function dial({ world, client, server }: Pair, keep?: Parameters<typeof addrOf>[1]): Promise<Connection> {
  return world.value(client.endpoint.connect(addrOf(server, keep), ALPN), 5_000, 'the dial')
}

/** `bytes` there and back on a stream of their own. */
async function echo(world: RelayWorld, connection: Connection, bytes: number): Promise<void> {
  await world.value(echoed(connection, bytes), 60_000, `the echo of ${bytes} bytes`)
}

/** Everything ends in order: no fault anywhere, nothing kept. */
async function end({ world, client, server }: Pair): Promise<void> {
  await world.close()
  expect([...client.faults, ...server.faults]).toEqual([])
  await world.run(70_000)
  for (const relay of world.relays.values()) if (!relay.isDown) expect(relay.hub.clientCount).toBe(0)
}

test('by relay alone: the connection is the relay, both sides say so, and a large echo comes through', async () => {
  const it = await pair('relay-only', undefined)
  const connection = await dial(it, relayOnly)
  await echo(it.world, connection, 300_000)
  expect(kinds(connection)).toEqual({ selected: 'relay', open: ['relay'] })
  expect(connection.paths()[0]?.remote).toBe('http://a.example/')
  expect(kinds(it.accepted[0]!)).toEqual({ selected: 'relay', open: ['relay'] })
  connection.sendDatagram(new Uint8Array(500))
  expect(it.world.relays.get('a.example')?.hub.counters.send_packets_dropped).toBe(0)
  await end(it)
})

test('spec/endpoint.md §2.6: dialled by relay and addresses, direct answers first; the relay becomes a backup', async () => {
  const it = await pair('direct-first', 5, { relayMs: 20 })
  const connection = await dial(it)
  await echo(it.world, connection, 100_000)
  await it.world.run(500)
  expect(kinds(connection)).toEqual({ selected: 'direct', open: ['direct', 'relay'] })
  expect(kinds(it.accepted[0]!)).toEqual({ selected: 'direct', open: ['direct', 'relay'] })
  await end(it)
})

test('dialled by relay and addresses, the relay answers first; direct takes over without a pause', async () => {
  const it = await pair('relay-first', 60, { relayMs: 2 })
  const connection = await dial(it)
  expect(kinds(connection)).toEqual({ selected: 'relay', open: ['relay'] })
  const events: PathEvent[] = []
  const listen = async (): Promise<void> => {
    for await (const event of connection.pathEvents()) events.push(event)
  }
  listen()
  const pinging = new Pinging(it.world, connection)
  await it.world.until(() => kinds(connection).selected === 'direct', 2_000, 'direct')
  await it.world.run(1_000)
  expect(pinging.longestPause).toBeLessThan(400)
  expect(events.filter(({ type }) => type !== 'lagged')).toMatchObject([
    { type: 'opened', kind: 'direct', remote: '10.0.1.1:4433' },
    { type: 'selected', kind: 'direct' },
  ])
  expect(kinds(connection).open).toEqual(['direct', 'relay'])
  pinging.stop()
  await end(it)
})

test('the direct path dies: the relay carries on; it heals: direct comes back', async () => {
  const it = await pair('direct-dies', 5, { relayMs: 20 })
  const connection = await dial(it)
  const pinging = new Pinging(it.world, connection)
  await it.world.run(1_000)
  it.world.cutDirect(true)
  pinging.reset()
  await it.world.run(40_000)
  expect(pinging.error).toBeUndefined()
  expect(kinds(connection)).toEqual({ selected: 'relay', open: ['relay'] })
  // the answers of a peer that has not noticed yet are lost until it has (spec/endpoint.md §4.4)
  expect(pinging.longestPause).toBeLessThan(16_000)
  it.world.cutDirect(false)
  pinging.reset()
  await it.world.until(() => kinds(connection).selected === 'direct', 70_000, 'direct again')
  await it.world.run(2_000)
  expect(pinging.longestPause).toBeLessThan(400)
  pinging.stop()
  await end(it)
})

test('the relay dies under a connection that has a direct path: nobody notices', async () => {
  const it = await pair('relay-dies', 5, { relayMs: 20 })
  const connection = await dial(it)
  const pinging = new Pinging(it.world, connection)
  await it.world.run(1_000)
  pinging.reset()
  it.world.relays.get('a.example')!.kill()
  await it.world.run(60_000)
  expect(pinging.longestPause).toBeLessThan(200)
  expect(kinds(connection)).toEqual({ selected: 'direct', open: ['direct'] })
  it.world.relays.get('a.example')!.restart()
  await it.world.until(() => kinds(connection).open.includes('relay'), 120_000, 'the relay path again')
  pinging.stop()
  await end(it)
})

test('the relay dies in use, a direct path is there as well: the streams go on at once', async () => {
  const it = await pair('relay-dies-in-use', 80, { relayMs: 5 })
  const connection = await dial(it)
  await it.world.until(() => kinds(connection).open.length === 2, 5_000, 'two paths')
  // as if direct had just become worse than the relay
  const pinging = new Pinging(it.world, connection)
  await it.world.run(1_000)
  pinging.reset()
  it.world.relays.get('a.example')!.kill()
  await it.world.run(20_000)
  expect(pinging.longestPause).toBeLessThan(400)
  pinging.stop()
  await end(it)
})

test('the only relay is killed and started again under traffic: the connection stays, the streams go on', async () => {
  const it = await pair('relay-restarts', undefined)
  const connection = await dial(it, relayOnly)
  const pinging = new Pinging(it.world, connection)
  await it.world.run(2_000)
  for (let round = 0; round < 3; round++) {
    it.world.relays.get('a.example')!.kill()
    await it.world.run(5_000)
    it.world.relays.get('a.example')!.restart()
    pinging.reset()
    const before = pinging.received
    await it.world.until(() => pinging.received > before + 1_000, 20_000, 'traffic after the restart')
  }
  expect(pinging.error).toBeUndefined()
  expect(connection.closeReason).toBeUndefined()
  pinging.stop()
  await it.world.run(3_000)
  expect(pinging.received).toBe(pinging.sent)
  await end(it)
})

test('one of two relays dies: the connection moves to the other', async () => {
  const it = await pair('two-relays', undefined, { relayMs: { a: 5, b: 30 } }, ['a', 'b'])
  expect(it.server.endpoint.homeRelay?.url.href).toBe('http://a.example/')
  const target = addrOf(it.server, relayOnly).withRelay(RelayUrl.parse('http://b.example/'))
  const connection = await it.world.value(it.client.endpoint.connect(target, ALPN), 5_000, 'the dial')
  const pinging = new Pinging(it.world, connection)
  await it.world.run(2_000)
  it.world.relays.get('a.example')!.kill()
  pinging.reset()
  const before = pinging.received
  await it.world.until(() => pinging.received > before + 1_000, 10_000, 'traffic over the other relay')
  expect(connection.paths().find(({ selected }) => selected)?.remote).toBe('http://b.example/')
  expect(it.server.endpoint.homeRelay?.url.href).toBe('http://b.example/')
  pinging.stop()
  await end(it)
})

test('a relay that vanishes under traffic is missed by the connection, asked for, and left or found again within seconds', async () => {
  const it = await pair('vanishes under traffic', undefined, { relayMs: { a: 5, b: 30 } }, ['a', 'b'])
  const target = addrOf(it.server, relayOnly).withRelay('http://b.example/')
  const connection = await it.world.value(it.client.endpoint.connect(target, ALPN), 5_000, 'the dial')
  const pinging = new Pinging(it.world, connection)
  await it.world.run(2_000)
  const relay = it.world.relays.get('a.example')!
  relay.vanish()
  pinging.reset()
  const before = pinging.received
  // some probes, a ping that goes unanswered for half a second, 2 s of patience with the home relay, another home
  await it.world.until(() => pinging.received > before + 1_000, 8_000, 'traffic over the other relay')
  expect(connection.paths().find(({ selected }) => selected)?.remote).toBe('http://b.example/')
  pinging.stop()
  await end(it)
})

test('a relay that vanishes without a word is noticed by its silence, and left', async () => {
  const it = await pair('vanishes', undefined, { relayMs: { a: 5, b: 30 } }, ['a', 'b'])
  it.world.relays.get('a.example')!.vanish()
  await it.world.until(() => it.server.endpoint.homeRelay?.url.href === 'http://b.example/', 40_000, 'another home')
  await it.world.value(it.server.endpoint.online(), 5_000, 'online')
  const connection = await dial(it, relayOnly)
  await echo(it.world, connection, 10_000)
  await end(it)
})

test('online: says why not, and goes on trying', async () => {
  const world = new RelayWorld('offline')
  const relay = world.relay('a')
  relay.kill()
  const node = await world.node('node', { relays: [relay.url] })
  const outcome = await world.value(node.endpoint.online({ timeoutMs: 3_000 }), 10_000).catch((error: unknown) => error)
  expect(outcome).toMatchObject({ code: 'OFFLINE', message: expect.stringContaining('http://a.example/') })
  relay.restart()
  await world.value(node.endpoint.online({ timeoutMs: 60_000 }), 60_000, 'going online')
  expect(node.endpoint.addr().relayUrls.map(({ href }) => href)).toEqual(['http://a.example/'])
  await world.close()
})

test('a stranger is dialled through relays only as the policy says', async () => {
  const world = new RelayWorld('policy')
  const relay = world.relay('a')
  const asked: string[] = []
  const client = await world.node('client', {
    relayPolicy: (url) => {
      asked.push(url.href)
      return !url.href.includes('evil')
    },
  })
  const server = await world.node('server', { relays: [relay.url] })
  serveEcho(server)
  await world.value(server.endpoint.online(), 2_000)
  const names = Array.from({ length: 20 }, (_, index) => `https://evil${index}.example/`)
  let target = addrOf(server, relayOnly)
  for (const name of names) target = target.withRelay(RelayUrl.parse(name))
  const connection = await world.value(client.endpoint.connect(target, ALPN), 5_000)
  expect(asked.length).toBe(21)
  expect(client.web.opened.map(({ host }) => host)).toEqual(['a.example'])
  connection.close()
  const evil = addrOf(server, () => false).withRelay(RelayUrl.parse(names[0]!))
  const refused = await world.value(client.endpoint.connect(evil, ALPN), 5_000).catch((error: unknown) => error)
  expect(refused).toMatchObject({ code: 'NO_ADDRESS' })
  await world.close()
})

describe('relays and direct paths come and go', () => {
  test.each(seedsOf('relay'))('TOM_SIM_SEED=relay:%d', async (seed) => {
    const { world, client, server, ...rest } = await pair(`ways:${seed}`, 5, { relayMs: { a: 10, b: 30 } }, ['a', 'b'])
    const { random } = world
    const target = addrOf(server).withRelay('http://a.example/').withRelay('http://b.example/')
    const connection = await world.value(client.endpoint.connect(target, ALPN), 5_000, 'the dial')
    const pinging = new Pinging(world, connection)
    // until the handshake is confirmed there is one path only, as with iroh: a way that dies within that round trip takes the connection along
    await world.run(500)
    for (let step = 0; step < 40; step++) {
      const relay = world.relays.get(random.pick(['a.example', 'b.example']))!
      const dice = random.int(0, 5)
      if (dice === 0) relay.kill()
      else if (dice === 1) relay.vanish()
      else if (dice === 2) world.cutDirect(random.chance(0.6))
      else relay.restart()
      await world.run(random.int(10, 4_000))
      // somebody is always there again before the connection's idle timeout of 30 s is over
      if (step % 4 === 3) {
        for (const one of world.relays.values()) one.restart()
        await world.run(8_000)
      }
    }
    for (const one of world.relays.values()) one.restart()
    world.cutDirect(false)
    await world.until(() => kinds(connection).selected === 'direct', 130_000, 'direct at last')
    pinging.stop()
    await world.run(3_000)
    expect([pinging.error, connection.closeReason]).toEqual([undefined, undefined])
    expect(pinging.received).toBe(pinging.sent)
    await end({ world, client, server, ...rest })
  })
})

test('a relay that answers probes and lets nobody in is left for another', async () => {
  const world = new RelayWorld('denied')
  const near = world.relay('a', {}, { allow: () => ({ allowed: false, reason: 'members only' }) })
  const far = world.relay('b')
  const node = await world.node('node', { relayMs: { a: 5, b: 50 }, relays: [near.url, far.url] })
  await world.value(node.endpoint.online(), 10_000, 'going online')
  expect(node.endpoint.homeRelay).toMatchObject({ isConnected: true })
  expect(node.endpoint.homeRelay?.url.href).toBe(far.url)
  await world.run(200_000)
  expect(node.endpoint.homeRelay?.url.href).toBe(far.url)
  await world.close()
})

test('setRelays: none and then the same again finds the home again', async () => {
  const world = new RelayWorld('none and again')
  const relay = world.relay('a')
  const node = await world.node('node', { relays: [relay.url] })
  await world.value(node.endpoint.online(), 2_000)
  node.endpoint.setRelays([])
  await world.run(200)
  expect(node.endpoint.homeRelay).toBeUndefined()
  node.endpoint.setRelays([relay.url])
  await world.value(node.endpoint.online(), 5_000, 'online again')
  await world.close()
})
