import { describe, expect, test } from 'vitest'
import { Router } from '../../../src/envelope/routing/router.ts'
import { CLOCK_SKEW_MS, type Envelope, LIFETIME_MS } from '../../../src/envelope/wire/envelope.ts'
import { MESSAGE_TYPES } from '../../../src/envelope/wire/message-type.ts'
import { ALICE, ack, BOB, CAROL, DAVE, EVE, envelope, key, ME, MINUTE_MS, receipt, uuid, WALL } from './support.ts'

const OTHER_TYPES = MESSAGE_TYPES.filter((type) => type !== 'Ack' && type !== 'ReadReceipt')
const CONTROL = ['Ack', 'ReadReceipt'] as const

describe('spec/envelope.md §4.1, step 1', () => {
  test.each([
    ['five hops', { via: [2, 3, 4, 5, 6].map((number) => key(number + 10)) }],
    ['RTR-6: its author among the hops', { via: [BOB, ALICE] }],
    ['RTR-6: its recipient among the hops', { via: [ME] }],
    ['RTR-6: a hop twice', { via: [BOB, CAROL, BOB] }],
  ])('%s: rejected', (_, fields) => {
    expect(new Router(ME).route(envelope(fields), 0, WALL)).toEqual({ kind: 'reject', code: 'INVALID_FIELD' })
  })

  test('four hops are fine', () => {
    expect(new Router(ME).route(envelope({ via: [BOB, CAROL, DAVE, EVE], hopsLeft: 0 }), 0, WALL)).toEqual({
      kind: 'deliver',
    })
  })
})

describe('spec/envelope.md §10 W3, L2c: the time of an envelope', () => {
  const cases: readonly Envelope[] = [
    envelope(),
    ack(uuid(7)),
    receipt(uuid(7), WALL),
    envelope({ to: BOB, via: [ME] }),
    envelope({ type: 'BackupQuery' }),
  ]

  test.each(cases)('$type to $to: from 24 h ago to five minutes ahead, to the millisecond', (sample) => {
    const router = new Router(ME)
    const kindAt = (timestamp: number) => {
      const verdict = router.route({ ...sample, timestamp }, 0, WALL)
      return verdict.kind === 'reject' ? verdict.code : 'taken'
    }
    expect(kindAt(WALL - LIFETIME_MS)).toBe('taken')
    expect(kindAt(WALL - LIFETIME_MS - 1)).toBe('EXPIRED')
    expect(kindAt(WALL + CLOCK_SKEW_MS)).toBe('taken')
    expect(kindAt(WALL + CLOCK_SKEW_MS + 1)).toBe('FROM_FUTURE')
  })

  test('L2c: one that was delivered long ago is not acknowledged again either', () => {
    const router = new Router(ME)
    router.delivered(envelope(), WALL)
    expect(router.route(envelope(), 0, WALL + LIFETIME_MS).kind).toBe('duplicate')
    expect(router.route(envelope(), 0, WALL + LIFETIME_MS + 1)).toEqual({ kind: 'reject', code: 'EXPIRED' })
  })
})

describe('spec/envelope.md §4.1, step 2: acks to us', () => {
  test.each(['RelayForwarded', 'RecipientReceived'] as const)(
    '%s is for the tracker, once it was acted upon dropped',
    (kind) => {
      const router = new Router(ME)
      const given = ack(uuid(7), kind)
      const expected = { kind: 'ack', ack: { originalId: uuid(7), kind } }
      expect(router.route(given, 0, WALL)).toEqual(expected)
      expect(router.route(given, 0, WALL)).toEqual(expected)
      router.acted(given, WALL)
      expect(router.route(given, 0, WALL)).toEqual({ kind: 'drop', reason: 'seen' })
      // in another envelope too: what counts is what it says, and who says it
      expect(router.route({ ...given, id: uuid(902) }, 0, WALL)).toEqual({ kind: 'drop', reason: 'seen' })
      expect(router.route({ ...given, from: BOB }, 0, WALL)).toEqual(expected)
      const other = kind === 'RelayForwarded' ? 'RecipientReceived' : 'RelayForwarded'
      expect(router.route(ack(uuid(7), other), 0, WALL).kind).toBe('ack')
      expect(router.route(ack(uuid(8), kind), 0, WALL).kind).toBe('ack')
    },
  )

  test('spec/envelope.md §4.2: what was acted upon is forgotten after five minutes', () => {
    const router = new Router(ME)
    for (const given of [ack(uuid(7)), ack(uuid(7), 'RelayForwarded'), receipt(uuid(7), WALL)])
      router.acted(given, WALL)
    router.expire(WALL + 5 * MINUTE_MS - 1)
    expect(router.sizes.acted).toBe(3)
    router.expire(WALL + 5 * MINUTE_MS)
    expect(router.sizes.acted).toBe(0)
    expect(router.route(ack(uuid(7)), 0, WALL).kind).toBe('ack')
  })

  test.each(CONTROL)('a %s that says nothing is rejected', (type) => {
    for (const payload of [new Uint8Array(), Uint8Array.of(0x92, 0xa1, 0x41), Uint8Array.of(1, 2, 3)])
      expect(new Router(ME).route(envelope({ type, payload }), 0, WALL)).toEqual({
        kind: 'reject',
        code: 'UNREADABLE_BODY',
      })
  })
})

