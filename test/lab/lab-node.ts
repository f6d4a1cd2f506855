/** A node in a host of the lab, ours or iroh's: started, dialled, pinged, and everything it says about its paths kept with the time. */
import { NativeProgram } from '../../conformance/native-program.ts'
import type { Line } from '../../conformance/peer-lines.ts'
import type { Host, World } from './world.ts'

export type NodeKind = 'tom' | 'iroh'
export type Via = 'direct' | 'relay'

export interface PathChange {
  readonly event: 'path'
  readonly connection: number
  readonly change: 'opened' | 'selected' | 'closed'
  readonly kind: Via
  readonly remote: string
  /** ms since 1970; all hosts share a clock. */
  readonly at: number
}

export interface Ping {
  readonly event: 'ping'
  readonly connection: number
  readonly seq: number
  readonly sentAt: number
  readonly at: number
  readonly rttMs: number
  /** Of the path that was selected when the answer came. */
  readonly via: Via | null
}

type NodeEvent =
  | PathChange
  | Ping
  | { readonly event: 'online'; readonly addrs: readonly string[] }
  | {
      readonly event: 'connection'
      readonly connection: number
      readonly paths: readonly { kind?: string; selected: boolean }[]
    }
  | {
      readonly event: 'closed'
      readonly connection: number
      readonly reason: { readonly kind: string; readonly code?: number }
    }
  | { readonly event: 'error'; readonly stage: string; readonly message: string }
  | { readonly event: 'relay' | 'net-report' | 'stream-error' }

export interface PingTotals {
  readonly sent: number
  readonly answered: number
  readonly lost: number
}

export interface NodeOptions {
  /** Of ours: more options of the endpoint. */
  readonly options?: object
  /** Default: all of the world's. */
  readonly relays?: readonly string[]
}

const POLL_MS = 20

export class LabNode {
  readonly kind: NodeKind
  readonly host: Host
  readonly id: string
  /** When its process was started, ms since 1970. */
  readonly spawnedAt: number
  readonly #program: NativeProgram<NodeEvent>
  /** What was selected before its changes were told. */
  readonly #initial = new Map<number, { readonly via: Via; readonly at: number }>()

  private constructor(kind: NodeKind, host: Host, program: NativeProgram<NodeEvent>, spawnedAt: number) {
    this.kind = kind
    this.host = host
    this.id = String(program.hello.id)
    this.spawnedAt = spawnedAt
    this.#program = program
  }

  static async start(world: World, host: Host, kind: NodeKind, options: NodeOptions = {}): Promise<LabNode> {
    const { node, native, ca } = world.programs
    const relays = (options.relays ?? world.relays.urls).flatMap((url) => ['--relay', url])
    const common = [...relays, '--relay-ca', ca]
    const own = options.options === undefined ? [] : ['--options', JSON.stringify(options.options)]
    if (kind === 'iroh' && native === undefined) throw new Error('the native program was not built')
    const [command, args] =
      kind === 'tom'
        ? [process.execPath, [node, ...common, ...own]]
        : [native!, ['listen', '--bind', '0.0.0.0:0', '--bind', '[::]:0', ...common]]
    const [program, all] = world.spaces.within(host.name, command, args)
    const spawnedAt = Date.now()
    const started = new LabNode(kind, host, await NativeProgram.start<NodeEvent>(program, all, 'listening'), spawnedAt)
    world.onClose(() => started.stop())
    world.keepLog(() => [`${kind} in ${host.name}:`, ...started.log])
    return started
  }

  async online(limitMs: number): Promise<void> {
    await this.#program.waitFor('online', () => true, limitMs)
  }

  /** Dials by a relay alone, as somebody does who only knows a ticket's relay. Returns the connection's number. */
  async connect(id: string, addrs: readonly string[], timeoutMs: number): Promise<number> {
    const line = await this.#program.request({ cmd: 'connect', id, addrs, 'timeout-ms': timeoutMs })
    const connection = line.connection as number
    this.#begin(connection, await this.paths(connection))
    return connection
  }

  /** The number of the first connection that was accepted. */
  async accepted(limitMs: number): Promise<number> {
    const { connection, paths } = await this.#program.waitFor('connection', () => true, limitMs)
    this.#begin(connection, paths)
    return connection
  }

  #begin(connection: number, paths: readonly { readonly kind?: string; readonly selected: boolean }[]): void {
    const via = paths.find(({ selected }) => selected)?.kind
    if (via === 'direct' || via === 'relay') this.#initial.set(connection, { via, at: Date.now() })
  }

  /** Pings on until it is stopped; resolves then. */
  async pings(
    connection: number,
    options: { readonly intervalMs: number; readonly count?: number; readonly graceMs: number },
  ): Promise<PingTotals> {
    const { intervalMs, count, graceMs } = options
    const line = await this.#program.request({
      cmd: 'pings',
      connection,
      'interval-ms': intervalMs,
      'grace-ms': graceMs,
      ...(count === undefined ? {} : { count }),
    })
    return line as unknown as PingTotals
  }

  async stopPings(connection: number): Promise<void> {
    await this.#program.request({ cmd: 'stop-pings', connection })
  }

  async paths(
    connection: number,
  ): Promise<{ readonly kind: string; readonly remote: string; readonly selected: boolean }[]> {
    const { paths } = await this.#program.request({ cmd: 'paths', connection })
    return paths as { kind: string; remote: string; selected: boolean }[]
  }

  /** What it knows of its relays and of itself. */
  relays(): Promise<Line> {
    return this.#program.request({ cmd: 'relays' })
  }

  get changes(): PathChange[] {
    return this.#program.events.filter((event) => event.event === 'path')
  }

  get answered(): Ping[] {
    return this.#program.events.filter((event) => event.event === 'ping')
  }

  /** How a connection ended, if it did. */
  closed(connection: number): string | undefined {
    const found = this.#program.events.find((event) => event.event === 'closed' && event.connection === connection)
    return found?.event === 'closed' ? `${found.reason.kind} ${found.reason.code ?? ''}`.trim() : undefined
  }

  /** When a path of this kind was selected first after `since`, ms since 1970. */
  selectedAt(
    connection: number,
    via: Via,
    since = 0,
    matches: (remote: string) => boolean = () => true,
  ): number | undefined {
    const found = this.changes.find(
      (change) =>
        change.connection === connection &&
        change.change === 'selected' &&
        change.kind === via &&
        change.at >= since &&
        matches(change.remote),
    )
    if (found !== undefined || since > 0) return found?.at
    const initial = this.#initial.get(connection)
    return initial?.via === via ? initial.at : undefined
  }

  /** What is selected now: the last word about it. */
  selected(connection: number): Via | undefined {
    const last = this.changes.findLast((change) => change.connection === connection && change.change === 'selected')
    return last?.kind ?? this.#initial.get(connection)?.via
  }

  /** Everything it said, for a log. */
  get log(): string[] {
    return this.#program.events.map((event) => JSON.stringify(event))
  }

  stop(): Promise<void> {
    return this.#program.stop()
  }
}

/** Resolves with the first value that is not undefined; undefined when there is none in time. */
export async function eventually<T>(look: () => T | undefined, limitMs: number): Promise<T | undefined> {
  const end = performance.now() + limitMs
  for (;;) {
    const found = look()
    if (found !== undefined) return found
    if (performance.now() >= end) return undefined
    await pause(POLL_MS)
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
