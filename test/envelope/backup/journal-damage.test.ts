import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { crc32c } from '../../../src/envelope/backup/crc32c.ts'
import {
  type FileRecord,
  FORMAT_VERSION,
  RecordWriter,
  readRecords,
} from '../../../src/envelope/backup/journal-codec.ts'
import type { JournalRecord } from '../../../src/envelope/backup/stored-message.ts'
import { FaultyFolder, NONE_SURVIVES } from '../../sim/support/faulty-folder.ts'
import { delivered, drop, HOUR, keep, keyOf, message, openJournal, stateAfter, textOf, WALL } from './support.ts'

const RECORDS: readonly JournalRecord[] = [
  keep('a'),
  keep('b', { holders: [keyOf('h')] }),
  delivered('x'),
  keep('c', { length: 0 }),
  drop('a'),
  keep('d', { wire: Uint8Array.of(0xf7, 0x54, 0x4d, 0xf7, 0xf7, 0x54, 0x54, 0, 0xf7, 0x54) }),
]

function written(records: readonly FileRecord[], generation = 1): Uint8Array {
  const writer = new RecordWriter(generation, 0)
  for (const record of records) writer.write(record)
  return writer.take().slice()
}

const HEAD: FileRecord = { kind: 'head', version: FORMAT_VERSION }

describe('spec/envelope.md §6: bytes of the journal', () => {
  test('RFC 9260 appendix A: CRC-32C of the digits is the published check value', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
    expect(crc32c(Buffer.from('56789'), 0, 5, crc32c(Buffer.from('1234')))).toBe(0xe3069283)
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
  })

  test('the first record of a file as bytes: marker, length, checksum, kind and version', () => {
    expect(Buffer.from(written([HEAD])).toString('hex')).toMatch(/^f7544d00000002[0-9a-f]{8}0001$/)
  })

  test('what was written is read, wherever it stands and whatever is in it', () => {
    const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'))
    const id = fc.string({
      unit: fc.integer({ min: 0x20, max: 0x7e }).map((c) => String.fromCharCode(c)),
      minLength: 1,
      maxLength: 64,
    })
    const time = fc.double({ noNaN: true, noDefaultInfinity: true })
    // made of what the marker is made of
    const wire = fc
      .array(fc.constantFrom(0xf7, 0x54, 0x4d, 0, 1), { maxLength: 200 })
      .map((list) => Uint8Array.from(list))
    const holders = fc.array(key, { maxLength: 5 })
    const record: fc.Arbitrary<FileRecord> = fc.oneof(
      fc.record({
        kind: fc.constant('keep' as const),
        message: fc.record({ id, from: key, to: key, wire, expiresAt: time, holders }),
      }),
      fc.record({ kind: fc.constant('drop' as const), id, from: key }),
      fc.record({ kind: fc.constant('delivered' as const), id, from: key, timestamp: time }),
      fc.record({ kind: fc.constant('held' as const), id, from: key, holders }),
    )
    fc.assert(
      fc.property(fc.array(record, { maxLength: 8 }), fc.nat(2 ** 32 - 1), (records, generation) => {
        const bytes = written(records, generation)
        const content = readRecords(bytes, generation)
        expect(content.records.map((read) => read.record)).toEqual(records)
        expect([content.damaged, content.end]).toEqual([0, bytes.length])
        expect(content.records.reduce((sum, { size }) => sum + size, 0)).toBe(bytes.length)
        expect(Buffer.from(bytes.subarray(3)).toString('latin1').split('\xf7\x54\x4d').length).toBe(
          Math.max(1, records.length),
        )
      }),
      { numRuns: 150 },
    )
  })

  test('any bytes are read without an error, and hold nothing', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0xf7, 0x54, 0x4d, 0, 1, 2, 10), { maxLength: 300 }), (list) => {
        expect(readRecords(Uint8Array.from(list), 1).records).toEqual([])
      }),
      { numRuns: 300 },
    )
  })

  test('a length beyond the file or beyond reason is damage, not an allocation', () => {
    for (const length of [0, 3, 2 ** 20, 2 ** 32 - 1]) {
      const bytes = new Uint8Array(13)
      bytes.set([0xf7, 0x54, 0x4d])
      new DataView(bytes.buffer).setUint32(3, length)
      expect(readRecords(bytes, 1)).toEqual({ records: [], damaged: 0, end: 0 })
    }
  })

  test('a record is none in another place or in a file of another generation', () => {
    const bytes = written([HEAD, ...RECORDS])
    expect(readRecords(bytes, 2).records).toEqual([])
    const moved = new Uint8Array(bytes.length + 1)
    moved.set(bytes, 1)
    expect(readRecords(moved, 1).records).toEqual([])
  })
})

