import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { Driver } from '../../../src/driver/index.ts'
import { NodePlatform } from '../../../src/platform/node/index.ts'
import type { ServerCertificate } from '../../../src/quic/index.ts'
import { checkPair } from '../../../src/relay/server/certificate.ts'
import { createRelayCounters } from '../../../src/relay/server/hub/index.ts'
import { type QadOptions, QadServer } from '../../../src/relay/server/qad.ts'
import { type Pem, Pki } from './pki.ts'
import { QadClient } from './qad-client.ts'

const CRYPTO = createNodeCrypto()
const PKI = new Pki()
const FROM = { cert: 'cert', key: 'key' }

function der(pem: Pem): ServerCertificate {
  return checkPair(pem, FROM).der
}

async function open(host = '127.0.0.1', change: Partial<QadOptions> = {}) {
  const counters = createRelayCounters()
  const faults: unknown[] = []
  const server = await QadServer.open(
    {
      platform: new NodePlatform(),
      crypto: CRYPTO,
      certificate: der(PKI.issue()),
      maxConnections: 10,
      counters,
      onFault: (error) => faults.push(error),
      ...change,
    },
    { host, port: 0 },
    'quic',
  )
  onTestFinished(async () => {
    await server.close()
    expect(faults).toEqual([])
  })
  return { server, counters, port: server.addresses[0]!.port }
}

const dial = (port: number, options = {}) => QadClient.dial('127.0.0.1', port, PKI.roots, options)

