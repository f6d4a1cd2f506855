import { expect, test } from 'vitest'
import { Messages } from '../../../src/quic/traversal/messages.ts'
import { readMessage, writeMessage } from '../../../src/quic/wire/message-frame.ts'
import { Packets } from '../path/support.ts'
import { frame, fromHex, written } from '../wire/bytes.ts'

function agreed() {
  const owner = new Messages(() => {})
  owner.negotiate(3, 1)
  const packets = new Packets()
  return { owner, take: (room?: number) => packets.take(owner, room) }
}

const lengths = ({ frames }: { frames: Record<string, unknown>[] }) =>
  frames.map(({ raw }) => (raw as { length: number }).length)

test('the frame is its type, a length and the payload, both ways', () => {
  const hex = '80746f6e03010203'
  const { reader } = frame(hex)
  expect(readMessage(reader)).toEqual(fromHex('010203'))
  expect(reader.remaining).toBe(0)
  expect(written((writer) => writeMessage(writer, fromHex('010203')))).toBe(hex)
})

test('a payload of 256 bytes is read, one of 257 is an encoding error', () => {
  const of = (length: number) => frame(written((writer) => writeMessage(writer, new Uint8Array(length)))).reader
  expect(readMessage(of(256))).toHaveLength(256)
  expect(() => readMessage(of(257))).toThrow(/257 bytes/)
})

test('capabilities count when both sides sent some', () => {
  const owner = new Messages(() => {})
  for (const [own, peer, expected] of [
    [3, 1, 1],
    [1, 3, 3],
    [0, 2, 2],
    [undefined, 1, 0],
    [1, undefined, 0],
    [1, 0, 0],
  ] as const) {
    owner.negotiate(own, peer)
    expect(owner.peerCapabilities).toBe(expected)
  }
  expect(() => owner.send(Uint8Array.of(1))).toThrow('knows no messages')
})

test('a message is resent until it is acknowledged, and is the one that was given', () => {
  const { owner, take } = agreed()
  const payload = new Uint8Array(5).fill(1)
  owner.send(payload)
  payload.fill(9)
  owner.send(new Uint8Array(7))
  const first = take()
  expect(lengths(first)).toEqual([5, 7])
  expect(take().frames).toEqual([])
  first.lost()
  const second = take()
  expect(lengths(second).toSorted()).toEqual([5, 7])
  expect(second.writer.bytes.subarray(0, second.writer.position).includes(9)).toBe(false)
  second.acked()
  expect(take().frames).toEqual([])
})

test('16 wait for an acknowledgement, of 256 bytes each', () => {
  const { owner, take } = agreed()
  for (let index = 0; index < 16; index++) owner.send(new Uint8Array(256))
  expect(() => owner.send(new Uint8Array(1))).toThrow(RangeError)
  const packet = take(600)
  expect(lengths(packet)).toEqual([256, 256])
  expect(packet.more).toBe(true)
  expect(() => owner.send(new Uint8Array(1))).toThrow(RangeError)
  packet.acked()
  owner.send(new Uint8Array(1))
  owner.send(new Uint8Array(1))
  expect(() => owner.send(new Uint8Array(1))).toThrow(RangeError)
  expect(() => owner.send(new Uint8Array(257))).toThrow(RangeError)
})
