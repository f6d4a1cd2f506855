/**
 * Which keys that peers name are keys (spec/gossip.md §4.2): iroh refuses a whole message for one bad name, and so nobody may pass one on unchecked. Remembers
 * what it was asked, within bounds.
 */
import { encodeHex } from '../../bytes/index.ts'
import { isCurvePoint } from '../../identity/index.ts'

const KEY_LENGTH = 32
/** Keys remembered at most, about 150 bytes each. Views of 35 peers in a hundred topics fit. A guess. */
const CAPACITY = 4_096

export class KeyCheck {
  readonly #half: number
  /** Two generations, so that forgetting costs nothing: the older one goes when the younger is full. */
  #young = new Map<string, boolean>()
  #old = new Map<string, boolean>()

  /** `capacity`: keys remembered at most, good and bad alike (who makes up bad ones can as easily make up good ones). */
  constructor(capacity = CAPACITY) {
    this.#half = Math.max(1, Math.floor(capacity / 2))
  }

  /** Keys remembered. A question that costs something changes it; one whose answer is known does not, but when the generations change. */
  get size(): number {
    return this.#young.size + this.#old.size
  }

  /** `bytes` are only looked at. */
  isKey(bytes: Uint8Array): boolean {
    if (bytes.length !== KEY_LENGTH) return false
    const name = encodeHex(bytes)
    const known = this.#young.get(name)
    if (known !== undefined) return known
    const isKey = this.#old.get(name) ?? isCurvePoint(bytes)
    this.#old.delete(name)
    this.#young.set(name, isKey)
    if (this.#young.size >= this.#half) {
      this.#old = this.#young
      this.#young = new Map()
    }
    return isKey
  }
}