describe('spec/envelope.md §6: damage', () => {
  test('BAK-1: any bit that flips costs the record that it is in, and is told', async () => {
    const whole = written([HEAD, ...RECORDS])
    const all = readRecords(whole, 1).records
    const texts = all.map(({ record }) => JSON.stringify(record))
    let end = 0
    for (const [lost, { size }] of all.entries()) {
      const left = texts.filter((_, index) => index !== lost).join()
      for (let bit = 8 * end; bit < 8 * (end + size); bit++) {
        whole[bit >>> 3]! ^= 1 << (bit & 7)
        const content = readRecords(whole, 1)
        whole[bit >>> 3]! ^= 1 << (bit & 7)
        // the end of a file may as well be torn
        const damaged = lost < all.length - 1 ? 1 : 0
        if (content.damaged !== damaged || content.records.map(({ record }) => JSON.stringify(record)).join() !== left)
          expect.fail(`bit ${bit}, in record ${lost}: ${content.damaged} damaged, ${JSON.stringify(content.records)}`)
      }
      end += size
    }
  })

  test('BAK-1: a journal with a damaged record is opened, says so, and heals', async () => {
    const whole = written([HEAD, ...RECORDS])
    const states = new Set(RECORDS.map((_, lost) => stateAfter(RECORDS.filter((_, index) => index !== lost))))
    states.add(stateAfter(RECORDS))
    const last = readRecords(whole, 1).records.at(-1)!.size
    for (let bit = 0; bit < 8 * whole.length; bit += 61) {
      const folder = new FaultyFolder()
      folder.put('journal-1', whole)
      folder.flip('journal-1', bit)
      const { journal, restored, damaged, errors } = await openJournal(folder)
      if (!states.has(textOf(restored))) expect.fail(`bit ${bit}: found\n${textOf(restored)}`)
      expect([damaged, errors], `bit ${bit}`).toEqual([bit < 8 * (whole.length - last) ? 1 : 0, []])
      await journal.append(keep('after'))
      const again = await openJournal(folder.crash(NONE_SURVIVES))
      expect([again.damaged, again.restored.messages.at(-1)?.id]).toEqual([0, 'after'])
      expect(again.restored.messages.length).toBe(restored.messages.length + 1)
    }
  })

  test('a torn end of any length is cut, and what follows is found', async () => {
    const whole = written([HEAD, ...RECORDS])
    const start = whole.length - readRecords(whole, 1).records.at(-1)!.size
    for (let length = start; length < whole.length; length++) {
      const folder = new FaultyFolder()
      folder.put('journal-1', whole.subarray(0, length))
      const { journal, restored, damaged } = await openJournal(folder)
      expect([textOf(restored), damaged]).toEqual([stateAfter(RECORDS.slice(0, -1)), 0])
      await journal.append(keep('after'))
      const again = await openJournal(folder.crash(NONE_SURVIVES))
      expect([textOf(again.restored), again.damaged]).toEqual([stateAfter([...RECORDS.slice(0, -1), keep('after')]), 0])
    }
  })

  test('a message full of records does not become records when the one around it is damaged', async () => {
    const victim = keep('victim')
    const forged: FileRecord[] = [drop('victim'), delivered('forged'), keep('forged')]
    const before = written([HEAD, victim]).length
    // as if the author knew the generation and the place of each
    const evil = Buffer.concat(
      Array.from({ length: 400 }, (_, shift) => {
        const writer = new RecordWriter(1, before + 100 + shift * 3)
        writer.write(forged[shift % 3]!)
        return writer.take().slice()
      }),
    )
    const bytes = written([HEAD, victim, keep('evil', { wire: evil }), delivered('x')])
    for (let damage = before; damage < bytes.length - 200; damage += 97) {
      const broken = bytes.slice()
      broken[damage]! ^= 0x10
      const content = readRecords(broken, 1)
      expect(content.records.map(({ record }) => record.kind)).toEqual(['head', 'keep', 'delivered'])
      expect(content.damaged).toBeGreaterThan(0)
    }
  })

  test('a lost base makes the record of its holders meaningless, not harmful', async () => {
    const kept = message('a')
    const held: FileRecord = { kind: 'held', id: 'a', from: kept.from, holders: [keyOf('h')] }
    const folder = new FaultyFolder()
    const bytes = written([HEAD, { kind: 'keep', message: kept }, held, keep('b')])
    bytes[40]! ^= 1
    folder.put('journal-1', bytes)
    const { restored, damaged } = await openJournal(folder)
    expect([textOf(restored), damaged]).toEqual([stateAfter([keep('b')]), 1])
  })
})

