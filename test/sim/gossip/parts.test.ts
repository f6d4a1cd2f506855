import { describe, expect, test } from 'vitest'
import type { Message } from '../../../src/gossip/proto/messages.ts'
import { SimRandom } from '../support/random.ts'
import { EventQueue } from './support/event-queue.ts'
import { Faults } from './support/faults.ts'
import { clusteringOf, componentsOf, pathsOf, undirected } from './support/graph.ts'
import { REGIONS, regionRoundTripMs } from './support/internet-regions.ts'
import { fixedLatency, internetLatency, type LatencyModel, parseLatency, uniformLatency } from './support/latency.ts'
import { Ledger } from './support/ledger.ts'
import { bodySize } from './support/message-size.ts'
import { Payloads } from './support/payloads.ts'
import { histogram, largest, least, mean, quantile } from './support/statistics.ts'
import { TraceHash } from './support/trace-hash.ts'
import { kindCode, MESSAGE_KINDS, Traffic, trafficBetween } from './support/traffic.ts'
import { keyOf, overTheWire, wireBody } from './support/wire-mode.ts'

describe('the queue', () => {
  test('spec/gossip.md §12.8 S2: events come in the order of time, and of equal times in the order they were put in', () => {
    const random = new SimRandom('queue')
    const queue = new EventQueue(2)
    const twin: { time: number; order: number }[] = []
    const seen: number[] = []
    let order = 0
    const check = () => {
      twin.sort((a, b) => a.time - b.time || a.order - b.order)
      const next = twin.shift()
      expect(queue.nextTime).toBe(next?.time ?? Number.POSITIVE_INFINITY)
      expect(queue.pop()).toBe(next !== undefined)
      if (next === undefined) return
      expect([queue.time, queue.target]).toEqual([next.time, next.order])
      seen.push(next.order)
    }
    for (let step = 0; step < 3000; step++) {
      if (random.chance(0.55)) {
        const time = random.int(0, 40)
        twin.push({ time, order })
        queue.push(time, 1, order++, 2, 3, undefined)
      } else check()
    }
    while (twin.length > 0) check()
    expect(seen.length).toBe(order)
    expect(queue.length).toBe(0)
  })

  test('spec/gossip.md §12.8 S2: an event keeps all it was given, whatever happens to the heap', () => {
    const queue = new EventQueue(1)
    for (let time = 200; time > 0; time--) queue.push(time * 1e12, time % 5, time, -time, time + 7, `payload ${time}`)
    for (let time = 1; time <= 200; time++) {
      expect(queue.pop()).toBe(true)
      const { kind, target, source, epoch, payload } = queue
      expect([queue.time, kind, target, source, epoch, payload]).toEqual([
        time * 1e12,
        time % 5,
        time,
        -time,
        time + 7,
        `payload ${time}`,
      ])
    }
    expect(queue.pop()).toBe(false)
  })
})

/** Latencies of many pairs, ms. */
function sampled(model: LatencyModel): number[] {
  const out: number[] = []
  for (let a = 0; a < 150; a++) for (let b = a + 1; b < 150; b++) out.push(model.betweenUs(a, b) / 1000)
  return out
}

