import { describe, expect, test } from 'vitest'
import { createHome, HOUR, LOCAL_PORT, MINUTE, SECOND } from './home.ts'
import type { VirtualRouter } from './virtual-router.ts'

const speaks = (pcp: boolean, natPmp: boolean, upnp: 0 | 1 | 2) => (router: VirtualRouter) =>
  Object.assign(router, { pcp, natPmp, upnp })

const ROUTERS = [
  ['PCP', speaks(true, false, 0), 'pcp'],
  ['NAT-PMP', speaks(false, true, 0), 'nat-pmp'],
  ['UPnP 1', speaks(false, false, 1), 'upnp'],
  ['UPnP 2', speaks(false, false, 2), 'upnp'],
] as const

describe('which protocol', () => {
  test.each([
    ['all', true, true, 2, 'pcp'],
    ['PCP and UPnP', true, false, 1, 'pcp'],
    ['NAT-PMP and UPnP', false, true, 2, 'nat-pmp'],
    ['UPnP 2', false, false, 2, 'upnp'],
    ['UPnP 1', false, false, 1, 'upnp'],
  ] as const)('spec/disco-stun-nat.md §7.3: %s', async (_what, pcp, natPmp, upnp, expected) => {
    const home = createHome(speaks(pcp, natPmp, upnp))
    await home.pass(3 * SECOND)
    expect(home.said).toEqual([`${expected} 203.0.113.7:${LOCAL_PORT}`])
    expect([...home.router.table.values()]).toMatchObject([{ internal: '192.168.1.10', internalPort: LOCAL_PORT }])
    await home.close()
    expect(home.router.table.size).toBe(0)
  })

  test('spec/disco-stun-nat.md §7.3: a better one that lost a packet is still preferred', async () => {
    let lost = 0
    const home = createHome((router) => {
      router.losesRequest = ({ what }) => what === 'pcp announce' && lost++ === 0
    })
    await home.pass(3 * SECOND)
    expect(home.said).toEqual([`pcp 203.0.113.7:${LOCAL_PORT}`])
    await home.close()
  })

  test('spec/disco-stun-nat.md §7.3: a better one that does not answer is not waited for longer than half a second', async () => {
    const home = createHome((router) => {
      router.losesRequest = ({ what }) => what === 'pcp announce'
    })
    await home.pass(600)
    expect(home.said).toEqual([`nat-pmp 203.0.113.7:${LOCAL_PORT}`])
    await home.close()
  })

  test('RFC 6887 §A: who says that it speaks NAT-PMP alone is not waited for at all', async () => {
    const home = createHome(speaks(false, true, 0))
    await home.pass(50)
    expect(home.said).toEqual([`nat-pmp 203.0.113.7:${LOCAL_PORT}`])
    await home.close()
  })

  test.each([
    ['pcp map', 2, 'nat-pmp'],
    ['pcp map', 8, 'nat-pmp'],
    ['pcp announce', 12, 'nat-pmp'],
    ['pmp map', 4, 'pcp'],
  ])('RFC 6887 §7.4, RFC 6886 §3.5: %s refused with %d: %s', async (what, code, expected) => {
    const home = createHome((router) => {
      router.refuses.set(what, [code])
    })
    await home.pass(6 * SECOND)
    expect(home.said).toEqual([`${expected} 203.0.113.7:${LOCAL_PORT}`])
    await home.close()
  })

  test('spec/disco-stun-nat.md §7.3: PCP that answers nothing to MAP is given up after 3.75 s, and told to forget it', async () => {
    const home = createHome((router) => {
      router.losesAnswer = ({ what }) => what.startsWith('pcp map')
    })
    await home.pass(6 * SECOND)
    expect(home.said).toEqual([`nat-pmp 203.0.113.7:${LOCAL_PORT}`])
    const [first, ...more] = home.router.times('pcp map')
    expect(more.map((at) => at - first!)).toEqual([250, 750, 1750])
    expect(home.router.times('pcp delete')[0]! - first!).toBe(3750)
    // the NAT-PMP one
    expect(home.router.table.size).toBe(1)
    await home.close()
  })

  test('RFC 6887 §7.4: a result for ANNOUNCE that only says no to it does not mean that there is no PCP', async () => {
    const home = createHome((router) => {
      router.refuses.set('pcp announce', [4])
    })
    await home.pass(SECOND)
    expect(home.said).toEqual([`pcp 203.0.113.7:${LOCAL_PORT}`])
    await home.close()
  })
})

