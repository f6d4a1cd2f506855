/** Endpoint to endpoint through a relay, ours and theirs in both roles, through either server. */
import { describe, expect, test } from 'vitest'
import { type Connection, type Endpoint, EndpointAddr, EndpointId } from '../../src/index.ts'
import { addrOf, echo, openEndpoint, openServer } from '../../test/interop/our-node.ts'
import { connectionFrom } from '../../test/interop/reference-peer.ts'
import type { NativeOptions, NativePeer } from '../peer.ts'
import { type RelayLab, until } from './setup.ts'

interface Through {
  readonly url: string
  readonly quicPort: number | null
}

const KIB = 1024

/** `start`: the relay in the middle. */
export function endpointSuite(labNow: () => RelayLab, start: () => Promise<Through>): void {
  const ourOptions = ({ url, quicPort }: Through) => ({ relays: [{ url, quicPort }], caCertificates: [labNow().ca] })
  const node = async ({ url, quicPort }: Through, more: Partial<NativeOptions> = {}): Promise<NativePeer> => {
    const peer = await labNow().node({ relays: [url], relayQuicPorts: [quicPort], ...more })
    await peer.waitFor('online')
    return peer
  }
  const kinds = (connection: Connection): string[] => connection.paths().map(({ kind }) => kind)
  const byRelay = (id: string, { url }: Through): EndpointAddr => new EndpointAddr(EndpointId.parse(id)).withRelay(url)

  test('relay.md §5.1: we dial it by relay URL alone; streams and datagrams', async () => {
    const relay = await start()
    const peer = await node(relay, { ip: false })
    const endpoint = await openEndpoint(ourOptions(relay))
    const connection = await endpoint.connect(byRelay(peer.id, relay), 'tom/echo/1')
    await echo(connection, 256 * KIB)
    connection.sendDatagram(new Uint8Array(1000).fill(7))
    expect((await connection.readDatagram()).length).toBe(1000)
    expect(kinds(connection)).toEqual(['relay'])
    const seen = await connectionFrom(peer, String(endpoint.id))
    expect(seen.paths.map(({ kind }) => kind)).toEqual(['relay'])
    connection.close(0, '')
  })

  test('relay.md §5.1: we dial by a relay that we were not told of', async () => {
    const relay = await start()
    const peer = await node(relay, { ip: false })
    const endpoint = await openEndpoint({ caCertificates: [labNow().ca] })
    const connection = await endpoint.connect(byRelay(peer.id, relay), 'tom/echo/1')
    await echo(connection, 10 * KIB)
    expect(kinds(connection)).toEqual(['relay'])
  })

  test('relay.md §5.1: it dials us by relay URL alone', async () => {
    const relay = await start()
    const peer = await node(relay, { ip: false })
    const { endpoint } = await openServer(ourOptions(relay))
    await endpoint.online()
    const result = await peer.dial({ id: String(endpoint.id), addrs: [relay.url], action: 'echo', size: 256 * KIB })
    expect(result.verified).toBe(true)
    expect(result.paths.map(({ kind }) => kind)).toEqual(['relay'])
    const datagrams = await peer.dial({
      id: String(endpoint.id),
      addrs: [relay.url],
      action: 'datagram',
      size: 1000,
      count: 10,
    })
    expect(datagrams.received).toBeGreaterThan(0)
  })

  test('relay.md §5.1: it dials us by our ticket, which names the relay', async () => {
    const relay = await start()
    const peer = await node(relay)
    const { endpoint } = await openServer(ourOptions(relay))
    await endpoint.online()
    const result = await peer.dial({ ticket: String(endpoint.ticket()), action: 'echo', size: 10 * KIB })
    expect(result.verified).toBe(true)
  })

  test('endpoint.md §2: relay and address at once: the connection becomes direct', async () => {
    const relay = await start()
    const peer = await node(relay)
    const endpoint = await openEndpoint(ourOptions(relay))
    const connection = await endpoint.connect(addrOf(peer).withRelay(relay.url), 'tom/echo/1')
    await echo(connection, 10 * KIB)
    await until('direct', () => connection.paths().some(({ kind, selected }) => kind === 'direct' && selected))
    await echo(connection, 10 * KIB)
  })

  test('endpoint.md §2: an address where nobody is, and the relay', async () => {
    const relay = await start()
    const peer = await node(relay, { ip: false })
    const endpoint = await openEndpoint(ourOptions(relay))
    const target = byRelay(peer.id, relay).withIp('127.0.0.1:9')
    const connection = await endpoint.connect(target, 'tom/echo/1')
    await echo(connection, 10 * KIB)
  })
}

/** Relays that die and come back, under a connection. */
export function dyingRelaySuite(labNow: () => RelayLab): void {
  const both = async (ip: boolean) => {
    const relay = await labNow().real()
    const peer = await labNow().node({ relays: [relay.url], relayQuicPorts: [null], ip })
    const endpoint = await openEndpoint({ relays: [{ url: relay.url, quicPort: null }] })
    await Promise.all([peer.waitFor('online'), endpoint.online()])
    return { relay, peer, endpoint, port: Number(relay.address.split(':')[1]) }
  }

  test('relay.md §5.3: the relay under a connection dies and comes back: the connection goes on', async () => {
    const { relay, peer, endpoint, port } = await both(false)
    const connection = await endpoint.connect(
      new EndpointAddr(EndpointId.parse(peer.id)).withRelay(relay.url),
      'tom/echo/1',
    )
    await echo(connection, 10 * KIB)
    await relay.stop(true)
    const asked = echo(connection, 10 * KIB)
    await labNow().real({ httpPort: port })
    await asked
    expect(connection.closeReason).toBeUndefined()
  })

  test('endpoint.md §2: the relay dies under a connection that is direct: nobody notices', async () => {
    const { relay, peer, endpoint } = await both(true)
    const connection = await endpoint.connect(addrOf(peer).withRelay(relay.url), 'tom/echo/1')
    await until('direct', () => connection.paths().some(({ kind, selected }) => kind === 'direct' && selected))
    await relay.stop(true)
    await echo(connection, 100 * KIB)
    expect(connection.closeReason).toBeUndefined()
  })
}

/** A relay of each kind: a peer that is at home at the one is reached from the other. */
export function twoRelaysSuite(labNow: () => RelayLab): void {
  describe('two relays', () => {
    test('relay.md §5.1: we are at home at our server, it at the real one; each dials the other', async () => {
      const real = await labNow().real()
      const ours = await labNow().ours()
      const peer = await labNow().node({ relays: [real.url], relayQuicPorts: [null], ip: false })
      await peer.waitFor('online')
      const { endpoint }: { endpoint: Endpoint } = await openServer({ relays: [{ url: ours.url, quicPort: null }] })
      await endpoint.online()
      const connection = await endpoint.connect(
        new EndpointAddr(EndpointId.parse(peer.id)).withRelay(real.url),
        'tom/echo/1',
      )
      await echo(connection, 10 * KIB)
      const result = await peer.dial({
        id: String(endpoint.id),
        addrs: [ours.url.href],
        action: 'echo',
        size: 10 * KIB,
      })
      expect(result.verified).toBe(true)
    })
  })
}
