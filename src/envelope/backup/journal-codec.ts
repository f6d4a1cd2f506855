/**
 * The bytes of a journal file: a chain of records, each found and checked without the others (BAK-1; the format is our own, spec/envelope.md has none). Reading loses what
 * is damaged and nothing else; what the records mean together is `journal-state.ts`'s.
 *
 * A record is a marker of 3 bytes, then length (4 bytes, big endian), CRC-32C (4) and body, in which the marker cannot occur: after its first two bytes a zero is put in
 * between. So a reader that lost its way finds the next record by the marker, and nobody can write a message that reads as records of its own. The checksum covers the
 * file's generation and the record's place in it as well: bytes of another file or of another place are no records.
 *
 * Body: kind (1 byte), then by kind, with id = length (1) and ASCII, keys of 32 bytes, times as float64:
 * 0 head: format version (1) · 1 keep: id, from, to, expiresAt, number of holders (1), holders, envelope · 2 held: id, from, number of holders (1), holders ·
 * 3 drop: id, from · 4 delivered: id, from, timestamp
 */
import { decodeHex, encodeHex, Reader } from '../../bytes/index.ts'
import { MAX_ID_LENGTH, type PeerKey } from '../wire/envelope.ts'
import { crc32c } from './crc32c.ts'
import type { JournalRecord, StoredMessage } from './stored-message.ts'

export const FORMAT_VERSION = 1
/** Bytes around a body, without those that keep the marker out. */
export const FRAME_LENGTH = 11
/** Of a body: an envelope of 1 MiB with all around it. Longer ones are damaged. */
const MAX_BODY_LENGTH = 1_200_000
const MAX_HOLDERS = 255
const KEY_LENGTH = 32

const MARKER_0 = 0xf7
const MARKER_1 = 0x54
const MARKER_2 = 0x4d

const HEAD = 0
const KEEP = 1
const HELD = 2
const DROP = 3
const DELIVERED = 4

/** What the file knows besides the records of the owner. */
export type FileRecord =
  | JournalRecord
  /** The first of a file. */
  | { readonly kind: 'head'; readonly version: number }
  /** A message that the file keeps has these holders now. */
  | { readonly kind: 'held'; readonly id: string; readonly from: PeerKey; readonly holders: readonly PeerKey[] }

/** Throws TypeError for what the format cannot hold: a defect of the caller, which would wedge the journal later. */
export function checkRecord(record: JournalRecord): void {
  const subject = record.kind === 'keep' ? record.message : record
  if (!/^[\x20-\x7e]{1,64}$/.test(subject.id))
    throw new TypeError(`an id is 1 to ${MAX_ID_LENGTH} printable characters`)
  checkKey(subject.from)
  if (record.kind === 'keep') {
    const { to, holders, wire, expiresAt } = record.message
    checkKey(to)
    for (const holder of holders) checkKey(holder)
    if (holders.length > MAX_HOLDERS) throw new TypeError(`at most ${MAX_HOLDERS} holders, got ${holders.length}`)
    if (wire.length > MAX_BODY_LENGTH - 16_384) throw new TypeError(`an envelope of ${wire.length} bytes is too long`)
    checkTime(expiresAt)
  } else if (record.kind === 'delivered') checkTime(record.timestamp)
}

function checkKey(key: PeerKey): void {
  if (!/^[0-9a-f]{64}$/.test(key)) throw new TypeError('a key is 64 lower-case hex digits')
}

function checkTime(time: number): void {
  if (!Number.isFinite(time)) throw new TypeError(`${time} is no time`)
}

/** Builds the bytes of records that will stand one after the other in the file of one generation. */
export class RecordWriter {
  readonly #generation: number
  #offset: number
  #body: Uint8Array
  #view: DataView
  #bodyEnd = 0
  #out: Uint8Array
  #end = 0

  /** `offset`: where the file ends, that is where the first record will stand. */
  constructor(generation: number, offset: number) {
    this.#generation = generation
    this.#offset = offset
    this.#body = new Uint8Array(4096)
    this.#view = new DataView(this.#body.buffer)
    this.#out = new Uint8Array(8192)
  }

  /** Bytes written since the last `take`. */
  get length(): number {
    return this.#end
  }

