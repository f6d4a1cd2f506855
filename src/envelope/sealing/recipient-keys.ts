/** The X25519 keys that belong to the Ed25519 keys of recipients (spec/envelope.md §1.6), remembered within bounds: computing one takes longer than all the rest of a message. */
import { decodeHex, RecentAnswers } from '../../bytes/index.ts'
import { x25519PublicOf } from '../../crypto/index.ts'
import type { PeerKey } from '../wire/envelope.ts'

/** About 250 bytes each. A guess: more than anyone writes to at a time. */
const CAPACITY = 2_048

export class RecipientKeys {
  readonly #known: RecentAnswers<Uint8Array>

  constructor(capacity = CAPACITY) {
    this.#known = new RecentAnswers(capacity)
  }

  /** Keys remembered. */
  get size(): number {
    return this.#known.size
  }

  /** 32 bytes; undefined where `key` is no point of the curve or has no image on the other one. */
  keyOf(key: PeerKey): Uint8Array | undefined {
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const image = imageOf(key)
    if (image !== undefined) this.#known.set(key, image)
    return image
  }
}

function imageOf(key: PeerKey): Uint8Array | undefined {
  return /^[0-9a-f]{64}$/.test(key) ? x25519PublicOf(decodeHex(key)) : undefined
}
