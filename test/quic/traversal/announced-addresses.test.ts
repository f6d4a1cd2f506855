import { expect, test } from 'vitest'
import { AnnouncedAddresses } from '../../../src/quic/traversal/announced-addresses.ts'
import { Packets } from '../path/support.ts'

const address = (last: number, port = 4242) => ({ ip: Uint8Array.of(192, 0, 2, last), port })
const mapped = (last: number) => ({
  ip: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, last),
  port: 4242,
})
const add = (sequence: number, last: number) => ({
  frame_type: 'add_address',
  sequence_number: sequence,
  address: `192.0.2.${last}:4242`,
})
const remove = (sequence: number) => ({ frame_type: 'remove_address', sequence_number: sequence })

function announcing(limit = 32) {
  let wakes = 0
  const owner = new AnnouncedAddresses(() => wakes++)
  owner.negotiate(limit)
  const packets = new Packets()
  return { owner, take: (room?: number) => packets.take(owner, room), wakes: () => wakes }
}

test('spec/quic.md §5.8: each address once, with sequences from 0, IPv4 as IPv4', () => {
  const { owner, take, wakes } = announcing()
  owner.set([address(1), mapped(2), address(1), mapped(1)])
  expect(wakes()).toBe(1)
  const packet = take()
  expect(packet.frames).toEqual([add(0, 1), add(1, 2)])
  expect(packet.more).toBe(false)
  expect(take().frames).toEqual([])
})

test('spec/quic.md §5.8: what is gone is removed, what is new gets the next sequence, which is never used again', () => {
  const { owner, take } = announcing()
  owner.set([address(1), address(2)])
  take().acked()
  owner.set([address(2), address(3)])
  const packet = take()
  expect(packet.frames).toEqual([remove(0), add(2, 3)])
  packet.acked()
  owner.set([address(2), address(3), address(1)])
  expect(take().frames).toEqual([add(3, 1)])
})

test('an address that comes and goes before it was told is not told', () => {
  const { owner, take } = announcing()
  owner.set([address(1)])
  owner.set([])
  expect(take().frames).toEqual([])
})

test('RFC 9000 §13.3: what was lost is said again while it holds', () => {
  const { owner, take } = announcing()
  owner.set([address(1), address(2)])
  const first = take()
  owner.set([address(2)])
  const second = take()
  expect(second.frames).toEqual([remove(0)])
  // the address is gone: its announcement is of no use any more, but its removal is, for the other may have arrived
  first.lost()
  expect(take().frames).toEqual([add(1, 2)])
  second.lost()
  const third = take()
  expect(third.frames).toEqual([remove(0)])
  third.acked()
  expect(take().frames).toEqual([])
})

test('spec/quic.md §5.8: no more than the client holds, the most wanted first', () => {
  const { owner, take } = announcing(2)
  owner.set([address(1), address(2), address(3)])
  take().acked()
  owner.set([address(3), address(1), address(2)])
  const packet = take()
  // the removal is on its way, so in the client's books there is no room yet
  expect(packet.frames).toEqual([remove(1)])
  packet.acked()
  expect(take().frames).toEqual([add(2, 3)])
})

test('nothing is told before it is known how many the client holds', () => {
  const packets = new Packets()
  const owner = new AnnouncedAddresses(() => {})
  owner.set([address(1)])
  expect(packets.take(owner).frames).toEqual([])
  owner.negotiate(32)
  expect(packets.take(owner).frames).toEqual([add(0, 1)])
})

test('frames that do not fit wait', () => {
  const { owner, take } = announcing()
  owner.set([address(1), address(2), address(3)])
  const packet = take(45)
  expect(packet.frames).toEqual([add(0, 1), add(1, 2)])
  expect(packet.more).toBe(true)
  expect(take().frames).toEqual([add(2, 3)])
})
