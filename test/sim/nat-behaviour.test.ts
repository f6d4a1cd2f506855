/** The virtual NATs themselves: what RFC 4787 says of mapping and filtering, and who reaches whom through them, as it was observed with real ones. */
import { describe, expect, test } from 'vitest'
import { VirtualClock } from './support/clock.ts'
import { AccessLink, line } from './support/nat/access-link.ts'
import { askStun } from './support/nat/ask-stun.ts'
import { BY_ADDRESS, FULL_CONE, MASQUERADE, RESTRICTED, SYMMETRIC } from './support/nat/kinds.ts'
import { type NatBehaviour, NatTable } from './support/nat/nat-table.ts'
import { Puncher } from './support/nat/puncher.ts'
import type { Router } from './support/nat/router.ts'
import { serveStun } from './support/nat/stun-server.ts'
import { TcpFlow } from './support/nat/tcp-flow.ts'
import { NatWorld } from './support/nat/world.ts'
import type { Address, SimSocket } from './support/network.ts'
import { SimRandom } from './support/random.ts'

const INSIDE: Address = { host: '192.168.1.10', port: 5000 }
const OTHER: Address = { host: '192.168.1.11', port: 5000 }
const [A1, A2, B1] = [
  { host: '192.0.2.1', port: 1 },
  { host: '192.0.2.1', port: 2 },
  { host: '192.0.2.9', port: 1 },
]

function table(behaviour: NatBehaviour): NatTable {
  return new NatTable('198.51.100.1', behaviour, new SimRandom('nat'))
}

