import { describe, expect, test } from 'vitest'
import { ErrorCode } from '../../../src/quic/errors.ts'
import { PathIds } from '../../../src/quic/path/path-ids.ts'
import { FrameType } from '../../../src/quic/wire/frame-types.ts'
import { HIGHEST_PATH_ID } from '../../../src/quic/wire/path-frames.ts'
import { NEW_ID, Packets, resources } from './support.ts'

function setUp(localMax = 7, peerMax = 7) {
  const { all, registry } = resources('server')
  const ids = new PathIds(all, new Uint8Array(8).fill(7), () => {})
  ids.local(0).first()
  ids.start(localMax, peerMax)
  ids.fill(5)
  return { ids, registry, packets: new Packets() }
}

const violation = (code: number, frameType: number) => expect.objectContaining({ code, frameType })

describe('issuing', () => {
  test('quic.md §4.6: path 0 has as many as the peer stores, the others at least one, up to the smaller maximum', () => {
    const { registry } = setUp(7, 3)
    expect([0, 1, 2, 3, 4].map((path) => registry.count(path) > 0)).toEqual([true, true, true, true, false])
    expect(registry.count(0)).toBe(5)
  })

  test('quic.md §4.6: MAX_PATH_ID from the peer brings ids for the new paths at once, up to our maximum', () => {
    const { ids, registry } = setUp(7, 0)
    expect(registry.issued.size).toBe(5)
    expect(ids.receiveMaximum(2)).toBe(true)
    expect(registry.count(2)).toBeGreaterThan(0)
    expect(registry.count(3)).toBe(0)
    expect(ids.receiveMaximum(2)).toBe(false)
    expect(ids.receiveMaximum(1)).toBe(false)
    expect(ids.receiveMaximum(HIGHEST_PATH_ID)).toBe(true)
    expect(registry.count(7)).toBeGreaterThan(0)
    expect(registry.count(8)).toBe(0)
  })

  test('quic.md §4.6: for no more than 32 paths ahead, however high the maxima', () => {
    const { ids, registry } = setUp(HIGHEST_PATH_ID, HIGHEST_PATH_ID)
    expect(registry.count(32)).toBe(1)
    expect(registry.count(33)).toBe(0)
    ids.use(1)
    expect([registry.count(1), registry.count(33), registry.count(34)]).toEqual([5, 1, 0])
    ids.use(20)
    expect(registry.count(52)).toBe(1)
  })

  test('quic.md §4.6: without multipath path 0 only', () => {
    const { all, registry } = resources('client')
    const ids = new PathIds(all, new Uint8Array(8).fill(7), () => {})
    ids.fill(3)
    expect([...new Set(registry.issued.values())].every((entry) => entry.startsWith('0/'))).toBe(true)
  })

  test('quic.md §4.6: all is written, and nothing is left after the end', () => {
    const { ids, registry, packets } = setUp()
    const seen: Record<string, unknown>[] = []
    for (let packet = packets.take(ids as never, 100); ; packet = packets.take(ids as never, 100)) {
      seen.push(...packet.frames)
      packet.acked()
      if (!packet.more) break
    }
    expect(seen).toHaveLength(registry.issued.size - 1)
    ids.release()
    expect(registry.issued.size).toBe(0)
    expect(registry.watched.size).toBe(0)
  })
})

