import { expect, test } from 'vitest'
import { type InputLine, readLines } from '../../src/cli/gossip-input.ts'

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

async function* chunks(...parts: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield typeof part === 'string' ? encode(part) : part
}

async function lines(maxBytes: number, ...parts: readonly (string | Uint8Array)[]): Promise<(string | number)[]> {
  const all: (string | number)[] = []
  for await (const line of readLines(chunks(...parts), maxBytes))
    all.push(line.kind === 'line' ? line.text : line.bytes)
  return all
}

test('lines are put together from chunks; LF or CRLF ends them, the last needs none; empty ones are left out', async () => {
  expect(await lines(100, 'one\ntw', 'o\r', '\n\n', 'three\r\n\r\nfo', 'ur')).toEqual(['one', 'two', 'three', 'four'])
  expect(await lines(100, 'only\r')).toEqual(['only'])
  expect(await lines(100)).toEqual([])
  expect(await lines(100, '\n\r\n\n')).toEqual([])
})

test('a character that is cut by a chunk is whole again; bytes that are no UTF-8 become U+FFFD', async () => {
  const bytes = encode('é€𝄞\n')
  expect(await lines(100, ...[...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(['é€𝄞'])
  expect(await lines(100, Uint8Array.of(0x61, 0xff, 0x62, 0x0a))).toEqual(['a\ufffdb'])
})

test('a line above the limit is counted and not stored; the next one is read', async () => {
  expect(await lines(4, 'abcd\nabcde\nabcd\r\nx\n')).toEqual(['abcd', 5, 'abcd', 'x'])
  const megabytes = Array.from({ length: 64 }, () => 'x'.repeat(65_536))
  expect(await lines(4, ...megabytes, '\nabc')).toEqual([64 * 65_536, 'abc'])
})

test('reads no further than it is asked to', async () => {
  let read = 0
  async function* counted(): AsyncGenerator<Uint8Array> {
    for (;;) {
      read++
      yield encode('line\n')
    }
  }
  const input: AsyncGenerator<InputLine> = readLines(counted(), 100)
  for (let line = 0; line < 3; line++) await input.next()
  expect(read).toBe(3)
  await input.return(undefined)
})
