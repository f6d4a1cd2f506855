import { describe, expect, test } from 'vitest'
import { SEEDS, tell } from './support/multipath/story.ts'
import { Tap } from './support/multipath/tap.ts'

const MEGABYTE = 1_000_000
const HALF = MEGABYTE / 2
const NEAR = { delayMs: 10 }
const FAR = { delayMs: 150 }

describe('two ways', () => {
  test.each(SEEDS)('quic.md §5.6: a fast one and a slow one with losses, both available (seed %i)', (seed) => {
    const ways = [
      { ...NEAR, loss: 0.01, jitterMs: 2 },
      { ...FAR, loss: 0.1, jitterMs: 30, kind: 'relay' as const },
    ]
    tell({ name: `near and far ${seed}`, ways }, (_sim, pair) => {
      pair.openValidated(1)
      pair.carries(HALF, 20_000)
      for (const end of pair.ends) for (const id of [0, 1]) expect(end.path(id)!.bytesSent).toBeGreaterThan(8000)
    })
  })

  test('RFC 9000 §13.2.1: acknowledgements of one path do not wait until another has sent all its data', () => {
    const pace = { count: 2, everyMs: 1 }
    tell(
      {
        name: 'starving',
        ways: [
          { delayMs: 50, pace },
          { ...NEAR, pace },
        ],
      },
      (sim, pair) => {
        pair.openValidated(1)
        // path 0 has more to send than its socket takes
        pair.send('client', 16 * MEGABYTE)
        sim.run(2000)
        pair.send('server', 3 * MEGABYTE)
        sim.run(1000)
        expect(pair.client.path(0)!.bytesInFlight).toBeGreaterThan(200_000)
        expect(pair.server.path(1)!.bytesSent).toBeGreaterThan(100_000)
        expect(pair.server.path(1)!.ptos).toBe(0)
      },
    )
  })

  test('a socket that has become slow, as a relay may, holds up its own path and no other', () => {
    const pace = { count: 1000, everyMs: 10 }
    tell({ name: 'slow socket', ways: [{ ...NEAR, kind: 'relay', pace }, NEAR] }, (sim, pair) => {
      pair.carries(2 * MEGABYTE)
      pair.openValidated(1)
      pace.count = 1
      const transfers = [pair.send('client', 2 * MEGABYTE), pair.send('server', 2 * MEGABYTE)]
      const startedAt = sim.now
      sim.until(() => transfers.every(({ isDone }) => isDone))
      // the relay takes 120 bytes a ms: alone it would need 17 s
      expect(sim.now - startedAt).toBeLessThan(3000)
      sim.run(10_000)
      expect(pair.client.openPaths).toEqual([0, 1])
    })
  })

  test('quic.md §5.6: a backup carries nothing but what is its own', () => {
    tell({ name: 'backup', ways: [NEAR, FAR] }, (sim, pair) => {
      pair.openValidated(1, 'backup')
      sim.run(1000)
      expect(pair.server.path(1)!.peerStatus).toBe('backup')
      const before = pair.ends.map((end) => end.path(1)!.bytesSent)
      pair.carries(HALF)
      const spent = pair.ends.map((end, index) => end.path(1)!.bytesSent - before[index]!)
      expect(Math.max(...spent)).toBeLessThan(3000)
    })
  })

  test('quic.md §5.6: either side calls a path a backup, and back, while data flows', () => {
    tell({ name: 'status', ways: [NEAR, { delayMs: 20 }] }, (sim, pair) => {
      pair.openValidated(1)
      const transfers = [pair.send('client', 4 * MEGABYTE), pair.send('server', 4 * MEGABYTE)]
      for (let round = 0; round < 8; round++) {
        sim.run(30)
        pair.setStatus(round % 2 === 0 ? 'client' : 'server', round % 4 < 2 ? 0 : 1, round < 4 ? 'backup' : 'available')
      }
      sim.until(() => transfers.every(({ isDone }) => isDone))
      sim.run(1000)
      for (const { client, server } of [pair])
        for (const id of [0, 1]) {
          expect(client.path(id)!.peerStatus).toBe(server.path(id)!.status)
          expect(server.path(id)!.peerStatus).toBe(client.path(id)!.status)
        }
      // each side set its two paths back once, and changes that the peer has not heard of yet are said once, with the newest
      expect(pair.client.of('path-status').length).toBeGreaterThan(0)
      expect(pair.server.of('path-status').length).toBeGreaterThan(0)
    })
  })

  test('quic.md §5.6: what is preferred of a path that is just moving is told all the same', () => {
    tell({ name: 'status of a moving path', ways: [{ ...NEAR, nat: true }, NEAR] }, (sim, pair) => {
      pair.openValidated(1)
      sim.run(1000)
      sim.rebind(0)
      sim.ways[0]!.cut('down')
      pair.send('client', 5000)
      sim.until(() => !pair.server.path(0)!.validated)
      pair.setStatus('server', 0, 'backup')
      sim.run(500)
      expect(pair.client.path(0)!.peerStatus).toBe('backup')
      sim.ways[0]!.heal()
      pair.carries(10_000)
    })
  })

  test('quic.md §5.6: when all are backups, they carry the data', () => {
    tell({ name: 'all backups', ways: [NEAR, FAR] }, (sim, pair) => {
      pair.openValidated(1)
      for (const id of [0, 1]) for (const side of ['client', 'server'] as const) pair.setStatus(side, id, 'backup')
      sim.run(1000)
      pair.carries(HALF)
    })
  })
})

