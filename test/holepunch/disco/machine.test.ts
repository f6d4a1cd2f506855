import { describe, expect, test } from 'vitest'
import { parseIp } from '../../../src/bytes/index.ts'
import { MAX_PATHS, MAX_PEERS, MAX_PINGS } from '../../../src/holepunch/disco/constants.ts'
import type { DiscoAddress } from '../../../src/holepunch/disco/message.ts'
import { A, B, Bench, nameOf, PEER, udp, V6, VIA_RELAY } from './machine-driver.ts'

const STRANGER = new Uint8Array(32).fill(0x66)

describe('spec/disco-stun-nat.md §3.5: a Ping', () => {
  test('of a stranger is answered by the path it came, with the address seen, and pinged back', () => {
    const bench = new Bench()
    const transactionId = bench.ping(A)
    const [pong, ping] = bench.take()
    expect(pong).toMatchObject({ to: '192.0.2.1:1', message: { type: 'pong', transactionId, observed: A } })
    expect(ping).toMatchObject({ to: '192.0.2.1:1', message: { type: 'ping' } })
    expect(bench.machine.peerAt(A)).toEqual(PEER)
    bench.ping(VIA_RELAY)
    // a relay is not pinged back
    expect(bench.take()).toMatchObject([{ to: 'relay', message: { type: 'pong', observed: VIA_RELAY } }])
  })

  test('is not pinged back while there is a valid path, again when trust has ended', () => {
    const bench = new Bench()
    bench.validate(A)
    bench.ping(B)
    expect(bench.sent()).toEqual(['pong 192.0.2.2:2'])
    bench.now += 6_499
    bench.ping(B)
    expect(bench.sent()).toEqual(['pong 192.0.2.2:2'])
    bench.now += 1
    bench.ping(B)
    expect(bench.sent()).toEqual(['pong 192.0.2.2:2', 'ping 192.0.2.2:2'])
  })

  test('with the transaction id of the last one on this path is ignored; on another path it is not', () => {
    const bench = new Bench()
    const transactionId = bench.ping(A)
    bench.sent()
    bench.ping(A, PEER, transactionId)
    expect(bench.sent()).toEqual([])
    bench.ping(B, PEER, transactionId)
    expect(bench.sent()).toEqual(['pong 192.0.2.2:2', 'ping 192.0.2.2:2'])
    bench.ping(A)
    bench.ping(A, PEER, transactionId)
    expect(bench.sent().filter((text) => text.startsWith('pong'))).toHaveLength(2)
  })

  test('through another relay takes the place of the one we had', () => {
    const bench = new Bench().know([VIA_RELAY])
    const other: DiscoAddress = { kind: 'relay', url: 'https://other.example./' }
    bench.ping(other)
    bench.sent()
    expect(bench.machine.payloadTo(PEER, bench.now)).toEqual([other])
  })

  test('from where no packet of ours may go is not answered', () => {
    const bench = new Bench()
    for (const text of ['0.0.0.0:5', '224.0.0.1:5', '255.255.255.255:5', '192.0.2.1:0', '[ff02::1]:5', '[fe80::1]:5'])
      bench.ping(udp(text))
    expect(bench.sent()).toEqual([])
  })
})

