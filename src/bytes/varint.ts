/**
 * QUIC variable-length integers (RFC 9000 §16) on plain numbers. Values above 2^53 - 1 cannot be held exactly: they read as
 * Number.MAX_SAFE_INTEGER, which every limit in this project treats as "no limit".
 */

/** Stands for the largest value the encoding can carry, 2^62 - 1; the nearest number is 2^62. */
export const VARINT_MAX = 2 ** 62

/** Bytes the shortest encoding of `value` takes: 1, 2, 4 or 8. */
export function varintLength(value: number): 1 | 2 | 4 | 8 {
  if (value < 0x40) return 1
  if (value < 0x4000) return 2
  if (value < 0x40000000) return 4
  return 8
}

/** Writes the shortest encoding of `value` at `at`; returns the position after it. The caller made sure that it fits. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  if (value < 0x40) {
    bytes[at] = value
    return at + 1
  }
  if (value < 0x4000) {
    bytes[at] = 0x40 | (value >>> 8)
    bytes[at + 1] = value
    return at + 2
  }
  if (value < 0x40000000) {
    bytes[at] = 0x80 | (value >>> 24)
    bytes[at + 1] = value >>> 16
    bytes[at + 2] = value >>> 8
    bytes[at + 3] = value
    return at + 4
  }
  if (value >= VARINT_MAX) {
    bytes.fill(0xff, at, at + 8)
    return at + 8
  }
  const high = Math.floor(value / 0x100000000)
  bytes[at] = 0xc0 | (high >>> 24)
  bytes[at + 1] = high >>> 16
  bytes[at + 2] = high >>> 8
  bytes[at + 3] = high
  const low = value >>> 0
  bytes[at + 4] = low >>> 24
  bytes[at + 5] = low >>> 16
  bytes[at + 6] = low >>> 8
  bytes[at + 7] = low
  return at + 8
}
