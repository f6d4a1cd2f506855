import { describe, expect, test } from 'vitest'
import type { Pair } from './support/multipath/pair.ts'
import type { MultipathSimulation } from './support/multipath/simulation.ts'
import { SEEDS, tell } from './support/multipath/story.ts'
import { Tap } from './support/multipath/tap.ts'

const MEGABYTE = 1_000_000
const NEAR = { delayMs: 10 }
const FAR = { delayMs: 60 }
/** 2 Mbit/s and more: a transfer of a megabyte is not over before something happens to it. */
const NARROW = { delayMs: 15, bottleneck: { bytesPerMs: 500, queue: 40_000 } }

describe('a way is cut', () => {
  test.each(['both', 'up', 'down'] as const)(
    'quic.md §5.6: %s, under traffic: data goes another way within a few round trips, and back',
    (direction) => {
      tell({ name: `cut ${direction}`, ways: [NARROW, NARROW] }, (sim, pair) => {
        pair.openValidated(1, 'backup')
        pair.setStatus('server', 1, 'backup')
        const transfers = [pair.send('client', 2 * MEGABYTE), pair.send('server', 2 * MEGABYTE)]
        sim.run(500)
        sim.ways[0]!.cut(direction)
        const cutAt = sim.now
        const before = transfers.map(({ read }) => read)
        sim.until(() => transfers.every(({ read }, index) => read > before[index]! + 200_000))
        // two probe timeouts of 60 ms and more, then the rest of a window in its place
        expect(sim.now - cutAt).toBeLessThan(2500)
        sim.ways[0]!.heal(direction)
        sim.until(() => transfers.every(({ isDone }) => isDone))
        sim.run(5000)
        expect(pair.client.openPaths).toEqual([0, 1])
        expect(pair.client.path(0)!.preferred && pair.server.path(0)!.preferred).toBe(true)
        pair.carries(MEGABYTE)
      })
    },
  )

  test.each(['both', 'up', 'down'] as const)(
    'quic.md §5.7: %s, for good: the path is abandoned after 15 s of silence, the connection lives',
    (direction) => {
      tell({ name: `cut for good ${direction}`, ways: [NEAR, FAR] }, (sim, pair) => {
        pair.openValidated(1)
        pair.send('client', MEGABYTE)
        sim.run(60)
        sim.ways[1]!.cut(direction)
        const cutAt = sim.now
        sim.run(60_000)
        for (const end of pair.ends) {
          expect(end.of('path-abandoned')).toMatchObject([{ path: 1, code: 0x3e76 }])
          const waited = end.lastAt('path-abandoned') - cutAt
          expect(waited).toBeGreaterThan(14_500)
          expect(waited).toBeLessThan(23_000)
          expect(end.openPaths).toEqual([0])
        }
        pair.carries(MEGABYTE)
      })
    },
  )

  test.each(SEEDS)(
    'the only one, under traffic: another path, opened later, takes over what was under way (seed %i)',
    (seed) => {
      tell(
        {
          name: `rescue ${seed}`,
          ways: [
            { ...NARROW, loss: 0.01 },
            { ...NEAR, kind: 'relay', loss: 0.01 },
          ],
        },
        (sim, pair) => {
          const transfers = [pair.send('client', 2 * MEGABYTE), pair.send('server', 2 * MEGABYTE)]
          sim.run(800)
          sim.ways[0]!.cut()
          sim.run(5000)
          const id = pair.openValidated(1)
          const openedAt = sim.now
          sim.until(() => transfers.every(({ isDone }) => isDone))
          expect(sim.now - openedAt).toBeLessThan(6000)
          sim.run(20_000)
          expect(pair.client.openPaths).toEqual([id])
        },
      )
    },
  )

  test('RFC 9002 §6.2.1: keep-alives that come more often than probe timeouts do not put those off', () => {
    tell({ name: 'eager keep-alive', ways: [NEAR, { delayMs: 400 }] }, (sim, pair) => {
      pair.openValidated(1)
      pair.setStatus('client', 0, 'backup')
      for (const end of pair.ends) end.connection.setPathClocks(1, 500, 0, sim.now)
      sim.run(8000)
      sim.ways[1]!.cut()
      const cutAt = sim.now
      const transfer = pair.send('client', 5000)
      sim.until(() => transfer.isDone)
      expect(sim.now - cutAt).toBeLessThan(5000)
    })
  })

  test('quic.md §5.5: opened again on yet another way, and again, with the transfer going on', () => {
    tell({ name: 'again and again', ways: [NARROW, NARROW, NARROW] }, (sim, pair) => {
      const transfers = [pair.send('client', 6 * MEGABYTE), pair.send('server', 6 * MEGABYTE)]
      let current = 0
      for (let round = 0; round < 5; round++) {
        sim.run(700)
        const next = (current + 1) % 3
        sim.ways[next]!.heal()
        const last = pair.openValidated(next)
        sim.ways[current]!.cut()
        if (round % 2 === 0) pair.abandon(round % 4 === 0 ? 'client' : 'server', pair.client.openPaths[0]!)
        sim.run(300)
        expect(pair.client.openPaths).toContain(last)
        current = next
      }
      sim.until(() => transfers.every(({ isDone }) => isDone))
    })
  })

  test('quic.md §5.7: all are cut for longer than a path may be silent: two sides that heard last of different ones give neither up', () => {
    tell({ name: 'dark', ways: [NEAR, FAR] }, (sim, pair) => {
      pair.openValidated(1)
      sim.run(2000)
      sim.ways[0]!.cut('down')
      sim.ways[1]!.cut('up')
      sim.run(7000)
      for (const way of sim.ways) way.cut()
      sim.run(18_000)
      for (const way of sim.ways) way.heal()
      pair.carries(100_000)
      expect(pair.ends.map(({ openPaths }) => openPaths)).toEqual([
        [0, 1],
        [0, 1],
      ])
    })
  })

  test('a path that is opened when the only one has been silent for long does not cost that one its life', () => {
    tell(
      {
        name: 'silent',
        ways: [NEAR, NEAR],
        client: { maxIdleTimeoutMs: 60_000 },
        server: { maxIdleTimeoutMs: 60_000 },
      },
      (sim, pair) => {
        sim.ways[0]!.cut()
        sim.ways[1]!.cut()
        sim.run(20_000)
        pair.open(1)
        sim.run(18_000)
        sim.ways[0]!.heal()
        pair.carries(100_000)
        expect(pair.client.openPaths).toContain(0)
      },
    )
  })

  test('quic.md §5.5: the only path that works is abandoned: the peer hears of it over that very path, and opens another', () => {
    tell({ name: 'last word', ways: [NEAR, NEAR] }, (sim, pair) => {
      pair.openValidated(1)
      sim.ways[0]!.cut()
      sim.run(8000)
      pair.abandon('server', 1)
      sim.run(100)
      expect(pair.client.of('path-abandoned')).toMatchObject([{ path: 1, byPeer: true }])
      expect(pair.client.openPaths).toEqual([0])
      expect(pair.openValidated(1)).toBe(2)
      pair.carries(100_000)
      sim.run(30_000)
      expect(pair.ends.map(({ openPaths }) => openPaths)).toEqual([[2], [2]])
    })
  })

  test('quic.md §5.5: that word is said again when it got lost', () => {
    tell({ name: 'last word lost', ways: [NEAR, NEAR] }, (sim, pair) => {
      pair.openValidated(1)
      sim.ways[0]!.cut()
      sim.run(8000)
      sim.ways[1]!.cut('down')
      pair.abandon('server', 1)
      sim.run(100)
      sim.ways[1]!.heal('down')
      sim.run(1000)
      expect(pair.client.of('path-abandoned')).toMatchObject([{ path: 1, byPeer: true }])
      expect(pair.openValidated(1)).toBe(2)
      pair.carries(10_000)
    })
  })

  test('RFC 9000 §9.3.2: the only open path does not validate: the connection waits for it, or another, as long as it may be idle', () => {
    const settings = { pathIdleTimeoutMs: 5000 }
    tell({ name: 'unreachable', ways: [NEAR, NEAR], client: settings, server: settings }, (sim, pair) => {
      sim.ways[1]!.cut()
      pair.open(1)
      sim.run(1000)
      pair.abandon('client', 0)
      sim.run(15_000)
      for (const end of pair.ends) expect(end.closeReason).toBeUndefined()
      sim.ways[1]!.heal()
      pair.carries(100_000)
    })
  })

  test('quic.md §5.5: an id that the peer may still use is not forgotten, or its next packet would be answered by a reset', () => {
    tell(
      {
        name: 'no reset',
        ways: [NEAR, NEAR],
        client: { maxIdleTimeoutMs: 60_000 },
        server: { maxIdleTimeoutMs: 60_000 },
      },
      (sim, pair) => {
        pair.openValidated(1)
        sim.run(1000)
        // the server gives path 1 up, and the client does not hear of it for half a minute
        for (const way of sim.ways) way.cut('down')
        pair.abandon('server', 1)
        sim.run(30_000)
        for (const way of sim.ways) way.heal()
        pair.carries(100_000)
        for (const end of pair.ends) expect(end.closeReason).toBeUndefined()
        sim.run(20_000)
        expect(pair.client.openPaths).toEqual([0])
      },
    )
  })
})

