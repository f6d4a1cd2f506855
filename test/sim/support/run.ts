/** One planned connection as it happens: both ends, what is still to do, when to close it, and how each end may end. */
import type { Route } from '../../../src/quic/index.ts'
import type { VirtualClock } from './clock.ts'
import type { SimPeer } from './peer.ts'
import type { ConnectionPlan, Side } from './scenario.ts'

export interface RunHost {
  readonly clock: VirtualClock
  violation(text: string): void
  /** Both ends of `run` are confirmed, or it will never be. */
  settled(run: ConnectionRun): void
  /** The client's other way to the server. */
  otherRoute(run: ConnectionRun): Route
}

export class ConnectionRun {
  readonly index: number
  readonly plan: ConnectionPlan
  readonly clock: VirtualClock
  client: SimPeer | undefined = undefined
  server: SimPeer | undefined = undefined
  /** Something is known to have cut it short: not everything gets done. */
  isCut = false
  isSettled = false
  isClosing = false
  closeAskedAt = 0
  readonly #host: RunHost
  /** Halves of transfers still to be ended, each told by the side that ends it. */
  readonly #halves = new Set<string>()
  /** Planned deeds that are not streams. */
  #deeds: number

  constructor(index: number, plan: ConnectionPlan, host: RunHost) {
    this.index = index
    this.plan = plan
    this.clock = host.clock
    this.#host = host
    for (const [number, transfer] of plan.transfers.entries()) {
      const acceptor: Side = transfer.opener === 'client' ? 'server' : 'client'
      this.#halves.add(`${number} ${transfer.opener} write`)
      this.#halves.add(`${number} ${acceptor} read`)
      if (!transfer.bidirectional) continue
      this.#halves.add(`${number} ${acceptor} write`)
      this.#halves.add(`${number} ${transfer.opener} read`)
    }
    this.#deeds = plan.datagrams.length + plan.keyUpdates.length + plan.migrations.length
  }

  channel(transfer: number, direction: 0 | 1): number {
    return this.index * 1000 + transfer * 2 + direction
  }

  violation(text: string): void {
    this.#host.violation(`connection ${this.index}: ${text}`)
  }

  get peers(): readonly SimPeer[] {
    return [this.client, this.server].filter((peer) => peer !== undefined)
  }

  get isDone(): boolean {
    return this.#halves.size === 0 && this.#deeds === 0
  }

  get undone(): string {
    return `${[...this.#halves].join(', ')}${this.#deeds > 0 ? `, ${this.#deeds} other deeds` : ''}`
  }

  peer(side: Side): SimPeer | undefined {
    return side === 'client' ? this.client : this.server
  }

  confirmed(peer: SimPeer): void {
    const { plan } = this
    for (const [index, flow] of plan.datagrams.entries())
      if (flow.from === peer.side) peer.later(0, () => peer.sendFlow(flow, index, () => this.#deedDone()))
    for (const { by, at } of plan.keyUpdates) {
      if (by !== peer.side) continue
      peer.later(at, () => {
        peer.connection.updateKeys(this.clock.now)
        this.#deedDone()
      })
    }
    if (peer.side === 'client') for (const at of plan.migrations) peer.later(at, () => this.#migrate(peer))
    if (this.client?.isConfirmed === true && this.server?.isConfirmed === true) this.#settle()
  }

  /** Again and again until the server has given us an id for the new address. */
  #migrate(client: SimPeer): void {
    try {
      client.connection.migrate(this.#host.otherRoute(this), this.clock.now)
    } catch (error) {
      if (!(error instanceof Error) || !error.message.includes('spare connection id')) throw error
      client.later(250, () => this.#migrate(client))
      return
    }
    this.#deedDone()
  }

  #settle(): void {
    if (this.isSettled) return
    this.isSettled = true
    this.#host.settled(this)
  }

  #deedDone(): void {
    this.#deeds--
    this.#checkDone()
  }

  halfOver(transfer: number, side: Side, half: 'read' | 'write'): void {
    if (!this.#halves.delete(`${transfer} ${side} ${half}`))
      this.violation(`transfer ${transfer}: ${side} ${half} ended twice`)
    this.#checkDone()
  }

  #checkDone(): void {
    if (this.isDone && this.plan.close.at === 'done') this.close()
  }

  /** As planned, at once. */
  close(): void {
    if (this.isClosing) return
    this.isClosing = true
    this.closeAskedAt = this.clock.now
    this.clock.after(0, () => {
      for (const peer of this.peers) this.closePeer(peer)
    })
  }

  /** What the plan says `peer` has to do now that the connection is to be closed. A server that is not there yet does it when it is. */
  closePeer(peer: SimPeer): void {
    const { by, code, reason } = this.plan.close
    if (!this.isClosing || (by !== 'both' && by !== peer.side) || peer.isClosed || peer.node.isOff) return
    peer.node.driver.closeConnection(peer.connection, code, reason)
  }

  closed(peer: SimPeer): void {
    this.#settle()
    if (peer.closeReason?.kind !== 'local-application') return
    // The application's own close may come at any time; what was planned is off.
    if (!this.isClosing) this.violation(`${peer.side} closed itself`)
  }
}
