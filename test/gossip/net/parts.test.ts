import { describe, expect, test } from 'vitest'
import type { AddressLookup } from '../../../src/discovery/index.ts'
import { AddressBook } from '../../../src/gossip/net/address-book.ts'
import { Deadlines } from '../../../src/gossip/net/deadlines.ts'
import { Dialler } from '../../../src/gossip/net/dialler.ts'
import { PlatformDice } from '../../../src/gossip/net/dice.ts'
import { FrameEncoder } from '../../../src/gossip/net/frame.ts'
import { JoinAttempts } from '../../../src/gossip/net/join-attempts.ts'
import { newCounters } from '../../../src/gossip/net/metrics.ts'
import type { Outbox } from '../../../src/gossip/net/outbox.ts'
import type { PeerLink } from '../../../src/gossip/net/peer-link.ts'
import { Pressure } from '../../../src/gossip/net/pressure.ts'
import { NET_SETTINGS } from '../../../src/gossip/net/settings.ts'
import { Subscription } from '../../../src/gossip/net/subscription.ts'
import { TokenBucket } from '../../../src/gossip/net/token-bucket.ts'
import type { GossipEvent } from '../../../src/gossip/net/types.ts'
import type { Message } from '../../../src/gossip/proto/messages.ts'
import { encodeAddrInfo } from '../../../src/gossip/wire/addr-info.ts'
import { EndpointAddr, formatTransportAddr, SecretKey } from '../../../src/identity/index.ts'
import type { Platform } from '../../../src/platform/index.ts'

const peer = SecretKey.generate().id
const received = (text: string, size = 1): GossipEvent => ({
  kind: 'received',
  content: new TextEncoder().encode(text.padEnd(size)),
  deliveredFrom: peer,
  scope: 'swarm',
  round: 0,
})
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a subscription', () => {
  test('spec/gossip.md §8.2: order, waiting readers, the end after what is left', async () => {
    const subscription = new Subscription(10, () => {})
    const [one, two] = [received('1'), received('2')]
    const iterator = subscription.iterate()
    const waiting = iterator.next()
    subscription.push(one)
    subscription.push(two)
    subscription.end()
    subscription.push(one)
    expect(await waiting).toEqual({ done: false, value: one })
    expect(await iterator.next()).toEqual({ done: false, value: two })
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
  })

  test('spec/gossip.md §8.2: the oldest are lost and counted, before what is left', async () => {
    let missed = 0
    const subscription = new Subscription(2, (count) => {
      missed += count
    })
    const events = ['1', '2', '3', '4', '5'].map((text) => received(text))
    for (const event of events) subscription.push(event)
    const iterator = subscription.iterate()
    expect((await iterator.next()).value).toEqual({ kind: 'lagged', missed: 3 })
    expect((await iterator.next()).value).toBe(events[3])
    subscription.push(events[0]!)
    expect((await iterator.next()).value).toBe(events[4])
    expect((await iterator.next()).value).toBe(events[0])
    expect(missed).toBe(3)
  })

  test('a bound in bytes, but one event always fits', async () => {
    const subscription = new Subscription(1_000, () => {}, 100)
    subscription.push(received('huge', 500))
    expect(subscription.size).toBe(1)
    subscription.push(received('a', 60))
    expect(subscription.size).toBe(1)
    subscription.push(received('b', 40))
    expect(subscription.size).toBe(2)
    expect((await subscription.iterate().next()).value).toEqual({ kind: 'lagged', missed: 1 })
  })

  test('a loop that is left ends its own waits only', async () => {
    const subscription = new Subscription(10, () => {})
    const [one, two] = [subscription.iterate(), subscription.iterate()]
    const [waitingOne, waitingTwo] = [one.next(), two.next()]
    await one.return?.()
    expect(await waitingOne).toMatchObject({ done: true })
    expect(await one.next()).toMatchObject({ done: true })
    subscription.push(received('1'))
    expect(await waitingTwo).toMatchObject({ done: false })
    expect(subscription.size).toBe(0)
  })

  test('thousands of events pass through a short queue in order', async () => {
    const subscription = new Subscription(5_000, () => {})
    const iterator = subscription.iterate()
    const read: unknown[] = []
    for (let index = 0; index < 10_000; index++) {
      subscription.push({ kind: 'lagged', missed: index })
      if (index < 3_000 || index % 2 === 0) continue
      for (let count = 0; count < 2; count++) read.push((await iterator.next()).value)
    }
    expect(subscription.size).toBe(3_000)
    expect(read).toEqual(Array.from({ length: 7_000 }, (_, missed) => ({ kind: 'lagged', missed })))
  })
})

