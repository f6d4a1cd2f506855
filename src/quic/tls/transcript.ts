/**
 * The running hash over the handshake messages, RFC 8446 §4.4.1. Messages that come before the hash is known (the ClientHello) are
 * kept as bytes; a HelloRetryRequest turns the first ClientHello into a message_hash.
 */
import type { CryptoProvider, HashName, RunningHash } from '../../crypto/index.ts'
import { encodeMessage, HandshakeType } from './codec.ts'

export class Transcript {
  readonly #crypto: CryptoProvider
  #waiting: Uint8Array[]
  #hashName: HashName | undefined
  #hash: RunningHash | undefined

  constructor(crypto: CryptoProvider) {
    this.#crypto = crypto
    this.#waiting = []
    this.#hashName = undefined
    this.#hash = undefined
  }

  /** A whole message, header included. The array must not change until the hash was chosen. */
  add(message: Uint8Array): void {
    if (this.#hash === undefined) this.#waiting.push(message)
    else this.#hash.update(message)
  }

  /** The suite is known, and with it the hash. */
  chooseHash(name: HashName): void {
    this.#hashName = name
    this.#hash = this.#crypto.createHash(name)
    for (const message of this.#waiting) this.#hash.update(message)
    this.#waiting = []
  }

  /** RFC 8446 §4.4.1: from now on the hash of ClientHello1 stands for it. Call when nothing else is in the transcript. */
  replaceByMessageHash(): void {
    const first = this.digest()
    this.#hash = this.#crypto.createHash(this.#hashName!)
    this.#hash.update(encodeMessage(HandshakeType.MESSAGE_HASH, (writer) => writer.raw(first)))
  }

  /** The handshake is complete: nothing will be asked any more. */
  release(): void {
    this.#hash = undefined
    this.#waiting = []
  }

  digest(): Uint8Array {
    if (this.#hash === undefined) throw new Error('the transcript has no hash yet')
    return this.#hash.digest()
  }
}
