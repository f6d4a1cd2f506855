/**
 * The two programs of `examples/`: run as people run them, as several processes over loopback, and with somebody missing. What needs many processes runs bundled: starting
 * tsx takes longer than the example.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ROOT } from '../../../scripts/build.ts'

const EXAMPLES = ['poc-2-gossip', 'poc-3-chat']
const folder = mkdtempSync(join(tmpdir(), 'tom-examples-'))

beforeAll(async () => {
  await build({
    entryPoints: EXAMPLES.map((name) => join(ROOT, `examples/${name}.ts`)),
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    format: 'esm',
    logLevel: 'error',
  })
})
afterAll(() => rmSync(folder, { recursive: true }))

const running = new Set<ChildProcess>()
afterEach(() => {
  for (const child of running) child.kill('SIGKILL')
})

interface Ended {
  readonly code: number | null
  readonly output: string
}

interface Program {
  readonly ended: Promise<Ended>
  /** The ticket that it prints. Rejects when it ends without. */
  readonly ticket: Promise<string>
}

const bundled = (name: string): string[] => [join(folder, `${name}.mjs`)]
const fromSource = (name: string): string[] => ['--import', 'tsx', `examples/${name}.ts`]

function start(program: readonly string[], ...args: string[]): Program {
  const child = spawn(process.execPath, [...program, ...args], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  let output = ''
  let found = (_ticket: string): void => {}
  const printed = new Promise<string>((resolve) => {
    found = resolve
  })
  for (const stream of [child.stdout!, child.stderr!])
    stream.setEncoding('utf8').on('data', (text) => {
      output += text
      const ticket = /--join (endpoint\S+)\n/.exec(output)?.[1]
      if (ticket !== undefined) found(ticket)
    })
  const ended = once(child, 'close').then(([code]): Ended => {
    running.delete(child)
    return { code, output }
  })
  const tooLate = ended.then(({ code }): never => {
    throw new Error(`it ended with ${code} and without a ticket: ${output}`)
  })
  tooLate.catch(() => {})
  const ticket = Promise.race([printed, tooLate])
  ticket.catch(() => {})
  return { ended, ticket }
}

const LOOPBACK = ['--bind', '127.0.0.1:0', '--limit', '15']

describe.each([
  { name: 'poc-2-gossip', success: 'everybody found everybody', failure: 'SOMEBODY IS MISSING' },
  { name: 'poc-3-chat', success: 'everybody told everybody', failure: 'SOMETHING IS MISSING' },
])('spec/gossip.md §14.2: $name', ({ name, success, failure }) => {
  test('three nodes in one process find each other, and it ends with code 0', async () => {
    const { code, output } = await start(fromSource(name), '--limit', '15').ended
    expect(output).toContain(success)
    expect(code).toBe(0)
    const summary = output.trimEnd().split('\n').slice(-4, -1)
    expect(summary.map((line) => line.split(':')[0])).toEqual(['Alice', 'Bob', 'Carol'])
    for (const [index, line] of summary.entries()) {
      const others = ['Alice', 'Bob', 'Carol'].filter((_, other) => other !== index)
      for (const other of others) expect(line).toContain(other)
    }
  })

  test('three processes: one listens, two join it', async () => {
    const first = start(bundled(name), '--listen', '--name', 'Alice', ...LOOPBACK)
    const ticket = await first.ticket
    const others = ['Bob', 'Carol'].map((other) => start(bundled(name), '--join', ticket, '--name', other, ...LOOPBACK))
    for (const { ended } of [first, ...others]) {
      const { code, output } = await ended
      expect(output).toContain(success)
      expect(code).toBe(0)
    }
  })

  test('when somebody is missing it ends with code 1 and says so', async () => {
    const { code, output } = await start(bundled(name), '--listen', '--bind', '127.0.0.1:0', '--limit', '0.2').ended
    expect(output).toContain(failure)
    expect(code).toBe(1)
  })
})
