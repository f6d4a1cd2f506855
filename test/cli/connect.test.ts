import { expect, test } from 'vitest'
import { connect } from '../../src/cli/connect.ts'
import { JsonReporter } from '../../src/cli/reporter.ts'
import type { Run } from '../../src/cli/run.ts'
import { SecretKey } from '../../src/identity/index.ts'
import { ALPN, bind } from '../endpoint/pair.ts'
import { events } from './events.ts'

function createRun(signal: AbortSignal): { run: Run; lines: string[]; notes: string[] } {
  const lines: string[] = []
  const notes: string[] = []
  const output = { stdout: (line: string) => lines.push(line), stderr: (line: string) => notes.push(line) }
  const run: Run = {
    output,
    reporter: new JsonReporter(output),
    interrupted: signal,
    now: () => performance.now(),
    wallClock: () => Date.now(),
    elapsed: () => performance.now() / 1000,
  }
  return { run, lines, notes }
}

const OPTIONS = {
  name: 'A',
  alpn: ALPN,
  pings: 2,
  delayMs: 5,
  continuous: false,
  summaryInterval: 0,
  maxReconnects: 10,
  timeoutMs: 1500,
  bind: ['127.0.0.1:0'],
  relays: [],
}

/** Echoes, or answers something else. */
async function echo(options: Parameters<typeof bind>[0], answer?: string) {
  const endpoint = await bind({ ...options, alpns: [] })
  endpoint.router().accept(ALPN, async (connection) => {
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
  const done = connect({ ...OPTIONS, target: first.addr(), continuous: true }, run)
  const count = (name: string): number => events(lines.join('\n')).filter(({ event }) => event === name).length
  await expect.poll(() => count('ping'), { timeout: 10_000 }).toBeGreaterThan(2)
  const addresses = first.boundAddresses()
  await first.close()
  await expect.poll(() => count('disconnected'), { timeout: 10_000 }).toBe(1)
  await echo({ secretKey, bind: addresses })
  await expect.poll(() => count('reconnected'), { timeout: 10_000 }).toBe(1)
  const before = count('ping')
  await expect.poll(() => count('ping'), { timeout: 10_000 }).toBeGreaterThan(before + 2)
  controller.abort()
  expect(await done).toBe(true)
  const all = events(lines.join('\n'))
  expect(all.find(({ event }) => event === 'disconnected')).toMatchObject({ reason: expect.stringContaining('code 0') })
  expect(all.filter(({ event }) => event === 'path_change').length).toBe(2)
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
