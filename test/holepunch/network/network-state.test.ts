import { expect, test } from 'vitest'
import { isUsable, networkDifference, networkState } from '../../../src/holepunch/network/network-state.ts'
import type { DefaultRoutes } from '../../../src/platform/index.ts'
import { interfaces } from './network-platform.ts'

const state = (list: string, routes?: DefaultRoutes) => networkState(interfaces(list), routes)

const difference = (before: string, after: string) => networkDifference(state(before), state(after))

const BOTH = 'lo 127.0.0.1, lo ::1, eth0 10.0.0.9, eth0 fe80::1, eth0 2001:db8::1'

test('spec/endpoint.md §5.1: nothing is different, whatever the order', () => {
  expect(difference(BOTH, BOTH)).toBeUndefined()
  expect(difference(BOTH, BOTH.split(', ').reverse().join(', '))).toBeUndefined()
})

test('spec/endpoint.md §5.1: IPv4 is any address but loopback; IPv6 is 2000::/3 or fc00::/7', () => {
  const families = (list: string): boolean[] => [state(list).hasV4, state(list).hasV6]
  expect(families('lo 127.0.0.1, lo ::1, eth0 fe80::1')).toEqual([false, false])
  expect(families('eth0 169.254.1.1')).toEqual([true, false])
  expect(families('dummy0 127.0.0.2')).toEqual([false, false])
  expect(families('eth0 2001:db8::1')).toEqual([false, true])
  expect(families('eth0 3fff::1')).toEqual([false, true])
  expect(families('eth0 4000::1')).toEqual([false, false])
  expect(families('eth0 fd00::1')).toEqual([false, true])
  // What counts as loopback is also said by the system.
  expect(families('lo 10.0.0.1')).toEqual([false, false])
})

test.each([
  ['a family went', BOTH, 'lo 127.0.0.1, eth0 10.0.0.9', 'IPv6 went, eth0 lost 2001:db8::1'],
  ['a family came', 'eth0 2001:db8::1', BOTH, 'IPv4 came, eth0 got 10.0.0.9'],
  ['an interface appeared', 'eth0 10.0.0.9', 'eth0 10.0.0.9, wlan0 10.1.0.9', 'wlan0 came with 10.1.0.9'],
  ['an interface disappeared', 'eth0 10.0.0.9, wlan0 10.1.0.9', 'eth0 10.0.0.9', 'wlan0 went'],
  ['its address changed', 'eth0 10.0.0.9', 'eth0 10.0.0.10', 'eth0 got 10.0.0.10, eth0 lost 10.0.0.9'],
  ['an address more', 'eth0 10.0.0.9', 'eth0 10.0.0.9, eth0 10.0.0.10', 'eth0 got 10.0.0.10'],
  ['an address less', 'eth0 10.0.0.9, eth0 10.0.0.10', 'eth0 10.0.0.9', 'eth0 lost 10.0.0.10'],
  ['everything went', BOTH, 'lo 127.0.0.1, lo ::1', 'IPv4 went, IPv6 went, eth0 went'],
])('spec/endpoint.md §5.1: major: %s', (_what, before, after, reason) => {
  expect(difference(before, after)).toEqual({ isMajor: true, reason })
})

test('spec/endpoint.md §5.1: major: another interface has the default route, of either family', () => {
  const list = interfaces('eth0 10.0.0.9, wlan0 10.1.0.9')
  const between = (before: DefaultRoutes | undefined, after: DefaultRoutes | undefined) =>
    networkDifference(networkState(list, before), networkState(list, after))
  expect(between({ v4: 'eth0' }, { v4: 'eth0' })).toBeUndefined()
  expect(between({ v4: 'eth0' }, { v4: 'wlan0' })).toEqual({
    isMajor: true,
    reason: 'IPv4 goes by wlan0 instead of eth0',
  })
  expect(between({ v4: 'eth0' }, { v4: 'eth0', v6: 'eth0' })).toEqual({
    isMajor: true,
    reason: 'IPv6 goes by eth0 instead of none',
  })
  expect(between({ v4: 'eth0' }, {})).toEqual({ isMajor: true, reason: 'IPv4 goes by no interface instead of eth0' })
  // The system ceased to say: no change.
  expect(between({ v4: 'eth0' }, undefined)).toBeUndefined()
})

test('minor: what no peer could notice; a link-local interface of a container comes and goes', () => {
  expect(difference('eth0 10.0.0.9', 'eth0 10.0.0.9, veth1 fe80::7')).toEqual({
    isMajor: false,
    reason: 'local addresses are others',
  })
  expect(difference('eth0 10.0.0.9, lo 127.0.0.1', 'eth0 10.0.0.9')).toMatchObject({ isMajor: false })
})

test('an address with a zone is read, one that is none is passed over', () => {
  const { interfaces: found, rest } = state('eth0 fe80::1%eth0, eth0 nonsense, eth0 10.0.0.9')
  expect([...found].map(([name, hosts]) => [name, ...hosts])).toEqual([['eth0', '10.0.0.9']])
  expect(rest).toBe('eth0 fe80::1%eth0')
})

test('spec/endpoint.md §5.2: usable is an address of either family and a default route', () => {
  const usual = state('eth0 10.0.0.9', { v4: 'eth0' })
  expect(isUsable(state('eth0 10.0.0.9', { v4: 'eth0' }), usual)).toBe(true)
  expect(isUsable(state('eth0 2001:db8::1', { v6: 'eth0' }), usual)).toBe(true)
  expect(isUsable(state('eth0 10.0.0.9', {}), usual)).toBe(false)
  expect(isUsable(state('lo 127.0.0.1, eth0 fe80::1', { v4: 'eth0' }), usual)).toBe(false)
  // A system that does not say: the address has to do.
  expect(isUsable(state('eth0 10.0.0.9'), usual)).toBe(true)
  expect(isUsable(state('lo 127.0.0.1'), usual)).toBe(false)
})

test('a network that has no default route anyway is usable without', () => {
  expect(isUsable(state('eth0 10.0.0.10', {}), state('eth0 10.0.0.9', {}))).toBe(true)
  expect(isUsable(state('lo 127.0.0.1', {}), state('eth0 10.0.0.9', {}))).toBe(false)
  // Nothing is known of the usual network when it never had an address.
  expect(isUsable(state('eth0 10.0.0.9', {}), state('lo 127.0.0.1', {}))).toBe(false)
})
