import { describe, expect, test } from 'vitest'
import { ErrorCode, Level } from '../../../src/quic/index.ts'
import { forge, forged, padded } from './forge.ts'
import { type Datagram, frameTypes, Pair, pattern } from './pair.ts'

const closes = (datagrams: readonly Datagram[]) =>
  datagrams.filter(({ packets }) => frameTypes(packets).includes('connection_close'))

describe('idle timeout', () => {
  test('RFC 9000 §10.1: the smaller of both sides counts, and nobody says a word', () => {
    const quiet = { keepAliveMs: 0 }
    const pair = new Pair({ client: { ...quiet, maxIdleTimeoutMs: 4_000 }, server: quiet }).connect()
    pair.run(200)
    const since = pair.now
    const sent = pair.log.length
    pair.until(() => pair.client.of('drained').length > 0 && pair.server.of('drained').length > 0)
    for (const node of [pair.client, pair.server])
      expect(node.of('closed')[0]!.reason).toEqual({ kind: 'idle-timeout' })
    expect(pair.now - since).toBeGreaterThan(3_700)
    expect(pair.now - since).toBeLessThanOrEqual(4_000)
    expect(pair.log.length).toBe(sent)
  })

  test('RFC 9000 §10.1: never less than three PTO', () => {
    const settings = { keepAliveMs: 0, maxIdleTimeoutMs: 10 }
    const pair = new Pair({ delayMs: 100, client: settings, server: settings }).connect()
    pair.run(1)
    const since = pair.now
    pair.until(() => pair.client.of('closed').length > 0)
    // a PTO is a round trip at least
    expect(pair.now - since).toBeGreaterThan(3 * 200)
  })

  test('RFC 9000 §10.1.2: keep-alive holds an idle connection open', () => {
    const pair = new Pair().connect()
    pair.run(60_000)
    expect(pair.client.connection!.isClosed).toBe(false)
    expect(pair.server.connection!.isClosed).toBe(false)
    // one side's PING and its ACK spare the other side its own
    const pings = frameTypes([...pair.client.tap.sent, ...pair.server.tap.sent]).filter(
      (type) => type === 'ping',
    ).length
    expect(pings).toBeGreaterThanOrEqual(10)
    expect(pings).toBeLessThanOrEqual(24)
  })

  test('RFC 9000 §10.1: what we send puts the timeout off once, not again and again', () => {
    const quiet = { keepAliveMs: 0, maxIdleTimeoutMs: 4_000 }
    const pair = new Pair({ client: quiet, server: quiet }).connect()
    pair.run(300)
    pair.cut()
    const since = pair.now
    pair.run(3_000)
    pair.client.connection!.ping()
    pair.run(2_000)
    expect(pair.client.of('closed')).toEqual([])
    pair.client.connection!.ping()
    pair.until(() => pair.client.of('closed').length > 0)
    expect(pair.now - since).toBeLessThanOrEqual(7_100)
  })
})

