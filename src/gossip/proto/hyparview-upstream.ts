/**
 * Links as iroh-gossip 0.101.0 makes and ends them, for comparison: spec/gossip.md §6.2 to §6.4 word for word, with the defects of §11.1. What is sent to
 * ourselves there is left out here (§3.2).
 */
import type { NeighborDownReason } from './effects.ts'
import type { Linking } from './hyparview-linking.ts'
import type { Views } from './hyparview-views.ts'
import type { PeerKey, Priority } from './messages.ts'

/** This profile knows no serial numbers (§11.1 P7). */
const NO_SERIAL = 0

export class UpstreamLinks<P extends PeerKey> implements Linking<P> {
  readonly #views: Views<P>
  /** May grow with every peer ever met: P1. */
  readonly #pending = new Set<P>()
  readonly #keepOnClose = new Set<P>()

  constructor(views: Views<P>) {
    this.#views = views
  }

  get pending(): readonly P[] {
    return [...this.#pending]
  }

  isPending(peer: P): boolean {
    return this.#pending.has(peer)
  }

  joined(peer: P, data: Uint8Array | undefined): void {
    this.#addActive(peer, data, 'high', true)
  }

  neighbor(peer: P, priority: Priority, data: Uint8Array | undefined): void {
    const isReply = this.#pending.delete(peer)
    if (!this.#addActive(peer, data, priority, !isReply)) this.#disconnectFrom(peer, true)
  }

  offer(peer: P, data: Uint8Array | undefined): void {
    this.#views.storeData(peer, data)
    this.#sendNeighbor(peer, 'high')
  }

  disconnect(peer: P, isAlive: boolean): void {
    this.#pending.delete(peer)
    const index = this.#views.active.indexOf(peer)
    if (index >= 0) {
      this.#removeAt(index, isAlive ? 'evicted-by-peer' : 'left', isAlive)
      if (isAlive) this.#keepOnClose.add(peer)
      this.#refill(peer)
    } else if (isAlive && this.#views.passive.has(peer)) this.#keepOnClose.add(peer)
  }

  connectionLost(peer: P): void {
    this.#pending.delete(peer)
    const index = this.#views.active.indexOf(peer)
    if (index >= 0) {
      this.#removeAt(index, 'connection-lost', this.#keepOnClose.delete(peer))
      this.#refill(peer)
    } else if (!this.#keepOnClose.delete(peer)) {
      this.#views.passive.remove(peer)
      this.#views.forgetData(peer)
    }
  }

  requestTimedOut(peer: P): void {
    if (!this.#pending.delete(peer)) return
    this.#views.passive.remove(peer)
    this.#refill(undefined)
  }

  refill(): void {
    this.#refill(undefined)
  }

  quit(): void {
    const { active } = this.#views
    for (const peer of active.list.slice()) {
      active.remove(peer)
      this.#disconnectFrom(peer, false)
    }
  }

  #addActive(peer: P, data: Uint8Array | undefined, priority: Priority, isReplying: boolean): boolean {
    const views = this.#views
    if (peer === views.me) return false
    views.storeData(peer, data)
    if (!views.active.has(peer)) {
      if (views.isFull) {
        if (priority === 'low') return false
        this.#evict()
      }
      views.passive.remove(peer)
      views.active.add(peer)
      views.effects.neighborUp(peer)
    }
    if (isReplying) this.#sendNeighbor(peer, priority)
    return true
  }

  #sendNeighbor(peer: P, priority: Priority): void {
    const { me, effects, ownData } = this.#views
    if (peer === me || this.#pending.has(peer)) return
    this.#pending.add(peer)
    effects.send(peer, { kind: 'neighbor', priority, data: ownData })
  }

  #evict(): void {
    const { active, dice } = this.#views
    const index = dice.below(active.size)
    const peer = active.at(index)
    this.#removeAt(index, 'evicted', true)
    this.#keepOnClose.add(peer)
  }

  #removeAt(index: number, reason: NeighborDownReason, isKept: boolean): void {
    const views = this.#views
    const peer = views.active.removeAt(index)
    views.effects.neighborDown(peer, reason)
    if (reason === 'evicted') this.#disconnectFrom(peer, true)
    else views.effects.release(peer)
    if (isKept) views.addPassive(peer, undefined)
  }

  #disconnectFrom(peer: P, isAlive: boolean): void {
    const { settings, effects } = this.#views
    this.#views.sendShuffleReply(peer, settings.shuffleActiveCount + settings.shufflePassiveCount)
    effects.send(peer, { kind: 'disconnect', alive: isAlive })
    effects.release(peer)
  }

  #refill(skip: P | undefined): void {
    const { active, passive, settings, dice, effects } = this.#views
    if (active.size + this.#pending.size >= settings.activeViewCapacity) return
    let count = 0
    for (const peer of passive.list) if (peer !== skip && !this.#pending.has(peer)) count++
    if (count === 0) return
    let turn = dice.below(count)
    for (const peer of passive.list) {
      if (peer === skip || this.#pending.has(peer) || turn-- > 0) continue
      this.#sendNeighbor(peer, active.size === 0 ? 'high' : 'low')
      const afterMs = settings.neighborRequestTimeoutMs
      effects.schedule({ kind: 'pending-neighbor', peer, serial: NO_SERIAL }, afterMs)
      return
    }
  }
}
