import { afterEach, describe, expect, test } from 'vitest'
import { formatHostPort, parseSocketAddress, type SocketAddress } from '../../../src/bytes/index.ts'
import { Driver } from '../../../src/driver/index.ts'
import { DiscoBox } from '../../../src/holepunch/disco/box.ts'
import { DiscoSocket } from '../../../src/holepunch/disco/disco-socket.ts'
import type { DiscoMessage } from '../../../src/holepunch/disco/message.ts'
import { DiscoPort } from '../../../src/holepunch/disco/port.ts'
import { SecretKey } from '../../../src/identity/index.ts'
import type { Engine } from '../../../src/quic/index.ts'
import { VirtualPlatform, type VirtualSocket } from '../../driver/virtual-platform.ts'
import { SimRandom } from '../../sim/support/random.ts'
import { ALICE, BOB } from './vectors.ts'

const RELAY = 'https://relay.example./'
const PEER = parseSocketAddress('192.0.2.7:7777')

/** Alice's side, and bob as a box and a list of what reached him. */
class Bench {
  readonly platform = new VirtualPlatform()
  readonly main: VirtualSocket
  readonly second: VirtualSocket
  readonly driver: Driver
  readonly port: DiscoPort
  readonly disco: DiscoSocket
  readonly bob = new DiscoBox(BOB, new SimRandom('bob'))
  readonly relayed: { url: string; packet: Uint8Array }[] = []
  readonly faults: unknown[] = []

  constructor(own: () => readonly SocketAddress[] = () => []) {
    const { platform } = this
    this.port = new DiscoPort({ platform, secretKey: ALICE })
    this.driver = new Driver({
      platform,
      createEngine: () =>
        ({
          receive: () => undefined,
          poll: () => false,
          nextIncoming: () => undefined,
          close: () => {},
        }) as unknown as Engine,
      onIncoming: () => {},
      onForeign: (packet) => this.port.onForeign(packet),
      onFault: (fault) => this.faults.push(fault),
    })
    this.disco = new DiscoSocket({
      platform,
      driver: () => this.driver,
      port: this.port,
      ownId: ALICE.id.toBytes(),
      ownAddresses: own,
      sendRelayed: (url, _peer, packet) => this.relayed.push({ url, packet }),
    })
    this.main = platform.socket('192.0.2.1', 4_000)
    this.second = platform.socket('192.0.2.1', 4_001)
    for (const socket of [this.main, this.second, platform.socket('2001:db8::1', 4_002)]) this.driver.addSocket(socket)
  }

  /** What was sent from a socket since: `ping 192.0.2.7:7777`. */
  sent(socket = this.main): { to: string; message: DiscoMessage }[] {
    return socket.sent.splice(0).map(({ data, host, port }) => {
      const opened = this.bob.open(data, '192.0.2.1', this.platform.time)
      expect(opened?.sender).toEqual(ALICE.id.toBytes())
      return { to: formatHostPort(host, port), message: opened!.message }
    })
  }

  words(socket = this.main): string[] {
    return this.sent(socket).map(({ to, message }) => `${message.type} ${to}`)
  }

  packet(message: DiscoMessage): Uint8Array {
    return this.bob.seal(ALICE.id.toBytes(), message)!
  }

  ping(id: number): Uint8Array {
    return this.packet({ type: 'ping', transactionId: new Uint8Array(12).fill(id), key: BOB.id.toBytes() })
  }

  /** Bob answers all pings that were sent to him. */
  answer(): string[] {
    const sent = this.sent()
    for (const { message } of sent) {
      if (message.type !== 'ping') continue
      const { transactionId } = message
      const pong = this.packet({ type: 'pong', transactionId, observed: { kind: 'udp', ...PEER } })
      this.main.onMessage(pong, '192.0.2.7', 7_777)
    }
    return sent.map(({ to, message }) => `${message.type} ${to}`)
  }
}

const benches: Bench[] = []
function bench(own?: () => readonly SocketAddress[]): Bench {
  const one = new Bench(own)
  benches.push(one)
  return one
}
afterEach(() => {
  for (const { faults } of benches.splice(0)) expect(faults).toEqual([])
})

test('spec/disco-stun-nat.md §3.5: a Ping of a stranger is ponged and pinged back, by the socket it came in by', () => {
  const it = bench()
  it.second.onMessage(it.ping(1), '192.0.2.7', 7_777)
  expect(it.words(it.main)).toEqual([])
  const [pong, ping] = it.sent(it.second)
  expect(pong).toMatchObject({ to: '192.0.2.7:7777', message: { type: 'pong', observed: { kind: 'udp', ...PEER } } })
  expect(ping).toMatchObject({ to: '192.0.2.7:7777', message: { type: 'ping', key: ALICE.id.toBytes() } })
})

