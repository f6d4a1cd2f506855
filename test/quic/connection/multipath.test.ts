import { describe, expect, test } from 'vitest'
import { Level } from '../../../src/quic/index.ts'
import { forge, padded } from './forge.ts'
import { type Datagram, frameTypes, Pair, type PairOptions, pattern } from './pair.ts'

const MULTIPATH = { maxPathId: 7 }

function pair(options: PairOptions = {}): Pair {
  return new Pair({
    ...options,
    client: { ...MULTIPATH, ...options.client },
    server: { ...MULTIPATH, ...options.server },
  })
}

/** Connected, and what follows the handshake is said. */
function connected(options: PairOptions = {}): Pair {
  const it = pair(options).connect()
  it.run(200)
  return it
}

/** Opens path 1 on route 200 and waits until both sides have validated it. */
function withSecondPath(options: PairOptions = {}): Pair {
  const it = connected(options)
  expect(it.client.connection!.openPath(200, 'available', it.now)).toBe(1)
  it.until(() => it.client.of('path-validated').length > 0 && it.server.of('path-validated').length > 0)
  it.run(200)
  return it
}

const states = (it: Pair, side: 'client' | 'server') =>
  it[side].connection!.paths().map(({ id, state, validated }) => `${id} ${state} ${validated}`)

const framesOf = (datagrams: readonly Datagram[], type: string) =>
  datagrams
    .flatMap(({ packets }) => packets.flatMap(({ frames }) => frames))
    .filter((frame) => frame.frame_type === type)

describe('negotiation', () => {
  test.each([
    [undefined, 7],
    [7, undefined],
    [undefined, undefined],
  ])('quic.md §3.2: maxima %s and %s make no multipath', (client, server) => {
    const it = new Pair({ client: { maxPathId: client }, server: { maxPathId: server } }).connect()
    expect(it.carries(10_000)).toBe(true)
    expect(it.client.connection!.isMultipath).toBe(false)
    expect(frameTypes(it.log.flatMap(({ packets }) => packets)).filter((type) => type.startsWith('path'))).toEqual([])
    expect(() => it.client.connection!.openPath(200, 'available', it.now)).toThrow('multipath was not negotiated')
  })

  test('quic.md §4.4: every 1-RTT packet is acknowledged by PATH_ACK, also those of path 0', () => {
    const it = connected()
    expect(it.carries(50_000)).toBe(true)
    const oneRtt = it.log.flatMap(({ packets }) => packets).filter(({ level }) => level === Level.OneRtt)
    expect(frameTypes(oneRtt)).toContain('path_ack')
    expect(frameTypes(oneRtt)).not.toContain('ack')
  })

  test('quic.md §4.6: both sides issue connection ids for all path ids both may use', () => {
    const it = connected({ server: { maxPathId: 3 } })
    for (const side of ['client', 'server'] as const) {
      const issued = framesOf(it.sentBy(side), 'path_new_connection_id').map((frame) => frame.path_id)
      expect(new Set(issued)).toEqual(new Set([0, 1, 2, 3]))
    }
  })

  test('quic.md §3.2: a maximum of 0 is multipath on one path', () => {
    const it = connected({ server: { maxPathId: 0 } })
    expect(it.client.connection!.isMultipath).toBe(true)
    expect(it.client.connection!.openPath(200, 'available', it.now)).toBeUndefined()
    it.run(100)
    expect(framesOf(it.sentBy('client'), 'paths_blocked')).toEqual([
      { frame_type: 'paths_blocked', maximum_path_id: 0 },
    ])
    expect(it.carries(10_000)).toBe(true)
  })
})

describe('opening', () => {
  test('quic.md §5.4: challenge and response both ways, then the path carries data', () => {
    const it = withSecondPath()
    expect(states(it, 'client')).toEqual(['0 open true', '1 open true'])
    expect(states(it, 'server')).toEqual(['0 open true', '1 open true'])
    const challenge = it.sentBy('client').find(({ route }) => route === 200)!
    expect(challenge.bytes.length).toBe(1200)
    const answer = it.sentBy('server').find(({ route }) => route === 200)!
    expect(answer.bytes.length).toBe(1200)
    expect(frameTypes(answer.packets)).toEqual(expect.arrayContaining(['path_response', 'path_challenge']))
    it.client.connection!.setPathStatus(0, 'backup')
    const before = it.log.length
    expect(it.carries(100_000)).toBe(true)
    const data = it.sentBy('client', before).filter(({ packets }) => frameTypes(packets).includes('stream'))
    expect(new Set(data.map(({ route }) => route))).toEqual(new Set([200]))
    expect(data.every(({ packets }) => packets.every(({ pathId }) => pathId === 1))).toBe(true)
  })

  test('quic.md §5.4: only the client opens paths', () => {
    const it = connected()
    expect(() => it.server.connection!.openPath(200, 'available', it.now)).toThrow('only the client')
  })
})

