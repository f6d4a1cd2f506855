/** One end hears that its network is another one, or loses its sockets: the connection stays, and so do its streams. */
import { describe, expect, test } from 'vitest'
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
const TEST_MS = 60_000

export function networkChangeSuite(setupNow: () => PunchSetup): void {
  describe.each([
    ['we dialled', dialByRelay],
    ['it dialled', dialledByRelay],
  ] as const)('%s', (_, dial) => {
    test(
      'endpoint.md §5.3: it is told that its network has changed, and nothing has',
      async () => {
        const setup = setupNow()
        const ours = await openOurs(setup)
        const { log, theirs } = await dial(ours, setup)
        await log.goes('direct')
        await log.settles()
        await setup.peer.networkChange()
        await stays(log, theirs)
        await theySee(theirs, 'direct, selected', 'relay')
      },
      TEST_MS,
    )

    test(
      'endpoint.md §5.3: our sockets break, and new ones have other ports: direct again from there',
      async () => {
        const setup = setupNow()
        const ours = await openOurs(setup)
        const { log, theirs } = await dial(ours, setup)
        await log.goes('direct')
        await log.settles()
        const [before] = ours.endpoint.boundAddresses()
        const running = log.connection.side === 'client' ? await RunningEcho.start(log.connection) : undefined
        await running?.runs(64 * KIB)
        ours.platform.breakSockets()
        ours.endpoint.networkChange()
        await expect.poll(() => ours.endpoint.boundAddresses()).toHaveLength(1)
        const [after] = ours.endpoint.boundAddresses()
        expect(after).not.toBe(before)
        const isThere = async (): Promise<boolean> => {
          const { paths } = await theirs.paths()
          return paths.some(({ remote, selected }) => selected && remote === `ip:${after}`)
        }
        await expect.poll(isThere, { timeout: 40_000, interval: 20 }).toBe(true)
        await running?.runs(256 * KIB)
        await running?.end()
        await stays(log, theirs)
      },
      TEST_MS,
    )
  })
}
