/** A port mapper behind a virtual router, and what it said. */
import { expect } from 'vitest'
import { formatSocketAddress } from '../../../src/bytes/index.ts'
import { PortMapper, type PortMapping } from '../../../src/holepunch/index.ts'
import { pass } from '../net-report/virtual-net.ts'
import { RouterPlatform, type VirtualRouter } from './virtual-router.ts'

export const LOCAL_PORT = 41641
export const SECOND = 1000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE

export interface Home {
  readonly platform: RouterPlatform
  readonly router: VirtualRouter
  readonly mapper: PortMapper
  /** `pcp 203.0.113.7:41641`, or `none`. */
  readonly said: string[]
  /** When, ms since the start. */
  readonly saidAt: number[]
  readonly errors: unknown[]
  pass(ms: number): Promise<void>
  /** Closes, and checks that nothing is left in the process. Returns how long that took, ms. */
  close(): Promise<number>
}

/** A home whose router is set up by `prepare`, with a mapper that has been started. */
export function createHome(prepare: (router: VirtualRouter, platform: RouterPlatform) => void = () => {}): Home {
  const platform = new RouterPlatform()
  const router = platform.router!
  prepare(router, platform)
  const said: string[] = []
  const saidAt: number[] = []
  const errors: unknown[] = []
  const mapper = new PortMapper({
    platform,
    onChange: (mapping) => {
      expect(mapper.mapping).toEqual(mapping)
      said.push(describeMapping(mapping))
      saidAt.push(platform.time - platform.startedAt)
    },
    onError: (error) => errors.push(error),
  })
  mapper.start(LOCAL_PORT)
  const home: Home = {
    platform,
    router,
    mapper,
    said,
    saidAt,
    errors,
    pass: (ms) => pass(platform, ms),
    close: async () => {
      // what was expected was taken out
      expect(errors).toEqual([])
      const startedAt = platform.time
      let closedAt: number | undefined
      void mapper.close().then(() => {
        closedAt = platform.time
      })
      for (let step = 0; step < 200 && closedAt === undefined; step++) await pass(platform, 10)
      expect(closedAt).toBeDefined()
      expect(mapper.mapping).toBeUndefined()
      expect(platform.openSockets).toBe(0)
      expect(platform.openRequests).toBe(0)
      // what is still on its way in the network
      await pass(platform, 5 * SECOND)
      expect(platform.nextTimer).toBe(Number.POSITIVE_INFINITY)
      return closedAt! - startedAt
    },
  }
  return home
}

export function describeMapping(mapping: PortMapping | undefined): string {
  return mapping === undefined ? 'none' : `${mapping.protocol} ${formatSocketAddress(mapping.external)}`
}
