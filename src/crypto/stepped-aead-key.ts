/**
 * What AEAD keys have in common that protect a packet step by step: `seal` or `open`, and the header mask. A key with one call for both overrides
 * these and falls back on them. RFC 9001 §5.3, §5.4.
 */
import { protectInSteps, unprotectInSteps } from './packet-steps.ts'
import type { AeadKey, AeadName, HeaderKey } from './provider.ts'

export abstract class SteppedAeadKey implements AeadKey {
  abstract readonly name: AeadName
  /** Scratch, made when it is needed: keys that have one call for it seldom do. */
  #mask: Uint8Array | undefined = undefined

  abstract seal(
    bytes: Uint8Array,
    headerStart: number,
    payloadStart: number,
    payloadEnd: number,
    pathId: number,
    packetNumber: number,
  ): void

  abstract open(
    bytes: Uint8Array,
    headerStart: number,
    payloadStart: number,
    sealedEnd: number,
    pathId: number,
    packetNumber: number,
  ): number

  abstract free(): void

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
    this.#mask ??= new Uint8Array(5)
    protectInSteps(
      this,
      header,
      this.#mask,
      bytes,
      start,
      packetNumberStart,
      payloadStart,
      payloadEnd,
      pathId,
      packetNumber,
    )
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
    this.#mask ??= new Uint8Array(5)
    return unprotectInSteps(this, header, this.#mask, bytes, start, packetNumberStart, end, pathId, largest, phase)
  }
}
