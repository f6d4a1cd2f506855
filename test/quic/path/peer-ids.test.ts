import { describe, expect, test } from 'vitest'
import { ErrorCode } from '../../../src/quic/errors.ts'
import { Level } from '../../../src/quic/level.ts'
import { LocalIds } from '../../../src/quic/path/local-ids.ts'
import { PeerIds } from '../../../src/quic/path/peer-ids.ts'
import { PacketWriter, SentFramePool } from '../../../src/quic/recovery/frame-owner.ts'

const id = (seed: number, length = 8) => new Uint8Array(length).fill(seed)
const token = (seed: number) => new Uint8Array(16).fill(0x80 + seed)

/** An owner with a registry that keeps book, and packets to write into. */
function setUp(first = id(0), limit = 4) {
  const watched = new Set<number>()
  const registry = {
    issue: () => id(99),
    retire: () => {},
    resetToken: () => token(99),
    watchResetToken: (bytes: Uint8Array) => watched.add(bytes[0]! - 0x80),
    unwatchResetToken: (bytes: Uint8Array) => watched.delete(bytes[0]! - 0x80),
  }
  const pool = new SentFramePool()
  const ids = new PeerIds(registry, 0, first, limit, () => {})
  const give = (sequence: number, retirePriorTo = 0, seed = sequence) =>
    ids.receiveNew(sequence, retirePriorTo, id(seed), token(seed))
  /** Sequences in the RETIRE_CONNECTION_ID frames written now; `settle` says what became of them. */
  const written = (settle?: 'acked' | 'lost'): number[] => {
    const packet = new PacketWriter(pool)
    packet.begin(new Uint8Array(1200), 0, 1200, Level.OneRtt, 0, false)
    ids.write(packet)
    const sequences: number[] = []
    for (let frame = packet.frames; frame !== undefined; frame = frame.next) sequences.unshift(frame.a)
    if (settle === undefined) pool.drop(packet.frames)
    else pool.settle(packet.frames, settle === 'acked')
    return sequences
  }
  return { ids, give, written, watched }
}

const violation = (code: number) => expect.objectContaining({ code })

