/** What a terminal sends, as keys. */
import { expect, test } from 'vitest'
import { type Key, KeyDecoder } from '../../src/cli/chat-keys.ts'

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Names of keys, and texts in quotes. */
function keysOf(...chunks: (string | Uint8Array)[]): string[] {
  const decoder = new KeyDecoder()
  const all = chunks.flatMap((chunk) => decoder.push(typeof chunk === 'string' ? encode(chunk) : chunk))
  return all.map((key: Key) => (key.kind === 'text' ? JSON.stringify(key.text) : key.name))
}

test('text, controls and the sequences of xterm', () => {
  expect(keysOf('hi\r')).toEqual(['"hi"', 'enter'])
  expect(keysOf('\u0001\u0003\u0004\u0005\u007f\b\u000b\u0015\u0017\f')).toEqual([
    'home',
    'interrupt',
    'end-of-input',
    'end',
    'backspace',
    'backspace',
    'delete-after',
    'delete-before',
    'delete-word',
    'redraw',
  ])
  expect(
    keysOf('\u001b[A\u001bOB\u001b[C\u001b[D\u001b[H\u001b[4~\u001b[3~\u001b[5~\u001b[6~\u001b[1;5C\u001bb'),
  ).toEqual(['up', 'down', 'right', 'left', 'home', 'end', 'delete', 'page-up', 'page-down', 'word-right', 'word-left'])
})

test('a character and a sequence that come in pieces are whole', () => {
  const bytes = encode('é日👍\u001b[A')
  expect(keysOf(...Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(['"é"', '"日"', '"👍"', 'up'])
})

test('what is not known is dropped, and what follows is not', () => {
  expect(keysOf('\u001b[38;2;1;2;3mx\u001b[?25ly\u001bZz\u0000\u0011w')).toEqual(['"x"', '"y"', '"z"', '"w"'])
  expect(keysOf('\u001b', '\u001b[A')).toEqual(['up'])
  // a sequence that never ends is none
  expect(keysOf(`\u001b[${'1;'.repeat(40)}`, 'x')).toEqual([expect.stringContaining('1;1;'), '"x"'])
})

test('pasted text is one text with its line feeds; its escapes are not keys', () => {
  expect(keysOf('\u001b[200~one\rtwo\u001b[Athree\u001b[20', '1~\r')).toEqual(['"one\\ntwo\\u001b[Athree"', 'enter'])
})
