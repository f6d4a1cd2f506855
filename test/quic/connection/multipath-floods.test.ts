import { describe, expect, test } from 'vitest'
import type { Writer } from '../../../src/bytes/writer.ts'
import { ErrorCode } from '../../../src/quic/index.ts'
import { writeAckFrame } from '../../../src/quic/wire/ack-frames.ts'
import { writeObservedAddress } from '../../../src/quic/wire/address-frames.ts'
import { writeNewToken } from '../../../src/quic/wire/control-frames.ts'
import { FrameType } from '../../../src/quic/wire/frame-types.ts'
import { writeRetireConnectionId } from '../../../src/quic/wire/id-frames.ts'
import {
  writeMaxPathId,
  writePathAbandon,
  writePathChallenge,
  writePathCidsBlocked,
  writePathResponse,
  writePathStatus,
  writePathsBlocked,
} from '../../../src/quic/wire/path-frames.ts'
import {
  framesOf,
  multipathPair,
  packed,
  type RogueOptions,
  RoguePeer,
  type Side,
  withPaths,
  writeFreshId,
} from './multipath-peer.ts'
import { type Pair, pattern } from './pair.ts'

/** Bytes of frames in a flooding packet. */
const ROOM = 1350

/** What docs/security.md promises of one connection with eight path ids and five connection ids for each, in entries. */
const MOST = {
  paths: 8,
  /** Eight that may be used, and what is remembered below them. */
  pathIds: 8 + 65,
  /** Five of each side for each id; 64 retirements of each path; 64 gaps. */
  connectionIds: 8 * (5 + 5 + 5 + 64 + 64),
  pathFrames: 8 + 17,
  responses: 8 * 16,
  sentPackets: 8 * 8500,
  sentFrames: 3000,
  events: 0,
}

function expectBounded(pair: Pair, victim: Side): void {
  const node = pair[victim]
  pair.flush()
  const { footprint } = node.connection!.stats()
  // one `expect` for all: a flood comes here a thousand times
  const beyond = Object.entries(MOST)
    .map(([what, most]) => ({ what, most, found: footprint[what as keyof typeof MOST] }))
    .filter(({ most, found }) => !(found <= most))
  expect(beyond).toEqual([])
  expect(node.slots.inUse).toBe(0)
  // ids of eight paths, five of each side, with tokens of those in use, and the id that the client chose
  expect(node.engine.leftovers).toBeLessThanOrEqual(8 * 5 + 8 + 1)
}

/** `count` frames in packets full of them; `after` each packet. Returns the packets. */
function flood(
  rogue: RoguePeer,
  count: number,
  write: (writer: Writer, index: number) => void,
  options: RogueOptions | ((packet: number) => RogueOptions) = {},
  after: (packet: number) => void = () => {},
): number {
  let packets = 0
  for (let done = 0; done < count && !rogue.pair[rogue.victim].connection!.isClosed; packets++) {
    const load = packed(ROOM, done, write)
    done += load.count
    rogue.send(load.bytes, typeof options === 'function' ? options(packets) : options)
    rogue.pair.now += 0.05
    if (packets % 50 === 0) rogue.trim()
    after(packets)
  }
  return packets
}

/** The honest client sends `length` bytes over path 0 while `attack` goes on; what goes to other routes does not reach it. */
function carriesUnder(pair: Pair, length: number, attack: () => void): boolean {
  for (const path of pair.client.connection!.paths())
    if (path.id > 0) pair.client.connection!.setPathStatus(path.id, 'backup')
  pair.run(100)
  pair.wire = (datagram) => (datagram.route === 100 ? [datagram] : [])
  const data = pattern(length)
  const { streams } = pair.client.connection!
  const id = streams.open(true)
  let written = 0
  let finished = false
  const pieces: Uint8Array[] = []
  pair.until(() => {
    attack()
    if (!finished) written += streams.write(id, data, written, data.length)
    if (written === data.length && !finished) streams.finish(id)
    finished ||= written === data.length
    const server = pair.server.connection!
    server.streams.accept(true)
    for (;;) {
      const read = server.stats().streamsAccepted === 0 ? 'empty' : server.streams.read(id, 65_536)
      if (read === 'fin') return true
      if (read === 'empty' || read.kind === 'reset') return server.isClosed
      pieces.push(read.bytes)
    }
  })
  return Buffer.concat(pieces).equals(data)
}

