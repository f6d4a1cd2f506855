import { expect, test } from 'vitest'
import { connect } from '../../src/cli/connect.ts'
import { JsonReporter } from '../../src/cli/reporter.ts'
import { type Run, sleep } from '../../src/cli/run.ts'
import type { Connection } from '../../src/endpoint/index.ts'
import { SecretKey } from '../../src/identity/index.ts'
import { ALPN, bind, closeAfterEach } from '../endpoint/pair.ts'
import { events } from './events.ts'

closeAfterEach()

interface TestRun {
  readonly run: Run
  readonly lines: string[]
  readonly notes: string[]
  /** What the run slept, ms; a hundredth of it in truth, unless told otherwise. */
  readonly sleeps: number[]
}

function createRun(signal: AbortSignal, hurry = 100): TestRun {
  const lines: string[] = []
  const notes: string[] = []
  const sleeps: number[] = []
  const output = { stdout: (line: string) => lines.push(line), stderr: (line: string) => notes.push(line) }
  const run: Run = {
    output,
    reporter: new JsonReporter(output),
    interrupted: signal,
    now: () => performance.now(),
    wallClock: () => Date.now(),
    elapsed: () => performance.now() / 1000,
    sleep: (ms) => {
      sleeps.push(ms)
      return sleep(ms / hurry, signal)
    },
  }
  return { run, lines, notes, sleeps }
}

const OPTIONS = {
  name: 'A',
  alpn: ALPN,
  pings: 2,
  delayMs: 5,
  continuous: false,
  summaryInterval: 0,
  maxReconnects: 10,
  timeoutMs: 5000,
  bind: ['127.0.0.1:0'],
  relays: [],
}

/** Echoes, or answers something else; what connects is put into `connections`. */
async function echo(options: Parameters<typeof bind>[0], answer?: string, connections: Connection[] = []) {
  const endpoint = await bind({ ...options, alpns: [] })
  endpoint.router().accept(ALPN, async (connection) => {
    connections.push(connection)
    for (;;) {
      const { send, recv } = await connection.acceptBi()
      const data = await recv.readToEnd(1024)
      await send.write(answer === undefined ? data : new TextEncoder().encode(answer))
      await send.finish()
    }
  })
  return endpoint
}

test('spec/envelope.md §8.3: a peer that restarts: disconnected, reconnecting, reconnected, and the run goes on', async () => {
  const secretKey = SecretKey.generate()
  const first = await echo({ secretKey })
  const controller = new AbortController()
  const { run, lines } = createRun(controller.signal)
  // a first flight that found nobody is sent again after a second: another dial is sooner
  const done = connect({ ...OPTIONS, target: first.addr(), continuous: true, timeoutMs: 500 }, run)
  const count = (name: string): number => events(lines.join('\n')).filter(({ event }) => event === name).length
  await expect.poll(() => count('ping'), { timeout: 10_000, interval: 5 }).toBeGreaterThan(2)
  const addresses = first.boundAddresses()
  await first.close()
  await expect.poll(() => count('disconnected'), { timeout: 10_000, interval: 5 }).toBe(1)
  await echo({ secretKey, bind: addresses })
  await expect.poll(() => count('reconnected'), { timeout: 10_000, interval: 5 }).toBe(1)
  const before = count('ping')
  await expect.poll(() => count('ping'), { timeout: 10_000, interval: 5 }).toBeGreaterThan(before + 2)
  controller.abort()
  expect(await done).toBe(true)
  const all = events(lines.join('\n'))
  expect(all.find(({ event }) => event === 'disconnected')).toMatchObject({ reason: expect.stringContaining('code 0') })
  expect(all.filter(({ event }) => event === 'path_change').length).toBe(2)
  const back = all.find(({ event }) => event === 'reconnected')!
  expect(all.at(-1)!.total_disconnected_s).toBeCloseTo(Number(back.reconnect_time_ms) / 1000, 2)
  // The path of the new connection is reported after the connection.
  const names = all.map(({ event }) => event)
  expect(names[names.indexOf('reconnected') + 1]).toBe('path_change')
  expect(all.at(-1)).toMatchObject({ event: 'summary', failed_pings: 1, reconnections: 1 })
})

