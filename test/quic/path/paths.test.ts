import { describe, expect, test } from 'vitest'
import { ErrorCode } from '../../../src/quic/errors.ts'
import { FrameType } from '../../../src/quic/wire/frame-types.ts'
import { PathErrorCode } from '../../../src/quic/wire/path-frames.ts'
import { makePaths, NEW_ID } from './support.ts'

const STATUS = FrameType.PATH_STATUS_BACKUP

/** With ids of the peer for paths 1 to 3. */
function ready(role: 'client' | 'server', options: Parameters<typeof makePaths>[1] = {}) {
  const made = makePaths(role, options)
  for (let path = 1; path <= 3; path++) made.paths.receiveNewId(NEW_ID(path, 0), FrameType.PATH_NEW_CONNECTION_ID)
  return made
}

const states = ({ paths }: ReturnType<typeof makePaths>) => paths.live.map(({ id, state }) => `${id} ${state}`)

describe('what was agreed', () => {
  test('quic.md §2.3: a peer with zero-length connection ids cannot have multipath', () => {
    for (const role of ['client', 'server'] as const) {
      const empty = { initialSourceConnectionId: new Uint8Array(0) }
      expect(() => makePaths(role, { peer: empty })).toThrow(
        expect.objectContaining({ code: ErrorCode.PROTOCOL_VIOLATION, frameType: 0 }),
      )
      // where one of the two does not offer it, they are fine
      const { paths } = makePaths(role, { peer: empty, settings: { maxPathId: undefined } })
      expect(paths.multipath).toBe(false)
    }
  })
})

describe('opening', () => {
  test('quic.md §5.4: a client takes ids one by one, and says what it lacks, once', () => {
    const made = ready('client')
    const { paths, packets, told } = made
    expect([1, 2, 3].map(() => paths.open(200, 'available', 0))).toEqual([1, 2, 3])
    expect(paths.open(200, 'available', 0)).toBeUndefined()
    expect(paths.open(200, 'available', 0)).toBeUndefined()
    expect(packets.take(paths.control).frames).toEqual([
      { frame_type: 'path_cids_blocked', path_id: 4, next_sequence_number: 0 },
    ])
    told()
    paths.receiveNewId(NEW_ID(4, 0), FrameType.PATH_NEW_CONNECTION_ID)
    expect(told()).toEqual([{ type: 'paths-available' }])
    expect(paths.open(200, 'available', 0)).toBe(4)
  })

  test('quic.md §5.4: a client that has used all ids hears of MAX_PATH_ID', () => {
    const { paths, packets, told } = ready('client', { peer: { initialMaxPathId: 1 } })
    expect(paths.open(200, 'available', 0)).toBe(1)
    expect(paths.open(300, 'available', 0)).toBeUndefined()
    expect(packets.take(paths.control).frames).toEqual([{ frame_type: 'paths_blocked', maximum_path_id: 1 }])
    told()
    paths.receiveMaxPathId(1)
    expect(told()).toEqual([])
    paths.receiveMaxPathId(2)
    expect(told()).toEqual([{ type: 'paths-available' }])
  })

  test('quic.md §5.4: only servers let paths appear, within the maximum, and no spent ones', () => {
    const client = ready('client')
    expect(client.paths.mayAppear(1)).toBe(false)
    const { paths } = ready('server')
    expect([1, 7, 8].map((id) => paths.mayAppear(id))).toEqual([true, true, false])
    paths.receiveAbandon({ pathId: 2, errorCode: 0 }, 0)
    expect(paths.mayAppear(2)).toBe(false)
    expect(paths.mayAppear(8)).toBe(true)
    expect(() => paths.open(200, 'available', 0)).toThrow('only the client')
  })

  test('quic.md §5.4: a path that appears has the allowance of the packet that made it', () => {
    const { paths, told } = ready('server')
    told()
    const path = paths.appeared(1, 200, 60, 0)!
    expect(path.link.amplificationBudget).toBe(180)
    expect(paths.appeared(5, 200, 60, 0)).toBeUndefined()
    expect(told()).toEqual([{ type: 'path-opened', path: 1, route: 200 }])
    // who has proved an address need not prove it for another path
    expect(paths.appeared(2, 100, 60, 0)!.link.validated).toBe(true)
  })
})

