import { describe, expect, test } from 'vitest'
import { ErrorCode, type Incoming, Level } from '../../src/quic/index.ts'
import { PacketHeader, PacketKind, parseHeader } from '../../src/quic/wire/header.ts'
import { forge, forged, padded } from './connection/forge.ts'
import { ALPN, Pair } from './connection/pair.ts'

/** A server that decides nothing; what came in. */
function undecided(options: { retryThreshold?: number } = {}): { pair: Pair; incoming: Incoming[] } {
  const incoming: Incoming[] = []
  const pair = new Pair({ ...options, wire: () => [], onIncoming: (one) => incoming.push(one) })
  pair.flush()
  pair.deliver('server', pair.log[0]!.bytes, 100)
  return { pair, incoming }
}

const kindOf = (bytes: Uint8Array) => {
  const header = new PacketHeader()
  return parseHeader(bytes, 0, bytes.length, 8, header) ? header.kind : -1
}

describe('incoming connections', () => {
  test('each is decided once', () => {
    const { pair, incoming } = undecided()
    const [one] = incoming
    expect(one!.isPending).toBe(true)
    expect(one!.route).toBe(100)
    one!.refuse(0)
    expect(one!.isPending).toBe(false)
    for (const again of [() => one!.accept(0), () => one!.refuse(0), () => one!.retry(0), () => one!.ignore()])
      expect(again).toThrow(/already/)
    expect(pair.server.engine.leftovers).toBe(0)
    expect(pair.server.engine.nextIncoming()).toBeUndefined()
  })

  test('copies of the first flight wait with it, no more than eight, and are no second connection', () => {
    const { pair, incoming } = undecided()
    for (let copy = 0; copy < 20; copy++) pair.deliver('server', pair.log[0]!.bytes, 100)
    expect(incoming.length).toBe(1)
    expect(incoming[0]!.datagrams.length).toBe(8)
    expect(incoming[0]!.bufferedBytes).toBe(8 * 1200)
  })

  test('an ignored one leaves nothing and gets no answer', () => {
    const { pair, incoming } = undecided()
    incoming[0]!.ignore()
    pair.flush()
    expect(pair.sentBy('server')).toEqual([])
    expect(pair.server.engine.leftovers).toBe(0)
  })

  test('RFC 9000 §8.1.2: a Retry to an address already proved would tell nothing new', () => {
    const incoming: Incoming[] = []
    const pair = new Pair({
      onIncoming: (one, self) => {
        incoming.push(one)
        if (incoming.length === 1) one.retry(self.now)
      },
    })
    pair.run(100)
    expect(incoming[1]!.validated).toBe(true)
    expect(() => incoming[1]!.retry(pair.now)).toThrow(/validated/)
    // refused in vain: it can still be accepted
    expect(incoming[1]!.isPending).toBe(true)
  })

  test('RFC 9000 §17.2.2: an Initial without CRYPTO data begins nothing', () => {
    const { pair, incoming } = undecided()
    incoming[0]!.ignore()
    const source = pair.log[0]!.bytes
    const header = new PacketHeader()
    parseHeader(source, 0, source.length, 8, header)
    const ids = {
      level: Level.Initial,
      destination: source.slice(header.destinationStart, header.destinationStart + header.destinationLength),
      source: source.slice(header.sourceStart, header.sourceStart + header.sourceLength),
    }
    for (const frames of [[0x01], [0x1c, 0, 0, 0], [0x02, 0, 0, 0, 0, 0x1c, 0, 0, 0], [0x02, 0, 0, 0, 9]])
      forge(pair, 'client', padded(frames, 1160), ids)
    expect(incoming.length).toBe(1)
    expect(pair.sentBy('server')).toEqual([])
    expect(pair.server.engine.leftovers).toBe(0)
  })

  test('RFC 9000 §10.2.2: the last words of a client that was refused begin no new connection', () => {
    let count = 0
    const pair = new Pair({
      onIncoming: (incoming, self) => {
        count++
        incoming.refuse(self.now)
      },
    })
    pair.run(2_000)
    expect(pair.client.of('closed')[0]!.reason).toMatchObject({ code: ErrorCode.CONNECTION_REFUSED })
    expect(count).toBe(1)
  })

  test('RFC 9000 §7.2: a first destination id below 8 bytes is ignored', () => {
    const { pair, incoming } = undecided()
    forge(pair, 'client', padded([0x06, 0, 1, 1], 1170), {
      level: Level.Initial,
      destination: Uint8Array.of(1, 2, 3, 4, 5, 6, 7),
      source: Uint8Array.of(1),
    })
    expect(incoming.length).toBe(1)
  })

  test('RFC 9000 §5.2.2: a node that takes no connections answers nobody', () => {
    const pair = new Pair({ wire: () => [] })
    pair.flush()
    const other = new Pair({ seed: 3, wire: () => [] })
    other.flush()
    const hello = other.log[0]!.bytes
    pair.deliver('client', hello, 100)
    const unknown = hello.slice()
    unknown[1] = 0x7a
    pair.deliver('client', unknown, 100)
    pair.flush()
    expect(pair.sentBy('client').length).toBe(1)
    expect(pair.client.engine.nextIncoming()).toBeUndefined()
  })

  test('RFC 9000 §6.1: version negotiation and Retry packets are never answered', () => {
    const pair = new Pair({ wire: () => [] })
    const first = [8, 1, 1, 1, 1, 1, 1, 1, 1, 4, 2, 2, 2, 2]
    pair.deliver('server', padded([0xc0, 0, 0, 0, 0, ...first], 1200), 100)
    pair.deliver('server', padded([0xf0, 0, 0, 0, 1, ...first], 1200), 100)
    pair.deliver('server', padded([0x80, 0x7a, 1, 1, 1, ...first], 1200), 100)
    pair.flush()
    // RFC 8999 §5: of another version we know no fixed bit
    expect(pair.sentBy('server').map(({ bytes }) => kindOf(bytes))).toEqual([PacketKind.VersionNegotiation])
  })

  test('junk of any length is dropped', () => {
    const pair = new Pair({ wire: () => [] })
    let state = 1
    for (let length = 1; length < 1_400; length += 3) {
      const junk = new Uint8Array(length)
      for (let index = 0; index < length; index++) junk[index] = state = (state * 75 + 74) % 65_537
      junk[0] = junk[0]! | 0x80
      pair.deliver('server', junk, 100)
    }
    pair.flush()
    expect(pair.server.engine.connections.size).toBe(0)
    expect(pair.server.engine.leftovers).toBe(0)
    expect(pair.server.slots.inUse).toBe(0)
  })
})

