/**
 * Hashes, HMAC and HKDF on node:crypto's hashes. Meets RFC 2104 and RFC 5869.
 */
import { createHash, type Hash, hash } from 'node:crypto'
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

/**
 * RFC 2104 over one-shot hashes, which cost half of an HMAC object and its KeyObject; a handshake takes about forty of them. The pads are
 * made anew for each call, and hold the key only until it is over.
 */
export function hmac(name: HashName, key: Uint8Array, ...data: readonly Uint8Array[]): Uint8Array {
  const blockLength = name === 'sha256' ? 64 : 128
  const secret = key.length > blockLength ? hash(name, key, 'buffer') : key
  let length = 0
  for (const part of data) length += part.length
  const inner = new Uint8Array(blockLength + length)
  const outer = new Uint8Array(blockLength + hashLength(name))
  for (let index = 0; index < blockLength; index++) {
    const byte = index < secret.length ? secret[index]! : 0
    inner[index] = byte ^ 0x36
    outer[index] = byte ^ 0x5c
  }
  let at = blockLength
  for (const part of data) {
    inner.set(part, at)
    at += part.length
  }
  outer.set(hash(name, inner, 'buffer'), blockLength)
  const mac = plainBytes(hash(name, outer, 'buffer'))
  inner.fill(0)
  outer.fill(0)
  return mac
}

/** RFC 5869 §2.3. Throws RangeError beyond 255 hash lengths. */
export function hkdfExpand(name: HashName, pseudoRandomKey: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  checkExpandLength(name, length)
  const blockLength = hashLength(name)
  if (length === blockLength) return hmac(name, pseudoRandomKey, info, Uint8Array.of(1))
  const out = new Uint8Array(length)
  let previous: Uint8Array = new Uint8Array(0)
  for (let done = 0, counter = 1; done < length; done += blockLength, counter++) {
    previous = hmac(name, pseudoRandomKey, previous, info, Uint8Array.of(counter))
    out.set(length - done >= blockLength ? previous : previous.subarray(0, length - done), done)
  }
  return out
}
