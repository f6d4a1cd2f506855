import { describe, expect, test } from 'vitest'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { SecretKey } from '../../../src/identity/index.ts'
import type { Platform } from '../../../src/platform/index.ts'
import { RelayTransport } from '../../../src/relay/client/relay-transport.ts'
import type { RelayConfig } from '../../../src/relay/client/types.ts'
import type { RelayHubOptions } from '../../../src/relay/server/hub/index.ts'
import { MemoryRelay } from './memory-web.ts'
import { bytes, HOME, RunPlatform, relay } from './support.ts'

const crypto = createNodeCrypto()
const KEYS = [1, 2, 3].map((number) => SecretKey.fromBytes(new Uint8Array(32).fill(number)))
const [ID0, ID1] = KEYS.map((key) => key.id.toBytes()) as [Uint8Array, Uint8Array]

interface Client {
  readonly transport: RelayTransport
  readonly got: { peer: Uint8Array; data: Uint8Array }[]
  readonly gone: Uint8Array[]
  readonly states: string[]
  readonly notices: string[]
}

class RelayPlatform extends RunPlatform implements Platform {
  readonly web: MemoryRelay

  constructor(options: Partial<RelayHubOptions>) {
    super()
    this.web = new MemoryRelay(this, options)
  }
}

class World {
  readonly platform: RelayPlatform
  readonly relay: MemoryRelay
  readonly clients: Client[] = []

  constructor(options: Partial<RelayHubOptions> = {}) {
    this.platform = new RelayPlatform(options)
    this.relay = this.platform.web
  }

  client(secretKey: SecretKey, config: Partial<RelayConfig> = {}): Client {
    const client: Client = { transport: undefined as never, got: [], gone: [], states: [], notices: [] }
    const transport = new RelayTransport({
      platform: this.platform,
      crypto,
      secretKey,
      relays: [relay(HOME, config)],
      handler: {
        onDatagram: (_, peer, data) => client.got.push({ peer: peer.slice(), data: data.slice() }),
        onPeerGone: (_, peer) => client.gone.push(peer.slice()),
        onStatus: (_, status) =>
          client.states.push(status.state === 'disconnected' ? (status.error?.message ?? 'idle') : status.state),
        onBlockedChange: () => {},
        onNotice: (_, notice) => client.notices.push(notice),
      },
    })
    Object.assign(client, { transport })
    transport.setHome(HOME)
    this.clients.push(client)
    return client
  }

  async close(): Promise<void> {
    const closing = this.clients.map((client) => client.transport.close())
    const closed = this.relay.hub?.close({ reconnectInMs: 0, tryForMs: 0 })
    await this.platform.run(5_000)
    await Promise.all([...closing, closed])
    expect(this.platform.nextTimer).toBe(Number.POSITIVE_INFINITY)
  }
}

const pattern = (length: number, first: number) => Uint8Array.from({ length }, (_, index) => first + index * 7)

