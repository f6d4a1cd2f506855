import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JournalBooks } from '../../../src/envelope/backup/journal-books.ts'
import type { JournalRecord } from '../../../src/envelope/backup/stored-message.ts'
import {
  type DiskFault,
  type DiskStep,
  drawSurvival,
  FaultyFolder,
  NONE_SURVIVES,
} from '../../sim/support/faulty-folder.ts'
import { SimRandom } from '../../sim/support/random.ts'
import { judge, Play, type ScriptStep, sorted } from './crash.ts'
import { delivered, drop, HOUR, keep, keyOf, openJournal, stateAfter, textOf, WALL } from './support.ts'

const FULL: DiskFault = { kind: 'fail', code: 'ENOSPC' }
const writes = (call: DiskStep['call']): boolean => call === 'append' || call === 'open'

async function heldBy(folder: FaultyFolder, wall = WALL): Promise<string> {
  const { restored } = await openJournal(folder.crash(NONE_SURVIVES), { wall })
  return sorted(textOf(restored))
}

const sortedState = (records: readonly JournalRecord[]): string => sorted(stateAfter(records))

describe('spec/envelope.md §6: a full disk', () => {
  test('is reported once for each spell, costs nothing that was durable, and what waited is written with the next', async () => {
    const folder = new FaultyFolder()
    const { journal, errors } = await openJournal(folder)
    expect(await journal.append(keep('a'))).toBe(true)
    folder.onStep = ({ call }) => (writes(call) ? FULL : undefined)
    for (const record of [keep('b'), drop('a'), delivered('x')]) expect(await journal.append(record)).toBe(false)
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatchObject({ code: 'STORAGE_FAILED', message: expect.stringContaining('ENOSPC') })
    expect(await heldBy(folder)).toBe(sortedState([keep('a')]))
    expect(journal.stats.failures).toBe(3)
  })

  test('what waited is there after the next one succeeds', async () => {
    const folder = new FaultyFolder()
    const { journal, errors } = await openJournal(folder)
    await journal.append(keep('a'))
    for (let spell = 1; spell <= 2; spell++) {
      folder.onStep = ({ call }) => (writes(call) ? FULL : undefined)
      expect(await journal.append(keep(`b${spell}`))).toBe(false)
      expect(await journal.append(keep(`c${spell}`))).toBe(false)
      folder.onStep = undefined
      expect(await journal.append(keep(`d${spell}`))).toBe(true)
      expect(errors).toHaveLength(spell)
    }
    const names = ['a', 'b1', 'c1', 'd1', 'b2', 'c2', 'd2']
    expect(await heldBy(folder)).toBe(sortedState(names.map((name) => keep(name))))
  })

  test('tidy writes what waited, without a new record; so does close', async () => {
    for (const way of ['tidy', 'close'] as const) {
      const folder = new FaultyFolder()
      const { journal } = await openJournal(folder)
      folder.onStep = ({ call }) => (writes(call) ? FULL : undefined)
      expect(await journal.append(keep('a'))).toBe(false)
      folder.onStep = undefined
      if (way === 'tidy') {
        journal.tidy(WALL + 1)
        for (let turn = 0; turn < 200; turn++) await Promise.resolve()
      } else await journal.close()
      expect(await heldBy(folder), way).toBe(sortedState([keep('a')]))
    }
  })

  test('the room decides: what fits is kept, a file that was begun gives its room back', async () => {
    const folder = new FaultyFolder()
    const { journal, errors } = await openJournal(folder, { settings: { slackBytes: 100 } })
    folder.capacity = 3000
    const kept: JournalRecord[] = []
    const dropped: JournalRecord[] = []
    for (let index = 0; index < 40; index++) {
      const record = keep(`m${index}`, { length: 100 })
      if (await journal.append(record)) kept.push(record)
      else dropped.push(record)
    }
    expect(kept.length).toBeGreaterThan(8)
    expect(errors).toHaveLength(1)
    // more dead than alive, but no room for a copy
    for (let index = 0; index < 8; index++) await journal.append(drop(`m${index}`))
    expect([...folder.files().keys()]).toEqual(['journal-1'])
    folder.capacity = 20_000
    expect(await journal.append(delivered('x'))).toBe(true)
    expect(await heldBy(folder)).toBe(sortedState([...kept.slice(8), ...dropped, delivered('x')]))
    expect(errors.length).toBeLessThanOrEqual(2)
  })

  test('a compaction for which there is no room gives back what it took, and does not stand in the way', async () => {
    const folder = new FaultyFolder()
    const { journal, errors } = await openJournal(folder, { settings: { slackBytes: 100 } })
    const records = Array.from({ length: 10 }, (_, index) => keep(`m${index}`, { length: 200 }))
    for (const record of records) await journal.append(record)
    folder.capacity = journal.stats.fileBytes + 1000
    for (let index = 0; index < 6; index++) expect(await journal.append(drop(`m${index}`))).toBe(true)
    expect(await journal.append(delivered('x'))).toBe(true)
    for (let turn = 0; turn < 200; turn++) await Promise.resolve()
    expect(journal.stats).toMatchObject({ compactions: 1, waiting: 0 })
    expect(errors).toHaveLength(1)
    expect([...folder.files().keys()]).toEqual(['journal-1'])
    folder.capacity = 20_000
    journal.tidy(WALL + HOUR)
    await journal.append(keep('last'))
    await journal.close()
    expect(journal.stats.compactions).toBe(2)
    expect(await heldBy(folder)).toBe(sortedState([...records.slice(6), delivered('x'), keep('last')]))
  })

  test('does not make the memory grow: of what came and went meanwhile nothing is left', async () => {
    const folder = new FaultyFolder()
    const { journal } = await openJournal(folder)
    await journal.append(keep('before'))
    folder.onStep = ({ call }) => (writes(call) ? FULL : undefined)
    for (let index = 0; index < 300; index++)
      await Promise.all([journal.append(keep(`m${index}`)), journal.append(drop(`m${index}`))])
    await journal.append(drop('before'))
    await journal.append(keep('after'))
    folder.onStep = undefined
    const { fileBytes, waiting } = journal.stats
    expect(waiting).toBe(2)
    expect(await journal.append(keep('last'))).toBe(true)
    // a drop and two messages
    expect(journal.stats.fileBytes - fileBytes).toBeLessThan(500)
    expect(await heldBy(folder)).toBe(sortedState([keep('after'), keep('last')]))
  })

  test('at the start is no reason not to start', async () => {
    const folder = new FaultyFolder()
    folder.capacity = 0
    const { journal, errors } = await openJournal(folder)
    expect(errors).toHaveLength(1)
    expect(await journal.append(keep('a'))).toBe(false)
    folder.capacity = 10_000
    expect(await journal.append(keep('b'))).toBe(true)
    expect(await heldBy(folder)).toBe(sortedState([keep('a'), keep('b')]))
    expect(errors).toHaveLength(1)
  })
})