describe('an engine that closes', () => {
  test('gives everything back, says nothing and takes nothing more', () => {
    const pair = new Pair().connect()
    expect(pair.carries(10_000)).toBe(true)
    const index = pair.log.length
    pair.server.engine.close()
    pair.server.engine.close()
    pair.flush()
    expect(pair.sentBy('server', index)).toEqual([])
    expect(pair.server.engine.connections.size).toBe(0)
    expect(pair.server.engine.leftovers).toBe(0)
    expect(pair.server.of('closed').length).toBe(1)
    expect(pair.server.of('drained').length).toBe(1)
    pair.deliver('server', pair.log[0]!.bytes, 100)
    expect(pair.server.engine.nextIncoming()).toBeUndefined()
    expect(() => pair.server.engine.connect({ peer: new Uint8Array(32), alpns: [ALPN], route: 1, now: 0 })).toThrow(
      /closed/,
    )
    pair.client.engine.close()
    expect(pair.crypto.liveKeys).toBe(0)
  })

  test('an undecided connection can no longer be accepted', () => {
    const { pair, incoming } = undecided()
    pair.server.engine.close()
    expect(() => incoming[0]!.accept(0)).toThrow(/already/)
    pair.client.engine.close()
    expect(pair.crypto.liveKeys).toBe(0)
  })

  test('connections that are closing or draining go as well', () => {
    const pair = new Pair().connect()
    pair.client.connection!.close(0, '', pair.now)
    pair.run(15)
    pair.client.engine.close()
    pair.server.engine.close()
    pair.flush()
    for (const node of [pair.client, pair.server]) {
      expect(node.of('drained').length).toBe(1)
      expect(node.engine.leftovers).toBe(0)
    }
    expect(pair.crypto.liveKeys).toBe(0)
  })
})

describe('connections of an engine', () => {
  test('several live side by side, and each datagram finds its own', () => {
    const pair = new Pair({ retryThreshold: 100 })
    const connections = [pair.client.connection!]
    for (let count = 0; count < 4; count++) {
      pair.dial()
      connections.push(pair.client.connection!)
    }
    pair.run(200)
    expect(pair.client.engine.connections.size).toBe(5)
    expect(pair.server.engine.connections.size).toBe(5)
    expect(connections.every((connection) => connection.isConfirmed)).toBe(true)
    expect(new Set(connections.map(({ handle }) => handle)).size).toBe(5)
    connections[2]!.close(1, '', pair.now)
    pair.run(2_000)
    expect(pair.client.engine.connections.size).toBe(4)
    expect(pair.server.engine.connections.size).toBe(4)
  })

  test('RFC 9000 §5.2: a packet under the keys of another connection is dropped', () => {
    const pair = new Pair().connect()
    const packet = forged(pair, 'client', [0x01, 0, 0])
    const other = new Pair({ seed: 9 }).connect()
    const received = other.server.tap.received.length
    other.deliver('server', packet, 100)
    expect(other.server.tap.received.length).toBe(received)
    expect(other.server.connection!.isClosed).toBe(false)
  })
})
