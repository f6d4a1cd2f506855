import { describe, expect, test } from 'vitest'
import { memoryInUse } from './support/memory.ts'
import { SEEDS, tell } from './support/multipath/story.ts'
import { Tap } from './support/multipath/tap.ts'

const MEGABYTE = 1_000_000
const NEAR = { delayMs: 10 }
const MINUTE = 60_000

describe('path ids', () => {
  test('quic.md §4.3: all seven are used at once, and the eighth when one is given back', () => {
    const tap = new Tap()
    tell({ name: 'all seven', ways: [NEAR, NEAR, NEAR], trace: tap.trace }, (sim, pair) => {
      for (let id = 1; id <= 7; id++) expect(pair.openValidated(id % 3)).toBe(id)
      pair.carries(MEGABYTE)
      for (let times = 0; times < 3; times++) {
        expect(pair.open(1)).toBeUndefined()
        sim.run(1000)
      }
      expect(tap.frames('client', 'paths_blocked')).toMatchObject([{ maximum_path_id: 7 }])
      expect(pair.client.of('paths-available')).toEqual([])
      pair.abandon('server', 3)
      sim.until(() => pair.client.of('paths-available').length > 0 && pair.client.path(3) === undefined)
      sim.run(500)
      expect(pair.openValidated(2)).toBe(8)
      pair.carries(MEGABYTE)
    })
  })

  test('quic.md §5.5: 200 rounds of opening, carrying and abandoning leave tables and memory as they were', () => {
    tell({ name: '200 rounds', ways: [NEAR, NEAR, { ...NEAR, kind: 'relay' }] }, (sim, pair) => {
      const sizes = () => [sim.clientNode, sim.serverNode].map(({ driver }) => driver.engine.leftovers)
      let memory = 0
      let before: number[] = []
      for (let round = 1; round <= 200; round++) {
        if (round === 50) {
          sim.run(10_000)
          before = sizes()
          memory = memoryInUse()
        }
        let id = pair.open(1 + (round % 2))
        while (id === undefined) {
          const seen = pair.client.of('paths-available').length
          sim.until(() => pair.client.of('paths-available').length > seen)
          id = pair.open(1 + (round % 2))
        }
        expect(id).toBe(round)
        if (round % 3 > 0) sim.until(() => pair.ends.every((end) => end.path(round)?.validated === true))
        pair.carries(2000)
        pair.abandon(round % 3 === 1 ? 'server' : 'client', round)
        sim.check()
      }
      sim.run(10_000)
      expect(sizes()).toEqual(before)
      for (const end of pair.ends) expect(end.openPaths).toEqual([0])
      // what the test itself remembers is counted, too; a path that stayed would weigh some 10 kB at each end
      expect(memoryInUse() - memory).toBeLessThan(1_000_000)
    })
  })
})

describe('time', () => {
  test('quic.md §5.7: ten quiet minutes: each path is kept alive by a PING every five seconds', () => {
    tell({ name: 'quiet', ways: [NEAR, { delayMs: 120, kind: 'relay' }] }, (sim, pair) => {
      pair.openValidated(1, 'backup')
      sim.run(1000)
      const before = pair.ends.map((end) => end.connection.paths().map(({ datagramsSent }) => datagramsSent))
      sim.run(10 * MINUTE)
      for (const [index, end] of pair.ends.entries()) {
        expect(end.openPaths).toEqual([0, 1])
        for (const { id, datagramsSent } of end.connection.paths()) {
          const sent = datagramsSent - before[index]![id]!
          // with every PING one acknowledgement, of both ends
          expect(sent).toBeGreaterThan(110)
          expect(sent).toBeLessThan(500)
        }
      }
      pair.carries(10_000)
    })
  })

  test('quic.md §5.7: a path without keep-alive is abandoned after its own idle time, the other lives on for ten minutes', () => {
    tell({ name: 'own clocks', ways: [NEAR, NEAR] }, (sim, pair) => {
      pair.openValidated(1)
      sim.run(1000)
      const at = sim.now
      for (const end of pair.ends) end.connection.setPathClocks(1, 0, 30_000, at)
      sim.run(10 * MINUTE)
      for (const end of pair.ends) {
        expect(end.openPaths).toEqual([0])
        expect(end.lastAt('path-abandoned') - at).toBeGreaterThan(29_000)
        expect(end.lastAt('path-abandoned') - at).toBeLessThan(31_000)
      }
    })
  })
})

describe('key updates', () => {
  test.each(SEEDS)(
    'quic.md §1.9: by both sides, with data on both paths and packets that overtake each other (seed %i)',
    (seed) => {
      const tap = new Tap()
      const ways = [
        { ...NEAR, jitterMs: 10, loss: 0.01 },
        { delayMs: 120, jitterMs: 60, loss: 0.01, straggle: { share: 0.02, ms: 200 } },
      ]
      tell({ name: `keys ${seed}`, ways, trace: tap.trace }, (sim, pair) => {
        pair.openValidated(1)
        const transfers = [pair.send('client', 3 * MEGABYTE), pair.send('server', 3 * MEGABYTE)]
        let begun = 0
        for (let round = 0; round < 60; round++) {
          sim.run(150)
          if (pair.updateKeys(sim.random.pick(['client', 'server'] as const))) begun++
          if (round % 10 === 0)
            pair.setStatus(sim.random.pick(['client', 'server'] as const), 0, round % 20 === 0 ? 'backup' : 'available')
          if (transfers.every(({ isDone }) => isDone))
            transfers.push(pair.send('client', MEGABYTE), pair.send('server', MEGABYTE))
        }
        sim.until(() => transfers.every(({ isDone }) => isDone))
        sim.run(10_000)
        const [client, server] = pair.ends.map((end) => end.connection.stats().keyUpdates)
        expect(client).toBe(server)
        // both may have begun the same one
        expect(client).toBeGreaterThan(begun / 2)
        expect(client).toBeLessThanOrEqual(begun)
        expect(client).toBeGreaterThan(4)
        expect(tap.undecryptable).toEqual([])
      })
    },
  )
})

