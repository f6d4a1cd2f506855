import { describe, expect, test } from 'vitest'
import { PacketHeader, parseHeader } from '../../../src/quic/wire/header.ts'
import { forge, padded } from './forge.ts'
import { type Datagram, frameTypes, Pair, type PairOptions, pattern } from './pair.ts'

const CHALLENGE = [0x1a, 1, 2, 3, 4, 5, 6, 7, 8]
const quiet: PairOptions = { client: { keepAliveMs: 0 }, server: { keepAliveMs: 0 } }

/** Confirmed, MTU found, nothing under way. */
function settled(options: PairOptions = quiet): Pair {
  const pair = new Pair(options).connect()
  pair.run(1_000)
  return pair
}

/** From now on the server sees the client at `route`; what it sends elsewhere is lost. */
function rebind(pair: Pair, route: number): void {
  pair.wire = (datagram) => {
    if (datagram.from === 'client') return [{ ...datagram, route }]
    return datagram.route === route ? [{ ...datagram, route: 100 }] : []
  }
}

const bytesTo = (datagrams: readonly Datagram[], route: number) =>
  datagrams.filter((datagram) => datagram.route === route).reduce((sum, { bytes }) => sum + bytes.length, 0)

const holding = (datagrams: readonly Datagram[], type: string) =>
  datagrams.filter(({ packets }) => frameTypes(packets).includes(type))

function destinationOf(bytes: Uint8Array): string {
  const header = new PacketHeader()
  parseHeader(bytes, 0, bytes.length, 8, header)
  return bytes.slice(header.destinationStart, header.destinationStart + header.destinationLength).join()
}

const migrated = (pair: Pair) => pair.server.of('path-migrated').map(({ route }) => route)