describe('the table of a NAT', () => {
  test.each([
    { mapping: 'EIM', distinct: [true, true] },
    { mapping: 'ADM', distinct: [true, false] },
    { mapping: 'APDM', distinct: [false, false] },
  ] as const)('RFC 4787 §4.1: $mapping maps anew for another port, another host, or not', ({ mapping, distinct }) => {
    const nat = table({ mapping, filtering: 'APDF' })
    const [first, port, host] = [A1, A2, B1].map((target) => nat.outbound(INSIDE, target, 0).port)
    expect([port === first, host === first]).toEqual(distinct)
    expect(nat.outbound(INSIDE, A1, 0).port).toBe(first)
    expect(nat.outbound(OTHER, A1, 0).port).not.toBe(first)
  })

  test('RFC 4787 §4.2.1: the inside port is kept where it is free, and never shared by two inside hosts', () => {
    const nat = table(MASQUERADE)
    expect(nat.outbound(INSIDE, A1, 0)).toEqual({ host: '198.51.100.1', port: 5000 })
    const other = nat.outbound(OTHER, A1, 0).port
    expect(other).not.toBe(5000)
    expect(nat.inbound(A1, { host: nat.host, port: other }, 1)).toEqual(OTHER)
    // the first one's time is over, so the port is free again
    expect(nat.outbound(OTHER, B1, 30_000).port).toBe(other)
    expect(nat.outbound({ host: '192.168.1.12', port: 5000 }, B1, 30_000).port).toBe(5000)
  })

  test('RFC 4787 §4.2.1: random ports are all over the range, and the same for the same seed', () => {
    const draw = (): number[] => {
      const nat = table(SYMMETRIC)
      return Array.from({ length: 2000 }, (_, port) => nat.outbound(INSIDE, { host: '192.0.2.1', port }, 0).port)
    }
    const ports = draw()
    expect(new Set(ports).size).toBe(2000)
    expect(Math.min(...ports)).toBeGreaterThanOrEqual(1024)
    expect(Math.min(...ports)).toBeLessThan(2000)
    expect(Math.max(...ports)).toBeGreaterThan(64_000)
    expect(draw()).toEqual(ports)
  })

  test.each([
    { filtering: 'EIF', letsIn: [true, true, true] },
    { filtering: 'ADF', letsIn: [true, true, false] },
    { filtering: 'APDF', letsIn: [true, false, false] },
  ] as const)(
    'RFC 4787 §5: $filtering lets in who was sent to, another port, another host, or not',
    ({ filtering, letsIn }) => {
      const nat = table({ mapping: 'EIM', filtering })
      const outside = nat.outbound(INSIDE, A1, 0)
      expect([A1, A2, B1].map((source) => nat.inbound(source, outside, 1) !== undefined)).toEqual(letsIn)
      expect(nat.inbound(A1, { ...outside, port: outside.port ^ 1 }, 1)).toBeUndefined()
    },
  )

  test('RFC 4787 §4.3: a remote that never answers is forgotten after 30 s, one that does after 120 s of silence both ways', () => {
    const nat = table(SYMMETRIC)
    const port = nat.outbound(INSIDE, A1, 0)
    expect(nat.inbound(A1, port, 30_000)).toBeUndefined()
    const second = nat.outbound(INSIDE, A1, 30_000)
    expect(second).not.toEqual(port)
    expect(nat.inbound(A1, second, 59_999)).toEqual(INSIDE)
    expect(nat.inbound(A1, second, 179_998)).toEqual(INSIDE)
    expect(nat.outbound(INSIDE, A1, 299_997)).toEqual(second)
    expect(nat.inbound(A1, second, 419_997)).toBeUndefined()
    expect(nat.size(419_997)).toBe(0)
  })

  test('RFC 4787 §4.3: the time of one remote is not that of another', () => {
    const nat = table(MASQUERADE)
    const outside = nat.outbound(INSIDE, A1, 0)
    expect(nat.outbound(INSIDE, B1, 20_000)).toEqual(outside)
    expect(nat.inbound(A1, outside, 30_000)).toBeUndefined()
    expect(nat.inbound(B1, outside, 30_000)).toEqual(INSIDE)
  })

  test('RFC 4787 §4.3: lifetimes are settings', () => {
    const nat = table({ ...SYMMETRIC, unansweredMs: 2_000, answeredMs: 4_000 })
    const outside = nat.outbound(INSIDE, A1, 0)
    expect(nat.inbound(A1, outside, 1_999)).toEqual(INSIDE)
    expect(nat.inbound(A1, outside, 5_999)).toBeUndefined()
  })

  test('a reboot forgets all: who kept the port gets it again, a symmetric one another, perhaps at another address', () => {
    const [kept, drawn] = [table(MASQUERADE), table(SYMMETRIC)]
    const before = [kept, drawn].map((nat) => nat.outbound(INSIDE, A1, 0))
    for (const nat of [kept, drawn]) nat.reboot()
    expect(kept.inbound(A1, before[0]!, 1)).toBeUndefined()
    expect(kept.outbound(INSIDE, A1, 1)).toEqual(before[0])
    expect(drawn.outbound(INSIDE, A1, 1)).not.toEqual(before[1])
    kept.reboot('198.51.100.2')
    expect(kept.outbound(INSIDE, A1, 1)).toEqual({ host: '198.51.100.2', port: 5000 })
  })

  test('RFC 6092 §3.2: a firewall translates nothing and lets in only who was sent to', () => {
    const wall = table({ mapping: 'EIM', filtering: 'APDF', ports: 'identity' })
    expect(wall.inbound(A1, INSIDE, 0)).toBeUndefined()
    expect(wall.outbound(INSIDE, A1, 0)).toEqual(INSIDE)
    expect(wall.inbound(A1, INSIDE, 1)).toEqual(INSIDE)
    expect(wall.inbound(A2, INSIDE, 1)).toBeUndefined()
  })
})

/** What a socket hears: `<bytes> from <address>`. */
function listen(socket: SimSocket): string[] {
  const heard: string[] = []
  socket.onMessage = (data, host, port) => heard.push(`${data.length} from ${host} ${port}`)
  return heard
}

function send(socket: SimSocket, length: number, host: string, port: number): void {
  socket.send(new Uint8Array(length), 0, length, host, port, () => {})
}

