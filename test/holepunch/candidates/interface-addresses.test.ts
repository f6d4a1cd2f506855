import { expect, test } from 'vitest'
import { formatSocketAddress, parseSocketAddress } from '../../../src/bytes/index.ts'
import { isDialable, isProbeable, localAddresses } from '../../../src/holepunch/candidates/interface-addresses.ts'

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

/** Which of these we would probe, having one socket at `[2001:db8::1]:7` and one at `10.0.0.9:7`. */
function probed(texts: readonly string[], allowLoopback?: boolean): string[] {
  const own = [parseSocketAddress('[2001:db8::1]:7'), parseSocketAddress('10.0.0.9:7')]
  return texts.filter((text) => isProbeable(parseSocketAddress(text), own, allowLoopback))
}

test('spec/endpoint.md §13: hosts that may be peers are probed: public, private, CGNAT, link-local IPv4, unique local, documentation', () => {
  const peers = [
    '198.51.100.7:1',
    '192.168.1.2:65535',
    '10.0.0.9:8',
    '100.64.0.1:5',
    '169.254.3.4:5',
    '223.255.255.255:5',
    '128.0.0.1:5',
    '1.0.0.0:5',
    '[2001:db8::2]:7',
    '[2001:db8::1]:8',
    '[fd00::1]:7',
    '[fec0::1]:7',
    '[::2]:7',
    '[::ffff:10.0.0.8]:7',
  ]
  expect(probed(peers)).toEqual(peers)
})

test.each([
  ['loopback', '127.0.0.1:5', '127.255.255.255:5', '[::1]:5', '[::ffff:127.0.0.1]:5'],
  ['"any" and the rest of 0.0.0.0/8', '0.0.0.0:5', '0.1.2.3:5', '[::]:5', '[::ffff:0.0.0.0]:5', '[::ffff:0.0.0.1]:5'],
  ['multicast', '224.0.0.1:5', '239.255.255.250:1900', '[ff02::1]:5', '[ff0e::1]:5', '[::ffff:224.0.0.1]:5'],
  ['reserved and broadcast', '240.0.0.1:5', '255.255.255.255:5', '[::ffff:255.255.255.255]:5'],
  ['link-local IPv6, which needs an interface', '[fe80::1]:5', '[febf::1]:5'],
  ['port 0', '198.51.100.7:0', '[2001:db8::2]:0'],
  ['our own addresses', '10.0.0.9:7', '[2001:db8::1]:7', '[::ffff:10.0.0.9]:7'],
])('spec/endpoint.md §13: never probed: %s', (_what, ...texts) => {
  expect(probed(texts)).toEqual([])
})

test('loopback is probed by whoever has nothing else, but not its own socket', () => {
  expect(probed(['127.0.0.1:5', '[::1]:5', '[::ffff:127.0.0.1]:5', '0.0.0.0:5'], true)).toEqual([
    '127.0.0.1:5',
    '[::1]:5',
    '[::ffff:127.0.0.1]:5',
  ])
  const own = [parseSocketAddress('127.0.0.1:5')]
  expect(isProbeable(parseSocketAddress('127.0.0.1:5'), own, true)).toBe(false)
  // An own address may be known in its mapped form.
  expect(isProbeable(parseSocketAddress('127.0.0.1:5'), [parseSocketAddress('[::ffff:127.0.0.1]:5')], true)).toBe(false)
})

test('dialling is freer than probing: whom the application names may be on this host, but must be one host', () => {
  const dialable = (text: string): boolean => isDialable(parseSocketAddress(text))
  expect(['127.0.0.1:5', '[::1]:5', '198.51.100.7:5', '[::ffff:10.0.0.1]:5'].filter(dialable).length).toBe(4)
  const nobody = ['0.0.0.0:5', '[::]:5', '127.0.0.1:0', '224.0.0.1:5', '255.255.255.255:5', '[ff02::1]:5']
  expect([...nobody, '[::ffff:0.0.0.0]:5', '[::ffff:224.0.0.1]:5'].filter(dialable)).toEqual([])
})