describe('abandoning', () => {
  test('quic.md §5.5: the peer answers with its own PATH_ABANDON, and the id is given back', () => {
    const it = withSecondPath()
    const before = it.log.length
    it.client.connection!.abandonPath(1, 0x3e, it.now)
    it.run(5_000)
    expect(framesOf(it.sentBy('client', before), 'path_abandon')).toEqual([
      { frame_type: 'path_abandon', path_id: 1, error_code: 0x3e },
    ])
    expect(framesOf(it.sentBy('server', before), 'path_abandon')).toEqual([
      { frame_type: 'path_abandon', path_id: 1, error_code: 0x3e },
    ])
    for (const side of ['client', 'server'] as const) {
      expect(framesOf(it.sentBy(side, before), 'max_path_id')).toEqual([
        { frame_type: 'max_path_id', maximum_path_id: 8 },
      ])
      expect(states(it, side)).toEqual(['0 open true'])
      expect(it[side].of('path-discarded')).toHaveLength(1)
    }
    expect(it.sentBy('client', before).every(({ route }) => route === 100)).toBe(true)
    expect(it.carries(10_000)).toBe(true)
  })

  test('quic.md §5.5: path ids are used up, given back, and used again', () => {
    const it = connected()
    const opened: number[] = []
    for (let round = 0; round < 20; round++) {
      let id = it.client.connection!.openPath(200 + round, 'backup', it.now)
      if (id === undefined) {
        const seen = it.client.of('paths-available').length
        it.until(() => it.client.of('paths-available').length > seen)
        id = it.client.connection!.openPath(200 + round, 'backup', it.now)
      }
      opened.push(id!)
      it.until(() => it.server.of('path-validated').some(({ path }) => path === id))
      it.client.connection!.abandonPath(id!, 0x3e, it.now)
    }
    expect(opened).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
    it.run(10_000)
    expect(states(it, 'client')).toEqual(['0 open true'])
    expect(it.carries(10_000)).toBe(true)
  })
})

describe('under traffic', () => {
  test('a path that is cut is left after two probe timeouts, and abandoned when it has been silent for too long', () => {
    const it = withSecondPath()
    it.client.connection!.setPathStatus(0, 'backup')
    it.server.connection!.setPathStatus(0, 'backup')
    it.run(100)
    it.wire = (datagram) => (datagram.route === 200 ? [] : [datagram])
    expect(it.carries(200_000)).toBe(true)
    it.run(40_000)
    expect(states(it, 'client')).toEqual(['0 open true'])
    expect(states(it, 'server')).toEqual(['0 open true'])
    expect(it.carries(10_000)).toBe(true)
  })

  test('quic.md §1.9: one key phase for all paths', () => {
    const it = withSecondPath()
    for (let round = 0; round < 4; round++) {
      const [from, to] = round % 2 === 0 ? (['client', 'server'] as const) : (['server', 'client'] as const)
      expect(it[from].connection!.updateKeys(it.now)).toBe(true)
      it.client.connection!.setPathStatus(0, round % 2 === 0 ? 'backup' : 'available')
      expect(it.carries(20_000)).toBe(true)
      // who only answers gets no acknowledgement of the new phase
      it[to].connection!.ping()
      it.run(6_000)
      expect(it[to].connection!.stats().keyUpdates).toBe(round + 1)
    }
    expect(it.client.tap.dropped).toEqual([])
    expect(it.server.tap.dropped).toEqual([])
  })

  test('nothing is left when a connection with several paths ends', () => {
    const it = withSecondPath()
    it.client.connection!.streams.open(true)
    it.client.connection!.close(0, 'done', it.now)
    it.run(60_000)
    for (const side of ['client', 'server'] as const) {
      expect(it[side].connection!.leftovers()).toEqual({ frames: 0, bytesInFlight: 0, bufferedBytes: 0 })
      expect(it[side].engine.leftovers).toBe(0)
      expect(it[side].slots.inUse).toBe(0)
    }
  })
})

test('a transfer over two available paths arrives whole', () => {
  const it = withSecondPath()
  const data = pattern(2_000_000)
  expect(Buffer.from(it.transfer(data)).equals(data)).toBe(true)
  const paths = it.client.connection!.paths()
  expect(paths.every(({ bytesSent }) => bytesSent > 100_000)).toBe(true)
})

test('RFC 9000 §21.4: every path leaves out packet numbers of its own', () => {
  const it = withSecondPath()
  it.client.connection!.setPathStatus(0, 'backup')
  expect(it.carries(4_000_000)).toBe(true)
  it.client.connection!.setPathStatus(0, 'available')
  it.client.connection!.setPathStatus(1, 'backup')
  expect(it.carries(4_000_000)).toBe(true)
  for (const path of [0, 1]) {
    const sent = it.client.tap.sent.filter(({ level, pathId }) => level === Level.OneRtt && pathId === path)
    const gaps = sent.filter(
      ({ packetNumber }, index) => index > 0 && packetNumber !== sent[index - 1]!.packetNumber + 1,
    )
    // one in 128 to 1,148
    expect(sent.length).toBeGreaterThan(2_500)
    expect(gaps.length).toBeGreaterThanOrEqual(2)
  }
})

