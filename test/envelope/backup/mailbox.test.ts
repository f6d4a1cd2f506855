import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Mailbox, type MailboxSettings } from '../../../src/envelope/backup/mailbox.ts'
import type { StoredMessage } from '../../../src/envelope/backup/stored-message.ts'
import { HOUR, keyOf, message, WALL } from './support.ts'
import { TwinMailbox } from './twin-mailbox.ts'

const SELF = keyOf('self')
const KEYS = Array.from({ length: 6 }, (_, index) => keyOf(`peer ${index}`))

function from(
  sender: string,
  to: string,
  id: string,
  options: Partial<StoredMessage> & { length?: number } = {},
): StoredMessage {
  return message(id, { from: keyOf(sender), to: keyOf(to), ...options })
}

/** Puts `count` messages, all of which are kept and push out nobody. */
function fill(mailbox: Mailbox, count: number, make: (index: number) => StoredMessage): void {
  for (let index = 0; index < count; index++) {
    const put = mailbox.put(make(index), WALL, WALL)
    if (!put.isKept || put.pushedOut.length > 0) expect.fail(`message ${index}: ${JSON.stringify(put)}`)
  }
}

const ids = (messages: readonly StoredMessage[]): string[] => messages.map(({ id }) => id)

describe('what is kept', () => {
  test('BAK-1: whole envelopes, by id and sender, the oldest first', () => {
    const mailbox = new Mailbox(SELF)
    const first = from('alice', 'bob', '1')
    const other = from('carol', 'bob', '1')
    const own = message('2', { from: SELF, to: keyOf('bob') })
    for (const put of [first, other, own, from('alice', 'dora', '3')]) mailbox.put(put, WALL, WALL)
    expect(mailbox.get('1', keyOf('alice'))).toEqual(first)
    expect(mailbox.get('1', keyOf('alice'))?.wire).toBe(first.wire)
    expect(mailbox.has('1', keyOf('dora'))).toBe(false)
    expect(mailbox.forRecipient(keyOf('bob'))).toEqual([first, other, own])
    expect(mailbox.own()).toEqual([own])
    expect(mailbox.put({ ...first, expiresAt: WALL + 1 }, WALL, WALL)).toEqual({ isKept: false, reason: 'known' })
    expect([mailbox.size, mailbox.bytes]).toEqual([4, 80])
    expect(mailbox.remove('1', keyOf('alice'))).toEqual(first)
    expect(mailbox.remove('1', keyOf('alice'))).toBeUndefined()
    expect(mailbox.forRecipient(keyOf('bob'))).toEqual([other, own])
    expect(mailbox.forRecipient(keyOf('nobody'))).toEqual([])
    expect([mailbox.size, mailbox.bytes]).toEqual([3, 60])
  })

  test('spec/envelope.md §6.1: holders are noted once, five at most, and change nothing else', () => {
    const mailbox = new Mailbox(SELF)
    mailbox.put(message('1', { from: SELF, holders: [KEYS[0]!] }), WALL, WALL)
    mailbox.put(message('2', { from: SELF }), WALL, WALL)
    expect(mailbox.noteHolder('1', SELF, KEYS[0]!)).toBeUndefined()
    expect(mailbox.noteHolder('3', SELF, KEYS[0]!)).toBeUndefined()
    for (const key of KEYS.slice(1, 5)) expect(mailbox.noteHolder('1', SELF, key)?.holders).toContain(key)
    expect(mailbox.noteHolder('1', SELF, KEYS[5]!)).toBeUndefined()
    expect(ids(mailbox.own())).toEqual(['1', '2'])
    expect(mailbox.own()[0]?.holders).toEqual(KEYS.slice(0, 5))
    expect(mailbox.get('1', SELF)?.holders).toEqual(KEYS.slice(0, 5))
    const crowded = mailbox.put(from('alice', 'bob', '4', { holders: KEYS }), WALL, WALL)
    expect(crowded.isKept && crowded.message.holders).toEqual(KEYS.slice(0, 5))
  })

  test('ENV-5: an envelope that is too long for the wire is not kept', () => {
    const mailbox = new Mailbox(SELF)
    expect(mailbox.put(message('1', { length: 262_145 }), WALL, WALL)).toEqual({ isKept: false, reason: 'too-large' })
    expect(mailbox.put(message('1', { length: 262_144 }), WALL, WALL).isKept).toBe(true)
  })
})