test('an answer that is no echo is a failed ping, and a run with one fails', async () => {
  const server = await echo({}, 'something else')
  const { run, lines, notes } = createRun(new AbortController().signal)
  expect(await connect({ ...OPTIONS, target: server.addr() }, run)).toBe(false)
  const all = events(lines.join('\n'))
  expect(all.map(({ event }) => event)).toEqual(['started', 'path_change', 'hole_punch', 'summary'])
  expect(all.at(-1)).toMatchObject({ total_pings: 2, failed_pings: 2, direct_pct: 0 })
  // CLI-4
  expect(all.at(-2)).toMatchObject({ success: false, time_to_direct_s: 0 })
  expect(notes.filter((note) => note.includes('something else')).length).toBe(2)
})

test('an interruption during the first dial ends it at once', async () => {
  const controller = new AbortController()
  const { run } = createRun(controller.signal)
  const gone = await bind()
  const target = gone.addr()
  await gone.close()
  setTimeout(() => controller.abort(new Error('interrupted')), 50)
  await expect(connect({ ...OPTIONS, target, timeoutMs: 30_000 }, run)).rejects.toThrow('interrupted')
})

test('spec/envelope.md §8.2: the first dial is tried three times, after 1 s and 2 s', async () => {
  const server = await echo({})
  let dials = 0
  server.router().filter(() => (++dials < 3 ? 'refuse' : 'accept'))
  const { run, lines, notes, sleeps } = createRun(new AbortController().signal)
  expect(await connect({ ...OPTIONS, timeoutMs: 15_000, target: server.addr() }, run)).toBe(true)
  const all = events(lines.join('\n'))
  const punch = ['ping', 'hole_punch', 'ping', 'summary']
  expect(all.map(({ event }) => event)).toEqual(['started', 'reconnecting', 'reconnecting', 'path_change', ...punch])
  expect(all.filter(({ event }) => event === 'reconnecting').map(({ attempt }) => attempt)).toEqual([2, 3])
  expect(sleeps).toEqual([1000, 2000, OPTIONS.delayMs])
  // A dial is not a reconnection.
  expect(all.at(-1)).toMatchObject({ reconnections: 0, total_disconnected_s: 0, failed_pings: 0 })
  expect(notes.filter((note) => note.endsWith('; trying again')).length).toBe(2)
})

test('spec/envelope.md §8.2: a first dial that is refused three times fails', async () => {
  const server = await echo({})
  let dials = 0
  server.router().filter(() => {
    dials++
    return 'refuse'
  })
  const { run, lines } = createRun(new AbortController().signal)
  const { timeoutMs: _, ...options } = OPTIONS
  await expect(connect({ ...options, target: server.addr() }, run)).rejects.toThrow('refused the connection')
  expect(dials).toBe(3)
  expect(events(lines.join('\n')).map(({ event }) => event)).toEqual(['started', 'reconnecting', 'reconnecting'])
})

test('a time limit is for all attempts of the first dial together', async () => {
  const gone = await bind()
  const target = gone.addr()
  await gone.close()
  const { run, lines, sleeps } = createRun(new AbortController().signal)
  await expect(connect({ ...OPTIONS, target, timeoutMs: 100 }, run)).rejects.toThrow('no answer from')
  expect(events(lines.join('\n')).map(({ event }) => event)).toEqual(['started'])
  expect(sleeps).toEqual([])
})

test('what another dial cannot change is not tried again', async () => {
  const server = await echo({})
  const { run, lines, sleeps } = createRun(new AbortController().signal)
  await expect(connect({ ...OPTIONS, alpn: 'other/1', target: server.addr() }, run)).rejects.toThrow('ALPN')
  expect(events(lines.join('\n')).map(({ event }) => event)).toEqual(['started'])
  expect(sleeps).toEqual([])
})