describe('boxes and networks', () => {
  test('RFC 4787 §6: with hairpinning two inside hosts meet at the outside address, as it; without they do not', async () => {
    for (const hairpin of [true, false]) {
      const world = new NatWorld('hairpin')
      const behind = world.internet.router('home', { behaviour: { ...FULL_CONE, hairpin }, host: '198.51.100.7' })
      const [left, right] = ['left', 'right'].map((name) => world.internet.host(name, { behind }).open('0.0.0.0', 0))
      const heard = listen(left!)
      expect(await askStun(world, left!, world.stunServers[0]!)).toEqual({ host: '198.51.100.7', port: left!.port })
      send(right!, 9, '198.51.100.7', left!.port)
      await world.run(10)
      expect(heard).toEqual(hairpin ? [`9 from 198.51.100.7 ${right!.port}`] : [])
    }
  })

  test('hosts of one network reach each other without the box, and nobody reaches them from outside by their inside address', async () => {
    const world = new NatWorld('lan')
    const behind = world.internet.router('home', { behaviour: MASQUERADE })
    const [left, right] = ['left', 'right'].map((name) => world.internet.host(name, { behind }))
    const stranger = world.internet.host('stranger').open('0.0.0.0', 77)
    const socket = right!.open('0.0.0.0', 5)
    const heard = listen(socket)
    send(left!.open('0.0.0.0', 6), 3, right!.addresses[0]!, 5)
    send(stranger, 4, right!.addresses[0]!, 5)
    await world.run(10)
    expect(heard).toEqual([`3 from ${left!.addresses[0]} 6`])
  })

  test('two boxes in a row: both translate, and what the outer one shows is the stricter of both', async () => {
    const world = new NatWorld('cgnat')
    const provider = world.internet.router('provider', { behaviour: SYMMETRIC, host: '198.51.100.1', net: '100.64.0' })
    const home = world.internet.router('home', { behaviour: FULL_CONE, behind: provider })
    expect(home.host).toBe('100.64.0.10')
    const socket = world.internet.host('phone', { behind: home }).open('0.0.0.0', 0)
    const seen = []
    for (const server of world.stunServers) seen.push(await askStun(world, socket, server))
    expect(seen.map((address) => address?.host)).toEqual(['198.51.100.1', '198.51.100.1'])
    expect(seen[0]?.port).not.toBe(seen[1]?.port)
    expect([home.mappings, provider.mappings]).toEqual([1, 2])
  })

  test('RFC 6092 §3.2: IPv6 behind a firewall is reached by its own address once it has sent, and at once where all passes', async () => {
    for (const isV6Open of [false, true]) {
      const world = new NatWorld('v6')
      const provider = world.internet.router('provider', { behaviour: MASQUERADE, net: '100.64.0', isV6Open: true })
      const behind = world.internet.router('home', { behaviour: MASQUERADE, behind: provider, isV6Open })
      const host = world.internet.host('host', { behind, v6: '2001:db8:1::5' })
      const far = world.internet.host('far', { v4: false, v6: '2001:db8:2::1' }).open('::', 9)
      const socket = host.open('::', 5)
      const [heard, heardFar] = [listen(socket), listen(far)]
      send(far, 1, '2001:db8:1::5', 5)
      await world.run(10)
      send(socket, 2, '2001:db8:2::1', 9)
      await world.run(10)
      send(far, 3, '2001:db8:1::5', 5)
      await world.run(10)
      expect(heardFar).toEqual(['2 from 2001:db8:1::5 5'])
      const from = '2001:db8:2::1 9'
      expect(heard).toEqual(isV6Open ? [`1 from ${from}`, `3 from ${from}`] : [`3 from ${from}`])
    }
  })

  test('a box that blocks UDP, and one that is restarted with another address', async () => {
    const world = new NatWorld('boxes')
    const behind = world.internet.router('home', { behaviour: MASQUERADE, host: '198.51.100.1' })
    const socket = world.internet.host('host', { behind }).open('0.0.0.0', 5)
    const ask = (): Promise<Address | undefined> => askStun(world, socket, world.stunServers[0]!)
    for (const blocked of ['all', 'outbound', 'inbound'] as const) {
      behind.blocked = blocked
      expect(await ask()).toBeUndefined()
      expect(behind.mappings).toBe(blocked === 'inbound' ? 1 : 0)
    }
    behind.blocked = 'nothing'
    expect(await ask()).toEqual({ host: '198.51.100.1', port: 5 })
    behind.reboot('198.51.100.2')
    expect(await ask()).toEqual({ host: '198.51.100.2', port: 5 })
    const ports: unknown[] = [5]
    for (let count = 0; count < 3; count++) {
      behind.replace(SYMMETRIC)
      ports.push((await ask())?.port)
    }
    expect(new Set(ports).size).toBe(4)
  })

  test('interfaces come and go: sockets bound to any address follow, and what is bound to one that is gone is silent', async () => {
    const world = new NatWorld('interfaces')
    const host = world.internet.host('laptop', { v4: '198.51.100.1' })
    const [any, bound] = [host.open('0.0.0.0', 5), host.open('198.51.100.1', 6)]
    const far = world.internet.host('far', { v4: '198.51.100.9' }).open('0.0.0.0', 9)
    const heard = listen(far)
    const all = async (length: number): Promise<void> => {
      for (const socket of [any, bound]) send(socket, length, '198.51.100.9', 9)
      await world.run(1)
    }
    await all(1)
    world.internet.plug(host, { name: 'wwan0', v4: '198.51.100.2', v6: '2001:db8::2' })
    expect(host.defaultRoutes()).toEqual({ v4: 'wwan0', v6: 'wwan0' })
    await all(2)
    host.unplug('eth0')
    await all(3)
    host.unplug('wwan0')
    await all(4)
    expect(heard).toEqual([
      '1 from 198.51.100.1 5',
      '1 from 198.51.100.1 6',
      '2 from 198.51.100.2 5',
      '2 from 198.51.100.1 6',
      '3 from 198.51.100.2 5',
    ])
    expect(host.interfaces().every(({ internal }) => internal)).toBe(true)
    expect(host.defaultRoutes()).toEqual({})
    expect(() => host.open('198.51.100.1', 0)).toThrow('EADDRNOTAVAIL')
  })

  test('spec/disco-stun-nat.md §6.4: STUN servers at two addresses tell the kinds of mapping apart', async () => {
    const kinds = { FULL_CONE, MASQUERADE, BY_ADDRESS, SYMMETRIC }
    const found: Record<string, string> = {}
    for (const [name, behaviour] of Object.entries(kinds)) {
      const world = new NatWorld(`classify ${name}`)
      const behind = world.internet.router('home', { behaviour })
      const socket = world.internet.host('host', { behind }).open('0.0.0.0', 0)
      const second = world.internet.hosts[1]!
      const servers = [...world.stunServers, serveStun(second, second.addresses[0]!, 3479)]
      const ports = []
      for (const server of servers) ports.push((await askStun(world, socket, server))!.port)
      const [first, other, same] = ports
      found[name] = first === other && other === same ? 'EIM' : other === same ? 'ADM' : 'APDM'
    }
    expect(found).toEqual({ FULL_CONE: 'EIM', MASQUERADE: 'EIM', BY_ADDRESS: 'ADM', SYMMETRIC: 'APDM' })
  })
})

