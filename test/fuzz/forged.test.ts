import { expect, test } from 'vitest'
import { type Connection, ErrorCode } from '../../src/quic/index.ts'
import { memoryInUse } from '../sim/support/memory.ts'
import { SimRandom } from '../sim/support/random.ts'
import { FACTOR, SEED, TIMEOUT } from './support/budget.ts'
import { extensionFrames, forging, frames, scribble } from './support/forge.ts'
import { type End, FURTHER_ROUTES, Pair } from './support/pair.ts'

const ROUNDS = 200 * FACTOR
const PATH_ROUNDS = 80 * FACTOR

/** The application of an honest end: reads everything, answers every stream, asks for some itself. */
function use(end: End, random: SimRandom): void {
  const bytes = new Uint8Array(3000)
  for (const connection of end.connections) {
    if (connection.isClosed || !connection.isHandshakeComplete) continue
    const { streams, datagrams } = connection
    for (const bidirectional of [true, false]) {
      if (random.chance(0.3)) {
        const id = streams.open(bidirectional)
        if (id !== -1) {
          streams.write(id, bytes, 0, random.int(1, bytes.length))
          if (random.chance(0.5)) streams.finish(id)
        }
      }
      for (let id = streams.accept(bidirectional); id !== -1; id = streams.accept(bidirectional)) {
        for (let reads = 0; reads < 10; reads++) {
          const result = streams.read(id, 10_000)
          if (result === 'fin' && bidirectional) trySend(() => streams.finish(id))
          if (typeof result === 'string' || result.kind === 'reset') break
        }
        if (random.chance(0.2)) trySend(() => streams.stopSending(id, 3))
      }
    }
    if (connection.maxDatagramSize > 100) datagrams.send(bytes.subarray(0, 100))
    while (datagrams.read() !== undefined);
    if (random.chance(0.1)) connection.updateKeys(0)
  }
}

/** A stream may be over, reset or stopped by now: the documented StreamError. */
function trySend(action: () => void): void {
  try {
    action()
  } catch (error) {
    expect((error as Error).name).toBe('StreamError')
  }
}

/** Did the connection outlive its peer's frames? If not, the code it closed with goes into `codes`. */
function survives({ closeReason }: Connection, codes: Set<number>): boolean {
  if (closeReason?.kind === 'local-transport') codes.add(closeReason.code)
  return closeReason === undefined
}

/** Both ends close what is left and forget it. */
function end(pair: Pair): void {
  for (const connection of [...pair.client.connections, ...pair.server.connections]) connection.close(0, '', pair.now)
  pair.pass(120_000)
}

test.each(['client', 'server'] as const)(
  'a %s with the right keys and the wrong frames',
  (evil) => {
    const honest = evil === 'client' ? 'server' : 'client'
    const codes = new Set<number>()
    let survived = 0
    const before = memoryInUse()
    for (let round = 0; round < ROUNDS; round++) {
      const label = `${SEED}/${evil}/${round}`
      const random = new SimRandom(label)
      const share = random.pick([0.02, 0.1, 0.5, 1])
      const begins = random.pick([0, 2, 8, 8, 20])
      const method = random.pick([frames, scribble])
      let sealed = 0
      const pair = new Pair(random.fork('pair'), {
        wrap: {
          [evil]: (crypto: Parameters<typeof forging>[0]) =>
            forging(crypto, (bytes, start, end) => {
              if (sealed++ >= begins && random.chance(share)) method(random, bytes, start, end)
            }),
        },
      })
      try {
        pair.dial()
        for (let steps = 0; steps < 12; steps++) {
          pair.exchange(3)
          use(pair.client, random)
          use(pair.server, random)
          pair.pass(random.int(1, 60))
        }
        for (const connection of pair[honest].connections) {
          if (survives(connection, codes)) survived++
        }
        end(pair)
      } catch (error) {
        throw new Error(label, { cause: error })
      }
      expect(pair.leftovers(), label).toEqual([])
    }
    expect(codes).not.toContain(ErrorCode.INTERNAL_ERROR)
    // It does reach the rules.
    expect(codes.size).toBeGreaterThan(5)
    expect(survived).toBeGreaterThan(0)
    expect(memoryInUse() - before).toBeLessThan(20_000_000)
  },
  TIMEOUT,
)

/** Paths come and go, and are preferred or not, as far as the peer lets them. */
function shuffle(end: End, random: SimRandom, now: number): void {
  for (const connection of end.connections) {
    if (connection.isClosed || !connection.isConfirmed || !connection.isMultipath) continue
    const open = connection.paths().filter(({ state }) => state === 'open')
    if (connection.role === 'client' && random.chance(0.5))
      connection.openPath(random.pick(FURTHER_ROUTES), random.pick(['available', 'backup']), now)
    if (open.length > 1 && random.chance(0.2)) connection.abandonPath(random.pick(open).id, 0x3e, now)
    else if (open.length > 0) connection.setPathStatus(random.pick(open).id, random.pick(['available', 'backup']))
  }
}

