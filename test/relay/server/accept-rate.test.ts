import { describe, expect, test } from 'vitest'
import { canonicalIpText } from '../../../src/bytes/index.ts'
import { AcceptRate, sourceKey } from '../../../src/relay/server/accept-rate.ts'

/** How many of `count` may come at `now`. */
function taken(rate: AcceptRate, count: number, now: number, key = 'a'): number {
  return Array.from({ length: count }, () => rate.take(key, now)).filter((isTaken) => isTaken).length
}

describe('spec/relay.md §4.8: how fast connections may come', () => {
  test('a burst at once, then the rate', () => {
    const rate = new AcceptRate({ perSecond: 10, burst: 5 })
    expect(taken(rate, 20, 1000)).toBe(5)
    expect(taken(rate, 20, 1099)).toBe(0)
    expect(taken(rate, 20, 1100)).toBe(1)
    expect(taken(rate, 20, 1350)).toBe(2)
    expect(taken(rate, 20, 5000)).toBe(5)
  })

  test('what is refused does not count', () => {
    const rate = new AcceptRate({ perSecond: 1, burst: 1 })
    expect(taken(rate, 1, 0)).toBe(1)
    expect(taken(rate, 1000, 500)).toBe(0)
    expect(taken(rate, 1, 1000)).toBe(1)
  })

  test('each key for itself, and a burst of nothing is one', () => {
    const rate = new AcceptRate({ perSecond: 1, burst: 0 })
    expect([taken(rate, 3, 0, 'a'), taken(rate, 3, 0, 'b')]).toEqual([1, 1])
  })

  test('0 a second is no limit', () => {
    const rate = new AcceptRate({ perSecond: 0, burst: 1 })
    expect(taken(rate, 1000, 0)).toBe(1000)
    expect(rate.size).toBe(0)
  })

  test('however many addresses come, 16,384 are remembered', () => {
    const rate = new AcceptRate({ perSecond: 1, burst: 1 })
    let most = 0
    for (let index = 0; index < 40_000; index++) {
      rate.take(`host ${index}`, 0)
      most = Math.max(most, rate.size)
    }
    expect(most).toBe(16_384)
    // Those that are remembered are still held back.
    expect(rate.take('host 39999', 0)).toBe(false)
    // Time empties buckets, and then all of them go.
    for (let index = 0; index < 2000; index++) rate.take(`newcomer ${index}`, 10_000)
    expect(rate.size).toBeLessThanOrEqual(2000)
  })
})

test('what counts as one address', () => {
  const key = (remote: string) => sourceKey(canonicalIpText(remote))
  expect(key('192.0.2.1')).toBe('192.0.2.1')
  expect(key('::ffff:192.0.2.1')).toBe('192.0.2.1')
  expect(key('2001:db8:1:2::5')).toBe(key('2001:db8:1:2:ffff::9'))
  expect(key('2001:db8:1:2::5')).not.toBe(key('2001:db8:1:3::5'))
  expect(key('fe80::1%eth0')).toBe(key('fe80::2'))
  expect([key('127.0.0.1'), key('::ffff:127.9.9.9'), key('::1')]).toEqual([undefined, undefined, undefined])
})
