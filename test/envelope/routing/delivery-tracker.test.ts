import { describe, expect, test } from 'vitest'
import type { DeliveryState } from '../../../src/envelope/routing/delivery-state.ts'
import { DeliveryTracker } from '../../../src/envelope/routing/delivery-tracker.ts'
import { ALICE, BOB, CAROL, DAVE, DAY_MS, EVE, uuid, WALL } from './support.ts'

const ID = uuid(1)
const STATES: readonly DeliveryState[] = ['pending', 'sent', 'relayed', 'delivered', 'read', 'failed']

/** To Bob over Carol and Dave. */
const message = (fields: { id?: string; expiresAt?: number } = {}) => ({
  id: ID,
  to: BOB,
  via: [CAROL, DAVE],
  expiresAt: WALL + DAY_MS,
  ...fields,
})

const delivery = (originalId = ID) => ({ originalId, kind: 'RecipientReceived' }) as const
const relayed = (originalId = ID) => ({ originalId, kind: 'RelayForwarded' }) as const
const read = (originalId = ID) => ({ originalId, readAt: WALL })

/** Ticks whenever something is due, and tells what was and when. `wall` runs with `now`. */
function run(tracker: DeliveryTracker, until: number) {
  const seen: (readonly [at: number, kind: string])[] = []
  for (let now = tracker.deadline(); now <= until; now = tracker.deadline())
    for (const { kind } of tracker.tick(now, WALL + now)) seen.push([now, kind])
  return seen
}

/** A message in the given state, at 0 of both clocks or when it failed. */
function inState(state: DeliveryState): DeliveryTracker {
  const tracker = new DeliveryTracker()
  tracker.track(message(), 0, WALL)
  if (state === 'sent') tracker.transmitted(ID, 0)
  if (state === 'relayed') tracker.onAck(relayed(), CAROL, 0)
  if (state === 'delivered') tracker.onAck(delivery(), BOB, 0)
  if (state === 'read') tracker.onRead(read(), BOB, 0)
  if (state === 'failed') run(tracker, 105_000)
  expect(tracker.state(ID)).toBe(state)
  return tracker
}

type Input = (tracker: DeliveryTracker) => unknown
/** What each input makes of pending, sent, relayed, delivered, read, failed; `-`: nothing changes. */
const TABLE: readonly (readonly [name: string, input: Input, after: string])[] = [
  ['transmitted', (tracker) => tracker.transmitted(ID, 0), 'sent - - - - -'],
  ['transmitFailed', (tracker) => tracker.transmitFailed(ID, 0), '- - - - - -'],
  [
    'ACK-1: delivered, says its recipient',
    (tracker) => tracker.onAck(delivery(), BOB, 0),
    'delivered delivered delivered - - delivered',
  ],
  ['ACK-1: delivered, says a hop', (tracker) => tracker.onAck(delivery(), CAROL, 0), '- - - - - -'],
  ['ACK-1: delivered, says a stranger', (tracker) => tracker.onAck(delivery(), EVE, 0), '- - - - - -'],
  ['ACK-1: delivered, says the sender', (tracker) => tracker.onAck(delivery(), ALICE, 0), '- - - - - -'],
  ['ACK-2: passed on, says the first hop', (tracker) => tracker.onAck(relayed(), CAROL, 0), 'relayed relayed - - - -'],
  ['ACK-2: passed on, says the last hop', (tracker) => tracker.onAck(relayed(), DAVE, 0), 'relayed relayed - - - -'],
  ['ACK-2: passed on, says its recipient', (tracker) => tracker.onAck(relayed(), BOB, 0), '- - - - - -'],
  ['ACK-2: passed on, says a stranger', (tracker) => tracker.onAck(relayed(), EVE, 0), '- - - - - -'],
  ['ACK-3: read, says its recipient', (tracker) => tracker.onRead(read(), BOB, 0), 'read read read read - read'],
  ['ACK-3: read, says a hop', (tracker) => tracker.onRead(read(), CAROL, 0), '- - - - - -'],
  ['ACK-3: read, says a stranger', (tracker) => tracker.onRead(read(), EVE, 0), '- - - - - -'],
  ['an ack for another message', (tracker) => tracker.onAck(delivery(uuid(2)), BOB, 0), '- - - - - -'],
  ['a receipt for another message', (tracker) => tracker.onRead(read(uuid(2)), BOB, 0), '- - - - - -'],
  ['another message transmitted', (tracker) => tracker.transmitted(uuid(2), 0), '- - - - - -'],
  ['another message not transmitted', (tracker) => tracker.transmitFailed(uuid(2), 0), '- - - - - -'],
  ['another message forgotten', (tracker) => tracker.forget(uuid(2)), '- - - - - -'],
  ['another way', (tracker) => tracker.reroute(ID, [EVE]), '- - - - - -'],
]

