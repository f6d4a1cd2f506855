/**
 * Disco as iroh 0.35 to 0.95 speaks it: which addresses of a peer work, found by Ping, Pong and CallMeMaybe, and kept by heartbeats (spec/disco-stun-nat.md §3).
 * No socket, no clock, no key: opened messages and the time come in, messages to send are taken out one at a time. Not QUIC's: whoever sends payload asks here
 * where to, and tells what came in.
 */
import { encodeHex, formatIp, type SocketAddress, sameBytes } from '../../bytes/index.ts'
import type { RandomSource } from '../../platform/index.ts'
import { isLinkLocal6, isProbeable } from '../candidates/interface-addresses.ts'
import {
  ADDRESSES_FRESH_MS,
  HEARTBEAT_INTERVAL_MS,
  HEARTBEAT_LEAST_MS,
  MAX_ADDRESSES_ACCEPTED,
  MAX_ADDRESSES_SENT,
  MAX_INACTIVE_PEERS,
  MAX_PATHS,
  MAX_PEERS,
  MAX_PINGS,
  PING_TIMEOUT_MS,
  SESSION_ACTIVE_MS,
} from './constants.ts'
import { type DiscoAddress, type DiscoMessage, type DiscoPong, TRANSACTION_ID_LENGTH } from './message.ts'
import { type Choice, choosePath, type DiscoPath } from './path.ts'
import { DiscoPeer } from './peer.ts'

export type DiscoOutput =
  | { readonly type: 'send'; readonly peer: Uint8Array; readonly to: DiscoAddress; readonly message: DiscoMessage }
  /** Our own addresses are too old to be announced: find them, and tell `setOwnAddresses`. */
  | { readonly type: 'refresh-addresses' }

export interface DiscoMachineOptions {
  /** Our own id, 32 bytes. */
  readonly ownId: Uint8Array
  readonly random: RandomSource
  /** Whether this host has IPv6 at all. Default: yes. */
  readonly hasIpv6?: () => boolean
}

interface SentPing {
  readonly peer: DiscoPeer
  readonly path: DiscoPath
  readonly at: number
}

export class DiscoMachine {
  readonly #ownId: Uint8Array
  readonly #random: RandomSource
  readonly #hasIpv6: () => boolean
  /** By id as hex. */
  readonly #peers = new Map<string, DiscoPeer>()
  /** UDP address → whose it is: from others QUIC is not taken (spec/disco-stun-nat.md §2.2). */
  readonly #byAddress = new Map<string, DiscoPeer>()
  /** Transaction id as hex → the ping; the oldest first. */
  readonly #pings = new Map<string, SentPing>()
  readonly #outputs: DiscoOutput[] = []
  #own: readonly SocketAddress[] = []
  #ownAt = Number.NEGATIVE_INFINITY
  #nextHeartbeat = Number.POSITIVE_INFINITY

  constructor(options: DiscoMachineOptions) {
    this.#ownId = options.ownId
    this.#random = options.random
    this.#hasIpv6 = options.hasIpv6 ?? (() => true)
  }

  get peerCount(): number {
    return this.#peers.size
  }

  /** Pings that wait for their Pong. */
  get pingCount(): number {
    return this.#pings.size
  }

  /** What is to be done next; undefined when nothing is left. */
  nextOutput(): DiscoOutput | undefined {
    return this.#outputs.shift()
  }