/** A platform whose clock the test sets and whose one timer fires when the test says so. */
function fakePlatform() {
  const world = { now: 0, armed: Number.POSITIVE_INFINITY, run: () => {} }
  const platform = {
    now: () => world.now,
    createTimer: (callback: () => void) => {
      world.run = callback
      return {
        arm: (at: number) => {
          world.armed = at
        },
        cancel: () => {
          world.armed = Number.POSITIVE_INFINITY
        },
      }
    },
  } as unknown as Platform
  const runTo = (now: number): void => {
    while (world.armed <= now) {
      world.now = Math.max(world.now, world.armed)
      world.armed = Number.POSITIVE_INFINITY
      world.run()
    }
    world.now = now
  }
  return { world, platform, runTo }
}

describe('deadlines', () => {
  test('are met in order, the first come first among equals, with one timer', () => {
    const { platform, runTo, world } = fakePlatform()
    const deadlines = new Deadlines(platform, () => {})
    const fired: [string, number][] = []
    const owner = { fire: (what: string, now: number) => fired.push([what, now]) }
    for (const [at, what] of [
      [30, 'd'],
      [10, 'a'],
      [20, 'b'],
      [20, 'c'],
      [5, 'z'],
    ] as const)
      deadlines.add(at, owner, what)
    expect(world.armed).toBe(5)
    runTo(20)
    expect(fired).toEqual([
      ['z', 5],
      ['a', 10],
      ['b', 20],
      ['c', 20],
    ])
    expect(world.armed).toBe(30)
    deadlines.add(25, { fire: () => deadlines.add(26, owner, 'again') }, undefined)
    runTo(100)
    expect(fired.slice(4).map(([what]) => what)).toEqual(['again', 'd'])
    expect(deadlines.size).toBe(0)
  })

  test('a thousand in any order', () => {
    const { platform, runTo } = fakePlatform()
    const deadlines = new Deadlines(platform, () => {})
    const fired: number[] = []
    const owner = { fire: (what: number) => fired.push(what) }
    for (let index = 0; index < 1_000; index++) {
      const at = (index * 7_919) % 1_009
      deadlines.add(at, owner, at)
    }
    runTo(2_000)
    expect(fired).toEqual([...fired].sort((left, right) => left - right))
    expect(fired).toHaveLength(1_000)
  })

  test('one that fails is reported and hurts no other; closed ones never come', () => {
    const { platform, runTo } = fakePlatform()
    const errors: unknown[] = []
    const deadlines = new Deadlines(platform, (error) => errors.push(error))
    const fired: string[] = []
    deadlines.add(
      1,
      {
        fire: () => {
          throw new Error('defect')
        },
      },
      undefined,
    )
    deadlines.add(1, { fire: (what: string) => fired.push(what) }, 'next')
    deadlines.add(5, { fire: (what: string) => fired.push(what) }, 'never')
    runTo(2)
    deadlines.close()
    deadlines.add(6, { fire: (what: string) => fired.push(what) }, 'never')
    runTo(10)
    expect(errors).toMatchObject([{ message: 'defect' }])
    expect(fired).toEqual(['next'])
  })
})

test('a token bucket: a burst, then so many a second, never more than the burst', () => {
  const bucket = new TokenBucket(3, 10, 0)
  expect([0, 0, 0, 0].map((now) => bucket.take(now))).toEqual([true, true, true, false])
  expect(bucket.take(99)).toBe(false)
  expect(bucket.take(100)).toBe(true)
  expect(bucket.has(100)).toBe(false)
  let taken = 0
  while (bucket.take(10_000)) taken++
  expect(taken).toBe(3)
  // what was not used does not add up
  expect(bucket.take(20_000)).toBe(true)
  while (bucket.take(30_000)) taken++
  expect(taken).toBe(6)
})

test('dice are fair at the edges and draw in blocks', () => {
  const draws: number[] = []
  const dice = new PlatformDice({
    fill: (out) => {
      draws.push(out.length)
      new DataView(out.buffer, out.byteOffset).setUint32(0, 0xffff_ffff)
      new DataView(out.buffer, out.byteOffset).setUint32(4, 11)
      new DataView(out.buffer, out.byteOffset).setUint32(8, 0x8000_0000)
    },
  })
  // the first would make 0 more likely than 6
  expect(dice.below(10)).toBe(1)
  expect(dice.below(0x1_0000_0000)).toBe(0x8000_0000)
  expect(dice.below(1)).toBe(0)
  for (let count = 0; count < 60; count++) dice.below(2)
  expect(draws).toEqual([256])
})

