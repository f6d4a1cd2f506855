/** The processes of the demo: the built `tom` command, its event lines, and that nothing of it outlives the demo. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** One event line; `at` is when it came here, ms on the demo's clock. */
export type EventLine = Readonly<Record<string, unknown>> & { readonly event: string; readonly at: number }

/** For a program to end after it was asked to, ms. */
const STOP_LIMIT_MS = 10_000

const running = new Set<Program>()

/** Kills whatever still runs. */
export function killAll(): void {
  for (const program of running) program.kill()
}

/** A `tom` command that prints event lines. */
export class Program {
  readonly name: string
  readonly events: EventLine[] = []
  /** When it was started, ms on the demo's clock. */
  readonly startedAt = performance.now()
  readonly #child: ChildProcess
  readonly #ended: Promise<number | null>
  readonly #notes: string[] = []
  #waiters: (() => void)[] = []
  #isOver = false

  constructor(name: string, cli: string, args: readonly string[]) {
    this.name = name
    const child = spawn(process.execPath, [cli, ...args, '--json'], { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child = child
    // a program that is killed does not read any more
    child.stdin!.on('error', () => {})
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const event = { ...JSON.parse(line), at: performance.now() } as EventLine
      this.events.push(event)
      this.#wake()
    })
    createInterface({ input: child.stderr! }).on('line', (line) => {
      this.#notes.push(line)
    })
    this.#ended = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code) => {
        running.delete(this)
        this.#isOver = true
        resolve(code)
        this.#wake()
      })
    })
    this.#ended.catch(() => {})
    running.add(this)
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** A line for its standard input. */
  say(line: object): void {
    this.#child.stdin!.write(`${JSON.stringify(line)}\n`)
  }

  /** The first event that is wanted, waiting for it. Rejects after `limitMs`, or when the program ends without. */
  async event(what: string, isWanted: (line: EventLine) => boolean, limitMs = 8_000): Promise<EventLine> {
    const until = performance.now() + limitMs
    for (;;) {
      const found = this.events.find(isWanted)
      if (found !== undefined) return found
      const left = until - performance.now()
      if (this.#isOver) throw new Error(`${this.name} ended before: ${what}${this.#lastNotes()}`)
      if (left <= 0) throw new Error(`${this.name} waited ${limitMs} ms in vain for: ${what}${this.#lastNotes()}`)
      await this.#changed(left)
    }
  }

  /** As by `kill -9`: no goodbye, nothing is written. Resolves when the process is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  /** The end of its input; rejects unless it ends with code 0. */
  async finish(): Promise<void> {
    this.#child.stdin!.end()
    await this.#success('the end of its input')
  }

  async interrupt(): Promise<void> {
    this.#child.kill('SIGTERM')
    await this.#success('SIGTERM')
  }

  /** The system knows no such process any more. */
  get isDead(): boolean {
    try {
      process.kill(this.pid, 0)
      return false
    } catch {
      return true
    }
  }

  async #success(after: string): Promise<void> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT_MS)
    const code = await this.#ended
    clearTimeout(timer)
    if (code !== 0) throw new Error(`${this.name} ended with code ${code} after ${after}${this.#lastNotes()}`)
  }

  #changed(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limitMs)
      this.#waiters.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  #wake(): void {
    for (const waiter of this.#waiters.splice(0)) waiter()
  }

  #lastNotes(): string {
    return this.#notes.length === 0 ? '' : `; it said: ${this.#notes.slice(-3).join(' / ')}`
  }
}
