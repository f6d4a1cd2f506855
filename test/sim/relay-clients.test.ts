/** A relay among clients that misbehave, in virtual time: honest ones keep their traffic, and nobody's memory grows without bound. */
import { describe, expect, test } from 'vitest'
import { DEFAULT_RELAY_LIMITS } from '../../src/relay/server/hub/index.ts'
import type { SimRelay } from './support/relay/sim-relay.ts'
import { type RawClient, RelayWorld } from './support/relay/world.ts'
import { seedsOf } from './support/suite.ts'

const LIMITS = DEFAULT_RELAY_LIMITS
/** In a link and in the hub's queue together, and one frame that found room, bytes. */
const MOST_PER_CLIENT = LIMITS.queueBytes + LIMITS.linkBytes + 65_536

interface Story {
  readonly world: RelayWorld
  readonly relay: SimRelay
  readonly honest: readonly { readonly from: RawClient; readonly to: RawClient }[]
  /** Client ends too, with everything they know. */
  client(name: string): Promise<RawClient>
}

/** Ten pairs that send 200 bytes every 20 ms, from now until `stop`. */
async function story(seed: string): Promise<Story & { stop(): void }> {
  const world = new RelayWorld(seed)
  const relay = world.relay('a')
  const client = async (name: string): Promise<RawClient> => {
    const one = world.client(name, relay)
    await world.until(() => one.isOnline, 5_000, `${name} online`)
    return one
  }
  const honest: { from: RawClient; to: RawClient }[] = []
  for (let pair = 0; pair < 10; pair++)
    honest.push({ from: await client(`from ${pair}`), to: await client(`to ${pair}`) })
  let isOver = false
  const tick = (): void => {
    if (isOver) return
    for (const { from, to } of honest) from.send(to)
    world.clock.after(20, tick)
  }
  tick()
  return {
    world,
    relay,
    honest,
    client,
    stop: () => {
      isOver = true
    },
  }
}

/** Each datagram of each honest pair came, once, in order and in time. */
async function expectHonest({ world, honest }: Story, withinMs: number): Promise<void> {
  await world.run(2_000)
  for (const { from, to } of honest) {
    const arrivals = to.arrivalsFrom(from)
    expect(arrivals.map(({ number }) => number)).toEqual(Array.from({ length: from.sent }, (_, number) => number))
    expect(Math.max(...arrivals.map(({ afterMs }) => afterMs))).toBeLessThan(withinMs)
  }
}