  /** What was written, to be appended to the file, as a view that the next `write` overwrites; the writer goes on behind it. */
  take(): Uint8Array {
    const bytes = this.#out.subarray(0, this.#end)
    this.#offset += this.#end
    this.#end = 0
    return bytes
  }

  /** Forgets what was written and not taken. */
  moveTo(offset: number): void {
    this.#offset = offset
    this.#end = 0
  }

  /** Returns how many bytes it took. */
  write(record: FileRecord): number {
    this.#bodyEnd = 0
    switch (record.kind) {
      case 'head':
        this.#reserve(2)
        this.#body[this.#bodyEnd++] = HEAD
        this.#body[this.#bodyEnd++] = record.version
        break
      case 'keep':
        this.#keep(record.message)
        break
      case 'held':
        this.#begin(HELD, record.id, record.from)
        this.#holders(record.holders)
        break
      case 'drop':
        this.#begin(DROP, record.id, record.from)
        break
      case 'delivered':
        this.#begin(DELIVERED, record.id, record.from)
        this.#time(record.timestamp)
    }
    return this.#frame()
  }

  #keep(message: StoredMessage): void {
    this.#begin(KEEP, message.id, message.from)
    this.#key(message.to)
    this.#time(message.expiresAt)
    this.#holders(message.holders)
    this.#reserve(message.wire.length)
    this.#body.set(message.wire, this.#bodyEnd)
    this.#bodyEnd += message.wire.length
  }

  #begin(kind: number, id: string, from: PeerKey): void {
    this.#reserve(2 + id.length)
    this.#body[this.#bodyEnd++] = kind
    this.#body[this.#bodyEnd++] = id.length
    for (let index = 0; index < id.length; index++) this.#body[this.#bodyEnd++] = id.charCodeAt(index)
    this.#key(from)
  }

  #key(key: PeerKey): void {
    this.#reserve(KEY_LENGTH)
    this.#body.set(decodeHex(key), this.#bodyEnd)
    this.#bodyEnd += KEY_LENGTH
  }

  #holders(holders: readonly PeerKey[]): void {
    this.#reserve(1)
    this.#body[this.#bodyEnd++] = holders.length
    for (const holder of holders) this.#key(holder)
  }

  #time(time: number): void {
    this.#reserve(8)
    this.#view.setFloat64(this.#bodyEnd, time)
    this.#bodyEnd += 8
  }

  #reserve(count: number): void {
    if (this.#bodyEnd + count <= this.#body.length) return
    const grown = new Uint8Array(Math.max(2 * this.#body.length, this.#bodyEnd + count))
    grown.set(this.#body.subarray(0, this.#bodyEnd))
    this.#body = grown
    this.#view = new DataView(grown.buffer)
  }

  #frame(): number {
    const length = this.#bodyEnd
    const start = this.#end
    const most = FRAME_LENGTH + length + Math.ceil((8 + length) / 2)
    if (start + most > this.#out.length) {
      const grown = new Uint8Array(Math.max(2 * this.#out.length, start + most))
      grown.set(this.#out.subarray(0, start))
      this.#out = grown
    }
    const crc = crc32c(this.#body, 0, length, placeSeed(this.#generation, this.#offset + start, length))
    const out = this.#out
    out[start] = MARKER_0
    out[start + 1] = MARKER_1
    out[start + 2] = MARKER_2
    const head = new Uint8Array(8)
    new DataView(head.buffer).setUint32(0, length)
    new DataView(head.buffer).setUint32(4, crc)
    let end = start + 3
    let before = 0
    for (let index = 0; index < 8; index++) {
      const byte = head[index]!
      out[end++] = byte
      if (byte === MARKER_1 && before === MARKER_0) out[end++] = 0
      before = byte
    }
    const body = this.#body
    for (let index = 0; index < length; index++) {
      const byte = body[index]!
      out[end++] = byte
      if (byte === MARKER_1 && before === MARKER_0) out[end++] = 0
      before = byte
    }
    this.#end = end
    return end - start
  }
}

/** The checksum of what a record is bound to. */
function placeSeed(generation: number, offset: number, length: number): number {
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, generation)
  view.setFloat64(4, offset)
  view.setUint32(12, length)
  return crc32c(bytes)
}

export interface FileContent {
  /** In their order, with how many bytes each takes. */
  readonly records: readonly { readonly record: FileRecord; readonly size: number }[]
  /** Records, or places where records should be, that cannot be read: 0 in a whole file; a torn end counts for nothing. */
  readonly damaged: number
  /** Where the last record ends; what follows is a torn end. */
  readonly end: number
}

/** Reads all that can be read; never throws. The bytes are copied out of `bytes`. */
export function readRecords(bytes: Uint8Array, generation: number): FileContent {
  const records: { record: FileRecord; size: number }[] = []
  const reader = new RecordReader(bytes, generation)
  let damaged = 0
  let failed = 0
  let end = 0
  let position = 0
  while (position >= 0 && position < bytes.length) {
    const record = reader.readAt(position)
    if (record === undefined) {
      failed++
      position = findMarker(bytes, position + 1)
      continue
    }
    damaged += failed
    failed = 0
    records.push({ record, size: reader.end - position })
    end = reader.end
    position = end
  }
  return { records, damaged, end }
}

function findMarker(bytes: Uint8Array, from: number): number {
  let at = bytes.indexOf(MARKER_0, from)
  while (at >= 0 && !(bytes[at + 1] === MARKER_1 && bytes[at + 2] === MARKER_2)) at = bytes.indexOf(MARKER_0, at + 1)
  return at
}

class RecordReader {
  readonly #bytes: Uint8Array
  readonly #generation: number
  #plain = new Uint8Array(4096)
  /** Where the record that was read last ends. */
  end = 0

  constructor(bytes: Uint8Array, generation: number) {
    this.#bytes = bytes
    this.#generation = generation
  }

  readAt(position: number): FileRecord | undefined {
    const bytes = this.#bytes
    if (bytes[position] !== MARKER_0 || bytes[position + 1] !== MARKER_1 || bytes[position + 2] !== MARKER_2)
      return undefined
    if (!this.#unstuff(position + 3, 8)) return undefined
    const view = new DataView(this.#plain.buffer)
    const length = view.getUint32(0)
    const crc = view.getUint32(4)
    if (length === 0 || length > MAX_BODY_LENGTH || length > bytes.length - position) return undefined
    if (!this.#unstuff(position + 3, 8 + length)) return undefined
    if (crc32c(this.#plain, 8, 8 + length, placeSeed(this.#generation, position, length)) !== crc) return undefined
    return readBody(new Reader(this.#plain, 8, 8 + length))
  }

  /** Takes `count` bytes out from between the zeros that keep the marker out. */
  #unstuff(from: number, count: number): boolean {
    if (count > this.#plain.length) this.#plain = new Uint8Array(Math.max(2 * this.#plain.length, count))
    const bytes = this.#bytes
    const plain = this.#plain
    let at = from
    let before = 0
    for (let index = 0; index < count; index++) {
      if (at >= bytes.length) return false
      const byte = bytes[at++]!
      plain[index] = byte
      if (byte === MARKER_1 && before === MARKER_0 && bytes[at++] !== 0) return false
      before = byte
    }
    this.end = at
    return true
  }
}

/** Undefined for what this version does not know; the checksum has been right. */
function readBody(reader: Reader): FileRecord | undefined {
  try {
    const kind = reader.u8()
    if (kind === HEAD) return { kind: 'head', version: reader.u8() }
    if (kind < KEEP || kind > DELIVERED) return undefined
    const id = String.fromCharCode(...reader.view(reader.u8()))
    const from = encodeHex(reader.view(KEY_LENGTH))
    if (kind === DROP) return { kind: 'drop', id, from }
    if (kind === DELIVERED) return { kind: 'delivered', id, from, timestamp: readTime(reader) }
    if (kind === HELD) return { kind: 'held', id, from, holders: readHolders(reader) }
    const to = encodeHex(reader.view(KEY_LENGTH))
    const expiresAt = readTime(reader)
    const holders = readHolders(reader)
    return { kind: 'keep', message: { id, from, to, wire: reader.copy(reader.remaining), expiresAt, holders } }
  } catch {
    return undefined
  }
}

function readTime(reader: Reader): number {
  const at = reader.skip(8)
  return new DataView(reader.bytes.buffer, reader.bytes.byteOffset).getFloat64(at)
}

function readHolders(reader: Reader): PeerKey[] {
  return Array.from({ length: reader.u8() }, () => encodeHex(reader.view(KEY_LENGTH)))
}
