/**
 * `transfer.ts counts <seed>...`, `transfer.ts heap` and `transfer.ts allocations`: two endpoints in one process and in virtual time, one stream, one JSON line. What is counted
 * is the same on every machine; what is allocated is the same up to a little noise of the compiler.
 */
import { parseSocketAddress } from '../../src/bytes/index.ts'
import { seededKeyExchange } from '../../src/crypto/index.ts'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { Endpoint } from '../../src/endpoint/endpoint.ts'
import type { Connection } from '../../src/endpoint/index.ts'
import type { EndpointOptions } from '../../src/endpoint/options.ts'
import { EndpointAddr, ipAddr, SecretKey } from '../../src/identity/index.ts'
import { AllocationProfile, type ProfileLine } from '../profiler.ts'
import { allocatedBy } from './allocated.ts'
import { FrameCounter } from './frame-counter.ts'
import { VirtualWorld } from './virtual-world.ts'

const ALPN = 'tom/drain/1'
const MIB = 1 << 20
const COUNTED_MIB = 8
const HEAP_MIB = 16
/** Until all that matters is compiled and all slots were used. */
const WARM_UPS = 3
const CHUNK = new Uint8Array(65_536).map((_, index) => index * 31 + 7)

interface Pair {
  readonly world: VirtualWorld
  readonly client: Connection
  readonly server: Connection
  readonly counters: readonly FrameCounter[]
}

async function open(seed: number, isTraced: boolean, turnMs?: number): Promise<Pair> {
  const world = new VirtualWorld(turnMs)
  const counters: FrameCounter[] = []
  const bind = (side: 1 | 2, alpns: readonly string[]): Promise<Endpoint> => {
    const platform = world.platform(seed * 2 + side)
    const options: EndpointOptions = {
      secretKey: SecretKey.fromBytes(new Uint8Array(32).fill(side)),
      alpns,
      bind: [`10.0.0.${side}:4433`],
      runtime: { platform, crypto: seededKeyExchange(createNodeCrypto(), platform.random) },
      ...(isTraced
        ? {
            trace: () => {
              const counter = new FrameCounter()
              counters.push(counter)
              return counter
            },
          }
        : {}),
    }
    return Endpoint.bind(options)
  }
  const server = await world.run(bind(1, [ALPN]))
  const client = await world.run(bind(2, []))
  const address = new EndpointAddr(server.id, [ipAddr(parseSocketAddress('10.0.0.1:4433'))])
  const accepted = server.accept()
  const connection = await world.run(client.connect(address, ALPN))
  return { world, client: connection, server: (await world.run(accepted))!, counters }
}

/** One stream of `mebibytes` from the client to the server and 8 bytes back. */
async function transfer({ world, client, server }: Pair, mebibytes: number): Promise<void> {
  const total = mebibytes * MIB
  const receive = async (): Promise<void> => {
    const { send, recv } = await server.acceptBi()
    let received = 0
    for (;;) {
      const chunk = await recv.read()
      if (chunk === undefined) break
      received += chunk.length
    }
    if (received !== total) throw new Error(`${received} bytes arrived of ${total}`)
    await send.write(new Uint8Array(8))
    await send.finish()
  }
  const sendAll = async (): Promise<void> => {
    const { send, recv } = await client.openBi()
    for (let sent = 0; sent < total; sent += CHUNK.length) await send.write(CHUNK)
    await send.finish()
    while ((await recv.read()) !== undefined);
  }
  await world.run(Promise.all([receive(), sendAll()]))
}

export type Counts = Record<string, number>

/** Shorter than a full datagram takes on the link: each has a turn of its own, and nothing is acknowledged together by chance. */
const SINGLE_TURN_MS = 0.01

/** Lower is better for every one. */
async function count(seed: number): Promise<Counts> {
  const batched = await open(seed, true)
  const [server, client] = batched.world.sockets
  return {
    'handshake datagrams': client!.sent + server!.sent,
    'handshake wire bytes': client!.sentBytes + server!.sentBytes,
    ...(await countTransfer(batched, '')),
    ...(await countTransfer(await open(seed, true, SINGLE_TURN_MS), ', one a turn')),
  }
}

async function countTransfer(pair: Pair, suffix: string): Promise<Counts> {
  const [server, client] = pair.world.sockets
  const begun = pair.world.now
  // the handshake's tail, discovery of the datagram size and slow start are part of it, as they are of every transfer
  await transfer(pair, COUNTED_MIB)
  const sum = (of: (counter: FrameCounter) => number): number =>
    pair.counters.reduce((total, counter) => total + of(counter), 0)
  const lost = [pair.client, pair.server].flatMap((side) => side.stats().paths.map((path) => path.lostPackets))
  const counts: Counts = {
    'datagrams of the sender': client!.sent,
    'datagrams of the receiver': server!.sent,
    'wire bytes of the sender': client!.sentBytes,
    'wire bytes of the receiver': server!.sentBytes,
    'packets with acknowledgements only': sum((counter) => counter.ackOnlyPackets),
    'acknowledgement frames': sum((counter) => counter.ackFrames),
    'packets declared lost': lost.reduce((total, packets) => total + packets, 0),
    'virtual ms': Math.round((pair.world.now - begun) * 1000) / 1000,
  }
  return Object.fromEntries(Object.entries(counts).map(([name, value]) => [`${name}${suffix}`, value]))
}

/** Bytes allocated per MiB, both ends together. */
async function heap(): Promise<Counts> {
  const pair = await open(1, false)
  for (let warmUp = 0; warmUp < WARM_UPS; warmUp++) await transfer(pair, HEAP_MIB)
  const { heapBytes, bufferBytes } = await allocatedBy(() => transfer(pair, HEAP_MIB))
  return { 'heap bytes': heapBytes / HEAP_MIB, 'buffer bytes': bufferBytes / HEAP_MIB }
}

/** Who allocates in the heap during such a transfer. */
async function allocations(): Promise<ProfileLine[]> {
  const pair = await open(1, false)
  for (let warmUp = 0; warmUp < WARM_UPS; warmUp++) await transfer(pair, HEAP_MIB)
  const profile = new AllocationProfile()
  await profile.start()
  await transfer(pair, HEAP_MIB)
  return profile.stop()
}

async function run(what: string | undefined, seeds: readonly string[]): Promise<unknown> {
  if (what === 'heap') return heap()
  if (what === 'allocations') return (await allocations()).slice(0, 20)
  const counts: Counts[] = []
  for (const seed of seeds) counts.push(await count(Number(seed)))
  return counts
}

const [what, ...seeds] = process.argv.slice(2)
const result = await run(what, seeds)
process.stdout.write(`${JSON.stringify(result)}\n`)
process.exit(0)
