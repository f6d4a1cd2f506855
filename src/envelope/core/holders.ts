/**
 * Messages of ours at two other nodes, while they are not acknowledged: who is asked to keep them, who has said that he does, who is asked instead (spec/envelope.md §6, BAK-1, BAK-7); and
 * attempts to bring them to recipients of whom nothing is heard.
 */
import type { StoredMessage } from '../backup/stored-message.ts'
import { decodeId, encodeBackupReplica } from '../wire/body-codec.ts'
import { type Envelope, MAX_ENVELOPE_LENGTH, type PeerKey } from '../wire/envelope.ts'
import { decodeEnvelope, encodeEnvelope } from '../wire/envelope-codec.ts'
import { Asks } from './asks.ts'
import type { Confirmations } from './confirmations.ts'
import type { Context } from './context.ts'
import type { Courier } from './courier.ts'
import type { Shelf } from './shelf.ts'

/** What stands in a replica, for there is nothing to choose: every node of ours is worth the same (spec/envelope.md §6.2). */
const VIABILITY = 100
/** What stands around an envelope in a replica, bytes, with room. */
const REPLICA_OVERHEAD = 2_048

/** Attempts to bring our messages to somebody of whom nothing is heard. */
interface Probe {
  at: number
  intervalMs: number
}

export class Holders {
  readonly #context: Context
  readonly #courier: Courier
  readonly #shelf: Shelf
  readonly #confirmations: Confirmations
  /** Messages whose acknowledgement is waited for, the oldest first, and since when. */
  readonly #watched: { readonly id: string; readonly dueAt: number }[] = []
  #firstWatched = 0
  /** By message. */
  readonly #asks = new Map<string, Asks>()
  /** By recipient. */
  readonly #probes = new Map<PeerKey, Probe>()
  #careAt = Number.POSITIVE_INFINITY

  constructor(context: Context, courier: Courier, shelf: Shelf, confirmations: Confirmations) {
    this.#context = context
    this.#courier = courier
    this.#shelf = shelf
    this.#confirmations = confirmations
    shelf.onOwnGone = (id) => void this.#asks.delete(id)
  }

  start(): void {
    // soon: what was left of the last time may be waited for
    this.#careAt = this.#context.clock.now + this.#context.settings.backupAfterMs
  }

  /** A message of ours is on its way: unless it is acknowledged soon, others shall keep it. */
  watch(id: string): void {
    this.#watched.push({ id, dueAt: this.#context.clock.now + this.#context.settings.backupAfterMs })
  }

  /** Asks as many nodes to keep a message of ours as are still wanted. */
  seekHolders(id: string): void {
    const { key, mailbox, peers, clock, settings } = this.#context
    const message = mailbox.get(id, key)
    if (message === undefined) return
    const asks = this.#asksOf(id)
    const hopefuls = asks.hopefuls(message.holders, clock.now - settings.bringAgainMs)
    const wanted = Math.min(settings.holders - hopefuls.length, settings.maxAsks - asks.count)
    if (wanted <= 0) return
    const chosen = peers.chooseHolders([message.to, ...asks.peers], wanted, clock.now)
    // those who were asked and did not answer may never have heard it
    const again = wanted - chosen.length
    if (again > 0) chosen.push(...peers.chooseHolders([message.to, ...hopefuls, ...chosen], again, clock.now))
    for (const holder of chosen) this.#ask(holder, message, asks)
  }

