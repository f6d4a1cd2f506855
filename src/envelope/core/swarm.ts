/**
 * What is said in the topic: that we are there and where, signed, and unsigned for upstream's nodes; what others say of themselves; and deliveries that all holders shall hear of
 * (spec/envelope.md §5.4, §5.5, W10).
 */
import { EndpointAddr } from '../../identity/index.ts'
import type { RandomSource } from '../../platform/index.ts'
import { EnvelopeError } from '../errors.ts'
import type { Presence } from '../peers/presence.ts'
import { isTimelyAnnounce } from '../peers/presence.ts'
import type { PeerAnnounce, Role } from '../wire/bodies.ts'
import { decodePeerAnnounce, decodeRoleChange, encodePeerAnnounce, encodeRoleChange } from '../wire/body-codec.ts'
import { CLOCK_SKEW_MS, type Envelope, type PeerKey } from '../wire/envelope.ts'
import { decodeEnvelope } from '../wire/envelope-codec.ts'
import { ROSTER } from '../wire/roster-codec.ts'
import { decodeSignedAnnounce, encodeSignedAnnounce } from '../wire/signed-announce.ts'
import type { Context } from './context.ts'
import type { Courier } from './courier.ts'
import type { Custody } from './custody.ts'
import { Roster } from './roster.ts'

/** First byte of an envelope, and of a list of five. */
const ENVELOPE = 0x9a
const LIST_OF_FIVE = 0x95
/** Addresses in an announcement: a gossip message has room for few, and a relay leads to the others. */
const MAX_ADDRESSES = 8

export class Swarm {
  readonly #context: Context
  readonly #presence: Presence
  readonly #custody: Custody
  readonly #courier: Courier
  readonly #roster: Roster
  #role: Role = 'Peer'

  constructor(context: Context, presence: Presence, custody: Custody, courier: Courier, random: RandomSource) {
    this.#context = context
    this.#presence = presence
    this.#custody = custody
    this.#courier = courier
    this.#roster = new Roster(context, random)
  }

  /** `peer` became our neighbour. */
  neighborUp(peer: PeerKey): void {
    this.#presence.neighborUp(this.#context.clock.now)
    this.#roster.offerTo(peer)
  }

  /** `peer` is gone, as far as we know. */
  left(peer: PeerKey): void {
    this.#roster.forget(peer)
  }

  /** Content that came through the neighbour `link`; `isForNeighbors`: it goes no further than to us. Never throws for what is in it. */
  receive(content: Uint8Array, link: PeerKey, isForNeighbors: boolean): void {
    const { budgets, clock } = this.#context
    if (!budgets.mayReceiveFrom(link, clock.now)) {
      this.#context.refuse(link, 'LINK_FLOOD')
      return
    }
    try {
      if (content[0] === ENVELOPE) this.#onEnvelope(content, link, isForNeighbors)
      else if (content[0] === LIST_OF_FIVE) this.#onPlain(content, link)
      // what went through the swarm was not asked by `link`
      else if (content[0] === ROSTER && isForNeighbors) this.#roster.receive(content, link)
      // anything else may be somebody's extension
    } catch (error) {
      if (!(error instanceof EnvelopeError)) throw error
      this.#context.refuse(link, error.code)
    }
  }

  deadline(): number {
    return Math.min(this.#presence.deadline(), this.#roster.deadline())
  }

  tick(): void {
    const { clock, peers } = this.#context
    if (peers.ownRole !== this.#role) this.#changeRole(peers.ownRole)
    if (this.#presence.deadline() <= clock.now && this.#presence.tick(clock.now, peers.onlineCount)) this.announce()
    this.#roster.tick()
  }

  announce(): void {
    const { key, name, clock, counters, sealer, settings, world } = this.#context
    const timestamp = clock.wall
    const announce: PeerAnnounce = { peer: key, name, roles: [this.#role], timestamp }
    const payload = encodeSignedAnnounce({ announce, addr: this.#addr() })
    const { wire } = sealer.seal({ to: key, type: 'PeerAnnounce', payload, timestamp })
    world.broadcast(wire)
    this.#roster.keep(key, wire, timestamp)
    if (settings.announcesUnsigned) world.broadcast(encodePeerAnnounce(announce))
    counters.announced++
  }

  #addr(): EndpointAddr | undefined {
    const addr = this.#context.addr()
    return addr === undefined ? undefined : new EndpointAddr(addr.id, [...addr.addrs].slice(0, MAX_ADDRESSES))
  }

  #changeRole(role: Role): void {
    const { peers, key, clock, sealer, world } = this.#context
    this.#role = role
    const score = peers.score(key, clock.now)
    world.broadcast(encodeRoleChange(sealer.signRoleChange({ role, score, timestamp: clock.wall })))
    this.#presence.changed(clock.now)
  }

  #onEnvelope(content: Uint8Array, link: PeerKey, isHandedOn: boolean): void {
    const { key, keys, sealer, clock } = this.#context
    const envelope = decodeEnvelope(content, keys)
    const { from, to, type, timestamp } = envelope
    // what is said to everybody is addressed to its author
    if (from !== to || from === key) return
    if (type !== 'PeerAnnounce' && type !== 'BackupConfirmDelivery') return
    sealer.verify(envelope)
    if (timestamp > clock.wall + CLOCK_SKEW_MS) {
      this.#context.refuse(link, 'FROM_FUTURE')
      return
    }
    if (type === 'PeerAnnounce') this.#onAnnounce(envelope, content, link, isHandedOn)
    else this.#custody.onConfirm(envelope)
  }

  #onAnnounce({ from, payload }: Envelope, wire: Uint8Array, link: PeerKey, isHandedOn: boolean): void {
    const { keys, peers, clock, world } = this.#context
    const { announce, addr } = decodeSignedAnnounce(payload, keys)
    if (announce.peer !== from) {
      this.#context.refuse(link, 'NOT_ENTITLED')
      return
    }
    if (!isTimelyAnnounce(announce.timestamp, clock.wall)) {
      this.#context.refuse(link, 'EXPIRED')
      return
    }
    if (addr !== undefined) world.learned(addr)
    this.#context.onPeerChange(peers.announced(announce, clock.now, clock.wall))
    this.#roster.keep(from, wire, announce.timestamp, isHandedOn)
  }

  /** Told apart by the element in the middle, a list or a number (spec/envelope.md §5.5). */
  #onPlain(content: Uint8Array, link: PeerKey): void {
    const { key, keys, peers, sealer, clock } = this.#context
    const announce = attempt(() => decodePeerAnnounce(content, keys))
    if (announce !== undefined) {
      if (announce.peer === key || !isTimelyAnnounce(announce.timestamp, clock.wall)) return
      this.#context.onPeerChange(peers.hinted(announce, clock.now, clock.wall, link))
      this.#courier.hinted(announce.peer)
      return
    }
    const change = decodeRoleChange(content, keys)
    if (change.peer === key || !sealer.verifyRoleChange(change)) return
    this.#context.onPeerChange(peers.roleChanged(change, clock.now, clock.wall))
  }
}

function attempt<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch {
    return undefined
  }
}