describe('the client at our own relay', () => {
  test('datagrams both ways, batches as one frame, the largest and the smallest', async () => {
    const world = new World()
    const [near, far] = [world.client(KEYS[0]!), world.client(KEYS[1]!)]
    await world.platform.run(10)
    expect([near.states, far.states]).toEqual([
      ['connecting', 'connected'],
      ['connecting', 'connected'],
    ])
    const sent = [
      pattern(65_502, 1),
      pattern(1, 2),
      ...[3, 4, 5, 6, 7].map((first) => pattern(1_200, first)),
      pattern(9, 8),
    ]
    for (const data of sent) near.transport.send(HOME, ID1, data)
    near.transport.flush()
    await world.platform.run(1)
    expect(far.got.map(({ data }) => data.length)).toEqual(sent.map(({ length }) => length))
    expect(
      far.got.every(({ peer, data }, index) => Buffer.from(data).equals(sent[index]!) && Buffer.from(peer).equals(ID0)),
    ).toBe(true)
    expect(world.relay.hub!.counters.send_packets_recv).toBe(3)
    far.transport.send(HOME, ID0, bytes('answer'))
    far.transport.flush()
    await world.platform.run(1)
    expect(near.got).toEqual([{ peer: ID1, data: bytes('answer') }])
    await world.close()
  })

  test('a peer that leaves is reported to whom it had sent something', async () => {
    const world = new World()
    const [near, far] = [world.client(KEYS[0]!), world.client(KEYS[1]!)]
    await world.platform.run(10)
    far.transport.send(HOME, ID0, bytes('hi'))
    far.transport.flush()
    await world.platform.run(10)
    await Promise.all([far.transport.close(), world.platform.run(10)])
    expect(near.gone).toEqual([ID1])
    await world.close()
  })

  test('both stay connected through silence, and both answer pings', async () => {
    const world = new World()
    const client = world.client(KEYS[0]!)
    await world.platform.run(10 * 60_000)
    expect(client.states).toEqual(['connecting', 'connected'])
    expect(world.relay.hub!.counters.got_ping).toBe(41)
    await world.close()
    const silent = new World({ limits: { pingIntervalMs: 1_000, pingJitterMinMs: 100, pingJitterMaxMs: 200 } })
    const pinged = silent.client(KEYS[0]!)
    await silent.platform.run(60_000)
    expect(pinged.states).toEqual(['connecting', 'connected'])
    expect(silent.relay.hub!.counters.tom_pings_sent).toBeGreaterThan(20)
    await silent.close()
  })

  test('a relay that restarts says when to come back; a relay that just goes is dialled until it is there', async () => {
    const world = new World()
    const [near, far] = [world.client(KEYS[0]!), world.client(KEYS[1]!)]
    await world.platform.run(10)
    const closed = world.relay.hub!.close({ reconnectInMs: 5_000, tryForMs: 60_000 })
    world.relay.hub = undefined
    await world.platform.run(4_900)
    await closed
    expect(near.states.slice(2)).toEqual([
      expect.stringMatching(/^relay https:\/\/home\.example\/: the connection ended \(1012/),
    ])
    expect(near.transport.isBlocked(HOME)).toBe(true)
    const { dials } = world.relay
    expect(dials).toBe(2)
    await world.platform.run(2_000)
    expect(world.relay.dials).toBeGreaterThan(8)
    world.relay.open()
    await world.platform.run(10_000)
    expect(near.transport.isBlocked(HOME)).toBe(false)
    near.transport.send(HOME, ID1, bytes('hi'))
    near.transport.flush()
    await world.platform.run(10)
    expect(far.got).toEqual([{ peer: ID0, data: bytes('hi') }])
    await world.close()
  })

  test('the same id twice: the older one is told, stays, can send, and becomes active again', async () => {
    const world = new World()
    const other = world.client(KEYS[1]!)
    const older = world.client(KEYS[0]!)
    await world.platform.run(10)
    const newer = world.client(KEYS[0]!)
    await world.platform.run(10)
    expect(older.notices).toEqual(['another endpoint connected with the same id: this one receives nothing any more'])
    expect(older.states.at(-1)).toBe('connected')
    older.transport.send(HOME, ID1, bytes('from the older one'))
    older.transport.flush()
    other.transport.send(HOME, ID0, bytes('to the newer one'))
    other.transport.flush()
    await world.platform.run(10)
    expect([other.got.length, older.got.length, newer.got.length]).toEqual([1, 0, 1])
    await Promise.all([newer.transport.close(), world.platform.run(10)])
    expect(older.notices[1]).toBe('this connection is healthy again')
    await world.close()
  })

  test('under v1 the same is told in words', async () => {
    const world = new World()
    world.relay.protocol = 'iroh-relay-v1'
    const older = world.client(KEYS[0]!)
    await world.platform.run(10)
    world.client(KEYS[0]!)
    await world.platform.run(10)
    expect(older.notices[0]).toMatch(/^Another endpoint connected with the same endpoint id/)
    await world.close()
  })

  test('a token opens, its absence is a denial with the reason of the relay', async () => {
    const world = new World({
      access: {
        allow: ({ token }) => (token === 's3cret' ? { allowed: true } : { allowed: false, reason: 'members only' }),
      },
    })
    const member = world.client(KEYS[0]!, { token: 's3cret' })
    const stranger = world.client(KEYS[1]!)
    await world.platform.run(1_000)
    expect(member.states).toEqual(['connecting', 'connected'])
    expect(stranger.states.slice(0, 3)).toEqual([
      'connecting',
      'relay https://home.example/: denied: members only',
      'connecting',
    ])
    stranger.transport.configure([relay(HOME, { token: 's3cret' })])
    await world.platform.run(10)
    expect(stranger.states.at(-1)).toBe('connected')
    await world.close()
  })

  test('spec/relay.md §2.4: with keying material of the session the header is enough, without a challenge', async () => {
    const world = new World()
    world.relay.exporter = (label, context, length) => crypto.hash('sha256', bytes(label, context)).slice(0, length)
    let challenges = 0
    const openWebSocket = world.relay.openWebSocket.bind(world.relay)
    world.relay.openWebSocket = async (options) => {
      const link = await openWebSocket(options)
      const send = link.send.bind(link)
      link.send = (message, start = 0, end = message.length) => {
        if (message[start] === 1) challenges++
        send(message, start, end)
      }
      return link
    }
    const client = world.client(KEYS[0]!)
    await world.platform.run(10)
    expect([client.states.at(-1), challenges]).toEqual(['connected', 0])
    world.relay.exporter = undefined
    const other = world.client(KEYS[1]!)
    await world.platform.run(10)
    expect([other.states.at(-1), challenges]).toEqual(['connected', 1])
    await world.close()
  })
})
