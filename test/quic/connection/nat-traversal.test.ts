/** NAT traversal between two connections (spec/quic.md §5.8): addresses, rounds, probes, and what an answer brings. */
import { describe, expect, test } from 'vitest'
import { ErrorCode } from '../../../src/quic/index.ts'
import { writeAddAddress, writeReachOut, writeRemoveAddress } from '../../../src/quic/wire/address-frames.ts'
import { writePathChallenge, writePathResponse } from '../../../src/quic/wire/path-frames.ts'
import { framesOf, multipathPair, RoguePeer, type Side, withPaths } from './multipath-peer.ts'
import { type Datagram, frameTypes, Pair, type PairOptions } from './pair.ts'

const address = (last: number, port = 4242) => ({ ip: Uint8Array.of(192, 0, 2, last), port })
const mapped = (last: number) => ({
  ip: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, last),
  port: 4242,
})
const TIMES = [0, 33, 67, 133, 267, 533, 1067, 2133, 4133]
const PROBE = 300

/** At rest, and without the noise of keep-alives. */
function pairAtRest(options: PairOptions = {}): Pair {
  const pair = multipathPair({
    ...options,
    client: { keepAliveMs: 0, ...options.client },
    server: { keepAliveMs: 0, ...options.server },
  })
  pair.run(2_000)
  return pair
}

const on = (datagrams: readonly Datagram[], route: number) => datagrams.filter((datagram) => datagram.route === route)
const answers = (pair: Pair) => pair.client.of('probe-answered').map(({ route }) => route)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** Only datagrams on these routes arrive. */
function allow(pair: Pair, ...routes: number[]): void {
  pair.wire = (datagram) => (routes.includes(datagram.route) ? [datagram] : [])
}

describe('negotiation', () => {
  for (const [client, server, expected] of [
    [{}, {}, true],
    [{ natTraversalAddresses: undefined }, {}, false],
    [{}, { natTraversalAddresses: undefined }, false],
    [{ maxPathId: undefined }, {}, false],
    [{}, { maxPathId: undefined }, false],
    [{ maxPathId: 0 }, { maxPathId: 0 }, true],
  ] as const)
    test(`spec/quic.md §3.2: ${JSON.stringify(client)} and ${JSON.stringify(server)}: ${expected}`, () => {
      const pair = multipathPair({ client, server })
      for (const side of ['client', 'server'] as const) {
        const connection = pair[side].connection!
        expect(connection.canTraverse).toBe(expected)
        expect(connection.probe(PROBE, pair.now)).toBe(expected)
      }
      pair.server.connection!.setLocalCandidates([address(1)])
      pair.client.connection!.startRound([address(2)], pair.now)
      pair.run(100)
      expect(pair.client.connection!.remoteCandidates()).toHaveLength(expected ? 1 : 0)
      expect(pair.server.connection!.reachOuts()).toHaveLength(expected ? 1 : 0)
    })

  test('capabilities are told, and count when both sides sent some', () => {
    const both = multipathPair({ client: { tomCapabilities: 3 }, server: { tomCapabilities: 1 } })
    expect([both.client.connection!.peerCapabilities, both.server.connection!.peerCapabilities]).toEqual([1, 3])
    const one = multipathPair({ client: { tomCapabilities: 3 } })
    expect([one.client.connection!.peerCapabilities, one.server.connection!.peerCapabilities]).toEqual([0, 0])
  })
})

