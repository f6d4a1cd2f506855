import { describe, expect, test } from 'vitest'
import {
  CLEAN_PATH,
  type ConnectionPlan,
  type PathSpec,
  PLAIN_CONNECTION,
  PLAIN_SCENARIO,
  PLAIN_TRANSFER,
  type Scenario,
  scenarioOf,
  type Transfer,
} from './support/scenario.ts'
import { type Outcome, Simulation } from './support/simulation.ts'

interface Changes {
  readonly path?: Partial<PathSpec>
  readonly transfer?: Partial<Transfer>
  readonly connection?: Partial<ConnectionPlan>
  readonly scenario?: Partial<Scenario>
}

/** A plain scenario with changes, run to its end; fails with what was wrong. */
function tell(
  name: string,
  { path, transfer, connection, scenario }: Changes = {},
): { sim: Simulation; outcome: Outcome } {
  const spec = { ...CLEAN_PATH, ...path }
  const sim = new Simulation({
    ...PLAIN_SCENARIO,
    name,
    paths: { 4: spec, 6: spec },
    connections: [{ ...PLAIN_CONNECTION, transfers: [{ ...PLAIN_TRANSFER, ...transfer }], ...connection }],
    ...scenario,
  })
  const outcome = sim.run()
  expect(outcome.violations, name).toEqual([])
  return { sim, outcome }
}

function client(sim: Simulation, run = 0) {
  return sim.runs[run]!.client!
}

function server(sim: Simulation, run = 0) {
  return sim.runs[run]!.server!
}

const MEGABYTE = 1024 * 1024
const LOSSY: Partial<PathSpec> = { loss: 0.2, duplicate: 0.2, jitterMs: 5 }

describe('a seed', () => {
  test.each([1, 8, 60, 172])('%i sends the same datagrams at the same times when it runs again', (seed) => {
    const first = new Simulation(scenarioOf('small', seed)).run()
    const second = new Simulation(scenarioOf('small', seed)).run()
    expect(second).toEqual(first)
    expect(first.datagrams).toBeGreaterThan(10)
  })
})

describe('handshake', () => {
  test('RFC 9002 §6.2.2: it succeeds at 20 % loss, duplication and reordering, both ways', () => {
    const times: number[] = []
    for (let index = 0; index < 40; index++) {
      const { outcome } = tell(`lossy handshake ${index}`, { path: LOSSY, transfer: { size: 4, reply: 0 } })
      times.push(outcome.virtualMs)
    }
    times.sort((left, right) => left - right)
    // One PTO from the first guess of the RTT is a second; half of the dials need one or two.
    expect(times[20]).toBeLessThan(6000)
  })

  test('spec/quic.md §5.3: a dial over two addresses of one server is one connection, with lost and doubled Initials too', () => {
    for (let index = 0; index < 30; index++) {
      const { sim } = tell(`fan-out ${index}`, {
        path: index % 3 === 0 ? {} : LOSSY,
        transfer: { size: 5000, reply: 5000 },
        connection: { fanOut: true, family: index % 2 === 0 ? 4 : 6 },
        scenario: { retry: [false, index % 5 === 0] },
      })
      expect(sim.nodes[1].connections.filter((connection) => connection.isHandshakeComplete)).toHaveLength(1)
    }
  })

  test('RFC 9000 §8.1.2: Retry, at 20 % loss', () => {
    for (let index = 0; index < 10; index++) tell(`retry ${index}`, { path: LOSSY, scenario: { retry: [false, true] } })
  })

  test('RFC 9000 §8.1.3: who shows the token of an earlier connection is not asked to prove its address again', () => {
    const plan = (startsAt: number, showsToken: boolean): ConnectionPlan => ({
      ...PLAIN_CONNECTION,
      startsAt,
      showsToken,
    })
    const again = (showsToken: boolean) =>
      tell(`token ${showsToken}`, {
        scenario: {
          retry: [false, true],
          answering: [{}, { issueTokens: true }],
          connections: [plan(0, false), plan(5000, showsToken)],
        },
      }).sim.retries
    expect(again(false)).toBe(2)
    expect(again(true)).toBe(1)
  })

  test('RFC 8446 §4.1.4: a second ClientHello when the server wants the other group', () => {
    tell('hello retry', {
      connection: { settings: { groups: ['p256', 'x25519'] } },
      scenario: { answering: [{}, { groups: ['x25519', 'p256'] }] },
    })
  })

  test('RFC 9000 §8.1: a client that falls silent after its first datagram gets three times its bytes and no more', () => {
    const { sim } = tell('silent dialler', {
      path: { delayMs: 20 },
      scenario: { powerCut: { node: 0, at: 10, back: undefined } },
    })
    const [stranger] = sim.nodes[1].connections
    expect(stranger!.closeReason).toEqual({ kind: 'handshake-timeout' })
    const [path] = stranger!.paths()
    expect(path!.bytesReceived).toBe(1200)
    expect(path!.bytesSent).toBeGreaterThan(1200)
    expect(path!.bytesSent).toBeLessThanOrEqual(3600)
  })
})

