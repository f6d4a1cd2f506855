/**
 * Timed contents: 8 bytes of microseconds since 1970, 4 bytes of node index, 4 bytes of sequence (all big endian), filler. Both workers write and read them, so
 * that latencies need no common memory.
 */

/** Bytes before the filler. */
export const HEAD_BYTES = 16
/** Older than this, or younger than now by more than the clocks of two processes may differ: not a timed content, µs. */
const OLDEST_US = 600_000_000
const SKEW_US = 5_000

/** Microseconds since 1970: processes of one machine agree on them. */
export function wallUs(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1000)
}

/** `size` is at least `HEAD_BYTES`. */
export function writeTimed(size: number, atUs: number, node: number, sequence: number): Uint8Array {
  const content = new Uint8Array(size).fill(0x67)
  const view = new DataView(content.buffer)
  view.setBigUint64(0, BigInt(atUs))
  view.setUint32(8, node)
  view.setUint32(12, sequence)
  return content
}

/** Microseconds since it was written; undefined for other contents. */
export function latencyUs(content: Uint8Array, nowUs: number): number | undefined {
  if (content.length < HEAD_BYTES) return undefined
  const view = new DataView(content.buffer, content.byteOffset)
  // as two numbers: a BigInt for each message would be measured too
  const atUs = view.getUint32(0) * 2 ** 32 + view.getUint32(4)
  const latency = nowUs - atUs
  return latency >= -SKEW_US && latency <= OLDEST_US ? Math.max(0, latency) : undefined
}
