import { describe, expect, test } from 'vitest'
import { ErrorCode, Level } from '../../../src/quic/index.ts'
import { forge } from './forge.ts'
import { type Datagram, frameTypes, Pair, type TracedPacket } from './pair.ts'

const quiet = { client: { keepAliveMs: 0 }, server: { keepAliveMs: 0 } }

/** Confirmed, and nothing left to acknowledge. */
function settled(options = {}): Pair {
  const pair = new Pair({ ...quiet, ...options }).connect()
  pair.run(1_000)
  return pair
}

const acks = (datagrams: readonly Datagram[]) => datagrams.filter(({ packets }) => frameTypes(packets).includes('ack'))

function ackOf(packet: TracedPacket): { ack_delay: number; acked_ranges: [number, number][] } {
  return packet.frames.find(({ frame_type }) => frame_type === 'ack') as never
}

describe('when packets are acknowledged', () => {
  test('RFC 9000 §13.2.1: one alone after max_ack_delay, and the delay is reported', () => {
    const pair = settled()
    const index = pair.log.length
    const since = pair.now
    pair.client.connection!.ping()
    pair.run(200)
    const answers = pair.sentBy('server', index)
    expect(answers.length).toBe(1)
    expect(answers[0]!.sentAt - since).toBe(10 + 25)
    expect(ackOf(answers[0]!.packets[0]!).ack_delay).toBe(25)
  })

  test('RFC 9000 §13.2.2: every second one at once', () => {
    const pair = settled()
    const index = pair.log.length
    const since = pair.now
    for (let count = 0; count < 4; count++) {
      pair.client.connection!.ping()
      pair.flush()
    }
    pair.run(200)
    const answers = pair.sentBy('server', index)
    expect(answers.map(({ sentAt }) => sentAt - since)).toEqual([10, 10])
  })

  test('RFC 9000 §13.2.1: at once after a gap', () => {
    const pair = settled()
    pair.wire = () => []
    pair.client.connection!.ping()
    pair.flush()
    pair.wire = (datagram) => [datagram]
    const index = pair.log.length
    const since = pair.now
    pair.client.connection!.ping()
    pair.run(15)
    expect(pair.sentBy('server', index).map(({ sentAt }) => sentAt - since)).toEqual([10])
    expect(ackOf(pair.sentBy('server', index)[0]!.packets[0]!).acked_ranges.length).toBe(2)
  })

  test('spec §6.4: IMMEDIATE_ACK is answered at once', () => {
    const pair = settled().cut()
    const at = pair.client.tap.sent.at(-1)!.packetNumber + 1
    forge(pair, 'client', [0x01, 0, 0], { packetNumber: at })
    expect(acks(pair.sentBy('server')).at(-1)?.sentAt).not.toBe(pair.now)
    pair.run(100)
    forge(pair, 'client', [0x1f, 0, 0], { packetNumber: at + 1 })
    expect(acks(pair.sentBy('server')).at(-1)!.sentAt).toBe(pair.now)
  })

  test('spec §6.4: ACK_FREQUENCY is obeyed, older ones are ignored', () => {
    const pair = settled().cut()
    const at = pair.client.tap.sent.at(-1)!.packetNumber + 1
    // sequence 5: ten packets, 200 ms, reordering does not matter
    forge(pair, 'client', [0x40, 0xaf, 5, 10, 0x80, 0x03, 0x0d, 0x40, 0], { packetNumber: at })
    pair.run(300)
    // sequence 4 wants every packet acknowledged
    forge(pair, 'client', [0x40, 0xaf, 4, 0, 0x43, 0xe8, 1], { packetNumber: at + 1 })
    pair.run(300)
    const index = pair.log.length
    const since = pair.now
    for (let count = 0; count < 5; count++) forge(pair, 'client', [0x01, 0, 0], { packetNumber: at + 10 + count })
    pair.run(500)
    const answers = pair.sentBy('server', index)
    expect(answers.map(({ sentAt }) => sentAt - since)).toEqual([200])
    for (let count = 0; count < 11; count++) forge(pair, 'client', [0x01, 0, 0], { packetNumber: at + 20 + count })
    expect(acks(pair.sentBy('server')).at(-1)!.sentAt).toBe(pair.now)
  })

  test('RFC 9000 §13.2.1: packets that only acknowledge are not acknowledged', () => {
    const pair = settled()
    const index = pair.log.length
    pair.client.connection!.ping()
    pair.run(5_000)
    expect(pair.log.length - index).toBe(2)
  })

  test('RFC 9000 §13.2.4: who only acknowledges asks for an acknowledgement now and then', () => {
    const pair = settled()
    const seen = pair.server.tap.sent.length
    expect(pair.carries(400_000)).toBe(true)
    const sent = pair.server.tap.sent.slice(seen)
    expect(sent.length).toBeGreaterThan(80)
    let run = 0
    let longest = 0
    for (const packet of sent) {
      run = frameTypes([packet]).every((type) => type === 'ack' || type === 'padding') ? run + 1 : 0
      longest = Math.max(longest, run)
    }
    expect(longest).toBeGreaterThan(8)
    expect(longest).toBeLessThanOrEqual(32)
  })

  test('RFC 9000 §13.2.3: ranges are limited, and forgotten once the peer knows them', () => {
    const pair = settled({ client: { ...quiet.client, skipPacketNumbers: false } })
    let count = 0
    pair.wire = (datagram) => (datagram.from === 'client' && ++count % 3 === 0 ? [] : [datagram])
    expect(pair.carries(300_000)).toBe(true)
    pair.wire = (datagram) => [datagram]
    const all = pair.server.tap.sent.map(ackOf).filter((ack) => ack !== undefined)
    const ranges = all.map((ack) => ack.acked_ranges.length)
    expect(Math.max(...ranges)).toBeGreaterThan(3)
    expect(Math.max(...ranges)).toBeLessThanOrEqual(64)
    for (let round = 0; round < 150; round++) {
      pair.client.connection!.ping()
      pair.server.connection!.ping()
      pair.run(50)
    }
    expect(
      pair.server.tap.sent
        .map(ackOf)
        .filter((ack) => ack !== undefined)
        .at(-1)!.acked_ranges.length,
    ).toBe(1)
  })
})

