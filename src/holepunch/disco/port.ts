/**
 * Where disco packets come in and go out. Opens each once and asks its takers in turn, so that those who speak disco share the keys; what nobody
 * waits for is not opened.
 */
import { parseReportedIp } from '../../bytes/index.ts'
import type { ForeignPacket } from '../../driver/index.ts'
import type { SecretKey } from '../../identity/index.ts'
import type { Platform, UdpSocket } from '../../platform/index.ts'
import { DiscoBox, type DiscoBoxStats, discoSender } from './box.ts'
import type { DiscoAddress, DiscoMessage } from './message.ts'

/** A disco packet that was opened. */
export interface DiscoArrival {
  /** 32 bytes of id. */
  readonly sender: Uint8Array
  readonly message: DiscoMessage
  readonly from: DiscoAddress
  /** Undefined: through a relay. */
  readonly socket: UdpSocket | undefined
}

export interface DiscoTaker {
  /** Whether packets of `sender` (32 bytes of id, a view) are worth opening. */
  wants(sender: Uint8Array): boolean
  /** True when the packet was this taker's: nobody else is asked. */
  onDisco(arrival: DiscoArrival): boolean
}

export class DiscoPort {
  readonly #platform: Platform
  readonly #box: DiscoBox
  readonly #takers: DiscoTaker[] = []

  constructor(options: { readonly platform: Platform; readonly secretKey: SecretKey }) {
    this.#platform = options.platform
    this.#box = new DiscoBox(options.secretKey, options.platform.random)
  }

  get stats(): Readonly<DiscoBoxStats> {
    return this.#box.stats
  }

  /** `isFirst`: asked before all others. */
  add(taker: DiscoTaker, isFirst = false): void {
    if (isFirst) this.#takers.unshift(taker)
    else this.#takers.push(taker)
  }

  remove(taker: DiscoTaker): void {
    const index = this.#takers.indexOf(taker)
    if (index >= 0) this.#takers.splice(index, 1)
  }

  /** The driver's `onForeign` for packets of kind 'disco'. */
  onForeign({ data, host, port, socket }: ForeignPacket): void {
    // A scope id cannot be written into a Pong.
    if (host.includes('%')) return
    this.#deliver(data, host, () => ({ kind: 'udp', ip: parseReportedIp(host), port }), socket)
  }

  /** A datagram from a relay. False when it is no disco packet, so that it is QUIC's. */
  onRelayed(url: string, data: Uint8Array): boolean {
    if (discoSender(data) === undefined) return false
    this.#deliver(data, url, () => ({ kind: 'relay', url }), undefined)
    return true
  }

  /** As `DiscoBox.seal`. */
  seal(peer: Uint8Array, message: DiscoMessage): Uint8Array | undefined {
    return this.#box.seal(peer, message)
  }

  /** A packet from a socket of a taker's own, which nobody else is asked about. */
  open(data: Uint8Array, host: string, port: number, socket: UdpSocket): DiscoArrival | undefined {
    const opened = host.includes('%') ? undefined : this.#box.open(data, host, this.#platform.now())
    return opened === undefined
      ? undefined
      : { ...opened, from: { kind: 'udp', ip: parseReportedIp(host), port }, socket }
  }

  #deliver(data: Uint8Array, source: string, from: () => DiscoAddress, socket: UdpSocket | undefined): void {
    const sender = discoSender(data)
    if (sender === undefined || !this.#takers.some((taker) => taker.wants(sender))) return
    const opened = this.#box.open(data, source, this.#platform.now())
    if (opened === undefined) return
    const arrival: DiscoArrival = { ...opened, from: from(), socket }
    for (const taker of [...this.#takers]) {
      if (taker.wants(opened.sender) && taker.onDisco(arrival)) return
    }
  }
}