describe('latency', () => {
  test('spec/gossip.md §12.8 S4: fixed is the same for all', () => {
    const model = fixedLatency(50)
    expect(new Set(sampled(model))).toEqual(new Set([50]))
    expect([model.maxUs, model.name]).toEqual([50_000, 'fixed:50'])
  })

  test('spec/gossip.md §12.1: uniform is drawn once for each pair, evenly from [min, max)', () => {
    const model = uniformLatency(10, 100, 'a')
    const values = sampled(model)
    expect(least(values)).toBeGreaterThanOrEqual(10)
    expect(largest(values)).toBeLessThan(100)
    expect(mean(values)).toBeCloseTo(55, -0.5)
    for (const part of [0.1, 0.25, 0.5, 0.75, 0.9])
      expect(Math.abs(quantile(values, part) - (10 + 90 * part))).toBeLessThan(1.5)
    expect(model.betweenUs(3, 9)).toBe(model.betweenUs(9, 3))
    expect(sampled(uniformLatency(10, 100, 'a'))).toEqual(values)
    expect(sampled(uniformLatency(10, 100, 'b'))).not.toEqual(values)
  })

  test('spec/gossip.md §12.1: the latencies of one node say nothing about each other', () => {
    const model = uniformLatency(0, 1, 'c')
    const pairs = Array.from({ length: 4000 }, (_, index) => [
      model.betweenUs(7, index + 8),
      model.betweenUs(7, index + 9),
    ])
    const centred = pairs.map(([a, b]) => (a! - 500) * (b! - 500))
    // of independent draws: 83,333 × N(0, 1/√4000)
    expect(Math.abs(mean(centred))).toBeLessThan(83_333 * 0.06)
  })

  test('the internet: symmetric, within its bound, near within a region and far between', () => {
    const model = internetLatency('a')
    const values = sampled(model)
    expect(largest(values) * 1000).toBeLessThanOrEqual(model.maxUs)
    expect(least(values)).toBeGreaterThan(5)
    expect(model.betweenUs(3, 9)).toBe(model.betweenUs(9, 3))
    // round trips: the tenth, the middle and the ninetieth percentile of a swarm all over the world
    const trips = [0.1, 0.5, 0.9].map((part) => 2 * quantile(values, part))
    expect(trips[0]).toBeGreaterThan(30)
    expect(trips[0]).toBeLessThan(80)
    expect(trips[1]).toBeGreaterThan(120)
    expect(trips[1]).toBeLessThan(220)
    expect(trips[2]).toBeGreaterThan(260)
    expect(trips[2]).toBeLessThan(400)
  })

  test('the table of the internet is whole and symmetric', () => {
    expect(REGIONS.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9)
    for (const a of REGIONS.keys())
      for (const b of REGIONS.keys()) {
        expect(regionRoundTripMs(a, b)).toBe(regionRoundTripMs(b, a))
        expect(regionRoundTripMs(a, b)).toBeGreaterThan(0)
      }
    const named = (name: string) => REGIONS.findIndex((region) => region.name === name)
    expect(regionRoundTripMs(named('Tokyo'), named('Osaka'))).toBe(9)
    expect(regionRoundTripMs(named('Sydney'), named('Sao Paulo'))).toBe(327.5)
  })

  test('what the command takes', () => {
    expect(parseLatency('fixed:12.5', '').betweenUs(0, 1)).toBe(12_500)
    expect(parseLatency('uniform:10..100', '').maxUs).toBe(100_000)
    expect(parseLatency('internet', '').name).toBe('internet')
    for (const text of ['', 'fixed', 'fixed:-1', 'uniform:100..10', 'uniform:10', 'earth'])
      expect(() => parseLatency(text, ''), text).toThrow('is no latency')
  })
})

describe('faults', () => {
  test('spec/gossip.md §12.8 S6: loss has its share, slow nodes add up, parts are blocked until healed', () => {
    const faults = new Faults(new SimRandom('faults'))
    expect(Array.from({ length: 100 }, () => faults.isLost())).not.toContain(true)
    faults.setLoss(0.2)
    expect(Array.from({ length: 5000 }, () => faults.isLost()).filter(Boolean).length / 5000).toBeCloseTo(0.2, 1)
    expect(faults.delayUs(1, 2)).toBe(0)
    faults.slowDown(1, 300)
    faults.slowDown(2, 20)
    expect([faults.delayUs(1, 2), faults.delayUs(3, 1), faults.delayUs(3, 4)]).toEqual([320, 300, 0])
    faults.slowDown(1, 0)
    expect(faults.delayUs(1, 2)).toBe(20)
    const before = faults.partition
    faults.split((node) => node % 3)
    expect([faults.isBlocked(0, 3), faults.isBlocked(0, 4)]).toEqual([false, true])
    faults.heal()
    expect(faults.isBlocked(0, 4)).toBe(false)
    expect(faults.partition).toBe(before + 2)
  })
})

