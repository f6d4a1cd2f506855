import { describe, expect, test } from 'vitest'
import { ErrorCode } from '../../../src/quic/index.ts'
import { writeAckFrame, writeAckFrequency } from '../../../src/quic/wire/ack-frames.ts'
import { writeObservedAddress } from '../../../src/quic/wire/address-frames.ts'
import { writeNewConnectionId, writeRetireConnectionId } from '../../../src/quic/wire/id-frames.ts'
import {
  PathErrorCode,
  writeMaxPathId,
  writePathAbandon,
  writePathCidsBlocked,
  writePathResponse,
  writePathStatus,
  writePathsBlocked,
} from '../../../src/quic/wire/path-frames.ts'
import { NAMING_PATHS } from './multipath-catalogue.ts'
import {
  bytesOf,
  type Frames,
  framesOf,
  multipathPair,
  otherSide,
  type RogueOptions,
  RoguePeer,
  type Side,
  withPaths,
  writeFreshId,
} from './multipath-peer.ts'
import type { Pair } from './pair.ts'

const { CONNECTION_ID_LIMIT_ERROR, PROTOCOL_VIOLATION } = ErrorCode

function expectClosed(pair: Pair, victim: Side, code: number, frameType: number): void {
  expect(pair[victim].of('closed')[0]?.reason).toMatchObject({ kind: 'local-transport', code, frameType })
}

/** A packet with `frames` from a rogue closes the connection of its victim. */
function breaks(
  name: string,
  frames: Frames,
  code: number,
  frameType: number,
  { role = 'client', paths = 0, ...options }: RogueOptions & { role?: Side; paths?: number } = {},
): void {
  test(name, () => {
    const pair = (paths === 0 ? multipathPair() : withPaths(paths)).cut()
    new RoguePeer(pair, role).send(frames, options)
    expectClosed(pair, otherSide(role), code, frameType)
    // and nothing is left of it
    pair.run(5000)
    expect(pair[otherSide(role)].engine.leftovers).toBe(0)
    expect(pair[otherSide(role)].connection!.leftovers()).toEqual({ frames: 0, bytesInFlight: 0, bufferedBytes: 0 })
  })
}

/** Nothing of what is told comes of packets with `frames`. */
function expectIgnored(pair: Pair, rogue: RoguePeer, frames: readonly Frames[], options: RogueOptions = {}): void {
  const victim = pair[rogue.victim]
  const before = victim.connection!.paths().map(({ id, state, peerStatus }) => ({ id, state, peerStatus }))
  const kept = () => {
    const { pathIds, connectionIds } = victim.connection!.stats().footprint
    return { pathIds, connectionIds, table: victim.engine.leftovers }
  }
  const keptBefore = kept()
  const events = victim.events.length
  for (const each of frames) rogue.send(each, options)
  expect(victim.connection!.closeReason).toBeUndefined()
  expect(victim.connection!.paths().map(({ id, state, peerStatus }) => ({ id, state, peerStatus }))).toEqual(before)
  expect(victim.events.slice(events)).toEqual([])
  expect(kept()).toEqual(keptBefore)
}

/** The rogue client is heard on path 0 as if nothing had happened. */
function expectAlive(pair: Pair, rogue: RoguePeer): void {
  rogue.send([0x0a, 0, 3, 7, 8, 9])
  const server = pair.server.connection!
  expect(server.streams.accept(true)).toBe(0)
  expect(server.streams.read(0, 10)).toMatchObject({ bytes: Uint8Array.of(7, 8, 9) })
}

const abandon = (path: number, code: number = PathErrorCode.APPLICATION_ABANDON) =>
  bytesOf((w) => writePathAbandon(w, path, code))
const status = (path: number, sequence: number, backup: boolean) =>
  bytesOf((w) => writePathStatus(w, path, sequence, backup))
