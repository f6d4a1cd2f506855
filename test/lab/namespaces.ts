/**
 * Hosts as network namespaces, with a relay's host between them: `left` and `right` reach the middle and nothing else, for the middle does not forward. Needs root on Linux;
 * everything is taken away again, and nothing leaves the machine.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export type Host = 'left' | 'middle' | 'right'

/** Whether namespaces can be made here. */
export function canMakeNamespaces(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  try {
    execFileSync('ip', ['-V'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

export interface LabAddresses {
  /** Of the middle, reached from both sides. */
  readonly middle: string
  readonly left: string
  readonly right: string
}

const V4: LabAddresses = { middle: '10.77.0.1', left: '10.77.1.2', right: '10.77.2.2' }
const V6: LabAddresses = { middle: 'fd77::1', left: 'fd77:1::2', right: 'fd77:2::2' }

/** One process in a host. */
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

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    await this.exit(5_000)
  }

  #said(): string {
    return JSON.stringify([...this.lines, ...this.errors].slice(-10))
  }
}

export class Lab {
  readonly addresses: LabAddresses
  readonly #names: Readonly<Record<Host, string>>
  readonly #processes: LabProcess[] = []

  constructor(family: 4 | 6) {
    this.addresses = family === 4 ? V4 : V6
    const tag = `tom${process.pid % 100_000}`
    this.#names = { left: `${tag}l`, middle: `${tag}m`, right: `${tag}r` }
    for (const name of Object.values(this.#names)) ip('netns', 'add', name)
    this.#in('middle', 'link', 'set', 'lo', 'up')
    const net = family === 4 ? '32' : '128'
    this.#in('middle', 'address', 'add', `${this.addresses.middle}/${net}`, 'dev', 'lo')
    for (const side of ['left', 'right'] as const) this.#join(side, family)
  }

  #in(host: Host, ...args: string[]): void {
    ip('-n', this.#names[host], ...args)
  }

  /** A cable from `side` to the middle, whose loopback address is reached over it. */
  #join(side: 'left' | 'right', family: 4 | 6): void {
    const own = this.addresses[side]
    const gateway = own.replace(/2$/, '1')
    const length = family === 4 ? '24' : '64'
    // no duplicate detection: the addresses must be there at once
    const flags = family === 6 ? ['nodad'] : []
    this.#in('middle', 'link', 'add', side, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', this.#names[side])
    this.#in('middle', 'address', 'add', `${gateway}/${length}`, 'dev', side, ...flags)
    this.#in('middle', 'link', 'set', side, 'up')
    this.#in(side, 'link', 'set', 'lo', 'up')
    this.#in(side, 'address', 'add', `${own}/${length}`, 'dev', 'eth0', ...flags)
    this.#in(side, 'link', 'set', 'eth0', 'up')
    this.#in(side, 'route', 'add', 'default', 'via', gateway)
  }

  /** Runs `command` in a host. */
  run(host: Host, command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): LabProcess {
    const child = spawn('ip', ['netns', 'exec', this.#names[host], command, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', ...env },
    })
    const process_ = new LabProcess(child)
    this.#processes.push(process_)
    return process_
  }

  async close(): Promise<void> {
    await Promise.all(this.#processes.map((one) => one.stop()))
    for (const name of Object.values(this.#names)) ip('netns', 'delete', name)
  }
}