test('spec/gossip.md §3.5: a message is encoded once for all peers, and cut to fit or refused', () => {
  const encoder = new FrameEncoder(512)
  const message: Message<string> = { kind: 'disconnect', alive: true }
  const frame = encoder.encode(message)
  expect(frame).toEqual({ bytes: Uint8Array.of(0, 0, 0, 4, 0, 5, 1, 0), isPayload: false, isLast: true })
  expect(encoder.encode(message)).toBe(frame)
  expect(encoder.encode({ kind: 'disconnect', alive: true })).not.toBe(frame)
  expect(encoder.encode({ kind: 'neighbor', priority: 'high', data: new Uint8Array(600) })?.bytes).toEqual(
    Uint8Array.of(0, 0, 0, 4, 0, 4, 0, 0),
  )
  const gossip = (size: number): Message<string> => ({
    kind: 'gossip',
    id: '00'.repeat(32),
    content: new Uint8Array(size),
    round: 0,
  })
  expect(encoder.encode(gossip(512 - 39))).toMatchObject({ isPayload: true, isLast: false })
  expect(encoder.encode(gossip(512 - 38))).toBeUndefined()
})

describe('back-pressure', () => {
  function setUp() {
    const { platform, runTo } = fakePlatform()
    const deadlines = new Deadlines(platform, () => {})
    const pressure = new Pressure({
      settings: NET_SETTINGS,
      now: () => platform.now(),
      schedule: (at, owner, what) => deadlines.add(at, owner, what),
    })
    const outbox = (topic: string) => {
      const box = { topic, isFull: false, isPressing: false, checks: 0, check: () => box.checks++ }
      return box as unknown as Outbox & { isFull: boolean; isPressing: boolean; checks: number }
    }
    return { pressure, outbox, runTo }
  }

  test('spec/gossip.md §3.9: waits for a full queue of the topic, and for no other', async () => {
    const { pressure, outbox, runTo } = setUp()
    const [mine, other] = [outbox('mine'), outbox('other')]
    Object.assign(other, { isFull: true, isPressing: true })
    pressure.changed(other)
    expect(pressure.room('mine', () => [mine])).toBeUndefined()
    Object.assign(mine, { isFull: true, isPressing: true })
    pressure.changed(mine)
    let isFree = false
    pressure
      .room('mine', () => [mine])
      ?.then(() => {
        isFree = true
      })
    runTo(60_000)
    await turn()
    expect(isFree).toBe(false)
    expect(mine.checks).toBeGreaterThan(100)
    Object.assign(mine, { isFull: false, isPressing: false })
    pressure.changed(mine)
    await turn()
    expect(isFree).toBe(true)
    expect(pressure.room('mine', () => [mine])).toBeUndefined()
  })

  test('spec/gossip.md §3.9: a stalled peer is not waited for, a slow one not for long while others have room', async () => {
    const { pressure, outbox, runTo } = setUp()
    const [slow, quick] = [outbox('t'), outbox('t')]
    Object.assign(slow, { isFull: true, isPressing: true })
    pressure.changed(slow)
    let freed = 0
    const wait = (): void => {
      pressure.room('t', () => [slow, quick])?.then(() => freed++)
    }
    wait()
    runTo(1_900)
    await turn()
    expect(freed).toBe(0)
    runTo(2_200)
    await turn()
    expect(freed).toBe(1)
    wait()
    slow.isPressing = false
    pressure.changed(slow)
    await turn()
    expect(freed).toBe(2)
    expect(pressure.room('t', () => [slow, quick])).toBeUndefined()
  })
})