describe('spec/envelope.md §4.1, step 3: receipts to us', () => {
  const week = 7 * LIFETIME_MS

  test.each([
    ['as it is', WALL - 5_000, WALL - 5_000],
    ['not in the future', WALL + 1, WALL],
    ['a week ago', WALL - week, WALL - week],
    ['not earlier', WALL - week - 1, WALL - week],
    ['not in 1970', 0, WALL - week],
  ])('the time of reading: %s', (_, readAt, expected) => {
    expect(new Router(ME).route(receipt(uuid(7), readAt), 0, WALL)).toEqual({
      kind: 'read',
      receipt: { originalId: uuid(7), readAt: expected },
    })
  })

  test('once it was acted upon it is dropped, whatever time it says', () => {
    const router = new Router(ME)
    router.route(receipt(uuid(7), WALL), 0, WALL)
    expect(router.route(receipt(uuid(7), WALL), 0, WALL).kind).toBe('read')
    router.acted(receipt(uuid(7), WALL), WALL)
    expect(router.route(receipt(uuid(7), WALL - 9), 0, WALL)).toEqual({ kind: 'drop', reason: 'seen' })
    expect(router.route(receipt(uuid(7), WALL, { from: BOB }), 0, WALL).kind).toBe('read')
    // an ack for the same message is something else
    expect(router.route(ack(uuid(7)), 0, WALL).kind).toBe('ack')
  })
})

describe('spec/envelope.md §4.1, step 4: the others to us', () => {
  test.each(OTHER_TYPES)('RTR-1: %s is delivered, whoever brought it and with no hops left', (type) => {
    expect(new Router(ME).route(envelope({ type, via: [BOB], hopsLeft: 0 }), 0, WALL)).toEqual({ kind: 'deliver' })
  })

  test('W4, ENC-3: a verdict is not remembered', () => {
    const router = new Router(ME)
    for (let round = 0; round < 3; round++) expect(router.route(envelope(), 0, WALL).kind).toBe('deliver')
    for (let round = 0; round < 3; round++) router.route(envelope({ to: BOB, via: [ME] }), 0, WALL)
    router.route(ack(uuid(7)), 0, WALL)
    expect(router.sizes).toMatchObject({ delivered: 0, forwarded: 0, acted: 0, waiting: 0 })
  })

  test('what the application has had is a duplicate; an id belongs to its author', () => {
    const router = new Router(ME)
    router.delivered(envelope(), WALL)
    expect(router.route(envelope(), 0, WALL).kind).toBe('duplicate')
    expect(router.route(envelope({ timestamp: WALL + 5, payload: new Uint8Array() }), 0, WALL).kind).toBe('duplicate')
    expect(router.route(envelope({ from: BOB }), 0, WALL).kind).toBe('deliver')
    expect(router.route(envelope({ id: uuid(2) }), 0, WALL).kind).toBe('deliver')
  })

  test('ACK-6: while it waits for the application it is a duplicate that is not acknowledged', () => {
    const router = new Router(ME)
    router.waiting(envelope(), WALL)
    expect(router.route(envelope(), 60_000, WALL + 60_000)).toEqual({ kind: 'duplicate', mayAckAgain: false })
    expect(router.route(envelope({ from: BOB }), 0, WALL).kind).toBe('deliver')
    router.unwaiting(envelope())
    expect(router.route(envelope(), 0, WALL).kind).toBe('deliver')
    router.waiting(envelope(), WALL)
    router.delivered(envelope(), WALL)
    expect(router.sizes).toMatchObject({ waiting: 0, delivered: 1 })
    expect(router.route(envelope(), 6_000, WALL + 6_000)).toEqual({ kind: 'duplicate', mayAckAgain: true })
  })

  test('RTR-11: remembered for as long as it would be accepted, and then no longer', () => {
    const router = new Router(ME)
    const ahead = envelope({ timestamp: WALL + CLOCK_SKEW_MS })
    router.delivered(ahead, WALL)
    const last = ahead.timestamp + LIFETIME_MS
    router.expire(last)
    expect(router.route(ahead, 0, last).kind).toBe('duplicate')
    router.expire(last + CLOCK_SKEW_MS - 1)
    expect(router.sizes.delivered).toBe(1)
    router.expire(last + CLOCK_SKEW_MS)
    expect(router.sizes.delivered).toBe(0)
  })

  test('RTR-11: restored, and acknowledged again at once', () => {
    const router = new Router(ME)
    router.restore([
      { id: uuid(1), from: ALICE, timestamp: WALL - 1_000 },
      { id: 'not-a-uuid', from: BOB, timestamp: WALL - 60_000 },
    ])
    const first = envelope({ timestamp: WALL - 1_000 })
    expect(router.route(first, 0, WALL + 4_000)).toEqual({ kind: 'duplicate', mayAckAgain: true })
    expect(router.route(envelope({ id: 'not-a-uuid', from: BOB }), 0, WALL).kind).toBe('duplicate')
    expect(router.route(envelope({ id: 'not-a-uuid' }), 0, WALL).kind).toBe('deliver')
    router.expire(WALL - 1_000 + LIFETIME_MS + CLOCK_SKEW_MS)
    expect(router.sizes.delivered).toBe(0)
  })
})

