/** Port mapping against a real MiniUPnPd, by each protocol: the mapping works, is renewed, survives a restart of the router, and is gone at the end. */
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { MappingHome, type MiniupnpdOptions, miniupnpdMissing, OUTER, ROUTER } from './miniupnpd.ts'
import { canMakeNamespaces } from './namespaces.ts'
import type { LabProcess } from './process.ts'

const TSX = fileURLToPath(new URL('../../node_modules/.bin/tsx', import.meta.url))
const CLIENT = fileURLToPath(new URL('portmap-client.ts', import.meta.url))

const missing = miniupnpdMissing(canMakeNamespaces())
if (missing !== undefined) process.stderr.write(`port mapping in the lab is skipped: it ${missing}\n`)

interface Row {
  readonly name: string
  readonly label: string
  readonly options: MiniupnpdOptions
  readonly protocol: string
  /** What the router is found to speak: PCP, NAT-PMP, UPnP. */
  readonly speaks: readonly [boolean, boolean, boolean]
  /** The request for the mapping, in the router's log. */
  readonly log: RegExp
}

const ROWS: readonly Row[] = [
  {
    name: 'PCP',
    label: 'p',
    options: { hasNatPmp: true, hasUpnp: true },
    protocol: 'pcp',
    speaks: [true, true, true],
    log: /PCP request received from \S+ 60bytes/,
  },
  {
    name: 'NAT-PMP',
    label: 'n',
    options: { hasNatPmp: true, dropsPcp: true },
    protocol: 'nat-pmp',
    speaks: [false, true, false],
    log: /NAT-PMP request received from \S+ 12bytes/,
  },
  {
    name: 'UPnP, version 1',
    label: 'u',
    options: { hasUpnp: true, isIgd1: true },
    protocol: 'upnp',
    speaks: [false, false, true],
    log: /WANIPConnection:1#AddPortMapping/,
  },
  {
    name: 'UPnP, version 2',
    label: 'v',
    options: { hasUpnp: true },
    protocol: 'upnp',
    speaks: [false, false, true],
    log: /WANIPConnection:2#AddAnyPortMapping/,
  },
]

describe.skipIf(missing !== undefined)('spec/disco-stun-nat.md §7', () => {
  let home: MappingHome | undefined
  afterEach(async () => {
    await home?.close()
    home = undefined
  })

  async function create(label: string, options: MiniupnpdOptions): Promise<{ home: MappingHome; client: LabProcess }> {
    home = await MappingHome.create(label, options)
    return { home, client: home.client(TSX, [CLIENT]) }
  }

  /** Waits until `read` gives something. */
  async function until<T>(what: string, read: () => Promise<T | undefined> | T | undefined): Promise<T> {
    for (let tries = 0; tries < 200; tries++) {
      const found = await read()
      if (found !== undefined) return found
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    throw new Error(`${what} did not come; the router says ${home?.daemonOutput.slice(-10).join('\n')}`)
  }

  const events = (client: LabProcess, name: string): Record<string, unknown>[] =>
    client.lines.map((line) => JSON.parse(line)).filter(({ event }) => event === name)
  /** The newest mapping. */
  const mappingOf = (client: LabProcess): Record<string, unknown> | undefined => events(client, 'mapping').at(-1)

  async function expectToReach(at: MappingHome, client: LabProcess, text: string): Promise<void> {
    const [, host, port] = /^(.*):(\d+)$/.exec(String(mappingOf(client)?.external)) ?? []
    expect(host).toBe(OUTER)
    await at.sendFromOutside(host!, Number(port), text)
    await client.match(new RegExp(`"event":"datagram","text":"${text}"`), 10_000)
  }

  test.each(ROWS)('§7.3, $name: mapped, used, renewed, mapped again after a restart, deleted', async (row) => {
    const { label, options, protocol, speaks, log } = row
    const { home: at, client } = await create(label, options)
    const port = Number(await client.match(/"event":"ready","port":(\d+)/, 20_000))
    await client.match(new RegExp(`"event":"mapping","protocol":"${protocol}"`), 20_000)
    expect(mappingOf(client)).toEqual({ event: 'mapping', protocol, external: `${OUTER}:${port}` })
    await at.daemonSays(log)
    await expectToReach(at, client, 'first')
    client.write('probe')
    const [pcp, natPmp, upnp] = speaks
    const probe = JSON.parse(await client.match(/^(.*"event":"probe".*)$/, 20_000))
    const known = natPmp || upnp ? { externalIp: OUTER } : {}
    expect(probe).toEqual({ event: 'probe', pcp, natPmp, upnp, gateway: ROUTER, ...known })

    const [lease] = await until('a lease', () => (at.leases().length === 1 ? at.leases() : undefined))
    // The lease file counts whole seconds: a renewal must show.
    await new Promise((resolve) => setTimeout(resolve, 2000))
    client.write(`forward ${0.56 * 7200}`)
    await until('the renewal', () => at.leases().find(({ endsAt }) => endsAt > lease!.endsAt))
    await expectToReach(at, client, 'second')

    await at.reboot()
    expect(await at.rules()).toEqual([])
    client.write('network')
    await until('the new mapping', async () => ((await at.rules()).length > 0 ? true : undefined))
    await expectToReach(at, client, 'third')

    client.write('close')
    await client.match(/"event":"closed"/, 10_000)
    expect(await client.exit(10_000)).toBe(0)
    expect(await at.rules()).toEqual([])
    expect(at.leases()).toEqual([])
    expect(events(client, 'error')).toEqual([])
  })

  test('§7.3: a router behind another NAT maps nothing that is announced, and nothing is left behind', async () => {
    const { home: at, client } = await create('d', { hasNatPmp: true, hasUpnp: true, outer: '100.64.3.4' })
    await client.match(/"event":"ready"/, 20_000)
    client.write('probe')
    const probe = JSON.parse(await client.match(/^(.*"event":"probe".*)$/, 20_000))
    expect(probe).toMatchObject({ gateway: ROUTER, pcp: true })
    await at.daemonSays(/PCP request received from \S+ 60bytes/)
    client.write('close')
    await client.match(/"event":"closed"/, 10_000)
    expect(events(client, 'mapping')).toEqual([])
    expect(await at.rules()).toEqual([])
    expect(at.leases()).toEqual([])
  })
})