  seekAllHolders(): void {
    for (const { id } of this.#context.mailbox.own()) this.seekHolders(id)
  }

  /** A message of ours is neither delivered nor kept by others, and may soon be. `isStored`: we keep it ourselves, whatever comes. */
  hasHope(isStored: boolean): boolean {
    const { key, mailbox, peers } = this.#context
    for (const { id, to, holders } of mailbox.own()) {
      if (holders.length > 0) continue
      if (peers.livenessOf(to) === 'online') return true
      if (!isStored && (this.#courier.isOnItsWay(id, key) || (this.#asks.get(id)?.size ?? 0) > 0)) return true
    }
    return false
  }

  /** The recipient has a message of ours. */
  acknowledged(id: string): void {
    const asked = this.#asks.get(id)?.peers ?? []
    const message = this.#shelf.remove(id, this.#context.key)
    if (message === undefined) return
    for (const holder of new Set([...message.holders, ...asked])) this.#confirmations.tell(holder, id)
  }

  #ask(holder: PeerKey, message: StoredMessage, asks: Asks): void {
    const { transmissions, clock, peers } = this.#context
    asks.asked(holder, clock.now)
    const settle = (isAccepted: boolean): void => {
      if (isAccepted) return
      asks.failed(holder)
      this.#context.onPeerChange(peers.unreachable(holder, clock.now))
      this.seekHolders(message.id)
    }
    if (!transmissions.send(holder, this.#replicaFor(holder, message, [...asks.peers]), settle)) asks.failed(holder)
  }

  /** Only nodes of ours are asked, and they read the short form: so even the largest envelope fits into another. */
  #replicaFor(holder: PeerKey, message: StoredMessage, holders: readonly PeerKey[]): Uint8Array {
    const { keys, sealer, clock } = this.#context
    const isCompact = true
    const { id, to, from, expiresAt } = message
    const isLarge = message.wire.length > MAX_ENVELOPE_LENGTH - REPLICA_OVERHEAD
    const wire = isLarge ? encodeEnvelope(decodeEnvelope(message.wire, keys), { isCompact }) : message.wire
    const replica = { id, wire, to, from, expiresAt, viability: VIABILITY, holders }
    const payload = encodeBackupReplica(replica, { isCompact })
    return sealer.seal({ to: holder, type: 'BackupReplicate', payload, timestamp: clock.wall, isCompact }).wire
  }

  #asksOf(id: string): Asks {
    let asks = this.#asks.get(id)
    if (asks === undefined) {
      asks = new Asks()
      this.#asks.set(id, asks)
    }
    return asks
  }

  /** A holder keeps a message of ours. Throws EnvelopeError. */
  onReplicaAck({ from: holder, payload }: Envelope): void {
    const { key, mailbox, tracker, world } = this.#context
    const id = decodeId(payload)
    if (this.#asks.get(id)?.has(holder) !== true) {
      this.#context.refuse(holder, 'NOT_ENTITLED')
      return
    }
    const message = mailbox.noteHolder(id, key, holder)
    if (message === undefined) return
    const state = tracker.state(id)
    if (state !== undefined) world.emit({ kind: 'state', id, state, holders: message.holders.length })
  }

  deadline(): number {
    const watched = this.#watched[this.#firstWatched]?.dueAt ?? Number.POSITIVE_INFINITY
    return Math.min(watched, this.#careAt)
  }

  tick(): void {
    const { clock, settings } = this.#context
    this.#tickWatched(clock.now)
    if (clock.now < this.#careAt) return
    this.#careAt = clock.now + settings.careIntervalMs
    this.#care(clock.now)
  }

  #tickWatched(now: number): void {
    const watched = this.#watched
    let entry = watched[this.#firstWatched]
    while (entry !== undefined && entry.dueAt <= now) {
      this.#firstWatched++
      this.seekHolders(entry.id)
      entry = watched[this.#firstWatched]
    }
    if (this.#firstWatched > 64 && this.#firstWatched * 2 > watched.length) {
      watched.splice(0, this.#firstWatched)
      this.#firstWatched = 0
    }
  }

  /** Holders for what still has too few; another attempt for those who may be there. */
  #care(now: number): void {
    const { key, mailbox, peers, settings } = this.#context
    const own = new Set<PeerKey>()
    // what was sent a moment ago has its time
    const young = new Set(this.#watched.slice(this.#firstWatched).map(({ id }) => id))
    for (const { id, to } of mailbox.own()) {
      own.add(to)
      if (!young.has(id)) this.seekHolders(id)
    }
    for (const peer of this.#probes.keys()) if (!own.has(peer)) this.#probes.delete(peer)
    for (const peer of own) {
      if (peer === key || peers.livenessOf(peer) === 'online') continue
      const probe = this.#probes.get(peer) ?? { at: now, intervalMs: settings.careIntervalMs }
      if (now >= probe.at) {
        this.#courier.probe(peer)
        probe.at = now + probe.intervalMs
        probe.intervalMs = Math.min(2 * probe.intervalMs, settings.maxProbeIntervalMs)
      }
      this.#probes.set(peer, probe)
    }
  }
}
