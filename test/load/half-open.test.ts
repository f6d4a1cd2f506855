/** Connections with nobody behind them any more, or with nobody who ever becomes a client: each is given up in time, and nobody else notices. */
import { describe, expect, test } from 'vitest'
import { RelayError } from '../../src/relay/index.ts'
import { expectNothingLost, Relay, startClients, startPairs, until } from './child.ts'
import { HonestClient } from './honest-client.ts'
import { SilentProxy } from './silent-proxy.ts'
import { STRANGERS, type StrangerKind } from './strangers.ts'

const PAIRS = 3
/** Answers that are this late make the relay wait 5 s for the next one (spec/relay.md §3.5), which a loaded machine may need. */
const LATE_MS = 1700

describe.concurrent('half-open connections over real sockets', () => {
  test('spec/relay.md §3.5: clients whose process stands still, and those that never answer a ping, are dropped, and their peers are told', async (context) => {
    const relay = await Relay.start(context, { pingIntervalMs: 500, pingJitterMinMs: 0, pingJitterMaxMs: 100 })
    const [standing, deaf, peer] = await Promise.all([
      startClients(context),
      startClients(context),
      startClients(context),
    ])
    const pairs = await startPairs(context, relay, PAIRS)
    const target = { port: relay.port, from: undefined }
    const [[peerId]] = await Promise.all([
      peer.ask('join', { target, count: 1, pongDelayMs: LATE_MS }),
      standing.ask('join', { target, count: 50, pongDelayMs: 0 }),
      deaf.ask('join', { target, count: 20, pongDelayMs: null }),
    ])
    await standing.ask('send', { to: peerId!, contents: 'here I am' })
    await until(
      () => peer.ask('look'),
      ({ datagrams }) => datagrams === 50,
      'datagrams of those that will stand still',
    )
    // From then on half a second is enough.
    await until(
      () => standing.ask('look'),
      ({ pinged }) => pinged === 50,
      'pings',
    )
    standing.signal('SIGSTOP')

    const dropped = await relay.until(({ counters }) => counters.tom_ping_timeouts >= 70, 'ping timeouts')
    expect(dropped).toMatchObject({ clients: 1 + 2 * PAIRS, connections: 1 + 2 * PAIRS })
    expect(dropped.counters).toMatchObject({ tom_ping_timeouts: 70, tom_links: 1 + 2 * PAIRS, disconnects: 70 })
    await until(
      () => peer.ask('look'),
      ({ gone }) => gone === 50,
      'EndpointGone',
    )
    await until(
      () => deaf.ask('look'),
      ({ ended }) => ended === 20,
      'the end of those that never answered',
    )
    standing.signal('SIGCONT')
    await until(
      () => standing.ask('look'),
      ({ ended }) => ended === 50,
      'the end of those that stood still',
    )
    expect(await peer.ask('look')).toMatchObject({ ended: 0, gone: 50 })
    await expectNothingLost(pairs)
  })

  test('spec/relay.md §3.5, §5.3: behind a way that fell silent both sides notice, and datagrams flow again when there is another', async (context) => {
    const relay = await Relay.start(context, { pingIntervalMs: 500, pingJitterMinMs: 0, pingJitterMaxMs: 100 })
    const proxy = await SilentProxy.start(context, relay.port)
    const near = new HonestClient(relay.port)
    const far = new HonestClient(proxy.port, { pingIntervalMs: 700, connectTimeoutMs: 1000 })
    context.onTestFinished(async () => {
      await Promise.all([near.transport.close(), far.transport.close()])
    })
    const echoes = new Set<number>()
    far.onDatagram = (data) => far.send(near, data)
    near.onDatagram = (data) => echoes.add(data[0]!)
    /** Sends datagrams with this number until one came back. */
    const exchange = (number: number) =>
      until(
        () => {
          near.send(far, Uint8Array.of(number))
          return echoes.has(number)
        },
        (isThere) => isThere,
        `datagrams that come back (${number})`,
      )

    await until(
      () => far.isConnected && near.isConnected,
      (isIn) => isIn,
      'both to be in',
    )
    await exchange(1)
    // The relay knows how long an answer takes.
    await relay.until(({ counters }) => counters.tom_pings_sent >= 2, 'pings to both')
    await exchange(2)
    proxy.silence()
    await until(
      () => proxy.accepted,
      (accepted) => accepted >= 2,
      'another attempt, which meets silence',
    )
    expect(far.errors[0]).toMatchObject({ code: 'RELAY_UNRESPONSIVE' })
    await until(
      () => far.errors.length,
      (count) => count >= 2,
      'the end of that attempt',
    )
    expect(far.errors[1]).toMatchObject({ code: 'RELAY_TIMEOUT' })
    expect(far.errors.every((error) => error instanceof RelayError)).toBe(true)
    proxy.heal()
    await exchange(3)
    const freed = await relay.until(({ connections }) => connections === 2, 'the end of the old connection')
    expect(freed).toMatchObject({ clients: 2, waiting: 0 })
    expect(freed.counters).toMatchObject({ tom_links: 2, tom_handshakes: 0 })
    expect(freed.counters.tom_ping_timeouts).toBeGreaterThanOrEqual(1)
    await exchange(4)
  })

  test('spec/relay.md §4.8: a thousand connections that never become clients are cut off, and keep nobody out', async (context) => {
    const limits = { headerTimeoutMs: 1000, establishTimeoutMs: 2700, handshakeTimeoutMs: 1000 }
    const relay = await Relay.start(context, limits)
    const strangers = await startClients(context)
    const intrusions = () => strangers.ask('intrusions')
    const madeBy = (kinds: Awaited<ReturnType<typeof intrusions>>, ...names: readonly StrangerKind[]): number =>
      names.reduce((sum, name) => sum + kinds[name].made, 0)
    await strangers.ask('intrude', { target: { port: relay.port, from: undefined }, count: 1000 / STRANGERS.length })
    await until(intrusions, (kinds) => madeBy(kinds, ...STRANGERS) >= 1000, 'a thousand connections')
    // Who is cut off comes again: there are a thousand of them all the time.
    const pairs = await startPairs(context, relay, PAIRS)
    await until(intrusions, (kinds) => madeBy(kinds, ...STRANGERS) >= 2000, 'most to have been cut off')
    await expectNothingLost(pairs)

    await strangers.ask('giveUp')
    const kinds = await until(
      intrusions,
      (kinds) => STRANGERS.every((kind) => kinds[kind].left === 0),
      'the last to be cut off',
    )
    const end = await relay.until(({ waiting, counters }) => waiting + counters.tom_handshakes === 0, 'an empty porch')
    const noProof = madeBy(kinds, 'no proof')
    expect(end).toMatchObject({ clients: 2 * PAIRS, connections: 2 * PAIRS })
    expect(end.counters).toMatchObject({
      http_connections: madeBy(kinds, ...STRANGERS) + 2 * PAIRS,
      // No head of a request in time.
      http_connections_errored: madeBy(kinds, 'says nothing', 'half a request', 'drips'),
      // Upgraded, or cut off because they were not.
      http_connections_closed: madeBy(kinds, 'probes') + noProof + 2 * PAIRS,
      tom_handshake_timeouts: noProof,
      accepts: 2 * PAIRS,
    })
  })
})
