/** All peers of an endpoint, by id, and the one timer for what they want to do later. Whoever has no connection is forgotten after a minute (spec/endpoint.md §3.7). */
import { encodeHex } from '../../bytes/index.ts'
import type { Timer } from '../../platform/index.ts'
import type { ConnectionEvent, Connection as QuicConnection, Route } from '../../quic/index.ts'
import { Peer } from './peer.ts'
import type { PeerContext } from './peer-context.ts'
import { type PathWishes, PeerLink } from './peer-link.ts'

/** What is known of a peer is kept so long after its last connection, ms. */
const FORGET_AFTER_MS = 60_000
const NEVER = Number.POSITIVE_INFINITY

export class Peers {
  readonly #context: PeerContext
  readonly #peers = new Map<string, Peer>()
  readonly #timer: Timer
  #armedFor = NEVER
  #isClosed = false

  constructor(context: Omit<PeerContext, 'plan'>) {
    this.#context = { ...context, plan: (peer) => this.#plan(peer) }
    this.#timer = context.platform.createTimer(() => this.#tick())
  }

  /** A new connection; `ConnectionWatch.onEvent` wants its events. */
  watch(quic: QuicConnection, wishes: PathWishes): ConnectionWatch {
    return new ConnectionWatch(this, new PeerLink(quic, this.#context, wishes))
  }

  /** Where a connection to the peer works now; undefined when there is none. */
  selectedRoute(id: Uint8Array): Route | undefined {
    return this.#peers.get(encodeHex(id))?.selected
  }

  /** Our own addresses are other ones: peers are told. */
  candidatesChanged(): void {
    this.#each((peer, now) => peer.candidatesChanged(now))
  }

  /** As `Peer.networkChanged`. */
  networkChanged(isMoved: boolean): void {
    this.#each((peer, now) => peer.networkChanged(isMoved, now))
  }

  relayChanged(url: string): void {
    this.#each((peer, now) => peer.relayChanged(url, now))
  }

  close(): void {
    this.#isClosed = true
    this.#timer.cancel()
    this.#peers.clear()
  }

  /**
   * Only `ConnectionWatch` calls this: the handshake is complete on this side. A client says at once where it is, so that the server's probes are under way before its own addresses
   * are here, unless the connection is direct already; paths have to wait until the handshake is confirmed.
   */
  greet(link: PeerLink): void {
    const { quic } = link
    const local = this.#context.localCandidates()
    if (quic.role !== 'client' || !quic.canTraverse || local.length === 0 || !link.isRelay(quic.route)) return
    quic.startRound(local, this.#now)
    link.greeting = local
  }

  /** Only `ConnectionWatch` calls this: the peer of a connection that is confirmed. */
  join(link: PeerLink): Peer {
    const { peerId } = link
    const key = encodeHex(peerId)
    let peer = this.#peers.get(key)
    if (peer === undefined) {
      peer = new Peer(peerId, this.#context)
      this.#peers.set(key, peer)
    }
    peer.add(link, this.#now)
    return peer
  }

  /** Only `ConnectionWatch` calls this. */
  leave(peer: Peer, link: PeerLink): void {
    peer.remove(link, this.#now)
    if (peer.links.length === 0) this.#arm(peer.idleSince + FORGET_AFTER_MS)
  }

  get #now(): number {
    return this.#context.platform.now()
  }

  /** Only `ConnectionWatch` calls this. */
  deliver(peer: Peer, link: PeerLink, event: ConnectionEvent): void {
    peer.onEvent(link, event, this.#now)
  }

  #each(call: (peer: Peer, now: number) => void): void {
    const now = this.#now
    for (const peer of [...this.#peers.values()]) if (peer.links.length > 0) call(peer, now)
  }

  #plan(peer: Peer): void {
    this.#arm(peer.nextAt)
  }

  #arm(at: number): void {
    if (this.#isClosed || at >= this.#armedFor) return
    this.#armedFor = at
    this.#timer.arm(at)
  }

  #tick(): void {
    const now = this.#now
    this.#armedFor = NEVER
    let next = NEVER
    for (const [key, peer] of [...this.#peers]) {
      if (peer.links.length === 0) {
        if (peer.idleSince + FORGET_AFTER_MS <= now) this.#peers.delete(key)
        else next = Math.min(next, peer.idleSince + FORGET_AFTER_MS)
        continue
      }
      if (peer.nextAt <= now) peer.tick(now)
      next = Math.min(next, peer.nextAt)
    }
    if (next !== NEVER) this.#arm(next)
  }
}

/** Brings the events of one connection to its peer, which is known once the handshake is confirmed. */
export class ConnectionWatch {
  readonly #peers: Peers
  readonly #link: PeerLink
  #peer: Peer | undefined = undefined

  constructor(peers: Peers, link: PeerLink) {
    this.#peers = peers
    this.#link = link
  }

  onEvent(event: ConnectionEvent): void {
    if (event.type === 'connected') this.#peers.greet(this.#link)
    else if (event.type === 'confirmed') this.#peer = this.#peers.join(this.#link)
    else if (this.#peer === undefined) return
    else if (event.type === 'closed') {
      const peer = this.#peer
      this.#peer = undefined
      this.#peers.leave(peer, this.#link)
    } else this.#peers.deliver(this.#peer, this.#link, event)
  }
}
