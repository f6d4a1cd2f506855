import { expect, test } from 'vitest'
import type { Connection, ConnectionEvent } from '../../src/quic/index.ts'
import { VirtualClock } from './support/clock.ts'
import { Delay, Link } from './support/link-parts.ts'
import { memoryInUse } from './support/memory.ts'
import { Network } from './support/network.ts'
import { SimNode } from './support/node.ts'
import { SimRandom } from './support/random.ts'

const ALPN = new TextEncoder().encode('churn')
const CONNECTIONS = Number(process.env.TOM_CHURN ?? 2000)
const WARM_UP = 300

/** Dials, moves a few bytes both ways, closes, waits until both ends are drained. */
function once(clock: VirtualClock, client: SimNode, server: SimNode): void {
  let ended = false
  const answer = (connection: Connection, event: ConnectionEvent) => {
    if (event.type !== 'stream-readable') return
    const { streams } = connection
    for (;;) {
      const result = streams.read(event.id, 1000)
      if (result === 'fin') {
        if (connection.role === 'server') {
          streams.write(event.id, new Uint8Array(500), 0, 500)
          streams.finish(event.id)
          server.driver.touch(connection)
        } else client.driver.closeConnection(connection, 0, 'done')
        return
      }
      if (typeof result === 'string' || result.kind === 'reset') return
    }
  }
  const connection = client.driver.connect(
    { peer: server.driver.engine.publicKey, alpns: [ALPN], routes: [client.driver.route('10.0.0.2', 1)!] },
    {
      onEvent: (event) => {
        if (event.type === 'connected') {
          const id = connection.streams.open(true)
          connection.streams.write(id, new Uint8Array(500), 0, 500)
          connection.streams.finish(id)
          client.driver.touch(connection)
        } else if (event.type === 'drained') ended = true
        answer(connection, event)
      },
    },
  )
  accept = (node, incoming) => {
    const accepted = node.driver.accept(incoming, {
      onEvent: (event) => {
        if (event.type === 'stream-incoming') {
          // What has arrived is announced once the stream was taken.
          while (accepted.streams.accept(true) !== -1);
        }
        answer(accepted, event)
      },
    })
  }
  while (clock.step(Number.POSITIVE_INFINITY));
  expect(ended).toBe(true)
}

let accept: ConstructorParameters<typeof SimNode>[0]['onIncoming'] = () => {}

test(
  `${CONNECTIONS} connects and closes leave heap, handles and keys flat`,
  () => {
    const clock = new VirtualClock()
    const network = new Network(clock)
    const node = (site: string, host: string) =>
      new SimNode({
        clock,
        network,
        random: new SimRandom(site),
        site,
        hosts: [host],
        port: 1,
        secretKey: new SimRandom(`key ${site}`).bytes(32),
        timerGrainMs: 0,
        slots: 64,
        freshKeys: true,
        alpns: () => [ALPN],
        onIncoming: (...both) => accept(...both),
      })
    const client = node('client', '10.0.0.1')
    const server = node('server', '10.0.0.2')
    for (const [from, to] of [
      ['client', 'server'],
      ['server', 'client'],
    ] as const)
      network.setLink(from, to, 4, new Link([new Delay(1)]))

    for (let index = 0; index < WARM_UP; index++) once(clock, client, server)
    const keys = [client.crypto.liveKeys, server.crypto.liveKeys]
    const resources = process.getActiveResourcesInfo().length
    const memory = memoryInUse()
    for (let index = WARM_UP; index < CONNECTIONS; index++) once(clock, client, server)

    expect([client.crypto.liveKeys, server.crypto.liveKeys]).toEqual(keys)
    expect([...client.leftovers(), ...server.leftovers()]).toEqual([])
    expect([client.driver.routes.size, server.driver.routes.size]).toEqual([1, 1])
    expect(clock.pending).toBe(0)
    expect(process.getActiveResourcesInfo().length).toBeLessThanOrEqual(resources)
    // 1,700 more connections; one that stayed would weigh tens of thousands of bytes.
    expect(memoryInUse() - memory).toBeLessThan(3_000_000)
    expect([...client.faults, ...server.faults]).toEqual([])
    expect([...client.powerOff(), ...server.powerOff()]).toEqual([])
  },
  60 * CONNECTIONS,
)
