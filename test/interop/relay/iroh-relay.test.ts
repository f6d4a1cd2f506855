/**
 * Nodes of the npm package `@number0/iroh` at our relay server, with each other and with ours: they go online there, meet there in both roles, and
 * are let in, denied and replaced as the protocol says. On loopback they go direct in milliseconds, so what is asserted is that the relay forwarded.
 */
import { describe, expect, onTestFinished, test } from 'vitest'
import type { NativeOptions } from '../../../conformance/peer.ts'
import { EndpointAddr, EndpointId, SecretKey } from '../../../src/index.ts'
import { type RelayServer, type RelayServerOptions, SharedToken } from '../../../src/relay/server/index.ts'
import { RawConnection, upgradeLines } from '../../relay/server/raw-http.ts'
import { type Running, start } from '../../relay/server/running.ts'
import { openEndpoint, openServer } from '../our-node.ts'
import { connectionFrom, type ReferencePeer, startIrohPeer } from '../reference-peer.ts'

/** For what must not happen: a node that is let in is online within a fraction of it, ms. */
const LONG_ENOUGH_MS = 500
const LIMIT_MS = 20_000

async function node(server: RelayServer, options: Partial<NativeOptions> = {}): Promise<ReferencePeer> {
  const peer = await startIrohPeer({ relays: [server.url.href], ...options })
  onTestFinished(() => peer.stop())
  return peer
}

async function relay(options: RelayServerOptions = {}): Promise<Running> {
  const running = await start(options)
  onTestFinished(() => expect(running.log.filter(({ level }) => level === 'error')).toEqual([]))
  return running
}

const online = (peer: ReferencePeer) => peer.waitFor('online')
const isOnline = (peer: ReferencePeer): boolean => peer.events.some(({ event }) => event === 'online')

describe('spec/relay.md §9.1: our server as the home relay of @number0/iroh', () => {
  test(
    'two nodes go online, and dial each other by the relay alone, in both roles; ours and theirs as well',
    async () => {
      const { server, port } = await relay()
      const { href: url } = server.url
      const [left, right] = await Promise.all([node(server), node(server)])
      for (const event of await Promise.all([left, right].map(online))) expect(event.addrs).toContain(url)
      await expect.poll(() => server.counters.got_ping).toBeGreaterThanOrEqual(2)
      expect(server.counters).toMatchObject({ accepts: 2, disconnects: 0, tom_endpoints: 2, send_packets_sent: 0 })
      // They took our answers: at most 25 header lines, spec/relay.md §1.3.
      const raw = await RawConnection.open(port)
      raw.send(...upgradeLines())
      expect((await raw.head()).length - 1).toBeLessThanOrEqual(25)
      raw.socket.destroy()

      const forwarded = async (act: () => Promise<unknown>): Promise<number> => {
        const before = server.counters.send_packets_sent
        await act()
        return server.counters.send_packets_sent - before
      }
      for (const [from, to] of [
        [left, right],
        [right, left],
      ] as const) {
        const dial = { id: to.id, addrs: [url], action: 'echo', size: 100_000 } as const
        const frames = await forwarded(async () =>
          expect(await from.dial(dial)).toMatchObject({ bytes: 100_000, verified: true }),
        )
        // At least a datagram each way: the rest may have gone direct already.
        expect(frames).toBeGreaterThanOrEqual(2)
        await connectionFrom(to, from.id)
      }

      const { endpoint: ours } = await openServer({ relays: [{ url, quicPort: null }] })
      await ours.online()
      const toUs = { id: ours.id.toString(), addrs: [url], action: 'echo', size: 10_000 } as const
      const dialled = await forwarded(async () =>
        expect(await left.dial(toUs)).toMatchObject({ bytes: 10_000, verified: true }),
      )
      expect(dialled).toBeGreaterThanOrEqual(2)
      const client = await openEndpoint({ relays: [{ url, quicPort: null }] })
      await client.online()
      const dialling = await forwarded(async () => {
        const target = new EndpointAddr(EndpointId.parse(right.id)).withAddrs([{ kind: 'relay', url: server.url }])
        const connection = await client.connect(target, 'tom/echo/1')
        const { send, recv } = await connection.openBi()
        await send.write(new TextEncoder().encode('over there'))
        await send.finish()
        expect(new TextDecoder().decode(await recv.readToEnd(100))).toBe('over there')
      })
      expect(dialling).toBeGreaterThanOrEqual(2)
      expect(server.counters).toMatchObject({ accepts: 4, tom_denied: 0, send_packets_dropped: 0 })

      await right.stop()
      await expect.poll(() => server.counters.disconnects).toBe(1)
      expect(server.clientCount).toBe(3)
    },
    LIMIT_MS,
  )

  test(
    'spec/relay.md §2.5: the right token, a wrong one, none',
    async () => {
      const { server, log } = await relay({ access: new SharedToken(['secret']) })
      const [right, wrong, none] = await Promise.all([
        node(server, { relayToken: 'secret' }),
        node(server, { relayToken: 'Secret' }),
        node(server),
      ])
      await online(right)
      // The others are told why, and try again and again.
      const denials = (peer: ReferencePeer) =>
        log.filter(({ event, endpoint }) => event === 'denied' && endpoint === peer.id)
      await expect
        .poll(() => Math.min(denials(wrong).length, denials(none).length), { timeout: 10_000 })
        .toBeGreaterThan(2)
      await new Promise((resolve) => setTimeout(resolve, LONG_ENOUGH_MS))
      expect([right, wrong, none].map(isOnline)).toEqual([true, false, false])
      expect(denials(none)[0]!.message).toContain('not authorized')
      expect(server.counters).toMatchObject({ accepts: 1, tom_signature_errors: 0 })
      expect(server.counters.tom_denied).toBeGreaterThanOrEqual(6)
    },
    LIMIT_MS,
  )

  test(
    'spec/relay.md §4.2: a second node with the same secret key takes over, and the first comes back',
    async () => {
      const { server, log } = await relay()
      const secret = SecretKey.generate().toHex()
      const first = await node(server, { secret })
      await online(first)
      const second = await node(server, { secret })
      await online(second)
      expect(second.id).toBe(first.id)
      const events = () => log.map(({ event }) => event).filter((event) => event.endsWith('activated'))
      await expect.poll(events).toEqual(['deactivated'])
      expect(server.counters).toMatchObject({ accepts: 2, clients_inactive_added: 1, clients_inactive_removed: 0 })
      expect([server.clientCount, server.connectionCount]).toEqual([1, 2])

      // What is for the id reaches the second one, and once that is gone the first again.
      const { endpoint: client } = await openServer({ relays: [{ url: server.url, quicPort: null }] })
      await client.online()
      const target = new EndpointAddr(EndpointId.parse(first.id)).withAddrs([{ kind: 'relay', url: server.url }])
      const before = await client.connect(target, 'tom/echo/1')
      await connectionFrom(second, client.id.toString())
      before.close()
      await second.stop()
      await expect.poll(events).toEqual(['deactivated', 'reactivated'])
      const after = await client.connect(target, 'tom/echo/1')
      await connectionFrom(first, client.id.toString())
      after.close()
      expect(server.counters).toMatchObject({ clients_inactive_removed: 1, tom_protocol_errors_frame_type: 0 })
    },
    LIMIT_MS,
  )
})
