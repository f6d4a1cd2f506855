/** Runs the `tom` command, bundled as it is shipped, as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { buildCli } from '../../scripts/build.ts'

/** For files of the tests; emptied after each test file. */
export const folder = mkdtempSync(join(tmpdir(), 'tom-cli-'))
const MAIN = join(folder, 'tom.mjs')
/** Built by the first test file and kept for the others. */
let bundle: Uint8Array | undefined
const BATCH = join(folder, 'batch.mjs')
const HURRY = join(folder, 'hurry.mjs')

/** Loads the command anew for each list of arguments, one after the other, and prints what each would have left behind as a process. */
const BATCH_SOURCE = `
import { writeSync } from 'node:fs'
for (const emitter of [process, process.stdout, process.stderr]) emitter.setMaxListeners(0)
const results = []
for (const [index, args] of JSON.parse(process.argv[2]).entries()) {
  const result = { code: 0, stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'])
    process[name].write = (text) => {
      result[name] += text
      return true
    }
  process.argv = [process.argv[0], 'tom', ...args]
  await import('./tom.mjs?' + index)
  result.code = process.exitCode ?? 0
  process.exitCode = undefined
  results.push(result)
}
writeSync(1, JSON.stringify(results))
`

/** All of a process's own clocks and timers, so that its waits keep their proportions. Sockets are as fast as ever. */
const HURRY_SOURCE = `
const speed = Number(new URL(import.meta.url).searchParams.get('speed'))
const { setTimeout: later } = globalThis
const now = performance.now.bind(performance)
const wallClock = Date.now
const start = wallClock()
globalThis.setTimeout = (call, ms = 0, ...rest) => later(call, ms / speed, ...rest)
performance.now = () => now() * speed
Date.now = () => start + Math.floor((wallClock() - start) * speed)
`

/** Before the arguments of a command: it lives `speed` times as fast. Its time limits are that much shorter, too. */
export const hurried = (speed: number): string => `--import=${pathToFileURL(HURRY)}?speed=${speed}`

/** Each test file calls this once: the files of a suite share this module, so a hook of its own would belong to one of them only. */
export function useTom(): void {
  beforeAll(async () => {
    mkdirSync(folder, { recursive: true })
    if (bundle === undefined) {
      await buildCli(MAIN)
      bundle = readFileSync(MAIN)
    } else writeFileSync(MAIN, bundle)
    writeFileSync(BATCH, BATCH_SOURCE)
    writeFileSync(HURRY, HURRY_SOURCE)
  })
  afterEach(async () => {
    for (const tom of running) tom.kill()
    await Promise.all([...running].map(({ ended }) => ended))
  })
  afterAll(() => rmSync(folder, { recursive: true }))
}

export interface Result {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export class Tom {
  stdout = ''
  stderr = ''
  protected readonly child: ChildProcess
  readonly #ended: Promise<Result>
  #changed: () => void = () => {}

  constructor(...args: string[]) {
    const flags = args.filter((arg) => arg.startsWith('--import='))
    const own = args.slice(flags.length)
    this.child = spawn(process.execPath, [...flags, this.main, ...own], {
      stdio: [this.stdin, 'pipe', 'pipe'],
    })
    this.child.stdout!.on('data', (chunk) => {
      this.stdout += chunk
      this.#changed()
    })
    this.child.stderr!.on('data', (chunk) => {
      this.stderr += chunk
      this.#changed()
    })
    this.#ended = new Promise((resolve) => {
      this.child.on('close', (code) => {
        resolve({ code, stdout: this.stdout, stderr: this.stderr })
        this.#changed()
      })
    })
    running.add(this)
    this.#ended.then(() => running.delete(this))
  }

  /** What Node runs. */
  protected get main(): string {
    return MAIN
  }

  /** 'ignore': at its end from the start. */
  protected get stdin(): 'ignore' | 'pipe' {
    return 'ignore'
  }

  /** The first match in what was printed so far, on either stream; waits for it. */
  async match(pattern: RegExp): Promise<RegExpMatchArray> {
    for (;;) {
      const match = `${this.stdout}\n${this.stderr}`.match(pattern)
      if (match !== null) return match
      if (this.child.exitCode !== null) throw new Error(`tom ended without ${pattern}: ${this.stdout}${this.stderr}`)
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
  }

  interrupt(signal: 'SIGINT' | 'SIGTERM' = 'SIGINT'): void {
    this.child.kill(signal)
  }

  kill(): void {
    this.child.kill('SIGKILL')
  }

  get ended(): Promise<Result> {
    return this.#ended
  }
}

const running = new Set<Tom>()

export const run = (...args: string[]): Promise<Result> => new Tom(...args).ended

class Batch extends Tom {
  protected override get main(): string {
    return BATCH
  }
}

/**
 * Several commands in one process, one after the other: starting Node is most of what a short one costs. That the process
 * ends says that none of them left anything open.
 */
export async function runEach(cases: readonly (readonly string[])[]): Promise<Result[]> {
  const { code, stdout, stderr } = await new Batch(JSON.stringify(cases)).ended
  if (code !== 0 || stderr !== '') throw new Error(`the batch ended with ${code}: ${stderr}`)
  return JSON.parse(stdout)
}
