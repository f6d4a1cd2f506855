import { describe, expect, test } from 'vitest'
import type { JournalRecord } from '../../../src/envelope/backup/stored-message.ts'
import { FaultyFolder, NONE_SURVIVES } from '../../sim/support/faulty-folder.ts'
import { delivered, drop, HOUR, keep, keyOf, message, openJournal, stateAfter, textOf, WALL } from './support.ts'

describe('what was appended is there again', () => {
  test('BAK-1: an empty folder becomes a journal, and what was appended durably survives', async () => {
    const folder = new FaultyFolder()
    const { journal, restored, damaged, errors } = await openJournal(folder)
    expect(restored).toEqual({ messages: [], delivered: [] })
    const records: JournalRecord[] = [
      keep('a'),
      keep('b', { length: 3000, holders: [keyOf('h')] }),
      delivered('x'),
      drop('a'),
      keep('c', { from: keyOf('dora'), length: 0 }),
    ]
    for (const record of records) expect(await journal.append(record)).toBe(true)
    const again = await openJournal(folder.crash(NONE_SURVIVES))
    expect(textOf(again.restored)).toBe(stateAfter(records))
    expect([damaged, again.damaged, errors, again.errors]).toEqual([0, 0, [], []])
  })

  test('BAK-1: close drains what was appended before, and nothing is taken after', async () => {
    const folder = new FaultyFolder()
    const { journal } = await openJournal(folder)
    const first = journal.append(keep('a'))
    const closed = journal.close()
    expect(await journal.append(keep('b'))).toBe(false)
    await closed
    expect(await first).toBe(true)
    await journal.close()
    journal.tidy(WALL + 48 * HOUR)
    const { restored } = await openJournal(folder.crash(NONE_SURVIVES))
    expect(restored.messages.map(({ id }) => id)).toEqual(['a'])
  })

  test('spec/envelope.md §6: records of one turn share a sync, and so do those that come while one runs', async () => {
    const folder = new FaultyFolder()
    const { journal } = await openJournal(folder)
    const before = journal.stats.syncs
    await Promise.all(Array.from({ length: 100 }, (_, index) => journal.append(keep(`m${index}`))))
    expect(journal.stats.syncs - before).toBe(1)
    const written: Promise<boolean>[] = []
    folder.onStep = ({ call }) => {
      if (call === 'sync' && written.length < 10)
        for (let i = 0; i < 5; i++) written.push(journal.append(keep(`n${written.length}`)))
      return undefined
    }
    await journal.append(keep('first'))
    await written.at(-1)
    expect(await Promise.all(written)).toEqual(Array(10).fill(true))
    expect(journal.stats.syncs - before).toBe(4)
    expect(journal.stats.records).toBe(111)
  })

  test('spec/envelope.md §6: noting a holder does not write the envelope again', async () => {
    const folder = new FaultyFolder()
    const { journal } = await openJournal(folder)
    const kept = message('a', { length: 100_000 })
    await journal.append({ kind: 'keep', message: kept })
    const { fileBytes } = journal.stats
    await journal.append({ kind: 'keep', message: { ...kept, holders: [keyOf('h')] } })
    expect(journal.stats.fileBytes - fileBytes).toBeLessThan(120)
    const { restored } = await openJournal(folder.crash(NONE_SURVIVES))
    expect(restored.messages[0]?.holders).toEqual([keyOf('h')])
    expect(Buffer.compare(restored.messages[0]!.wire, kept.wire)).toBe(0)
  })

  test('BAK-2: a shorter life or another recipient is written, though the envelope is the same', async () => {
    const kept = message('a')
    for (const change of [{ expiresAt: WALL + HOUR }, { to: keyOf('dora') }]) {
      const folder = new FaultyFolder()
      const { journal } = await openJournal(folder)
      const changed: JournalRecord = { kind: 'keep', message: { ...kept, ...change } }
      await journal.append({ kind: 'keep', message: kept })
      await journal.append(changed)
      const { restored } = await openJournal(folder.crash(NONE_SURVIVES))
      expect(textOf(restored)).toBe(stateAfter([changed]))
    }
  })

  test('spec/envelope.md §6: a drop of what the file never had costs nothing', async () => {
    const { journal } = await openJournal(new FaultyFolder())
    const before = journal.stats
    expect(await journal.append(drop('nothing'))).toBe(true)
    expect(journal.stats).toMatchObject({ fileBytes: before.fileBytes, syncs: before.syncs })
  })

  test('spec/envelope.md §6: what is appended while old files are removed is not forgotten', async () => {
    const folder = new FaultyFolder()
    const { journal } = await openJournal(folder)
    await journal.append(keep('a'))
    await journal.append(drop('a'))
    let removals = 0
    let isLate: boolean | undefined
    folder.onStep = ({ call, name }) => {
      if (call !== 'remove' || name !== 'journal-1') return undefined
      // the second attempt is the last thing that the journal does before it rests
      if (++removals === 1) return { kind: 'fail', code: 'EACCES' }
      void journal.append(keep('late')).then((isDurable) => {
        isLate = isDurable
      })
      return undefined
    }
    journal.tidy(WALL + HOUR)
    for (let turn = 0; turn < 500 && isLate === undefined; turn++) await Promise.resolve()
    expect(removals).toBe(2)
    expect(isLate).toBe(true)
  })

  test.each([
    ['an id that is empty', keep('')],
    ['an id of 65 characters', delivered('x'.repeat(65))],
    ['an id that is not ASCII', drop('ä')],
    ['a key in upper case', keep('a', { from: 'A'.repeat(64) })],
    ['a time that is none', delivered('a', Number.NaN)],
    ['an expiry that never comes', keep('a', { expiresAt: Number.POSITIVE_INFINITY })],
  ])('%s throws at the call', async (_, record) => {
    const { journal } = await openJournal(new FaultyFolder())
    expect(() => journal.append(record)).toThrow(TypeError)
    expect(await journal.append(keep('b'))).toBe(true)
  })
})

