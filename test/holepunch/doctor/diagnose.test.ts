import { describe, expect, test } from 'vitest'
import { parseSocketAddress } from '../../../src/bytes/index.ts'
import { type DoctorInput, diagnose, type FindingTopic } from '../../../src/holepunch/index.ts'
import {
  ALONE,
  address,
  BLOCKED,
  CGNAT,
  EASY,
  EASY_MAPPED,
  HARD,
  OPEN,
  PORTAL,
  RELAY,
  report,
  stun,
} from './networks.ts'

const summary = (input: DoctorInput) =>
  diagnose(input).findings.map(({ status, title, value }) => `${status} ${title}: ${value}`)
const finding = (input: DoctorInput, topic: FindingTopic) => {
  const found = diagnose(input).findings.find((each) => each.topic === topic)
  if (found === undefined) throw new Error(`no finding about ${topic}`)
  return found
}
const pairs = (input: DoctorInput) => Object.values(diagnose(input).pairs).join(' ')

describe('golden', () => {
  test('open: an address of our own, and nothing in the way', () => {
    expect(summary(OPEN)).toEqual([
      'good UDP: works over IPv4 and IPv6',
      'good Captive portal: none',
      'good IPv4: 203.0.113.5:4000',
      'good IPv6: [2001:db8::5]:4000',
      'good NAT: none',
      'good Filtering: none',
      'good Second NAT: none',
      'good Port mapping: none at 192.168.1.1',
      'good Direct connections: without a NAT: direct; behind an easy NAT: direct; behind a hard NAT: direct',
      'good Relays: https://relay.test/ 12.0 ms UDP IPv4, 11.5 ms UDP IPv6',
    ])
    expect(diagnose(OPEN)).toMatchObject({ natKind: 'none', mapping: 'none', filtering: 'endpoint-independent' })
  })

  test('an easy NAT: one mapping for all', () => {
    expect(summary(EASY)).toEqual([
      'good UDP: works over IPv4',
      'good Captive portal: none',
      'good IPv4: 203.0.113.5:4000',
      'fair IPv6: none',
      'good NAT: easy: one mapping for all destinations',
      'fair Filtering: by address and port',
      'unknown Second NAT: unknown',
      'fair Port mapping: none at 192.168.1.1',
      'fair Direct connections: without a NAT: direct; behind an easy NAT: direct; behind a hard NAT: direct only by searching ports',
      'good Relays: https://relay.test/ 12.0 ms UDP IPv4, 40.3 ms HTTPS',
    ])
    expect(diagnose(EASY)).toMatchObject({ natKind: 'easy', mapping: 'endpoint-independent' })
  })

  test('a hard NAT: a mapping for each destination', () => {
    expect(summary(HARD)).toEqual([
      'good UDP: works over IPv4',
      'good Captive portal: none',
      'good IPv4: 203.0.113.5:4000',
      'fair IPv6: none',
      'bad NAT: hard: a mapping for each address and port',
      'fair Filtering: by address and port',
      'unknown Second NAT: unknown',
      'fair Port mapping: none at 192.168.1.1',
      'fair Direct connections: without a NAT: direct; behind an easy NAT: direct only by searching ports; behind a hard NAT: by relay',
      'good Relays: https://relay.test/ 12.0 ms UDP IPv4, 40.3 ms HTTPS',
    ])
    expect(finding(HARD, 'nat').advice).toMatch(/--port-mapping.*--bind.*--external.*IPv6/)
    expect(finding(HARD, 'port-mapping').advice).toMatch(/UPnP/)
    expect(finding(HARD, 'direct').meaning).toMatch(/nodes of this project.*filters by address alone/)
  })

  test('UDP blocked: relays answer over HTTPS alone', () => {
    expect(summary(BLOCKED)).toEqual([
      'bad UDP: blocked',
      'good Captive portal: none',
      'bad IPv4: no address seen from outside',
      'fair IPv6: none',
      'unknown NAT: unknown',
      'unknown Second NAT: unknown',
      'fair Port mapping: none at 192.168.1.1',
      'bad Direct connections: without a NAT: by relay; behind an easy NAT: by relay; behind a hard NAT: by relay',
      'good Relays: https://relay.test/ 40.3 ms HTTPS',
    ])
    expect(finding(BLOCKED, 'udp')).toMatchObject({
      meaning: 'Relays answer over HTTPS, and nothing comes back over UDP. All connections stay on a relay.',
      advice: 'Let UDP out to any port, or at least 7842, 3478, and answers back in.',
    })
  })

  test('a captive portal', () => {
    expect(summary(PORTAL)).toEqual([
      'bad UDP: no answer',
      'bad Captive portal: found',
      'bad IPv4: no address seen from outside',
      'fair IPv6: none',
      'unknown NAT: unknown',
      'unknown Second NAT: unknown',
      'fair Port mapping: none at 192.168.1.1',
      'bad Direct connections: without a NAT: by relay; behind an easy NAT: by relay; behind a hard NAT: by relay',
      'bad Relays: none of 1 answered',
    ])
    expect(finding(PORTAL, 'udp').advice).toMatch(/Sign in/)
    expect(finding(PORTAL, 'captive-portal').advice).toMatch(/browser/)
  })

  test('CGNAT: the router has an address of 100.64.0.0/10', () => {
    expect(summary(CGNAT)).toEqual([
      'good UDP: works over IPv4',
      'good Captive portal: none',
      'good IPv4: 203.0.113.5:4000',
      'fair IPv6: none',
      'good NAT: easy: one mapping for all destinations',
      'fair Filtering: by address and port',
      'bad Second NAT: at the provider (CGNAT)',
      'fair Port mapping: NAT-PMP, UPnP at 192.168.1.1',
      'fair Direct connections: without a NAT: direct; behind an easy NAT: direct; behind a hard NAT: direct only by searching ports',
      'good Relays: https://relay.test/ 12.0 ms UDP IPv4, 40.3 ms HTTPS',
    ])
    expect(finding(CGNAT, 'second-nat')).toMatchObject({
      meaning: expect.stringContaining('100.64.3.7'),
      advice: 'Ask the provider for a public IPv4 address, or use IPv6.',
    })
    expect(finding(CGNAT, 'port-mapping').advice).toBeUndefined()
  })

  test('nobody to ask: what could not be found out, and which flags help', () => {
    expect(summary(ALONE)).toEqual([
      'unknown UDP: not tested',
      'unknown Captive portal: not tested',
      'unknown IPv4: no address seen from outside',
      'fair IPv6: none',
      'unknown NAT: unknown',
      'unknown Second NAT: not tested',
      'unknown Port mapping: not tested',
      'unknown Direct connections: without a NAT: unknown; behind an easy NAT: unknown; behind a hard NAT: unknown',
      'unknown Relays: none given',
    ])
    expect(finding(ALONE, 'udp').advice).toMatch(/--relay.*--stun/)
    expect(finding(ALONE, 'relays').advice).toMatch(/--relay/)
    expect(finding(ALONE, 'nat').advice).toMatch(/--stun twice/)
  })

  test.each(Object.entries({ OPEN, EASY, EASY_MAPPED, HARD, BLOCKED, PORTAL, CGNAT, ALONE }))(
    '%s: each finding says what it means, one topic each',
    (_name, input) => {
      const { findings } = diagnose(input)
      expect(new Set(findings.map(({ topic }) => topic)).size).toBe(findings.length)
      for (const { meaning, advice } of findings) {
        expect(meaning).toMatch(/^[A-Z].*\.$/)
        if (advice !== undefined) expect(advice).toMatch(/^[A-Z].*\.$/)
      }
    },
  )
})

