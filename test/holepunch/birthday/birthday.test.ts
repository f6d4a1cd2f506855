import { afterEach, describe, expect, test } from 'vitest'
import { parseSocketAddress } from '../../../src/bytes/index.ts'
import { decodeBirthdayMessage, encodeBirthdayMessage } from '../../../src/holepunch/birthday/message.ts'
import type { UdpSocket, UdpSocketOptions } from '../../../src/platform/index.ts'
import { NodePlatform } from '../../../src/platform/node/index.ts'
import { VirtualPlatform, type VirtualSocket } from '../../driver/virtual-platform.ts'
import { connect, type Link, Node } from './nodes.ts'

const HARD = '203.0.113.2'
const EASY = '198.51.100.3'

/** Nodes in virtual time, without NATs: what is sent arrives at once, from `flow`. */
class Lan {
  readonly platform = new VirtualPlatform()
  readonly nodes: Node[] = []
  readonly links: Link[] = []
  /** Destinations of packets that nobody has. */
  readonly lost: string[] = []
  isCut = false

  node(host: string, isHard: boolean | undefined, extra: object = {}): Node {
    const main = this.platform.socket(host, 0)
    const node = new Node({ platform: this.platform, seed: this.nodes.length + 1, main, isHard, extra })
    this.nodes.push(node)
    return node
  }

  link(left: Node, right: Node): [Link, Link] {
    const pair = connect(left, right)
    this.links.push(...pair)
    return pair
  }

  /** Side sockets that are open. */
  get sides(): VirtualSocket[] {
    const mains = new Set<UdpSocket>(this.nodes.map(({ main }) => main))
    return this.platform.sockets.filter((socket) => !mains.has(socket) && !socket.isClosed)
  }

  packets(host: string): number {
    return this.platform.sockets
      .filter((socket) => socket.host === host)
      .reduce((sum, { sent }) => sum + sent.length, 0)
  }

  #deliver(): boolean {
    let some = false
    for (const socket of this.platform.sockets) {
      for (const { data, host, port } of socket.sent.splice(0)) {
        some = true
        const target = this.platform.sockets.find((one) => one.host === host && one.port === port && !one.isClosed)
        if (this.isCut) continue
        if (target === undefined) this.lost.push(`${host}:${port}`)
        else target.onMessage(data, socket.host, socket.port)
      }
    }
    return some
  }

  /** Lets `ms` pass. */
  async flow(ms: number): Promise<void> {
    for (const end = this.platform.time + ms; ; ) {
      for (let some = true; some; ) {
        await new Promise((resolve) => setImmediate(resolve))
        some = this.links.map((link) => link.carry()).includes(true)
        some = (!this.isCut && this.#deliver()) || some
      }
      if (this.platform.time >= end) return
      await this.platform.advanceAsync(Math.min(20, end - this.platform.time), 20)
    }
  }
}

function pair(): { lan: Lan; hard: Node; easy: Node; toEasy: Link; toHard: Link } {
  const lan = new Lan()
  const hard = lan.node(HARD, true)
  const easy = lan.node(EASY, false)
  const [toEasy, toHard] = lan.link(hard, easy)
  return { lan, hard, easy, toEasy, toHard }
}

describe.each(['hard', 'easy'] as const)('offered by the %s side', (side) => {
  test('spec/disco-stun-nat.md §8.5: both sides get a route over one pair of sockets; the other 255 are closed', async () => {
    const { lan, hard, easy, toEasy, toHard } = pair()
    expect(side === 'hard' ? hard.birthday.begin(toEasy) : easy.birthday.begin(toHard)).toBe(true)
    await lan.flow(1_000)
    expect([toEasy.routes.length, toHard.routes.length]).toEqual([1, 1])
    const there = hard.driver.routes.entry(toEasy.routes[0]!)!
    const back = easy.driver.routes.entry(toHard.routes[0]!)!
    expect(there.remote).toBe(`${EASY}:${easy.main.port}`)
    expect(hard.driver.sockets).toHaveLength(2)
    expect(back.remote).toBe(`${HARD}:${hard.driver.sockets[1]!.port}`)
    expect(lan.sides).toEqual([hard.driver.sockets[1]])
    expect(lan.platform.sockets).toHaveLength(258)
    expect([hard.birthday.attempts, easy.birthday.attempts]).toEqual([0, 0])
    // QUIC goes over it
    back.send(new TextEncoder().encode('@quic'), () => {})
    await lan.flow(0)
    expect(hard.received).toEqual(['@quic'])
    expect([...hard.faults, ...easy.faults]).toEqual([])
    // answers that were on their way to sockets just closed
    for (const address of lan.lost) expect(address).toMatch(/^203\.0\.113\.2:/)
  })
})

