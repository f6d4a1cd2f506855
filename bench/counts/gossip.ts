/**
 * `gossip.ts <seed>...`: a swarm of whole endpoints in one process and in virtual time, one JSON line of what its messages cost on the wire. The same on every
 * machine, up to the seed.
 */
import { parseSocketAddress } from '../../src/bytes/index.ts'
import { seededKeyExchange } from '../../src/crypto/index.ts'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { Endpoint } from '../../src/endpoint/endpoint.ts'
import { Gossip, type GossipMetrics, type GossipTopic } from '../../src/gossip/index.ts'
import { EndpointAddr, ipAddr, SecretKey } from '../../src/identity/index.ts'
import type { Counts } from './transfer.ts'
import { VirtualWorld } from './virtual-world.ts'

const NODES = 8
const TOPIC = 'counted'
/** Joining and what follows it (datagram sizes, connections that nobody needs any more), ms. */
const SETTLE_MS = 20_000
/** Broadcasts in turns, and the time between two. */
const BROADCASTS = 200
const APART_MS = 50
/** Before what counts: the tree settles. */
const WARM_UP = 40
const FLOOD = 2_000
const BYTES = 128
/** Longer than any repair. */
const QUIET_MS = 5_000

interface Swarm {
  readonly world: VirtualWorld
  readonly gossips: readonly Gossip[]
  readonly topics: readonly GossipTopic[]
  /** Contents that all nodes together received. */
  received: number
}

async function open(seed: number): Promise<Swarm> {
  const world = new VirtualWorld()
  const gossips: Gossip[] = []
  const topics: GossipTopic[] = []
  const swarm: Swarm = { world, gossips, topics, received: 0 }
  let first: EndpointAddr | undefined
  for (let node = 1; node <= NODES; node++) {
    const platform = world.platform(seed * NODES + node)
    const endpoint = await world.run(
      Endpoint.bind({
        secretKey: SecretKey.fromBytes(new Uint8Array(32).fill(node)),
        bind: [`10.0.0.${node}:4433`],
        networkMonitor: false,
        runtime: { platform, crypto: seededKeyExchange(createNodeCrypto(), platform.random) },
      }),
    )
    const address = new EndpointAddr(endpoint.id, [ipAddr(parseSocketAddress(`10.0.0.${node}:4433`))])
    first ??= address
    const gossip = Gossip.on(endpoint)
    const topic = gossip.subscribe(TOPIC, { bootstrap: first === address ? [] : [first] })
    gossips.push(gossip)
    topics.push(topic)
    void count(swarm, topic)
    if (first !== address) await world.run(topic.joined())
  }
  await sleep(world, SETTLE_MS)
  return swarm
}

async function count(swarm: Swarm, topic: GossipTopic): Promise<void> {
  for await (const event of topic) if (event.kind === 'received') swarm.received++
}

function sleep(world: VirtualWorld, ms: number): Promise<void> {
  return world.run(
    new Promise((resolve) => {
      world.createTimer(resolve).arm(world.now + ms)
    }),
  )
}

let written = 0

function content(): Uint8Array {
  const bytes = new Uint8Array(BYTES)
  new DataView(bytes.buffer).setUint32(0, written++)
  return bytes
}

function sum(swarm: Swarm, of: (metrics: GossipMetrics) => number): number {
  return swarm.gossips.reduce((total, gossip) => total + of(gossip.metrics()), 0)
}

/** What `work` cost for each delivery; idling between the messages included. */
async function costs(swarm: Swarm, broadcasts: number, suffix: string, work: () => Promise<void>): Promise<Counts> {
  const read = () => ({
    datagrams: swarm.world.sockets.reduce((total, { sent }) => total + sent, 0),
    bytes: swarm.world.sockets.reduce((total, { sentBytes }) => total + sentBytes, 0),
    payloads: sum(swarm, ({ msgsDataSent }) => msgsDataSent),
    controls: sum(swarm, ({ msgsCtrlSent }) => msgsCtrlSent),
    received: swarm.received,
  })
  const before = read()
  await work()
  const after = read()
  const deliveries = broadcasts * (NODES - 1)
  const received = after.received - before.received
  if (received !== deliveries) throw new Error(`${received} deliveries of ${deliveries}`)
  const each = (of: 'datagrams' | 'bytes' | 'payloads' | 'controls'): number => (after[of] - before[of]) / deliveries
  return {
    [`gossip datagrams a delivery${suffix}`]: each('datagrams'),
    [`gossip wire bytes a delivery${suffix}`]: each('bytes'),
    [`gossip payloads a delivery${suffix}`]: each('payloads'),
    [`gossip control messages a delivery${suffix}`]: each('controls'),
  }
}

async function inTurns(swarm: Swarm, broadcasts: number): Promise<void> {
  for (let index = 0; index < broadcasts; index++) {
    await swarm.world.run(swarm.topics[index % NODES]!.broadcast(content()))
    await sleep(swarm.world, APART_MS)
  }
  await sleep(swarm.world, QUIET_MS)
}

async function flood(swarm: Swarm): Promise<void> {
  const sending = async (): Promise<void> => {
    for (let index = 0; index < FLOOD; index++) await swarm.topics[0]!.broadcast(content())
  }
  await swarm.world.run(sending())
  await sleep(swarm.world, QUIET_MS)
}

async function measure(seed: number): Promise<Counts> {
  const swarm = await open(seed)
  await inTurns(swarm, WARM_UP)
  return {
    ...(await costs(swarm, BROADCASTS, '', () => inTurns(swarm, BROADCASTS))),
    ...(await costs(swarm, FLOOD, ', flood', () => flood(swarm))),
  }
}

const counts: Counts[] = []
for (const seed of process.argv.slice(2)) counts.push(await measure(Number(seed)))
process.stdout.write(`${JSON.stringify(counts)}\n`)
process.exit(0)