describe('mapping', () => {
  test.each<[string, Partial<DoctorInput>, string]>([
    ['STUN alone', { report: undefined }, 'endpoint-independent'],
    ['the report alone', { stun: stun() }, 'endpoint-independent'],
    [
      'the report says that it varies, STUN has one answer',
      {
        report: report({ globalV4: parseSocketAddress('203.0.113.5:1'), mappingVariesByDestV4: true }),
        stun: stun('192.0.2.1:3478 203.0.113.5:2'),
      },
      'varies',
    ],
    [
      'STUN says that it varies, the report does not',
      { stun: stun('192.0.2.1:3478 203.0.113.5:1', '192.0.2.2:3478 203.0.113.5:2') },
      'varies',
    ],
    [
      'a mapping for each address',
      { stun: stun('192.0.2.1:3478 203.0.113.5:1', '192.0.2.2:3478 203.0.113.5:2', '192.0.2.2:3479 203.0.113.5:2') },
      'address-dependent',
    ],
    ['one server', { report: undefined, stun: stun('192.0.2.1:3478 203.0.113.5:2') }, 'unknown'],
    [
      'answers over IPv6 alone',
      { report: undefined, stun: stun('[2001:db8::1]:3478 [2001:db8::5]:2', '[2001:db8::2]:3478 [2001:db8::5]:2') },
      'unknown',
    ],
  ])('RFC 5780 §4.3: %s', (_what, change, expected) => {
    expect(diagnose({ ...EASY, ...change }).mapping).toBe(expected)
  })
})

