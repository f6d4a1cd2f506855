/**
 * The masking of WebSocket payloads (RFC 6455 §5.3), in place: four bytes at a time where the memory is aligned for it. A mask is a number
 * here, 32 bits with the byte for the first payload byte on top.
 */

const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1

/** Below this many bytes a plain loop is as fast. */
const LEAST_FOR_WORDS = 16

/** All whole words of the memory that `bytes` is a view of, whatever its offset: what `applyMask` works on. */
export function wordsOf(bytes: Uint8Array): Int32Array {
  return new Int32Array(bytes.buffer, 0, bytes.buffer.byteLength >>> 2)
}

/** The mask as it stands for the payload byte that is `bytes` further on. */
export function rotateMask(mask: number, bytes: number): number {
  const bits = (bytes & 3) << 3
  return bits === 0 ? mask : (mask << bits) | (mask >>> (32 - bits))
}

/**
 * Masks or unmasks `bytes[start, end)`; `mask` begins at `start`. `words` is `wordsOf(bytes)`: the caller makes it once for all that stands
 * in the same memory.
 */
export function applyMask(bytes: Uint8Array, words: Int32Array, start: number, end: number, mask: number): void {
  let at = start
  let current = mask
  if (end - start >= LEAST_FOR_WORDS) {
    const { byteOffset } = bytes
    const aligned = start + (-(byteOffset + start) & 3)
    for (; at < aligned; at++) {
      bytes[at]! ^= current >>> 24
      current = (current << 8) | (current >>> 24)
    }
    const word = LITTLE_ENDIAN ? swapBytes(current) : current
    let index = (byteOffset + at) >>> 2
    const last = index + ((end - at) >>> 2)
    at += (last - index) << 2
    for (const unrolled = last - 7; index < unrolled; index += 8) {
      words[index]! ^= word
      words[index + 1]! ^= word
      words[index + 2]! ^= word
      words[index + 3]! ^= word
      words[index + 4]! ^= word
      words[index + 5]! ^= word
      words[index + 6]! ^= word
      words[index + 7]! ^= word
    }
    for (; index < last; index++) words[index]! ^= word
  }
  for (; at < end; at++) {
    bytes[at]! ^= current >>> 24
    current = (current << 8) | (current >>> 24)
  }
}

function swapBytes(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)
}