describe('silence', () => {
  test('RFC 9000 §10.1: a peer that vanished is given up after the idle timeout', () => {
    const { sim } = tell('vanished', {
      transfer: { size: 4 * MEGABYTE },
      scenario: { powerCut: { node: 1, at: 120, back: undefined } },
    })
    const { closeReason, closedAt } = client(sim)
    expect(closeReason).toEqual({ kind: 'idle-timeout' })
    // From the first packet sent after the last receipt.
    expect(closedAt - 1120).toBeGreaterThan(29_900)
    expect(closedAt - 1120).toBeLessThan(31_000)
  })

  test('a server that vanished during the handshake: handshake timeout, 30 s after the dial', () => {
    const { sim } = tell('vanished early', {
      path: { delayMs: 50 },
      scenario: { powerCut: { node: 1, at: 20, back: undefined } },
    })
    expect(client(sim).closeReason).toEqual({ kind: 'handshake-timeout' })
    expect(client(sim).closedAt).toBeCloseTo(31_000, -2)
  })

  test('RFC 9000 §10.3: a restarted node resets its former connections, and the peer dials again', () => {
    const { sim } = tell('restarted', {
      transfer: { size: 8 * MEGABYTE },
      scenario: { powerCut: { node: 1, at: 120, back: 50 } },
    })
    expect(client(sim).closeReason).toEqual({ kind: 'stateless-reset' })
    expect(client(sim).closedAt).toBeLessThan(3500)
    expect(sim.runs).toHaveLength(2)
    expect(client(sim, 1).closeReason?.kind).toBe('local-application')
  })
})

describe('moving', () => {
  test('RFC 9000 §9.3: the server follows a client whose port changed, and keeps what it knows of the path', () => {
    const { sim, outcome } = tell('rebinding', {
      transfer: { opener: 'client', size: MEGABYTE },
      scenario: { nat: true, rebinds: [{ at: 60, host: false }] },
    })
    expect(server(sim).heard.get('path-migrated')).toBe(1)
    expect(server(sim).heard.get('path-validated')).toBe(1)
    expect(outcome.virtualMs).toBeLessThan(3000)
  })

  test('RFC 9000 §9.3: a client that only receives is found again by its keep-alive', () => {
    const { outcome } = tell('rebinding, receiving', {
      transfer: { opener: 'server', bidirectional: false, size: 4 * MEGABYTE },
      scenario: { nat: true, rebinds: [{ at: 60, host: true }] },
    })
    expect(outcome.virtualMs).toBeGreaterThan(4000)
    expect(outcome.virtualMs).toBeLessThan(10_000)
  })

  test('RFC 9000 §9.2: the client moves to another address and back', () => {
    const { sim } = tell('migration', {
      transfer: { size: 2 * MEGABYTE, reply: 2 * MEGABYTE },
      connection: { migrations: [50, 150] },
    })
    expect(client(sim).heard.get('path-migrated')).toBe(2)
    expect(client(sim).heard.get('path-validated')).toBeGreaterThan(0)
    expect(server(sim).heard.get('path-migrated')).toBe(2)
  })

  test('RFC 9000 §9.3.3: an attacker that is faster with copies does not take the connection away', () => {
    for (const count of [1, 5, 40])
      tell(`attacker ${count}`, {
        path: { delayMs: 30 },
        transfer: { size: MEGABYTE, reply: MEGABYTE },
        scenario: { attacker: { at: 150, count } },
      })
  })

  test('RFC 8899 §4.3: a path that begins to drop large datagrams does not stop the transfer', () => {
    const { sim, outcome } = tell('black hole', {
      path: { mtuShrinksAt: 300, bottleneck: { bytesPerMs: 5000, queue: 200_000 } },
      transfer: { bidirectional: false, size: 8 * MEGABYTE },
    })
    expect(client(sim).connection.paths()[0]!.mtu).toBe(1200)
    expect(outcome.virtualMs).toBeLessThan(20_000)
  })
})

