/** The tracker against a slow and obvious one that looks at every message at every tick, and what lock 1 says of any life of a message. A failure prints fast-check's seed. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { DeliveryState } from '../../../src/envelope/routing/delivery-state.ts'
import { type Change, DeliveryTracker } from '../../../src/envelope/routing/delivery-tracker.ts'
import { FACTOR, TIMEOUT } from '../../fuzz/support/budget.ts'
import { ALICE, BOB, CAROL, DAVE, EVE, uuid, WALL } from './support.ts'

const ROOM = 6
const LIFE_MS = 400_000
/** What no time or transport can turn into one of the others. */
const RANK: Readonly<Record<DeliveryState, number>> = {
  pending: 0,
  sent: 1,
  relayed: 2,
  failed: 3,
  delivered: 4,
  read: 5,
}
const RECIPIENTS = [BOB, EVE]
const VIAS = [[], [CAROL], [CAROL, DAVE]]

interface Known {
  id: string
  to: string
  via: readonly string[]
  expiresAt: number
  state: DeliveryState
  rounds: number
  roundAt: number
  dueAt: number
  settledAt: number
}

class Twin {
  known: Known[] = []
  told: string[] = []
  #settled = 0

  find(number: number): Known | undefined {
    return this.known.find(({ id }) => id === uuid(number))
  }

  track(known: Known): boolean {
    if (this.known.some(({ id }) => id === known.id)) return false
    if (this.known.length === ROOM) {
      const victim = (['read', 'delivered', 'failed'] as const)
        .map((state) => this.known.filter((one) => one.state === state).sort((a, b) => a.settledAt - b.settledAt)[0])
        .find((one) => one !== undefined)
      if (victim === undefined) return false
      this.known.splice(this.known.indexOf(victim), 1)
      this.told.push(`expired ${victim.id}`)
    }
    this.known.push(known)
    return true
  }

  become(known: Known, state: DeliveryState): void {
    known.state = state
    if (RANK[state] < RANK.failed) return
    known.dueAt = Number.POSITIVE_INFINITY
    known.settledAt = this.#settled++
  }

  /** Of those that are due at the same moment any may be first: `order` is what the other one said. */
  tick(now: number, wall: number, order: readonly string[]): string[] {
    const due = this.told.splice(0)
    const over = this.known.filter(({ expiresAt }) => expiresAt <= wall)
    for (const one of over) {
      if (RANK[one.state] < RANK.failed) due.push(`failed ${one.id}`)
      due.push(`expired ${one.id}`)
    }
    this.known = this.known.filter((one) => !over.includes(one))
    const late = this.known.filter(({ dueAt }) => dueAt <= now)
    for (const one of late) {
      due.push(`${one.rounds === 3 ? 'failed' : 'retransmit'} ${one.id}`)
      one.rounds++
      one.roundAt = now
      one.dueAt = now + 35_000
    }
    for (const text of order) {
      const failed = late.find(({ id, rounds }) => rounds === 4 && text === `failed ${id}`)
      if (failed !== undefined) this.become(failed, 'failed')
    }
    return due
  }
}

const which = fc.nat(9)
const speaker = fc.constantFrom(ALICE, BOB, CAROL, DAVE, EVE)
type Step =
  | { readonly kind: 'track'; readonly which: number; readonly to: string; readonly via: readonly string[] }
  | { readonly kind: 'transmitted' | 'transmitFailed' | 'forget'; readonly which: number }
  | { readonly kind: 'relayed' | 'delivered' | 'read'; readonly which: number; readonly from: string }
  | { readonly kind: 'reroute'; readonly which: number; readonly via: readonly string[] }
  | { readonly kind: 'tick' }
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('track' as const),
      which,
      to: fc.constantFrom(...RECIPIENTS),
      via: fc.constantFrom(...VIAS),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('transmitted' as const, 'transmitFailed'), which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('forget' as const), which }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constantFrom('relayed' as const, 'delivered', 'read'), which, from: speaker }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reroute' as const), which, via: fc.constantFrom(...VIAS) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('tick' as const) }) },
)
const life = fc.array(fc.record({ step, pauseMs: fc.constantFrom(1, 13, 1_009, 7_919, 30_011) }), {
  minLength: 1,
  maxLength: 120,
  size: 'max',
})

function say(tracker: DeliveryTracker, step: Step, now: number): Change | undefined {
  if (step.kind === 'tick' || step.kind === 'track') return undefined
  const id = uuid(step.which)
  switch (step.kind) {
    case 'transmitted':
      return tracker.transmitted(id, now)
    case 'transmitFailed':
      tracker.transmitFailed(id, now)
      return undefined
    case 'forget':
      tracker.forget(id)
      return undefined
    case 'reroute':
      tracker.reroute(id, step.via)
      return undefined
    case 'relayed':
      return tracker.onAck({ originalId: id, kind: 'RelayForwarded' }, step.from, now)
    case 'delivered':
      return tracker.onAck({ originalId: id, kind: 'RecipientReceived' }, step.from, now)
    case 'read':
      return tracker.onRead({ originalId: id, readAt: WALL }, step.from, now)
  }
}