describe('with whom connections go direct', () => {
  test.each<[string, DoctorInput, string]>([
    ['open', OPEN, 'direct direct direct'],
    ['open, behind a firewall', { ...OPEN, filtering: 'address-and-port-dependent' }, 'direct direct search'],
    ['full cone', { ...EASY, filtering: 'endpoint-independent' }, 'direct direct direct'],
    ['EIM and ADF', { ...EASY, filtering: 'address-dependent' }, 'direct direct direct'],
    ['EIM and APDF', EASY, 'direct direct search'],
    ['EIM, filtering not known', { ...EASY, filtering: 'unknown' }, 'direct direct search'],
    ['symmetric', HARD, 'direct search relay'],
    [
      'symmetric with port mapping',
      {
        ...HARD,
        portMap: { pcp: false, natPmp: false, upnp: true, gateway: '192.168.1.1', externalIp: '203.0.113.5' },
      },
      'direct direct direct',
    ],
    ['EIM with port mapping', EASY_MAPPED, 'direct direct direct'],
    ['CGNAT, whose port mapping is of no use', CGNAT, 'direct direct search'],
    ['UDP blocked', BLOCKED, 'relay relay relay'],
    [
      'one answer',
      { ...EASY, report: report({ globalV4: parseSocketAddress('203.0.113.5:1') }), stun: stun() },
      'direct unknown unknown',
    ],
    ['nobody asked', ALONE, 'unknown unknown unknown'],
  ])('spec/disco-stun-nat.md §8.4: %s', (_what, input, expected) => {
    expect(pairs(input)).toBe(expected)
  })
})

describe('a second NAT', () => {
  const router = (externalIp: string) => ({
    ...EASY,
    portMap: { pcp: false, natPmp: true, upnp: false, gateway: '192.168.1.1', externalIp },
  })

  test.each([
    ['100.64.0.1', 'bad at the provider (CGNAT)'],
    ['100.127.255.254', 'bad at the provider (CGNAT)'],
    ['100.63.255.255', 'fair likely'],
    ['100.128.0.0', 'fair likely'],
    ['192.168.0.2', 'bad another router'],
    ['10.0.0.2', 'bad another router'],
    ['203.0.113.9', 'fair likely'],
    ['203.0.113.5', 'good none'],
  ])('RFC 6598 §7: the router’s outer address is %s', (externalIp, expected) => {
    const { status, value, meaning } = finding(router(externalIp), 'second-nat')
    expect(`${status} ${value}`).toBe(expected)
    if (expected !== 'good none') expect(meaning).toContain(externalIp)
  })

  test('nobody says how we look from outside', () => {
    const input = { ...router('203.0.113.5'), report: undefined, stun: stun() }
    expect(finding(input, 'second-nat')).toMatchObject({
      status: 'unknown',
      meaning: expect.stringContaining('203.0.113.5'),
    })
  })

  test('an interface in 100.64.0.0/10 may be a VPN', () => {
    expect(finding({ ...EASY, interfaces: [address('100.101.1.1')] }, 'second-nat')).toMatchObject({
      status: 'fair',
      value: 'possible',
    })
  })
})

