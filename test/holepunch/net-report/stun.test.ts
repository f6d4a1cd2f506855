/** Net reports with STUN servers, alone and beside relays, between real drivers over a virtual network. */
import { describe, expect, test } from 'vitest'
import { formatSocketAddress, parseSocketAddress } from '../../../src/bytes/index.ts'
import {
  type NatKind,
  type NetReport,
  NetReporter,
  type NetReporterOptions,
  natKind,
  StunProber,
} from '../../../src/holepunch/index.ts'
import { RelayUrl } from '../../../src/identity/index.ts'
import type { QuicSettings } from '../../../src/quic/index.ts'
import type { RelayConfig } from '../../../src/relay/index.ts'
import { MINUTE, NEVER, url } from './https-relays.ts'
import { pass, QadServer, ROOTS, VirtualNet } from './virtual-net.ts'

interface Hosts {
  /** STUN servers: the delay to `192.0.2.<10 + index>`, one way, ms; undefined: no answer. */
  readonly stun?: readonly (number | undefined)[]
  /** Further STUN servers, `ip:port`, 10 ms away. */
  readonly also?: readonly string[]
  /** Relays with address discovery: the delay to `192.0.2.<1 + index>`, one way, ms; undefined: UDP is blocked. */
  readonly relays?: readonly (number | undefined)[]
  readonly settings?: Partial<QuicSettings>
  /** Our address by the address that is asked; default: one for all. */
  readonly nat?: (to: string) => string
}

function create(
  { stun = [], also = [], relays = [], settings = {}, nat = () => '203.0.113.5:4100' }: Hosts,
  change: Partial<NetReporterOptions> = {},
) {
  const net = new VirtualNet()
  const { platform } = net
  const servers: string[] = []
  for (const [index, delayMs] of stun.entries()) {
    const host = `192.0.2.${10 + index}`
    if (delayMs !== undefined) net.delays.set(host, delayMs)
    net.stunServer(host)
    servers.push(`${host}:3478`)
  }
  for (const text of also) {
    const [host, port] = text.split(':') as [string, string]
    net.delays.set(host, 10)
    net.stunServer(host, Number(port))
    servers.push(text)
  }
  const discovery = relays.map((delayMs, index) => {
    const host = `192.0.2.${1 + index}`
    if (delayMs !== undefined) net.delays.set(host, delayMs)
    platform.web.hosts.set(url(`r${index}`), {})
    platform.web.names.set(`r${index}.relay.test`, [host])
    return new QadServer(net, [host], settings)
  })
  net.nat = (_socket, to) => {
    const [host, port] = nat(to).split(':') as [string, string]
    return { host, port: Number(port) }
  }
  const driver = net.driver(['0.0.0.0'], 1)
  const prober = new StunProber({ platform, driver: () => driver })
  net.onForeign = (packet) => prober.onForeign(packet)
  const startedAt = platform.time
  const reports: NetReport[] = []
  const reportedAt: number[] = []
  const homes: string[] = []
  const errors: unknown[] = []
  const reporter = new NetReporter({
    platform,
    driver,
    trustedRoots: () => ROOTS,
    relays: () => relays.map((_delay, index): RelayConfig => ({ url: RelayUrl.parse(url(`r${index}`)) })),
    stun: prober,
    stunServers: () => servers,
    onReport: (report) => {
      reports.push(report)
      reportedAt.push(platform.time - startedAt)
    },
    onHome: (home) => homes.push(`${home} ${platform.time - startedAt}`),
    onError: (error) => errors.push(error),
    ...change,
  })
  const end = async (): Promise<void> => {
    const closed = reporter.close()
    await pass(platform, 10)
    await closed
    prober.close()
    await pass(platform, 45_000)
    expect(errors).toEqual([])
    expect(platform.nextTimer).toBe(NEVER)
    await driver.close()
    for (const each of discovery) await each.driver.close()
  }
  return { net, platform, driver, prober, reporter, servers, reports, reportedAt, homes, end }
}