const retire = (path: number, sequence: number) => bytesOf((w) => writeRetireConnectionId(w, path, sequence))
const fresh = (path: number, sequence: number, retirePriorTo = 0) =>
  bytesOf((w) => writeFreshId(w, path, sequence, retirePriorTo))
const ack = (path: number, largest: number, smallest = largest) =>
  bytesOf((w) => writeAckFrame(w, path, 0, 1, [largest], [smallest]))
const PING = [1, 0, 0]

describe('paths that never were', () => {
  breaks('quic.md §4.3: PATH_ACK for a path that never existed', ack(5, 0), PROTOCOL_VIOLATION, 0x3e)
  breaks('quic.md §4.3: PATH_ACK for the next path, which only has ids yet', ack(1, 0), PROTOCOL_VIOLATION, 0x3e, {
    role: 'server',
  })

  test('quic.md §5.5: PATH_ABANDON for a path never used is answered, and the id is given back', () => {
    const pair = multipathPair().cut()
    const rogue = new RoguePeer(pair, 'client')
    const at = pair.log.length
    rogue.send(abandon(3, 77))
    const sent = pair.sentBy('server', at)
    expect(framesOf(sent, 'path_abandon')).toMatchObject([{ path_id: 3, error_code: 77 }])
    expect(framesOf(sent, 'max_path_id')).toMatchObject([{ maximum_path_id: 8 }])
    // the id leads nowhere: who uses it all the same is a stranger, and is not heard
    const id = rogue.id(3)
    rogue.deliver(rogue.packet(PING, { path: 3 }), 400)
    expect(id.length).toBe(8)
    expect(pair.server.connection!.paths().map((path) => path.id)).toEqual([0])
    expectIgnored(pair, rogue, [abandon(3, 78), status(3, 5, true), fresh(3, 5), retire(3, 0), ack(3, 0)])
    expect(framesOf(pair.sentBy('server', at), 'path_abandon')).toHaveLength(1)
    expectAlive(pair, rogue)
  })

  test('quic.md §5.6: PATH_STATUS for a path that is not open, and what says too little, changes nothing', () => {
    const pair = multipathPair().cut()
    const rogue = new RoguePeer(pair, 'client')
    expectIgnored(pair, rogue, [
      status(5, 9, true),
      (w) => writePathsBlocked(w, 7),
      (w) => writePathsBlocked(w, 0),
      (w) => writePathCidsBlocked(w, 5, 1),
      (w) => writePathCidsBlocked(w, 5, 0),
    ])
    expectAlive(pair, rogue)
  })

  test('quic.md §5.4: a server that sends on a path the client has not opened is not heard', () => {
    const pair = multipathPair().cut()
    const rogue = new RoguePeer(pair, 'server')
    const at = pair.log.length
    expectIgnored(pair, rogue, [PING, (w) => writeMaxPathId(w, 9), [0x1a, 1, 2, 3, 4, 5, 6, 7, 8]], { path: 3 })
    pair.run(1000)
    expect(pair.sentBy('client', at)).toEqual([])
    expect(pair.client.connection!.openPath(200, 'available', pair.now)).toBe(1)
  })

  test('quic.md §5.4: a path for which the peer issued no connection id cannot be answered, so it is not made', () => {
    // the server may use path ids up to 7, the client issues ids up to 2
    const pair = multipathPair({ client: { maxPathId: 2 } }).cut()
    const rogue = new RoguePeer(pair, 'client')
    expect(() => rogue.id(3)).toThrow('no id')
    rogue.send((w) => writeMaxPathId(w, 4))
    // now the server has issued ids for 3 and 4, and has none of the client's
    expectIgnored(pair, rogue, [PING], { path: 3 })
    rogue.send(fresh(3, 0))
    rogue.send(PING, { path: 3 })
    expect(pair.server.of('path-opened')).toMatchObject([{ path: 3, route: 400 }])
    expectAlive(pair, rogue)
  })
})