describe('spec/disco-stun-nat.md §3.5: a Pong', () => {
  test('makes the path valid for 6.5 s, and ties its address', () => {
    const bench = new Bench()
    bench.validate(A)
    expect(bench.state).toBe('valid 192.0.2.1:1')
    bench.now += 6_499
    expect(bench.state).toBe('valid 192.0.2.1:1')
    bench.now += 1
    expect(bench.state).toBe('outdated 192.0.2.1:1')
  })

  test.each([
    [4_999, 'valid 192.0.2.1:1'],
    [5_000, 'unconfirmed 192.0.2.1:1'],
    [5_001, 'unconfirmed 192.0.2.1:1'],
  ])('after %i ms: %s', (ms, state) => {
    const bench = new Bench()
    bench.ping(A)
    bench.sent()
    bench.now += ms
    bench.pong(A)
    expect(bench.state).toBe(state)
  })

  test('counts for the path that it comes by, if that is known', () => {
    const bench = new Bench().know([A, B])
    bench.machine.callPeer(PEER, bench.now)
    expect(bench.sent()).toEqual(['ping 192.0.2.1:1', 'ping 192.0.2.2:2'])
    bench.pong(A, udp('192.0.2.3:3'))
    expect(bench.state).toMatch(/^unconfirmed/)
    bench.pong(B, A)
    expect(bench.state).toBe('valid 192.0.2.1:1')
  })

  test('of somebody else, of an unknown transaction, or a second one is nothing', () => {
    const bench = new Bench().know([A])
    bench.machine.callPeer(PEER, bench.now)
    bench.sent()
    bench.pong(A, A, STRANGER)
    bench.machine.receive(PEER, A, { type: 'pong', transactionId: new Uint8Array(12), observed: A }, bench.now)
    expect(bench.state).toBe('unconfirmed 192.0.2.1:1')
    bench.pong(A)
    bench.now += 6_500
    bench.pong(A)
    expect(bench.state).toBe('outdated 192.0.2.1:1')
  })

  test('through the relay we know of measures it; through another one it is nothing', () => {
    const bench = new Bench().know([VIA_RELAY, A])
    bench.machine.callPeer(PEER, bench.now)
    bench.sent()
    bench.pong(VIA_RELAY, { kind: 'relay', url: 'https://other.example./' })
    bench.pong(A)
    expect(bench.state).toBe('valid 192.0.2.1:1')
    expect(bench.machine.pingCount).toBe(0)
  })
})

describe('spec/disco-stun-nat.md §3.3, §3.4: where payload goes', () => {
  test('by UDP alone while valid, by both before and after, through the relay without an address', () => {
    const bench = new Bench().know([VIA_RELAY])
    expect(bench.payload()).toEqual(['relay'])
    bench.know([A])
    expect(bench.payload()).toEqual(['192.0.2.1:1', 'relay'])
    bench.validate(A)
    expect(bench.payload()).toEqual(['192.0.2.1:1'])
    bench.now += 6_500
    expect(bench.payload()).toEqual(['192.0.2.1:1', 'relay'])
    expect(bench.machine.payloadTo(STRANGER, bench.now)).toEqual([])
  })

  test('the fastest valid path, else the fastest outdated one, IPv6 among equals', () => {
    const bench = new Bench()
    bench.validate(A, 30)
    bench.now += 6_500
    bench.validate(B, 20)
    expect(bench.state).toBe('valid 192.0.2.2:2')
    bench.ping(V6)
    bench.know([V6])
    bench.machine.callPeer(PEER, bench.now)
    bench.sent()
    bench.now += 20
    bench.pong(V6)
    expect(bench.state).toBe('valid [2001:db8::1]:6')
    bench.now += 6_500
    expect(bench.state).toBe('outdated [2001:db8::1]:6')
    // the one that is slower, but valid
    bench.ping(A)
    bench.sent()
    bench.now += 40
    bench.pong(A)
    expect(bench.state).toBe('valid 192.0.2.1:1')
  })

  test('of unconfirmed ones IPv6, if we have it; a valid IPv6 path in any case', () => {
    expect(new Bench().know([A, V6]).state).toBe('unconfirmed [2001:db8::1]:6')
    expect(new Bench(false).know([V6, A]).state).toBe('unconfirmed 192.0.2.1:1')
    const bench = new Bench(false)
    bench.validate(V6)
    expect(bench.state).toBe('valid [2001:db8::1]:6')
    bench.now += 6_500
    expect(bench.state).toBe('none')
  })

  test('payload that comes in prolongs trust while there is any', () => {
    const bench = new Bench()
    bench.validate(A)
    bench.now += 6_499
    expect(bench.machine.payloadFrom(A, undefined, bench.now)).toBe(true)
    bench.now += 6_499
    expect(bench.state).toBe('valid 192.0.2.1:1')
    bench.now += 1
    bench.machine.payloadFrom(A, undefined, bench.now)
    expect(bench.state).toBe('outdated 192.0.2.1:1')
  })

  test('D6: QUIC from an address that is nobody’s is not taken, after a Ping from it it is', () => {
    const bench = new Bench()
    expect(bench.machine.payloadFrom(A, undefined, bench.now)).toBe(false)
    bench.ping(A)
    expect(bench.machine.payloadFrom(A, undefined, bench.now)).toBe(true)
    expect(bench.machine.payloadFrom(udp('192.0.2.1:2'), undefined, bench.now)).toBe(false)
    // a relay names the sender
    expect(bench.machine.payloadFrom(VIA_RELAY, STRANGER, bench.now)).toBe(true)
    expect(bench.machine.payloadTo(STRANGER, bench.now)).toEqual([VIA_RELAY])
    bench.machine.payloadFrom({ kind: 'relay', url: 'https://other.example./' }, STRANGER, bench.now)
    expect(bench.machine.payloadTo(STRANGER, bench.now)).toEqual([VIA_RELAY])
  })

  test('the pings that payload causes stand before it, and not again for 5 s', () => {
    const bench = new Bench().know([A, VIA_RELAY])
    bench.machine.setOwnAddresses([B], bench.now)
    bench.payload()
    expect(bench.sent()).toEqual(['ping relay', 'ping 192.0.2.1:1', 'call-me-maybe relay'])
    bench.now += 4_999
    bench.payload()
    expect(bench.sent()).toEqual([])
    bench.now += 1
    // the CallMeMaybe is due, the pings not before they are older than 5 s
    bench.payload()
    expect(bench.sent()).toEqual(['call-me-maybe relay'])
  })
})