/** A stream of the rogue arrives over `path`. */
function expectHeard(pair: Pair, rogue: RoguePeer, path = 0): void {
  rogue.send([0x0a, 0, 3, 7, 8, 9], { path })
  const server = pair.server.connection!
  expect(server.closeReason).toBeUndefined()
  expect(server.streams.accept(true)).toBe(0)
  expect(server.streams.read(0, 10)).toMatchObject({ bytes: Uint8Array.of(7, 8, 9) })
}

const challenge = (writer: Writer, index: number) => {
  const data = new Uint8Array(8)
  new DataView(data.buffer).setUint32(0, index)
  writePathChallenge(writer, data)
}

describe('PATH_CHALLENGE', () => {
  test('RFC 9000 §8.2.2, §21.4: 100,000 of them on three paths from 300 routes, while another path carries data', () => {
    const pair = withPaths(3)
    const rogue = new RoguePeer(pair, 'client')
    /** Bytes of datagrams from and to routes of strangers. */
    const [received, sent] = [new Map<number, number>(), new Map<number, number>()]
    let answers = 0
    let challenges = 0
    let packets = 0
    const attack = () => {
      for (let burst = 0; burst < 10 && challenges < 100_000; burst++) {
        const load = packed(ROOM, challenges, challenge)
        challenges += load.count
        const route = 1000 + (packets++ % 300)
        const bytes = rogue.packet(load.bytes, { path: 1 + (packets % 3) })
        received.set(route, (received.get(route) ?? 0) + bytes.length)
        rogue.deliver(bytes, route)
      }
      for (const { from, route, bytes } of pair.log)
        if (from === 'server' && route >= 1000) sent.set(route, (sent.get(route) ?? 0) + bytes.length)
      answers += framesOf(pair.sentBy('server'), 'path_response').length
      expectBounded(pair, 'server')
      rogue.trim()
    }
    rogue.trim()
    expect(carriesUnder(pair, 500_000, attack)).toBe(true)
    while (challenges < 100_000) attack()
    // of those in one packet 16 are answered
    expect(answers).toBe(16 * packets)
    expect(sent.size).toBe(300)
    for (const [route, bytes] of sent) expect(bytes).toBeLessThanOrEqual(3 * received.get(route)!)
    // probing packets have moved no path
    expect(pair.server.of('path-migrated')).toEqual([])
    expectBounded(pair, 'server')
  })
})

describe('frames that change nothing leave nothing', () => {
  const rows: [name: string, victim: Side, write: (writer: Writer, index: number) => void][] = [
    ['PATHS_BLOCKED', 'server', (w) => writePathsBlocked(w, 7)],
    ['PATH_CIDS_BLOCKED', 'server', (w, index) => writePathCidsBlocked(w, 1 + (index % 7), 1)],
    ['PATH_ACK', 'server', (w, index) => writeAckFrame(w, index % 3, 0, 1, [0], [0])],
    ['PATH_STATUS', 'client', (w, index) => writePathStatus(w, index % 8, 0, true)],
    ['PATH_RESPONSE', 'client', (w, index) => writePathResponse(w, new Uint8Array(8).fill(index))],
    ['MAX_PATH_ID', 'client', (w, index) => writeMaxPathId(w, index % 8)],
    ['PATH_NEW_CONNECTION_ID', 'client', (w, index) => writeFreshId(w, 2, 90 + (index % 3), 90)],
  ]
  for (const [name, victim, write] of rows)
    test(`quic.md §4.3: 20,000 ${name}`, () => {
      const pair = withPaths(2).cut()
      const rogue = new RoguePeer(pair, victim === 'client' ? 'server' : 'client')
      flood(rogue, 10, write)
      const kept = () => {
        const { paths, pathIds, pathFrames, responses, events } = pair[victim].connection!.stats().footprint
        return { paths, pathIds, pathFrames, responses, events, table: pair[victim].engine.leftovers }
      }
      const before = kept()
      const events = pair[victim].events.length
      const at = pair.log.length
      const packets = flood(rogue, 20_000, write)
      expect(pair[victim].connection!.closeReason).toBeUndefined()
      expect(kept()).toEqual(before)
      expect(pair[victim].events.length).toBe(events)
      // nothing but acknowledgements
      expect(pair.log.length - at).toBeLessThanOrEqual(packets)
      expectBounded(pair, victim)
    })
})

