import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatSocketAddress, parseSocketAddress } from '../../src/bytes/index.ts'
import {
  compareTransportAddrs,
  customAddr,
  EndpointAddr,
  formatTransportAddr,
  IdentityError,
  ipAddr,
  parseTransportAddr,
  RelayUrl,
  relayAddr,
  type TransportAddr,
} from '../../src/identity/index.ts'
import { anyTransportAddr } from './arbitraries.ts'
import { EXAMPLE_ID, EXAMPLE_KEY } from './examples.ts'

const { id } = EXAMPLE_KEY

function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    expect(error).toBeInstanceOf(IdentityError)
    return (error as IdentityError).code
  }
  return 'no error'
}

describe('RelayUrl', () => {
  test.each([
    ['https://relay.example', 'https://relay.example/'],
    ['HTTPS://Relay.Example:443/', 'https://relay.example/'],
    ['http://relay.example:80', 'http://relay.example/'],
    ['https://relay.example:8443/path', 'https://relay.example:8443/path'],
    ['https://use1-1.relay.n0.iroh.link./', 'https://use1-1.relay.n0.iroh.link./'],
    ['https://relay.example.', 'https://relay.example./'],
    ['https://bücher.example', 'https://xn--bcher-kva.example/'],
    ['http://[2001:DB8::1]:3340', 'http://[2001:db8::1]:3340/'],
  ])('endpoint.md §1.2: %s is %s', (text, href) => {
    const url = RelayUrl.parse(text)
    expect([url.href, String(url), JSON.parse(JSON.stringify(url)), url.toURL().href]).toEqual([href, href, href, href])
    expect(inspect(url)).toBe(`RelayUrl(${href})`)
  })

  test('endpoint.md §1.2: with and without the trailing dot are two relays', () => {
    expect(RelayUrl.parse('https://r.example').equals(RelayUrl.parse('https://r.example./'))).toBe(false)
    expect(RelayUrl.parse('https://r.example').equals(RelayUrl.parse('https://R.example:443/'))).toBe(true)
  })

  test.each(['', 'relay.example', '/path', 'https://', 'https://a b/'])('refuses %j', (text) => {
    expect(codeOf(() => RelayUrl.parse(text))).toBe('INVALID_RELAY_URL')
  })
})

describe('TransportAddr', () => {
  test.each([
    ['relay:https://relay.example/', { Relay: 'https://relay.example/' }],
    ['ip:203.0.113.7:4433', { Ip: '203.0.113.7:4433' }],
    ['ip:[2001:db8::1]:65535', { Ip: '[2001:db8::1]:65535' }],
    ['custom:0_', { Custom: { id: 0, data: [] } }],
    ['custom:1f_00ff', { Custom: { id: 31, data: [0, 255] } }],
    ['custom:ffffffffffffffff_', { Custom: { id: '18446744073709551615', data: [] } }],
  ])('endpoint.md §1.2: %s in text and in JSON', (text, json) => {
    const addr = parseTransportAddr(text)
    expect(formatTransportAddr(addr)).toBe(text)
    const endpoint = new EndpointAddr(id, [addr])
    expect(endpoint.toJSON().addrs).toEqual([json])
    expect(EndpointAddr.fromJSON(JSON.parse(JSON.stringify(endpoint))).equals(endpoint)).toBe(true)
  })

  test('text comes back', () => {
    fc.assert(
      fc.property(anyTransportAddr, (addr) => {
        expect(compareTransportAddrs(parseTransportAddr(formatTransportAddr(addr)), addr)).toBe(0)
      }),
    )
  })

  test.each(['', 'ip:', 'ip:1.2.3.4', 'relays:x', 'custom:_', 'custom:1', 'custom:1_0', 'custom:G_00', 'custom:1_0A'])(
    'refuses %j',
    (text) => {
      expect(codeOf(() => parseTransportAddr(text))).toBe('INVALID_ADDRESS')
    },
  )

  test('endpoint.md §1.2: IPv4-mapped IPv6 becomes IPv4', () => {
    expect(formatTransportAddr(ipAddr('[::ffff:10.0.0.9]:80'))).toBe('ip:10.0.0.9:80')
  })

  test('what cannot be an address is refused', () => {
    expect(codeOf(() => ipAddr({ ip: new Uint8Array(5), port: 1 }))).toBe('INVALID_ADDRESS')
    for (const port of [-1, 65536, 1.5]) {
      expect(codeOf(() => ipAddr({ ip: new Uint8Array(4), port }))).toBe('INVALID_ADDRESS')
    }
    for (const custom of [-1n, 2n ** 64n]) {
      expect(codeOf(() => customAddr(custom, new Uint8Array()))).toBe('INVALID_ADDRESS')
    }
    expect(codeOf(() => relayAddr('nonsense'))).toBe('INVALID_RELAY_URL')
  })

  test('the order is total', () => {
    fc.assert(
      fc.property(anyTransportAddr, anyTransportAddr, anyTransportAddr, (a, b, c) => {
        const ab = Math.sign(compareTransportAddrs(a, b))
        expect(Math.sign(compareTransportAddrs(b, a))).toBe(ab === 0 ? 0 : -ab)
        expect(ab === 0).toBe(formatTransportAddr(a) === formatTransportAddr(b))
        if (ab <= 0 && compareTransportAddrs(b, c) <= 0) expect(compareTransportAddrs(a, c)).toBeLessThanOrEqual(0)
      }),
    )
  })
})