describe('a client that moves', () => {
  test('RFC 9000 §9.3: the server follows a client whose port changed; RTT and window stay', () => {
    const pair = settled()
    expect(pair.carries(200_000)).toBe(true)
    pair.run(100)
    const before = pair.server.connection!.paths()[0]!
    rebind(pair, 150)
    expect(pair.carries(50_000)).toBe(true)
    pair.run(200)
    expect(migrated(pair)).toEqual([150])
    expect(pair.server.of('path-validated').map(({ route }) => route)).toEqual([150])
    const after = pair.server.connection!.paths()[0]!
    expect(after.route).toBe(150)
    expect(after.validated).toBe(true)
    expect(after.minRttMs).toBe(before.minRttMs)
    expect(after.congestionWindow).toBeGreaterThanOrEqual(before.congestionWindow)
  })

  test('RFC 9000 §9.4: on another host RTT, window and datagram size begin anew', () => {
    const pair = settled()
    expect(pair.server.connection!.paths()[0]!.mtu).toBe(1452)
    rebind(pair, 200)
    pair.client.connection!.ping()
    pair.until(() => migrated(pair).length > 0)
    const path = pair.server.connection!.paths()[0]!
    expect(path).toMatchObject({ route: 200, validated: false, minRttMs: 0, mtu: 1200, congestionWindow: 12_000 })
    pair.run(500)
    // RFC 9002 §6.2: the answer to the challenge is the first sample
    expect(pair.server.connection!.paths()[0]!).toMatchObject({ route: 200, validated: true, minRttMs: 20, mtu: 1452 })
  })

  test('RFC 9000 §9.3: packets that only probe move nothing, but are answered where they came from', () => {
    const pair = settled().cut()
    const index = pair.log.length
    forge(pair, 'client', padded(CHALLENGE, 1180), { route: 200 })
    expect(pair.server.connection!.route).toBe(100)
    const [answer] = holding(pair.sentBy('server', index), 'path_response')
    expect(answer!.route).toBe(200)
    expect(answer!.bytes.length).toBe(1200)
    expect(answer!.packets[0]!.frames[0]).toEqual({ frame_type: 'path_response', data: '0102030405060708' })
    expect(migrated(pair)).toEqual([])
  })

  test('RFC 9000 §9.3: an older packet from another address moves nothing', () => {
    const pair = settled()
    let held: Datagram | undefined
    pair.wire = (datagram) => {
      if (datagram.from !== 'client' || held !== undefined) return [datagram]
      held = datagram
      return []
    }
    pair.client.connection!.ping()
    pair.flush()
    pair.client.connection!.ping()
    pair.run(15)
    pair.deliver('server', held!.bytes, 200)
    expect(pair.server.connection!.route).toBe(100)
    expect(migrated(pair)).toEqual([])
  })

  test('RFC 9000 §9: before the handshake is confirmed nobody moves', () => {
    const pair = new Pair({ wire: (datagram) => [datagram] })
    pair.wire = (datagram) =>
      // the client's second flight seems to come from elsewhere
      datagram.from === 'client' && pair.sentBy('client').length > 1 ? [{ ...datagram, route: 200 }] : [datagram]
    pair.run(500)
    expect(pair.server.of('connected')).toEqual([])
    expect(pair.server.connection!.route).toBe(100)
  })

  test('RFC 9000 §9.5: after a migration both sides use new ids and retire the old ones', () => {
    const pair = settled()
    const index = pair.log.length
    const old = {
      client: destinationOf(pair.sentBy('client').at(-1)!.bytes),
      server: destinationOf(pair.sentBy('server').at(-1)!.bytes),
    }
    pair.client.connection!.migrate(200, pair.now)
    pair.run(500)
    expect(pair.server.connection!.route).toBe(200)
    for (const side of ['client', 'server'] as const) {
      const sent = pair.sentBy(side, index).filter(({ route }) => route === 200)
      expect(sent.length).toBeGreaterThan(0)
      expect(sent.map(({ bytes }) => destinationOf(bytes))).not.toContain(old[side])
      expect(frameTypes(pair[side].tap.sent)).toContain('retire_connection_id')
    }
    // and what was retired is replaced
    expect(pair.client.tap.sent.flatMap(({ frames }) => frames)).toContainEqual(
      expect.objectContaining({ frame_type: 'new_connection_id', sequence_number: 5 }),
    )
  })

  test('RFC 9000 §9.2: a client moves its connection in the middle of a transfer', () => {
    const pair = settled({ trace: () => undefined })
    const stream = pair.client.connection!.streams.open(false)
    const data = pattern(400_000)
    let sent = 0
    let got = 0
    let moved = false
    pair.until(() => {
      if (sent < data.length) sent += pair.client.connection!.streams.write(stream, data, sent, data.length)
      if (sent === data.length) {
        pair.client.connection!.streams.finish(stream)
        sent++
      }
      if (!moved && got > 100_000) {
        pair.client.connection!.migrate(200, pair.now)
        moved = true
      }
      pair.server.connection!.streams.accept(false)
      for (;;) {
        const result =
          got === 0 && pair.server.of('stream-incoming').length === 0
            ? 'empty'
            : pair.server.connection!.streams.read(stream, 65_536)
        if (result === 'fin') return true
        if (result === 'empty') return false
        if (result.kind === 'reset') throw new Error('reset')
        for (const byte of result.bytes) if (byte !== data[got++]) throw new Error(`wrong byte at ${got - 1}`)
      }
    })
    expect(got).toBe(data.length)
    expect(pair.server.connection!.route).toBe(200)
    expect(pair.client.connection!.paths()[0]!.validated).toBe(true)
  })

  test('RFC 9000 §9.2: a client whose new way is dead goes back to the old one', () => {
    const pair = settled()
    pair.wire = (datagram) => (datagram.route === 200 ? [] : [datagram])
    pair.client.connection!.migrate(200, pair.now)
    pair.run(5_000)
    expect(pair.client.of('path-migrated').map(({ route }) => route)).toEqual([200, 100])
    expect(pair.carries(20_000)).toBe(true)
  })

  test('RFC 9000 §9: only a client migrates, after the handshake, and with a fresh id', () => {
    const early = new Pair({ wire: () => [] })
    expect(() => early.client.connection!.migrate(200, 0)).toThrow(/confirmed/)
    const pair = new Pair({ ...quiet, client: { keepAliveMs: 0, activeConnectionIdLimit: 2 } }).connect()
    expect(() => pair.server.connection!.migrate(200, pair.now)).toThrow(/client/)
    pair.run(500)
    pair.cut()
    pair.client.connection!.migrate(200, pair.now)
    expect(() => pair.client.connection!.migrate(300, pair.now)).toThrow(/spare/)
    pair.client.connection!.migrate(200, pair.now)
  })
})

