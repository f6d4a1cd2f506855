/**
 * Whether 32 bytes are a public key, without the x that decompression would find (spec/gossip.md §4.2): peers name others in lists, iroh refuses a whole message for
 * one bad name, and so nobody may pass one on unchecked. Remembers what it was asked, within bounds; RFC 8032 §5.1.3, read as liberally as ZIP 215 reads it.
 */
import { encodeHex } from '../../bytes/index.ts'

const KEY_LENGTH = 32
/** Keys remembered at most, about 150 bytes each. Views of 35 peers in a hundred topics fit. A guess. */
const CAPACITY = 4_096
/** The field of the curve, and d of its equation. */
const P = (1n << 255n) - 19n
const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n
const LOW_63_BITS = (1n << 63n) - 1n

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

/**
 * Whether 32 bytes decompress to a point of edwards25519: x² = (y² - 1) / (d y² + 1) must be a square. Any y and any sign bit are taken, as iroh takes them. The Jacobi
 * symbol tells, six times as fast as the root itself.
 */
export function isCurvePoint(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, KEY_LENGTH)
  const top = view.getBigUint64(24, true) & LOW_63_BITS
  const y =
    (top << 192n) |
    (view.getBigUint64(16, true) << 128n) |
    (view.getBigUint64(8, true) << 64n) |
    view.getBigUint64(0, true)
  const ySquared = (y * y) % P
  // u / v is a square where u v is; v is never 0, because -1/d is none
  const product = ((ySquared + P - 1n) * (D * ySquared + 1n)) % P
  return jacobi(product, P) === 1
}

/** The Jacobi symbol (a/n) for odd n and 0 ≤ a < n without a common factor: 1 or -1; 1 for a = 0, a square too. */
function jacobi(a: bigint, n: bigint): number {
  let [top, bottom, sign] = [a, n, 1]
  while (top !== 0n) {
    let zeros = 0
    for (let low = lowBits(top); low === 0; low = lowBits(top)) {
      top >>= 32n
      zeros += 32
    }
    const low = lowBits(top)
    const shift = 31 - Math.clz32(low & -low)
    top >>= BigInt(shift)
    const bottomBits = lowBits(bottom)
    // (2/n) is -1 for n = 3 or 5 mod 8; quadratic reciprocity
    if (((zeros + shift) & 1) === 1 && ((bottomBits + 2) & 4) !== 0) sign = -sign
    if ((bottomBits & 3) === 3 && (lowBits(top) & 3) === 3) sign = -sign
    const rest = bottom % top
    bottom = top
    top = rest
  }
  return sign
}

function lowBits(value: bigint): number {
  return Number(BigInt.asUintN(32, value)) | 0
}
