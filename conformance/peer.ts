/**
 * The native reference peer for tests and benchmarks: builds `conformance/native` (a real iroh endpoint on pinned crates), runs it, and
 * gives its JSON lines a typed face. What the program can do is described in `conformance/README.md`.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createWriteStream, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { NativeConnection } from './peer-connection.ts'
import {
  dialJson,
  endpointArgs,
  errorOf,
  type Line,
  type NativeDial,
  NativeError,
  type NativeEvent,
  type NativeIncomingMode,
  type NativeOptions,
  type NativeResult,
  type NativeTarget,
} from './peer-lines.ts'

export type * from './peer-lines.ts'

const NATIVE_FOLDER = fileURLToPath(new URL('native/', import.meta.url))
const BINARY = process.platform === 'win32' ? 'tom-native.exe' : 'tom-native'
/** How long a process may take to bind and say so, ms. */
const START_LIMIT_MS = 10_000

/** Outside the repository, so that a fresh clone finds what was built before. */
function targetFolder(): string {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache')
  return process.env.CARGO_TARGET_DIR ?? join(cache, 'tom-transport', 'target')
}

/** Where `buildNative` puts everything that cargo says. */
export function buildLog(): string {
  return join(targetFolder(), 'tom-native-build.log')
}

/**
 * Builds the program (`cargo build --release --locked`; minutes the first time, a second later) and returns the path of the binary.
 * Throws when cargo is missing, the build fails, or it takes longer than `limitMs` (default 20 minutes).
 */
export async function buildNative(limitMs = 1_200_000): Promise<string> {
  const target = targetFolder()
  const args = ['build', '--release', '--locked']
  mkdirSync(target, { recursive: true })
  const log = createWriteStream(buildLog())
  const child = spawn('cargo', args, {
    cwd: NATIVE_FOLDER,
    env: { ...process.env, CARGO_TARGET_DIR: target },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let last = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    last = (last + text).slice(-8000)
    log.write(text)
  })
  const timer = setTimeout(() => {
    last += `\nit took longer than ${limitMs / 1000} s`
    child.kill()
  }, limitMs)
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', (cause: NodeJS.ErrnoException) => {
        const missing = cause.code === 'ENOENT'
        reject(
          missing
            ? new Error('cargo was not found: install Rust (rustup.rs) and put cargo on the PATH', { cause })
            : cause,
        )
      })
      child.once('close', resolve)
    })
    if (code !== 0) throw new Error(`cargo ${args.join(' ')} in conformance/native failed:\n${last}`)
  } finally {
    clearTimeout(timer)
    log.end()
  }
  return join(target, 'release', BINARY)
}

interface Waiting {
  readonly resolve: (line: Line) => void
  readonly reject: (error: Error) => void
}

interface EventWaiting {
  readonly matches: (event: NativeEvent) => boolean
  readonly resolve: (event: NativeEvent) => void
  readonly reject: (error: Error) => void
}

/** A running native endpoint: accepts connections by itself, dials on request. Stop it, or it lives as long as this process. */
export class NativePeer {
  readonly id: string
  readonly addrs: readonly string[]
  readonly ticket: string
  /** All events so far. */
  readonly events: NativeEvent[]
  readonly #child: ChildProcessWithoutNullStreams
  readonly #waiting: Map<number, Waiting>
  readonly #eventWaiting: Set<EventWaiting>
  readonly #ended: Promise<void>
  #nextTag: number

