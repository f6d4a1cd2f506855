/**
 * Which keys that peers name are keys (spec/gossip.md §4.2): iroh refuses a whole message for one bad name, and so nobody may pass one on unchecked. Remembers
 * what it was asked, within bounds.
 */
import { encodeHex, RecentAnswers } from '../../bytes/index.ts'
import { isCurvePoint } from '../../identity/index.ts'

const KEY_LENGTH = 32
/** Keys remembered at most, about 150 bytes each. Views of 35 peers in a hundred topics fit. A guess. */
const CAPACITY = 4_096

export class KeyCheck {
  readonly #known: RecentAnswers<boolean>

  /** `capacity`: keys remembered at most, good and bad alike (who makes up bad ones can as easily make up good ones). */
  constructor(capacity = CAPACITY) {
    this.#known = new RecentAnswers(capacity)
  }

  /** Keys remembered. A question that costs something changes it; one whose answer is known does not, but when the generations change. */
  get size(): number {
    return this.#known.size
  }

  /** `bytes` are only looked at. */
  isKey(bytes: Uint8Array): boolean {
    if (bytes.length !== KEY_LENGTH) return false
    const name = encodeHex(bytes)
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const isKey = isCurvePoint(bytes)
    this.#known.set(name, isKey)
    return isKey
  }
}