// spec/disco-stun-nat.md §8.4, the rows and columns in this order
const TYPES = [
  'open',
  'full cone',
  'EIM+ADF',
  'masquerade',
  'ADM+APDF',
  'symmetric',
  'CGNAT easy',
  'CGNAT hard',
] as const
const OBSERVED = ['++++++++', '+++++++', '++++++', '+--+-', '----', '---', '+-', '-']

function boxOf(world: NatWorld, name: string, type: (typeof TYPES)[number]): Router | undefined {
  const box = (behaviour: NatBehaviour): Router => world.internet.router(name, { behaviour })
  const behindProvider = (outer: NatBehaviour): Router => {
    const provider = world.internet.router(`${name}'s provider`, { behaviour: outer, net: '100.64.0' })
    return world.internet.router(name, { behaviour: MASQUERADE, behind: provider })
  }
  switch (type) {
    case 'open':
      return undefined
    case 'full cone':
      return box(FULL_CONE)
    case 'EIM+ADF':
      return box(RESTRICTED)
    case 'masquerade':
      return box(MASQUERADE)
    case 'ADM+APDF':
      return box(BY_ADDRESS)
    case 'symmetric':
      return box(SYMMETRIC)
    case 'CGNAT easy':
      return behindProvider(MASQUERADE)
    case 'CGNAT hard':
      return behindProvider(SYMMETRIC)
  }
}

