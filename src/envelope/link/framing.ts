/** The frame on a stream, and how the two generations of envelopes are told apart (spec/envelope.md §3.2, TRN-1). Pure. */

/** Bytes of the big-endian length in front of each frame. */
export const LENGTH_BYTES = 4

export type FrameKind = 'v1' | 'v2'

/** The length of a frame as it goes onto the wire. */
export function frameHeader(length: number): Uint8Array {
  const header = new Uint8Array(LENGTH_BYTES)
  header[0] = length >>> 24
  header[1] = length >>> 16
  header[2] = length >>> 8
  header[3] = length
  return header
}

/** The length that begins at `bytes[start]`, 0 to 2^32 - 1. */
export function frameLength(bytes: Uint8Array, start = 0): number {
  return bytes[start]! * 0x100_0000 + ((bytes[start + 1]! << 16) | (bytes[start + 2]! << 8) | bytes[start + 3]!)
}

/** TRN-1. Undefined: no envelope begins like that. */
export function frameKind(first: number): FrameKind | undefined {
  switch (first) {
    // an array of ten, which is what the Rust stack writes; then the forms that are read leniently: longer arrays, maps
    case 0x9a:
    case 0xdc:
    case 0xdd:
    case 0x8a:
    case 0xde:
      return 'v2'
    // `{`, or white space of JSON before it
    case 0x7b:
    case 0x20:
    case 0x09:
    case 0x0a:
    case 0x0d:
      return 'v1'
    default:
      return undefined
  }
}
