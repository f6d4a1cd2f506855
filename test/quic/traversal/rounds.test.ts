import { describe, expect, test } from 'vitest'
import { OwnRound } from '../../../src/quic/traversal/own-round.ts'
import { PeerRound } from '../../../src/quic/traversal/peer-round.ts'
import { RemoteCandidates } from '../../../src/quic/traversal/remote-candidates.ts'
import { FrameType } from '../../../src/quic/wire/frame-types.ts'
import { Packets } from '../path/support.ts'

const address = (last: number, port = 4242) => ({ ip: Uint8Array.of(192, 0, 2, last), port })
const mapped = (last: number) => ({
  ip: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, last),
  port: 4242,
})
const reach = (round: number, last: number) => ({ frame_type: 'reach_out', round, address: `192.0.2.${last}:4242` })

describe('own round', () => {
  test('spec/quic.md §5.8: the first has number 1; each address once, as many as the server holds', () => {
    const own = new OwnRound(() => {})
    const packets = new Packets()
    own.start([address(1), mapped(1), mapped(2), address(3)], 2)
    expect(packets.take(own).frames).toEqual([reach(1, 1), reach(1, 2)])
    own.start([address(3)], 2)
    expect(packets.take(own).frames).toEqual([reach(2, 3)])
  })

  test('spec/quic.md §5.8: REACH_OUT is repeated when it was lost, unless a newer round has begun', () => {
    const own = new OwnRound(() => {})
    const packets = new Packets()
    own.start([address(1), address(2)], 32)
    const first = packets.take(own)
    first.lost()
    const second = packets.take(own)
    expect(second.frames).toEqual(expect.arrayContaining([reach(1, 1), reach(1, 2)]))
    own.start([address(9)], 32)
    second.lost()
    expect(packets.take(own).frames).toEqual([reach(2, 9)])
  })

  test('spec/quic.md §5.8: what of the last round was not told yet never is', () => {
    const own = new OwnRound(() => {})
    const packets = new Packets()
    own.start([address(1), address(2), address(3)], 32)
    const packet = packets.take(own, 40)
    expect(packet.more).toBe(true)
    own.start([address(4)], 32)
    expect(packets.take(own).frames).toEqual([reach(2, 4)])
  })
})

describe('peer round', () => {
  const V4 = FrameType.REACH_OUT_V4

  test('spec/quic.md §5.8: older rounds are ignored, a newer one forgets the addresses before, repeats are one', () => {
    const peer = new PeerRound(32)
    expect(peer.receive({ round: 3, address: address(1) }, V4)).toBe('round')
    expect(peer.receive({ round: 3, address: mapped(2) }, V4)).toBe('address')
    expect(peer.receive({ round: 3, address: address(2) }, V4)).toBe('nothing')
    expect(peer.receive({ round: 3, address: address(2, 1) }, V4)).toBe('address')
    expect(peer.receive({ round: 2, address: address(9) }, V4)).toBe('nothing')
    expect(peer.list()).toEqual([address(1), address(2), address(2, 1)])
    expect(peer.receive({ round: 4, address: address(2) }, V4)).toBe('round')
    expect(peer.list()).toEqual([address(2)])
  })

  test('spec/quic.md §4.3: more addresses in one round than we hold are a violation; repeats and new rounds are not', () => {
    const peer = new PeerRound(3)
    for (const last of [1, 2, 3, 1, 2, 3]) peer.receive({ round: 1, address: address(last) }, V4)
    expect(() => peer.receive({ round: 1, address: address(4) }, V4)).toThrow(/more than 3 addresses in round 1/)
    expect(peer.receive({ round: 2, address: address(4) }, V4)).toBe('round')
  })
})

describe('remote candidates', () => {
  test('spec/quic.md §4.3: added, changed, removed; IPv4 as IPv4', () => {
    const remote = new RemoteCandidates(32)
    expect(remote.add({ sequence: 0, address: mapped(1) })).toBe(true)
    expect(remote.add({ sequence: 0, address: address(1) })).toBe(false)
    expect(remote.add({ sequence: 0, address: address(2) })).toBe(true)
    expect(remote.add({ sequence: 5, address: address(3) })).toBe(true)
    expect(remote.list()).toEqual([address(2), address(3)])
    expect(remote.remove(0)).toBe(true)
    expect(remote.remove(0)).toBe(false)
    expect(remote.list()).toEqual([address(3)])
  })

  test('spec/quic.md §4.3: beyond the limit they are ignored, but known ones may change', () => {
    const remote = new RemoteCandidates(2)
    for (const sequence of [0, 1]) expect(remote.add({ sequence, address: address(sequence) })).toBe(true)
    expect(remote.add({ sequence: 2, address: address(2) })).toBe(false)
    expect(remote.add({ sequence: 1, address: address(9) })).toBe(true)
    expect(remote.list()).toEqual([address(0), address(9)])
    remote.remove(0)
    expect(remote.add({ sequence: 2, address: address(2) })).toBe(true)
  })

  test('a copy of ADD_ADDRESS that REMOVE_ADDRESS overtook brings nothing back', () => {
    const remote = new RemoteCandidates(2)
    expect(remote.remove(7)).toBe(false)
    expect(remote.add({ sequence: 7, address: address(7) })).toBe(false)
    expect(remote.list()).toEqual([])
    // of removals, too, only so many are remembered
    for (let sequence = 100; sequence < 1000; sequence++) remote.remove(sequence)
    expect(remote.add({ sequence: 999, address: address(1) })).toBe(false)
    expect(remote.add({ sequence: 7, address: address(7) })).toBe(true)
  })
})
