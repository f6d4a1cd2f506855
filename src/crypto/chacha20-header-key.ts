/**
 * The ChaCha20 header protection key that all providers share. Owns the key words and their end; the block itself is in
 * `chacha20-block.ts`. Meets RFC 9001 §5.4.4.
 */
import { chacha20Block, chacha20KeyWords } from './chacha20-block.ts'
import type { Kernel } from './kernel/kernel.ts'
import { freedError, type KeyLedger } from './key-ledger.ts'
import { checkSample } from './key-lengths.ts'
import type { HeaderKey } from './provider.ts'

export class ChaCha20HeaderKey implements HeaderKey {
  /** Where packets can be protected with this key in one call. */
  readonly kernel: Kernel | undefined
  readonly #ledger: KeyLedger
  readonly #bytes: Uint8Array
  #words: Int32Array | undefined

  constructor(ledger: KeyLedger, key: Uint8Array, kernel?: Kernel) {
    this.kernel = kernel
    this.#ledger = ledger
    this.#bytes = key.slice()
    this.#words = chacha20KeyWords(key)
    ledger.opened()
  }

  /** The key itself, for the kernel. */
  get bytes(): Uint8Array {
    if (this.#words === undefined) throw freedError()
    return this.#bytes
  }

  mask(bytes: Uint8Array, sampleStart: number, mask: Uint8Array): void {
    const words = this.#words
    if (words === undefined) throw freedError()
    checkSample(bytes, sampleStart)
    chacha20Block(words, bytes, sampleStart, mask)
  }

  free(): void {
    if (this.#words === undefined) return
    this.kernel?.forget(this.#bytes)
    this.#bytes.fill(0)
    this.#words.fill(0)
    this.#words = undefined
    this.#ledger.closed()
  }
}
