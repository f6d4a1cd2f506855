import { describe, expect, test } from 'vitest'
import { ErrorCode, TransportError } from '../../../src/quic/errors.ts'
import { ackOf, Bed, makeLink } from './support.ts'

function violation(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(TransportError)
    expect((error as TransportError).code).toBe(ErrorCode.PROTOCOL_VIOLATION)
    return (error as TransportError).message
  }
  return 'nothing thrown'
}

/** A bed whose link has an RTT of exactly 100 ms and a PTO of 125 + 4 * variance. */
function warm(): Bed {
  const bed = new Bed().confirmed()
  bed.send(0)
  bed.ack(100, [0, 0])
  for (let count = 0; count < 200; count++) bed.link.rtt.update(100, 0, true, 25)
  bed.owner.ackedIds.length = 0
  return bed
}

describe('acknowledgements', () => {
  test('RFC 9002 §A.7: frames are settled, bytes leave the flight, the RTT is sampled', () => {
    const bed = new Bed().confirmed()
    for (const size of [100, 200, 300]) bed.send(0, { size })
    expect(bed.link.bytesInFlight).toBe(600)
    expect(bed.ack(40, [0, 1])).toBe(true)
    expect(bed.owner.ackedIds).toEqual([0, 1])
    expect(bed.link.bytesInFlight).toBe(300)
    expect(bed.link.rtt.latest).toBe(40)
    expect(bed.space.largestAcked).toBe(1)
    expect(bed.ack(50, [0, 1])).toBe(false)
    expect(bed.link.rtt.samples).toBe(1)
    expect(bed.ack(60, [0, 2])).toBe(true)
    expect(bed.pool.live).toBe(0)
    expect(bed.link.bytesInFlight).toBe(0)
    expect(bed.detection.deadline()).toBe(Number.POSITIVE_INFINITY)
  })

  test('RFC 9002 §5.1: no sample unless the largest is new and something asked for the ACK', () => {
    const bed = new Bed().confirmed()
    bed.send(0)
    bed.send(0, { eliciting: false })
    bed.send(10)
    bed.ack(50, [1, 1])
    expect(bed.link.rtt.samples).toBe(0)
    bed.ack(60, [0, 1])
    expect(bed.link.rtt.samples).toBe(0)
    bed.ack(70, [2, 2])
    expect(bed.link.rtt.latest).toBe(60)
    bed.send(80)
    bed.send(90, { eliciting: false })
    bed.ack(130, [3, 4])
    expect(bed.link.rtt.latest).toBe(40)
  })

  test('RFC 9002 §5.3: the delay is capped when confirmed and ignored for Initial packets', () => {
    const bed = new Bed().confirmed()
    bed.detection.setSpace(bed.initial)
    for (const space of [bed.initial, bed.initial, bed.space]) bed.send(0, { space })
    bed.detection.receivedAck(bed.initial, ackOf([0, 0]), 0, 100)
    bed.detection.receivedAck(bed.initial, ackOf([0, 1]), 30, 140)
    expect(bed.link.rtt.smoothed).toBe(105)
    bed.detection.receivedAck(bed.space, ackOf([0, 0]), 1000, 140)
    expect(bed.link.rtt.smoothed).toBe(105 + (115 - 105) / 8)
  })

  test('RFC 9000 §13.1: an ACK of a number never sent', () => {
    const bed = new Bed().confirmed()
    bed.send(0)
    bed.space.takePacketNumber()
    expect(violation(() => bed.ack(10, [0, 1]))).toContain('packet 1: packet was never sent')
    expect(violation(() => bed.ack(10, [0, 2 ** 53 - 1]))).toContain('packet was never sent')
  })

  test('RFC 9000 §21.4: an ACK of a number left out on purpose, also when its neighbours are long settled', () => {
    const bed = new Bed().confirmed()
    bed.send(0)
    bed.space.skipPacketNumber()
    bed.send(0)
    expect(violation(() => bed.ack(10, [0, 2]))).toContain('packet 1: packet was never sent')
    const other = new Bed().confirmed()
    other.send(0)
    other.space.skipPacketNumber()
    other.send(0)
    other.ack(10, [0, 0], [2, 2])
    for (let count = 0; count < 20; count++) other.send(20)
    other.ack(30, [3, 22])
    expect(violation(() => other.ack(40, [0, 22]))).toContain('packet 1: packet was never sent')
    other.detection.clear()
    bed.detection.clear()
    expect([bed.pool.live, bed.link.bytesInFlight, other.pool.live, other.link.bytesInFlight]).toEqual([0, 0, 0, 0])
  })

  test('RFC 9000 §13.1: an ACK that breaks off in the middle leaves nothing behind after clear', () => {
    const bed = new Bed().confirmed()
    bed.send(0)
    bed.space.skipPacketNumber()
    bed.send(0)
    bed.space.skipPacketNumber()
    bed.send(0)
    expect(violation(() => bed.ack(10, [0, 2]))).toContain('packet 1: packet was never sent')
    bed.detection.clear()
    expect([bed.pool.live, bed.link.bytesInFlight]).toEqual([0, 0])
  })

  test('RFC 9000 §13.2.4: an acknowledged ACK prunes the received ranges', () => {
    const bed = new Bed().confirmed()
    for (const number of [0, 1, 3, 140]) bed.space.received.add(number, 0)
    bed.send(0, { largestAckSent: 3, eliciting: false })
    bed.send(0)
    expect(bed.space.received.rangeCount).toBe(3)
    bed.ack(10, [0, 1])
    expect(bed.space.received.rangeCount).toBe(1)
    expect(bed.space.received.isDuplicate(3)).toBe(true)
  })

  test('a claim of numbers settled long ago costs nothing and changes nothing', () => {
    const bed = new Bed().confirmed()
    for (let count = 0; count < 3000; count++) {
      bed.send(count)
      bed.ack(count + 0.5, [count, count])
    }
    expect(bed.space.sent.first).toBe(3000)
    expect(bed.ack(4000, [0, 2999])).toBe(false)
    expect(bed.owner.ackedIds.length).toBe(3000)
  })
})

