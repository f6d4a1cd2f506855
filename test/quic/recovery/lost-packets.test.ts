import { expect, test } from 'vitest'
import { createCongestion } from '../../../src/quic/recovery/congestion.ts'
import { LinkRecovery } from '../../../src/quic/recovery/link-recovery.ts'
import { LostPackets } from '../../../src/quic/recovery/lost-packets.ts'
import { AckFrame } from '../../../src/quic/wire/ack-frames.ts'

const link = new LinkRecovery(createCongestion('cubic', 1200), 333, 1200)

function ack(smallest: number, largest: number): AckFrame {
  const frame = new AckFrame()
  frame.count = 1
  frame.largest[0] = largest
  frame.smallest[0] = smallest
  return frame
}

test('RFC 9002 §6: a late acknowledgement finds what was lost, once', () => {
  const lost = new LostPackets()
  expect(lost.receivedAck(ack(0, 100), 1)).toBe(0)
  for (const number of [3, 5, 9]) lost.add(number, link, number)
  expect(lost.receivedAck(ack(4, 9), 20)).toBe(2)
  expect(lost.receivedAck(ack(0, 9), 21)).toBe(1)
  expect(lost.receivedAck(ack(0, 9), 22)).toBe(0)
})

test('what is old is forgotten, what is too much makes room, and nothing is left after clear', () => {
  const lost = new LostPackets()
  for (let number = 0; number < 300; number++) lost.add(number, link, number)
  expect(lost.receivedAck(ack(0, 43), 400)).toBe(0)
  lost.expire(100)
  expect(lost.receivedAck(ack(44, 100), 400)).toBe(1)
  expect(lost.isEmpty).toBe(false)
  lost.clear()
  expect(lost.isEmpty).toBe(true)
  lost.add(400, link, 400)
  expect(lost.receivedAck(ack(0, 500), 401)).toBe(1)
})
