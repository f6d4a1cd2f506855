/**
 * Two attempts behind their NATs in virtual time: on one side a mapping for each destination, on the other one for all; both let in only whom was sent to, address and port.
 * Packets take time and get lost; messages take the way of the relay. Counts what leaves each side and where to.
 */
import { formatSocketAddress, parseSocketAddress, type SocketAddress, sameBytes } from '../../../src/bytes/index.ts'
import { type Deadlined, DeadlineHeap } from '../../../src/driver/index.ts'
import type { BirthdayAction, BirthdayAttempt } from '../../../src/holepunch/birthday/attempt.ts'
import { EasyAttempt } from '../../../src/holepunch/birthday/easy-attempt.ts'
import { HardAttempt } from '../../../src/holepunch/birthday/hard-attempt.ts'
import { isPeersAddress } from '../../../src/holepunch/birthday/targets.ts'
import type { DiscoMessage } from '../../../src/holepunch/disco/message.ts'
import { SimRandom } from '../../sim/support/random.ts'

export const HARD = parseSocketAddress('203.0.113.2:1')
export const EASY = parseSocketAddress('198.51.100.3:41641')

export type Side = 'hard' | 'easy'

class Event implements Deadlined {
  deadline = Number.POSITIVE_INFINITY
  heapIndex = -1
  readonly run: () => void

  constructor(run: () => void) {
    this.run = run
  }
}

export interface WorldOptions {
  readonly loss?: number
  /** Who offers. Default: the easy side. */
  readonly offers?: Side
  readonly sockets?: number
  /** Lets packets to the easy side in from anywhere. */
  readonly isEasyOpen?: boolean
}

export class BirthdayWorld {
  now = 1_000
  readonly random: SimRandom
  readonly hard: HardAttempt
  readonly easy: EasyAttempt
  /** Packets that left each side, and those that went to no address of the peer. */
  readonly sent = { hard: 0, easy: 0 }
  readonly astray: string[] = []
  readonly actions: Record<Side, BirthdayAction[]> = { hard: [], easy: [] }
  won: Partial<Record<Side, { socket: number; remote: SocketAddress }>> = {}
  /** Sockets that were opened. */
  bound = 0
  /** Changes or drops a message on its way. */
  onMessage: (action: BirthdayAction & { type: 'message' }, from: Side) => boolean = () => true
  readonly #options: WorldOptions
  readonly #heap = new DeadlineHeap<Event>()
  readonly #timers: Record<Side, Event>
  readonly #loss: number
  /** The hard NAT: inner socket → port, and back. */
  readonly #mappings = new Map<number, number>()
  readonly #owners = new Map<number, number>()
  /** The easy NAT: which ports of the peer were sent to. */
  readonly #allowed = new Set<number>()

