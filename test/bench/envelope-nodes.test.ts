/** What the benchmark of messages measures with: real nodes on loopback with clocks around them, and native ones behind JSON lines (a stand-in here). */
import { afterEach, expect, test } from 'vitest'
import { NativePair } from '../../bench/envelope/native-pair.ts'
import { WorkerNode } from '../../bench/envelope/worker-node.ts'
import { TomNode } from '../../src/envelope/node.ts'

const LIMIT_MS = 10_000
const running: WorkerNode[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map(({ node }) => node.close()))
})

async function start(bootstrap: readonly string[]): Promise<WorkerNode> {
  const node = await WorkerNode.start({ bootstrap, isTrusting: true })
  running.push(node)
  return node
}

test('a node counts what is delivered, how long it took, and how long one way took; once', async () => {
  const first = await start([])
  const second = await start([first.ticket])
  expect(await second.hasJoined(LIMIT_MS)).toBe(true)
  const sent = await second.send(String(first.node.id), { size: 100, count: 20, inFlight: 4, patienceMs: LIMIT_MS })
  expect(sent).toMatchObject({ delivered: 20, problem: undefined })
  expect(sent.latenciesUs).toHaveLength(20)
  const oneWay = first.collect()
  expect(oneWay).toHaveLength(20)
  expect(first.received).toBe(20)
  expect(first.collect()).toEqual([])
  // the way there is a part of the way there and back
  expect(Math.min(...oneWay)).toBeLessThan(Math.max(...sent.latenciesUs))
  expect(sent.ms).toBeGreaterThanOrEqual(Math.max(...sent.latenciesUs) / 1000)
})

test('contents too short for a clock are delivered all the same', async () => {
  const first = await start([])
  const second = await start([first.ticket])
  const short = { size: 5, count: 1, inFlight: 1, patienceMs: LIMIT_MS }
  expect(await second.send(String(first.node.id), short)).toMatchObject({ delivered: 1 })
  expect([first.received, first.collect()]).toEqual([1, []])
})

test('what nobody takes in time is not delivered, and has no latency', async () => {
  const reader = await TomNode.start({ bind: ['127.0.0.1:0'], proxy: null })
  try {
    const sender = await start([String(reader.ticket())])
    await sender.hasJoined(LIMIT_MS)
    const sent = await sender.send(String(reader.id), { size: 5, count: 1, inFlight: 1, patienceMs: 50 })
    expect(sent).toMatchObject({ delivered: 0, latenciesUs: [] })
    expect(sent.problem).toContain('was not acknowledged within 50 ms')
    // or its sender would wait for that when it is closed
    await reader.messages().next()
  } finally {
    await reader.close()
  }
})

test('a newcomer hears of somebody it was not told of, writes to it, and knows everybody', async () => {
  const first = await start([])
  const second = await start([first.ticket])
  await second.hasJoined(LIMIT_MS)
  const { one, newcomer } = await WorkerNode.newcomer(first.ticket, String(first.node.id), 2, LIMIT_MS)
  running.push(one)
  const { neighborMs, strangerMs, messageMs, everybodyMs } = newcomer
  expect(neighborMs).toBeGreaterThan(0)
  expect(messageMs).toBeGreaterThan(strangerMs!)
  expect(everybodyMs).toBeGreaterThanOrEqual(strangerMs!)
  expect(second.received).toBe(1)
})

/** Acknowledges every message, before it says that it was sent; but none of 9 bytes. */
const PROGRAM = `
const say = (line) => process.stdout.write(JSON.stringify(line) + '\\n')
say({ event: 'listening', id: process.argv.includes('--bootstrap') ? 'sender' : 'recipient', ticket: 't' })
require('node:readline').createInterface({ input: process.stdin }).on('line', (text) => {
  const { cmd, tag, id, payload, to } = JSON.parse(text)
  if (cmd === 'send' && payload.length !== 18 && to === 'recipient') say({ event: 'ack', original: id })
  if (cmd === 'usage') say({ event: 'result', tag, cpuUserUs: 2000, cpuSystemUs: 1000 })
  else say({ event: 'result', tag })
})`

test('a native pair: acknowledged by id, CPU of both, what is not acknowledged is not delivered', async () => {
  // what follows `--` is the script's
  const pair = await NativePair.start([process.execPath, '-e', PROGRAM, '--'])
  try {
    const plan = { size: 100, count: 10, inFlight: 3, patienceMs: LIMIT_MS }
    const sent = await pair.send(plan)
    expect(sent).toMatchObject({ delivered: 10, problem: undefined })
    expect(sent.latenciesUs).toHaveLength(10)
    expect(await pair.cpuUs()).toBe(6_000)
    expect(await pair.line()).toBeGreaterThan(0)
    // another message's acknowledgement is not its own
    const [late, other] = await Promise.all([
      pair.send({ ...plan, size: 9, count: 1, patienceMs: 200 }),
      pair.send({ ...plan, count: 1 }),
    ])
    expect(other.delivered).toBe(1)
    expect(late).toMatchObject({ delivered: 0, problem: 'no acknowledgement within 0.2 s' })
  } finally {
    await pair.stop()
  }
})
