/**
 * The packets of the blast: shaped like QUIC's (short header with an 8-byte connection id, STREAM or ACK frame, sealed, header protected), with
 * nothing behind them. Owns their layout and their keys; who sends what when is sender.ts's and receiver.ts's.
 */
import type { AeadKey, CryptoProvider, HeaderKey } from '../../src/crypto/index.ts'

/** Bytes of the connection id; the number of the run stands in its last four. */
const ID_LENGTH = 8
const PACKET_NUMBER_START = 1 + ID_LENGTH
const PACKET_NUMBER_LENGTH = 4
export const PAYLOAD_START = PACKET_NUMBER_START + PACKET_NUMBER_LENGTH
const TAG_LENGTH = 16

/** Frame types as QUIC numbers them. */
export const STREAM = 0x0c
export const STREAM_FIN = 0x0d
export const ACK = 0x02
/** A DATAGRAM frame that the other side sends back. */
export const ECHO = 0x30

/** Type, stream id, offset as an 8-byte varint. */
export const STREAM_HEADER = 10
/** Type, largest packet number, bytes received. */
const ACK_LENGTH = 17

/** What was read of a packet; reused. */
export class Received {
  run = 0
  packetNumber = 0
  type = 0
  /** Stream data: where it lies. ACK: nothing. */
  start = 0
  end = 0
  /** ACK only. */
  largest = 0
  bytes = 0
}

/** Builds and reads packets in one memory of equal slots. `sealed` false: the same without cryptography. */
export class Packets {
  readonly memory: Uint8Array
  readonly slotSize: number
  readonly #view: DataView
  readonly #aead: AeadKey | undefined
  readonly #header: HeaderKey | undefined

  constructor(crypto: CryptoProvider, sealed: boolean, slots: number, slotSize: number) {
    this.slotSize = slotSize
    this.memory = crypto.packetMemory(slots * slotSize)
    this.#view = new DataView(this.memory.buffer, this.memory.byteOffset, this.memory.length)
    if (!sealed) return
    const [name] = crypto.aeadPreference
    const key = new Uint8Array(name === 'aes-128-gcm' ? 16 : 32).fill(7)
    this.#aead = crypto.aeadKey(name!, key, new Uint8Array(12).fill(9))
    this.#header = crypto.headerKey(name!, key)
  }

  /** Bytes that a datagram of `length` bytes has for stream data. */
  room(length: number): number {
    return length - PAYLOAD_START - STREAM_HEADER - (this.#aead === undefined ? 0 : TAG_LENGTH)
  }

  /** Header and STREAM frame at `at`; the caller copies the data to the returned index. */
  writeStream(at: number, run: number, packetNumber: number, offset: number, fin: boolean): number {
    this.#writeHeader(at, run, packetNumber)
    const start = at + PAYLOAD_START
    this.memory[start] = fin ? STREAM_FIN : STREAM
    this.memory[start + 1] = 0
    this.#writeNumber(start + 2, offset)
    return start + STREAM_HEADER
  }

  /** A whole ACK packet; returns its length. */
  writeAck(at: number, run: number, packetNumber: number, largest: number, bytes: number): number {
    this.#writeHeader(at, run, packetNumber)
    const start = at + PAYLOAD_START
    this.memory[start] = ACK
    this.#writeNumber(start + 1, largest)
    this.#writeNumber(start + 9, bytes)
    return this.seal(at, packetNumber, start + ACK_LENGTH)
  }

  /** A whole packet with `length` bytes that the other side sends back; returns its length. */
  writeEcho(at: number, run: number, packetNumber: number, length: number): number {
    this.#writeHeader(at, run, packetNumber)
    const start = at + PAYLOAD_START
    this.memory[start] = ECHO
    this.memory.fill(packetNumber & 0xff, start + 1, start + 1 + length)
    return this.seal(at, packetNumber, start + 1 + length)
  }

  /** Seals what ends at `payloadEnd`; returns the packet's length. */
  seal(at: number, packetNumber: number, payloadEnd: number): number {
    if (this.#aead === undefined) return payloadEnd - at
    const payloadStart = at + PAYLOAD_START
    const numberStart = at + PACKET_NUMBER_START
    this.#aead.protect(this.#header!, this.memory, at, numberStart, payloadStart, payloadEnd, 0, packetNumber)
    return payloadEnd + TAG_LENGTH - at
  }

  /** Opens and parses the packet of `length` bytes at `at`. False: not ours. */
  read(at: number, length: number, largest: number, out: Received): boolean {
    let end = at + length
    if (length < PAYLOAD_START + 1) return false
    if (this.#aead !== undefined) {
      end = this.#aead.unprotect(this.#header!, this.memory, at, at + PACKET_NUMBER_START, end, 0, largest, 0)
      if (end < 0) return false
    }
    out.run = this.#view.getUint32(at + 5)
    out.packetNumber = this.#view.getUint32(at + PACKET_NUMBER_START)
    const start = at + PAYLOAD_START
    out.type = this.memory[start]!
    if (out.type === ACK) {
      out.largest = this.#readNumber(start + 1)
      out.bytes = this.#readNumber(start + 9)
    } else {
      out.start = out.type === ECHO ? start + 1 : start + STREAM_HEADER
      out.end = end
    }
    return true
  }

  #writeHeader(at: number, run: number, packetNumber: number): void {
    this.memory[at] = 0x40 | (PACKET_NUMBER_LENGTH - 1)
    this.#view.setUint32(at + 1, 0x746f6d21)
    this.#view.setUint32(at + 5, run)
    this.#view.setUint32(at + PACKET_NUMBER_START, packetNumber)
  }

  #writeNumber(at: number, value: number): void {
    this.#view.setUint32(at, (value / 0x1_0000_0000) | 0)
    this.#view.setUint32(at + 4, value >>> 0)
  }

  #readNumber(at: number): number {
    return this.#view.getUint32(at) * 0x1_0000_0000 + this.#view.getUint32(at + 4)
  }
}
