/**
 * The generations of a journal in its folder: `journal-7` is whole by having its name, `journal-8.tmp` is being written and means nothing. Finds and reads the newest, writes
 * the next (BAK-1: survives a crash at any instruction); what happens between two generations is `journal.ts`'s.
 */
import type { AppendFile, Folder } from '../../platform/index.ts'
import { TomError } from '../errors.ts'
import { JournalBooks } from './journal-books.ts'
import { type FileRecord, FORMAT_VERSION, RecordWriter, readRecords } from './journal-codec.ts'
import type { Restored } from './stored-message.ts'

const NAME = /^journal-(\d{1,9})(\.tmp)?$/
/** Bytes written at once: some milliseconds of work, during which nothing else runs. */
const CHUNK_LENGTH = 256 * 1024

export function journalName(generation: number): string {
  return `journal-${generation}`
}

/** While it is being written. */
export function unfinishedName(generation: number): string {
  return `${journalName(generation)}.tmp`
}

export interface FoundJournal {
  /** 0: there is none. */
  readonly generation: number
  /** The highest number that occurs in a name, so that the next one is new. */
  readonly highest: number
  readonly books: JournalBooks
  /** Where the last record ends. */
  readonly end: number
  readonly damaged: number
  /** Files of ours that mean nothing any more. */
  readonly stale: readonly string[]
}

/** Rejects with TomError STORAGE_FAILED where the folder or the newest file cannot be read, or is of a newer version. Changes nothing. */
export async function findJournal(folder: Folder): Promise<FoundJournal> {
  let names: readonly string[]
  try {
    names = await folder.list()
  } catch (cause) {
    throw new TomError('STORAGE_FAILED', `the storage folder cannot be read: ${textOf(cause)}`, { cause })
  }
  const stale: string[] = []
  const generations: number[] = []
  let highest = 0
  for (const name of names) {
    const match = NAME.exec(name)
    if (match === null) continue
    const generation = Number(match[1])
    highest = Math.max(highest, generation)
    if (match[2] === undefined && name === journalName(generation)) generations.push(generation)
    else stale.push(name)
  }
  generations.sort((a, b) => b - a)
  let damaged = 0
  for (const [index, generation] of generations.entries()) {
    const name = journalName(generation)
    const bytes = await read(folder, name)
    const content = readRecords(bytes, generation)
    if (content.records.length === 0) {
      // it got its name when it was whole: something has ruined it
      damaged++
      stale.push(name)
      continue
    }
    const books = new JournalBooks()
    for (const { record, size } of content.records) {
      if (record.kind === 'head' && record.version > FORMAT_VERSION) {
        const text = `${name} is of format ${record.version}, newer than this program, which knows ${FORMAT_VERSION}`
        throw new TomError('STORAGE_FAILED', `${text}: update it, or use another folder`)
      }
      books.stage(record, size)
      books.commit()
    }
    stale.push(...generations.slice(index + 1).map(journalName))
    return { generation, highest, books, end: content.end, damaged: damaged + content.damaged, stale }
  }
  return { generation: 0, highest, books: new JournalBooks(), end: 0, damaged, stale }
}

async function read(folder: Folder, name: string): Promise<Uint8Array> {
  try {
    return (await folder.read(name)) ?? new Uint8Array(0)
  } catch (cause) {
    throw new TomError('STORAGE_FAILED', `${name} cannot be read: ${textOf(cause)}`, { cause })
  }
}

export type WrittenGeneration =
  | { readonly isDone: true; readonly books: JournalBooks; readonly end: number }
  /** `mayExist`: after a crash the new generation may be found, so nothing may be added to the old one. `isLeft`: what was begun could not be removed. */
  | { readonly isDone: false; readonly error: unknown; readonly mayExist: boolean; readonly isLeft: boolean }

/** Writes all of `content` into a new file, of a number that was never used, that takes its name when it is on the disk, and waits until the name is there too. Never rejects. */
export async function writeGeneration(
  folder: Folder,
  generation: number,
  content: Restored,
): Promise<WrittenGeneration> {
  const name = journalName(generation)
  const unfinished = unfinishedName(generation)
  const books = new JournalBooks()
  let mayExist = false
  let file: AppendFile | undefined
  try {
    file = await folder.open(unfinished)
    const writer = new RecordWriter(generation, 0)
    for (const record of recordsOf(content)) {
      books.stage(record, writer.write(record))
      if (writer.length >= CHUNK_LENGTH) await file.append(writer.take())
    }
    if (writer.length > 0) await file.append(writer.take())
    await file.sync()
    const end = file.size
    const finished = file
    file = undefined
    // some systems do not rename open files
    await finished.close()
    mayExist = true
    await folder.rename(unfinished, name)
    await folder.sync()
    books.commit()
    return { isDone: true, books, end }
  } catch (error) {
    await file?.close().catch(ignore)
    // gives its room back to a full disk
    const isLeft = await folder.remove(unfinished).then(
      () => false,
      () => true,
    )
    return { isDone: false, error, mayExist, isLeft }
  }
}

function* recordsOf(content: Restored): Generator<FileRecord> {
  yield { kind: 'head', version: FORMAT_VERSION }
  for (const message of content.messages) yield { kind: 'keep', message }
  for (const { id, from, timestamp } of content.delivered) yield { kind: 'delivered', id, from, timestamp }
}

/** Of an error of a folder, for people. */
export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Whether the disk, or our share of it, is full: that passes. */
export function isFull(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false
  return error.code === 'ENOSPC' || error.code === 'EDQUOT'
}

export function ignore(): void {}