describe('ACK-4: the ack once more', () => {
  test('for one message every five seconds', () => {
    const router = new Router(ME)
    router.delivered(envelope(), WALL)
    const acked = []
    for (let at = 0; at <= 20_000; at += 500) {
      const verdict = router.route(envelope(), at, WALL + at)
      if (verdict.kind === 'duplicate' && verdict.mayAckAgain) acked.push(at)
    }
    expect(acked).toEqual([5_000, 10_000, 15_000, 20_000])
  })

  test('a sender that repeats after 30 s gets one each time', () => {
    const router = new Router(ME)
    router.delivered(envelope(), WALL)
    for (const at of [30_000, 60_000])
      expect(router.route(envelope(), at, WALL + at)).toEqual({ kind: 'duplicate', mayAckAgain: true })
  })

  test('for one author twenty at once and ten a second; others have their own', () => {
    const router = new Router(ME)
    const sent = Array.from({ length: 100 }, (_, index) => envelope({ id: uuid(index) }))
    const theirs = envelope({ from: BOB })
    for (const one of [...sent, theirs]) router.delivered(one, WALL)
    const count = (now: number) =>
      sent.filter((one) => {
        const verdict = router.route(one, now, WALL + now)
        return verdict.kind === 'duplicate' && verdict.mayAckAgain
      }).length
    expect(count(10_000)).toBe(20)
    expect(count(10_000)).toBe(0)
    expect(router.route(theirs, 10_000, WALL + 10_000)).toEqual({ kind: 'duplicate', mayAckAgain: true })
    expect(count(10_100)).toBe(1)
    expect(count(11_100)).toBe(10)
  })
})

