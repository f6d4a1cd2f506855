/**
 * The WebAssembly kernel for ChaCha20-Poly1305: instantiates the embedded module, owns its one memory, checks positions and keeps track
 * of the keys that lie in it. What the module computes is written in `scripts/kernel/`; why it is safe, in docs/security.md.
 */
import { TAG_LENGTH } from '../key-lengths.ts'
import { LAYOUT, PAGE } from './layout.ts'
import { KERNEL_BASE64 } from './module.generated.ts'

/** What the module exports. Positions are addresses in its memory; the order of values is that of `AeadKey`. */
interface KernelExports {
  sealPacket(start: number, payloadStart: number, payloadEnd: number, pathId: number, packetNumber: number): void
  openPacket(start: number, payloadStart: number, sealedEnd: number, pathId: number, packetNumber: number): number
  protect(
    start: number,
    packetNumberStart: number,
    payloadStart: number,
    payloadEnd: number,
    pathId: number,
    packetNumber: number,
  ): void
  unprotect(
    start: number,
    packetNumberStart: number,
    end: number,
    pathId: number,
    largest: number,
    phase: number,
  ): number
}

/** Bytes of an AEAD key as the kernel takes it: 32 of key, 12 of IV. */
export const KERNEL_KEY_LENGTH = 44

/** A kernel, or undefined where there is no WebAssembly with SIMD (`--jitless`, old processors) or where a page's policy forbids it. */
export function createKernel(): Kernel | undefined {
  if (typeof WebAssembly === 'undefined') return undefined
  try {
    const module = new WebAssembly.Module(decodeBase64(KERNEL_BASE64))
    const memory = new WebAssembly.Memory({ initial: LAYOUT.packets / PAGE })
    const { exports } = new WebAssembly.Instance(module, { env: { memory } })
    return new Kernel(memory, exports as unknown as KernelExports)
  } catch {
    // Also when the address space for another memory is not to be had.
    return undefined
  }
}

/**
 * One memory of WebAssembly: keys and scratch in its first part, a copy of a packet from elsewhere in the next, then datagrams. Not for two threads.
 */
export class Kernel {
  readonly #memory: WebAssembly.Memory
  readonly #sealPacket: KernelExports['sealPacket']
  readonly #openPacket: KernelExports['openPacket']
  readonly #protect: KernelExports['protect']
  readonly #unprotect: KernelExports['unprotect']
  /** All of the memory below the packets. */
  #scratch: Uint8Array
  /** What `packetMemory` gave out; packets in it are worked on where they stand. */
  #packets: Uint8Array | undefined = undefined
  /** The keys that lie in the memory now, by identity. */
  #key: Uint8Array | undefined = undefined
  #headerKey: Uint8Array | undefined = undefined

  constructor(memory: WebAssembly.Memory, exports: KernelExports) {
    this.#memory = memory
    this.#scratch = new Uint8Array(memory.buffer, 0, LAYOUT.packets)
    this.#sealPacket = exports.sealPacket
    this.#openPacket = exports.openPacket
    this.#protect = exports.protect
    this.#unprotect = exports.unprotect
  }

