import { describe, expect, test } from 'vitest'
import type { Connection, DatagramSlots, Transmit } from '../../src/quic/index.ts'
import { AmplificationWatch } from './support/amplification.ts'
import { VirtualClock } from './support/clock.ts'
import {
  Bottleneck,
  BurstLoss,
  Corrupt,
  Delay,
  Duplicate,
  Gate,
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
import { guardWakes } from './support/wake-guard.ts'

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

  test('a gate is cut and healed, and a black hole for what is large, from one datagram to the next', () => {
    const gate = new Gate()
    expect(arrivals(gate, [1])).toEqual([1])
    gate.isCut = true
    expect(arrivals(gate, [2])).toEqual([])
    gate.isCut = false
    gate.maxSize = 999
    expect(arrivals(gate, [3], 1000)).toEqual([])
    expect(arrivals(gate, [4], 999)).toEqual([4])
  })
})

describe('the guard of wake-ups', () => {
  const slots: DatagramSlots = {
    bytes: new Uint8Array(0),
    slotSize: 0,
    inUse: 0,
    offset: () => 0,
    acquire: () => 0,
    release: () => {},
  }

  /** A connection that sends nothing and wants to be woken `after` ms later, always. */
  function guarded(after: number, hasSlots = true) {
    const faults: string[] = []
    let at = 0
    const connection = {
      receive: () => true,
      tick: (now: number) => {
        at = now
      },
      poll: () => false,
      nextEvent: () => undefined,
      deadline: () => at + after,
    } as unknown as Connection
    guardWakes(connection, hasSlots ? slots : { ...slots, acquire: () => -1 }, (fault) => faults.push(fault))
    /** What the driver does, `times` times. */
    const rounds = (times: number, everyMs: number) => {
      for (let round = 1; round <= times; round++) {
        connection.tick(round * everyMs)
        connection.poll(round * everyMs, {} as Transmit)
        connection.deadline()
      }
      return faults
    }
    return { rounds }
  }

  test('a tick that is due again at once is a fault, unless there was no slot to send with', () => {
    expect(guarded(0).rounds(2, 1)).toEqual([])
    expect(guarded(0).rounds(3, 1)).toHaveLength(1)
    expect(guarded(-5).rounds(3, 1)).toHaveLength(1)
    expect(guarded(0, false).rounds(3, 1)).toEqual([])
    expect(guarded(1).rounds(3, 1)).toEqual([])
  })

  test('so are many ticks in a short time of which nothing comes', () => {
    expect(guarded(1).rounds(20, 1)).toEqual([])
    expect(guarded(1).rounds(21, 1)).toHaveLength(1)
    expect(guarded(1).rounds(100, 100)).toEqual([])
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

  test('links between hosts come before those between sites, and a NAT may be that of one host', () => {
    const clock = new VirtualClock()
    const network = new Network(clock)
    const nat = new Nat('198.51.100.9')
    network.setNat('10.0.0.2', nat)
    const [plain, hidden, far] = ['10.0.0.1', '10.0.0.2', '192.0.2.1'].map((host) => network.open(host, host, 7))
    network.setHostLink('10.0.0.2', '192.0.2.1', new Link([new Delay(50)]))
    const heard: string[] = []
    far!.onMessage = (_data, host) => heard.push(`${clock.now} ${host}`)
    for (const socket of [plain!, hidden!]) socket.send(new Uint8Array(1), 0, 1, '192.0.2.1', 7, () => {})
    while (clock.step(Number.POSITIVE_INFINITY));
    expect(heard).toEqual(['1001 10.0.0.1', '1050 198.51.100.9'])
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
