/** How the gossip benchmark drives swarms, what it makes of their counts, and what its tables say; against swarms in memory. */
import { expect, test, vi } from 'vitest'
import { TOM } from '../../bench/contenders.ts'
import { latencyUs, writeTimed } from '../../bench/gossip/content.ts'
import { growWhole, measureFlood, measureIdleNodes, measureTraffic } from '../../bench/gossip/figures.ts'
import { type GossipPlan, gossipPlan, measureGossip } from '../../bench/gossip/measure.ts'
import { GOSSIP, IROH_GOSSIP, LOST, ofFlood, ofSwarm } from '../../bench/gossip/names.ts'
import { gossipNote } from '../../bench/gossip/note.ts'
import { SwarmProgram } from '../../bench/gossip/program.ts'
import { Swarm } from '../../bench/gossip/swarm.ts'
import { missedGossipAims, renderGossipBlock, renderGossipTables } from '../../bench/gossip/table.ts'
import { describeOrigins, originOf } from '../../bench/published.ts'
import { Results } from '../../bench/rows.ts'
import { summarize } from '../../bench/statistics.ts'
import { renderTables } from '../../bench/table.ts'
import { FakeStack } from './gossip-fake.ts'

const TRAFFIC = { broadcasts: 20, perSecond: 1000 }

test('node g lives in process g mod 2; each but the first joins the first', async () => {
  const stack = new FakeStack({ name: TOM })
  const swarm = await Swarm.start(stack, 5)
  expect(stack.nodes).toHaveLength(5)
  const wholeMs = await growWhole(swarm)
  expect(wholeMs).toBeGreaterThan(0)
  expect(stack.log.slice(0, 5)).toEqual([
    'subscribe t0.0 <- ',
    'subscribe t1.0 <- t0.0',
    'subscribe t0.1 <- t0.0',
    'subscribe t1.1 <- t0.0',
    'subscribe t0.2 <- t0.0',
  ])
  // one probe from each of five nodes
  expect(stack.log.slice(5)).toEqual(
    ['t0.0', 't1.0', 't0.1', 't1.1', 't0.2'].map((sender) => `broadcast ${sender} 64 1`),
  )
  expect(swarm.lonely()).toBe(0)
  const { process, local } = stack.nodes[1]!
  process.events.push({ event: 'neighbor-down', node: local, peer: 't0.0' })
  expect(swarm.lonely()).toBe(1)
  await swarm.stop()
  expect(stack.running).toBe(0)
})

test('a swarm with a node that hears nothing is not whole, and its deliveries are short of one node', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  try {
    const swarm = await Swarm.start(new FakeStack({ name: TOM, deaf: 1 }), 4)
    const grown = growWhole(swarm, 10_000)
    await vi.advanceTimersByTimeAsync(15_000)
    expect(await grown).toBeUndefined()
    expect(swarm.lonely()).toBe(1)
    const measured = measureTraffic(swarm, TRAFFIC)
    await vi.advanceTimersByTimeAsync(10_000)
    // senders in turns: 15 of 20 reach two others, the deaf one's 5 all three
    expect((await measured).delivered).toBeCloseTo((15 * 2 + 5 * 3) / 60)
  } finally {
    vi.useRealTimers()
  }
})

test('traffic: senders of all nodes in turns, sizes too; latencies, CPU and redundancy of all deliveries', async () => {
  const stack = new FakeStack({ name: TOM, copies: 2, latencyUs: 1500 })
  const swarm = await Swarm.start(stack, 10)
  await growWhole(swarm)
  stack.log.length = 0
  const { delivered, latenciesMs, cpuUsPerDelivery, redundancy } = await measureTraffic(swarm, TRAFFIC)
  expect([delivered, redundancy, latenciesMs.length, latenciesMs[0]]).toEqual([1, 1, 180, 1.5])
  expect(cpuUsPerDelivery).toBeGreaterThan(0)
  expect(new Set(stack.log.map((line) => line.split(' ')[1])).size).toBe(10)
  expect(stack.log.slice(0, 3).map((line) => line.split(' ')[2])).toEqual(['64', '128', '256'])
})

