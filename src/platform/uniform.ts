/** A random number from the platform's source of random bytes. */
import type { RandomSource } from './platform.ts'

/** 0 ≤ x < 1. */
export function uniform(random: RandomSource): number {
  const bytes = new Uint8Array(4)
  random.fill(bytes)
  return new DataView(bytes.buffer).getUint32(0) / 2 ** 32
}
