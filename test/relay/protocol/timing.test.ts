import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Backoff, PING_LENGTH, PingTracker, TokenBucket } from '../../../src/relay/index.ts'
import { counting, toHex } from '../../crypto/hex.ts'
import { SimRandom } from '../../sim/support/random.ts'
import { fixedRandom } from './support.ts'

describe('spec/relay.md §3.5: one outstanding ping', () => {
  const frame = new Uint8Array(PING_LENGTH + 4)
  const send = (tracker: PingTracker, random: SimRandom, now: number) => {
    expect(tracker.writePing(frame, 2, random, now)).toBe(2 + PING_LENGTH)
    return frame.slice(3, 11)
  }

  test('writes a Ping frame with random bytes', () => {
    const out = new Uint8Array(12).fill(0xee)
    expect(new PingTracker().writePing(out, 1, fixedRandom(counting(1, 8)), 0)).toBe(10)
    expect(toHex(out)).toBe('ee090102030405060708eeee')
  })

  test('the first answer may take 5 s, later ones three round trips between 0.5 s and 5 s', () => {
    const random = new SimRandom('pings')
    const tracker = new PingTracker()
    expect([tracker.deadline, tracker.rttMs, tracker.timeoutMs]).toEqual([Infinity, undefined, 5000])
    let now = 1000
    for (const [rttMs, timeoutMs] of [
      [0, 500],
      [50, 500],
      [166, 500],
      [200, 600],
      [1666, 4998],
      [1700, 5000],
      [60_000, 5000],
      [0.5, 500],
    ] as const) {
      const timeoutBefore = tracker.timeoutMs
      const payload = send(tracker, random, now)
      expect(tracker.deadline).toBe(now + timeoutBefore)
      now += rttMs
      expect(tracker.receivePong(payload, 0, now)).toBe(true)
      expect([tracker.rttMs, tracker.timeoutMs, tracker.deadline]).toEqual([rttMs, timeoutMs, Infinity])
      now += 15_000
    }
  })

  test('only the newest ping counts, and once', () => {
    const random = new SimRandom('pings')
    const tracker = new PingTracker()
    const first = send(tracker, random, 0)
    const second = send(tracker, random, 100)
    expect(tracker.deadline).toBe(5100)
    expect(tracker.receivePong(first, 0, 150)).toBe(false)
    expect([tracker.deadline, tracker.rttMs]).toEqual([5100, undefined])
    expect(tracker.receivePong(Uint8Array.from([0xff, ...second]), 1, 150)).toBe(true)
    expect(tracker.rttMs).toBe(50)
    expect(tracker.receivePong(second, 0, 160)).toBe(false)
    expect(tracker.rttMs).toBe(50)
  })

  test('each of the 8 bytes must come back', () => {
    const tracker = new PingTracker()
    const payload = send(tracker, new SimRandom('pings'), 0)
    for (let i = 0; i < 8; i++) {
      const wrong = payload.slice()
      wrong[i]! ^= 0x80
      expect(tracker.receivePong(wrong, 0, 1)).toBe(false)
    }
    expect(tracker.receivePong(payload, 0, 1)).toBe(true)
  })

  test('zeros are no answer while nothing was asked', () => {
    expect(new PingTracker().receivePong(new Uint8Array(8), 0, 1)).toBe(false)
  })

  test('a late pong counts until the owner gives up', () => {
    const tracker = new PingTracker()
    const payload = send(tracker, new SimRandom('pings'), 0)
    expect(tracker.receivePong(payload, 0, 6000)).toBe(true)
    expect(tracker.timeoutMs).toBe(5000)
  })
})

