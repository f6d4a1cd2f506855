/**
 * `known-peers.ts <count>`, with --expose-gc: what peers occupy that a node knows, JavaScript heap and buffers, bytes each; one JSON line. First the table alone, then everything that a
 * node keeps of somebody whose signed announcement it heard: table, keys known to be keys, addresses.
 */
import { parseSocketAddress } from '../../src/bytes/index.ts'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { MemoryLookup } from '../../src/discovery/index.ts'
import { Messenger } from '../../src/envelope/core/messenger.ts'
import type { MessengerWorld } from '../../src/envelope/core/world.ts'
import { PeerTable } from '../../src/envelope/peers/peer-table.ts'
import { Sealer } from '../../src/envelope/sealing/sealer.ts'
import type { PeerAnnounce } from '../../src/envelope/wire/bodies.ts'
import { encodeSignedAnnounce } from '../../src/envelope/wire/signed-announce.ts'
import { EndpointAddr, EndpointId, ipAddr, relayAddr, SecretKey } from '../../src/identity/index.ts'
import { NodePlatform } from '../../src/platform/node/index.ts'

export interface KnownPeers {
  readonly peers: number
  readonly bytesInTable: number
  readonly bytesInNode: number
}

/** Until everything is compiled that would count as memory. */
const WARM_UP = 300
/** Between two announcements, ms: as many as a swarm makes in all. */
const APART_MS = 200
const LINKS = 5
const START = 1_000
const WALL = 1_770_000_000_000
const RELAY = 'https://relay.example.org/'

const crypto = createNodeCrypto()
const { random } = new NodePlatform({ proxy: null })

function secretKey(index: number): SecretKey {
  const seed = new Uint8Array(32)
  new DataView(seed.buffer).setUint32(0, index + 1)
  return SecretKey.fromBytes(seed)
}

function announceOf(peer: string, index: number, wall: number): PeerAnnounce {
  return { peer, name: `peer ${index}`, roles: ['Peer'], timestamp: wall }
}

/** As gossip brings it: with a relay and two addresses. */
function signedAnnounce(index: number, wall: number): Uint8Array {
  const sealer = new Sealer({ secretKey: secretKey(index), crypto, random })
  const host = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`
  const addr = new EndpointAddr(EndpointId.parse(sealer.key), [
    relayAddr(RELAY),
    ipAddr(parseSocketAddress(`${host}:4433`)),
    ipAddr(parseSocketAddress(`192.168.1.${index & 255}:4433`)),
  ])
  const payload = encodeSignedAnnounce({ announce: announceOf(sealer.key, index, wall), addr })
  const { wire } = sealer.seal({ to: sealer.key, type: 'PeerAnnounce', payload, timestamp: wall })
  sealer.free()
  return wire
}

/** A copy in one piece: pieces that were joined occupy more until somebody reads them. */
function flat(text: string): string {
  return Buffer.from(text).toString('latin1')
}

function tableOf(keys: readonly string[]): PeerTable {
  const table = new PeerTable({ self: '0'.repeat(64), random })
  for (const [index, key] of keys.entries()) {
    const passed = index * APART_MS
    // a text of its own, as one that was decoded
    table.announced(announceOf(flat(key), index, WALL + passed), START + passed, WALL + passed)
  }
  if (table.size !== keys.length) throw new Error(`${table.size} peers in the table of ${keys.length}`)
  return table
}

interface KnowingNode {
  readonly messenger: Messenger
  readonly addresses: MemoryLookup
}

function nodeOf(count: number): KnowingNode {
  let now = START
  const addresses = new MemoryLookup({ now: () => now, retentionMs: 3_600_000, maxEndpoints: 10_000 })
  const ignore = (): void => {}
  const world: MessengerWorld = {
    transmit: ignore,
    broadcast: ignore,
    tellNeighbors: ignore,
    persist: (_record, done) => done(true),
    learned: (addr) => addresses.add(addr),
    answered: ignore,
    unanswered: ignore,
    emit: ignore,
  }
  const messenger = new Messenger({
    secretKey: secretKey(0xffffffff - 1),
    crypto,
    random,
    world,
    name: 'knows everybody',
    addr: () => undefined,
  })
  messenger.start(now, WALL)
  for (let index = 0; index < count; index++) {
    messenger.gossip(signedAnnounce(index, WALL + now - START), `${index % LINKS}`.repeat(64), now)
    now += APART_MS
  }
  const { online, refused } = messenger.metrics()
  if (online !== count || addresses.size !== count)
    throw new Error(`${online} online and ${addresses.size} addresses of ${count}: ${JSON.stringify(refused)}`)
  return { messenger, addresses }
}

/** Bytes that what `make` returns keeps alive. */
async function kept(make: () => unknown): Promise<number> {
  const before = await memory()
  holder.thing = make()
  const bytes = (await memory()) - before
  holder.thing = undefined
  return bytes
}

const holder: { thing: unknown } = { thing: undefined }

/** Buffers and keys of the runtime are freed turns after the objects that held them. */
async function memory(): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let run = 0; run < 5; run++) {
    globalThis.gc!()
    await new Promise((resolve) => setTimeout(resolve, 20))
    const { heapUsed, external } = process.memoryUsage()
    least = Math.min(least, heapUsed + external)
  }
  return least
}

const count = Number(process.argv[2] ?? '10000')
const keys = Array.from({ length: count }, (_, index) => flat(String(secretKey(index).id)))
tableOf(keys.slice(0, WARM_UP))
nodeOf(WARM_UP)
const result: KnownPeers = {
  peers: count,
  bytesInTable: (await kept(() => tableOf(keys))) / count,
  bytesInNode: (await kept(() => nodeOf(count))) / count,
}
process.stdout.write(`${JSON.stringify(result)}\n`)
process.exit(0)