  /**
   * The kernel's memory for datagrams the first time, `length` bytes; a plain array later, for growing the memory again would end the views of
   * the first.
   */
  packetMemory(length: number): Uint8Array {
    if (this.#packets !== undefined || length === 0) return new Uint8Array(length)
    try {
      this.#memory.grow(Math.ceil(length / PAGE))
    } catch {
      return new Uint8Array(length)
    }
    this.#scratch = new Uint8Array(this.#memory.buffer, 0, LAYOUT.packets)
    this.#packets = new Uint8Array(this.#memory.buffer, LAYOUT.packets, length)
    return this.#packets
  }

  /**
   * Whether `bytes[start, end)`, with its tag, is more than the kernel can work on: what stands in other memory is copied, and there is room for a
   * datagram. Then it also checks the positions, and throws RangeError.
   */
  isTooLong(bytes: Uint8Array, start: number, payloadStart: number, end: number): boolean {
    if (!(end + TAG_LENGTH - start > LAYOUT.copyLength) || bytes.buffer === this.#memory.buffer) return false
    checkOrder(start, payloadStart, end - TAG_LENGTH, end, bytes.length)
    return true
  }

  /** `AeadKey.seal` with a key of `KERNEL_KEY_LENGTH` bytes. */
  seal(
    key: Uint8Array,
    bytes: Uint8Array,
    start: number,
    payloadStart: number,
    payloadEnd: number,
    pathId: number,
    packetNumber: number,
  ): void {
    const end = payloadEnd + TAG_LENGTH
    checkOrder(start, payloadStart, payloadEnd, end, bytes.length)
    if (key !== this.#key) this.#use(key)
    const base = this.#enter(bytes, start, payloadEnd)
    this.#sealPacket(base + start, base + payloadStart, base + payloadEnd, pathId, packetNumber)
    this.#leave(base, bytes, start, end)
  }

  /** `AeadKey.open`. */
  open(
    key: Uint8Array,
    bytes: Uint8Array,
    start: number,
    payloadStart: number,
    sealedEnd: number,
    pathId: number,
    packetNumber: number,
  ): number {
    if (sealedEnd - TAG_LENGTH < payloadStart) return -1
    checkOrder(start, payloadStart, payloadStart, sealedEnd, bytes.length)
    if (key !== this.#key) this.#use(key)
    const base = this.#enter(bytes, start, sealedEnd)
    const result = this.#openPacket(base + start, base + payloadStart, base + sealedEnd, pathId, packetNumber)
    this.#leave(base, bytes, start, sealedEnd)
    return result < 0 ? result : result - base
  }

  /** `AeadKey.protect` with a header key of 32 bytes. */
  protect(
    key: Uint8Array,
    headerKey: Uint8Array,
    bytes: Uint8Array,
    start: number,
    packetNumberStart: number,
    payloadStart: number,
    payloadEnd: number,
    pathId: number,
    packetNumber: number,
  ): void {
    const end = payloadEnd + TAG_LENGTH
    checkOrder(start, packetNumberStart, payloadEnd, end, bytes.length)
    checkNumber(packetNumberStart, payloadStart, payloadEnd)
    if (key !== this.#key) this.#use(key)
    if (headerKey !== this.#headerKey) this.#useHeaderKey(headerKey)
    const base = this.#enter(bytes, start, payloadEnd)
    this.#protect(base + start, base + packetNumberStart, base + payloadStart, base + payloadEnd, pathId, packetNumber)
    this.#leave(base, bytes, start, end)
  }

  /** `AeadKey.unprotect`. */
  unprotect(
    key: Uint8Array,
    headerKey: Uint8Array,
    bytes: Uint8Array,
    start: number,
    packetNumberStart: number,
    end: number,
    pathId: number,
    largest: number,
    phase: number,
  ): number {
    checkOrder(start, packetNumberStart, packetNumberStart, end, bytes.length)
    if (key !== this.#key) this.#use(key)
    if (headerKey !== this.#headerKey) this.#useHeaderKey(headerKey)
    const base = this.#enter(bytes, start, end)
    const result = this.#unprotect(base + start, base + packetNumberStart, base + end, pathId, largest, phase)
    this.#leave(base, bytes, start, end)
    return result < 0 ? result : result - base
  }

  /** The owner of this key, of either kind, is about to wipe it: nothing of it stays here, nor what was made with it. */
  forget(key: Uint8Array): void {
    if (key !== this.#key && key !== this.#headerKey) return
    this.#scratch.fill(0, LAYOUT.secrets, LAYOUT.secretEnd)
    this.#key = undefined
    this.#headerKey = undefined
  }

  #use(key: Uint8Array): void {
    this.#scratch.set(key, LAYOUT.key)
    this.#key = key
  }

  #useHeaderKey(key: Uint8Array): void {
    this.#scratch.set(key, LAYOUT.headerKey)
    this.#headerKey = key
  }

  /** What to add to a position in `bytes` for its address. A packet from other memory is copied in. */
  #enter(bytes: Uint8Array, start: number, end: number): number {
    if (bytes === this.#packets) return LAYOUT.packets
    if (bytes.buffer === this.#memory.buffer) return bytes.byteOffset
    if (end + TAG_LENGTH - start > LAYOUT.copyLength) throw new RangeError('the packet is longer than any datagram')
    this.#scratch.set(bytes.subarray(start, end), LAYOUT.copy)
    return LAYOUT.copy - start
  }

  #leave(base: number, bytes: Uint8Array, start: number, end: number): void {
    if (base >= LAYOUT.packets) return
    bytes.set(this.#scratch.subarray(base + start, base + end), start)
  }
}

/** The module trusts its caller, and its own scratch lies below the packets: so positions are checked here, once a packet. */
function checkOrder(start: number, middle: number, payloadEnd: number, end: number, length: number): void {
  if (!(start >= 0 && start <= middle && middle <= payloadEnd && payloadEnd <= end && end <= length))
    throw new RangeError('the packet leaves the buffer')
}

function checkNumber(packetNumberStart: number, payloadStart: number, payloadEnd: number): void {
  const length = payloadStart - packetNumberStart
  if (!(length >= 1 && length <= 4 && payloadStart <= payloadEnd && packetNumberStart + 4 <= payloadEnd))
    throw new RangeError('the packet is too short for its header protection sample')
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text)
  const bytes = new Uint8Array(binary.length)
  for (let index = 0; index < bytes.length; index++) bytes[index] = binary.charCodeAt(index)
  return bytes
}