describe('spec/envelope.md §6: a disk that does not work', () => {
  test.each(['list', 'read', 'open', 'append', 'sync', 'rename', 'sync-names'] as const)(
    'where %s fails from the start, the journal cannot be opened, and says so',
    async (call) => {
      const folder = new FaultyFolder()
      if (call === 'read') folder.put('journal-1', new Uint8Array(10))
      folder.onStep = (step) => (step.call === call ? { kind: 'fail', code: 'EACCES' } : undefined)
      await expect(openJournal(folder)).rejects.toMatchObject({
        name: 'TomError',
        code: 'STORAGE_FAILED',
        message: expect.stringContaining('EACCES'),
      })
    },
  )

  test.each(['open', 'append', 'sync', 'sync-names'] as const)(
    'where %s fails but all can be read, what was there is given, and writing is tried again',
    async (call) => {
      const before = new FaultyFolder()
      const first = await openJournal(before)
      await first.journal.append(keep('a'))
      const folder = before.crash(NONE_SURVIVES)
      folder.onStep = (step) => (step.call === call ? { kind: 'fail', code: 'EIO' } : undefined)
      const { journal, restored, errors } = await openJournal(folder)
      expect(textOf(restored)).toBe(stateAfter([keep('a')]))
      expect(await journal.append(keep('b'))).toBe(false)
      expect(errors).toHaveLength(1)
      folder.onStep = undefined
      expect(await journal.append(keep('c'))).toBe(true)
      expect(await heldBy(folder)).toBe(sortedState([keep('a'), keep('b'), keep('c')]))
    },
  )

  test('where no new file can be made, the old one is cut back to what is certain and used again', async () => {
    const folder = new FaultyFolder()
    const { journal } = await openJournal(folder)
    let failures = 1
    folder.onStep = ({ call, name }) => {
      if (call === 'sync' && failures-- > 0) return { kind: 'fail', code: 'EIO' }
      return name.endsWith('.tmp') ? { kind: 'fail', code: 'EIO' } : undefined
    }
    expect(await journal.append(keep('a'))).toBe(false)
    expect(await journal.append(keep('b'))).toBe(true)
    expect([...folder.files().keys()]).toEqual(['journal-1'])
    expect(await heldBy(folder)).toBe(sortedState([keep('a'), keep('b')]))
  })

  test('an owner whose onError throws does not stop it', async () => {
    const folder = new FaultyFolder()
    const { journal } = await openJournal(folder, {
      onError: () => {
        throw new Error('the owner is confused')
      },
    })
    folder.onStep = ({ call }) => (call === 'append' ? { kind: 'fail', code: 'EIO' } : undefined)
    expect(await journal.append(keep('a'))).toBe(false)
    folder.onStep = undefined
    expect(await journal.append(keep('b'))).toBe(true)
  })

  test('an old file that cannot be removed is tried again', async () => {
    const folder = new FaultyFolder()
    const { journal } = await openJournal(folder)
    await journal.append(keep('a', { expiresAt: WALL + HOUR }))
    folder.onStep = ({ call, name }) =>
      call === 'remove' && name === 'journal-1' ? { kind: 'fail', code: 'EPERM' } : undefined
    journal.tidy(WALL + HOUR)
    expect(await journal.append(keep('b'))).toBe(true)
    expect([...folder.files().keys()].sort()).toEqual(['journal-1', 'journal-2'])
    for (let turn = 0; turn < 200; turn++) await Promise.resolve()
    folder.onStep = undefined
    journal.tidy(WALL + HOUR + 1)
    await journal.close()
    expect([...folder.files().keys()]).toEqual(['journal-2'])
  })

  test('a file that can never be rewritten grows to its bound, and then takes nothing until it can', async () => {
    const folder = new FaultyFolder()
    const { journal } = await openJournal(folder, {
      settings: { slackBytes: 100, batchBytes: 100, maxFileBytes: 4000 },
    })
    let isFailing = true
    folder.onStep = ({ call, name }) =>
      isFailing && call === 'append' && name.endsWith('.tmp') ? { kind: 'fail', code: 'EIO' } : undefined
    let refused = 0
    for (let index = 0; index < 60; index++) {
      const [isKept] = await Promise.all([
        journal.append(keep(`m${index}`)),
        journal.append(delivered(`m${index}`)),
        journal.append(drop(`m${index}`)),
      ])
      if (!isKept) refused++
    }
    expect(refused).toBeGreaterThan(10)
    expect(journal.stats.fileBytes).toBeLessThan(4500)
    isFailing = false
    expect(await journal.append(keep('last'))).toBe(true)
    const all = [...Array.from({ length: 60 }, (_, index) => delivered(`m${index}`)), keep('last')]
    expect(await heldBy(folder)).toBe(sortedState(all))
  })
})