describe('loss', () => {
  test('RFC 9002 §6.1.1: three packets later is lost, two is not yet', () => {
    const bed = warm()
    for (let count = 0; count < 4; count++) bed.send(200)
    bed.ack(300, [3, 3])
    expect(bed.owner.lostIds).toEqual([])
    bed.ack(300, [3, 4])
    expect(bed.owner.lostIds).toEqual([1])
    expect(bed.events.log).toEqual(['lost 1200'])
    expect(bed.detection.stats.lostPackets).toBe(1)
    expect(bed.detection.stats.lostBytes).toBe(1200)
    // Packet 2 may still come, until 9/8 of the RTT after it was sent.
    expect(bed.detection.deadline()).toBeCloseTo(312.5, 6)
  })

  test('RFC 9002 §6.1.2: by time, at 9/8 of the larger of latest and smoothed RTT', () => {
    const bed = warm()
    bed.send(200)
    bed.send(210)
    bed.ack(310, [2, 2])
    const deadline = bed.detection.deadline()
    expect(deadline).toBeCloseTo(312.5, 6)
    expect(bed.detection.timeout(deadline)).toBeUndefined()
    expect(bed.owner.lostIds).toEqual([1])
    expect(bed.link.bytesInFlight).toBe(0)
    expect(bed.detection.deadline()).toBe(Number.POSITIVE_INFINITY)
  })

  test('RFC 9002 §6.1.2: never sooner than the granularity', () => {
    const bed = new Bed().confirmed()
    for (let count = 0; count < 3; count++) bed.send(0)
    bed.ack(0.1, [2, 2])
    expect(bed.detection.deadline()).toBe(1)
  })

  test('RFC 9000 §14.4: a lost MTU probe is reported and is no congestion', () => {
    const bed = warm()
    const window = bed.link.congestion.window
    bed.send(200, { mtuProbe: true, size: 1452 })
    for (let count = 0; count < 3; count++) bed.send(200)
    bed.ack(300, [2, 4])
    expect(bed.events.log).toEqual(['probe lost 1452'])
    expect(bed.detection.stats.lostPackets).toBe(0)
    expect(bed.link.congestion.window).toBeGreaterThanOrEqual(window)
    bed.send(400, { mtuProbe: true, size: 1326 })
    bed.ack(500, [5, 5])
    expect(bed.events.log).toEqual(['probe lost 1452', 'probe acked 1326'])
    expect(bed.link.bytesInFlight).toBe(0)
  })

  test('RFC 9002 §7.4: losses of packets that do not count in flight are no congestion', () => {
    const bed = warm()
    const window = bed.link.congestion.window
    bed.send(200, { eliciting: false })
    for (let count = 0; count < 3; count++) bed.send(200)
    bed.ack(300, [2, 4])
    expect(bed.events.log).toEqual([])
    expect(bed.link.congestion.window).toBeGreaterThanOrEqual(window)
  })

  test('RFC 9438 §4.9: a reduction is undone when all its losses arrive after all', () => {
    const bed = warm()
    for (let count = 0; count < 6; count++) bed.send(200)
    const window = bed.link.congestion.window
    bed.ack(300, [6, 6])
    expect(bed.owner.lostIds).toEqual([1, 2, 3])
    expect(bed.link.congestion.window).toBe(window / 2)
    bed.ack(305, [2, 3], [6, 6])
    expect(bed.detection.stats.spuriousLosses).toBe(2)
    expect(bed.link.congestion.window).toBe(window / 2)
    bed.ack(306, [1, 3], [6, 6])
    expect(bed.detection.stats.spuriousLosses).toBe(3)
    expect(bed.link.congestion.window).toBe(window)
    // Settled once, as lost.
    expect(bed.owner.ackedIds).toEqual([6])
    bed.ack(307, [1, 3], [6, 6])
    expect(bed.detection.stats.spuriousLosses).toBe(3)
  })

  test('RFC 9438 §4.9: an ACK that comes after three probe timeouts is not looked for', () => {
    const bed = warm()
    for (let count = 0; count < 4; count++) bed.send(200)
    bed.ack(300, [4, 4])
    bed.ack(300 + 3 * bed.detection.ptoMs() + 50, [1, 4])
    expect(bed.detection.stats.spuriousLosses).toBe(0)
  })

  test('RFC 9000 §9.4: after a migration each link is charged for what went over it', () => {
    const bed = warm()
    const before = bed.link.congestion.window
    const next = makeLink()
    bed.send(200, { size: 500 })
    bed.detection.link = next
    for (let count = 0; count < 4; count++) bed.send(210, { link: next, size: 700 })
    expect([bed.link.bytesInFlight, next.bytesInFlight]).toEqual([500, 2800])
    bed.ack(260, [2, 4])
    expect(bed.owner.lostIds).toEqual([1])
    expect([bed.link.bytesInFlight, next.bytesInFlight]).toEqual([0, 700])
    expect(bed.link.congestion.window).toBe(before / 2)
    expect(next.congestion.window).toBe(12_000 + 3 * 700)
    expect([bed.link.rtt.latest, next.rtt.latest]).toEqual([100, 50])
  })
})

