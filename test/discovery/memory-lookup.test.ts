import { describe, expect, test } from 'vitest'
import { MemoryLookup } from '../../src/discovery/index.ts'
import { EndpointAddr, type EndpointId, SecretKey } from '../../src/identity/index.ts'

const idOf = (seed: number): EndpointId => SecretKey.fromBytes(new Uint8Array(32).fill(seed)).id
const addrOf = (id: EndpointId, ...texts: string[]): EndpointAddr =>
  texts.reduce((addr, text) => addr.withIp(text), new EndpointAddr(id))
const texts = (addr: EndpointAddr | undefined): number[] | undefined => addr?.ipAddrs.map(({ port }) => port)

describe('an in-memory lookup', () => {
  const id = idOf(1)

  test('joins what is added at different times', () => {
    const lookup = new MemoryLookup({ now: () => 0 })
    expect(lookup.lookup(id)).toBeUndefined()
    lookup.add(addrOf(id, '192.0.2.1:1'))
    lookup.add(addrOf(id, '192.0.2.1:2').withRelay('https://relay.example'))
    lookup.add(addrOf(id, '192.0.2.1:1'))
    expect(texts(lookup.lookup(id))).toEqual([1, 2])
    expect(lookup.lookup(id)?.relayUrls.map(String)).toEqual(['https://relay.example/'])
    expect(lookup.lookup(idOf(2))).toBeUndefined()
  })

  test('an address without addresses adds nothing', () => {
    const lookup = new MemoryLookup({ now: () => 0 })
    lookup.add(new EndpointAddr(id))
    expect([lookup.size, lookup.lookup(id)]).toEqual([0, undefined])
  })

  test('spec/gossip.md §4.6: an endpoint is forgotten when nothing was added for the retention', () => {
    let now = 0
    const lookup = new MemoryLookup({ now: () => now, retentionMs: 1000 })
    lookup.add(addrOf(id, '192.0.2.1:1'))
    now = 900
    lookup.add(addrOf(id, '192.0.2.1:2'))
    now = 1899
    expect(texts(lookup.lookup(id))).toEqual([1, 2])
    now = 1900
    expect(lookup.lookup(id)).toBeUndefined()
    // what expired does not come back with the next address
    lookup.add(addrOf(id, '192.0.2.1:3'))
    expect(texts(lookup.lookup(id))).toEqual([3])
  })

  test('expired addresses do not come back with the next one', () => {
    let now = 0
    const lookup = new MemoryLookup({ now: () => now, retentionMs: 1000 })
    lookup.add(addrOf(id, '192.0.2.1:1'))
    now = 5000
    lookup.add(addrOf(id, '192.0.2.1:2'))
    expect(texts(lookup.lookup(id))).toEqual([2])
  })

  test('endpoints and their addresses are bounded; the oldest go first', () => {
    const lookup = new MemoryLookup({ now: () => 0, maxEndpoints: 2 })
    for (const seed of [1, 2, 3]) lookup.add(addrOf(idOf(seed), '192.0.2.1:1'))
    expect([1, 2, 3].map((seed) => lookup.lookup(idOf(seed)) !== undefined)).toEqual([false, true, true])
    // renewed, so the other one is the oldest now
    lookup.add(addrOf(idOf(2), '192.0.2.1:1'))
    lookup.add(addrOf(idOf(4), '192.0.2.1:1'))
    expect([2, 3, 4].map((seed) => lookup.lookup(idOf(seed)) !== undefined)).toEqual([true, false, true])
    for (let port = 1; port <= 40; port++) lookup.add(addrOf(idOf(2), `192.0.2.1:${port}`))
    expect(texts(lookup.lookup(idOf(2)))).toEqual(Array.from({ length: 32 }, (_, index) => index + 9))
  })

  test('remove forgets', () => {
    const lookup = new MemoryLookup({ now: () => 0 })
    lookup.add(addrOf(id, '192.0.2.1:1'))
    lookup.remove(id)
    expect(lookup.lookup(id)).toBeUndefined()
  })
})