describe('addresses', () => {
  test('spec/quic.md §5.8: what the server has reaches the client, and what it has no more goes', () => {
    const pair = pairAtRest()
    const server = pair.server.connection!
    const client = pair.client.connection!
    server.setLocalCandidates([address(1), mapped(2)])
    pair.run(100)
    expect(client.remoteCandidates()).toEqual([address(1), address(2)])
    expect(pair.client.of('remote-candidates')).toHaveLength(1)
    server.setLocalCandidates([address(2), address(3)])
    pair.run(100)
    expect(client.remoteCandidates()).toEqual([address(2), address(3)])
    expect(pair.client.of('remote-candidates').length).toBe(2)
    expect(server.remoteCandidates()).toEqual([])
    expect(() => client.setLocalCandidates([])).toThrow('only the server')
  })

  test('spec/quic.md §5.8: set before the handshake is over, they are told right after it', () => {
    const pair = new Pair({
      client: { maxPathId: 7 },
      server: { maxPathId: 7 },
      onIncoming: (incoming, it) => {
        it.server.connection = incoming.accept(it.now)
        it.server.connection.setLocalCandidates([address(1)])
      },
    })
    pair.until(() => pair.client.of('remote-candidates').length > 0)
    expect(pair.now).toBeLessThan(50)
    expect(pair.client.connection!.remoteCandidates()).toEqual([address(1)])
  })

  test('RFC 9000 §13.3: a lost ADD_ADDRESS or REACH_OUT is repeated', () => {
    const pair = pairAtRest()
    for (const side of ['client', 'server'] as const) {
      let dropped = 0
      pair.wire = (datagram) =>
        datagram.from === side && frameTypes(datagram.packets).some((type) => /add_|reach_/.test(type)) && dropped++ < 1
          ? []
          : [datagram]
      if (side === 'server') pair.server.connection!.setLocalCandidates([address(1)])
      else pair.client.connection!.startRound([address(2)], pair.now)
      pair.run(2_000)
      expect(dropped).toBeGreaterThan(1)
    }
    expect(pair.client.connection!.remoteCandidates()).toEqual([address(1)])
    expect(pair.server.connection!.reachOuts()).toEqual([address(2)])
  })

  test('spec/quic.md §5.8: a round tells the server where the client is; the next takes its place', () => {
    const pair = pairAtRest()
    const client = pair.client.connection!
    client.startRound([address(1), mapped(2), address(2)], pair.now)
    pair.run(100)
    expect(pair.server.connection!.reachOuts()).toEqual([address(1), address(2)])
    expect(pair.server.of('reach-out')).toHaveLength(1)
    client.startRound([address(3)], pair.now)
    pair.run(100)
    expect(pair.server.connection!.reachOuts()).toEqual([address(3)])
    expect(pair.server.of('reach-out')).toHaveLength(2)
    expect(framesOf(pair.log, 'reach_out').map(({ round }) => round)).toEqual([1, 1, 2])
    expect(client.reachOuts()).toEqual([])
    expect(() => pair.server.connection!.startRound([], pair.now)).toThrow('only the client')
  })

  test('spec/quic.md §3.2: no more addresses than the other side holds are told', () => {
    const pair = pairAtRest({ client: { natTraversalAddresses: 2 }, server: { natTraversalAddresses: 3 } })
    const many = [1, 2, 3, 4, 5].map((last) => address(last))
    pair.server.connection!.setLocalCandidates(many)
    pair.client.connection!.startRound(many, pair.now)
    pair.run(100)
    expect(pair.client.connection!.remoteCandidates()).toEqual(many.slice(0, 2))
    expect(pair.server.connection!.reachOuts()).toEqual(many.slice(0, 3))
  })

  test('an event about addresses waits once, however many frames came', () => {
    const pair = pairAtRest().cut()
    const server = new RoguePeer(pair, 'server')
    // not handed out in between: one packet
    server.send((writer) => {
      for (let sequence = 0; sequence < 20; sequence++) writeAddAddress(writer, sequence, address(sequence))
    })
    const client = new RoguePeer(pair, 'client')
    client.send((writer) => {
      for (let round = 1; round < 20; round++) writeReachOut(writer, round, address(round))
    })
    expect(pair.client.of('remote-candidates')).toHaveLength(1)
    expect(pair.server.of('reach-out')).toHaveLength(1)
    expect(pair.client.connection!.remoteCandidates()).toHaveLength(20)
    expect(pair.server.connection!.reachOuts()).toEqual([address(19)])
  })
})

