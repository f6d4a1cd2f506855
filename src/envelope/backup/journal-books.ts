/**
 * What a journal's file says, and how much of it is still needed: the state that its records add up to, byte counts, and when the first of it has to be gone (L2a). Pure; the
 * file itself is `journal.ts`'s.
 */
import { CLOCK_SKEW_MS, LIFETIME_MS, type PeerKey } from '../wire/envelope.ts'
import type { FileRecord } from './journal-codec.ts'
import type { JournalRecord, Restored, StoredMessage } from './stored-message.ts'

export type DeliveredRecord = Extract<JournalRecord, { kind: 'delivered' }>

/** How long a delivered message is remembered after its timestamp: as long as a copy of it would be taken (RTR-11). */
export const DELIVERED_LIFETIME_MS = LIFETIME_MS + CLOCK_SKEW_MS
/** Delivered messages remembered at most (RTR-11). */
const MAX_DELIVERED = 100_000
/** Forgotten at once, so that forgetting costs nothing. */
const FORGET_STEP = 4_096

interface Kept {
  readonly message: StoredMessage
  /** Bytes of the records that say so. */
  readonly size: number
}

export class JournalBooks {
  readonly #kept = new Map<string, Kept>()
  readonly #delivered: DeliveredRecord[] = []
  /** Bytes of each. */
  readonly #deliveredSizes: number[] = []
  /** What a batch in writing changes; undefined: dropped. */
  readonly #staged = new Map<string, Kept | undefined>()
  readonly #stagedDelivered: DeliveredRecord[] = []
  readonly #stagedSizes: number[] = []
  #stagedDeadline = Number.POSITIVE_INFINITY
  #liveBytes = 0
  #deadline = Number.POSITIVE_INFINITY

  /** Of records that are still needed. */
  get liveBytes(): number {
    return this.#liveBytes
  }

  /** When the first bytes in the file have to be gone, needed or not, ms since 1970. */
  get deadline(): number {
    return this.#deadline
  }

  /** What has to be written for `record`; undefined: nothing, the file says so already. */
  plan(record: JournalRecord): FileRecord | undefined {
    if (record.kind === 'delivered') return record
    const subject = record.kind === 'keep' ? record.message : record
    const key = keyOf(subject.id, subject.from)
    const known = this.#staged.has(key) ? this.#staged.get(key) : this.#kept.get(key)
    if (record.kind === 'drop') return known === undefined ? undefined : record
    const { message } = record
    // noting a holder must not write the envelope anew
    return known !== undefined &&
      known.message.wire === message.wire &&
      known.message.to === message.to &&
      known.message.expiresAt === message.expiresAt
      ? { kind: 'held', id: message.id, from: message.from, holders: message.holders }
      : record
  }

  /** `record` is in the batch, with `size` bytes. */
  stage(record: FileRecord, size: number): void {
    if (record.kind === 'head') {
      this.#liveBytes += size
      return
    }
    if (record.kind === 'delivered') {
      this.#stagedDelivered.push(record)
      this.#stagedSizes.push(size)
      this.#stagedDeadline = Math.min(this.#stagedDeadline, record.timestamp + DELIVERED_LIFETIME_MS)
      return
    }
    if (record.kind === 'keep') {
      const { message } = record
      this.#staged.set(keyOf(message.id, message.from), { message, size })
      this.#stagedDeadline = Math.min(this.#stagedDeadline, message.expiresAt)
      return
    }
    const key = keyOf(record.id, record.from)
    if (record.kind === 'drop') {
      this.#staged.set(key, undefined)
      return
    }
    const known = this.#staged.has(key) ? this.#staged.get(key) : this.#kept.get(key)
    // the record that this one adds to may be damaged
    if (known === undefined) return
    this.#staged.set(key, { message: { ...known.message, holders: record.holders }, size: known.size + size })
  }

  /** The batch is in the file. */
  commit(): void {
    for (const [key, kept] of this.#staged) {
      const before = this.#kept.get(key)
      if (before !== undefined) this.#liveBytes -= before.size
      if (kept === undefined) this.#kept.delete(key)
      else {
        this.#kept.set(key, kept)
        this.#liveBytes += kept.size
      }
    }
    for (const record of this.#stagedDelivered) this.#delivered.push(record)
    for (const size of this.#stagedSizes) {
      this.#deliveredSizes.push(size)
      this.#liveBytes += size
    }
    if (this.#delivered.length >= MAX_DELIVERED + FORGET_STEP) {
      const count = this.#delivered.length - MAX_DELIVERED
      this.#delivered.splice(0, count)
      for (const size of this.#deliveredSizes.splice(0, count)) this.#liveBytes -= size
    }
    this.#deadline = Math.min(this.#deadline, this.#stagedDeadline)
    this.rollback()
  }

  /** The batch is not in the file. */
  rollback(): void {
    this.#staged.clear()
    this.#stagedDelivered.length = 0
    this.#stagedSizes.length = 0
    this.#stagedDeadline = Number.POSITIVE_INFINITY
  }

  /** What still means something at `wall` when `later` has happened as well. The oldest first. */
  merged(later: Iterable<JournalRecord>, wall: number): Restored {
    const messages = new Map<string, StoredMessage>()
    for (const [key, { message }] of this.#kept) messages.set(key, message)
    const delivered = [...this.#delivered]
    for (const record of later) {
      if (record.kind === 'delivered') delivered.push(record)
      else if (record.kind === 'keep') messages.set(keyOf(record.message.id, record.message.from), record.message)
      else messages.delete(keyOf(record.id, record.from))
    }
    return {
      messages: [...messages.values()].filter((message) => message.expiresAt > wall),
      delivered: delivered.filter((record) => record.timestamp + DELIVERED_LIFETIME_MS > wall).slice(-MAX_DELIVERED),
    }
  }

  /**
   * Leaves of each message only the last word, in the place of the last, and none that says what the file says; of the delivered as many as are remembered. For a queue that
   * waits until the disk has room again.
   */
  coalesce(records: readonly JournalRecord[]): JournalRecord[] {
    const seen = new Set<string>()
    const left: JournalRecord[] = []
    let delivered = 0
    for (let index = records.length - 1; index >= 0; index--) {
      const record = records[index]!
      if (record.kind === 'delivered') {
        if (delivered++ < MAX_DELIVERED) left.push(record)
        continue
      }
      const subject = record.kind === 'keep' ? record.message : record
      const key = keyOf(subject.id, subject.from)
      if (seen.has(key)) continue
      seen.add(key)
      if (record.kind === 'keep' || this.#kept.has(key)) left.push(record)
    }
    return left.reverse()
  }
}

/** Keys have a fixed length: no two messages share one, whatever stands in their ids. */
function keyOf(id: string, from: PeerKey): string {
  return from + id
}
