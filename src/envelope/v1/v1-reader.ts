/**
 * JSON of the earlier stack to a `V1Reading` (V1-1, spec/envelope.md §2.1, §2.2): within bounds, and with what its signature says. Nothing here trusts it.
 */
import { decodeHex, decodeUtf8, encodeUtf8, messageOf } from '../../bytes/index.ts'
import type { CryptoProvider } from '../../crypto/index.ts'
import { isCurvePoint } from '../../identity/index.ts'
import { EnvelopeError } from '../errors.ts'
import { MAX_FRAME_LENGTH, MAX_HOPS, SIGNATURE_LENGTH } from '../wire/envelope.ts'
import { compactJson, hasIntegerNames, isShallow, type Member, membersOf } from './json-text.ts'
import {
  isKeyText,
  MAX_V1_DEPTH,
  MAX_V1_ID_LENGTH,
  MAX_V1_MEMBERS,
  MAX_V1_TYPE_LENGTH,
  type SignatureState,
  type V1Envelope,
  type V1Reading,
} from './v1-envelope.ts'

/** The order in which the earlier stack creates and signs (spec/envelope.md §2.2). */
const CREATION_ORDER = ['id', 'from', 'to', 'via', 'type', 'payload', 'timestamp', 'signature']
/** Added after signing, by the sender and by hops. */
const LATER_MEMBERS = ['routeType', 'hopTimestamps']

/** Anything that verifies strictly: a `CryptoProvider`. */
export type SignatureChecker = Pick<CryptoProvider, 'verify'>

/**
 * Reads an envelope, UTF-8 or text, at most 1 MiB. Throws EnvelopeError TOO_LARGE, MALFORMED (no JSON object, or deeper than 64), INVALID_KEY or
 * INVALID_FIELD; never for its signature.
 */
export function readV1(input: Uint8Array | string, crypto: SignatureChecker): V1Reading {
  const text = textOf(input)
  const value = parseV1Json(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('no JSON object')
  const members = membersOf(text, 0, MAX_V1_MEMBERS)
  if (members === undefined) throw malformed(`more than ${MAX_V1_MEMBERS} members`)
  if (new Set(members.map(({ name }) => name)).size < members.length) throw malformed('a member twice')
  const envelope = envelopeOf(value as Record<string, unknown>)
  const isDirect = (value as Record<string, unknown>).routeType === 'direct'
  return { envelope, signatureState: signatureState(envelope, text, members, isDirect, crypto), text }
}

/** `JSON.parse` of what is not deeper than an envelope may be, or than `depth`. Throws EnvelopeError MALFORMED. */
export function parseV1Json(text: string, depth = MAX_V1_DEPTH): unknown {
  if (!isShallow(text, depth)) throw malformed(`brackets more than ${depth} deep`)
  try {
    return JSON.parse(text)
  } catch (error) {
    // what an engine says of it quotes the text
    throw malformed('no JSON', error)
  }
}

function textOf(input: Uint8Array | string): string {
  // a text of so many characters has at least as many bytes
  const isTooLarge =
    input.length > MAX_FRAME_LENGTH ||
    (typeof input === 'string' && 3 * input.length > MAX_FRAME_LENGTH && encodeUtf8(input).length > MAX_FRAME_LENGTH)
  if (isTooLarge)
    throw new EnvelopeError('TOO_LARGE', `an envelope of more than ${MAX_FRAME_LENGTH} bytes, the most there is`)
  if (typeof input === 'string') return input
  try {
    return decodeUtf8(input)
  } catch (error) {
    throw malformed(messageOf(error), error)
  }
}

function envelopeOf(value: Record<string, unknown>): V1Envelope {
  const { id, from, to, via, type, payload, timestamp, signature } = value
  if (!isAscii(id, MAX_V1_ID_LENGTH)) throw invalid('id')
  if (!isKeyText(from)) throw new EnvelopeError('INVALID_KEY', 'from is not 64 lower-case hex digits')
  if (to !== '' && !isKeyText(to)) throw new EnvelopeError('INVALID_KEY', 'to is neither empty nor 64 hex digits')
  if (!Array.isArray(via) || via.length > MAX_HOPS || !via.every(isKeyText)) throw invalid('via')
  if (!isAscii(type, MAX_V1_TYPE_LENGTH)) throw invalid('type')
  if (typeof timestamp !== 'number' || !Number.isSafeInteger(timestamp) || timestamp < 0) throw invalid('timestamp')
  if (signature !== undefined && signature !== null && typeof signature !== 'string') throw invalid('signature')
  return { id, from, to, via, type, payload, timestamp, signature: signature ?? '' }
}

function isAscii(value: unknown, limit: number): value is string {
  return typeof value === 'string' && value.length <= limit && /^[\x21-\x7e]+$/.test(value)
}

function signatureState(
  envelope: V1Envelope,
  text: string,
  members: readonly Member[],
  isDirect: boolean,
  crypto: SignatureChecker,
): SignatureState {
  const { from, via, signature } = envelope
  if (signature === '') return 'absent'
  const publicKey = decodeHex(from)
  if (/^[0-9a-fA-F]*$/.test(signature) && signature.length === 2 * SIGNATURE_LENGTH) {
    const bytes = decodeHex(signature)
    for (const candidate of candidates(text, members, via.length > 0)) {
      if (crypto.verify(publicKey, encodeUtf8(candidate), bytes)) return 'valid'
    }
  }
  if (!isCurvePoint(publicKey)) return 'unverifiable'
  // The way of a direct message is taken out after signing, and an engine on the way sorts names that are numbers.
  const isLost = (isDirect && via.length === 0) || hasIntegerNames(compactJson(text, 0, text.length, false))
  return isLost ? 'unverifiable' : 'invalid'
}

/**
 * The texts that may have been signed, the likely one first: members as they came, then in the order of their creation; `via` as it is, then empty, for it is
 * filled in after signing; strings and numbers as JavaScript writes them, then as they came. At most eight, in practice one or two.
 */
function candidates(text: string, members: readonly Member[], hasVia: boolean): ReadonlySet<string> {
  const found = new Set<string>()
  for (const isNormal of [true, false]) {
    const signed: SignedMember[] = []
    for (const { name, start, end } of members) {
      if (LATER_MEMBERS.includes(name)) continue
      const rank = CREATION_ORDER.indexOf(name)
      const value = name === 'signature' ? '""' : compactJson(text, start, end, isNormal)
      signed.push({ name, value, rank: rank < 0 ? CREATION_ORDER.length : rank })
    }
    for (const order of [signed, [...signed].sort((left, right) => left.rank - right.rank)]) {
      for (const isEmptied of hasVia ? [false, true] : [false]) found.add(signedText(order, isEmptied))
    }
  }
  return found
}

interface SignedMember {
  readonly name: string
  /** As JSON. */
  readonly value: string
  /** Its place in the order of creation. */
  readonly rank: number
}

function signedText(members: readonly SignedMember[], isEmptied: boolean): string {
  const parts = members.map(
    ({ name, value }) => `${JSON.stringify(name)}:${name === 'via' && isEmptied ? '[]' : value}`,
  )
  return `{${parts.join(',')}}`
}

function malformed(what: string, cause?: unknown): EnvelopeError {
  return new EnvelopeError(
    'MALFORMED',
    `no envelope of the earlier stack: ${what}`,
    cause === undefined ? {} : { cause },
  )
}

function invalid(field: string): EnvelopeError {
  return new EnvelopeError(
    'INVALID_FIELD',
    `an envelope of the earlier stack whose ${field} is missing or out of bounds`,
  )
}
