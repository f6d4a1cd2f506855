import { describe, expect, test } from 'vitest'
import { Level } from '../../../src/quic/index.ts'
import { PacketHeader, PacketKind, parseHeader } from '../../../src/quic/wire/header.ts'
import { forge, forged, padded } from './forge.ts'
import { type Datagram, frameTypes, Pair, pattern } from './pair.ts'

function kindOf(bytes: Uint8Array): number {
  const header = new PacketHeader()
  return parseHeader(bytes, 0, bytes.length, 8, header) ? header.kind : -1
}

function concat(...pieces: Uint8Array[]): Uint8Array {
  return Uint8Array.from(pieces.flatMap((piece) => [...piece]))
}

/** The first datagrams of a handshake whose wire does nothing by itself. */
function byHand(): { pair: Pair; take: (from: 'client' | 'server') => Datagram[] } {
  const pair = new Pair({ wire: () => [] })
  let seen = 0
  const take = (from: 'client' | 'server') => {
    pair.flush()
    const fresh = pair.log.slice(seen).filter((datagram) => datagram.from === from)
    seen = pair.log.length
    return fresh
  }
  return { pair, take }
}

/** Client and server have exchanged everything but the client's last flight, which is returned. */
function beforeFinished(): { pair: Pair; last: Datagram[]; take: (from: 'client' | 'server') => Datagram[] } {
  const { pair, take } = byHand()
  for (const { bytes } of take('client')) pair.deliver('server', bytes, 100)
  for (const { bytes } of take('server')) pair.deliver('client', bytes, 100)
  const last = take('client')
  expect(pair.client.of('connected').length).toBe(1)
  return { pair, last, take }
}

describe('packets before their keys', () => {
  test('RFC 9001 §5.7: 1-RTT packets that overtake the Finished wait for it', () => {
    const { pair, last, take } = beforeFinished()
    const stream = pair.client.connection!.streams.open(true)
    pair.client.connection!.streams.write(stream, pattern(100), 0, 100)
    const early = take('client')
    expect(early.length).toBe(1)
    pair.deliver('server', early[0]!.bytes, 100)
    expect(pair.server.of('stream-incoming')).toEqual([])
    expect(pair.server.tap.received.filter(({ level }) => level === Level.OneRtt)).toEqual([])
    for (const { bytes } of last) pair.deliver('server', bytes, 100)
    const order = pair.server.events.map(({ type }) => type)
    expect(order.indexOf('connected')).toBe(0)
    expect(order).toContain('stream-incoming')
  })

  test('RFC 9001 §5.7: no more than 16 early packets are kept', () => {
    const { pair, last, take } = beforeFinished()
    const { streams } = pair.client.connection!
    const early: Uint8Array[] = []
    for (let index = 0; index < 20; index++) {
      const stream = streams.open(false)
      streams.write(stream, pattern(10), 0, 10)
      early.push(...take('client').map(({ bytes }) => bytes))
    }
    expect(early.length).toBe(20)
    for (const bytes of early) pair.deliver('server', bytes, 100)
    for (const { bytes } of last) pair.deliver('server', bytes, 100)
    expect(frameTypes(pair.server.tap.received).filter((type) => type === 'stream').length).toBe(16)
  })

  test('RFC 9000 §5.2.1: Handshake packets that overtake the ServerHello wait for it', () => {
    const { pair, take } = byHand()
    for (const { bytes } of take('client')) pair.deliver('server', bytes, 100)
    const header = new PacketHeader()
    const split: Uint8Array[] = []
    for (const { bytes } of take('server')) {
      for (let at = 0; at < bytes.length && parseHeader(bytes, at, bytes.length, 8, header); at = header.end)
        split.push(bytes.slice(at, header.end))
    }
    const initials = split.filter((bytes) => kindOf(bytes) === PacketKind.Initial)
    const handshakes = split.filter((bytes) => kindOf(bytes) === PacketKind.Handshake)
    expect(handshakes.length).toBeGreaterThan(0)
    for (const bytes of handshakes) pair.deliver('client', bytes, 100)
    expect(pair.client.tap.received).toEqual([])
    for (const bytes of initials) pair.deliver('client', bytes, 100)
    expect(pair.client.of('connected').length).toBe(1)
  })

  test('RFC 9001 §5.7: a server sends no 1-RTT packets before the handshake is complete', () => {
    const { pair } = beforeFinished()
    expect(pair.server.tap.sent.every(({ level }) => level !== Level.OneRtt)).toBe(true)
  })
})

