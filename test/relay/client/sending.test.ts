import { describe, expect, test } from 'vitest'
import { bytes, HOME, OTHER, PEER, Scene } from './support.ts'

const MIB = 1_048_576

describe('what goes out', () => {
  test('spec/relay.md §3.1: gathered until flush, type 5 for more than one of a size', async () => {
    const scene = new Scene()
    const link = await scene.home()
    const { length } = link.sent
    const { flushes } = link
    for (const text of ['aaa', 'bbb', 'c']) scene.send(HOME, text)
    scene.send(HOME, 'd', OTHER)
    scene.transport.flush()
    expect(link.sent.slice(length)).toEqual([bytes(5, PEER, 0, 0, 3, 'aaabbbc'), bytes(4, OTHER, 0, 'd')])
    expect(link.flushes).toBe(flushes + 1)
    scene.transport.flush()
    expect(link.flushes).toBe(flushes + 1)
    expect(scene.transport.stats).toMatchObject({ datagramsSent: 4, bytesSent: 8, framesSent: 2, datagramsDropped: 0 })
  })

  test('spec/relay.md §5.4: never an empty or over-long frame', async () => {
    const scene = new Scene()
    const link = await scene.home()
    const { length } = link.sent
    for (const size of [0, 65_503, 100_000]) scene.sendNow(HOME, size)
    scene.transport.send(HOME, PEER.subarray(1), bytes('hi'))
    scene.transport.flush()
    expect(link.sent).toHaveLength(length)
    expect(scene.transport.stats.datagramsDropped).toBe(4)
    scene.sendNow(HOME, 65_502)
    expect(link.sent.at(-1)).toHaveLength(65_536)
  })

  test('spec/relay.md §5.4: while dialling 64 datagrams wait, in order; the others are dropped', async () => {
    const scene = new Scene()
    scene.transport.setHome(HOME)
    for (let count = 0; count < 70; count++) scene.send(HOME, `datagram ${count}`)
    scene.transport.flush()
    expect(scene.transport.stats.datagramsDropped).toBe(6)
    const link = await scene.letIn()
    const contents = link.sent.slice(1).map((message) => new TextDecoder().decode(message.subarray(36)))
    expect(contents.join('').match(/\d+/g)?.map(Number)).toEqual(Array.from({ length: 64 }, (_, index) => index))
    expect(link.flushes).toBeGreaterThan(1)
  })

  test('spec/relay.md §5.4: while dialling, what waits is thrown away after 3 s', async () => {
    const scene = new Scene()
    scene.transport.setHome(HOME)
    await scene.platform.run(1_000)
    scene.sendNow(HOME, 'old')
    await scene.platform.run(2_999)
    expect(scene.transport.stats.datagramsDropped).toBe(0)
    await scene.platform.run(1)
    expect(scene.transport.stats.datagramsDropped).toBe(1)
    scene.sendNow(HOME, 'new')
    const link = await scene.letIn()
    expect(link.ofType(4)).toEqual([bytes(4, PEER, 0, 'new')])
    await scene.platform.run(10_000)
    expect(scene.transport.stats.datagramsDropped).toBe(1)
  })

  test('what waits again after a connection that was lost has its own 3 s', async () => {
    const scene = new Scene()
    scene.transport.setHome(HOME)
    scene.sendNow(HOME, 'first')
    await scene.platform.run(2_000)
    const link = await scene.letIn()
    link.end()
    await scene.platform.run(500)
    scene.sendNow(HOME, 'second')
    await scene.platform.run(2_999)
    expect(scene.transport.stats.datagramsDropped).toBe(0)
    await scene.platform.run(1)
    expect(scene.transport.stats.datagramsDropped).toBe(1)
  })

  test('too much in the link blocks until it has drained', async () => {
    const scene = new Scene()
    const link = await scene.home()
    link.queuedBytes = 262_143
    scene.sendNow(HOME, 'a')
    expect(scene.transport.isBlocked(HOME)).toBe(false)
    link.queuedBytes = 262_144
    scene.sendNow(HOME, 'b')
    expect(scene.transport.isBlocked(HOME)).toBe(true)
    scene.sendNow(HOME, 'c')
    expect(link.ofType(4)).toHaveLength(3)
    link.queuedBytes = 100
    link.onDrain()
    expect(scene.transport.isBlocked(HOME)).toBe(false)
    expect(scene.blocks).toEqual([
      { url: HOME, isBlocked: true },
      { url: HOME, isBlocked: false },
    ])
  })

  test('nothing is queued without bound: beyond 1 MiB datagrams are dropped', async () => {
    const scene = new Scene()
    const link = await scene.home()
    link.queuedBytes = MIB - 1
    scene.sendNow(HOME, 'a')
    link.queuedBytes = MIB
    scene.sendNow(HOME, 'b')
    expect(link.ofType(4)).toEqual([bytes(4, PEER, 0, 'a')])
    expect(scene.transport.stats).toMatchObject({ datagramsSent: 1, datagramsDropped: 1 })
  })

  test('spec/relay.md §5.4: a link that takes nothing for 15 s is dropped', async () => {
    const scene = new Scene({ limits: { pingIntervalMs: 1e9 } })
    const link = await scene.home()
    link.queuedBytes = 1_000
    scene.sendNow(HOME, 'a')
    await scene.platform.run(5_000)
    link.queuedBytes += 1
    scene.sendNow(HOME, 500)
    link.queuedBytes += 550
    await scene.platform.run(9_999)
    expect(scene.state()).toBe('connected')
    await scene.platform.run(1)
    expect(link.isTerminated).toBe(true)
    expect(scene.statuses.find(({ status }) => status.state === 'disconnected')).toMatchObject({
      status: {
        error: {
          code: 'RELAY_UNRESPONSIVE',
          message: 'relay https://home.example/: nothing could be sent for 15000 ms',
        },
      },
    })
  })

  test('spec/relay.md §5.4: a slow link is kept while it moves', async () => {
    const scene = new Scene({ limits: { pingIntervalMs: 1e9 } })
    const link = await scene.home()
    link.queuedBytes = 100_000
    scene.sendNow(HOME, 'a')
    for (let round = 0; round < 10; round++) {
      await scene.platform.run(10_000)
      expect(scene.state()).toBe('connected')
      link.queuedBytes += 500 - 1_000
      scene.sendNow(HOME, 500)
    }
    link.queuedBytes = 0
    await scene.platform.run(60_000)
    // what was queued was taken, and more came than that
    link.queuedBytes = 1_000
    scene.sendNow(HOME, 'a')
    scene.sendNow(HOME, 60_000)
    link.queuedBytes = 60_000
    await scene.platform.run(15_000)
    expect(scene.state()).toBe('connected')
    // and nothing since then, though nothing was sent either
    await scene.platform.run(14_999)
    expect(scene.state()).toBe('connected')
    await scene.platform.run(1)
    expect(link.isTerminated).toBe(true)
  })

  test('a queue that was emptied and filled again has its own 15 s', async () => {
    const scene = new Scene({ limits: { pingIntervalMs: 1e9 } })
    const link = await scene.home()
    link.queuedBytes = 100_000
    scene.sendNow(HOME, 'a')
    await scene.platform.run(10_000)
    link.queuedBytes = 0
    await scene.platform.run(60_000)
    link.queuedBytes = 100_000
    scene.sendNow(HOME, 'a')
    await scene.platform.run(14_999)
    expect(scene.state()).toBe('connected')
    await scene.platform.run(1)
    expect(scene.state()).not.toBe('connected')
  })
})