describe('the dialler', () => {
  function setUp(maxDials: number, maxWaitingDials: number) {
    const dials: {
      id: string
      options: { additionalAlpns: Uint8Array[] }
      resolve: (c: unknown) => void
      reject: (e: unknown) => void
    }[] = []
    const endpoint = {
      connect: (
        id: { name: string },
        _alpn: Uint8Array,
        options: { additionalAlpns: Uint8Array[]; signal: AbortSignal },
      ) =>
        new Promise((resolve, reject) => {
          options.signal.addEventListener('abort', () => reject(options.signal.reason))
          dials.push({ id: id.name, options, resolve, reject })
        }),
    }
    const heard: string[] = []
    const counters = newCounters()
    const dialler: Dialler = new Dialler(endpoint as never, [Uint8Array.of(1), Uint8Array.of(2)], {
      settings: { ...NET_SETTINGS, maxDials, maxWaitingDials },
      counters,
      dialled: (link) => heard.push(`${link.key} is here`),
      dialFailed: (link) => heard.push(`${link.key}: ${(dialler.errorOf(link.key) as Error).message}`),
    })
    const link = (name: string): PeerLink =>
      ({
        key: name,
        id: { name, toShortString: () => name },
        isDialling: false,
        connection: undefined,
      }) as unknown as PeerLink
    return { dialler, dials, heard, counters, link }
  }

  test('spec/gossip.md §3.2: one dial a peer, all ALPNs at once, a bounded number at a time', async () => {
    const { dialler, dials, heard, counters, link } = setUp(2, 1)
    const links = ['a', 'b', 'c', 'd'].map(link)
    for (const each of links) dialler.dial(each)
    dialler.dial(links[0]!)
    expect(dials.map(({ id }) => id)).toEqual(['a', 'b'])
    expect(dials[0]?.options.additionalAlpns).toEqual([Uint8Array.of(2)])
    await turn()
    expect(heard).toEqual([expect.stringContaining('d: d was not dialled: too many')])
    expect(links[3]?.isDialling).toBe(false)
    dials[0]?.resolve({})
    await turn()
    expect(heard[1]).toBe('a is here')
    expect(dials.map(({ id }) => id)).toEqual(['a', 'b', 'c'])
    dials[2]?.reject(new Error('nobody'))
    await turn()
    expect(heard[2]).toBe('c: nobody')
    expect(links.map(({ isDialling }) => isDialling)).toEqual([false, true, false, false])
    expect(counters).toMatchObject({ dials: 3, dialFailures: 2 })
  })

  test('who waits and was connected meanwhile is not dialled; closing ends all', async () => {
    const { dialler, dials, heard, link } = setUp(1, 10)
    const links = ['a', 'b', 'c'].map(link)
    for (const each of links) dialler.dial(each)
    Object.assign(links[1]!, { connection: {} })
    dials[0]?.resolve({})
    await turn()
    expect(dials.map(({ id }) => id)).toEqual(['a', 'c'])
    expect(links[1]?.isDialling).toBe(false)
    dialler.close()
    await turn()
    expect(heard.at(-1)).toMatch(/^c: gossip was closed/)
  })
})

test('spec/gossip.md §4.6: what others say of a peer does not push out what it says itself, and all is forgotten after a while', () => {
  const lookups: AddressLookup[] = []
  const endpoint = {
    addAddressLookup: (lookup: AddressLookup) => lookups.push(lookup),
    removeAddressLookup: (lookup: AddressLookup) => lookups.splice(lookups.indexOf(lookup), 1),
  }
  let now = 0
  const book = new AddressBook(endpoint as never, () => now, 300_000)
  const known = (): string =>
    lookups
      .flatMap((lookup) => (lookup.lookup(peer, undefined) as EndpointAddr | undefined)?.addrs ?? [])
      .map(formatTransportAddr)
      .join()
  const at = (...ips: string[]): EndpointAddr => ips.reduce((addr, ip) => addr.withIp(ip), new EndpointAddr(peer))
  expect(book.learn(peer, encodeAddrInfo(at('192.0.2.1:1')), true)).toBe(true)
  book.name(at('192.0.2.9:9'))
  for (let host = 0; host < 60; host++) book.learn(peer, encodeAddrInfo(at(`10.0.0.${host}:1`)), false)
  expect(known()).toContain('192.0.2.1:1')
  expect(known()).toContain('10.0.0.59:1')
  expect(book.learn(peer, Uint8Array.of(9), true)).toBe(false)
  now = 300_000
  expect(known()).toBe(formatTransportAddr(at('192.0.2.9:9').addrs[0]!))
  book.close()
  expect(lookups).toEqual([])
})

test('spec/gossip.md §11.2 N8: what was tried is bounded and readable', () => {
  const attempts = new JoinAttempts()
  for (let index = 0; index < 40; index++) attempts.began(`${index}`.padStart(64, '0'))
  attempts.over('39'.padStart(64, '0'))
  const text = attempts.describe((key) => (key.endsWith('09') ? new Error('unreachable') : undefined))
  expect(text).toContain('0000000000 (no answer)')
  expect(text).toContain('(unreachable)')
  expect(text).toContain('and 26 more')
})
