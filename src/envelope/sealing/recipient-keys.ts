/** The X25519 keys that belong to the Ed25519 keys of recipients (spec/envelope.md §1.6), remembered within bounds: computing one takes longer than all the rest of a message. */
import { decodeHex } from '../../bytes/index.ts'
import { x25519PublicOf } from '../../crypto/index.ts'
import type { PeerKey } from '../wire/envelope.ts'

/** About 250 bytes each. A guess: more than anyone writes to at a time. */
const CAPACITY = 2_048

export class RecipientKeys {
  readonly #half: number
  /** Two generations: the older one goes when the younger is full. */
  #young = new Map<PeerKey, Uint8Array>()
  #old = new Map<PeerKey, Uint8Array>()

  constructor(capacity = CAPACITY) {
    this.#half = Math.max(1, Math.floor(capacity / 2))
  }

  /** Keys remembered. */
  get size(): number {
    return this.#young.size + this.#old.size
  }

  /** 32 bytes; undefined where `key` is no point of the curve or has no image on the other one. */
  keyOf(key: PeerKey): Uint8Array | undefined {
    const known = this.#young.get(key)
    if (known !== undefined) return known
    const image = this.#old.get(key) ?? imageOf(key)
    if (image === undefined) return undefined
    this.#old.delete(key)
    this.#young.set(key, image)
    if (this.#young.size >= this.#half) {
      this.#old = this.#young
      this.#young = new Map()
    }
    return image
  }
}

function imageOf(key: PeerKey): Uint8Array | undefined {
  return /^[0-9a-f]{64}$/.test(key) ? x25519PublicOf(decodeHex(key)) : undefined
}
