import { expect, test } from 'vitest'
import { FaultyFolder } from '../../sim/support/faulty-folder.ts'
import { HOUR, keep, openJournal, WALL } from './support.ts'

test('L2a: a file that was begun, could not be finished and could not be removed goes when the disk is well again', async () => {
  const folder = new FaultyFolder()
  const { journal } = await openJournal(folder)
  expect(await journal.append(keep('a'))).toBe(true)
  // the sync of the new file fails, and so does its removal
  folder.onStep = ({ call, name }) =>
    name.endsWith('.tmp') && (call === 'sync' || call === 'remove') ? { kind: 'fail', code: 'EIO' } : undefined
  journal.tidy(WALL + 24 * HOUR)
  for (let turn = 0; turn < 200; turn++) await Promise.resolve()
  expect([...folder.files().keys()].some((name) => name.endsWith('.tmp'))).toBe(true)
  folder.onStep = undefined
  for (let minutes = 10; minutes < 30; minutes += 10) {
    journal.tidy(WALL + 24 * HOUR + minutes * 60_000)
    for (let turn = 0; turn < 200; turn++) await Promise.resolve()
  }
  const files = [...folder.files()]
  expect(files.map(([name]) => name).filter((name) => name.endsWith('.tmp'))).toEqual([])
  expect(files).toHaveLength(1)
})
