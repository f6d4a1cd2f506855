/**
 * The encryption of the earlier stack: a payload as an object of three hex texts around NaCl's box (spec/envelope.md §2.3). The recipient's key is any X25519
 * key; who published it for whom is not proved there.
 */
import { decodeHex, decodeUtf8, encodeHex, encodeUtf8 } from '../../bytes/index.ts'
import {
  openSecretBox,
  SECRET_BOX_NONCE_LENGTH,
  sealSecretBox,
  secretBoxKey,
  secretBoxPublicKey,
} from '../../crypto/index.ts'
import type { RandomSource } from '../../platform/index.ts'
import { EnvelopeError } from '../errors.ts'
import { parseV1Json } from './v1-reader.ts'

const KEY_LENGTH = 32

/** All in hex. */
export interface V1Box {
  readonly ciphertext: string
  /** 24 bytes. */
  readonly nonce: string
  /** 32 bytes. */
  readonly ephemeralPublicKey: string
}

export function isV1Box(payload: unknown): payload is V1Box {
  if (typeof payload !== 'object' || payload === null) return false
  const { ciphertext, nonce, ephemeralPublicKey } = payload as Partial<Record<keyof V1Box, unknown>>
  return typeof ciphertext === 'string' && typeof nonce === 'string' && typeof ephemeralPublicKey === 'string'
}

/** Seals `JSON.stringify(payload)` for an X25519 key of 32 bytes, with a key pair and nonce of its own. Throws EnvelopeError INVALID_KEY. */
export function sealV1Box(payload: unknown, recipientKey: Uint8Array, random: RandomSource): V1Box {
  const drawn = new Uint8Array(KEY_LENGTH + SECRET_BOX_NONCE_LENGTH)
  random.fill(drawn)
  const secret = drawn.subarray(0, KEY_LENGTH)
  const nonce = drawn.subarray(KEY_LENGTH)
  const key = secretBoxKey(secret, recipientKey)
  if (key === undefined) throw new EnvelopeError('INVALID_KEY', 'nothing can be encrypted for this X25519 key')
  const ciphertext = sealSecretBox(key, nonce, encodeUtf8(JSON.stringify(payload)))
  const box = {
    ciphertext: encodeHex(ciphertext),
    nonce: encodeHex(nonce),
    ephemeralPublicKey: encodeHex(secretBoxPublicKey(secret)),
  }
  key.fill(0)
  secret.fill(0)
  return box
}

/** The payload inside, with an X25519 secret of 32 bytes. Throws EnvelopeError DECRYPT_FAILED, or UNREADABLE_BODY where it is no JSON. */
export function openV1Box(box: V1Box, recipientSecret: Uint8Array): unknown {
  const plain = plainOf(box, recipientSecret)
  if (plain === undefined) throw new EnvelopeError('DECRYPT_FAILED', 'a box that was not sealed for us, or was changed')
  try {
    return parseV1Json(decodeUtf8(plain))
  } catch (error) {
    throw new EnvelopeError('UNREADABLE_BODY', 'a box with something else than JSON in it', { cause: error })
  }
}

function plainOf({ ciphertext, nonce, ephemeralPublicKey }: V1Box, secret: Uint8Array): Uint8Array | undefined {
  try {
    const key = secretBoxKey(secret, decodeHex(ephemeralPublicKey))
    return key === undefined ? undefined : openSecretBox(key, decodeHex(nonce), decodeHex(ciphertext))
  } catch {
    // no hex
    return undefined
  }
}