describe('what a peer may say', () => {
  test('spec/quic.md §4.3: the 33rd REACH_OUT of a round closes the connection; the 33rd ADD_ADDRESS is ignored', () => {
    const pair = pairAtRest().cut()
    const client = new RoguePeer(pair, 'client')
    for (const round of [1, 2])
      client.send((writer) => {
        for (let last = 1; last <= 32; last++) writeReachOut(writer, round, address(last))
      })
    // repeats, and old rounds, are nothing new
    client.send((writer) => {
      writeReachOut(writer, 2, address(7))
      writeReachOut(writer, 1, address(99))
    })
    expect(pair.server.connection!.reachOuts()).toHaveLength(32)
    expect(pair.server.connection!.closeReason).toBeUndefined()
    client.send((writer) => writeReachOut(writer, 2, address(33)))
    expect(pair.server.of('closed')[0]?.reason).toMatchObject({
      kind: 'local-transport',
      code: ErrorCode.PROTOCOL_VIOLATION,
      frameType: 0x3d7f92,
    })
    const server = new RoguePeer(pair, 'server')
    server.send((writer) => {
      for (let sequence = 0; sequence < 40; sequence++) writeAddAddress(writer, sequence, address(sequence))
    })
    expect(pair.client.connection!.closeReason).toBeUndefined()
    expect(pair.client.connection!.remoteCandidates()).toHaveLength(32)
    server.send((writer) => {
      writeAddAddress(writer, 5, address(200))
      writeRemoveAddress(writer, 6)
      writeRemoveAddress(writer, 77)
    })
    expect(pair.client.connection!.remoteCandidates()).toHaveLength(31)
    expect(pair.client.connection!.remoteCandidates()[5]).toEqual(address(200))
    expect(pair.client.connection!.closeReason).toBeUndefined()
  })
})