describe('what is asked for', () => {
  test('RFC 6887 §11.1: PCP: 7,200 s, our port outside as well, no address', async () => {
    const home = createHome(speaks(true, false, 0))
    await home.pass(SECOND)
    const { hex } = home.router.heard.find(({ what }) => what === 'pcp map')!
    expect(hex!.slice(0, 48)).toBe('0201000000001c2000000000000000000000ffffc0a8010a')
    expect(hex!.slice(72)).toBe('11000000a2a9a2a900000000000000000000ffff00000000')
    await home.close()
    const last = home.router.heard.at(-1)!
    // RFC 6887 §15: the same nonce, no wish, no lifetime
    expect(last.what).toBe('pcp delete')
    expect(last.hex!.slice(48, 72)).toBe(hex!.slice(48, 72))
    expect(last.hex!.slice(72)).toBe('11000000a2a9000000000000000000000000ffff00000000')
  })

  test('RFC 6886 §3.3: NAT-PMP: 7,200 s, our port outside as well', async () => {
    const home = createHome(speaks(false, true, 0))
    await home.pass(SECOND)
    expect(home.router.heard.find(({ what }) => what === 'pmp map')!.hex).toBe('00010000a2a9a2a900001c20')
    await home.close()
    expect(home.router.heard.at(-1)!.hex).toBe('00010000a2a9000000000000')
  })

  test.each([
    [1, 'AddPortMapping'],
    [2, 'AddAnyPortMapping'],
  ] as const)('spec/disco-stun-nat.md §7.1: UPnP %d: %s', async (version, action) => {
    const home = createHome(speaks(false, false, version))
    await home.pass(3 * SECOND)
    const { body } = home.router.heard.find(({ what }) => what === action)!
    expect(body).toContain(
      [
        '<NewRemoteHost></NewRemoteHost>',
        `<NewExternalPort>${LOCAL_PORT}</NewExternalPort>`,
        '<NewProtocol>UDP</NewProtocol>',
        `<NewInternalPort>${LOCAL_PORT}</NewInternalPort>`,
        '<NewInternalClient>192.168.1.10</NewInternalClient>',
        '<NewEnabled>1</NewEnabled>',
        '<NewPortMappingDescription>tom-transport</NewPortMappingDescription>',
        '<NewLeaseDuration>7200</NewLeaseDuration>',
      ].join(''),
    )
    await home.close()
    expect(home.router.heard.at(-1)!.body).toContain(
      `<NewRemoteHost></NewRemoteHost><NewExternalPort>${LOCAL_PORT}</NewExternalPort><NewProtocol>UDP</NewProtocol></u:DeletePortMapping>`,
    )
  })

  test.each(ROUTERS)(
    'RFC 6886 §3.3, RFC 6887 §11.3: %s: the port outside may be another one',
    async (_name, prepare, protocol) => {
      const home = createHome((router) => {
        prepare(router)
        router.table.set(LOCAL_PORT, { internal: '192.168.1.99', internalPort: 9, endsAt: Number.POSITIVE_INFINITY })
      })
      await home.pass(3 * SECOND)
      expect(home.said).toHaveLength(1)
      expect(home.said[0]).toMatch(new RegExp(`^${protocol} 203\\.0\\.113\\.7:(?!${LOCAL_PORT})\\d+$`))
      const port = Number(home.said[0]!.split(':')[1])
      expect(home.router.table.get(port)).toMatchObject({ internalPort: LOCAL_PORT })
      await home.close()
      expect([...home.router.table.keys()]).toEqual([LOCAL_PORT])
    },
  )
})

