/**
 * Where things stand in the kernel's memory: shared by the generator, which writes these addresses into the module, and by the
 * wrapper, which puts keys there. Bytes; all aligned to 16.
 */

export const LAYOUT = {
  /** Begin and end of all that may hold secrets. In the other half of a page than packets in aligned slots: some processors take equal low address bits for a conflict. */
  secrets: 2048,
  secretEnd: 2912,
  /** AEAD key, 32 bytes, then its IV, 12 bytes. */
  key: 2048,
  iv: 2080,
  /** Header protection key, 32 bytes. */
  headerKey: 2096,
  /** The nonce of the packet at work, 12 bytes. */
  nonce: 2128,
  /** Poly1305: r (4 limbs) and r + r/4 (3 limbs), 8 bytes each; the accumulator (5 limbs); the final addend, 16 bytes. */
  multiplier: 2144,
  accumulator: 2208,
  addend: 2256,
  /** A block that is put together: the last of a message, the lengths; then the computed tag. */
  block: 2272,
  tag: 2288,
  /** Two buffers of 256 bytes keystream, each with 16 bytes for the vector that closes a shorter one. */
  keystream: 2304,
  otherKeystream: 2576,
  /** The first row of the four states between double rounds, 64 bytes. */
  firstRow: 2848,
  /** Constant: 16 bytes of ones, then 16 of zeros; read from the middle it masks what lies behind the end of a message. */
  tailMask: 2912,
  /** Room for a packet that stands in other memory: the largest datagram and a tag. */
  copy: 4096,
  copyLength: 65_536 + 1024,
  /** Packet memory begins here. */
  packets: 131_072,
} as const

/** Bytes in a page of WebAssembly memory. */
export const PAGE = 65_536