describe('probes', () => {
  test('spec/quic.md §5.8: nine datagrams of 35 bytes with a PATH_CHALLENGE each, at the times of the schedule', () => {
    for (const side of ['client', 'server'] as const) {
      const pair = pairAtRest()
      allow(pair, 100)
      const start = pair.now
      const before = pair.log.length
      expect(pair[side].connection!.probe(PROBE, start)).toBe(true)
      expect(pair[side].connection!.probe(PROBE, start)).toBe(true)
      pair.run(20_000)
      const sent = on(pair.sentBy(side, before), PROBE)
      expect(sent.map(({ sentAt }) => sentAt - start)).toEqual(TIMES)
      expect(sent.map(({ bytes }) => bytes.length)).toEqual(TIMES.map(() => 35))
      for (const { packets } of sent)
        expect(packets).toMatchObject([{ pathId: 0, frames: [{ frame_type: 'path_challenge' }] }])
      const tokens = sent.map(({ packets }) => packets[0]!.frames[0]!.data)
      expect(new Set(tokens).size).toBe(9)
    }
  })

  test('spec/quic.md §5.8: the answer comes to where it was asked, and ends the probes; only the client tells of it', () => {
    const pair = pairAtRest()
    const before = pair.log.length
    pair.client.connection!.probe(PROBE, pair.now)
    pair.server.connection!.probe(400, pair.now)
    pair.run(5_000)
    // the schedule of the round trip of 20 ms: one probe was enough
    expect(on(pair.sentBy('client', before), PROBE)).toHaveLength(1)
    expect(on(pair.sentBy('server', before), PROBE)).toHaveLength(1)
    expect(framesOf(on(pair.sentBy('server', before), PROBE), 'path_response')).toHaveLength(1)
    // the client's answer to the server's probe carries a challenge of its own
    expect(frameTypes(on(pair.sentBy('client', before), 400).flatMap(({ packets }) => packets))).toEqual([
      'path_response',
      'path_challenge',
    ])
    expect(answers(pair).toSorted()).toEqual([300, 400])
    expect(pair.server.of('probe-answered')).toEqual([])
    for (const side of ['client', 'server'] as const) {
      expect(pair[side].connection!.route).toBe(100)
      expect(pair[side].of('path-migrated')).toEqual([])
      expect(pair[side].connection!.paths()).toHaveLength(1)
    }
  })

  test('spec/quic.md §5.8: an answer with the right value from another address is none', () => {
    const pair = pairAtRest()
    pair.wire = (datagram) => (datagram.from === 'client' && datagram.route === PROBE ? [] : [datagram])
    pair.client.connection!.probe(PROBE, pair.now)
    pair.run(10)
    const [probe] = framesOf(on(pair.log, PROBE), 'path_challenge')
    const data = Uint8Array.from(Buffer.from(String(probe!.data), 'hex'))
    const rogue = new RoguePeer(pair, 'server')
    for (const route of [100, 301]) rogue.send((writer) => writePathResponse(writer, data), { route })
    rogue.send(
      (writer) =>
        writePathResponse(
          writer,
          data.map((byte) => byte ^ 1),
        ),
      { route: PROBE },
    )
    expect(answers(pair)).toEqual([])
    rogue.send((writer) => writePathResponse(writer, data), { route: PROBE })
    expect(answers(pair)).toEqual([PROBE])
    // a repeat tells nothing new
    rogue.send((writer) => writePathResponse(writer, data), { route: PROBE })
    expect(answers(pair)).toEqual([PROBE])
  })

  test('spec/quic.md §5.8: a new round ends the probes of the last, on both sides; a late answer counts once', () => {
    const pair = pairAtRest()
    allow(pair, 100)
    pair.client.connection!.startRound([address(1)], pair.now)
    pair.run(100)
    for (const side of ['client', 'server'] as const) pair[side].connection!.probe(PROBE, pair.now)
    pair.run(50)
    const before = pair.log.length
    pair.client.connection!.startRound([address(2)], pair.now)
    pair.run(10_000)
    // the server was on its way to the third when it heard of the new round
    expect(on(pair.sentBy('client', before), PROBE)).toEqual([])
    expect(on(pair.sentBy('server', before), PROBE).length).toBeLessThan(2)
    const token = framesOf(on(pair.sentBy('client'), PROBE), 'path_challenge')[0]!.data
    const rogue = new RoguePeer(pair.cut(), 'server')
    const data = Uint8Array.from(Buffer.from(String(token), 'hex'))
    rogue.send((writer) => writePathResponse(writer, data), { route: PROBE })
    rogue.send((writer) => writePathResponse(writer, data), { route: PROBE })
    expect(answers(pair)).toEqual([PROBE])
  })

  test('a blocked route waits, and the others do not', () => {
    const pair = pairAtRest()
    const client = pair.client.connection!
    const before = pair.log.length
    client.blocked(PROBE)
    client.probe(PROBE, pair.now)
    client.probe(500, pair.now)
    pair.run(200)
    expect(answers(pair)).toEqual([500])
    expect(on(pair.sentBy('client', before), PROBE)).toEqual([])
    client.writable(PROBE)
    pair.run(200)
    expect(answers(pair)).toEqual([500, PROBE])
  })

  test('spec/quic.md §5.8: they take the numbers and the connection id of a path that works, and no part in its traffic', () => {
    const pair = withPaths(1, { client: { keepAliveMs: 0 }, server: { keepAliveMs: 0 } })
    pair.client.connection!.setPathStatus(0, 'backup')
    pair.run(3_000)
    allow(pair, 100, 200)
    const client = pair.client.connection!
    const before = client.paths()
    client.probe(PROBE, pair.now)
    pair.run(6_000)
    const sent = pair.client.tap.sent.filter(({ size, frames }) => size === 35 && frames.length === 1)
    expect(sent.map(({ pathId }) => pathId)).toEqual(TIMES.map(() => 1))
    const after = client.paths()
    for (const [index, path] of after.entries())
      expect(path).toMatchObject({
        rttMs: before[index]!.rttMs,
        latestRttMs: before[index]!.latestRttMs,
        bytesInFlight: 0,
        congestionWindow: before[index]!.congestionWindow,
        lostPackets: 0,
        ptos: before[index]!.ptos,
      })
  })

  test('a full congestion window holds up no probe', () => {
    const pair = pairAtRest()
    allow(pair, PROBE)
    const client = pair.client.connection!
    const id = client.streams.open(false)
    client.streams.write(id, new Uint8Array(1_000_000), 0, 1_000_000)
    pair.run(50)
    const { bytesInFlight, congestionWindow } = client.paths()[0]!
    expect(bytesInFlight).toBeGreaterThan(congestionWindow - 1500)
    client.probe(PROBE, pair.now)
    pair.run(30)
    expect(answers(pair)).toEqual([PROBE])
  })

  test('576 of them and 60 more each second, whatever the peer asks for', () => {
    const pair = pairAtRest()
    allow(pair, 100)
    const server = pair.server.connection!
    const before = pair.log.length
    const start = pair.now
    for (let round = 1; round <= 20; round++) {
      pair.client.connection!.startRound([address(round)], pair.now)
      pair.run(4_200)
      for (let route = 1000; route < 1040; route++) server.probe(route + 40 * round, pair.now)
    }
    pair.run(10_000)
    const sent = pair.sentBy('server', before).filter(({ route }) => route >= 1000)
    expect(sent.length).toBeGreaterThan(576)
    expect(sent.length).toBeLessThanOrEqual(576 + (pair.now - start) * 0.06)
  })

  test('a closed connection probes nothing, and keeps nothing', () => {
    const pair = pairAtRest()
    allow(pair, 100)
    const client = pair.client.connection!
    client.probe(PROBE, pair.now)
    client.startRound([address(1)], pair.now)
    pair.run(40)
    const before = pair.log.length
    client.close(0, '', pair.now)
    expect(client.probe(400, pair.now)).toBe(false)
    client.startRound([address(2)], pair.now)
    pair.run(30_000)
    expect(on(pair.sentBy('client', before), PROBE)).toEqual([])
    expect(client.leftovers()).toEqual({ frames: 0, bytesInFlight: 0, bufferedBytes: 0 })
    expect(client.deadline()).toBe(Number.POSITIVE_INFINITY)
  })

  test('they wait while there is no path that works', () => {
    const pair = pairAtRest()
    const server = pair.server.connection!
    // the client seems to be elsewhere, and is asked whether it is
    const rogue = new RoguePeer(pair.cut(), 'client')
    rogue.send([1, 0, 0], { route: 900 })
    expect(server.paths()[0]).toMatchObject({ route: 900, validated: false })
    const before = pair.log.length
    server.probe(PROBE, pair.now)
    pair.run(50)
    expect(on(pair.sentBy('server', before), PROBE)).toEqual([])
    expect(server.deadline()).toBeGreaterThan(pair.now)
  })
})