test('a stack that does not count copies has no redundancy', async () => {
  const swarm = await Swarm.start(new FakeStack({ name: TOM, isSilentAboutCopies: true }), 4)
  await growWhole(swarm)
  expect((await measureTraffic(swarm, TRAFFIC)).redundancy).toBeUndefined()
})

test('a flood is one command; its rate is that of messages which all have', async () => {
  const stack = new FakeStack({ name: TOM })
  const swarm = await Swarm.start(stack, 4)
  await growWhole(swarm)
  const { perSecond, delivered } = await measureFlood(swarm, 5000)
  expect(stack.log.at(-1)).toBe('broadcast t0.0 100 5000')
  expect(delivered).toBe(1)
  expect(perSecond).toBeGreaterThan(5000)
})

test('idle nodes: memory above processes without a node, CPU by the minute; a stack that fails does not stop the other', async () => {
  const failures: string[] = []
  const stacks = [new FakeStack({ name: TOM }), new FakeStack({ name: 'broken', refuses: 'subscribe' })]
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  try {
    const measured = measureIdleNodes(stacks, { size: 4, seconds: 30, settleMs: 2000 }, ({ name }, error) =>
      failures.push(`${name}: ${error}`),
    )
    await vi.advanceTimersByTimeAsync(60_000)
    const figures = await measured
    expect([...figures.keys()]).toEqual([TOM])
    expect(figures.get(TOM)!.kilobytesPerNode).toBeCloseTo(50)
    // a fake spends 1 ms on a request: one to each of two processes in half a minute
    expect(figures.get(TOM)!.cpuMsPerNodeMinute).toBeCloseTo((2 * 2) / 4)
  } finally {
    vi.useRealTimers()
  }
  expect(failures).toEqual(['broken: Error: subscribe is refused'])
  expect(stacks.map(({ running }) => running)).toEqual([0, 0])
})

const SMALL: GossipPlan = {
  swarms: [{ size: 4, rounds: 2, warmUp: TRAFFIC, traffic: TRAFFIC }],
  floods: [{ size: 2, rounds: 2, warmUp: 10, messages: 100 }],
  idle: { size: 4, seconds: 0.01, settleMs: 0 },
  limitMs: 60_000,
}

test('all figures of both stacks; who refuses is absent with the reason, and nothing is left running', async () => {
  const stacks = [new FakeStack({ name: TOM }), new FakeStack({ name: IROH_GOSSIP, refuses: 'broadcast' })]
  const results = new Results()
  await measureGossip(SMALL, stacks, results)
  expect(results.find(GOSSIP, ofSwarm(4, LOST), TOM)?.samples).toEqual([0, 0])
  expect(results.find(GOSSIP, ofFlood(2, 'messages a second'), TOM)?.samples).toHaveLength(2)
  expect(results.find(GOSSIP, 'idle node, kB', TOM)?.median).toBeCloseTo(50)
  expect(results.rows.every(({ figure }) => figure === GOSSIP)).toBe(true)
  expect(results.absences.map(({ stack, reason }) => `${stack}: ${reason}`)).toEqual([
    `${IROH_GOSSIP}: 4 nodes: broadcast is refused`,
    `${IROH_GOSSIP}: idle: broadcast is refused`,
    `${IROH_GOSSIP}: flood, 2 nodes: broadcast is refused`,
  ])
  expect(stacks.map(({ running }) => running)).toEqual([0, 0])
})

