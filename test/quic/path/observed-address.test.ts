import { expect, test } from 'vitest'
import { AddressReports, sendsReports } from '../../../src/quic/path/observed-address.ts'
import type { Path } from '../../../src/quic/path/path.ts'
import { Packets, resources } from './support.ts'

test('quic.md §3.2: who sends may report to who receives', () => {
  const roles = [undefined, 0, 1, 2]
  const pairs = roles.flatMap((from) => roles.filter((to) => sendsReports(from, to)).map((to) => [from, to]))
  expect(pairs).toEqual([
    [0, 1],
    [0, 2],
    [2, 1],
    [2, 2],
  ])
})

function setUp() {
  const live = new Map<number, Path>()
  const add = (id: number, route: number) => {
    const path = { id, isOpen: true, reportPending: true, link: { route } } as unknown as Path
    live.set(id, path)
    return path
  }
  let woken = 0
  const reports = new AddressReports(
    resources('server').all.routes,
    (id) => live.get(id),
    () => woken++,
  )
  const packets = new Packets()
  return {
    reports,
    add,
    live,
    take: (pathId: number, room?: number) => packets.take(reports, room, pathId),
    woken: () => woken,
  }
}

test('quic.md §5.9: sequences count over the connection, each path tells of itself, once', () => {
  const { add, take } = setUp()
  add(0, 100)
  add(1, 200)
  expect(take(1).frames).toMatchObject([{ sequence_number: 0, address: '192.0.2.1:200' }])
  expect(take(0).frames).toMatchObject([{ sequence_number: 1, address: '192.0.2.1:100' }])
  expect(take(0).frames).toEqual([])
  expect(take(5)).toMatchObject({ frames: [], more: false })
})

test('quic.md §5.9: a report that was lost is made anew, unless the path has moved or gone', () => {
  const { add, live, take, woken } = setUp()
  const path = add(0, 100)
  take(0).lost()
  expect([path.reportPending, woken()]).toEqual([true, 1])
  const second = take(0)
  expect(second.frames).toMatchObject([{ sequence_number: 1 }])
  Object.assign(path, { link: { route: 300 } })
  second.lost()
  expect(path.reportPending).toBe(false)
  path.reportPending = true
  const third = take(0)
  live.delete(0)
  third.lost()
  expect(path.reportPending).toBe(false)
})

test('quic.md §5.9: a route without an address has nothing to report, a full packet makes it wait', () => {
  const { add, take } = setUp()
  const relay = add(0, -1)
  expect(take(0)).toMatchObject({ frames: [], more: false })
  expect(relay.reportPending).toBe(false)
  const path = add(1, 200)
  expect(take(1, 29)).toMatchObject({ frames: [], more: true })
  expect(path.reportPending).toBe(true)
  expect(take(1, 30).frames).toHaveLength(1)
})