describe('a route that somebody says leads nowhere', () => {
  /** The client writes 5,000 bytes; the datagrams that took them, by the client. */
  function write(it: Pair): Datagram[] {
    const before = it.log.length
    const id = it.client.connection!.streams.open(false)
    it.client.connection!.streams.write(id, pattern(5_000), 0, 5_000)
    it.flush()
    return it.sentBy('client', before)
  }
  const routesOf = (sent: readonly Datagram[]) => [...new Set(sent.map(({ route }) => route))]

  test('data in flight and new data go elsewhere at once, and the peer is asked on the route itself', () => {
    const it = withSecondPath()
    it.client.connection!.setPathStatus(1, 'backup')
    it.run(300)
    it.cut()
    expect(routesOf(write(it))).toEqual([100])
    const before = it.log.length
    it.client.connection!.doubt(100, it.now)
    it.flush()
    const after = it.sentBy('client', before)
    expect(
      framesOf(
        after.filter(({ route }) => route === 100),
        'path_challenge',
      ).length,
    ).toBe(1)
    expect(
      framesOf(
        after.filter(({ route }) => route === 200),
        'stream',
      ).length,
    ).toBeGreaterThan(3)
    expect(routesOf(write(it))).toEqual([200])
  })

  test('an answer on the path ends the doubt', () => {
    const it = withSecondPath()
    it.client.connection!.setPathStatus(1, 'backup')
    it.run(300)
    it.client.connection!.doubt(100, it.now)
    it.run(300)
    expect(routesOf(write(it))).toEqual([100])
  })

  test('blocked as well, the question waits until the route is writable', () => {
    const it = withSecondPath()
    it.client.connection!.setPathStatus(1, 'backup')
    it.run(300)
    it.client.connection!.blocked(100)
    it.client.connection!.doubt(100, it.now)
    expect(routesOf(write(it))).toEqual([200])
    it.run(300)
    it.client.connection!.writable(100)
    it.run(300)
    expect(routesOf(write(it))).toEqual([100])
  })

  test('the only path goes on', () => {
    const it = connected()
    it.client.connection!.doubt(100, it.now)
    expect(routesOf(write(it))).toEqual([100])
  })
})

describe('a path whose probes go unanswered', () => {
  test('is told of once, and again after an answer', () => {
    const it = connected()
    const suspicions = () => it.client.events.filter(({ type }) => type === 'path-suspect')
    const { wire } = it
    const dark = (): void => {
      it.wire = () => []
      const id = it.client.connection!.streams.open(false)
      it.client.connection!.streams.write(id, pattern(100), 0, 100)
      it.run(10_000)
    }
    dark()
    expect(suspicions()).toEqual([{ type: 'path-suspect', path: 0, route: 100 }])
    it.wire = wire
    it.run(5_000)
    expect(suspicions()).toHaveLength(1)
    dark()
    expect(suspicions()).toHaveLength(2)
  })
})

describe('a route that the driver cannot send on', () => {
  /** What the client sends while `route` is blocked goes over other routes; nothing is sent on it. */
  function sentAround(it: Pair, route: number): Datagram[] {
    it.client.connection!.blocked(route)
    const before = it.log.length
    const id = it.client.connection!.streams.open(false)
    it.client.connection!.streams.write(id, pattern(5_000), 0, 5_000)
    it.flush()
    return it.sentBy('client', before)
  }

  test('data goes over the next path of the same rank at once', () => {
    const it = withSecondPath()
    const sent = sentAround(it, 100)
    expect(sent.length).toBeGreaterThan(3)
    expect(sent.every(({ route }) => route === 200)).toBe(true)
  })

  test('RFC 9000 §8.2.2: challenges wait to be answered, and do not hold up those from other routes', () => {
    const it = withSecondPath().cut()
    const before = it.log.length
    const challenge = (route: number, byte: number) =>
      forge(it, 'client', padded([0x1a, ...new Array<number>(8).fill(byte)], 1_100), { route })
    const answersOn = (route: number) =>
      framesOf(
        it.sentBy('server', before).filter((datagram) => datagram.route === route),
        'path_response',
      ).map(({ data }) => data)
    it.server.connection!.blocked(100)
    challenge(100, 0x11)
    challenge(300, 0x33)
    expect(answersOn(100)).toEqual([])
    expect(answersOn(300)).toEqual(['33'.repeat(8)])
    it.server.connection!.writable(100)
    it.flush()
    expect(answersOn(100)).toEqual(['11'.repeat(8)])
  })

  test('without another way it waits, and goes when the route is writable again', () => {
    const it = connected()
    expect(sentAround(it, 100)).toEqual([])
    it.client.connection!.writable(100)
    const before = it.log.length
    it.flush()
    expect(it.sentBy('client', before).length).toBeGreaterThan(3)
    expect(it.carries(10_000)).toBe(true)
  })
})
