import { expect, test } from 'vitest'
import { ACK, Packets, Received, STREAM, STREAM_FIN } from '../../bench/blast/packets.ts'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'

const SLOT = 2048

test.each([true, false])('a stream packet arrives as it was sent, sealed: %s', (sealed) => {
  const packets = new Packets(createNodeCrypto(), sealed, 2, SLOT)
  const data = Uint8Array.from({ length: 1000 }, (_, index) => index * 7)
  const start = packets.writeStream(0, 3, 70_000, 5_000_000_000, true)
  packets.memory.set(data, start)
  const length = packets.seal(0, 70_000, start + data.length)
  expect(length).toBe(1 + 8 + 4 + 10 + 1000 + (sealed ? 16 : 0))
  expect(packets.room(length)).toBe(1000)
  const visible = packets.memory.slice(start, start + 1000)
  expect(Buffer.from(visible).equals(data)).toBe(!sealed)
  const received = new Received()
  expect(packets.read(0, length, 69_990, received)).toBe(true)
  expect(received).toMatchObject({ run: 3, packetNumber: 70_000, type: STREAM_FIN })
  expect(Buffer.from(packets.memory.slice(received.start, received.end)).equals(data)).toBe(true)
})

test('an acknowledgement tells the largest packet and the bytes that came', () => {
  const packets = new Packets(createNodeCrypto(), true, 2, SLOT)
  const length = packets.writeAck(SLOT, 1, 9, 123_456, 6_000_000_000)
  const received = new Received()
  expect(packets.read(SLOT, length, -1, received)).toBe(true)
  expect(received).toMatchObject({ type: ACK, packetNumber: 9, largest: 123_456, bytes: 6_000_000_000 })
})

test('a changed packet is dropped when it is sealed', () => {
  const packets = new Packets(createNodeCrypto(), true, 2, SLOT)
  const start = packets.writeStream(0, 1, 1, 0, false)
  const length = packets.seal(0, 1, start + 100)
  packets.memory[start + 50]! ^= 1
  expect(packets.read(0, length, 0, new Received())).toBe(false)
  expect(STREAM_FIN).toBe(STREAM | 1)
})
