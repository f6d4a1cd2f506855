/** What the envelope suites are run with: the Rust libraries behind one program, our own keys, and randomness that is the same every time. */
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { Sealer } from '../../src/envelope/sealing/sealer.ts'
import { SecretKey } from '../../src/index.ts'
import type { RandomSource } from '../../src/platform/index.ts'
import { EnvelopeProgram } from './envelope-program.ts'
import type { Person } from './samples.ts'

export interface EnvelopeLab {
  readonly rust: EnvelopeProgram
}

export const crypto = createNodeCrypto()

/** Ours; what it draws is `random`'s. */
export function sealerOf({ seed }: Person, random: RandomSource, isCompact = false): Sealer {
  return new Sealer({ secretKey: SecretKey.fromBytes(seed), crypto, random, isCompact })
}

/** A program; stop it. */
export async function startLab(binary: string): Promise<EnvelopeLab> {
  return { rust: await EnvelopeProgram.start(binary) }
}

/** Xorshift: the same numbers for the same seed. */
export class Random implements RandomSource {
  #state: number

  /** Not zero. */
  constructor(seed: number) {
    this.#state = seed
  }

  /** 0 to `below` - 1. */
  next(below: number): number {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) % below
  }

  fill(out: Uint8Array): void {
    for (let index = 0; index < out.length; index++) out[index] = this.next(256)
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    this.fill(bytes)
    return bytes
  }

  /** One or two bytes are changed, put in or left out, mostly not between `start` and `end`. Half of the new ones mean something to MessagePack. */
  mutate(bytes: Uint8Array, { start, end }: { readonly start: number; readonly end: number }): Uint8Array {
    const out = [...bytes]
    for (let changes = 1 + this.next(2); changes > 0; changes--) {
      let at = this.next(out.length)
      if (at >= start && at < end && this.next(8) > 0) at = end + this.next(out.length - end)
      const byte = this.next(2) === 0 ? this.next(256) : 0xc0 + this.next(64)
      const kind = this.next(4)
      if (kind < 2) out[at] = byte
      else if (kind === 2) out.splice(at, 0, byte)
      else out.splice(at, 1)
    }
    return Uint8Array.from(out)
  }
}
