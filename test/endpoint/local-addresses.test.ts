import { expect, test } from 'vitest'
import { formatSocketAddress } from '../../src/bytes/index.ts'
import { localAddresses } from '../../src/endpoint/local-addresses.ts'

const ANY = [
  { host: '0.0.0.0', port: 4 },
  { host: '::', port: 6 },
]

function shared(hosts: readonly string[], sockets = ANY): string[] {
  const interfaces = hosts.map((host) => ({
    name: 'eth0',
    host,
    family: host.includes(':') ? (6 as const) : (4 as const),
    internal: host.startsWith('127.') || host === '::1',
  }))
  return localAddresses(sockets, interfaces).map(formatSocketAddress)
}

test('spec/endpoint.md §3.2: private, CGNAT and global addresses of all interfaces, each with the port of its family', () => {
  const hosts = ['127.0.0.1', '::1', '10.0.0.9', '100.64.0.1', '203.0.113.7', '2001:db8::1']
  expect(shared(hosts)).toEqual(['10.0.0.9:4', '100.64.0.1:4', '203.0.113.7:4', '[2001:db8::1]:6'])
})

test('spec/endpoint.md §3.2: loopback only when there is nothing else', () => {
  expect(shared(['127.0.0.1', '::1'])).toEqual(['127.0.0.1:4', '[::1]:6'])
})

test('spec/endpoint.md §3.2: link-local IPv6 never, link-local IPv4 and unique local IPv6 only without a regular address', () => {
  expect(shared(['fe80::1%eth0', '169.254.3.4', 'fd00::1', '10.0.0.9'])).toEqual(['10.0.0.9:4'])
  expect(shared(['fe80::1%eth0', '169.254.3.4', 'fd00::1', '127.0.0.1'])).toEqual(['169.254.3.4:4', '[fd00::1]:6'])
})

test('a socket bound to one address is that address, loopback too, and duplicates are one', () => {
  const sockets = [
    { host: '127.0.0.1', port: 1 },
    { host: '10.0.0.9', port: 4 },
    { host: '0.0.0.0', port: 4 },
  ]
  expect(shared(['10.0.0.9', '127.0.0.1'], sockets)).toEqual(['127.0.0.1:1', '10.0.0.9:4'])
})

test('no sockets, no addresses', () => {
  expect(shared(['10.0.0.9'], [])).toEqual([])
})