describe('closing', () => {
  test('RFC 9000 §10.2.1: while closing, packets are answered at powers of two', () => {
    const pair = new Pair().connect().cut()
    pair.client.connection!.close(7, 'done', pair.now)
    pair.flush()
    expect(closes(pair.sentBy('client')).length).toBe(1)
    for (let count = 0; count < 20; count++) forge(pair, 'server', [0x01, 0, 0])
    // 1, 2, 4, 8, 16
    expect(closes(pair.sentBy('client')).length).toBe(6)
    expect(frameTypes(pair.client.tap.sent).filter((type) => type === 'connection_close').length).toBe(6)
  })

  test('RFC 9000 §10.2: three PTO later the connection is gone, and so is its id', () => {
    const pair = new Pair().connect().cut()
    pair.run(100)
    const since = pair.now
    pair.client.connection!.close(7, 'done', pair.now)
    pair.until(() => pair.client.of('drained').length > 0)
    // round trip 20 ms, peer's max_ack_delay 25 ms
    expect(pair.now - since).toBeGreaterThanOrEqual(3 * 45)
    expect(pair.now - since).toBeLessThan(1_000)
    expect(pair.client.engine.leftovers).toBe(0)
  })

  test('RFC 9000 §10.2.2: a draining endpoint answers once and then sends nothing', () => {
    const pair = new Pair().connect()
    pair.run(500)
    const index = pair.log.length
    pair.client.connection!.close(7, 'done', pair.now)
    pair.run(15)
    expect(pair.server.of('closed')[0]!.reason).toEqual({ kind: 'peer-application', code: 7, reason: 'done' })
    expect(pair.sentBy('server', index).length).toBe(1)
    expect(pair.sentBy('server', index)[0]!.packets[0]!.frames.at(-1)).toMatchObject({
      frame_type: 'connection_close',
      error_space: 'transport',
      error_code: ErrorCode.NO_ERROR,
    })
    pair.cut()
    for (let count = 0; count < 4; count++) forge(pair, 'client', [0x01, 0, 0])
    pair.server.connection!.ping()
    pair.flush()
    expect(pair.sentBy('server', index).length).toBe(1)
  })

  test('RFC 9000 §10.2.1: both sides close at once: each says so once', () => {
    const pair = new Pair().connect()
    pair.run(500)
    const index = pair.log.length
    pair.client.connection!.close(1, 'mine', pair.now)
    pair.server.connection!.close(2, 'yours', pair.now)
    pair.run(1_000)
    expect(pair.client.of('closed').map(({ reason }) => reason.kind)).toEqual(['local-application'])
    expect(pair.server.of('closed').map(({ reason }) => reason.kind)).toEqual(['local-application'])
    expect(pair.log.length - index).toBe(2)
    expect(pair.client.of('drained').length + pair.server.of('drained').length).toBe(2)
  })

  test('RFC 9000 §10.2: nothing that arrives after the close reaches the application', () => {
    const pair = new Pair().connect().cut()
    pair.server.connection!.close(0, '', pair.now)
    pair.flush()
    const events = pair.server.events.length
    forge(pair, 'client', [0x08, 0, 1, 2, 3])
    expect(pair.server.events.length).toBe(events)
  })

  test('RFC 9000 §19.19: a reason too long for a packet is cut between characters', () => {
    const pair = new Pair().connect()
    pair.client.connection!.close(1, 'ä'.repeat(2_000), pair.now)
    pair.run(20)
    const { reason } = pair.server.of('closed')[0]!.reason as { reason: string }
    expect(reason.length).toBeGreaterThan(500)
    expect(reason).toBe('ä'.repeat(reason.length))
  })

  for (const side of ['client', 'server'] as const) {
    test(`RFC 9000 §10.2.3: a ${side} that closes during the handshake keeps its reason to itself`, () => {
      const pair = new Pair({ wire: () => [] })
      pair.flush()
      pair.deliver('server', pair.log[0]!.bytes, 100)
      pair.flush()
      if (side === 'client') {
        // the server's first flight opens the Handshake level at the client
        for (const { bytes } of pair.sentBy('server').slice(0, 1)) pair.deliver('client', bytes, 100)
      }
      const index = pair.log.length
      pair[side].connection!.close(42, 'secret', pair.now)
      pair.flush()
      const sent = pair.sentBy(side, index)
      expect(sent.length).toBe(1)
      for (const { level, frames } of sent[0]!.packets) {
        const close = frames.find(({ frame_type }) => frame_type === 'connection_close')
        if (level === Level.OneRtt) expect(close).toMatchObject({ error_space: 'application', error_code: 42 })
        else
          expect(close).toMatchObject({ error_space: 'transport', error_code: ErrorCode.APPLICATION_ERROR, reason: '' })
      }
      const other = side === 'client' ? 'server' : 'client'
      pair.deliver(other, sent[0]!.bytes, 100)
      expect(pair[other].of('closed')[0]!.reason).toMatchObject({ kind: 'peer-transport', code: 0x0c, reason: '' })
    })
  }

  test('RFC 9000 §10.2.3: a server refuses in Initial and Handshake packets, within the amplification limit', () => {
    const pair = new Pair({ wire: () => [], clientAlpns: [Uint8Array.of(1)] })
    pair.flush()
    pair.deliver('server', pair.log[0]!.bytes, 100)
    pair.flush()
    const answer = pair.sentBy('server')
    expect(answer.length).toBe(1)
    expect(answer[0]!.packets[0]!.level).toBe(Level.Initial)
    for (let count = 0; count < 8; count++) pair.deliver('server', pair.log[0]!.bytes, 100)
    pair.flush()
    const bytes = pair.sentBy('server').reduce((sum, datagram) => sum + datagram.bytes.length, 0)
    expect(bytes).toBeLessThanOrEqual(3 * 1200 * 9)
  })
})

