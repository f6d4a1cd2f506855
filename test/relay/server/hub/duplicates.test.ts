import { expect, test } from 'vitest'
import { EndpointId } from '../../../../src/identity/index.ts'
import { bytes, type FakeLink, idOf, Lab, leftovers, PING, PONG } from './support.ts'

const TAKEN_OVER = 'Another endpoint connected with the same endpoint id. No more messages will be received.'
const HEALTHY = 'The connection is healthy and has recovered from previous problems'

/** Tries to connect as `number`; returns the link and what came after the challenge. */
function tryConnect(lab: Lab, number: number): FakeLink {
  const link = lab.accept()
  link.got.length = 0
  link.feed(bytes(1, idOf(number), 64, new Uint8Array(64)))
  return link
}

test('spec/relay.md §4.2: the newest connection receives; the others are told, stay, may send and are answered', () => {
  const lab = new Lab()
  const bob = lab.connect(2)
  const [first, second] = [lab.connect(1), lab.connect(1)]
  expect(first.takeFrames()).toEqual([bytes(13, 1)])
  expect([lab.hub.clientCount, lab.hub.connectionCount]).toEqual([2, 3])
  bob.send(first, 'for one')
  expect([first.takeFrames(), second.takeTexts()]).toEqual([[], ['for one']])
  first.send(bob, 'from the old one')
  expect(bob.takeFrames()).toEqual([bytes(6, first.id, 0, 'from the old one')])
  first.link.feed(PING(3))
  expect(first.takeFrames()).toEqual([PONG(3)])
  expect(lab.counters).toMatchObject({ clients_inactive_added: 1, clients_inactive_removed: 0, unique_client_keys: 2 })
})

test('spec/relay.md §4.2: the one deactivated last comes back first, and no EndpointGone is sent then', () => {
  const lab = new Lab()
  const bob = lab.connect(2)
  const [first, second, third] = [lab.connect(1), lab.connect(1), lab.connect(1)]
  third.send(bob, 'x')
  for (const client of [first, second, bob]) client.takeFrames()
  third.link.end()
  expect([first.takeFrames(), second.takeFrames(), bob.takeFrames()]).toEqual([[], [bytes(13, 0)], []])
  bob.send(first, 'to the second')
  expect([first.takeTexts(), second.takeTexts()]).toEqual([[], ['to the second']])
  second.link.end()
  expect([first.takeFrames(), bob.takeFrames()]).toEqual([[bytes(13, 0)], []])
  first.link.end()
  expect(bob.takeFrames()).toEqual([bytes(8, first.id)])
  expect(lab.counters).toMatchObject({ clients_inactive_added: 2, clients_inactive_removed: 2 })
})

test('spec/relay.md §4.2: nothing happens when an inactive one ends, wherever it stands', () => {
  const lab = new Lab()
  const connections = Array.from({ length: 4 }, () => lab.connect(1))
  for (const connection of connections) connection.takeFrames()
  connections[1]!.link.end()
  connections[0]!.link.end()
  expect(connections.map((connection) => connection.takeFrames())).toEqual([[], [], [], []])
  expect(lab.hub.connectionCount).toBe(2)
  connections[3]!.link.end()
  expect(connections[2]!.takeFrames()).toEqual([bytes(13, 0)])
  connections[2]!.link.end()
  expect(leftovers(lab)).toEqual({})
  expect(lab.counters).toMatchObject({ clients_inactive_added: 3, clients_inactive_removed: 3, disconnects: 4 })
})

test('spec/relay.md §3.4: clients of version 1 are told in words', () => {
  const lab = new Lab()
  const [first, second] = [lab.connect(1, 'iroh-relay-v1'), lab.connect(1)]
  expect(first.takeFrames()).toEqual([bytes(11, TAKEN_OVER)])
  second.link.end()
  expect(first.takeFrames()).toEqual([bytes(11, HEALTHY)])
})

test('spec/relay.md §4.8: with too many connections of an id that all live, the newcomer is denied', () => {
  const lab = new Lab({ limits: { maxInactivePerEndpoint: 2 } })
  const old = Array.from({ length: 3 }, () => lab.connect(1))
  lab.takeEvents()
  lab.advance(15_000)
  const link = tryConnect(lab, 1)
  expect(link.got).toEqual(
    [bytes(3, 40, 'too many connections with this endpoint id'.slice(0, 40))].slice(1).concat(link.got),
  )
  expect(new TextDecoder().decode(link.got[0]!.subarray(2))).toBe('too many connections with this endpoint id')
  expect(link.closedWith?.code).toBe(1008)
  expect(lab.takeEvents()).toEqual(['denied'])
  expect(lab.counters.tom_duplicates_denied).toBe(1)
  expect(old.map((connection) => connection.link.closedWith)).toEqual([undefined, undefined, undefined])
  expect(tryConnect(lab, 2).got).toEqual([bytes(2)])
})

test('spec/relay.md §4.8: one that was silent for longer than clients ping makes room', () => {
  const lab = new Lab({ limits: { maxInactivePerEndpoint: 2 } })
  const old = Array.from({ length: 3 }, () => lab.connect(1))
  lab.advance(10_000)
  for (const index of [0, 2]) old[index]!.link.feed(PING(1))
  lab.advance(5_001)
  expect(tryConnect(lab, 1).got).toEqual([bytes(2)])
  expect(old.map((connection) => connection.link.closedWith?.code)).toEqual([undefined, 1008, undefined])
  expect(lab.hub.connectionCount).toBe(3)
  expect(lab.counters.tom_duplicates_dropped).toBe(1)
})

test('spec/relay.md §4.7: disconnect ends all connections of an id at once, and tells those it had sent to', () => {
  const lab = new Lab()
  const bob = lab.connect(2)
  const connections = Array.from({ length: 3 }, () => lab.connect(1))
  connections[2]!.send(bob, 'x')
  for (const client of [...connections, bob]) client.takeFrames()
  expect(lab.hub.disconnect(EndpointId.fromVerifiedKey(idOf(1)))).toBe(3)
  expect(connections.map((connection) => connection.link.closedWith?.code)).toEqual([1008, 1008, 1008])
  expect(connections.map((connection) => connection.takeFrames())).toEqual([[], [], []])
  expect(bob.takeFrames()).toEqual([bytes(8, idOf(1))])
  expect(lab.hub.disconnect(EndpointId.fromVerifiedKey(idOf(1)))).toBe(0)
  expect(lab.hub.clientCount).toBe(1)
})