describe('spec/envelope.md §6: generations', () => {
  test('of two the newer counts, also when it knows less; the older one and unfinished ones go', async () => {
    const folder = new FaultyFolder()
    folder.put('journal-9', written([HEAD, keep('a'), keep('b')], 9))
    folder.put('journal-10', written([HEAD, keep('b')], 10))
    folder.put('journal-11.tmp', written([HEAD, keep('c')], 11))
    folder.put('journal-010', written([HEAD, keep('c')], 10))
    folder.put('notes', Buffer.from('somebody else'))
    const { restored, journal } = await openJournal(folder)
    expect(textOf(restored)).toBe(stateAfter([keep('b')]))
    expect([...folder.files().keys()].sort()).toEqual(['journal-10', 'notes'])
    await journal.append(keep('d'))
    const again = await openJournal(folder.crash(NONE_SURVIVES))
    expect(textOf(again.restored)).toBe(stateAfter([keep('b'), keep('d')]))
  })

  test('a newest file in which nothing can be read is passed over, and told', async () => {
    const folder = new FaultyFolder()
    folder.put('journal-1', written([HEAD, keep('a')], 1))
    folder.put('journal-2', new Uint8Array(5000))
    const { restored, damaged } = await openJournal(folder)
    expect([textOf(restored), damaged]).toEqual([stateAfter([keep('a')]), 1])
    expect([...folder.files().keys()]).toEqual(['journal-3'])
  })

  test('a file of a newer format is left as it is', async () => {
    const folder = new FaultyFolder()
    const bytes = written([{ kind: 'head', version: FORMAT_VERSION + 1 }, keep('a')], 4)
    folder.put('journal-4', bytes)
    await expect(openJournal(folder)).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
      message: expect.stringContaining('newer than this program'),
    })
    expect(folder.files()).toEqual(new Map([['journal-4', bytes]]))
  })

  test('L2a: what has expired while nobody was running is gone when the journal is open', async () => {
    const folder = new FaultyFolder()
    folder.put('journal-1', written([HEAD, keep('a'), delivered('x'), keep('b', { expiresAt: WALL + 30 * HOUR })], 1))
    const { restored } = await openJournal(folder, { wall: WALL + 25 * HOUR })
    expect(textOf(restored)).toBe(stateAfter([keep('b', { expiresAt: WALL + 30 * HOUR })]))
    const [file] = folder.files().values()
    expect(readRecords(file!, 2).records.map(({ record }) => record.kind)).toEqual(['head', 'keep'])
  })

  test('spec/envelope.md §4.2: delivered messages are remembered for 24 h and 5 min', async () => {
    const folder = new FaultyFolder()
    folder.put('journal-1', written([HEAD, delivered('x')], 1))
    const lifetime = 24 * HOUR + 5 * 60_000
    expect(
      (await openJournal(folder.crash(NONE_SURVIVES), { wall: WALL + lifetime - 1 })).restored.delivered,
    ).toHaveLength(1)
    expect((await openJournal(folder.crash(NONE_SURVIVES), { wall: WALL + lifetime })).restored.delivered).toHaveLength(
      0,
    )
  })
})