describe('spec/envelope.md §6: the size of the file', () => {
  test('however much comes and goes, no more is dead than alive and the slack', async () => {
    const folder = new FaultyFolder()
    const settings = { slackBytes: 2000, batchBytes: 1000 }
    const { journal, errors } = await openJournal(folder, { settings })
    const random = new SimRandom('churn')
    const alive: string[] = []
    for (let index = 0; index < 700; index++) {
      const records = [keep(`m${index}`, { length: random.int(0, 200) })]
      alive.push(`m${index}`)
      while (alive.length > random.int(5, 30)) records.push(drop(alive.splice(random.int(0, alive.length - 1), 1)[0]!))
      const answers = await Promise.all(records.map((record) => journal.append(record)))
      expect(answers).not.toContain(false)
      // a compaction follows the answers
      for (let turn = 0; turn < 60; turn++) await Promise.resolve()
      const { fileBytes, liveBytes } = journal.stats
      if (fileBytes > 2 * liveBytes + settings.slackBytes) expect.fail(`${fileBytes} bytes, ${liveBytes} live`)
    }
    expect(journal.stats.compactions).toBeGreaterThan(10)
    expect(folder.files().size).toBe(1)
    const { restored } = await openJournal(folder.crash(NONE_SURVIVES))
    expect(restored.messages.map(({ id }) => id).sort()).toEqual(alive.sort())
    expect(errors).toEqual([])
  })

  test('RTR-11: of the delivered 100,000 are remembered', () => {
    const books = new JournalBooks()
    for (let index = 0; index < 105_000; index++) {
      books.stage({ kind: 'delivered', id: `${index}`, from: keyOf('carol'), timestamp: WALL }, 60)
      if (index % 1000 === 999) books.commit()
    }
    // forgetting goes in steps
    expect(books.liveBytes).toBeLessThan(60 * 105_000)
    expect(books.liveBytes).toBeGreaterThanOrEqual(60 * 100_000)
    const { delivered } = books.merged([{ kind: 'delivered', id: 'last', from: keyOf('carol'), timestamp: WALL }], WALL)
    expect(delivered).toHaveLength(100_000)
    expect([delivered[0]?.id, delivered.at(-1)?.id]).toEqual(['5001', 'last'])
  })
})

