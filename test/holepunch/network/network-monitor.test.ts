import { describe, expect, test } from 'vitest'
import { type NetworkChange, NetworkMonitor } from '../../../src/holepunch/network/network-monitor.ts'
import type { TimerOptions } from '../../../src/platform/index.ts'
import { NetworkPlatform } from './network-platform.ts'

const HOME = 'lo 127.0.0.1, wlan0 192.168.1.5'
const HOME_ROUTES = { v4: 'wlan0' }
const MOBILE = 'lo 127.0.0.1, wwan0 100.64.0.9'
const NOTHING = 'lo 127.0.0.1'

interface Watched {
  readonly platform: NetworkPlatform
  readonly monitor: NetworkMonitor
  /** With the time since the start, ms. */
  readonly changes: (NetworkChange & { readonly at: number })[]
  /** When the platform was asked since the last call, ms since the start. */
  looks(): number[]
}

/** A monitor that was started at home. */
function watch(): Watched {
  const platform = new NetworkPlatform()
  platform.network(HOME, HOME_ROUTES)
  const changes: Watched['changes'] = []
  const start = platform.time
  const monitor = new NetworkMonitor({
    platform,
    onChange: (change) => changes.push({ at: platform.time - start, ...change }),
  })
  monitor.start()
  platform.looks.length = 0
  return { platform, monitor, changes, looks: () => platform.looks.splice(0).map((time) => time - start) }
}

test('spec/endpoint.md §5.1: looks once a second, and a network that stays the same is no news', () => {
  const { platform, changes, looks } = watch()
  platform.advance(5500)
  expect(looks()).toEqual([1000, 2000, 3000, 4000, 5000])
  platform.advance(3_600_000)
  expect(changes).toEqual([])
})

test('spec/endpoint.md §5.1: a change is told 250 ms after it was seen, once, with all that came meanwhile', () => {
  const { platform, changes, looks } = watch()
  platform.advance(1500)
  platform.network('lo 127.0.0.1, wlan0 192.168.1.6', HOME_ROUTES)
  platform.advance(600)
  platform.network('lo 127.0.0.1, wlan0 192.168.1.7', HOME_ROUTES)
  platform.advance(10_000)
  expect(changes).toEqual([
    { at: 2250, isMajor: true, isUsable: true, reason: 'wlan0 got 192.168.1.7, wlan0 lost 192.168.1.5' },
  ])
  expect(looks().slice(0, 5)).toEqual([1000, 2000, 2250, 3250, 4250])
})

test('what is gone again when the debounce ends was nothing', () => {
  const { platform, changes, looks } = watch()
  platform.network('lo 127.0.0.1, wlan0 192.168.1.5, veth0 fe80::1', HOME_ROUTES)
  platform.advance(1100)
  platform.network(HOME, HOME_ROUTES)
  platform.advance(10_000)
  expect(changes).toEqual([])
  expect(looks().slice(0, 4)).toEqual([1000, 1250, 2250, 3250])
})

test('spec/endpoint.md §5.1: the default route moves while the addresses stay', () => {
  const { platform, changes } = watch()
  platform.network(HOME, { v4: 'tun0' })
  platform.advance(2000)
  expect(changes).toEqual([{ at: 1250, isMajor: true, isUsable: true, reason: 'IPv4 goes by tun0 instead of wlan0' }])
})

test('spec/endpoint.md §5.1: so does one of IPv6, and an address that moves to another interface', () => {
  const { platform, changes } = watch()
  platform.network(HOME, { v4: 'wlan0', v6: 'tun0' })
  platform.advance(2000)
  platform.network('lo 127.0.0.1, wlan1 192.168.1.5', { v4: 'wlan0', v6: 'tun0' })
  platform.advance(2000)
  expect(changes.map(({ reason }) => reason)).toEqual([
    'IPv6 goes by tun0 instead of none',
    'wlan1 came with 192.168.1.5, wlan0 went',
  ])
})

test('a minor change is told too', () => {
  const { platform, changes } = watch()
  platform.network(`${HOME}, veth0 fe80::1`, HOME_ROUTES)
  platform.advance(2000)
  expect(changes).toEqual([{ at: 1250, isMajor: false, isUsable: true, reason: 'local addresses are others' }])
})

test('each change is compared with what was told last', () => {
  const { platform, changes } = watch()
  platform.network(MOBILE, { v4: 'wwan0' })
  platform.advance(2000)
  platform.network(HOME, HOME_ROUTES)
  platform.advance(2000)
  expect(changes.map(({ reason }) => reason)).toEqual([
    'IPv4 goes by wwan0 instead of wlan0, wwan0 came with 100.64.0.9, wlan0 went',
    'IPv4 goes by wlan0 instead of wwan0, wlan0 came with 192.168.1.5, wwan0 went',
  ])
})

