import { describe, expect, test } from 'vitest'
import type { RelayCarrier } from '../../src/driver/index.ts'
import { RouteTable } from '../../src/driver/route-table.ts'
import { VirtualSocket } from './virtual-platform.ts'

const URL_A = 'https://a.example/'
const URL_B = 'https://b.example/'

const carrier: RelayCarrier = { send: () => {}, flush: () => {}, isBlocked: () => false }

/** 32 bytes that begin with `start`. */
function peer(...start: number[]): Uint8Array {
  const id = new Uint8Array(32)
  id.set(start)
  return id
}

function create(maxCold?: number) {
  const table = new RouteTable({ remote: 1452, loopback: 16_000 }, maxCold)
  return { table, a: table.relay(URL_A, carrier), b: table.relay(URL_B, carrier) }
}

describe('routes through relays', () => {
  test('one for each relay and peer, always the same', () => {
    const { table, a, b } = create()
    const one = a.intern(peer(1))
    expect(a.intern(peer(1))).toBe(one)
    const others = [
      a.intern(peer(2)),
      b.intern(peer(1)),
      table.addSocket(new VirtualSocket('0.0.0.0', 1)).intern('1.2.3.4', 1),
    ]
    expect(new Set([one, ...others]).size).toBe(4)
    expect(table.relay(URL_A, carrier)).toBe(a)
    expect(a.intern(peer(1))).toBe(one)
    expect(table.entry(one)).toMatchObject({ kind: 'relay', peer: peer(1), line: { url: URL_A } })
  })

  test('peers whose ids begin alike are told apart', () => {
    const { a } = create()
    const alike = [9, 8, 7].map((last) => {
      const id = peer(255, 254, 253, 252, 251, 250)
      id[31] = last
      return id
    })
    const routes = alike.map((id) => a.intern(id))
    expect(new Set(routes).size).toBe(3)
    expect(alike.map((id) => a.find(id))).toEqual(routes)
    expect(a.find(peer(255, 254, 253, 252, 251, 250))).toBeUndefined()
  })

  test('the id is copied: the message it came in is used again', () => {
    const { table, a } = create()
    const id = peer(5)
    const route = a.intern(id)
    id.fill(0)
    expect(table.entry(route)).toMatchObject({ peer: peer(5) })
    expect(a.find(peer(5))).toBe(route)
  })

  test('what QUIC asks: the size of a datagram, no address, no host shared, no bound', () => {
    const { table, a } = create()
    const [one, other] = [a.intern(peer(1)), a.intern(peer(2))]
    expect(table.maxDatagramSize(one)).toBe(1452)
    expect(table.maxBytesInFlight(one)).toBe(Number.POSITIVE_INFINITY)
    expect(table.address(one)).toBeUndefined()
    expect([table.sameHost(one, one), table.sameHost(one, other)]).toEqual([true, false])
  })

  test('routes nobody holds are forgotten beyond the limit, in a chain of alike ids too', () => {
    const { table, a } = create(4)
    const held = a.intern(peer(0, 0, 0, 0, 0, 0, 1))
    table.retain(held)
    for (let index = 2; index < 100; index++) a.intern(peer(0, 0, 0, 0, 0, 0, index))
    expect(table.size).toBe(5)
    expect(a.find(peer(0, 0, 0, 0, 0, 0, 1))).toBe(held)
    expect(a.find(peer(0, 0, 0, 0, 0, 0, 50))).toBeUndefined()
    expect(a.find(peer(0, 0, 0, 0, 0, 0, 99))).toBeDefined()
    table.release(held)
    for (let index = 0; index < 5; index++) a.intern(peer(7, index))
    expect(a.find(peer(0, 0, 0, 0, 0, 0, 1))).toBeUndefined()
  })

  test('relays without routes are forgotten when there are many', () => {
    const { table } = create(2)
    for (let index = 0; index < 200; index++) table.relay(`https://r${index}.example/`, carrier).intern(peer(index))
    expect(table.knownRelay('https://r0.example/')).toBeUndefined()
    expect(table.knownRelay('https://r199.example/')).toBeDefined()
  })
})