describe.each(TABLE)('spec/envelope.md §4.4: %s', (_, input, after) => {
  const expected = after.split(' ')
  test.each(STATES.map((state, index) => [state, expected[index]!] as const))('when %s: %s', (state, next) => {
    const tracker = inState(state)
    const change = input(tracker)
    if (next === '-') {
      expect(change).toBeUndefined()
      expect(tracker.state(ID)).toBe(state)
    } else {
      expect(change).toEqual({ id: ID, to: BOB, via: [CAROL, DAVE], before: state, after: next })
      expect(tracker.state(ID)).toBe(next)
    }
  })
})

describe('spec/envelope.md §4.5: time', () => {
  /** Transmits `afterMs` after it was asked to, each time, and fails or not. */
  function live(afterMs: number, isTaken: boolean) {
    const tracker = new DeliveryTracker()
    const log: string[] = []
    let transmitAt = afterMs
    const transmit = (now: number) => {
      if (isTaken) tracker.transmitted(ID, now)
      else tracker.transmitFailed(ID, now)
    }
    tracker.track(message(), 0, WALL)
    for (let now = 0; now <= 200_000; now += 100) {
      if (now === transmitAt) transmit(now)
      for (const { kind, id } of tracker.tick(now, WALL + now)) {
        expect(id).toBe(ID)
        log.push(`${kind} ${now}`)
        transmitAt = kind === 'retransmit' && afterMs >= 0 ? now + afterMs : -1
        if (now === transmitAt) transmit(now)
      }
    }
    return log
  }

  test.each([
    ['taken at once', 0, true, ['retransmit 30000', 'retransmit 60000', 'failed 90000']],
    ['taken after a dial of two seconds', 2_000, true, ['retransmit 32000', 'retransmit 64000', 'failed 96000']],
    ['refused after three attempts', 1_500, false, ['retransmit 31500', 'retransmit 63000', 'failed 94500']],
    [
      'taken after a minute, which no round waits for',
      60_000,
      true,
      ['retransmit 35000', 'retransmit 70000', 'failed 105000'],
    ],
    ['never answered', -1, true, ['retransmit 35000', 'retransmit 70000', 'failed 105000']],
  ])('%s: two retries, and failed after 90 to 105 s', (_, afterMs, isTaken, expected) => {
    expect(live(afterMs, isTaken)).toEqual(expected)
  })

  test('RTR-12: it stays pending until the transport took it', () => {
    const tracker = inState('pending')
    tracker.transmitFailed(ID, 1_000)
    tracker.tick(31_000, WALL + 31_000)
    expect(tracker.state(ID)).toBe('pending')
    expect(tracker.transmitted(ID, 32_000)).toMatchObject({ before: 'pending', after: 'sent' })
  })

  test('nothing is due before the deadline, and then it is', () => {
    const tracker = inState('sent')
    expect(tracker.deadline()).toBe(30_000)
    expect(tracker.tick(29_999, WALL + 29_999)).toEqual([])
    expect(tracker.tick(30_000, WALL + 30_000)).toEqual([{ kind: 'retransmit', id: ID }])
    expect(tracker.tick(30_000, WALL + 30_000)).toEqual([])
    expect(tracker.deadline()).toBe(65_000)
  })

  test('a relay ack is no delivery: it is sent again, and fails', () => {
    const tracker = inState('relayed')
    expect(run(tracker, 105_000).map(([, kind]) => kind)).toEqual(['retransmit', 'retransmit', 'failed'])
    expect(tracker.state(ID)).toBe('failed')
  })

  test.each(['delivered', 'read', 'failed'] as const)('%s: nothing is due any more but the end of its day', (state) => {
    const tracker = inState(state)
    tracker.transmitted(ID, 200_000)
    tracker.transmitFailed(ID, 200_000)
    expect(run(tracker, 2 * DAY_MS)).toEqual([[DAY_MS, 'expired']])
    expect([tracker.size, tracker.state(ID), tracker.deadline()]).toEqual([0, undefined, Number.POSITIVE_INFINITY])
  })

  test('RTR-13: a late ack, hours after it failed', () => {
    const tracker = inState('failed')
    expect(tracker.onAck(delivery(), BOB, 8 * 3_600_000)).toMatchObject({ before: 'failed', after: 'delivered' })
  })

  test('after a long sleep each is tried once, not once for each time missed', () => {
    const tracker = inState('sent')
    expect(tracker.tick(3_600_000, WALL + 3_600_000)).toEqual([{ kind: 'retransmit', id: ID }])
    expect(tracker.deadline()).toBe(3_635_000)
  })

  test('what comes due first comes first', () => {
    const tracker = new DeliveryTracker()
    for (let index = 1; index <= 5; index++) tracker.track(message({ id: uuid(index) }), index, WALL + index)
    for (const index of [4, 2, 5, 1, 3]) tracker.transmitted(uuid(index), 1_000 - index)
    expect(tracker.tick(40_000, WALL + 40_000).map(({ id }) => id)).toEqual([5, 4, 3, 2, 1].map(uuid))
  })
})

