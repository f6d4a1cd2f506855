/**
 * The messages of the earlier stack's signalling server, one JSON object each (spec/envelope.md §2.5), read within bounds: nothing a server says is believed
 * further than it must be. Envelopes stay text, for their signature covers it.
 */
import { EnvelopeError } from '../errors.ts'
import { membersOf } from '../v1/json-text.ts'
import { isKeyText, MAX_V1_DEPTH, MAX_V1_MEMBERS } from '../v1/v1-envelope.ts'
import { parseV1Json } from '../v1/v1-reader.ts'
import type { PeerKey } from '../wire/envelope.ts'
import type { V1Participant } from './types.ts'

export type SignallingMessage =
  /** Everybody who is registered. */
  | { readonly kind: 'participants'; readonly participants: readonly V1Participant[] }
  | { readonly kind: 'presence'; readonly isJoin: boolean; readonly participant: V1Participant }
  /** An envelope, as JSON; `from` is whoever the sender said to be. */
  | { readonly kind: 'envelope'; readonly from: PeerKey; readonly to: PeerKey; readonly text: string }
  /** Our own `probeText` came back. */
  | { readonly kind: 'probe'; readonly from: PeerKey }
  /** What the server thinks went wrong; it does not say with which message. */
  | { readonly kind: 'error' }
  /** Heartbeats, roles, and what is not known. */
  | { readonly kind: 'other' }

const OTHER: SignallingMessage = { kind: 'other' }
const MAX_NAME_LENGTH = 64
/** An envelope stands two brackets deep in a signal. */
const MAX_DEPTH = MAX_V1_DEPTH + 2
const PROBE = 'tom-bridge-probe'
/** As `JSON.stringify` begins it. */
const PARTICIPANTS_START = '{"type":"participants"'

/** Throws EnvelopeError MALFORMED. At most `maxParticipants` are read. */
export function readSignalling(text: string, maxParticipants: number): SignallingMessage {
  const message = recordOf(parseV1Json(text, MAX_DEPTH))
  switch (message.type) {
    case 'participants': {
      const { participants } = message
      if (!Array.isArray(participants)) throw malformed('participants without a list')
      const known = participants.slice(0, maxParticipants).map(participantOf)
      return { kind: 'participants', participants: known.filter((one) => one !== undefined) }
    }
    case 'presence': {
      const participant = participantOf(message)
      const { action } = message
      if (participant === undefined || (action !== 'join' && action !== 'leave')) throw malformed('presence of nobody')
      return { kind: 'presence', isJoin: action === 'join', participant }
    }
    case 'signal':
      return readSignal(message, text)
    case 'error':
      return { kind: 'error' }
    default:
      return OTHER
  }
}

/** Whether it is a list of participants, by its beginning: not every connection has to read them all. */
export function isParticipantList(text: string): boolean {
  return text.startsWith(PARTICIPANTS_START)
}

export function registerText({ id, name, encryptionKey }: V1Participant): string {
  return JSON.stringify({ type: 'register', nodeId: id, username: name, publicKey: id, encryptionKey })
}

export function heartbeatText(): string {
  return '{"type":"heartbeat"}'
}

/** `envelope` is JSON and stays as it is. */
export function envelopeText(from: PeerKey, to: PeerKey, envelope: string): string {
  return `{"type":"signal","from":"${from}","to":"${to}","payload":{"type":"message","envelope":${envelope}}}`
}

/** A signal to ourselves: while we are registered, and the server is there, it comes back. */
export function probeText(id: PeerKey): string {
  return JSON.stringify({ type: 'signal', from: id, to: id, payload: { type: PROBE } })
}

function readSignal(message: Readonly<Record<string, unknown>>, text: string): SignallingMessage {
  const { from, to } = message
  const payload = recordOf(message.payload)
  if (!isKeyText(from) || !isKeyText(to)) throw malformed('a signal between nobody')
  if (payload.type === PROBE) return { kind: 'probe', from }
  if (payload.type !== 'message') return OTHER
  const payloadAt = memberAt(text, 0, 'payload')
  const envelope = memberAt(text, payloadAt.start, 'envelope')
  return { kind: 'envelope', from, to, text: text.slice(envelope.start, envelope.end) }
}

/** The last of that name, as `JSON.parse` reads it. */
function memberAt(text: string, start: number, name: string): { readonly start: number; readonly end: number } {
  const found = membersOf(text, start, MAX_V1_MEMBERS)?.findLast((member) => member.name === name)
  if (found === undefined) throw malformed('a signal without an envelope')
  return found
}

/** One bad entry does not hide the others. */
function participantOf(value: unknown): V1Participant | undefined {
  const { nodeId, username, encryptionKey } = (value ?? {}) as Readonly<Record<string, unknown>>
  if (!isKeyText(nodeId)) return undefined
  return {
    id: nodeId,
    name: typeof username === 'string' ? username.slice(0, MAX_NAME_LENGTH) : '',
    encryptionKey: isKeyText(encryptionKey) ? encryptionKey : undefined,
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('no JSON object')
  return value as Record<string, unknown>
}

function malformed(what: string): EnvelopeError {
  return new EnvelopeError('MALFORMED', `a message of the signalling server: ${what}`)
}