const text = (report: NetReport | undefined) => [
  report?.udpV4,
  report?.globalV4 && formatSocketAddress(report.globalV4),
  report?.mappingVariesByDestV4,
]
const byHost = (to: string) => `203.0.113.5:${4100 + Number(to.split('.')[3])}`

describe('without relays', () => {
  test('spec/disco-stun-nat.md §6.4: two servers that see the same address; the report ends with the second answer', async () => {
    const { platform, reporter, reports, reportedAt, homes, end } = create({ stun: [10, 25] })
    reporter.start()
    await pass(platform, 4000)
    expect(reports.map(text)).toEqual([
      [true, '203.0.113.5:4100', undefined],
      [true, '203.0.113.5:4100', false],
    ])
    expect(reportedAt).toEqual([20, 50])
    expect(reports[0]).toMatchObject({ isFull: false, preferredRelay: undefined })
    expect(reports[1]).toMatchObject({ isFull: true, durationMs: 50, relayLatencies: new Map() })
    expect(reports[1]!.stun?.map(({ name, family }) => `${name} ${family}`)).toEqual([
      '192.0.2.10:3478 4',
      '192.0.2.11:3478 4',
    ])
    expect(reporter.last).toBe(reports[1])
    expect(homes).toEqual([])
    await end()
  })

  test('spec/disco-stun-nat.md §6.4: two servers that see different addresses', async () => {
    const { platform, reporter, end } = create({ stun: [10, 25], nat: byHost })
    reporter.start()
    await pass(platform, 4000)
    expect(text(reporter.last)).toEqual([true, '203.0.113.5:4110', true])
    await end()
  })

  test('spec/disco-stun-nat.md §6.4: of one server alone nothing follows, nor of two ports of one', async () => {
    for (const hosts of [{ stun: [10] }, { also: ['192.0.2.20:3478', '192.0.2.20:3479'] }]) {
      const { platform, reporter, end } = create(hosts)
      reporter.start()
      await pass(platform, 4000)
      expect(text(reporter.last)).toEqual([true, '203.0.113.5:4100', undefined])
      await end()
    }
  })

  test('spec/disco-stun-nat.md §6.2: a server that is silent holds a full report up for 3 s, others not at all', async () => {
    const { platform, reporter, reports, reportedAt, end } = create({ stun: [10, undefined] })
    reporter.start()
    await pass(platform, 3500)
    expect(reportedAt).toEqual([20, 3000])
    reporter.request('incremental')
    await pass(platform, 3500)
    expect(reports.slice(2).map(({ isFull, durationMs }) => [isFull, durationMs])).toEqual([[false, 20]])
    await end()
  })

  test('nobody answers: a report that says so', async () => {
    const { platform, reporter, reports, end } = create({ stun: [undefined, undefined] })
    reporter.start()
    await pass(platform, 4000)
    expect(reports).toHaveLength(1)
    expect(reports[0]).toMatchObject({ udpV4: false, isFull: true, durationMs: 3000 })
    expect(reports[0]!.stun).toBeUndefined()
    await end()
  })

  test('spec/endpoint.md §6.1: reports go on every 20 to 26 s, which keeps the mapping; a new address is told', async () => {
    let port = 4100
    const { platform, reporter, reports, reportedAt, end } = create({
      stun: [10, 20],
      nat: () => `203.0.113.5:${port}`,
    })
    reporter.start()
    await pass(platform, 5 * MINUTE)
    const pauses = reportedAt.slice(2).map((at, index) => at - reportedAt[index + 1]!)
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(20_000)
    expect(Math.max(...pauses)).toBeLessThanOrEqual(26_050)
    // An incremental report ends with the first answer; that the mapping does not vary is known from before.
    expect(text(reports.at(-1))).toEqual([true, '203.0.113.5:4100', false])
    port = 4999
    await pass(platform, 30_000)
    expect(text(reports.at(-1))[1]).toBe('203.0.113.5:4999')
    await end()
  })

  test('neither relays nor servers: no report', async () => {
    const { platform, reporter, servers, reports, end } = create({})
    reporter.start()
    await pass(platform, MINUTE)
    expect(reports).toEqual([])
    servers.push('192.0.2.99:3478')
    reporter.request('full')
    await pass(platform, 4000)
    expect(reports).toHaveLength(1)
    await end()
  })

  test('without a prober servers are not asked', async () => {
    const { net, platform, reporter, reports, end } = create({ stun: [10] }, { stun: undefined })
    reporter.start()
    await pass(platform, 4000)
    expect([reports.length, net.sent.size]).toEqual([0, 0])
    await end()
  })

  test('what the prober throws is no reason to stop', async () => {
    const { platform, prober, reporter, reports, end } = create({ stun: [10] })
    prober.probe = () => Promise.reject(new Error('a defect'))
    reporter.start()
    await pass(platform, 10)
    expect(reports).toMatchObject([{ udpV4: false }])
    await end()
  })
})

