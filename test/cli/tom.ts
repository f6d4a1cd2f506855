/** Runs the `tom` command, bundled as it is shipped, as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { buildCli } from '../../scripts/build.ts'

/** For files of the tests; emptied after each test file. */
export const folder = mkdtempSync(join(tmpdir(), 'tom-cli-'))
const MAIN = join(folder, 'tom.mjs')

/** Each test file calls this once: the files of a suite share this module, so a hook of its own would belong to one of them only. */
export function useTom(): void {
  beforeAll(async () => {
    mkdirSync(folder, { recursive: true })
    await buildCli(MAIN)
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
  readonly #child: ChildProcess
  readonly #ended: Promise<Result>
  #changed: () => void = () => {}

  constructor(...args: string[]) {
    this.#child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child.stdout!.on('data', (chunk) => {
      this.stdout += chunk
      this.#changed()
    })
    this.#child.stderr!.on('data', (chunk) => {
      this.stderr += chunk
      this.#changed()
    })
    this.#ended = new Promise((resolve) => {
      this.#child.on('close', (code) => {
        resolve({ code, stdout: this.stdout, stderr: this.stderr })
        this.#changed()
      })
    })
    running.add(this)
    this.#ended.then(() => running.delete(this))
  }

  /** The first match in what was printed so far, on either stream; waits for it. */
  async match(pattern: RegExp): Promise<RegExpMatchArray> {
    for (;;) {
      const match = `${this.stdout}\n${this.stderr}`.match(pattern)
      if (match !== null) return match
      if (this.#child.exitCode !== null) throw new Error(`tom ended without ${pattern}: ${this.stdout}${this.stderr}`)
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
  }

  interrupt(signal: 'SIGINT' | 'SIGTERM' = 'SIGINT'): void {
    this.#child.kill(signal)
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  get ended(): Promise<Result> {
    return this.#ended
  }
}

const running = new Set<Tom>()

export const run = (...args: string[]): Promise<Result> => new Tom(...args).ended