describe('PATH_ABANDON', () => {
  test('quic.md §5.5: who uses up path ids and does not listen gets no more of them', () => {
    const pair = multipathPair().cut()
    const rogue = new RoguePeer(pair, 'client')
    flood(rogue, 40_000, (w, index) => writePathAbandon(w, 7 + index, 0))
    expect(pair.server.of('closed')[0]?.reason).toMatchObject({
      code: ErrorCode.PROTOCOL_VIOLATION,
      frameType: FrameType.PATH_ABANDON,
      reason: expect.stringContaining('path 24 is beyond the limit of 23'),
    })
  })

  test('quic.md §5.5: who listens may use up 3,000 of them', () => {
    const pair = multipathPair().cut()
    const rogue = new RoguePeer(pair, 'client')
    for (let id = 1; id < 3000; id += 7) {
      rogue.send((w) => {
        for (let next = id; next < id + 7; next++) writePathAbandon(w, next, 9)
      })
      pair.run(2)
      rogue.acknowledge(0)
      rogue.trim()
      expectBounded(pair, 'server')
    }
    expectHeard(pair, rogue)
    // and open one in the end
    rogue.send((w) => writeMaxPathId(w, 20_000))
    rogue.send((w) => writeFreshId(w, 3004, 0))
    rogue.send([1, 0, 0], { path: 3004 })
    expect(pair.server.connection!.paths().map(({ id }) => id)).toEqual([0, 3004])
  })

  test('quic.md §5.5: opening and abandoning, 500 times', () => {
    const pair = multipathPair().cut()
    const rogue = new RoguePeer(pair, 'client')
    for (let id = 1; id <= 500; id++) {
      rogue.send((w) => {
        writeMaxPathId(w, id + 8)
        // the honest client has issued ids for the first seven
        if (id > 7) writeFreshId(w, id, 0)
      })
      rogue.acknowledge(0)
      rogue.send([1, 0, 0], { path: id, route: 1000 + id })
      rogue.send((w) => writePathAbandon(w, id, 0x3e))
      rogue.acknowledge(0)
      if (id % 5 === 0) {
        pair.run(3500)
        rogue.acknowledge(0)
      }
      expectBounded(pair, 'server')
      rogue.trim()
    }
    pair.run(3000)
    expect(pair.server.connection!.paths().map(({ id }) => id)).toEqual([0])
    expect(pair.server.of('path-opened')).toHaveLength(500)
    expect(pair.server.of('path-discarded')).toHaveLength(500)
    expectHeard(pair, rogue)
  })
})

describe('events', () => {
  test('quic.md §5.6: 20,000 changes of a PATH_STATUS are at most one event a path and packet', () => {
    const pair = withPaths(2).cut()
    const rogue = new RoguePeer(pair, 'client')
    let events = pair.server.events.length
    flood(
      rogue,
      20_000,
      (w, index) => writePathStatus(w, index % 3, 100 + index, index % 2 === 0),
      {},
      () => {
        expect(pair.server.events.length - events).toBeLessThanOrEqual(3)
        events = pair.server.events.length
      },
    )
    expectHeard(pair, rogue)
    expectBounded(pair, 'server')
  })

  test('quic.md §5.9: 20,000 address reports are at most one event a packet', () => {
    const pair = withPaths(1, { client: { observedAddressRole: 1 }, server: { observedAddressRole: 0 } }).cut()
    const rogue = new RoguePeer(pair, 'server')
    let events = pair.client.events.length
    flood(
      rogue,
      20_000,
      (w, index) => writeObservedAddress(w, 100 + index, { ip: Uint8Array.of(192, 0, 2, index), port: index & 0xffff }),
      (packet) => ({ path: packet & 1 }),
      () => {
        expect(pair.client.events.length - events).toBeLessThanOrEqual(1)
        events = pair.client.events.length
      },
    )
    expect(pair.client.connection!.closeReason).toBeUndefined()
    expectBounded(pair, 'client')
  })
})

test('RFC 9000 §19.7: of 5,000 tokens the application is told a few a packet', () => {
  const pair = multipathPair().connect()
  pair.run(200)
  const rogue = new RoguePeer(pair.cut(), 'server')
  let events = pair.client.events.length
  flood(
    rogue,
    5_000,
    (w, index) => writeNewToken(w, Uint8Array.of(index, index >> 8)),
    {},
    () => {
      expect(pair.client.events.length - events).toBeLessThanOrEqual(4)
      events = pair.client.events.length
    },
  )
  expect(pair.client.of('token').length).toBeGreaterThan(0)
  expectBounded(pair, 'client')
})