  constructor(seed: string, options: WorldOptions = {}) {
    this.#options = options
    this.random = new SimRandom(seed)
    this.#loss = options.loss ?? 0
    const id = this.random.bytes(8)
    const offers = options.offers ?? 'easy'
    const common = { id, now: this.now, ...(options.sockets === undefined ? {} : { sockets: options.sockets }) }
    this.hard = new HardAttempt({
      ...common,
      own: { ip: HARD.ip, port: 7 },
      random: this.random.fork('hard'),
      isPeers: (address) => isPeersAddress('easy', address, [EASY], [HARD.ip]),
      ...(offers === 'easy' ? { peer: EASY } : {}),
    })
    this.easy = new EasyAttempt({
      ...common,
      own: EASY,
      random: this.random.fork('easy'),
      isPeers: (address) => isPeersAddress('hard', address, [HARD], [EASY.ip]),
      ...(offers === 'hard' ? { peer: HARD } : {}),
    })
    this.#timers = {
      hard: new Event(() => this.#do('hard', this.hard.tick(this.now))),
      easy: new Event(() => this.#do('easy', this.easy.tick(this.now))),
    }
  }

  attempt(side: Side): BirthdayAttempt {
    return side === 'hard' ? this.hard : this.easy
  }

  /** Runs until nothing happens any more, or `ms` have passed. */
  run(ms = 60_000): this {
    if (this.actions.hard.length + this.actions.easy.length === 0) {
      const offers = this.#options.offers ?? 'easy'
      this.#do(offers, this.attempt(offers).open(this.now))
      const answers = offers === 'easy' ? 'hard' : 'easy'
      this.after(this.#latency(), () => this.#do(answers, this.attempt(answers).open(this.now)))
    }
    const end = this.now + ms
    for (;;) {
      const event = this.#heap.peek()
      if (event === undefined) return this
      if (event.deadline > end) break
      this.now = Math.max(this.now, event.deadline)
      this.#heap.set(event, Number.POSITIVE_INFINITY)
      event.run()
    }
    this.now = end
    return this
  }

  after(ms: number, run: () => void): void {
    this.#heap.set(new Event(run), this.now + ms)
  }

  /** A packet of somebody who is not the peer, or knows too much: straight to a socket. */
  inject(side: Side, socket: number, from: SocketAddress, message: DiscoMessage): void {
    this.#do(side, this.attempt(side).onDisco(socket, from, message, this.now))
  }

  #latency(): number {
    return this.random.between(20, 80)
  }

  #do(side: Side, actions: readonly BirthdayAction[]): void {
    for (const action of actions) {
      this.actions[side].push(action)
      if (action.type === 'ping' || action.type === 'pong') this.#send(side, action)
      else if (action.type === 'won') this.won[side] = action
      else if (action.type === 'message') this.#carry(side, action)
      else if (action.type === 'bind') {
        this.bound += action.sockets
        this.after(5, () => this.#do('hard', this.hard.bound(action.sockets, this.now)))
      }
    }
    this.#heap.set(this.#timers[side], this.attempt(side).deadline())
  }

  /** Reliable. The offer is known to the other side from its constructor. */
  #carry(side: Side, action: BirthdayAction & { type: 'message' }): void {
    if (action.message.type === 'offer' || !this.onMessage(action, side)) return
    const other = side === 'hard' ? 'easy' : 'hard'
    const { message } = action
    this.after(this.#latency() + 40, () => this.#do(other, this.attempt(other).onMessage(message, this.now)))
  }

  #send(side: Side, action: BirthdayAction & { type: 'ping' | 'pong' }): void {
    this.sent[side]++
    const { to } = action
    const isRight = side === 'hard' ? to.port === EASY.port && sameBytes(to.ip, EASY.ip) : sameBytes(to.ip, HARD.ip)
    if (!isRight) this.astray.push(formatSocketAddress(to))
    const from = side === 'hard' ? { ip: HARD.ip, port: this.#map(action.socket) } : EASY
    if (side === 'easy') this.#allowed.add(to.port)
    if (this.random.chance(this.#loss)) return
    this.after(this.#latency(), () => this.#arrive(from, action))
  }

  #arrive(from: SocketAddress, { type, to, transactionId }: BirthdayAction & { type: 'ping' | 'pong' }): void {
    const message: DiscoMessage =
      type === 'ping'
        ? { type, transactionId, key: new Uint8Array(32) }
        : { type, transactionId, observed: { kind: 'udp', ...to } }
    if (from !== EASY) {
      if (this.#options.isEasyOpen === true || this.#allowed.has(from.port)) this.inject('easy', -1, from, message)
      return
    }
    const socket = this.#owners.get(to.port)
    if (socket !== undefined) this.inject('hard', socket, from, message)
  }

  /** Only to the easy side's one address: anything else is astray, which fails the test. */
  #map(socket: number): number {
    let port = this.#mappings.get(socket)
    if (port === undefined) {
      do port = this.random.int(1024, 65_535)
      while (this.#owners.has(port))
      this.#mappings.set(socket, port)
      this.#owners.set(port, socket)
    }
    return port
  }

  /** The port by which the easy side sees a socket. */
  portOf(socket: number): number | undefined {
    return this.#mappings.get(socket)
  }
}