/** What the twin becomes; undefined: it stays. */
function sayTwin(twin: Twin, step: Step, now: number): DeliveryState | undefined {
  if (step.kind === 'tick' || step.kind === 'track') return undefined
  const known = twin.find(step.which)
  if (known === undefined) return undefined
  const { state, to, via } = known
  const isOnItsWay = RANK[state] < RANK.failed
  let after: DeliveryState | undefined
  switch (step.kind) {
    case 'transmitted':
    case 'transmitFailed':
      if (isOnItsWay) known.dueAt = Math.min(now + 30_000, known.roundAt + 35_000)
      if (step.kind === 'transmitted' && state === 'pending') after = 'sent'
      break
    case 'forget':
      twin.known.splice(twin.known.indexOf(known), 1)
      break
    case 'reroute':
      known.via = step.via
      break
    case 'relayed':
      if (via.includes(step.from) && (state === 'pending' || state === 'sent')) after = 'relayed'
      break
    case 'delivered':
      if (step.from === to && RANK[state] < RANK.delivered) after = 'delivered'
      break
    case 'read':
      if (step.from === to && state !== 'read') after = 'read'
  }
  if (after !== undefined) twin.become(known, after)
  return after
}

test(
  'spec/envelope.md §4.4, §4.5: it says what the obvious one says, at every step',
  () => {
    fc.assert(
      fc.property(life, (steps) => {
        const tracker = new DeliveryTracker({ maxTracked: ROOM })
        const twin = new Twin()
        let now = 0
        for (const { step, pauseMs } of steps) {
          now += pauseMs
          const wall = WALL + now
          if (step.kind === 'tick') {
            const earliest = tracker.deadline()
            const due = tracker.tick(now, wall).map(({ kind, id }) => `${kind} ${id}`)
            expect([...due].sort()).toEqual(twin.tick(now, wall, due).sort())
            expect(earliest <= now).toBe(due.length > 0)
          } else if (step.kind === 'track') {
            const message = { id: uuid(step.which), to: step.to, via: step.via, expiresAt: wall + LIFE_MS }
            const known = {
              ...message,
              state: 'pending',
              rounds: 1,
              roundAt: now,
              dueAt: now + 35_000,
              settledAt: 0,
            } as const
            expect(tracker.track(message, now, wall)).toBe(twin.track({ ...known }))
          } else {
            const change = say(tracker, step, now)
            expect(change?.after).toBe(sayTwin(twin, step, now))
          }
          expect(tracker.size).toBe(twin.known.length)
        }
        for (const { id, state, via } of twin.known)
          expect([tracker.state(id), tracker.viaOf(id)]).toEqual([state, via])
      }),
      { numRuns: 80 * FACTOR },
    )
  },
  TIMEOUT,
)

/** Whatever is not the recipient's own word. */
const byOthers = life.map((steps) =>
  steps.filter(({ step }) => !((step.kind === 'delivered' || step.kind === 'read') && step.from === BOB)),
)

test(
  'L1a, L1c: no transport, hop, stranger or time ever makes a message delivered; L1b: its recipient always does',
  () => {
    fc.assert(
      fc.property(byOthers, (steps) => {
        const tracker = new DeliveryTracker()
        const id = uuid(0)
        let now = 0
        expect(tracker.track({ id, to: BOB, via: [CAROL, DAVE], expiresAt: WALL + 10 * LIFE_MS }, now, WALL)).toBe(true)
        for (const { step, pauseMs } of steps) {
          now += pauseMs
          const before = tracker.state(id)!
          if (step.kind === 'tick') tracker.tick(now, WALL + now)
          else if (step.kind !== 'track' && step.kind !== 'forget') {
            const change = say(tracker, { ...step, which: 0 }, now)
            if (change !== undefined) expect(change.before).toBe(before)
          }
          const after = tracker.state(id)!
          expect(RANK[after]).toBeGreaterThanOrEqual(RANK[before])
          expect(RANK[after]).toBeLessThan(RANK.delivered)
        }
        const change = tracker.onAck({ originalId: id, kind: 'RecipientReceived' }, BOB, now)
        expect(change?.after).toBe('delivered')
        expect(tracker.state(id)).toBe('delivered')
      }),
      { numRuns: 80 * FACTOR },
    )
  },
  TIMEOUT,
)

test(
  'spec/envelope.md §4.5: whatever the transport says and when, it is two retries, and failed after 90 to 105 s',
  () => {
    const says = fc.array(fc.record({ at: fc.nat(120_000), isTaken: fc.boolean() }), { maxLength: 12 })
    fc.assert(
      fc.property(says, (answers) => {
        const tracker = new DeliveryTracker()
        tracker.track({ id: uuid(0), to: BOB, via: [], expiresAt: WALL + 10 * LIFE_MS }, 0, WALL)
        const due: string[] = []
        const tickUntil = (until: number) => {
          for (let now = tracker.deadline(); now <= until; now = tracker.deadline())
            for (const { kind } of tracker.tick(now, WALL + now)) due.push(`${kind} ${now}`)
        }
        for (const { at, isTaken } of [...answers].sort((one, other) => one.at - other.at)) {
          tickUntil(at)
          if (isTaken) tracker.transmitted(uuid(0), at)
          else tracker.transmitFailed(uuid(0), at)
        }
        tickUntil(200_000)
        expect(due.map((text) => text.split(' ')[0])).toEqual(['retransmit', 'retransmit', 'failed'])
        const failedAt = Number(due[2]!.split(' ')[1])
        expect(failedAt).toBeGreaterThanOrEqual(90_000)
        expect(failedAt).toBeLessThanOrEqual(105_000)
      }),
      { numRuns: 300 * FACTOR },
    )
  },
  TIMEOUT,
)
