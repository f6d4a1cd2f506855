/** A platform whose clock, event loop and network the test turns by hand. */
import type {
  InterfaceAddress,
  Platform,
  RandomSource,
  Timer,
  UdpSocket,
  UdpSocketOptions,
} from '../../src/platform/index.ts'

export class VirtualSocket implements UdpSocket {
  readonly family: 4 | 6
  readonly host: string
  readonly port: number
  readonly receiveBufferSize: number = 0
  onMessage: (data: Uint8Array, host: string, port: number) => void = () => {}
  onError: (error: Error) => void = () => {}
  readonly sent: { data: Uint8Array; host: string; port: number }[] = []
  /** Set: datagrams are queued until `drain`. */
  isFull = false
  isClosed = false
  #waiting: (() => void)[] = []

  constructor(host: string, port: number) {
    this.family = host.includes(':') ? 6 : 4
    this.host = host
    this.port = port
  }

  get queued(): number {
    return this.#waiting.length
  }

  send(data: Uint8Array, start: number, length: number, host: string, port: number, done: () => void): void {
    this.sent.push({ data: data.slice(start, start + length), host, port })
    if (this.isFull) this.#waiting.push(done)
    else done()
  }

  drain(count = this.#waiting.length): void {
    for (const done of this.#waiting.splice(0, count)) done()
  }

  close(): Promise<void> {
    this.isClosed = true
    this.drain()
    return Promise.resolve()
  }
}

class VirtualTimer implements Timer {
  at = Number.POSITIVE_INFINITY
  readonly callback: () => void

  constructor(callback: () => void) {
    this.callback = callback
  }

  arm(at: number): void {
    this.at = at
  }

  cancel(): void {
    this.at = Number.POSITIVE_INFINITY
  }
}

export class VirtualPlatform implements Platform {
  readonly maxDatagramSize = 1452
  time = 1000
  /** A linear congruential generator: the same bytes in every run. */
  readonly random: RandomSource = {
    fill: (out) => {
      for (let index = 0; index < out.length; index++) {
        this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0
        out[index] = this.#seed >>> 24
      }
    },
  }
  readonly sockets: VirtualSocket[] = []
  interfaceList: InterfaceAddress[] = []
  readonly #timers: VirtualTimer[] = []
  #deferred: (() => void)[] = []
  #afterReactions: (() => void)[] = []
  /** Set by tests of runtimes that cannot say when all promise reactions are done. */
  afterReactions: ((callback: () => void) => void) | undefined = (callback) => this.#afterReactions.push(callback)
  /** How often the clock was read. */
  readings = 0
  #nextPort = 40_000
  #seed = 1

  now(): number {
    this.readings++
    return this.time
  }

  wallClock(): number {
    return 1_770_000_000_000 + this.time
  }

  createTimer(callback: () => void): Timer {
    const timer = new VirtualTimer(callback)
    this.#timers.push(timer)
    return timer
  }

  defer(callback: () => void): void {
    this.#deferred.push(callback)
  }

  bindUdp({ host, port }: UdpSocketOptions): Promise<UdpSocket> {
    return Promise.resolve(this.socket(host, port))
  }

  socket(host = '127.0.0.1', port = 0): VirtualSocket {
    const socket = new VirtualSocket(host, port === 0 ? this.#nextPort++ : port)
    this.sockets.push(socket)
    return socket
  }

  interfaces(): InterfaceAddress[] {
    return this.interfaceList
  }

  /** When the earliest armed timer fires, Infinity when none is armed. */
  get nextTimer(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.#timers.map((timer) => timer.at))
  }

  /** One turn of the event loop. Returns how many deferred callbacks ran. */
  turn(): number {
    const due = this.#deferred
    this.#deferred = []
    for (const callback of due) callback()
    return due.length + this.react()
  }

  /** The end of a turn: what waits for the promise reactions. Returns how many callbacks ran. */
  react(): number {
    let count = 0
    for (; this.#afterReactions.length > 0; count++) {
      if (count > 1000) throw new Error('the reactions never end')
      this.#afterReactions.shift()!()
    }
    return count
  }

  /** Turns until nothing is deferred; a loop that never ends fails the test. */
  settle(): void {
    for (let turns = 0; this.turn() > 0; turns++) if (turns > 1000) throw new Error('the event loop never rests')
  }

  /** The process stood still for `ms`: timers that are due fire, all at once; what was deferred still waits. */
  stall(ms: number): void {
    this.time += ms
    for (const timer of this.#timers.filter(({ at }) => at <= this.time)) {
      timer.cancel()
      timer.callback()
    }
  }

  /** Lets `ms` pass, firing timers in order. */
  advance(ms: number): void {
    const end = this.time + ms
    for (let fired = 0; ; fired++) {
      this.settle()
      const next = this.nextTimer
      if (next > end) break
      if (fired > 10_000) throw new Error('timers fire without end')
      this.time = Math.max(this.time, next)
      const timer = this.#timers.find(({ at }) => at === next)!
      timer.cancel()
      timer.callback()
    }
    this.time = end
  }

  /** As `advance`, letting promises run in between; for code that awaits. */
  async advanceAsync(ms: number, step = 10): Promise<void> {
    const end = this.time + ms
    for (;;) {
      for (let index = 0; index < 20; index++) await Promise.resolve()
      if (this.time >= end) return
      this.advance(Math.min(step, end - this.time))
    }
  }
}