describe('spec/relay.md §5.3: waiting before the next attempt', () => {
  const LOWEST = fixedRandom(Uint8Array.of(0))
  const HIGHEST = fixedRandom(Uint8Array.of(0xff))

  test('10 ms, doubled, up to 16 s', () => {
    const backoff = new Backoff()
    const waits = Array.from({ length: 14 }, () => backoff.next(LOWEST))
    expect(waits).toEqual([10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10_240, 16_000, 16_000, 16_000])
  })

  test('and up to as much again, never all of it', () => {
    const backoff = new Backoff()
    for (const base of [10, 20, 40]) {
      const wait = backoff.next(HIGHEST)
      expect(wait).toBeLessThan(2 * base)
      expect(wait).toBeGreaterThan(1.99 * base)
    }
  })

  test('spread evenly', () => {
    const random = new SimRandom('backoff')
    const backoff = new Backoff()
    for (let i = 0; i < 11; i++) backoff.next(random)
    const waits = Array.from({ length: 1000 }, () => backoff.next(random))
    const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length
    expect(Math.abs(mean - 24_000)).toBeLessThan(500)
  })

  test('begins anew once a connection had been established', () => {
    const backoff = new Backoff()
    for (let i = 0; i < 5; i++) backoff.next(LOWEST)
    backoff.reset()
    expect([backoff.next(LOWEST), backoff.next(LOWEST)]).toEqual([10, 20])
  })
})

describe('spec/relay.md §4.3: the rate limit', () => {
  test('starts full; a tenth of the rate is the burst by default', () => {
    const bucket = new TokenBucket(1000, undefined, 0)
    expect(bucket.take(99, 0)).toBe(0)
    // the last byte empties it: wait for the next step
    expect(bucket.take(1, 0)).toBe(100)
  })

  test('waits as many steps as what is missing needs, from the last step on', () => {
    const bucket = new TokenBucket(1000, undefined, 50)
    expect(bucket.take(100, 60)).toBe(150)
    expect(new TokenBucket(1000, undefined, 50).take(199, 149)).toBe(150)
    expect(new TokenBucket(1000, undefined, 50).take(200, 149)).toBe(250)
    expect(new TokenBucket(1000, undefined, 50).take(1100, 60)).toBe(50 + 11 * 100)
  })

  test('after the wait there is something again', () => {
    const bucket = new TokenBucket(1000, undefined, 0)
    const until = bucket.take(250, 0)
    expect(until).toBe(200)
    // 250 - 2 × 100: 50 are there
    expect(bucket.take(49, until)).toBe(until)
    expect(bucket.take(1, until)).toBe(300)
  })

  test('never holds more than the burst, whatever the pause', () => {
    const bucket = new TokenBucket(1000, 500, 0)
    expect(bucket.take(499, 0)).toBe(0)
    expect(bucket.take(499, 1_000_000)).toBe(1_000_000)
    expect(bucket.take(1, 1_000_000)).toBe(1_000_100)
  })

  test('steps stay in step when time is not a multiple of 100 ms', () => {
    const bucket = new TokenBucket(1000, undefined, 0)
    bucket.take(100, 0)
    expect(bucket.take(50, 199.5)).toBe(199.5)
    expect(bucket.take(50, 199.5)).toBe(200)
  })

  test('the rate is a whole number each step', () => {
    // 19 bytes/s are 1 byte each 100 ms
    expect(new TokenBucket(19, undefined, 0).take(11, 0)).toBe(1100)
  })

  test('rates and bursts at which nothing could flow are refused', () => {
    for (const rate of [9, 0, -1000, Number.NaN]) expect(() => new TokenBucket(rate, 100, 0)).toThrow(RangeError)
    for (const burst of [0, -1, Number.NaN]) expect(() => new TokenBucket(1000, burst, 0)).toThrow(RangeError)
    expect(() => new TokenBucket(10, undefined, 0)).not.toThrow()
  })

  test('over any time no more than burst, rate and one read come through', () => {
    const reads = fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 4096 }), pauseMs: fc.nat(300) }), {
      minLength: 20,
      maxLength: 200,
    })
    fc.assert(
      fc.property(reads, fc.integer({ min: 10, max: 100_000 }), (list, rate) => {
        const bucket = new TokenBucket(rate, undefined, 0)
        let now = 0
        let total = 0
        for (const { bytes, pauseMs } of list) {
          now += pauseMs
          const until = bucket.take(bytes, now)
          total += bytes
          const refill = Math.floor(rate / 10)
          expect(total).toBeLessThanOrEqual(refill + refill * Math.floor(now / 100) + bytes)
          expect(until).toBeGreaterThanOrEqual(now)
          now = until
        }
      }),
      { numRuns: 50 },
    )
  })
})