describe('opening', () => {
  test.each(SEEDS)('quic.md §5.4: a path opened during a transfer takes its share (seed %i)', (seed) => {
    const narrow = { ...NEAR, bottleneck: { bytesPerMs: 250, queue: 30_000 } }
    tell({ name: `during ${seed}`, ways: [narrow, { ...narrow, loss: 0.02, jitterMs: 5 }] }, (sim, pair) => {
      const transfer = pair.send('server', 2 * MEGABYTE)
      sim.run(1500)
      pair.openValidated(1)
      sim.until(() => transfer.isDone)
      // alone the first way takes 8 s
      expect(transfer.doneAt).toBeLessThan(8000)
      expect(pair.server.path(1)!.bytesSent).toBeGreaterThan(300_000)
    })
  })

  test('quic.md §5.4: a path that is never answered is abandoned with 0x3e76 and its id given back', () => {
    const tap = new Tap()
    tell({ name: 'never answered', ways: [NEAR, NEAR], trace: tap.trace }, (sim, pair) => {
      sim.ways[1]!.cut()
      expect(pair.open(1)).toBe(1)
      pair.carries(HALF)
      sim.run(25_000)
      const [gone] = pair.client.of('path-abandoned')
      expect(gone).toMatchObject({ path: 1, code: 0x3e76, byPeer: false })
      expect(pair.client.of('path-discarded')).toHaveLength(1)
      for (const site of ['client', 'server']) {
        const maximum = { frame_type: 'max_path_id', maximum_path_id: 8, over: 0 }
        expect(tap.frames(site, 'max_path_id')).toEqual([maximum])
      }
      expect(pair.client.openPaths).toEqual([0])
      sim.ways[1]!.heal()
      expect(pair.openValidated(1)).toBe(2)
    })
  })

  test.each(['up', 'down'] as const)(
    'quic.md §5.4: nor is one of whose way only the other direction works than %s',
    (cut) => {
      tell({ name: `half a way ${cut}`, ways: [NEAR, NEAR] }, (sim, pair) => {
        sim.ways[1]!.cut(cut)
        pair.open(1)
        pair.carries(HALF)
        sim.run(40_000)
        expect(pair.client.of('path-abandoned')).toMatchObject([{ path: 1, code: 0x3e76 }])
        for (const end of pair.ends) {
          expect(end.of('path-validated').filter(({ path }) => path === 1)).toEqual([])
          expect(end.openPaths).toEqual([0])
        }
      })
    },
  )

  test.each(SEEDS)('quic.md §5.4: challenges that get lost are asked again (seed %i)', (seed) => {
    tell({ name: `lossy opening ${seed}`, ways: [NEAR, { ...NEAR, loss: 0.3 }] }, (_sim, pair) => {
      pair.openValidated(1)
      pair.carries(20_000)
    })
  })

  test('quic.md §5.4: a second path on one and the same route is valid at once, and told of in order', () => {
    tell({ name: 'one route', ways: [NEAR] }, (sim, pair) => {
      expect(pair.openValidated(0)).toBe(1)
      sim.run(200)
      for (const end of pair.ends) {
        const told = end.events.map(({ event }) => event.type).filter((type) => /^path-(opened|validated)/.test(type))
        expect(told).toEqual(['path-opened', 'path-validated'])
      }
      pair.carries(HALF)
    })
  })

  test('quic.md §5.6: a status that overtakes the first packet of its path is kept for it', () => {
    tell({ name: 'early status', ways: [{ ...NEAR, jitterMs: 20 }, NEAR] }, (sim, pair) => {
      const ids = Array.from({ length: 7 }, () => pair.open(0, 'backup')!)
      sim.run(3000)
      for (const id of ids) expect(pair.server.path(id)!.peerStatus).toBe('backup')
    })
  })

  test('two interfaces of the client, one address of the server: the server keeps their paths apart', () => {
    tell({ name: 'shared server', ways: [NEAR, { ...FAR, sharesServer: 0 }] }, (_sim, pair) => {
      pair.openValidated(1)
      pair.carries(HALF)
      const [near, far] = pair.server.connection.paths()
      expect(near!.rttMs).toBeLessThan(60)
      expect(far!.rttMs).toBeGreaterThan(290)
    })
  })

  test('several connections of one engine, each with two paths over the same ways', () => {
    tell({ name: 'several connections', ways: [NEAR, { delayMs: 30, kind: 'relay' }] }, (sim, first) => {
      const pairs = [first, sim.connect(), sim.connect(1)]
      expect(pairs.map((pair) => pair.openValidated(pair === pairs[2] ? 0 : 1))).toEqual([1, 1, 1])
      const transfers = pairs.flatMap((pair) => [pair.send('client', MEGABYTE), pair.send('server', MEGABYTE)])
      sim.run(100)
      pairs[1]!.close('server', 9, 'enough')
      sim.until(() => pairs[1]!.ends.every(({ isDrained }) => isDrained))
      sim.until(() => transfers.every((transfer, index) => transfer.isDone || index === 2 || index === 3))
      for (const pair of [pairs[0]!, pairs[2]!]) pair.carries(10_000)
    })
  })
})

