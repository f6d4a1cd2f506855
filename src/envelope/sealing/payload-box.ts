/**
 * Encryption of a payload to an Ed25519 key: one X25519 exchange of a pair that is made for one message, HKDF-SHA256, XChaCha20-Poly1305 (spec/envelope.md §1.6, ENC-2), and the
 * nonce that binds the author (W6). Signing is the `Sealer`'s.
 */
import { decodeHex, encodeUtf8, sameBytes } from '../../bytes/index.ts'
import {
  CryptoError,
  type CryptoProvider,
  type KeyExchange,
  openXChaCha,
  sealXChaCha,
  XCHACHA_NONCE_LENGTH,
} from '../../crypto/index.ts'
import { EnvelopeError } from '../errors.ts'
import type { PeerKey } from '../wire/envelope.ts'
import { PackReader } from '../wire/pack-reader.ts'
import type { PackWriter } from '../wire/pack-writer.ts'

const TAG_LENGTH = 16
const KEY_LENGTH = 32
const INFO = encodeUtf8('tom-protocol-e2e-xchacha20poly1305-v1')
const BINDING = encodeUtf8('tom-bind-v1')

/** What an envelope carries where it is encrypted. */
export interface OpenedPayload {
  readonly plaintext: Uint8Array
  readonly nonce: Uint8Array
  readonly ephemeralKey: Uint8Array
}

/**
 * The payload of an encrypted envelope. `pair` is used this once; `recipient` is the X25519 key (32 bytes). `writer` is scratch. `isCompact`: bytes as bin. Throws EnvelopeError
 * INVALID_KEY for a recipient whose exchange gives zeros.
 */
export function encryptPayload(
  crypto: CryptoProvider,
  pair: KeyExchange,
  recipient: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  writer: PackWriter,
  isCompact: boolean,
): Uint8Array {
  const key = messageKey(crypto, pair, recipient)
  if (key === undefined) throw new EnvelopeError('INVALID_KEY', 'nothing can be encrypted to this key')
  const sealed = new Uint8Array(plaintext.length + TAG_LENGTH)
  sealed.set(plaintext)
  sealXChaCha(crypto, key, nonce, sealed, plaintext.length)
  key.fill(0)
  writer.restart()
  writer.array(3)
  for (const part of [sealed, nonce, pair.publicKey]) {
    if (isCompact) writer.bin(part)
    else writer.bytes(part)
  }
  return writer.finish()
}

/** Throws EnvelopeError DECRYPT_FAILED, whatever the reason. */
export function decryptPayload(crypto: CryptoProvider, own: KeyExchange, payload: Uint8Array): OpenedPayload {
  const { sealed, nonce, ephemeralKey } = readBox(payload)
  const key = messageKey(crypto, own, ephemeralKey)
  if (key === undefined) throw failed('its key is refused')
  const end = openXChaCha(crypto, key, nonce, sealed)
  key.fill(0)
  if (end < 0) throw failed('it does not authenticate')
  return { plaintext: sealed.subarray(0, end), nonce, ephemeralKey }
}

/** The nonce that says who wrote this to whom, under which id: nobody else can sign the same ciphertext unnoticed (W6). 24 bytes; unique because `ephemeralKey` is. */
export function boundNonce(
  crypto: CryptoProvider,
  ephemeralKey: Uint8Array,
  from: PeerKey,
  to: PeerKey,
  id: string,
): Uint8Array {
  const utf8 = encodeUtf8(id)
  const input = new Uint8Array(BINDING.length + 3 * KEY_LENGTH + utf8.length)
  input.set(BINDING)
  input.set(ephemeralKey, BINDING.length)
  input.set(decodeHex(from), BINDING.length + KEY_LENGTH)
  input.set(decodeHex(to), BINDING.length + 2 * KEY_LENGTH)
  input.set(utf8, BINDING.length + 3 * KEY_LENGTH)
  return crypto.hash('sha256', input).slice(0, XCHACHA_NONCE_LENGTH)
}

/** Whether what was opened was written by `from` to `to` under `id`. */
export function isBoundTo(
  crypto: CryptoProvider,
  opened: OpenedPayload,
  from: PeerKey,
  to: PeerKey,
  id: string,
): boolean {
  return sameBytes(opened.nonce, boundNonce(crypto, opened.ephemeralKey, from, to, id))
}

/** Undefined where the exchange gives zeros (ENC-2). Secret. */
function messageKey(crypto: CryptoProvider, own: KeyExchange, peer: Uint8Array): Uint8Array | undefined {
  let shared: Uint8Array
  try {
    shared = own.agree(peer)
  } catch (error) {
    if (error instanceof CryptoError) return undefined
    throw error
  }
  const pseudoRandomKey = crypto.hkdfExtract('sha256', new Uint8Array(0), shared)
  const key = crypto.hkdfExpand('sha256', pseudoRandomKey, INFO, KEY_LENGTH)
  shared.fill(0)
  pseudoRandomKey.fill(0)
  return key
}

function readBox(payload: Uint8Array) {
  try {
    const reader = new PackReader(payload, 'UNREADABLE_BODY')
    reader.fields(3)
    const sealed = reader.bytes()
    const nonce = reader.bytes()
    const ephemeralKey = reader.bytes()
    reader.end()
    // a key of another length is refused by the exchange
    if (nonce.length === XCHACHA_NONCE_LENGTH) return { sealed, nonce, ephemeralKey }
  } catch (error) {
    if (!(error instanceof EnvelopeError)) throw error
  }
  throw failed('it has not the form of an encrypted payload')
}

function failed(reason: string): EnvelopeError {
  return new EnvelopeError('DECRYPT_FAILED', `the payload does not open: ${reason}`)
}