describe('paths that are no more', () => {
  test('draft-ietf-quic-multipath §4: all frames about an abandoned path are ignored, while it drains and after', () => {
    const pair = withPaths(2).cut()
    const rogue = new RoguePeer(pair, 'client')
    rogue.send(abandon(1))
    expect(pair.server.of('path-abandoned')).toMatchObject([{ path: 1, code: 0x3e, byPeer: true }])
    const late = NAMING_PATHS.filter(({ name }) => name !== 'MAX_PATH_ID').map(
      ({ write }): Frames =>
        (w) =>
          write(w, 1),
    )
    const at = pair.log.length
    expectIgnored(pair, rogue, late)
    // an id that is retired now is not replaced
    expect(framesOf(pair.sentBy('server', at), 'path_new_connection_id')).toEqual([])
    const id = rogue.id(1)
    pair.run(5000)
    expect(pair.server.of('path-discarded')).toMatchObject([{ path: 1 }])
    expectIgnored(pair, rogue, late)
    expectIgnored(pair, rogue, [ack(1, 1_000_000), (w) => writePathCidsBlocked(w, 1, 1000), retire(1, 1000)])
    expect(id.length).toBe(8)
    rogue.send(PING, { path: 2 })
    expectAlive(pair, rogue)
  })

  test('draft-ietf-quic-multipath §3.4: a discarded path id is never used again', () => {
    const pair = withPaths(1).cut()
    const rogue = new RoguePeer(pair, 'client')
    const packet = rogue.packet(PING, { path: 1 })
    rogue.send(abandon(1))
    pair.run(5000)
    const events = pair.server.events.length
    rogue.deliver(packet, 200)
    rogue.send([...fresh(1, 9), 0], {})
    expect(pair.server.events.slice(events)).toEqual([])
    expect(pair.server.connection!.paths().map(({ id }) => id)).toEqual([0])
  })

  test('quic.md §5.5: late packets on an abandoned path are acknowledged elsewhere, and open nothing', () => {
    const pair = withPaths(1).cut()
    const rogue = new RoguePeer(pair, 'client')
    rogue.send(abandon(1))
    const at = pair.log.length
    rogue.send([0x1a, 1, 2, 3, 4, 5, 6, 7, 8, ...PING], { path: 1 })
    rogue.send([...PING], { path: 1, route: 777 })
    pair.run(30)
    const sent = pair.sentBy('server', at)
    expect(new Set(sent.map(({ route }) => route))).toEqual(new Set([100]))
    expect(framesOf(sent, 'path_ack').some((frame) => frame.path_id === 1)).toBe(true)
    expect(framesOf(sent, 'path_response')).toEqual([])
    expectAlive(pair, rogue)
  })

  breaks(
    'quic.md §4.3: PATH_ACK of a packet never sent on a path that drains',
    [...abandon(1), ...ack(1, 5000)],
    PROTOCOL_VIOLATION,
    0x3e,
    {
      paths: 1,
    },
  )

  test('quic.md §5.5: a client that abandons its last path has three probe timeouts to open another', () => {
    const pair = withPaths(1).cut()
    const rogue = new RoguePeer(pair, 'client')
    rogue.send([...abandon(0), ...abandon(1)], { path: 1 })
    pair.run(2900)
    expect(pair.server.connection!.isClosed).toBe(false)
    rogue.send(PING, { path: 2 })
    pair.run(4000)
    expect(pair.server.connection!.paths().map(({ id, state }) => `${id} ${state}`)).toEqual(['2 open'])
    rogue.send(abandon(2), { path: 2 })
    pair.run(4000)
    expect(pair.server.of('closed')[0]?.reason).toMatchObject({ code: ErrorCode.NO_VIABLE_PATH })
    expect(pair.server.engine.leftovers).toBe(0)
  })
})

