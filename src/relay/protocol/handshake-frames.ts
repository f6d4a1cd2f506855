/**
 * The four frames of the handshake as bytes, and what a client signs (spec/relay.md §2.1, §2.3). Who says what when is `client-handshake.ts` and
 * `server-handshake.ts`.
 */
import {
  EncodingError,
  encodeUtf8,
  GrowingWriter,
  Reader,
  readPostcardBytes,
  readPostcardString,
  TruncatedError,
  writePostcardBytes,
} from '../../bytes/index.ts'
import { blake3DeriveKey } from '../../crypto/index.ts'
import { FrameType, frameName, ID_LENGTH, MAX_RELAY_FRAME } from './constants.ts'
import { RelayProtocolError } from './errors.ts'

/** Bytes of a challenge. */
export const CHALLENGE_LENGTH = 16
/** Bytes of an Ed25519 signature. */
export const SIGNATURE_LENGTH = 64
/** spec/relay.md §2.6: what a client is told whose signature does not hold. */
export const SIGNATURE_INVALID = 'signature invalid'
/** spec/relay.md §4.4: what a client is told that may not come in, when nothing better is known. */
export const NOT_AUTHORIZED = 'not authorized'

/** Says "v1" under both versions of the protocol. */
const CHALLENGE_CONTEXT = 'iroh-relay handshake v1 challenge signature'
/** Characters of a reason that are kept: it comes from a stranger and ends up in logs. */
const MAX_REASON = 256

/** The 32 bytes that a client signs to answer the 16 bytes of `challenge`. */
export function challengeMessage(challenge: Uint8Array): Uint8Array {
  return blake3DeriveKey(CHALLENGE_CONTEXT, challenge)
}

export type HandshakeFrame =
  | { readonly type: typeof FrameType.ServerChallenge; readonly challenge: Uint8Array }
  | { readonly type: typeof FrameType.ClientAuth; readonly publicKey: Uint8Array; readonly signature: Uint8Array }
  | { readonly type: typeof FrameType.ServerConfirmsAuth }
  | { readonly type: typeof FrameType.ServerDeniesAuth; readonly reason: string }

/** Frame 0. */
export function encodeChallenge(challenge: Uint8Array): Uint8Array {
  return concat([FrameType.ServerChallenge], challenge)
}

/** Frame 1, 98 bytes: the public key has no length before it, the signature has. */
export function encodeClientAuth(publicKey: Uint8Array, signature: Uint8Array): Uint8Array {
  return concat([FrameType.ClientAuth], publicKey, [signature.length], signature)
}

/** Frame 2. */
export function encodeConfirm(): Uint8Array {
  return Uint8Array.of(FrameType.ServerConfirmsAuth)
}

/** Frame 3. A reason longer than 256 characters is cut. */
export function encodeDeny(reason: string): Uint8Array {
  const writer = new GrowingWriter()
  writer.u8(FrameType.ServerDeniesAuth)
  writePostcardBytes(writer, encodeUtf8(cut(reason)))
  return writer.finish()
}

/**
 * Reads any frame of the handshake; bytes after its body are ignored (spec/relay.md §2.1). The parts are copies; a reason is cut to one line of at most
 * 256 characters. Throws RelayProtocolError.
 */
export function decodeHandshakeFrame(message: Uint8Array): HandshakeFrame {
  if (message.length === 0) throw new RelayProtocolError('an empty message during the handshake')
  const reader = new Reader(message)
  let type = -1
  try {
    type = reader.varint()
    if (reader.remaining > MAX_RELAY_FRAME) throw new EncodingError(`${reader.remaining} bytes are too many`)
    return decodeBody(type, reader)
  } catch (error) {
    const what = type < 0 ? 'a message of the handshake' : frameName(type)
    if (error instanceof TruncatedError) throw new RelayProtocolError(`${what} ends too early`)
    if (error instanceof EncodingError) throw new RelayProtocolError(`${what}: ${error.message}`)
    throw error
  }
}

function decodeBody(type: number, reader: Reader): HandshakeFrame {
  switch (type) {
    case FrameType.ServerChallenge:
      return { type, challenge: reader.copy(CHALLENGE_LENGTH) }
    case FrameType.ClientAuth: {
      const publicKey = reader.copy(ID_LENGTH)
      const signature = readPostcardBytes(reader)
      if (signature.length !== SIGNATURE_LENGTH) throw new EncodingError(`a signature of ${signature.length} bytes`)
      return { type, publicKey, signature }
    }
    case FrameType.ServerConfirmsAuth:
      return { type }
    case FrameType.ServerDeniesAuth:
      return { type, reason: cut(readPostcardString(reader)) }
    default:
      throw new RelayProtocolError(`${frameName(type)} during the handshake`)
  }
}

function cut(reason: string): string {
  // Control characters, line ends among them, would let a stranger write lines of his own into a log
  const line = reason.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
  return line.length > MAX_REASON ? `${line.slice(0, MAX_REASON - 1)}…` : line
}

function concat(...parts: (Uint8Array | readonly number[])[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}