describe('from unknown addresses', () => {
  const challenge = (number: number) => new Uint8Array(8).fill(number)

  /** What `victim` sends to a PATH_CHALLENGE from route 700 in a datagram of its own. */
  function answerTo(pair: Pair, victim: Side, route = 700) {
    const before = pair.log.length
    const rogue = new RoguePeer(pair.cut(), victim === 'client' ? 'server' : 'client')
    rogue.send((writer) => writePathChallenge(writer, challenge(7)), { route })
    return { rogue, sent: on(pair.sentBy(victim, before), route) }
  }

  test('spec/quic.md §5.8: a client answers, asks in turn, and moves nowhere; three times what came is the limit', () => {
    const pair = pairAtRest()
    const { rogue, sent } = answerTo(pair, 'client')
    expect(sent).toHaveLength(1)
    const [answer] = sent
    expect(answer!.packets[0]).toMatchObject({
      pathId: 0,
      frames: [{ frame_type: 'path_response', data: hex(challenge(7)) }, { frame_type: 'path_challenge' }],
    })
    expect(answer!.bytes.length).toBeLessThanOrEqual(3 * 38)
    const data = Uint8Array.from(Buffer.from(String(answer!.packets[0]!.frames[1]!.data), 'hex'))
    rogue.send((writer) => writePathResponse(writer, data), { route: 701 })
    expect(answers(pair)).toEqual([])
    rogue.send((writer) => writePathResponse(writer, data), { route: 700 })
    expect(answers(pair)).toEqual([700])
    // a non-probing packet from there moves a client neither
    rogue.send([1, 0, 0], { route: 700 })
    expect(pair.client.connection!.route).toBe(100)
    expect(pair.client.of('path-migrated')).toEqual([])
  })

  test('RFC 9000 §8.1: an address that nobody proved gets three times what came from there, or less', () => {
    const pair = pairAtRest()
    const rogue = new RoguePeer(pair.cut(), 'server')
    for (const [padding, expected] of [
      [0, 59],
      [100, 59],
      [361, 59],
      // here all of 1200 bytes may go, and RFC 9000 §8.2.2 wants them
      [362, 1200],
      [1000, 1200],
    ] as const) {
      const before = pair.log.length
      const bytes = rogue.packet([...new Uint8Array(padding), 0x1a, ...challenge(7)])
      rogue.deliver(bytes, 700)
      const [answer] = on(pair.sentBy('client', before), 700)
      expect(answer!.bytes.length, `${bytes.length} bytes`).toBeLessThanOrEqual(3 * bytes.length)
      expect(answer!.bytes.length === 1200, `${bytes.length} bytes`).toBe(expected === 1200)
    }
  })

  test('spec/quic.md §5.8: where a path is proved already, the client does not ask', () => {
    const pair = withPaths(1)
    const { sent } = answerTo(pair, 'client', 200)
    expect(sent).toHaveLength(1)
    expect(sent[0]!.packets[0]!.frames.map((frame) => frame.frame_type)).not.toContain('path_challenge')
  })

  test('spec/quic.md §5.3: a server answers, asks nothing, and does not move for a probe', () => {
    const pair = pairAtRest()
    const { sent } = answerTo(pair, 'server')
    expect(sent).toHaveLength(1)
    expect(sent[0]!.packets[0]!.frames.map((frame) => frame.frame_type)).not.toContain('path_challenge')
    expect(pair.server.connection!.route).toBe(100)
    expect(pair.server.of('path-migrated')).toEqual([])
  })

  test('spec/quic.md §5.2: a client that cannot traverse hears nothing from there', () => {
    const pair = pairAtRest({ client: { natTraversalAddresses: undefined } })
    expect(answerTo(pair, 'client').sent).toEqual([])
  })

  test('spec/quic.md §5.2: a client hears nothing from there before the handshake is confirmed', () => {
    const pair = new Pair({ client: { maxPathId: 7 }, server: { maxPathId: 7 } })
    pair.until(() => pair.client.of('connected').length > 0)
    pair.flush()
    expect(pair.client.connection!.isConfirmed).toBe(false)
    expect(answerTo(pair, 'client').sent).toEqual([])
  })

  test('what is not authentic is not answered', () => {
    const pair = pairAtRest()
    const rogue = new RoguePeer(pair.cut(), 'server')
    const before = pair.log.length
    const bytes = rogue.packet((writer) => writePathChallenge(writer, challenge(7)))
    bytes[bytes.length - 1]! ^= 1
    rogue.deliver(bytes, 700)
    expect(on(pair.sentBy('client', before), 700)).toEqual([])
  })

  test('from thousands of addresses, little is kept and each gets three times what it sent', () => {
    const pair = pairAtRest()
    const rogue = new RoguePeer(pair.cut(), 'server')
    const before = pair.log.length
    for (let index = 0; index < 3000; index++) {
      rogue.send((writer) => writePathChallenge(writer, challenge(index & 255)), { route: 1000 + index })
      if (index % 50 === 49) rogue.acknowledge(0)
    }
    const sent = pair.sentBy('client', before).filter(({ route }) => route >= 1000)
    expect(sent.length).toBeGreaterThan(1000)
    for (const { bytes } of sent) expect(bytes.length).toBeLessThanOrEqual(3 * 38)
    expect(pair.client.connection!.stats().footprint).toMatchObject({ responses: 0 })
    expect(pair.client.connection!.stats().footprint.probes).toBeLessThanOrEqual(64)
    expect(pair.client.connection!.closeReason).toBeUndefined()
  })
})

