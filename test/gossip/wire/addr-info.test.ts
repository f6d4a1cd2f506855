import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeHex, formatSocketAddress } from '../../../src/bytes/index.ts'
import { decodeAddrInfo, encodeAddrInfo, MAX_ADDRESSES } from '../../../src/gossip/wire/addr-info.ts'
import { DecodeError } from '../../../src/gossip/wire/decode-error.ts'
import { customAddr, EndpointAddr, EndpointId, relayAddr } from '../../../src/identity/index.ts'
import { hex } from '../../crypto/hex.ts'
import { A, D0, D1, D2 } from './vectors.ts'

const id = EndpointId.parse(A)
const nowhere = new EndpointAddr(id)
const RELAY = 'https://relay.example.org./'

function refusal(data: string): string | undefined {
  try {
    decodeAddrInfo(id, hex(data))
    return undefined
  } catch (error) {
    if (error instanceof DecodeError) return error.reason
    throw error
  }
}

function addresses(data: Uint8Array): string[] {
  return decodeAddrInfo(id, data).ipAddrs.map(formatSocketAddress)
}

describe('the vectors', () => {
  test.each([
    ['D0', D0, nowhere],
    ['D1', D1, nowhere.withIp('127.0.0.1:80')],
    ['D2', D2, nowhere.withRelay(RELAY).withIp('[2001:db8::1]:51820').withIp('192.0.2.7:4433')],
  ])('spec/gossip.md §15 %s both ways', (_name, data, addr) => {
    expect(encodeHex(encodeAddrInfo(addr))).toBe(data)
    expect(decodeAddrInfo(id, hex(data)).equals(addr)).toBe(true)
  })
})

describe('written', () => {
  test('spec/gossip.md §4.6: IPv4 before IPv6, then by address, then by port', () => {
    const mixed = ['[::2]:1', '10.0.0.2:1', '10.0.0.1:300', '[::1]:2', '10.0.0.1:5', '9.255.0.0:9']
    const data = encodeAddrInfo(mixed.reduce((addr, ip) => addr.withIp(ip), nowhere))
    // the reader sorts too, so the order is read from the bytes
    const ipv4 = ['0009ff000009', '000a00000105', '000a000001ac02', '000a00000201']
    const ipv6 = [`01${'1'.padStart(32, '0')}02`, `01${'2'.padStart(32, '0')}01`]
    expect(encodeHex(data)).toBe(`0006${ipv4.join('')}${ipv6.join('')}`)
  })

  test('spec/gossip.md §4.6: the first relay alone, and no custom transports', () => {
    const addr = nowhere.withAddrs([
      relayAddr('https://b.example/'),
      relayAddr('https://a.example/'),
      customAddr(1n, hex('aa')),
    ])
    const decoded = decodeAddrInfo(id, encodeAddrInfo(addr))
    expect(decoded.addrs).toEqual([relayAddr('https://a.example/')])
  })

  test('spec/gossip.md §6.6: of many addresses those that reach furthest, of both families, still sorted', () => {
    const local = Array.from({ length: 30 }, (_, index) => `172.17.${index}.1:4000`)
    const local6 = Array.from({ length: 30 }, (_, index) => `[fe80::${index + 1}]:4000`)
    const far = ['203.0.113.9:4000', '8.8.8.8:1', '[2001:db8::7]:4000', '[fd00::1]:4000']
    const data = encodeAddrInfo([...local, ...local6, ...far].reduce((addr, ip) => addr.withIp(ip), nowhere))
    const said = addresses(data)
    expect(said).toHaveLength(MAX_ADDRESSES)
    expect(said).toEqual(expect.arrayContaining(far))
    expect(said.filter((address) => address.startsWith('['))).toHaveLength(MAX_ADDRESSES / 2)
    const places = said.map((address) =>
      encodeHex(data).indexOf(encodeHex(encodeAddrInfo(nowhere.withIp(address))).slice(4)),
    )
    expect(places).toEqual([...places].sort((left, right) => left - right))
  })

  test('spec/gossip.md §6.6: one family alone may have all the places', () => {
    for (const [prefix, suffix] of [
      ['10.0.0.', ':1'],
      ['[2001:db8::', ']:1'],
    ]) {
      const many = Array.from({ length: 40 }, (_, index) => `${prefix}${index + 1}${suffix}`)
      expect(addresses(encodeAddrInfo(many.reduce((addr, ip) => addr.withIp(ip), nowhere)))).toHaveLength(MAX_ADDRESSES)
    }
  })

  test('spec/gossip.md §6.6: eight peers that say all they may fit into a shuffle', () => {
    const most = Array.from({ length: 99 }, (_, index) => `[2001:db8::${index + 1}]:65535`)
    const relay = `https://${'r'.repeat(300)}.example/`
    const data = encodeAddrInfo(most.reduce((addr, ip) => addr.withIp(ip), nowhere.withRelay(relay)))
    expect(8 * (32 + 1 + 2 + data.length) + 40).toBeLessThan(4096)
    expect(decodeAddrInfo(id, data).relayUrls).toEqual([])
  })
})

