/**
 * One topic on one node: membership (hyparview.ts) and broadcast (plumtree.ts) joined, and told apart by the kind of a message or timer (spec/gossip.md §5, §8.3).
 * After `quit` it is silent for ever; whoever joins again makes a new one, so no timer of an earlier stay can hit it.
 */
import type { BroadcastEffects, Delivery, Dice, MembershipEffects, TopicEffects, TopicTimer } from './effects.ts'
import { HyParView } from './hyparview.ts'
import type { Message, MessageId, PeerKey } from './messages.ts'
import { PlumTree } from './plumtree.ts'
import type { GossipProfile } from './settings.ts'

export interface TopicSetup<P extends PeerKey> {
  readonly me: P
  /** How to reach us, for others (spec/gossip.md §4.6); undefined: nothing is said. */
  readonly data: Uint8Array | undefined
  readonly profile: GossipProfile
  readonly dice: Dice
  readonly hash: (content: Uint8Array) => MessageId
  readonly effects: TopicEffects<P>
}

/** Sans-I/O. `now` is monotonic, in ms. */
export class TopicState<P extends PeerKey> {
  readonly membership: HyParView<P>
  readonly tree: PlumTree<P>
  /** Who became a neighbour or ceased to be one in this input: the tree is told when the membership is done (§5). */
  readonly #changed: P[] = []
  readonly #isUp: boolean[] = []
  #hasQuit = false

  constructor(setup: TopicSetup<P>) {
    const { me, data, profile, dice, hash, effects } = setup
    const { isRepaired } = profile
    const membershipEffects = this.#membershipEffects(effects)
    this.membership = new HyParView({
      me,
      data,
      settings: profile.membership,
      isRepaired,
      dice,
      effects: membershipEffects,
    })
    this.tree = new PlumTree({ me, settings: profile.broadcast, isRepaired, hash, effects: broadcastEffects(effects) })
  }

  /** Not a copy. */
  get neighbors(): readonly P[] {
    return this.membership.active
  }

  get hasQuit(): boolean {
    return this.#hasQuit
  }

  /** Its connection must stay open for this topic. */
  needs(peer: P): boolean {
    return !this.#hasQuit && this.membership.needs(peer)
  }

  join(peers: readonly P[], now: number): void {
    if (this.#hasQuit) return
    this.membership.join(peers, now)
    this.#tellTree(now)
  }

  /** `isForNeighbors`: goes no further than that. */
  broadcast(content: Uint8Array, isForNeighbors: boolean, now: number): void {
    if (!this.#hasQuit) this.tree.broadcast(content, isForNeighbors, now)
  }

  /** To one neighbour, which passes it no further. */
  sendTo(neighbor: P, content: Uint8Array, now: number): void {
    if (!this.#hasQuit) this.tree.sendTo(neighbor, content, now)
  }

  receive(from: P, message: Message<P>, now: number): void {
    if (this.#hasQuit) return
    switch (message.kind) {
      case 'gossip':
      case 'ihave':
      case 'graft':
      case 'prune':
        this.tree.receive(from, message, now)
        this.membership.heardFrom(from, now)
        return
      default:
        this.membership.receive(from, message, now)
    }
    this.#tellTree(now)
  }

  fire(timer: TopicTimer<P>, now: number): void {
    if (this.#hasQuit) return
    switch (timer.kind) {
      case 'graft':
      case 'dispatch':
      case 'evict':
        this.tree.fire(timer, now)
        return
      default:
        this.membership.fire(timer, now)
        this.#tellTree(now)
    }
  }

  /** The network lost the peer's connection, or could make none. */
  disconnected(peer: P, now: number): void {
    if (this.#hasQuit) return
    this.membership.disconnected(peer, now)
    this.#tellTree(now)
    this.tree.neighborDown(peer, now)
  }

  setData(data: Uint8Array, now: number): void {
    if (!this.#hasQuit) this.membership.setData(data, now)
  }

  quit(now: number): void {
    if (this.#hasQuit) return
    this.membership.quit(now)
    this.#tellTree(now)
    this.#hasQuit = true
  }

  #tellTree(now: number): void {
    const changed = this.#changed
    if (changed.length === 0) return
    for (let index = 0; index < changed.length; index++) {
      if (this.#isUp[index]) this.tree.neighborUp(changed[index]!, now)
      else this.tree.neighborDown(changed[index]!, now)
    }
    changed.length = 0
    this.#isUp.length = 0
  }

  #membershipEffects(effects: TopicEffects<P>): MembershipEffects<P> {
    return {
      send: (peer, message) => effects.send(peer, message),
      release: (peer) => effects.release(peer),
      schedule: (timer, afterMs) => effects.schedule(timer, afterMs),
      neighborUp: (peer) => {
        this.#changed.push(peer)
        this.#isUp.push(true)
        effects.emit({ kind: 'neighbor-up', peer })
      },
      neighborDown: (peer, reason) => {
        this.#changed.push(peer)
        this.#isUp.push(false)
        effects.emit({ kind: 'neighbor-down', peer, reason })
      },
      learned: (peer, data) => effects.learned(peer, data),
      joinFailed: (peer) => effects.emit({ kind: 'join-failed', peer }),
    }
  }
}

function broadcastEffects<P extends PeerKey>(effects: TopicEffects<P>): BroadcastEffects<P> {
  return {
    send: (peer, message) => effects.send(peer, message),
    schedule: (timer, afterMs) => effects.schedule(timer, afterMs),
    deliver: ({ id, content, from, round }: Delivery<P>) =>
      effects.emit({ kind: 'received', id, content, from, round }),
    roundTripMs: (peer) => effects.roundTripMs(peer),
  }
}
