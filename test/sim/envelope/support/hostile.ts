/**
 * A member that does all the harm it can with what it has seen, which is every frame and every gossip content: it repeats them, changes them, claims deliveries that were none, takes
 * messages into its keeping and forgets them, and has others keep things with an expiry of its choosing. It signs as itself; more it cannot.
 */
import { seededKeyExchange } from '../../../../src/crypto/index.ts'
import { Sealer } from '../../../../src/envelope/sealing/sealer.ts'
import {
  decodeBackupReplica,
  encodeAck,
  encodeBackupReplica,
  encodeId,
  encodeIdList,
  encodePeerAnnounce,
  encodeReadReceipt,
} from '../../../../src/envelope/wire/body-codec.ts'
import type { Envelope, PeerKey } from '../../../../src/envelope/wire/envelope.ts'
import { decodeEnvelope, encodeEnvelope } from '../../../../src/envelope/wire/envelope-codec.ts'
import { KnownKeys } from '../../../../src/envelope/wire/known-keys.ts'
import type { MessageType } from '../../../../src/envelope/wire/message-type.ts'
import { encodeSignedAnnounce } from '../../../../src/envelope/wire/signed-announce.ts'
import { SecretKey } from '../../../../src/identity/index.ts'
import type { SimRandom } from '../../support/random.ts'
import type { SimNode } from './node.ts'
import type { EnvelopeWorld, Station } from './world.ts'

const HOUR_MS = 3_600_000
/** Nodes asked to keep what was just overheard. */
const MOST_ASKED = 12

export class Hostile implements Station {
  readonly name: string
  readonly index: number
  readonly key: PeerKey
  readonly isUp = true
  readonly lifeNumber = 0
  /** Nothing new comes from it: it only repeats. */
  isOnlyRepeating = false
  /** It does not say that it keeps what it is given. */
  isSilent = false
  misdeeds = 0
  readonly #world: EnvelopeWorld
  readonly #random: SimRandom
  readonly #sealer: Sealer
  readonly #keys = new KnownKeys()
  /** Between two bouts, ms. */
  readonly #pauseMs: number

  constructor(world: EnvelopeWorld, name: string, index: number, pauseMs: number) {
    this.#world = world
    this.name = name
    this.index = index
    this.#pauseMs = pauseMs
    this.#random = world.random.fork(name)
    const crypto = seededKeyExchange(world.crypto, this.#random.fork('exchanges'))
    this.#sealer = new Sealer({ secretKey: SecretKey.generate(this.#random), crypto, random: this.#random })
    this.key = this.#sealer.key
  }

  start(): void {
    this.#world.enter(this)
    this.#world.topic.enter(this)
    this.#sayHello()
    this.#bout()
  }

  /** As a holder it says yes and keeps nothing; as a hop it passes nothing on; else it only listens. */
  receive(frame: Uint8Array, link: PeerKey): void {
    const envelope = this.#read(frame)
    if (this.isOnlyRepeating || this.isSilent || envelope?.type !== 'BackupReplicate' || !this.#random.chance(0.7))
      return
    try {
      this.#send(link, 'BackupReplicateAck', encodeId(decodeBackupReplica(envelope.payload, this.#keys).id))
    } catch {
      // another hostile one's
    }
  }

  /** Before others can, it has some keep what it has just seen, for a moment. */
  overhear(frame: Uint8Array): void {
    const share = this.#world.nodes.length > 20 ? 0.01 : 0.1
    if (this.isOnlyRepeating || !this.#random.chance(share)) return
    const envelope = this.#read(frame)
    if (envelope?.type !== 'Chat') return
    const { nodes, wall } = this.#world
    const first = this.#random.int(0, nodes.length - 1)
    for (let count = 0; count < Math.min(nodes.length, MOST_ASKED); count++) {
      const { key } = nodes[(first + count) % nodes.length]!
      if (key !== envelope.to && key !== envelope.from) this.#askToKeep(key, frame, wall + 60_000)
    }
  }

  gossip(): void {}
  connected(): void {}
  disconnected(): void {}

  #bout(): void {
    this.#world.after(this.#random.between(0.2, 1.8) * this.#pauseMs, () => {
      const count = this.#random.int(1, 12)
      for (let done = 0; done < count; done++) this.#misdeed()
      this.#bout()
    })
  }

  #misdeed(): void {
    const random = this.#random
    const victim = random.pick(this.#world.nodes)
    this.misdeeds++
    const dice = this.isOnlyRepeating ? random.int(0, 49) : random.int(0, 99)
    if (dice < 35) this.#repeat(victim)
    else if (dice < 50) this.#repeatGossip(victim)
    else if (dice < 60) this.#change(victim)
    else if (dice < 70) this.#acknowledge()
    else if (dice < 80) this.#confirm(victim)
    else if (dice < 88) this.#haveKept(victim)
    else if (dice < 92) this.#send(victim.key, 'BackupQuery', encodeId(random.pick(this.#world.nodes).key))
    else if (dice < 96) this.#hint(victim)
    else this.#sayHello()
  }