  private constructor({ child, lines, hello }: Launched) {
    this.id = String(hello.id)
    this.addrs = hello.addrs as string[]
    this.ticket = String(hello.ticket)
    this.events = []
    this.#child = child
    this.#waiting = new Map()
    this.#eventWaiting = new Set()
    this.#nextTag = 1
    lines.deliver((line) => this.#receive(line))
    this.#ended = new Promise((resolve) => {
      child.once('close', () => {
        const error = new NativeError('process', 'the program ended')
        for (const waiting of [...this.#waiting.values(), ...this.#eventWaiting]) waiting.reject(error)
        resolve()
      })
    })
  }

  static async start(options: NativeOptions): Promise<NativePeer> {
    return new NativePeer(await launch(options, ['listen', ...endpointArgs(options)]))
  }

  /** Of the program, for its memory and CPU time. */
  get pid(): number {
    return this.#child.pid!
  }

  /** One connection, one action. Rejects with NativeError. */
  async dial(dial: NativeDial): Promise<NativeResult> {
    return (await this.#request({ cmd: 'dial', ...dialJson(dial) })) as unknown as NativeResult
  }

  /** A connection that stays open. Rejects with NativeError. */
  async connect(target: NativeTarget): Promise<NativeConnection> {
    const { connection } = await this.#request({ cmd: 'connect', ...dialJson({ ...target, action: 'connect' }) })
    return this.connection(connection as number)
  }

  /** One that was accepted, by the number in its event. */
  connection(number: number): NativeConnection {
    return new NativeConnection(number, (command) => this.#request(command))
  }

  /** What happens to connection attempts from now on. */
  async setIncoming(mode: NativeIncomingMode): Promise<void> {
    await this.#request({ cmd: 'incoming', mode })
  }

  /** Closes all connections; returns how many there were. */
  async closeConnections(code: number, reason: string): Promise<number> {
    return (await this.#request({ cmd: 'close', code, reason })).closed as number
  }

  /** iroh's opinion of a ticket: its canonical text and its address as JSON. Rejects with NativeError. */
  async parseTicket(text: string): Promise<{ text: string; addr: unknown }> {
    return (await this.#request({ cmd: 'ticket', text })) as { text: string; addr: unknown }
  }

  /** iroh's opinion of an endpoint id. Rejects with NativeError. */
  async parseId(text: string): Promise<{ id: string; z32: string }> {
    return (await this.#request({ cmd: 'id', text })) as { id: string; z32: string }
  }

  /** The first event, past or future, that matches. Rejects after `limitMs`. */
  async waitFor<E extends NativeEvent['event']>(
    event: E,
    matches: (event: Extract<NativeEvent, { event: E }>) => boolean = () => true,
    limitMs = 10_000,
  ): Promise<Extract<NativeEvent, { event: E }>> {
    type Found = Extract<NativeEvent, { event: E }>
    const isIt = (candidate: NativeEvent): boolean => candidate.event === event && matches(candidate as Found)
    const past = this.events.find(isIt)
    if (past !== undefined) return past as Found
    return new Promise<Found>((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer)
        this.#eventWaiting.delete(waiting)
        act()
      }
      const waiting: EventWaiting = {
        matches: isIt,
        resolve: (found) => settle(() => resolve(found as Found)),
        reject: (error) => settle(() => reject(error)),
      }
      const timer = setTimeout(() => waiting.reject(new NativeError('wait', `no ${event} event in time`)), limitMs)
      this.#eventWaiting.add(waiting)
    })
  }

  /** Ends the program, by force when it takes longer than 3 s. */
  async stop(): Promise<void> {
    this.#child.stdin.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 3000)
    await this.#ended
    clearTimeout(timer)
  }

  #request(command: Line): Promise<Line> {
    const tag = this.#nextTag++
    return new Promise((resolve, reject) => {
      if (this.#child.exitCode !== null || !this.#child.stdin.writable) {
        reject(new NativeError('process', 'the program ended'))
        return
      }
      this.#waiting.set(tag, { resolve, reject })
      this.#child.stdin.write(`${JSON.stringify({ ...command, tag })}\n`)
    })
  }

  #receive(line: Line): void {
    const tag = typeof line.tag === 'number' ? line.tag : -1
    const waiting = this.#waiting.get(tag)
    if (waiting !== undefined) {
      this.#waiting.delete(tag)
      if (line.event === 'error') waiting.reject(errorOf(line))
      else waiting.resolve(line)
      return
    }
    const event = line as unknown as NativeEvent
    this.events.push(event)
    for (const eventWaiting of [...this.#eventWaiting]) if (eventWaiting.matches(event)) eventWaiting.resolve(event)
  }
}

/** Starts a native endpoint that accepts connections. */
export function startListener(options: NativeOptions): Promise<NativePeer> {
  return NativePeer.start(options)
}

/** Keeps what comes while nobody listens: two lines may arrive in one piece. */
class Lines {
  #early: Line[]
  #handler: ((line: Line) => void) | undefined

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#early = []
    this.#handler = undefined
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = JSON.parse(text) as Line
      if (this.#handler === undefined) this.#early.push(line)
      else this.#handler(line)
    })
  }

  /** The first line goes to this handler alone. */
  first(handler: (line: Line) => void): void {
    this.#handler = (line) => {
      this.#handler = undefined
      handler(line)
    }
  }

  /** Everything from here on, beginning with what was kept. */
  deliver(handler: (line: Line) => void): void {
    this.#handler = handler
    for (const line of this.#early.splice(0)) handler(line)
  }
}

interface Launched {
  readonly child: ChildProcessWithoutNullStreams
  readonly lines: Lines
  /** The `listening` line. */
  readonly hello: Line
}

async function launch({ binary, binaryArgs = [] }: NativeOptions, args: readonly string[]): Promise<Launched> {
  const child = spawn(binary, [...binaryArgs, ...args], { stdio: 'pipe' })
  const lines = new Lines(child)
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints = (complaints + text).slice(-4000)
  })
  const hello = await new Promise<Line>((resolve, reject) => {
    const timer = setTimeout(() => reject(new NativeError('start', 'no answer in time')), START_LIMIT_MS)
    child.once('error', reject)
    child.once('close', () => reject(new NativeError('start', complaints.trim() || 'the program ended at once')))
    lines.first((line) => {
      clearTimeout(timer)
      resolve(line)
    })
  })
  if (hello.event !== 'listening') {
    child.kill()
    throw errorOf(hello)
  }
  return { child, lines, hello }
}
