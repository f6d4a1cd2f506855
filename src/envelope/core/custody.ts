/**
 * The backup: our unacknowledged messages at two other nodes, and theirs here, each a whole signed envelope that lives 24 h at most (spec/envelope.md §6, BAK-1 to BAK-7). It
 * asks holders, answers as one, and drops what is delivered; bringing is the courier's.
 */
import type { StoredMessage } from '../backup/stored-message.ts'
import { EnvelopeError } from '../errors.ts'
import {
  decodeBackupReplica,
  decodeId,
  decodeIdList,
  encodeBackupReplica,
  encodeId,
  encodeIdList,
} from '../wire/body-codec.ts'
import { CLOCK_SKEW_MS, type Envelope, LIFETIME_MS, MAX_ENVELOPE_LENGTH, type PeerKey } from '../wire/envelope.ts'
import { decodeEnvelope, encodeEnvelope } from '../wire/envelope-codec.ts'
import { Asks } from './asks.ts'
import { Confirmations } from './confirmations.ts'
import { type Context, sendSigned } from './context.ts'
import type { Courier } from './courier.ts'

/** What stands in a replica, for there is nothing to choose: every node of ours is worth the same (spec/envelope.md §6.2). */
const VIABILITY = 100
/** What stands around an envelope in a replica, bytes, with room. */
const REPLICA_OVERHEAD = 2_048

/** Attempts to bring our messages to somebody of whom nothing is heard. */
interface Probe {
  at: number
  intervalMs: number
}

export class Custody {
  readonly confirmations: Confirmations
  readonly #context: Context
  readonly #courier: Courier
  /** Messages of ours whose acknowledgement is waited for, the oldest first, and since when. */
  readonly #watched: { readonly id: string; readonly dueAt: number }[] = []
  #firstWatched = 0
  /** By message of ours. */
  readonly #asks = new Map<string, Asks>()
  /** Messages of others whose record is not on the disk yet: nobody is told that we keep them. */
  readonly #unwritten = new Set<string>()
  readonly #probes = new Map<PeerKey, Probe>()
  /** When an unsigned announcement last made us try a recipient. */
  readonly #hintedAt = new Map<PeerKey, number>()
  #careAt = Number.POSITIVE_INFINITY

  constructor(context: Context, courier: Courier) {
    this.#context = context
    this.#courier = courier
    this.confirmations = new Confirmations(context)
  }

  start(): void {
    // soon: what was left of the last time may be waited for
    this.#careAt = this.#context.clock.now + this.#context.settings.backupAfterMs
  }