describe('spec/disco-stun-nat.md §3.1: discovery', () => {
  test('a path is pinged again when its last ping is more than 5 s old, or was given up', () => {
    const bench = new Bench().know([A])
    const { machine } = bench
    machine.callPeer(PEER, bench.now)
    expect(bench.sent()).toEqual(['ping 192.0.2.1:1'])
    bench.now += 5_000
    machine.callPeer(PEER, bench.now)
    expect(bench.sent()).toEqual([])
    bench.now += 1
    machine.callPeer(PEER, bench.now)
    expect(bench.sent()).toEqual(['ping 192.0.2.1:1'])
  })

  test.each([
    [5, 60_000, false],
    [6, 59_999, false],
    [6, 60_000, true],
  ])('a valid path of %i ms is looked for better after %i ms: %s', (latencyMs, ms, looks) => {
    const bench = new Bench().know([A, B])
    bench.machine.callPeer(PEER, bench.now)
    bench.sent()
    const began = bench.now
    bench.now += latencyMs
    bench.pong(A)
    // trusted all the time, but B was given up
    while (bench.now < began + ms - 2_000) {
      bench.now += 1_000
      bench.machine.payloadFrom(A, undefined, bench.now)
    }
    bench.now = began + ms
    expect(bench.state).toBe('valid 192.0.2.1:1')
    bench.payload()
    expect(bench.sent()).toEqual(looks ? ['ping 192.0.2.1:1', 'ping 192.0.2.2:2'] : [])
  })

  test('an unanswered ping is forgotten after 5 s, and so is validity without a sign of life', () => {
    const bench = new Bench()
    bench.validate(A)
    bench.now += 2_000
    bench.ping(B)
    bench.sent()
    bench.now += 4_500
    // outdated: a ping of B makes us ping B, not A
    bench.machine.callPeer(PEER, bench.now)
    expect(bench.sent()).toEqual(['ping 192.0.2.1:1', 'ping 192.0.2.2:2'])
    const pinged = bench.now
    bench.now = pinged + 4_999
    bench.machine.tick(bench.now)
    expect(bench.state).toBe('outdated 192.0.2.1:1')
    expect(bench.machine.pingCount).toBeGreaterThan(0)
    bench.now = pinged + 5_000
    bench.machine.tick(bench.now)
    expect(bench.state).toMatch(/^unconfirmed/)
  })

  test('validity stays when the path showed life within 5 s', () => {
    const bench = new Bench()
    bench.validate(A)
    bench.now += 6_500
    bench.machine.callPeer(PEER, bench.now)
    bench.sent()
    bench.now += 1
    bench.ping(A)
    bench.now += 4_999
    bench.machine.tick(bench.now)
    expect(bench.state).toBe('outdated 192.0.2.1:1')
  })
})

