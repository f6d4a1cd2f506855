/** Ten thousand idle clients on one relay, over real sockets: they cost little, they do not disturb, and nothing of them stays. */
import { describe, expect, test } from 'vitest'
import { expectNothingLost, type RelayState, startClients, startPairs, startRelay, until } from './child.ts'
import type { Leaving } from './light-client.ts'

const CLIENTS = 10_000
const PROCESSES = 4
const PAIRS = 20
/** Descriptors that a process needs for itself, generously. */
const SPARE_FILES = 200
/** That come and go before memory is measured, so that code is compiled and pools are filled. */
const WARM_UP = 800

/** Resident memory of the relay for one idle client, bytes: generous, to be true with any Node. */
const MOST_PER_CLIENT = 40_000
/** What may stay of a client that left, bytes of heap: nothing, but measuring is not exact. */
const MOST_LEFT_PER_CLIENT = 100
/** However many clients there are. */
const MOST_TIMERS = 20

/** Silence until the first ping, ms: all are in by then, and the second does not come within the test. */
const LIMITS = { pingIntervalMs: 5000, pingJitterMinMs: 500, pingJitterMaxMs: 3500 }

const WAYS_OUT: readonly (Leaving | 'killed')[] = ['close', 'end', 'reset', 'killed']

/** One address per process, for ports last a minute; where all of 127/8 is this host, others in each run. */
function sourceOf(number: number, run: number): string | undefined {
  return process.platform === 'linux' ? `127.${1 + (run >>> 8)}.${run & 255}.${1 + number}` : undefined
}

describe('idle clients over real sockets', () => {
  test('10,000 are let in, are pinged, disturb nobody, cost little, and leave nothing behind', { timeout: 180_000 }, async (context) => {
    const relay = await startRelay(context, LIMITS)
    const groups = await Promise.all(Array.from({ length: PROCESSES }, () => startClients(context)))
    const look = (collect = false): Promise<RelayState> => relay.ask('look', { collect })
    const run = Math.floor(Math.random() * 32_000)
    const target = (number: number) => ({ port: relay.port, from: sourceOf(number, run) })
    const each = Math.floor(Math.min(CLIENTS, relay.openFiles - 2 * PAIRS - SPARE_FILES) / PROCESSES)
    const clients = PROCESSES * each
    if (clients < CLIENTS) console.warn(`only ${clients} idle clients: a process may have ${relay.openFiles} open files`)

    const warmUp = await startClients(context)
    await warmUp.ask('join', { target: target(PROCESSES), count: WARM_UP, answersPings: true })
    await warmUp.kill()
    await until(look, ({ counters }) => counters.tom_links === 0, 'the end of the warm-up')
    const before = await look(true)

    const pairs = await startPairs(context, relay, PAIRS)
    const start = performance.now()
    const join = (group: (typeof groups)[number], number: number) =>
      group.ask('join', { target: target(number), count: each, answersPings: true })
    const ids = (await Promise.all(groups.map(join))).flat()
    const joinMs = performance.now() - start
    expect(new Set(ids).size).toBe(clients)
    const full = await look()
    expect(full).toMatchObject({ clients: clients + 2 * PAIRS, connections: clients + 2 * PAIRS })
    expect(full.counters.accepts).toBe(WARM_UP + clients + 2 * PAIRS)

    // What each of them says is answered, and what each of them is asked.
    for (const group of groups) await group.ask('ping')
    const lookAtAll = () => Promise.all(groups.map((group) => group.ask('look')))
    const total = (all: Awaited<ReturnType<typeof lookAtAll>>, what: 'pongs' | 'pinged' | 'ended') =>
      all.reduce((sum, group) => sum + group[what], 0)
    await until(lookAtAll, (all) => total(all, 'pongs') === clients, 'pongs')
    await until(lookAtAll, (all) => total(all, 'pinged') === clients, 'pings of the relay')
    expect(total(await lookAtAll(), 'ended')).toBe(0)

    const idle = await look(true)
    expect(idle.clients).toBe(clients + 2 * PAIRS)
    expect(idle.counters.got_ping).toBe(clients + 2 * PAIRS)
    expect(idle.counters.sent_pong).toBe(idle.counters.got_ping)
    expect(idle.counters.tom_pings_sent).toBeGreaterThanOrEqual(clients)
    expect(idle.timers).toBeLessThan(MOST_TIMERS)
    const perClient = (after: number, what: number) => Math.round((after - what) / clients)
    const resident = perClient(idle.rss, before.rss)
    expect(resident).toBeLessThan(MOST_PER_CLIENT)
    await expectNothingLost(pairs)
    await pairs.ask('close')

    await Promise.all(
      groups.map((group, number) => {
        const how = WAYS_OUT[number % WAYS_OUT.length]!
        return how === 'killed' ? group.kill() : group.ask('leave', { how })
      }),
    )
    const gone = await until(look, ({ counters }) => counters.tom_links === 0, 'all to be gone')
    expect(gone).toMatchObject({ clients: 0, connections: 0, waiting: 0 })
    expect(gone.counters).toMatchObject({ tom_connections: 0, tom_endpoints: 0, tom_handshakes: 0 })
    expect(gone.counters.disconnects).toBe(gone.counters.accepts)
    const troubles = ['tom_ping_timeouts', 'tom_write_timeouts', 'tom_queue_full_frames', 'tom_queue_lost_frames'] as const
    for (const name of troubles) expect([name, gone.counters[name]]).toEqual([name, 0])
    const after = await look(true)
    expect(perClient(after.heap, before.heap)).toBeLessThan(MOST_LEFT_PER_CLIENT)

    console.log(
      `${clients} idle clients: ${resident} bytes of RSS each after a collection (${perClient(full.rss, before.rss)} before), ` +
        `${perClient(idle.heap, before.heap)} of them on the heap; ${perClient(after.heap, before.heap)} of heap left when they had left. ` +
        `${Math.round(clients / (joinMs / 1000))} accepts/s, ${((full.cpuMs - before.cpuMs) / clients).toFixed(2)} ms CPU each. ${idle.timers} timers.`,
    )
  })
})
