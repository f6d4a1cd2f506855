/** Clients that do not read, and a flood for them, over real sockets: they cost a bounded amount, they are dropped, and nobody else loses anything. */
import { describe, expect, type TestContext, test } from 'vitest'
import { expectNothingLost, Relay, startClients, startPairs, until } from './child.ts'

const PAIRS = 5
const SLOW = 10
const MiB = 1024 * 1024
/** What the system takes for a connection and nobody reads, at most. */
const SYSTEM = 12 * MiB
/** What the relay keeps for each of them: its queue, and what stands in its link with the frame that found room there (spec/relay.md §4.1, §4.8). */
const LIMITS = { queueBytes: MiB, linkBytes: MiB / 2 }
const MOST_PER_CLIENT = LIMITS.queueBytes + LIMITS.linkBytes + 65_536
/** What was read, is forwarded already, and waits for a collection. */
const PASSING = 96 * MiB

/** A relay with clients that do not read, one that will flood them, and honest pairs. */
async function start(context: TestContext, writeTimeoutMs: number) {
  const relay = await Relay.start(context, { ...LIMITS, writeTimeoutMs })
  const [slow, flooder] = await Promise.all([startClients(context), startClients(context)])
  const target = { port: relay.port, from: undefined }
  const ids = await slow.ask('join', { target, count: SLOW, pongDelayMs: 0 })
  const [flooderId] = await flooder.ask('join', { target, count: 1, pongDelayMs: 0 })
  const pairs = await startPairs(context, relay, PAIRS)
  // So it will hear when they are gone.
  await slow.ask('send', { to: flooderId!, contents: 'go on' })
  await until(
    () => flooder.ask('look'),
    ({ datagrams }) => datagrams === SLOW,
    'what they say to it',
  )
  await slow.ask('pause')
  const flood = (bytesEach: number) => flooder.ask('flood', { to: ids, bytesEach })
  return { relay, slow, flooder, flood, pairs }
}

describe('clients that do not read, over real sockets', () => {
  test('spec/relay.md §4.8: what waits for them is bounded, and the rest of a flood is dropped', async (context) => {
    const { relay, slow, flood, pairs } = await start(context, 600_000)
    const each = SYSTEM + 24 * MiB
    const before = await relay.look(true)
    await flood(each)
    const full = await relay.until(({ counters }) => counters.bytes_recv >= SLOW * each, 'the end of the flood')
    expect(full.peakRss - before.rss).toBeLessThan(SLOW * MOST_PER_CLIENT + PASSING)
    // Unbounded it would have been more.
    expect(SLOW * (each - SYSTEM)).toBeGreaterThan(2 * (SLOW * MOST_PER_CLIENT + PASSING))
    expect(full.clients).toBe(SLOW + 1 + 2 * PAIRS)
    expect(full.counters.tom_queue_full_frames * 1200).toBeGreaterThan(SLOW * (each - SYSTEM - 2 * MOST_PER_CLIENT))
    expect(full.counters.send_packets_dropped).toBe(0)
    await expectNothingLost(pairs)
    // They read again: nothing has happened to them.
    await slow.ask('resume')
    expect(await relay.look()).toMatchObject({ clients: SLOW + 1 + 2 * PAIRS })
    expect(await slow.ask('look')).toMatchObject({ ended: 0 })
  })

  test('spec/relay.md §4.1: they are dropped when they took nothing for the write timeout, and their peers are told', async (context) => {
    const { relay, slow, flooder, flood, pairs } = await start(context, 1000)
    await flood(SYSTEM + 4 * MiB)
    const dropped = await relay.until(({ counters }) => counters.tom_write_timeouts >= SLOW, 'write timeouts')
    expect(dropped).toMatchObject({ clients: 1 + 2 * PAIRS, connections: 1 + 2 * PAIRS })
    expect(dropped.counters).toMatchObject({ tom_write_timeouts: SLOW, disconnects: SLOW, tom_links: 1 + 2 * PAIRS })
    await until(
      () => flooder.ask('look'),
      ({ gone }) => gone === SLOW,
      'EndpointGone',
    )
    await slow.ask('resume')
    await until(
      () => slow.ask('look'),
      ({ ended }) => ended === SLOW,
      'the end of their connections',
    )
    expect(await flooder.ask('look')).toMatchObject({ ended: 0, gone: SLOW })
    await expectNothingLost(pairs)
  })
})