describe('connection ids', () => {
  test('RFC 9000 §5.1.2: 3,000 ids of each of three paths, each retiring all before, and acknowledged', () => {
    const pair = withPaths(2).cut()
    const rogue = new RoguePeer(pair, 'client')
    for (let sequence = 10; sequence < 3010; sequence += 10) {
      rogue.send((w) => {
        for (let next = sequence; next < sequence + 10; next++)
          for (const path of [0, 1, 2]) writeFreshId(w, path, next, next)
      })
      pair.run(2)
      rogue.acknowledge(0)
      rogue.trim()
      expectBounded(pair, 'server')
    }
    expectHeard(pair, rogue, 1)
  })

  test('RFC 9000 §5.1.2: who does not acknowledge that its ids are retired is left', () => {
    const pair = withPaths(2).cut()
    const rogue = new RoguePeer(pair, 'client')
    flood(rogue, 3000, (w, index) => writeFreshId(w, 2, 10 + index, 10 + index))
    expect(pair.server.of('closed')[0]?.reason).toMatchObject({ code: ErrorCode.CONNECTION_ID_LIMIT_ERROR })
  })

  test('RFC 9000 §19.16: 30,000 ids of ours retired before they could be used', () => {
    const pair = withPaths(1).cut()
    const rogue = new RoguePeer(pair, 'client')
    const table = pair.server.engine.leftovers
    flood(rogue, 30_000, (w, index) => writeRetireConnectionId(w, 3, index))
    expect(pair.server.engine.leftovers).toBe(table)
    expect(pair.server.connection!.stats().footprint.connectionIds).toBeLessThan(60)
    expectBounded(pair, 'server')
    expectHeard(pair, rogue)
  })
})

describe('MAX_PATH_ID', () => {
  for (const victim of ['client', 'server'] as const)
    test(`quic.md §4.6: 2^32 - 1 in one jump, to a ${victim}`, () => {
      const pair = multipathPair().cut()
      const rogue = new RoguePeer(pair, victim === 'client' ? 'server' : 'client')
      const table = pair[victim].engine.leftovers
      const at = pair.log.length
      rogue.send((w) => writeMaxPathId(w, 2 ** 32 - 1))
      expect(pair[victim].connection!.closeReason).toBeUndefined()
      expect(pair[victim].engine.leftovers).toBe(table)
      expect(framesOf(pair.sentBy(victim, at), 'path_new_connection_id')).toEqual([])
    })

  test('quic.md §4.6: where both sides allow 2^32 - 1, ids are issued for the next 32 paths', () => {
    const highest = { maxPathId: 2 ** 32 - 1 }
    const pair = multipathPair({ client: highest, server: highest })
    for (const side of ['client', 'server'] as const) {
      const issued = framesOf(pair.sentBy(side), 'path_new_connection_id').map(({ path_id }) => path_id as number)
      expect(Math.max(...issued)).toBe(32)
      expect(pair[side].engine.leftovers).toBeLessThan(50)
    }
    for (let path = 1; path <= 40; path++) {
      expect(pair.client.connection!.openPath(200, 'backup', pair.now)).toBe(path)
      pair.run(50)
      if (path > 2) pair.client.connection!.abandonPath(path, 0x3e, pair.now)
    }
    pair.run(3000)
    expect(pair.carries(10_000)).toBe(true)
    for (const side of ['client', 'server'] as const) expect(pair[side].engine.leftovers).toBeLessThan(80)
  })
})

