import { expect, test } from 'vitest'
import { RecvStream } from '../../src/endpoint/receive-stream.ts'
import type { StreamHost } from '../../src/endpoint/stream-host.ts'

/** A stream whose data and event loop the test provides. */
function create() {
  let waiting = 0
  let isAtEnd = false
  let deferred: (() => void)[] = []
  const host = {
    streams: {
      read: (_id: number, max: number) => {
        if (waiting === 0) return isAtEnd ? 'fin' : 'empty'
        const length = Math.min(waiting, max)
        waiting -= length
        return { kind: 'data', bytes: new Uint8Array(length) }
      },
      waiting: () => (isAtEnd ? Number.POSITIVE_INFINITY : waiting),
      stopSending: () => {},
    },
    closeError: undefined,
    touch: () => {},
    defer: (callback: () => void) => deferred.push(callback),
    receiveOver: () => {},
  }
  const stream = new RecvStream(4, host as unknown as StreamHost)
  const chunks: number[] = []
  const reader = (async () => {
    for (;;) {
      const chunk = await stream.read()
      if (chunk === undefined) return
      chunks.push(chunk.length)
    }
  })()
  const reactions = async (): Promise<void> => {
    for (let step = 0; step < 20; step++) await Promise.resolve()
  }
  return {
    stream,
    chunks,
    reader,
    reactions,
    /** Datagrams of one turn came in; `isFirst`: after the reader ran out of data, so that it is told. */
    arrive: async (bytes: number, isFirst: boolean) => {
      waiting += bytes
      if (isFirst) stream.onReadable()
      await reactions()
    },
    end: () => {
      isAtEnd = true
    },
    turn: async () => {
      const due = deferred
      deferred = []
      for (const callback of due) callback()
      await reactions()
      return due.length
    },
  }
}

test('small messages are handed out at once, however many', async () => {
  const bed = create()
  await bed.reactions()
  for (let count = 0; count < 10; count++) await bed.arrive(64, true)
  expect(bed.chunks).toEqual(Array(10).fill(64))
  expect(await bed.turn()).toBe(0)
})

test('fast-path.md §5: in a transfer pieces are joined to 16 kB before the reader is woken', async () => {
  const bed = create()
  await bed.reactions()
  await bed.arrive(6000, true)
  expect(bed.chunks).toEqual([6000])
  await bed.arrive(6000, true)
  for (let more = 0; more < 2; more++) {
    expect(bed.chunks).toEqual([6000])
    await bed.arrive(6000, false)
    await bed.turn()
  }
  expect(bed.chunks).toEqual([6000, 18_000])
  expect(await bed.turn()).toBe(0)
})

test('a turn that brings nothing ends the wait, and so do four', async () => {
  const bed = create()
  await bed.reactions()
  await bed.arrive(5000, true)
  await bed.arrive(5000, true)
  expect(bed.chunks).toEqual([5000])
  await bed.turn()
  expect(bed.chunks).toEqual([5000, 5000])
  await bed.arrive(1000, true)
  for (let turn = 0; turn < 4; turn++) {
    expect(bed.chunks.length).toBe(2)
    await bed.arrive(1000, false)
    await bed.turn()
  }
  expect(bed.chunks).toEqual([5000, 5000, 5000])
})

test('the end waits for nothing, nor does a stop', async () => {
  const bed = create()
  await bed.reactions()
  await bed.arrive(5000, true)
  bed.end()
  await bed.arrive(100, true)
  await bed.reader
  expect(bed.chunks).toEqual([5000, 100])

  const stopped = create()
  await stopped.reactions()
  await stopped.arrive(5000, true)
  await stopped.arrive(100, true)
  const failure = stopped.reader.catch((error) => error.code)
  stopped.stream.stop()
  expect(await failure).toBe('STREAM_STOPPED')
  await stopped.turn()
  expect(await stopped.turn()).toBe(0)
})
