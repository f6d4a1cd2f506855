import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PeerQueues } from '../../../src/envelope/peers/peer-queues.ts'
import type { PeerChange } from '../../../src/envelope/peers/peer-table.ts'
import { PEER_SETTINGS, type PeerSettings } from '../../../src/envelope/peers/settings.ts'
import { SlotSet } from '../../../src/envelope/peers/slot-set.ts'
import type { Role } from '../../../src/envelope/wire/bodies.ts'
import { SimRandom } from '../../sim/support/random.ts'
import { PeerTwin } from './peer-twin.ts'
import { announce, key, makeTable, roleChange, WALL } from './support.ts'

/** Small, so that everything is full, due and replaced all the time. */
const SETTINGS: PeerSettings = {
  ...PEER_SETTINGS,
  leastIntervalMs: 1_000,
  intervalPerPeerMs: 300,
  maxPeers: 6,
  maxHintsPerSource: 2,
  hintSources: 2,
  minChangeMs: 1_500,
}

const step = fc.record({
  kind: fc.constantFrom('alive', 'neighbor', 'connected', 'disconnected', 'unreachable', 'hinted', 'announced', 'role'),
  peer: fc.integer({ min: 1, max: 9 }),
  pauseMs: fc.oneof(fc.constant(0), fc.nat(900), fc.nat(12_000)),
  age: fc.constantFrom(-1_000, 0, 1, 5_000, 300_000, 300_001, 2_000_000),
  name: fc.constantFrom('', 'a', 'b'),
  role: fc.constantFrom<Role>('Peer', 'Relay'),
  source: fc.integer({ min: 20, max: 22 }),
  /** Ticks come when they are due, or once at the end of the pause, or not. */
  ticks: fc.constantFrom('punctual', 'late', 'none'),
})

/** As `toEqual`, which is slow, where it matters. */
function expectSame(actual: unknown, expected: unknown): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) expect(actual).toEqual(expected)
}

function keysOf(peers: readonly { readonly key: string }[]): string[] {
  return peers.map((peer) => peer.key).sort()
}

function sorted(changes: readonly PeerChange[]): string[] {
  return changes.map((change) => JSON.stringify(change)).sort()
}

test('spec/envelope.md §5.6: the table does what the slow twin does', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100, size: 'max' }), (steps) => {
      const table = makeTable(SETTINGS)
      const twin = new PeerTwin(SETTINGS)
      let now = 1_000
      const tick = (at: number) => expectSame(sorted(table.tick(at)), sorted(twin.tick(at)))
      for (const { kind, peer: number, pauseMs, age, name, role, source, ticks } of steps) {
        now += pauseMs
        if (ticks === 'punctual') {
          for (let at = table.deadline(); at < now; at = table.deadline()) tick(at)
        }
        if (ticks !== 'none') tick(now)
        const wall = WALL + now
        const peer = key(number)
        const word = announce(peer, { name, roles: [role], timestamp: wall - age })
        const change = roleChange(peer, role, wall - age)
        const [ofTable, ofTwin] = {
          alive: () => [table.alive(peer, now), twin.alive(peer, now)],
          neighbor: () => [table.neighbor(peer, now), twin.alive(peer, now)],
          connected: () => [table.connected(peer, now), twin.connected(peer, now)],
          disconnected: () => [table.disconnected(peer, now), twin.disconnected(peer, now)],
          unreachable: () => [table.unreachable(peer, now), twin.unreachable(peer, now)],
          hinted: () => [table.hinted(word, now, wall, key(source)), twin.hinted(word, now, key(source))],
          announced: () => [table.announced(word, now, wall), twin.announced(word, now, wall)],
          role: () => [table.roleChanged(change, now, wall), twin.roleChanged(change, now, wall)],
        }[kind]()
        const online = twin.peers.filter((it) => twin.liveness(it) === 'online')
        const seen = {
          change: ofTable,
          deadline: table.deadline(),
          onlineCount: table.onlineCount,
          peers: [...table.list()]
            .map((record) => [record.key, record.liveness, record.isConnected, record.name])
            .sort(),
          holders: table.chooseHolders([], 9, now).sort(),
        }
        expectSame(seen, {
          change: ofTwin,
          deadline: twin.deadline(),
          onlineCount: online.length,
          peers: twin.peers.map((it) => [it.key, twin.liveness(it), it.place === 'connected', it.name]).sort(),
          holders: keysOf(online.filter((it) => it.isOurs)),
        })
        const hop = table.chooseHop([], now)
        expect(online.length === 0 ? [undefined] : keysOf(online)).toContain(hop)
      }
    }),
    { numRuns: 30 },
  )
})

test('queues of slots are in the order of the last touch', () => {
  const command = fc.tuple(fc.constantFrom('move', 'touch', 'remove'), fc.nat(9), fc.nat(2))
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60, size: 'max' }), (commands) => {
      const queues = new PeerQueues(3)
      let capacity = 4
      queues.grow(capacity)
      const twin: number[][] = [[], [], []]
      for (const [kind, slot, queue] of commands) {
        if (slot >= capacity) {
          capacity = 10
          queues.grow(capacity)
        }
        const current = twin.findIndex((slots) => slots.includes(slot))
        if (kind !== 'move' && current < 0) continue
        if (current >= 0) twin[current]!.splice(twin[current]!.indexOf(slot), 1)
        if (kind === 'move') queues.move(slot, queue)
        else if (kind === 'touch') queues.touch(slot)
        else queues.remove(slot)
        if (kind !== 'remove') twin[kind === 'move' ? queue : current]!.push(slot)
        expect(twin.map((_, index) => [queues.head(index), queues.tail(index), queues.size(index)])).toEqual(
          twin.map((slots) => [slots[0] ?? -1, slots.at(-1) ?? -1, slots.length]),
        )
        for (const [index, slots] of twin.entries()) {
          expect(slots.map((each) => queues.queueOf(each))).toEqual(slots.map(() => index))
        }
      }
      // Emptied from the front they come in their order.
      twin.forEach((slots, index) => {
        for (const each of slots) {
          expect(queues.head(index)).toBe(each)
          queues.remove(each)
        }
        expect(queues.head(index)).toBe(-1)
      })
    }),
    { numRuns: 40 },
  )
})

test('a draw has different members that are wanted, as many as there are', () => {
  const command = fc.tuple(fc.boolean(), fc.nat(19))
  fc.assert(
    fc.property(fc.array(command, { maxLength: 40, size: 'max' }), fc.nat(12), fc.string(), (commands, count, seed) => {
      const random = new SimRandom(seed)
      const set = new SlotSet()
      let capacity = 10
      set.grow(capacity)
      const twin = new Set<number>()
      for (const [isAdded, slot] of commands) {
        if (slot >= capacity) {
          capacity = 20
          set.grow(capacity)
        }
        if (isAdded) set.add(slot)
        else set.remove(slot)
        if (isAdded) twin.add(slot)
        else twin.delete(slot)
        const drawn = set.draw(random, count, (each) => each % 3 > 0)
        const wanted = [...twin].filter((each) => each % 3 > 0)
        const known = drawn.filter((each) => wanted.includes(each))
        expect([drawn.length, new Set(known).size]).toEqual(new Array(2).fill(Math.min(count, wanted.length)))
      }
      expect(set.size).toBe(twin.size)
      const slots = Array.from({ length: 20 }, (_, slot) => slot)
      set.grow(20)
      expect(slots.filter((slot) => set.has(slot))).toEqual(slots.filter((slot) => twin.has(slot)))
    }),
    { numRuns: 40 },
  )
})
