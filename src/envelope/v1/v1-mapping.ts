/** What the types of the earlier stack are in ours, and the other way round (spec/envelope.md §2.4). Signatures do not cross: who re-signs, vouches (V1-4). */
import { EnvelopeError } from '../errors.ts'
import type { Ack, ReadReceipt } from '../wire/bodies.ts'
import type { V1Envelope } from './v1-envelope.ts'

export type V1Content =
  | { readonly kind: 'chat'; readonly text: string }
  | { readonly kind: 'ack'; readonly ack: Ack }
  | { readonly kind: 'read'; readonly receipt: ReadReceipt }
  /** Groups, backups, presence …: no equivalent. */
  | { readonly kind: 'other' }

/** The type and payload of a v1 envelope. */
export interface V1Body {
  readonly type: string
  readonly payload: unknown
}

/**
 * What an envelope says; `payload` is its payload, opened where it was a box. Times of reading are as claimed, not clamped. Throws EnvelopeError
 * UNREADABLE_BODY where the payload is not what the type says.
 */
export function contentOfV1({ type, timestamp }: V1Envelope, payload: unknown): V1Content {
  const { text, originalMessageId, ackType, readAt } = membersOf(payload)
  if (type === 'chat') {
    if (typeof text !== 'string') throw unreadable(type)
    return { kind: 'chat', text }
  }
  if (type !== 'ack' && type !== 'read-receipt') return { kind: 'other' }
  if (typeof originalMessageId !== 'string' || originalMessageId === '') throw unreadable(type)
  const originalId = originalMessageId
  if (type === 'read-receipt') {
    const isTime = Number.isSafeInteger(readAt) && (readAt as number) >= 0
    if (!isTime && readAt !== undefined) throw unreadable(type)
    return { kind: 'read', receipt: { originalId, readAt: isTime ? (readAt as number) : timestamp } }
  }
  // older ones say nothing and mean the recipient
  switch (ackType ?? 'recipient-received') {
    case 'recipient-received':
      return { kind: 'ack', ack: { originalId, kind: 'RecipientReceived' } }
    case 'relay-forwarded':
      return { kind: 'ack', ack: { originalId, kind: 'RelayForwarded' } }
    case 'recipient-read':
      return { kind: 'read', receipt: { originalId, readAt: timestamp } }
    default:
      throw unreadable(type)
  }
}

export function v1ChatBody(text: string): V1Body {
  return { type: 'chat', payload: { text } }
}

export function v1AckBody({ originalId, kind }: Ack): V1Body {
  const ackType = kind === 'RelayForwarded' ? 'relay-forwarded' : 'recipient-received'
  return { type: 'ack', payload: { originalMessageId: originalId, ackType } }
}

/** Of the two forms there are, the one that the earlier stack's clients send and show as read. */
export function v1ReadBody({ originalId, readAt }: ReadReceipt): V1Body {
  return { type: 'read-receipt', payload: { originalMessageId: originalId, readAt } }
}

function membersOf(payload: unknown): Readonly<Record<string, unknown>> {
  return typeof payload === 'object' && payload !== null ? (payload as Record<string, unknown>) : {}
}

function unreadable(type: string): EnvelopeError {
  return new EnvelopeError('UNREADABLE_BODY', `an envelope of type ${type} with another payload`)
}