describe('persistent congestion', () => {
  /** Sends at the given times, then has one more packet acknowledged. Returns the window in datagrams. */
  function after(times: readonly number[], ackedToo?: number, bare?: number): number {
    const bed = warm()
    for (const time of times) bed.send(time)
    if (bare !== undefined) bed.send(bare, { eliciting: false, padding: true })
    const last = bed.send(3000)
    bed.ack(3100, [last, last], ...(ackedToo === undefined ? [] : [[ackedToo, ackedToo] as [number, number]]))
    return bed.link.congestion.window / 1200
  }

  // With an RTT of 100 the duration is 3 * (100 + max(4 * ~0, 1) + 25) = 378 ms.
  test.each([
    [[1000, 1100, 1370], 6],
    [[1000, 1100, 1385], 2],
    [[1000, 1385], 2],
    [[1000], 6],
  ])('RFC 9002 §7.6: sent at %j and all lost', (times, expected) => {
    // The acknowledged packet is counted in slow start afterwards when the window collapsed.
    const window = after(times)
    expect(Math.floor(window - (expected === 2 ? 1 : 0))).toBe(expected === 2 ? 2 : 5)
  })

  test('RFC 9002 §5.2: the smallest RTT is found anew', () => {
    const bed = warm()
    for (const time of [1000, 1385]) bed.send(time)
    const last = bed.send(3000)
    bed.ack(3100, [last, last])
    expect(bed.link.rtt.min).toBe(100)
    bed.send(3200)
    bed.ack(3350, [last, last + 1])
    expect(bed.link.rtt.min).toBe(150)
  })

  test('RFC 9002 §7.6.2: a packet acknowledged in between ends the period', () => {
    expect(after([1000, 1200, 1385], 2)).toBeGreaterThan(4)
  })

  test('RFC 9002 §7.6.2: the period begins with packets sent after the first sample', () => {
    const bed = new Bed().confirmed()
    for (const time of [0, 2000]) bed.send(time)
    const last = bed.send(2001)
    bed.send(2002)
    bed.send(2003)
    bed.detection.receivedAck(bed.space, ackOf([last, last + 2]), 0, 2100)
    // Both lost, but there was no RTT to judge by.
    expect(bed.detection.stats.lostPackets).toBe(2)
    expect(bed.link.congestion.window).toBe(6000)
  })

  test('RFC 9002 §7.6.2: packets that ask for no acknowledgement do not bound the period', () => {
    expect(after([1000], undefined, 1400)).toBeGreaterThan(4)
  })
})

