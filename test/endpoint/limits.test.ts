import { expect, test } from 'vitest'
import { closeAfterEach, connectedPair } from './pair.ts'

closeAfterEach()

test('RFC 9000 §4.6: a peer that is allowed more streams at once opens the one that waited; it never becomes fewer', async () => {
  const { near, far } = await connectedPair({}, { settings: { maxStreamsUni: 2 } })
  await near.openUni()
  await near.openUni()
  let isOpen = false
  const third = near.openUni().then(() => {
    isOpen = true
  })
  far.allowIncomingUni(1)
  await near.openBi()
  expect(isOpen).toBe(false)
  far.allowIncomingUni(4)
  await third
  await near.openUni()
})

test('a smaller send buffer makes writes wait sooner', async () => {
  // whatever is sent is not acknowledged before it was read: nobody reads, and the window is small
  const { near } = await connectedPair({}, { settings: { streamReceiveWindow: 1_000 } })
  near.limitSendBuffer(20_000)
  const stream = await near.openUni()
  let written = 0
  const writing = (async () => {
    for (; written < 100; written++) await stream.write(new Uint8Array(1_000))
  })()
  // all that it takes is taken in reactions to promises
  await new Promise((resolve) => setImmediate(resolve))
  expect(written).toBeGreaterThan(10)
  expect(written).toBeLessThan(25)
  expect(() => near.limitSendBuffer(0)).toThrow(RangeError)
  stream.reset(0)
  await expect(writing).rejects.toMatchObject({ code: 'STREAM_RESET' })
})
