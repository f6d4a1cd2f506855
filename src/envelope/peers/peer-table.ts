/**
 * Who is there: liveness by verified signs of life, names and roles as far as they can be believed, and the choice of hops and holders. Owns no clock and sends
 * nothing; what was measured of others is `Measurements`', how the state lies in memory `PeerStore`'s (spec/envelope.md §5.2, §5.4–5.6; PRS-2 to PRS-5, ROL-2,
 * ROL-3, W10, W11, W26, L4).
 */
import type { RandomSource } from '../../platform/index.ts'
import type { PeerAnnounce, Role, RoleChange } from '../wire/bodies.ts'
import type { PeerKey } from '../wire/envelope.ts'
import { AnnounceInterval } from './announce-interval.ts'
import { HintLanes } from './hint-lanes.ts'
import { chooseByWeight, hopWeight } from './hop-choice.ts'
import type { Liveness } from './liveness.ts'
import { Measurements } from './measurements.ts'
import { CONNECTED, HINTED, MET, NO_SLOT, OFFLINE, ONLINE, PeerStore, STALE } from './peer-store.ts'
import { isSame, type PeerChange, type PeerRecord, PeerView } from './peer-view.ts'
import { isTimelyAnnounce } from './presence.ts'
import { PEER_SETTINGS, type PeerSettings } from './settings.ts'

export type { PeerChange, PeerRecord }

/** How many at random are looked at beside the proven ones when a hop is chosen, of those with a connection and of all that are online. Guesses. */
const CONNECTED_CANDIDATES = 8
const ONLINE_CANDIDATES = 16

/** No call throws, and none but `list`, `tick` and the choices does work that grows with the number of peers. What concerns our own key is ignored. */
export class PeerTable {
  readonly #self: PeerKey
  readonly #random: RandomSource
  readonly #settings: PeerSettings
  readonly #store: PeerStore
  readonly #lanes: HintLanes
  readonly #measurements: Measurements
  readonly #view: PeerView
  readonly #interval: AnnounceInterval
  /** Peers that made room for others, told with the next tick. */
  #pushedOut: PeerChange[] = []
  #pushedOutAt = Number.POSITIVE_INFINITY

  constructor(setup: {
    readonly self: PeerKey
    readonly random: RandomSource
    readonly settings?: Partial<PeerSettings>
  }) {
    this.#self = setup.self
    this.#random = setup.random
    this.#settings = { ...PEER_SETTINGS, ...setup.settings }
    this.#store = new PeerStore(this.#settings.maxPeers, this.#settings.hintSources)
    this.#lanes = new HintLanes(this.#store.queues, HINTED, this.#settings.hintSources)
    this.#measurements = new Measurements(this.#settings)
    this.#view = new PeerView(this.#store, this.#measurements)
    this.#interval = new AnnounceInterval(this.#settings)
  }

  get onlineCount(): number {
    return this.#store.online.size
  }

  get size(): number {
    return this.#store.size
  }

  /** The announce interval by which silence is judged, ms. */
  get intervalMs(): number {
    return this.#interval.ms
  }

  /** Without a sign of life for so long a peer is stale, ms. */
  get staleAfterMs(): number {
    return this.#settings.staleIntervals * this.#interval.ms
  }

  // Signs of life

  /** A verified envelope of this author came in, straight or over others (PRS-4). */
  alive(peer: PeerKey, now: number): PeerChange | undefined {
    const store = this.#store
    const slot = store.find(peer)
    if (slot === NO_SLOT) return this.#welcome(peer, MET + ONLINE, now)
    store.seenAt[slot] = now
    const queue = store.queues.queueOf(slot)
    if (queue !== MET + ONLINE && queue !== CONNECTED) return this.#move(slot, MET + ONLINE)
    store.queues.touch(slot)
    return undefined
  }

  /** Gossip has it as a neighbour, which is a connection authenticated as that key. Says nothing about its role (PRS-5). */
  neighbor(peer: PeerKey, now: number): PeerChange | undefined {
    return this.alive(peer, now)
  }

  /** The first live connection: online while it lasts. */
  connected(peer: PeerKey, now: number): PeerChange | undefined {
    const slot = this.#store.find(peer)
    if (slot === NO_SLOT) return this.#welcome(peer, CONNECTED, now)
    this.#store.seenAt[slot] = now
    return this.#move(slot, CONNECTED)
  }

