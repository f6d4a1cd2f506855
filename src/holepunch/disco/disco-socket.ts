/**
 * Disco on the sockets of an endpoint, for iroh 0.35 to 0.95: such a node takes QUIC only from addresses that it was pinged from, or that it pinged itself
 * (spec/disco-stun-nat.md §2.2). Joins the machine with the driver's sockets, one timer, and relays where they carry disco.
 */
import { decodeHex, encodeHex, formatIp, type SocketAddress, sameBytes } from '../../bytes/index.ts'
import type { Driver } from '../../driver/index.ts'
import type { Platform, Timer, UdpSocket } from '../../platform/index.ts'
import { DiscoMachine } from './machine.ts'
import type { DiscoAddress, DiscoMessage } from './message.ts'
import type { DiscoArrival, DiscoPort, DiscoTaker } from './port.ts'

export interface DiscoSocketOptions {
  readonly platform: Platform
  readonly driver: () => Pick<Driver, 'sendForeign' | 'socketOf'>
  /** Is told of this taker; its owner hands it what comes in. */
  readonly port: DiscoPort
  /** Our own id, 32 bytes. */
  readonly ownId: Uint8Array
  /** For CallMeMaybe, the most wanted first. Default: none. */
  readonly ownAddresses?: () => readonly SocketAddress[]
  /** Takes a packet to `peer` (32 bytes of id) through a relay. Default: relays carry no disco. */
  readonly sendRelayed?: (url: string, peer: Uint8Array, packet: Uint8Array) => void
}

export class DiscoSocket implements DiscoTaker {
  readonly #options: DiscoSocketOptions
  readonly #machine: DiscoMachine
  readonly #timer: Timer
  /** Id as hex → how many connections there are, or are being made. */
  readonly #held = new Map<string, number>()
  #isClosed = false

  constructor(options: DiscoSocketOptions) {
    const { platform, driver, ownId } = options
    this.#options = options
    this.#machine = new DiscoMachine({
      ownId,
      random: platform.random,
      hasIpv6: () => driver().socketOf(6) !== undefined,
    })
    this.#timer = platform.createTimer(() => this.#onTimer())
    options.port.add(this)
  }

  /**
   * A connection to `peer` (32 bytes of id) begins: its direct addresses are pinged before this returns, so ahead of any QUIC that is sent after. Heartbeats then
   * keep it going, if it speaks disco, until the returned function is called: when the connection ended. For one that came in, without addresses.
   */
  prepare(peer: Uint8Array, addresses: readonly SocketAddress[]): () => void {
    if (this.#isClosed) return () => {}
    const now = this.#options.platform.now()
    const name = encodeHex(peer)
    this.#held.set(name, (this.#held.get(name) ?? 0) + 1)
    this.#machine.addPeer(
      peer,
      addresses.map(({ ip, port }) => ({ kind: 'udp', ip, port })),
      now,
    )
    this.#machine.callPeer(peer, now)
    this.#flush(undefined)
    let isHeld = true
    return () => {
      if (isHeld) this.#release(name)
      isHeld = false
    }
  }

  /** A major change of the network: what was found out about addresses is forgotten. */
  networkChanged(): void {
    this.#machine.networkChanged()
  }

  close(): void {
    this.#isClosed = true
    this.#options.port.remove(this)
    this.#timer.cancel()
  }

  wants(): boolean {
    return true
  }

  onDisco(arrival: DiscoArrival): boolean {
    this.#machine.receive(arrival.sender, arrival.from, arrival.message, this.#options.platform.now())
    this.#flush(arrival)
    return true
  }

  #release(name: string): void {
    const left = (this.#held.get(name) ?? 1) - 1
    if (left > 0) this.#held.set(name, left)
    else this.#held.delete(name)
  }

  #onTimer(): void {
    const now = this.#options.platform.now()
    // QUIC does not tell of each datagram: a connection counts as use. Who never spoke disco is not asked for ever.
    for (const name of this.#held.keys()) {
      const peer = decodeHex(name)
      if (this.#machine.speaks(peer)) this.#machine.use(peer, now)
    }
    this.#machine.tick(now)
    this.#flush(undefined)
  }

  /** Sends what waits. What answers `arrival` leaves by the socket it came in by. */
  #flush(arrival: DiscoArrival | undefined): void {
    for (let output = this.#machine.nextOutput(); output !== undefined; output = this.#machine.nextOutput()) {
      if (output.type === 'send') this.#send(output.peer, output.to, output.message, arrival)
      else this.#machine.setOwnAddresses(this.#options.ownAddresses?.() ?? [], this.#options.platform.now())
    }
    const deadline = this.#machine.deadline()
    if (this.#isClosed || deadline === Number.POSITIVE_INFINITY) this.#timer.cancel()
    else this.#timer.arm(deadline)
  }

  #send(peer: Uint8Array, to: DiscoAddress, message: DiscoMessage, arrival: DiscoArrival | undefined): void {
    const { driver, port, sendRelayed } = this.#options
    if (to.kind === 'relay' && sendRelayed === undefined) return
    const packet = port.seal(peer, message)
    if (packet === undefined) return
    if (to.kind === 'relay') {
      sendRelayed?.(to.url, peer, packet)
      return
    }
    const socket = answering(arrival, to) ?? driver().socketOf(to.ip.length === 4 ? 4 : 6)
    if (socket !== undefined) driver().sendForeign(socket, packet, formatIp(to.ip), to.port)
  }
}

/** The socket of `arrival` when that came from `to`. */
function answering(arrival: DiscoArrival | undefined, to: DiscoAddress): UdpSocket | undefined {
  if (arrival === undefined || arrival.from.kind !== 'udp' || to.kind !== 'udp') return undefined
  return arrival.from.port === to.port && sameBytes(arrival.from.ip, to.ip) ? arrival.socket : undefined
}
