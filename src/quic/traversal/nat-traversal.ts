/**
 * NAT traversal of one connection, both roles (spec/quic.md §5.8): the server tells its addresses, the client starts rounds and tells its own, both probe.
 * Only what it takes; when a round begins, and what is done about an answer, is decided elsewhere.
 */
import type { AddressBytes } from '../../platform/index.ts'
import { ErrorCode, TransportError } from '../errors.ts'
import type { EventQueue } from '../events.ts'
import type { Route } from '../path/route.ts'
import type { PacketWriter } from '../recovery/frame-owner.ts'
import type { Resources } from '../resources.ts'
import type { AddressFrame, ReachOutFrame } from '../wire/address-frames.ts'
import { frameName } from '../wire/frame-types.ts'
import type { TransportParameters } from '../wire/transport-parameters.ts'
import { AnnouncedAddresses } from './announced-addresses.ts'
import { OwnRound } from './own-round.ts'
import { PeerRound } from './peer-round.ts'
import { Probes } from './probes.ts'
import { RemoteCandidates } from './remote-candidates.ts'

/** Answered probes of which the application has not heard: it opens a path for each, and has heard of enough. */
const MAX_ANSWERS = 64

export class NatTraversal {
  /** Both sides offered it, and multipath. */
  isNegotiated = false
  readonly probes = new Probes()
  readonly #isClient: boolean
  readonly #ownLimit: number
  readonly #events: EventQueue
  /** Addresses that the peer holds. */
  #peerLimit = 0
  readonly #announced: AnnouncedAddresses | undefined
  readonly #peerRound: PeerRound | undefined
  readonly #ownRound: OwnRound | undefined
  readonly #remote: RemoteCandidates | undefined

  /** `wake`: there are frames to write. */
  constructor({ role, settings }: Pick<Resources, 'role' | 'settings'>, events: EventQueue, wake: () => void) {
    this.#isClient = role === 'client'
    this.#events = events
    this.#ownLimit = settings.maxPathId === undefined ? 0 : (settings.natTraversalAddresses ?? 0)
    this.#announced = this.#isClient ? undefined : new AnnouncedAddresses(wake)
    this.#peerRound = this.#isClient ? undefined : new PeerRound(this.#ownLimit)
    this.#ownRound = this.#isClient ? new OwnRound(wake) : undefined
    this.#remote = this.#isClient ? new RemoteCandidates(this.#ownLimit) : undefined
  }

  /** spec/quic.md §3.2: on when both sides offered it and multipath, else off without a word. */
  peerParameters({ natTraversal }: TransportParameters, multipath: boolean): void {
    if (!multipath || this.#ownLimit === 0 || natTraversal === undefined) return
    this.isNegotiated = true
    this.#peerLimit = natTraversal
    this.#announced?.negotiate(natTraversal)
  }

  // the application's verbs; what they do is said where it finds them, in connection.ts

  setLocalCandidates(addresses: readonly AddressBytes[]): void {
    if (this.#announced === undefined) throw new Error('only the server of a connection announces its addresses')
    this.#announced.set(addresses)
  }

  remoteCandidates(): AddressBytes[] {
    return this.#remote?.list() ?? []
  }

  reachOuts(): AddressBytes[] {
    return this.#peerRound?.list() ?? []
  }

  startRound(local: readonly AddressBytes[]): void {
    if (this.#ownRound === undefined) throw new Error('only the client of a connection starts rounds')
    if (!this.isNegotiated) return
    this.probes.startRound()
    this.#ownRound.start(local, this.#peerLimit)
  }

  probe(route: Route, now: number): boolean {
    return this.isNegotiated && this.probes.add(route, now)
  }

  // frames

  /** True while more wait. */
  write(packet: PacketWriter): boolean {
    return (this.#announced ?? this.#ownRound)!.write(packet)
  }

  receiveAdd(frame: AddressFrame, type: number): void {
    if (this.#fromServer(type).add(frame)) this.#events.pushUpTo(1, { type: 'remote-candidates' })
  }

  receiveRemove(sequence: number, type: number): void {
    if (this.#fromServer(type).remove(sequence)) this.#events.pushUpTo(1, { type: 'remote-candidates' })
  }

  receiveReachOut(frame: ReachOutFrame, type: number): void {
    this.#check(type)
    if (this.#peerRound === undefined)
      throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, type, `${frameName(type)}: a server sent it`)
    const news = this.#peerRound.receive(frame, type)
    if (news === 'round') this.probes.startRound()
    if (news !== 'nothing') this.#events.pushUpTo(1, { type: 'reach-out' })
  }

  #fromServer(type: number): RemoteCandidates {
    this.#check(type)
    if (this.#remote === undefined)
      throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, type, `${frameName(type)}: a client sent it`)
    return this.#remote
  }

  #check(type: number): void {
    if (!this.isNegotiated)
      throw new TransportError(
        ErrorCode.PROTOCOL_VIOLATION,
        type,
        `${frameName(type)}: NAT traversal was not negotiated`,
      )
  }

  /** A PATH_RESPONSE that no path asked for. Only from the address that was asked (spec/quic.md §5.8). */
  receiveResponse(route: Route, token: Uint8Array): void {
    if (this.probes.receiveResponse(route, token) && this.#isClient)
      this.#events.pushUpTo(MAX_ANSWERS, { type: 'probe-answered', route })
  }

  /** Client: an answer to a probe of the server's takes a challenge along where no path is proved yet, for the address may be one that was never announced. */
  get mayRide(): boolean {
    return this.#isClient && this.isNegotiated
  }

  /** The connection has ended. */
  clear(): void {
    this.probes.clear()
  }
}
