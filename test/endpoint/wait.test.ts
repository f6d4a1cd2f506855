import { expect, test } from 'vitest'
import { Settled, WaitQueue, withSignal } from '../../src/endpoint/wait.ts'

test('wake resolves all who wait, fail rejects them; neither leaves anybody', async () => {
  const queue = new WaitQueue()
  const waits = [queue.wait(), queue.wait()]
  queue.wake()
  expect(queue.size).toBe(0)
  await Promise.all(waits)
  const failing = expect(queue.wait()).rejects.toThrow('ended')
  queue.fail(new Error('ended'))
  await failing
  expect(queue.size).toBe(0)
})

test('an aborted wait leaves the queue and its listener behind nowhere', async () => {
  const queue = new WaitQueue()
  const controller = new AbortController()
  const waiting = queue.wait(controller.signal)
  controller.abort('stop')
  await expect(waiting).rejects.toBe('stop')
  expect(queue.size).toBe(0)
  await expect(queue.wait(controller.signal)).rejects.toBe('stop')
})

test('withSignal: the promise, or the reason, whichever comes first', async () => {
  expect(await withSignal(Promise.resolve(1), new AbortController().signal)).toBe(1)
  await expect(withSignal(new Promise(() => {}), AbortSignal.abort('now'))).rejects.toBe('now')
  const controller = new AbortController()
  const waiting = withSignal(new Promise(() => {}), controller.signal)
  controller.abort('later')
  await expect(waiting).rejects.toBe('later')
})

test('a settled promise that nobody looks at is not an unhandled rejection', async () => {
  const unhandled: unknown[] = []
  const listener = (reason: unknown): number => unhandled.push(reason)
  process.on('unhandledRejection', listener)
  new Settled<void>().reject(new Error('nobody looks'))
  await new Promise((resolve) => setTimeout(resolve, 5))
  process.off('unhandledRejection', listener)
  expect(unhandled).toEqual([])
})

test('waiters are woken together, and an aborted one leaves', async () => {
  const waiters = new WaitQueue()
  const abort = new AbortController()
  const [one, two] = [waiters.wait(), waiters.wait(abort.signal)]
  abort.abort(new Error('enough'))
  await expect(two).rejects.toThrow('enough')
  expect(waiters.size).toBe(1)
  waiters.wake()
  await one
  const three = waiters.wait(new AbortController().signal)
  waiters.wake()
  await three
  await expect(waiters.wait(abort.signal)).rejects.toThrow('enough')
  expect(waiters.size).toBe(0)
})