describe('lock 2: a day', () => {
  test('one that is still on its way fails first', () => {
    const tracker = new DeliveryTracker()
    tracker.track(message({ expiresAt: WALL + 20_000 }), 0, WALL)
    expect(tracker.deadline()).toBe(20_000)
    expect(tracker.tick(20_000, WALL + 20_000)).toEqual([
      { kind: 'failed', id: ID },
      { kind: 'expired', id: ID },
    ])
    expect(tracker.onAck(delivery(), BOB, 20_000)).toBeUndefined()
  })

  test('by the wall clock, also when that is set', () => {
    const tracker = inState('delivered')
    expect(tracker.deadline()).toBe(DAY_MS)
    expect(tracker.tick(1_000, WALL + DAY_MS / 2)).toEqual([])
    expect(tracker.deadline()).toBe(1_000 + DAY_MS / 2)
    expect(tracker.tick(2_000, WALL + DAY_MS)).toEqual([{ kind: 'expired', id: ID }])
  })

  test('L2a: nothing is left after 24 h, whatever became of it', () => {
    const tracker = new DeliveryTracker()
    for (let index = 0; index < 600; index++) {
      const at = index * 1_000
      const id = uuid(index)
      tracker.track(message({ id, expiresAt: WALL + at + DAY_MS }), at, WALL + at)
      if (index % 4 === 0) tracker.transmitted(id, at)
      if (index % 4 === 1) tracker.onAck(delivery(id), BOB, at)
      if (index % 4 === 2) tracker.onRead(read(id), BOB, at)
    }
    const kinds = run(tracker, 599_000 + DAY_MS).map(([, kind]) => kind)
    expect(kinds.filter((kind) => kind === 'expired').length).toBe(600)
    expect(kinds.filter((kind) => kind === 'failed').length).toBe(300)
    expect([tracker.size, tracker.deadline()]).toEqual([0, Number.POSITIVE_INFINITY])
  })
})

