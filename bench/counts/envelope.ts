/**
 * `envelope.ts <seed>...`: two ToM nodes in one process and in virtual time, one JSON line a seed of what a message costs on the wire, its signed acknowledgement and the
 * acknowledgements of QUIC included. The same on every machine, up to the seed.
 */
import { parseSocketAddress } from '../../src/bytes/index.ts'
import { seededKeyExchange } from '../../src/crypto/index.ts'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { Endpoint } from '../../src/endpoint/endpoint.ts'
import { TomNode } from '../../src/envelope/node/tom-node.ts'
import { Sealer } from '../../src/envelope/sealing/sealer.ts'
import { EndpointAddr, ipAddr, SecretKey } from '../../src/identity/index.ts'
import { WIRE_SIZES } from '../envelope/names.ts'
import type { Counts } from './transfer.ts'
import { VirtualWorld } from './virtual-world.ts'

/** Joining, and what follows the first messages (datagram sizes), ms. */
const SETTLE_MS = 20_000
const WARM_UP = 20
/** One after the other, each alone on the wire. */
const MESSAGES = 100
const APART_MS = 100
const FLOOD = 1_000
const FLOOD_SIZE = 100
const IN_FLIGHT = 64

interface Pair {
  readonly world: VirtualWorld
  readonly sender: TomNode
  readonly recipient: TomNode
  received: number
}

async function open(seed: number): Promise<Pair> {
  const world = new VirtualWorld()
  const start = async (side: 1 | 2, bootstrap: readonly EndpointAddr[]): Promise<TomNode> => {
    const platform = world.platform(seed * 2 + side)
    const endpoint = await Endpoint.bind({
      secretKey: SecretKey.fromBytes(new Uint8Array(32).fill(side)),
      bind: [`10.0.0.${side}:4433`],
      networkMonitor: false,
      runtime: { platform, crypto: seededKeyExchange(createNodeCrypto(), platform.random) },
    })
    return TomNode.on(endpoint, { bootstrap, trusts: () => true })
  }
  const recipient = await world.run(start(1, []))
  const address = new EndpointAddr(recipient.id, [ipAddr(parseSocketAddress('10.0.0.1:4433'))])
  const sender = await world.run(start(2, [address]))
  const pair: Pair = { world, sender, recipient, received: 0 }
  void count(pair)
  await world.run(sender.joined())
  await sleep(world, SETTLE_MS)
  return pair
}

async function count(pair: Pair): Promise<void> {
  for await (const _ of pair.recipient.messages()) pair.received++
}

function sleep(world: VirtualWorld, ms: number): Promise<void> {
  return world.run(
    new Promise((resolve) => {
      world.createTimer(resolve).arm(world.now + ms)
    }),
  )
}

async function message({ sender, recipient }: Pair, size: number): Promise<void> {
  const receipt = await sender.send(recipient.id, new Uint8Array(size).fill(0x67))
  await receipt.delivered()
}

async function oneByOne(pair: Pair, size: number, messages: number): Promise<void> {
  for (let index = 0; index < messages; index++) {
    await pair.world.run(message(pair, size))
    await sleep(pair.world, APART_MS)
  }
}

async function flood(pair: Pair, size: number): Promise<void> {
  let left = FLOOD
  const lane = async (): Promise<void> => {
    while (left-- > 0) await message(pair, size)
  }
  await pair.world.run(Promise.all(Array.from({ length: IN_FLIGHT }, lane)))
}

interface Wire {
  readonly datagrams: number
  readonly bytes: number
}

/** What went out of both sockets, and in which time. */
async function wireOf({ world }: Pair, work: () => Promise<void>): Promise<Wire & { readonly ms: number }> {
  const sum = (of: 'sent' | 'sentBytes'): number => world.sockets.reduce((total, socket) => total + socket[of], 0)
  const [datagrams, bytes, began] = [sum('sent'), sum('sentBytes'), world.now]
  await work()
  return { datagrams: sum('sent') - datagrams, bytes: sum('sentBytes') - bytes, ms: world.now - began }
}

/** `idle`: of the two nodes that say nothing, a millisecond. */
async function costs(
  pair: Pair,
  idle: Wire,
  messages: number,
  suffix: string,
  work: () => Promise<void>,
): Promise<Counts> {
  const before = pair.received
  const { datagrams, bytes, ms } = await wireOf(pair, work)
  const received = pair.received - before
  if (received !== messages) throw new Error(`${received} messages of ${messages}`)
  return {
    [`envelope datagrams a message${suffix}`]: (datagrams - idle.datagrams * ms) / messages,
    [`envelope wire bytes a message${suffix}`]: (bytes - idle.bytes * ms) / messages,
  }
}

/** Bytes of an encrypted envelope between neighbours, on the average: they differ, for a byte above 127 takes two. */
function lengthOf(seed: number, size: number): number {
  const { random } = new VirtualWorld().platform(seed)
  const crypto = seededKeyExchange(createNodeCrypto(), random)
  const sealer = new Sealer({ secretKey: SecretKey.fromBytes(new Uint8Array(32).fill(2)), crypto, random })
  const to = String(SecretKey.fromBytes(new Uint8Array(32).fill(1)).id)
  const payload = new Uint8Array(size).fill(0x67)
  let bytes = 0
  for (let index = 0; index < MESSAGES; index++)
    bytes += sealer.seal({ to, type: 'Chat', payload, timestamp: 1_770_000_000_000, isEncrypted: true }).wire.length
  return bytes / MESSAGES
}

async function measure(seed: number): Promise<Counts> {
  const pair = await open(seed)
  await oneByOne(pair, FLOOD_SIZE, WARM_UP)
  await sleep(pair.world, SETTLE_MS)
  const { datagrams, bytes, ms } = await wireOf(pair, () => sleep(pair.world, 4 * SETTLE_MS))
  const idle = { datagrams: datagrams / ms, bytes: bytes / ms }
  const counts: Counts = { 'envelope idle wire bytes a minute': idle.bytes * 60_000 }
  for (const size of WIRE_SIZES) {
    counts[`envelope length, ${size} B`] = lengthOf(seed, size)
    Object.assign(counts, await costs(pair, idle, MESSAGES, `, ${size} B`, () => oneByOne(pair, size, MESSAGES)))
  }
  Object.assign(counts, await costs(pair, idle, FLOOD, `, ${FLOOD_SIZE} B, flood`, () => flood(pair, FLOOD_SIZE)))
  return counts
}

const counts: Counts[] = []
for (const seed of process.argv.slice(2)) counts.push(await measure(Number(seed)))
process.stdout.write(`${JSON.stringify(counts)}\n`)
process.exit(0)