describe('probe timeout', () => {
  test('RFC 9002 §6.2.1: armed by the last ack-eliciting packet, doubled, capped at 2 s', () => {
    const bed = new Bed().confirmed()
    bed.send(0)
    // 333 + 4 * 166.5 + 25
    expect(bed.detection.ptoMs()).toBe(1024)
    expect(bed.detection.ptoMs(bed.handshake)).toBe(999)
    expect(bed.detection.deadline()).toBe(1024)
    bed.send(10, { eliciting: false })
    expect(bed.detection.deadline()).toBe(1024)
    bed.send(20)
    expect(bed.detection.deadline()).toBe(1044)
    let now = 1044
    for (const wait of [2000, 2000, 2000]) {
      expect(bed.detection.timeout(now)).toBe(bed.space)
      expect(bed.space.probes).toBe(2)
      bed.space.probes = 0
      bed.send(now)
      expect(bed.detection.deadline()).toBe(now + wait)
      now += wait
    }
    expect(bed.detection.stats.ptos).toBe(3)
    expect(bed.detection.ptoCount).toBe(3)
    expect(bed.ack(now, [0, 4])).toBe(true)
    expect(bed.detection.ptoCount).toBe(0)
  })

  test.each([
    [100, [126, 252, 504, 1008, 2000, 2000]],
    // One probe timeout is longer than the cap.
    [5000, [5026, 5026, 5026]],
  ])('spec/quic.md §6.1: back-off with an RTT of %d ms', (rttMs, waits) => {
    const bed = new Bed().confirmed()
    for (let count = 0; count < 300; count++) bed.link.rtt.update(rttMs, 0, true, 25)
    let now = 10_000
    bed.send(now)
    for (const wait of waits) {
      expect(bed.detection.deadline() - now).toBeCloseTo(wait, 3)
      now = bed.detection.deadline()
      bed.detection.timeout(now)
      bed.send(now)
    }
  })

  test('RFC 9002 §6.2.4: the frames that have waited longest become pending, the packets stay in flight', () => {
    const bed = warm()
    for (let count = 0; count < 5; count++) bed.send(200)
    const deadline = bed.detection.deadline()
    expect(bed.detection.timeout(deadline - 0.01)).toBeUndefined()
    expect(bed.detection.timeout(deadline)).toBe(bed.space)
    expect(bed.owner.lostIds).toEqual([1, 2])
    expect(bed.link.bytesInFlight).toBe(6000)
    expect(bed.detection.stats.lostPackets).toBe(0)
    // The probe could not be sent: the timer runs on all the same.
    expect(bed.detection.deadline()).toBeGreaterThan(deadline + 200)
    bed.detection.timeout(bed.detection.deadline())
    expect(bed.owner.lostIds).toEqual([1, 2, 3, 4])
    bed.ack(deadline + 1000, [1, 5])
    expect(bed.owner.ackedIds).toEqual([5])
    expect([bed.link.bytesInFlight, bed.pool.live]).toEqual([0, 0])
  })

  test('RFC 9002 §6.2.1: no timer for 1-RTT data before the handshake is confirmed', () => {
    const bed = new Bed()
    bed.detection.setSpace(bed.handshake)
    bed.detection.setSpace(bed.space)
    bed.send(0)
    expect(bed.detection.deadline()).toBe(Number.POSITIVE_INFINITY)
    for (let count = 0; count < 3; count++) bed.send(5, { space: bed.handshake })
    expect(bed.detection.deadline()).toBe(1004)
    expect(bed.detection.timeout(1004)).toBe(bed.handshake)
    // The whole flight, since all of it is wanted.
    expect(bed.owner.lostIds).toEqual([0, 1, 2])
    bed.detection.discard(bed.handshake)
    bed.detection.handshakeConfirmed = true
    expect(bed.detection.deadline()).toBe(1024)
  })

  test('RFC 9002 §6.2.1: the earliest space goes first', () => {
    const bed = new Bed()
    bed.detection.setSpace(bed.initial)
    bed.detection.setSpace(bed.handshake)
    bed.send(10, { space: bed.initial })
    bed.send(0, { space: bed.handshake })
    expect(bed.detection.timeout(bed.detection.deadline())).toBe(bed.handshake)
  })

  test('RFC 9002 §6.2.2.1: a client with nothing in flight still probes until the server has validated it', () => {
    const bed = new Bed()
    bed.detection.setPeerValidated(false)
    bed.detection.setSpace(bed.initial)
    expect(bed.detection.deadline()).toBe(Number.POSITIVE_INFINITY)
    bed.send(0, { space: bed.initial })
    bed.detection.receivedAck(bed.initial, ackOf([0, 0]), 0, 100)
    // 100 + 4 * 50
    expect(bed.detection.deadline()).toBe(400)
    expect(bed.detection.timeout(400)).toBe(bed.initial)
    expect(bed.initial.probes).toBe(2)
    expect(bed.detection.deadline()).toBe(1000)
    bed.detection.setSpace(bed.handshake)
    // It may have keys by now, and if so that packet is the better one.
    bed.initial.probes = 0
    expect(bed.detection.timeout(1000)).toBe(bed.initial)
    expect([bed.initial.probes, bed.handshake.probes]).toEqual([2, 2])
    // Its ACKs do not reset the back-off, RFC 9002 §6.2.1.
    bed.send(1000, { space: bed.initial })
    bed.detection.receivedAck(bed.initial, ackOf([0, 1]), 0, 1100)
    expect(bed.detection.ptoCount).toBe(2)
    bed.handshake.received.add(0, 1100)
    expect(bed.detection.timeout(bed.detection.deadline())).toBe(bed.handshake)
    bed.detection.setPeerValidated(true)
    expect(bed.detection.deadline()).toBe(Number.POSITIVE_INFINITY)
  })

  test('RFC 9002 §6.2.2.1: a client whose 1-RTT packets wait for a lost Finished keeps probing in Handshake packets', () => {
    const bed = new Bed()
    bed.detection.setPeerValidated(false)
    bed.detection.setSpace(bed.handshake)
    bed.detection.setSpace(bed.space)
    bed.detection.setPeerValidated(true)
    expect(bed.detection.deadline()).toBe(Number.POSITIVE_INFINITY)
    bed.send(100)
    expect(bed.detection.deadline()).toBe(1099)
    expect(bed.detection.timeout(1099)).toBe(bed.handshake)
    expect(bed.handshake.probes).toBe(2)
    bed.detection.handshakeConfirmed = true
    bed.detection.discard(bed.handshake)
    expect(bed.detection.deadline()).toBe(1124)
  })

  test('RFC 9002 §6.2.2.1: a server without allowance arms no timer, and fires at once when it gets some', () => {
    const bed = new Bed()
    bed.detection.setSpace(bed.initial)
    bed.send(0, { space: bed.initial })
    bed.detection.atAmplificationLimit = true
    expect(bed.detection.deadline()).toBe(Number.POSITIVE_INFINITY)
    expect(bed.detection.timeout(5000)).toBeUndefined()
    bed.detection.atAmplificationLimit = false
    expect(bed.detection.deadline()).toBe(999)
    expect(bed.detection.timeout(5000)).toBe(bed.initial)
  })
})

