import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { StoredMessage } from '../../../src/envelope/backup/stored-message.ts'
import { NodeFolder } from '../../../src/platform/node/index.ts'
import { delivered, drop, HOUR, keep, keyOf, message, openJournal, stateAfter, textOf, WALL } from './support.ts'

const APPENDER = fileURLToPath(new URL('appender.ts', import.meta.url))

let path: string
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'tom-journal-'))
})
afterEach(() => rmSync(path, { recursive: true, force: true }))

describe('BAK-1: a journal in a folder of this machine', () => {
  test('what was appended is there again, and the folder can be had again', async () => {
    const records = [keep('a', { length: 100_000 }), keep('b'), delivered('x'), drop('b')]
    const first = await NodeFolder.open(path)
    const { journal } = await openJournal(first)
    expect(await Promise.all(records.map((record) => journal.append(record)))).toEqual([true, true, true, true])
    await journal.close()
    await first.close()
    const second = await NodeFolder.open(path)
    const again = await openJournal(second)
    expect(textOf(again.restored)).toBe(stateAfter(records))
    expect(again.damaged).toBe(0)
    await again.journal.close()
    await second.close()
    expect(readdirSync(path)).toEqual(['journal-1'])
  })

  test('BAK-1: killed in the middle of it, all that it had said to be durable is there', async () => {
    for (const after of [1, 60]) {
      const child = spawn(process.execPath, ['--import', 'tsx', APPENDER, path], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const gone = once(child, 'exit')
      let told = ''
      child.stdout.on('data', (chunk: Buffer) => {
        told += String(chunk)
        if (told.split('\n').length > after) child.kill('SIGKILL')
      })
      await gone
      const last = Math.max(...told.split('\n').slice(0, -1).map(Number))
      expect(last).toBeGreaterThanOrEqual(after - 1)
      const folder = await NodeFolder.open(path)
      const { journal, restored, damaged } = await openJournal(folder)
      const made = restored.delivered.length
      // in their order: nothing is missing between
      expect(restored.delivered.map(({ id }) => id)).toEqual(Array.from({ length: made }, (_, index) => `d${index}`))
      expect(made).toBeGreaterThan(last)
      const kept = restored.messages.map(({ id }) => Number(id.slice(1)))
      expect(kept.length).toBeGreaterThanOrEqual(Math.min(made, 20))
      expect(kept).toEqual(Array.from({ length: kept.length }, (_, index) => kept[0]! + index))
      expect(kept.at(-1)).toBeGreaterThanOrEqual(made - 1)
      for (const { id, wire } of restored.messages)
        expect(Buffer.compare(wire, message(id, { length: 400 }).wire)).toBe(0)
      expect(damaged).toBe(0)
      await journal.close()
      await folder.close()
      for (const name of readdirSync(path)) rmSync(join(path, name))
    }
  })

  test('L2a: 24 h and a clean-up later no byte of a message is in any file of the folder', async () => {
    const secret = Buffer.from('sealed for bob, and nobody else')
    const traces = [
      secret,
      Buffer.from('id-of-it'),
      Buffer.from(keyOf('alice'), 'hex'),
      Buffer.from(keyOf('bob'), 'hex'),
    ]
    const left = (): string[] =>
      readdirSync(path).filter((name) => traces.some((trace) => readFileSync(join(path, name)).includes(trace)))
    const folder = await NodeFolder.open(path)
    const { journal } = await openJournal(folder)
    const stored: StoredMessage = message('id-of-it', { wire: secret })
    await journal.append({ kind: 'keep', message: stored })
    await journal.append({ kind: 'keep', message: { ...stored, holders: [keyOf('holder')] } })
    await journal.append({ kind: 'delivered', id: 'id-of-it', from: keyOf('alice'), timestamp: WALL })
    journal.tidy(WALL + 23 * HOUR)
    // not even the disk of a node that dies now keeps it: the next one clears it away
    writeFileSync(join(path, 'journal-7.tmp'), secret)
    expect(left()).toEqual(['journal-1', 'journal-7.tmp'])
    journal.tidy(WALL + 24 * HOUR + 5 * 60_000)
    await journal.close()
    await folder.close()
    expect(left()).toEqual(['journal-7.tmp'])
    const again = await NodeFolder.open(path)
    const { journal: next, restored } = await openJournal(again, { wall: WALL + 24 * HOUR + 6 * 60_000 })
    await next.close()
    await again.close()
    expect(left()).toEqual([])
    expect(restored).toEqual({ messages: [], delivered: [] })
  })
})
