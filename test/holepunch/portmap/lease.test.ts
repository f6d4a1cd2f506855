import { describe, expect, test } from 'vitest'
import { PortMapper } from '../../../src/holepunch/index.ts'
import { pass } from '../net-report/virtual-net.ts'
import { createHome, HOUR, type Home, LOCAL_PORT, MINUTE, SECOND } from './home.ts'
import { RouterPlatform, VirtualRouter } from './virtual-router.ts'

interface Protocol {
  readonly name: string
  readonly prepare: (router: VirtualRouter) => void
  /** What the router hears when a mapping is made or renewed. */
  readonly map: string
  readonly renewal: string
  readonly said: string
}

const protocol = (
  name: string,
  said: string,
  pcp: boolean,
  natPmp: boolean,
  upnp: 0 | 1 | 2,
  map: string,
  renewal = map,
) => ({
  name,
  said,
  map,
  renewal,
  prepare: (router: VirtualRouter) => {
    Object.assign(router, { pcp, natPmp, upnp })
  },
})

const PROTOCOLS: readonly Protocol[] = [
  protocol('PCP', 'pcp', true, false, 0, 'pcp map'),
  protocol('NAT-PMP', 'nat-pmp', false, true, 0, 'pmp map'),
  protocol('UPnP 1', 'upnp', false, false, 1, 'AddPortMapping'),
  protocol('UPnP 2', 'upnp', false, false, 2, 'AddAnyPortMapping', 'AddPortMapping'),
]
const PCP = PROTOCOLS[0]!
const NAT_PMP = PROTOCOLS[1]!

const LEASE = 2 * HOUR
const HERE = `203.0.113.7:${LOCAL_PORT}`

/** A home that has its mapping. */
async function mapped(of: Protocol, prepare: (router: VirtualRouter) => void = () => {}): Promise<Home> {
  const home = createHome((router) => {
    of.prepare(router)
    prepare(router)
  })
  await home.pass(2 * SECOND)
  expect(home.said).toEqual([`${of.said} ${HERE}`])
  return home
}

const isSilent = (router: VirtualRouter): void => {
  router.losesRequest = () => true
}