describe('spec/relay.md §6.1: QUIC address discovery', () => {
  test('a client learns its address, and says that it is finished', async () => {
    const { server, port, counters } = await open()
    const client = await dial(port)
    expect(await client.observed()).toBe(client.own)
    expect(client.own).toMatch(/^127\.0\.0\.1:\d+$/)
    expect(server.connectionCount).toBe(1)
    client.close(1, 'finished')
    await expect.poll(() => counters.qad_connections_closed).toBe(1)
    expect(counters).toMatchObject({ qad_incoming: 1, qad_incoming_error: 0, qad_connections: 1 })
    expect(server.connectionCount).toBe(0)
  })

  test('both families on one port, each with its own address', async () => {
    const { server, port } = await open('::')
    expect(server.addresses).toEqual([
      { host: '0.0.0.0', port },
      { host: '::', port },
    ])
    const clients = await Promise.all(['127.0.0.1', '::1'].map((host) => QadClient.dial(host, port, PKI.roots)))
    expect(await Promise.all(clients.map((client) => client.observed()))).toEqual(clients.map(({ own }) => own))
    expect(clients[1]!.own).toMatch(/^\[::1\]:\d+$/)
    expect((await clients[0]!.event('observed-address')).address.ip.length).toBe(4)
  })

  test('nobody may open a stream, send a datagram or open a path', async () => {
    const { port } = await open()
    const client = await dial(port, { settings: { maxPathId: 7 } })
    await client.event('confirmed')
    const { connection } = client
    expect([connection.streams.open(true), connection.streams.open(false)]).toEqual([-1, -1])
    expect(connection.datagrams.maxSize(1000)).toBe(0)
    expect(connection.isMultipath).toBe(false)
  })

  test('another ALPN, another name, other roots: refused', async () => {
    const { port, counters } = await open()
    expect(await (await dial(port, { alpn: 'h3' })).closed()).toMatchObject({ kind: 'peer-transport', code: 0x178 })
    expect(await (await dial(port, { serverName: 'other.test' })).closed()).toMatchObject({ kind: 'local-transport' })
    const stranger = await QadClient.dial('127.0.0.1', port, new Pki('Other Root').roots)
    expect(await stranger.closed()).toMatchObject({ kind: 'local-transport' })
    await expect.poll(() => counters.qad_incoming_error).toBe(3)
    expect(counters).toMatchObject({ qad_connections: 0, qad_connections_closed: 0, qad_connections_errored: 0 })
  })

  test('a client that does not want to be told is let in, and hears nothing', async () => {
    const { port, counters } = await open()
    const client = await dial(port, { settings: { observedAddressRole: undefined } })
    await client.event('confirmed')
    expect(counters.qad_connections).toBe(1)
    expect(client.events.map(({ type }) => type)).not.toContain('observed-address')
  })

  test('no more connections than allowed; from half of it on, only with a proven address', async () => {
    const accept = vi.spyOn(Driver.prototype, 'accept')
    onTestFinished(() => accept.mockRestore())
    const { server, port, counters } = await open('127.0.0.1', { maxConnections: 2 })
    for (let index = 0; index < 2; index++) await (await dial(port)).observed()
    expect(counters).toMatchObject({ qad_incoming: 2, qad_connections: 2, qad_incoming_error: 0 })
    const accepted = accept.mock.calls.map(([incoming]) => incoming)
    expect(accepted.map(({ validated }) => validated)).toEqual([false, true])
    const third = await dial(port)
    expect(await third.closed()).toMatchObject({ kind: 'peer-transport', code: 0x02 })
    expect([server.connectionCount, counters.qad_incoming_error]).toEqual([2, 1])
  })

  test('another certificate from now on; those who are there stay', async () => {
    const { server, port } = await open()
    const before = await dial(port)
    await before.observed()
    server.setCertificate(der(PKI.issue('renamed.test')))
    const after = await dial(port, { serverName: 'renamed.test' })
    expect(await after.observed()).toBe(after.own)
    expect(await (await dial(port)).closed()).toMatchObject({ kind: 'local-transport' })
    before.close(1, 'finished')
    // And a key that belongs to another certificate changes nothing.
    const [left, right] = [der(PKI.issue()), der(PKI.issue())]
    expect(() => server.setCertificate({ chain: left.chain, privateKey: right.privateKey })).toThrow(RangeError)
    const again = await dial(port, { serverName: 'renamed.test' })
    expect(await again.observed()).toBe(again.own)
  })

  test('spec/relay.md §4.7: at the end clients hear code 1 finished', async () => {
    const { server, port, counters } = await open()
    const client = await dial(port)
    await client.observed()
    await server.close()
    expect(await client.closed()).toEqual({ kind: 'peer-application', code: 1, reason: 'finished' })
    expect(counters).toMatchObject({ qad_connections_closed: 1, qad_connections_errored: 0 })
  })

  test('a host without IPv6 is served over IPv4', async () => {
    const platform = new NodePlatform()
    const bindUdp = platform.bindUdp.bind(platform)
    platform.bindUdp = (options) =>
      options.host === '::'
        ? Promise.reject(Object.assign(new Error('none'), { code: 'EAFNOSUPPORT' }))
        : bindUdp(options)
    const { server, port } = await open('::', { platform })
    expect(server.addresses).toEqual([{ host: '0.0.0.0', port }])
    expect(await (await dial(port)).observed()).toMatch(/^127\.0\.0\.1:/)
  })

  test('a free port that the other family does not have: the next one', async () => {
    const platform = new NodePlatform()
    const bindUdp = platform.bindUdp.bind(platform)
    let refusals = 3
    platform.bindUdp = (options) =>
      options.host === '::' && refusals-- > 0
        ? Promise.reject(Object.assign(new Error('taken'), { code: 'EADDRINUSE' }))
        : bindUdp(options)
    const { server, port } = await open('::', { platform })
    expect(server.addresses.map((address) => address.port)).toEqual([port, port])
    refusals = 100
    await expect(open('::', { platform })).rejects.toMatchObject({ code: 'BIND_FAILED' })
  })

  test('RelayServerError BIND_FAILED: the port is in use', async () => {
    const { port } = await open()
    const again = QadServer.open(
      {
        platform: new NodePlatform(),
        crypto: CRYPTO,
        certificate: der(PKI.issue()),
        maxConnections: 1,
        counters: createRelayCounters(),
        onFault: () => {},
      },
      { host: '127.0.0.1', port },
      'quic',
    )
    await expect(again).rejects.toMatchObject({
      code: 'BIND_FAILED',
      message: `quic: cannot listen on 127.0.0.1:${port}: another program has this port; stop it or choose another port`,
    })
  })
})
