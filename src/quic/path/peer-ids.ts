/**
 * Connection ids that the peer issued for one path id (RFC 9000 §5.1.2; spec/quic.md §4.6): which one we send to, which are spare, which must
 * be retired. They may come before the path does. Owns RETIRE_CONNECTION_ID and PATH_RETIRE_CONNECTION_ID frames.
 */
import { sameBytes } from '../../bytes/index.ts'
import { ErrorCode, TransportError } from '../errors.ts'
import type { FrameOwner, PacketWriter, SentFrame } from '../recovery/frame-owner.ts'
import { FrameType } from '../wire/frame-types.ts'
import { RESET_TOKEN_LENGTH, writeRetireConnectionId } from '../wire/id-frames.ts'
import type { IdRegistry } from './id-registry.ts'

/** In use: taken apart, since every packet wants the id. */
interface ActiveId {
  readonly sequence: number
  readonly id: Uint8Array
  readonly resetToken: Uint8Array | undefined
}

/**
 * Not in use. A peer issues dozens of them (spec/quic.md §4.6), so id and reset token are one string, a character a byte: an array for each would take
 * nine times its bytes.
 */
interface SpareId {
  readonly sequence: number
  readonly text: string
}

function textOf(id: Uint8Array, resetToken: Uint8Array): string {
  return String.fromCharCode(...id, ...resetToken)
}

function activate({ sequence, text }: SpareId): ActiveId {
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0))
  const end = bytes.length - RESET_TOKEN_LENGTH
  return { sequence, id: bytes.subarray(0, end), resetToken: bytes.subarray(end) }
}

function isIdOf(text: string, id: Uint8Array): boolean {
  if (text.length !== id.length + RESET_TOKEN_LENGTH) return false
  for (let index = 0; index < id.length; index++) if (text.charCodeAt(index) !== id[index]) return false
  return true
}

/** Longest RETIRE_CONNECTION_ID or PATH_RETIRE_CONNECTION_ID. */
const RETIRE_MAX_LENGTH = 20
/** RFC 9000 §5.1.2: a peer that makes us retire faster than we can say so is misbehaving. */
const MAX_RETIRING = 64
/** Gaps in the sequence numbers of the ids we left: an honest peer leaves none (RFC 9000 §5.1.1). */
const MAX_LEFT = 64

export class PeerIds implements FrameOwner {
  readonly #registry: IdRegistry
  readonly #pathId: number
  readonly #limit: number
  readonly #wake: () => void
  /** Undefined until the path is opened. */
  #active: ActiveId | undefined
  #spare: SpareId[] = []
  #retirePriorTo = 0
  /** What we left by ourselves: all sequences below `#leftBelow`, and these. A late copy of their NEW_CONNECTION_ID must not bring them back. */
  #left: Set<number> | undefined = undefined
  #leftBelow = 0
  /** Sequences whose retirement must be (re)sent. */
  #retiring: number[] = []
  #unacked = 0
  #released = false

  /**
   * `limit` is our active_connection_id_limit. `first` is, for path 0, the id of the peer's first packet, or a client's random choice until then;
   * for other paths there is none before the peer issues it.
   */
  constructor(registry: IdRegistry, pathId: number, first: Uint8Array | undefined, limit: number, wake: () => void) {
    this.#registry = registry
    this.#pathId = pathId
    this.#limit = limit
    this.#wake = wake
    this.#active = first === undefined ? undefined : { sequence: 0, id: first, resetToken: undefined }
  }

  /** Where packets go now. Throws before the path was opened. */
  get active(): Uint8Array {
    return this.#active!.id
  }