const DATA = Uint8Array.of(0, 1, 0, 127, 0, 0, 1, 80)
const ids = new Payloads(64)
const CONTENT = Array.from({ length: 3 }, () => ids.next())

const MESSAGES: readonly Message<number>[] = [
  { kind: 'join', data: undefined },
  { kind: 'join', data: new Uint8Array(0) },
  { kind: 'join', data: new Uint8Array(200) },
  { kind: 'forward-join', peer: { id: 70_000, data: DATA }, ttl: 6 },
  { kind: 'forward-join', peer: { id: 1, data: undefined }, ttl: 300 },
  {
    kind: 'shuffle',
    origin: 4,
    nodes: [
      { id: 1, data: DATA },
      { id: 2, data: undefined },
    ],
    ttl: 0,
  },
  { kind: 'shuffle', origin: 4, nodes: [], ttl: 0xffff },
  { kind: 'shuffle-reply', nodes: Array.from({ length: 130 }, (_, id) => ({ id, data: new Uint8Array(0) })) },
  { kind: 'neighbor', priority: 'high', data: DATA },
  { kind: 'neighbor', priority: 'low', data: undefined },
  { kind: 'disconnect', alive: true },
  { kind: 'disconnect', alive: false },
  { kind: 'gossip', id: ids.idOf(CONTENT[0]!), content: CONTENT[0]!, round: 0 },
  { kind: 'gossip', id: ids.idOf(CONTENT[1]!), content: CONTENT[1]!, round: 200 },
  { kind: 'gossip', id: ids.idOf(CONTENT[2]!), content: CONTENT[2]!, round: undefined },
  { kind: 'gossip', id: ids.idOf(CONTENT[0]!), content: new Uint8Array(4000), round: 0x4000 },
  { kind: 'prune' },
  { kind: 'graft', id: undefined, round: 2 },
  { kind: 'graft', id: ids.idOf(CONTENT[1]!), round: 129 },
  { kind: 'ihave', announcements: [] },
  { kind: 'ihave', announcements: CONTENT.map((content, round) => ({ id: ids.idOf(content), round: round * 9000 })) },
]

describe('messages', () => {
  test('spec/gossip.md §4.3: the counted size is that of the codec', () => {
    expect(new Set(MESSAGES.map(({ kind }) => kind))).toEqual(new Set(MESSAGE_KINDS))
    for (const message of MESSAGES) expect(bodySize(message), JSON.stringify(message)).toBe(wireBody(message).length)
  })

  test('spec/gossip.md §12.8 S7: over the wire and back nothing changes', () => {
    for (const message of MESSAGES) expect(overTheWire(message)).toEqual(message)
    expect(keyOf(255)).toBe(`${'0'.repeat(62)}ff`)
  })

  test('spec/gossip.md §12.8 S9: a payload has one id, found in its bytes', () => {
    const payloads = new Payloads(16)
    const contents = Array.from({ length: 300 }, () => payloads.next())
    expect(new Set(contents.map(payloads.idOf)).size).toBe(300)
    expect(payloads.idOf(contents[259]!.slice())).toBe(payloads.idOf(contents[259]!))
    expect(payloads.idOf(contents[299]!)).toMatch(/^[0-9a-f]{64}$/)
    expect(() => new Payloads(3)).toThrow('4 bytes')
  })

  test('spec/gossip.md §12.3: the ledger counts first receptions by those that were there, and their longest way', () => {
    const payloads = new Payloads(8)
    const ledger = new Ledger(payloads)
    const content = ledger.open(0, 3, 4, 1000)
    const got = (node: number, round: number | undefined, at: number) =>
      ledger.received(node, { id: payloads.idOf(content), content, from: 0, round }, at)
    got(1, 0, 1100)
    got(2, 5, 1200)
    got(3, 2, 1300)
    // once more, and one that came to the swarm later
    got(2, 9, 1400)
    got(4, 9, 1500)
    ledger.sent(content)
    const { holders, ...broadcast } = ledger.broadcasts[0]!
    expect(broadcast).toEqual({
      author: 0,
      sentUs: 1000,
      expected: 3,
      delivered: 3,
      repeated: 1,
      lastUs: 1300,
      lastHop: 5,
      copies: 1,
    })
    expect([...holders]).toEqual([1, 1, 1, 1])
    expect(ledger.delivered).toBe(3)
  })

  test('spec/gossip.md §5: payloads are data, the rest is control', () => {
    const traffic = new Traffic()
    traffic.addNode()
    traffic.addNode()
    const before = traffic.totals()
    traffic.sent(0, kindCode('gossip'), 100)
    traffic.sent(0, kindCode('ihave'), 40)
    traffic.sent(1, kindCode('join'), 7)
    traffic.arrived(kindCode('gossip'))
    traffic.arrived(kindCode('prune'))
    const after = traffic.totals()
    expect(trafficBetween(before, after)).toEqual({
      dataMessages: 1,
      dataBytes: 100,
      controlMessages: 2,
      controlBytes: 47,
    })
    expect(after.payloadsProcessed).toBe(1)
    expect(traffic.perNode()).toEqual({ messages: [2, 1], bytes: [140, 7] })
    for (const [code, kind] of MESSAGE_KINDS.entries()) expect(kindCode(kind)).toBe(code)
  })
})

