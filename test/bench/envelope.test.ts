/** How the benchmark of messages drives pairs and swarms, what it makes of their counts, and what its tables say; against nodes in memory. */
import { expect, test } from 'vitest'
import { TOM } from '../../bench/contenders.ts'
import { growWhole, measureIdle, measurePair, measureTraffic, randomPairs } from '../../bench/envelope/figures.ts'
import { type EnvelopePlan, type EnvelopeStacks, envelopePlan, measureEnvelopes } from '../../bench/envelope/measure.ts'
import {
  BYTES_IN_TABLE,
  ENVELOPE,
  ofPair,
  ofSealed,
  ofSwarm,
  ofWire,
  RUST,
  SEALED_SIZES,
  UNDELIVERED,
  WIRE_SIZES,
} from '../../bench/envelope/names.ts'
import { envelopeNote } from '../../bench/envelope/note.ts'
import { OurPair } from '../../bench/envelope/stacks.ts'
import { NodeSwarm } from '../../bench/envelope/swarm.ts'
import { missedEnvelopeAims, renderEnvelopeBlock, renderEnvelopeTables } from '../../bench/envelope/table.ts'
import type { PairStack } from '../../bench/envelope/types.ts'
import { Results } from '../../bench/rows.ts'
import { summarize } from '../../bench/statistics.ts'
import { renderTables } from '../../bench/table.ts'
import { FakePair, FakeWorld } from './envelope-fake.ts'

const PAIR = { size: 100, warmUp: 5, roundTrips: 10, messages: 40, inFlight: 8 }

test('node g lives in process g mod 2; each but the first joins the first; whole when all know all', async () => {
  const world = new FakeWorld()
  const swarm = await NodeSwarm.start(world.startProcess)
  const { joinedMs, wholeMs } = await growWhole(swarm, 4, 1_000)
  expect(wholeMs).toBeGreaterThanOrEqual(joinedMs)
  expect(world.log).toEqual(['start 0.0 <- ', 'start 1.0 <- t0.0', 'start 0.1 <- t0.0', 'start 1.1 <- t0.0'])
  await swarm.stop()
  expect(world.running).toBe(0)
})

test('a swarm with a node that nobody hears of is not whole, and messages to it are not delivered', async () => {
  const swarm = await NodeSwarm.start(new FakeWorld({ deaf: 2 }).startProcess)
  expect((await growWhole(swarm, 3, 30)).wholeMs).toBeUndefined()
  expect(await swarm.ignorant()).toBe(3)
  const pairs = [
    [0, 1],
    [0, 2],
  ] as const
  const { delivered, latenciesMs } = await measureTraffic(swarm, pairs, 10_000, 2)
  expect(delivered).toBe(0.5)
  expect(latenciesMs).toEqual([1.5, 1.5])
})

test('a newcomer is told of the first node alone, and becomes a member', async () => {
  const world = new FakeWorld()
  const swarm = await NodeSwarm.start(world.startProcess)
  await swarm.grow(3)
  const figures = await swarm.newcomer(1_000)
  expect(figures).toMatchObject({ neighborMs: 1, strangerMs: 2, messageMs: 3, everybodyMs: 4 })
  expect(figures.knownMs).toBeGreaterThanOrEqual(0)
  expect(world.log.slice(3)).toEqual(['newcomer t0.0 3', 'start 1.1 <- t0.0'])
  expect(swarm.size).toBe(4)
  expect(await swarm.ignorant()).toBe(0)
})

test('a newcomer that somebody never hears of is not known to all, whatever it knows itself', async () => {
  const swarm = await NodeSwarm.start(new FakeWorld({ blind: 1 }).startProcess)
  await swarm.grow(3)
  expect((await swarm.newcomer(30)).knownMs).toBeUndefined()
})

test('pairs: no two nodes twice, in both directions, the same every time', () => {
  const pairs = randomPairs(10, 45)
  expect(new Set(pairs.map((pair) => [...pair].sort((left, right) => left - right).join())).size).toBe(45)
  const forwards = pairs.filter(([from, to]) => from < to).length
  expect(forwards).toBeGreaterThan(5)
  expect(forwards).toBeLessThan(40)
  expect(randomPairs(10, 45)).toEqual(pairs)
  expect(randomPairs(3, 100)).toHaveLength(3)
  expect(new Set(randomPairs(50, 100).flat()).size).toBeGreaterThan(35)
})

test('two nodes: warm, one after the other, many at a time; CPU is of those alone', async () => {
  const pair = new FakePair()
  const figures = await measurePair(pair, PAIR)
  expect(pair.plans.map(({ count, inFlight }) => [count, inFlight])).toEqual([
    [5, 1],
    [10, 1],
    [5, 8],
    [40, 8],
  ])
  expect(figures).toEqual({ p50Ms: 1.5, p99Ms: 1.5, oneWayMs: 0.7, perSecond: 2_000, cpuUs: 100 })
})

test('a message between two nodes that is not delivered is no figure', async () => {
  await expect(measurePair(new FakePair(1), PAIR)).rejects.toThrow('1 of 5 not delivered: too slow')
})

