/**
 * AES header protection keys on node:crypto: one ECB cipher, kept as long as the key lives, because making it costs more than
 * using it. Meets RFC 9001 §5.4.3.
 */
import { type Cipher, createCipheriv, createSecretKey } from 'node:crypto'
import { freedError, type KeyLedger } from '../key-ledger.ts'
import { checkSample, SAMPLE_LENGTH } from '../key-lengths.ts'
import type { HeaderKey } from '../provider.ts'

export class NodeAesHeaderKey implements HeaderKey {
  readonly #ledger: KeyLedger
  readonly #sample: Uint8Array
  #cipher: Cipher | undefined

  constructor(ledger: KeyLedger, key: Uint8Array) {
    this.#ledger = ledger
    this.#sample = new Uint8Array(SAMPLE_LENGTH)
    this.#cipher = createCipheriv(key.length === 16 ? 'aes-128-ecb' : 'aes-256-ecb', createSecretKey(key), null)
    // With padding the cipher would hold back the last block of each update.
    this.#cipher.setAutoPadding(false)
    ledger.opened()
  }

  mask(bytes: Uint8Array, sampleStart: number, mask: Uint8Array): void {
    const cipher = this.#cipher
    if (cipher === undefined) throw freedError()
    checkSample(bytes, sampleStart)
    // Copying 16 bytes is cheaper than making a view of them.
    const sample = this.#sample
    for (let i = 0; i < SAMPLE_LENGTH; i++) sample[i] = bytes[sampleStart + i]!
    const block = cipher.update(sample)
    mask[0] = block[0]!
    mask[1] = block[1]!
    mask[2] = block[2]!
    mask[3] = block[3]!
    mask[4] = block[4]!
  }

  free(): void {
    if (this.#cipher === undefined) return
    this.#cipher = undefined
    this.#ledger.closed()
  }
}
