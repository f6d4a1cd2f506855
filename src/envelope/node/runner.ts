/**
 * Runs a `Messenger`: its frames go over links, its contents into the topic, its records into the storage, and one timer calls it when something is due. It hands on what the
 * messenger tells, and keeps no protocol state.
 */
import { type Endpoint, WaitQueue } from '../../endpoint/index.ts'
import type { GossipTopic } from '../../gossip/index.ts'
import type { EndpointAddr } from '../../identity/index.ts'
import type { Platform, Timer } from '../../platform/index.ts'
import type { JournalRecord } from '../backup/stored-message.ts'
import { Messenger } from '../core/messenger.ts'
import type { MessengerEvent, MessengerWorld } from '../core/world.ts'
import type { Links } from '../link/links.ts'
import type { PeerKey } from '../wire/envelope.ts'
import { idOf } from './peer-id.ts'
import type { Storage } from './storage.ts'

export interface RunnerSetup {
  readonly endpoint: Endpoint
  readonly links: Links
  readonly topic: GossipTopic
  readonly storage: Storage
  readonly name: string
  readonly trusts: ((peer: PeerKey) => boolean) | undefined
  /** What the messenger tells, in its order. */
  readonly onEvent: (event: MessengerEvent) => void
  /** Where a peer says it is, signed by it. */
  readonly onLearned: (addr: EndpointAddr) => void
  /** The transport has taken a frame, or has given it up. */
  readonly onTransmitted: () => void
}

/** The system's clock is compared with ours so often, ms: it may be set while we run. */
const CLOCK_CHECK_MS = 10_000
const AFTER_DEFECT_MS = 1_000

export class Runner implements MessengerWorld {
  readonly messenger: Messenger
  readonly #platform: Platform
  readonly #links: Links
  readonly #topic: GossipTopic
  readonly #storage: Storage
  readonly #timer: Timer
  readonly #onEvent: (event: MessengerEvent) => void
  readonly #onLearned: (addr: EndpointAddr) => void
  readonly #onTransmitted: () => void
  readonly #reportError: (error: unknown) => void
  /** What the timer is armed for. */
  #armedFor = Number.POSITIVE_INFINITY
  #clockCheckedAt = 0
  /** Records that are being written. */
  #writes = 0
  readonly #written = new WaitQueue()
  #isStopped = false

  constructor({ endpoint, links, topic, storage, name, trusts, onEvent, onLearned, onTransmitted }: RunnerSetup) {
    const { platform, secretKey, crypto } = endpoint
    this.#platform = platform
    this.#links = links
    this.#topic = topic
    this.#storage = storage
    this.#onEvent = onEvent
    this.#onLearned = onLearned
    this.#onTransmitted = onTransmitted
    this.#reportError = (error) => endpoint.reportError(error)
    this.#timer = platform.createTimer(() => this.#onTimer())
    this.messenger = new Messenger({
      secretKey,
      crypto,
      random: platform.random,
      world: this,
      name,
      addr: () => endpoint.addr(),
      trusts,
      restored: storage.restored,
    })
  }

  start(): void {
    this.#clockCheckedAt = this.#platform.now()
    this.messenger.start(this.#clockCheckedAt, this.#platform.wallClock())
    this.arm()
  }

  /** The messenger does something now; its next deadline may be another one then. */
  run<T>(act: (messenger: Messenger, now: number) => T): T {
    try {
      return act(this.messenger, this.#platform.now())
    } finally {
      this.arm()
    }
  }

  arm(): void {
    if (this.#isStopped) return
    const deadline = this.messenger.deadline()
    if (deadline === this.#armedFor) return
    this.#armedFor = deadline
    if (deadline === Number.POSITIVE_INFINITY) this.#timer.cancel()
    else this.#timer.arm(deadline)
  }

  /** Nothing more happens by itself, and the keys are wiped. */
  stop(): void {
    this.#isStopped = true
    this.#timer.cancel()
    this.messenger.free()
  }

  // MessengerWorld

  transmit(peer: PeerKey, frame: Uint8Array, ticket: number): void {
    this.#links.send(peer, frame).then(
      () => this.#settle(ticket, true),
      () => this.#settle(ticket, false),
    )
  }

  broadcast(content: Uint8Array): void {
    this.#say(this.#topic.broadcast(content))
  }

  tellNeighbors(content: Uint8Array, neighbor?: PeerKey): void {
    this.#say(
      neighbor === undefined
        ? this.#topic.broadcastNeighbors(content)
        : this.#topic.sendToNeighbor(idOf(neighbor), content),
    )
  }

  persist(record: JournalRecord, done: (isDurable: boolean) => void): void {
    this.#writes++
    this.#storage.persist(record, (isDurable) => {
      this.#writes--
      if (!this.#isStopped) this.run(() => done(isDurable))
      if (this.#writes === 0) this.#written.wake()
    })
  }

  /** Resolves when nothing is being written any more, and what waited for that is said: acknowledgements above all. Rejects with the signal's reason. */
  async written(signal: AbortSignal): Promise<void> {
    while (this.#writes > 0) await this.#written.wait(signal)
  }

  learned(addr: EndpointAddr): void {
    this.#onLearned(addr)
  }

  answered(peer: PeerKey): void {
    this.#links.answered(peer)
  }

  unanswered(peer: PeerKey): void {
    this.#links.unanswered(peer)
  }

  emit(event: MessengerEvent): void {
    this.#onEvent(event)
  }

  /** Nobody waits for it: what finds no room is dropped by gossip. */
  #say(saying: Promise<void>): void {
    saying.catch((error) => {
      if (!this.#topic.isClosed) this.#reportError(error)
    })
  }

  #settle(ticket: number, isAccepted: boolean): void {
    if (this.#isStopped) return
    this.run((messenger, now) => messenger.transmitted(ticket, isAccepted, now))
    this.#onTransmitted()
  }

  #onTimer(): void {
    this.#armedFor = Number.POSITIVE_INFINITY
    const now = this.#platform.now()
    if (now - this.#clockCheckedAt >= CLOCK_CHECK_MS) {
      this.#clockCheckedAt = now
      this.messenger.setClock(now, this.#platform.wallClock())
      this.#storage.tidy()
    }
    try {
      this.messenger.tick(now)
      this.arm()
    } catch (error) {
      // a defect of ours: it shall not end the process, nor keep it busy
      this.#reportError(error)
      this.#timer.arm(now + AFTER_DEFECT_MS)
    }
  }
}
