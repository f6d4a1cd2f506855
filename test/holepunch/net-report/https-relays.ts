/** A reporter, and relays that are measured over HTTPS alone, in virtual time. */
import { type NetReport, NetReporter, type NetReporterOptions } from '../../../src/holepunch/index.ts'
import { RelayUrl } from '../../../src/identity/index.ts'
import type { RelayConfig } from '../../../src/relay/index.ts'
import type { VirtualPlatform } from '../../driver/virtual-platform.ts'
import type { FakeHost } from './fake-web.ts'
import { NetPlatform, pass } from './virtual-net.ts'

export const NEVER = Number.POSITIVE_INFINITY
export const MINUTE = 60_000
export const url = (name: string) => `https://${name}.relay.test/`
export const config = (name: string): RelayConfig => ({ url: RelayUrl.parse(url(name)) })

export function create(hosts: Readonly<Record<string, FakeHost>>, change: Partial<NetReporterOptions> = {}) {
  const platform = new NetPlatform()
  const { web } = platform
  for (const [name, host] of Object.entries(hosts)) web.hosts.set(url(name), { ...host })
  const startedAt = platform.time
  const names = Object.keys(hosts)
  const reports: NetReport[] = []
  const reportedAt: number[] = []
  const homes: string[] = []
  const errors: unknown[] = []
  const reporter = new NetReporter({
    platform,
    driver: undefined,
    trustedRoots: () => undefined,
    relays: () => names.map(config),
    onReport: (report) => {
      reports.push(report)
      reportedAt.push(platform.time - startedAt)
    },
    onHome: (home) => {
      const name = home === undefined ? 'none' : new URL(home).hostname.split('.')[0]
      homes.push(`${name} ${platform.time - startedAt}`)
    },
    onError: (error) => errors.push(error),
    ...change,
  })
  const asked = () => web.requests.map(({ url, at }) => `${new URL(url).hostname.split('.')[0]} ${at - startedAt}`)
  return { platform, web, reporter, reports, reportedAt, homes, errors, names, asked, startedAt }
}

export const THREE = { a: { latencyMs: 60 }, b: { latencyMs: 5 }, c: { latencyMs: 30 } }

export async function settleClose(platform: VirtualPlatform, reporter: NetReporter): Promise<void> {
  const closed = reporter.close()
  await pass(platform, 1)
  await closed
}