describe('what routers say to UPnP', () => {
  const upnp1 = speaks(false, false, 1)
  /** How often each action was refused, what it came to, with which lease. */
  async function run(version: 1 | 2, action: string, codes: number[]) {
    const home = createHome((router) => {
      speaks(false, false, version)(router)
      router.refuses.set(action, codes)
    })
    await home.pass(3 * SECOND)
    const asked = home.router.heard.filter(({ what }) => /^Add/.test(what))
    const ports = asked.map(({ body }) => Number(/<NewExternalPort>(\d+)</.exec(body!)![1]))
    const leases = asked.map(({ body }) => Number(/<NewLeaseDuration>(\d+)</.exec(body!)![1]))
    return { home, ports, leases, actions: asked.map(({ what }) => what) }
  }

  test('spec/disco-stun-nat.md §7.1: 718: another port, until one is free', async () => {
    const { home, ports } = await run(1, 'AddPortMapping', [718, 718, 718])
    expect(ports).toHaveLength(4)
    expect(ports[0]).toBe(LOCAL_PORT)
    for (const port of ports.slice(1)) expect(port).toBeGreaterThanOrEqual(32_768)
    expect(new Set(ports).size).toBe(4)
    expect(home.said).toEqual([`upnp 203.0.113.7:${ports[3]}`])
    await home.close()
    // deleted is only what was granted
    expect(home.router.times('DeletePortMapping')).toHaveLength(1)
    expect(home.router.table.size).toBe(0)
  })

  test('spec/disco-stun-nat.md §7.1: 718 without end: eight ports are enough', async () => {
    const { home, ports } = await run(1, 'AddPortMapping', new Array(100).fill(718))
    expect(ports).toHaveLength(8)
    expect(home.said).toEqual([])
    await home.close()
    expect(home.router.times('DeletePortMapping')).toEqual([])
  })

  test('spec/disco-stun-nat.md §7.1: 724: our own port or none', async () => {
    const conflict = await run(1, 'AddPortMapping', [718, 724])
    expect([conflict.ports[0], conflict.ports[2]]).toEqual([LOCAL_PORT, LOCAL_PORT])
    expect(conflict.home.said).toEqual([`upnp 203.0.113.7:${LOCAL_PORT}`])
    await conflict.home.close()
    const never = await run(1, 'AddPortMapping', [724])
    expect(never.ports).toEqual([LOCAL_PORT])
    expect(never.home.said).toEqual([])
    await never.home.close()
  })

  test('spec/disco-stun-nat.md §7.1: 725: without an end, renewed and deleted all the same', async () => {
    const { home, leases } = await run(1, 'AddPortMapping', [725])
    expect(leases).toEqual([7200, 0])
    expect(home.said).toEqual([`upnp 203.0.113.7:${LOCAL_PORT}`])
    expect(home.router.table.get(LOCAL_PORT)!.endsAt).toBe(Number.POSITIVE_INFINITY)
    await home.pass(1.2 * HOUR)
    expect(home.router.heard.at(-1)!.body).toContain('<NewLeaseDuration>0<')
    await home.close()
    expect(home.router.table.size).toBe(0)
  })

  test('spec/disco-stun-nat.md §7.1: 725 to that, too: none', async () => {
    const { home, leases } = await run(1, 'AddPortMapping', [725, 725])
    expect(leases).toEqual([7200, 0])
    expect(home.said).toEqual([])
    await home.close()
  })

  test.each([402, 501, 606, 728])('spec/disco-stun-nat.md §7.1: %d: none', async (code) => {
    const { home, ports } = await run(2, 'AddAnyPortMapping', [code])
    expect(ports).toHaveLength(1)
    expect(home.said).toEqual([])
    await home.close()
  })

  test.each([401, 602])(
    'spec/disco-stun-nat.md §7.1: %d: a router of version 2 that only knows the old action',
    async (code) => {
      const { home, actions } = await run(2, 'AddAnyPortMapping', [code])
      expect(actions).toEqual(['AddAnyPortMapping', 'AddPortMapping'])
      expect(home.said).toEqual([`upnp 203.0.113.7:${LOCAL_PORT}`])
      await home.close()
    },
  )

  test.each([401, 602])('spec/disco-stun-nat.md §7.1: %d to the old action: none', async (code) => {
    const { home, ports } = await run(1, 'AddPortMapping', [code])
    expect(ports).toHaveLength(1)
    expect(home.said).toEqual([])
    await home.close()
  })

  test('spec/disco-stun-nat.md §7.1: of two connections the one that is up is taken', async () => {
    const home = createHome((router) => {
      upnp1(router)
      const one = (type: string) =>
        `<service><serviceType>urn:schemas-upnp-org:service:${type}</serviceType><controlURL>/ctl</controlURL></service>`
      router.services = one('WANIPConnection:1') + one('WANPPPConnection:1')
      router.refuses.set('GetExternalIPAddress', [501])
    })
    await home.pass(3 * SECOND)
    expect(home.router.heard.at(-1)!.body).toContain('xmlns:u="urn:schemas-upnp-org:service:WANPPPConnection:1"')
    expect(home.said).toHaveLength(1)
    await home.close()
  })

  test('spec/disco-stun-nat.md §7.3: a control URL elsewhere, or a description that is no such thing, is not asked', async () => {
    for (const services of [
      '',
      '<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><controlURL>http://192.168.1.50/ctl</controlURL></service>',
    ]) {
      const home = createHome((router) => {
        upnp1(router)
        router.services = services
      })
      await home.pass(4 * SECOND)
      expect(home.router.times('describe')).toHaveLength(1)
      expect(home.router.times('GetExternalIPAddress')).toEqual([])
      expect(home.said).toEqual([])
      await home.close()
    }
  })

  test('spec/disco-stun-nat.md §7.3: a description of more than a megabyte is not read', async () => {
    const home = createHome((router) => {
      upnp1(router)
      router.services = ' '.repeat(2 ** 20)
    })
    await home.pass(4 * SECOND)
    expect(home.said).toEqual([])
    await home.close()
  })

  const answer = (location: string) =>
    Buffer.from(
      `HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nLOCATION: ${location}\r\n\r\n`,
    )

  test.each([
    [false, []],
    [true, ['http://192.168.1.66/own']],
  ])(
    'spec/disco-stun-nat.md §7.3: another device is asked only when the router is silent (%s), and only about itself',
    async (isSilent, expected) => {
      const home = createHome((router, platform) => {
        upnp1(router)
        router.latencyMs = 20
        router.losesRequest = ({ what }) => isSilent && what === 'search'
        platform.onSend = (_data, _host, port, socket) => {
          if (port !== 1900) return
          platform.alarms.after(5, () => {
            if (socket.isClosed) return
            for (const host of ['192.168.1.77', '127.0.0.1', 'localhost'])
              socket.onMessage(answer(`http://${host}/secret`), '192.168.1.66', 1900)
            socket.onMessage(answer('http://192.168.1.66/own'), '192.168.1.66', 1900)
            socket.onMessage(answer('http://203.0.113.66/own'), '203.0.113.66', 1900)
          })
        }
      })
      await home.pass(5 * SECOND)
      expect(home.platform.requested.filter((url) => !url.startsWith('http://192.168.1.1:5000/'))).toEqual(expected)
      expect(home.said).toHaveLength(isSilent ? 0 : 1)
      await home.close()
    },
  )
})

