/**
 * The two views of HyParView and what is known of how to reach their peers. Who enters and leaves the active view is decided by the links
 * (hyparview-links.ts, and hyparview-upstream.ts for the other profile). spec/gossip.md §6.1, §6.4, §11.1 P8.
 */
import { sameBytes } from '../../bytes/index.ts'
import type { Dice, MembershipEffects } from './effects.ts'
import type { PeerInfo, PeerKey } from './messages.ts'
import { PeerSet } from './peer-set.ts'
import type { MembershipSettings } from './settings.ts'

export interface MembershipSetup<P extends PeerKey> {
  readonly me: P
  /** How to reach us, for others; undefined: nothing is said. */
  readonly data: Uint8Array | undefined
  readonly settings: MembershipSettings
  /** The repairs of spec/gossip.md §11.1. */
  readonly isRepaired: boolean
  readonly dice: Dice
  readonly effects: MembershipEffects<P>
}

export class Views<P extends PeerKey> {
  readonly me: P
  readonly settings: MembershipSettings
  readonly dice: Dice
  readonly effects: MembershipEffects<P>
  readonly active = new PeerSet<P>()
  readonly passive = new PeerSet<P>()
  /** How to reach us, for others. */
  ownData: Uint8Array | undefined
  readonly #isRepaired: boolean
  readonly #data = new Map<P, Uint8Array>()

  constructor(setup: MembershipSetup<P>) {
    this.me = setup.me
    this.settings = setup.settings
    this.dice = setup.dice
    this.effects = setup.effects
    this.ownData = setup.data
    this.#isRepaired = setup.isRepaired
  }

  /** Peers whose data is stored. */
  get dataCount(): number {
    return this.#data.size
  }

  get isFull(): boolean {
    return this.active.size >= this.settings.activeViewCapacity
  }

  /** Tells the owner what is new. Nothing is stored of a peer in neither view: that would be for ever (§11.1 P8). */
  storeData(peer: P, data: Uint8Array | undefined): void {
    if (data === undefined) return
    if (this.#isRepaired && !this.active.has(peer) && !this.passive.has(peer)) {
      if (data.length > 0) this.effects.learned(peer, data)
      return
    }
    const known = this.#data.get(peer)
    if (known !== undefined && sameBytes(known, data)) return
    this.#data.set(peer, data)
    if (data.length > 0) this.effects.learned(peer, data)
  }

  /** To be called when a peer has left both views. */
  forgetData(peer: P): void {
    if (this.#data.size > 0) this.#data.delete(peer)
  }

  /** Remembers a peer, in the place of a random one when the view is full. False: it is a neighbour, known, or we ourselves. */
  addPassive(peer: P, data: Uint8Array | undefined, note = 0): boolean {
    if (this.#isRepaired && peer === this.me) return false
    if (peer === this.me || this.active.has(peer) || this.passive.has(peer)) {
      this.storeData(peer, data)
      return false
    }
    if (this.passive.size >= this.settings.passiveViewCapacity) {
      const removed = this.passive.removeRandom(this.dice)
      if (this.#isRepaired) this.forgetData(removed)
    }
    this.passive.add(peer, note)
    this.storeData(peer, data)
    return true
  }

  infoOf(peer: P): PeerInfo<P> {
    return { id: peer, data: this.#data.size === 0 ? undefined : this.#data.get(peer) }
  }

  /** A sample of what we know, so that the other does not run dry: remembered peers first. */
  sendShuffleReply(to: P, count: number): void {
    if (to === this.me) return
    const except = this.#isRepaired ? to : undefined
    const peers: P[] = []
    this.passive.sample(this.dice, count, except, peers)
    if (peers.length < count) this.active.sample(this.dice, count - peers.length, except, peers)
    const nodes: PeerInfo<P>[] = []
    for (const peer of peers) nodes.push(this.infoOf(peer))
    this.effects.send(to, { kind: 'shuffle-reply', nodes })
  }
}