describe('how long', () => {
  test.each([
    ['what the message says', WALL + HOUR, WALL, WALL + HOUR],
    ['24 h after its timestamp', WALL + 48 * HOUR, WALL - 2 * HOUR, WALL + 22 * HOUR],
    ['24 h from now, whatever the clock of the sender says', WALL + 48 * HOUR, WALL + HOUR, WALL + 24 * HOUR],
    ['24 h from now, with numbers beyond all reason', Number.MAX_VALUE, Number.MAX_VALUE, WALL + 24 * HOUR],
  ])('L2b, BAK-2: until %s', (_, expiresAt, timestamp, expected) => {
    const mailbox = new Mailbox(SELF)
    const put = mailbox.put(message('1', { expiresAt }), timestamp, WALL)
    expect(put.isKept && put.message.expiresAt).toBe(expected)
    expect(mailbox.deadline()).toBe(expected)
    expect(mailbox.expire(expected - 1)).toEqual([])
    expect(ids(mailbox.expire(expected))).toEqual(['1'])
    expect([mailbox.size, mailbox.bytes, mailbox.deadline()]).toEqual([0, 0, Number.POSITIVE_INFINITY])
  })

  test.each([
    ['its own word', WALL, WALL],
    ['its timestamp', WALL + HOUR, WALL - 24 * HOUR],
    ['no number', Number.NaN, WALL],
    ['a timestamp that is no number', WALL + HOUR, Number.NaN],
  ])('BAK-2: what has expired by %s is not kept', (_, expiresAt, timestamp) => {
    const result = new Mailbox(SELF).put(message('1', { expiresAt }), timestamp, WALL)
    expect(result).toEqual({ isKept: false, reason: 'expired' })
  })

  test('L2b: putting it again, as a replica or from the journal, does not prolong its life', () => {
    const mailbox = new Mailbox(SELF)
    mailbox.put(message('1', { expiresAt: WALL + HOUR }), WALL, WALL)
    mailbox.put(message('1', { expiresAt: WALL + 9 * HOUR }), WALL, WALL)
    mailbox.noteHolder('1', keyOf('alice'), SELF)
    expect(mailbox.deadline()).toBe(WALL + HOUR)
    const kept = mailbox.forRecipient(keyOf('bob'))
    const next = new Mailbox(SELF)
    expect(next.restore([...kept, message('2', { expiresAt: WALL })], WALL + 1)).toMatchObject([{ id: '2' }])
    expect(next.forRecipient(keyOf('bob'))).toEqual(kept)
    expect(ids(next.expire(WALL + HOUR))).toEqual(['1'])
  })

  test('L2a: 24 h after the last message nothing is left', () => {
    const mailbox = new Mailbox(SELF)
    fill(mailbox, 100, (index) =>
      message(`${index}`, { from: index % 2 === 0 ? SELF : KEYS[index % 6]!, expiresAt: WALL + 24 * HOUR }),
    )
    expect(mailbox.expire(mailbox.deadline())).toHaveLength(100)
    expect([mailbox.size, mailbox.bytes, mailbox.own(), mailbox.forRecipient(keyOf('bob'))]).toEqual([0, 0, [], []])
  })
})

