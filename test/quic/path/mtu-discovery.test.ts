/** When the datagram size of a link grows, and when it falls back. */
import { describe, expect, test } from 'vitest'
import { MtuDiscovery } from '../../../src/quic/path/mtu-discovery.ts'

/** A link that has found its 1452 bytes. */
function grown(): MtuDiscovery {
  const mtu = new MtuDiscovery(1452)
  mtu.probeSent(mtu.probeSize(0))
  mtu.probeAcked(1452)
  expect(mtu.current).toBe(1452)
  return mtu
}

describe('search', () => {
  test('RFC 8899 §5.3: one probe at the limit, and half way when it is lost', () => {
    const mtu = new MtuDiscovery(1452)
    expect(mtu.probeSize(0)).toBe(1452)
    mtu.probeSent(1452)
    expect(mtu.probeSize(0)).toBe(0)
    mtu.probeLost(1452)
    expect(mtu.probeSize(0)).toBe(1326)
    mtu.probeSent(1326)
    expect(mtu.probeAcked(1326)).toBe(true)
    expect([mtu.current, mtu.probeSize(0)]).toEqual([1326, 0])
  })
})

/** A link on a route of `limit` bytes that carries up to `carries`: the probes it sends while full datagrams arrive all the time. */
function probes(limit: number, carries: number): { sent: number[]; mtu: MtuDiscovery } {
  const mtu = new MtuDiscovery(limit)
  const sent: number[] = []
  for (let step = 0; step < 200; step++) {
    const size = mtu.probeSize(step)
    if (size === 0) mtu.acked(mtu.current)
    else {
      sent.push(size)
      mtu.probeSent(size)
      if (size <= carries) mtu.probeAcked(size)
      else mtu.probeLost(size)
    }
  }
  return { sent, mtu }
}

describe('large datagrams', () => {
  test('fast-path.md §4: after 1452 bytes the largest is tried, then a jumbo frame, each once', () => {
    expect(probes(16_000, 65_535).sent).toEqual([1452, 16_000])
    expect(probes(16_000, 9_000).sent).toEqual([1452, 16_000, 8900])
    expect(probes(16_000, 9_000).mtu.current).toBe(8900)
    expect(probes(16_000, 1500).sent).toEqual([1452, 16_000, 8900])
    expect(probes(16_000, 1500).mtu.current).toBe(1452)
    expect(probes(5000, 65_535).sent).toEqual([1452, 5000])
    expect(probes(5000, 1500).sent).toEqual([1452, 5000])
    expect(probes(1460, 65_535).sent).toEqual([1452])
  })

  test('fast-path.md §4: where not even 1452 bytes arrive, nothing larger is tried', () => {
    expect(probes(16_000, 1400).sent).toEqual([1452, 1326])
    expect(probes(16_000, 1200).sent).toEqual([1452, 1326, 1263, 1231])
  })

  test('they wait for a transfer: eight full datagrams must have arrived', () => {
    const mtu = new MtuDiscovery(16_000)
    mtu.probeSent(1452)
    mtu.probeAcked(1452)
    for (let count = 0; count < 100; count++) mtu.acked(60)
    for (let count = 0; count < 7; count++) mtu.acked(1452)
    expect(mtu.probeSize(1)).toBe(0)
    mtu.acked(1452)
    expect(mtu.probeSize(1)).toBe(16_000)
  })

  test('RFC 8899 §4.3: after a black hole everything is searched for again', () => {
    const { mtu } = probes(16_000, 65_535)
    for (const now of [1000, 1010, 1020, 1030]) mtu.lost(16_000, now)
    expect(mtu.current).toBe(1200)
    expect(mtu.probeSize(61_029)).toBe(0)
    expect(mtu.probeSize(61_030)).toBe(1452)
  })
})

describe('black hole', () => {
  test('it was none when a full datagram of before arrives after all: the peer was away, and the search goes on', () => {
    const mtu = grown()
    expect(mtu.timedOut(3, 100)).toBe(true)
    mtu.acked(1200)
    expect(mtu.probeSize(200)).toBe(0)
    mtu.acked(1452)
    expect(mtu.probeSize(200)).toBe(1452)
  })

  test('RFC 8899 §4.3: a burst that overflowed a queue is none, however long', () => {
    const mtu = grown()
    // One ACK tells of all these, and acknowledges what was sent after them.
    for (let packet = 0; packet < 50; packet++) expect(mtu.lost(1452, 100)).toBe(false)
    mtu.acked(1452)
    for (let packet = 0; packet < 50; packet++) expect(mtu.lost(1452, 120)).toBe(false)
    expect(mtu.current).toBe(1452)
  })

  test('RFC 8899 §4.3: full datagrams lost again and again, while small ones arrive', () => {
    const mtu = grown()
    const results = [100, 110, 120, 130].map((now) => {
      mtu.acked(60)
      return mtu.lost(1452, now)
    })
    expect(results).toEqual([false, false, false, true])
    expect(mtu.current).toBe(1200)
    // The search rests for a minute.
    expect(mtu.probeSize(60_000)).toBe(0)
    expect(mtu.probeSize(60_130)).toBe(1452)
  })

  test('RFC 8899 §4.3: a full datagram that arrives in between clears the suspicion', () => {
    const mtu = grown()
    for (const now of [100, 110, 120]) mtu.lost(1452, now)
    mtu.acked(1452)
    for (const now of [130, 140, 150]) expect(mtu.lost(1452, now)).toBe(false)
    expect(mtu.lost(1200, 160)).toBe(false)
    expect(mtu.lost(1452, 170)).toBe(true)
  })

  test('RFC 8899 §4.3: probe timeouts in a row, when nothing arrives that could tell of a loss', () => {
    const mtu = grown()
    expect([1, 2, 3].map((count) => mtu.timedOut(count, 100))).toEqual([false, false, true])
    expect(mtu.current).toBe(1200)
    // Small datagrams are not the reason.
    expect(mtu.timedOut(9, 200)).toBe(false)
    expect(mtu.probeSize(60_099)).toBe(0)
    expect(mtu.probeSize(60_100)).toBe(1452)
  })
})