describe('what is no use', () => {
  test.each(['10.1.2.3', '172.20.0.1', '192.168.0.5', '100.64.1.1', '169.254.1.1', '0.0.0.0'])(
    'spec/disco-stun-nat.md §7.3: an external address of %s is not announced, and nothing stays mapped',
    async (ip) => {
      for (const [, prepare, protocol] of ROUTERS) {
        const home = createHome((router) => {
          prepare(router)
          router.externalIp = ip
        })
        await home.pass(5 * SECOND)
        expect(home.said).toEqual([])
        expect(home.router.table.size).toBe(0)
        // PCP tells the address with a mapping only
        if (protocol !== 'pcp') expect(home.router.heard.filter(({ what }) => /map$|^Add/.test(what))).toEqual([])
        // once the other NAT is gone
        home.router.externalIp = '203.0.113.9'
        await home.pass(HOUR)
        expect(home.said).toHaveLength(1)
        await home.close()
      }
    },
  )

  test.each([0, 1, 9])('RFC 6886 §3.3: a lease of %d s is none, and given back', async (seconds) => {
    for (const [, prepare] of ROUTERS.slice(0, 2)) {
      const home = createHome((router) => {
        prepare(router)
        router.mostSeconds = seconds
      })
      await home.pass(8 * SECOND)
      expect(home.said).toEqual([])
      expect(home.router.table.size).toBe(0)
      await home.close()
    }
  })
})