describe('spec/endpoint.md §5.2: a network that is not usable yet', () => {
  test('is waited for: 100, 200, 400, 800, 1000, 1000 … ms, and told as it is after 5 s', () => {
    const { platform, changes, looks } = watch()
    platform.network(NOTHING, {})
    platform.advance(10_000)
    expect(looks().slice(0, 11)).toEqual([1000, 1250, 1350, 1550, 1950, 2750, 3750, 4750, 5750, 6250, 7250])
    expect(changes).toEqual([
      {
        at: 6250,
        isMajor: true,
        isUsable: false,
        reason: 'IPv4 went, IPv4 goes by no interface instead of wlan0, wlan0 went',
      },
    ])
  })

  test('is told as soon as it is', () => {
    const { platform, changes } = watch()
    platform.network(NOTHING, {})
    platform.advance(1300)
    // An address without a route is not enough.
    platform.network(MOBILE, {})
    platform.advance(300)
    platform.network(MOBILE, { v4: 'wwan0' })
    platform.advance(5000)
    expect(changes).toEqual([
      {
        at: 1950,
        isMajor: true,
        isUsable: true,
        reason: 'IPv4 goes by wwan0 instead of wlan0, wwan0 came with 100.64.0.9, wlan0 went',
      },
    ])
  })

  test('was a change, even if it comes back as it was', () => {
    const { platform, changes } = watch()
    platform.network(NOTHING, {})
    platform.advance(1500)
    platform.network(HOME, HOME_ROUTES)
    platform.advance(5000)
    expect(changes).toEqual([
      {
        at: 1550,
        isMajor: true,
        isUsable: true,
        reason: 'IPv4 went, IPv4 goes by no interface instead of wlan0, wlan0 went, and all is as before',
      },
    ])
  })

  test('was a major change, even if it comes back nearly as it was', () => {
    const { platform, changes } = watch()
    platform.network(NOTHING, {})
    platform.advance(1500)
    platform.network(`${HOME}, veth0 fe80::1`, HOME_ROUTES)
    platform.advance(5000)
    expect(changes).toMatchObject([{ at: 1550, isMajor: true, isUsable: true }])
  })

  test('that comes back later is one more change', () => {
    const { platform, changes } = watch()
    platform.network(NOTHING, {})
    platform.advance(8000)
    platform.network(HOME, HOME_ROUTES)
    platform.advance(5000)
    expect(changes.map(({ at, isUsable }) => [at, isUsable])).toEqual([
      [6250, false],
      [8500, true],
    ])
  })

  test('needs no default route where there never is one, after an outage either', () => {
    const { platform, changes } = watch()
    platform.network('eth0 10.0.0.9', {})
    platform.advance(20_000)
    changes.length = 0
    platform.network('eth0 10.0.0.10', {})
    platform.advance(2000)
    expect(changes.splice(0)).toMatchObject([{ isUsable: true }])
    platform.network(NOTHING, {})
    platform.advance(20_000)
    expect(changes.splice(0)).toMatchObject([{ isUsable: false }])
    platform.network('eth0 10.0.0.10', {})
    platform.advance(1300)
    expect(changes).toMatchObject([{ isUsable: true }])
  })
})

describe('spec/endpoint.md §5.1: woken from sleep', () => {
  test('is always a change, minor when the network is the same', () => {
    const { platform, changes } = watch()
    platform.advance(1500)
    platform.wallAhead += 60_000
    platform.advance(5000)
    expect(changes).toEqual([{ at: 2250, isMajor: false, isUsable: true, reason: 'asleep for 61 s' }])
  })

  test('also where the monotonic clock went on', () => {
    const { platform, changes } = watch()
    platform.advance(1500)
    platform.stall(60_000)
    platform.advance(5000)
    expect(changes).toMatchObject([{ at: 61_750, isMajor: false }])
  })

  test('also where the wall clock was set back meanwhile', () => {
    const { platform, changes } = watch()
    platform.advance(1500)
    platform.wallAhead -= 60_000
    platform.stall(60_000)
    platform.advance(5000)
    expect(changes.length).toBe(1)
  })

  test('also when it fell asleep while a change was settling', () => {
    const { platform, changes } = watch()
    platform.network(MOBILE, { v4: 'wwan0' })
    platform.advance(1100)
    platform.wallAhead += 60_000
    platform.advance(5000)
    expect(changes.map(({ reason }) => reason)).toEqual([
      'asleep for 60 s, IPv4 goes by wwan0 instead of wlan0, wwan0 came with 100.64.0.9, wlan0 went',
    ])
  })

  test('a jump of 22.5 s is none yet, nor is a wall clock that goes back', () => {
    const { platform, changes } = watch()
    platform.advance(1500)
    platform.wallAhead += 21_500
    platform.advance(5000)
    platform.wallAhead -= 3_600_000
    platform.advance(5000)
    expect(changes).toEqual([])
    platform.wallAhead += 21_501
    platform.advance(5000)
    expect(changes.length).toBe(1)
  })

  test('in another network is major, and both reasons are given', () => {
    const { platform, changes } = watch()
    platform.advance(1500)
    platform.wallAhead += 8_000_000
    platform.network(MOBILE, { v4: 'wwan0' })
    platform.advance(5000)
    expect(changes).toMatchObject([{ isMajor: true, isUsable: true }])
    expect(changes[0]!.reason).toMatch(/^asleep for 8001 s, IPv4 goes by wwan0/)
  })
})