describe('stateless reset', () => {
  /** The server has forgotten the connection, the client has not. */
  function forgotten(): Pair {
    const pair = new Pair({ client: { keepAliveMs: 0 } }).connect()
    pair.run(500)
    pair.server.connection!.abandon()
    return pair
  }

  test('RFC 9000 §10.3: a server without memory resets its client, with a smaller datagram', () => {
    const pair = forgotten()
    const index = pair.log.length
    pair.client.connection!.streams.open(true)
    pair.client.connection!.streams.write(0, pattern(100), 0, 100)
    pair.run(50)
    expect(pair.client.of('closed')[0]!.reason).toEqual({ kind: 'stateless-reset' })
    expect(pair.client.of('drained').length).toBe(1)
    const [trigger] = pair.sentBy('client', index)
    const [reset] = pair.sentBy('server', index)
    expect(reset!.bytes.length).toBeLessThan(trigger!.bytes.length)
    expect(reset!.bytes.length).toBeGreaterThanOrEqual(21)
    expect(reset!.bytes[0]! & 0xc0).toBe(0x40)
    expect(pair.client.engine.leftovers).toBe(0)
  })

  test('spec §2.4: resets are at least 20 ms apart', () => {
    const pair = forgotten().cut()
    const packet = forged(pair, 'client', padded([0x01], 60))
    const count = () => pair.sentBy('server').filter(({ packets }) => packets.length === 0).length
    for (let copy = 0; copy < 5; copy++) {
      pair.deliver('server', packet, 100)
      pair.flush()
    }
    expect(count()).toBe(1)
    pair.now += 20
    pair.deliver('server', packet, 100)
    pair.flush()
    expect(count()).toBe(2)
  })

  test('RFC 9000 §10.3.3: resets that answer resets get smaller until there are none', () => {
    const pair = forgotten().cut()
    const sizes: number[] = []
    let packet = forged(pair, 'client', padded([0x01], 60))
    for (;;) {
      const index = pair.log.length
      pair.now += 100
      pair.deliver('server', packet, 100)
      pair.flush()
      const [answer] = pair.sentBy('server', index)
      if (answer === undefined) break
      sizes.push(answer.bytes.length)
      packet = answer.bytes
      packet[1] = packet[1]! ^ 0xff
    }
    expect(sizes.length).toBeGreaterThan(2)
    for (let at = 1; at < sizes.length; at++) expect(sizes[at]).toBe(sizes[at - 1]! - 1)
    expect(sizes.at(-1)).toBe(21)
  })

  test('RFC 9000 §10.3: packets with long headers are not answered with a reset', () => {
    const pair = forgotten().cut()
    const index = pair.log.length
    for (const level of [Level.Initial, Level.Handshake])
      pair.deliver('server', forged(pair, 'client', padded([0x01], 100), { level }), 100)
    pair.flush()
    expect(pair.sentBy('server', index)).toEqual([])
  })

  test('RFC 9000 §10.3.1: only a token of an id in use resets, whole and in a datagram of 21 bytes at least', () => {
    const pair = forgotten().cut()
    pair.deliver('server', forged(pair, 'client', padded([0x01], 60)), 100)
    pair.flush()
    const reset = pair.sentBy('server').at(-1)!.bytes
    for (const length of [17, 20]) pair.deliver('client', reset.slice(reset.length - length), 100)
    const wrong = reset.slice()
    wrong[wrong.length - 1] = wrong[wrong.length - 1]! ^ 1
    pair.deliver('client', wrong, 100)
    const long = reset.slice()
    long[0] = 0xc0
    pair.deliver('client', long, 100)
    expect(pair.client.connection!.isClosed).toBe(false)
    const padded21 = Uint8Array.from([0x40, 1, 2, 3, 4, ...reset.slice(-16)])
    pair.deliver('client', padded21, 100)
    expect(pair.client.of('closed')[0]!.reason).toEqual({ kind: 'stateless-reset' })
  })

  test('RFC 9000 §10.3.1: a reset sent to an id that leads to the connection is found after opening failed', () => {
    const pair = forgotten().cut()
    pair.deliver('server', forged(pair, 'client', padded([0x01], 60)), 100)
    pair.flush()
    const token = pair.sentBy('server').at(-1)!.bytes.slice(-16)
    const packet = forged(pair, 'server', padded([0x01], 60))
    packet.set(token, packet.length - 16)
    pair.deliver('client', packet, 100)
    expect(pair.client.of('closed')[0]!.reason).toEqual({ kind: 'stateless-reset' })
  })
})
