import { describe, expect, test } from 'vitest'
import { AmplificationWatch } from './support/amplification.ts'
import { VirtualClock } from './support/clock.ts'
import {
  Bottleneck,
  BurstLoss,
  Corrupt,
  Delay,
  Duplicate,
  Link,
  type LinkPart,
  Loss,
  Mtu,
  Outage,
  Spikes,
} from './support/link-parts.ts'
import { Nat, Network } from './support/network.ts'
import { matchesPattern, patternAt } from './support/payload.ts'
import { SimRandom } from './support/random.ts'

/** Arrival times of datagrams of `size` bytes sent at `times`. */
function arrivals(part: LinkPart, times: readonly number[], size = 1000): number[] {
  const out: number[] = []
  for (const at of times) part.pass({ bytes: new Uint8Array(size), at }, (parcel) => out.push(parcel.at))
  return out
}

const THOUSAND = Array.from({ length: 1000 }, (_, index) => index)

describe('links', () => {
  test('a bottleneck spaces datagrams and drops what its queue does not hold', () => {
    expect(arrivals(new Bottleneck(100, 2500), [0, 0, 0, 0, 100])).toEqual([10, 20, 110])
  })

  test('loss has its share, in runs or not', () => {
    expect(arrivals(new Loss(0.2, new SimRandom('a')), THOUSAND).length).toBeCloseTo(800, -2)
    const arrived = new Set(arrivals(new BurstLoss(0.2, 5, new SimRandom('b')), THOUSAND))
    expect(arrived.size).toBeCloseTo(800, -2)
    const runs = THOUSAND.filter((at) => !arrived.has(at) && arrived.has(at - 1)).length
    expect((1000 - arrived.size) / runs).toBeGreaterThan(3)
  })

  test('duplicates come later, corruption keeps the length, large datagrams do not pass', () => {
    expect(arrivals(new Duplicate(1, new SimRandom('c')), [0]).length).toBeGreaterThan(1)
    let bytes = new Uint8Array(0)
    new Corrupt(1, new SimRandom('d')).pass({ bytes: new Uint8Array(50), at: 0 }, (parcel) => {
      bytes = Uint8Array.from(parcel.bytes)
    })
    expect(bytes).toHaveLength(50)
    expect(bytes.some((byte) => byte !== 0)).toBe(true)
    expect(arrivals(new Mtu(1400, 10, 1200), [0, 9, 10], 1300)).toEqual([0, 9])
  })

  test('spikes hold back, outages drop, and parts add up', () => {
    expect(arrivals(new Spikes(100, 30), [5, 50, 110])).toEqual([30, 50, 130])
    expect(arrivals(new Outage(10, 20), [9, 10, 19, 20])).toEqual([9, 20])
    expect(arrivals(new Link([new Delay(5), new Delay(7)]), [1])).toEqual([13])
  })
})

describe('network', () => {
  function create() {
    const clock = new VirtualClock()
    const network = new Network(clock)
    const nat = new Nat('198.51.100.1')
    network.setNat('inside', nat)
    const inside = network.open('inside', '10.0.0.1', 5)
    const outside = network.open('outside', '192.0.2.1', 6)
    const heard: string[] = []
    for (const socket of [inside, outside])
      socket.onMessage = (data, host, port) => heard.push(`${socket.site} ${data.length} ${host} ${port}`)
    const send = (from: typeof inside, length: number, host: string, port: number) => {
      from.send(new Uint8Array(length), 0, length, host, port, () => {})
      while (clock.step(Number.POSITIVE_INFINITY));
    }
    return { network, nat, inside, outside, heard, send }
  }

  test('a NAT hides the inside, lets answers in, and forgets when it rebinds', () => {
    const { nat, inside, outside, heard, send } = create()
    send(outside, 1, '10.0.0.1', 5)
    send(inside, 2, '192.0.2.1', 6)
    send(outside, 3, '198.51.100.1', 20_000)
    nat.rebind()
    send(outside, 4, '198.51.100.1', 20_000)
    send(inside, 5, '192.0.2.1', 6)
    expect(heard).toEqual(['outside 2 198.51.100.1 20000', 'inside 3 192.0.2.1 6', 'outside 5 198.51.100.1 20001'])
  })

  test('RFC 9000 §8.1: the watch tells of the first byte too many, until the address is proved', () => {
    const { network, inside, outside, send } = create()
    const watch = new AmplificationWatch()
    network.watchers.push(watch)
    watch.dialled('inside', { host: '192.0.2.1', port: 6 })
    send(inside, 100, '192.0.2.1', 6)
    send(outside, 300, '198.51.100.1', 20_000)
    expect(watch.violations).toEqual([])
    send(outside, 1, '198.51.100.1', 20_000)
    expect(watch.violations).toHaveLength(1)
    // A Handshake packet: 8-byte ids, length 20.
    const handshake = Uint8Array.of(
      0xe0,
      0,
      0,
      0,
      1,
      8,
      1,
      2,
      3,
      4,
      5,
      6,
      7,
      8,
      0,
      20,
      ...new Array<number>(20).fill(0),
    )
    watch.delivered(outside, { host: '198.51.100.1', port: 20_000 }, { host: '192.0.2.1', port: 6 }, handshake, 0, 0)
    send(outside, 5000, '198.51.100.1', 20_000)
    expect(watch.violations).toHaveLength(1)
  })
})

test('a payload is recognised at its offset and nowhere else', () => {
  const piece = patternAt(3, 1000, 50).slice()
  expect(matchesPattern(piece, 3, 1000)).toBe(true)
  expect(matchesPattern(piece, 3, 1001)).toBe(false)
  expect(matchesPattern(piece, 4, 1000)).toBe(false)
  piece[20]! ^= 1
  expect(matchesPattern(piece, 3, 1000)).toBe(false)
})
