/**
 * AES header protection keys on noble. Meets RFC 9001 §5.4.3; the ChaCha20 ones are shared by all providers.
 */
import { ecb } from '@noble/ciphers/aes.js'
import { freedError, type KeyLedger } from '../key-ledger.ts'
import { checkSample, SAMPLE_LENGTH } from '../key-lengths.ts'
import type { HeaderKey } from '../provider.ts'

const OPTIONS = Object.freeze({ disablePadding: true })

export class PortableAesHeaderKey implements HeaderKey {
  readonly #ledger: KeyLedger
  #key: Uint8Array | undefined

  constructor(ledger: KeyLedger, key: Uint8Array) {
    this.#ledger = ledger
    this.#key = key.slice()
    ledger.opened()
  }

  mask(bytes: Uint8Array, sampleStart: number, mask: Uint8Array): void {
    if (this.#key === undefined) throw freedError()
    checkSample(bytes, sampleStart)
    const block = ecb(this.#key, OPTIONS).encrypt(bytes.subarray(sampleStart, sampleStart + SAMPLE_LENGTH))
    for (let i = 0; i < 5; i++) mask[i] = block[i]!
  }

  free(): void {
    if (this.#key === undefined) return
    this.#key.fill(0)
    this.#key = undefined
    this.#ledger.closed()
  }
}
