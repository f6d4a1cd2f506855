/** Address discovery between real drivers over a virtual network: addresses, latencies, and what becomes of the connections. */
import { describe, expect, test } from 'vitest'
import { formatSocketAddress } from '../../../src/bytes/index.ts'
import {
  type NetReport,
  NetReporter,
  type NetReporterOptions,
  reportedAddresses,
} from '../../../src/holepunch/index.ts'
import { RelayUrl } from '../../../src/identity/index.ts'
import type { QuicSettings } from '../../../src/quic/index.ts'
import type { RelayConfig } from '../../../src/relay/index.ts'
import type { FakeHost } from './fake-web.ts'
import { pass, QadServer, ROOTS, VirtualNet } from './virtual-net.ts'

const NEVER = Number.POSITIVE_INFINITY
const url = (name: string) => `https://${name}.relay.test/`

/** `v4`, `v6`: the last byte of its address; absent: none. */
interface RelayHost extends FakeHost {
  readonly v4?: number
  readonly v6?: number
  /** One way, ms; absent: UDP is blocked. */
  readonly delayMs?: number
  readonly settings?: Partial<QuicSettings>
}

function create(hosts: Readonly<Record<string, RelayHost>>, change: Partial<NetReporterOptions> = {}) {
  const net = new VirtualNet()
  const { platform } = net
  const { web } = platform
  const servers = new Map<string, QadServer>()
  for (const [name, { v4, v6, delayMs, settings, ...host }] of Object.entries(hosts)) {
    web.hosts.set(url(name), host)
    const addresses = [...(v4 === undefined ? [] : [`192.0.2.${v4}`]), ...(v6 === undefined ? [] : [`2001:db8::${v6}`])]
    web.names.set(`${name}.relay.test`, addresses)
    for (const address of addresses) if (delayMs !== undefined) net.delays.set(address, delayMs)
    servers.set(name, new QadServer(net, addresses, settings))
  }
  const driver = net.driver(['0.0.0.0', '::'], 1)
  net.nat = ({ family }) => (family === 4 ? { host: '203.0.113.5', port: 4100 } : { host: '2001:db8:1::5', port: 4200 })
  const startedAt = platform.time
  const reports: NetReport[] = []
  const homes: string[] = []
  const errors: unknown[] = []
  const names = Object.keys(hosts)
  const reporter = new NetReporter({
    platform,
    driver,
    trustedRoots: () => ROOTS,
    relays: () => names.map((name): RelayConfig => ({ url: RelayUrl.parse(url(name)) })),
    onReport: (report) => reports.push(report),
    onHome: (home) => homes.push(`${home} ${platform.time - startedAt}`),
    onError: (error) => errors.push(error),
    ...change,
  })
  const server = (name: string) => servers.get(name)!
  const live = () => [...servers.values()].reduce((sum, each) => sum + each.live, 0)
  /** Ends the reporter and shows that nothing of it is left, on any side. */
  const end = async (): Promise<void> => {
    const closed = reporter.close()
    await pass(platform, 10)
    await closed
    await pass(platform, 5000)
    expect(errors).toEqual([])
    expect([driver.connectionCount, live(), web.open]).toEqual([0, 0, 0])
    await pass(platform, 40_000)
    expect(platform.nextTimer).toBe(NEVER)
    await driver.close()
    for (const each of servers.values()) await each.driver.close()
    expect(net.crypto.liveKeys).toBe(0)
  }
  return { net, platform, web, driver, reporter, reports, homes, names, server, live, end }
}

const text = (report: NetReport | undefined) => ({
  v4: report?.globalV4 && formatSocketAddress(report.globalV4),
  v6: report?.globalV6 && formatSocketAddress(report.globalV6),
  udp: [report?.udpV4, report?.udpV6],
  varies: [report?.mappingVariesByDestV4, report?.mappingVariesByDestV6],
})

const TWO = { near: { v4: 1, v6: 1, delayMs: 10 }, far: { v4: 2, v6: 2, delayMs: 25 } }

