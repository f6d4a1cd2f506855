/** Gossip among nodes behind NATs, with a relay, while one of them changes its network: real endpoints in virtual time. */
import { expect, test } from 'vitest'
import { Gossip } from '../../../src/gossip/index.ts'
import type { EndpointAddr } from '../../../src/identity/index.ts'
import { line } from '../support/nat/access-link.ts'
import type { SimHost } from '../support/nat/host.ts'
import { MASQUERADE } from '../support/nat/kinds.ts'
import { NatWorld } from '../support/nat/world.ts'
import type { SimEndpoint } from '../support/relay/world.ts'
import { bytes, Ear, GOSSIP_ALPN, TOPIC } from './support/world.ts'

const CITY = line({ delayMs: 5 })

interface Resident {
  readonly host: SimHost
  readonly node: SimEndpoint
  readonly ear: Ear
  readonly id: string
}

/** A node at home, subscribed. */
async function resident(world: NatWorld, name: string, bootstrap: readonly EndpointAddr[]): Promise<Resident> {
  const behind = world.internet.router(`${name}'s box`, { behaviour: MASQUERADE, line: CITY })
  const host = world.internet.host(name, { behind })
  const node = await world.endpoint(host, { alpns: [GOSSIP_ALPN] })
  await world.value(node.endpoint.online(), 30_000, `${name} online`)
  await world.run(2_000)
  const gossip = Gossip.on(node.endpoint, { onError: (error) => node.faults.push(error) })
  const ear = new Ear(gossip.subscribe(TOPIC, { bootstrap }), () => world.now)
  return { host, node, ear, id: node.endpoint.id.toString() }
}

async function says(world: NatWorld, from: Resident, to: readonly Resident[], what: string, ms: number): Promise<void> {
  from.ear.topic.broadcast(bytes(what)).catch(() => {})
  await world.until(() => to.every(({ ear }) => ear.hears(what)), ms, `${what} for all`)
}

test('spec/gossip.md §4.6, §11.2 N9, N11: a node that changes its network stays a neighbour, and those who come later find it where it is', async () => {
  const world = new NatWorld('gossip moves')
  world.relay('a')
  const home = await resident(world, 'home', [])
  const roamer = await resident(world, 'roamer', [home.node.endpoint.addr()])
  await world.until(() => roamer.ear.neighbors.length === 1 && home.ear.neighbors.length === 1, 10_000, 'neighbours')
  await world.run(10_000)
  const before = roamer.node.endpoint.addr()
  roamer.host.unplug('eth0')
  const provider = world.internet.router('provider', { behaviour: MASQUERADE, line: CITY, net: '100.64.0' })
  world.internet.plug(roamer.host, { name: 'wwan0', behind: provider })
  await says(world, roamer, [home], 'from the road', 10_000)
  await says(world, home, [roamer], 'to the road', 10_000)
  // its own addresses are known again by then
  await world.run(30_000)
  expect(roamer.node.endpoint.addr().equals(before)).toBe(false)
  expect([roamer.ear.downs(), home.ear.downs()]).toEqual([[], []])
  const late = await resident(world, 'late', [home.node.endpoint.addr()])
  await world.until(() => late.ear.neighbors.includes(roamer.id), 30_000, 'the roamer as a neighbour')
  await says(world, late, [home, roamer], 'pleased to meet you', 10_000)
  for (const { node } of [home, roamer, late]) expect(node.faults).toEqual([])
  await world.close()
})

test('spec/gossip.md §11.1 P5, §11.2 N11: offline for a minute, then elsewhere: the swarm is found again without help', async () => {
  const world = new NatWorld('gossip offline')
  world.relay('a')
  const home = await resident(world, 'home', [])
  const third = await resident(world, 'third', [home.node.endpoint.addr()])
  const roamer = await resident(world, 'roamer', [home.node.endpoint.addr()])
  await world.until(() => [home, third, roamer].every(({ ear }) => ear.neighbors.length === 2), 20_000, 'all together')
  roamer.host.unplug('eth0')
  await world.run(60_000)
  expect(roamer.ear.neighbors).toEqual([])
  expect(home.ear.neighbors).toEqual([third.id])
  const provider = world.internet.router('provider', { behaviour: MASQUERADE, line: CITY, net: '100.64.0' })
  world.internet.plug(roamer.host, { name: 'wwan0', behind: provider })
  await world.until(() => roamer.ear.neighbors.length > 0, 60_000, 'a neighbour again')
  await says(world, roamer, [home, third], 'back again', 10_000)
  await world.close()
})