describe('address reports', () => {
  const addressOf = (event: { address: { ip: Uint8Array; port: number } } | undefined) =>
    event === undefined ? undefined : `${[...event.address.ip].join('.')} ${event.address.port}`

  test('quic.md §5.9: both roles are told on every path, again after a rebinding, IPv4 as IPv4, nothing over a relay', () => {
    const ways = [
      { ...NEAR, nat: true },
      { ...NEAR, nat: true },
      { ...NEAR, kind: 'mapped' as const },
      { ...NEAR, kind: 'relay' as const },
    ]
    const both = { observedAddressRole: 2 as const }
    tell({ name: 'observed', ways, client: both, server: both }, (sim, pair) => {
      for (const way of [1, 2, 3]) pair.openValidated(way)
      sim.run(1000)
      const reports = (end: typeof pair.client, path: number) =>
        end
          .of('observed-address')
          .filter((event) => event.path === path)
          .map(addressOf)
      for (const path of [0, 1]) expect(reports(pair.client, path)).toEqual([sim.publicAddress(path)])
      expect(reports(pair.client, 2)).toEqual(['10.0.2.1 4433'])
      expect(reports(pair.client, 3)).toEqual([])
      for (const path of [0, 1, 2]) expect(reports(pair.server, path)).toEqual([`192.0.2.${path + 1} 4433`])
      expect(reports(pair.server, 3)).toEqual([])
      for (const newHost of [false, true]) {
        sim.rebind(1, newHost)
        pair.client.connection.ping()
        sim.run(12_000)
        expect(reports(pair.client, 1).at(-1)).toBe(sim.publicAddress(1))
      }
      expect(reports(pair.client, 1)).toHaveLength(3)
      expect(reports(pair.client, 0)).toHaveLength(1)
    })
  })

  test.each([
    [0, 1],
    [1, 0],
  ] as const)('quic.md §3.2: client role %i, server role %i: only who wants to know is told', (client, server) => {
    const settings = { client: { observedAddressRole: client }, server: { observedAddressRole: server } }
    tell({ name: `roles ${client} ${server}`, ways: [NEAR, NEAR], ...settings }, (sim, pair) => {
      pair.openValidated(1)
      sim.run(1000)
      const told = pair.ends.map((end) => end.of('observed-address').map(({ path }) => path))
      expect(told).toEqual(client === 1 ? [[0, 1], []] : [[], [0, 1]])
    })
  })
})