  /** When `tick` is due, ms; Infinity for never. */
  deadline(): number {
    for (const { at } of this.#pings.values()) return Math.min(this.#nextHeartbeat, at + PING_TIMEOUT_MS)
    return this.#nextHeartbeat
  }

  tick(now: number): void {
    this.#dropUnanswered(now)
    if (now < this.#nextHeartbeat) return
    this.#nextHeartbeat = Number.POSITIVE_INFINITY
    this.#prunePeers(now)
    for (const peer of this.#peers.values()) {
      if (now - peer.lastUsed > SESSION_ACTIVE_MS) continue
      this.#nextHeartbeat = now + HEARTBEAT_INTERVAL_MS
      this.#heartbeat(peer, now)
    }
  }

  /** The application, or a look-up, knows addresses of `peer` (32 bytes of id). The peer counts as used. */
  addPeer(id: Uint8Array, addresses: readonly DiscoAddress[], now: number): void {
    const peer = this.#known(id, now, true)
    if (peer === undefined) return
    this.#used(peer, now)
    for (const address of addresses) {
      if (address.kind === 'relay') peer.setRelay(address.url)
      else this.#addPath(peer, address)
    }
  }

  /** Payload is about to be sent, or was: heartbeats go on for 45 s. Unknown peers stay unknown. */
  use(id: Uint8Array, now: number): void {
    const peer = this.#peers.get(encodeHex(id))
    if (peer !== undefined) this.#used(peer, now)
  }

  /** Whether `peer` ever answered, or pinged us. */
  speaks(id: Uint8Array): boolean {
    return this.#peers.get(encodeHex(id))?.hasSpoken === true
  }

  /**
   * Payload goes to `peer`: the addresses to send it to, all of them. Pings that are due by that stand in the outputs, and must leave before it. None for an unknown peer.
   */
  payloadTo(id: Uint8Array, now: number): DiscoAddress[] {
    const peer = this.#peers.get(encodeHex(id))
    if (peer === undefined) return []
    this.#used(peer, now)
    const { state, path } = this.#choose(peer, now)
    if (peer.wantsFullPing(state, path, now)) this.#callMeMaybe(peer, true, now)
    const targets: DiscoAddress[] = path === undefined ? [] : [path.address]
    if (state !== 'valid' && peer.relay !== undefined) targets.push(peer.relay.address)
    return targets
  }

  /** Payload came in. `id` is only needed for a relay, which names the sender. False: the address is nobody's, so the datagram is not to be taken. */
  payloadFrom(from: DiscoAddress, id: Uint8Array | undefined, now: number): boolean {
    if (from.kind === 'udp') {
      const peer = this.#byAddress.get(addressKey(from))
      if (peer === undefined) return false
      this.#used(peer, now)
      peer.udp.get(addressKey(from))?.payload(now)
      return true
    }
    const peer = id === undefined ? undefined : this.#known(id, now)
    if (peer === undefined) return false
    this.#used(peer, now)
    if (peer.relay === undefined) peer.setRelay(from.url)
    return true
  }

  /** Whose UDP address this is: 32 bytes of id. */
  peerAt(address: DiscoAddress): Uint8Array | undefined {
    return this.#byAddress.get(addressKey(address))?.id
  }

  /** The UDP address that payload to `peer` takes now, and how sure that is. */
  choice(id: Uint8Array, now: number): { readonly state: Choice['state']; readonly address: DiscoAddress | undefined } {
    const peer = this.#peers.get(encodeHex(id))
    if (peer === undefined) return { state: 'none', address: undefined }
    const { state, path } = this.#choose(peer, now)
    return { state, address: path?.address }
  }

  /** Pings every address of `peer` that is due, and sends a CallMeMaybe where a relay is known: as before a dial. */
  callPeer(id: Uint8Array, now: number): void {
    const peer = this.#peers.get(encodeHex(id))
    if (peer !== undefined) this.#callMeMaybe(peer, false, now)
  }

  /** A message that `sender` (32 bytes of id) sealed for us. */
  receive(sender: Uint8Array, from: DiscoAddress, message: DiscoMessage, now: number): void {
    if (message.type === 'ping') this.#onPing(sender, from, message.transactionId, now)
    else if (message.type === 'pong') this.#onPong(sender, from, message, now)
    else this.#onCallMeMaybe(sender, from, message.addresses, now)
  }

  /** Our own addresses, the most wanted first. Peers' paths that are really ours are forgotten; a CallMeMaybe that waited for this goes out. */
  setOwnAddresses(addresses: readonly SocketAddress[], now: number): void {
    this.#own = addresses
    this.#ownAt = now
    for (const peer of this.#peers.values()) {
      for (const path of [...peer.udp.values()]) {
        if (path.address.kind === 'udp' && !isProbeable(path.address, addresses, true)) this.#forgetPath(peer, path)
      }
      if (peer.owesCallMeMaybe) this.#sendCallMeMaybe(peer, now)
    }
  }

  /** A major change: what was found out holds no longer, addresses stay. */
  networkChanged(): void {
    this.#pings.clear()
    for (const peer of this.#peers.values()) {
      peer.relay?.reset()
      for (const path of peer.udp.values()) path.reset()
    }
  }

  #choose(peer: DiscoPeer, now: number): Choice {
    return choosePath(peer.udp.values(), this.#hasIpv6(), now)
  }

  /** The peer, new where it must be; undefined where there are too many that we asked for. */
  #known(id: Uint8Array, now: number, isWanted = false): DiscoPeer | undefined {
    const name = encodeHex(id)
    let peer = this.#peers.get(name)
    if (peer === undefined) {
      if (this.#peers.size >= MAX_PEERS && !this.#forgetStranger()) return undefined
      peer = new DiscoPeer(id.slice(), now)
      this.#peers.set(name, peer)
      this.#used(peer, now)
    }
    if (isWanted) peer.isWanted = true
    return peer
  }

  #used(peer: DiscoPeer, now: number): void {
    peer.lastUsed = now
    if (this.#nextHeartbeat === Number.POSITIVE_INFINITY) this.#nextHeartbeat = now + HEARTBEAT_INTERVAL_MS
  }

  /** The one that came first of those that nobody here asked for. */
  #forgetStranger(): boolean {
    for (const peer of this.#peers.values()) {
      if (peer.isWanted) continue
      this.#forgetPeer(peer)
      return true
    }
    return false
  }

  #heartbeat(peer: DiscoPeer, now: number): void {
    const { state, path } = this.#choose(peer, now)
    if (peer.wantsFullPing(state, path, now)) this.#callMeMaybe(peer, false, now)
    else if (path?.lastPingSent === undefined || now - path.lastPingSent >= HEARTBEAT_LEAST_MS)
      if (path !== undefined) this.#ping(peer, path, now)
  }