describe('a relay among bad clients', () => {
  test('spec/relay.md §4.1: a slow reader loses its own datagrams, is dropped, and costs a bounded amount', async () => {
    const it = await story('slow reader')
    const [sender, slow] = [await it.client('sender'), await it.client('slow')]
    slow.link.sleep(true)
    const its = slow.link.peer
    let most = 0
    const flood = async (ms: number): Promise<void> => {
      for (let at = 0; at < ms; at += 10) {
        for (let count = 0; count < 40; count++) sender.send(slow, 1200)
        most = Math.max(most, it.relay.isDown ? 0 : it.relay.hub.backlog.bytes)
        await it.world.run(10)
      }
    }
    await flood(4_000)
    expect(most).toBeGreaterThan(LIMITS.queueDatagrams * 1200 * 0.9)
    expect(most).toBeLessThan(MOST_PER_CLIENT)
    expect(its.mostQueued).toBeLessThan(MOST_PER_CLIENT)
    await it.world.run(3_000)
    expect(its.isDone).toBe(true)
    expect(it.relay.hub.counters.tom_write_timeouts).toBe(1)
    it.stop()
    await expectHonest(it, 60)
    expect(it.relay.hub.backlog.bytes).toBe(0)
  })

  test('spec/relay.md §4.8: one that floods is read in turn: the others keep their pace', async () => {
    const it = await story('flood')
    const [flooder, victim] = [await it.client('flooder'), await it.client('victim')]
    const end = it.world.now + 3_000
    let most = 0
    while (it.world.now < end) {
      for (let count = 0; count < 100; count++) flooder.send(victim, 1200)
      most = Math.max(most, it.relay.hub.backlog.bytes, victim.link.peer.queuedBytes, flooder.link.queuedBytes)
      await it.world.run(5)
    }
    it.stop()
    await expectHonest(it, 60)
    expect(victim.arrivalsFrom(flooder).length).toBeGreaterThan(10_000)
    expect(most).toBeLessThan(MOST_PER_CLIENT)
  })

  test('spec/relay.md §3.5: one that never answers pings is dropped, and its place is free', async () => {
    const it = await story('no pongs')
    const silent = await it.client('silent')
    const before = it.relay.hub.clientCount
    silent.link.isCut = true
    silent.link.peer.isCut = true
    await it.world.run(LIMITS.pingIntervalMs + LIMITS.pingJitterMaxMs + 5_100)
    expect(it.relay.hub.counters.tom_ping_timeouts).toBe(1)
    // it has noticed as well, and come back
    expect(it.relay.hub.clientCount).toBe(before)
    expect(silent.statuses.filter((state) => state === 'connected').length).toBe(2)
    it.stop()
    await expectHonest(it, 60)
  })

  test('spec/relay.md §5.3: the relay is killed and started again under traffic: all come back, and what is sent from then on arrives', async () => {
    const it = await story('restart')
    await it.world.run(1_000)
    it.relay.kill()
    await it.world.run(3_000)
    it.relay.restart()
    await it.world.until(() => it.honest.every(({ from, to }) => from.isOnline && to.isOnline), 20_000, 'all back')
    await it.world.run(500)
    const marks = it.honest.map(({ from }) => from.sent)
    await it.world.run(2_000)
    it.stop()
    await it.world.run(1_000)
    for (const [index, { from, to }] of it.honest.entries()) {
      const later = to.arrivalsFrom(from).filter(({ number }) => number >= marks[index]!)
      expect(later.length).toBe(from.sent - marks[index]!)
    }
  })

  test('spec/relay.md §4.7: a relay that restarts in order is left at once and found again', async () => {
    const it = await story('graceful')
    const closed = it.relay.hub.close({ reconnectInMs: 200, tryForMs: 5_000 })
    await it.world.value(closed, 5_000, 'the close')
    it.relay.kill()
    it.relay.restart()
    await it.world.until(() => it.honest.every(({ from, to }) => from.isOnline && to.isOnline), 5_000, 'all back')
    it.stop()
  })
})

describe('churn', () => {
  test.each(seedsOf('relay'))('TOM_SIM_SEED=relay:%d', async (seed) => {
    const world = new RelayWorld(`relay:${seed}`)
    const { random } = world
    const relay = world.relay('a')
    const clients: RawClient[] = []
    const gone: RawClient[] = []
    for (let step = 0; step < 300; step++) {
      const one = clients.length > 0 ? random.pick(clients) : undefined
      const dice = random.int(0, 99)
      if (one === undefined || dice < 10) clients.push(world.client(`c${step}`, relay, { relayMs: random.int(1, 100) }))
      else if (dice < 14) {
        clients.splice(clients.indexOf(one), 1)
        gone.push(one)
        one.transport.close()
      } else if (dice < 16 && one.web.opened.length > 0) one.link.terminate()
      else if (dice < 18 && one.web.opened.length > 0) {
        one.link.isCut = true
        one.link.peer.isCut = true
      } else if (dice < 20 && one.web.opened.length > 0) one.link.sleep(random.chance(0.5))
      else if (dice < 22) relay.kill()
      else if (dice < 28) relay.restart()
      else for (let count = random.int(1, 30); count > 0; count--) one.send(random.pick(clients), random.int(20, 1200))
      await world.run(random.int(0, 500))
    }
    relay.restart()
    for (const client of clients) if (client.web.opened.length > 0) client.link.sleep(false)
    await world.run(60_000)
    expect(clients.filter(({ isOnline }) => !isOnline)).toEqual([])
    expect(relay.hub.clientCount).toBe(clients.length)
    for (const client of clients) {
      const before = client.arrivals.length
      const [other] = clients
      other!.send(client)
      await world.run(500)
      expect(client.arrivals.length).toBe(before + 1)
      // never twice, never out of order
      for (const from of [...clients, ...gone]) {
        const numbers = client.arrivalsFrom(from).map(({ number }) => number)
        expect(numbers).toEqual([...new Set(numbers)].sort((left, right) => left - right))
      }
    }
    for (const client of clients) client.transport.close()
    await world.run(5_000)
    expect([relay.hub.clientCount, relay.hub.linkCount]).toEqual([0, 0])
    await world.run(60_000)
    expect(world.clock.pending).toBe(0)
  })
})
