import { describe, expect, test } from 'vitest'
import { Probes } from '../../../src/quic/traversal/probes.ts'

const TIMES = [0, 33, 67, 133, 267, 533, 1067, 2133, 4133]
const token = (number: number) => new Uint8Array(8).fill(number)
const free = () => false

/** Sends what is due, at every deadline until `end`; the times and routes of what went out. */
function play(probes: Probes, from: number, end: number): [time: number, route: number][] {
  const sent: [number, number][] = []
  for (let now = from; now <= end; now = probes.deadline) {
    probes.tick(now)
    for (let probe = probes.next(free); probe !== undefined; probe = probes.next(free)) {
      probes.sent(probe, token(sent.length), now)
      sent.push([now, probe.route])
    }
  }
  return sent
}

describe('schedule', () => {
  test('spec/quic.md §5.8: nine packets to a route, the gaps doubling from 33 ms to 2 s', () => {
    const probes = new Probes()
    expect(probes.add(7, 1000)).toBe(true)
    expect(play(probes, 1000, 60_000)).toEqual(TIMES.map((time) => [1000 + time, 7]))
    expect(probes.deadline).toBe(Number.POSITIVE_INFINITY)
    expect(probes.hasDue).toBe(false)
  })

  test('spec/quic.md §5.8: routes that come later keep their own times', () => {
    const probes = new Probes()
    probes.add(7, 0)
    expect(play(probes, 0, 40)).toEqual([
      [0, 7],
      [33, 7],
    ])
    probes.add(8, 40)
    expect(play(probes, 40, 200)).toEqual([
      [40, 8],
      [67, 7],
      [73, 8],
      [107, 8],
      [133, 7],
      [173, 8],
    ])
  })

  test('spec/quic.md §5.8: a route is probed once a round, however often it is asked for', () => {
    const probes = new Probes()
    probes.add(7, 0)
    expect(play(probes, 0, 70)).toHaveLength(3)
    expect(probes.add(7, 70)).toBe(true)
    expect(probes.hasDue).toBe(false)
    expect(probes.deadline).toBe(133)
  })

  test('a route that is blocked waits, and what it missed is left out', () => {
    const probes = new Probes()
    probes.add(7, 0)
    probes.add(8, 0)
    const isBlocked = (route: number) => route === 7
    expect(probes.next(isBlocked)!.route).toBe(8)
    probes.sent(probes.next(isBlocked)!, token(1), 0)
    expect(probes.next(isBlocked)).toBeUndefined()
    expect(probes.hasDue).toBe(true)
    // nothing to wake up for but the other route
    expect(probes.deadline).toBe(33)
    probes.sent(probes.next(free)!, token(2), 300)
    expect(play(probes, 300, 600).filter(([, route]) => route === 7)).toEqual([[533, 7]])
  })
})