test('when the time is up what has not begun is left out, and said to be', async () => {
  const results = new Results()
  const swarms = SMALL.swarms.map((swarm) => ({ ...swarm, rounds: 1 }))
  await measureGossip({ ...SMALL, swarms, limitMs: -1 }, [new FakeStack({ name: TOM })], results)
  expect(results.rows).toEqual([])
  expect(results.absences.map(({ reason }) => reason)).toEqual([
    '4 nodes: left out, the time was up',
    'idle: left out, the time was up',
    'flood, 2 nodes: left out, the time was up',
  ])
})

test('timed contents tell how long they took; other contents do not', () => {
  const now = 1_790_000_000_123_456
  const content = writeTimed(64, now, 3, 7)
  expect(content).toHaveLength(64)
  expect(latencyUs(content, now + 1234)).toBe(1234)
  // the clocks of two processes
  expect(latencyUs(content, now - 100)).toBe(0)
  expect(latencyUs(new Uint8Array(64), now)).toBeUndefined()
  expect(latencyUs(content.subarray(0, 12), now)).toBeUndefined()
})

/** A worker in few lines: answers with what it was asked, refuses `leave`, never answers `usage`, and ends at `kill`. */
const WORKER = `
process.stdout.write('{"event":"listening","nodes":[{"id":"aa","ticket":"endpointaa"}]}\\n')
require('node:readline').createInterface({ input: process.stdin }).on('line', (text) => {
  const { id, cmd } = JSON.parse(text)
  if (cmd === 'kill') process.exit(3)
  if (cmd === 'usage') return
  process.stdout.write('{"event":"neighbor-up","node":0}\\n')
  const line = cmd === 'leave' ? { event: 'error', message: 'not there' } : { event: 'result', cmd }
  process.stdout.write(JSON.stringify({ ...line, id }) + '\\n')
})`

test('a process answers by number, its refusals, its silence and its end reject', async () => {
  const program = await SwarmProgram.start(process.execPath, ['-e', WORKER])
  expect(program.nodes).toEqual([{ id: 'aa', ticket: 'endpointaa' }])
  expect(await program.request({ cmd: 'neighbors' })).toMatchObject({ event: 'result', cmd: 'neighbors' })
  expect(program.events).toEqual([{ event: 'neighbor-up', node: 0 }])
  expect(await program.hasHadNeighbor(0, 50)).toBe(true)
  expect(await program.hasHadNeighbor(1, 50)).toBe(false)
  await expect(program.request({ cmd: 'leave' })).rejects.toThrow('not there')
  await expect(program.request({ cmd: 'usage' }, 50)).rejects.toThrow('no answer to usage within 0.05 s')
  const waiting = program.request({ cmd: 'kill' })
  await expect(waiting).rejects.toThrow('ended')
  await expect(program.request({ cmd: 'neighbors' })).rejects.toThrow('ended')
  await program.stop()
})

test('a process that does not become one is said to have failed, with its last words', async () => {
  await expect(
    SwarmProgram.start(process.execPath, ['-e', 'console.error("no such option"); process.exit(1)']),
  ).rejects.toThrow('no such option')
  await expect(SwarmProgram.start('/nonexistent/program', [])).rejects.toThrow('ENOENT')
})

function results(value: string, ours: number[], theirs?: number[]): Results {
  const found = new Results()
  found.add(GOSSIP, value, TOM, summarize(ours))
  if (theirs !== undefined) found.add(GOSSIP, value, IROH_GOSSIP, summarize(theirs))
  return found
}

function cellsOf(text: string | undefined, label: string): string[] | undefined {
  const line = text?.split('\n').find((candidate) => candidate.startsWith(`| ${label} |`))
  return line?.slice(2, -2).split(' | ').slice(1)
}

test('ours beside native with the ratio of the same rounds, slower rows too', () => {
  const text = renderGossipTables(results(ofSwarm(50, 'p50 ms'), [3, 30, 6], [1, 10, 2]))
  expect(cellsOf(text, '… latency p50, ms')).toEqual([
    '',
    '',
    '6.00 (3.00–30.0)',
    '2.00 (1.00–10.0)',
    '3.00 (3.00–3.00)',
  ])
})

