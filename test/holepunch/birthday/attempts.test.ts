import { describe, expect, test } from 'vitest'
import { formatSocketAddress, parseSocketAddress } from '../../../src/bytes/index.ts'
import { EasyAttempt } from '../../../src/holepunch/birthday/easy-attempt.ts'
import { HardAttempt } from '../../../src/holepunch/birthday/hard-attempt.ts'
import type { BirthdayMessage } from '../../../src/holepunch/birthday/message.ts'
import { SimRandom } from '../../sim/support/random.ts'
import { BirthdayWorld, EASY, HARD, type Side } from './virtual-nats.ts'

/** Each way. */
const SEEDS = 200
const LIMIT = 2_048
const OVER = [
  [true, Number.POSITIVE_INFINITY],
  [true, Number.POSITIVE_INFINITY],
]

/** Both sides found the same pair. */
function isThrough(world: BirthdayWorld): boolean {
  const { hard, easy } = world.won
  if (hard === undefined || easy === undefined) return false
  expect(formatSocketAddress(hard.remote)).toBe(formatSocketAddress(EASY))
  expect(easy).toEqual({ type: 'won', socket: -1, remote: { ip: HARD.ip, port: world.portOf(hard.socket) } })
  return true
}

describe.each([
  { offers: 'easy', loss: 0 },
  { offers: 'hard', loss: 0.05 },
] as const)('hard NAT and port-restricted NAT, the $offers side offers, $loss lost', ({ offers, loss }) => {
  test(`spec/disco-stun-nat.md §8.5: ${SEEDS} seeds: 99 of 100 get through, within the budget, and nothing goes to anybody else`, () => {
    let through = 0
    for (let seed = 0; seed < SEEDS; seed++) {
      const world = new BirthdayWorld(`birthday/${offers}/${seed}`, { offers, loss }).run()
      if (isThrough(world)) through++
      else expect(world.won, `seed ${seed}: one side only`).toEqual({})
      expect(world.astray).toEqual([])
      const { hard, easy, sent } = world
      expect(sent).toEqual({ hard: hard.budget.sent, easy: easy.budget.sent })
      expect(Math.max(sent.hard, sent.easy)).toBeLessThanOrEqual(LIMIT)
      expect([hard, easy].map((attempt) => [attempt.isOver, attempt.deadline()])).toEqual(OVER)
    }
    expect(through).toBeGreaterThanOrEqual(0.99 * SEEDS)
  })
})

test('an easy side that lets everybody in is reached at once, without any search', () => {
  const world = new BirthdayWorld('open', { isEasyOpen: true }).run()
  expect(isThrough(world)).toBe(true)
  expect(world.actions.easy.filter(({ type }) => type === 'ping')).toEqual([])
})

describe('spec/disco-stun-nat.md §8.5: never more than 2,048 packets a side', () => {
  test('nothing ever comes through: both sides stop by themselves, tell each other, and have searched with 1,920', () => {
    const world = new BirthdayWorld('deaf', { loss: 1 }).run()
    expect(world.won).toEqual({})
    expect(world.sent.easy).toBe(1_920)
    expect(world.sent.hard).toBeGreaterThanOrEqual(3 * 256)
    expect(world.sent.hard).toBeLessThanOrEqual(LIMIT)
    expect(world.now).toBeLessThan(1_000 + 13_000)
    for (const side of ['hard', 'easy'] as const) expect(world.actions[side].at(-1)).toEqual({ type: 'failed' })
  })

  test('a peer that pings without end gets no answer beyond it', () => {
    const world = new BirthdayWorld('flood', { loss: 1 }).run(1_500)
    const ping = (number: number) =>
      ({ type: 'ping', transactionId: new Uint8Array(12).fill(number >> 8).fill(number, 6), key: HARD.ip }) as const
    for (let number = 0; number < 5_000; number++) {
      world.inject('easy', -1, { ip: HARD.ip, port: 2_000 + number }, ping(number))
      world.inject('hard', number % 256, EASY, ping(number))
    }
    world.run()
    expect(world.sent).toEqual({ hard: LIMIT, easy: LIMIT })
  })

  test('packets leave in batches of 8 every 20 ms: 400 a second', () => {
    const world = new BirthdayWorld('paced', { loss: 1 })
    world.run(1)
    const counts: number[] = []
    while (!world.easy.isOver) {
      const before = world.sent.easy
      world.run(100)
      counts.push(world.sent.easy - before)
    }
    expect(Math.max(...counts)).toBeLessThanOrEqual(48)
    expect(counts.filter((count) => count === 40).length).toBeGreaterThan(30)
  })

  test('no port is tried twice, all are above 1023', () => {
    const world = new BirthdayWorld('ports', { loss: 1 }).run()
    const ports = world.actions.easy.flatMap((action) => (action.type === 'ping' ? [action.to.port] : []))
    expect(new Set(ports).size).toBe(ports.length)
    expect(Math.min(...ports)).toBeGreaterThanOrEqual(1024)
  })
})