describe.each(PROTOCOLS)('$name', (of) => {
  test('spec/disco-stun-nat.md §7.3: renewed at half its life, a tenth more or less, for as long as it runs', async () => {
    const home = await mapped(of)
    await home.pass(20 * HOUR)
    const grantedAt = [home.saidAt[0]!, ...home.router.times(of.renewal).filter((at) => at > MINUTE)]
    expect(grantedAt.length).toBeGreaterThan(17)
    const shares = grantedAt.slice(1).map((at, index) => (at - grantedAt[index]!) / LEASE)
    for (const share of shares) expect(Math.abs(share - 0.5)).toBeLessThan(0.0501)
    // they differ, and not by the clock
    expect(Math.max(...shares) - Math.min(...shares)).toBeGreaterThan(0.03)
    expect(home.said).toEqual([`${of.said} ${HERE}`])
    expect(home.router.table.size).toBe(1)
    await home.close()
    expect(home.router.table.size).toBe(0)
  })

  test('spec/disco-stun-nat.md §7.3: a silent router is asked at 3/4 and 7/8 again; at the end the mapping is gone', async () => {
    const home = await mapped(of)
    isSilent(home.router)
    await home.pass(2.2 * HOUR)
    expect(home.said).toEqual([`${of.said} ${HERE}`, 'none'])
    const [from, until] = home.saidAt as [number, number]
    expect(until - from).toBe(LEASE)
    // what comes within a minute is one try
    const heard = home.router.heard.filter(({ at, what }) => at > MINUTE && at < until && !what.startsWith('search'))
    const starts = heard.map(({ at }) => at).filter((at, index, all) => index === 0 || at - all[index - 1]! > MINUTE)
    const shares = starts.map((at) => (at - from) / LEASE)
    expect(shares).toHaveLength(3)
    expect(Math.abs(shares[0]! - 0.5)).toBeLessThan(0.0501)
    expect(shares[1]).toBeCloseTo(0.75, 4)
    expect(shares[2]).toBeCloseTo(0.875, 4)
    // it goes on trying, and comes back
    home.router.losesRequest = () => false
    await home.pass(15 * MINUTE)
    expect(home.said.at(-1)).toBe(`${of.said} ${HERE}`)
    await home.close()
  })

  test('spec/disco-stun-nat.md §7.3: a try that succeeds at 3/4 changes nothing outside', async () => {
    const home = await mapped(of)
    await home.pass(HOUR - 20 * MINUTE)
    isSilent(home.router)
    await home.pass(40 * MINUTE)
    home.router.losesRequest = () => false
    await home.pass(3 * HOUR)
    expect(home.said).toEqual([`${of.said} ${HERE}`])
    await home.close()
  })

  test('RFC 6886 §3.6, RFC 6887 §8.5: a router that lost its state is asked again at once, when somebody looks', async () => {
    const home = await mapped(of)
    await home.pass(10 * MINUTE)
    home.router.reboot()
    home.router.externalIp = '203.0.113.8'
    await home.pass(5 * SECOND)
    home.mapper.request()
    await home.pass(5 * SECOND)
    expect(home.said).toEqual([`${of.said} ${HERE}`, `${of.said} 203.0.113.8:${LOCAL_PORT}`])
    expect(home.router.table.size).toBe(1)
    await home.close()
    expect(home.router.table.size).toBe(0)
  })

  test('spec/disco-stun-nat.md §7.2: another external address is noticed, too, when somebody looks', async () => {
    const home = await mapped(of)
    await home.pass(10 * MINUTE)
    home.router.externalIp = '203.0.113.8'
    // RFC 6887 §8.5: PCP counts that as a lost state, the others just name the new one
    if (of === PCP) home.router.bootedAt = home.platform.time
    home.mapper.request()
    await home.pass(5 * SECOND)
    expect(home.said).toEqual([`${of.said} ${HERE}`, `${of.said} 203.0.113.8:${LOCAL_PORT}`])
    await home.close()
    expect(home.router.table.size).toBe(0)
  })

  test('RFC 6886 §3.7, RFC 6887 §8.5: the same router with the same address is mapped again without a word', async () => {
    const home = await mapped(of)
    await home.pass(10 * MINUTE)
    home.router.reboot()
    await home.pass(5 * SECOND)
    expect(home.router.table.size).toBe(0)
    home.mapper.networkChanged()
    await home.pass(5 * SECOND)
    expect(home.router.table.size).toBe(1)
    expect(home.said).toEqual([`${of.said} ${HERE}`])
    await home.close()
  })

  test('a router that knows the mapping is asked, and no more; at most once a minute', async () => {
    const home = await mapped(of)
    const asked = () => home.router.heard.filter(({ at }) => at > MINUTE).length
    for (let second = 0; second < 30 * 60; second++) {
      home.mapper.request()
      await home.pass(SECOND)
    }
    expect(asked()).toBeGreaterThanOrEqual(29)
    // UPnP asks twice: for the address, for the entry
    expect(asked()).toBeLessThanOrEqual(of.said === 'upnp' ? 60 : 30)
    expect(home.router.times(of.map)).toHaveLength(1)
    await home.close()
  })

  test('a router that lost its state and says no from now on has no mapping of ours', async () => {
    const home = await mapped(of)
    await home.pass(10 * MINUTE)
    home.router.reboot()
    home.router.refuses.set(of.renewal, new Array(20).fill(of.said === 'upnp' ? 606 : 2))
    home.router.refuses.set(of.map, new Array(20).fill(of.said === 'upnp' ? 606 : 2))
    await home.pass(5 * SECOND)
    home.mapper.networkChanged()
    await home.pass(5 * SECOND)
    expect(home.said).toEqual([`${of.said} ${HERE}`, 'none'])
    await home.close()
  })

  test('spec/disco-stun-nat.md §7.3: a renewal that brings a private address takes the mapping back', async () => {
    const home = await mapped(of)
    home.router.externalIp = '100.64.7.7'
    await home.pass(1.2 * HOUR)
    expect(home.said).toEqual([`${of.said} ${HERE}`, 'none'])
    expect(home.router.table.size).toBe(0)
    await home.close()
  })

  test('a renewal that brings another port is told', async () => {
    const home = await mapped(of)
    home.router.reboot()
    home.router.table.set(LOCAL_PORT, { internal: '192.168.1.99', internalPort: 9, endsAt: Number.POSITIVE_INFINITY })
    await home.pass(1.2 * HOUR)
    expect(home.said).toHaveLength(2)
    expect(home.said[1]).toMatch(new RegExp(`^${of.said} 203\\.0\\.113\\.7:(?!${LOCAL_PORT})\\d+$`))
    await home.close()
    expect([...home.router.table.keys()]).toEqual([LOCAL_PORT])
  })

  test('spec/disco-stun-nat.md §7.3: another network: the old mapping is deleted, a new one made', async () => {
    const home = await mapped(of)
    const { platform } = home
    await home.pass(MINUTE)
    const next = new VirtualRouter(platform)
    next.address = '10.0.0.138'
    next.externalIp = '203.0.113.200'
    of.prepare(next)
    platform.formerRouters.push(home.router)
    platform.router = next
    platform.local = '10.0.0.5'
    home.mapper.networkChanged()
    home.mapper.networkChanged()
    await home.pass(5 * SECOND)
    expect(home.said).toEqual([`${of.said} ${HERE}`, 'none', `${of.said} 203.0.113.200:${LOCAL_PORT}`])
    expect(home.router.table.size).toBe(0)
    expect([...next.table.values()]).toMatchObject([{ internal: '10.0.0.5' }])
    expect(platform.openSockets).toBe(1)
    await home.close()
    expect(next.table.size).toBe(0)
  })

  test('spec/disco-stun-nat.md §7.3: no network any more: no mapping', async () => {
    const home = await mapped(of)
    home.platform.router = undefined
    home.mapper.networkChanged()
    await home.pass(5 * SECOND)
    expect(home.said).toEqual([`${of.said} ${HERE}`, 'none'])
    home.platform.router = home.router
    home.mapper.networkChanged()
    await home.pass(5 * SECOND)
    expect(home.said.at(-1)).toBe(`${of.said} ${HERE}`)
    await home.close()
  })

  test('a network that is back before the old mapping was deleted keeps the new one', async () => {
    const home = await mapped(of)
    const { platform, router } = home
    platform.formerRouters.push(router)
    let lost = 0
    router.losesRequest = ({ what }) => /delete/i.test(what) && lost++ === 0
    platform.router = undefined
    home.mapper.networkChanged()
    await home.pass(10)
    platform.formerRouters.pop()
    platform.router = router
    home.mapper.networkChanged()
    await home.pass(20 * SECOND)
    expect(home.said).toEqual([`${of.said} ${HERE}`, 'none', `${of.said} ${HERE}`])
    expect(router.table.size).toBe(1)
    await home.close()
    expect(router.table.size).toBe(0)
  })

  test('spec/disco-stun-nat.md §7.3: closed while the mapping is made: deleted', async () => {
    for (let ms = 0; ms < 60; ms += 2) {
      const home = createHome(of.prepare)
      await home.pass(ms)
      expect(await home.close()).toBeLessThanOrEqual(1000)
      expect([ms, home.router.table.size]).toEqual([ms, 0])
    }
  })

  test('closing takes at most a second, whoever is silent', async () => {
    const home = await mapped(of)
    isSilent(home.router)
    expect(await home.close()).toBeLessThanOrEqual(1000)
    expect(home.router.heard.some(({ what }) => /delete|Delete/.test(what))).toBe(true)
    // while it renews, and while it looks for a router
    const renewing = await mapped(of)
    isSilent(renewing.router)
    await renewing.pass(0.75 * LEASE + 500)
    expect(await renewing.close()).toBeLessThanOrEqual(1000)
    const looking = createHome(isSilent)
    await looking.pass(300)
    expect(await looking.close()).toBeLessThanOrEqual(1000)
  })

  test('a deletion that is lost is sent again', async () => {
    if (of.said === 'upnp') return
    const home = await mapped(of)
    let lost = 0
    home.router.losesRequest = ({ what }) => what.endsWith('delete') && lost++ < 2
    await home.close()
    expect(home.router.table.size).toBe(0)
  })

  test('after the end nothing is said and nothing starts', async () => {
    const home = await mapped(of)
    await home.close()
    const heard = home.router.heard.length
    home.mapper.networkChanged()
    home.mapper.request()
    home.mapper.start(1)
    await home.mapper.close()
    await home.pass(HOUR)
    expect(home.router.heard).toHaveLength(heard)
    expect(home.said).toHaveLength(1)
    expect(home.platform.openSockets).toBe(0)
  })
})