describe('how much', () => {
  test('BAK-6: 200 from one sender, then he is refused, and nobody else', () => {
    const mailbox = new Mailbox(SELF)
    fill(mailbox, 200, (index) => from('mallory', `peer ${index}`, `${index}`))
    expect(mailbox.put(from('mallory', 'bob', 'more'), WALL, WALL)).toEqual({ isKept: false, reason: 'full-sender' })
    expect(mailbox.put(from('alice', 'bob', 'hers'), WALL, WALL)).toMatchObject({ isKept: true, pushedOut: [] })
    mailbox.remove('7', keyOf('mallory'))
    expect(mailbox.put(from('mallory', 'bob', 'more'), WALL, WALL).isKept).toBe(true)
  })

  test('BAK-6: 500 for one recipient; a full box costs those who fill it, and no other box', () => {
    const mailbox = new Mailbox(SELF)
    fill(mailbox, 10, (index) => from('alice', 'dora', `d${index}`))
    fill(mailbox, 500, (index) => from(`mallory ${index % 3}`, 'bob', `${index}`))
    // three who share it evenly keep their shares among themselves
    expect(mailbox.put(from('mallory 0', 'bob', 'more'), WALL, WALL)).toEqual({
      isKept: false,
      reason: 'full-recipient',
    })
    // a fourth has less than they: the oldest of the fullest goes
    const put = mailbox.put(from('alice', 'bob', 'hers'), WALL, WALL)
    expect(put.isKept && ids(put.pushedOut)).toEqual(['0'])
    expect(mailbox.forRecipient(keyOf('bob'))).toHaveLength(500)
    expect(mailbox.forRecipient(keyOf('dora'))).toHaveLength(10)
  })

  test('BAK-6: 10,000 in all; a flood of many senders pushes out the fullest, not who has little', () => {
    const mailbox = new Mailbox(SELF)
    mailbox.put(from('alice', 'bob', 'hers'), WALL, WALL)
    fill(mailbox, 9_999, (index) => from(`mallory ${index % 60}`, `victim ${index % 100}`, `${index}`))
    const put = mailbox.put(from('dora', 'bob', 'late'), WALL, WALL)
    expect(put.isKept && ids(put.pushedOut)).toEqual(['0'])
    for (let index = 0; index < 500; index++)
      mailbox.put(from(`newcomer ${index}`, `victim ${index % 100}`, 'x'), WALL, WALL)
    expect(mailbox.size).toBe(10_000)
    expect([mailbox.has('hers', keyOf('alice')), mailbox.has('late', keyOf('dora'))]).toEqual([true, true])
  })

  test('BAK-6: 64 MiB in all; who fills them with long messages makes room himself', () => {
    const mailbox = new Mailbox(SELF)
    const wire = new Uint8Array(256 * 1024)
    fill(mailbox, 50, (index) => from('alice', 'bob', `a${index}`, { length: 2_000 }))
    fill(mailbox, 255, (index) => from(index < 150 ? 'mallory' : 'oscar', `peer ${index}`, `${index}`, { wire }))
    const bytes = 64 * 1024 * 1024
    expect(mailbox.bytes).toBeGreaterThan(bytes - wire.length)
    const first = mailbox.put(from('dora', 'bob', 'd', { wire }), WALL, WALL)
    expect(first.isKept && ids(first.pushedOut)).toEqual(['0'])
    for (let index = 0; index < 45; index++) mailbox.put(from('oscar', 'bob', `o${index}`, { wire }), WALL, WALL)
    expect(mailbox.bytes).toBeLessThanOrEqual(bytes)
    expect(mailbox.forRecipient(keyOf('bob')).filter(({ id }) => id.startsWith('a'))).toHaveLength(50)
    expect(mailbox.has('d', keyOf('dora'))).toBe(true)
  })

  test('BAK-6: our own have a cap of their own, are never pushed out, and do not fill a box', () => {
    const mailbox = new Mailbox(SELF, { maxMessages: 40, maxOwnMessages: 10, maxPerRecipient: 15 })
    fill(mailbox, 10, (index) => message(`own ${index}`, { from: SELF }))
    expect(mailbox.put(message('own 10', { from: SELF }), WALL, WALL)).toEqual({ isKept: false, reason: 'full-sender' })
    fill(mailbox, 15, (index) => from('mallory', 'bob', `${index}`))
    fill(mailbox, 15, (index) => from('mallory', 'dora', `d${index}`))
    const put = mailbox.put(from('alice', 'erin', 'e'), WALL, WALL)
    expect(put.isKept && ids(put.pushedOut)).toEqual(['0'])
    expect(mailbox.own()).toHaveLength(10)
    mailbox.remove('own 3', SELF)
    const own = mailbox.put(message('own 11', { from: SELF }), WALL, WALL)
    expect(own).toMatchObject({ isKept: true, pushedOut: [] })
    expect(mailbox.own()).toHaveLength(10)
  })

  test('BAK-6: room for our own is made by others, and settings that leave them none are not taken at their word', () => {
    const mailbox = new Mailbox(SELF, { maxMessages: 4, maxBytes: 1000, maxOwnMessages: 99, maxOwnBytes: 5000 })
    fill(mailbox, 4, (index) => from('alice', 'bob', `${index}`))
    for (const id of ['x', 'y']) {
      const put = mailbox.put(message(id, { from: SELF }), WALL, WALL)
      expect(put.isKept && put.pushedOut).toHaveLength(1)
    }
    expect(mailbox.put(message('z', { from: SELF }), WALL, WALL)).toEqual({ isKept: false, reason: 'full-sender' })
    expect(mailbox.put(from('carol', 'bob', 'long', { length: 501 }), WALL, WALL)).toEqual({
      isKept: false,
      reason: 'too-large',
    })
    const long = mailbox.put(from('carol', 'bob', 'long', { length: 500 }), WALL, WALL)
    expect(long.isKept && ids(long.pushedOut)).toEqual(['2'])
  })
})

