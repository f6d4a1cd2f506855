/**
 * CRC-32C (Castagnoli, as in RFC 9260 appendix A), the checksum of the journal's records. It stands against damage, not against forgers: who can write to the folder can
 * write any checksum. A truncated BLAKE3 would find no accident more that matters here and takes five times as long and three times the code.
 */

/** Reflected 0x1edc6f41. */
const POLYNOMIAL = 0x82f63b78

const TABLE = Int32Array.from({ length: 256 }, (_, index) => {
  let value = index
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1
  return value
})

/** Of `bytes` from `start` to `end`; `seed` is the checksum of what stands before them, 0 for nothing. Unsigned. */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length, seed = 0): number {
  let crc = ~seed
  for (let index = start; index < end; index++) crc = (crc >>> 8) ^ TABLE[(crc ^ bytes[index]!) & 0xff]!
  return ~crc >>> 0
}
