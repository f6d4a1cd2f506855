/**
 * ChaCha20-Poly1305 packet keys on the kernel. Owns key and IV as bytes; they are put into the kernel's memory when a packet needs
 * them and another key was there. Meets RFC 9001 §5.3 and §5.4.
 */
import { ChaCha20HeaderKey } from '../chacha20-header-key.ts'
import { freedError, type KeyLedger } from '../key-ledger.ts'
import { protectInSteps, unprotectInSteps } from '../packet-steps.ts'
import type { AeadKey, HeaderKey } from '../provider.ts'
import { KERNEL_KEY_LENGTH, type Kernel } from './kernel.ts'

export class KernelAeadKey implements AeadKey {
  readonly name = 'chacha20-poly1305'
  readonly #ledger: KeyLedger
  readonly #kernel: Kernel
  #key: Uint8Array | undefined

  constructor(ledger: KeyLedger, kernel: Kernel, key: Uint8Array, iv: Uint8Array) {
    this.#ledger = ledger
    this.#kernel = kernel
    this.#key = new Uint8Array(KERNEL_KEY_LENGTH)
    this.#key.set(key)
    this.#key.set(iv, key.length)
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
    this.#kernel.seal(key, bytes, headerStart, payloadStart, payloadEnd, pathId, packetNumber)
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
    return this.#kernel.open(key, bytes, headerStart, payloadStart, sealedEnd, pathId, packetNumber)
  }

  protect(
    header: HeaderKey,
    bytes: Uint8Array,
    start: number,
    packetNumberStart: number,
    payloadStart: number,
    payloadEnd: number,
    pathId: number,
    packetNumber: number,
  ): void {
    const key = this.#key
    if (key === undefined) throw freedError()
    if (header instanceof ChaCha20HeaderKey && header.kernel === this.#kernel) {
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
    } else {
      const mask = new Uint8Array(5)
      protectInSteps(
        this,
        header,
        mask,
        bytes,
        start,
        packetNumberStart,
        payloadStart,
        payloadEnd,
        pathId,
        packetNumber,
      )
    }
  }

  unprotect(
    header: HeaderKey,
    bytes: Uint8Array,
    start: number,
    packetNumberStart: number,
    end: number,
    pathId: number,
    largest: number,
    phase: number,
  ): number {
    const key = this.#key
    if (key === undefined) throw freedError()
    if (header instanceof ChaCha20HeaderKey && header.kernel === this.#kernel)
      return this.#kernel.unprotect(key, header.bytes, bytes, start, packetNumberStart, end, pathId, largest, phase)
    const mask = new Uint8Array(5)
    return unprotectInSteps(this, header, mask, bytes, start, packetNumberStart, end, pathId, largest, phase)
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
