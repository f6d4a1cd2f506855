/**
 * Buffers of node:crypto as plain `Uint8Array`s. A Buffer must not leave this folder: its `slice` is a view where everybody else's
 * is a copy.
 */

/** A view of a buffer that node:crypto made for this one result (never of the shared pool). */
export function plainBytes(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}
