import { expect, test } from 'vitest'
import type { Connection } from '../../src/quic/index.ts'
import { memoryInUse } from '../sim/support/memory.ts'
import { SimRandom } from '../sim/support/random.ts'
import { FACTOR, SEED, TIMEOUT } from './support/budget.ts'
import { mutate } from './support/mutate.ts'
import { FURTHER_ROUTES, GENUINE_ROUTE, Pair } from './support/pair.ts'

/** In all: over 100,000 datagrams. */
const DATAGRAMS_PER_ROUND = 1280
const ROUNDS_PER_STAGE = 9 * FACTOR

/** Brings a pair to a point in its life. `survives`: the connection must work afterwards, whatever strangers sent. */
const STAGES: readonly { name: string; survives: boolean; reach: (pair: Pair) => void }[] = [
  { name: 'nothing there yet', survives: false, reach: () => {} },
  {
    name: 'the client has dialled',
    survives: true,
    reach: (pair) => {
      pair.dial()
      pair.collect()
    },
  },
  {
    name: 'the server has not decided',
    survives: true,
    reach: (pair) => {
      pair.dial()
      pair.accepts = false
      pair.exchange(1)
    },
  },
  {
    name: 'the first flight of the server is on its way',
    survives: true,
    reach: (pair) => {
      pair.dial()
      pair.exchange(1)
    },
  },
  {
    name: 'the client is done, the server not',
    survives: true,
    reach: (pair) => {
      pair.dial()
      pair.exchange(2)
    },
  },
  {
    name: 'confirmed, with data on its way',
    survives: true,
    reach: (pair) => {
      const connection = pair.dial()
      pair.exchange(10)
      write(connection, 30_000)
      pair.collect()
    },
  },
  {
    name: 'after a key update, half of the data there',
    survives: true,
    reach: (pair) => {
      const connection = pair.dial()
      pair.exchange(10)
      write(connection, 30_000)
      connection.updateKeys(pair.now)
      pair.collect()
      for (const { to, bytes } of pair.flying.splice(0, pair.flying.length >> 1))
        pair[to].receive(bytes, GENUINE_ROUTE, pair.now)
    },
  },
  {
    name: 'a second path is being opened',
    survives: true,
    reach: (pair) => {
      pair.dial()
      pair.exchange(10)
      pair.openPaths(1)
      pair.collect()
    },
  },
  {
    name: 'two paths, with data on its way on both, one to be abandoned',
    survives: true,
    reach: (pair) => {
      const connection = pair.dial()
      pair.exchange(10)
      pair.openPaths(2)
      pair.exchange(10)
      write(connection, 30_000)
      pair.collect()
      connection.abandonPath(2, 0x3e, pair.now)
      pair.collect()
    },
  },
  {
    name: 'closing',
    survives: false,
    reach: (pair) => {
      const connection = pair.dial()
      pair.exchange(10)
      connection.close(1, 'enough', pair.now)
    },
  },
  {
    name: 'closing and draining',
    survives: false,
    reach: (pair) => {
      const connection = pair.dial()
      pair.exchange(10)
      connection.close(1, 'enough', pair.now)
      pair.exchange(1)
    },
  },
]

function write(connection: Connection, size: number): void {
  const id = connection.streams.open(true)
  connection.streams.write(id, new Uint8Array(size).fill(7), 0, size)
  connection.streams.finish(id)
}

function isHandshake(pair: Pair): boolean {
  return !pair.server.connections.some((connection) => connection.isConfirmed)
}

/** One more stream from the client; true when the server gets all of it. */
function works(pair: Pair): boolean {
  const [client] = pair.client.connections
  pair.accepts = true
  pair.pass(15_000)
  if (client === undefined || client.isClosed || !client.isConfirmed) return false
  write(client, 10_000)
  pair.pass(5000)
  const server = pair.server.connections.find((connection) => connection.isConfirmed && !connection.isClosed)
  if (server === undefined) return false
  let last = 0
  for (let id = server.streams.accept(true); id !== -1; id = server.streams.accept(true)) {
    last = 0
    for (;;) {
      const result = server.streams.read(id, 100_000)
      if (typeof result === 'string' || result.kind === 'reset') break
      last += result.bytes.length
    }
  }
  return last === 10_000
}

test.each(STAGES)(
  'strangers send noise: $name',
  ({ name, survives, reach }) => {
    const before = memoryInUse()
    for (let round = 0; round < ROUNDS_PER_STAGE; round++) {
      const label = `${SEED}/${name}/${round}`
      const random = new SimRandom(label)
      const pair = new Pair(random.fork('pair'))
      // something to change even where nothing has been sent yet
      const donor = new Pair(random.fork('donor'))
      donor.dial()
      donor.exchange(6)
      reach(pair)
      let sent = new Uint8Array(0)
      try {
        for (let index = 0; index < DATAGRAMS_PER_ROUND; index++) {
          const { corpus } = random.chance(0.8) && pair.corpus.length > 0 ? pair : donor
          const genuine = random.pick(corpus)
          sent = Uint8Array.from(mutate(random, genuine.bytes, random.pick(corpus).bytes))
          const to = random.chance(0.85) ? genuine.to : random.pick(['client', 'server'] as const)
          // Whoever sends copies of a first Initial from elsewhere and is faster gets the answers (RFC 9000 §21.1): not tried where it must survive.
          const isStranger = random.chance(0.2) && !(survives && isHandshake(pair))
          const strays = !isHandshake(pair) && random.chance(0.05)
          const from = strays ? random.pick([GENUINE_ROUTE, ...FURTHER_ROUTES]) : genuine.route
          pair[to].receive(sent, isStranger ? random.int(1, 40) : from, pair.now)
          if (random.chance(0.1)) {
            pair.collect()
            pair.now += random.between(0, 3)
            pair.client.tick(pair.now)
            pair.server.tick(pair.now)
          }
        }
        if (survives) expect(works(pair), 'the connection works afterwards').toBe(true)
        for (const connection of [...pair.client.connections, ...pair.server.connections])
          connection.close(0, '', pair.now)
        pair.pass(120_000)
      } catch (error) {
        throw new Error(`${label}: after ${Buffer.from(sent).toString('hex')}`, { cause: error })
      }
      expect(pair.leftovers(), label).toEqual([])
      donor.client.engine.close()
      donor.server.engine.close()
    }
    expect(memoryInUse() - before).toBeLessThan(20_000_000)
  },
  TIMEOUT,
)