describe('spec/envelope.md §4.1, step 5: we are a hop', () => {
  test.each([
    [[ME], BOB],
    [[ME, CAROL], CAROL],
    [[CAROL, ME], BOB],
    [[CAROL, ME, DAVE, EVE], DAVE],
  ])('over %j it goes on to the next', (via, next) => {
    const verdict = new Router(ME).route(envelope({ to: BOB, via }), 0, WALL)
    expect(verdict).toMatchObject({ kind: 'forward', next })
  })

  test.each(MESSAGE_TYPES)('RTR-1, ACK-5: %s is passed on unread, and only what is no ack is acknowledged', (type) => {
    const verdict = new Router(ME).route(envelope({ type, to: BOB, via: [ME] }), 0, WALL)
    expect(verdict).toMatchObject({ kind: 'forward', acknowledges: type !== 'Ack' && type !== 'ReadReceipt' })
  })

  test.each([
    [4, 3],
    [1, 0],
    [5, 3],
    [4_000_000_000, 3],
  ])('RTR-5, RTR-8: with %d hops left it differs in having %d', (hopsLeft, left) => {
    const given = envelope({ to: BOB, via: [ME], hopsLeft, isEncrypted: true })
    const verdict = new Router(ME).route(given, 0, WALL)
    expect(verdict).toMatchObject({ kind: 'forward', envelope: { ...given, hopsLeft: left } })
    expect(given.hopsLeft).toBe(hopsLeft)
  })

  test('with none left it is rejected', () => {
    expect(new Router(ME).route(envelope({ to: BOB, via: [ME], hopsLeft: 0 }), 0, WALL)).toEqual({
      kind: 'reject',
      code: 'NO_HOPS_LEFT',
    })
  })

  test('RTR-7: a replay is not passed on; what its author sends again after 30 s is', () => {
    const router = new Router(ME)
    const given = envelope({ to: BOB, via: [ME] })
    const forwarded = []
    const others = new Set<string>()
    for (let at = 0; at <= 24 * 60 * MINUTE_MS; at += 10_000) {
      const verdict = router.route(given, at, WALL + at)
      if (verdict.kind === 'forward') {
        forwarded.push(at / 1_000)
        router.forwarded(given, WALL + at)
      } else others.add(JSON.stringify(verdict))
    }
    expect([...others]).toEqual([JSON.stringify({ kind: 'drop', reason: 'forwarded-before' })])
    expect(forwarded.slice(0, 6)).toEqual([0, 20, 40, 80, 160, 320])
    expect(forwarded.length).toBe(14)
    const retried = new Router(ME)
    for (const at of [0, 30_000, 60_000]) {
      expect(retried.route(given, at, WALL + at).kind).toBe('forward')
      retried.forwarded(given, WALL + at)
    }
    expect(retried.route(envelope({ to: BOB, via: [ME], from: CAROL }), 0, WALL).kind).toBe('forward')
  })
})

describe('spec/envelope.md §4.1, step 6: strangers', () => {
  const given = envelope({ to: BOB, via: [CAROL] })

  test('RTR-4: nothing is passed on for them', () => {
    expect(new Router(ME).route(given, 0, WALL)).toEqual({ kind: 'drop', reason: 'stranger' })
    expect(new Router(ME).route(envelope({ to: BOB, hopsLeft: 0 }), 0, WALL)).toEqual({
      kind: 'drop',
      reason: 'stranger',
    })
  })

  test('unless it is asked for: straight to the recipient, with the same bounds', () => {
    const router = new Router(ME, { forwardsForStrangers: true })
    expect(router.route(given, 0, WALL)).toEqual({
      kind: 'forward',
      next: BOB,
      envelope: { ...given, hopsLeft: 3 },
      acknowledges: true,
    })
    expect(router.route({ ...given, hopsLeft: 0 }, 0, WALL)).toEqual({ kind: 'reject', code: 'NO_HOPS_LEFT' })
    router.forwarded(given, WALL)
    expect(router.route(given, 0, WALL)).toEqual({ kind: 'drop', reason: 'forwarded-before' })
  })

  test('our own that come back go nowhere', () => {
    const router = new Router(ME, { forwardsForStrangers: true })
    expect(router.route(envelope({ from: ME, to: BOB }), 0, WALL)).toEqual({ kind: 'drop', reason: 'stranger' })
  })
})

test('RTR-10: every cache is bounded, and the oldest goes', () => {
  const router = new Router(ME, { maxDelivered: 50, maxForwarded: 40, maxActed: 30, maxWaiting: 20 })
  for (let index = 0; index < 500; index++) {
    const one = envelope({ id: uuid(index), from: key(100 + (index % 7)) })
    router.delivered(one, WALL)
    router.forwarded({ ...one, to: BOB, via: [ME] }, WALL)
    for (const kind of ['RelayForwarded', 'RecipientReceived'] as const) router.acted(ack(uuid(index), kind), WALL)
    router.acted(receipt(uuid(index), WALL), WALL)
    router.waiting(envelope({ id: uuid(1_000 + index) }), WALL)
  }
  expect(router.sizes).toMatchObject({ delivered: 50, forwarded: 40, acted: 90, waiting: 20 })
  expect(router.route(envelope({ id: uuid(450), from: key(100 + (450 % 7)) }), 0, WALL).kind).toBe('duplicate')
  expect(router.route(envelope({ id: uuid(449), from: key(100 + (449 % 7)) }), 0, WALL).kind).toBe('deliver')
  expect(router.route(envelope({ id: uuid(1_480) }), 0, WALL).kind).toBe('duplicate')
  expect(router.route(envelope({ id: uuid(1_479) }), 0, WALL).kind).toBe('deliver')
})