describe('forgetting', () => {
  test('RFC 9001 §4.9: discarded keys take their packets out of flight, and the back-off starts anew', () => {
    const bed = new Bed()
    bed.detection.setSpace(bed.initial)
    bed.detection.setSpace(bed.handshake)
    bed.send(0, { space: bed.initial })
    bed.send(0, { space: bed.handshake, size: 700 })
    bed.detection.timeout(bed.detection.deadline())
    expect(bed.detection.ptoCount).toBe(1)
    const told = bed.owner.lostIds.length
    bed.detection.discard(bed.initial)
    expect(bed.initial.discarded).toBe(true)
    expect(bed.detection.ptoCount).toBe(0)
    expect(bed.link.bytesInFlight).toBe(700)
    bed.detection.discard(bed.handshake)
    expect([bed.link.bytesInFlight, bed.pool.live, bed.owner.lostIds.length]).toEqual([0, 0, told])
    expect(bed.detection.deadline()).toBe(Number.POSITIVE_INFINITY)
  })

  test('RFC 9000 §17.2.5.2: after Retry everything is sent again, with new numbers and no congestion', () => {
    const bed = new Bed()
    bed.detection.setSpace(bed.initial)
    const window = bed.link.congestion.window
    bed.send(0, { space: bed.initial })
    bed.send(0, { space: bed.initial })
    bed.detection.requeue(bed.initial)
    expect(bed.owner.lostIds).toEqual([0, 1])
    expect([bed.link.bytesInFlight, bed.pool.live, bed.link.congestion.window]).toEqual([0, 0, window])
    expect(bed.detection.stats.lostPackets).toBe(0)
    expect(bed.send(10, { space: bed.initial })).toBe(2)
    expect(bed.detection.receivedAck(bed.initial, ackOf([2, 2]), 0, 20)).toBe(true)
  })

  test('RFC 9000 §10.2: after clear nothing is left', () => {
    const bed = warm()
    for (let count = 0; count < 10; count++) bed.send(200)
    bed.ack(300, [5, 5])
    bed.detection.clear()
    expect([bed.pool.live, bed.link.bytesInFlight]).toEqual([0, 0])
    expect(bed.detection.deadline()).toBe(Number.POSITIVE_INFINITY)
    expect(bed.detection.timeout(10_000)).toBeUndefined()
  })
})