describe('spec/disco-stun-nat.md §3.5, §3.7: heartbeats', () => {
  test('every 5 s to the chosen path, as long as it answers; they end 45 s after the last use', () => {
    const bench = new Bench()
    bench.validate(A)
    const at: number[] = []
    for (let second = 0; second < 60; second++) {
      for (const text of bench.pass(1_000)) at.push(second * 1_000 + Number.parseInt(text, 10))
      if (bench.pings.length > at.length) bench.pong(A)
      if (bench.machine.pingCount > 0) bench.pong(A)
    }
    // at the first tick the ping that made it valid is not yet older than 5 s
    expect(at).toEqual([10, 15, 20, 25, 30, 35, 40, 45].map((seconds) => seconds * 1_000 - 1))
    expect(bench.machine.deadline()).toBe(Number.POSITIVE_INFINITY)
  })

  test('use keeps them going, pings and pongs do not', () => {
    const bench = new Bench()
    bench.validate(A)
    for (let second = 0; second < 90; second++) {
      bench.pass(1_000)
      bench.machine.use(PEER, bench.now)
      if (bench.machine.pingCount > 0) bench.pong(A)
    }
    expect(bench.state).toBe('valid 192.0.2.1:1')
    for (let second = 0; second < 44; second++) {
      bench.pass(1_000)
      bench.ping(A)
      bench.sent()
      if (bench.machine.pingCount > 0) bench.pong(A)
    }
    const late = bench.pass(30_000).filter((text) => text.includes('ping'))
    expect(late).toEqual(['999 ping 192.0.2.1:1'])
  })

  test('none within 2 s of another ping to it', () => {
    for (const [ms, count] of [
      [1_999, 0],
      [2_000, 1],
    ] as const) {
      const bench = new Bench().know([A])
      bench.machine.callPeer(PEER, bench.now)
      bench.sent()
      const tick = bench.now + 5_000
      bench.now = tick - ms
      bench.machine.networkChanged()
      bench.ping(A)
      bench.sent()
      bench.pong(A)
      bench.now = tick
      bench.machine.tick(bench.now)
      expect(bench.sent()).toHaveLength(count)
    }
  })

  test('without a valid path: everything that is due, and a CallMeMaybe', () => {
    const bench = new Bench().know([A, B, VIA_RELAY])
    bench.machine.setOwnAddresses([V6], bench.now)
    expect(bench.pass(5_000)).toEqual([
      '5000 ping relay',
      '5000 ping 192.0.2.1:1',
      '5000 ping 192.0.2.2:2',
      '5000 call-me-maybe relay',
    ])
  })
})