test('both offer at the same time: one attempt comes of it', async () => {
  const { lan, hard, easy, toEasy, toHard } = pair()
  expect([hard.birthday.begin(toEasy), easy.birthday.begin(toHard)]).toEqual([true, true])
  await lan.flow(1_000)
  expect([toEasy.routes.length, toHard.routes.length]).toEqual([1, 1])
  expect(lan.platform.sockets).toHaveLength(258)
})

test.each(['hard', 'easy'] as const)(
  'offered by the %s side, every message comes twice, the second time later',
  async (side) => {
    const { lan, hard, easy, toEasy, toHard } = pair()
    for (const link of [toEasy, toHard]) {
      const { send } = link
      link.send = (payload) => {
        send.call(link, payload)
        const timer = lan.platform.createTimer(() => send.call(link, payload))
        timer.arm(lan.platform.time + 60)
      }
    }
    if (side === 'hard') hard.birthday.begin(toEasy)
    else easy.birthday.begin(toHard)
    // no packet gets through while messages are repeated
    lan.isCut = true
    await lan.flow(500)
    lan.isCut = false
    await lan.flow(6_000)
    expect([toEasy.routes.length, toHard.routes.length]).toEqual([1, 1])
  },
)

describe('no attempt', () => {
  test.each([
    [true, true],
    [false, false],
    [true, undefined],
    [false, undefined],
  ])('when the peers’ NATs are hard: %s and hard: %s', async (left, right) => {
    const { lan, hard, easy, toEasy } = pair()
    hard.isHard = left
    easy.isHard = right
    expect(hard.birthday.begin(toEasy)).toBe(true)
    await lan.flow(1_000)
    expect(lan.platform.sockets).toHaveLength(2)
    expect(lan.packets(HARD) + lan.packets(EASY)).toBe(0)
    expect([hard.birthday.attempts, easy.birthday.attempts]).toEqual([0, 0])
  })

  test('where we do not know our NAT or our address, have no IPv4 address, or the peer has none', () => {
    const { hard, toEasy } = pair()
    hard.isHard = undefined
    expect(hard.birthday.begin(toEasy)).toBe(false)
    hard.isHard = true
    toEasy.own = undefined
    expect(hard.birthday.begin(toEasy)).toBe(false)
    toEasy.own = parseSocketAddress('10.0.0.1:5')
    expect(hard.birthday.begin(toEasy)).toBe(false)
    toEasy.own = hard.address
    toEasy.candidates = [parseSocketAddress('192.168.1.1:5'), parseSocketAddress('[2001:db8::1]:5')]
    expect(hard.birthday.begin(toEasy)).toBe(false)
    expect(toEasy.sent).toEqual([])
  })

  test.each([
    ['198.51.100.4:40000', 'another IP'],
    ['198.51.100.3:40009', 'another port'],
    ['10.0.0.4:40001', 'a private address'],
    ['127.0.0.1:40001', 'loopback'],
    ['203.0.113.2:40001', 'our own address'],
  ])('with an easy peer that calls itself %s: %s', async (claim) => {
    const { lan, hard, toEasy } = pair()
    // only the first two are no candidates
    const address = parseSocketAddress(claim)
    if (address.ip[0] !== 198) toEasy.candidates = [address]
    const id = new Uint8Array(8).fill(7)
    hard.birthday.onMessage(toEasy, encodeBirthdayMessage({ type: 'offer', id, role: 'easy', address }))
    expect(hard.birthday.attempts).toBe(0)
    expect(toEasy.sent.map((payload) => decodeBirthdayMessage(payload))).toEqual([{ type: 'end', id }])
    await lan.flow(100)
    expect(lan.platform.sockets).toHaveLength(2)
  })

  test('with a hard peer whose IP is none of its candidates', () => {
    const { easy, toHard } = pair()
    const offer = (address: string): void => {
      const id = new Uint8Array(8).fill(7)
      const message = { type: 'offer', id, role: 'hard', address: parseSocketAddress(address) } as const
      easy.birthday.onMessage(toHard, encodeBirthdayMessage(message))
    }
    offer('203.0.113.9:1')
    expect(easy.birthday.attempts).toBe(0)
    offer('203.0.113.2:1')
    expect(easy.birthday.attempts).toBe(1)
  })
})

