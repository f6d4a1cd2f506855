/**
 * Runs birthday attempts over the world's sockets: who may begin one, when, with whom; opens and closes the hard side's sockets, and hands the one that won to the
 * driver, so that QUIC can open a path over it. When it is worth trying is its caller's business, and that both sides offered it (spec/disco-stun-nat.md §8.5).
 */
import { encodeHex, formatIp, parseReportedIp, type SocketAddress, sameBytes } from '../../bytes/index.ts'
import type { Driver } from '../../driver/index.ts'
import type { Platform, Timer, UdpSocket } from '../../platform/index.ts'
import type { Route } from '../../quic/index.ts'
import { discoSender } from '../disco/box.ts'
import type { DiscoArrival, DiscoPort, DiscoTaker } from '../disco/port.ts'
import { type AttemptOptions, type BirthdayAction, type BirthdayAttempt, MAIN_SOCKET } from './attempt.ts'
import { EasyAttempt } from './easy-attempt.ts'
import { HardAttempt } from './hard-attempt.ts'
import {
  ATTEMPT_ID_LENGTH,
  type BirthdayOffer,
  type BirthdayRole,
  decodeBirthdayMessage,
  encodeBirthdayMessage,
} from './message.ts'
import { isPeersAddress, isPublicIpv4 } from './targets.ts'

/** A connection to a peer that offered birthday probing, as we did. */
export interface BirthdayLink {
  /** 32 bytes of id. */
  readonly peerId: Uint8Array
  /** A private message, reliable, at most 256 bytes. What it throws ends the attempt. */
  send(payload: Uint8Array): void
  /** Our IPv4 address as others see it; undefined while that is not known. */
  ownPublicV4(): SocketAddress | undefined
  /** Addresses that the peer announced for hole punching. */
  peerCandidates(): readonly SocketAddress[]
  /** This route reaches the peer, and the peer can answer on it: a path can be opened. */
  onRoute(route: Route): void
}

export interface BirthdayOptions {
  readonly platform: Platform
  readonly driver: () => Pick<Driver, 'addSocket' | 'removeSocket' | 'route' | 'routes' | 'sendForeign' | 'socketOf'>
  /** Is told of this taker; its owner hands it what comes in. */
  readonly port: DiscoPort
  /** Our own id, 32 bytes. */
  readonly ownId: Uint8Array
  /** Our NAT has a mapping for each destination; undefined while that is not known: then nothing is tried. */
  readonly isHard: () => boolean | undefined
  /** Sockets of the hard side. Default 256. */
  readonly sockets?: number
  /** Default 400. */
  readonly packetsPerSecond?: number
  /** Default `isPublicIpv4`. */
  readonly isPublic?: (ip: Uint8Array) => boolean
}

/** Attempts at once, over all peers. */
const MAX_ATTEMPTS = 2
/** After one that failed, the next to the same peer, ms. */
const AGAIN_MS = 60_000
/** After one that won, ms: a peer must not make us win all the time. A guess. */
const AFTER_WIN_MS = 10_000
/** Sockets that won, open at once. A guess. */
const MAX_WINNERS = 32
/** Peers whose last attempt is remembered. */
const MAX_REMEMBERED = 1_024
/** Sockets opened at a time: in between others get their turn. */
const BIND_AT_ONCE = 32
/** Sockets that won are closed when QUIC has no use for them, looked at this often, ms. */
const SWEEP_MS = 30_000

interface Running {
  readonly link: BirthdayLink
  readonly attempt: BirthdayAttempt
  readonly timer: Timer
  readonly main: UdpSocket
  /** Of the hard side; undefined where one broke. */
  readonly sockets: (UdpSocket | undefined)[]
  /** ms */
  readonly began: number
}

interface Winner {
  readonly socket: UdpSocket
  readonly route: Route
  /** ms */
  readonly since: number
}

export class Birthday implements DiscoTaker {
  readonly #options: BirthdayOptions
  readonly #running = new Map<BirthdayLink, Running>()
  /** Peer id as hex → when its next attempt may begin if we offer it, and if it does, ms. */
  readonly #again = new Map<string, { readonly ours: number; readonly theirs: number }>()
  #winners: Winner[] = []
  readonly #sweepTimer: Timer
  #isClosed = false

  constructor(options: BirthdayOptions) {
    this.#options = options
    this.#sweepTimer = options.platform.createTimer(() => this.#sweep())
    options.port.add(this, true)
  }

  /** Attempts that are on. */
  get attempts(): number {
    return this.#running.size
  }

