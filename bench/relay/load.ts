/** The load generator of `conformance/native` (`tom-native relay-load`), one for all servers, and what it reports. */
import { execFile } from 'node:child_process'
import { NativeProgram } from '../../conformance/native-program.ts'

export interface Forwarded {
  readonly ms: number
  /** Payload. */
  readonly bytes: number
  readonly mbit: number
  /** Datagrams. */
  readonly sent: number
  readonly lost: number
  readonly serverCpuMs: number
  readonly generatorCpuMs: number
}

export interface RoundTrips {
  readonly count: number
  readonly p50Us: number
  readonly p99Us: number
}

export interface Accepted {
  readonly ms: number
  readonly accepts: number
  readonly perSecond: number
  readonly serverCpuMs: number
  readonly generatorCpuMs: number
}

export interface ForwardShape {
  readonly pairs: number
  /** Bytes of a datagram. */
  readonly size: number
  /** Datagrams in a frame. */
  readonly batch: number
  /** Datagrams under way in each pair. */
  readonly window: number
}

export interface LoadTarget {
  /** `ip:port`. */
  readonly address: string
  readonly pid: number
}

const LIMIT_MS = 120_000
/** Client addresses: one alone has not enough ports for all that was closed a moment ago. */
const SOURCES = 250

export class RelayLoad {
  readonly #binary: string

  /** `binary` from `buildNative`. */
  constructor(binary: string) {
    this.#binary = binary
  }

  forward({ address, pid }: LoadTarget, shape: ForwardShape, ms: number, warmUpMs: number): Promise<Forwarded> {
    const { pairs, size, batch, window } = shape
    const numbers = { pid, pairs, size, batch, window, ms, 'warm-up-ms': warmUpMs }
    return this.#run(address, 'forward', numbers) as Promise<unknown> as Promise<Forwarded>
  }

  /** `direct`: without the relay, what the machine and the generator need themselves. */
  roundTrips({ address }: LoadTarget, count: number, direct = false): Promise<RoundTrips> {
    const more = direct ? ['--direct'] : []
    return this.#run(address, 'latency', { count }, more) as Promise<unknown> as Promise<RoundTrips>
  }

  accepts({ address, pid }: LoadTarget, ms: number, warmUpMs: number): Promise<Accepted> {
    const numbers = { pid, ms, 'warm-up-ms': warmUpMs, sources: SOURCES, concurrency: 32 }
    return this.#run(address, 'accept', numbers) as Promise<unknown> as Promise<Accepted>
  }

  /** Connects so many and keeps them until it is stopped. Resolves when all are connected. */
  idle(address: string, clients: number): Promise<NativeProgram<{ readonly event: string }>> {
    return NativeProgram.start(this.#binary, this.#args(address, 'idle', { clients, sources: SOURCES }), 'ready')
  }

  #args(address: string, what: string, numbers: Readonly<Record<string, number>>): string[] {
    const flags = Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, String(value)])
    return ['relay-load', '--do', what, '--server', address, ...flags]
  }

  #run(
    address: string,
    what: string,
    numbers: Readonly<Record<string, number>>,
    more: readonly string[] = [],
  ): Promise<object> {
    const args = [...this.#args(address, what, numbers), ...more]
    return new Promise((resolve, reject) => {
      execFile(this.#binary, args, { timeout: LIMIT_MS }, (error, stdout) => {
        const last = stdout.trim().split('\n').at(-1) ?? ''
        const line = (last === '' ? {} : JSON.parse(last)) as { event?: string; message?: string }
        if (error === null && line.event === 'result') resolve(line)
        else reject(new Error(`relay-load ${what}: ${line.message ?? error?.message ?? 'no result'}`))
      })
    })
  }
}
