/**
 * What an application at the v2 side says to a bridge and hears from it: whole v1 envelopes, as JSON text, inside chat messages. The v2 layer proves that the bridge said it; who wrote a
 * text is proved by its v1 signature where there is a valid one, and only claimed otherwise (V1-4).
 */
import { decodeUtf8, encodeUtf8 } from '../../bytes/index.ts'
import { x25519SecretOf } from '../../crypto/index.ts'
import { createPortableCrypto } from '../../crypto/portable/index.ts'
import type { EndpointId, SecretKey } from '../../identity/index.ts'
import type { Platform } from '../../platform/index.ts'
import { EnvelopeError } from '../errors.ts'
import { isV1Box, openV1Box, sealV1Box } from '../v1/v1-box.ts'
import type { SignatureState, V1Reading } from '../v1/v1-envelope.ts'
import { contentOfV1, type V1Content, v1ChatBody } from '../v1/v1-mapping.ts'
import { parseV1Json, readV1, type SignatureChecker } from '../v1/v1-reader.ts'
import { writeV1 } from '../v1/v1-writer.ts'
import type { PeerKey } from '../wire/envelope.ts'
import { newMessageId } from '../wire/message-id.ts'
import type { UndeliveredReason } from './types.ts'

export interface BridgedMessage {
  readonly id: string
  /** Who says to have written it, 64 hex digits. Proved only where `signatureState` is `valid`. */
  readonly author: PeerKey
  /** Whom the author wrote to: a text to somebody else is not for you, signed or not. */
  readonly to: PeerKey | ''
  readonly text: string
  readonly signatureState: SignatureState
  /** By the author's clock, as claimed, ms since 1970. */
  readonly sentAt: number
  /** It was encrypted by the author for this node's key: neither the bridge nor the server read it. */
  readonly isEncrypted: boolean
}

/** What became of a text that was written with `writeBridged`. */
export type BridgedNotice =
  /** The v1 peer says so; as a rule unsigned, so a claim of the signalling server. */
  | {
      readonly kind: 'received' | 'read'
      readonly originalId: string
      readonly by: PeerKey
      readonly signatureState: SignatureState
    }
  /** The bridge gave up, and says so itself. */
  | { readonly kind: 'undelivered'; readonly originalId: string; readonly reason: UndeliveredReason }

export interface ReadBridgedOptions {
  /** Who we are: texts to anybody else are not read. Default: `secretKey`'s, else they are. */
  readonly self?: EndpointId
  /** Opens texts that were encrypted for us. Without it they are not read. */
  readonly secretKey?: SecretKey
  /** Default: noble's. */
  readonly crypto?: SignatureChecker
}

const UNDELIVERED = 'bridge-undelivered'
const REASONS: readonly UndeliveredReason[] = ['refused', 'not-presented', 'busy', 'absent', 'no-answer']

/** The text in a message that came from a bridge; undefined for anything else, and for what cannot be opened. Ask it only of messages whose `from` is a bridge you chose. */
export function readBridged(bytes: Uint8Array, options: ReadBridgedOptions = {}): BridgedMessage | undefined {
  const read = readContent(bytes, options)
  if (read?.content.kind !== 'chat') return undefined
  const { envelope, signatureState } = read.reading
  const { id, from, to, timestamp } = envelope
  const { text } = read.content
  return { id, author: from, to, text, signatureState, sentAt: timestamp, isEncrypted: read.isEncrypted }
}

/** What a message from a bridge says of an earlier text of ours; undefined for anything else. */
export function readBridgedNotice(bytes: Uint8Array, options: ReadBridgedOptions = {}): BridgedNotice | undefined {
  const undelivered = readUndelivered(bytes)
  if (undelivered !== undefined) return undelivered
  const read = readContent(bytes, options)
  if (read === undefined) return undefined
  const { content, reading } = read
  const by = reading.envelope.from
  const { signatureState } = reading
  if (content.kind === 'read') return { kind: 'read', originalId: content.receipt.originalId, by, signatureState }
  if (content.kind !== 'ack' || content.ack.kind !== 'RecipientReceived') return undefined
  return { kind: 'received', originalId: content.ack.originalId, by, signatureState }
}

export interface WriteBridgedOptions {
  /** The v1 peer. */
  readonly to: EndpointId
  readonly text: string
  /** Of this node: the bridge takes only what its sender signed. */
  readonly secretKey: SecretKey
  readonly platform: Pick<Platform, 'random' | 'wallClock'>
  /** The v1 peer's X25519 key, 32 bytes: then only it can read the text. Default: none, and the bridge and the signalling server can. */
  readonly encryptionKey?: Uint8Array
}

/**
 * What to send to the bridge's id for a v1 peer to read; `id` is what `readBridgedNotice` will call it. Throws EnvelopeError: INVALID_KEY for an encryption
 * key with which nothing can be encrypted.
 */
export function writeBridged(options: WriteBridgedOptions): { readonly id: string; readonly bytes: Uint8Array } {
  const { to, text, secretKey, platform, encryptionKey } = options
  const id = newMessageId(platform.random)
  const { type, payload } = v1ChatBody(text)
  const sealed = encryptionKey === undefined ? payload : sealV1Box(payload, encryptionKey, platform.random)
  const signer = createPortableCrypto({ kernel: false }).signer(secretKey.toBytes())
  try {
    const draft = { id, to: to.toString(), type, payload: sealed, timestamp: platform.wallClock() }
    return { id, bytes: encodeUtf8(writeV1(draft, signer)) }
  } finally {
    signer.free()
  }
}

/** Internal: what a bridge says when it gives up. Not an envelope: the v2 layer signs it. */
export function writeUndelivered(originalId: string, reason: UndeliveredReason): Uint8Array {
  return encodeUtf8(JSON.stringify({ type: UNDELIVERED, originalMessageId: originalId, reason }))
}

function readUndelivered(bytes: Uint8Array): BridgedNotice | undefined {
  if (bytes.length > 1_000) return undefined
  try {
    const value = parseV1Json(decodeUtf8(bytes)) as { type?: unknown; originalMessageId?: unknown; reason?: unknown }
    const { type, originalMessageId, reason } = value
    const known = REASONS.find((one) => one === reason)
    if (type !== UNDELIVERED || typeof originalMessageId !== 'string' || known === undefined) return undefined
    return { kind: 'undelivered', originalId: originalMessageId, reason: known }
  } catch {
    // text, or JSON that is no object
    return undefined
  }
}

interface ReadContent {
  readonly reading: V1Reading
  readonly content: V1Content
  readonly isEncrypted: boolean
}

function readContent(bytes: Uint8Array, options: ReadBridgedOptions): ReadContent | undefined {
  const { secretKey, self = secretKey?.id, crypto = createPortableCrypto({ kernel: false }) } = options
  try {
    const reading = readV1(bytes, crypto)
    const { to, payload } = reading.envelope
    if (self !== undefined && to !== self.toString()) return undefined
    const isEncrypted = isV1Box(payload)
    if (isEncrypted && secretKey === undefined) return undefined
    const opened = isEncrypted ? openV1Box(payload, x25519SecretOf(secretKey!.toBytes())) : payload
    return { reading, content: contentOfV1(reading.envelope, opened), isEncrypted }
  } catch (error) {
    if (error instanceof EnvelopeError) return undefined
    throw error
  }
}