test('RFC 6887 §11.2.1: PCP: all renewals with the nonce and for the port and address it was granted', async () => {
  const home = await mapped(PCP)
  await home.pass(10 * HOUR)
  const [first, ...renewals] = home.router.heard.filter(({ what }) => what === 'pcp map').map(({ hex }) => hex!)
  expect(renewals.length).toBeGreaterThan(8)
  for (const hex of renewals) {
    expect(hex.slice(48, 72)).toBe(first!.slice(48, 72))
    expect(hex.slice(72)).toBe('11000000a2a9a2a900000000000000000000ffffcb007107')
  }
  await home.close()
})

test('RFC 6887 §8.1.1: PCP: a renewal is sent again after 3, 6 and 12 s, each a tenth more or less', async () => {
  const home = await mapped(PCP)
  isSilent(home.router)
  await home.pass(0.6 * LEASE)
  const times = home.router.times('pcp map').filter((at) => at > MINUTE)
  const waits = times.slice(1).map((at, index) => at - times[index]!)
  expect(waits).toHaveLength(2)
  for (const [index, ms] of [3000, 6000].entries()) {
    expect(Math.abs(waits[index]! - ms)).toBeLessThanOrEqual(ms / 10)
    expect(waits[index]).not.toBe(ms)
  }
  await home.close()
})