test('one message lost in one round misses the aim', () => {
  const found = results(ofSwarm(50, LOST), [0, 34, 0], [0, 0, 0])
  expect(cellsOf(renderGossipTables(found), '… deliveries lost, of a million')).toEqual([
    '0',
    'missed',
    '0.00 (0.00–34.0)',
    '0.00 (0.00–0.00)',
    '',
  ])
  expect(missedGossipAims(found)).toEqual([`gossip: 50 nodes: ${LOST}: 34.0, aim 0`])
  expect(missedGossipAims(results(ofSwarm(50, LOST), [0, 0, 0]))).toEqual([])
})

test('redundancy 0 beside 0 has no ratio', () => {
  expect(
    cellsOf(
      renderGossipTables(results(ofSwarm(50, 'redundancy'), [0], [0])),
      '… payloads received beyond those needed, share',
    ),
  ).toEqual(['', '', '0.00', '0.00', ''])
})

test('what the native stack does not say is not left blank', () => {
  const found = results(ofSwarm(50, 'redundancy'), [0.1])
  const label = '… payloads received beyond those needed, share'
  expect(cellsOf(renderGossipTables(found), label)?.slice(2)).toEqual(['0.10', '', ''])
  found.add(GOSSIP, ofSwarm(50, 'p50 ms'), IROH_GOSSIP, summarize([2]))
  expect(cellsOf(renderGossipTables(found), label)?.slice(2)).toEqual(['0.10', 'n/a', ''])
})

test('a line for each size of swarm and stack, the smallest first', () => {
  const found = results(ofSwarm(100, 'p50 ms'), [4])
  found.add(GOSSIP, ofSwarm(10, 'whole, ms'), IROH_GOSSIP, summarize([90]))
  const lines = renderGossipTables(found)!.split('\n\n')[1]!.split('\n')
  expect(lines.slice(2)).toEqual([
    `| 10 | ${IROH_GOSSIP} | 90.0 | n/a | n/a | n/a | n/a | n/a | n/a |`,
    `| 100 | ${TOM} | n/a | n/a | 4.00 | n/a | n/a | n/a | n/a |`,
  ])
  expect(lines[0]!.split('|').length).toBe(lines[2]!.split('|').length)
})

test('gossip stands in a block of its own, with who is missing and where it was measured', () => {
  const found = results(ofSwarm(50, 'p50 ms'), [4], [2])
  found.absent(IROH_GOSSIP, '50 nodes: gone', GOSSIP)
  expect(renderTables(found)).toBe('')
  found.add('bulk', 'Mbit/s', TOM, summarize([1000]))
  expect(renderTables(found).split('\n')[0]).toBe(`| figure | aim |  | ${TOM} |`)
  const block = renderGossipBlock(found, 'the note')
  expect(block).toContain(`Not measured: ${IROH_GOSSIP} (gossip): 50 nodes: gone.\n\nthe note`)
  expect(renderGossipBlock(new Results(), 'the note')).toBeUndefined()
  const origin = { date: '2026-02-02', commit: 'new', machine: 'M', node: 'v20' }
  const head = { ...origin, commit: 'old', parts: [{ figures: ['relay', GOSSIP], origin }] }
  expect(originOf(head, GOSSIP).commit).toBe('new')
  expect(originOf(head, 'bulk').commit).toBe('old')
  expect(describeOrigins(head, [GOSSIP])).toBe('M, Node v20; commit old, 2026-02-02; relay: commit new, 2026-02-02')
})

test('the note says what the plan says', () => {
  expect(gossipNote(gossipPlan(false))).toContain('50 nodes: 3')
  expect(gossipNote(gossipPlan(false))).toContain('200 or 100 broadcasts')
  expect(gossipPlan(true).swarms.every(({ size }) => size <= 10)).toBe(true)
})
