/**
 * CRYPTO data of one encryption level, both ways (RFC 9000 §7.5, §19.6): what TLS wrote until it is acknowledged, and what arrived until it
 * is in order. Out-of-order data is bounded; flow control does not apply to it.
 */
import { ErrorCode, TransportError } from '../errors.ts'
import type { FrameOwner, PacketWriter, SentFrame } from '../recovery/frame-owner.ts'
import { FrameType } from '../wire/frame-types.ts'
import { cryptoFrameOverhead, writeCryptoHeader } from '../wire/stream-frames.ts'

/** RFC 9000 §7.5 asks for 4096 at least; a post-quantum ClientHello in shuffled order fits as well. */
const MAX_BUFFERED = 65_536
/** Out-of-order pieces: what half of RFC 9000 §7.5's 4096 bytes would be, byte by byte with gaps. */
const MAX_PIECES = 2048
/** A CRYPTO frame smaller than this is not worth its header. */
const MIN_PIECE = 16

interface Piece {
  readonly offset: number
  readonly data: Uint8Array
}

export class CryptoStream implements FrameOwner {
  #sendBytes = new Uint8Array(0)
  #unsentFrom = 0
  /** Lost ranges [start, end), to be sent first. */
  #lost: [number, number][] = []
  #acked: [number, number][] = []
  #receivedTo = 0
  #early: Piece[] = []
  #earlyBytes = 0

  get hasPending(): boolean {
    return this.#lost.length > 0 || this.#unsentFrom < this.#sendBytes.length
  }

  /** TLS wrote `data`. */
  send(data: Uint8Array): void {
    const joined = new Uint8Array(this.#sendBytes.length + data.length)
    joined.set(this.#sendBytes)
    joined.set(data, this.#sendBytes.length)
    this.#sendBytes = joined
  }

  write(packet: PacketWriter): boolean {
    while (this.#lost.length > 0) {
      const range = this.#lost[0]!
      const end = this.#writePiece(packet, range[0], range[1])
      if (end === range[0]) return true
      if (end < range[1]) {
        range[0] = end
        return true
      }
      this.#lost.shift()
    }
    if (this.#unsentFrom < this.#sendBytes.length)
      this.#unsentFrom = this.#writePiece(packet, this.#unsentFrom, this.#sendBytes.length)
    return this.hasPending
  }

  /** Writes what fits of [start, end); returns where it stopped. */
  #writePiece(packet: PacketWriter, start: number, end: number): number {
    const wanted = end - start
    const overhead = cryptoFrameOverhead(start, wanted)
    const length = Math.min(wanted, packet.room - overhead)
    if (length < Math.min(MIN_PIECE, wanted)) return start
    writeCryptoHeader(packet, start, length)
    packet.raw(this.#sendBytes.subarray(start, start + length))
    packet.record(this, start, start + length)
    return start + length
  }

  acked(frame: SentFrame): void {
    this.#acked.push([frame.a, frame.b])
  }

  lost(frame: SentFrame): void {
    if (this.#acked.some(([start, end]) => start <= frame.a && frame.b <= end)) return
    if (this.#lost.some(([start, end]) => start <= frame.a && frame.b <= end)) return
    this.#lost.push([frame.a, frame.b])
  }

  /** Returns the bytes that are now in order, or undefined when this frame brought none. */
  receive(bytes: Uint8Array, start: number, length: number, offset: number): Uint8Array | undefined {
    const end = offset + length
    if (end <= this.#receivedTo) return undefined
    if (offset > this.#receivedTo) {
      if (
        end - this.#receivedTo > MAX_BUFFERED ||
        this.#earlyBytes + length > MAX_BUFFERED ||
        this.#early.length >= MAX_PIECES
      )
        throw new TransportError(
          ErrorCode.CRYPTO_BUFFER_EXCEEDED,
          FrameType.CRYPTO,
          'too much handshake data out of order',
        )
      if (
        length > 0 &&
        !this.#early.some((piece) => piece.offset <= offset && end <= piece.offset + piece.data.length)
      ) {
        this.#early.push({ offset, data: bytes.slice(start, start + length) })
        this.#earlyBytes += length
      }
      return undefined
    }
    const skip = this.#receivedTo - offset
    let ready: Uint8Array = bytes.slice(start + skip, start + length)
    this.#receivedTo = end
    if (this.#early.length > 0) ready = this.#joinEarly(ready)
    return ready
  }

  #joinEarly(ready: Uint8Array): Uint8Array {
    const parts = [ready]
    this.#early.sort((left, right) => left.offset - right.offset)
    const kept: Piece[] = []
    for (const piece of this.#early) {
      const end = piece.offset + piece.data.length
      if (end <= this.#receivedTo) continue
      if (piece.offset > this.#receivedTo) {
        kept.push(piece)
        continue
      }
      parts.push(piece.data.subarray(this.#receivedTo - piece.offset))
      this.#receivedTo = end
    }
    this.#early = kept
    this.#earlyBytes = kept.reduce((sum, piece) => sum + piece.data.length, 0)
    const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
    let at = 0
    for (const part of parts) {
      joined.set(part, at)
      at += part.length
    }
    return joined
  }

  /** The level's keys are gone. */
  release(): void {
    this.#sendBytes = new Uint8Array(0)
    this.#unsentFrom = 0
    this.#lost = []
    this.#acked = []
    this.#early = []
    this.#earlyBytes = 0
  }
}