test('a prober that never ends does not hold the report up', async () => {
  const { platform, prober, reporter, reportedAt, end } = create({ stun: [10] })
  prober.probe = () => new Promise(() => {})
  reporter.start()
  await pass(platform, 4000)
  expect(reportedAt).toEqual([3000])
  await end()
})

describe('beside relays', () => {
  test('spec/disco-stun-nat.md §6.4: what a relay sees comes first, whoever answers first; a server that sees another address shows that it varies', async () => {
    const { platform, reporter, reports, end } = create({ relays: [30], stun: [5], nat: byHost })
    reporter.start()
    await pass(platform, 4000)
    expect(text(reporter.last)).toEqual([true, '203.0.113.5:4101', true])
    expect(reports.at(-1)!.relayLatencies.get(url('r0'))).toEqual({ qadV4Ms: 60 })
    await end()
  })

  test('a relay and a server that see the same', async () => {
    const { platform, reporter, end } = create({ relays: [10], stun: [10] })
    reporter.start()
    await pass(platform, 4000)
    expect(text(reporter.last)).toEqual([true, '203.0.113.5:4100', false])
    await end()
  })

  test('a relay and a server on one host that see the same: a mapping for each address would look like that', async () => {
    const { platform, reporter, end } = create({ relays: [10], also: ['192.0.2.1:3478'] })
    reporter.start()
    await pass(platform, 4000)
    expect(text(reporter.last)).toEqual([true, '203.0.113.5:4100', undefined])
    await end()
  })

  test('an address that changes while the report is made is no mapping that varies', async () => {
    let port = 4100
    const { platform, reporter, end } = create({
      relays: [10, undefined],
      stun: [500],
      // so that we say something from the new address while the report is made
      settings: { keepAliveMs: 100 },
      nat: () => `203.0.113.5:${port}`,
    })
    reporter.start()
    await pass(platform, 41)
    port = 4999
    await pass(platform, 900)
    expect(text(reporter.last)).toEqual([true, '203.0.113.5:4999', undefined])
    await pass(platform, 3000)
    expect(text(reporter.last)).toEqual([true, '203.0.113.5:4999', undefined])
    expect(reporter.last!.stun).toHaveLength(1)
    await end()
  })

  test('a relay that cannot be asked over UDP: the servers say where we are, and the report does not end before', async () => {
    const { platform, reporter, reports, end } = create({ relays: [undefined], stun: [10, 1000] })
    platform.web.hosts.set(url('r0'), { latencyMs: 5 })
    reporter.start()
    await pass(platform, 2500)
    expect(text(reports[0])).toEqual([true, '203.0.113.5:4100', undefined])
    await pass(platform, 2000)
    expect(text(reporter.last)).toEqual([true, '203.0.113.5:4100', false])
    expect(reporter.home).toBe(url('r0'))
    expect(reporter.last!.relayLatencies.get(url('r0'))).toEqual({ httpsMs: 5 })
    await end()
  })

  test('two relays tell all: silent servers are not waited for', async () => {
    const { platform, reporter, reports, end } = create({ relays: [10, 15], stun: [undefined] })
    reporter.start()
    await pass(platform, 4000)
    expect(reports.at(-1)!.durationMs).toBeLessThan(1000)
    expect(text(reporter.last)).toEqual([true, '203.0.113.5:4100', false])
    await end()
  })

  test('behind a hard NAT later reports do not tell the address of the servers and then that of the relay', async () => {
    const { platform, reporter, reports, end } = create({ relays: [30, 40], stun: [5], nat: byHost })
    reporter.start()
    await pass(platform, 4000)
    const before = reports.length
    await pass(platform, 2 * MINUTE)
    expect(reports.length).toBeGreaterThan(before + 3)
    expect(new Set(reports.slice(before).map((report) => text(report)[1]))).toEqual(new Set(['203.0.113.5:4101']))
    await end()
  })

  test('an answer over UDP of a STUN server too shows that there is no portal', async () => {
    const { platform, reporter, end } = create({ relays: [undefined], stun: [10] })
    reporter.start()
    await pass(platform, 4000)
    expect(platform.web.requests.filter(({ url }) => url.includes('generate_204'))).toEqual([])
    expect(reporter.last!.captivePortal).toBeUndefined()
    await end()
  })

  test('closing ends the questions to servers', async () => {
    const { net, platform, reporter, end } = create({ relays: [10], stun: [undefined] })
    reporter.start()
    await pass(platform, 100)
    const closed = reporter.close()
    await pass(platform, 10)
    await closed
    const before = net.sent.get('192.0.2.10 3478')
    await pass(platform, 3000)
    expect([before, net.sent.get('192.0.2.10 3478')]).toEqual([1, 1])
    await end()
  })
})