describe('spending', () => {
  test('quic.md §5.5: a spent id is given back once, leads nowhere, and is never used again', () => {
    const { ids, registry } = setUp()
    ids.use(1)
    ids.spend(1)
    expect(ids.giveBack()).toBe(8)
    expect(ids.giveBack()).toBe(-1)
    expect(registry.count(1)).toBe(0)
    expect(ids.isSpent(1)).toBe(true)
    expect(ids.isSpent(2)).toBe(false)
    ids.receiveMaximum(8)
    expect(registry.count(8)).toBeGreaterThan(0)
  })

  test('draft-ietf-quic-multipath §2.1: the maximum ends at 2^32 - 1', () => {
    const { ids } = setUp(HIGHEST_PATH_ID - 1, 7)
    ids.spend(1)
    ids.spend(2)
    expect(ids.giveBack()).toBe(HIGHEST_PATH_ID)
    ids.spend(3)
    expect(ids.giveBack()).toBe(-1)
  })

  test('draft-ietf-quic-multipath §3.4: ids that were passed over are given up, the ones in use never', () => {
    const { ids, registry } = setUp(1000, 1000)
    ids.use(2)
    for (let id = 3; id < 900; id++) {
      ids.use(id)
      ids.spend(id)
    }
    expect(ids.isSpent(1)).toBe(true)
    expect(registry.count(1)).toBe(0)
    expect(ids.isSpent(2)).toBe(false)
    expect(registry.count(2)).toBe(5)
    // 64 spent one by one, what lies ahead, and the two in use
    expect(ids.count).toBeLessThanOrEqual(65 + 32 + 2)
    expect(registry.issued.size).toBeLessThanOrEqual(5 + 5 + 32)
  })

  test('draft-ietf-quic-multipath §3.4: spending from the top leaves no more behind than spending from the bottom', () => {
    const { ids, registry } = setUp()
    for (let id = 7; id < 5000; id++) {
      ids.receiveNew(NEW_ID(id, 0), FrameType.PATH_NEW_CONNECTION_ID)
      ids.spend(id)
      ids.giveBack()
      ids.receiveMaximum(id + 1)
    }
    expect(ids.count).toBeLessThanOrEqual(65 + 2)
    expect(ids.connectionIdCount).toBeLessThan(30)
    expect(registry.issued.size).toBeLessThanOrEqual(6)
    for (let id = 1; id < 7; id++) expect(ids.isSpent(id)).toBe(true)
    expect(ids.isSpent(0)).toBe(false)
  })
})

describe('ids of the peer', () => {
  test('draft-ietf-quic-multipath §3.2.1: one id for one path', () => {
    const { ids } = setUp()
    ids.receiveNew(NEW_ID(1, 0), FrameType.PATH_NEW_CONNECTION_ID)
    expect(() => ids.receiveNew({ ...NEW_ID(1, 0), pathId: 2 }, FrameType.PATH_NEW_CONNECTION_ID)).toThrow(
      violation(ErrorCode.PROTOCOL_VIOLATION, FrameType.PATH_NEW_CONNECTION_ID),
    )
    // the id of the handshake is path 0's
    expect(() =>
      ids.receiveNew({ ...NEW_ID(3, 0), id: new Uint8Array(8).fill(7) }, FrameType.PATH_NEW_CONNECTION_ID),
    ).toThrow(violation(ErrorCode.PROTOCOL_VIOLATION, FrameType.PATH_NEW_CONNECTION_ID))
  })

  test('draft-ietf-quic-multipath §4: nothing about a path above our maximum', () => {
    const { ids } = setUp()
    expect(() => ids.check(8, FrameType.PATH_ABANDON)).toThrow(
      violation(ErrorCode.PROTOCOL_VIOLATION, FrameType.PATH_ABANDON),
    )
    ids.check(7, FrameType.PATH_ABANDON)
    expect(() => ids.receiveRetire({ pathId: 8, sequence: 0 }, FrameType.PATH_RETIRE_CONNECTION_ID, 0, 0)).toThrow(
      violation(ErrorCode.PROTOCOL_VIOLATION, FrameType.PATH_RETIRE_CONNECTION_ID),
    )
  })

  test('draft-ietf-quic-multipath §4.7: blocked by an id that is about to be issued, and no later one', () => {
    const { ids } = setUp()
    const next = ids.local(1).nextSequence
    ids.receiveBlocked({ pathId: 1, nextSequence: next })
    expect(() => ids.receiveBlocked({ pathId: 1, nextSequence: next + 1 })).toThrow(
      violation(ErrorCode.PROTOCOL_VIOLATION, FrameType.PATH_CIDS_BLOCKED),
    )
    ids.spend(1)
    ids.receiveBlocked({ pathId: 1, nextSequence: next + 1 })
  })
})

describe('ids of ours', () => {
  test('RFC 9000 §19.16: what is retired before it was said makes nothing wait', () => {
    const { ids } = setUp()
    const local = ids.local(1)
    ids.use(1)
    const waiting = local.pendingCount
    for (let sequence = 0; sequence < 10_000; sequence++) local.receiveRetire(sequence, -1)
    expect(local.count).toBe(5)
    expect(local.pendingCount).toBeLessThanOrEqual(waiting)
  })
})
