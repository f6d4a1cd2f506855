/**
 * Hashes, HMAC and HKDF on node:crypto. HMAC keys are always wrapped in a KeyObject: a raw one costs 10 µs a call in Node 24.
 * Meets RFC 2104 and RFC 5869.
 */
import { createHash, createHmac, createSecretKey, type Hash } from 'node:crypto'
import { checkExpandLength, hashLength } from '../key-lengths.ts'
import type { HashName, RunningHash } from '../provider.ts'
import { plainBytes } from './plain-bytes.ts'

export class NodeRunningHash implements RunningHash {
  readonly #hash: Hash

  constructor(name: HashName) {
    this.#hash = createHash(name)
  }

  update(data: Uint8Array): void {
    this.#hash.update(data)
  }

  digest(): Uint8Array {
    // A digest ends the hash that it is taken of, so take it of a copy.
    return plainBytes(this.#hash.copy().digest())
  }
}

export function hmac(name: HashName, key: Uint8Array, data: Uint8Array): Uint8Array {
  return plainBytes(createHmac(name, createSecretKey(key)).update(data).digest())
}

/** RFC 5869 §2.3. Throws RangeError beyond 255 hash lengths. */
export function hkdfExpand(name: HashName, pseudoRandomKey: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  checkExpandLength(name, length)
  const blockLength = hashLength(name)
  const key = createSecretKey(pseudoRandomKey)
  const out = new Uint8Array(length)
  let previous: Buffer | undefined
  for (let done = 0, counter = 1; done < length; done += blockLength, counter++) {
    const mac = createHmac(name, key)
    if (previous !== undefined) mac.update(previous)
    previous = mac.update(info).update(Uint8Array.of(counter)).digest()
    out.set(length - done >= blockLength ? previous : previous.subarray(0, length - done), done)
  }
  return out
}