describe('transfer', () => {
  test('RFC 9001 §6: both sides update keys as often as they like', () => {
    const at = Array.from({ length: 12 }, (_, index) => index * 150)
    const { sim } = tell('key updates', {
      path: { loss: 0.01, jitterMs: 5, bottleneck: { bytesPerMs: 1000, queue: 100_000 } },
      transfer: { size: 2 * MEGABYTE, reply: 2 * MEGABYTE },
      connection: {
        keyUpdates: at.flatMap((ms) => [
          { by: 'client' as const, at: ms },
          { by: 'server' as const, at: ms },
        ]),
      },
    })
    expect(client(sim).stats!.keyUpdates).toBeGreaterThan(3)
    expect(server(sim).stats!.keyUpdates).toBe(client(sim).stats!.keyUpdates)
  })

  test('RFC 9000 §13.2.4: one direction only, the receiver does nothing but acknowledge', () => {
    const { sim } = tell('acks only', { transfer: { bidirectional: false, size: 8 * MEGABYTE }, path: { loss: 0.01 } })
    const sent = client(sim).connection.paths()[0]!.datagramsSent
    const acks = server(sim).connection.paths()[0]!.datagramsSent
    expect(acks).toBeLessThan(sent)
    expect(acks).toBeGreaterThan(sent / 20)
  })

  test.each(['cubic', 'new-reno'] as const)('RFC 9002 §7: %s fills a bottleneck with a short queue', (congestion) => {
    // 10 Mbit/s, 40 ms, a quarter of the bandwidth-delay product as queue.
    const { outcome } = tell(`bottleneck ${congestion}`, {
      path: { delayMs: 20, bottleneck: { bytesPerMs: 1250, queue: 12_500 } },
      transfer: { bidirectional: false, size: 8 * MEGABYTE },
      connection: { settings: { congestion } },
    })
    const least = (8 * MEGABYTE) / 1250
    expect(outcome.virtualMs).toBeLessThan(least * 1.7)
  })

  test('RFC 9002 §7: two connections share a bottleneck, neither starves', () => {
    const plan: ConnectionPlan = {
      ...PLAIN_CONNECTION,
      transfers: [{ ...PLAIN_TRANSFER, bidirectional: false, size: 4 * MEGABYTE }],
    }
    const { outcome } = tell('shared bottleneck', {
      path: { delayMs: 20, bottleneck: { bytesPerMs: 1250, queue: 50_000 } },
      scenario: { connections: [plan, plan] },
    })
    expect(outcome.virtualMs).toBeLessThan(((8 * MEGABYTE) / 1250) * 1.7)
  })

  test('streams that are reset or stopped leave the others alone', () => {
    const ends = ['finish', 'reset', 'stop'] as const
    const transfers = Array.from(
      { length: 30 },
      (_, index): Transfer => ({
        ...PLAIN_TRANSFER,
        opener: index % 2 === 0 ? 'client' : 'server',
        bidirectional: index % 4 < 2,
        size: 20_000,
        reply: index % 4 < 2 ? 9000 : 0,
        end: ends[index % 3]!,
        endAt: (index * 997) % 20_000,
      }),
    )
    tell('resets and stops', {
      path: { loss: 0.05 },
      connection: { transfers, settings: { maxStreamsBidi: 2, maxStreamsUni: 2 } },
      scenario: { answering: [{}, { maxStreamsBidi: 2, maxStreamsUni: 2 }] },
    })
  })

  test('a socket that takes its time, and few slots: nothing is overwritten, nothing is lost', () => {
    tell('slow socket', { transfer: { size: MEGABYTE }, scenario: { socketPerMs: 2, slots: 8 } })
  })
})

describe('closing', () => {
  test.each(['client', 'server', 'both'] as const)('RFC 9000 §10.2: by %s at any moment, nothing is left', (by) => {
    for (let at = 1; at < 400; at += 13)
      tell(`close by ${by} at ${at}`, {
        path: { delayMs: 15, loss: at % 2 === 0 ? 0.1 : 0 },
        transfer: { size: MEGABYTE },
        connection: { close: { by, at, code: 5, reason: 'enough' } },
      })
  })
})