describe('the slow and obvious twin', () => {
  test('BAK-6: any calls in any order have the same results', () => {
    const settings: Partial<MailboxSettings> = {
      maxMessages: 12,
      maxBytes: 400,
      maxPerRecipient: 5,
      maxPerSender: 4,
      maxOwnMessages: 3,
      maxOwnBytes: 100,
      maxHolders: 2,
    }
    const key = fc.constantFrom(SELF, ...KEYS)
    const id = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h')
    const call = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          call: fc.constant('put' as const),
          id,
          from: key,
          to: fc.constantFrom(...KEYS.slice(0, 3)),
          length: fc.nat(60),
          life: fc.nat(30),
          age: fc.nat(3),
        }),
      },
      { weight: 1, arbitrary: fc.record({ call: fc.constant('remove' as const), id, from: key }) },
      { weight: 1, arbitrary: fc.record({ call: fc.constant('holder' as const), id, from: key, holder: key }) },
      { weight: 1, arbitrary: fc.record({ call: fc.constant('expire' as const), hours: fc.nat(3) }) },
    )
    let pushedOut = 0
    fc.assert(
      fc.property(fc.array(call, { maxLength: 120, size: 'max' }), (calls) => {
        const mailbox = new Mailbox(SELF, settings)
        const twin = new TwinMailbox(SELF, settings)
        let wall = WALL
        for (const made of calls) {
          if (made.call === 'put') {
            const { id, from, to, length, life, age } = made
            const put = message(id, { from, to, length, expiresAt: wall + life * HOUR })
            const result = mailbox.put(put, wall - age * HOUR, wall)
            expect(result).toEqual(twin.put(put, wall - age * HOUR, wall))
            if (result.isKept) pushedOut += result.pushedOut.length
          } else if (made.call === 'remove')
            expect(mailbox.remove(made.id, made.from)).toEqual(twin.remove(made.id, made.from))
          else if (made.call === 'holder') {
            expect(mailbox.noteHolder(made.id, made.from, made.holder)).toEqual(
              twin.noteHolder(made.id, made.from, made.holder),
            )
          } else {
            wall += made.hours * HOUR
            expect(mailbox.expire(wall)).toEqual(twin.expire(wall))
          }
          expect([mailbox.size, mailbox.bytes]).toEqual([twin.messages.length, twin.bytes])
          expect(mailbox.deadline()).toBeLessThanOrEqual(twin.deadline())
        }
        for (const to of KEYS) expect(mailbox.forRecipient(to)).toEqual(twin.messages.filter((kept) => kept.to === to))
        expect(mailbox.own()).toEqual(twin.messages.filter((kept) => kept.from === SELF))
      }),
      { numRuns: 25 },
    )
    expect(pushedOut).toBeGreaterThan(5)
  })
})