describe('acknowledgements', () => {
  test('quic.md §4.5: packet numbers of one path mean nothing on another', () => {
    for (const [path, other] of [
      [1, 0],
      [0, 1],
    ] as const) {
      const pair = withPaths(1)
      // path 0 has sent more than path 1
      pair.carries(200_000)
      pair.cut()
      const rogue = new RoguePeer(pair, 'client')
      const sent = (id: number) =>
        Math.max(...pair.server.tap.sent.filter(({ pathId }) => pathId === id).map(({ packetNumber }) => packetNumber))
      const [most, least] = [Math.max(sent(0), sent(1)), Math.min(sent(0), sent(1))]
      expect(most).toBeGreaterThan(least)
      const shorter = sent(0) < sent(1) ? 0 : 1
      rogue.send(ack(1 - shorter, most), { path: other })
      expect(pair.server.connection!.isClosed).toBe(false)
      rogue.send(ack(shorter, most), { path })
      expectClosed(pair, 'server', PROTOCOL_VIOLATION, 0x3e)
      expect(pair.server.of('closed')[0]!.reason).toMatchObject({ reason: expect.stringContaining(String(most)) })
    }
  })

  breaks('quic.md §4.3: PATH_ACK of a packet never sent on path 1', ack(1, 5000), PROTOCOL_VIOLATION, 0x3e, {
    paths: 1,
  })
  breaks(
    'quic.md §4.4: a plain ACK of a packet never sent is about path 0',
    [2, 0x53, 0x88, 0, 0, 0],
    PROTOCOL_VIOLATION,
    0x02,
    {
      paths: 1,
      path: 1,
    },
  )
  breaks(
    'quic.md §4.3: ACK_FREQUENCY below our min_ack_delay',
    [0x40, 0xaf, 0, 1, 0x43, 0xe7, 1],
    PROTOCOL_VIOLATION,
    0xaf,
  )

  test('quic.md §6.4: an older ACK_FREQUENCY is ignored', () => {
    const pair = withPaths(1).cut()
    const rogue = new RoguePeer(pair, 'client')
    const at = pair.log.length
    // every packet is to be acknowledged; then, late, none
    rogue.send([0x40, 0xaf, 5, 0, 0x67, 0x10, 1])
    rogue.send([0x40, 0xaf, 4, 0x7f, 0xff, 0x80, 0x0f, 0x42, 0x40, 0])
    rogue.send(PING, { path: 1 })
    const acks = framesOf(pair.sentBy('server', at), 'path_ack')
    expect(acks.map(({ path_id }) => path_id)).toEqual([0, 0, 1])
  })
})

test('RFC 9000 §18.2: no ACK_FREQUENCY makes us wait for more than 2^14 ms', () => {
  const patient = { keepAliveMs: 0, maxIdleTimeoutMs: 0, pathIdleTimeoutMs: 0 }
  const pair = multipathPair({ client: patient, server: patient }).cut()
  const rogue = new RoguePeer(pair, 'client')
  const at = pair.log.length
  rogue.send((w) => writeAckFrequency(w, 1, 2 ** 50, 2 ** 50, 0))
  pair.run(16_300)
  expect(pair.sentBy('server', at)).toEqual([])
  pair.run(200)
  expect(framesOf(pair.sentBy('server', at), 'path_ack')).toHaveLength(1)
})