describe('read', () => {
  test.each([
    ['', 'truncated', 'nothing'],
    ['00', 'truncated', 'no count'],
    ['0200', 'malformed', 'an option of 2'],
    ['000100', 'malformed', 'an address that is not there'],
    ['00010001020304', 'malformed', 'an address without a port'],
    ['000100010203048080', 'truncated', 'a cut port'],
    ['0001000102030480800400', 'malformed', 'a port above 65535'],
    ['00010200000000000000', 'unknown-variant', 'a third family'],
    [`000101${'00'.repeat(15)}`, 'truncated', 'a cut IPv6 address'],
    ['0105612f2f626300', 'invalid-url', 'a relay that is no URL'],
    ['010000', 'invalid-url', 'an empty relay'],
    ['0102c32800', 'malformed', 'a relay that is not UTF-8'],
    ['01ff7f00', 'truncated', 'a relay longer than the data'],
    ['00ffffffffffffff0f', 'malformed', '2^53 - 1 addresses that are not there'],
  ])('spec/gossip.md §4.6: %s is %s: %s', (data, reason) => {
    expect(refusal(data)).toBe(reason)
  })

  test('spec/gossip.md §4.6: any order, doubles, bytes behind, padded numbers, mapped IPv4', () => {
    const one = '000a00000201'
    const two = '000a00000101'
    expect(addresses(hex(`0003${one}${two}${one}ffff`))).toEqual(['10.0.0.1:1', '10.0.0.2:1'])
    expect(addresses(hex('0081008000010203048500'))).toEqual(['1.2.3.4:5'])
    expect(addresses(hex(`000101${'00'.repeat(10)}ffff0102030405`))).toEqual(['1.2.3.4:5'])
  })

  test('spec/gossip.md §11.3: a thousand addresses are not believed', () => {
    const many = Array.from({ length: 1000 }, (_, index) => `000a00${index.toString(16).padStart(4, '0')}01`)
    expect(addresses(hex(`00e807${many.join('')}`))).toHaveLength(32)
  })

  test('spec/gossip.md §4.6: what can be said comes back', () => {
    const ip = fc.oneof(
      fc.ipV4().map((text) => text),
      fc.ipV6().map((text) => `[${text}]`),
    )
    fc.assert(
      fc.property(
        fc.array(fc.tuple(ip, fc.nat(65_535)), { maxLength: MAX_ADDRESSES }),
        fc.boolean(),
        (list, hasRelay) => {
          let addr = hasRelay ? nowhere.withRelay(RELAY) : nowhere
          for (const [host, port] of list) addr = addr.withIp(`${host}:${port}`)
          expect(decodeAddrInfo(id, encodeAddrInfo(addr)).equals(addr)).toBe(true)
        },
      ),
    )
  })
})