describe('L2a: nothing outlives its time on the disk', () => {
  const secret = Buffer.from('what alice wrote to bob')
  const holds = (folder: FaultyFolder, bytes: Buffer): boolean =>
    [...folder.files().values()].some((file) => Buffer.from(file).includes(bytes))

  test('L2a: 24 h and one clean-up later no byte of a message is in any file', async () => {
    const folder = new FaultyFolder()
    const { journal } = await openJournal(folder)
    await journal.append(keep('its-id', { wire: secret }))
    await journal.append(delivered('done', WALL))
    journal.tidy(WALL + 24 * HOUR - 1)
    await journal.append(keep('later', { expiresAt: WALL + 40 * HOUR }))
    expect(holds(folder, secret)).toBe(true)
    // the mailbox need not even have dropped it
    journal.tidy(WALL + 24 * HOUR + 5 * 60_000)
    await journal.close()
    expect(holds(folder, secret)).toBe(false)
    expect(holds(folder, Buffer.from('its-id'))).toBe(false)
    expect(holds(folder, Buffer.from('done'))).toBe(false)
    expect([...folder.files().keys()]).toEqual(['journal-2'])
  })

  test('L2a: what is remembered of a delivered message goes as well, with nothing else to do', async () => {
    const folder = new FaultyFolder()
    const { journal } = await openJournal(folder)
    await journal.append(delivered('done'))
    journal.tidy(WALL + 24 * HOUR + 5 * 60_000 - 1)
    expect(holds(folder, Buffer.from('done'))).toBe(true)
    journal.tidy(WALL + 24 * HOUR + 10 * 60_000)
    await journal.close()
    expect(holds(folder, Buffer.from('done'))).toBe(false)
  })

  test('BAK-3: an acknowledged message leaves a small file with the next clean-up', async () => {
    const folder = new FaultyFolder()
    const { journal } = await openJournal(folder)
    await journal.append(keep('its-id', { wire: secret }))
    await journal.append(drop('its-id'))
    journal.tidy(WALL + 5 * 60_000 - 1)
    expect(journal.stats.compactions).toBe(1)
    journal.tidy(WALL + 5 * 60_000)
    await journal.append(keep('other'))
    for (let turn = 0; turn < 100; turn++) await Promise.resolve()
    expect(holds(folder, secret)).toBe(false)
    const { compactions } = journal.stats
    // and then there is nothing more to do
    journal.tidy(WALL + 15 * 60_000)
    await journal.close()
    expect(journal.stats.compactions).toBe(compactions)
  })
})
