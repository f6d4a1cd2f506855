import { expect, test } from 'vitest'
import { bytes, FakeLink, Lab, leftovers } from './support.ts'

const RESTARTING = bytes(12, 0, 0, 0x03, 0xe8, 0, 0, 0xea, 0x60)

/** Whether `promise` has settled, after what waits has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  promise.then(() => {
    settled = true
  })
  for (let i = 0; i < 10; i++) await Promise.resolve()
  return settled
}

test('spec/relay.md §3.4, §4.7: close tells all clients to reconnect, says 1012, and takes nobody any more', async () => {
  const lab = new Lab()
  const [alice, old, bob] = [lab.connect(1), lab.connect(2), lab.connect(2)]
  const pending = lab.accept()
  alice.send(bob, 'x')
  for (const client of [alice, old, bob]) client.takeFrames()
  await lab.hub.close()
  for (const client of [alice, old, bob]) {
    expect(client.takeFrames()).toEqual([RESTARTING])
    expect(client.link.closedWith).toEqual({ code: 1012, reason: 'restarting' })
  }
  expect(pending.closedWith?.code).toBe(1012)
  expect(leftovers(lab)).toEqual({})
  expect(lab.counters.tom_endpoint_gone).toBe(0)
  const late = lab.accept()
  expect(late.closedWith?.code).toBe(1012)
  expect(late.got).toEqual([])
  expect(leftovers(lab)).toEqual({})
})

test('the times of the Restarting frame can be chosen', async () => {
  const lab = new Lab()
  const alice = lab.connect(1)
  await lab.hub.close({ reconnectInMs: 10, tryForMs: 20 })
  expect(alice.takeFrames()).toEqual([bytes(12, 0, 0, 0, 10, 0, 0, 0, 20)])
})

test('a hub without clients closes at once, and twice is as good as once', async () => {
  const lab = new Lab()
  expect(lab.hub.close()).toBe(lab.hub.close())
  expect(await isSettled(lab.hub.close())).toBe(true)
})

test('close waits for links that take their time, and cuts those that take too long', async () => {
  const lab = new Lab()
  const [quick, slow, never] = [lab.connect(1), lab.connect(2), lab.connect(3)]
  for (const { link } of [slow, never]) link.answersClose = false
  const closed = lab.hub.close()
  expect(quick.link.isEnded).toBe(true)
  lab.advance(1_000)
  slow.link.end(1012)
  lab.advance(1_999)
  expect(await isSettled(closed)).toBe(false)
  lab.advance(1)
  expect(await isSettled(closed)).toBe(true)
  expect([slow.link.isTerminated, never.link.isTerminated]).toEqual([false, true])
  expect(leftovers(lab)).toEqual({})
})

test('close is over as soon as the last link has ended', async () => {
  const lab = new Lab()
  const client = lab.connect(1)
  client.link.answersClose = false
  const closed = lab.hub.close()
  lab.advance(500)
  client.link.end(1012)
  expect(await isSettled(closed)).toBe(true)
  expect(leftovers(lab)).toEqual({})
})

test('an access decision that comes after close lets nobody in', async () => {
  let decide = (_: { allowed: true }) => {}
  const lab = new Lab({
    access: {
      allow: () =>
        new Promise((resolve) => {
          decide = resolve
        }),
    },
  })
  const link = lab.accept()
  link.feed(bytes(1, new Uint8Array(32), 64, new Uint8Array(64)))
  await lab.hub.close()
  decide({ allowed: true })
  expect(await isSettled(Promise.resolve())).toBe(true)
  expect(link.got).toHaveLength(1)
  expect(lab.counters.accepts).toBe(0)
  expect(leftovers(lab)).toEqual({})
})

test('clients that stalled or must wait are closed as well', async () => {
  const lab = new Lab({ limits: { rateLimit: { bytesPerSecond: 2_000 }, turnBytes: 1_000_000 } })
  const [fast, stuck] = [lab.connect(1), lab.connect(2)]
  stuck.link.isStalled = true
  for (let i = 0; i < 12; i++) {
    fast.link.isPaused = false
    fast.send(stuck, new Uint8Array(60_000))
  }
  expect(lab.hub.backlog.datagrams).toBeGreaterThan(0)
  await lab.hub.close()
  expect(leftovers(lab)).toEqual({})
})

test('links that are refused count nowhere else', () => {
  const lab = new Lab({ limits: { maxConnections: 1 } })
  lab.connect(1)
  const link = new FakeLink()
  link.answersClose = false
  lab.accept({}, link)
  expect(lab.hub.linkCount).toBe(1)
  link.end()
  expect(lab.hub.linkCount).toBe(1)
})