describe('leaving', () => {
  test('quic.md §5.5: PATH_ABANDON is answered with the code received, and said once', () => {
    const made = ready('server')
    const { paths, packets, told } = made
    paths.appeared(1, 200, 60, 0)
    packets.take(paths.control)
    told()
    for (let repeat = 0; repeat < 3; repeat++) paths.receiveAbandon({ pathId: 1, errorCode: 99 + repeat }, 0)
    expect(packets.take(paths.control).frames).toEqual([{ frame_type: 'path_abandon', path_id: 1, error_code: 99 }])
    expect(told()).toEqual([{ type: 'path-abandoned', path: 1, route: 200, code: 99, byPeer: true }])
    expect(states(made)).toEqual(['0 open', '1 abandoned'])
    expect(paths.tick(paths.deadline - 1)).toBe(false)
    expect(states(made)).toHaveLength(2)
    paths.tick(paths.deadline)
    expect(states(made)).toEqual(['0 open'])
    expect(told()).toEqual([{ type: 'path-discarded', path: 1 }])
    expect(packets.take(paths.control).frames).toEqual([{ frame_type: 'max_path_id', maximum_path_id: 8 }])
  })

  test('quic.md §5.5: the last path stays, and a connection without one ends', () => {
    const made = ready('client')
    const { paths } = made
    expect(() => paths.abandon(0, 0, 0)).toThrow('the last path')
    paths.open(200, 'available', 0)
    paths.abandon(1, PathErrorCode.APPLICATION_ABANDON, 0)
    expect(() => paths.abandon(1, 0, 0)).toThrow('no open path')
    expect(() => paths.abandon(9, 0, 0)).toThrow('no open path')
    expect(() => paths.abandon(0, 0, 0)).toThrow('the last path')
    paths.receiveAbandon({ pathId: 0, errorCode: 0 }, 0)
    expect(paths.noPathAt).toBeCloseTo(3 * (3 * 333 + 25))
    expect(paths.tick(paths.noPathAt - 1)).toBe(false)
    expect(paths.tick(paths.noPathAt)).toBe(true)
  })

  test('quic.md §5.5: another path in time saves the connection, and what the last one still said is said again', () => {
    const made = ready('server')
    const { paths, packets } = made
    paths.receiveAbandon({ pathId: 0, errorCode: 5 }, 0)
    const word = packets.take(paths.control)
    expect(word.frames).toEqual([{ frame_type: 'path_abandon', path_id: 0, error_code: 5 }])
    const { first } = paths
    first.detection.sent(first.space, 0, 60, word.writer, first.link.recovery, 0, false, -1)
    const path = paths.appeared(1, 200, 60, 100)!
    expect(paths.noPathAt).toBe(Number.POSITIVE_INFINITY)
    paths.tick(paths.deadline)
    expect(states(made)).toEqual(['1 open'])
    expect(paths.preferred).toBe(path)
    expect(packets.take(paths.control).frames).toContainEqual(word.frames[0])
  })

  test('quic.md §5.5: an abandoned path whose peer knows and does not answer is forgotten all the same', () => {
    const made = ready('client')
    const { paths, packets } = made
    paths.open(200, 'available', 0)
    paths.abandon(1, 0x3e, 0)
    const word = packets.take(paths.control)
    expect(paths.deadline).toBe(10_000)
    paths.tick(10_000)
    expect(states(made)).toEqual(['0 open', '1 abandoned'])
    word.acked()
    paths.tick(paths.deadline)
    expect(states(made)).toEqual(['0 open'])
  })

  test('quic.md §5.5: ids are given back as far as the peer acknowledges that the old ones are gone', () => {
    const { paths, packets } = makePaths('server')
    const maxima: unknown[] = []
    const unheard: (() => void)[] = []
    const say = () => {
      const packet = packets.take(paths.control)
      maxima.push(
        ...packet.frames.filter((frame) => frame.frame_type === 'max_path_id').map((frame) => frame.maximum_path_id),
      )
      unheard.push(packet.acked)
    }
    for (let id = 7; id < 24; id++) {
      paths.receiveAbandon({ pathId: id, errorCode: 0 }, 0)
      say()
    }
    expect(maxima.at(-1)).toBe(23)
    expect(() => paths.receiveAbandon({ pathId: 24, errorCode: 0 }, 0)).toThrow(
      expect.objectContaining({ code: ErrorCode.PROTOCOL_VIOLATION, frameType: FrameType.PATH_ABANDON }),
    )
    unheard[0]!()
    say()
    expect(maxima.at(-1)).toBe(24)
    paths.receiveAbandon({ pathId: 24, errorCode: 0 }, 0)
  })

  test('quic.md §5.5: nothing is left at the end', () => {
    const { paths, registry } = ready('client')
    paths.open(200, 'available', 0)
    paths.open(300, 'available', 0)
    paths.abandon(1, 0, 0)
    paths.clear()
    paths.release()
    expect(registry.issued.size).toBe(0)
    expect(registry.watched.size).toBe(0)
    expect(paths.deadline).toBe(Number.POSITIVE_INFINITY)
    expect(paths.bytesInFlight).toBe(0)
  })
})

