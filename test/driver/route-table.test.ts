import { expect, test } from 'vitest'
import { RouteTable } from '../../src/driver/route-table.ts'
import { VirtualSocket } from './virtual-platform.ts'

function create(maxCold = 4) {
  const table = new RouteTable({ remote: 1452, loopback: 16_000 }, maxCold)
  const socket = new VirtualSocket('0.0.0.0', 4433)
  return { table, socket, routes: table.addSocket(socket) }
}

test('the same address is the same route, another port or socket another one', () => {
  const { table, routes } = create()
  const other = table.addSocket(new VirtualSocket('0.0.0.0', 4434))
  const route = routes.intern('192.0.2.1', 1000)
  expect(routes.intern('192.0.2.1', 1001)).not.toBe(route)
  expect(other.intern('192.0.2.1', 1000)).not.toBe(route)
  expect(routes.intern('192.0.2.1', 1000)).toBe(route)
})

test('the questions of QUIC about a route', () => {
  const { table, routes } = create()
  const route = routes.intern('192.0.2.1', 1000)
  const moved = routes.intern('192.0.2.1', 2000)
  const linkLocal = routes.intern('fe80::1%eth0', 3000)
  expect(table.maxDatagramSize(route)).toBe(1452)
  expect(table.sameHost(route, moved)).toBe(true)
  expect(table.sameHost(route, linkLocal)).toBe(false)
  expect(table.sameHost(route, 999)).toBe(false)
  expect(table.address(route)).toEqual({ ip: Uint8Array.of(192, 0, 2, 1), port: 1000 })
  expect(table.address(linkLocal)?.ip.length).toBe(16)
  expect(table.address(999)).toBeUndefined()
})

test('forged source addresses cannot grow the table, and numbers are never used again', () => {
  const { table, routes } = create(4)
  const seen = new Set<number>()
  for (let index = 0; index < 100; index++) seen.add(routes.intern('192.0.2.1', 1000 + index))
  expect(table.size).toBe(4)
  expect(seen.size).toBe(100)
  const again = routes.intern('192.0.2.1', 1000)
  expect(seen.has(again)).toBe(false)
})

test('a route that a connection holds stays, and may go when the last one lets it', () => {
  const { table, routes } = create(4)
  const route = routes.intern('192.0.2.1', 1)
  table.retain(route)
  table.retain(route)
  for (let index = 0; index < 10; index++) routes.intern('198.51.100.1', 1 + index)
  expect(routes.intern('192.0.2.1', 1)).toBe(route)
  table.release(route)
  expect(table.size).toBe(5)
  table.release(route)
  expect(table.size).toBe(4)
  expect(table.entry(route)).toBeDefined()
  for (let index = 0; index < 10; index++) routes.intern('198.51.100.2', 1 + index)
  expect(table.entry(route)).toBeUndefined()
  expect(table.retain(route)).toBe(false)
  table.release(route)
})

test('forgetting a route while one of the same port is made keeps the new one', () => {
  const { table, routes } = create(1)
  routes.intern('192.0.2.1', 5)
  const route = routes.intern('192.0.2.2', 5)
  table.retain(route)
  routes.intern('192.0.2.3', 6)
  expect(routes.intern('192.0.2.2', 5)).toBe(route)
})

test('a socket does not answer with a route that another one made the table forget', () => {
  const { table, routes } = create(1)
  const other = table.addSocket(new VirtualSocket('0.0.0.0', 4434))
  const route = routes.intern('192.0.2.1', 5)
  other.intern('192.0.2.1', 5)
  const again = routes.intern('192.0.2.1', 5)
  expect(again).not.toBe(route)
  expect(table.entry(again)).toMatchObject({ host: '192.0.2.1' })
})

test('routes of a socket that was taken away are dead, the held ones until they are let go', () => {
  const { table, socket, routes } = create()
  const held = routes.intern('192.0.2.1', 1)
  const cold = routes.intern('192.0.2.1', 2)
  table.retain(held)
  table.removeSocket(socket)
  expect(table.entry(cold)).toBeUndefined()
  expect(table.entry(held)?.isDead).toBe(true)
  table.release(held)
  expect(table.size).toBe(0)
})

test('fast-path.md §4: datagrams to this very host may be large, whatever its address is written like', () => {
  const { table, routes } = create(100)
  const size = (host: string): number => table.maxDatagramSize(routes.intern(host, 1000))
  for (const host of ['127.0.0.1', '127.255.0.9', '::1', '::ffff:127.0.0.1']) expect(size(host)).toBe(16_000)
  for (const host of ['128.0.0.1', '12.7.0.1', '192.0.2.127', '::2', 'fe80::1%lo', '::ffff:192.0.2.1', '127::1'])
    expect(size(host)).toBe(1452)
  expect(table.maxDatagramSize(999)).toBe(1452)
})

test('fast-path.md §4: in flight to this host is what a buffer like ours holds, elsewhere congestion control decides', () => {
  const table = new RouteTable({ remote: 1452, loopback: 16_000 })
  const bound = (receiveBufferSize: number, host: string): number => {
    const socket = Object.assign(new VirtualSocket('0.0.0.0', 4433), { receiveBufferSize })
    return table.maxBytesInFlight(table.addSocket(socket).intern(host, 1000))
  }
  expect(bound(8 * 1024 * 1024, '127.0.0.1')).toBe(524_288)
  expect(bound(425_984, '127.0.0.1')).toBeCloseTo(170_393.6)
  expect(bound(0, '127.0.0.1')).toBe(524_288)
  expect(bound(425_984, '192.0.2.1')).toBe(Number.POSITIVE_INFINITY)
  expect(table.maxBytesInFlight(999)).toBe(Number.POSITIVE_INFINITY)
})