describe('an attacker', () => {
  test('RFC 9000 §9.3.3: who gets ahead with a copy moves the path until the client’s next packet', () => {
    const pair = settled()
    pair.client.connection!.ping()
    pair.flush()
    pair.deliver('server', pair.sentBy('client').at(-1)!.bytes, 300)
    expect(pair.server.connection!.route).toBe(300)
    pair.run(15)
    pair.client.connection!.ping()
    pair.run(50)
    expect(migrated(pair)).toEqual([300, 100])
    expect(pair.carries(20_000)).toBe(true)
  })

  test('RFC 9000 §9.3.3: the challenge on the old path brings the client’s answer, and the server back', () => {
    const pair = settled()
    // the client's ACK comes from the attacker, and nothing gets through to him; the client has nothing more to say
    const index = pair.log.length
    pair.server.connection!.ping()
    pair.wire = (datagram) => (datagram.from === 'client' ? [{ ...datagram, route: 300 }] : [datagram])
    pair.until(() => migrated(pair).length > 0)
    pair.wire = (datagram) => (datagram.route === 300 ? [] : [datagram])
    expect(pair.server.connection!.route).toBe(300)
    pair.run(100)
    expect(holding(pair.sentBy('client', index), 'path_response').length).toBeGreaterThan(0)
    expect(migrated(pair)).toEqual([300, 100])
    expect(pair.server.connection!.isClosed).toBe(false)
    expect(pair.carries(20_000)).toBe(true)
  })

  test('RFC 9000 §9.3.2: validation fails on both ways: back to the old one, until the idle timeout', () => {
    const pair = settled().cut()
    forge(pair, 'client', [0x01, 0, 0], { route: 300 })
    pair.run(2_900)
    // RFC 9000 §8.2.4: three PTO of a path not yet measured
    expect(pair.server.connection!.route).toBe(300)
    pair.run(3_000)
    expect(pair.server.connection!.isClosed).toBe(false)
    expect(pair.server.connection!.route).toBe(100)
    pair.run(30_000)
    expect(pair.server.of('closed')[0]!.reason).toEqual({ kind: 'idle-timeout' })
  })

  test('RFC 9000 §9.3.1: an address not yet validated gets no more than three times what came from it', () => {
    const pair = settled()
    const { streams } = pair.server.connection!
    pair.cut()
    const stream = streams.open(false)
    streams.write(stream, pattern(200_000), 0, 200_000)
    const index = pair.log.length
    // sent already, to the old address
    forge(pair, 'client', padded([0x01], 200), { route: 300 })
    pair.run(2_500)
    const received = 200 + 13 + 16
    expect(bytesTo(pair.sentBy('server', index), 300)).toBeGreaterThan(received)
    expect(bytesTo(pair.sentBy('server', index), 300)).toBeLessThanOrEqual(3 * received)
  })

  test('RFC 9000 §21.3: many challenges in one datagram do not multiply what an address gets', () => {
    const pair = settled().cut()
    const index = pair.log.length
    forge(pair, 'client', Array.from({ length: 100 }, () => CHALLENGE).flat(), { route: 300 })
    pair.run(1_000)
    expect(bytesTo(pair.sentBy('server', index), 300)).toBeLessThanOrEqual(3 * 930)
    // and those that also move the path
    forge(pair, 'client', [0x01, ...Array.from({ length: 20 }, () => CHALLENGE).flat()], { route: 400 })
    pair.run(1_000)
    expect(bytesTo(pair.sentBy('server', index), 400)).toBeLessThanOrEqual(3 * (181 + 13 + 16))
  })

  test('RFC 9000 §5.2: a client takes nothing from another address once the handshake is done', () => {
    const pair = settled().cut()
    const received = pair.client.tap.received.length
    forge(pair, 'server', [0x01, 0, 0], { route: 200 })
    expect(pair.client.tap.received.length).toBe(received)
    expect(pair.client.connection!.route).toBe(100)
  })
})

describe('path validation', () => {
  test('RFC 9000 §8.2.2: a challenge on the path in use is answered there, in 1200 bytes', () => {
    const pair = settled().cut()
    const index = pair.log.length
    forge(pair, 'server', [...CHALLENGE, 0x01])
    const [answer] = holding(pair.sentBy('client', index), 'path_response')
    expect(answer).toMatchObject({ route: 100 })
    expect(answer!.bytes.length).toBe(1200)
    // once for each challenge
    pair.run(3_000)
    expect(holding(pair.sentBy('client', index), 'path_response').length).toBe(1)
  })

  test('RFC 9000 §8.2.1: a challenge that had to be small is repeated in 1200 bytes when that is allowed', () => {
    const pair = settled()
    const index = pair.log.length
    rebind(pair, 200)
    pair.client.connection!.ping()
    pair.run(300)
    const sizes = holding(pair.sentBy('server', index), 'path_challenge')
      .filter(({ route }) => route === 200)
      .map(({ bytes }) => bytes.length)
    expect(sizes[0]).toBeLessThan(200)
    expect(sizes.at(-1)).toBe(1200)
    expect(pair.server.of('path-validated').length).toBe(1)
    expect(pair.server.connection!.paths()[0]!.validated).toBe(true)
  })

  test('RFC 9000 §13.3: a repeated challenge has new data', () => {
    const pair = settled().cut()
    const index = pair.log.length
    forge(pair, 'client', padded([0x01], 1180), { route: 300 })
    pair.run(2_500)
    const data = pair
      .sentBy('server', index)
      .filter(({ route }) => route === 300)
      .flatMap(({ packets }) => packets.flatMap(({ frames }) => frames))
      .filter(({ frame_type }) => frame_type === 'path_challenge')
      .map((frame) => frame.data)
    expect(data.length).toBeGreaterThan(1)
    expect(new Set(data).size).toBe(data.length)
  })

  test('RFC 9000 §8.2.3: an acknowledgement validates nothing', () => {
    const pair = settled()
    const drop = (datagram: Datagram) => frameTypes(datagram.packets).includes('path_response')
    pair.wire = (datagram) => {
      if (datagram.from === 'client') return drop(datagram) ? [] : [{ ...datagram, route: 200 }]
      return datagram.route === 200 ? [{ ...datagram, route: 100 }] : []
    }
    pair.client.connection!.ping()
    pair.run(1_000)
    expect(frameTypes(pair.client.tap.received)).toContain('path_challenge')
    expect(pair.server.connection!.paths()[0]!).toMatchObject({ route: 200, validated: false })
    expect(pair.server.of('path-validated')).toEqual([])
  })
})