describe('moving', () => {
  test.each([false, true])(
    'RFC 9000 §9.3: the NAT of path 1 rebinds under traffic, to a new host: %s; path 0 stays',
    (newHost) => {
      tell({ name: `rebinding ${newHost}`, ways: [NEAR, { ...NEAR, nat: true }] }, (sim, pair) => {
        pair.openValidated(1)
        for (const side of ['client', 'server'] as const) pair.setStatus(side, 0, 'backup')
        sim.run(1000)
        const transfers = [pair.send('client', 2 * MEGABYTE), pair.send('server', 2 * MEGABYTE)]
        for (let round = 0; round < 3; round++) {
          sim.run(100)
          sim.rebind(1, newHost)
        }
        sim.until(() => transfers.every(({ isDone }) => isDone))
        sim.run(8000)
        const moved = pair.server.of('path-migrated').filter(({ path }) => path === 1)
        expect(moved.length).toBeGreaterThanOrEqual(1)
        expect(pair.server.of('path-migrated').filter(({ path }) => path === 0)).toEqual([])
        for (const end of pair.ends) expect(end.openPaths).toEqual([0, 1])
        expect(pair.server.path(1)!.validated).toBe(true)
      })
    },
  )

  test('RFC 9000 §9.2: path 0 migrates to a third way while path 1 is open, and back', () => {
    tell({ name: 'migration', ways: [NEAR, { ...NEAR, kind: 'relay' }, { ...NEAR, kind: 'ipv6' }] }, (sim, pair) => {
      pair.openValidated(1, 'backup')
      const transfers = [pair.send('client', 3 * MEGABYTE), pair.send('server', 3 * MEGABYTE)]
      for (const way of [2, 0, 2]) {
        sim.run(100)
        pair.client.connection.migrate(sim.route(way), sim.now)
        pair.client.touch()
      }
      sim.until(() => transfers.every(({ isDone }) => isDone))
      sim.run(2000)
      expect(pair.client.path(0)!.route).toBe(sim.route(2))
      expect(pair.server.of('path-migrated').every(({ path }) => path === 0)).toBe(true)
      for (const end of pair.ends)
        expect(end.connection.paths().map(({ validated }) => validated)).toEqual([true, true])
    })
  })

  test('spec/fast-path.md §4: each path finds its own datagram size, and a black hole on one is nothing to the others', () => {
    const ways = [NEAR, { ...NEAR, mtu: 1330 }, { ...NEAR, kind: 'relay' as const }]
    tell(
      { name: 'sizes', ways, server: { maxUdpPayloadSize: 1472 }, client: { maxUdpPayloadSize: 1472 } },
      (sim, pair) => {
        pair.openValidated(1)
        pair.openValidated(2)
        sim.run(3000)
        const sizes = () => pair.ends.map((end) => end.connection.paths().map(({ mtu }) => mtu))
        for (const [direct, narrow, relay] of sizes()) {
          expect(direct).toBe(1452)
          expect(narrow).toBeGreaterThan(1280)
          expect(narrow).toBeLessThanOrEqual(1330)
          expect(relay).toBe(1200)
        }
        sim.ways[0]!.shrink(1200)
        for (let round = 0; round < 6; round++) pair.carries(MEGABYTE, 30_000)
        for (const [direct, narrow] of sizes()) {
          expect(direct).toBe(1200)
          expect(narrow).toBeGreaterThan(1280)
        }
      },
    )
  })
})

describe('closing', () => {
  test.each(['client', 'server'] as const)('RFC 9000 §10.2: by the %s, with four paths under traffic', (by) => {
    tell({ name: `close ${by}`, ways: [NEAR, { ...NEAR, kind: 'relay' }, { delayMs: 100 }, NEAR] }, (sim, pair) => {
      for (const way of [1, 2, 3]) pair.openValidated(way)
      pair.send('client', 3 * MEGABYTE)
      pair.send('server', 3 * MEGABYTE)
      sim.run(60)
      pair.abandon('client', 1)
      sim.run(5)
      pair.close(by, 7, 'enough')
      sim.until(() => pair.ends.every(({ isDrained }) => isDrained))
      const other = pair.end(by === 'client' ? 'server' : 'client')
      expect(other.closeReason).toEqual({ kind: 'peer-application', code: 7, reason: 'enough' })
    })
  })

  test.each(['client', 'server'] as const)(
    'by the %s, when the preferred path has just died: the peer hears of it over another',
    (by) => {
      tell({ name: `close over ${by}`, ways: [NEAR, { delayMs: 30 }] }, (sim, pair) => {
        pair.openValidated(1, 'backup')
        sim.run(1000)
        sim.ways[0]!.cut()
        pair.close(by, 7, 'enough')
        const at = sim.now
        const other = pair.end(by === 'client' ? 'server' : 'client')
        sim.until(() => other.isClosed)
        expect(other.closeReason).toEqual({ kind: 'peer-application', code: 7, reason: 'enough' })
        expect(sim.now - at).toBeLessThan(100)
        sim.run(5000)
        // and the one who closed hears that it was heard
        expect(pair.end(by).of('close-answered')).toHaveLength(1)
      })
    },
  )
})