describe('how often', () => {
  test('after a failure not for 60 s, neither of ours nor of the peer’s offers', async () => {
    const { lan, hard, easy, toEasy, toHard } = pair()
    lan.isCut = true
    hard.birthday.begin(toEasy)
    await lan.flow(13_000)
    expect([hard.birthday.attempts, easy.birthday.attempts, lan.sides.length]).toEqual([0, 0, 0])
    for (const host of [HARD, EASY]) {
      expect(lan.packets(host)).toBeGreaterThan(700)
      expect(lan.packets(host)).toBeLessThanOrEqual(2_048)
    }
    // the easy side had sent all of it after 5 s and gave up 2 s later
    await lan.flow(53_000)
    expect([hard.birthday.begin(toEasy), easy.birthday.begin(toHard)]).toEqual([false, false])
    await lan.flow(5_000)
    lan.isCut = false
    for (const socket of lan.platform.sockets) socket.sent.length = 0
    expect(hard.birthday.begin(toEasy)).toBe(true)
    await lan.flow(1_000)
    expect(toEasy.routes).toHaveLength(1)
  })

  test('to the millisecond', () => {
    const { lan, easy, toHard } = pair()
    expect(easy.birthday.begin(toHard)).toBe(true)
    easy.birthday.stop(toHard)
    lan.platform.time += 59_999
    expect(easy.birthday.begin(toHard)).toBe(false)
    lan.platform.time += 1
    expect(easy.birthday.begin(toHard)).toBe(true)
  })

  test('one for a peer, whatever the connection, and two at once for all', () => {
    const { lan, easy, hard, toHard } = pair()
    const [again] = connect(easy, hard)
    const others = [3, 4].map((number) => connect(easy, lan.node(`203.0.113.${number}`, true))[0])
    expect(easy.birthday.begin(toHard)).toBe(true)
    expect(easy.birthday.begin(toHard)).toBe(false)
    expect(easy.birthday.begin(again)).toBe(false)
    expect(easy.birthday.begin(others[0]!)).toBe(true)
    expect(easy.birthday.begin(others[1]!)).toBe(false)
    expect(easy.birthday.attempts).toBe(2)
    easy.birthday.stop(toHard)
    expect(easy.birthday.begin(others[1]!)).toBe(true)
  })
})

describe('nothing stays open', () => {
  test.each(['stop', 'close', 'broken link', 'the peer ends it'] as const)('%s', async (how) => {
    const { lan, hard, easy, toEasy, toHard } = pair()
    lan.isCut = true
    hard.birthday.begin(toEasy)
    await lan.flow(700)
    expect(lan.sides).toHaveLength(256)
    if (how === 'stop') hard.birthday.stop(toEasy)
    else if (how === 'close') hard.birthday.close()
    else if (how === 'the peer ends it') easy.birthday.stop(toHard)
    else {
      toEasy.isBroken = true
      await lan.flow(12_000)
    }
    await lan.flow(0)
    expect(lan.sides).toEqual([])
    expect(hard.birthday.attempts).toBe(0)
    if (how === 'broken link') return
    expect(easy.birthday.attempts).toBe(0)
    for (const socket of lan.platform.sockets) socket.sent.length = 0
    await lan.flow(5_000)
    expect(lan.packets(HARD) + lan.packets(EASY)).toBe(0)
  })

  test('stopped while the sockets are being opened', async () => {
    const { lan, hard, toEasy } = pair()
    hard.birthday.begin(toEasy)
    for (let turn = 0; turn < 3; turn++) {
      toEasy.carry()
      toEasy.other!.carry()
    }
    hard.birthday.stop(toEasy)
    await lan.flow(100)
    expect(lan.sides).toEqual([])
  })

  test('a socket that won is closed after 30 s if no connection uses it, and kept while one does', async () => {
    const { lan, hard, toEasy } = pair()
    hard.birthday.begin(toEasy)
    await lan.flow(1_000)
    hard.driver.routes.retain(toEasy.routes[0]!)
    await lan.flow(120_000)
    expect(lan.sides).toHaveLength(1)
    hard.driver.routes.release(toEasy.routes[0]!)
    await lan.flow(31_000)
    expect(lan.sides).toEqual([])
    expect(hard.driver.sockets).toEqual([hard.main])
  })
})

