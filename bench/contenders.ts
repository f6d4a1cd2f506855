/** The stacks in the table, each with both ends in processes of their own, behind one interface. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { buildNative, type NativePeer, startListener } from '../conformance/peer.ts'
import type { FigureName, FigureOptions, FigureResult } from './figures.ts'

export interface Usage {
  readonly cpuUs: number
  readonly rss: number
  readonly external: number
}

export interface Contender {
  readonly name: string
  run(figure: FigureName, options: FigureOptions): Promise<FigureResult>
  /** `collect`: after a garbage collection, for memory. */
  usage(collect?: boolean): Promise<{ client: Usage; server: Usage }>
  /** Ends idle connections. */
  release(): Promise<void>
  stop(): Promise<void>
}

type Line = Record<string, unknown>

let built: Promise<string> | undefined

/** worker.ts as plain JavaScript, as users run it: a TypeScript loader in the process would be measured as well. */
function workerScript(): Promise<string> {
  built ??= (async () => {
    const outfile = fileURLToPath(new URL('../node_modules/.cache/tom-bench/worker.mjs', import.meta.url))
    await build({
      entryPoints: [fileURLToPath(new URL('./worker.ts', import.meta.url))],
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      packages: 'external',
      outfile,
      logLevel: 'error',
    })
    return outfile
  })()
  return built
}

class Worker {
  readonly child: ChildProcess
  readonly #waiting = new Map<number, { resolve: (line: Line) => void; reject: (error: Error) => void }>()
  #tag = 1

  private constructor(child: ChildProcess, onReady: (address: string) => void) {
    this.child = child
    createInterface({ input: child.stdout! }).on('line', (text) => {
      const line = JSON.parse(text) as Line
      if (typeof line.ready === 'string') {
        onReady(line.ready)
        return
      }
      const waiting = this.#waiting.get(line.tag as number)
      this.#waiting.delete(line.tag as number)
      if (typeof line.error === 'string') waiting?.reject(new Error(line.error))
      else waiting?.resolve(line)
    })
    child.once('exit', (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the worker ended with code ${code}`))
      this.#waiting.clear()
    })
  }

  static async start(peer: string, role: 'server' | 'client'): Promise<{ worker: Worker; address: string }> {
    const child = spawn(process.execPath, ['--expose-gc', await workerScript(), peer, role], {
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    return new Promise((resolve, reject) => {
      const worker: Worker = new Worker(child, (address) => resolve({ worker, address }))
      child.once('exit', (code) => reject(new Error(`${peer} ${role} ended with code ${code} before it was ready`)))
    })
  }

  ask(command: Line): Promise<Line> {
    const tag = this.#tag++
    return new Promise((resolve, reject) => {
      this.#waiting.set(tag, { resolve, reject })
      this.child.stdin!.write(`${JSON.stringify({ tag, ...command })}\n`)
    })
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('exit', resolve))
    this.child.stdin!.end()
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 5000)
    await ended
    clearTimeout(timer)
  }
}

/** A JavaScript stack from `bench/peers/`. */
export async function javascript(name: string, peer: string): Promise<Contender> {
  const server = await Worker.start(peer, 'server')
  const client = await Worker.start(peer, 'client')
  const usageOf = async (worker: Worker, collect: boolean) =>
    (await worker.ask({ cmd: 'usage', collect })) as unknown as Usage
  return {
    name,
    run: async (figure, options) =>
      (await client.worker.ask({ cmd: 'run', figure, address: server.address, options })) as unknown as FigureResult,
    usage: async (collect = false) => ({
      client: await usageOf(client.worker, collect),
      server: await usageOf(server.worker, collect),
    }),
    release: async () => {
      await client.worker.ask({ cmd: 'release' })
    },
    stop: async () => {
      await Promise.all([client.worker.stop(), server.worker.stop()])
    },
  }
}

/** Clock ticks a second in /proc/<pid>/stat; 100 on every Linux that Node runs on. */
const TICKS = 100

function usageOfProcess(pid: number): Usage {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const rss = Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) * 1024
  return { cpuUs: ((Number(fields[11]) + Number(fields[12])) * 1e6) / TICKS, rss, external: 0 }
}

/** The Rust program of conformance/native. `segmentationOffload`: GSO, which Node cannot have. */
export async function native(name: string, segmentationOffload: boolean): Promise<Contender> {
  const binary = await buildNative()
  const options = { binary, bind: ['127.0.0.1:0'], noGso: !segmentationOffload }
  const server: NativePeer = await startListener(options)
  const client: NativePeer = await startListener(options)
  const idle: Promise<unknown>[] = []
  const to = { id: server.id, addrs: server.addrs }
  return {
    name,
    run: async (figure, figureOptions) => {
      switch (figure) {
        case 'bulk': {
          const bytes = figureOptions.bytes ?? 32 << 20
          const streams = figureOptions.streams ?? 1
          const size = Math.floor(bytes / streams / 65_536) * 65_536
          const result = await client.dial({ ...to, action: 'drain', size, streams, count: 1, verify: false })
          return { ms: result.ms, bytes: size * streams, datagrams: result.stats.sentDatagrams }
        }
        case 'roundTrips': {
          const result = await client.dial({ ...to, action: 'rtt', size: 64, count: figureOptions.count ?? 2000 })
          return { p50: result.medianMs!, p99: result.p99Ms! }
        }
        case 'handshakes': {
          const times: number[] = []
          for (let index = -10; index < (figureOptions.count ?? 100); index++) {
            const { connectMs } = await client.dial({ ...to, action: 'connect' })
            if (index >= 0) times.push(connectMs)
          }
          times.sort((left, right) => left - right)
          return { median: times[Math.floor(times.length / 2)]!, p90: times[Math.floor(times.length * 0.9)]! }
        }
        case 'freshStreams': {
          const count = figureOptions.count ?? 4000
          const streams = figureOptions.streams ?? 32
          const each = Math.ceil(count / streams)
          const result = await client.dial({ ...to, action: 'echo', size: 1, streams, count: each, verify: false })
          return { ms: result.ms, count: each * streams }
        }
        case 'idle': {
          const count = figureOptions.count ?? 1000
          for (let index = 0; index < count; index++) {
            idle.push(client.dial({ ...to, action: 'hold', timeoutMs: 600_000 }).catch(() => {}))
            if (index % 10 === 9) await new Promise((resolve) => setTimeout(resolve, 20))
          }
          return { count }
        }
      }
    },
    usage: async () => ({ client: usageOfProcess(client.pid), server: usageOfProcess(server.pid) }),
    release: async () => {
      idle.length = 0
    },
    stop: async () => {
      await Promise.all([client.stop(), server.stop()])
    },
  }
}
