import { describe, expect, test } from 'vitest'
import { probePortMapping } from '../../../src/holepunch/index.ts'
import type { VirtualSocket } from '../../driver/virtual-platform.ts'
import { pass } from '../net-report/virtual-net.ts'
import { createHome, HOUR, type Home, LOCAL_PORT, MINUTE, SECOND } from './home.ts'
import { RouterPlatform } from './virtual-router.ts'

const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex')
const ROUTER = '192.168.1.1'

/** Answers to PCP and NAT-PMP as an attacker would like them, with what only a listener knows: nonce and port. */
function forgeries(nonce: string): Buffer[] {
  const epoch = '00ffffff'
  const port = LOCAL_PORT.toString(16).padStart(4, '0')
  const outside = '00000000000000000000ffffc6336401'
  return [
    bytes(`02800000 00000000 ${epoch} ${'00'.repeat(12)}`),
    bytes(`02810000 00001c20 ${epoch} ${'00'.repeat(12)} ${nonce} 11000000 ${port} 1234 ${outside}`),
    bytes(`00800000 ${epoch} c6336401`),
    bytes(`00810000 ${epoch} ${port} 1234 00001c20`),
    bytes(`00800001 ${epoch}`),
  ]
}

/** Has `forge` answer everything that goes to the router's port, before the router does. */
function attack(home: Home, forge: (socket: VirtualSocket, nonce: string) => void): void {
  const { platform } = home
  platform.onSend = (data, _host, port, socket) => {
    const nonce = data.length >= 36 ? Buffer.from(data.subarray(24, 36)).toString('hex') : '00'.repeat(12)
    if (port === 5351) platform.alarms.after(1, () => forge(socket, nonce))
  }
}

describe('forged answers change nothing', () => {
  test.each([
    ['another host', '192.168.1.66', 5351],
    ['another port of the router', ROUTER, 5350],
    ['outside', '203.0.113.7', 5351],
  ])('RFC 6886 §3.1, RFC 6887 §8.3, spec/disco-stun-nat.md §7.3: from %s', async (_what, host, port) => {
    const home = createHome()
    let forged = 0
    attack(home, (socket, nonce) => {
      for (const data of forgeries(nonce)) socket.onMessage(data, host, port)
      forged++
    })
    await home.pass(5 * HOUR)
    expect(forged).toBeGreaterThan(5)
    expect(home.said).toEqual([`pcp 203.0.113.7:${LOCAL_PORT}`])
    await home.close()
  })

  test('RFC 6887 §11.4: PCP: from the router, for somebody else', async () => {
    const home = createHome((router) => Object.assign(router, { natPmp: false, upnp: 0 }))
    attack(home, (socket, nonce) => {
      const wrong = Buffer.from(nonce, 'hex')
      wrong[11]! ^= 1
      const [, map] = forgeries(wrong.toString('hex'))
      socket.onMessage(map!, ROUTER, 5351)
      const [, other] = forgeries(nonce)
      other!.writeUInt16BE(LOCAL_PORT + 1, 40)
      socket.onMessage(other!, ROUTER, 5351)
      other!.writeUInt16BE(LOCAL_PORT, 40)
      other![36] = 6
      socket.onMessage(other!, ROUTER, 5351)
    })
    await home.pass(5 * HOUR)
    expect(home.said).toEqual([`pcp 203.0.113.7:${LOCAL_PORT}`])
    await home.close()
  })

  test('RFC 6886 §3.3: NAT-PMP: from the router, for another port or for TCP', async () => {
    const home = createHome((router) => Object.assign(router, { pcp: false, upnp: 0 }))
    attack(home, (socket) => {
      socket.onMessage(bytes('00810000 00ffffff a2aa 1234 00001c20'), ROUTER, 5351)
      socket.onMessage(bytes('00820000 00ffffff a2a9 1234 00001c20'), ROUTER, 5351)
    })
    await home.pass(5 * HOUR)
    expect(home.said).toEqual([`nat-pmp 203.0.113.7:${LOCAL_PORT}`])
    await home.close()
  })

  test('late ones: nobody waits for them', async () => {
    const home = createHome()
    await home.pass(MINUTE)
    const { hex } = home.router.heard.find(({ what }) => what === 'pcp map')!
    const socket = home.platform.sockets.find(({ isClosed }) => !isClosed)!
    for (const data of forgeries(hex!.slice(48, 72))) socket.onMessage(data, ROUTER, 5351)
    await home.pass(MINUTE)
    expect(home.said).toEqual([`pcp 203.0.113.7:${LOCAL_PORT}`])
    expect(home.router.times('pcp map')).toHaveLength(1)
    await home.close()
  })

  test('RFC 6887 §15: the answer to a deletion is not one to a renewal, nor the other way round', async () => {
    for (const pcp of [true, false]) {
      const home = createHome((router) => Object.assign(router, { pcp, upnp: 0 }))
      await home.pass(MINUTE)
      attack(home, (socket, nonce) => {
        const [, map, , pmp] = forgeries(nonce)
        map!.writeUInt32BE(0, 4)
        pmp!.writeUInt32BE(0, 12)
        socket.onMessage(map!, ROUTER, 5351)
        socket.onMessage(pmp!, ROUTER, 5351)
      })
      await home.pass(5 * HOUR)
      expect(home.said).toHaveLength(1)
      expect(home.router.table.size).toBe(1)
      home.platform.onSend = () => {}
      await home.close()
    }
  })
})

