/** Messages, scripts of journal records, and what is left of them: for the tests of the backup. */
import { Journal, type JournalOptions } from '../../../src/envelope/backup/journal.ts'
import { DELIVERED_LIFETIME_MS } from '../../../src/envelope/backup/journal-books.ts'
import type { JournalRecord, Restored, StoredMessage } from '../../../src/envelope/backup/stored-message.ts'
import type { Folder } from '../../../src/platform/index.ts'
import { SimRandom } from '../../sim/support/random.ts'

export const WALL = 1_790_000_000_000
export const HOUR = 60 * 60 * 1000

const keys = new Map<string, string>()

/** The key of a made-up peer. */
export function keyOf(name: string): string {
  const key = keys.get(name) ?? Buffer.from(new SimRandom(name).bytes(32)).toString('hex')
  keys.set(name, key)
  return key
}

export function message(id: string, options: Partial<StoredMessage> & { length?: number } = {}): StoredMessage {
  const { length = 20, ...rest } = options
  return {
    id,
    from: keyOf('alice'),
    to: keyOf('bob'),
    wire: new SimRandom(`wire of ${id}`).bytes(length),
    expiresAt: WALL + 24 * HOUR,
    holders: [],
    ...rest,
  }
}

export function keep(id: string, options: Partial<StoredMessage> & { length?: number } = {}): JournalRecord {
  return { kind: 'keep', message: message(id, options) }
}

export function drop(id: string): JournalRecord {
  return { kind: 'drop', id, from: keyOf('alice') }
}

export function delivered(id: string, timestamp = WALL): JournalRecord {
  return { kind: 'delivered', id, from: keyOf('carol'), timestamp }
}

/** Opens, and keeps what is reported. */
export async function openJournal(
  folder: Folder,
  options: Partial<JournalOptions> = {},
): Promise<{ journal: Journal; restored: Restored; damaged: number; errors: unknown[] }> {
  const errors: unknown[] = []
  const opened = await Journal.open(folder, { wall: WALL, onError: (error) => errors.push(error), ...options })
  return { ...opened, errors }
}

/** What a journal should hold after these records: the slow and obvious way, as text that can be compared. */
export function stateAfter(records: readonly JournalRecord[], wall = WALL): string {
  const messages: StoredMessage[] = []
  const done = []
  for (const record of records) {
    if (record.kind === 'delivered') {
      if (record.timestamp + DELIVERED_LIFETIME_MS > wall) done.push(record)
      continue
    }
    const subject = record.kind === 'keep' ? record.message : record
    const index = messages.findIndex((known) => known.id === subject.id && known.from === subject.from)
    if (record.kind === 'drop') {
      if (index >= 0) messages.splice(index, 1)
    } else if (index >= 0) messages[index] = record.message
    else messages.push(record.message)
  }
  return textOf({ messages: messages.filter((kept) => kept.expiresAt > wall), delivered: done })
}

export function textOf(restored: Restored): string {
  const messages = restored.messages.map(
    ({ id, from, to, wire, expiresAt, holders }) =>
      `${id} ${from} ${to} ${Buffer.from(wire).toString('hex')} ${expiresAt} ${holders.join()}`,
  )
  const done = restored.delivered.map(({ id, from, timestamp }) => `${id} ${from} ${timestamp}`)
  return [...messages, '--', ...done].join('\n')
}
