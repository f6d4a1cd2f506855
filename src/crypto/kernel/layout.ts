/**
 * Where things stand in the kernel's memory: shared by the generator, which writes these addresses into the module, and by the
 * wrapper, which puts keys there. Bytes; all aligned to 16.
 */

export const LAYOUT = {
  /** AEAD key, 32 bytes, then its IV, 12 bytes. */
  key: 0,
  iv: 32,
  /** Header protection key, 32 bytes. */
  headerKey: 48,
  /** The nonce of the packet at work, 12 bytes. */
  nonce: 80,
  /** Poly1305: r (4 limbs) and r + r/4 (3 limbs), 8 bytes each; the accumulator (5 limbs); the final addend, 16 bytes. */
  multiplier: 96,
  accumulator: 160,
  addend: 208,
  /** A block that is put together: the last of a message, the lengths; then the computed tag. */
  block: 224,
  tag: 240,
  /** Two buffers of 256 bytes keystream, each with 16 bytes for the vector that closes a shorter one. */
  keystream: 256,
  otherKeystream: 528,
  /** The first row of the four states between double rounds. */
  firstRow: 800,
  /** Everything above may hold secrets. */
  secretEnd: 864,
  /** Constant: 16 bytes of ones, then 16 of zeros; read from the middle it masks what lies behind the end of a message. */
  tailMask: 864,
  /** Room for a packet that stands in other memory. */
  copy: 1024,
  copyLength: 65_536 + 1024,
  /** Packet memory begins here. */
  packets: 131_072,
} as const

/** Bytes in a page of WebAssembly memory. */
export const PAGE = 65_536
