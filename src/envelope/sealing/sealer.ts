/**
 * Everything that needs the node's secret key: envelopes are encrypted, signed and encoded here, and those of others verified and opened (spec/envelope.md §1.4 to §1.6, SIG-1, SIG-2, ENC-1 to
 * ENC-3). It remembers nothing of an envelope.
 */
import { decodeHex, EncodingError, encodeHex } from '../../bytes/index.ts'
import { type CryptoProvider, type KeyExchange, type Signer, x25519SecretOf } from '../../crypto/index.ts'
import type { SecretKey } from '../../identity/index.ts'
import type { RandomSource } from '../../platform/index.ts'
import { EnvelopeError } from '../errors.ts'
import type { Role, RoleChange } from '../wire/bodies.ts'
import { roleChangeSigningBytes } from '../wire/body-codec.ts'
import { type Envelope, MAX_ENVELOPE_LENGTH, MAX_HOPS, MAX_ID_LENGTH, type PeerKey } from '../wire/envelope.ts'
import { completeEnvelope, encodeEnvelope, type SignedPart, writeSigningBytes } from '../wire/envelope-codec.ts'
import { newMessageId } from '../wire/message-id.ts'
import type { MessageType } from '../wire/message-type.ts'
import { PackWriter } from '../wire/pack-writer.ts'
import { boundNonce, decryptPayload, encryptPayload, isBoundTo } from './payload-box.ts'
import { RecipientKeys } from './recipient-keys.ts'

const NO_HOPS: readonly PeerKey[] = Object.freeze([])
const ID = /^[\x20-\x7e]+$/

export interface SealerSetup {
  readonly secretKey: SecretKey
  /** Where the pair of each encrypted message comes from as well: the simulator hands in one with `seededKeyExchange`. */
  readonly crypto: CryptoProvider
  /** For ids. */
  readonly random: RandomSource
  /** Payloads and signatures as bin (spec/envelope.md §1.3): about half the bytes, read by Rust too. Default false. */
  readonly isCompact?: boolean
}

export interface Draft {
  readonly to: PeerKey
  /** Hops in their order. Default none. */
  readonly via?: readonly PeerKey[]
  readonly type: MessageType
  /** In clear it becomes the envelope's own: not to be changed afterwards. */
  readonly payload: Uint8Array
  /** Ms since 1970; what is behind the point is cut. */
  readonly timestamp: number
  /** Default false. */
  readonly isEncrypted?: boolean
  /** Default a new one. */
  readonly id?: string
  /** For this one, as in `SealerSetup`. */
  readonly isCompact?: boolean
}

export interface SealedEnvelope {
  readonly envelope: Envelope
  /** The envelope as it is sent. */
  readonly wire: Uint8Array
}

export class Sealer {
  /** The node's own. */
  readonly key: PeerKey
  readonly #crypto: CryptoProvider
  readonly #random: RandomSource
  readonly #isCompact: boolean
  readonly #signer: Signer
  readonly #exchange: KeyExchange
  readonly #recipients = new RecipientKeys()
  /** Reused: signing bytes are needed for the time of one call. */
  readonly #scratch = new PackWriter(1_024)

