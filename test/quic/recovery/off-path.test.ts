/** Packets with a path's numbers that went to other addresses, such as probes of NAT traversal: they say nothing about the path (spec/quic.md §5.8). */
import { expect, test } from 'vitest'
import { Bed, makeLink } from './support.ts'

const elsewhere = { offPath: true, eliciting: false, size: 35 }

/** RTT of 100 ms, PTO of 125 ms and the least variance. */
function warm(): Bed {
  const bed = new Bed().confirmed()
  bed.send(0)
  bed.ack(100, [0, 0])
  for (let count = 0; count < 200; count++) bed.link.rtt.update(100, 0, true, 25)
  bed.owner.ackedIds.length = 0
  return bed
}

test('RFC 9002 §2: they do not count in flight and arm no timer', () => {
  const bed = warm()
  bed.send(200, elsewhere)
  expect(bed.link.bytesInFlight).toBe(0)
  expect(bed.detection.deadline()).toBe(Number.POSITIVE_INFINITY)
})

test('RFC 9002 §6.1.1: their acknowledgements declare nothing lost that is still under way on the path', () => {
  const bed = warm()
  bed.send(200)
  for (let count = 0; count < 9; count++) bed.send(201, elsewhere)
  const { window } = bed.link.congestion
  // they took 20 ms, the path takes 100
  expect(bed.ack(221, [2, 10])).toBe(false)
  expect(bed.owner.lostIds).toEqual([])
  expect(bed.link.congestion.window).toBe(window)
  expect(bed.space.largestAcked).toBe(10)
  expect(bed.space.lossTime).toBe(Number.POSITIVE_INFINITY)
  expect(bed.ack(300, [1, 10])).toBe(true)
  expect(bed.owner.ackedIds).toEqual([1])
  expect(bed.detection.stats.lostPackets).toBe(0)
})

test('RFC 9002 §6.1.1: nor do they when a packet of the path is acknowledged together with them', () => {
  const bed = warm()
  bed.send(200)
  bed.send(200)
  for (let count = 0; count < 9; count++) bed.send(201, elsewhere)
  expect(bed.ack(300, [1, 1], [3, 11])).toBe(true)
  expect(bed.owner.lostIds).toEqual([])
})

test('RFC 9002 §5.1: they give no RTT sample, not even together with a packet of the path', () => {
  const bed = warm()
  const { samples } = bed.link.rtt
  bed.send(200)
  bed.send(290, elsewhere)
  bed.ack(310, [1, 2])
  expect(bed.link.rtt.samples).toBe(samples)
  expect(bed.owner.ackedIds).toEqual([1])
})

test('RFC 9002 §6.2.1: their acknowledgements do not end a back-off', () => {
  const bed = warm()
  bed.send(200)
  bed.detection.timeout(bed.detection.deadline())
  expect(bed.detection.ptoCount).toBe(1)
  bed.send(400, elsewhere)
  expect(bed.ack(420, [2, 2])).toBe(false)
  expect(bed.detection.ptoCount).toBe(1)
  expect(bed.detection.answeredSentAt).toBe(0)
  expect(bed.ack(430, [1, 1])).toBe(true)
  expect(bed.detection.ptoCount).toBe(0)
  expect(bed.detection.answeredSentAt).toBe(200)
})

test('those never acknowledged leave the ring once the path goes on, without a loss', () => {
  const bed = warm()
  for (let count = 0; count < 9; count++) bed.send(200, elsewhere)
  const last = bed.send(210)
  bed.ack(310, [last, last])
  expect(bed.space.sent.first).toBe(bed.space.sent.end)
  expect(bed.detection.stats.lostPackets).toBe(0)
  expect(bed.events.log).toEqual([])
  // and an acknowledgement of one that comes late does no harm
  expect(bed.ack(400, [1, 9])).toBe(false)
})

test('RFC 9000 §13.1: those that were never sent may not be acknowledged either', () => {
  const bed = warm()
  bed.send(200, elsewhere)
  expect(() => bed.ack(220, [2, 2])).toThrow('never sent')
})

test('RFC 9002 §6.1: losses of the path are found by its own packets, over whichever of its links', () => {
  const bed = warm()
  const other = makeLink()
  bed.send(200)
  bed.send(200, elsewhere)
  for (let count = 0; count < 3; count++) bed.send(201, { link: other })
  bed.ack(301, [3, 5])
  expect(bed.owner.lostIds).toEqual([1])
})
