/**
 * 1-RTT keys of a connection: one key phase for all paths (RFC 9001 §6, spec/quic.md §1.9), the previous receive key for late
 * packets, the next one ready before it is needed, and the AEAD limits of RFC 9001 §6.6.
 */
import type { AeadKey, CryptoProvider, HeaderKey } from '../../crypto/index.ts'
import { ErrorCode, TransportError } from '../errors.ts'
import type { CipherSuite } from '../tls/cipher-suites.ts'
import { deriveAead, deriveKeys, nextSecret } from './packet-keys.ts'

/** Packets left under the confidentiality limit when we start an update on our own. */
const UPDATE_MARGIN = 10_000
/** Packets left under it that are kept for CONNECTION_CLOSE. */
const CLOSE_RESERVE = 64

export class OneRttKeys {
  /** The phase bit of what we send now: 0 or 1. */
  phase = 0
  /** Key updates done, by either side. */
  updates = 0
  /** RFC 9001 §6.2: the peer has acknowledged a packet of the current phase, so an update may begin. */
  phaseAcknowledged = true
  /** A packet of the current phase has arrived. */
  #phaseReceived = true
  readonly #crypto: CryptoProvider
  readonly #suite: CipherSuite
  #sendSecret: Uint8Array
  #receiveSecret: Uint8Array
  #send: AeadKey
  #receive: AeadKey
  #previous: AeadKey | undefined = undefined
  /** When the previous receive key goes, ms; Infinity until the peer has followed. */
  #previousUntil = Number.POSITIVE_INFINITY
  /** Undefined until `prepare`: the handshake does not wait for a key that no packet needs yet. */
  #next: AeadKey | undefined = undefined
  readonly #sendHeader: HeaderKey
  readonly #receiveHeader: HeaderKey
  #sealed = 0
  #failed = 0

  constructor(crypto: CryptoProvider, suite: CipherSuite, sendSecret: Uint8Array, receiveSecret: Uint8Array) {
    this.#crypto = crypto
    this.#suite = suite
    this.#sendSecret = sendSecret
    this.#receiveSecret = receiveSecret
    const send = deriveKeys(crypto, suite, sendSecret)
    const receive = deriveKeys(crypto, suite, receiveSecret)
    this.#send = send.aead
    this.#sendHeader = send.header
    this.#receive = receive.aead
    this.#receiveHeader = receive.header
  }

  /** RFC 9001 §6.3: the keys of the next phase are there before a packet asks for them, so that timing tells nothing. Call when the handshake is confirmed. */
  prepare(): AeadKey {
    if (this.#next === undefined) {
      const secret = nextSecret(this.#crypto, this.#suite, this.#receiveSecret)
      this.#next = deriveAead(this.#crypto, this.#suite, secret)
      secret.fill(0)
    }
    return this.#next
  }

  get sendKey(): AeadKey {
    return this.#send
  }

  get sendHeader(): HeaderKey {
    return this.#sendHeader
  }

  /** The key of the current phase. */
  get receiveKey(): AeadKey {
    return this.#receive
  }

  get receiveHeader(): HeaderKey {
    return this.#receiveHeader
  }

  /** When the previous key must be dropped; Infinity when there is nothing to drop. */
  get deadline(): number {
    return this.#previous === undefined ? Number.POSITIVE_INFINITY : this.#previousUntil
  }

  /**
   * The key for a received packet. `phaseStart` is the lowest packet number of the current phase seen on its path, -1 when none was.
   * RFC 9001 §6.3, §6.5: the other phase bit means the previous phase for older packets, the next one for newer.
   */
  select(phaseBit: number, packetNumber: number, phaseStart: number): AeadKey {
    if (phaseBit === this.phase) return this.#receive
    if (this.#previous !== undefined && (phaseStart === -1 || packetNumber < phaseStart)) return this.#previous
    return this.prepare()
  }

  /**
   * `key` opened a packet. Returns true when that began a new phase: the caller forgets its phase starts. `keepMs` is three times
   * the largest PTO (RFC 9001 §6.5).
   */
  opened(key: AeadKey, now: number, keepMs: number): boolean {
    if (key === this.#receive) {
      if (!this.#phaseReceived) {
        this.#phaseReceived = true
        this.#previousUntil = now + keepMs
      }
      return false
    }
    if (key !== this.#next) return false
    // RFC 9001 §6.2: we have sent nothing with the current keys, so the peer cannot know that its last update was followed
    if (this.updates > 0 && this.#sealed === 0)
      throw new TransportError(ErrorCode.KEY_UPDATE_ERROR, 0, 'a second key update before the first was done')
    this.#rotate()
    this.#phaseReceived = true
    this.#previousUntil = now + keepMs
    return true
  }

  /** A packet that `key` opened is the first of its phase from the peer: only then has `opened` something to do. */
  beginsPhase(key: AeadKey): boolean {
    return key === this.#receive ? !this.#phaseReceived : key === this.#next
  }

  isCurrentReceiveKey(key: AeadKey): boolean {
    return key === this.#receive
  }

  /** A packet did not open. Throws when the integrity limit is reached (RFC 9001 §6.6). */
  openFailed(): void {
    this.#failed++
    if (this.#failed >= this.#suite.integrityLimit)
      throw new TransportError(ErrorCode.AEAD_LIMIT_REACHED, 0, 'too many packets failed authentication')
  }

  /** RFC 9001 §6.6: the send key has protected as many packets as it may, and no update was possible: only CONNECTION_CLOSE may still go. */
  get isSpent(): boolean {
    return this.#sealed >= this.#suite.confidentialityLimit - CLOSE_RESERVE
  }

  /** Counts a packet that was sealed. Returns true when an update should begin. */
  sealed(): boolean {
    this.#sealed++
    return this.#sealed > this.#suite.confidentialityLimit - UPDATE_MARGIN
  }

  /** RFC 9001 §6.1. False when the current phase was not yet acknowledged, or the peer has not followed the last update. */
  initiate(): boolean {
    if (!this.phaseAcknowledged || !this.#phaseReceived || this.#previous !== undefined) return false
    this.#rotate()
    this.#phaseReceived = false
    this.#previousUntil = Number.POSITIVE_INFINITY
    return true
  }

  tick(now: number): void {
    if (this.#previous !== undefined && now >= this.#previousUntil) {
      this.#previous.free()
      this.#previous = undefined
      this.#previousUntil = Number.POSITIVE_INFINITY
    }
  }

  #rotate(): void {
    const crypto = this.#crypto
    const suite = this.#suite
    this.#previous?.free()
    this.#previous = this.#receive
    this.#receive = this.prepare()
    const oldReceive = this.#receiveSecret
    this.#receiveSecret = nextSecret(crypto, suite, oldReceive)
    oldReceive.fill(0)
    this.#next = undefined
    this.prepare()
    const oldSend = this.#sendSecret
    this.#sendSecret = nextSecret(crypto, suite, oldSend)
    oldSend.fill(0)
    this.#send.free()
    this.#send = deriveAead(crypto, suite, this.#sendSecret)
    this.#sealed = 0
    this.phase ^= 1
    this.updates++
    this.phaseAcknowledged = false
  }

  free(): void {
    this.#send.free()
    this.#receive.free()
    this.#previous?.free()
    this.#previous = undefined
    this.#next?.free()
    this.#sendHeader.free()
    this.#receiveHeader.free()
    this.#sendSecret.fill(0)
    this.#receiveSecret.fill(0)
  }
}
