/** What holds for any envelope and any order of what happens to it. A failure prints fast-check's seed. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Router } from '../../../src/envelope/routing/router.ts'
import { encodeAck, encodeReadReceipt } from '../../../src/envelope/wire/body-codec.ts'
import { CLOCK_SKEW_MS, type Envelope, LIFETIME_MS, MAX_HOPS } from '../../../src/envelope/wire/envelope.ts'
import { MESSAGE_TYPES } from '../../../src/envelope/wire/message-type.ts'
import { FACTOR, TIMEOUT } from '../../fuzz/support/budget.ts'
import { ack, BOB, envelope, HOUR_MS, key, ME, uuid, WALL } from './support.ts'

const somebody = fc.oneof({ weight: 2, arbitrary: fc.constant(ME) }, { weight: 3, arbitrary: fc.nat(7).map(key) })
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc
    .constantFrom('RelayForwarded' as const, 'RecipientReceived')
    .map((kind) => encodeAck({ originalId: uuid(1), kind })),
  fc.nat().map((readAt) => encodeReadReceipt({ originalId: uuid(1), readAt })),
)
const anyEnvelope: fc.Arbitrary<Envelope> = fc.record({
  id: fc.oneof(fc.nat(3).map(uuid), fc.string({ minLength: 1, maxLength: 64 })),
  from: somebody,
  to: somebody,
  via: fc.oneof(fc.constant([]), fc.array(somebody, { maxLength: 6 })),
  type: fc.oneof(fc.constantFrom('Ack' as const, 'ReadReceipt'), fc.constantFrom(...MESSAGE_TYPES)),
  payload,
  timestamp: fc.integer({ min: WALL - 30 * HOUR_MS, max: WALL + HOUR_MS }),
  signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
  hopsLeft: fc.constantFrom(0, 1, 2, 3, 4, 5, 255, 4_294_967_295),
  isEncrypted: fc.boolean(),
})

test(
  'RTR-1, RTR-4 to RTR-8, W3: any envelope ends in one verdict that its fields allow',
  () => {
    const kinds = new Set<string>()
    // each of them more than once
    const known = fc.array(anyEnvelope, { minLength: 1, maxLength: 10 })
    const order = fc.array(fc.nat(9), { minLength: 1, maxLength: 30, size: 'max' })
    fc.assert(
      fc.property(known, order, fc.boolean(), (given, turns, forwardsForStrangers) => {
        const router = new Router(ME, { forwardsForStrangers })
        for (const turn of turns) {
          const one = given[turn % given.length]!

          const before = structuredClone(one)
          const verdict = router.route(one, 0, WALL)
          expect(one).toEqual(before)
          kinds.add(verdict.kind)
          const isSound =
            one.via.length <= MAX_HOPS &&
            new Set([one.from, one.to, ...one.via]).size === one.via.length + new Set([one.from, one.to]).size
          const isTimely = one.timestamp >= WALL - LIFETIME_MS && one.timestamp <= WALL + CLOCK_SKEW_MS
          if (!isSound || !isTimely) {
            expect(verdict.kind).toBe('reject')
            continue
          }
          const isOurs = one.to === ME
          const isControl = one.type === 'Ack' || one.type === 'ReadReceipt'
          switch (verdict.kind) {
            case 'deliver':
            case 'duplicate':
              expect([isOurs, isControl]).toEqual([true, false])
              if (verdict.kind === 'deliver') router.delivered(one, WALL)
              break
            case 'ack':
            case 'read':
              expect([isOurs, isControl]).toEqual([true, true])
              router.acted(one, WALL)
              break
            case 'forward': {
              const place = one.via.indexOf(ME)
              expect(isOurs).toBe(false)
              expect(place >= 0 || forwardsForStrangers).toBe(true)
              expect(verdict.next).toBe(place < 0 ? one.to : (one.via[place + 1] ?? one.to))
              expect(verdict.next).not.toBe(ME)
              expect(verdict.acknowledges).toBe(!isControl)
              // RTR-8
              expect(verdict.envelope).toEqual({ ...one, hopsLeft: Math.min(one.hopsLeft, MAX_HOPS) - 1 })
              expect(verdict.envelope.hopsLeft).toBeGreaterThanOrEqual(0)
              router.forwarded(one, WALL)
              break
            }
            case 'drop':
              expect(isOurs).toBe(verdict.reason === 'seen')
              break
            case 'reject':
              if (isOurs) expect([isControl, verdict.code]).toEqual([true, 'UNREADABLE_BODY'])
              else expect([one.hopsLeft, verdict.code]).toEqual([0, 'NO_HOPS_LEFT'])
          }
        }
      }),
      { numRuns: 80 * FACTOR },
    )
    expect([...kinds].sort()).toEqual(['ack', 'deliver', 'drop', 'duplicate', 'forward', 'read', 'reject'])
  },
  TIMEOUT,
)

test(
  'spec/envelope.md §4.2: whatever is delivered, forwarded and swept, no message is delivered twice while it would be accepted',
  () => {
    const step = fc.record({
      which: fc.nat(12),
      ageMs: fc.integer({ min: 0, max: 26 * HOUR_MS }),
      pauseMs: fc.constantFrom(0, 1_000, HOUR_MS, 5 * HOUR_MS),
      sweeps: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 120, size: 'max' }), (steps) => {
        const router = new Router(ME)
        const timestamps = new Map<number, number>()
        const delivered = new Set<number>()
        let now = 0
        for (const { which, ageMs, pauseMs, sweeps } of steps) {
          now += pauseMs
          const wall = WALL + now
          if (!timestamps.has(which)) timestamps.set(which, wall + CLOCK_SKEW_MS - ageMs)
          const one = envelope({ id: uuid(which), timestamp: timestamps.get(which)! })
          const verdict = router.route(one, now, wall)
          if (verdict.kind === 'deliver') {
            expect(delivered.has(which)).toBe(false)
            delivered.add(which)
            router.delivered(one, wall)
          }
          if (sweeps) router.expire(wall)
        }
      }),
      { numRuns: 80 * FACTOR },
    )
  },
  TIMEOUT,
)

test('L2a: a day after the last of a flood nothing is remembered; during it everything is bounded', () => {
  const bounds = { maxDelivered: 2_000, maxForwarded: 500, maxActed: 300, maxWaiting: 200 }
  const router = new Router(ME, bounds)
  const stepMs = 60_000
  let wall = WALL
  for (let index = 0; index < 3 * 24 * 60; index++) {
    wall += stepMs
    // from the past and the future alike
    const timestamp = wall + CLOCK_SKEW_MS - (index % 25) * HOUR_MS
    const one = envelope({ id: uuid(index), from: key(index), timestamp })
    router.delivered(one, wall)
    router.delivered({ ...one, id: `odd ${index}` }, wall)
    router.forwarded({ ...one, to: BOB, via: [ME] }, wall)
    router.acted(ack(uuid(index)), wall)
    if (index % 5 === 0) router.expire(wall)
    const { delivered, forwarded, acted } = router.sizes
    if (delivered > 2_000 || forwarded > 500 || acted > 300) expect.fail(`${delivered} ${forwarded} ${acted}`)
  }
  router.expire(wall + LIFETIME_MS + CLOCK_SKEW_MS)
  expect(router.sizes.delivered).toBeLessThan(20)
  router.expire(wall + LIFETIME_MS + 2 * CLOCK_SKEW_MS)
  expect(router.sizes).toMatchObject({ delivered: 0, forwarded: 0, acted: 0 })
  expect(router.sizes.bytes).toBeLessThan(30_000)
})