test('packets and messages of strangers change nothing', async () => {
  const { lan, hard, easy, toEasy, toHard } = pair()
  const stranger = lan.node('192.0.2.66', false)
  lan.isCut = true
  hard.birthday.begin(toEasy)
  await lan.flow(2_000)
  const ping = stranger.port.seal(hard.id, { type: 'ping', transactionId: new Uint8Array(12), key: stranger.id })!
  const before = [lan.packets(HARD), lan.packets(EASY)]
  for (const side of lan.sides) side.onMessage(ping, EASY, easy.main.port)
  for (const data of [ping, ping.subarray(0, 77), new Uint8Array(0), new Uint8Array(1_200).fill(0x40)]) {
    lan.sides[0]!.onMessage(data, EASY, easy.main.port)
    easy.main.onMessage(data, HARD, 50_000)
  }
  expect([lan.packets(HARD), lan.packets(EASY)]).toEqual(before)
  // what the stranger sealed was not even opened
  expect(hard.port.stats).toEqual({ failedOpens: 0, limited: 0, malformed: 0 })
  expect(hard.birthday.onMessage(toEasy, new Uint8Array([2, 5, 0]))).toBe(false)
  const end = encodeBirthdayMessage({ type: 'end', id: new Uint8Array(8) })
  expect(hard.birthday.onMessage(toEasy, end)).toBe(true)
  expect([hard.birthday.attempts, easy.birthday.attempts]).toEqual([1, 1])
  expect([toEasy.routes, toHard.routes]).toEqual([[], []])
})

describe('real sockets', () => {
  const opened: Node[] = []
  afterEach(async () => {
    for (const { birthday, driver } of opened.splice(0)) {
      birthday.close()
      await driver.close()
    }
  })

  test('spec/disco-stun-nat.md §8.5: the search finds one of many sockets, and QUIC’s way is open both ways', async () => {
    const platform = new NodePlatform()
    const live = new Set<UdpSocket>()
    const counting = Object.assign(Object.create(platform) as NodePlatform, {
      bindUdp: async (options: UdpSocketOptions) => {
        const socket = await platform.bindUdp(options)
        live.add(socket)
        const close = socket.close.bind(socket)
        socket.close = () => {
          live.delete(socket)
          return close()
        }
        return socket
      },
    })
    // 400: one of 140,000 runs finds none
    const extra = { isPublic: () => true, sockets: 400, packetsPerSecond: 2_000 }
    // The easy side's filter: only from where it sent to.
    const sentTo = new Set<string>()
    const easyMain = await platform.bindUdp({ host: '127.77.0.1', port: 0 })
    const easy = new Node({
      platform,
      seed: 1,
      main: easyMain,
      isHard: false,
      extra,
      onForeign: ({ host, port }) => sentTo.has(`${host} ${port}`),
    })
    const send = easyMain.send.bind(easyMain)
    easyMain.send = (data, start, length, host, port, done) => {
      sentTo.add(`${host} ${port}`)
      send(data, start, length, host, port, done)
    }
    const hardMain = await platform.bindUdp({ host: '127.77.0.2', port: 0 })
    const hard = new Node({ platform: counting, seed: 2, main: hardMain, isHard: true, extra })
    opened.push(easy, hard)
    const [toHard, toEasy] = connect(easy, hard)
    easy.birthday.begin(toHard)
    while (easy.birthday.attempts + hard.birthday.attempts > 0 || toHard.sent.length + toEasy.sent.length > 0) {
      toHard.carry()
      toEasy.carry()
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    expect(live.size).toBe(1)
    expect([toHard.routes.length, toEasy.routes.length]).toEqual([1, 1])
    const text = new TextEncoder().encode('@there')
    easy.driver.routes.entry(toHard.routes[0]!)!.send(text, () => {})
    hard.driver.routes.entry(toEasy.routes[0]!)!.send(text, () => {})
    while (hard.received.length + easy.received.length < 2) await new Promise((resolve) => setTimeout(resolve, 2))
    expect([hard.received, easy.received]).toEqual([['@there'], ['@there']])
  }, 30_000)
})