test('our pair: the second knows the first one, and writes to it', async () => {
  const world = new FakeWorld()
  const pair = await OurPair.start(false, world.startProcess)
  expect(await pair.send({ size: 100, count: 2, inFlight: 1, patienceMs: 1 })).toMatchObject({ delivered: 2 })
  expect(world.log).toEqual(['start 0.0 <- ', 'start 1.0 <- t0.0', 'send 1.0 0.0 100'])
  expect(await pair.oneWayUs()).toEqual([700])
  expect(await pair.cpuUs()).toBe(2_000)
  await pair.stop()
  expect(world.running).toBe(0)
})

test('a pair of which one cannot be started leaves nothing running', async () => {
  const world = new FakeWorld({ refuses: 'start' })
  await expect(OurPair.start(false, world.startProcess)).rejects.toThrow('start is refused')
  expect(world.running).toBe(0)
})

test('idle nodes: CPU by node and minute', async () => {
  const swarm = await NodeSwarm.start(new FakeWorld().startProcess)
  await swarm.grow(2)
  const { cpuMsPerNodeMinute, kilobytesPerNode } = await measureIdle(swarm, 0.01)
  expect([cpuMsPerNodeMinute, kilobytesPerNode]).toEqual([0, 1_000])
})

const SMALL: EnvelopePlan = {
  sealing: { rounds: 2, ms: 1 },
  pairs: { rounds: 2, ...PAIR },
  wireSeeds: ['1', '2'],
  knownPeers: 100,
  swarms: [
    {
      size: 4,
      rounds: 2,
      pairs: 3,
      warmRounds: 2,
      perSecond: 10_000,
      settleSeconds: 0,
      idleSeconds: 0.01,
      limitMs: 100,
    },
  ],
  limitMs: 60_000,
}

function fakeStacks(world: FakeWorld, pairs: readonly PairStack[] = []): EnvelopeStacks {
  const seal = (factor: number) => async (sizes: readonly number[]) =>
    sizes.map((size) => ({ size, wireLength: 2 * size, builtPerSecond: 100 * factor, openedPerSecond: 50 * factor }))
  const counts: Record<string, number> = {}
  for (const size of WIRE_SIZES) {
    counts[`envelope length, ${size} B`] = size + 400
    counts[`envelope wire bytes a message, ${size} B`] = size + 1_000
    counts[`envelope datagrams a message, ${size} B`] = 6
  }
  counts['envelope wire bytes a message, 100 B, flood'] = 900
  counts['envelope datagrams a message, 100 B, flood'] = 1
  return {
    sealing: new Map([
      [TOM, seal(1)],
      [RUST, seal(2)],
    ]),
    pairs,
    startProcess: world.startProcess,
    countWire: async (seeds) => seeds.map(() => counts),
    knownPeers: async (peers) => ({ peers, bytesInTable: 270, bytesInNode: 1_950 }),
    nativeLine: async () => 70,
  }
}

test('all figures become rows; what fails is absent with its reason, once; nothing is left running', async () => {
  const [good, bad] = [new FakePair(), new FakePair(1)]
  const pairs = [
    { name: TOM, isStored: false, start: async () => good },
    { name: RUST, isStored: false, start: async () => bad },
  ]
  const world = new FakeWorld()
  const results = new Results()
  await measureEnvelopes(SMALL, fakeStacks(world, pairs), results)
  const find = (value: string, stack: string = TOM): readonly number[] | undefined =>
    results.find(ENVELOPE, value, stack)?.samples
  for (const size of SEALED_SIZES) expect(find(ofSealed(size, 'opened a second'), RUST)).toEqual([100, 100])
  expect(find(ofPair(false, 'messages a second'))).toEqual([2_000, 2_000])
  expect(find(ofPair(false, 'a line, p50 ms'), RUST)).toEqual([0.07])
  expect(find(ofWire(100, 'UDP bytes'))).toEqual([1_100, 1_100])
  expect(find(ofWire(100, 'envelope bytes'))).toEqual([500, 500])
  expect(find(BYTES_IN_TABLE)).toEqual([270])
  expect(find(ofSwarm(4, 'whole, ms'))).toHaveLength(2)
  expect(find(ofSwarm(4, `later, ${UNDELIVERED}`))).toEqual([0, 0])
  expect(find(ofSwarm(4, 'newcomer: message delivered, ms'))).toEqual([3, 3])
  expect(results.absences).toEqual([
    { stack: RUST, figure: ENVELOPE, reason: 'two nodes: messages: 1 of 5 not delivered: too slow' },
  ])
  expect([good.isStopped, bad.isStopped, world.running]).toEqual([true, true, 0])
})

test('a swarm whose processes refuse is absent, and stopped', async () => {
  const world = new FakeWorld({ refuses: 'send' })
  const results = new Results()
  await measureEnvelopes(SMALL, fakeStacks(world), results)
  expect(results.absences.map(({ reason }) => reason)).toEqual(['4 nodes: send is refused'])
  expect(world.running).toBe(0)
})