describe('EndpointAddr', () => {
  const sorted = [
    'relay:https://a.example/',
    'relay:https://a.example:8443/',
    'relay:https://b.example/',
    'ip:10.0.0.9:80',
    'ip:203.0.113.7:80',
    'ip:203.0.113.7:4433',
    'ip:[::1]:1',
    'ip:[2001:db8::1]:65535',
    'custom:1_ff',
    'custom:2_',
    'custom:2_00',
  ]

  test('endpoint.md §1.2: relays, IPv4, IPv6, custom; in any order given, without duplicates', () => {
    const addrs = sorted.map(parseTransportAddr)
    fc.assert(
      fc.property(fc.shuffledSubarray([...addrs, ...addrs], { minLength: 2 * addrs.length }), (shuffled) => {
        expect(new EndpointAddr(id, shuffled).addrs.map(formatTransportAddr)).toEqual(sorted)
      }),
    )
  })

  test('adding makes a new one', () => {
    const empty = new EndpointAddr(id)
    const one = empty
      .withRelay('https://relay.example')
      .withIp('[::ffff:1.2.3.4]:5')
      .withIp(parseSocketAddress('1.2.3.4:5'))
    expect(empty.isEmpty).toBe(true)
    expect(one.isEmpty).toBe(false)
    expect(one.relayUrls.map(String)).toEqual(['https://relay.example/'])
    expect(one.ipAddrs.map(formatSocketAddress)).toEqual(['1.2.3.4:5'])
    expect(one.withAddrs([customAddr(1n, new Uint8Array(1))]).addrs.length).toBe(3)
  })

  test('neither the list nor the given bytes can change it', () => {
    const address = parseSocketAddress('1.2.3.4:5')
    const addr = new EndpointAddr(id).withIp(address)
    address.ip.fill(9)
    expect(addr.ipAddrs.map(formatSocketAddress)).toEqual(['1.2.3.4:5'])
    expect(() => (addr.addrs as TransportAddr[]).push(relayAddr('https://x.example'))).toThrow(TypeError)
    expect(Object.isFrozen(addr.addrs[0])).toBe(true)
  })

  test('endpoint.md §1.2: the JSON of the example', () => {
    const addr = new EndpointAddr(id).withIp('203.0.113.7:4433').withRelay('https://r.example')
    expect(JSON.stringify(addr)).toBe(
      `{"id":"${EXAMPLE_ID}","addrs":[{"Relay":"https://r.example/"},{"Ip":"203.0.113.7:4433"}]}`,
    )
  })

  test('JSON comes back', () => {
    fc.assert(
      fc.property(fc.array(anyTransportAddr), (addrs) => {
        const addr = new EndpointAddr(id, addrs)
        expect(EndpointAddr.fromJSON(JSON.parse(JSON.stringify(addr))).equals(addr)).toBe(true)
      }),
    )
  })

  test.each([
    [null, 'INVALID_ADDRESS'],
    ['text', 'INVALID_ADDRESS'],
    [{ id: EXAMPLE_ID }, 'INVALID_ADDRESS'],
    [{ addrs: [] }, 'INVALID_ADDRESS'],
    [{ id: 'x', addrs: [] }, 'INVALID_ID'],
    [{ id: EXAMPLE_ID, addrs: [null] }, 'INVALID_ADDRESS'],
    [{ id: EXAMPLE_ID, addrs: [{}] }, 'INVALID_ADDRESS'],
    [{ id: EXAMPLE_ID, addrs: [{ Ip: '1.2.3.4' }] }, 'INVALID_ADDRESS'],
    [{ id: EXAMPLE_ID, addrs: [{ Ip: '1.2.3.4:5', Relay: 'https://x' }] }, 'INVALID_ADDRESS'],
    [{ id: EXAMPLE_ID, addrs: [{ Relay: 'x' }] }, 'INVALID_RELAY_URL'],
    [{ id: EXAMPLE_ID, addrs: [{ Custom: { id: -1, data: [] } }] }, 'INVALID_ADDRESS'],
    [{ id: EXAMPLE_ID, addrs: [{ Custom: { id: '99999999999999999999', data: [] } }] }, 'INVALID_ADDRESS'],
    [{ id: EXAMPLE_ID, addrs: [{ Custom: { id: 1, data: [256] } }] }, 'INVALID_ADDRESS'],
    [{ id: EXAMPLE_ID, addrs: [{ Custom: { id: 1, data: 'ff' } }] }, 'INVALID_ADDRESS'],
  ])('refuses the JSON %j', (json, code) => {
    expect(codeOf(() => EndpointAddr.fromJSON(json))).toBe(code)
  })

  test('differs by id and by addresses', () => {
    const addr = new EndpointAddr(id).withIp('1.2.3.4:5')
    expect(addr.equals(new EndpointAddr(id))).toBe(false)
    expect(addr.equals(new EndpointAddr(id).withIp('1.2.3.4:6'))).toBe(false)
    expect(addr.equals(new EndpointAddr(id).withIp('1.2.3.4:5'))).toBe(true)
  })
})
