import { expect, test } from 'vitest'
import { connectedSides, DEFAULTS, outcome, parametersOf, pattern, Side } from './pipe.ts'

test('RFC 9221 §5: datagrams arrive as they were sent, empty ones too, and are never sent again', () => {
  const [client, server] = connectedSides()
  const sizes = [0, 1, 63, 64, 1000, 1147]
  const buffer = pattern(0, 1200)
  for (const size of sizes) expect(client.datagrams.send(buffer.subarray(0, size))).toBe('sent')
  buffer.fill(0)
  const packets = client.flush()
  for (const packet of packets) {
    expect(packet.frames).toBeUndefined()
    server.receive(packet.bytes)
    packet.bytes.fill(0)
  }
  expect(server.events.take()).toEqual(['datagram'])
  for (const size of sizes) expect(server.datagrams.read()).toEqual(pattern(0, size))
  expect(server.datagrams.read()).toBeUndefined()
  server.datagrams.receive(Uint8Array.of(1), 0, 1)
  expect(server.events.take()).toEqual(['datagram'])
})

test('RFC 9221 §5: a packet with a datagram is ack-eliciting application data', () => {
  const [client] = connectedSides()
  client.datagrams.send(pattern(0, 10))
  client.packet()
  const { ackEliciting, inFlight, hasApplicationData, nonProbing } = client.writer
  expect([ackEliciting, inFlight, hasApplicationData, nonProbing]).toEqual([true, true, true, true])
})

test('RFC 9221 §3: too large, not supported, not advertised', () => {
  const [client] = connectedSides()
  expect(outcome(() => client.datagrams.send(pattern(0, 1148)))).toBe('DATAGRAM_TOO_LARGE')
  client.datagrams.packetRoom = 1400
  expect(outcome(() => client.datagrams.send(pattern(0, 1397)))).toBe('ok')
  expect(outcome(() => client.datagrams.send(pattern(0, 1398)))).toBe('DATAGRAM_TOO_LARGE')
  client.connect({ ...parametersOf(DEFAULTS), maxDatagramFrameSize: 100 })
  expect(outcome(() => client.datagrams.send(pattern(0, 97)))).toBe('ok')
  expect(outcome(() => client.datagrams.send(pattern(0, 98)))).toBe('DATAGRAM_TOO_LARGE')
  const none = { ...DEFAULTS, datagramReceiveBuffer: 0 }
  const [left, right] = connectedSides(DEFAULTS, none)
  expect(outcome(() => left.datagrams.send(pattern(0, 1)))).toBe('DATAGRAM_UNSUPPORTED')
  expect(outcome(() => new Side('client').datagrams.send(pattern(0, 1)))).toBe('DATAGRAM_UNSUPPORTED')
  expect(outcome(() => right.datagrams.receive(pattern(0, 1), 0, 1))).toBe('PROTOCOL_VIOLATION')
})

test('the largest size fills a packet to the last byte or one before a longer Length', () => {
  const [client] = connectedSides()
  for (const room of [0, 1, 2, 3, 60, 64, 65, 66, 67, 68, 1150, 16_386, 16_387, 16_388, 16_389, 16_390]) {
    const size = client.datagrams.maxSize(room)
    if (room < 2) expect(size).toBe(0)
    else {
      const cost = (length: number) => 1 + (length < 64 ? 1 : length < 16_384 ? 2 : 4) + length
      expect(cost(size)).toBeLessThanOrEqual(room)
      expect(cost(size + 1)).toBeGreaterThan(room)
    }
  }
})

test('a full send queue drops the oldest or refuses, and says when half of it is free', () => {
  const settings = { ...DEFAULTS, datagramSendBuffer: 5000 }
  const [client] = connectedSides(settings)
  const send = (first: number, dropOldest?: boolean) =>
    client.datagrams.send(
      Uint8Array.from({ length: 936 }, (_, index) => (index === 0 ? first : 0)),
      dropOldest,
    )
  expect([1, 2, 3, 4, 5].map((first) => send(first))).toEqual(['sent', 'sent', 'sent', 'sent', 'sent'])
  expect([send(6, false), client.datagrams.stats.droppedSend]).toEqual(['full', 0])
  expect([send(6), client.datagrams.stats.droppedSend]).toEqual(['dropped-oldest', 1])
  const firsts: number[] = []
  const events: string[] = []
  for (let packet = client.packet(1000); packet !== undefined; packet = client.packet(1000)) {
    firsts.push(packet.bytes[3]!)
    events.push(...client.events.take().map((event) => `${event} after ${firsts.length}`))
  }
  expect(firsts).toEqual([2, 3, 4, 5, 6])
  expect(events).toEqual(['datagram-writable after 3'])
})

test('a datagram waits for a packet with room, but not for one that cannot come any more', () => {
  const [client] = connectedSides()
  client.datagrams.send(pattern(0, 1100))
  client.datagrams.send(pattern(0, 20))
  const { writer } = client
  writer.begin(new Uint8Array(1200), 500, 1200, 3, 0, false)
  expect(client.datagrams.frames.write(writer)).toBe(true)
  expect([writer.position, client.datagrams.hasPending]).toEqual([500, true])
  client.datagrams.packetRoom = 1000
  expect(client.datagrams.frames.write(writer)).toBe(false)
  expect([writer.position, client.datagrams.stats]).toEqual([
    522,
    { sent: 1, received: 0, droppedSend: 1, droppedReceive: 0 },
  ])
})

test('a peer that floods costs the receive buffer, also with empty datagrams', () => {
  const [client] = connectedSides({ ...DEFAULTS, datagramReceiveBuffer: 100_000 })
  for (let index = 0; index < 10_000; index++) client.datagrams.receive(Uint8Array.of(index, index >> 8), 0, 2)
  const { received, droppedReceive } = client.datagrams.stats
  expect([received, droppedReceive]).toEqual([10_000, 10_000 - Math.floor(100_000 / 66)])
  const first = client.datagrams.read()!
  expect(first[0]! + first[1]! * 256).toBe(droppedReceive)
  for (let index = 0; index < 10_000; index++) client.datagrams.receive(new Uint8Array(0), 0, 0)
  expect(client.datagrams.stats.droppedReceive).toBeGreaterThan(8000)
  let count = 0
  while (client.datagrams.read() !== undefined) count++
  expect(count).toBe(Math.floor(100_000 / 64))
})

test('after close nothing is sent, and what had arrived is readable', () => {
  const [client] = connectedSides()
  client.datagrams.send(pattern(0, 5))
  client.datagrams.receive(pattern(0, 7), 0, 7)
  client.datagrams.close()
  client.datagrams.receive(pattern(0, 9), 0, 9)
  expect([client.datagrams.hasPending, client.datagrams.read()?.length, client.datagrams.read()]).toEqual([
    false,
    7,
    undefined,
  ])
  expect(outcome(() => client.datagrams.send(pattern(0, 5)))).toBe('CONNECTION_CLOSED')
})
