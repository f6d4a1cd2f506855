/**
 * AEAD packet keys on node:crypto. Owns the KeyObject, the IV and one nonce buffer per key; a cipher object per packet cannot be
 * avoided there. Meets RFC 9001 §5.3.
 */
import { type CipherGCMTypes, createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import { freedError, type KeyLedger } from '../key-ledger.ts'
import { TAG_LENGTH } from '../key-lengths.ts'
import { writeNonce } from '../nonce.ts'
import type { AeadName } from '../provider.ts'
import { SteppedAeadKey } from '../stepped-aead-key.ts'

const OPTIONS = Object.freeze({ authTagLength: TAG_LENGTH })

export class NodeAeadKey extends SteppedAeadKey {
  readonly name: AeadName
  /** ChaCha20-Poly1305 has the calls of the GCM ciphers, but a type of its own in node:crypto. */
  readonly #cipher: CipherGCMTypes
  readonly #ledger: KeyLedger
  readonly #iv: Uint8Array
  readonly #nonce: Uint8Array
  #key: KeyObject | undefined

  constructor(ledger: KeyLedger, name: AeadName, key: Uint8Array, iv: Uint8Array) {
    super()
    this.name = name
    this.#cipher = name as CipherGCMTypes
    this.#ledger = ledger
    this.#iv = iv.slice()
    this.#nonce = new Uint8Array(12)
    // A raw key would be wrapped anew for each packet, which costs 12 µs in Node 24.
    this.#key = createSecretKey(key)
    ledger.opened()
  }

  seal(
    bytes: Uint8Array,
    headerStart: number,
    payloadStart: number,
    payloadEnd: number,
    pathId: number,
    packetNumber: number,
  ): void {
    const key = this.#key
    if (key === undefined) throw freedError()
    writeNonce(this.#nonce, this.#iv, pathId, packetNumber)
    const cipher = createCipheriv(this.#cipher, key, this.#nonce, OPTIONS)
    cipher.setAAD(bytes.subarray(headerStart, payloadStart))
    bytes.set(cipher.update(bytes.subarray(payloadStart, payloadEnd)), payloadStart)
    cipher.final()
    bytes.set(cipher.getAuthTag(), payloadEnd)
  }

  open(
    bytes: Uint8Array,
    headerStart: number,
    payloadStart: number,
    sealedEnd: number,
    pathId: number,
    packetNumber: number,
  ): number {
    const key = this.#key
    if (key === undefined) throw freedError()
    const tagStart = sealedEnd - TAG_LENGTH
    if (tagStart < payloadStart) return -1
    writeNonce(this.#nonce, this.#iv, pathId, packetNumber)
    const decipher = createDecipheriv(this.#cipher, key, this.#nonce, OPTIONS)
    decipher.setAuthTag(bytes.subarray(tagStart, sealedEnd))
    decipher.setAAD(bytes.subarray(headerStart, payloadStart))
    const plain = decipher.update(bytes.subarray(payloadStart, tagStart))
    try {
      decipher.final()
    } catch {
      return -1
    }
    bytes.set(plain, payloadStart)
    return tagStart
  }

  free(): void {
    if (this.#key === undefined) return
    this.#key = undefined
    this.#ledger.closed()
  }
}
