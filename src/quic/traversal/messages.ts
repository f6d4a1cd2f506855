/**
 * Private messages between two peers that know each other's `tomCapabilities`: short, reliable, in no order. What they mean is not QUIC's business. Owns
 * TOM_MESSAGE frames.
 */
import type { FrameOwner, PacketWriter, SentFrame } from '../recovery/frame-owner.ts'
import { MAX_MESSAGE_LENGTH, writeMessage } from '../wire/message-frame.ts'

/** Messages that are not acknowledged yet. */
const MAX_WAITING = 16
/** Type, length and the longest payload, bytes. */
const OVERHEAD = 6

export class Messages implements FrameOwner {
  /** 0 unless both sides sent `tomCapabilities`. */
  peerCapabilities = 0
  readonly #wake: () => void
  /** Not acknowledged, by a number of our own. */
  readonly #payloads = new Map<number, Uint8Array>()
  /** Of these, to be sent now. */
  #pending: number[] = []
  #next = 0

  constructor(wake: () => void) {
    this.#wake = wake
  }

  negotiate(own: number | undefined, peer: number | undefined): void {
    this.peerCapabilities = own === undefined ? 0 : (peer ?? 0)
  }

  /** Copies `payload`. */
  send(payload: Uint8Array): void {
    if (this.peerCapabilities === 0) throw new Error('the peer knows no messages: see peerCapabilities')
    if (payload.length > MAX_MESSAGE_LENGTH)
      throw new RangeError(`a message holds at most ${MAX_MESSAGE_LENGTH} bytes, not ${payload.length}`)
    if (this.#payloads.size >= MAX_WAITING)
      throw new RangeError(`${MAX_WAITING} messages wait for the peer: send the next once it has heard of some`)
    this.#payloads.set(this.#next, payload.slice())
    this.#pending.push(this.#next++)
    this.#wake()
  }

  write(packet: PacketWriter): boolean {
    while (this.#pending.length > 0) {
      const key = this.#pending[0]!
      const payload = this.#payloads.get(key)
      if (payload !== undefined) {
        if (packet.room < payload.length + OVERHEAD) return true
        writeMessage(packet, payload)
        packet.record(this, key)
      }
      this.#pending.shift()
    }
    return false
  }

  acked(frame: SentFrame): void {
    this.#payloads.delete(frame.a)
  }

  lost(frame: SentFrame): void {
    if (!this.#payloads.has(frame.a) || this.#pending.includes(frame.a)) return
    this.#pending.push(frame.a)
    this.#wake()
  }
}
