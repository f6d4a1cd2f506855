import { describe, expect, test } from 'vitest'
import { A, B, Bench, PEER, udp, V6, VIA_RELAY } from './machine-driver.ts'

const NEW = udp('198.51.100.7:7')

describe('D5: a CallMeMaybe', () => {
  test('spec/disco-stun-nat.md §3.5: makes us ping every address in it, and the relay, but sends none back', () => {
    const bench = new Bench().know([VIA_RELAY])
    bench.callMeMaybe([A, V6])
    expect(bench.sent()).toEqual(['ping relay', 'ping 192.0.2.1:1', 'ping [2001:db8::1]:6'])
    expect(bench.machine.peerAt(A)).toEqual(PEER)
  })

  test('spec/disco-stun-nat.md §2.4: by UDP, or of somebody we do not know, is ignored', () => {
    const bench = new Bench().know([A])
    bench.callMeMaybe([B], A)
    expect(bench.sent()).toEqual([])
    const other = new Bench()
    other.callMeMaybe([B])
    expect(other.sent()).toEqual([])
    expect(other.machine.peerCount).toBe(0)
    // a stranger that pinged through the relay first
    other.ping(VIA_RELAY)
    other.callMeMaybe([B])
    expect(other.sent()).toEqual(['pong relay', 'ping relay', 'ping 192.0.2.2:2'])
  })

  test('spec/disco-stun-nat.md §3.5: paths that it does not list are no longer valid, those that it lists are', () => {
    const bench = new Bench()
    bench.validate(A)
    bench.callMeMaybe([A])
    expect(bench.state).toBe('valid 192.0.2.1:1')
    bench.callMeMaybe([B])
    expect(bench.state).toMatch(/^unconfirmed/)
  })

  test('spec/disco-stun-nat.md §3.5: everything may be pinged again at once', () => {
    const bench = new Bench().know([A, VIA_RELAY])
    bench.machine.callPeer(PEER, bench.now)
    bench.sent()
    bench.callMeMaybe([B])
    expect(bench.sent()).toEqual(['ping relay', 'ping 192.0.2.1:1', 'ping 192.0.2.2:2'])
  })

  test('spec/disco-stun-nat.md §3.6: 64 addresses are taken of 65; link-local ones and nonsense are not', () => {
    const bench = new Bench().know([VIA_RELAY])
    bench.callMeMaybe(Array.from({ length: 65 }, (_, index) => udp(`198.51.100.1:${1_000 + index}`)))
    const pings = bench.sent().filter((text) => text !== 'ping relay')
    expect(pings).toHaveLength(64)
    expect(pings.at(-1)).toBe('ping 198.51.100.1:1063')
    const other = new Bench().know([VIA_RELAY])
    other.callMeMaybe([udp('[fe80::1]:5'), udp('0.0.0.0:5'), udp('192.0.2.1:0'), udp('[ff02::1]:5'), A])
    expect(other.sent()).toEqual(['ping relay', 'ping 192.0.2.1:1'])
  })

  test('spec/disco-stun-nat.md §3.5: one of ours may follow when the choice changed, not when it stayed', () => {
    for (const [listed, count] of [
      [[A], 0],
      [[V6], 1],
    ] as const) {
      const bench = new Bench().know([A, VIA_RELAY])
      bench.machine.setOwnAddresses([NEW], bench.now)
      bench.payload()
      expect(bench.sent()).toContain('call-me-maybe relay')
      bench.now += 1_000
      bench.callMeMaybe(listed)
      bench.sent()
      bench.payload()
      expect(bench.sent().filter((text) => text.startsWith('call'))).toHaveLength(count)
    }
  })
})

describe('our own CallMeMaybe', () => {
  test('spec/disco-stun-nat.md §3.6: has 32 addresses at most, the most wanted', () => {
    const bench = new Bench().know([VIA_RELAY])
    const own = Array.from({ length: 40 }, (_, index) => udp(`203.0.113.1:${index + 1}`))
    bench.machine.setOwnAddresses(own, bench.now)
    bench.machine.callPeer(PEER, bench.now)
    const message = bench.take().find((sent) => sent.message.type === 'call-me-maybe')!.message
    expect(message).toEqual({ type: 'call-me-maybe', addresses: own.slice(0, 32) })
  })

  test.each([
    [27_000, ['ping relay', 'call-me-maybe relay'], 0],
    [27_001, ['ping relay'], 1],
  ])('spec/disco-stun-nat.md §3.1: with addresses of %i ms', (age, sent, refreshes) => {
    const bench = new Bench().know([VIA_RELAY])
    bench.machine.setOwnAddresses([A], bench.now)
    bench.now += age
    bench.machine.callPeer(PEER, bench.now)
    expect(bench.sent()).toEqual(sent)
    expect(bench.refreshes).toBe(refreshes)
    // as soon as they are known
    bench.machine.setOwnAddresses([B], bench.now)
    expect(bench.sent()).toEqual(refreshes === 1 ? ['call-me-maybe relay'] : [])
    bench.machine.setOwnAddresses([B], bench.now)
    expect(bench.sent()).toEqual([])
  })
})
