/** NAT traversal frame by frame, with noq as either end: what each side was told, and who answers whom. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { parseSocketAddress } from '../../src/bytes/index.ts'
import { ofType } from '../../test/interop/frame-log.ts'
import { type LowConnection, LowNode } from '../../test/interop/low-node.ts'
import { echo, portOf, v4 } from '../../test/interop/our-node.ts'
import { pathEvent } from '../../test/interop/peer-opens-paths.ts'
import { connectionFrom } from '../../test/interop/reference-peer.ts'
import { UdpRelay } from '../../test/interop/udp-relay.ts'
import { type NativePeer, startListener } from '../peer.ts'
import type { NativeConnection } from '../peer-connection.ts'

interface Pair {
  readonly low: LowConnection
  readonly theirs: NativeConnection
}

export function noqSuite(binary: string): void {
  let peer: NativePeer
  beforeAll(async () => {
    peer = await startListener({ binary, noq: true, natAddresses: 32 })
  })
  afterAll(() => peer.stop())

  const texts = (addresses: readonly { ip: Uint8Array; port: number }[]): string[] =>
    addresses.map(({ ip, port }) => `${ip.join('.')}:${port}`)
  const forwarder = async (target: string): Promise<UdpRelay> => {
    const relay = await UdpRelay.open(target)
    onTestFinished(() => relay.close())
    return relay
  }

  describe('we dial', () => {
    const dial = async (): Promise<Pair> => {
      const node = await LowNode.open({}, 2)
      const low = await node.connect(peer, 'tom/echo/1')
      await low.waitFor('confirmed')
      expect(low.quic.canTraverse).toBe(true)
      return { low, theirs: peer.connection((await connectionFrom(peer, node.id)).connection) }
    }

    test('quic.md §5.8: we hear of its addresses, and that they are gone', async () => {
      const { low, theirs } = await dial()
      for (const address of ['192.0.2.1:1000', '192.0.2.2:2000']) await theirs.addAddress(address)
      await expect.poll(() => texts(low.quic.remoteCandidates())).toEqual(['192.0.2.1:1000', '192.0.2.2:2000'])
      await theirs.removeAddress('192.0.2.1:1000')
      await expect.poll(() => texts(low.quic.remoteCandidates())).toEqual(['192.0.2.2:2000'])
      expect(ofType(low.frames.received, 'remove_address')[0]!.sequence_number).toBe(0)
      expect(low.events.some(({ type }) => type === 'remote-candidates')).toBe(true)
    })

    test('quic.md §5.8: it hears of our addresses, round by round, and answers our probes from where we ask', async () => {
      const { low, theirs } = await dial()
      const { node } = low
      const relay = await forwarder(v4(peer.addrs))
      const route = node.driver.route('127.0.0.1', portOf(relay.address))!
      const local = node.addrs.map(parseSocketAddress)
      low.act((quic, now) => {
        quic.startRound(local, now)
        expect(quic.probe(route, now)).toBe(true)
      })
      await low.waitFor('probe-answered', (event) => event.route === route)
      await expect.poll(async () => (await theirs.paths()).received!.reachOut).toBe(local.length)
      // it probes both of our sockets; the first is where we talk anyway
      const challenges = (): number => ofType(low.frames.received, 'path_challenge').length
      await expect.poll(challenges).toBeGreaterThanOrEqual(1)
      low.act((quic, now) => quic.startRound(local, now))
      await expect.poll(async () => (await theirs.paths()).received!.reachOut).toBe(2 * local.length)
      expect(ofType(low.frames.sent, 'reach_out').map(({ round }) => round)).toEqual([1, 1, 2, 2])
      await echo(low.connection, 10_000)
    })
  })

  describe('it dials', () => {
    const dialled = async (): Promise<Pair> => {
      const node = await LowNode.open({}, 2)
      const theirs = await peer.connect({ id: node.id, addrs: [node.addrs[0]!], alpn: 'tom/echo/1' })
      const low = await node.nextAccepted()
      await low.waitFor('confirmed')
      return { low, theirs }
    }

    test('quic.md §5.8: it hears of our addresses, and that they are gone', async () => {
      const { low, theirs } = await dialled()
      // in no order
      const told = async () => [...(await theirs.paths()).peerAddresses!].sort()
      const announce = (...addresses: string[]): void =>
        low.act((quic) => quic.setLocalCandidates(addresses.map(parseSocketAddress)))
      announce('192.0.2.1:1000', '192.0.2.2:2000')
      await expect.poll(told).toEqual(['192.0.2.1:1000', '192.0.2.2:2000'])
      announce('192.0.2.2:2000', '192.0.2.3:3000')
      await expect.poll(told).toEqual(['192.0.2.2:2000', '192.0.2.3:3000'])
      announce()
      await expect.poll(told).toEqual([])
      const { received } = await theirs.paths()
      expect(received).toMatchObject({ addAddress: 3, removeAddress: 3 })
    })

    test('quic.md §5.8: it starts a round: we hear where it is, answer its probes, and it opens a path to our second socket', async () => {
      const { low, theirs } = await dialled()
      const { node } = low
      const second = node.addrs[1]!
      low.act((quic) => quic.setLocalCandidates([parseSocketAddress(second)]))
      await expect.poll(async () => (await theirs.paths()).peerAddresses).toEqual([second])
      await theirs.addAddress(v4(peer.addrs))
      expect(await theirs.startRound()).toEqual([second])
      await low.waitFor('reach-out')
      expect(texts(low.quic.reachOuts())).toEqual([v4(peer.addrs)])
      await pathEvent(peer, theirs, ({ change, path }) => change === 'opened' && path === 1)
      expect(await low.waitFor('path-validated', ({ path }) => path === 1)).toBeDefined()
      // off path: the data stays where it was until a path is there
      expect(low.events.some(({ type }) => type === 'path-migrated')).toBe(false)
      expect(await theirs.run({ action: 'echo', size: 10_000 })).toMatchObject({ verified: true })
    })

    test('quic.md §5.8: a probe that nobody answers is sent nine times at most', async () => {
      const { low, theirs } = await dialled()
      const relay = await forwarder(v4(peer.addrs))
      relay.dropToServer = true
      await theirs.addAddress(relay.address)
      await theirs.startRound().catch(() => [])
      await low.waitFor('reach-out')
      const route = low.node.driver.route('127.0.0.1', portOf(relay.address))!
      const before = ofType(low.frames.sent, 'path_challenge').length
      expect(low.act((quic, now) => quic.probe(route, now))).toBe(true)
      // the last is due after 4.1 s; a busy machine may skip one
      await new Promise((resolve) => setTimeout(resolve, 7000))
      const probes = ofType(low.frames.sent, 'path_challenge').length - before
      expect(probes).toBeLessThanOrEqual(9)
      expect(probes).toBeGreaterThanOrEqual(6)
      expect(await theirs.run({ action: 'echo', size: 10_000 })).toMatchObject({ verified: true })
    })
  })
}
