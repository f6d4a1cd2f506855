/**
 * Small connection-wide frames that belong to nobody else: PING, HANDSHAKE_DONE, NEW_TOKEN. One frame owner for the three.
 */
import type { FrameOwner, PacketWriter, SentFrame } from '../recovery/frame-owner.ts'
import { writeNewToken } from '../wire/control-frames.ts'
import { FrameType } from '../wire/frame-types.ts'

const DONE = 1
const TOKEN = 2

export class Control implements FrameOwner {
  readonly #wake: () => void
  #ping = false
  #done = false
  #token: Uint8Array | undefined = undefined
  #tokenPending = false

  constructor(wake: () => void) {
    this.#wake = wake
  }

  /** Keep-alive, or the application wants a sign of life. Not repeated when lost: the PTO sees to that. */
  ping(): void {
    this.#ping = true
    this.#wake()
  }

  /** RFC 9001 §4.1.2: until it is acknowledged. */
  handshakeDone(): void {
    this.#done = true
    this.#wake()
  }

  newToken(token: Uint8Array): void {
    this.#token = token
    this.#tokenPending = true
    this.#wake()
  }

  write(packet: PacketWriter): boolean {
    if (this.#done) {
      if (packet.room < 1) return true
      packet.u8(FrameType.HANDSHAKE_DONE)
      packet.record(this, DONE)
      this.#done = false
    }
    if (this.#ping) {
      if (packet.room < 1) return true
      packet.u8(FrameType.PING)
      packet.eliciting()
      this.#ping = false
    }
    if (this.#tokenPending && this.#token !== undefined) {
      if (packet.room < this.#token.length + 9) return true
      writeNewToken(packet, this.#token)
      packet.record(this, TOKEN)
      this.#tokenPending = false
    }
    return false
  }

  acked(frame: SentFrame): void {
    if (frame.a === TOKEN) this.#token = undefined
  }

  lost(frame: SentFrame): void {
    if (frame.a === DONE) this.#done = true
    else if (this.#token !== undefined) this.#tokenPending = true
    this.#wake()
  }
}
