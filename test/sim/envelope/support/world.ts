/**
 * Messengers with their journals in virtual time: one heap of events, one source of chance, and no network. Promises (the journal's) settle between two events, so a run is
 * repeated by its seed. Lines, topic and disks are files of their own; what happens is `deeds.ts`'s, what must be true the ledger's.
 */
import { createNodeCrypto } from '../../../../src/crypto/node/index.ts'
import type { MessengerSettings } from '../../../../src/envelope/core/settings.ts'
import type { PeerKey } from '../../../../src/envelope/wire/envelope.ts'
import { type ScheduledEvent, VirtualClock } from '../../support/clock.ts'
import { SimRandom } from '../../support/random.ts'
import type { Hostile } from './hostile.ts'
import { Ledger } from './ledger.ts'
import { lightSignatures } from './light-crypto.ts'
import { Lines } from './lines.ts'
import { type Birth, SimNode } from './node.ts'
import { Topic } from './topic.ts'
import { CALM, type Weather } from './weather.ts'

/** The wall clock at time 0, ms since 1970. */
const WALL = 1_800_000_000_000
/** Events at one moment; more is a loop. */
const MAX_STANDING = 100_000

/** Whoever frames and gossip come to. */
export interface Station {
  readonly name: string
  readonly key: PeerKey
  /** Its place in the order of births. */
  readonly index: number
  readonly isUp: boolean
  /** Another one after each death. */
  readonly lifeNumber: number
  receive(frame: Uint8Array, link: PeerKey): void
  gossip(content: Uint8Array, link: PeerKey, isForNeighbors?: boolean): void
  connected(peer: PeerKey): void
  disconnected(peer: PeerKey): void
}

export class EnvelopeWorld {
  readonly random: SimRandom
  /** Signatures are not what is tried here, and they would take most of the time. */
  readonly crypto = lightSignatures(createNodeCrypto())
  readonly clock = new VirtualClock()
  readonly ledger = new Ledger(this)
  readonly lines = new Lines(this)
  readonly topic = new Topic(this)
  readonly nodes: SimNode[] = []
  readonly hostiles: Hostile[] = []
  weather: Weather = CALM
  /** Of all messengers. */
  settings: Partial<MessengerSettings> = {}
  readonly #stations = new Map<PeerKey, Station>()
  /** Time that passed at once. */
  #jumped = 0
  #isDirty = false
  #standsAt = -1
  #standing = 0

  constructor(seed: string) {
    this.random = new SimRandom(seed)
  }

  /** Monotonic, of all nodes, ms. */
  get now(): number {
    return this.clock.now + this.#jumped
  }

  /** Without anybody's skew, ms since 1970. */
  get wall(): number {
    return WALL + this.now
  }

  get stations(): Iterable<Station> {
    return this.#stations.values()
  }

  stationOf(key: PeerKey): Station | undefined {
    return this.#stations.get(key)
  }

  nodeOf(key: PeerKey): SimNode | undefined {
    const station = this.#stations.get(key)
    return station instanceof SimNode ? station : undefined
  }

  node(birth: Partial<Birth> = {}): SimNode {
    const node = new SimNode(this, { name: `n${this.nodes.length}`, index: this.#stations.size, ...birth })
    this.nodes.push(node)
    this.enter(node)
    return node
  }

  enter(station: Station): void {
    this.#stations.set(station.key, station)
  }

  after(ms: number, run: () => void): ScheduledEvent {
    return this.clock.after(ms, run)
  }

  /** At this time of all nodes; a jump brings it nearer only where it is scheduled anew. */
  at(now: number, run: () => void): ScheduledEvent {
    return this.clock.schedule(now - this.#jumped, run)
  }

  /** Promises are under way: they settle before the next event. */
  touch(): void {
    this.#isDirty = true
  }

  async run(ms: number): Promise<void> {
    await this.until(() => false, ms)
  }

  /** False: it did not come about within `ms`. */
  async until(isDone: () => boolean, ms: number): Promise<boolean> {
    const end = this.clock.now + ms
    await this.#settle()
    while (!isDone()) {
      if (!this.clock.step(end)) {
        this.clock.now = Math.max(this.clock.now, end)
        return false
      }
      this.#guard()
      if (this.#isDirty) await this.#settle()
    }
    return true
  }

  /** So much time passes at once, as if all machines had slept: whatever was under way comes late, all connections are gone. */
  jump(ms: number): void {
    this.#jumped += ms
    this.lines.breakAll()
    for (const node of this.nodes) node.arm()
  }

  #guard(): void {
    if (this.clock.now > this.#standsAt) {
      this.#standsAt = this.clock.now
      this.#standing = 0
    } else if (this.#standing++ > MAX_STANDING) throw new Error(`time stands still at ${this.now} ms`)
  }

  /** All promise reactions have run. */
  async #settle(): Promise<void> {
    this.#isDirty = false
    await new Promise((resolve) => setImmediate(resolve))
  }
}