describe('packets that are dropped', () => {
  test('spec §1.7: 0-RTT packets are dropped quietly', () => {
    const { pair, last } = beforeFinished()
    const zeroRtt = forged(pair, 'client', padded([0x01], 100), { level: Level.Handshake })
    zeroRtt[0] = (zeroRtt[0]! & 0xcf) | 0x10
    expect(kindOf(zeroRtt)).toBe(PacketKind.ZeroRtt)
    pair.deliver('server', zeroRtt, 100)
    for (const { bytes } of last) pair.deliver('server', bytes, 100)
    expect(pair.server.of('connected').length).toBe(1)
    pair.deliver('server', zeroRtt, 100)
    expect(pair.server.connection!.isClosed).toBe(false)
  })

  test('RFC 9000 §12.3: a packet that comes twice is processed once', () => {
    const pair = new Pair().connect().cut()
    const packet = forged(pair, 'client', [0x08, 0, 1, 2, 3])
    for (let copy = 0; copy < 3; copy++) pair.deliver('server', packet, 100)
    expect(pair.server.of('stream-incoming').length).toBe(1)
    expect(pair.server.tap.received.at(-1)!.frames).toMatchObject([{ frame_type: 'stream', length: 3 }])
    expect(pair.server.tap.received.filter(({ frames }) => frames[0]!.frame_type === 'stream').length).toBe(1)
  })

  test('RFC 9001 §5.5: a packet that does not open changes nothing', () => {
    const pair = new Pair().connect().cut()
    const packet = forged(pair, 'client', [0x01, 0, 0, 0])
    const before = JSON.stringify(pair.server.connection!.stats())
    for (let at = 9; at < packet.length; at++) {
      const damaged = packet.slice()
      damaged[at] = damaged[at]! ^ 0x40
      pair.deliver('server', damaged, 100)
    }
    pair.flush()
    expect(pair.server.tap.dropped.length).toBe(packet.length - 9)
    const after = pair.server.connection!.stats()
    expect({ ...after, paths: undefined }).toEqual({ ...JSON.parse(before), paths: undefined })
    expect(pair.server.connection!.isClosed).toBe(false)
    // its number is still free
    pair.deliver('server', packet, 100)
    expect(pair.server.tap.received.at(-1)!.frames[0]).toEqual({ frame_type: 'ping' })
  })

  test('RFC 9000 §12.2: coalesced packets with another destination id are dropped', () => {
    const pair = new Pair().connect().cut()
    const mine = forged(pair, 'client', padded([0x01], 30), { level: Level.Handshake })
    const stream = forged(pair, 'client', [0x08, 0, 1, 2, 3])
    const foreign = stream.slice()
    foreign[1] = foreign[1]! ^ 1
    pair.deliver('server', concat(mine, foreign), 100)
    expect(pair.server.of('stream-incoming')).toEqual([])
    pair.deliver('server', concat(mine, stream), 100)
    expect(pair.server.of('stream-incoming').length).toBe(1)
  })

  test('RFC 9000 §12.2: a coalesced packet that does not open does not spoil the next', () => {
    const { pair, last } = beforeFinished()
    const bad = forged(pair, 'client', padded([0x01], 60), { level: Level.Handshake })
    bad[bad.length - 1] = bad[bad.length - 1]! ^ 1
    for (const { bytes } of last) pair.deliver('server', concat(bad, bytes), 100)
    expect(pair.server.of('connected').length).toBe(1)
  })

  test('RFC 9000 §17.2: packets without the fixed bit are dropped, first or coalesced', () => {
    const { pair, last } = beforeFinished()
    const kinds = last.map(({ bytes }) => kindOf(bytes))
    expect(kinds).toContain(PacketKind.Initial)
    const header = new PacketHeader()
    for (const { bytes } of last) {
      const copy = bytes.slice()
      for (let at = 0; at < copy.length && parseHeader(copy, at, copy.length, 8, header); at = header.end)
        if (header.kind === PacketKind.Handshake) copy[at] = copy[at]! & 0xbf
      pair.deliver('server', copy, 100)
    }
    // authentic it would not be, since the bit is part of what is sealed; nobody even tried
    expect(pair.server.tap.dropped).toEqual([])
    expect(pair.server.of('connected')).toEqual([])
    for (const { bytes } of last) pair.deliver('server', bytes, 100)
    expect(pair.server.of('connected').length).toBe(1)
  })

  test('RFC 9000 §14.1: later Initials, too, are dropped from datagrams below 1200 bytes', () => {
    const pair = new Pair({ wire: () => [] })
    pair.flush()
    pair.deliver('server', pair.log[0]!.bytes, 100)
    pair.flush()
    const received = pair.server.tap.received.length
    forge(pair, 'client', padded([0x01], 1000), { level: Level.Initial })
    expect(pair.server.tap.received.length).toBe(received)
    forge(pair, 'client', padded([0x01], 1160), { level: Level.Initial })
    expect(pair.server.tap.received.length).toBe(received + 1)
  })

  test('RFC 9000 §17.2.2: a client drops Initials with a token', () => {
    const { pair, take } = byHand()
    for (const { bytes } of take('client')) pair.deliver('server', bytes, 100)
    take('server')
    const options = { level: Level.Initial, destination: sourceOf(pair.log[0]!.bytes) }
    forge(pair, 'server', padded([0x01], 1100), { ...options, token: Uint8Array.of(1) })
    expect(pair.client.tap.received).toEqual([])
    forge(pair, 'server', padded([0x01], 1100), options)
    expect(pair.client.tap.received.length).toBe(1)
  })

  test('RFC 9000 §7.2: packets with another source id than the first are dropped', () => {
    const { pair, take } = byHand()
    for (const { bytes } of take('client')) pair.deliver('server', bytes, 100)
    const flight = take('server')
    const destination = sourceOf(pair.log[0]!.bytes)
    pair.deliver('client', flight[0]!.bytes, 100)
    const received = pair.client.tap.received.length
    forge(pair, 'server', padded([0x01], 1100), { level: Level.Initial, destination, source: Uint8Array.of(9, 9, 9) })
    expect(pair.client.tap.received.length).toBe(received)
    expect(pair.client.connection!.isClosed).toBe(false)
    for (const { bytes } of flight.slice(1)) pair.deliver('client', bytes, 100)
    expect(pair.client.of('connected').length).toBe(1)
  })
})

