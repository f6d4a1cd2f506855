/** A node's `Platform` in virtual time: the real driver runs on it. */
import type {
  InterfaceAddress,
  Platform,
  RandomSource,
  Timer,
  UdpSocket,
  UdpSocketOptions,
} from '../../../src/platform/index.ts'
import type { ScheduledEvent, VirtualClock } from './clock.ts'
import type { Network, SimSocket, SocketPace } from './network.ts'

export interface SimPlatformOptions {
  readonly clock: VirtualClock
  readonly network: Network
  readonly random: RandomSource
  readonly site: string
  /** Timers fire on whole multiples of this, late rather than early, ms; 0 = exactly. */
  readonly timerGrainMs: number
  /** Of the socket on a host. */
  readonly pace?: ((host: string) => SocketPace | undefined) | undefined
}

class SimTimer implements Timer {
  readonly #platform: SimPlatform
  readonly #callback: () => void
  #event: ScheduledEvent | undefined = undefined

  constructor(platform: SimPlatform, callback: () => void) {
    this.#platform = platform
    this.#callback = callback
  }

  arm(at: number): void {
    this.cancel()
    const { clock, timerGrainMs } = this.#platform.options
    const due = timerGrainMs === 0 ? at : Math.ceil(Math.max(at, clock.now) / timerGrainMs) * timerGrainMs
    this.#platform.armedTimers++
    this.#event = clock.schedule(due, () => {
      this.#event = undefined
      this.#platform.armedTimers--
      this.#platform.timersFired++
      this.#callback()
    })
  }

  cancel(): void {
    if (this.#event === undefined) return
    this.#platform.options.clock.cancel(this.#event)
    this.#platform.armedTimers--
    this.#event = undefined
  }
}

export class SimPlatform implements Platform {
  readonly maxDatagramSize = 1452
  readonly options: SimPlatformOptions
  readonly random: RandomSource
  armedTimers = 0
  timersFired = 0

  constructor(options: SimPlatformOptions) {
    this.options = options
    this.random = options.random
  }

  now(): number {
    return this.options.clock.now
  }

  wallClock(): number {
    return 1_770_000_000_000 + this.options.clock.now
  }

  createTimer(callback: () => void): Timer {
    return new SimTimer(this, callback)
  }

  defer(callback: () => void): void {
    this.options.clock.schedule(this.options.clock.now, callback)
  }

  open(host: string, port: number): SimSocket {
    return this.options.network.open(this.options.site, host, port, this.options.pace?.(host))
  }

  bindUdp({ host, port }: UdpSocketOptions): Promise<UdpSocket> {
    return Promise.resolve(this.open(host, port))
  }

  interfaces(): InterfaceAddress[] {
    return []
  }
}