describe('ids of the peer', () => {
  test('RFC 9000 §19.15: a peer with zero-length ids cannot issue others', () => {
    const { give } = setUp(new Uint8Array(0))
    expect(() => give(1)).toThrow(violation(ErrorCode.PROTOCOL_VIOLATION))
  })

  test('RFC 9000 §19.15: a repeat must say the same, token included, and changes nothing', () => {
    const { ids, give } = setUp()
    give(1)
    give(1)
    expect(() => give(1, 0, 2)).toThrow(violation(ErrorCode.PROTOCOL_VIOLATION))
    expect(() => ids.receiveNew(1, 0, id(1), token(2))).toThrow(violation(ErrorCode.PROTOCOL_VIOLATION))
    expect(() => give(2, 0, 1)).toThrow(violation(ErrorCode.PROTOCOL_VIOLATION))
  })

  test('RFC 9000 §19.15: id and token are copied out of the packet', () => {
    const { ids, watched } = setUp()
    const [packetId, packetToken] = [id(1), token(1)]
    ids.receiveNew(1, 0, packetId, packetToken)
    packetId.fill(0)
    packetToken.fill(0)
    expect(ids.advance()).toBe(true)
    expect(ids.active).toEqual(id(1))
    expect(watched).toEqual(new Set([1]))
  })

  test('RFC 9000 §5.1.2: a late copy of an id that we retired does not bring it back', () => {
    const { ids, give, written } = setUp()
    give(1)
    give(2)
    expect(ids.advance()).toBe(true)
    expect(ids.advance()).toBe(true)
    expect(ids.active).toEqual(id(2))
    expect(written('acked')).toEqual([0, 1])
    give(1)
    expect(ids.hasSpare).toBe(false)
    expect(ids.advance()).toBe(false)
    expect(written()).toEqual([])
    give(3)
    expect(ids.advance()).toBe(true)
    expect(ids.active).toEqual(id(3))
  })

  test('RFC 9000 §5.1.1: more ids than our limit', () => {
    const { give } = setUp(id(0), 3)
    give(1)
    give(2)
    expect(() => give(3)).toThrow(violation(ErrorCode.CONNECTION_ID_LIMIT_ERROR))
    const other = setUp(id(0), 3)
    other.give(1)
    other.give(2)
    // room is made by what the frame itself retires
    other.give(3, 1)
    expect(other.ids.active).toEqual(id(1))
  })

  test('RFC 9000 §13.3: a RETIRE_CONNECTION_ID that was lost is sent again', () => {
    const { ids, give, written } = setUp()
    give(1)
    ids.advance()
    expect(written('lost')).toEqual([0])
    expect(written('acked')).toEqual([0])
    expect(written()).toEqual([])
  })

  test('RFC 9000 §10.3.1: one token is watched, that of the id in use', () => {
    const { ids, give, watched } = setUp()
    ids.setFirstResetToken(token(0))
    expect([...watched]).toEqual([0])
    give(1)
    give(2)
    ids.advance()
    expect([...watched]).toEqual([1])
    give(3, 2)
    expect([...watched]).toEqual([2])
    ids.release()
    expect([...watched]).toEqual([])
  })

  test('RFC 9000 §5.1.2: nobody moves on while 64 retirements are unacknowledged', () => {
    const { ids, give, written } = setUp()
    let sequence = 1
    for (let count = 0; count < 64; count++) {
      give(sequence++ & 0x7f)
      expect(ids.advance()).toBe(true)
    }
    give(sequence++ & 0x7f)
    expect(ids.advance()).toBe(false)
    expect(written('acked').length).toBe(64)
    expect(ids.advance()).toBe(true)
  })

  test('RFC 9000 §5.1.1: gaps in the sequence numbers of retired ids are bounded', () => {
    const { ids, give, written } = setUp()
    expect(() => {
      for (let sequence = 2; sequence < 250; sequence += 2) {
        give(sequence)
        ids.advance()
        written('acked')
      }
    }).toThrow(violation(ErrorCode.CONNECTION_ID_LIMIT_ERROR))
  })
})

describe('ids of ours', () => {
  test('RFC 9000 §5.1.1: sequences rise by one, and no more are live than the peer has room for', () => {
    const live = new Set<Uint8Array>()
    let made = 0
    const registry = {
      issue: () => {
        const fresh = id(++made)
        live.add(fresh)
        return fresh
      },
      retire: (old: Uint8Array) => live.delete(old),
      resetToken: () => token(1),
      watchResetToken: () => {},
      unwatchResetToken: () => {},
    }
    let woken = 0
    const ids = new LocalIds(registry, 0, () => woken++)
    const pool = new SentFramePool()
    ids.first()
    ids.fill(4)
    expect(live.size).toBe(4)
    const take = (room: number): number[] => {
      const packet = new PacketWriter(pool)
      packet.begin(new Uint8Array(1200), 0, room, Level.OneRtt, 0, false)
      const more = ids.write(packet)
      const sequences: number[] = []
      for (let frame = packet.frames; frame !== undefined; frame = frame.next) sequences.unshift(frame.a)
      pool.drop(packet.frames)
      expect(more).toBe(packet.room < 28 && sequences.length < 3)
      return sequences
    }
    // 28 bytes a frame
    expect(take(60)).toEqual([1, 2])
    expect(take(1200)).toEqual([3])
    ids.receiveRetire(2, 0)
    ids.receiveRetire(2, 0)
    expect(live.size).toBe(4)
    expect(take(1200)).toEqual([4])
    expect(() => ids.receiveRetire(5, 0)).toThrow(violation(ErrorCode.PROTOCOL_VIOLATION))
    expect(() => ids.receiveRetire(1, 1)).toThrow(violation(ErrorCode.PROTOCOL_VIOLATION))
    ids.release()
    expect(live.size).toBe(0)
    expect(woken).toBeGreaterThan(0)
  })
})
