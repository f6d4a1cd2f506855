/** Limits of the command line. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { aborted, limited } from '../../src/cli/run.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

test('a limit fires although nobody holds its signal and the garbage collector comes by', async () => {
  const { signal } = new AbortController()
  const waiting = Promise.all(Array.from({ length: 20 }, () => aborted(limited(signal, 100))))
  for (let round = 0; round < 5; round++) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    collectGarbage()
  }
  expect(await waiting).toHaveLength(20)
})

test('a limit says why it fired, and ends with what it limits', () => {
  const controller = new AbortController()
  const signal = limited(controller.signal, 60_000)
  expect(signal.aborted).toBe(false)
  controller.abort(new Error('interrupted'))
  expect(signal.reason).toEqual(new Error('interrupted'))
  expect(limited(controller.signal, 60_000).aborted).toBe(true)
})
