/** The reference peers that are programs of their own, `conformance/aioquic` and `conformance/quic-go`: their command lines and JSON lines. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { ClientOptions, Implementation, RunningServer, ServerOptions } from './implementation.ts'

export interface Program {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  /** It updates its keys early by itself and has no switch for it. */
  readonly updatesKeys: boolean
}

interface Line {
  readonly event: string
  readonly address?: string
  readonly message?: string
}

/** What is kept of stderr for messages, characters. */
const STDERR_TAIL = 2000

interface Running {
  readonly child: ChildProcess
  /** The next line with that event; rejects with the error line, or when the program ends first. */
  readonly line: (event: string) => Promise<Line>
  readonly ended: Promise<number | null>
}

function start({ name, command, args }: Program, more: readonly string[], signal: AbortSignal): Running {
  const child = spawn(command, [...args, ...more], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING: 'true' },
    signal,
    killSignal: 'SIGKILL',
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_TAIL)
  })
  const lines: Line[] = []
  let isOver = false
  let onLine = (): void => {}
  createInterface({ input: child.stdout }).on('line', (text) => {
    lines.push(JSON.parse(text) as Line)
    onLine()
  })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const over = (): void => {
    isOver = true
    onLine()
  }
  ended.then(over, over)
  const line = (event: string): Promise<Line> =>
    new Promise((resolve, reject) => {
      onLine = () => {
        const found = lines.find((each) => each.event === event)
        const error = lines.find((each) => each.event === 'error')
        if (found !== undefined) resolve(found)
        else if (error !== undefined) reject(new Error(`${name}: ${error.message}`))
        else if (isOver) reject(new Error(`${name} ended early${stderr === '' ? '' : `: ${stderr}`}`))
      }
      onLine()
    })
  return { child, line, ended }
}

export function programImplementation(program: Program): Implementation {
  return {
    name: program.name,
    isOurs: false,
    startServer: (options, signal) => startServer(program, options, signal),
    download: (options, signal) => download(program, options, signal),
  }
}

async function startServer(program: Program, options: ServerOptions, signal: AbortSignal): Promise<RunningServer> {
  const { www, certificate, chacha20, retry } = options
  const args = ['server', '--www', www, '--cert', certificate.chain, '--key', certificate.key]
  if (chacha20) args.push('--chacha20')
  if (retry) args.push('--retry')
  const { child, line, ended } = start(program, args, signal)
  const { address } = await line('listening')
  return {
    address: address!,
    stop: async () => {
      child.stdin!.end()
      const kill = setTimeout(() => child.kill('SIGKILL'), 2000)
      await ended.catch(() => {})
      clearTimeout(kill)
    },
  }
}

async function download(program: Program, options: ClientOptions, signal: AbortSignal): Promise<void> {
  const { address, ca, files, downloads, keyLog, chacha20, smallWindows, parallel, keyUpdateAt, migrateAt } = options
  const args = ['client', '--connect', address, '--ca', ca, '--downloads', downloads, '--keylog', keyLog]
  if (chacha20) args.push('--chacha20')
  if (smallWindows) args.push('--small-windows')
  if (parallel > 0) args.push('--parallel', String(parallel))
  if (keyUpdateAt > 0 && !program.updatesKeys) args.push('--key-update-at', String(keyUpdateAt))
  if (migrateAt > 0) args.push('--migrate-at', String(migrateAt))
  const { line, ended } = start(program, [...args, ...files.map((name) => `/${name}`)], signal)
  await line('done')
  await ended
}
