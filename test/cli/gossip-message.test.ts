import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ChatLine, decodeChatLine, encodeChatLine, MAX_NAME, printable } from '../../src/cli/gossip-message.ts'

const LINE: ChatLine = { name: 'Alice', author: 'a1'.repeat(32), time: 1_700_000_000_000, nonce: '00', text: 'hello' }
const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))

test('what was encoded is decoded', () => {
  expect(decodeChatLine(encodeChatLine(LINE))).toEqual(LINE)
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string(), fc.nat(), (text, nonce, time) => {
      const line = { ...LINE, text, nonce, time }
      expect(decodeChatLine(encodeChatLine(line))).toEqual(line)
    }),
  )
})

test('spec/gossip.md §14.4: the same words, said twice, are other bytes', () => {
  expect(encodeChatLine(LINE)).not.toEqual(encodeChatLine({ ...LINE, nonce: '01' }))
})

test('what is no line of ours is none: other JSON, fields of other types, bytes', () => {
  const wrong: readonly unknown[] = [
    null,
    [],
    'hello',
    7,
    {},
    { ...LINE, name: '' },
    { ...LINE, name: 'x'.repeat(MAX_NAME + 1) },
    { ...LINE, name: 7 },
    { ...LINE, author: 'A1'.repeat(32) },
    { ...LINE, author: 'a1' },
    { ...LINE, author: undefined },
    { ...LINE, time: '1' },
    { ...LINE, nonce: 1 },
    { ...LINE, text: null },
  ]
  for (const value of wrong) expect(decodeChatLine(encode(value)), JSON.stringify(value)).toBeUndefined()
  expect(decodeChatLine(new Uint8Array())).toBeUndefined()
  expect(decodeChatLine(Uint8Array.of(0xff, 0xfe))).toBeUndefined()
  fc.assert(fc.property(fc.uint8Array(), (bytes) => decodeChatLine(bytes) === undefined))
})

test('unknown fields are dropped', () => {
  expect(decodeChatLine(encode({ ...LINE, extra: 1 }))).toEqual(LINE)
})

test('printable: no escape sequence, no second line, no turned writing; letters and emoji stay', () => {
  expect(printable('a\u001b[2Jb\u0007\r\nc\u009b1md\u202ee\u2028f\u007f')).toBe(
    'a\ufffd[2Jb\ufffd\ufffd\ufffdc\ufffd1md\ufffde\ufffdf\ufffd',
  )
  expect(printable('Zoë 👩‍👩‍👧 日本')).toBe('Zoë 👩‍👩‍👧 日本')
})
