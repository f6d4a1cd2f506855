/**
 * What we measured of other nodes, and of ourselves: who passed on what, and which roles follow. It outlives that a peer goes offline or is forgotten (L4c); the
 * oldest of too many measurements goes (spec/envelope.md §5.2, ROL-2).
 */
import type { Role } from '../wire/bodies.ts'
import type { PeerKey } from '../wire/envelope.ts'
import { Contribution, UNKNOWN_SUCCESS } from './contribution.ts'
import type { PeerSettings } from './settings.ts'

/** Hops that lately did well, all of which are candidates for the next message. A guess. */
const MAX_PROVEN = 32

export class Measurements {
  readonly #settings: PeerSettings
  /** In the order of their last activity. */
  readonly #peers = new Map<PeerKey, Contribution>()
  readonly #own = new Contribution()
  /** Who last passed something on for us, the latest last. */
  readonly #proven: PeerKey[] = []
  #evaluateAt = Number.POSITIVE_INFINITY

  constructor(settings: PeerSettings) {
    this.#settings = settings
  }

  get size(): number {
    return this.#peers.size
  }

  get ownRole(): Role {
    return this.#own.isRelay ? 'Relay' : 'Peer'
  }

  get proven(): readonly PeerKey[] {
    return this.#proven
  }

  of(peer: PeerKey): Contribution | undefined {
    return this.#peers.get(peer)
  }

  /** As `Contribution.success`, 0.5 for a peer nobody has tried. */
  successOf(peer: PeerKey, now: number): number {
    return this.#peers.get(peer)?.success(now) ?? UNKNOWN_SUCCESS
  }

  ownScore(now: number): number {
    return this.#own.score(now)
  }

  forwardedBy(hop: PeerKey, bytes: number, now: number): void {
    this.#touch(hop, now).forwarded(bytes, now)
    const index = this.#proven.indexOf(hop)
    if (index >= 0) this.#proven.splice(index, 1)
    else if (this.#proven.length === MAX_PROVEN) this.#proven.shift()
    this.#proven.push(hop)
  }

  failedVia(hop: PeerKey, now: number): void {
    this.#touch(hop, now).failed(now)
  }

  forwardedForOthers(bytes: number, now: number): void {
    this.#own.forwarded(bytes, now)
    this.#evaluateSoon(now)
  }

  failedForOthers(now: number): void {
    this.#own.failed(now)
    this.#evaluateSoon(now)
  }

  receivedForOthers(bytes: number): void {
    this.#own.received(bytes)
  }

  /** When `evaluate` has to be called; Infinity while no role can change. */
  deadline(): number {
    return this.#evaluateAt
  }

  /** Sets the roles by the scores, and calls for each peer whose role became another. Every 60 s while there is anything that could change (spec/envelope.md §5.2). */
  evaluate(now: number, onChange: (peer: PeerKey) => void): void {
    if (now < this.#evaluateAt) return
    this.#evaluateOne(this.#own, now)
    let hasRelays = this.#own.isRelay
    for (const [peer, contribution] of this.#peers) {
      if (this.#evaluateOne(contribution, now)) onChange(peer)
      hasRelays ||= contribution.isRelay
    }
    // Scores rise only by what is recorded, which sets the time again; alone they fall, which matters to relays.
    this.#evaluateAt = hasRelays ? now + this.#settings.evaluateMs : Number.POSITIVE_INFINITY
  }

  #evaluateOne(contribution: Contribution, now: number): boolean {
    const { promoteAt, demoteBelow } = this.#settings
    const score = contribution.score(now)
    const isRelay = contribution.isRelay ? score >= demoteBelow : score >= promoteAt
    if (isRelay === contribution.isRelay) return false
    contribution.isRelay = isRelay
    return true
  }

  #evaluateSoon(now: number): void {
    this.#evaluateAt = Math.min(this.#evaluateAt, now + this.#settings.evaluateMs)
  }

  #touch(peer: PeerKey, now: number): Contribution {
    this.#evaluateSoon(now)
    const known = this.#peers.get(peer)
    if (known !== undefined) this.#peers.delete(peer)
    else if (this.#peers.size >= this.#settings.maxMeasured) this.#dropOldest()
    const contribution = known ?? new Contribution()
    this.#peers.set(peer, contribution)
    return contribution
  }

  #dropOldest(): void {
    for (const peer of this.#peers.keys()) {
      this.#peers.delete(peer)
      return
    }
  }
}
