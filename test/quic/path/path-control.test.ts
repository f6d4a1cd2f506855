import { expect, test } from 'vitest'
import type { Path } from '../../../src/quic/path/path.ts'
import { PathControl } from '../../../src/quic/path/path-control.ts'
import { Packets } from './support.ts'

const open = (id: number) => ({ id, isOpen: true, status: 'available', statusSequence: 1 }) as Path

function setUp() {
  let woken = 0
  let heard = 0
  const control = new PathControl(
    () => woken++,
    () => heard++,
  )
  const packets = new Packets()
  return {
    control,
    take: (room?: number) => packets.take(control, room),
    packets,
    woken: () => woken,
    heard: () => heard,
  }
}

test('quic.md §5.5: PATH_ABANDON is said until it is acknowledged, and then no more', () => {
  const { control, take, heard, woken } = setUp()
  control.abandon(3, 0x3e)
  expect(woken()).toBe(1)
  const first = take()
  expect(first.frames).toEqual([{ frame_type: 'path_abandon', path_id: 3, error_code: 0x3e }])
  expect(take().frames).toEqual([])
  first.lost()
  expect(woken()).toBe(2)
  const second = take()
  expect(second.frames).toEqual(first.frames)
  expect(control.unheard).toBe(1)
  second.acked()
  expect([control.unheard, heard()]).toEqual([0, 1])
  expect(control.pendingCount).toBe(0)
  expect(take().frames).toEqual([])
})

test('quic.md §5.6: of a PATH_STATUS that was lost only the newest is said again', () => {
  const { control, take } = setUp()
  const path = open(1)
  control.status(path)
  control.status(path)
  const first = take()
  expect(first.frames).toMatchObject([{ frame_type: 'path_status_available', path_status_sequence_number: 1 }])
  path.status = 'backup'
  path.statusSequence = 2
  control.status(path)
  const second = take()
  expect(second.frames).toMatchObject([{ frame_type: 'path_status_backup', path_status_sequence_number: 2 }])
  first.lost()
  expect(take().frames).toEqual([])
  second.lost()
  const third = take()
  expect(third.frames).toEqual(second.frames)
  third.acked()
  expect(control.pendingCount).toBe(0)
})

test('draft-ietf-quic-multipath §4: nothing is said of the status of an abandoned path', () => {
  const { control, take } = setUp()
  const path = open(1)
  control.status(path)
  const sent = take()
  Object.assign(path, { isOpen: false })
  sent.lost()
  expect(take().frames).toEqual([])
  const other = open(2)
  control.status(other)
  Object.assign(other, { isOpen: false })
  expect(take().frames).toEqual([])
  control.forget(1)
  control.forget(2)
  expect(control.pendingCount).toBe(0)
})

test('draft-ietf-quic-multipath §4.6: MAX_PATH_ID is repeated while it is the newest', () => {
  const { control, take } = setUp()
  control.maxPathId(8)
  const first = take()
  control.maxPathId(9)
  const second = take()
  expect([...first.frames, ...second.frames].map((frame) => frame.maximum_path_id)).toEqual([8, 9])
  first.lost()
  expect(take().frames).toEqual([])
  second.lost()
  expect(take().frames).toEqual(second.frames)
})

test('draft-ietf-quic-multipath §4.7: blocked is said once, and again only when lost and still so', () => {
  const { control, take } = setUp()
  control.pathsBlocked(7)
  control.pathsBlocked(7)
  control.cidsBlocked(8, 0)
  control.cidsBlocked(8, 0)
  expect(control.isBlocked).toBe(true)
  const first = take()
  expect(first.frames).toEqual([
    { frame_type: 'paths_blocked', maximum_path_id: 7 },
    { frame_type: 'path_cids_blocked', path_id: 8, next_sequence_number: 0 },
  ])
  first.lost()
  const second = take()
  expect(second.frames).toEqual(first.frames)
  control.unblock()
  second.lost()
  expect(control.isBlocked).toBe(false)
  expect(take().frames).toEqual([])
})

test('RFC 9000 §12.4: no frame is written past the end of a packet, and all are in the end', () => {
  const { control, take, packets } = setUp()
  for (let id = 1; id <= 20; id++) control.abandon(id, 2 ** 50)
  control.status(open(30))
  control.maxPathId(2 ** 32 - 1)
  control.pathsBlocked(2 ** 32 - 1)
  control.cidsBlocked(2 ** 32 - 1, 2 ** 50)
  const seen: unknown[] = []
  for (let round = 0; round < 60; round++) {
    const packet = take(18 + (round % 30))
    seen.push(...packet.frames)
    packet.acked()
    if (!packet.more) break
  }
  expect(seen).toHaveLength(24)
  expect(packets.pool.live).toBe(0)
  expect(take(17).more).toBe(false)
})