const ADDRESSES = Array.from({ length: 40 }, (_, last) => ({ ip: Uint8Array.of(192, 0, 2, last), port: 4242 }))

/** What an application may ask for that traverses NATs, watches its paths, and wakes up in other networks. */
function traverse(end: End, random: SimRandom, now: number): void {
  for (const connection of end.connections) {
    if (connection.isClosed || !connection.canTraverse) continue
    if (connection.role === 'server') {
      connection.setLocalCandidates(ADDRESSES.slice(random.int(0, 20), random.int(0, 40)))
      connection.reachOuts()
    } else if (random.chance(0.5)) {
      connection.startRound(ADDRESSES.slice(0, random.int(0, 40)), now)
      connection.remoteCandidates()
    }
    for (let probes = random.int(0, 40); probes > 0; probes--)
      connection.probe(random.pick([...FURTHER_ROUTES, random.int(200, 300)]), now)
    if (random.chance(0.1)) connection.networkChanged(now)
    if (random.chance(0.2)) connection.watchPaths(random.pick([0, 100, 1500]))
    const [path] = connection.paths().filter(({ state }) => state === 'open')
    if (path !== undefined && random.chance(0.2)) connection.challengePath(path.id, now)
    try {
      if (connection.peerCapabilities > 0) connection.sendMessage(new Uint8Array(random.int(0, 256)))
    } catch (error) {
      // 16 are not acknowledged
      expect(error).toBeInstanceOf(RangeError)
    }
  }
}

test.each(['client', 'server'] as const)(
  'a %s with the right keys, several paths, and the wrong frames about them',
  (evil) => {
    const honest = evil === 'client' ? 'server' : 'client'
    const codes = new Set<number>()
    let survived = 0
    let opened = 0
    let traversed = 0
    const before = memoryInUse()
    for (let round = 0; round < PATH_ROUNDS; round++) {
      const label = `${SEED}/paths/${evil}/${round}`
      const random = new SimRandom(label)
      const share = random.pick([0.01, 0.03, 0.1, 0.5])
      let begins = false
      const pair = new Pair(random.fork('pair'), {
        settings: { observedAddressRole: 2, tomCapabilities: 3 },
        wrap: {
          [evil]: (crypto: Parameters<typeof forging>[0]) =>
            forging(crypto, (bytes, start, end) => {
              if (begins && random.chance(share)) extensionFrames(random, bytes, start, end, evil)
            }),
        },
      })
      try {
        pair.dial()
        pair.exchange(10)
        pair.openPaths(random.int(0, 3))
        pair.exchange(random.int(0, 10))
        begins = true
        for (let steps = 0; steps < 10; steps++) {
          for (const end of [pair.client, pair.server]) {
            use(end, random)
            shuffle(end, random, pair.now)
            if (random.chance(0.5)) traverse(end, random, pair.now)
          }
          pair.exchange(3)
          pair.pass(random.pick([5, 50, 500]))
          pair.collect()
          for (const connection of pair[honest].connections) {
            const { paths, pathIds, responses, probes, events } = connection.stats().footprint
            expect(paths).toBeLessThanOrEqual(8)
            expect(pathIds).toBeLessThanOrEqual(8 + 65)
            expect(responses).toBeLessThanOrEqual(8 * 16)
            expect(probes).toBeLessThanOrEqual(32 + 64)
            expect(connection.remoteCandidates().length).toBeLessThanOrEqual(32)
            expect(connection.reachOuts().length).toBeLessThanOrEqual(32)
            expect(events).toBe(0)
          }
        }
        for (const connection of pair[honest].connections) {
          if (survives(connection, codes)) survived++
          const events = pair[honest].events.get(connection)!
          opened += events.filter(({ type }) => type === 'path-opened').length
          traversed += events.filter(({ type }) => /^(reach-out|remote-candidates|message)$/.test(type)).length
        }
        end(pair)
      } catch (error) {
        throw new Error(label, { cause: error })
      }
      expect(pair.leftovers(), label).toEqual([])
    }
    expect(codes).not.toContain(ErrorCode.INTERNAL_ERROR)
    // It does reach the rules, and paths live.
    expect(codes).toContain(ErrorCode.PROTOCOL_VIOLATION)
    expect(survived).toBeGreaterThan(PATH_ROUNDS / 10)
    expect(opened).toBeGreaterThan(PATH_ROUNDS)
    expect(traversed).toBeGreaterThan(PATH_ROUNDS)
    expect(memoryInUse() - before).toBeLessThan(20_000_000)
  },
  TIMEOUT,
)