describe('spec/envelope.md §4.5: ten thousand at most', () => {
  const fill = (count: number) => {
    const tracker = new DeliveryTracker({ maxTracked: count })
    for (let index = 0; index < count; index++)
      expect(tracker.track(message({ id: uuid(index) }), index, WALL + index)).toBe(true)
    return tracker
  }

  test('the default', () => {
    const tracker = new DeliveryTracker()
    let count = 0
    while (count < 20_000 && tracker.track(message({ id: uuid(count) }), 0, WALL)) count++
    expect([count, tracker.size, tracker.state(uuid(count))]).toEqual([10_000, 10_000, undefined])
  })

  test('those on their way keep their place', () => {
    const tracker = fill(3)
    tracker.transmitted(uuid(1), 0)
    tracker.onAck(relayed(uuid(2)), CAROL, 0)
    expect(tracker.track(message({ id: uuid(9) }), 0, WALL)).toBe(false)
    expect([0, 1, 2, 9].map((index) => tracker.state(uuid(index)))).toEqual(['pending', 'sent', 'relayed', undefined])
  })

  test('read ones make room, then delivered ones, then failed ones, the oldest first; it is told', () => {
    const tracker = fill(6)
    run(tracker, 110_000)
    for (const index of [3, 2]) tracker.onAck(delivery(uuid(index)), BOB, 110_000)
    for (const index of [5, 4]) tracker.onRead(read(uuid(index)), BOB, 110_000)
    const gone = []
    for (let index = 10; index < 16; index++) {
      expect(tracker.track(message({ id: uuid(index) }), 110_000, WALL + 110_000)).toBe(true)
      expect(tracker.deadline()).toBeLessThanOrEqual(110_000)
      gone.push(...tracker.tick(110_000, WALL + 110_000))
    }
    expect(gone).toEqual([5, 4, 3, 2, 0, 1].map((index) => ({ kind: 'expired', id: uuid(index) })))
    expect(tracker.track(message({ id: uuid(16) }), 110_000, WALL + 110_000)).toBe(false)
    expect([tracker.size, tracker.deadline()]).toEqual([6, 145_000])
  })

  test('a forgotten one makes room, whatever its state', () => {
    const tracker = fill(3)
    tracker.onAck(delivery(uuid(1)), BOB, 0)
    for (const index of [0, 1]) tracker.forget(uuid(index))
    expect([tracker.size, tracker.state(uuid(1))]).toEqual([1, undefined])
    for (const index of [4, 5]) expect(tracker.track(message({ id: uuid(index) }), 0, WALL)).toBe(true)
    expect(tracker.track(message({ id: uuid(6) }), 0, WALL)).toBe(false)
    expect(run(tracker, DAY_MS).filter(([, kind]) => kind === 'expired').length).toBe(3)
  })

  test('an id that is tracked is not tracked twice', () => {
    const tracker = inState('delivered')
    expect(tracker.track(message(), 0, WALL)).toBe(false)
    expect([tracker.size, tracker.state(ID)]).toEqual([1, 'delivered'])
  })
})

describe('hops', () => {
  test('ROL-2: each hop is credited once for a message', () => {
    const tracker = inState('sent')
    expect([CAROL, CAROL, DAVE, BOB, EVE, DAVE].map((hop) => tracker.takeCredit(ID, hop))).toEqual([
      true,
      false,
      true,
      false,
      false,
      false,
    ])
    expect(tracker.takeCredit(uuid(2), CAROL)).toBe(false)
  })

  test('ACK-2: on another way the old hops are not believed any more', () => {
    const tracker = inState('sent')
    tracker.reroute(ID, [EVE])
    expect(tracker.viaOf(ID)).toEqual([EVE])
    expect(tracker.onAck(relayed(), CAROL, 0)).toBeUndefined()
    expect(tracker.onAck(relayed(), EVE, 0)).toMatchObject({ via: [EVE], after: 'relayed' })
    tracker.reroute(uuid(2), [EVE])
    expect(tracker.viaOf(uuid(2))).toBeUndefined()
  })
})