  /** Offers the peer an attempt, where one makes sense and is allowed. True when it did. */
  begin(link: BirthdayLink): boolean {
    const now = this.#now()
    if (now < (this.#again.get(encodeHex(link.peerId))?.ours ?? 0)) return false
    if (!link.peerCandidates().some(({ ip }) => this.#isPublic(ip))) return false
    const id = new Uint8Array(ATTEMPT_ID_LENGTH)
    this.#options.platform.random.fill(id)
    return this.#start(link, id, undefined)
  }

  /** A private message of the peer. False when it is not about birthday attempts. */
  onMessage(link: BirthdayLink, payload: Uint8Array): boolean {
    const message = decodeBirthdayMessage(payload)
    if (message === undefined) return false
    if (message.type === 'offer') this.#onOffer(link, message)
    else {
      const running = this.#running.get(link)
      if (running !== undefined) this.#perform(running, running.attempt.onMessage(message, this.#now()))
    }
    return true
  }

  /** Ends the attempt of `link`, if there is one: it found a path, or is over. What an attempt won before stays open while it is used. */
  stop(link: BirthdayLink): void {
    const running = this.#running.get(link)
    if (running !== undefined) this.#perform(running, running.attempt.abort())
  }

  /** Ends all attempts. Sockets that won are the driver's. */
  close(): void {
    this.#isClosed = true
    for (const link of [...this.#running.keys()]) this.stop(link)
    this.#options.port.remove(this)
    this.#sweepTimer.cancel()
  }

  wants(sender: Uint8Array): boolean {
    for (const { link, attempt } of this.#running.values())
      if (attempt.role === 'easy' && sameBytes(link.peerId, sender)) return true
    return false
  }

  onDisco({ sender, message, from, socket }: DiscoArrival): boolean {
    if (from.kind !== 'udp') return false
    for (const running of this.#running.values()) {
      const { attempt, link, main } = running
      if (attempt.role !== 'easy' || main !== socket || !sameBytes(link.peerId, sender)) continue
      const { remote } = attempt
      if (remote === undefined || !sameBytes(remote.ip, from.ip)) continue
      this.#perform(running, attempt.onDisco(MAIN_SOCKET, from, message, this.#now()))
      return true
    }
    return false
  }

  #now(): number {
    return this.#options.platform.now()
  }

  get #isPublic(): (ip: Uint8Array) => boolean {
    return this.#options.isPublic ?? isPublicIpv4
  }

  #onOffer(link: BirthdayLink, offer: BirthdayOffer): void {
    const { id } = offer
    const mine = this.#running.get(link)
    // Messages may come twice: to refuse what is under way would end it at the peer.
    if (mine !== undefined && sameBytes(mine.attempt.id, id)) return
    if (mine?.attempt.isWaiting === true) {
      // Both offered at the same time: the lower id is the one that counts, on both sides.
      if (encodeHex(mine.attempt.id) < encodeHex(id)) return
      mine.attempt.abort()
      this.#forget(mine)
    }
    const now = this.#now()
    const isAllowed = now >= (this.#again.get(encodeHex(link.peerId))?.theirs ?? 0)
    if (!isAllowed || !this.#start(link, id, offer)) this.#refuse(link, id)
  }

  #refuse(link: BirthdayLink, id: Uint8Array): void {
    try {
      link.send(encodeBirthdayMessage({ type: 'end', id }))
    } catch {
      // It gives up by itself, then.
    }
  }

  #start(link: BirthdayLink, id: Uint8Array, offer: BirthdayOffer | undefined): boolean {
    const { platform, sockets, packetsPerSecond } = this.#options
    const isHard = this.#options.isHard()
    const main = this.#options.driver().socketOf(4)
    const own = link.ownPublicV4()
    if (this.#isClosed || isHard === undefined || main === undefined || own === undefined) return false
    if (!this.#isPublic(own.ip) || this.#running.size >= MAX_ATTEMPTS || this.#isBusyWith(link.peerId)) return false
    if (isHard && this.#winners.length >= MAX_WINNERS) return false
    const role: BirthdayRole = isHard ? 'hard' : 'easy'
    const isPeers = (address: SocketAddress) => this.#isPeers(link, isHard ? 'easy' : 'hard', address, own)
    if (offer !== undefined && (offer.role === role || !isPeers(offer.address))) return false
    const now = this.#now()
    const options: AttemptOptions = {
      id,
      own,
      isPeers,
      random: platform.random,
      now,
      ...(offer === undefined ? {} : { peer: offer.address }),
      ...(sockets === undefined ? {} : { sockets }),
      ...(packetsPerSecond === undefined ? {} : { packetsPerSecond }),
    }
    const attempt = isHard ? new HardAttempt(options) : new EasyAttempt(options)
    const timer = platform.createTimer(() => this.#perform(running, attempt.tick(this.#now())))
    const running: Running = { link, attempt, timer, main, sockets: [], began: now }
    this.#running.set(link, running)
    this.#perform(running, attempt.open(now))
    return true
  }

  #isBusyWith(peerId: Uint8Array): boolean {
    for (const { link } of this.#running.values()) if (sameBytes(link.peerId, peerId)) return true
    return false
  }

  #isPeers(link: BirthdayLink, role: BirthdayRole, address: SocketAddress, own: SocketAddress): boolean {
    const local = this.#options.platform.interfaces().map(({ host }) => parseReportedIp(host))
    return isPeersAddress(role, address, link.peerCandidates(), [own.ip, ...local], this.#isPublic)
  }

  #perform(running: Running, actions: readonly BirthdayAction[]): void {
    try {
      for (const action of actions) this.#do(running, action)
    } catch {
      // The connection takes no message any more, or the driver no socket.
      running.attempt.abort()
      this.#failed(running)
    }
    const deadline = running.attempt.deadline()
    if (deadline === Number.POSITIVE_INFINITY) running.timer.cancel()
    else running.timer.arm(deadline)
  }

  #do(running: Running, action: BirthdayAction): void {
    const { link } = running
    if (action.type === 'message') link.send(encodeBirthdayMessage(action.message))
    else if (action.type === 'bind') void this.#bind(running, action.sockets)
    else if (action.type === 'won') this.#won(running, action.socket, action.remote)
    else if (action.type === 'failed') this.#failed(running)
    else this.#send(running, action)
  }

  #send({ link, main, sockets }: Running, action: BirthdayAction & { readonly type: 'ping' | 'pong' }): void {
    const { type, transactionId, to } = action
    const packet = this.#options.port.seal(
      link.peerId,
      type === 'ping'
        ? { type, transactionId, key: this.#options.ownId }
        : { type, transactionId, observed: { kind: 'udp', ...to } },
    )
    if (packet === undefined) return
    const host = formatIp(to.ip)
    if (action.socket === MAIN_SOCKET) this.#options.driver().sendForeign(main, packet, host, to.port)
    else sockets[action.socket]?.send(packet, 0, packet.length, host, to.port, () => {})
  }

  async #bind(running: Running, wanted: number): Promise<void> {
    const { attempt, sockets, main } = running
    for (let asked = 0; asked < wanted && !attempt.isOver; asked += BIND_AT_ONCE) {
      const count = Math.min(BIND_AT_ONCE, wanted - asked)
      const bind = () => this.#options.platform.bindUdp({ host: main.host, port: 0 })
      // Where the system gives no more, fewer must do.
      for (const result of await Promise.allSettled(Array.from({ length: count }, bind))) {
        if (result.status === 'fulfilled') this.#addSide(running, result.value)
      }
    }
    if (!attempt.isOver) this.#perform(running, attempt.bound(sockets.length, this.#now()))
  }

  #addSide(running: Running, socket: UdpSocket): void {
    const { attempt, link, sockets } = running
    if (attempt.isOver) {
      void socket.close()
      return
    }
    const index = sockets.push(socket) - 1
    socket.onMessage = (data, host, port) => {
      const sender = discoSender(data)
      if (sender === undefined || !sameBytes(sender, link.peerId)) return
      const arrival = this.#options.port.open(data, host, port, socket)
      if (arrival?.from.kind !== 'udp') return
      this.#perform(running, attempt.onDisco(index, arrival.from, arrival.message, this.#now()))
    }
    socket.onError = () => {
      sockets[index] = undefined
      void socket.close()
    }
  }

  #won(running: Running, index: number, { ip, port }: SocketAddress): void {
    const driver = this.#options.driver()
    const side = running.sockets[index]
    const socket = index === MAIN_SOCKET ? running.main : side
    if (side !== undefined) {
      running.sockets[index] = undefined
      driver.addSocket(side)
    }
    this.#forget(running)
    this.#wait(running.link.peerId, this.#now() + AFTER_WIN_MS, running.began + AFTER_WIN_MS)
    const route = socket === undefined ? undefined : driver.route(formatIp(ip), port, socket)
    if (route === undefined) return
    if (side !== undefined) this.#keep({ socket: side, route, since: this.#now() })
    running.link.onRoute(route)
  }

  #keep(winner: Winner): void {
    this.#winners.push(winner)
    if (this.#winners.length === 1) this.#sweepTimer.arm(winner.since + SWEEP_MS)
  }

  /** Closes sockets that won once and that no connection has a path over. */
  #sweep(): void {
    const driver = this.#options.driver()
    const now = this.#now()
    this.#winners = this.#winners.filter(({ socket, route, since }) => {
      if (now - since < SWEEP_MS || (driver.routes.entry(route)?.users ?? 0) > 0) return true
      void driver.removeSocket(socket)
      return false
    })
    if (this.#winners.length > 0) this.#sweepTimer.arm(now + SWEEP_MS)
  }

  /** The peer's clock for the next one runs from when this began, ours from when it ended: so what we offer is not too early for it. */
  #failed(running: Running): void {
    if (this.#running.get(running.link) !== running) return
    this.#forget(running)
    this.#wait(running.link.peerId, this.#now() + AGAIN_MS, running.began + AGAIN_MS)
  }

  #wait(peerId: Uint8Array, ours: number, theirs: number): void {
    const name = encodeHex(peerId)
    this.#again.delete(name)
    this.#again.set(name, { ours, theirs })
    if (this.#again.size <= MAX_REMEMBERED) return
    for (const oldest of this.#again.keys()) {
      this.#again.delete(oldest)
      return
    }
  }

  #forget(running: Running): void {
    const { link, timer, sockets } = running
    if (this.#running.get(link) === running) this.#running.delete(link)
    timer.cancel()
    for (const socket of sockets) void socket?.close()
    sockets.length = 0
  }
}
