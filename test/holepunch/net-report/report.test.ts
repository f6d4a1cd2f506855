import { describe, expect, test } from 'vitest'
import { formatSocketAddress, parseSocketAddress } from '../../../src/bytes/index.ts'
import { type NetReport, reportedAddresses } from '../../../src/holepunch/index.ts'
import { availableFamilies } from '../../../src/holepunch/net-report/families.ts'
import type { InterfaceAddress } from '../../../src/platform/index.ts'

describe('addresses that follow from a report', () => {
  const v4 = parseSocketAddress('203.0.113.5:4100')
  const v6 = parseSocketAddress('[2001:db8::5]:4200')
  const report = (change: Partial<NetReport>): NetReport => ({
    udpV4: false,
    udpV6: false,
    relayLatencies: new Map(),
    preferredRelay: undefined,
    isFull: true,
    durationMs: 1,
    ...change,
  })
  const list = (change: Partial<NetReport>, port?: number) =>
    reportedAddresses(report(change), port).map(({ address, source }) => `${source} ${formatSocketAddress(address)}`)

  test.each([
    ['none', {}, undefined, []],
    ['both', { globalV4: v4, globalV6: v6 }, undefined, ['qad 203.0.113.5:4100', 'qad [2001:db8::5]:4200']],
    [
      'a mapping for each destination, any port',
      { globalV4: v4, mappingVariesByDestV4: true },
      0,
      ['qad 203.0.113.5:4100'],
    ],
    [
      'a mapping for each destination, a port that was asked for',
      { globalV4: v4, mappingVariesByDestV4: true },
      7000,
      ['qad 203.0.113.5:4100', 'qad4localport 203.0.113.5:7000'],
    ],
    ['which is the observed one', { globalV4: v4, mappingVariesByDestV4: true }, 4100, ['qad 203.0.113.5:4100']],
    ['one mapping for all', { globalV4: v4, mappingVariesByDestV4: false }, 7000, ['qad 203.0.113.5:4100']],
    [
      'the same of IPv6 changes nothing',
      { globalV6: v6, mappingVariesByDestV6: true },
      7000,
      ['qad [2001:db8::5]:4200'],
    ],
  ])('spec/endpoint.md §3.2: %s', (_what, change, port, expected) => {
    expect(list(change, port)).toEqual(expected)
  })
})

describe('families', () => {
  const address = (host: string, internal = false): InterfaceAddress => ({
    name: 'eth0',
    host,
    family: host.includes(':') ? 6 : 4,
    internal,
  })
  const both = [
    { family: 4, host: '0.0.0.0' },
    { family: 6, host: '::' },
  ] as const
  const loopback = [address('127.0.0.1', true), address('::1', true)]
  const families = (...args: Parameters<typeof availableFamilies>) => [...availableFamilies(...args)].sort()

  test.each([
    ['both', [...loopback, address('192.168.0.2'), address('2001:db8::2')], [4, 6]],
    ['link-local addresses lead nowhere', [...loopback, address('192.168.0.2'), address('fe80::1%eth0')], [4]],
    ['unique local ones may', [address('fd00::1')], [6]],
    ['the edges of 2000::/3', [address('2000::1'), address('3fff::1')], [6]],
    ['outside of them', [address('1fff::1'), address('4000::1'), address('192.0.2.1')], [4]],
    ['the edges of fc00::/7', [address('fbff::1'), address('fe00::1'), address('192.0.2.1')], [4]],
    ['loopback where there is nothing else', loopback, [4, 6]],
    ['no interface known', [], [4, 6]],
  ])('spec/endpoint.md §5.1: %s', (_what, interfaces, expected) => {
    expect(families(both, interfaces)).toEqual(expected)
  })

  test('a socket must be there', () => {
    expect(families([both[0]], [address('192.168.0.2'), address('2001:db8::2')])).toEqual([4])
    expect(families([], [address('192.168.0.2')])).toEqual([])
  })

  test('a socket that is bound to an address says where it leads', () => {
    expect(families([{ family: 6, host: '::1' }, both[0]], [address('192.168.0.2')])).toEqual([4, 6])
  })
})