test('a network that changes while the last change is looked at is looked at again', async () => {
  const home = await mapped(PCP)
  const { platform } = home
  const next = new VirtualRouter(platform)
  next.address = '10.0.0.138'
  const { gateway } = platform
  platform.gateway = async () => {
    const found = await gateway.call(platform)
    await new Promise<void>((resolve) => platform.alarms.after(100, resolve))
    return found
  }
  home.mapper.networkChanged()
  await home.pass(50)
  platform.formerRouters.push(home.router)
  platform.router = next
  home.mapper.networkChanged()
  await home.pass(5 * SECOND)
  expect(next.table.size).toBe(1)
  expect(home.router.table.size).toBe(0)
  await home.close()
})

test('RFC 6886 §3.3: a short lease is renewed as often as it must be', async () => {
  for (const of of [PCP, NAT_PMP]) {
    const home = await mapped(of, (router) => {
      router.mostSeconds = 20
    })
    await home.pass(10 * MINUTE)
    expect(home.said).toEqual([`${of.said} ${HERE}`])
    expect(home.router.times(of.map).length).toBeGreaterThan(50)
    expect(home.router.times(of.map).length).toBeLessThan(70)
    await home.close()
  }
})

test('RFC 6887 §15: a lease of years is looked after once a day', async () => {
  const home = await mapped(PCP)
  await home.close()
  const long = createHome((router) => {
    PCP.prepare(router)
    router.seconds = () => 0xffff_ffff
  })
  await long.pass(10 * 24 * HOUR)
  expect(long.router.times('pcp map').length).toBeGreaterThan(18)
  await long.close()
})

test('what the owner throws is reported, and the mapping lives on', async () => {
  const platform = new RouterPlatform()
  const errors: unknown[] = []
  const mapper = new PortMapper({
    platform,
    onChange: () => {
      throw new Error('mine')
    },
    onError: (error) => errors.push(error),
  })
  mapper.start(LOCAL_PORT)
  await pass(platform, 3 * HOUR)
  expect(errors.map(String)).toEqual(['Error: mine'])
  expect(platform.router!.table.size).toBe(1)
  let isClosed = false
  void mapper.close().then(() => {
    isClosed = true
  })
  await pass(platform, SECOND)
  expect(isClosed).toBe(true)
  expect(platform.router!.table.size).toBe(0)
})
