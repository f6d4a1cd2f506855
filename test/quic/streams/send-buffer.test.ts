import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SendBudget } from '../../../src/quic/streams/send-budget.ts'
import { SendBuffer } from '../../../src/quic/streams/send-buffer.ts'
import { isPattern, pattern } from './pipe.ts'

type Flight = { start: number; end: number; bytes: Uint8Array }

/** Sends one piece as a stream would: lost data first. */
function send(buffer: SendBuffer, max: number): Flight | undefined {
  const isRepair = buffer.hasLost
  const start = isRepair ? buffer.lostStart : buffer.sent
  const end = Math.min(start + max, isRepair ? buffer.lostEnd : buffer.end)
  if (end === start) return undefined
  const bytes = new Uint8Array(end - start + 2)
  buffer.copyOut(start, end - start, bytes, 1)
  if (isRepair) buffer.repaired(start, end)
  else buffer.sent = end
  return { start, end, bytes: bytes.subarray(1, -1) }
}

const step = fc.record({
  verb: fc.constantFrom('write', 'write', 'send', 'send', 'ack', 'lose'),
  size: fc.integer({ min: 1, max: 5000 }),
  pick: fc.nat(),
})

test('RFC 9000 §13.3: each byte stays until it is acknowledged, whatever is lost, and nothing is left', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
      const budget = new SendBudget(200_000)
      const buffer = new SendBuffer(budget)
      const acked = new Set<number>()
      let flights: Flight[] = []
      let base = 0
      const settle = (flight: Flight, isAcked: boolean) => {
        flights = flights.filter((other) => other !== flight)
        if (!isAcked) return buffer.lost(flight.start, flight.end)
        expect(isPattern(flight.bytes, flight.start)).toBe(true)
        for (let at = flight.start; at < flight.end; at++) acked.add(at)
        while (acked.has(base)) base++
        buffer.acked(flight.start, flight.end)
        expect(buffer.held).toBe(buffer.end - base)
        return undefined
      }
      for (const { verb, size, pick } of steps) {
        if (verb === 'write') {
          const data = pattern(buffer.end - 3, size + 3)
          buffer.write(data, 3, 3 + size)
        } else if (verb === 'send') {
          const flight = send(buffer, size)
          if (flight !== undefined) flights.push(flight)
        } else if (flights.length > 0) settle(flights[pick % flights.length]!, verb === 'ack')
        expect(budget.used).toBe(buffer.held)
      }
      for (;;) {
        const flight = send(buffer, 1500)
        if (flight === undefined && flights.length === 0) break
        if (flight !== undefined) flights.push(flight)
        else settle(flights[0]!, true)
      }
      expect([acked.size, buffer.held, buffer.hasLost, budget.used]).toEqual([buffer.end, 0, false, 0])
    }),
    { numRuns: 40 },
  )
})

test('RFC 9000 §13.3: what arrived after it was deemed lost is not sent again', () => {
  const buffer = new SendBuffer(new SendBudget(100_000))
  buffer.write(pattern(0, 1000), 0, 1000)
  buffer.sent = 1000
  buffer.lost(0, 600)
  buffer.acked(0, 200)
  buffer.acked(400, 600)
  expect([buffer.lostStart, buffer.lostEnd]).toEqual([200, 400])
  buffer.acked(200, 400)
  expect(buffer.hasLost).toBe(false)
})

test('only what is not acknowledged of a lost range is sent again', () => {
  const buffer = new SendBuffer(new SendBudget(100_000))
  buffer.write(pattern(0, 1000), 0, 1000)
  buffer.sent = 1000
  buffer.acked(200, 300)
  buffer.acked(500, 600)
  buffer.lost(100, 800)
  const again: string[] = []
  for (let flight = send(buffer, 5000); flight !== undefined; flight = send(buffer, 5000))
    again.push(`${flight.start}..${flight.end}`)
  expect(again).toEqual(['100..200', '300..500', '600..800'])
})

test('one stream may take four fifths, every further one a fair part, and any at least 4 KiB', () => {
  const budget = new SendBudget(1_000_000)
  const data = new Uint8Array(2_000_000)
  const take = () => new SendBuffer(budget).write(data, 0, data.length)
  expect(take()).toBe(800_000)
  expect(take()).toBe(160_000)
  for (let index = 0; index < 5; index++) take()
  expect([take(), take()]).toEqual([4096, 4096])
})

test('slabs are used again', () => {
  const budget = new SendBudget(1_000_000)
  const buffer = new SendBuffer(budget)
  const seen = new Set<unknown>()
  for (let round = 0; round < 20; round++) {
    buffer.write(new Uint8Array(131_072), 0, 131_072)
    buffer.sent = buffer.end
    buffer.acked(buffer.end - 131_072, buffer.end)
    const slabs = [budget.take(65_536), budget.take(65_536)]
    for (const slab of slabs) {
      seen.add(slab)
      budget.give(slab)
    }
  }
  expect(seen.size).toBe(2)
})
