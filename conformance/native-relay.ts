/**
 * iroh-relay's own clients for tests, in the native program: of the relay protocol (`RelayPeer`) and of address discovery (`discoverAddress`). What the
 * program can do is described in `conformance/README.md`.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { NativeProgram } from './native-program.ts'
import { errorOf, type Line, type NativeClose } from './peer-lines.ts'

export interface RelayPeerOptions {
  /** From `buildNative`. */
  readonly binary: string
  readonly url: string
  /** 64 hex digits; default fresh. */
  readonly secret?: string
  readonly token?: string
  /** PEM file: the only roots trusted. */
  readonly ca?: string
  /** Send every datagram back to where it came from. */
  readonly echo?: boolean
}

/** A frame that came from the relay, or the end. */
export type RelayPeerEvent =
  | {
      readonly event: 'datagrams'
      readonly peer: string
      readonly bytes: number
      /** Bytes of a segment; null: a single datagram. */
      readonly segment: number | null
      readonly ecn: number
      /** FNV-1a of the contents, 16 hex digits. */
      readonly fnv: string
    }
  | { readonly event: 'gone'; readonly peer: string }
  | { readonly event: 'status'; readonly status: string }
  | { readonly event: 'health'; readonly problem: string }
  | { readonly event: 'restarting'; readonly reconnectInMs: number; readonly tryForMs: number }
  /** Answered already. */
  | { readonly event: 'ping' }
  | { readonly event: 'pong'; readonly ours: boolean }
  | { readonly event: 'closed'; readonly message: string | null }

export interface RelaySend {
  /** 64 hex digits. */
  readonly peer: string
  /** Bytes of contents: the pattern of `test/interop/pattern.ts`. */
  readonly size: number
  readonly count?: number
  /** Bytes of a segment, for a batch. */
  readonly segment?: number
  readonly ecn?: number
}

/** A client of a relay that is no endpoint. */
export class RelayPeer {
  readonly id: string
  readonly #program: NativeProgram<RelayPeerEvent>

  private constructor(program: NativeProgram<RelayPeerEvent>) {
    this.id = String(program.hello.id)
    this.#program = program
  }

  /** Rejects with NativeError, stage `connect`, when the relay does not take it. */
  static async connect({ binary, url, secret, token, ca, echo }: RelayPeerOptions): Promise<RelayPeer> {
    const args = ['relay', '--relay', url]
    if (secret !== undefined) args.push('--secret', secret)
    if (token !== undefined) args.push('--relay-token', token)
    if (ca !== undefined) args.push('--relay-ca', ca)
    if (echo === true) args.push('--echo')
    return new RelayPeer(await NativeProgram.start<RelayPeerEvent>(binary, args, 'connected'))
  }

  get events(): RelayPeerEvent[] {
    return this.#program.events
  }

  /** Resolves when they are written. Rejects with NativeError. */
  async send(send: RelaySend): Promise<void> {
    await this.#program.request({ cmd: 'send', ...send })
  }

  async ping(): Promise<void> {
    await this.#program.request({ cmd: 'ping' })
  }

  waitFor<E extends RelayPeerEvent['event']>(
    event: E,
    matches: (event: Extract<RelayPeerEvent, { event: E }>) => boolean = () => true,
    limitMs = 10_000,
  ): Promise<Extract<RelayPeerEvent, { event: E }>> {
    return this.#program.waitFor(event, matches, limitMs)
  }

  /** Says Close and ends. */
  stop(): Promise<void> {
    return this.#program.stop()
  }
}

export interface DiscoverOptions {
  readonly binary: string
  /** `ip:port`, UDP. */
  readonly server: string
  readonly serverName: string
  /** PEM file. */
  readonly ca: string
  /** `ip:port`; default loopback. */
  readonly bind?: string
  /** Keep the connection, ms. */
  readonly holdMs?: number
}

export interface Discovered {
  /** `ip:port`. */
  readonly observed: string
  readonly local: string
  readonly rttMs: number
  readonly connectMs: number
  readonly ms: number
  /** How the server ended it while it was held. */
  readonly closed: NativeClose | null
}

/** Asks a server what our address is. Rejects with NativeError. */
export async function discoverAddress(options: DiscoverOptions): Promise<Discovered> {
  const { binary, server, serverName, ca, bind, holdMs } = options
  const args = ['qad', '--server', server, '--server-name', serverName, '--relay-ca', ca]
  if (bind !== undefined) args.push('--bind', bind)
  if (holdMs !== undefined) args.push('--hold-ms', String(holdMs))
  // it exits with 1 when it fails, and says why on stdout
  const { stdout } = await promisify(execFile)(binary, args, { timeout: 20_000 + (holdMs ?? 0) }).catch(
    (error: { stdout?: string }) => ({ stdout: error.stdout ?? '' }),
  )
  const line = JSON.parse(stdout.trim().split('\n').at(-1) || '{"event":"error","stage":"qad"}') as Line
  if (line.event !== 'result') throw errorOf(line)
  return line as unknown as Discovered
}