describe('measures', () => {
  test('spec/gossip.md §12.8 S5: components, clustering and paths of a graph drawn by hand', () => {
    // a triangle 0-1-2 with a tail 2-3, and a pair 4-5; 1 → 0 stands in one view only
    const graph = undirected([[1, 2], [2], [0, 1, 3], [2], [5], []])
    expect(graph.map((edge) => [...edge].sort())).toEqual([[1, 2], [0, 2], [0, 1, 3], [2], [5], [4]])
    expect(componentsOf(graph)).toEqual([4, 2])
    expect(clusteringOf(graph)).toBeCloseTo((1 + 1 + 1 / 3) / 6, 12)
    // paths within the components: 4 × 1 edges both ways, 2 × 2 hops both ways, and the pair
    const paths = pathsOf(graph, 6)
    expect(paths.average).toBeCloseTo((8 + 8 + 2) / 14, 12)
    expect(paths.longest).toBe(2)
    expect(pathsOf(graph, 0)).toEqual({ average: 0, longest: 0 })
  })

  test('means, quantiles and histograms', () => {
    expect([mean([]), mean([1, 2, 6]), least([]), least([3, 1]), largest([]), largest([3, 1])]).toEqual([
      0, 3, 0, 1, 0, 3,
    ])
    expect([quantile([], 0.5), quantile([4, 1, 3, 2], 0.5), quantile([4, 1, 3, 2], 1), quantile([4, 1], 0)]).toEqual([
      0, 2, 4, 1,
    ])
    expect(histogram([0, 2, 2, 4])).toEqual([1, 0, 2, 0, 1])
  })

  test('spec/gossip.md §12.8 S3: the trace hash sees every part of an event and their order', () => {
    const hash = (...events: [number, number, number, number][]) => {
      const trace = new TraceHash()
      for (const event of events) trace.add(...event)
      return trace.toString()
    }
    const traces = [
      hash([1, 2, 3, 4]),
      hash([2, 2, 3, 4]),
      hash([1 + 2 ** 32, 2, 3, 4]),
      hash([1, 3, 3, 4]),
      hash([1, 2, 4, 4]),
      hash([1, 2, 3, 5]),
      hash([1, 2, 3, 4], [5, 6, 7, 8]),
      hash([5, 6, 7, 8], [1, 2, 3, 4]),
    ]
    expect(new Set(traces).size).toBe(traces.length)
    expect(hash([1, 2, 3, 4])).toBe(traces[0])
    expect(traces[0]).toMatch(/^[0-9a-f]{16}$/)
  })
})
