/** CRC-32 as STUN's FINGERPRINT uses it: the reflected polynomial of IEEE 802.3. Messages are short, so it does without a table. */

const POLYNOMIAL = 0xedb88320

/** Of `bytes[start, end)`, 0 … 2^32 - 1. */
export function crc32(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let crc = 0xffffffff
  for (let index = start; index < end; index++) {
    crc ^= bytes[index]!
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (POLYNOMIAL & -(crc & 1))
  }
  return ~crc >>> 0
}
