import { describe, expect, test } from 'vitest'
import type { Connection, SendStreamEnd } from '../../../src/endpoint/index.ts'
import type { Frame } from '../../../src/gossip/net/frame.ts'
import { newCounters } from '../../../src/gossip/net/metrics.ts'
import { Outbox, type OutboxHost, type OutboxPeer } from '../../../src/gossip/net/outbox.ts'
import { NET_SETTINGS, type NetSettings } from '../../../src/gossip/net/settings.ts'

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** A stream that takes what it is sent when the test says so. */
class FakeStream {
  readonly written: string[] = []
  isFinished = false
  resetCode: number | undefined = undefined
  isStuck = false
  readonly closed: Promise<SendStreamEnd>
  end: (end: SendStreamEnd) => void = () => {}
  #take: (() => void)[] = []
  #fail: ((error: unknown) => void)[] = []

  constructor() {
    this.closed = new Promise((resolve) => {
      this.end = resolve
    })
  }

  write(bytes: Uint8Array): Promise<void> {
    this.written.push(text(bytes))
    if (!this.isStuck) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#take.push(resolve)
      this.#fail.push(reject)
    })
  }

  /** What was written is taken now. */
  take(): void {
    for (const resolve of this.#take.splice(0)) resolve()
  }

  async finish(): Promise<void> {
    this.isFinished = true
  }

  reset(code: number): void {
    this.resetCode = code
    for (const reject of this.#fail.splice(0)) reject(new Error('reset'))
    this.end({ kind: 'reset', code })
  }
}

class FakeConnection {
  readonly streams: FakeStream[] = []
  closeReason: Error | undefined = undefined
  /** Streams are granted when the test says so. */
  isMean = false
  areStuck = false
  #grants: (() => void)[] = []
  aborted = 0

  openUni({ signal }: { signal: AbortSignal }): Promise<FakeStream> {
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => {
        this.aborted++
        reject(signal.reason)
      })
      const grant = (): void => {
        const stream = new FakeStream()
        stream.isStuck = this.areStuck
        this.streams.push(stream)
        resolve(stream)
      }
      if (this.isMean) this.#grants.push(grant)
      else grant()
    })
  }

  grant(): void {
    for (const grant of this.#grants.splice(0)) grant()
  }
}

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}
const HEADER = new TextEncoder().encode('H:')
const frame = (name: string, kind: 'payload' | 'control' | 'last' = 'control'): Frame => ({
  bytes: new TextEncoder().encode(name),
  isPayload: kind === 'payload',
  isLast: kind === 'last',
})

function setUp(settings: Partial<NetSettings> = {}) {
  const dirty = new Set<Outbox>()
  const timers: { at: number; fire: () => void }[] = []
  const world = { now: 0, gaveUp: 0, pressures: [] as boolean[] }
  const connection = new FakeConnection()
  const host: OutboxHost = {
    settings: { ...NET_SETTINGS, ...settings },
    counters: newCounters(),
    now: () => world.now,
    flushLater: (box) => dirty.add(box),
    schedule: (at, owner, what) => timers.push({ at, fire: () => owner.fire(what, at) }),
    pressureChanged: (box) => world.pressures.push(box.isPressing),
    settled: () => {},
    gaveUp: () => {
      world.gaveUp++
    },
  }
  const peer = {
    key: 'peer',
    connection: connection as unknown as Connection | undefined,
    queuedBytes: 0,
    tracked: 0,
    track: () => {
      peer.tracked++
    },
  } satisfies OutboxPeer & { tracked: number }
  const outbox = new Outbox('topic', HEADER, peer, host)
  /** A turn of the event loop. */
  const turn = async (): Promise<void> => {
    for (const box of dirty) box.flush()
    dirty.clear()
    await settle()
  }
  const use = (next: FakeConnection | undefined): void => {
    peer.connection = next as unknown as Connection | undefined
    outbox.connectionChanged()
  }
  return { world, connection, host, peer, outbox, timers, turn, use }
}