  /** The last connection ended: it was alive until now, and silence begins. */
  disconnected(peer: PeerKey, now: number): PeerChange | undefined {
    const slot = this.#store.find(peer)
    if (slot === NO_SLOT || this.#store.queues.queueOf(slot) !== CONNECTED) return undefined
    this.#store.seenAt[slot] = now
    return this.#move(slot, MET + ONLINE)
  }

  /** A dial failed: one step towards offline at once, for what we wanted to bring it needs another way. Not where there is a connection. */
  unreachable(peer: PeerKey, now: number): PeerChange | undefined {
    const slot = this.#store.find(peer)
    if (slot === NO_SLOT) return undefined
    const queue = this.#store.queues.queueOf(slot)
    if (queue >= CONNECTED || queue % MET === OFFLINE) return undefined
    this.#store.since[slot] = now
    return this.#move(slot, queue - 1)
  }

  // What peers say of themselves

  /**
   * An unsigned announcement: somebody says that this peer exists. A hint to dial it, no life, no role, and a name only until it signs one (PRS-2, PRS-4, W10).
   * `source`: the neighbour it came from, whose hints push out only one another.
   */
  hinted(announce: PeerAnnounce, now: number, wall: number, source = ''): PeerChange | undefined {
    const { peer, name } = announce
    if (peer === this.#self || !isTimelyAnnounce(announce.timestamp, wall)) return undefined
    const store = this.#store
    const slot = store.find(peer)
    if (slot === NO_SLOT) return this.#welcomeHint(peer, name, now, source)
    store.isHinted[slot] = 1
    if (store.queues.queueOf(slot) >= HINTED) {
      store.since[slot] = now
      store.queues.touch(slot)
    }
    if (store.isOurs[slot] === 1 || store.name(slot) === name) return undefined
    if (now - store.namedAt[slot]! < this.#settings.minChangeMs) return undefined
    store.namedAt[slot] = now
    store.setName(slot, name)
    return this.#view.renewal(slot)
  }

  /**
   * An announcement signed by its peer, which only nodes of ours make. It is life if it is not older than five minutes, so that a recorded one cannot raise the dead
   * for longer; an older one makes the peer known. Nothing that is not newer than the last one counts.
   */
  announced(announce: PeerAnnounce, now: number, wall: number): PeerChange | undefined {
    const { peer, name, timestamp } = announce
    if (peer === this.#self || !isTimelyAnnounce(timestamp, wall)) return undefined
    const store = this.#store
    const isFresh = timestamp >= wall - this.#settings.freshMs
    let slot = store.find(peer)
    const before = slot === NO_SLOT ? undefined : this.#view.record(slot)
    if (slot === NO_SLOT) slot = this.#admit(peer, now)
    else if (timestamp <= store.announcedAt[slot]!) return undefined
    store.announcedAt[slot] = timestamp
    store.setOurs(slot)
    store.setName(slot, name)
    this.#stateRole(slot, announce.roles.includes('Relay'), timestamp)
    const queue = before === undefined ? HINTED : store.queues.queueOf(slot)
    if (isFresh) {
      store.seenAt[slot] = now
      const isMet = queue >= MET && queue < CONNECTED
      store.move(slot, queue === CONNECTED ? CONNECTED : isMet ? MET + ONLINE : ONLINE)
    } else if (queue >= HINTED) {
      store.since[slot] = now
      store.move(slot, OFFLINE)
    }
    const after = this.#view.change(slot, before?.liveness)
    return isSame(before, after) ? undefined : after
  }

  /** A role change, verified by the caller. Of known peers only, within ±5 min, once in 30 s; no life, and its score is its own business (ROL-3, W11). */
  roleChanged(change: RoleChange, now: number, wall: number): PeerChange | undefined {
    const slot = this.#store.find(change.peer)
    if (slot === NO_SLOT || Math.abs(change.timestamp - wall) > this.#settings.roleSkewMs) return undefined
    if (now - this.#store.roleChangedAt[slot]! < this.#settings.minChangeMs) return undefined
    const before = this.#view.role(slot)
    if (!this.#stateRole(slot, change.role === 'Relay', change.timestamp)) return undefined
    this.#store.roleChangedAt[slot] = now
    return this.#view.role(slot) === before ? undefined : this.#view.renewal(slot)
  }

  // Looking up

  get(peer: PeerKey): PeerRecord | undefined {
    const slot = this.#store.find(peer)
    return slot === NO_SLOT ? undefined : this.#view.record(slot)
  }

  /** As `get(peer)?.liveness`, without making a record. */
  livenessOf(peer: PeerKey): Liveness | undefined {
    const slot = this.#store.find(peer)
    return slot === NO_SLOT ? undefined : this.#view.liveness(slot)
  }

  /** It announces itself, and never signed that: a node of the Rust stack, as far as we know. */
  isForeign(peer: PeerKey): boolean {
    const { isHinted, isOurs } = this.#store
    const slot = this.#store.find(peer)
    return slot !== NO_SLOT && isHinted[slot] === 1 && isOurs[slot] === 0
  }

  /** In no particular order; not to be mixed with changes. */
  *list(): Generator<PeerRecord, void, undefined> {
    for (const slot of this.#store.slots()) yield this.#view.record(slot)
  }

  // Measurements

  /** `hop` passed on `bytes` of ours, says its valid acknowledgement (ROL-2). */
  forwardedBy(hop: PeerKey, bytes: number, now: number): void {
    this.#measurements.forwardedBy(hop, bytes, now)
  }

  /** What was sent through `hop` ended failed (ROL-2). */
  failedVia(hop: PeerKey, now: number): void {
    this.#measurements.failedVia(hop, now)
  }

  /** By our own measurement only; above 0 for ever once it forwarded something for us (L4a). Under our own key, `ownScore`. */
  score(peer: PeerKey, now: number): number {
    const contribution = this.#measurements.of(peer)
    if (contribution !== undefined) return contribution.score(now)
    return peer === this.#self ? this.ownScore(now) : 0
  }

  /** We passed on an envelope of others. Nothing else makes our own score rise (L5d, W11). */
  forwardedForOthers(bytes: number, now: number): void {
    this.#measurements.forwardedForOthers(bytes, now)
  }

  failedForOthers(now: number): void {
    this.#measurements.failedForOthers(now)
  }

  receivedForOthers(bytes: number, _now: number): void {
    this.#measurements.receivedForOthers(bytes)
  }

  ownScore(now: number): number {
    return this.#measurements.ownScore(now)
  }

  /** Changes in `tick` only. */
  get ownRole(): Role {
    return this.#measurements.ownRole
  }

  // Choices

  /** A hop for a message: online, none of `exclude` (recipient, hops that failed), random among the best few by our own measurement (W26); undefined: nobody. */
  chooseHop(exclude: readonly PeerKey[], now: number): PeerKey | undefined {
    const store = this.#store
    const slots: number[] = []
    const isWanted = (slot: number) => !exclude.includes(store.key(slot)) && !slots.includes(slot)
    for (const peer of this.#measurements.proven) {
      const slot = store.find(peer)
      if (slot !== NO_SLOT && store.online.has(slot) && isWanted(slot)) slots.push(slot)
    }
    slots.push(...store.connected.draw(this.#random, CONNECTED_CANDIDATES, isWanted))
    slots.push(...store.online.draw(this.#random, ONLINE_CANDIDATES, isWanted))
    const weights = slots.map((slot) => {
      const success = this.#measurements.successOf(store.key(slot), now)
      return hopWeight(success, store.connected.has(slot), this.#view.role(slot) === 'Relay')
    })
    const chosen = chooseByWeight(weights, this.#random)
    return chosen < 0 ? undefined : store.key(slots[chosen]!)
  }

  /**
   * Up to `count` different nodes of ours that are online, first of those we have a connection with: they are there for sure, and each node has others. Among equals
   * at random, for one that kept for everybody would be full, and missed, first.
   */
  chooseHolders(exclude: readonly PeerKey[], count: number, _now: number): PeerKey[] {
    const { connected, isOurs, onlineOurs } = this.#store
    const isWanted = (slot: number) => !exclude.includes(this.#store.key(slot))
    const slots = connected.draw(this.#random, count, (slot) => isOurs[slot] === 1 && isWanted(slot))
    const isOther = (slot: number) => isWanted(slot) && !slots.includes(slot)
    if (slots.length < count) slots.push(...onlineOurs.draw(this.#random, count - slots.length, isOther))
    return slots.map((slot) => this.#store.key(slot))
  }

  // Time

  /** Silence, roles, and who made room for others, in the order in which it happened; a peer that was silent for long may be there several times. */
  tick(now: number): PeerChange[] {
    const { queues } = this.#store
    // Stale ones count: for all we know they still announce.
    this.#interval.update(this.#store.online.size + queues.size(STALE) + queues.size(MET + STALE), now)
    const changes = this.#pushedOut
    this.#pushedOut = []
    this.#pushedOutAt = Number.POSITIVE_INFINITY
    this.#measurements.evaluate(now, (peer) => {
      const slot = this.#store.find(peer)
      if (slot === NO_SLOT || this.#store.claimsRelay[slot] === 1) return
      changes.push(this.#view.renewal(slot))
    })
    for (let queue = CONNECTED - 1; queue >= OFFLINE; queue--) this.#tickQueue(queue, now, changes)
    for (let lane = HINTED; lane < HINTED + this.#settings.hintSources; lane++) this.#tickQueue(lane, now, changes)
    return changes
  }

  /** When `tick` is due, monotonic ms; Infinity: not before something happens. */
  deadline(): number {
    let deadline = Math.min(this.#pushedOutAt, this.#measurements.deadline())
    for (let queue = OFFLINE; queue < HINTED + this.#settings.hintSources; queue++) {
      if (queue !== CONNECTED) deadline = Math.min(deadline, this.#dueIn(queue))
    }
    return deadline
  }

  #tickQueue(queue: number, now: number, changes: PeerChange[]): void {
    const { queues, since } = this.#store
    for (let slot = queues.head(queue); slot >= 0; slot = queues.head(queue)) {
      const due = this.#dueIn(queue)
      if (due > now) return
      if (queue >= HINTED || queue % MET === OFFLINE) changes.push(this.#forget(slot))
      else {
        // From when it was due, for the tick may be late; but not before those who are there already, for a queue is in the order of what is due.
        const last = queues.tail(queue - 1)
        since[slot] = last < 0 ? due : Math.max(due, since[last]!)
        changes.push(this.#move(slot, queue - 1)!)
      }
    }
  }

  /** When the first of a queue goes where silence leads. */
  #dueIn(queue: number): number {
    const slot = this.#store.queues.head(queue)
    if (slot < 0) return Number.POSITIVE_INFINITY
    const { staleIntervals, offlineIntervals, forgottenIntervals } = this.#settings
    const { seenAt, since } = this.#store
    if (queue >= HINTED) return since[slot]! + forgottenIntervals * this.#interval.ms
    const liveness = queue % MET
    if (liveness === ONLINE) return seenAt[slot]! + staleIntervals * this.#interval.ms
    if (liveness === STALE) return since[slot]! + (offlineIntervals - staleIntervals) * this.#interval.ms
    return since[slot]! + (forgottenIntervals - offlineIntervals) * this.#interval.ms
  }

  // Changes of state: nothing else moves a peer

  #welcome(peer: PeerKey, queue: number, now: number): PeerChange | undefined {
    if (peer === this.#self) return undefined
    const slot = this.#admit(peer, now)
    this.#store.seenAt[slot] = now
    this.#store.move(slot, queue)
    return this.#view.change(slot, undefined)
  }

  #welcomeHint(peer: PeerKey, name: string, now: number, source: PeerKey): PeerChange | undefined {
    const { queues } = this.#store
    const lane = this.#lanes.laneOf(source)
    if (queues.size(lane) >= this.#settings.maxHintsPerSource) this.#pushOut(queues.head(lane), now)
    else if (this.#store.isFull) {
      const fullest = this.#lanes.fullest()
      if (fullest < 0) return undefined
      this.#pushOut(queues.head(fullest), now)
    }
    const slot = this.#store.add(peer)
    this.#store.since[slot] = now
    this.#store.isHinted[slot] = 1
    this.#store.namedAt[slot] = now
    this.#store.setName(slot, name)
    this.#store.move(slot, lane)
    return this.#view.change(slot, undefined)
  }

  /** A slot for a verified newcomer. Room is made by hints first, then by those we never met, then by those silent for the longest; nobody is refused (W10). */
  #admit(peer: PeerKey, now: number): number {
    const { queues } = this.#store
    if (this.#store.isFull) {
      let queue = this.#lanes.fullest()
      for (let next = OFFLINE; queue < 0; next++) if (queues.size(next) > 0) queue = next
      this.#pushOut(queues.head(queue), now)
    }
    return this.#store.add(peer)
  }

  #pushOut(slot: number, now: number): void {
    this.#pushedOut.push(this.#forget(slot))
    this.#pushedOutAt = Math.min(this.#pushedOutAt, now)
  }

  #forget(slot: number): PeerChange {
    const change = this.#view.change(slot, this.#view.liveness(slot), 'forgotten')
    this.#store.remove(slot)
    return change
  }

  /** Undefined: nobody can tell the difference. */
  #move(slot: number, queue: number): PeerChange | undefined {
    const before = this.#view.liveness(slot)
    const wasVerified = this.#view.isVerified(slot)
    this.#store.move(slot, queue)
    return this.#view.liveness(slot) === before && wasVerified ? undefined : this.#view.change(slot, before)
  }

  /** False: something newer was said before. */
  #stateRole(slot: number, isRelay: boolean, timestamp: number): boolean {
    if (timestamp <= this.#store.roleStatedAt[slot]!) return false
    this.#store.roleStatedAt[slot] = timestamp
    this.#store.claimsRelay[slot] = isRelay ? 1 : 0
    return true
  }
}