describe('answers', () => {
  test('spec/quic.md §5.8: any token of the route, from that route, ends its probes; once', () => {
    for (const answered of [0, 1, 2]) {
      const probes = new Probes()
      probes.add(7, 0)
      expect(play(probes, 0, 70)).toHaveLength(3)
      expect(probes.receiveResponse(8, token(answered))).toBe(false)
      expect(probes.receiveResponse(7, token(9))).toBe(false)
      expect(probes.deadline).toBe(133)
      expect(probes.receiveResponse(7, token(answered))).toBe(true)
      expect(probes.deadline).toBe(Number.POSITIVE_INFINITY)
      expect(probes.receiveResponse(7, token((answered + 1) % 3))).toBe(false)
      expect(probes.add(7, 100)).toBe(true)
      expect(play(probes, 100, 10_000)).toEqual([])
    }
  })

  test('a late answer counts, until the next round but one begins', () => {
    const probes = new Probes()
    probes.add(7, 0)
    play(probes, 0, 60_000)
    expect(probes.receiveResponse(7, token(0))).toBe(true)
    probes.startRound()
    probes.add(7, 0)
    play(probes, 0, 33)
    probes.startRound()
    expect(probes.deadline).toBe(Number.POSITIVE_INFINITY)
    expect(probes.receiveResponse(8, token(0))).toBe(false)
    // of the round before: the route is the same, and it is probed no more
    probes.add(7, 40)
    expect(probes.receiveResponse(7, token(0))).toBe(true)
    expect(probes.deadline).toBe(Number.POSITIVE_INFINITY)
    expect(probes.receiveResponse(7, token(1))).toBe(false)
    probes.startRound()
    probes.add(7, 50)
    play(probes, 50, 60)
    probes.startRound()
    probes.startRound()
    expect(probes.receiveResponse(7, token(0))).toBe(false)
    expect(probes.count).toBe(0)
  })

  test('spec/quic.md §5.8: challenges that rode on answers are good on their route only, and 64 of them are remembered', () => {
    const probes = new Probes()
    for (let index = 0; index < 100; index++) probes.rode(index, token(index))
    expect(probes.count).toBe(64)
    expect(probes.receiveResponse(35, token(35))).toBe(false)
    expect(probes.receiveResponse(37, token(36))).toBe(false)
    expect(probes.receiveResponse(36, token(36))).toBe(true)
    expect(probes.receiveResponse(36, token(36))).toBe(false)
    expect(probes.receiveResponse(99, token(99))).toBe(true)
    expect(probes.count).toBe(62)
  })

  test('the answer to one that rode ends the probes of its route', () => {
    const probes = new Probes()
    probes.add(7, 0)
    play(probes, 0, 40)
    probes.rode(7, token(50))
    expect(probes.receiveResponse(7, token(50))).toBe(true)
    expect(probes.deadline).toBe(Number.POSITIVE_INFINITY)
    expect(probes.receiveResponse(7, token(0))).toBe(false)
  })
})

describe('bounds', () => {
  test('32 routes a round', () => {
    const probes = new Probes()
    const taken = Array.from({ length: 40 }, (_, route) => probes.add(route, 0))
    expect(taken.filter(Boolean)).toHaveLength(32)
    expect(play(probes, 0, 60_000)).toHaveLength(32 * 9)
  })

  test('576 packets, and 60 more each second', () => {
    const probes = new Probes()
    let sent = 0
    const round = (routes: number, now: number): number => {
      probes.startRound()
      let taken = 0
      for (let route = 0; route < routes; route++) if (probes.add(route, now)) taken++
      sent += play(probes, now, now + 4133).length
      return taken
    }
    // each round in no time: the budget does not grow meanwhile
    expect(round(32, 0)).toBe(32)
    expect(round(32, 0)).toBe(32)
    expect(round(1, 0)).toBe(0)
    expect(sent).toBe(576)
    expect(round(1, 149)).toBe(0)
    expect(round(1, 150)).toBe(1)
    expect(round(32, 1150)).toBe(6)
    // it holds no more than that, however long nothing is probed
    expect(round(32, 1e9)).toBe(32)
    expect(round(32, 1e9)).toBe(32)
    expect(round(32, 1e9)).toBe(0)
  })

  test('what an answer or the next round makes superfluous is there again', () => {
    const probes = new Probes()
    // one packet each, then answered or superseded: 64 routes of nine cost 64
    for (let round = 0; round < 2; round++) {
      probes.startRound()
      for (let route = 0; route < 32; route++) probes.add(route, 0)
      for (let route = 0; route < 32; route++) probes.sent(probes.next(free)!, token(route), 0)
      if (round === 0) for (let route = 0; route < 32; route++) probes.receiveResponse(route, token(route))
    }
    probes.startRound()
    let taken = 0
    for (let round = 0; round < 3; round++) {
      probes.startRound()
      for (let route = 0; route < 32; route++) if (probes.add(route, 0)) taken++
      play(probes, 0, 60_000)
    }
    // (576 - 64) / 9
    expect(taken).toBe(56)
  })

  test('nothing is left when the connection has ended', () => {
    const probes = new Probes()
    probes.add(7, 0)
    probes.rode(8, token(1))
    probes.clear()
    expect([probes.count, probes.hasDue, probes.deadline]).toEqual([0, false, Number.POSITIVE_INFINITY])
  })
})