describe('check', () => {
  test('looks at once', () => {
    const { platform, monitor, changes, looks } = watch()
    platform.advance(1100)
    platform.network(MOBILE, { v4: 'wwan0' })
    monitor.check()
    platform.advance(5000)
    expect(changes).toMatchObject([{ at: 1350, isMajor: true }])
    expect(looks().slice(0, 4)).toEqual([1000, 1100, 1350, 2350])
  })

  test('neither shortens nor restarts a debounce or a wait', () => {
    const { platform, monitor, changes } = watch()
    platform.network(NOTHING, {})
    for (let time = 0; time < 7000; time += 50) {
      platform.advance(50)
      monitor.check()
    }
    // First seen by the check at 50 ms: 250 ms of debounce, 5 s of waiting.
    expect(changes.map(({ at }) => at)).toEqual([5300])
  })

  test('does nothing before the start and after the end', () => {
    const platform = new NetworkPlatform()
    const monitor = new NetworkMonitor({ platform, onChange: () => expect.unreachable() })
    monitor.check()
    monitor.start()
    monitor.close()
    monitor.check()
    platform.network(MOBILE)
    platform.advance(10_000)
    expect(platform.looks.length).toBe(1)
    expect(platform.nextTimer).toBe(Number.POSITIVE_INFINITY)
  })
})

test('started twice, it still looks once a second', () => {
  const { platform, monitor, looks } = watch()
  platform.advance(500)
  monitor.start()
  platform.advance(2000)
  expect(looks()).toEqual([1000, 2000])
})

test('closed by its owner while it tells a change, and during a debounce or a wait: nothing is left', () => {
  const platform = new NetworkPlatform()
  platform.network(HOME, HOME_ROUTES)
  const changes: NetworkChange[] = []
  const monitor: NetworkMonitor = new NetworkMonitor({
    platform,
    onChange: (change) => {
      changes.push(change)
      monitor.close()
    },
  })
  for (const ms of [2000, 1100, 1500]) {
    platform.network(HOME, HOME_ROUTES)
    monitor.start()
    platform.network(ms === 1500 ? NOTHING : MOBILE, ms === 1500 ? {} : { v4: 'wwan0' })
    platform.advance(ms)
    monitor.close()
    expect(platform.nextTimer).toBe(Number.POSITIVE_INFINITY)
  }
  expect(changes.length).toBe(1)
})

test('an owner that throws does not stop the watching', () => {
  const platform = new NetworkPlatform()
  platform.network(HOME, HOME_ROUTES)
  let told = 0
  const monitor = new NetworkMonitor({
    platform,
    onChange: () => {
      told++
      throw new Error('a defect of the owner')
    },
  })
  monitor.start()
  platform.network(MOBILE, { v4: 'wwan0' })
  expect(() => platform.advance(2000)).toThrow('a defect of the owner')
  platform.network(HOME, HOME_ROUTES)
  expect(() => platform.advance(2000)).toThrow('a defect of the owner')
  expect(told).toBe(2)
})

test('a system that refuses the list for a moment, or always', () => {
  const { platform, changes } = watch()
  platform.fails = true
  platform.advance(5000)
  platform.fails = false
  platform.advance(5000)
  expect(changes).toEqual([])
  const never = new NetworkPlatform()
  never.fails = true
  new NetworkMonitor({ platform: never, onChange: () => expect.unreachable() }).start()
  never.advance(10_000)
  expect(never.looks.length).toBe(11)
})

test('a platform without default routes: addresses alone count', () => {
  const platform = new NetworkPlatform()
  const { now, wallClock, createTimer, interfaces } = platform
  const bare = {
    now: now.bind(platform),
    wallClock: wallClock.bind(platform),
    createTimer: createTimer.bind(platform),
    interfaces: interfaces.bind(platform),
  }
  platform.network(HOME)
  const changes: NetworkChange[] = []
  new NetworkMonitor({ platform: bare, onChange: (change) => changes.push(change) }).start()
  platform.network(MOBILE)
  platform.advance(1250)
  expect(changes).toMatchObject([{ isMajor: true, isUsable: true }])
})

test('its timer is one of the background, which does not keep a process alive', () => {
  const platform = new NetworkPlatform()
  const asked: (TimerOptions | undefined)[] = []
  const createTimer: NetworkPlatform['createTimer'] = (callback) => platform.createTimer(callback)
  const watched = Object.assign(Object.create(platform) as NetworkPlatform, {
    createTimer: (callback: () => void, options?: TimerOptions) => {
      asked.push(options)
      return createTimer(callback)
    },
  })
  new NetworkMonitor({ platform: watched, onChange: () => {} }).start()
  expect(asked).toEqual([{ isBackground: true }])
})