  // messages of ours

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
    const message = this.#remove(id, this.#context.key)
    if (message === undefined) return
    for (const holder of new Set([...message.holders, ...asked])) this.confirmations.tell(holder, id)
  }

  #ask(holder: PeerKey, message: StoredMessage, asks: Asks): void {
    const { transmissions, clock, peers } = this.#context
    asks.asked(holder, clock.now)
    const settle = (isAccepted: boolean): void => {
      if (isAccepted) return
      asks.failed(holder)
      peers.unreachable(holder, clock.now)
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

  // what holders and recipients say

  /** Somebody asks us to keep a message. Throws EnvelopeError for what is none. */
  onReplica({ from: asker, payload }: Envelope): void {
    const { key, keys, sealer, mailbox, world, clock, counters } = this.#context
    const replica = decodeBackupReplica(payload, keys)
    const inner = decodeEnvelope(replica.wire, keys)
    sealer.verify(inner)
    const { id, from, to, type, timestamp } = inner
    const isTrue = id === replica.id && from === replica.from && to === replica.to && type === 'Chat' && to !== key
    if (!isTrue) throw new EnvelopeError('UNREADABLE_BODY', 'a replica whose envelope is another one')
    if (timestamp > clock.wall + CLOCK_SKEW_MS) throw new EnvelopeError('FROM_FUTURE', 'a replica from the future')
    // our own, come back to us: the mailbox has it, or it was acknowledged
    if (from === key) return
    const { wire, holders } = replica
    // what the replica says of it is not signed by the author: who asks first would decide how long all others' is kept
    const expiresAt = timestamp + LIFETIME_MS
    const put = mailbox.put({ id, from, to, wire, expiresAt, holders }, timestamp, clock.wall)
    const name = from + id
    if (!put.isKept) {
      if (put.reason !== 'known') this.#context.refuse(asker, put.reason === 'expired' ? 'EXPIRED' : 'NOT_KEPT')
      else if (!this.#unwritten.has(name)) this.#thank(asker, id)
      return
    }
    this.pushedOut(put.pushedOut)
    counters.kept++
    this.#unwritten.add(name)
    world.persist({ kind: 'keep', message: put.message }, (isDurable) => {
      this.#unwritten.delete(name)
      if (isDurable) this.#thank(asker, id)
      else {
        // it would not survive us: whoever asked shall look for somebody else
        this.#context.refuse(asker, 'NOT_KEPT')
        mailbox.remove(id, from)
      }
    })
    if (this.#context.peers.livenessOf(to) === 'online') this.#courier.wake(to)
  }

  #thank(asker: PeerKey, id: string): void {
    sendSigned(this.#context, asker, 'BackupReplicateAck', encodeId(id))
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

  /** A recipient is back and asks for its mail. Throws EnvelopeError. */
  onQuery({ from: recipient, payload }: Envelope): void {
    if (decodeId(payload) !== recipient) {
      this.#context.refuse(recipient, 'NOT_ENTITLED')
      return
    }
    const ids = this.#context.mailbox.forRecipient(recipient).map(({ id }) => id)
    if (ids.length > 0) sendSigned(this.#context, recipient, 'BackupQueryResponse', encodeIdList(ids))
    this.#courier.wake(recipient)
  }

  /** Messages are delivered, says their recipient or their sender; nobody else may (BAK-4). Throws EnvelopeError. */
  onConfirm({ from: speaker, payload }: Envelope): void {
    const { key, mailbox } = this.#context
    const ids = new Set(decodeIdList(payload))
    for (const { id, from } of mailbox.forRecipient(speaker)) {
      // of our own messages only an acknowledgement says that they are delivered (lock 1)
      if (ids.delete(id) && from !== key) this.#remove(id, from)
    }
    for (const id of ids) this.#remove(id, speaker)
  }

  /** The mailbox made room. */
  pushedOut(messages: readonly StoredMessage[]): void {
    for (const { id, from } of messages) this.#dropped(id, from)
  }

  // time

  deadline(): number {
    const { mailbox, clock } = this.#context
    const watched = this.#watched[this.#firstWatched]?.dueAt ?? Number.POSITIVE_INFINITY
    return Math.min(watched, this.#careAt, this.confirmations.deadline(), clock.nowAt(mailbox.deadline()))
  }

  tick(): void {
    const { clock, mailbox, settings } = this.#context
    const { now } = clock
    this.#tickWatched(now)
    this.confirmations.tick()
    if (mailbox.deadline() <= clock.wall) this.pushedOut(mailbox.expire(clock.wall))
    if (now < this.#careAt) return
    this.#careAt = now + settings.careIntervalMs
    this.#care(now)
  }

  /** Somebody says, unsigned, that `peer` is there: a hint to dial, where mail waits for it (PRS-2). */
  hinted(peer: PeerKey): void {
    const { clock, mailbox, peers, settings } = this.#context
    if (peers.livenessOf(peer) === 'online' || mailbox.forRecipient(peer).length === 0) return
    const last = this.#hintedAt.get(peer) ?? Number.NEGATIVE_INFINITY
    if (clock.now - last < settings.hintedProbeMs) return
    this.#hintedAt.set(peer, clock.now)
    this.#courier.probe(peer)
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

  /** Holders for what still has too few; another attempt for those who are there, or may be. */
  #care(now: number): void {
    const { key, mailbox, peers, settings } = this.#context
    const own = new Set<PeerKey>()
    // what was sent a moment ago has its time
    const young = new Set(this.#watched.slice(this.#firstWatched).map(({ id }) => id))
    for (const { id, to } of mailbox.own()) {
      own.add(to)
      if (!young.has(id)) this.seekHolders(id)
    }
    for (const peer of mailbox.recipients()) if (peers.livenessOf(peer) === 'online') this.#courier.wake(peer)
    for (const peer of this.#probes.keys()) if (!own.has(peer)) this.#probes.delete(peer)
    for (const [peer, at] of this.#hintedAt) if (now - at >= settings.hintedProbeMs) this.#hintedAt.delete(peer)
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

  #remove(id: string, from: PeerKey): StoredMessage | undefined {
    const message = this.#context.mailbox.remove(id, from)
    if (message !== undefined) this.#dropped(id, from)
    return message
  }

  #dropped(id: string, from: PeerKey): void {
    this.#courier.forget(id, from)
    if (from === this.#context.key) this.#asks.delete(id)
    this.#context.world.persist({ kind: 'drop', id, from }, () => {})
  }
}
