/**
 * ChaCha20-Poly1305 packet keys on the kernel. Owns key and IV as bytes; they are put into the kernel's memory when a packet needs
 * them and another key was there. What is longer than any datagram goes to the provider's other implementation. Meets RFC 9001 §5.3 and §5.4.
 */
import { ChaCha20HeaderKey } from '../chacha20-header-key.ts'
import { freedError, type KeyLedger } from '../key-ledger.ts'
import { TAG_LENGTH } from '../key-lengths.ts'
import type { AeadKey, AeadName, HeaderKey } from '../provider.ts'
import { SteppedAeadKey } from '../stepped-aead-key.ts'
import { KERNEL_KEY_LENGTH, type Kernel } from './kernel.ts'

/** The bytes of the AEAD key alone, then of its IV. */
const AEAD_KEY_LENGTH = 32

/** What a provider has besides the kernel. */
export type LongAeadKey = new (ledger: KeyLedger, name: AeadName, key: Uint8Array, iv: Uint8Array) => AeadKey

export class KernelAeadKey extends SteppedAeadKey {
  readonly name = 'chacha20-poly1305'
  readonly #ledger: KeyLedger
  readonly #kernel: Kernel
  readonly #LongAeadKey: LongAeadKey
  #key: Uint8Array | undefined

  constructor(ledger: KeyLedger, kernel: Kernel, key: Uint8Array, iv: Uint8Array, long: LongAeadKey) {
    super()
    this.#ledger = ledger
    this.#kernel = kernel
    this.#LongAeadKey = long
    this.#key = new Uint8Array(KERNEL_KEY_LENGTH)
    this.#key.set(key)
    this.#key.set(iv, key.length)
    ledger.opened()
  }

  #live(): Uint8Array {
    if (this.#key === undefined) throw freedError()
    return this.#key
  }

  seal(
    bytes: Uint8Array,
    headerStart: number,
    payloadStart: number,
    payloadEnd: number,
    pathId: number,
    packetNumber: number,
  ): void {
    const key = this.#live()
    if (this.#kernel.isTooLong(bytes, headerStart, payloadStart, payloadEnd + TAG_LENGTH))
      this.#withLong(key, (long) => long.seal(bytes, headerStart, payloadStart, payloadEnd, pathId, packetNumber))
    else this.#kernel.seal(key, bytes, headerStart, payloadStart, payloadEnd, pathId, packetNumber)
  }

  open(
    bytes: Uint8Array,
    headerStart: number,
    payloadStart: number,
    sealedEnd: number,
    pathId: number,
    packetNumber: number,
  ): number {
    const key = this.#live()
    if (this.#kernel.isTooLong(bytes, headerStart, payloadStart, sealedEnd))
      return this.#withLong(key, (long) => long.open(bytes, headerStart, payloadStart, sealedEnd, pathId, packetNumber))
    return this.#kernel.open(key, bytes, headerStart, payloadStart, sealedEnd, pathId, packetNumber)
  }

  override protect(
    header: HeaderKey,
    bytes: Uint8Array,
    start: number,
    packetNumberStart: number,
    payloadStart: number,
    payloadEnd: number,
    pathId: number,
    packetNumber: number,
  ): void {
    const key = this.#live()
    if (header instanceof ChaCha20HeaderKey && header.kernel === this.#kernel)
      this.#kernel.protect(
        key,
        header.bytes,
        bytes,
        start,
        packetNumberStart,
        payloadStart,
        payloadEnd,
        pathId,
        packetNumber,
      )
    else super.protect(header, bytes, start, packetNumberStart, payloadStart, payloadEnd, pathId, packetNumber)
  }

  override unprotect(
    header: HeaderKey,
    bytes: Uint8Array,
    start: number,
    packetNumberStart: number,
    end: number,
    pathId: number,
    largest: number,
    phase: number,
  ): number {
    const key = this.#live()
    if (header instanceof ChaCha20HeaderKey && header.kernel === this.#kernel)
      return this.#kernel.unprotect(key, header.bytes, bytes, start, packetNumberStart, end, pathId, largest, phase)
    return super.unprotect(header, bytes, start, packetNumberStart, end, pathId, largest, phase)
  }

  #withLong<T>(key: Uint8Array, work: (long: AeadKey) => T): T {
    const long = new this.#LongAeadKey(
      this.#ledger,
      this.name,
      key.subarray(0, AEAD_KEY_LENGTH),
      key.subarray(AEAD_KEY_LENGTH),
    )
    try {
      return work(long)
    } finally {
      long.free()
    }
  }

  free(): void {
    const key = this.#key
    if (key === undefined) return
    this.#kernel.forget(key)
    key.fill(0)
    this.#key = undefined
    this.#ledger.closed()
  }
}