test('RFC 9000 §21.4: no more than 16 challenges wait for an answer on one path', () => {
  const { paths } = ready('server')
  const path = paths.appeared(1, 200, 60, 0)!
  for (let count = 0; count < 1000; count++) path.queueResponse(200, new Uint8Array(8), 60)
  expect(path.responses).toHaveLength(16)
})

describe('what the peer says', () => {
  test('quic.md §5.6: PATH_STATUS by rising sequence; what waits to be told is the newest', () => {
    const { paths, told } = ready('server')
    paths.appeared(1, 200, 60, 0)
    told()
    const status = (pathId: number, sequence: number, backup: boolean) =>
      paths.receiveStatus({ pathId, sequence, backup }, STATUS)
    for (let sequence = 1; sequence < 1000; sequence++) {
      status(0, sequence, sequence % 2 === 0)
      status(1, sequence, sequence % 2 === 1)
    }
    status(1, 999, false)
    status(1, 500, false)
    status(2, 1, true)
    expect(told()).toEqual([
      { type: 'path-status', path: 0, status: 'available' },
      { type: 'path-status', path: 1, status: 'backup' },
    ])
    expect(() => status(8, 1, true)).toThrow(expect.objectContaining({ code: ErrorCode.PROTOCOL_VIOLATION }))
  })

  test('quic.md §4.3: PATH_ACK for a path that is gone is nothing, for one that never was a violation', () => {
    const { paths } = ready('server')
    const path = paths.appeared(1, 200, 60, 0)!
    expect(paths.acknowledged(1, FrameType.PATH_ACK)).toBe(path)
    paths.receiveAbandon({ pathId: 1, errorCode: 0 }, 0)
    expect(paths.acknowledged(1, FrameType.PATH_ACK)).toBe(path)
    paths.tick(paths.deadline)
    expect(paths.acknowledged(1, FrameType.PATH_ACK)).toBeUndefined()
    for (const never of [2, 7, 8, 2 ** 32 - 1])
      expect(() => paths.acknowledged(never, FrameType.PATH_ACK)).toThrow(
        expect.objectContaining({ code: ErrorCode.PROTOCOL_VIOLATION, frameType: FrameType.PATH_ACK }),
      )
  })

  test('quic.md §6.4: ACK_FREQUENCY holds for all paths, also those to come', () => {
    const { paths } = ready('server')
    paths.appeared(1, 200, 60, 0)
    paths.applyAckFrequency({ threshold: 9, maxAckDelayMs: 77, reorderingThreshold: 0 })
    paths.appeared(2, 300, 60, 0)
    expect(paths.live.map(({ space }) => space.ackPolicy.maxAckDelayMs)).toEqual([77, 77, 77])
  })
})