describe('an outbox', () => {
  test('spec/gossip.md §3.4, §3.6: header and first frames are one write, and so are all frames of a turn', async () => {
    const { connection, outbox, peer, turn } = setUp()
    outbox.push(frame('a'))
    outbox.push(frame('b'))
    expect(connection.streams).toEqual([])
    await turn()
    outbox.push(frame('c'))
    outbox.push(frame('d'))
    await turn()
    outbox.push(frame('e'))
    await turn()
    expect(connection.streams.map(({ written }) => written)).toEqual([['H:ab', 'cd', 'e']])
    expect(outbox.isSettled).toBe(true)
    expect(peer).toMatchObject({ queuedBytes: 0, tracked: 1 })
  })

  test('spec/gossip.md §3.8 C9: Disconnect ends the stream, the next one waits for the acknowledgement', async () => {
    const { connection, outbox, timers, turn } = setUp()
    for (const [name, kind] of [
      ['reply', 'control'],
      ['bye', 'last'],
      ['join', 'control'],
    ] as const)
      outbox.push(frame(name, kind))
    await turn()
    expect(connection.streams.map(({ written }) => written)).toEqual([['H:replybye']])
    expect(connection.streams[0]?.isFinished).toBe(true)
    expect(outbox.isSettled).toBe(false)
    outbox.push(frame('more'))
    await turn()
    expect(connection.streams).toHaveLength(1)
    connection.streams[0]?.end({ kind: 'finished' })
    await turn()
    expect(connection.streams.map(({ written }) => written)).toEqual([['H:replybye'], ['H:joinmore']])
    // the deadline of the first stream means nothing to the second
    for (const { fire } of timers) fire()
    outbox.push(frame('on'))
    await turn()
    expect(connection.streams[1]?.written).toEqual(['H:joinmore', 'on'])
  })

  test('spec/gossip.md §3.8 C3: an acknowledgement that stays away holds the next stream up for five seconds and no longer', async () => {
    const { connection, outbox, timers, turn } = setUp()
    outbox.push(frame('bye', 'last'))
    outbox.push(frame('join'))
    await turn()
    expect(timers.map(({ at }) => at)).toEqual([5_000])
    timers[0]?.fire()
    await turn()
    expect(connection.streams.map(({ written }) => written)).toEqual([['H:bye'], ['H:join']])
  })

  test('spec/gossip.md §3.8 C2, C7: what is sent after a change of connections goes on a stream of the newest', async () => {
    const { connection, outbox, peer, turn, use } = setUp()
    outbox.push(frame('a'))
    await turn()
    const newest = new FakeConnection()
    use(newest)
    expect(connection.streams[0]?.isFinished).toBe(true)
    expect(newest.streams).toEqual([])
    outbox.push(frame('b'))
    await turn()
    expect(newest.streams[0]?.written).toEqual(['H:b'])
    // the newest is lost in the middle of a write: what waited goes back to the old one
    newest.streams[0]!.isStuck = true
    outbox.push(frame('c'))
    await turn()
    outbox.push(frame('d'))
    await turn()
    expect(newest.streams[0]?.written).toEqual(['H:b', 'c'])
    newest.closeReason = new Error('lost')
    use(connection)
    await turn()
    expect(connection.streams.map(({ written }) => written)).toEqual([['H:a'], ['H:d']])
    newest.streams[0]?.take()
    await settle()
    expect(peer.queuedBytes).toBe(0)
    expect(outbox.isSettled).toBe(true)
  })

  test('spec/gossip.md §3.6: a stream that was granted too late is not left without its header', async () => {
    const { connection, outbox, turn, use } = setUp()
    connection.isMean = true
    outbox.push(frame('a'))
    await turn()
    connection.grant()
    // in the same moment the peer has a newer connection
    const newest = new FakeConnection()
    use(newest)
    await turn()
    expect(newest.streams[0]?.written).toEqual(['H:a'])
    expect(connection.streams[0]).toMatchObject({ written: ['H:'], isFinished: true })
  })

  test('spec/gossip.md §3.8 C2: a stream that is not granted is not waited for when there is a newer connection', async () => {
    const { connection, outbox, turn, use } = setUp()
    connection.isMean = true
    outbox.push(frame('a'))
    await turn()
    const newest = new FakeConnection()
    use(newest)
    await turn()
    expect(newest.streams[0]?.written).toEqual(['H:a'])
    expect([connection.aborted, newest.aborted]).toEqual([1, 0])
  })

  test('spec/gossip.md §3.8 C7: nothing is tried on a connection that has ended', async () => {
    const { connection, outbox, turn, use } = setUp()
    connection.closeReason = new Error('over')
    outbox.push(frame('a'))
    await turn()
    expect(connection.streams).toEqual([])
    const newest = new FakeConnection()
    use(newest)
    await turn()
    expect(newest.streams[0]?.written).toEqual(['H:a'])
  })

  test('spec/gossip.md §3.6: after a stop what comes next goes on another stream', async () => {
    const { connection, host, outbox, turn } = setUp()
    outbox.push(frame('a'))
    await turn()
    connection.streams[0]?.end({ kind: 'stopped', code: 0 })
    await settle()
    outbox.push(frame('b'))
    await turn()
    expect(connection.streams.map(({ written }) => written)).toEqual([['H:a'], ['H:b']])
    expect(host.counters.streamsStopped).toBe(1)
  })

  test('while there is no connection frames wait, and nothing is left of them when nobody can be reached', async () => {
    const { connection, outbox, peer, turn, use } = setUp()
    use(undefined)
    outbox.push(frame('a'))
    await turn()
    expect(outbox.isEmpty).toBe(false)
    expect(peer.queuedBytes).toBe(1)
    outbox.clear()
    expect(outbox.isUnused).toBe(true)
    expect(peer.queuedBytes).toBe(0)
    use(connection)
    await turn()
    expect(connection.streams).toEqual([])
    outbox.push(frame('b'))
    await turn()
    expect(connection.streams[0]?.written).toEqual(['H:b'])
  })

  test('spec/gossip.md §3.9: a full queue presses, a stalled peer does not, and one that takes again does', async () => {
    const { connection, outbox, turn, world } = setUp({
      highWaterMessages: 4,
      stallCheckMs: 10,
      stalledAfterMs: 100,
      dropAfterMs: 1_000,
    })
    connection.areStuck = true
    outbox.push(frame('a'))
    await turn()
    for (const name of ['b', 'c', 'd', 'e']) outbox.push(frame(name))
    expect(outbox.isFull).toBe(false)
    outbox.push(frame('f'))
    expect([outbox.isFull, outbox.isPressing]).toEqual([true, true])
    for (let count = 0; count < 9; count++) outbox.check()
    expect(outbox.isPressing).toBe(true)
    outbox.check()
    expect([outbox.isFull, outbox.isPressing]).toEqual([true, false])
    connection.streams[0]!.isStuck = false
    connection.streams[0]?.take()
    await turn()
    expect(outbox.isFull).toBe(false)
    expect(world.pressures).toEqual([true, false, true, false])
    expect(connection.streams[0]?.written).toEqual(['H:a', 'bcdef'])
    expect(world.gaveUp).toBe(0)
  })

  test('spec/gossip.md §3.9: a peer that is slow but takes something is no stalled one', async () => {
    const { connection, outbox, turn } = setUp({ highWaterBytes: 50_000, stallCheckMs: 10, stalledAfterMs: 100 })
    connection.areStuck = true
    for (let index = 0; index < 6; index++) outbox.push(frame('x'.repeat(20_000)))
    await turn()
    for (let count = 0; count < 9; count++) outbox.check()
    connection.streams[0]?.take()
    await turn()
    expect(connection.streams[0]?.written).toHaveLength(2)
    for (let count = 0; count < 9; count++) outbox.check()
    expect(outbox.isPressing).toBe(true)
    outbox.check()
    expect(outbox.isPressing).toBe(false)
  })

  test('spec/gossip.md §3.9: beyond the bound payloads are dropped, beyond twice that the peer is given up', async () => {
    const { connection, host, outbox, peer, turn, world } = setUp({ maxQueuedMessages: 3 })
    connection.areStuck = true
    outbox.push(frame('a'))
    await turn()
    for (let index = 0; index < 5; index++) outbox.push(frame(`p${index}`, 'payload'))
    expect(host.counters.dropped).toBe(2)
    for (let index = 0; index < 3; index++) outbox.push(frame(`c${index}`))
    expect(host.counters.dropped).toBe(2)
    expect(world.gaveUp).toBe(0)
    outbox.push(frame('too much'))
    expect(world.gaveUp).toBe(1)
    expect(connection.streams[0]?.resetCode).toBe(0)
    expect(outbox.isUnused).toBe(true)
    await turn()
    expect(peer.queuedBytes).toBe(0)
    connection.areStuck = false
    outbox.push(frame('bye', 'last'))
    await turn()
    expect(connection.streams[1]?.written).toEqual(['H:bye'])
  })

  test('spec/gossip.md §3.9: bounds in bytes, of one topic and of all topics of the peer', async () => {
    const { host, outbox, peer, use } = setUp({ maxQueuedBytes: 10, maxQueuedBytesPerPeer: 100 })
    use(undefined)
    outbox.push(frame('12345678', 'payload'))
    outbox.push(frame('123', 'payload'))
    expect(host.counters.dropped).toBe(1)
    outbox.push(frame('12', 'payload'))
    expect(host.counters.dropped).toBe(1)
    outbox.clear()
    peer.queuedBytes = 99
    outbox.push(frame('12', 'payload'))
    expect(host.counters.dropped).toBe(2)
  })

  test('spec/gossip.md §3.9: a full queue of which nothing is taken for too long ends', async () => {
    const { connection, outbox, turn, world } = setUp({
      highWaterMessages: 1,
      stallCheckMs: 10,
      stalledAfterMs: 20,
      dropAfterMs: 100,
    })
    connection.areStuck = true
    outbox.push(frame('a'))
    await turn()
    outbox.push(frame('b'))
    outbox.push(frame('c'))
    for (let count = 0; count < 9; count++) outbox.check()
    expect(world.gaveUp).toBe(0)
    outbox.check()
    expect(world.gaveUp).toBe(1)
    expect(connection.streams[0]?.resetCode).toBe(0)
  })

  test('spec/gossip.md §3.4: finish ends a stream on which nothing waits, once', async () => {
    const { connection, outbox, timers, turn } = setUp()
    outbox.finish()
    outbox.push(frame('a'))
    outbox.finish()
    await turn()
    expect(connection.streams[0]?.isFinished).toBe(false)
    outbox.finish()
    outbox.finish()
    expect(connection.streams[0]?.isFinished).toBe(true)
    expect(timers).toHaveLength(1)
    expect(outbox.isSettled).toBe(false)
    connection.streams[0]?.end({ kind: 'finished' })
    await settle()
    expect(outbox.isUnused).toBe(true)
  })

  test('spec/gossip.md §3.7: a topic that let go of the peer ends its stream, when all is written and not before', async () => {
    const { connection, outbox, turn } = setUp()
    outbox.finishSoon()
    await turn()
    expect(connection.streams).toEqual([])
    outbox.push(frame('a'))
    outbox.finishSoon()
    await turn()
    expect(connection.streams[0]).toMatchObject({ written: ['H:a'], isFinished: true })
    connection.streams[0]?.end({ kind: 'finished' })
    outbox.push(frame('b'))
    await turn()
    expect(connection.streams[1]).toMatchObject({ written: ['H:b'], isFinished: false })
    // what comes after it takes it back
    outbox.finishSoon()
    outbox.push(frame('c'))
    await turn()
    expect(connection.streams[1]).toMatchObject({ written: ['H:b', 'c'], isFinished: false })
    connection.streams[1]!.isStuck = true
    outbox.push(frame('d'))
    await turn()
    outbox.finishSoon()
    await turn()
    expect(connection.streams[1]?.isFinished).toBe(false)
    connection.streams[1]?.take()
    await turn()
    expect(connection.streams[1]?.isFinished).toBe(true)
  })

  test('long queues leave in writes of bounded size', async () => {
    const { connection, outbox, turn } = setUp()
    for (let index = 0; index < 100; index++) outbox.push(frame(`${index}`.padStart(1_000, '.')))
    await turn()
    const sizes = connection.streams[0]!.written.map(({ length }) => length)
    expect(sizes).toEqual([32_002, 32_000, 32_000, 4_000])
    expect(connection.streams[0]!.written.join('').replaceAll('.', '')).toBe(
      `H:${Array.from({ length: 100 }, (_, index) => `${index}`).join('')}`,
    )
  })
})