describe('nobody there', () => {
  const nobody = speaks(false, false, 0)

  test('spec/disco-stun-nat.md §7.3: asked again and again, less and less often', async () => {
    const home = createHome(nobody)
    await home.pass(2 * HOUR)
    const times = home.router.times('pcp announce')
    const rounds = times.filter((at, index) => index === 0 || at - times[index - 1]! > 4 * SECOND)
    const pauses = rounds.slice(1).map((at, index) => at - rounds[index]!)
    // a round takes 3.5 s for the search, 3.75 s for NAT-PMP
    expect(pauses.slice(0, 5)).toEqual([8750, 23_750, 83_750, 323_750, 603_750])
    expect(new Set(pauses.slice(4))).toEqual(new Set([603_750]))
    expect(times.slice(0, 3)).toEqual([2, 252, 752])
    expect(home.router.times('search')).toHaveLength(3 * rounds.length)
    expect(home.said).toEqual([])
    await home.close()
  })

  test('a request is heard once a minute at most', async () => {
    const home = createHome(nobody)
    const rounds = () => home.router.times('search').length / 3
    await home.pass(10 * MINUTE)
    expect(rounds()).toBe(5)
    for (let count = 0; count < 10; count++) home.mapper.request()
    await home.pass(30 * SECOND)
    expect(rounds()).toBe(6)
    for (let second = 0; second < 120; second++) {
      home.mapper.request()
      await home.pass(SECOND)
    }
    expect(rounds()).toBe(8)
    await home.close()
  })

  test('a network change makes it try again at once', async () => {
    const home = createHome(nobody)
    await home.pass(10 * MINUTE)
    home.router.pcp = true
    home.mapper.networkChanged()
    await home.pass(SECOND)
    expect(home.said).toEqual([`pcp 203.0.113.7:${LOCAL_PORT}`])
    await home.close()
  })

  test('after a network change, and after a mapping that was lost, it is impatient again', async () => {
    const home = createHome(nobody)
    const since = (at: number) => home.router.times('search').filter((time) => time > at).length / 3
    await home.pass(HOUR)
    const changedAt = home.platform.time - home.platform.startedAt
    home.mapper.networkChanged()
    // rounds begin after 0, 8.75 and 32.5 s
    await home.pass(40 * SECOND)
    expect(since(changedAt)).toBe(3)
    await home.pass(HOUR)
    home.router.natPmp = true
    await home.pass(15 * MINUTE)
    expect(home.said).toHaveLength(1)
    const goneAt = home.saidAt[0]! + 2 * HOUR
    home.router.natPmp = false
    await home.pass(goneAt - (home.platform.time - home.platform.startedAt) + 40 * SECOND)
    expect(home.said.at(-1)).toBe('none')
    expect(since(goneAt)).toBe(3)
    await home.close()
  })

  test('without a router nobody is asked, until there is one', async () => {
    const home = createHome((_router, platform) => {
      platform.router = undefined
    })
    await home.pass(HOUR)
    expect(home.platform.sockets).toEqual([])
    home.platform.router = home.router
    home.mapper.networkChanged()
    await home.pass(SECOND)
    expect(home.said).toEqual([`pcp 203.0.113.7:${LOCAL_PORT}`])
    await home.close()
  })

  test('a platform that does not answer does not keep it from ending', async () => {
    const home = createHome((_router, platform) => {
      Object.assign(platform, { gateway: () => new Promise(() => {}) })
    })
    await home.pass(MINUTE)
    home.mapper.networkChanged()
    await home.pass(MINUTE)
    expect(await home.close()).toBeLessThanOrEqual(1000)
  })

  test('a platform that knows no router, or fails, is no mapping', async () => {
    const silent = createHome((_router, platform) => {
      Object.assign(platform, { gateway: undefined })
    })
    await silent.pass(MINUTE)
    expect(silent.said).toEqual([])
    await silent.close()
    const broken = createHome((_router, platform) => {
      Object.assign(platform, { gateway: () => Promise.reject(new Error('broken')) })
    })
    await broken.pass(MINUTE)
    expect(broken.errors.splice(0).map(String)).toContain('Error: broken')
    await broken.close()
    const unbound = createHome((_router, platform) => {
      Object.assign(platform, { bindUdp: () => Promise.reject(new Error('EADDRNOTAVAIL')) })
    })
    await unbound.pass(MINUTE)
    expect([unbound.said, unbound.errors]).toEqual([[], []])
    await unbound.close()
  })

  test('a socket that broke is replaced', async () => {
    const home = createHome(nobody)
    const bound = () => home.platform.sockets.filter(({ sent }) => sent.some(({ port }) => port === 5351)).length
    await home.pass(MINUTE)
    expect(bound()).toBe(1)
    home.platform.sockets[0]!.onError(new Error('gone'))
    await home.pass(5 * MINUTE)
    expect(bound()).toBe(2)
    expect(home.platform.sockets[0]!.isClosed).toBe(true)
    await home.close()
  })

  test('without HTTP there is no UPnP', async () => {
    const home = createHome((router, platform) => {
      speaks(false, false, 2)(router)
      Object.assign(platform, { web: undefined })
    })
    await home.pass(MINUTE)
    expect(home.router.times('search')).toEqual([])
    expect(home.said).toEqual([])
    await home.close()
  })
})