describe('forged packets and messages change nothing', () => {
  const strangers = [
    ['another address', parseSocketAddress('192.0.2.9:41641')],
    ['another port of the easy side', { ip: EASY.ip, port: EASY.port + 1 }],
  ] as const

  test.each(strangers)('a ping or a pong from %s to the hard side', (_, from) => {
    const world = new BirthdayWorld('forged', { loss: 1 }).run(2_000)
    const before = world.sent.hard
    const ping = world.actions.hard.find((action) => action.type === 'ping')!
    const { transactionId } = ping as { transactionId: Uint8Array }
    world.inject('hard', 0, from, { type: 'ping', transactionId: new Uint8Array(12), key: new Uint8Array(32) })
    const observed = { kind: 'udp', ip: HARD.ip, port: 5_000 } as const
    world.inject('hard', 0, from, { type: 'pong', transactionId, observed })
    expect(world.sent.hard).toBe(before)
    expect(world.won).toEqual({})
    // and from the right one it is what it says
    world.inject('hard', 0, EASY, { type: 'pong', transactionId, observed })
    expect(world.won.hard).toMatchObject({ socket: 0 })
  })

  test.each([
    ['a transaction that was never sent', 0, new Uint8Array(12).fill(9), HARD.ip, 5_000],
    ['the transaction of another socket', 1, undefined, HARD.ip, 5_000],
    ['another address of ours', 0, undefined, parseSocketAddress('203.0.113.9:1').ip, 5_000],
    ['port 0', 0, undefined, HARD.ip, 0],
  ])('a pong of the peer with %s', (_, socket, id, ip, port) => {
    const world = new BirthdayWorld('wrong pong', { loss: 1 }).run(2_000)
    const ping = world.actions.hard.find((action) => action.type === 'ping' && action.socket === 0)!
    const { transactionId } = ping as { transactionId: Uint8Array }
    world.inject('hard', socket, EASY, {
      type: 'pong',
      transactionId: id ?? transactionId,
      observed: { kind: 'udp', ip, port },
    })
    expect(world.won).toEqual({})
  })

  test('the easy side answers only the IP of the peer, and believes no port that it has not heard from', () => {
    const world = new BirthdayWorld('easy', { loss: 1 }).run(2_000)
    const before = world.actions.easy.filter(({ type }) => type === 'pong').length
    const key = new Uint8Array(32)
    world.inject('easy', -1, strangers[0][1], { type: 'ping', transactionId: new Uint8Array(12), key })
    world.inject('easy', -1, { ip: HARD.ip, port: 0 }, { type: 'ping', transactionId: new Uint8Array(12), key })
    expect(world.actions.easy.filter(({ type }) => type === 'pong')).toHaveLength(before)
    const won: BirthdayMessage = { type: 'won', id: world.easy.id, port: 4_444 }
    expect(world.easy.onMessage(won, world.now)).toEqual([
      { type: 'message', message: { type: 'end', id: world.easy.id } },
      { type: 'failed' },
    ])
  })

  test('a message with another id, or of a kind that does not fit the role, is ignored', () => {
    const world = new BirthdayWorld('messages', { loss: 1 }).run(2_000)
    const id = new Uint8Array(8)
    for (const side of ['hard', 'easy'] as const) {
      const attempt = world.attempt(side)
      const foreign: BirthdayMessage[] = [
        { type: 'end', id },
        { type: 'won', id, port: 1 },
        { type: 'answer', id, role: 'hard', address: HARD },
      ]
      for (const message of foreign) expect(attempt.onMessage(message, world.now)).toEqual([])
      expect(attempt.onMessage({ type: 'answer', id: attempt.id, role: 'hard', address: HARD }, world.now)).toEqual([])
      expect(attempt.isOver).toBe(false)
    }
    expect(world.hard.onMessage({ type: 'won', id: world.hard.id, port: 1 }, world.now)).toEqual([])
    expect(world.hard.onMessage({ type: 'ready', id: world.hard.id, sockets: 1 }, world.now)).toEqual([])
    const before = world.sent.easy
    expect(world.easy.onMessage({ type: 'ready', id: world.easy.id, sockets: 1 }, world.now)).toEqual([])
    expect(world.sent.easy).toBe(before)
  })
})

