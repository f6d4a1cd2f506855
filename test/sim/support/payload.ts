/** The bytes of transfers and datagrams: any piece of them can be made, and judged, without the rest. */
import { SimRandom } from './random.ts'

/** A prime, so that no power of two in the code lines up with it. */
const PERIOD = 65_521
const PATTERN = (() => {
  const once = new SimRandom('payload').bytes(PERIOD)
  const twice = new Uint8Array(2 * PERIOD)
  twice.set(once)
  twice.set(once, PERIOD)
  return twice
})()

function phase(channel: number, offset: number): number {
  return (channel * 7919 + offset) % PERIOD
}

/** Up to PERIOD bytes of `channel` from `offset` on, as a view of memory nobody may write to. */
export function patternAt(channel: number, offset: number, length: number): Uint8Array {
  const start = phase(channel, offset)
  return PATTERN.subarray(start, start + Math.min(length, PERIOD))
}

export function matchesPattern(bytes: Uint8Array, channel: number, offset: number): boolean {
  for (let at = 0; at < bytes.length; ) {
    const expected = patternAt(channel, offset + at, bytes.length - at)
    if (Buffer.compare(bytes.subarray(at, at + expected.length), expected) !== 0) return false
    at += expected.length
  }
  return true
}