describe('a full report', () => {
  test('spec/relay.md §6.1: addresses of both families, RTTs as latencies, and a home after two round trips', async () => {
    const { platform, reporter, reports, homes, end } = create(TWO)
    reporter.start()
    await pass(platform, 3000)
    expect(homes).toEqual([`${url('near')} 40`])
    const last = reports.at(-1)!
    expect(text(last)).toEqual({
      v4: '203.0.113.5:4100',
      v6: '[2001:db8:1::5]:4200',
      udp: [true, true],
      // Two answers over IPv4 and one over IPv6 are enough.
      varies: [false, undefined],
    })
    expect(last).toMatchObject({ isFull: true, preferredRelay: url('near') })
    expect(last.durationMs).toBeLessThanOrEqual(101)
    expect(last.relayLatencies.get(url('near'))).toEqual({ qadV4Ms: 20, qadV6Ms: 20 })
    expect(last.relayLatencies.get(url('far'))).toMatchObject({ qadV4Ms: 50 })
    expect(reporter.last).toBe(last)
    await end()
  })

  test('spec/endpoint.md §3.2: an address is told at once, not when the slowest probe has ended', async () => {
    const { platform, reporter, reports, end } = create({ near: { v4: 1, delayMs: 10 }, far: { v4: 2 } })
    reporter.start()
    await pass(platform, 40)
    expect(reports).toHaveLength(1)
    expect(text(reports[0])).toMatchObject({ v4: '203.0.113.5:4100', varies: [undefined, undefined] })
    expect(reports[0]).toMatchObject({ isFull: false, preferredRelay: url('near') })
    expect([...reports[0]!.relayLatencies.keys()]).toEqual([url('near')])
    await pass(platform, 4000)
    expect(reports).toHaveLength(2)
    expect(reports[1]).toMatchObject({ isFull: true, durationMs: 3200 })
    await end()
  })

  test('spec/relay.md §6.1: three relays, of which one sees us elsewhere', async () => {
    const { net, platform, reporter, reports, end } = create({
      a: { v4: 1, delayMs: 10 },
      b: { v4: 2, delayMs: 20 },
      c: { v4: 3, delayMs: 30 },
    })
    net.nat = (_socket, to) => ({ host: '203.0.113.5', port: to === '192.0.2.2' ? 4102 : 4101 })
    reporter.start()
    await pass(platform, 1000)
    expect(text(reports.at(-1))).toMatchObject({ v4: '203.0.113.5:4101', varies: [true, undefined] })
    await end()
  })

  test('spec/relay.md §5.7: answers over UDP come first: HTTPS does not end a report that has too few', async () => {
    const { platform, reporter, reports, end } = create({
      a: { v4: 1, delayMs: 5, latencyMs: 10 },
      b: { v4: 2, delayMs: 50, latencyMs: 10 },
    })
    reporter.start()
    await pass(platform, 1000)
    expect(reports.at(-1)).toMatchObject({ durationMs: 200 })
    expect(text(reports.at(-1)).varies).toEqual([false, undefined])
    await end()
  })

  test('spec/relay.md §5.7: nor while a family has had no try that ended', async () => {
    const hosts = [1, 2, 3].map((last): [string, RelayHost] => [
      `r${last}`,
      { v4: last, v6: last, delayMs: 5, latencyMs: 10 },
    ])
    const { net, platform, reporter, reports, end } = create(Object.fromEntries(hosts))
    for (const last of [1, 2, 3]) net.delays.set(`2001:db8::${last}`, 100)
    reporter.start()
    await pass(platform, 1000)
    expect(reports.at(-1)).toMatchObject({ isFull: true, udpV6: true, durationMs: 400 })
    await end()
  })

  test('a first relay that ends its connection leaves the place to the next', async () => {
    const { platform, reporter, server, live, end } = create({ a: { v4: 1, delayMs: 5 }, b: { v4: 2, delayMs: 100 } })
    reporter.start()
    await pass(platform, 100)
    server('a').driver.closeConnection(server('a').seen[0]!.connection!, 1, 'finished')
    await pass(platform, 1000)
    expect([live(), server('b').live]).toEqual([1, 1])
    await end()
  })

  test('a name that is found when the report is over is not dialled', async () => {
    const { net, platform, web, reporter, end } = create({ a: { v4: 1, delayMs: 5 } })
    const found: ((addresses: readonly string[]) => void)[] = []
    web.resolve = () => new Promise((resolve) => found.push(resolve))
    reporter.start()
    await pass(platform, 5000)
    expect(reporter.last).toMatchObject({ durationMs: 3200 })
    found[0]!(['192.0.2.1'])
    await pass(platform, 100)
    expect(net.sent.size).toBe(0)
    await end()
  })

  test('spec/relay.md §5.7: a family in which no relay has an address is not waited for', async () => {
    const { platform, reporter, reports, end } = create({ a: { v4: 1, delayMs: 10 }, b: { v4: 2, delayMs: 20 } })
    reporter.start()
    await pass(platform, 1000)
    expect(reports.at(-1)).toMatchObject({ isFull: true, udpV4: true, udpV6: false, durationMs: 80 })
    await end()
  })

  test('spec/relay.md §6.1: one connection of each family stays, the others say "finished" with code 1', async () => {
    const { platform, driver, reporter, server, end } = create(TWO)
    reporter.start()
    await pass(platform, 3000)
    expect([server('near').live, server('far').live]).toEqual([2, 0])
    expect(new Set(server('far').ends)).toEqual(new Set(['1 finished']))
    expect(driver.connectionCount).toBe(2)
    // They answer keep-alives for longer than the idle timeout.
    await pass(platform, 15_000)
    expect(server('near').live).toBe(2)
    await end()
  })

  test('spec/relay.md §6.1: a mapping that varies by destination', async () => {
    const { net, platform, reporter, reports, end } = create(TWO)
    net.nat = ({ family }, to) =>
      family === 4
        ? { host: '203.0.113.5', port: to.endsWith('1') ? 4101 : 4102 }
        : { host: '2001:db8:1::5', port: 4200 }
    reporter.start()
    await pass(platform, 3000)
    expect(text(reports.at(-1))).toMatchObject({ v4: '203.0.113.5:4101', varies: [true, undefined] })
    expect(reportedAddresses(reports.at(-1)!, 7000).map(({ address }) => formatSocketAddress(address))).toEqual([
      '203.0.113.5:4101',
      '203.0.113.5:7000',
      '[2001:db8:1::5]:4200',
    ])
    // A report with one sample each takes over what was known.
    reporter.request('incremental')
    await pass(platform, 35)
    await pass(platform, 3000)
    expect(text(reporter.last).varies).toEqual([true, undefined])
    await end()
  })

  test('spec/endpoint.md §6.2: UDP is blocked: a home within one HTTPS round trip, and a report after 3 s', async () => {
    const { platform, reporter, reports, homes, live, end } = create({
      near: { v4: 1, v6: 1, latencyMs: 30 },
      far: { v4: 2, v6: 2, latencyMs: 80 },
    })
    reporter.start()
    await pass(platform, 30)
    expect(homes).toEqual([`${url('near')} 30`])
    expect(reports).toEqual([])
    await pass(platform, 3000)
    expect(reports).toHaveLength(1)
    expect(reports[0]).toMatchObject({ udpV4: false, udpV6: false, preferredRelay: url('near'), durationMs: 3000 })
    expect(text(reports[0])).toMatchObject({ v4: undefined, v6: undefined })
    expect(homes).toHaveLength(1)
    expect(live()).toBe(0)
    await end()
  })

  test('while no relay sees us over UDP, reports follow soon, and ever less soon: until one does', async () => {
    const { platform, net, reporter, reports, end } = create({ a: { v4: 1, latencyMs: 30 } })
    reporter.start()
    await pass(platform, 14_000)
    // each takes 3 s; 1 s and 2 s lie between them
    expect(reports.map(({ udpV4 }) => udpV4)).toEqual([false, false, false])
    net.delays.set('192.0.2.1', 10)
    await pass(platform, 4_000)
    expect(reports.at(-1)?.globalV4).toBeDefined()
    const { length } = reports
    await pass(platform, 15_000)
    expect(reports).toHaveLength(length)
    await end()
  })

  test('so do they while one relay of two does not say how it sees us, and the kind of NAT is not known', async () => {
    const { platform, net, reporter, reports, end } = create({
      a: { v4: 1, delayMs: 10, latencyMs: 30 },
      b: { v4: 2, latencyMs: 30 },
    })
    reporter.start()
    // the address is told at once, and then the report after 3 s
    await pass(platform, 3_500)
    expect(reports.map(({ mappingVariesByDestV4 }) => mappingVariesByDestV4)).toEqual([undefined, undefined])
    net.delays.set('192.0.2.2', 10)
    await pass(platform, 1_500)
    expect(reports.at(-1)?.mappingVariesByDestV4).toBe(false)
    const { length } = reports
    await pass(platform, 15_000)
    expect(reports).toHaveLength(length)
    await end()
  })

  test('a relay that is fast over UDP takes the place of a provisional home that is slow', async () => {
    const { platform, reporter, homes, end } = create({
      web: { v4: 1, latencyMs: 30 },
      udp: { v4: 2, delayMs: 9 },
      late: { v4: 3, delayMs: 100, latencyMs: 100 },
    })
    reporter.start()
    await pass(platform, 5000)
    expect(homes).toEqual([`${url('web')} 30`, expect.stringContaining(url('udp'))])
    await end()
  })

  test('spec/relay.md §5.7: five relays at most are asked over UDP, the first by URL, and none that says no', async () => {
    const hosts = Object.fromEntries(
      ['g', 'f', 'e', 'd', 'c', 'b', 'a'].map((name, index) => [name, { v4: index + 1, delayMs: 5 }]),
    )
    const { platform, reporter, server, end } = create(hosts, {
      relays: () => [
        ...Object.keys(hosts).map((name): RelayConfig => ({ url: RelayUrl.parse(url(name)) })),
        { url: RelayUrl.parse('https://0.relay.test/'), quicPort: null },
      ],
    })
    reporter.start()
    await pass(platform, 4000)
    const asked = Object.keys(hosts).filter((name) => server(name).seen.length > 0)
    expect(asked.sort()).toEqual(['a', 'b', 'c', 'd', 'e'])
    await end()
  })

  test('spec/relay.md §5.7: the home is one of them', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'home']
    const hosts = Object.fromEntries(
      names.map((name, index): [string, RelayHost] => [name, { v4: index + 1, delayMs: 5, latencyMs: 50 }]),
    )
    const { net, platform, web, reporter, homes, server, end } = create(hosts)
    web.hosts.get(url('home'))!.latencyMs = 1
    reporter.start()
    await pass(platform, 1000)
    expect(homes[0]).toBe(`${url('home')} 1`)
    expect([server('e').seen.length, server('home').seen.length]).toEqual([1, 0])
    net.delays.set('192.0.2.7', 5)
    reporter.request('incremental')
    await pass(platform, 1000)
    expect([server('e').seen.length, server('home').seen.length]).toEqual([1, 1])
    await end()
  })

  test('spec/relay.md §6.1: port 0 is the default, others are as they are', async () => {
    const { net, platform, reporter, end } = create(
      { a: { v4: 1 }, b: { v4: 2 }, c: { v4: 3 } },
      {
        relays: () => [
          { url: RelayUrl.parse(url('a')), quicPort: 0 },
          { url: RelayUrl.parse('https://b.relay.test:8443/'), quicPort: 9999 },
          { url: RelayUrl.parse('https://c.relay.test:8443/') },
        ],
      },
    )
    reporter.start()
    await pass(platform, 100)
    expect([...net.sent.keys()].sort()).toEqual(['192.0.2.1 7842', '192.0.2.2 9999', '192.0.2.3 7842'])
    await end()
  })

  test('spec/relay.md §1.1: the final dot is for the name server, and not in the certificate', async () => {
    const { platform, web, reporter, reports, server, end } = create(
      { a: { v4: 1, delayMs: 5 } },
      { relays: () => [{ url: RelayUrl.parse('https://a.relay.test./') }] },
    )
    web.names.set('a.relay.test.', ['192.0.2.1'])
    reporter.start()
    await pass(platform, 1000)
    expect(web.lookUps).toEqual(['a.relay.test.'])
    expect(server('a').seen[0]!.connection!.serverName).toBe('a.relay.test')
    expect(reports.at(-1)!.relayLatencies.has('https://a.relay.test./')).toBe(true)
    await end()
  })

  test.each([
    ['https://192.0.2.9/', { v4: 9 }, '203.0.113.5:4100', undefined],
    ['http://192.0.2.9:3340/', { v4: 9 }, '203.0.113.5:4100', undefined],
    ['https://[2001:db8::9]/', { v6: 9 }, undefined, '[2001:db8:1::5]:4200'],
  ])('spec/relay.md §6.1: an address in place of a name: %s', async (href, host, v4, v6) => {
    const { platform, web, reporter, reports, server, end } = create(
      { a: { ...host, delayMs: 5 } },
      { relays: () => [{ url: RelayUrl.parse(href) }] },
    )
    reporter.start()
    await pass(platform, 1000)
    expect(web.lookUps).toEqual([])
    expect(text(reports.at(-1))).toMatchObject({ v4, v6 })
    // An address is no server name indication.
    expect(server('a').seen[0]!.connection!.serverName).toBeUndefined()
    await end()
  })

  test('what cannot be asked over UDP is no error', async () => {
    const { platform, web, reporter, reports, homes, end } = create(
      {
        unknown: { v4: 1, delayMs: 5, latencyMs: 50 },
        silent: { v4: 3, delayMs: 5, settings: { observedAddressRole: undefined } },
        fine: { v4: 4, delayMs: 5 },
      },
      {
        relays: () =>
          [
            url('unknown'),
            url('silent'),
            url('fine'),
            // The certificate is for another name; an address of a certificate that names none; a host that cannot be a name.
            'https://elsewhere.test/',
            'https://192.0.2.4/',
            'https://a_-.relay.test/',
            'data:,nothing',
          ].map((href): RelayConfig => ({ url: RelayUrl.parse(href) })),
      },
    )
    web.names.delete('unknown.relay.test')
    web.names.set('elsewhere.test', ['192.0.2.4'])
    reporter.start()
    await pass(platform, 5000)
    expect([...reports.at(-1)!.relayLatencies.keys()].sort()).toEqual([url('fine'), url('unknown')])
    expect(homes).toEqual([`${url('fine')} 20`])
    await end()
  })

  test.each([
    ['no trusted roots', { trustedRoots: () => undefined }],
    ['no driver', { driver: undefined }],
  ])('%s: HTTPS alone', async (_what, change) => {
    const { net, platform, reporter, reports, end } = create({ a: { v4: 1, delayMs: 5, latencyMs: 20 } }, change)
    reporter.start()
    await pass(platform, 1000)
    expect(net.sent.size).toBe(0)
    expect(reports).toMatchObject([{ durationMs: 20, preferredRelay: url('a'), udpV4: false }])
    await end()
  })

  test('spec/endpoint.md §6.2: an answer over UDP ends the question for a captive portal', async () => {
    const { platform, web, reporter, reports, end } = create({
      a: { v4: 1, delayMs: 110 },
      b: { v4: 2 },
    })
    web.hosts.set('http:', { latencyMs: 100, status: 200 })
    reporter.start()
    await pass(platform, 4000)
    expect(web.requests.filter(({ url }) => url.startsWith('http:'))).toHaveLength(1)
    // The portal answered after 300 ms, and UDP after 440 ms.
    expect(reports.at(-1)!.captivePortal).toBe(true)
    await end()

    const early = create({ a: { v4: 1, delayMs: 10 }, b: { v4: 2 } })
    early.web.hosts.set('http:', { latencyMs: 100, status: 200 })
    early.reporter.start()
    await pass(early.platform, 4000)
    expect(early.web.requests.some(({ url }) => url.startsWith('http:'))).toBe(false)
    await early.end()
  })
})

