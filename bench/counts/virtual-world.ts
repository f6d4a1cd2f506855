/**
 * A world for endpoints in which time only moves when nothing is left to do: a lossless link to each with a rate and a delay, whose datagrams arrive
 * once a turn as they do from a socket that is read empty. The same seed gives the same bytes; the world itself allocates next to nothing.
 */
import type {
  InterfaceAddress,
  Platform,
  RandomSource,
  Timer,
  UdpSocket,
  UdpSocketOptions,
} from '../../src/platform/index.ts'

/** Of the link, each way. */
const BITS_PER_MS = 1e6
const DELAY_MS = 0.1
/** Datagrams that arrived within this are read in one turn, ms: some eight full ones. */
const TURN_MS = 0.1
const SLOT = 2048
/** Datagrams on the link at once: more than any window here. */
const SLOTS = 8192

const SETTLED = Promise.resolve()

/** xorshift32. */
class SeededRandom implements RandomSource {
  #state: number

  constructor(seed: number) {
    this.#state = Math.imul(seed, 0x9e3779b1) | 1
  }

  fill(out: Uint8Array): void {
    for (let index = 0; index < out.length; index++) {
      this.#state ^= this.#state << 13
      this.#state ^= this.#state >>> 17
      this.#state ^= this.#state << 5
      out[index] = this.#state >>> 11
    }
  }
}

class VirtualTimer implements Timer {
  readonly callback: () => void
  at = Number.POSITIVE_INFINITY

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

/** An endpoint's socket and what travels towards it: a ring of slots. */
class VirtualSocket implements UdpSocket {
  readonly family = 4
  readonly host: string
  readonly port = 4433
  readonly receiveBufferSize = 4 << 20
  readonly queued = 0
  onMessage: (data: Uint8Array, host: string, port: number) => void = () => {}
  onError: (error: Error) => void = () => {}
  sent = 0
  sentBytes = 0
  readonly #world: VirtualWorld
  readonly #memory = new Uint8Array(SLOTS * SLOT)
  readonly #lengths = new Uint16Array(SLOTS)
  readonly #times = new Float64Array(SLOTS)
  /** Who sent it. */
  readonly #hosts: string[] = new Array(SLOTS)
  readonly #views: (Uint8Array | undefined)[] = new Array(SLOTS)
  readonly #sources = new Map<number, Uint8Array>()
  #head = 0
  #tail = 0
  #freeAt = 0

  constructor(world: VirtualWorld, host: string) {
    this.#world = world
    this.host = host
  }

  get nextArrival(): number {
    return this.#head === this.#tail ? Number.POSITIVE_INFINITY : this.#times[this.#head % SLOTS]!
  }

  send(data: Uint8Array, start: number, length: number, host: string, _port: number, done: () => void): void {
    this.sent++
    this.sentBytes += length
    this.#world.at(host)?.enqueue(this.host, data, start, length)
    done()
  }

  enqueue(from: string, data: Uint8Array, start: number, length: number): void {
    if (this.#tail - this.#head >= SLOTS) throw new Error('more datagrams under way than the link holds')
    const slot = this.#tail++ % SLOTS
    // the sender's slots are few and mostly full: views of them are kept, for what the world allocates is counted as well
    let source = this.#sources.get(start)
    if (source === undefined || source.length !== length || source.buffer !== data.buffer) {
      source = data.subarray(start, start + length)
      this.#sources.set(start, source)
    }
    this.#memory.set(source, slot * SLOT)
    this.#lengths[slot] = length
    this.#hosts[slot] = from
    this.#freeAt = Math.max(this.#freeAt, this.#world.now) + (length * 8) / BITS_PER_MS
    const { turnMs } = this.#world
    this.#times[slot] = Math.ceil((this.#freeAt + DELAY_MS) / turnMs) * turnMs
  }

  /** Hands out what has arrived. */
  deliver(now: number): void {
    while (this.nextArrival <= now) {
      const slot = this.#head++ % SLOTS
      const length = this.#lengths[slot]!
      let view = this.#views[slot]
      if (view?.length !== length) {
        view = this.#memory.subarray(slot * SLOT, slot * SLOT + length)
        this.#views[slot] = view
      }
      this.onMessage(view, this.#hosts[slot]!, this.port)
    }
  }

  close(): Promise<void> {
    this.#head = this.#tail
    return SETTLED
  }
}

class VirtualPlatform implements Platform {
  readonly maxDatagramSize = 1452
  readonly random: RandomSource
  readonly #world: VirtualWorld

  constructor(world: VirtualWorld, seed: number) {
    this.#world = world
    this.random = new SeededRandom(seed)
  }

  now(): number {
    return this.#world.now
  }

  wallClock(): number {
    return 1_770_000_000_000 + this.#world.now
  }

  createTimer(callback: () => void): Timer {
    return this.#world.createTimer(callback)
  }

  defer(callback: () => void): void {
    this.#world.deferred.push(callback)
  }

  afterReactions(callback: () => void): void {
    SETTLED.then(() => process.nextTick(callback))
  }

  bindUdp({ host }: UdpSocketOptions): Promise<UdpSocket> {
    return Promise.resolve(this.#world.open(host))
  }

  interfaces(): InterfaceAddress[] {
    return []
  }
}

export class VirtualWorld {
  now = 1000
  readonly turnMs: number
  deferred: (() => void)[] = []
  readonly sockets: VirtualSocket[] = []
  readonly #timers: VirtualTimer[] = []
  #running: (() => void)[] = []

  constructor(turnMs = TURN_MS) {
    this.turnMs = turnMs
  }

  platform(seed: number): Platform {
    return new VirtualPlatform(this, seed)
  }

  createTimer(callback: () => void): Timer {
    const timer = new VirtualTimer(callback)
    this.#timers.push(timer)
    return timer
  }

  open(host: string): UdpSocket {
    const socket = new VirtualSocket(this, host)
    this.sockets.push(socket)
    return socket
  }

  /** The socket with this address. */
  at(host: string): VirtualSocket | undefined {
    for (const socket of this.sockets) if (socket.host === host) return socket
    return undefined
  }

  /** Moves time until `work` settles. Rejects when nothing is left to happen. */
  run<T>(work: Promise<T>): Promise<T> {
    let isOver = false
    const over = (): void => {
      isOver = true
    }
    work.then(over, over)
    return new Promise((resolve, reject) => {
      // each call is a turn of the real event loop: every promise reaction has run
      const turn = (): void => {
        try {
          if (isOver) resolve(work)
          else if (this.#step()) setImmediate(turn)
          else reject(new Error(`nothing is left to happen, at ${this.now} ms`))
        } catch (error) {
          reject(error)
        }
      }
      setImmediate(turn)
    })
  }

  #step(): boolean {
    if (this.deferred.length === 0) return this.#advance()
    const due = this.deferred
    this.deferred = this.#running
    this.#running = due
    for (const callback of due) callback()
    due.length = 0
    return true
  }

  #advance(): boolean {
    let next = Number.POSITIVE_INFINITY
    for (const timer of this.#timers) next = Math.min(next, timer.at)
    for (const socket of this.sockets) next = Math.min(next, socket.nextArrival)
    if (next === Number.POSITIVE_INFINITY) return false
    this.now = Math.max(this.now, next)
    for (const socket of this.sockets) socket.deliver(this.now)
    for (const timer of this.#timers) {
      if (timer.at > this.now) continue
      timer.cancel()
      timer.callback()
    }
    return true
  }
}
