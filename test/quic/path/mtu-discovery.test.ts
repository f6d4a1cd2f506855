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

describe('black hole', () => {
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