describe('draining', () => {
  test.each(['client', 'server'] as const)(
    'quic.md §5.5: what is still under way on a path that the %s abandons is taken and acknowledged elsewhere',
    (by) => {
      const tap = new Tap()
      tell({ name: `late ${by}`, ways: [NEAR, { delayMs: 400 }], trace: tap.trace }, (sim, pair) => {
        pair.openValidated(1)
        pair.setStatus('client', 0, 'backup')
        pair.setStatus('server', 0, 'backup')
        sim.run(1000)
        const transfer = pair.send(by === 'client' ? 'server' : 'client', 100_000)
        sim.run(200)
        const abandonedAt = sim.now
        pair.abandon(by, 1)
        sim.until(() => transfer.isDone)
        sim.run(10_000)
        const acks = tap.frames(by, 'path_ack', abandonedAt).filter(({ path_id }) => path_id === 1)
        expect(acks.length).toBeGreaterThan(0)
        expect(acks.every(({ over }) => over === 0)).toBe(true)
        // quic.md §5.5: nothing else goes over it
        expect(tap.sent.some(({ site, at, pathId }) => site === by && pathId === 1 && at > abandonedAt)).toBe(false)
        for (const end of pair.ends) expect(end.of('path-discarded')).toMatchObject([{ path: 1 }])
      })
    },
  )

  /** Each side gives up the path that the other keeps, at the same moment. */
  function crossed(sim: MultipathSimulation, pair: Pair): void {
    pair.openValidated(1)
    sim.run(1000)
    pair.abandon('client', 0)
    pair.abandon('server', 1)
    sim.run(300)
    for (const end of pair.ends) expect(end.openPaths).toEqual([])
  }

  test('quic.md §5.5: the last path is abandoned by the peer: 3.07 s later NO_VIABLE_PATH, without a word', () => {
    const tap = new Tap()
    tell({ name: 'no path', ways: [NEAR, NEAR], trace: tap.trace }, (sim, pair) => {
      crossed(sim, pair)
      const at = sim.now - 300
      sim.run(5000)
      for (const end of pair.ends) {
        expect(end.closeReason).toMatchObject({ kind: 'local-transport', code: 0x10 })
        expect(end.closedAt - at).toBeGreaterThan(3070)
        expect(end.closedAt - at).toBeLessThan(3100)
      }
      for (const site of ['client', 'server']) expect(tap.frames(site, 'connection_close')).toEqual([])
    })
  })

  test.each(SEEDS)('quic.md §5.5: unless the client opens another in time (seed %i)', (seed) => {
    tell({ name: `in time ${seed}`, ways: [NEAR, { ...NEAR, loss: 0.1 }] }, (sim, pair) => {
      const transfer = pair.send('server', MEGABYTE)
      crossed(sim, pair)
      sim.run(2000)
      pair.openValidated(1)
      sim.until(() => transfer.isDone)
      pair.carries(100_000)
      sim.run(20_000)
      for (const end of pair.ends) {
        expect(end.openPaths).toEqual([2])
        expect(
          end
            .of('path-discarded')
            .map(({ path }) => path)
            .sort(),
        ).toEqual([0, 1])
      }
    })
  })

  test('quic.md §5.4: what a server sent on a path that never validates does not wait for its end when another does', () => {
    tell({ name: 'doubtful', ways: [NEAR, NEAR, NEAR] }, (sim, pair) => {
      crossed(sim, pair)
      sim.ways[1]!.cut('down')
      pair.open(1)
      sim.run(500)
      expect(pair.server.openPaths).toEqual([2])
      const transfer = pair.send('server', 2000)
      sim.run(500)
      pair.openValidated(2)
      const validatedAt = sim.now
      sim.until(() => transfer.isDone)
      expect(sim.now - validatedAt).toBeLessThan(200)
    })
  })

  test('quic.md §4.4: what comes on a path that may not answer yet is acknowledged on another, at once', () => {
    const tap = new Tap()
    tell({ name: 'mute', ways: [NEAR, { ...NEAR, nat: true }], trace: tap.trace }, (sim, pair) => {
      pair.openValidated(1)
      pair.client.connection.setPathClocks(1, 300, 0, sim.now)
      sim.run(1000)
      // the server gets small packets from a new address, and no answer to what it asks there
      sim.rebind(1)
      sim.ways[1]!.cut('down')
      const from = sim.now
      sim.run(5000)
      const acks = tap.frames('server', 'path_ack', from).filter(({ path_id, over }) => path_id === 1 && over === 0)
      expect(acks.length).toBeGreaterThan(2)
      expect(pair.server.path(1)!.validated).toBe(false)
    })
  })
})
