/** Our relay server under the client of iroh-relay's crate and under real nodes. */
import { describe, expect, test } from 'vitest'
import type { CryptoProvider } from '../../src/crypto/index.ts'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { EndpointId } from '../../src/identity/index.ts'
import { AllowList, type RelayServer, SharedToken } from '../../src/relay/server/index.ts'
import { patternHash } from '../../test/interop/pattern.ts'
import { OldClientProxy } from './old-client-proxy.ts'
import { type RelayLab, until } from './setup.ts'

const SECRET = '07'.repeat(32)
const LONGEST = 65_502

interface Way {
  readonly name: string
  readonly isSecure: boolean
  readonly isOld: boolean
}

const WAYS: readonly Way[] = [
  { name: 'protocol v2', isSecure: false, isOld: false },
  { name: 'protocol v1', isSecure: false, isOld: true },
  { name: 'protocol v2 over TLS', isSecure: true, isOld: false },
]

/** The client of the crate, which is no endpoint. */
export function theirClientSuite(labNow: () => RelayLab): void {
  describe.each(WAYS.map((way) => [way.name, way] as const))('%s', (_, { isSecure, isOld }) => {
    const start = async (): Promise<{ server: RelayServer; url: string }> => {
      const server = await (isSecure ? labNow().ourSecure() : labNow().ours())
      const url = isOld ? (await OldClientProxy.start(server.httpAddress!.port)).url : server.url.href
      return { server, url }
    }

    test('relay.md §2, §3: the handshake, datagrams and batches with their ECN both ways, the longest datagram', async () => {
      const { server, url } = await start()
      const near = await labNow().peer({ url })
      const far = await labNow().peer({ url, echo: true })
      await near.send({ peer: far.id, size: 1200, count: 3, ecn: 2 })
      await near.send({ peer: far.id, size: 10_000, segment: 1200, ecn: 1 })
      await near.send({ peer: far.id, size: LONGEST })
      await near.waitFor('datagrams', ({ bytes }) => bytes === LONGEST)
      const frame = (bytes: number, segment: number | null, ecn: number, peer: string) => ({
        event: 'datagrams',
        peer,
        bytes,
        segment,
        ecn,
        fnv: patternHash(bytes),
      })
      const frames = (peer: string): object[] => [
        ...Array.from({ length: 3 }, () => frame(1200, null, 2, peer)),
        frame(10_000, 1200, 1, peer),
        frame(LONGEST, null, 0, peer),
      ]
      expect(far.events).toEqual(frames(near.id))
      expect(near.events).toEqual(frames(far.id))
      expect(server.counters).toMatchObject({ accepts: 2, send_packets_recv: 10, send_packets_sent: 10 })
    })

    test('relay.md §3.3, §3.5: pongs, and who has gone', async () => {
      const { url } = await start()
      const near = await labNow().peer({ url })
      const far = await labNow().peer({ url })
      await near.ping()
      expect(await near.waitFor('pong')).toEqual({ event: 'pong', ours: true })
      await far.send({ peer: near.id, size: 10 })
      await near.waitFor('datagrams')
      await far.stop()
      expect(await near.waitFor('gone')).toEqual({ event: 'gone', peer: far.id })
    })

    test('relay.md §3.4, §4.2: the same id twice: the first is told, and again when it is alone', async () => {
      const { url } = await start()
      const first = await labNow().peer({ url, secret: SECRET })
      const second = await labNow().peer({ url, secret: SECRET })
      if (isOld) expect((await first.waitFor('health')).problem).toMatch(/same endpoint id/)
      else expect((await first.waitFor('status')).status).toBe('same-endpoint-id-connected')
      const third = await labNow().peer({ url })
      await third.send({ peer: first.id, size: 100 })
      await second.waitFor('datagrams', ({ bytes }) => bytes === 100)
      await first.send({ peer: third.id, size: 50 })
      await third.waitFor('datagrams', ({ bytes }) => bytes === 50)
      await second.stop()
      if (isOld) await first.waitFor('health', ({ problem }) => /healthy/.test(problem))
      else await first.waitFor('status', ({ status }) => status === 'healthy')
      await third.send({ peer: first.id, size: 200 })
      await first.waitFor('datagrams')
      expect(first.events.filter(({ event }) => event === 'datagrams')).toMatchObject([{ bytes: 200 }])
    })
  })

  test.each([
    ['by header over TLS', true, 16],
    ['by challenge without TLS', false, 32],
  ] as const)('relay.md §2.3, §2.4: it proves its key %s', async (_, isSecure, signed) => {
    const inner = createNodeCrypto()
    const lengths: number[] = []
    const crypto: CryptoProvider = new Proxy(inner, {
      get: (target, name) =>
        name === 'verify'
          ? (key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean => {
              lengths.push(message.length)
              return inner.verify(key, message, signature)
            }
          : Reflect.get(target, name),
    })
    const server = await (isSecure ? labNow().ourSecure({ crypto, quic: false }) : labNow().ours({ crypto }))
    await labNow().peer({ url: server.url.href })
    // what is signed: half of the exported keying material, or the hash of the challenge
    expect(lengths).toEqual([signed])
  })

  test('relay.md §2.5: a token; without it the reason of the denial', async () => {
    const server = await labNow().ours({ access: new SharedToken(['open sesame']) })
    const url = server.url.href
    await labNow().peer({ url, token: 'open sesame' })
    await labNow().peer({ url: `${url}?token=open+sesame` })
    await expect(labNow().peer({ url, token: 'shut sesame' })).rejects.toThrow(/not authorized/)
    await expect(labNow().peer({ url })).rejects.toThrow(/not authorized/)
  })

  test('relay.md §4.4: a list of ids', async () => {
    // the public key of SECRET
    const id = 'ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c'
    const server = await labNow().ours({ access: new AllowList([EndpointId.parse(id)]) })
    expect((await labNow().peer({ url: server.url.href, secret: SECRET })).id).toBe(id)
    await expect(labNow().peer({ url: server.url.href })).rejects.toThrow(/not authorized/)
  })

  test('relay.md §4.3: a rate limit: the client is told and nothing is lost', async () => {
    const server = await labNow().ours({ limits: { rateLimit: { bytesPerSecond: 400_000 } } })
    const near = await labNow().peer({ url: server.url.href })
    const far = await labNow().peer({ url: server.url.href })
    await near.send({ peer: far.id, size: 1200, count: 100 })
    await until('100 datagrams', () => far.events.length === 100)
    expect((await near.waitFor('status')).status).toBe('rate-limited')
  })

  test('relay.md §3.4: told to come back when the server goes', async () => {
    const server = await labNow().ours()
    const peer = await labNow().peer({ url: server.url.href })
    await server.close({ reconnectInMs: 20, tryForMs: 5000 })
    await peer.waitFor('closed')
    expect(peer.events).toMatchObject([{ event: 'restarting', reconnectInMs: 20, tryForMs: 5000 }, { event: 'closed' }])
  })
}

/** Real nodes that have our server as their relay. */
export function theirNodeSuite(labNow: () => RelayLab): void {
  describe.each([
    ['over plain HTTP', false],
    ['over TLS', true],
  ] as const)('%s', (_, isSecure) => {
    const start = async (): Promise<{ server: RelayServer; relay: RelayOf }> => {
      const server = await (isSecure ? labNow().ourSecure() : labNow().ours())
      return { server, relay: { relays: [server.url.href], relayQuicPorts: [server.quicAddress?.port ?? null] } }
    }
    interface RelayOf {
      readonly relays: readonly string[]
      readonly relayQuicPorts: readonly (number | null)[]
    }

    test('relay.md §9.1: it is their home relay; one dials the other through it, 1 MiB and datagrams', async () => {
      const { server, relay } = await start()
      const [near, far] = await Promise.all([
        labNow().node({ ...relay, ip: false }),
        labNow().node({ ...relay, ip: false }),
      ])
      const { addrs } = await far.waitFor('online')
      await near.waitFor('online')
      expect(addrs).toEqual([server.url.href])
      expect(server.clientCount).toBe(2)
      const target = { id: far.id, addrs }
      const echoed = await near.dial({ ...target, action: 'echo', size: 1 << 20 })
      expect(echoed).toMatchObject({ verified: true, bytes: 1 << 20 })
      expect(echoed.paths.map(({ kind }) => kind)).toEqual(['relay'])
      const datagrams = await near.dial({ ...target, action: 'datagram', size: 1000, count: 20 })
      expect(datagrams.received).toBeGreaterThan(0)
      // what did not go through the relay went nowhere
      expect(server.counters.bytes_sent).toBeGreaterThan(2 << 20)
    })
  })

  test('relay.md §3.4: they come back when our server was restarted', async () => {
    const first = await labNow().ours()
    const { port } = first.httpAddress!
    const node = await labNow().node({ relays: [first.url.href], relayQuicPorts: [null], ip: false })
    await node.waitFor('online')
    await first.close()
    const second = await labNow().ours({ httpBind: `127.0.0.1:${port}` })
    await until('back', () => second.clientCount === 1)
    const other = await labNow().node({ relays: [second.url.href], relayQuicPorts: [null], ip: false })
    const echoed = await other.dial({ id: node.id, addrs: [second.url.href], action: 'echo', size: 10_000 })
    expect(echoed.verified).toBe(true)
  })

  test('relay.md §4.2: two nodes with one key: the newer one is reached, then the older one again', async () => {
    const server = await labNow().ours()
    const url = server.url.href
    const relay = { relays: [url], relayQuicPorts: [null], ip: false }
    const older = await labNow().node({ ...relay, secret: SECRET })
    await older.waitFor('online')
    const newer = await labNow().node({ ...relay, secret: SECRET })
    await newer.waitFor('online')
    const dial = async (): Promise<string> => {
      const peer = await labNow().node(relay)
      await peer.dial({ id: older.id, addrs: [url], action: 'echo' })
      return peer.id
    }
    const first = await dial()
    await newer.waitFor('connection', ({ remote }) => remote === first)
    await newer.stop()
    const second = await dial()
    await older.waitFor('connection', ({ remote }) => remote === second)
    expect(older.events.filter(({ event }) => event === 'connection').length).toBe(1)
  })

  test('relay.md §2.5: a node with a token, and one that hears why it is denied', async () => {
    const server = await labNow().ours({ access: new SharedToken(['open sesame']) })
    const relay = { relays: [server.url.href], relayQuicPorts: [null] }
    const guest = await labNow().node({ ...relay, relayToken: 'open sesame' })
    await guest.waitFor('online')
    const stranger = await labNow().node(relay)
    expect((await stranger.waitFor('relay', ({ denied }) => denied !== null)).denied).toBe('not authorized')
  })
}