describe('connection ids', () => {
  breaks(
    'quic.md §4.6: retiring a connection id of a path that was never issued',
    retire(1, 63),
    PROTOCOL_VIOLATION,
    0x3e79,
    {
      paths: 1,
    },
  )
  breaks('quic.md §4.6: retiring one of a path that has none', retire(3, 1), PROTOCOL_VIOLATION, 0x3e79)
  breaks(
    'RFC 9000 §19.16: retiring the connection id the packet came in on',
    retire(1, 1),
    PROTOCOL_VIOLATION,
    0x3e79,
    {
      paths: 1,
      path: 1,
      sequence: 1,
    },
  )
  breaks('RFC 9000 §19.16: the same in the plain form', [0x19, 1], PROTOCOL_VIOLATION, 0x19, { sequence: 1 })
  breaks(
    'RFC 9000 §5.1.1: more connection ids for one path than our limit',
    [0, 1, 2, 3, 4, 5].flatMap((sequence) => [...fresh(3, 50 + sequence)]),
    CONNECTION_ID_LIMIT_ERROR,
    0x3e78,
  )
  breaks(
    'RFC 9000 §19.15: the same sequence with another id',
    [
      ...fresh(3, 9),
      ...bytesOf((w) => writeNewConnectionId(w, 3, 9, 0, new Uint8Array(8).fill(1), new Uint8Array(16))),
    ],
    PROTOCOL_VIOLATION,
    0x3e78,
  )
  breaks(
    'RFC 9000 §19.15: the same sequence with another token',
    [...fresh(3, 9), ...fresh(3, 9).slice(0, -1), 0xee],
    PROTOCOL_VIOLATION,
    0x3e78,
  )
  breaks(
    'RFC 9000 §19.15: the same id with another sequence',
    [
      ...fresh(3, 9),
      ...bytesOf((w) => writeNewConnectionId(w, 3, 10, 0, fresh(3, 9).slice(6, 14), new Uint8Array(16))),
    ],
    PROTOCOL_VIOLATION,
    0x3e78,
  )
  breaks(
    'draft-ietf-quic-multipath §3.2.1: one id for two paths',
    [...fresh(3, 9), ...bytesOf((w) => writeNewConnectionId(w, 4, 9, 0, fresh(3, 9).slice(6, 14), new Uint8Array(16)))],
    PROTOCOL_VIOLATION,
    0x3e78,
  )
  breaks(
    'RFC 9000 §5.1.2: connection ids retired faster than that can be acknowledged',
    (w) => {
      for (let sequence = 10; sequence < 80; sequence++) writeFreshId(w, 1, sequence, sequence)
    },
    CONNECTION_ID_LIMIT_ERROR,
    0x3e78,
    { paths: 1 },
  )
  breaks(
    'quic.md §4.3: PATH_CIDS_BLOCKED for more than the next sequence',
    (w) => writePathCidsBlocked(w, 1, 6),
    PROTOCOL_VIOLATION,
    0x3e7c,
    { paths: 1 },
  )

  test('quic.md §4.6: PATH_CIDS_BLOCKED for the next sequence is information', () => {
    const pair = withPaths(1).cut()
    const rogue = new RoguePeer(pair, 'client')
    expectIgnored(pair, rogue, [(w) => writePathCidsBlocked(w, 1, 5)])
  })

  test('draft-ietf-quic-multipath §3.2.2: from another path the id in use may be retired, and is replaced', () => {
    const pair = withPaths(1).cut()
    const rogue = new RoguePeer(pair, 'client')
    const at = pair.log.length
    const table = pair.server.engine.leftovers
    rogue.send([...retire(1, 0), ...retire(1, 1), ...retire(1, 1)])
    const issued = framesOf(pair.sentBy('server', at), 'path_new_connection_id')
    expect(issued.map(({ path_id, sequence_number }) => [path_id, sequence_number])).toEqual([
      [1, 5],
      [1, 6],
    ])
    expect(pair.server.engine.leftovers).toBe(table)
    // the path goes on, on an id that is left
    const before = pair.server.connection!.paths()[1]!.datagramsReceived
    rogue.send(PING, { path: 1, sequence: 6 })
    expect(pair.server.connection!.paths()[1]!.datagramsReceived).toBe(before + 1)
    rogue.deliver(rogue.packet(PING, { path: 1, sequence: 1 }), 200)
    expect(pair.server.connection!.paths()[1]!.datagramsReceived).toBe(before + 1)
    expectAlive(pair, rogue)
  })

  test('draft-ietf-quic-multipath §4.4: retire_prior_to counts per path', () => {
    const pair = withPaths(2).cut()
    const rogue = new RoguePeer(pair, 'client')
    const at = pair.log.length
    rogue.send(fresh(1, 9, 9))
    const retired = framesOf(pair.sentBy('server', at), 'path_retire_connection_id')
    expect(new Set(retired.map(({ path_id }) => path_id))).toEqual(new Set([1]))
    expect(retired.map(({ sequence_number }) => sequence_number).sort()).toEqual([0, 1, 2, 3, 4])
    expectAlive(pair, rogue)
  })

  test('quic.md §4.4: path 0 takes both forms, as one sequence', () => {
    const pair = multipathPair().cut()
    const rogue = new RoguePeer(pair, 'client')
    rogue.send([...bytesOf((w) => writeFreshId(w, -1, 9, 9)), ...fresh(0, 10, 10)])
    expect(pair.server.connection!.isClosed).toBe(false)
    rogue.send(bytesOf((w) => writeNewConnectionId(w, -1, 10, 0, new Uint8Array(8).fill(5), new Uint8Array(16))))
    expectClosed(pair, 'server', PROTOCOL_VIOLATION, 0x18)
  })
})

