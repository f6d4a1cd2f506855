import { expect, test } from 'vitest'
import { Outbox } from '../../src/cli/gossip-outbox.ts'

const never = new AbortController().signal

/** A turn of the event loop: everything that waits for nothing outside has happened. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

interface World {
  readonly outbox: Outbox<string>
  readonly sent: string[]
  readonly lost: string[]
  isReady: boolean
  /** Awaited by each sending. */
  gate: Promise<void>
  fails: string | undefined
}

function world(capacity: number): World {
  const world: World = {
    sent: [],
    lost: [],
    isReady: false,
    gate: Promise.resolve(),
    fails: undefined,
    outbox: new Outbox<string>({
      capacity,
      isReady: () => world.isReady,
      send: async (item) => {
        await world.gate
        if (item === world.fails) throw new Error('refused')
        world.sent.push(item)
      },
      lost: (item, error) => world.lost.push(`${item}: ${(error as Error).message}`),
    }),
  }
  return world
}

test('spec/gossip.md §14.4, bug 1: what is said before there is a neighbour waits for one, and goes in order', async () => {
  const state = world(10)
  const { outbox, sent } = state
  for (const item of ['a', 'b', 'c']) expect(await outbox.put(item, never)).toBe(true)
  await settle()
  expect(sent).toEqual([])
  expect(outbox.size).toBe(3)
  state.isReady = true
  outbox.wake()
  await outbox.drained(never)
  expect(sent).toEqual(['a', 'b', 'c'])
  // and later ones at once
  await outbox.put('d', never)
  await outbox.drained(never)
  expect(sent).toEqual(['a', 'b', 'c', 'd'])
})

test('when the last neighbour goes, the rest waits for the next', async () => {
  const state = world(10)
  let open = (): void => {}
  state.gate = new Promise((resolve) => {
    open = resolve
  })
  state.isReady = true
  await state.outbox.put('a', never)
  await state.outbox.put('b', never)
  state.isReady = false
  open()
  await settle()
  expect(state.sent).toEqual(['a'])
  state.isReady = true
  state.outbox.wake()
  state.outbox.wake()
  await state.outbox.drained(never)
  expect(state.sent).toEqual(['a', 'b'])
})

test('a full outbox makes its writer wait, until there is room or the signal says stop', async () => {
  const state = world(2)
  const { outbox, sent } = state
  await outbox.put('a', never)
  await outbox.put('b', never)
  const stop = new AbortController()
  const stopped = outbox.put('never', stop.signal)
  const third = outbox.put('c', never)
  await settle()
  expect(outbox.size).toBe(2)
  stop.abort()
  expect(await stopped).toBe(false)
  state.isReady = true
  outbox.wake()
  expect(await third).toBe(true)
  await outbox.drained(never)
  expect(sent).toEqual(['a', 'b', 'c'])
})

test('an item that cannot be sent is reported, and the next one goes', async () => {
  const state = world(10)
  state.isReady = true
  state.fails = 'b'
  for (const item of ['a', 'b', 'c']) await state.outbox.put(item, never)
  await state.outbox.drained(never)
  expect(state.sent).toEqual(['a', 'c'])
  expect(state.lost).toEqual(['b: refused'])
})

test('waiting for the rest ends with the signal', async () => {
  const state = world(10)
  await state.outbox.put('a', never)
  const stop = new AbortController()
  const drained = state.outbox.drained(stop.signal)
  stop.abort()
  await drained
  expect(state.outbox.size).toBe(1)
})
