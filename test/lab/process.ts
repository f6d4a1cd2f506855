/** A process in the lab: its lines are kept, waited for, and it is ended with the lab. */
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'

export class LabProcess {
  readonly lines: string[] = []
  readonly errors: string[] = []
  readonly #child: ChildProcess
  readonly #exit: Promise<number | null>
  #onLine: () => void = () => {}

  constructor(child: ChildProcess) {
    this.#child = child
    createInterface({ input: child.stdout! }).on('line', (line) => {
      this.lines.push(line)
      this.#onLine()
    })
    createInterface({ input: child.stderr! }).on('line', (line) => {
      this.errors.push(line)
      this.#onLine()
    })
    // it may be gone when a line is written to it: its exit code tells
    child.stdin?.on('error', () => {})
    this.#exit = new Promise((resolve) => {
      child.on('close', (code) => {
        resolve(code)
        this.#onLine()
      })
    })
  }

  /** The first group of the first line, on either output, that matches. */
  async match(pattern: RegExp, timeoutMs: number): Promise<string> {
    const end = performance.now() + timeoutMs
    for (;;) {
      for (const line of [...this.lines, ...this.errors]) {
        const found = pattern.exec(line)
        if (found !== null) return found[1] ?? found[0]
      }
      const left = end - performance.now()
      if (left <= 0 || this.#child.exitCode !== null) throw new Error(`no line matches ${pattern}: ${this.#said()}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#onLine = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  /** The exit code; kills it when it takes longer. */
  async exit(timeoutMs: number): Promise<number | null> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), timeoutMs)
    const code = await this.#exit
    clearTimeout(timer)
    return code
  }

  /** A line to its standard input. */
  write(line: string): void {
    this.#child.stdin!.write(`${line}\n`)
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    this.#child.kill(signal)
    await this.exit(5_000)
  }

  #said(): string {
    return JSON.stringify([...this.lines, ...this.errors].slice(-10))
  }
}
