/** Bug 3 of the article (spec/gossip.md §14.4): a loop over standard input that does not take 0 bytes for the end runs for ever. */
import { closeSync, createReadStream, mkdtempSync, openSync, read, readSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readLines } from '../../../src/cli/gossip-input.ts'

const folder = mkdtempSync(join(tmpdir(), 'tom-seed-'))
const file = join(folder, 'input.txt')
const LINES = ['one', 'two', 'three']

beforeAll(() => writeFileSync(file, LINES.join('\n')))
afterAll(() => rmSync(folder, { recursive: true }))

interface Reading {
  readonly lines: string[]
  /** Calls of read(2). */
  readonly reads: number
}

/** The naive way: reads until it is told to stop, which nobody does. Here after so many calls. */
function naively(limit: number): Reading {
  const input = openSync(file, 'r')
  const buffer = new Uint8Array(64)
  let text = ''
  let reads = 0
  while (reads < limit) {
    const length = readSync(input, buffer)
    reads++
    text += new TextDecoder().decode(buffer.subarray(0, length))
  }
  closeSync(input)
  return { lines: text.split('\n'), reads }
}

/** As the command reads it: a stream over the descriptor, whose calls are counted. */
async function byLines(): Promise<Reading> {
  let reads = 0
  const counted: typeof read = Object.assign((...args: Parameters<typeof read>) => {
    reads++
    read(...args)
  }, read)
  const input = createReadStream('', { fd: openSync(file, 'r'), fs: { read: counted, close: closeDescriptor } })
  const lines: string[] = []
  for await (const line of readLines(input, 100)) if (line.kind === 'line') lines.push(line.text)
  return { lines, reads }
}

function closeDescriptor(descriptor: number, done: (error: Error | null) => void): void {
  closeSync(descriptor)
  done(null)
}

test('spec/gossip.md §14.4, bug 3: a read of 0 bytes is the end of the input; who goes on reading never ends', async () => {
  const limit = 10_000
  expect(naively(limit)).toEqual({ lines: LINES, reads: limit })
  // one call that brings everything, one that brings nothing
  expect(await byLines()).toEqual({ lines: LINES, reads: 2 })
})

test('spec/gossip.md §14.4, bug 3: a chunk of 0 bytes ends the lines, too, whatever the source would say next', async () => {
  let chunks = 0
  async function* pipe(): AsyncGenerator<Uint8Array> {
    yield new TextEncoder().encode('last words')
    while (chunks++ < 100) yield new Uint8Array()
    throw new Error('who reads on would read for ever')
  }
  const lines: unknown[] = []
  for await (const line of readLines(pipe(), 100)) lines.push(line)
  expect(lines).toEqual([{ kind: 'line', text: 'last words' }])
  expect(chunks).toBe(1)
})