function sourceOf(bytes: Uint8Array): Uint8Array {
  const header = new PacketHeader()
  parseHeader(bytes, 0, bytes.length, 8, header)
  return bytes.slice(header.sourceStart, header.sourceStart + header.sourceLength)
}

describe('packets that are sent', () => {
  test('RFC 9000 §12.2: in a datagram Initial comes before Handshake and that before 1-RTT', () => {
    const pair = new Pair()
    // with data waiting, 1-RTT rides along with the client's Finished
    pair.until(() => pair.client.of('connected').length > 0)
    const order = pair.log.map(({ packets }) => packets.map(({ level }) => level))
    expect(order.some((levels) => levels.length > 1)).toBe(true)
    for (const levels of order) expect(levels).toEqual([...levels].sort((left, right) => left - right))
  })

  test('RFC 9001 §4.9.1: the client sends no Initial after its first Handshake packet', () => {
    const pair = new Pair().connect()
    for (const side of [pair.client, pair.server]) {
      const levels = side.tap.sent.map(({ level }) => level)
      expect(levels.lastIndexOf(Level.Initial)).toBeLessThan(levels.lastIndexOf(Level.Handshake))
    }
    const levels = pair.client.tap.sent.map(({ level }) => level)
    expect(levels.lastIndexOf(Level.Initial)).toBeLessThanOrEqual(levels.indexOf(Level.Handshake))
  })

  test('RFC 9000 §12.3: no packet number is used twice in a space', () => {
    const pair = new Pair().connect()
    expect(pair.carries(300_000)).toBe(true)
    for (const side of [pair.client, pair.server]) {
      for (const level of [Level.Initial, Level.Handshake, Level.OneRtt]) {
        const numbers = side.tap.sent.filter((packet) => packet.level === level).map((packet) => packet.packetNumber)
        expect(new Set(numbers).size).toBe(numbers.length)
      }
    }
  })

  test('RFC 9000 §17.2.5.3: after a Retry the packet numbers go on', () => {
    const pair = new Pair({
      onIncoming: (incoming, self) => {
        if (incoming.validated) self.server.connection = incoming.accept(self.now)
        else incoming.retry(self.now)
      },
    }).connect()
    const initials = pair.client.tap.sent.filter(({ level }) => level === Level.Initial)
    expect(initials[0]!.packetNumber).toBe(0)
    expect(initials[1]!.packetNumber).toBe(1)
    const hellos = initials.map(({ frames }) => frames.find(({ frame_type }) => frame_type === 'crypto'))
    expect(hellos[1]).toEqual(hellos[0])
  })

  test('RFC 9000 §8.1.2: a client that dials several addresses answers a Retry where it came from only', () => {
    const pair = new Pair({
      routes: [100, 200],
      wire: (datagram) => (datagram.from === 'client' && datagram.route === 100 ? [] : [datagram]),
      onIncoming: (incoming, self) => {
        if (incoming.validated) self.server.connection = incoming.accept(self.now)
        else incoming.retry(self.now)
      },
    })
    pair.until(() => pair.sentBy('server').length > 0)
    // the way of the other copy opens, late
    pair.wire = (datagram) => [datagram]
    pair.connect()
    expect(pair.client.connection!.route).toBe(200)
  })
})
