/**
 * `Messenger`: one node of the messaging layer, without I/O: what is sent, received, forwarded, kept for others and said in the swarm. It joins outbox, inbox, custody and swarm
 * over the machines below; time, randomness, transport, gossip and disk are its world's (spec/envelope.md §4 to §6).
 */
import type { CryptoProvider } from '../../crypto/index.ts'
import type { EndpointAddr, SecretKey } from '../../identity/index.ts'
import type { RandomSource } from '../../platform/index.ts'
import { Mailbox } from '../backup/mailbox.ts'
import type { Restored } from '../backup/stored-message.ts'
import { type PeerChange, type PeerRecord, PeerTable } from '../peers/peer-table.ts'
import { Presence } from '../peers/presence.ts'
import type { DeliveryState } from '../routing/delivery-state.ts'
import { DeliveryTracker } from '../routing/delivery-tracker.ts'
import { Router } from '../routing/router.ts'
import { SenderBudgets } from '../routing/sender-budget.ts'
import { Sealer } from '../sealing/sealer.ts'
import type { PeerKey } from '../wire/envelope.ts'
import { KnownKeys } from '../wire/known-keys.ts'
import { Clock } from './clock.ts'
import { Confirmations } from './confirmations.ts'
import type { Context } from './context.ts'
import { Courier } from './courier.ts'
import { Custody } from './custody.ts'
import { Deliveries, type Taken } from './deliveries.ts'
import { Holders } from './holders.ts'
import { Inbox } from './inbox.ts'
import { Counters, type MessengerMetrics } from './metrics.ts'
import { Outbox, type OutgoingOptions } from './outbox.ts'
import { Pace } from './pace.ts'
import { MESSENGER_SETTINGS, type MessengerSettings } from './settings.ts'
import { Shelf } from './shelf.ts'
import { Swarm } from './swarm.ts'
import { Transmissions } from './transmissions.ts'
import type { MessengerWorld } from './world.ts'

export interface MessengerSetup {
  readonly secretKey: SecretKey
  readonly crypto: CryptoProvider
  readonly random: RandomSource
  readonly world: MessengerWorld
  /** At most 64 bytes of UTF-8. */
  readonly name: string
  /** Where we are, as far as it is known. */
  readonly addr: () => EndpointAddr | undefined
  /** Peers that may send as much as they like, for the application knows them. Default: nobody. */
  readonly trusts?: ((peer: PeerKey) => boolean) | undefined
  /** What an earlier life left. */
  readonly restored?: Restored | undefined
  readonly settings?: Partial<MessengerSettings> | undefined
}

const nothing = (): void => {}
const nobody = (): boolean => false

export class Messenger {
  readonly key: PeerKey
  readonly #context: Context
  readonly #presence: Presence
  readonly #pace: Pace
  readonly #courier: Courier
  readonly #confirmations: Confirmations
  readonly #shelf: Shelf
  readonly #holders: Holders
  readonly #outbox: Outbox
  readonly #deliveries: Deliveries
  readonly #inbox: Inbox
  readonly #swarm: Swarm
  /** Until it starts. */
  #restored: Restored | undefined
  #sweepAt = Number.POSITIVE_INFINITY