describe('what acknowledgements say', () => {
  test('RFC 9000 §13.2.6: an ACK travels in the space it is about', () => {
    const pair = new Pair().connect()
    for (const [from, to] of [
      [pair.client, pair.server],
      [pair.server, pair.client],
    ] as const) {
      for (const packet of from.tap.sent) {
        const ack = ackOf(packet)
        if (ack === undefined) continue
        const received = new Set(
          from.tap.received.filter(({ level }) => level === packet.level).map(({ packetNumber }) => packetNumber),
        )
        const sent = new Set(
          to.tap.sent.filter(({ level }) => level === packet.level).map(({ packetNumber }) => packetNumber),
        )
        for (const [low, high] of ack.acked_ranges)
          for (let number = low; number <= high; number++) {
            expect(received.has(number)).toBe(true)
            expect(sent.has(number)).toBe(true)
          }
      }
    }
  })

  test('RFC 9000 §21.4: a peer that acknowledges a number left out on purpose is found out', () => {
    const pair = settled()
    let numbers: number[] = []
    let skipped = -1
    while (skipped === -1) {
      expect(pair.carries(200_000)).toBe(true)
      const sent = pair.client.tap.sent.filter(({ level }) => level === Level.OneRtt)
      numbers = sent.map(({ packetNumber }) => packetNumber)
      skipped = numbers.findIndex((number, index) => numbers[index + 1] === number + 2)
    }
    const hole = numbers[skipped]! + 1
    const last = numbers.at(-1)!
    pair.cut()
    forge(pair, 'server', [
      0x02,
      0x40 | (last >>> 8),
      last & 0xff,
      0,
      0,
      0x40 | ((last - hole) >>> 8),
      (last - hole) & 0xff,
    ])
    expect(pair.client.of('closed')[0]!.reason).toMatchObject({
      kind: 'local-transport',
      code: ErrorCode.PROTOCOL_VIOLATION,
    })
  })

  test('RFC 9000 §13.1: what the peer acknowledged is not sent again', () => {
    const pair = settled()
    expect(pair.carries(100_000)).toBe(true)
    expect(pair.client.connection!.stats()).toMatchObject({ streamBytesRetransmitted: 0 })
    expect(pair.client.connection!.paths()[0]!).toMatchObject({ lostPackets: 0, ptos: 0 })
  })
})