/** A run whose peer closes the connection after some pings and refuses all others. */
async function abandoned(options: Partial<Parameters<typeof connect>[0]>, hurry?: number) {
  const controller = new AbortController()
  const { run, lines, sleeps } = createRun(controller.signal, hurry)
  const connections: Connection[] = []
  const server = await echo({}, undefined, connections)
  let dials = 0
  server.router().filter(() => (++dials === 1 ? 'accept' : 'refuse'))
  const defaults = { continuous: true, timeoutMs: 15_000, delayMs: 100 }
  const done = connect({ ...OPTIONS, ...defaults, ...options, target: server.addr() }, run)
  const all = () => events(lines.join('\n'))
  const count = (name: string): number => all().filter(({ event }) => event === name).length
  await expect.poll(() => count('ping'), { timeout: 10_000, interval: 5 }).toBeGreaterThan(1)
  for (const connection of connections) connection.close(0, 'gone')
  return { all, count, done, controller, sleeps }
}

/** From the loss on. */
function afterLoss(all: ReturnType<typeof events>): ReturnType<typeof events> {
  return all.slice(all.findIndex(({ event }) => event === 'disconnected'))
}

test('spec/envelope.md §8.2: reconnection attempts after 1, 2, 4, 8, 16, 32, 32 s, without a limit if that is 0', async () => {
  const { all, count, done, controller, sleeps } = await abandoned({ maxReconnects: 0 }, 1000)
  await expect.poll(() => count('reconnecting'), { timeout: 15_000, interval: 5 }).toBeGreaterThan(6)
  controller.abort(new Error('interrupted'))
  expect(await done).toBe(false)
  const attempts = afterLoss(all()).filter(({ event }) => event === 'reconnecting')
  expect(attempts.slice(0, 7).map(({ attempt }) => attempt)).toEqual([2, 3, 4, 5, 6, 7, 8])
  expect(sleeps.filter((ms) => ms !== 100).slice(0, 7)).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 32_000])
})

test.each([
  ['--max-reconnects counts attempts', { maxReconnects: 4 }, [2, 3, 4]],
  ['without --continuous there are three', { continuous: false, pings: 1000 }, [2, 3]],
])('spec/envelope.md §8.2: %s; the time spent in vain counts as disconnected', async (_what, options, attempts) => {
  const { all, done, sleeps } = await abandoned(options)
  expect(await done).toBe(false)
  const rest = afterLoss(all())
  expect(rest.map(({ event }) => event)).toEqual(['disconnected', ...attempts.map(() => 'reconnecting'), 'summary'])
  expect(rest[0]).toMatchObject({ session_pings: all().filter(({ event }) => event === 'ping').length })
  expect(rest.slice(1, -1).map(({ attempt }) => attempt)).toEqual(attempts)
  expect(rest.at(-1)).toMatchObject({ reconnections: 0, failed_pings: 1 })
  const backoffs = sleeps.filter((ms) => ms !== 100)
  expect(backoffs).toEqual([1000, 2000, 4000].slice(0, attempts.length))
  // A hundredth of them was slept, and a timer may be a millisecond early.
  const slept = backoffs.reduce((sum, ms) => sum + ms / 100 - 2, 0)
  expect(rest.at(-1)!.total_disconnected_s).toBeGreaterThanOrEqual(slept / 1000)
})

test('an interruption between two attempts ends the run with its summary, without another attempt', async () => {
  const { all, count, done, controller } = await abandoned({ maxReconnects: 0 })
  await expect.poll(() => count('reconnecting'), { timeout: 10_000, interval: 1 }).toBeGreaterThan(3)
  controller.abort(new Error('interrupted'))
  const before = count('reconnecting')
  expect(await done).toBe(false)
  expect(count('reconnecting')).toBe(before)
  expect(all().at(-1)).toMatchObject({ event: 'summary' })
})