describe('spec/disco-stun-nat.md §3.5: what is forgotten', () => {
  const address = (index: number) => udp(`192.0.2.${index}:5`)
  const count = (bench: Bench, from = 1, to = 60): number => {
    let known = 0
    for (let index = from; index <= to; index++) if (bench.machine.peerAt(address(index)) !== undefined) known++
    return known
  }

  test('of paths that never lived 20 are kept, and all that lived within 120 s', () => {
    const bench = new Bench()
    for (let index = 1; index <= 30; index++) bench.ping(address(index))
    bench.now += 120_000
    bench.machine.callPeer(PEER, bench.now)
    expect(count(bench)).toBe(30)
    bench.now += 1
    bench.machine.callPeer(PEER, bench.now)
    expect(count(bench)).toBe(20)
    const fresh = new Bench().know(Array.from({ length: 25 }, (_, index) => address(index + 1)))
    expect(count(fresh)).toBe(25)
    fresh.machine.callPeer(PEER, fresh.now)
    expect(count(fresh)).toBe(20)
  })

  test('those that lived last stay; payload within 45 s keeps a path', () => {
    const bench = new Bench()
    for (let index = 1; index <= 30; index++) {
      bench.now += 1
      bench.ping(address(index))
    }
    bench.now += 75_000
    bench.machine.payloadFrom(address(1), undefined, bench.now)
    bench.now += 45_001
    bench.machine.callPeer(PEER, bench.now)
    expect(bench.machine.peerAt(address(1))).toBeDefined()
    expect(count(bench, 2, 10)).toBe(0)
    expect(count(bench, 11, 30)).toBe(20)
  })

  test(`one peer has at most ${MAX_PATHS} paths`, () => {
    const bench = new Bench()
    for (let index = 0; index < MAX_PATHS + 5; index++) bench.ping(udp(`198.51.100.1:${1_000 + index}`))
    const pongs = bench.sent().filter((text) => text.startsWith('pong'))
    expect(pongs).toHaveLength(MAX_PATHS)
  })

  const idOf = (number: number) => new Uint8Array(32).fill(number, 0, 1).fill(number >> 8, 1, 2)

  test('of peers unused for more than 45 s 30 are kept, those used last', () => {
    const bench = new Bench()
    for (let number = 1; number <= 40; number++) {
      bench.now += 1
      bench.ping(udp(`198.51.100.1:${number}`), idOf(number))
    }
    bench.sent()
    bench.pass(45_000)
    expect(bench.machine.peerCount).toBe(40)
    // used now, so the next tick comes
    bench.machine.use(idOf(40), bench.now)
    bench.pass(5_000)
    expect(bench.machine.peerCount).toBe(31)
    expect(bench.machine.peerAt(udp('198.51.100.1:9'))).toBeUndefined()
    expect(bench.machine.peerAt(udp('198.51.100.1:10'))).toEqual(idOf(10))
  })

  test(`of ${MAX_PEERS} peers a stranger goes first when one more comes, never one that was asked for`, () => {
    const bench = new Bench().know([A])
    for (let number = 1; number <= MAX_PEERS + 3; number++) bench.ping(B, idOf(number))
    expect(bench.machine.peerCount).toBe(MAX_PEERS)
    expect(bench.machine.choice(PEER, bench.now).state).toBe('unconfirmed')
    expect(bench.machine.speaks(idOf(1))).toBe(false)
    expect(bench.machine.speaks(idOf(MAX_PEERS + 3))).toBe(true)
  })

  test(`of ${MAX_PINGS} unanswered pings the oldest goes first`, () => {
    const bench = new Bench()
    bench.ping(A)
    bench.sent()
    for (let count = 1; count < MAX_PINGS; count++) bench.ping(B)
    expect(bench.machine.pingCount).toBe(MAX_PINGS)
    bench.ping(B)
    expect(bench.machine.pingCount).toBe(MAX_PINGS)
    bench.pong(A)
    expect(bench.state).toMatch(/^unconfirmed/)
  })

  test('a network change forgets what was found out, not the addresses', () => {
    const bench = new Bench()
    bench.validate(A)
    bench.machine.networkChanged()
    expect(bench.state).toBe('unconfirmed 192.0.2.1:1')
    bench.machine.callPeer(PEER, bench.now)
    expect(bench.sent()).toEqual(['ping 192.0.2.1:1'])
  })

  test('a path that is our own address goes, and does not come again', () => {
    const bench = new Bench().know([A, B])
    bench.machine.setOwnAddresses([{ ip: parseIp('192.0.2.1'), port: 1 }], bench.now)
    expect(bench.machine.peerAt(A)).toBeUndefined()
    bench.know([A])
    expect(bench.machine.peerAt(A)).toBeUndefined()
    expect(bench.machine.peerAt(B)).toEqual(PEER)
  })
})

test('an address that another peer pings from is that one’s', () => {
  const bench = new Bench().know([A])
  bench.ping(A, STRANGER)
  expect(bench.machine.peerAt(A)).toEqual(STRANGER)
  bench.ping(A)
  expect(bench.machine.peerAt(A)).toEqual(PEER)
  expect(nameOf(A)).toBe('192.0.2.1:1')
})