describe('BAK-1: anything, in any order, until the lights go out', () => {
  const id = fc.constantFrom('a', 'b', 'c', 'd')
  const record: fc.Arbitrary<JournalRecord> = fc.oneof(
    {
      weight: 3,
      arbitrary: fc
        .record({ id, length: fc.nat(120), hours: fc.integer({ min: 1, max: 24 }) })
        .map(({ id, length, hours }) => keep(id, { length, expiresAt: WALL + hours * HOUR })),
    },
    { weight: 2, arbitrary: id.map(drop) },
    { weight: 1, arbitrary: fc.nat(99).map((number) => delivered(`${number}`)) },
  )
  const script: fc.Arbitrary<ScriptStep[]> = fc
    .array(
      fc.oneof(
        { weight: 5, arbitrary: fc.array(record, { minLength: 1, maxLength: 6 }) },
        { weight: 1, arbitrary: fc.constant('tidy' as const) },
      ),
      { maxLength: 14, size: 'max' },
    )
    .map((steps) => steps.map((step, index) => (step === 'tidy' ? { tidy: WALL + index * HOUR } : step)))

  test('a random script, crash and survival: a state that the script had, no older than the last durable one', async () => {
    await fc.assert(
      fc.asyncProperty(script, fc.nat(120), fc.string(), async (steps, number, seed) => {
        const folder = new FaultyFolder()
        folder.onStep = (step) => (step.number === number ? { kind: 'crash', when: 'after' } : undefined)
        const play = new Play()
        await play.run(folder, steps)
        const random = new SimRandom(seed)
        await judge(play, folder.crash(drawSurvival(random)), play.allowed(), `crash at ${number}, seed ${seed}`)
      }),
      { numRuns: 100 },
    )
  })

  test('with random failures before: for each message a word no older than the last durable one', async () => {
    await fc.assert(
      fc.asyncProperty(
        script,
        fc.nat(150),
        fc.double({ min: 0, max: 0.3, noNaN: true }),
        fc.string(),
        async (steps, number, rate, seed) => {
          const folder = new FaultyFolder()
          const random = new SimRandom(seed)
          const play = new Play()
          const { length: ready } = await stepsToOpen()
          folder.onStep = (step) => {
            if (step.number === number) return { kind: 'crash', when: 'before' }
            if (step.number < ready || !random.chance(rate)) return undefined
            return { kind: 'fail', code: random.pick(['ENOSPC', 'EIO', 'EROFS']), done: random.int(0, 50) }
          }
          await play.run(folder, steps)
          await judge(play, folder.crash(drawSurvival(random)), new Set(), `crash at ${number}, seed ${seed}`, {
            isLoose: true,
          })
        },
      ),
      { numRuns: 120 },
    )
  })
})

/** Calls until an empty folder is a journal. */
async function stepsToOpen(): Promise<{ length: number }> {
  const folder = new FaultyFolder()
  await openJournal(folder)
  return { length: folder.steps }
}