  constructor(setup: MessengerSetup) {
    const { secretKey, crypto, random, world, name, addr, restored, settings: some, trusts = nobody } = setup
    const settings = { ...MESSENGER_SETTINGS, ...some }
    const sealer = new Sealer({ secretKey, crypto, random })
    const { key } = sealer
    this.key = key
    const counters = new Counters()
    const context: Context = {
      key,
      name,
      addr,
      clock: new Clock(),
      settings,
      world,
      counters,
      keys: new KnownKeys(),
      sealer,
      router: new Router(key),
      tracker: new DeliveryTracker(),
      budgets: new SenderBudgets(),
      peers: new PeerTable({ self: key, random }),
      mailbox: new Mailbox(key),
      trusts,
      transmissions: new Transmissions(world, settings.maxTransmissions),
      refuse: (peer, reason) => {
        counters.refuse(reason)
        world.emit({ kind: 'rejected', peer, reason })
      },
      onPeerChange: (change) => this.#onPeerChange(change),
    }
    this.#context = context
    this.#presence = new Presence({ random })
    this.#pace = new Pace(context)
    this.#courier = new Courier(context, this.#pace)
    this.#confirmations = new Confirmations(context)
    this.#shelf = new Shelf(context, this.#courier)
    this.#holders = new Holders(context, this.#courier, this.#shelf, this.#confirmations)
    this.#outbox = new Outbox(context, this.#holders, this.#courier, this.#shelf, this.#pace)
    this.#deliveries = new Deliveries(context, this.#confirmations)
    const custody = new Custody(context, this.#courier, this.#shelf)
    this.#inbox = new Inbox(context, {
      outbox: this.#outbox,
      custody,
      holders: this.#holders,
      deliveries: this.#deliveries,
    })
    this.#swarm = new Swarm(context, this.#presence, custody, this.#courier, random)
    this.#restored = restored
  }

  /** From now on it takes part. `wall`: ms since 1970 at the moment `now`. */
  start(now: number, wall: number): void {
    const { clock, mailbox, router, settings } = this.#context
    clock.set(now, wall)
    const { messages = [], delivered = [] } = this.#restored ?? {}
    this.#restored = undefined
    this.#shelf.left(mailbox.restore(messages, clock.wall))
    router.restore(delivered)
    this.#courier.start()
    this.#holders.start()
    this.#presence.started(now)
    this.#sweepAt = now + settings.sweepIntervalMs
  }

  /** The system's clock may be set while we run: tell it now and then. */
  setClock(now: number, wall: number): void {
    this.#context.clock.set(now, wall)
  }

  /**
   * A message of bytes for `to`; its id. `onKept` hears, later, whether it would survive a crash. Throws TomError: INVALID_OPTION, MESSAGE_TOO_LARGE,
   * TOO_MANY_MESSAGES.
   */
  send(
    to: PeerKey,
    bytes: Uint8Array,
    options: OutgoingOptions,
    now: number,
    onKept: (isDurable: boolean) => void = nothing,
  ): string {
    this.#context.clock.now = now
    return this.#outbox.send(to, bytes, options, onKept)
  }

  /** Of a message of ours; undefined: unknown, or long delivered. */
  stateOf(id: string): DeliveryState | undefined {
    return this.#context.tracker.state(id)
  }

  /** A frame of an envelope v2 that came over a connection of `link`. Never throws for what is in it. */
  receive(frame: Uint8Array, link: PeerKey, now: number): void {
    this.#context.clock.now = now
    this.#inbox.receive(frame, link)
  }

  /** Content of gossip that the neighbour `link` brought; `isForNeighbors`: scope Neighbors. Never throws for what is in it. */
  gossip(content: Uint8Array, link: PeerKey, now: number, isForNeighbors = false): void {
    this.#context.clock.now = now
    this.#swarm.receive(content, link, isForNeighbors)
  }

  /** `peer` became our neighbour in the topic. */
  neighborUp(peer: PeerKey, now: number): void {
    this.#context.clock.now = now
    this.#onPeerChange(this.#context.peers.neighbor(peer, now))
    this.#swarm.neighborUp(peer)
  }

  /** `peer` left the topic, or its connection was lost: it may be gone, which is found out sooner than by its silence. */
  neighborLost(peer: PeerKey, now: number): void {
    this.#context.clock.now = now
    this.#onPeerChange(this.#context.peers.unreachable(peer, now))
  }

  /** There is a connection to `peer`, whose key it proved. */
  connected(peer: PeerKey, now: number): void {
    this.#context.clock.now = now
    this.#onPeerChange(this.#context.peers.connected(peer, now))
  }

  /** The last connection to `peer` ended. */
  disconnected(peer: PeerKey, now: number): void {
    this.#context.clock.now = now
    this.#onPeerChange(this.#context.peers.disconnected(peer, now))
  }

  /** What became of a frame of `MessengerWorld.transmit`. */
  transmitted(ticket: number, isAccepted: boolean, now: number): void {
    this.#context.clock.now = now
    this.#context.transmissions.settle(ticket, isAccepted)
  }

  /** The next message for the application, which is acknowledged by that. */
  take(now: number): Taken | undefined {
    this.#context.clock.now = now
    return this.#deliveries.take()
  }

  /** Tells the sender that somebody has seen the message. */
  markRead(id: string, from: PeerKey, now: number): void {
    this.#context.clock.now = now
    this.#deliveries.markRead(id, from)
  }

  /** Our addresses became others: the swarm shall know. */
  addrChanged(now: number): void {
    this.#context.clock.now = now
    this.#presence.changed(now)
  }

  peer(key: PeerKey): PeerRecord | undefined {
    return this.#context.peers.get(key)
  }

  peers(): Iterable<PeerRecord> {
    return this.#context.peers.list()
  }

  /** When `tick` is due, monotonic ms. */
  deadline(): number {
    const { peers } = this.#context
    return Math.min(
      this.#outbox.deadline(),
      this.#pace.deadline(),
      this.#courier.deadline(),
      this.#holders.deadline(),
      this.#shelf.deadline(),
      this.#confirmations.deadline(),
      this.#inbox.deadline(),
      this.#swarm.deadline(),
      peers.deadline(),
      this.#sweepAt,
    )
  }

  tick(now: number): void {
    const { clock, peers, router, settings } = this.#context
    clock.now = now
    this.#outbox.tick()
    this.#pace.tick()
    this.#inbox.tick()
    if (peers.deadline() <= now) for (const change of peers.tick(now)) this.#onPeerChange(change)
    this.#holders.tick()
    this.#confirmations.tick()
    this.#shelf.tick()
    this.#courier.tick()
    this.#swarm.tick()
    if (now < this.#sweepAt) return
    this.#sweepAt = now + settings.sweepIntervalMs
    router.expire(clock.wall)
    this.#deliveries.expire()
  }

  /** We are about to go: others shall keep what is not delivered, and what would be said in a moment is said now. */
  prepareToClose(now: number): void {
    this.#context.clock.now = now
    this.#holders.seekAllHolders()
    this.#confirmations.flush()
  }

  /** A message of ours may still be delivered, or somebody may still take it into his keeping, if we wait; `isStored`: it outlives us anyway. */
  hasHope(isStored: boolean): boolean {
    return this.#holders.hasHope(isStored)
  }

  /** Frees the keys; nothing works afterwards. */
  free(): void {
    this.#context.sealer.free()
  }

  metrics(): MessengerMetrics {
    const { counters, tracker, mailbox, peers } = this.#context
    return {
      sent: counters.sent,
      delivered: counters.delivered,
      failed: counters.failed,
      received: counters.received,
      duplicates: counters.duplicates,
      forwarded: counters.forwarded,
      kept: counters.kept,
      brought: counters.brought,
      acknowledgementsSent: counters.acknowledgementsSent,
      announced: counters.announced,
      handedOn: counters.handedOn,
      refused: { ...counters.refused },
      pending: tracker.size,
      stored: mailbox.size,
      storedBytes: mailbox.bytes,
      waiting: this.#deliveries.size,
      peers: peers.size,
      online: peers.onlineCount,
    }
  }

  #onPeerChange(change: PeerChange | undefined): void {
    if (change === undefined) return
    const { peer, liveness, before, name, role, isVerified } = change
    this.#context.world.emit({ kind: 'peer', peer, liveness, before, name, role, isVerified })
    if (liveness === 'offline' || liveness === 'forgotten') this.#swarm.left(peer)
    if (liveness !== 'online' || before === 'online') return
    this.#courier.wake(peer, true)
    // in small swarms all neighbours of a newcomer may be of those that hand nothing on
    const { clock, peers, settings } = this.#context
    if (before !== 'stale' && peers.onlineCount <= settings.greetsUpTo) this.#presence.changed(clock.now)
  }
}
