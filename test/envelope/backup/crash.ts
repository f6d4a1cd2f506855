/** Plays a script against a journal over a folder that fails, and judges what is left of it. */
import { expect } from 'vitest'
import type { Journal, JournalSettings } from '../../../src/envelope/backup/journal.ts'
import type { JournalRecord, Restored } from '../../../src/envelope/backup/stored-message.ts'
import { type FaultyFolder, NONE_SURVIVES, type Survival } from '../../sim/support/faulty-folder.ts'
import { keep, openJournal, stateAfter, textOf, WALL } from './support.ts'

/** Records appended in one turn, or time for `tidy`. */
export type ScriptStep = readonly JournalRecord[] | { readonly tidy: number }

export const SMALL: Partial<JournalSettings> = { slackBytes: 150, batchBytes: 200, cleanupMs: 1000 }

export class Play {
  readonly appended: JournalRecord[] = []
  /** What was said of each. */
  readonly answers: (boolean | undefined)[] = []
  errors: unknown[] = []
  damaged = 0
  /** What the journal was told last. */
  wall = WALL
  readonly #settings: Partial<JournalSettings>

  constructor(settings: Partial<JournalSettings> = SMALL) {
    this.#settings = settings
  }

  /** Ends when the script does, or the folder crashes. */
  async run(folder: FaultyFolder, script: readonly ScriptStep[]): Promise<void> {
    await Promise.race([this.#run(folder, script), folder.crashed])
  }

  async #run(folder: FaultyFolder, script: readonly ScriptStep[]): Promise<void> {
    const { journal, damaged, errors } = await openJournal(folder, { wall: this.wall, settings: this.#settings })
    this.errors = errors
    this.damaged = damaged
    for (const step of script) {
      if ('tidy' in step) {
        this.wall = step.tidy
        journal.tidy(step.tidy)
      } else await Promise.all(step.map((record) => this.append(journal, record)))
    }
    await journal.close()
  }

  async append(journal: Journal, record: JournalRecord): Promise<void> {
    const index = this.appended.push(record) - 1
    this.answers.push(undefined)
    this.answers[index] = await journal.append(record)
  }

  /** The states that a reader may find when nothing failed but the crash: of any number of records that includes the durable ones. */
  allowed(): Set<string> {
    const states = new Set<string>()
    for (let count = this.answers.lastIndexOf(true) + 1; count <= this.appended.length; count++)
      states.add(sorted(stateAfter(this.appended.slice(0, count), this.wall)))
    return states
  }

  /** What is wrong with a state where records may be missing out of order: for each message some word since the last durable one must be there, and all delivered that are durable. */
  faults(found: Restored): string[] {
    const words = new Map<string, { text: string; isDurable: boolean }[]>()
    for (const [index, record] of this.appended.entries()) {
      const subject = record.kind === 'keep' ? record.message : record
      const key = `${record.kind === 'delivered' ? 'delivered ' : ''}${subject.id} ${subject.from}`
      const isLasting = stateAfter([record], this.wall)
      const word = { text: isLasting, isDurable: this.answers[index] === true }
      words.set(key, [...(words.get(key) ?? [{ text: stateAfter([]), isDurable: false }]), word])
    }
    const found_ = new Map<string, string>()
    for (const message of found.messages)
      found_.set(`${message.id} ${message.from}`, textOf({ messages: [message], delivered: [] }))
    for (const done of found.delivered)
      found_.set(`delivered ${done.id} ${done.from}`, textOf({ messages: [], delivered: [done] }))
    const faults: string[] = []
    for (const [key, said] of words) {
      const last = Math.max(
        0,
        said.findLastIndex(({ isDurable }) => isDurable),
      )
      const text = found_.get(key) ?? stateAfter([])
      if (!said.slice(last).some((word) => word.text === text)) faults.push(`of ${key} is found: ${text}`)
      found_.delete(key)
    }
    for (const key of found_.keys()) faults.push(`${key} was never appended`)
    return faults
  }
}

export interface Judged {
  /** Records may be missing out of order: something failed before the crash, or the crash left holes. */
  readonly isLoose?: boolean
  readonly settings?: Partial<JournalSettings>
  /** Only looks, and does not go on from there. */
  readonly isQuick?: boolean
}

/** The next process finds a state that it may find, can go on from there, and what it adds is kept as well. */
export async function judge(
  play: Play,
  left: FaultyFolder,
  allowed: ReadonlySet<string>,
  what: string,
  { isLoose = false, settings = SMALL, isQuick = false }: Judged = {},
): Promise<void> {
  const { journal, restored, damaged, errors } = await openJournal(left, { wall: play.wall, settings })
  const text = sorted(textOf(restored))
  const faults = isLoose ? play.faults(restored) : allowed.has(text) ? [] : ['no state of the script']
  if (!isLoose && damaged > 0) faults.push(`${damaged} damaged`)
  if (errors.length > 0) faults.push(String(errors[0]))
  if (faults.length > 0) expect.fail(`${what}: ${faults.join(', ')}; answers ${play.answers.join()}; found\n${text}`)
  if (isQuick) return
  const isDurable = await journal.append(keep('after'))
  const later = await openJournal(left.crash(NONE_SURVIVES), { wall: play.wall, settings })
  const expected = stateAfter([...recordsOf(restored), keep('after')], play.wall)
  if (!isDurable || later.damaged > 0 || sorted(textOf(later.restored)) !== sorted(expected)) {
    expect.fail(`${what}: went on, and then found\n${textOf(later.restored)}\nand not\n${expected}`)
  }
}

export function recordsOf(restored: Restored): JournalRecord[] {
  return [
    ...restored.messages.map((message) => ({ kind: 'keep', message }) as const),
    ...restored.delivered.map((done) => ({ kind: 'delivered', ...done }) as const),
  ]
}

/** What expired and was kept again stands where the oracle does not expect it. */
export function sorted(state: string): string {
  return state.split('\n').sort().join('\n')
}

export interface NamedSurvival {
  readonly what: string
  readonly survival: Survival
  readonly hasHoles: boolean
}

/** What may be left of what was not synced: names in order and out of order, bytes up to each of `lengths` lengths, and with holes. */
export function survivals(folder: FaultyFolder, lengths = 150): NamedSurvival[] {
  const { names, bytes } = folder.unsynced
  const places = new Set([0, bytes])
  const step = Math.max(1, Math.ceil(bytes / lengths))
  for (let length = 0; length < bytes; length += step) places.add(length)
  const found: NamedSurvival[] = []
  const sets = 1 << Math.min(names, 4)
  for (let set = 0; set < sets; set++) {
    const survives: Survival['names'] = (index) => ((set >> index) & 1) === 1
    // a file without a name is not found, whatever is in it
    for (const length of set === sets - 1 ? places : [0, bytes]) {
      const survival = { names: survives, bytes: (count: number) => Math.min(count, length) }
      found.push({ what: `names ${set.toString(2)}, ${length} bytes`, survival, hasHoles: false })
    }
    for (const residue of bytes > 64 ? [0, 1, 2] : []) {
      const survival = {
        names: survives,
        bytes: (count: number) => count,
        isHole: (sector: number) => sector % 3 === residue,
      }
      found.push({ what: `names ${set.toString(2)}, holes ${residue}`, survival, hasHoles: true })
    }
  }
  return found
}
