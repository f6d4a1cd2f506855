import { expect, test } from 'vitest'
import { makePaths, NEW_ID } from './support.ts'

/** Path 0, and path 1 on route 200, which is not validated yet; both watched. */
function two() {
  const made = makePaths('client')
  const { paths } = made
  paths.receiveNewId(NEW_ID(1, 0), 0x3e78)
  paths.open(200, 'available', 0)
  paths.watch(1500)
  return { ...made, first: paths.find(0)!, second: paths.find(1)! }
}

/** Path 0 has been silent for long enough to ask the other. */
function silent() {
  const it = two()
  it.first.sentEliciting(0)
  const { watching } = it.paths
  const at = watching.deadline(it.first)
  watching.tick(it.first, at)
  return { ...it, watching, at }
}

test('only paths that are open and proved are pinged, and only their answers count', () => {
  const { paths, first, second, watching, at } = silent()
  expect(second.pingPending).toBe(false)
  paths.answered(second, at, at + 20)
  expect(watching.deadline(first)).toBe(Number.POSITIVE_INFINITY)
  second.link.validated = true
  paths.answered(second, at, at + 30)
  expect(watching.deadline(first)).toBe(at + 30)
  watching.tick(first, at + 30)
  expect(second.pingPending).toBe(true)
  expect(first.link.challengePending).toBe(true)
})

test('what an abandoned path answers proves nothing', () => {
  const { paths, first, second, watching, at } = silent()
  second.link.validated = true
  paths.abandon(1, 0, at)
  paths.answered(second, at, at + 20)
  expect(watching.deadline(first)).toBe(Number.POSITIVE_INFINITY)
})

test('a path that was never proved is judged by its validation, not here', () => {
  const { paths, second } = two()
  second.sentEliciting(0)
  expect(paths.watching.deadline(second)).toBe(Number.POSITIVE_INFINITY)
  second.link.validated = true
  expect(paths.watching.deadline(second)).toBeLessThan(2000)
})