  /** `isSparing`: nothing at all happens when the last one is fresh. */
  #callMeMaybe(peer: DiscoPeer, isSparing: boolean, now: number): void {
    const last = peer.lastCallMeMaybe
    if (isSparing && last !== undefined && now - last < HEARTBEAT_INTERVAL_MS) return
    this.#sendPings(peer, now)
    if (peer.relay === undefined) return
    peer.lastCallMeMaybe = now
    if (now - this.#ownAt <= ADDRESSES_FRESH_MS) {
      this.#sendCallMeMaybe(peer, now)
      return
    }
    peer.owesCallMeMaybe = true
    this.#outputs.push({ type: 'refresh-addresses' })
  }

  #sendCallMeMaybe(peer: DiscoPeer, now: number): void {
    peer.owesCallMeMaybe = false
    if (peer.relay === undefined) return
    peer.lastCallMeMaybe = now
    const addresses = this.#own.slice(0, MAX_ADDRESSES_SENT)
    this.#send(peer, peer.relay.address, { type: 'call-me-maybe', addresses })
  }

  #sendPings(peer: DiscoPeer, now: number): void {
    if (peer.relay !== undefined && peer.isDue(peer.relay, now)) this.#ping(peer, peer.relay, now)
    this.#prunePaths(peer, now)
    for (const path of peer.udp.values()) if (peer.isDue(path, now)) this.#ping(peer, path, now)
    peer.lastFullPing = now
  }

  #ping(peer: DiscoPeer, path: DiscoPath, now: number): void {
    const transactionId = new Uint8Array(TRANSACTION_ID_LENGTH)
    this.#random.fill(transactionId)
    path.lastPingSent = now
    if (this.#pings.size >= MAX_PINGS) this.#forgetOldestPing()
    this.#pings.set(encodeHex(transactionId), { peer, path, at: now })
    this.#send(peer, path.address, { type: 'ping', transactionId, key: this.#ownId })
  }

  #forgetOldestPing(): void {
    for (const oldest of this.#pings.keys()) {
      this.#pings.delete(oldest)
      return
    }
  }

  #send(peer: DiscoPeer, to: DiscoAddress, message: DiscoMessage): void {
    this.#outputs.push({ type: 'send', peer: peer.id, to, message })
  }

  #onPing(sender: Uint8Array, from: DiscoAddress, transactionId: Uint8Array, now: number): void {
    const peer = this.#known(sender, now)
    if (peer === undefined) return
    peer.hasSpoken = true
    const path = from.kind === 'relay' ? peer.setRelay(from.url) : this.#addPath(peer, from)
    if (path === undefined) return
    const name = encodeHex(transactionId)
    if (path.lastPingReceived?.transactionId === name) return
    path.lastPingReceived = { at: now, transactionId: name }
    if (from.kind === 'udp') this.#prunePaths(peer, now)
    this.#send(peer, from, { type: 'pong', transactionId, observed: from })
    if (from.kind === 'udp' && this.#choose(peer, now).state !== 'valid') this.#ping(peer, path, now)
  }

  #onPong(sender: Uint8Array, from: DiscoAddress, { transactionId }: DiscoPong, now: number): void {
    const name = encodeHex(transactionId)
    const ping = this.#pings.get(name)
    if (ping === undefined || !sameBytes(ping.peer.id, sender) || now - ping.at >= PING_TIMEOUT_MS) return
    this.#pings.delete(name)
    const { peer } = ping
    // The path that it came by is the one that works, whichever the ping took.
    const path = from.kind === 'udp' ? peer.udp.get(addressKey(from)) : peer.relayBy(from.url)
    if (path === undefined) return
    peer.hasSpoken = true
    path.ponged(now - ping.at, now)
    if (from.kind === 'udp') this.#byAddress.set(addressKey(from), peer)
  }

  #onCallMeMaybe(sender: Uint8Array, from: DiscoAddress, addresses: readonly SocketAddress[], now: number): void {
    const peer = this.#peers.get(encodeHex(sender))
    // By UDP anybody could replay it from anywhere.
    if (from.kind !== 'relay' || peer === undefined) return
    peer.hasSpoken = true
    const before = this.#choose(peer, now)
    const listed = new Set<DiscoPath>()
    for (const address of addresses.slice(0, MAX_ADDRESSES_ACCEPTED)) {
      if (isLinkLocal6(address.ip)) continue
      const path = this.#addPath(peer, { kind: 'udp', ...address })
      if (path === undefined) continue
      path.callMeMaybeAt = now
      listed.add(path)
    }
    for (const path of peer.udp.values()) {
      path.lastPingSent = undefined
      if (!listed.has(path)) path.validity = undefined
    }
    if (peer.relay !== undefined) peer.relay.lastPingSent = undefined
    if (this.#choose(peer, now).path !== before.path) peer.lastCallMeMaybe = undefined
    this.#sendPings(peer, now)
  }

  /** The path, new where it must be, tied to the peer; undefined where nothing may be sent there, or the peer has too many. */
  #addPath(peer: DiscoPeer, address: DiscoAddress & { readonly kind: 'udp' }): DiscoPath | undefined {
    const name = addressKey(address)
    let path = peer.udp.get(name)
    if (path === undefined) {
      // Loopback: only who is on this host can have sent from there, and a stranger's list costs it a ping that goes nowhere.
      if (peer.udp.size >= MAX_PATHS || !isProbeable(address, this.#own, true)) return undefined
      path = peer.addPath(name, address)
    }
    this.#byAddress.set(name, peer)
    return path
  }

  #dropUnanswered(now: number): void {
    for (const [name, { path, at }] of this.#pings) {
      if (now - at < PING_TIMEOUT_MS) return
      this.#pings.delete(name)
      path.timedOut(now, PING_TIMEOUT_MS)
    }
  }

  #prunePaths(peer: DiscoPeer, now: number): void {
    for (const path of peer.prunablePaths(now)) this.#forgetPath(peer, path)
  }

  #forgetPath(peer: DiscoPeer, path: DiscoPath): void {
    const name = addressKey(path.address)
    peer.udp.delete(name)
    if (this.#byAddress.get(name) === peer) this.#byAddress.delete(name)
  }

  #prunePeers(now: number): void {
    const inactive = [...this.#peers.values()].filter(({ lastUsed }) => now - lastUsed > SESSION_ACTIVE_MS)
    inactive.sort((left, right) => right.lastUsed - left.lastUsed)
    for (const peer of inactive.slice(MAX_INACTIVE_PEERS)) this.#forgetPeer(peer)
  }

  #forgetPeer(peer: DiscoPeer): void {
    for (const path of [...peer.udp.values()]) this.#forgetPath(peer, path)
    for (const [name, ping] of this.#pings) if (ping.peer === peer) this.#pings.delete(name)
    this.#peers.delete(encodeHex(peer.id))
  }
}

/** The same text for the same address, another for any other. */
function addressKey(address: DiscoAddress): string {
  return address.kind === 'relay' ? address.url : `${formatIp(address.ip)} ${address.port}`
}
