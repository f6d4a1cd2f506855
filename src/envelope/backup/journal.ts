/**
 * The journal: what the backup keeps and what was delivered, in a folder, so that it survives a crash at any instruction (spec/envelope.md §6, BAK-1, L2a). Records are added
 * at the end of one file and many share a sync; when most of the file is dead, what lives moves to a new one. No clock and no timers: the owner calls `tidy`.
 */
import type { AppendFile, Folder } from '../../platform/index.ts'
import { TomError } from '../errors.ts'
import type { JournalBooks } from './journal-books.ts'
import { checkRecord, RecordWriter } from './journal-codec.ts'
import {
  type FoundJournal,
  findJournal,
  ignore,
  isFull,
  journalName,
  textOf,
  unfinishedName,
  writeGeneration,
} from './journal-files.ts'
import type { JournalRecord, Restored } from './stored-message.ts'

export interface JournalOptions {
  /** Now, ms since 1970. */
  readonly wall: number
  /** TomError STORAGE_FAILED: something could not be written, or not be cleared away. Once until that works again. */
  readonly onError: (error: unknown) => void
  readonly settings?: Partial<JournalSettings>
}

export interface JournalStats {
  /** Made durable. */
  readonly records: number
  readonly liveBytes: number
  readonly fileBytes: number
  readonly syncs: number
  readonly compactions: number
  /** Attempts to write that failed. */
  readonly failures: number
  /** Records in memory that are not durable yet. */
  readonly waiting: number
}

export interface JournalSettings {
  /** How much more dead than living bytes there may be in the file. */
  readonly slackBytes: number
  /** A file of this length takes no more records: the mailbox's 64 MiB twice, and as much again for compactions that failed. */
  readonly maxFileBytes: number
  /** Bytes of a batch, about; more wait for the next. */
  readonly batchBytes: number
  /** `tidy` rewrites the file at most this often, ms (spec/envelope.md §4.2, clean-up). */
  readonly cleanupMs: number
}

const DEFAULTS: JournalSettings = {
  slackBytes: 1024 * 1024,
  maxFileBytes: 256 * 1024 * 1024,
  batchBytes: 1024 * 1024,
  cleanupMs: 5 * 60 * 1000,
}

/**
 * `good`: the file ends where we think. `tail`: what stands behind that is unknown and has to be cut. `file`: nothing may be added to this file: there is none, or its
 * successor may exist, or a failed sync has left us in doubt about its content.
 */
type Health = 'good' | 'tail' | 'file'

interface Entry {
  readonly record: JournalRecord
  /** Undefined when the owner knows already that it could not be written. */
  readonly done: ((isDurable: boolean) => void) | undefined
}

export class Journal {
  readonly #folder: Folder
  readonly #onError: (error: unknown) => void
  readonly #settings: JournalSettings
  #queue: Entry[] = []
  #work: Promise<void> | undefined
  #health: Health
  /** The file's name is on the disk. */
  #isNamed = false
  /** After a crash a newer file than ours may be found. */
  #isSuperseded = false
  #file: AppendFile | undefined
  #writer: RecordWriter
  #books: JournalBooks
  #generation: number
  /** The highest generation that has been begun. */
  #highest: number
  /** Where the last durable record ends. */
  #end: number
  #stale: string[]
  #wall: number
  #rewrittenAt: number
  #wantsRewrite = false
  /** By `tidy`, to try once more. */
  #isAsked = false
  /** No compaction for its own sake before the file is this long: the last one failed. */
  #compactFrom = 0
  #isFailing = false
  /** The last compaction failed. */
  #isGrowing = false
  #closing: Promise<void> | undefined
  #records = 0
  #syncs = 0
  #compactions = 0
  #failures = 0

  /**
   * Reads what is there, cuts a torn end, and makes sure that something can be written. A damaged record loses only itself; `damaged` counts them. Rejects with TomError
   * STORAGE_FAILED when what is there cannot be read, or there is nothing and nothing can be made; a disk that is only full is reported by `onError`.
   */
  static async open(
    folder: Folder,
    options: JournalOptions,
  ): Promise<{ journal: Journal; restored: Restored; damaged: number }> {
    const found = await findJournal(folder)
    const restored = found.books.merged([], options.wall)
    const journal = new Journal(folder, options, found)
    await journal.#begin(found)
    return { journal, restored, damaged: found.damaged }
  }