describe('afterwards', () => {
  test('spec/relay.md §6.1: the kept connection tells of a new address, between reports', async () => {
    const { net, platform, reporter, reports, end } = create({ a: { v4: 1, delayMs: 10 }, b: { v4: 2, delayMs: 20 } })
    const { random } = platform
    // The longest pause, so that the keep-alive after 25 s is the first packet from the new address.
    const drawn = { fill: (out: Uint8Array) => (out.length === 4 ? out.fill(255) : random.fill(out)) }
    Object.assign(platform, { random: drawn })
    reporter.start()
    await pass(platform, 3000)
    const full = reports.at(-1)!
    net.nat = () => ({ host: '198.51.100.7', port: 4300 })
    await pass(platform, 22_500)
    expect(reports.slice(2)).toEqual([{ ...full, globalV4: { ip: Uint8Array.of(198, 51, 100, 7), port: 4300 } }])
    expect(reporter.last).toBe(reports[2])
    await end()
  })

  test('spec/endpoint.md §6.2: every report dials anew; the newest connections stay', async () => {
    const { platform, driver, reporter, server, live, end } = create(TWO)
    reporter.start()
    await pass(platform, 5 * 60_000)
    expect(server('near').seen.length).toBeGreaterThan(20)
    expect(live()).toBe(2)
    expect(driver.connectionCount).toBe(2)
    await end()
  })

  test('spec/endpoint.md §3.2: an address that no relay confirms is gone with the report, and comes back', async () => {
    const { net, platform, reporter, reports, homes, end } = create({
      a: { v4: 1, delayMs: 10 },
      b: { v4: 2, delayMs: 10 },
    })
    reporter.start()
    await pass(platform, 3000)
    net.delays.clear()
    reporter.request('incremental')
    await pass(platform, 4000)
    expect(text(reports.at(-1))).toMatchObject({ v4: undefined, udp: [false, false] })
    expect(homes).toHaveLength(1)
    net.delays.set('192.0.2.1', 10).set('192.0.2.2', 10)
    reporter.request('incremental')
    await pass(platform, 4000)
    expect(text(reports.at(-1))).toMatchObject({ v4: '203.0.113.5:4100' })
    await end()
  })

  test('a kept connection that the relay ends is forgotten', async () => {
    const { platform, driver, reporter, server, end } = create({ a: { v4: 1, delayMs: 10 } })
    reporter.start()
    await pass(platform, 3500)
    const [kept] = server('a').seen.filter(({ end }) => end === undefined)
    server('a').driver.closeConnection(kept!.connection!, 1, 'finished')
    await pass(platform, 3000)
    expect(driver.connectionCount).toBe(0)
    await end()
  })

  test('spec/relay.md §5.7: an incremental report waits for the home, which stays against faster ones', async () => {
    const { net, platform, reporter, homes, reports, end } = create({
      a: { v4: 1, delayMs: 40 },
      b: { v4: 2, delayMs: 40 },
      c: { v4: 3, delayMs: 40 },
      home: { v4: 4, delayMs: 20 },
    })
    reporter.start()
    await pass(platform, 3000)
    expect(homes).toHaveLength(1)
    for (const last of [1, 2, 3]) net.delays.set(`192.0.2.${last}`, 16)
    reporter.request('incremental')
    await pass(platform, 3000)
    expect(reports.at(-1)).toMatchObject({ isFull: false, preferredRelay: url('home') })
    expect(homes).toHaveLength(1)
    // Beyond a third it is worth it.
    net.delays.set('192.0.2.2', 12)
    reporter.request('incremental')
    await pass(platform, 3000)
    expect(homes.at(-1)).toContain(url('b'))
    await end()
  })

  test('spec/relay.md §5.7: a home that cannot be asked over UDP keeps its place between full reports', async () => {
    const relays: RelayConfig[] = [
      { url: RelayUrl.parse(url('home')), quicPort: null },
      { url: RelayUrl.parse(url('udp')) },
    ]
    const { platform, reporter, homes, reports, end } = create(
      { home: { v4: 1, latencyMs: 10 }, udp: { v4: 2, delayMs: 25 } },
      { relays: () => relays },
    )
    reporter.start()
    await pass(platform, 4 * 60_000)
    expect(homes).toEqual([`${url('home')} 10`])
    const later = reports.filter(({ isFull }) => !isFull)
    expect(later.length).toBeGreaterThan(5)
    expect(later.every(({ relayLatencies }) => relayLatencies.has(url('udp')))).toBe(true)
    await end()
  })

  test.each([0, 5, 15, 25, 45, 3000])(
    'close after %i ms leaves no connection, timer or key on any side',
    async (ms) => {
      const { platform, reporter, end } = create({ ...TWO, blocked: { v4: 3, v6: 3 } })
      reporter.start()
      await pass(platform, ms)
      await end()
    },
  )
})
