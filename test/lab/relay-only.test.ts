/**
 * Two nodes that reach the relay and not each other: everything goes through it, for as long as they talk. Each pair in both roles, over IPv4 and on hosts that have
 * nothing but IPv6.
 */
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canMakeNamespaces, removeLeftovers } from './namespaces.ts'
import type { LabProcess } from './process.ts'
import { TwoHosts } from './two-hosts.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const TSX = `${ROOT}node_modules/.bin/tsx`
const TOM = `${ROOT}src/cli/main.ts`
const IROH = `${ROOT}test/interop/iroh/program.ts`
const ALPN = 'tom/echo/1'

if (!canMakeNamespaces())
  throw new Error('the lab needs root on Linux and the commands `ip` (iproute2) and `nft` (nftables)')

describe.each([4, 6] as const)('relay only, IPv%d', (family) => {
  let lab: TwoHosts
  let relay: LabProcess
  let url: string

  beforeAll(async () => {
    removeLeftovers()
    lab = await TwoHosts.create(family)
    const { middle } = lab.addresses
    const host = family === 6 ? `[${middle}]` : middle
    url = `http://${host}:3340/`
    relay = lab.run('middle', TSX, [TOM, 'relay', '--dev'])
    await relay.match(/3340/, 20_000)
  })
  afterAll(() => lab?.close())

  function bindOf(side: 'left' | 'right'): string[] {
    const address = lab.addresses[side]
    return ['--bind', family === 6 ? `[${address}]:0` : `${address}:0`]
  }

  /** Pings `ticket` from `side`: every event line. */
  async function pings(side: 'left' | 'right', ticket: string): Promise<Record<string, unknown>[]> {
    const flags = ['--relay', url, '--alpn', ALPN, '--pings', '5', '--delay', '50', '--json', ...bindOf(side)]
    const dialler = lab.run(side, TSX, [TOM, 'connect', ticket, ...flags])
    expect(await dialler.exit(40_000), dialler.errors.join('\n')).toBe(0)
    return dialler.lines.map((line) => JSON.parse(line))
  }

  function expectRelayOnly(events: readonly Record<string, unknown>[]): void {
    const summary = events.find(({ event }) => event === 'summary')
    expect(summary).toMatchObject({ successful_pings: 5, failed_pings: 0, relay_pings: 5, direct_pings: 0 })
    expect(events.filter(({ event }) => event === 'path_change')).toMatchObject([{ selected: 'RELAY' }])
  }

  test('TypeScript dials TypeScript', async () => {
    const listener = lab.run('right', TSX, [TOM, 'listen', '--relay', url, '--alpn', ALPN, ...bindOf('right')])
    const ticket = await listener.match(/ticket: (\S+)/, 20_000)
    expectRelayOnly(await pings('left', ticket))
    await listener.stop()
  })

  test('TypeScript dials iroh', async () => {
    const listener = lab.run('right', TSX, [IROH, 'listen', '--relay', url, ...bindOf('right')])
    const ticket = await listener.match(/"event":"online".*"ticket":"(endpoint[a-z2-7]+)"/, 30_000)
    expectRelayOnly(await pings('left', ticket))
    await listener.stop()
  })

  test('iroh dials TypeScript', async () => {
    const listener = lab.run('right', TSX, [TOM, 'listen', '--relay', url, '--alpn', ALPN, ...bindOf('right')])
    const ticket = await listener.match(/ticket: (\S+)/, 20_000)
    const dialler = lab.run('left', TSX, [IROH, 'listen', '--relay', url, ...bindOf('left')])
    await dialler.match(/"event":"online"/, 30_000)
    dialler.write(JSON.stringify({ cmd: 'dial', tag: 1, action: 'echo', ticket, size: 100_000, count: 3 }))
    const result = JSON.parse(await dialler.match(/^(\{.*"event":"(?:result|error)".*)$/, 30_000))
    expect(result).toMatchObject({ event: 'result', verified: true })
    await dialler.stop()
    await listener.stop()
  })
})