describe('maxima', () => {
  test('draft-ietf-quic-multipath §4.6: MAX_PATH_ID that does not raise the limit is ignored', () => {
    const pair = multipathPair().cut()
    const rogue = new RoguePeer(pair, 'server')
    expectIgnored(pair, rogue, [(w) => writeMaxPathId(w, 7), (w) => writeMaxPathId(w, 3), (w) => writeMaxPathId(w, 0)])
    for (let path = 1; path <= 7; path++)
      expect(pair.client.connection!.openPath(100 + 100 * path, 'backup', pair.now)).toBe(path)
    expect(pair.client.connection!.openPath(900, 'backup', pair.now)).toBeUndefined()
  })
})

describe('status', () => {
  test('quic.md §5.6: an older or equal PATH_STATUS is ignored, on each path for itself', () => {
    const pair = withPaths(2).cut()
    const rogue = new RoguePeer(pair, 'client')
    const seen = pair.server.of('path-status').length
    rogue.send([...status(1, 50, true), ...status(2, 40, true)])
    expect(pair.server.of('path-status').slice(seen)).toMatchObject([
      { path: 1, status: 'backup' },
      { path: 2, status: 'backup' },
    ])
    expectIgnored(pair, rogue, [status(1, 50, false), status(1, 49, false), status(2, 0, false)])
    rogue.send(status(2, 41, false))
    expect(pair.server.connection!.paths().map(({ peerStatus }) => peerStatus)).toEqual([
      'available',
      'backup',
      'available',
    ])
  })
})

describe('address reports', () => {
  const roles = { client: { observedAddressRole: 1 }, server: { observedAddressRole: 2 } } as const
  const report = (sequence: number, port: number) =>
    bytesOf((w) => writeObservedAddress(w, sequence, { ip: Uint8Array.of(192, 0, 2, 1), port }))

  test('quic.md §5.9: an older report is ignored, and the newest of several that wait is told', () => {
    const pair = withPaths(1, roles).cut()
    const rogue = new RoguePeer(pair, 'server')
    pair.client.events.length = 0
    rogue.send([...report(100, 1), ...report(102, 2), ...report(101, 3)])
    rogue.send([...report(101, 4)], { path: 1 })
    rogue.send([...report(102, 5)])
    expect(pair.client.of('observed-address')).toMatchObject([
      { path: 0, address: { port: 2 } },
      { path: 1, address: { port: 4 } },
    ])
  })
})

test('RFC 9000 §8.2.3: an answer to no challenge validates no path', () => {
  const pair = multipathPair().cut()
  const rogue = new RoguePeer(pair, 'client')
  rogue.send((w) => writePathResponse(w, new Uint8Array(8)), { path: 1 })
  expect(pair.server.connection!.paths()).toMatchObject([{ id: 0 }, { id: 1, validated: false }])
  expect(pair.server.of('path-validated')).toEqual([])
})
