/**
 * The native reference peer for tests and benchmarks: builds `conformance/native` (a real iroh endpoint on pinned crates), runs it, and
 * gives its JSON lines a typed face. What the program can do is described in `conformance/README.md`.
 */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cargo } from './cargo.ts'
import { NativeProgram } from './native-program.ts'
import { NativeConnection } from './peer-connection.ts'
import {
  dialJson,
  endpointArgs,
  type NativeDial,
  type NativeEvent,
  type NativeIncomingMode,
  type NativeOptions,
  type NativeRelays,
  type NativeResult,
  type NativeTarget,
} from './peer-lines.ts'

export type * from './peer-lines.ts'

const NATIVE_FOLDER = fileURLToPath(new URL('native/', import.meta.url))
const BINARY = process.platform === 'win32' ? 'tom-native.exe' : 'tom-native'

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
  await cargo(['build', '--release', '--locked'], {
    cwd: NATIVE_FOLDER,
    env: { CARGO_TARGET_DIR: target },
    log: buildLog(),
    limitMs,
  })
  return join(target, 'release', BINARY)
}

/** A running native endpoint: accepts connections by itself, dials on request. Stop it, or it lives as long as this process. */
export class NativePeer {
  readonly id: string
  readonly addrs: readonly string[]
  readonly ticket: string
  readonly #program: NativeProgram<NativeEvent>

  private constructor(program: NativeProgram<NativeEvent>) {
    this.id = String(program.hello.id)
    this.addrs = program.hello.addrs as string[]
    this.ticket = String(program.hello.ticket)
    this.#program = program
  }

  static async start(options: NativeOptions): Promise<NativePeer> {
    const args = [...(options.binaryArgs ?? []), 'listen', ...endpointArgs(options)]
    return new NativePeer(await NativeProgram.start<NativeEvent>(options.binary, args, 'listening'))
  }

  /** All events so far. */
  get events(): NativeEvent[] {
    return this.#program.events
  }

  /** Of the program, for its memory and CPU time. */
  get pid(): number {
    return this.#program.pid
  }

  /** One connection, one action. Rejects with NativeError. */
  async dial(dial: NativeDial): Promise<NativeResult> {
    return (await this.#program.request({ cmd: 'dial', ...dialJson(dial) })) as unknown as NativeResult
  }

  /** A connection that stays open. Rejects with NativeError. */
  async connect(target: NativeTarget): Promise<NativeConnection> {
    const { connection } = await this.#program.request({
      cmd: 'connect',
      ...dialJson({ ...target, action: 'connect' }),
    })
    return this.connection(connection as number)
  }

  /** One that was accepted, by the number in its event. */
  connection(number: number): NativeConnection {
    return new NativeConnection(number, (command) => this.#program.request(command))
  }

  /** What happens to connection attempts from now on. */
  async setIncoming(mode: NativeIncomingMode): Promise<void> {
    await this.#program.request({ cmd: 'incoming', mode })
  }

  /** Closes all connections; returns how many there were. */
  async closeConnections(code: number, reason: string): Promise<number> {
    return (await this.#program.request({ cmd: 'close', code, reason })).closed as number
  }

  /** Another address, `ip:port`, where it is to be reached: peers are told. */
  async addAddress(addr: string): Promise<void> {
    await this.#program.request({ cmd: 'add-address', addr })
  }

  async removeAddress(addr: string): Promise<void> {
    await this.#program.request({ cmd: 'remove-address', addr })
  }

  /** The hint that its network is another one now. */
  async networkChange(): Promise<void> {
    await this.#program.request({ cmd: 'network-change' })
  }

  /** What iroh knows of its relays and of its own addresses. */
  async relays(): Promise<NativeRelays> {
    return (await this.#program.request({ cmd: 'relays' })) as unknown as NativeRelays
  }

  /** iroh's opinion of a ticket: its canonical text and its address as JSON. Rejects with NativeError. */
  async parseTicket(text: string): Promise<{ text: string; addr: unknown }> {
    return (await this.#program.request({ cmd: 'ticket', text })) as { text: string; addr: unknown }
  }

  /** iroh's opinion of an endpoint id. Rejects with NativeError. */
  async parseId(text: string): Promise<{ id: string; z32: string }> {
    return (await this.#program.request({ cmd: 'id', text })) as { id: string; z32: string }
  }

  /** The first event, past or future, that matches. Rejects after `limitMs`. */
  waitFor<E extends NativeEvent['event']>(
    event: E,
    matches: (event: Extract<NativeEvent, { event: E }>) => boolean = () => true,
    limitMs = 10_000,
  ): Promise<Extract<NativeEvent, { event: E }>> {
    return this.#program.waitFor(event, matches, limitMs)
  }

  /** Ends the program, by force when it takes longer than 3 s. */
  stop(): Promise<void> {
    return this.#program.stop()
  }
}

/** Starts a native endpoint that accepts connections. */
export function startListener(options: NativeOptions): Promise<NativePeer> {
  return NativePeer.start(options)
}
