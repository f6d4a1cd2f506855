/**
 * Disco packets: a message sealed from one identity to another, with magic, key and nonce around it (spec/disco-stun-nat.md §1.1, §1.2). Keeps the keys shared with
 * those we met, and sees to it that strangers cannot make us compute without end.
 */
import { encodeHex } from '../../bytes/index.ts'
import {
  BOX_NONCE_LENGTH,
  BOX_TAG_LENGTH,
  boxKey,
  openBox,
  sealBox,
  x25519PublicOf,
  x25519SecretOf,
} from '../../crypto/index.ts'
import type { SecretKey } from '../../identity/index.ts'
import type { RandomSource } from '../../platform/index.ts'
import { type DiscoMessage, decodeDiscoMessage, encodeDiscoMessage } from './message.ts'
import { StrangerLimit } from './stranger-limit.ts'

/** "TS" and U+1F4AC. */
const MAGIC = Uint8Array.of(0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac)
const KEY_LENGTH = 32
const BOX_START = MAGIC.length + KEY_LENGTH
/** Shared keys remembered, spec/disco-stun-nat.md §1.2: those not used for longest go first. */
export const MAX_SHARED_KEYS = 4_096

export interface OpenedDisco {
  /** Who sealed it: 32 bytes of id. */
  readonly sender: Uint8Array
  readonly message: DiscoMessage
}

export interface DiscoBoxStats {
  /** Packets whose box did not open, or whose key is none. */
  failedOpens: number
  /** Packets of unknown keys that were dropped unread because there were too many. */
  limited: number
  /** Boxes that opened, with a message that nobody understands. */
  malformed: number
}

export class DiscoBox {
  readonly stats: DiscoBoxStats = { failedOpens: 0, limited: 0, malformed: 0 }
  readonly #ownId: Uint8Array
  readonly #secret: Uint8Array
  readonly #random: RandomSource
  /** Peer id as hex → shared key; the one used last is last. */
  readonly #keys = new Map<string, Uint8Array>()
  readonly #strangers = new StrangerLimit()

  readonly #maxKeys: number

  constructor(secretKey: SecretKey, random: RandomSource, maxKeys = MAX_SHARED_KEYS) {
    const seed = secretKey.toBytes()
    this.#ownId = secretKey.id.toBytes()
    this.#secret = x25519SecretOf(seed)
    this.#random = random
    this.#maxKeys = maxKeys
    seed.fill(0)
  }

  /** Shared keys that are remembered. */
  get keyCount(): number {
    return this.#keys.size
  }

  /** The packet for `peer` (32 bytes of id), 78 bytes longer than the message; undefined where its id is no usable key. */
  seal(peer: Uint8Array, message: DiscoMessage): Uint8Array | undefined {
    const name = encodeHex(peer)
    const key = this.#keys.get(name) ?? this.#derive(peer)
    if (key === undefined) return undefined
    this.#remember(name, key)
    const nonce = new Uint8Array(BOX_NONCE_LENGTH)
    this.#random.fill(nonce)
    const box = sealBox(key, nonce, encodeDiscoMessage(message))
    const packet = new Uint8Array(BOX_START + box.length + nonce.length)
    packet.set(MAGIC)
    packet.set(this.#ownId, MAGIC.length)
    packet.set(box, BOX_START)
    packet.set(nonce, BOX_START + box.length)
    return packet
  }

  /**
   * Undefined for what is no disco packet to us, and while `source` (a numeric IP, or a relay's URL) sent too many from keys we do not know.
   * The box vouches for all of `sender` but the sign bit of its key, which the exchange does not see: with that bit turned it names an id that nobody has.
   */
  open(packet: Uint8Array, source: string, now: number): OpenedDisco | undefined {
    const sender = discoSender(packet)
    if (sender === undefined || packet.length < BOX_START + BOX_TAG_LENGTH + BOX_NONCE_LENGTH) return undefined
    const name = encodeHex(sender)
    let key = this.#keys.get(name)
    if (key === undefined) {
      if (!this.#strangers.take(source, now)) {
        this.stats.limited++
        return undefined
      }
      key = this.#derive(sender)
    }
    const nonceStart = packet.length - BOX_NONCE_LENGTH
    const plain =
      key === undefined ? undefined : openBox(key, packet.subarray(nonceStart), packet.subarray(BOX_START, nonceStart))
    if (key === undefined || plain === undefined) {
      this.stats.failedOpens++
      return undefined
    }
    // Only now: made-up senders must not push out those we know.
    this.#remember(name, key)
    const message = decodeDiscoMessage(plain, sender)
    if (message === undefined) {
      this.stats.malformed++
      return undefined
    }
    return { sender: sender.slice(), message }
  }

  #derive(peer: Uint8Array): Uint8Array | undefined {
    const publicKey = x25519PublicOf(peer)
    return publicKey === undefined ? undefined : boxKey(this.#secret, publicKey)
  }

  #remember(name: string, key: Uint8Array): void {
    this.#keys.delete(name)
    this.#keys.set(name, key)
    if (this.#keys.size <= this.#maxKeys) return
    for (const oldest of this.#keys.keys()) {
      this.#keys.delete(oldest)
      return
    }
  }
}

/** Whose key stands in front of a packet, a view of 32 bytes; undefined where it does not begin like disco (spec/disco-stun-nat.md §2.1). */
export function discoSender(packet: Uint8Array): Uint8Array | undefined {
  if (packet.length < BOX_START) return undefined
  for (let index = 0; index < MAGIC.length; index++) if (packet[index] !== MAGIC[index]) return undefined
  return packet.subarray(MAGIC.length, BOX_START)
}
