/** Ten thousand idle clients on one relay, over real sockets: they cost little, they disturb nobody, and nothing of them stays. */
import { describe, expect, test } from 'vitest'
import { expectNothingLost, Relay, type RelayState, startClients, startPairs, until } from './child.ts'
import type { Leaving } from './light-client.ts'

const CLIENTS = 10_000
const PROCESSES = 4
const PAIRS = 20
/** In each process, that come and go before anything is measured, so that code is compiled and pools are filled. */
const WARM_UP = 200
/** Descriptors that a process needs for itself, generously. */
const SPARE_FILES = 200

/** Resident memory of the relay for one idle client, bytes: generous, to be true with any Node. */
const MOST_PER_CLIENT = 40_000
/** What may be on the heap more than before when all have left, bytes: code and pools, about 1 MB. That is less than 200 bytes of each client. */
const MOST_LEFT = 2_000_000
/** In the whole relay, however many clients there are. */
const MOST_TIMERS = 20

const WAYS_OUT: readonly (Leaving | 'killed')[] = ['close', 'end', 'reset', 'killed']

/** Each is pinged while the test looks. */
const LIMITS = { pingIntervalMs: 1000, pingJitterMinMs: 0, pingJitterMaxMs: 1500 }
/** As over a slow line: three times this is more than the 5 s that a ping has at most (spec/relay.md §3.5), and a loaded machine may need them. */
const PONG_DELAY_MS = 1700

/** One address per process, and others in each run, for a port that was used is not free for a minute. Only Linux is all of 127/8. */
function sourceOf(number: number, run: number): string | undefined {
  return process.platform === 'linux' ? `127.${1 + (run >>> 8)}.${run & 255}.${1 + number}` : undefined
}

/** No client was dropped, and nothing for it. */
function expectNoTrouble({ counters }: RelayState): void {
  const { tom_ping_timeouts, tom_write_timeouts, tom_queue_full_frames, tom_queue_lost_frames } = counters
  const troubles = { tom_ping_timeouts, tom_write_timeouts, tom_queue_full_frames, tom_queue_lost_frames }
  expect(troubles).toEqual({
    tom_ping_timeouts: 0,
    tom_write_timeouts: 0,
    tom_queue_full_frames: 0,
    tom_queue_lost_frames: 0,
  })
}

describe('idle clients over real sockets', () => {
  test('10,000 are let in, answer and are answered, disturb nobody, cost little, and leave nothing behind', {
    timeout: 300_000,
  }, async (context) => {
    const relay = await Relay.start(context, LIMITS)
    const groups = await Promise.all(Array.from({ length: PROCESSES }, () => startClients(context)))
    const run = Math.floor(Math.random() * 32_000)
    const join = async (count: number) => {
      const start = performance.now()
      const ids = await Promise.all(
        groups.map((group, number) =>
          group.ask('join', {
            target: { port: relay.port, from: sourceOf(number, run) },
            count,
            pongDelayMs: PONG_DELAY_MS,
          }),
        ),
      )
      return { ids: new Set(ids.flat()), ms: performance.now() - start }
    }

    const each = Math.floor(Math.min(CLIENTS, relay.openFiles - 2 * PAIRS - SPARE_FILES) / PROCESSES)
    const clients = PROCESSES * each
    if (clients < CLIENTS) console.warn(`only ${clients} idle clients: ${relay.openFiles} open files are allowed`)

    await join(WARM_UP)
    await Promise.all(groups.map((group) => group.ask('leave', { how: 'reset' })))
    await relay.until(({ counters }) => counters.tom_links === 0, 'the end of the warm-up')
    const before = await relay.look(true)
    const perClient = (now: RelayState, what: 'rss' | 'heap') => Math.round((now[what] - before[what]) / clients)

    const pairs = await startPairs(context, relay, PAIRS)
    const joined = await join(each)
    expect(joined.ids.size).toBe(clients)
    const full = await relay.look()
    expect(full).toMatchObject({ clients: clients + 2 * PAIRS, connections: clients + 2 * PAIRS, waiting: 0 })
    expect(full.counters.accepts - before.counters.accepts).toBe(clients + 2 * PAIRS)

    const lookAtAll = async () => {
      const all = await Promise.all(groups.map((group) => group.ask('look')))
      const total = (what: 'pongs' | 'pinged' | 'ended') => all.reduce((sum, group) => sum + group[what], 0)
      return { pongs: total('pongs'), pinged: total('pinged'), ended: total('ended') }
    }
    for (const group of groups) await group.ask('ping')
    await until(lookAtAll, ({ pongs }) => pongs === clients, 'pongs for all')
    await until(lookAtAll, ({ pinged }) => pinged === clients, 'a ping of the relay for each')
    const idle = await relay.look(true)
    expectNoTrouble(idle)
    expect(await lookAtAll()).toMatchObject({ pongs: clients, ended: 0 })
    expect(idle.clients).toBe(clients + 2 * PAIRS)
    // Each of the honest pinged when it came; one that waits long for an answer may ping again.
    expect(idle.counters.got_ping).toBeGreaterThanOrEqual(clients + 2 * PAIRS)
    expect(idle.counters.sent_pong).toBe(idle.counters.got_ping)
    expect(idle.timers).toBeLessThan(MOST_TIMERS)
    expect(perClient(idle, 'rss')).toBeLessThan(MOST_PER_CLIENT)
    await expectNothingLost(pairs)
    await pairs.ask('close')

    await Promise.all(
      groups.map((group, number) => {
        const how = WAYS_OUT[number % WAYS_OUT.length]!
        return how === 'killed' ? group.kill() : group.ask('leave', { how })
      }),
    )
    const gone = await relay.until(({ counters }) => counters.tom_links === 0, 'the end of all links')
    expectNoTrouble(gone)
    expect(gone).toMatchObject({ clients: 0, connections: 0, waiting: 0 })
    expect(gone.counters).toMatchObject({ tom_connections: 0, tom_endpoints: 0, tom_handshakes: 0 })
    expect(gone.counters.disconnects).toBe(gone.counters.accepts)
    const after = await relay.look(true)
    expect(after.heap - before.heap).toBeLessThan(MOST_LEFT)

    const cpuMs = (full.cpuMs - before.cpuMs) / clients
    console.log(
      `${clients} idle clients, each: ${perClient(idle, 'rss')} bytes resident, ${perClient(idle, 'heap')} on the heap; ` +
        `${perClient(after, 'heap')} of those left when all had left. ${idle.timers} timers in all. ` +
        `${Math.round((1000 * clients) / joined.ms)} accepts/s, ${cpuMs.toFixed(2)} ms of the relay's CPU for one.`,
    )
  })
})
