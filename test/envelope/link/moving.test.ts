/** A node that changes its network: real endpoints behind NATs, with a relay, in virtual time (spec/envelope.md §3.4). */
import { expect, test } from 'vitest'
import { Links } from '../../../src/envelope/link/links.ts'
import { watchNetwork } from '../../../src/envelope/link/network-watch.ts'
import { EndpointAddr, SecretKey } from '../../../src/identity/index.ts'
import { line } from '../../sim/support/nat/access-link.ts'
import { MASQUERADE } from '../../sim/support/nat/kinds.ts'
import { NatWorld } from '../../sim/support/nat/world.ts'
import { frameOf, Log } from './support.ts'

test('TRN-10: only another network is a change: neither a further address nor one less, a new port, or none at all', async () => {
  const { id } = SecretKey.generate()
  const addr = (...texts: string[]): EndpointAddr => texts.reduce((all, text) => all.withIp(text), new EndpointAddr(id))
  const steps = [
    addr('10.0.0.1:1', '1.1.1.1:1'),
    addr('10.0.0.1:1'),
    addr('10.0.0.1:2'),
    addr(),
    addr('10.0.0.1:2', '[fd00::1]:2'),
    addr().withRelay('https://relay.example'),
    addr('10.0.9.1:2'),
    addr('10.0.9.1:2', '10.0.0.1:2'),
    addr('10.0.0.1:2'),
    addr(),
    addr('[fd00::9]:2'),
  ]
  let at = -1
  const moved: number[] = []
  async function* addrChanges(): AsyncGenerator<EndpointAddr, void, undefined> {
    for (at = 0; at < steps.length; at++) yield steps[at]!
  }
  const endpoint = { addr: () => addr('10.0.0.1:1'), addrChanges }
  await watchNetwork(endpoint, new AbortController().signal, () => moved.push(at))
  expect(moved).toEqual([6, 8, 10])
  moved.length = 0
  await watchNetwork({ addr: () => addr(), addrChanges }, new AbortController().signal, () => moved.push(at))
  expect(moved).toEqual([6, 8, 10])
})

test('TRN-10: a node in another network goes on talking, over new connections', async () => {
  const world = new NatWorld('links move')
  world.relay('a')
  const resident = async (name: string) => {
    const behind = world.internet.router(`${name}'s box`, { behaviour: MASQUERADE, line: line({ delayMs: 5 }) })
    const host = world.internet.host(name, { behind })
    const { endpoint } = await world.endpoint(host, {})
    await world.value(endpoint.online(), 30_000, `${name} online`)
    await world.run(2_000)
    const log = new Log()
    return { host, endpoint, log, id: endpoint.id.toString(), links: new Links({ endpoint, handler: log }) }
  }
  const [home, roamer] = [await resident('home'), await resident('roamer')]
  const exchange = async (number: number): Promise<void> => {
    // by the id alone: both are at home on one relay
    await world.value(roamer.links.send(home.id, frameOf(number)), 20_000, 'a word from the road')
    await world.value(home.links.send(roamer.id, frameOf(number)), 20_000, 'a word to the road')
    const hasAll = (log: Log): boolean => log.numbers.includes(number)
    await world.until(() => hasAll(home.log) && hasAll(roamer.log), 20_000, `both words ${number}`)
  }
  await exchange(1)
  const before = roamer.links.connectionTo(home.id)!
  await world.run(5_000)
  roamer.host.unplug('eth0')
  const provider = world.internet.router('provider', {
    behaviour: MASQUERADE,
    line: line({ delayMs: 5 }),
    net: '100.64.0',
  })
  world.internet.plug(roamer.host, { name: 'wwan0', behind: provider })
  await exchange(2)
  await world.until(() => roamer.links.stats.evictions === 1, 30_000, 'the other network is seen')
  await exchange(3)
  await world.until(() => before.closeReason !== undefined, 10_000, 'the old connection ends')
  expect(roamer.links.connectionTo(home.id)).not.toBe(before)
  expect(roamer.links.stats).toMatchObject({ dials: 2, lost: 0, sendFailures: 0 })
  for (const { log } of [home, roamer]) expect([...log.refused, ...log.errors]).toEqual([])
  await world.value(roamer.links.close(), 5_000)
  await world.close()
})