describe('addresses that are not proved', () => {
  /** Bytes from and to each route but the first, as the server counts them. */
  function balance(pair: Pair) {
    const received = new Map<number, number>()
    return {
      received,
      check: () => {
        const sent = new Map<number, number>()
        for (const { from, route, bytes } of pair.log)
          if (from === 'server' && route !== 100) sent.set(route, (sent.get(route) ?? 0) + bytes.length)
        for (const [route, bytes] of sent) expect(bytes, `route ${route}`).toBeLessThanOrEqual(3 * received.get(route)!)
        return sent
      },
    }
  }

  test('RFC 9000 §8.1: all path ids opened at once from spoofed addresses', () => {
    const pair = multipathPair().cut()
    const rogue = new RoguePeer(pair, 'client')
    const { received, check } = balance(pair)
    // streams full of data that wants to be sent, over any path
    const { streams } = pair.server.connection!
    const id = streams.open(true)
    streams.write(id, pattern(100_000), 0, 100_000)
    for (let round = 0; round < 20; round++)
      for (let path = 1; path <= 7; path++) {
        const route = 100 + 100 * path
        const bytes = rogue.packet([1, ...new Uint8Array(round * 3)], { path })
        received.set(route, (received.get(route) ?? 0) + bytes.length)
        rogue.deliver(bytes, route)
        pair.run(20)
        check()
      }
    pair.run(10_000)
    expect(check().size).toBe(7)
    expect(pair.server.connection!.paths().map(({ validated }) => validated)).toEqual([true, ...Array(7).fill(false)])
    expectBounded(pair, 'server')
  })

  test('RFC 9000 §8.1, §8.2.2: small challenges on paths with other addresses', () => {
    const pair = withPaths(2).cut()
    const rogue = new RoguePeer(pair, 'client')
    pair.log.length = 0
    const { received, check } = balance(pair)
    // paths 1 and 2 have proved theirs
    for (const route of [200, 300]) received.set(route, Number.POSITIVE_INFINITY)
    for (let step = 0; step < 300; step++) {
      const route = 1000 + step
      const bytes = rogue.packet((writer) => challenge(writer, step), { path: step % 3 })
      received.set(route, bytes.length)
      rogue.deliver(bytes, route)
    }
    expect([...check().keys()].filter((route) => route >= 1000)).toHaveLength(300)
    expect(pair.server.of('path-migrated')).toEqual([])
    expectBounded(pair, 'server')
  })

  test('RFC 9000 §9.3.1: a path that moves to a spoofed address with every packet', () => {
    const pair = withPaths(1).cut()
    const rogue = new RoguePeer(pair, 'client')
    pair.log.length = 0
    const { received, check } = balance(pair)
    // path 1 has proved route 200
    received.set(200, Number.POSITIVE_INFINITY)
    for (let step = 0; step < 500; step++) {
      const route = 1000 + step
      const bytes = rogue.packet([1, 0, 0], { path: 1 })
      received.set(route, bytes.length)
      rogue.deliver(bytes, route)
    }
    check()
    // what follows on the last of them is limited as well
    pair.run(5000)
    check()
    expectBounded(pair, 'server')
    expectHeard(pair, rogue)
  })

  test('quic.md §5.4: data on a path that is not validated is taken, and answered within the limit', () => {
    const pair = multipathPair().cut()
    const rogue = new RoguePeer(pair, 'client')
    const { received, check } = balance(pair)
    let total = 0
    for (let offset = 0; offset < 500; offset++) {
      const bytes = rogue.packet([0x0e, 0, 0x40 | (offset >> 8), offset & 0xff, 1, offset & 0xff], { path: 1 })
      total += bytes.length
      received.set(200, total)
      rogue.deliver(bytes, 200)
      pair.run(5)
      check()
    }
    const { streams } = pair.server.connection!
    expect(streams.accept(true)).toBe(0)
    expect(streams.read(0, 1000)).toMatchObject({ bytes: { length: 500 } })
    expectBounded(pair, 'server')
  })
})

test('RFC 9000 §13.2: who acknowledges nothing is not acknowledged for ever', () => {
  const pair = withPaths(1)
  const { streams } = pair.server.connection!
  const id = streams.open(true)
  streams.write(id, pattern(20_000), 0, 20_000)
  pair.cut()
  const rogue = new RoguePeer(pair, 'client')
  const send = (count: number) => {
    for (let packet = 0; packet < count; packet++) {
      rogue.send([FrameType.IMMEDIATE_ACK, 0, 0], { path: 1 })
      if (packet % 100 === 0) rogue.trim()
    }
  }
  send(9000)
  expect(pair.server.connection!.stats().footprint.sentPackets).toBeLessThan(8300)
  rogue.trim()
  send(500)
  pair.run(20)
  expect(framesOf(pair.sentBy('server'), 'path_ack')).toEqual([])
  // the other path lives, and this one again as soon as it is acknowledged
  expectHeard(pair, rogue)
  rogue.acknowledge(1)
  expect(framesOf(pair.sentBy('server'), 'path_ack').some(({ path_id }) => path_id === 1)).toBe(true)
  expect(pair.server.connection!.stats().footprint.sentPackets).toBeLessThan(100)
})