describe('punching with raw sockets', () => {
  test.each(TYPES.map((type, row) => ({ type, row })))(
    'spec/disco-stun-nat.md §8.4: from behind $type',
    async ({ type, row }) => {
      let reached = ''
      for (const other of TYPES.slice(row)) {
        const world = new NatWorld(`punch ${type} ${other}`)
        const delayed = { line: line({ delayMs: 5 }) }
        const [left, right] = [
          await Puncher.start(world, world.internet.host('left', { behind: boxOf(world, 'l', type), ...delayed })),
          await Puncher.start(world, world.internet.host('right', { behind: boxOf(world, 'r', other), ...delayed })),
        ]
        left.puncher.learn(right.addresses)
        right.puncher.learn(left.addresses)
        for (let round = 0; round < 8; round++) {
          left.puncher.pingAll()
          await world.run(3)
          right.puncher.pingAll()
          await world.run(497)
        }
        expect(left.puncher.isDirect).toBe(right.puncher.isDirect)
        reached += left.puncher.isDirect ? '+' : '-'
      }
      expect(reached).toBe(OBSERVED[row])
    },
  )

  test('spec/disco-stun-nat.md §8.4: two hosts behind one NAT meet on their network', async () => {
    const world = new NatWorld('one NAT')
    const behind = world.internet.router('home', { behaviour: SYMMETRIC })
    const [left, right] = [
      await Puncher.start(world, world.internet.host('left', { behind })),
      await Puncher.start(world, world.internet.host('right', { behind })),
    ]
    left.puncher.learn(right.addresses)
    left.puncher.pingAll()
    await world.run(100)
    expect([left.puncher.isDirect, right.puncher.isDirect]).toEqual([true, true])
  })
})

