/** The routers do what their names say, asked with plain UDP: which port a destination sees, and who may send back (RFC 4787). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canMakeNamespaces, removeLeftovers } from './namespaces.ts'
import { NAT_KINDS, type NatKind } from './router-rules.ts'
import { Probe } from './udp-probe.ts'
import { type Host, World } from './world.ts'

if (!canMakeNamespaces())
  throw new Error('the lab needs root on Linux and the commands `ip` (iproute2) and `nft` (nftables)')

/** For what must come, and for what must not. */
const COMES_MS = 10_000
const STAYS_AWAY_MS = 300

let world: World
let servers: readonly [Probe, Probe]
let addresses: readonly [string, string]

beforeAll(async () => {
  removeLeftovers()
  world = await World.create(undefined)
  const [first, second] = world.relays.addressesOf(0).v4 as [string, string]
  const start = (address: string): Promise<Probe> => Probe.start(world.spaces, 'relay-a', address)
  servers = [await start(first), await start(second)]
  addresses = [`${first}:${servers[0].port}`, `${second}:${servers[1].port}`]
})
afterAll(() => world?.close())

async function home(nat: NatKind, firewall?: 'guest' | 'no-udp'): Promise<Host> {
  const router = await world.router(`r-${nat}-${firewall ?? 'home'}`, {
    nat,
    ...(firewall === undefined ? {} : { firewall }),
  })
  return world.host(`h-${nat}-${firewall ?? 'home'}`, router)
}

/** What is seen of a host: its address at both servers, and whether the second could write to it before it was written to. */
async function observe(host: Host): Promise<{ seen: (string | undefined)[]; isOpen: boolean; inner: number }> {
  const probe = await Probe.start(world.spaces, host.name, '0.0.0.0')
  probe.send(addresses[0], `first-${host.name}`)
  const first = await servers[0].got(`first-${host.name}`, COMES_MS)
  if (first !== undefined) servers[1].send(first, `unasked-${host.name}`)
  const isOpen = (await probe.got(`unasked-${host.name}`, STAYS_AWAY_MS)) !== undefined
  probe.send(addresses[1], `second-${host.name}`)
  const second = await servers[1].got(`second-${host.name}`, COMES_MS)
  if (second !== undefined) servers[1].send(second, `answer-${host.name}`)
  expect(await probe.got(`answer-${host.name}`, COMES_MS)).toBe(addresses[1])
  return { seen: [first, second], isOpen, inner: probe.port }
}

describe.each(NAT_KINDS)('RFC 4787 §4, §5: NAT %s', (nat) => {
  test('maps and filters as it should', async () => {
    const { seen, isOpen, inner } = await observe(await home(nat))
    expect(seen[0]).toMatch(nat === 'none' ? /^192\.0\.2\./ : /^203\.0\.113\./)
    if (nat === 'strict') expect(seen[1]).not.toBe(seen[0])
    else expect(seen[1]).toBe(seen[0])
    if (nat !== 'strict') expect(seen[0]).toMatch(new RegExp(`:${inner}$`))
    expect(isOpen).toBe(nat === 'none' || nat === 'open')
  })
})

test('a guest network lets UDP out to high ports, and only answers in', async () => {
  const { isOpen } = await observe(await home('moderate', 'guest'))
  expect(isOpen).toBe(false)
})

test('no UDP passes a router that blocks it', async () => {
  const host = await home('moderate', 'no-udp')
  const probe = await Probe.start(world.spaces, host.name, '0.0.0.0')
  probe.send(addresses[0], 'blocked')
  expect(await servers[0].got('blocked', STAYS_AWAY_MS)).toBeUndefined()
})

test('a way that is cut is cut both ways, and only that one', async () => {
  const [left, right] = [await world.router('cut-l', { nat: 'none' }), await world.router('cut-r', { nat: 'none' })]
  const [a, b] = [await world.host('cut-a', left), await world.host('cut-b', right)]
  const echo = await Probe.start(world.spaces, b.name, '0.0.0.0', 'echo')
  const probe = await Probe.start(world.spaces, a.name, '0.0.0.0')
  const target = `192.0.2.${8 * right.number + 2}:${echo.port}`
  expect(await probe.ask(target, COMES_MS)).toBeDefined()
  await world.cutBetween(left, right)
  expect(await probe.ask(target, STAYS_AWAY_MS)).toBeUndefined()
  probe.send(addresses[0], 'still-there')
  expect(await servers[0].got('still-there', COMES_MS)).toBeDefined()
  await world.joinAgain(left, right)
  expect(await probe.ask(target, COMES_MS)).toBeDefined()
})