describe('the probe', () => {
  async function probe(prepare: (platform: RouterPlatform) => void, abortAt = 60 * SECOND) {
    const platform = new RouterPlatform()
    prepare(platform)
    const controller = new AbortController()
    let found: unknown
    void probePortMapping(platform, controller.signal).then((result) => {
      found = result
    })
    const startedAt = platform.time
    for (let ms = 0; ms < 20 * SECOND && found === undefined; ms += 50) {
      if (ms >= abortAt) controller.abort()
      await pass(platform, 50)
    }
    const tookMs = platform.time - startedAt
    await pass(platform, SECOND)
    expect(platform.openSockets).toBe(0)
    expect(platform.nextTimer).toBe(Number.POSITIVE_INFINITY)
    expect(platform.router?.table.size ?? 0).toBe(0)
    return { found, tookMs }
  }

  test.each([
    [true, true, 2, '203.0.113.7'],
    [true, false, 0, undefined],
    [false, true, 0, '203.0.113.7'],
    [false, false, 1, '203.0.113.7'],
    [false, false, 0, undefined],
  ] as const)('spec/disco-stun-nat.md §7.3: PCP %s, NAT-PMP %s, UPnP %d', async (pcp, natPmp, upnp, externalIp) => {
    const { found } = await probe(({ router }) => Object.assign(router!, { pcp, natPmp, upnp }))
    const known = externalIp === undefined ? {} : { externalIp }
    expect(found).toEqual({ pcp, natPmp, upnp: upnp > 0, gateway: ROUTER, ...known })
  })

  test('spec/disco-stun-nat.md §7.3: a private address is told', async () => {
    const { found } = await probe(({ router }) => Object.assign(router!, { externalIp: '100.64.0.9' }))
    expect(found).toMatchObject({ externalIp: '100.64.0.9' })
  })

  test('without a router', async () => {
    const { found } = await probe((platform) => {
      platform.router = undefined
    })
    expect(found).toEqual({ pcp: false, natPmp: false, upnp: false })
  })

  test('aborted: what is known by then', async () => {
    const { found, tookMs } = await probe(
      ({ router }) => Object.assign(router!, { pcp: true, natPmp: false, upnp: 0 }),
      300,
    )
    expect(found).toEqual({ pcp: true, natPmp: false, upnp: false, gateway: ROUTER })
    expect(tookMs).toBeLessThan(500)
  })
})