describe('the kind of NAT', () => {
  const LOCAL = [parseSocketAddress('10.1.0.2:4000'), parseSocketAddress('[2001:db8::2]:4001')]
  const report = (change: Partial<NetReport>): NetReport => ({
    udpV4: false,
    udpV6: false,
    relayLatencies: new Map(),
    preferredRelay: undefined,
    isFull: true,
    durationMs: 1,
    ...change,
  })
  const elsewhere = parseSocketAddress('203.0.113.5:4000')
  const own = LOCAL[0]!

  test.each<[Partial<NetReport>, NatKind]>([
    [{}, 'unknown'],
    [{ globalV4: elsewhere }, 'unknown'],
    [{ globalV4: elsewhere, mappingVariesByDestV4: false }, 'easy'],
    [{ globalV4: elsewhere, mappingVariesByDestV4: true }, 'hard'],
    [{ globalV4: own }, 'none'],
    [{ globalV4: own, mappingVariesByDestV4: false }, 'none'],
    [{ globalV4: own, mappingVariesByDestV4: true }, 'hard'],
    [{ mappingVariesByDestV4: false }, 'unknown'],
    [{ globalV4: parseSocketAddress('10.1.0.2:4001'), mappingVariesByDestV4: false }, 'easy'],
    [{ globalV6: LOCAL[1]!, mappingVariesByDestV6: false }, 'unknown'],
  ])('spec/disco-stun-nat.md §6.4: %o is %s', (change, expected) => {
    expect(natKind(report(change), LOCAL)).toBe(expected)
  })

  test('IPv6 by itself', () => {
    const v6 = report({ globalV6: LOCAL[1]!, globalV4: elsewhere, mappingVariesByDestV4: true })
    expect([natKind(v6, LOCAL, 6), natKind(v6, LOCAL)]).toEqual(['none', 'hard'])
  })
})
