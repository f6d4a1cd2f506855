import { describe, expect, test } from 'vitest'
import { Writer } from '../../../src/bytes/writer.ts'
import { Level } from '../../../src/quic/index.ts'
import { PacketHeader, parseHeader } from '../../../src/quic/wire/header.ts'
import { writeRetry } from '../../../src/quic/wire/retry-packet.ts'
import { forge, padded } from './forge.ts'
import { frameTypes, Pair, pattern } from './pair.ts'

describe('complete and confirmed', () => {
  test('RFC 9001 §4.1.1, §4.1.2: each side is complete with the other’s Finished; HANDSHAKE_DONE confirms the client', () => {
    const pair = new Pair()
    pair.until(() => pair.client.of('connected').length > 0)
    expect(pair.client.connection!.isConfirmed).toBe(false)
    expect(pair.server.connection!.isHandshakeComplete).toBe(false)
    pair.until(() => pair.server.of('connected').length > 0)
    expect(pair.server.connection!.isConfirmed).toBe(true)
    expect(pair.client.connection!.isConfirmed).toBe(false)
    pair.until(() => pair.client.of('confirmed').length > 0)
    expect(frameTypes(pair.client.tap.received)).toContain('handshake_done')
  })

  test('RFC 9000 §13.3: HANDSHAKE_DONE is repeated until it arrives; then Handshake keys are gone', () => {
    const pair = new Pair()
    let lost = 0
    pair.wire = (datagram) => (frameTypes(datagram.packets).includes('handshake_done') && lost++ < 2 ? [] : [datagram])
    pair.connect()
    expect(lost).toBe(3)
  })

  test('RFC 9001 §4.9.2: Handshake packets are neither sent nor opened after confirmation', () => {
    const pair = new Pair().connect()
    const count = () => pair.client.tap.sent.filter(({ level }) => level === Level.Handshake).length
    const before = count()
    const received = pair.client.tap.received.length
    pair.run(3_000)
    pair.cut()
    forge(pair, 'server', padded([0x01], 60), { level: Level.Handshake })
    expect(count()).toBe(before)
    expect(pair.client.tap.received.slice(received).every(({ level }) => level === Level.OneRtt)).toBe(true)
  })
})

describe('Retry', () => {
  /** A client that has sent its first flight, and Retry packets for it. */
  function dialling() {
    const pair = new Pair({ wire: () => [] })
    pair.flush()
    const first = pair.log[0]!.bytes
    const header = new PacketHeader()
    parseHeader(first, 0, first.length, 8, header)
    const original = first.slice(header.destinationStart, header.destinationStart + header.destinationLength)
    const client = first.slice(header.sourceStart, header.sourceStart + header.sourceLength)
    const retry = (source: Uint8Array, token: Uint8Array, answered = original) => {
      const writer = new Writer(new Uint8Array(200))
      writeRetry(pair.crypto, writer, client, source, answered, token)
      return writer.bytes.slice(0, writer.position)
    }
    /** Does the client follow it, with another Initial? */
    const follows = (packet: Uint8Array): boolean => {
      const index = pair.log.length
      pair.deliver('client', packet, 100)
      pair.flush()
      return pair.sentBy('client', index).length > 0
    }
    return { pair, original, retry, follows }
  }
  const id = (seed: number) => new Uint8Array(8).fill(seed)
  const token = Uint8Array.of(1, 2, 3)

  test('RFC 9000 §17.2.5.1: one that keeps the id it answers is dropped', () => {
    const { original, retry, follows } = dialling()
    expect(follows(retry(original, token))).toBe(false)
    expect(follows(retry(id(5), token))).toBe(true)
  })

  test('RFC 9000 §17.2.5.2: one without a token is dropped, and so is a second one', () => {
    const { retry, follows } = dialling()
    expect(follows(retry(id(5), new Uint8Array(0)))).toBe(false)
    expect(follows(retry(id(5), token))).toBe(true)
    expect(follows(retry(id(6), token))).toBe(false)
    expect(follows(retry(id(6), token, id(5)))).toBe(false)
  })

  test('RFC 9001 §5.8: one whose integrity tag is wrong is dropped', () => {
    const { retry, follows } = dialling()
    const packet = retry(id(5), token)
    for (const at of [0, 8, packet.length - 20, packet.length - 1]) {
      const damaged = packet.slice()
      damaged[at] = damaged[at]! ^ 0x01
      expect(follows(damaged)).toBe(false)
    }
    expect(follows(retry(id(5), token, id(9)))).toBe(false)
    expect(follows(packet)).toBe(true)
  })

  test('RFC 9000 §17.2.5.2: after an authentic answer a Retry comes too late', () => {
    const { pair, retry, follows } = dialling()
    pair.deliver('server', pair.log[0]!.bytes, 100)
    pair.flush()
    pair.deliver('client', pair.sentBy('server')[0]!.bytes, 100)
    pair.flush()
    expect(follows(retry(id(5), token))).toBe(false)
  })
})

describe('probes and datagrams', () => {
  test('RFC 9002 §7.5: probes leave though the window is full, and count as in flight', () => {
    const pair = new Pair({ client: { keepAliveMs: 0 } }).connect()
    pair.run(500)
    pair.cut()
    const stream = pair.client.connection!.streams.open(false)
    pair.client.connection!.streams.write(stream, pattern(100_000), 0, 100_000)
    for (let round = 0; round < 40; round++) {
      pair.flush()
      pair.now += 1
    }
    const full = pair.client.connection!.paths()[0]!
    const index = pair.log.length
    pair.run(300)
    const probes = pair.sentBy('client', index)
    expect(probes.length).toBeGreaterThanOrEqual(2)
    expect(frameTypes(probes.flatMap(({ packets }) => packets))).toContain('stream')
    const after = pair.client.connection!.paths()[0]!
    expect(after.bytesInFlight).toBe(full.bytesInFlight + probes.reduce((sum, { bytes }) => sum + bytes.length, 0))
    // RFC 9002 §6.2.4: a timeout alone loses nothing
    expect(after.lostPackets).toBe(0)
  })

  test('RFC 9221 §5.2: a datagram asks for an ACK and is not sent again', () => {
    const pair = new Pair({ client: { keepAliveMs: 0 } }).connect()
    pair.run(500)
    const wire = pair.wire
    pair.wire = () => []
    pair.client.connection!.datagrams.send(pattern(50))
    pair.flush()
    pair.wire = wire
    pair.run(2_000)
    expect(frameTypes(pair.client.tap.sent).filter((type) => type === 'datagram').length).toBe(1)
    expect(pair.server.connection!.datagrams.read()).toBeUndefined()
    // the probe timeout asked instead
    expect(pair.client.connection!.paths()[0]!.ptos).toBe(1)
  })

  test('RFC 9221 §5.4: datagrams wait for the congestion window', () => {
    const pair = new Pair({ client: { keepAliveMs: 0 } }).connect()
    pair.run(500)
    pair.cut()
    const { datagrams } = pair.client.connection!
    for (let count = 0; count < 200; count++) datagrams.send(pattern(1_000))
    for (let round = 0; round < 30; round++) {
      pair.flush()
      pair.now += 1
    }
    const path = pair.client.connection!.paths()[0]!
    expect(path.bytesInFlight).toBeLessThanOrEqual(path.congestionWindow)
    const sent = frameTypes(pair.client.tap.sent).filter((type) => type === 'datagram').length
    expect(sent).toBeGreaterThan(5)
    expect(sent).toBeLessThan(100)
  })
})
