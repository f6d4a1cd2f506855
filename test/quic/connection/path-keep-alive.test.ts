/** Idle paths beside another one: what keeps them alive (spec/quic.md §5.7). */
import { expect, test } from 'vitest'
import { Pair } from './pair.ts'

const MINUTE = 60_000

/** Two paths, validated by both sides, and nothing more to say. */
function idlePaths(): Pair {
  const maxPathId = 7
  const it = new Pair({ client: { maxPathId }, server: { maxPathId } }).connect()
  it.run(200)
  it.client.connection!.openPath(200, 'available', it.now)
  it.until(() => it.client.of('path-validated').length > 0 && it.server.of('path-validated').length > 0)
  it.run(200)
  return it
}

const openPaths = (it: Pair, side: 'client' | 'server') =>
  it[side].connection!.paths().flatMap(({ id, state }) => (state === 'open' ? [id] : []))

/** The longest time in which `sides` asked for no answer on `path`, ms. */
function longestSilence(
  it: Pair,
  sides: 'client' | 'server' | readonly ('client' | 'server')[],
  path: number,
  since: number,
): number {
  let longest = 0
  let last = it.log[since]!.sentAt
  const sent = [sides].flat().flatMap((side) => it.sentBy(side, since))
  for (const { packets, sentAt } of sent.sort((left, right) => left.sentAt - right.sentAt)) {
    const asks = packets.some(
      ({ pathId, frames }) => pathId === path && frames.some((frame) => frame.frame_type === 'ping'),
    )
    if (!asks) continue
    longest = Math.max(longest, sentAt - last)
    last = sentAt
  }
  return Math.max(longest, it.now - last)
}

test('quic.md §5.7: on each of two idle paths one of the sides asks for an answer every 5 s, and the other answers there', () => {
  const it = idlePaths()
  const since = it.log.length - 1
  it.run(3 * MINUTE)
  for (const side of ['client', 'server'] as const) expect(openPaths(it, side)).toEqual([0, 1])
  for (const path of [0, 1]) expect(longestSilence(it, ['client', 'server'], path, since)).toBeLessThan(6000)
  // a question and an answer on each path every 5 s, not two
  expect(it.log.length - since).toBeLessThan(2 * 2 * 36 * 1.2)
})

test('quic.md §5.7: with one path, what arrives puts off the keep-alive: one side is enough', () => {
  const it = new Pair({ server: { keepAliveMs: 8000 } }).connect()
  it.run(200)
  const since = it.log.length - 1
  it.run(MINUTE)
  expect(longestSilence(it, 'client', 0, since)).toBeLessThan(6000)
  expect(longestSilence(it, 'server', 0, since)).toBeGreaterThan(MINUTE - 1000)
})
