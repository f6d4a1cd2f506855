/**
 * Which keys that peers name are keys (spec/envelope.md §1.3): Rust drops a whole message for one that is no point of the curve, and so nobody may pass one on.
 * Remembers what it was asked, within bounds.
 */
import { decodeHex, RecentAnswers } from '../../bytes/index.ts'
import { isCurvePoint } from '../../identity/index.ts'
import type { PeerKey } from './envelope.ts'

const KEY_HEX = /^[0-9a-f]{64}$/
/** Keys remembered at most, about 150 bytes each: all peers that a node knows (spec/envelope.md §5.6). */
const CAPACITY = 10_000

/** Whether a text is 64 lower-case hex digits of a point of the curve. */
export interface KeyTest {
  isKey(key: PeerKey): boolean
}

/** Remembers nothing. */
export const PLAIN_TEST: KeyTest = {
  isKey: (key) => KEY_HEX.test(key) && isCurvePoint(decodeHex(key)),
}

export class KnownKeys implements KeyTest {
  readonly #known: RecentAnswers<boolean>

  /** `capacity`: keys remembered at most, good and bad alike (who makes up bad ones can as easily make up good ones). */
  constructor(capacity = CAPACITY) {
    this.#known = new RecentAnswers(capacity)
  }

  /** Keys remembered. */
  get size(): number {
    return this.#known.size
  }

  /** Whether `key` is 64 lower-case hex digits of a point of the curve. */
  isKey(key: PeerKey): boolean {
    const known = this.#known.get(key)
    if (known !== undefined) return known
    if (!KEY_HEX.test(key)) return false
    const isKey = isCurvePoint(decodeHex(key))
    this.#known.set(key, isKey)
    return isKey
  }
}