  constructor({ secretKey, crypto, random, isCompact = false }: SealerSetup) {
    const seed = secretKey.toBytes()
    const secret = x25519SecretOf(seed)
    this.#crypto = crypto
    this.#random = random
    this.#isCompact = isCompact
    this.#signer = crypto.signer(seed)
    this.#exchange = crypto.keyExchange('x25519', secret)
    this.key = encodeHex(this.#signer.publicKey)
    seed.fill(0)
    secret.fill(0)
  }

  /**
   * Encrypts where asked, with a nonce that binds the author (W6), signs and encodes. `hopsLeft` is 4. Throws EnvelopeError TOO_LARGE; INVALID_KEY for a recipient that nothing
   * can be encrypted to; INVALID_FIELD for an id or hops beyond their bounds.
   */
  seal(draft: Draft): SealedEnvelope {
    const { to, via = NO_HOPS, type, isEncrypted = false, id = newMessageId(this.#random) } = draft
    const timestamp = Math.floor(draft.timestamp)
    const isCompact = draft.isCompact ?? this.#isCompact
    checkDraft(id, this.key, to, via)
    // before any work: a byte takes one at least, in either form
    if (draft.payload.length > MAX_ENVELOPE_LENGTH)
      throw new EnvelopeError('TOO_LARGE', `${draft.payload.length} bytes do not fit into an envelope`)
    const payload = isEncrypted ? this.#encrypted(draft.payload, to, id, isCompact) : draft.payload
    return this.#signed({ id, from: this.key, to, via, type, payload, timestamp, isEncrypted }, isCompact)
  }

  /** The same message of ours by another way, which the signature covers: same id, payload and time, signed anew. Throws EnvelopeError as `seal`. */
  redirect(envelope: Envelope, via: readonly PeerKey[]): SealedEnvelope {
    checkDraft(envelope.id, this.key, envelope.to, via)
    return this.#signed({ ...envelope, from: this.key, via }, this.#isCompact)
  }

  /** Over the fields in their canonical form, however they came (ENV-4). Throws EnvelopeError UNSIGNED, BAD_SIGNATURE. */
  verify(envelope: Envelope): void {
    const { from, signature } = envelope
    if (signature.length === 0) throw new EnvelopeError('UNSIGNED', 'the envelope is not signed')
    const writer = this.#scratch
    writer.restart()
    writeSigningBytes(writer, envelope)
    if (!this.#isSigned(from, writer.view(), signature))
      throw new EnvelopeError('BAD_SIGNATURE', 'the signature is not one of its author')
  }

  /** The payload of an envelope to us that was verified. In clear it is bound to nobody: anyone may sign the same text. Throws EnvelopeError DECRYPT_FAILED. */
  open(envelope: Envelope): { plaintext: Uint8Array; isAuthorBound: boolean } {
    if (!envelope.isEncrypted) return { plaintext: envelope.payload, isAuthorBound: false }
    const opened = decryptPayload(this.#crypto, this.#exchange, envelope.payload)
    const isAuthorBound = isBoundTo(this.#crypto, opened, envelope.from, envelope.to, envelope.id)
    return { plaintext: opened.plaintext, isAuthorBound }
  }

  signRoleChange(change: { role: Role; score: number; timestamp: number }): RoleChange {
    const unsigned = { peer: this.key, role: change.role, score: change.score, timestamp: Math.floor(change.timestamp) }
    return { ...unsigned, signature: this.#signer.sign(roleChangeSigningBytes(unsigned)) }
  }

  /** Strict, as for envelopes (W27). */
  verifyRoleChange(change: RoleChange): boolean {
    return this.#isSigned(change.peer, roleChangeSigningBytes(change), change.signature)
  }

  /** Wipes the keys. Nothing works afterwards. */
  free(): void {
    this.#signer.free()
    this.#exchange.free()
  }

  #signed(content: SignedPart, isCompact: boolean): SealedEnvelope {
    const { id, from, to, via, type, payload, timestamp, isEncrypted } = content
    const writer = this.#scratch
    writer.restart()
    writeSigningBytes(writer, content)
    const signature = this.#signer.sign(writer.view())
    const hopsLeft = MAX_HOPS
    const envelope: Envelope = { id, from, to, via, type, payload, timestamp, signature, hopsLeft, isEncrypted }
    const wire = isCompact
      ? encodeEnvelope(envelope, { isCompact })
      : completeEnvelope(writer, signature, hopsLeft, isEncrypted)
    return { envelope, wire }
  }

  #encrypted(plaintext: Uint8Array, to: PeerKey, id: string, isCompact: boolean): Uint8Array {
    const recipient = this.#recipients.keyOf(to)
    if (recipient === undefined) throw new EnvelopeError('INVALID_KEY', 'the recipient is no Ed25519 key')
    // a fresh pair of the provider's own: to node:crypto a given private key costs ten times as much
    const pair = this.#crypto.keyExchange('x25519')
    try {
      const nonce = boundNonce(this.#crypto, pair.publicKey, this.key, to, id)
      return encryptPayload(this.#crypto, pair, recipient, nonce, plaintext, this.#scratch, isCompact)
    } finally {
      pair.free()
    }
  }

  #isSigned(author: PeerKey, message: Uint8Array, signature: Uint8Array): boolean {
    let key: Uint8Array
    try {
      key = decodeHex(author)
    } catch (error) {
      if (error instanceof EncodingError) return false
      throw error
    }
    return this.#crypto.verify(key, message, signature)
  }
}

function checkDraft(id: string, from: PeerKey, to: PeerKey, via: readonly PeerKey[]): void {
  if (id.length > MAX_ID_LENGTH || !ID.test(id))
    throw new EnvelopeError('INVALID_FIELD', `an id is 1 to ${MAX_ID_LENGTH} printable ASCII characters`)
  if (via.length === 0) return
  if (via.length > MAX_HOPS || new Set([from, to, ...via]).size !== via.length + (from === to ? 1 : 2))
    throw new EnvelopeError('INVALID_FIELD', `at most ${MAX_HOPS} different hops, neither author nor recipient`)
}
