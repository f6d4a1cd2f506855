/** QUIC address discovery, both ways: the crate's client at our server, our net reports at the real server, real nodes at ours. */
import { describe, expect, onTestFinished, test } from 'vitest'
import { Endpoint } from '../../src/index.ts'
import { discoverAddress } from '../native-relay.ts'
import { hasIpv6 } from '../relay-server.ts'
import { type RelayLab, until } from './setup.ts'

export function theirDiscoverySuite(labNow: () => RelayLab): void {
  describe.each([
    ['IPv4', '127.0.0.1'],
    ['IPv6', '[::1]'],
  ])('%s', (_, ip) => {
    test.skipIf(ip === '[::1]' && !hasIpv6())(
      'relay.md §6.1: the address that our server sees is its own',
      async () => {
        const server = await labNow().ourSecure({ quic: { bind: `${ip}:0` } })
        const found = await discoverAddress({
          binary: labNow().native,
          server: `${ip}:${server.quicAddress!.port}`,
          serverName: 'localhost',
          ca: labNow().certificate.ca,
          bind: `${ip}:0`,
        })
        expect(found.observed).toBe(found.local)
        expect(found.rttMs).toBeGreaterThan(0)
        await until('closed in order', () => server.counters.qad_connections_closed === 1)
      },
    )
  })

  test('relay.md §4.7: our server goes with code 1, `finished`', async () => {
    const server = await labNow().ourSecure()
    const asked = discoverAddress({
      binary: labNow().native,
      server: `127.0.0.1:${server.quicAddress!.port}`,
      serverName: 'localhost',
      ca: labNow().certificate.ca,
      holdMs: 5000,
    })
    await until('it asks', () => server.counters.qad_connections === 1)
    await server.close()
    expect((await asked).closed).toEqual({ kind: 'peer-application', code: 1, reason: 'finished' })
  })
}

export function theirNodeDiscoverySuite(labNow: () => RelayLab): void {
  test('relay.md §5.7, §6.1: the net report of a node: its address and the latency, by QUIC, from our server', async () => {
    const server = await labNow().ourSecure()
    const url = server.url.href
    const node = await labNow().node({ relays: [url], relayQuicPorts: [server.quicAddress!.port] })
    const report = await node.waitFor('net-report', ({ globalV4 }) => globalV4 !== null)
    expect(report).toMatchObject({ globalV4: node.addrs[0], udpV4: true, preferredRelay: url })
    expect(report.latencies.map(({ probe }) => probe)).toContain('QadIpv4')
    // with an answer over QUIC the report need not wait for its 3 s
    expect(report.sinceBoundMs).toBeLessThan(3000)
  })
}

export function ourDiscoverySuite(labNow: () => RelayLab): void {
  test('relay.md §5.7, §6.1: our net report: our address and the latency, by QUIC, from the real server', async () => {
    const relay = await labNow().realSecure()
    const endpoint = await Endpoint.bind({
      bind: ['127.0.0.1:0'],
      relays: [{ url: relay.url, quicPort: relay.quicPort }],
      caCertificates: [labNow().ca],
    })
    onTestFinished(() => endpoint.close())
    await endpoint.online()
    await until('our address', () => endpoint.netReport?.globalV4 !== undefined)
    const { udpV4, globalV4, preferredRelay } = endpoint.netReport!
    expect([udpV4, globalV4?.port, preferredRelay]).toEqual([true, portOf(endpoint), relay.url])
    expect((await relay.counters()).get('qad_connections')).toBe(1)
    expect(endpoint.addr().toJSON().addrs).toContainEqual({ Relay: relay.url })
    await endpoint.close()
    // in order, not by a timeout
    await until('closed', async () => (await relay.counters()).get('qad_connections_closed') === 1)
  })
}

function portOf(endpoint: Endpoint): number {
  return Number(endpoint.boundAddresses()[0]!.split(':').at(-1))
}
