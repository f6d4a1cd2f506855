import { describe, expect, test } from 'vitest'
import { ErrorCode, Level } from '../../../src/quic/index.ts'
import { PacketHeader, PacketKind, parseHeader } from '../../../src/quic/wire/header.ts'
import { forge } from './forge.ts'
import { Pair } from './pair.ts'

/** Both sides end, everything is given back. */
function expectNothingLeft(pair: Pair): void {
  pair.run(40_000)
  for (const node of [pair.client, pair.server]) {
    expect(node.connection?.isDrained ?? true).toBe(true)
    expect(node.connection?.leftovers() ?? { frames: 0, bytesInFlight: 0, bufferedBytes: 0 }).toEqual({
      frames: 0,
      bytesInFlight: 0,
      bufferedBytes: 0,
    })
    expect(node.slots.inUse).toBe(0)
    expect(node.engine.leftovers).toBe(0)
    node.engine.close()
  }
  expect(pair.crypto.liveKeys).toBe(0)
}

describe('handshake', () => {
  test('RFC 9000 §7: both sides complete, know each other, and leave nothing behind', () => {
    const pair = new Pair().connect()
    expect(pair.client.connection!.peerKey).toEqual(pair.server.engine.publicKey)
    expect(pair.server.connection!.peerKey).toEqual(pair.client.engine.publicKey)
    pair.client.connection!.close(3, 'enough', pair.now)
    pair.run(200)
    expect(pair.server.of('closed')[0]!.reason).toEqual({ kind: 'peer-application', code: 3, reason: 'enough' })
    expectNothingLeft(pair)
  })

  test('RFC 9000 §14.1: every datagram with a client Initial has 1200 bytes', () => {
    const pair = new Pair().connect()
    const header = new PacketHeader()
    const initials = pair.log.filter(
      ({ from, bytes }) =>
        from === 'client' && parseHeader(bytes, 0, bytes.length, 8, header) && header.kind === PacketKind.Initial,
    )
    expect(initials.length).toBeGreaterThan(0)
    expect(initials.every(({ bytes }) => bytes.length === 1200)).toBe(true)
  })

  test('RFC 9000 §14.1: an Initial in a datagram below 1200 bytes is ignored', () => {
    const pair = new Pair({ wire: () => [] })
    pair.flush()
    pair.deliver('server', pair.log[0]!.bytes.slice(0, 1199), 100)
    expect(pair.server.connection).toBeUndefined()
    pair.deliver('server', pair.log[0]!.bytes, 100)
    expect(pair.server.connection).toBeDefined()
  })

  test('RFC 9000 §8.1: an unvalidated address gets no more than three times what it sent', () => {
    const pair = new Pair({ wire: (datagram) => (datagram.from === 'client' ? [datagram] : []) })
    pair.run(25_000)
    const sum = (from: string) =>
      pair.log.filter((entry) => entry.from === from).reduce((total, { bytes }) => total + bytes.length, 0)
    expect(sum('server')).toBeGreaterThan(0)
    expect(sum('server')).toBeLessThanOrEqual(3 * sum('client'))
  })

  test('RFC 9000 §10.1: a server that never answers ends in handshake-timeout after 30 s', () => {
    const pair = new Pair({ wire: () => [] })
    pair.until(() => pair.client.of('closed').length > 0)
    expect(pair.client.of('closed')[0]!.reason).toEqual({ kind: 'handshake-timeout' })
    expect(pair.now).toBe(30_000)
    expectNothingLeft(pair)
  })

  test('spec §2.5: copies of the first flight over another address are duplicates, not a second connection', () => {
    const pair = new Pair({ routes: [100, 200] }).connect()
    expect(pair.server.engine.connections.size).toBe(1)
    expect(pair.server.connection!.route).toBe(pair.client.connection!.route)
    // and late ones, after the handshake, as well
    pair.deliver('server', pair.log[0]!.bytes, 200)
    pair.run(100)
    expect(pair.server.engine.connections.size).toBe(1)
    expect(pair.server.connection!.isClosed).toBe(false)
  })

  test('spec §5.2: the client goes where the first authentic answer came from', () => {
    const pair = new Pair({
      routes: [100, 200],
      wire: (datagram) => (datagram.route === 100 ? [] : [datagram]),
    }).connect()
    expect(pair.client.connection!.route).toBe(200)
    expect(pair.carries(20_000)).toBe(true)
  })

  test('RFC 9000 §6.2: version negotiation that does not list our version ends the attempt', () => {
    const pair = new Pair({ wire: () => [] })
    pair.flush()
    const header = new PacketHeader()
    const first = pair.log[0]!.bytes
    parseHeader(first, 0, first.length, 8, header)
    const vn = [
      0xc0,
      0,
      0,
      0,
      0,
      header.sourceLength,
      ...first.slice(header.sourceStart, header.sourceStart + header.sourceLength),
      header.destinationLength,
      ...first.slice(header.destinationStart, header.destinationStart + header.destinationLength),
    ]
    // listing version 1 is a lie, and ignored
    pair.deliver('client', Uint8Array.from([...vn, 0, 0, 0, 1]), 100)
    expect(pair.client.of('closed')).toEqual([])
    pair.deliver('client', Uint8Array.from([...vn, 0x6b, 0x33, 0x43, 0xcf]), 100)
    expect(pair.client.of('closed')[0]!.reason).toEqual({ kind: 'version-negotiation', versions: [0x6b3343cf] })
    expectNothingLeft(pair)
  })

  test('RFC 9000 §6.1: an unknown version is answered with version negotiation', () => {
    const pair = new Pair({ wire: () => [] })
    const hello = new Uint8Array(1200)
    hello.set([0xc0, 0x0a, 0x1a, 0x2a, 0x3a, 8, 1, 1, 1, 1, 1, 1, 1, 1, 4, 2, 2, 2, 2])
    pair.deliver('server', hello, 100)
    pair.flush()
    const answer = pair.log.find(({ from }) => from === 'server')!.bytes
    expect([...answer.subarray(1, 5)]).toEqual([0, 0, 0, 0])
    expect([...answer.subarray(5, 10)]).toEqual([4, 2, 2, 2, 2])
    const small = hello.slice(0, 1199)
    pair.deliver('server', small, 100)
    pair.flush()
    expect(pair.log.filter(({ from }) => from === 'server').length).toBe(1)
  })

  test('RFC 9000 §8.1.2: Retry proves the address, the token is repeated, and the handshake goes on', () => {
    const pair = new Pair({
      onIncoming: (incoming, self) => {
        if (incoming.validated) self.server.connection = incoming.accept(self.now)
        else incoming.retry(self.now)
      },
    }).connect()
    expect(pair.carries(5000)).toBe(true)
    const header = new PacketHeader()
    const kinds = pair.log.map(({ bytes }) => (parseHeader(bytes, 0, bytes.length, 8, header) ? header.kind : -1))
    expect(kinds.filter((kind) => kind === PacketKind.Retry).length).toBe(1)
    pair.client.connection!.close(0, '', pair.now)
    expectNothingLeft(pair)
  })

  test('RFC 9000 §8.1.3: a Retry token from another address is INVALID_TOKEN', () => {
    const pair = new Pair({
      wire: (datagram) => [datagram],
      onIncoming: (incoming, self) => {
        if (incoming.validated) self.server.connection = incoming.accept(self.now)
        else incoming.retry(self.now)
      },
    })
    let retried = false
    const header = new PacketHeader()
    pair.wire = (datagram) => {
      parseHeader(datagram.bytes, 0, datagram.bytes.length, 8, header)
      if (header.kind === PacketKind.Retry) retried = true
      else if (retried && datagram.from === 'client') datagram.route = 300
      return [datagram]
    }
    pair.until(() => pair.client.of('closed').length > 0)
    expect(pair.client.of('closed')[0]!.reason).toMatchObject({
      kind: 'peer-transport',
      code: ErrorCode.INVALID_TOKEN,
    })
  })

  test('RFC 9000 §20.1: refuse arrives as CONNECTION_REFUSED', () => {
    const pair = new Pair({ onIncoming: (incoming, self) => incoming.refuse(self.now) })
    pair.until(() => pair.client.of('closed').length > 0)
    expect(pair.client.of('closed')[0]!.reason).toMatchObject({
      kind: 'peer-transport',
      code: ErrorCode.CONNECTION_REFUSED,
    })
    expectNothingLeft(pair)
  })

  test('RFC 9001 §4.8: another key than the one dialled is refused with unknown_ca, on both sides', () => {
    const pair = new Pair({ peer: new Uint8Array(32).fill(9) })
    pair.until(() => pair.client.of('closed').length > 0 && pair.server.of('closed').length > 0)
    expect(pair.client.of('closed')[0]!.reason).toMatchObject({ kind: 'local-transport', code: 0x130 })
    expect(pair.server.of('closed')[0]!.reason).toMatchObject({ kind: 'peer-transport', code: 0x130 })
    expectNothingLeft(pair)
  })

  test('RFC 9001 §8.1: no common ALPN ends in no_application_protocol', () => {
    const pair = new Pair({ clientAlpns: [new TextEncoder().encode('other')] })
    pair.until(() => pair.client.of('closed').length > 0)
    expect(pair.client.of('closed')[0]!.reason).toMatchObject({ kind: 'peer-transport', code: 0x178 })
    expectNothingLeft(pair)
  })

  test('RFC 9001 §4.9: once confirmed, Initial and Handshake packets are ignored', () => {
    const pair = new Pair().connect()
    const before = pair.client.events.length
    for (const level of [Level.Initial, Level.Handshake]) forge(pair, 'server', [0x1c, 0x01, 0x00, 0x00], { level })
    expect(pair.client.events.length).toBe(before)
    expect(pair.client.connection!.isClosed).toBe(false)
  })

  test('a handshake flood: beyond the threshold newcomers must prove their address, and little is kept', () => {
    const pair = new Pair({ retryThreshold: 4, onIncoming: () => {}, wire: () => [] })
    pair.flush()
    const source = new Pair({ wire: () => [] })
    for (let seed = 10; seed < 60; seed++) {
      const other = new Pair({ seed, wire: () => [], peer: source.server.engine.publicKey })
      other.flush()
      pair.deliver('server', other.log[0]!.bytes, 100 + seed)
    }
    pair.flush()
    const header = new PacketHeader()
    const answers = pair.log.filter(({ from }) => from === 'server')
    expect(answers.length).toBe(46)
    for (const { bytes } of answers) {
      parseHeader(bytes, 0, bytes.length, 8, header)
      expect(header.kind).toBe(PacketKind.Retry)
    }
    expect(pair.server.engine.leftovers).toBe(4)
  })
})