  /** A frame of the past, to whom it was for or to somebody else. */
  #repeat(victim: SimNode): void {
    const passed = this.#passed()
    if (passed === undefined) return
    const station = this.#random.chance(0.7) ? this.#world.nodeOf(passed.to) : victim
    this.#bring(station ?? victim, passed.frame)
  }

  #repeatGossip(victim: SimNode): void {
    const { said } = this.#world.topic
    if (said.length > 0) this.#world.after(5, () => victim.gossip(this.#random.pick(said).slice(), this.key))
  }

  /** What is not signed, a bit of anything, or the author. */
  #change(victim: SimNode): void {
    const passed = this.#passed()
    if (passed === undefined) return
    const copy = passed.frame.slice()
    const envelope = this.#read(copy)
    if (envelope === undefined || this.#random.chance(0.4)) {
      const bit = this.#random.int(0, copy.length * 8 - 1)
      copy[bit >>> 3]! ^= 1 << (bit & 7)
      this.#bring(victim, copy)
      return
    }
    const changed = this.#random.chance(0.5)
      ? { ...envelope, hopsLeft: this.#random.int(0, 4) }
      : this.#random.chance(0.5)
        ? { ...envelope, from: this.key }
        : { ...envelope, timestamp: envelope.timestamp + 12 * HOUR_MS }
    this.#bring(this.#world.nodeOf(envelope.to) ?? victim, encodeEnvelope(changed))
  }

  /** Claims that a message has arrived, or was passed on. */
  #acknowledge(): void {
    const entry = this.#someEntry()
    if (entry === undefined) return
    const { id, from } = entry
    if (this.#random.chance(0.2))
      this.#send(from.key, 'ReadReceipt', encodeReadReceipt({ originalId: id, readAt: this.#world.wall }))
    else {
      const kind = this.#random.chance(0.7) ? 'RecipientReceived' : 'RelayForwarded'
      this.#send(from.key, 'Ack', encodeAck({ originalId: id, kind }))
    }
  }

  /** Claims that messages are delivered, to a node or to all. */
  #confirm(victim: SimNode): void {
    const payload = encodeIdList(this.#ids().slice(-64))
    if (this.#random.chance(0.5)) {
      this.#send(victim.key, 'BackupConfirmDelivery', payload)
      return
    }
    const { wire } = this.#sealer.seal({
      to: this.key,
      type: 'BackupConfirmDelivery',
      payload,
      timestamp: this.#world.wall,
    })
    this.#world.after(5, () => victim.gossip(wire, this.key))
  }

  /** Somebody else's envelope, or one of its own, with an expiry as it likes. */
  #haveKept(victim: SimNode): void {
    const passed = this.#passed()
    const envelope = passed === undefined ? undefined : this.#read(passed.frame)
    const { wall } = this.#world
    const wire =
      envelope?.type === 'Chat' && envelope.from !== victim.key
        ? passed!.frame
        : this.#sealer.seal({
            to: this.#random.pick(this.#world.nodes).key,
            type: 'Chat',
            payload: this.#random.bytes(40),
            timestamp: wall - this.#random.pick([0, 23, 30]) * HOUR_MS,
          }).wire
    const livesMs = this.#random.pick([-HOUR_MS, 1_000, 60_000, HOUR_MS, 48 * HOUR_MS, 8_000 * HOUR_MS])
    this.#askToKeep(victim.key, wire, wall + livesMs)
  }

  #askToKeep(victim: PeerKey, wire: Uint8Array, expiresAt: number): void {
    const inner = this.#read(wire)
    if (inner === undefined) return
    const { id, to, from } = inner
    const replica = { id, wire, to, from, expiresAt, viability: 100, holders: [this.key] }
    this.#send(victim, 'BackupReplicate', encodeBackupReplica(replica))
  }

  /** Somebody who does not exist, or exists, announced unsigned. */
  #hint(victim: SimNode): void {
    const peer = this.#random.chance(0.5)
      ? this.#random.pick(this.#world.nodes).key
      : SecretKey.generate(this.#random).id.toString()
    const content = encodePeerAnnounce({ peer, name: 'somebody else', roles: ['Relay'], timestamp: this.#world.wall })
    this.#world.after(5, () => victim.gossip(content, this.key))
  }

  /** It calls itself one of ours, so it is asked to keep things and to pass them on. */
  #sayHello(): void {
    const timestamp = this.#world.wall
    const payload = encodeSignedAnnounce({
      announce: { peer: this.key, name: this.name, roles: ['Relay'], timestamp },
      addr: undefined,
    })
    this.#world.topic.broadcast(
      this,
      this.#sealer.seal({ to: this.key, type: 'PeerAnnounce', payload, timestamp }).wire,
    )
  }

  #send(to: PeerKey, type: MessageType, payload: Uint8Array): void {
    const { wire } = this.#sealer.seal({ to, type, payload, timestamp: this.#world.wall })
    const node = this.#world.nodeOf(to)
    if (node !== undefined) this.#bring(node, wire)
  }

  #bring(node: SimNode, frame: Uint8Array): void {
    this.#world.after(this.#random.between(1, 50), () => node.receive(frame.slice(), this.key))
  }

  #passed() {
    const { passed } = this.#world.lines
    return passed.length === 0 ? undefined : this.#random.pick(passed)
  }

  #someEntry() {
    const { entries } = this.#world.ledger
    return entries.size === 0 ? undefined : this.#random.pick([...entries.values()])
  }

  #ids(): string[] {
    return [...this.#world.ledger.entries.keys()]
  }

  #read(frame: Uint8Array): Envelope | undefined {
    try {
      return decodeEnvelope(frame, this.#keys)
    } catch {
      return undefined
    }
  }
}