test('when the time is up what has not begun is left out, and said to be', async () => {
  const results = new Results()
  await measureEnvelopes({ ...SMALL, limitMs: -1 }, fakeStacks(new FakeWorld()), results)
  expect(results.rows).toEqual([])
  expect(results.absences.map(({ stack, reason }) => `${stack}: ${reason}`)).toEqual([
    `${TOM}: envelopes: left out, the time was up`,
    `${RUST}: envelopes: left out, the time was up`,
    `${RUST}: a line: left out, the time was up`,
    `${TOM}: bytes on the wire: left out, the time was up`,
    `${TOM}: known peers: left out, the time was up`,
    `${TOM}: 4 nodes: left out, the time was up`,
  ])
})

function cellsOf(text: string | undefined, label: string): string[] | undefined {
  const line = text?.split('\n').find((candidate) => candidate.startsWith(`| ${label} |`))
  return line?.slice(2, -2).split(' | ').slice(1)
}

test('ours beside Rust with the ratio of the same rounds; what only one of them says is not left blank', () => {
  const found = new Results()
  found.add(ENVELOPE, ofSealed(1_000, 'built a second'), TOM, summarize([300, 30, 60]))
  found.add(ENVELOPE, ofSealed(1_000, 'built a second'), RUST, summarize([100, 10, 20]))
  found.add(ENVELOPE, ofPair(true, 'p50 ms'), TOM, summarize([2]))
  const text = renderEnvelopeTables(found)
  expect(cellsOf(text, 'envelopes of 1,000 B built a second')).toEqual([
    '60.0 (30.0–300)',
    '20.0 (10.0–100)',
    '3.00 (3.00–3.00)',
  ])
  expect(cellsOf(text, 'the same, stored first at both ends: p50 ms')).toEqual(['2.00', 'n/a', ''])
})

test('overhead on the wire is what the payload is not', () => {
  const found = new Results()
  found.add(ENVELOPE, ofWire(100, 'envelope bytes'), TOM, summarize([732]))
  found.add(ENVELOPE, ofWire(100, 'UDP bytes'), TOM, summarize([1_309]))
  found.add(ENVELOPE, ofWire(100, 'datagrams'), TOM, summarize([6.2]))
  expect(cellsOf(renderEnvelopeTables(found), '100 B')).toEqual(['732', '1,309', '6.20', '1,209'])
})

test('a column for each size of swarm, the smallest first, beside the article; seconds where the line says so', () => {
  const found = new Results()
  found.add(ENVELOPE, ofSwarm(100, 'whole, ms'), TOM, summarize([21_000]))
  found.add(ENVELOPE, ofSwarm(10, 'whole, ms'), TOM, summarize([6_000, 8_000, 7_000]))
  found.add(ENVELOPE, ofSwarm(10, 'newcomer: neighbour, ms'), TOM, summarize([27]))
  const text = renderEnvelopeTables(found)
  expect(text?.split('\n')[0]).toBe('| one machine, real sockets | article | 10 nodes | 100 nodes |')
  expect(cellsOf(text, 'discovery: everybody has everybody else for online, s')).toEqual([
    '3, three nodes',
    '7.00 (6.00–8.00)',
    '21.0',
  ])
  expect(cellsOf(text, 'one more node: a neighbour after ms')).toEqual(['257', '27.0', 'n/a'])
})

test('one message that was not delivered in one round misses the aim', () => {
  const found = new Results()
  found.add(ENVELOPE, ofSwarm(50, `first, ${UNDELIVERED}`), TOM, summarize([0, 10]))
  found.add(ENVELOPE, ofSwarm(50, `later, ${UNDELIVERED}`), TOM, summarize([0, 0]))
  expect(missedEnvelopeAims(found)).toEqual([`messages: 50 nodes: first, ${UNDELIVERED}: 10.0, aim 0`])
})

test('messages stand in a block of their own, with who is missing', () => {
  const found = new Results()
  found.add(ENVELOPE, ofPair(false, 'p50 ms'), TOM, summarize([1]))
  found.absent(RUST, 'envelopes: no cargo', ENVELOPE)
  expect(renderTables(found)).toBe('')
  found.add(ENVELOPE, ofPair(false, 'p50 ms'), RUST, summarize([1]))
  found.add('bulk', 'Mbit/s', TOM, summarize([1000]))
  expect(renderTables(found).split('\n')[0]).toBe(`| figure | aim |  | ${TOM} |`)
  expect(renderEnvelopeBlock(found, 'the note')).toContain(
    `Not measured: ${RUST} (envelope): envelopes: no cargo.\n\nthe note`,
  )
  expect(renderEnvelopeBlock(new Results(), 'the note')).toBeUndefined()
})

test('the note says what the plan says', () => {
  const note = envelopeNote(envelopePlan(false))
  expect(note).toContain('1,000 messages one after the other, then 5,000 with 64 in flight')
  expect(note).toContain('10 nodes: 1, 50 nodes: 2, 100 nodes: 1')
  expect(envelopePlan(false).swarms.map(({ size }) => size)).toEqual([10, 50, 100])
})