test('spec/disco-stun-nat.md §2.2: prepare pings every direct address before it returns, each from its family', () => {
  const it = bench()
  it.disco.prepare(BOB.id.toBytes(), [PEER, parseSocketAddress('[2001:db8::7]:7'), parseSocketAddress('10.1.2.3:5')])
  expect(it.words()).toEqual(['ping 192.0.2.7:7777', 'ping 10.1.2.3:5'])
  const v6 = it.platform.sockets[2]!
  expect(it.words(v6)).toEqual(['ping [2001:db8::7]:7'])
})

describe('heartbeats', () => {
  test('spec/disco-stun-nat.md §3.1: go on while a connection stands, and end 45 s after the last one ended', () => {
    const it = bench()
    const release = it.disco.prepare(BOB.id.toBytes(), [PEER])
    const again = it.disco.prepare(BOB.id.toBytes(), [])
    it.answer()
    let count = 0
    const pass = (seconds: number): void => {
      for (let second = 0; second < seconds; second++) {
        it.platform.advance(1_000)
        count += it.answer().length
      }
    }
    pass(100)
    expect(count).toBeGreaterThan(15)
    release()
    release()
    pass(100)
    expect(count).toBeGreaterThan(34)
    again()
    pass(50)
    count = 0
    pass(60)
    expect(count).toBe(0)
    expect(it.platform.nextTimer).toBe(Number.POSITIVE_INFINITY)
  })

  test('who never speaks disco is asked for 45 s only', () => {
    const it = bench()
    it.disco.prepare(BOB.id.toBytes(), [PEER])
    it.platform.advance(45_000)
    expect(it.words().length).toBeGreaterThan(5)
    it.platform.advance(60_000)
    expect(it.words()).toEqual([])
  })
})

test('spec/disco-stun-nat.md §2.4: over a relay too, where there is a way to send: a CallMeMaybe is answered with pings', () => {
  const it = bench(() => [PEER])
  expect(it.port.onRelayed(RELAY, new Uint8Array(1_200).fill(0x40))).toBe(false)
  expect(it.port.onRelayed(RELAY, it.ping(1))).toBe(true)
  const opened = it.relayed.splice(0).map(({ url, packet }) => ({ url, ...it.bob.open(packet, '', 0)! }))
  expect(opened).toMatchObject([{ url: RELAY, message: { type: 'pong', observed: { kind: 'relay', url: RELAY } } }])
  it.port.onRelayed(RELAY, it.packet({ type: 'call-me-maybe', addresses: [parseSocketAddress('198.51.100.2:9')] }))
  expect(it.words()).toEqual(['ping 198.51.100.2:9'])
  // no path works, so the next tick sends one of ours with the addresses of that time
  it.platform.advance(5_000)
  const messages = it.relayed.map(({ packet }) => it.bob.open(packet, '', 0)!.message)
  expect(messages).toContainEqual({ type: 'call-me-maybe', addresses: [PEER] })
})

test('what is no disco packet for us, or comes after close, is nothing', () => {
  const it = bench()
  const stranger = new DiscoBox(SecretKey.fromBytes(new Uint8Array(32).fill(9)), new SimRandom('x'))
  const forBob = stranger.seal(BOB.id.toBytes(), { type: 'call-me-maybe', addresses: [] })!
  it.main.onMessage(forBob, '192.0.2.7', 7_777)
  it.main.onMessage(it.ping(1).subarray(0, 60), '192.0.2.7', 7_777)
  it.main.onMessage(it.ping(2), 'fe80::1%eth0', 7_777)
  expect(it.words()).toEqual([])
  it.disco.close()
  it.main.onMessage(it.ping(3), '192.0.2.7', 7_777)
  it.disco.prepare(BOB.id.toBytes(), [PEER])()
  expect(it.words()).toEqual([])
  expect(it.platform.nextTimer).toBe(Number.POSITIVE_INFINITY)
})

test('without a taker nothing is opened', () => {
  const it = bench()
  it.disco.close()
  const forged = it.ping(1)
  forged[60]! ^= 1
  it.main.onMessage(forged, '192.0.2.7', 7_777)
  expect(it.port.stats).toEqual({ failedOpens: 0, limited: 0, malformed: 0 })
})

test('a network change: addresses are pinged anew', () => {
  const it = bench()
  it.disco.prepare(BOB.id.toBytes(), [PEER])
  it.answer()
  it.disco.networkChanged()
  it.disco.prepare(BOB.id.toBytes(), [PEER])
  expect(it.words()).toEqual(['ping 192.0.2.7:7777'])
})
