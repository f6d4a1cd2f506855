/**
 * AEAD packet keys on noble, for places without node:crypto. Owns key, IV and one nonce buffer; AES runs on look-up tables there,
 * which depend on secret data, so peers are better offered ChaCha20-Poly1305 first. Meets RFC 9001 §5.3.
 */
import { gcm } from '@noble/ciphers/aes.js'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { freedError, type KeyLedger } from '../key-ledger.ts'
import { TAG_LENGTH } from '../key-lengths.ts'
import { writeNonce } from '../nonce.ts'
import type { AeadName } from '../provider.ts'
import { SteppedAeadKey } from '../stepped-aead-key.ts'

export class PortableAeadKey extends SteppedAeadKey {
  readonly name: AeadName
  readonly #ledger: KeyLedger
  readonly #iv: Uint8Array
  readonly #nonce: Uint8Array
  #key: Uint8Array | undefined

  constructor(ledger: KeyLedger, name: AeadName, key: Uint8Array, iv: Uint8Array) {
    super()
    this.name = name
    this.#ledger = ledger
    this.#iv = iv.slice()
    this.#nonce = new Uint8Array(12)
    this.#key = key.slice()
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
    const header = bytes.subarray(headerStart, payloadStart)
    const payload = bytes.subarray(payloadStart, payloadEnd)
    if (this.name === 'chacha20-poly1305') {
      const sealed = bytes.subarray(payloadStart, payloadEnd + TAG_LENGTH)
      chacha20poly1305(key, this.#nonce, header).encrypt(payload, sealed)
    } else {
      bytes.set(gcm(key, this.#nonce, header).encrypt(payload), payloadStart)
    }
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
    const header = bytes.subarray(headerStart, payloadStart)
    const sealed = bytes.subarray(payloadStart, sealedEnd)
    try {
      if (this.name === 'chacha20-poly1305') {
        chacha20poly1305(key, this.#nonce, header).decrypt(sealed, bytes.subarray(payloadStart, tagStart))
      } else {
        bytes.set(gcm(key, this.#nonce, header).decrypt(sealed), payloadStart)
      }
    } catch {
      return -1
    }
    return tagStart
  }

  free(): void {
    if (this.#key === undefined) return
    this.#key.fill(0)
    this.#key = undefined
    this.#ledger.closed()
  }
}