describe('access links', () => {
  test('loss comes in runs whose length is counted in packets, however far apart they are', () => {
    const { up } = new AccessLink(line({ loss: 0.08, burst: 20 }), new SimRandom('line'))
    let runs = 0
    let wasLost = false
    for (let at = 0; at < 40_000; at++) {
      const { lost } = up.counters
      up.pass({ bytes: new Uint8Array(10), at: at * 100 }, () => {})
      const isLost = up.counters.lost > lost
      if (isLost && !wasLost) runs++
      wasLost = isLost
    }
    expect(up.counters.lost / 40_000).toBeCloseTo(0.08, 1)
    expect(up.counters.lost / runs).toBeGreaterThan(14)
    expect(up.counters.lost / runs).toBeLessThan(28)
  })

  test('delay has its jitter around it, the rate holds, order is kept, and a line that is cut passes nothing until it is whole', () => {
    const { up } = new AccessLink(line({ delayMs: 50, jitterMs: 10, rate: 10 }), new SimRandom('line'))
    const times: number[] = []
    const pass = (at: number): void =>
      up.pass({ bytes: new Uint8Array(100), at }, (parcel) => times.push(parcel.at - at))
    for (let at = 0; at < 100; at++) pass(at * 12)
    const arrivals = times.map((ms, index) => ms + index * 12)
    expect(arrivals).toEqual([...arrivals].sort((left, right) => left - right))
    expect(Math.min(...times)).toBeGreaterThanOrEqual(50)
    expect(Math.max(...times)).toBeLessThan(70)
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(15)
    for (let count = 0; count < 400; count++) pass(20_000)
    // 24,000 bytes wait at most, and it takes 10 ms for each 100
    expect(times.length).toBe(340)
    expect(times.at(-1)).toBeGreaterThan(2_390)
    up.isCut = true
    pass(30_000)
    expect(times.length).toBe(340)
    up.isCut = false
    pass(30_000)
    expect(times.length).toBe(341)
  })

  /** Numbers that arrive over a flow, and when. */
  function flow(link: AccessLink, clock: VirtualClock) {
    const arrived: { readonly number: number; readonly at: number }[] = []
    const tcp = new TcpFlow(clock, [link.up], () => 100)
    let number = 0
    const carry = (bytes: number): void => {
      const mine = number++
      tcp.carry(bytes, () => arrived.push({ number: mine, at: clock.now }))
    }
    const run = (ms: number): void => {
      const end = clock.now + ms
      while (clock.step(end));
      clock.now = end
    }
    return { arrived, carry, run }
  }

  test('to TCP a loss is a delay: all arrives, in order, and what waits behind a lost segment is late with it', () => {
    const clock = new VirtualClock()
    const link = new AccessLink(line({ delayMs: 50, loss: 0.2, burst: 4 }), new SimRandom('tcp'))
    const { arrived, carry, run } = flow(link, clock)
    const sentAt: number[] = []
    for (let count = 0; count < 500; count++) {
      sentAt.push(clock.now)
      carry(count % 10 === 0 ? 5_000 : 100)
      run(20)
    }
    run(120_000)
    expect(arrived.map(({ number }) => number)).toEqual(Array.from({ length: 500 }, (_, index) => index))
    expect(link.up.counters.lost).toBeGreaterThan(50)
    const delays = arrived.map(({ number, at }) => at - sentAt[number]!)
    expect(Math.min(...delays)).toBe(50)
    // a retransmission takes two round trips at the least
    expect(delays.filter((ms) => ms > 50 && ms < 100).length).toBeGreaterThan(0)
    expect(Math.max(...delays)).toBeGreaterThanOrEqual(250)
  })

  test('RFC 6298 §5.5: while a line is cut TCP asks ever more rarely, and goes on when it is whole', () => {
    const clock = new VirtualClock()
    const link = new AccessLink(line({ delayMs: 50 }), new SimRandom('tcp'))
    const { arrived, carry, run } = flow(link, clock)
    link.cut(true)
    for (let count = 0; count < 100; count++) {
      carry(100)
      run(100)
    }
    expect(arrived).toEqual([])
    // the first, and retries after 200 ms, 300, 600, 1200, 2400, 4800
    expect(link.up.counters.passed).toBeLessThan(12)
    link.cut(false)
    run(20_000)
    expect(arrived.length).toBe(100)
  })

  test('TCP fills no more than half of a queue: datagrams find room beside it', () => {
    const clock = new VirtualClock()
    const link = new AccessLink(line({ rate: 100 }), new SimRandom('tcp'))
    const { arrived, carry, run } = flow(link, clock)
    for (let count = 0; count < 50; count++) carry(14_000)
    let waited = 0
    for (let count = 0; count < 100; count++) {
      run(20)
      link.up.pass({ bytes: new Uint8Array(100), at: clock.now }, (parcel) => {
        waited = Math.max(waited, parcel.at - clock.now)
      })
    }
    expect(waited).toBeGreaterThan(50)
    expect(waited).toBeLessThan(150)
    run(60_000)
    expect(arrived.length).toBe(50)
    expect(link.up.counters.lost).toBe(0)
  })
})
