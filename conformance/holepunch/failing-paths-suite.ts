/** The direct path dies under a running stream: iroh takes its 15 s to notice (spec/endpoint.md §4.4), nothing is lost, and a direct path comes back. */
import { expect, test } from 'vitest'
import {
  dialByRelay,
  dialledByRelay,
  openOurs,
  type PunchSetup,
  stays,
  theySee,
} from '../../test/interop/holepunch/punch-suite.ts'
import { RunningEcho } from '../../test/interop/holepunch/running-echo.ts'

const KIB = 1024
const MIB = 1024 * KIB
/** Idle timeout of a path of iroh's, what it takes to tell us, and patience. */
const NOTICED_MS = 40_000
const TEST_MS = 90_000
/** What was lost with the direct path is sent again after probe timeouts that have grown: a second, which is vitest's patience, may be too short. */
const PATIENTLY = { timeout: NOTICED_MS }

export function failingPathsSuite(setupNow: () => PunchSetup): void {
  test(
    'endpoint.md §4.4: we dialled: it goes on over the relay, and we find a direct path again',
    async () => {
      const setup = setupNow()
      const ours = await openOurs(setup)
      const { log, theirs } = await dialByRelay(ours, setup)
      await log.goes('direct')
      await log.settles()
      const running = await RunningEcho.start(log.connection)
      await running.runs(256 * KIB)
      ours.platform.isOpen = false
      await log.goes('relay', NOTICED_MS)
      await running.runs(256 * KIB, NOTICED_MS)
      await theySee(theirs, 'relay, selected')
      ours.platform.isOpen = true
      await log.goes('direct', NOTICED_MS)
      await running.runs(256 * KIB)
      await running.end()
      expect(log.selections.slice(0, 3)).toEqual(['relay', 'direct', 'relay'])
      await stays(log, theirs)
      await theySee(theirs, 'direct, selected', 'relay')
    },
    TEST_MS,
  )

  test(
    'endpoint.md §4.4: it dialled: it goes on over the relay, and comes back, for we announce our addresses again',
    async () => {
      const setup = setupNow()
      const ours = await openOurs(setup)
      const { log, theirs } = await dialledByRelay(ours, setup)
      await log.goes('direct')
      await log.settles()
      const size = 256 * MIB
      const running = theirs.run({ action: 'echo', size, timeoutMs: TEST_MS })
      // when something else fails first, its end is no news
      running.catch(() => {})
      await expect.poll(() => log.bytes('direct', 'bytesReceived'), PATIENTLY).toBeGreaterThan(256 * KIB)
      ours.platform.isOpen = false
      await log.goes('relay', NOTICED_MS)
      await theySee(theirs, 'relay, selected')
      const relayed = log.bytes('relay', 'bytesReceived')
      await expect.poll(() => log.bytes('relay', 'bytesReceived'), PATIENTLY).toBeGreaterThan(relayed + 256 * KIB)
      ours.platform.isOpen = true
      // by itself it would wait for its next look at everything, a minute after the last; our ADD_ADDRESS made it look, and once more 5 s later
      await log.goes('direct', NOTICED_MS)
      expect(await running).toMatchObject({ bytes: size, verified: true, reason: null })
      expect(log.selections.slice(0, 3)).toEqual(['relay', 'direct', 'relay'])
      await stays(log, theirs)
      await theySee(theirs, 'direct, selected', 'relay')
    },
    TEST_MS,
  )
}