  /** Takes the first of the peer's ids into use; false when it has issued none for this path yet. */
  open(): boolean {
    if (this.#active !== undefined) return true
    const first = this.#spare.shift()
    if (first === undefined) return false
    this.#active = activate(first)
    this.#registry.watchResetToken(this.#active.resetToken!)
    return true
  }

  /** The sequence number of the id that is missing: for PATH_CIDS_BLOCKED. */
  get nextSequence(): number {
    let highest = this.#active?.sequence ?? -1
    for (const { sequence } of this.#spare) highest = Math.max(highest, sequence)
    return Math.max(highest + 1, this.#leftBelow)
  }

  /** Ids that are kept, and gaps among those we left. */
  get count(): number {
    return this.#spare.length + (this.#active === undefined ? 0 : 1) + (this.#left?.size ?? 0)
  }

  /** Retirements that the peer has not acknowledged. */
  get pendingCount(): number {
    return this.#unacked
  }

  get hasPending(): boolean {
    return this.#retiring.length > 0
  }

  /** Is `id` one of these? RFC 9000 §19.15: no id stands for two. */
  holds(id: Uint8Array): boolean {
    if (this.#active !== undefined && sameBytes(this.#active.id, id)) return true
    return this.#spare.some((other) => isIdOf(other.text, id))
  }

  get hasSpare(): boolean {
    return this.#spare.length > 0
  }

  /** Client: the server chose its id (first Initial or Retry, RFC 9000 §7.2). */
  replaceFirst(id: Uint8Array): void {
    this.#active = { sequence: 0, id, resetToken: undefined }
  }

  /** The stateless_reset_token transport parameter belongs to sequence 0. */
  setFirstResetToken(token: Uint8Array): void {
    if (this.#active?.sequence !== 0) return
    this.#active = { ...this.#active, resetToken: token }
    this.#registry.watchResetToken(token)
  }

  /** `id` and `resetToken` (16 bytes) are copied. */
  receiveNew(sequence: number, retirePriorTo: number, id: Uint8Array, resetToken: Uint8Array): void {
    if (this.#active?.id.length === 0)
      throw new TransportError(
        ErrorCode.PROTOCOL_VIOLATION,
        FrameType.NEW_CONNECTION_ID,
        'a peer that uses zero-length connection ids issued another',
      )
    const known = this.#find(sequence)
    if (known !== undefined) {
      // RFC 9000 §19.15: a repeat must say the same
      const sameToken = known.resetToken === undefined || sameBytes(known.resetToken, resetToken)
      if (!sameBytes(known.id, id) || !sameToken)
        throw new TransportError(
          ErrorCode.PROTOCOL_VIOLATION,
          FrameType.NEW_CONNECTION_ID,
          `connection id ${sequence} changed`,
        )
      return
    }
    if (this.#left?.has(sequence) === true || (sequence < this.#leftBelow && sequence >= this.#retirePriorTo)) return
    if (this.holds(id))
      throw new TransportError(
        ErrorCode.PROTOCOL_VIOLATION,
        FrameType.NEW_CONNECTION_ID,
        `connection id ${sequence} repeats another`,
      )
    if (sequence < this.#retirePriorTo) {
      // RFC 9000 §19.15: already asked to be retired, so say that it is
      if (!this.#retiring.includes(sequence)) this.#retire(sequence)
      this.#checkBacklog()
      return
    }
    // replaced, not grown: an array that grows takes room for 17 entries, and there is one for each path id
    this.#spare = this.#spare.concat({ sequence, text: textOf(id, resetToken) })
    if (retirePriorTo > this.#retirePriorTo) this.#retireBelow(retirePriorTo)
    this.#checkBacklog()
    if (this.#spare.length + (this.#active === undefined ? 0 : 1) > this.#limit)
      throw new TransportError(
        ErrorCode.CONNECTION_ID_LIMIT_ERROR,
        FrameType.NEW_CONNECTION_ID,
        `more than ${this.#limit} connection ids`,
      )
  }

  #find(sequence: number): ActiveId | undefined {
    if (this.#active?.sequence === sequence) return this.#active
    const spare = this.#spare.find((candidate) => candidate.sequence === sequence)
    return spare === undefined ? undefined : activate(spare)
  }

  #retireBelow(limit: number): void {
    this.#retirePriorTo = limit
    const kept: SpareId[] = []
    for (const candidate of this.#spare) {
      if (candidate.sequence < limit) this.#retire(candidate.sequence)
      else kept.push(candidate)
    }
    this.#spare = kept
    if (this.#active !== undefined && this.#active.sequence < limit) this.#next()
    const left = this.#left
    if (left !== undefined) for (const sequence of left) if (sequence < limit) left.delete(sequence)
    this.#leftBelow = Math.max(this.#leftBelow, limit)
  }

  /**
   * Moves to a spare id and retires the one in use (RFC 9000 §5.1.2, §9.5). False when there is none, or when too many retirements are
   * still unacknowledged: the old one stays.
   */
  advance(): boolean {
    return this.#unacked < MAX_RETIRING && this.#next()
  }

  #next(): boolean {
    const old = this.#active
    const next = old === undefined ? undefined : this.#spare.shift()
    if (old === undefined || next === undefined) return false
    if (old.resetToken !== undefined) this.#registry.unwatchResetToken(old.resetToken)
    this.#active = activate(next)
    this.#registry.watchResetToken(this.#active.resetToken!)
    this.#left ??= new Set()
    if (old.sequence >= this.#retirePriorTo) this.#left.add(old.sequence)
    while (this.#left.delete(this.#leftBelow)) this.#leftBelow++
    this.#retire(old.sequence)
    return true
  }

  #retire(sequence: number): void {
    this.#retiring.push(sequence)
    this.#unacked++
    this.#wake()
  }

  #checkBacklog(): void {
    if (this.#unacked > MAX_RETIRING || (this.#left?.size ?? 0) > MAX_LEFT)
      throw new TransportError(
        ErrorCode.CONNECTION_ID_LIMIT_ERROR,
        FrameType.NEW_CONNECTION_ID,
        'connection ids are retired faster than that can be acknowledged',
      )
  }

  write(packet: PacketWriter): boolean {
    while (this.#retiring.length > 0) {
      if (packet.room < RETIRE_MAX_LENGTH) return true
      const sequence = this.#retiring.shift()!
      writeRetireConnectionId(packet, packet.multipath ? this.#pathId : -1, sequence)
      packet.record(this, sequence)
    }
    return false
  }

  acked(_frame: SentFrame): void {
    this.#unacked--
  }

  lost(frame: SentFrame): void {
    if (this.#released) return
    this.#retiring.push(frame.a)
    this.#wake()
  }

  /** The path was abandoned, or the connection is over: all ids count as retired, and nobody need say so (spec/quic.md §5.5). */
  release(): void {
    if (this.#active?.resetToken !== undefined) this.#registry.unwatchResetToken(this.#active.resetToken)
    this.#spare = []
    this.#retiring = []
    this.#released = true
  }
}