  private constructor(folder: Folder, options: JournalOptions, found: FoundJournal) {
    this.#folder = folder
    this.#onError = options.onError
    this.#settings = { ...DEFAULTS, ...options.settings }
    this.#health = found.generation === 0 ? 'file' : 'tail'
    this.#writer = new RecordWriter(found.generation, found.end)
    this.#books = found.books
    this.#generation = found.generation
    this.#highest = found.highest
    this.#end = found.end
    this.#stale = [...found.stale]
    this.#wall = options.wall
    this.#rewrittenAt = options.wall
  }

  get stats(): JournalStats {
    return {
      records: this.#records,
      liveBytes: this.#books.liveBytes,
      fileBytes: this.#end,
      syncs: this.#syncs,
      compactions: this.#compactions,
      failures: this.#failures,
      waiting: this.#queue.length,
    }
  }

  /**
   * Resolves true once the record, and all before it, will survive a crash; false when it could not be written: then it is tried again with the next one and with `tidy`.
   * Never rejects; throws TypeError for a record that no file can hold. The record is not copied.
   */
  append(record: JournalRecord): Promise<boolean> {
    checkRecord(record)
    if (this.#closing !== undefined) return Promise.resolve(false)
    const written = new Promise<boolean>((done) => this.#queue.push({ record, done }))
    this.#start()
    return written
  }

  /**
   * For every minute or so, with the time in ms since 1970: tries again what could not be written, and rewrites the file when something in it has to be gone, or when it is
   * small and there are messages in it that nobody needs any more.
   */
  tidy(wall: number): void {
    this.#wall = wall
    if (this.#closing !== undefined) return
    // the clock may have been set back
    if (wall < this.#rewrittenAt) this.#rewrittenAt = wall
    if (wall - this.#rewrittenAt >= this.#settings.cleanupMs) {
      const { liveBytes, deadline } = this.#books
      const isCheap = liveBytes <= this.#settings.slackBytes && this.#deadBytes > 0
      if (deadline <= wall || isCheap) this.#wantsRewrite = true
    }
    if (!this.#wantsRewrite && this.#health === 'good' && this.#stale.length === 0) return
    this.#isAsked = true
    this.#start()
  }

  /** Writes what is left, as far as it can be written. Never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#work
    if (this.#queue.length > 0) await this.#attempt()
    await this.#file?.close().catch(ignore)
    this.#file = undefined
  }

  get #deadBytes(): number {
    return this.#end - this.#books.liveBytes
  }

  async #begin(found: FoundJournal): Promise<void> {
    let error: unknown
    if (found.generation === 0 || found.damaged > 0 || found.books.deadline <= this.#wall || this.#isCompactionDue())
      error = await this.#rewrite()
    if (error !== undefined) {
      if (found.generation === 0 && !isFull(error)) {
        const text = `nothing can be written to the storage folder: ${textOf(error)}`
        throw new TomError('STORAGE_FAILED', text, { cause: error })
      }
      if (this.#health === 'tail') this.#reportGrowth(error)
      else this.#report(error)
    }
    if (this.#health === 'tail') await this.#adopt()
  }

  /** What was read may never have reached the disk: the process before us may have been killed before its sync. */
  async #adopt(): Promise<void> {
    try {
      await this.#ready()
      await this.#file!.sync()
      this.#syncs++
      this.#health = 'good'
    } catch (error) {
      if (!isFull(error)) this.#health = 'file'
      this.#report(error)
      return
    }
    await this.#removeStale()
  }

  #start(): void {
    this.#work ??= this.#run()
  }

  async #run(): Promise<void> {
    // what is appended in the same turn shares the first sync
    await Promise.resolve()
    do {
      this.#isAsked = false
      await this.#attempt()
      if (!this.#hasWork && this.#health === 'good') await this.#removeStale()
    } while (this.#hasWork)
    this.#work = undefined
  }

  get #hasWork(): boolean {
    // those that wait for better times stand at the front
    return this.#isAsked || this.#queue.at(-1)?.done !== undefined || this.#isCompactionDue()
  }

  /** Writes the next batch, or all of it anew. */
  async #attempt(): Promise<void> {
    const isTooLong = this.#end > this.#settings.maxFileBytes
    if (this.#health === 'file' || isTooLong || this.#isCompactionDue()) {
      const queued = this.#queue.length
      const isForRoom = this.#health === 'good' && !isTooLong
      const error = await this.#rewrite()
      if (error === undefined) return
      if (isForRoom) this.#reportGrowth(error)
      else this.#report(error)
      if (this.#health === 'file' || isTooLong) {
        this.#postpone(queued)
        return
      }
    }
    await this.#extend()
  }

  #isCompactionDue(): boolean {
    if (this.#wantsRewrite) return true
    return this.#deadBytes > this.#books.liveBytes + this.#settings.slackBytes && this.#end >= this.#compactFrom
  }

  /** Adds a batch to the file. */
  async #extend(): Promise<void> {
    const queued = this.#queue.length
    if (queued === 0 && this.#health === 'good') return
    let count = 0
    try {
      await this.#ready()
      this.#writer.moveTo(this.#end)
      while (count < queued && this.#writer.length < this.#settings.batchBytes) {
        const record = this.#books.plan(this.#queue[count++]!.record)
        if (record !== undefined) this.#books.stage(record, this.#writer.write(record))
      }
      const bytes = this.#writer.take()
      if (bytes.length > 0) {
        this.#health = 'tail'
        await this.#file!.append(bytes)
        await this.#file!.sync()
        this.#syncs++
        this.#end += bytes.length
      }
      this.#health = 'good'
      this.#books.commit()
      this.#succeeded(count)
    } catch (error) {
      this.#books.rollback()
      // a failed sync leaves us in doubt: the next one may succeed without having written what this one could not
      this.#health = isFull(error) ? 'tail' : 'file'
      this.#report(error)
      this.#postpone(queued)
    }
  }

  /** The file is open, ends at `#end`, and has its name on the disk. */
  async #ready(): Promise<void> {
    if (!this.#isNamed) {
      await this.#folder.sync()
      this.#isNamed = true
    }
    const name = journalName(this.#generation)
    this.#file ??= await this.#folder.open(name)
    if (this.#file.size < this.#end) throw new Error(`${name} has lost its end`)
    if (this.#file.size > this.#end) await this.#file.truncate(this.#end)
  }

  /** Writes all that lives, with what is queued, into a new file, and goes on there. Returns what failed. */
  async #rewrite(): Promise<unknown> {
    const queued = this.#queue.length
    const later = this.#queue.map((entry) => entry.record)
    const content = this.#books.merged(later, this.#wall)
    this.#wantsRewrite = false
    this.#rewrittenAt = this.#wall
    const generation = ++this.#highest
    const written = await writeGeneration(this.#folder, generation, content)
    if (!written.isDone) {
      this.#compactFrom = this.#end + this.#settings.slackBytes
      if (written.mayExist) {
        this.#stale.push(journalName(generation))
        this.#isSuperseded = true
      }
      if (written.isLeft) this.#stale.push(unfinishedName(generation))
      this.#health = this.#isSuperseded || this.#generation === 0 ? 'file' : 'tail'
      return written.error
    }
    await this.#file?.close().catch(ignore)
    this.#file = undefined
    if (this.#generation > 0) this.#stale.push(journalName(this.#generation))
    this.#generation = generation
    this.#writer = new RecordWriter(generation, written.end)
    this.#books = written.books
    this.#end = written.end
    this.#health = 'good'
    this.#isNamed = true
    this.#isSuperseded = false
    this.#compactFrom = 0
    this.#isGrowing = false
    this.#compactions++
    this.#syncs++
    this.#succeeded(queued)
    await this.#removeStale()
    return undefined
  }

  /** Only called when the file that counts has its name on the disk. */
  async #removeStale(): Promise<void> {
    if (this.#stale.length === 0) return
    const left: string[] = []
    for (const name of this.#stale) await this.#folder.remove(name).catch(() => left.push(name))
    this.#stale = left
    // should it fail, they may come back, and are found again
    await this.#folder.sync().catch(ignore)
  }

  #succeeded(count: number): void {
    this.#isFailing = false
    this.#records += count
    for (const entry of this.#queue.splice(0, count)) entry.done?.(true)
  }

  /** The first `count` could not be written: their owners learn it, and they wait for the next attempt. */
  #postpone(count: number): void {
    const tried = this.#queue.slice(0, count)
    const left = this.#books.coalesce(tried.map((entry) => entry.record))
    this.#queue = [...left.map((record) => ({ record, done: undefined })), ...this.#queue.slice(count)]
    for (const entry of tried) entry.done?.(false)
  }

  #report(error: unknown): void {
    this.#failures++
    if (this.#isFailing) return
    this.#isFailing = true
    this.#tell('cannot be written, and what is new will not survive the end of this process', error)
  }

  #reportGrowth(error: unknown): void {
    this.#failures++
    if (this.#isGrowing) return
    this.#isGrowing = true
    this.#tell('cannot be cleared of what is over, and grows', error)
  }

  #tell(what: string, error: unknown): void {
    try {
      this.#onError(new TomError('STORAGE_FAILED', `the storage ${what}: ${textOf(error)}`, { cause: error }))
    } catch {
      // what the owner does with it must not stop us
    }
  }
}