describe('relays', () => {
  test('one answers, and does not let us in', () => {
    const input = { ...EASY, homeRelay: { url: RELAY, isConnected: false, error: 'access denied' } }
    expect(finding(input, 'relays')).toMatchObject({
      status: 'bad',
      meaning: 'They answer, but no connection to https://relay.test/ came up: access denied.',
      advice: expect.stringContaining('--relay-token'),
    })
  })

  test('some do not answer; the fastest comes first', () => {
    const relays = ['https://a.test/', RELAY, 'https://c.test/']
    const relayLatencies = new Map([
      ['https://a.test/', { httpsMs: 90 }],
      [RELAY, { qadV4Ms: 12 }],
    ])
    expect(finding({ ...EASY, relays, report: report({ relayLatencies }) }, 'relays')).toMatchObject({
      status: 'fair',
      value: 'https://relay.test/ 12.0 ms UDP IPv4; https://a.test/ 90.0 ms HTTPS',
      meaning: 'Peers find us at https://relay.test/. 1 of 3 did not answer.',
    })
  })

  test('connected before any was measured', () => {
    expect(finding({ ...EASY, report: undefined }, 'relays')).toMatchObject({ status: 'fair', value: RELAY })
  })
})

describe('the rest', () => {
  test('relays without address discovery and UDP that is blocked look the same without a STUN server', () => {
    expect(finding({ ...BLOCKED, stunServers: [] }, 'udp')).toMatchObject({
      value: 'no answer',
      advice: expect.stringContaining('--stun'),
    })
  })

  test('the ports that are to be opened are those that were asked', () => {
    const stunServers = ['a.test:19302', 'b.test', '[2001:db8::1]:3479']
    expect(finding({ ...BLOCKED, stunServers }, 'udp').advice).toContain('7842, 19302, 3478, 3479,')
  })

  test('nothing answered, and no portal was seen', () => {
    const input = { ...PORTAL, report: report({ udpV4: false, relayLatencies: new Map() }) }
    expect(finding(input, 'udp').meaning).toBe('None of the relays and STUN servers answered in any way.')
    expect(finding(input, 'captive-portal')).toMatchObject({ status: 'unknown', value: 'not tested' })
  })

  test('IPv6: an address that nobody answered over, or that nobody was asked over', () => {
    const interfaces = [address('192.168.1.5'), address('2001:db8::5')]
    expect(finding({ ...EASY, interfaces }, 'ipv6')).toMatchObject({
      status: 'fair',
      value: 'an address, but no answer',
    })
    expect(finding({ ...ALONE, interfaces }, 'ipv6')).toMatchObject({ status: 'unknown' })
    const v6 = { ...ALONE, stunServers: ['x'], stun: stun('[2001:db8::1]:3478 [2001:db8::5]:4000') }
    expect(finding(v6, 'ipv6')).toMatchObject({ status: 'good', value: '[2001:db8::5]:4000' })
    expect(finding(v6, 'udp').value).toBe('works over IPv6')
  })

  test('a host without IPv4', () => {
    expect(
      finding({ ...ALONE, interfaces: [address('127.0.0.1', true), address('2001:db8::5')] }, 'ipv4'),
    ).toMatchObject({
      status: 'fair',
      value: 'none',
    })
  })

  test('port mapping: nobody asked, no router, and one that can', () => {
    expect(finding(ALONE, 'port-mapping').value).toBe('not tested')
    expect(finding({ ...EASY, portMap: { pcp: false, natPmp: false, upnp: false } }, 'port-mapping').value).toBe(
      'no router known',
    )
    expect(finding(EASY_MAPPED, 'port-mapping')).toMatchObject({
      status: 'good',
      value: 'PCP, NAT-PMP at 192.168.1.1',
      advice: expect.stringContaining('--port-mapping'),
    })
  })

  test('filtering by address is good news, and said of a firewall where there is no NAT', () => {
    expect(finding({ ...EASY, filtering: 'address-dependent' }, 'filtering')).toMatchObject({
      status: 'good',
      value: 'by address',
    })
    expect(finding({ ...OPEN, filtering: 'address-and-port-dependent' }, 'filtering').meaning).toMatch(/^The firewall/)
    expect(() => finding({ ...EASY, filtering: 'unknown' }, 'filtering')).toThrow('no finding')
  })
})
