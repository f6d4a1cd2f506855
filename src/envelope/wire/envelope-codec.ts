/**
 * Envelopes as bytes, both ways, and the bytes that are signed (spec/envelope.md §1.1 to §1.4, §1.9, ENV-1 to ENV-6, RTR-6). Signing and encrypting is
 * `sealing/`'s; what a payload says, `body-codec.ts`'s.
 */
import { EnvelopeError } from '../errors.ts'
import { type Envelope, MAX_ENVELOPE_LENGTH, MAX_HOPS, MAX_ID_LENGTH, SIGNATURE_LENGTH } from './envelope.ts'
import type { KeyTest } from './known-keys.ts'
import { MESSAGE_TYPES, type MessageType } from './message-type.ts'
import { PackReader } from './pack-reader.ts'
import { PackWriter } from './pack-writer.ts'

const FIELDS = 10
const SIGNED_FIELDS = 8
/** The head of an array of 10. */
const WIRE_HEAD = 0x90 | FIELDS
/** Bytes besides the payload, with four hops and the longest id. */
const MOST_OVERHEAD = 704
const MAX_U32 = 0xffff_ffff
const TYPES: ReadonlyMap<string, MessageType> = new Map(MESSAGE_TYPES.map((type) => [type, type]))
const LONGEST_TYPE = Math.max(...MESSAGE_TYPES.map((type) => type.length))

export interface EncodeOptions {
  /** Payload and signature as bin, which Rust reads but never writes (spec/envelope.md §1.3): about half the bytes. Default false. */
  readonly isCompact?: boolean
}

/** The bytes of an envelope, a fresh array. Throws EnvelopeError TOO_LARGE above 262,144 (ENV-5). */
export function encodeEnvelope(envelope: Envelope, options: EncodeOptions = {}): Uint8Array {
  const { payload, signature } = envelope
  const isCompact = options.isCompact === true
  const writer = new PackWriter(MOST_OVERHEAD + 2 * payload.length)
  writer.array(FIELDS)
  writeHeader(writer, envelope)
  if (isCompact) writer.bin(payload)
  else writer.bytes(payload)
  writer.uint(envelope.timestamp)
  writeEnd(writer, signature, envelope.hopsLeft, envelope.isEncrypted, isCompact)
  return finished(writer)
}

/** What is signed of an envelope. */
export type SignedPart = Omit<Envelope, 'signature' | 'hopsLeft'>

/** What a signature covers: 8 of the 10 fields, always in the canonical form (spec/envelope.md §1.4). A fresh array. */
export function envelopeSigningBytes(envelope: SignedPart): Uint8Array {
  const writer = new PackWriter(MOST_OVERHEAD + 2 * envelope.payload.length)
  writeSigningBytes(writer, envelope)
  return writer.finish()
}

/** Into an empty writer. */
export function writeSigningBytes(writer: PackWriter, envelope: SignedPart): void {
  writer.array(SIGNED_FIELDS)
  writeHeader(writer, envelope)
  writer.bytes(envelope.payload)
  writer.uint(envelope.timestamp)
  writer.bool(envelope.isEncrypted)
}

/** The writer holds the signing bytes; they become those of the envelope, without writing its payload once more. Throws EnvelopeError TOO_LARGE (ENV-5). */
export function completeEnvelope(
  writer: PackWriter,
  signature: Uint8Array,
  hopsLeft: number,
  isEncrypted: boolean,
): Uint8Array {
  // the two arrays begin alike, but for their head; the flag at the end moves behind what is not signed
  writer.patch(0, WIRE_HEAD)
  writer.restart(writer.length - 1)
  writeEnd(writer, signature, hopsLeft, isEncrypted, false)
  return finished(writer)
}

/**
 * Reads an envelope, in the canonical form or one that a Rust peer would read as well. The signature is not checked and may be missing. Throws EnvelopeError:
 * TOO_LARGE; MALFORMED; UNKNOWN_TYPE; INVALID_KEY for a key that is none; INVALID_FIELD for what is beyond its bounds (ENV-6, RTR-6). `hopsLeft` is at most 4.
 */
export function decodeEnvelope(bytes: Uint8Array, keys: KeyTest): Envelope {
  if (bytes.length > MAX_ENVELOPE_LENGTH)
    throw new EnvelopeError('TOO_LARGE', `an envelope of ${bytes.length} bytes, at most ${MAX_ENVELOPE_LENGTH}`)
  const reader = new PackReader(bytes, 'MALFORMED')
  reader.fields(FIELDS)
  const id = reader.id(MAX_ID_LENGTH, 'INVALID_FIELD')
  const from = reader.key(keys, 'INVALID_KEY')
  const to = reader.key(keys, 'INVALID_KEY')
  const via = readHops(reader, keys, from, to)
  const type = TYPES.get(reader.string(LONGEST_TYPE, 'UNKNOWN_TYPE'))
  if (type === undefined) throw reader.error('a type that is none of the 36', 'UNKNOWN_TYPE')
  const payload = reader.bytes()
  const timestamp = reader.uint(Number.MAX_SAFE_INTEGER, 'INVALID_FIELD')
  const signature = reader.bytes()
  if (signature.length !== SIGNATURE_LENGTH && signature.length !== 0)
    throw reader.error(`a signature of ${signature.length} bytes`, 'INVALID_FIELD')
  const hopsLeft = Math.min(reader.uint(MAX_U32), MAX_HOPS)
  const isEncrypted = reader.bool()
  reader.end()
  return { id, from, to, via, type, payload, timestamp, signature, hopsLeft, isEncrypted }
}

function readHops(reader: PackReader, keys: KeyTest, from: string, to: string): readonly string[] {
  const count = reader.array()
  if (count > MAX_HOPS) throw reader.error(`${count} hops, at most ${MAX_HOPS}`, 'INVALID_FIELD')
  const via: string[] = []
  for (let index = 0; index < count; index++) {
    const hop = reader.key(keys, 'INVALID_KEY')
    if (hop === from || hop === to || via.includes(hop))
      throw reader.error('a hop that is the author, the recipient or another hop', 'INVALID_FIELD')
    via.push(hop)
  }
  return via
}

function writeHeader(writer: PackWriter, { id, from, to, via, type }: SignedPart): void {
  writer.string(id)
  writer.string(from)
  writer.string(to)
  writer.array(via.length)
  for (const hop of via) writer.string(hop)
  writer.string(type)
}

function writeEnd(
  writer: PackWriter,
  signature: Uint8Array,
  hopsLeft: number,
  isEncrypted: boolean,
  isCompact: boolean,
): void {
  if (isCompact) writer.bin(signature)
  else writer.bytes(signature)
  writer.uint(hopsLeft)
  writer.bool(isEncrypted)
}

function finished(writer: PackWriter): Uint8Array {
  if (writer.length > MAX_ENVELOPE_LENGTH)
    throw new EnvelopeError('TOO_LARGE', `an envelope of ${writer.length} bytes, at most ${MAX_ENVELOPE_LENGTH}`)
  return writer.finish()
}