describe('an attempt that is not agreed on', () => {
  const id = new Uint8Array(8).fill(1)
  const options = { id, own: EASY, random: new SimRandom('agree'), isPeers: () => true, now: 0 }

  test.each([
    ['the same role', 'easy', HARD, true],
    ['an address that is not the peer’s', 'hard', HARD, false],
  ] as const)('ends with an answer of %s', (_, role, address, isPeers) => {
    const attempt = new EasyAttempt({ ...options, isPeers: () => isPeers })
    expect(attempt.open(0)).toMatchObject([{ type: 'message', message: { type: 'offer', role: 'easy' } }])
    expect(attempt.onMessage({ type: 'answer', id, role, address }, 1)).toMatchObject([
      { type: 'message', message: { type: 'end' } },
      { type: 'failed' },
    ])
  })

  test('ends after 12 s without an answer, not before', () => {
    const attempt = new HardAttempt(options)
    attempt.open(0)
    expect(attempt.deadline()).toBe(12_000)
    expect(attempt.tick(11_999)).toEqual([])
    expect(attempt.tick(12_000)).toMatchObject([{ type: 'message' }, { type: 'failed' }])
    expect(attempt.tick(12_001)).toEqual([])
  })

  test('the refusal of the peer is not answered', () => {
    const attempt = new HardAttempt(options)
    attempt.open(0)
    expect(attempt.onMessage({ type: 'end', id }, 1)).toEqual([{ type: 'failed' }])
  })

  test('before the peer agreed nothing is sent, whatever comes in', () => {
    const attempt = new EasyAttempt(options)
    attempt.open(0)
    expect(attempt.onMessage({ type: 'ready', id, sockets: 256 }, 1)).toEqual([])
    const ping = { type: 'ping', transactionId: new Uint8Array(12), key: new Uint8Array(32) } as const
    expect(attempt.onDisco(-1, HARD, ping, 2)).toEqual([])
  })

  test('what overtook the answer counts when that has come', () => {
    const attempt = new EasyAttempt(options)
    attempt.open(0)
    expect(attempt.onMessage({ type: 'ready', id, sockets: 256 }, 1)).toEqual([])
    const actions = attempt.onMessage({ type: 'answer', id, role: 'hard', address: HARD }, 2)
    expect(actions.map(({ type }) => type)).toEqual(Array.from({ length: 8 }, () => 'ping'))
  })

  test('too few sockets are not worth it, 32 are', () => {
    for (const [sockets, isOver] of [
      [31, true],
      [32, false],
    ] as const) {
      const attempt = new HardAttempt({ ...options, own: HARD, peer: EASY })
      expect(attempt.open(0).at(-1)).toEqual({ type: 'bind', sockets: 256 })
      attempt.bound(sockets, 1)
      expect(attempt.isOver).toBe(isOver)
    }
  })
})

test.each(['hard', 'easy'] as const)(
  'aborted by the %s side: both are over, and nothing is sent any more',
  (side: Side) => {
    const world = new BirthdayWorld('abort', { loss: 1 }).run(1_500)
    const actions = world.attempt(side).abort()
    expect(actions).toMatchObject([{ type: 'message', message: { type: 'end' } }, { type: 'failed' }])
    const sent = { ...world.sent }
    const other = side === 'hard' ? 'easy' : 'hard'
    world.attempt(other).onMessage({ type: 'end', id: world.hard.id }, world.now)
    world.run()
    expect(world.sent).toEqual(sent)
    expect(world.attempt(side).abort()).toEqual([])
  },
)
