/**
 * The processes that are measured: bundles of plain JavaScript, as users run it, spoken to by JSON lines. A TypeScript loader in the process
 * would be measured as well.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

export type Line = Record<string, unknown>

/** What a process used so far. */
export interface Usage {
  readonly cpuUs: number
  /** Bytes. `heap` and `buffers` are 0 where the process is not Node. */
  readonly rss: number
  readonly heap: number
  readonly buffers: number
}

/** Below `bench/peers`, so that bare imports find the peers' packages first and ours after them. */
const BUNDLES = fileURLToPath(new URL('peers/node_modules/.cache/tom-bench/', import.meta.url))
/** A command that takes longer has hung. */
const COMMAND_LIMIT_MS = 120_000

const bundles = new Map<string, Promise<string>>()

/** Bundles `bench/<entry>` once and returns the path of the script. Packages stay outside. */
export function bundle(entry: string): Promise<string> {
  let script = bundles.get(entry)
  if (script === undefined) {
    const outfile = join(BUNDLES, entry.replaceAll('/', '-').replace(/\.ts$/, '.mjs'))
    script = build({
      entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      packages: 'external',
      outfile,
      logLevel: 'silent',
    }).then(() => outfile)
    bundles.set(entry, script)
  }
  return script
}

interface Waiting {
  readonly resolve: (line: Line) => void
  readonly reject: (error: Error) => void
}

/** One end of a measurement. Stop it, or it lives until this process ends. */
export class Worker {
  readonly address: string
  readonly #child: ChildProcess
  readonly #waiting: Map<number, Waiting>
  #tag = 1

  private constructor(child: ChildProcess, waiting: Map<number, Waiting>, address: string) {
    this.#child = child
    this.#waiting = waiting
    this.address = address
  }

  /** Runs `bench/worker.ts` for a peer of `bench/peers/`. Rejects when it ends or says nothing for 30 s. */
  static async start(
    peer: string,
    role: 'server' | 'client',
    options: object,
    nodeArgs: readonly string[] = [],
  ): Promise<Worker> {
    const script = await bundle('worker.ts')
    const args = [...nodeArgs, '--expose-gc', script, peer, role, JSON.stringify(options)]
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    const waiting = new Map<number, Waiting>()
    let complaint = ''
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-2000)
    })
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill('SIGKILL')
        reject(new Error(`${peer} ${role} was not ready within 30 s`))
      }, 30_000)
      createInterface({ input: child.stdout! }).on('line', (text) => {
        // Peers may print: only what is ours is read.
        if (!text.startsWith('{"tom":')) return
        const { tom: line } = JSON.parse(text) as { tom: Line }
        if (typeof line.ready === 'string') {
          clearTimeout(timer)
          resolve(new Worker(child, waiting, line.ready))
          return
        }
        const asked = waiting.get(line.tag as number)
        waiting.delete(line.tag as number)
        if (typeof line.error === 'string') asked?.reject(new Error(line.error))
        else asked?.resolve(line)
      })
      child.once('exit', (code, signal) => {
        clearTimeout(timer)
        const why =
          complaint.split('\n').find((line) => /error/i.test(line)) ?? complaint.trim().split('\n').at(-1) ?? ''
        const error = new Error(`${peer} ${role} ended with ${code ?? signal}: ${why.trim()}`)
        reject(error)
        for (const asked of waiting.values()) asked.reject(error)
        waiting.clear()
      })
    })
  }

  /** Rejects with what the worker reports, when it ends, and after two minutes. */
  ask(command: Line): Promise<Line> {
    const tag = this.#tag++
    return new Promise((resolve, reject) => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        reject(new Error('the worker has ended'))
        return
      }
      const timer = setTimeout(() => {
        this.#waiting.delete(tag)
        reject(new Error(`no answer to ${command.cmd} ${command.figure ?? ''} within ${COMMAND_LIMIT_MS / 1000} s`))
      }, COMMAND_LIMIT_MS)
      this.#waiting.set(tag, {
        resolve: (line) => {
          clearTimeout(timer)
          resolve(line)
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      })
      this.#child.stdin!.write(`${JSON.stringify({ tag, ...command })}\n`)
    })
  }

  /** `collect`: after a garbage collection, for memory. */
  async usage(collect = false): Promise<Usage> {
    return (await this.ask({ cmd: 'usage', collect })) as unknown as Usage
  }

  /** Ends with its stdin, by force after 5 s. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.stdin!.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5000)
    await ended
    clearTimeout(timer)
  }
}

/** Runs a bundle of `bench/<entry>` to its end and returns the JSON it printed. */
export async function runBundle<T>(entry: string, args: readonly string[], nodeArgs: readonly string[]): Promise<T> {
  const script = await bundle(entry)
  const child = spawn(process.execPath, [...nodeArgs, script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), COMMAND_LIMIT_MS)
  const code = await new Promise((resolve) => child.once('close', resolve))
  clearTimeout(timer)
  if (code !== 0) throw new Error(`${entry} ended with code ${code}`)
  return JSON.parse(printed) as T
}