describe('messages', () => {
  const agreed = () => pairAtRest({ client: { tomCapabilities: 1 }, server: { tomCapabilities: 1 } })

  test('arrive in both directions, also when what carried them was lost', () => {
    const pair = agreed()
    let dropped = 0
    pair.wire = (datagram) => (frameTypes(datagram.packets).includes('tom_message') && dropped++ < 2 ? [] : [datagram])
    pair.client.connection!.sendMessage(Uint8Array.of(1, 2))
    pair.server.connection!.sendMessage(Uint8Array.of(3))
    pair.run(3_000)
    expect(dropped).toBeGreaterThan(2)
    expect(pair.server.of('message').map(({ payload }) => [...payload])).toEqual([[1, 2]])
    expect(pair.client.of('message').map(({ payload }) => [...payload])).toEqual([[3]])
  })

  test('of those that nobody takes, 16 wait', () => {
    const pair = agreed().cut()
    const rogue = new RoguePeer(pair, 'server')
    rogue.send((writer) => {
      for (let index = 0; index < 40; index++) writer.raw(Uint8Array.of(0x80, 0x74, 0x6f, 0x6e, 1, index))
    })
    expect(pair.client.of('message').map(({ payload }) => payload[0])).toEqual(
      Array.from({ length: 16 }, (_, index) => index),
    )
  })

  test('cannot be sent to a peer that does not know them, and vanish on a closed connection', () => {
    const pair = pairAtRest()
    expect(() => pair.client.connection!.sendMessage(Uint8Array.of(1))).toThrow('knows no messages')
    const other = agreed()
    other.client.connection!.close(0, '', other.now)
    other.client.connection!.sendMessage(Uint8Array.of(1))
    other.run(20_000)
    expect(other.client.connection!.leftovers()).toEqual({ frames: 0, bytesInFlight: 0, bufferedBytes: 0 })
  })
})
