/**
 * `npx tsx conformance/gossip/capture.ts`: makes nodes of iroh-gossip say everything they can say to peers that only record, and writes the bytes to
 * test/gossip/wire/captured-frames.json. Keys are fixed; ports, and with them addresses, are not.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { blake3Hash } from '../../src/crypto/index.ts'
import { TopicId } from '../../src/gossip/index.ts'
import type { Message, MessageId } from '../../src/gossip/proto/messages.ts'
import { encodeFrame, encodeHeader } from '../../src/gossip/wire/frames.ts'
import { SecretKey } from '../../src/index.ts'
import { buildNative } from '../peer.ts'
import { buildRelayServer, RealRelay } from '../relay-server.ts'
import { crateVersion } from '../versions.ts'
import { RawPeer, type RecordedFrame } from './raw-peer.ts'
import { type SwarmNode, SwarmProgram } from './swarm-program.ts'

const OUTPUT = fileURLToPath(new URL('../../test/gossip/wire/captured-frames.json', import.meta.url))
const TOPIC = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'
/** Shorter than the upstream minute. */
const SHUFFLE_MS = 1_000
const RECORDERS = 7

interface CapturedFrame {
  readonly kind: string
  /** The whole frame, its length included. */
  readonly hex: string
  readonly version: string
  readonly how: string
}

type Of<K extends Message<string>['kind']> = Extract<Message<string>, { kind: K }>

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const idOf = (content: Uint8Array): MessageId => hexOf(blake3Hash(content))
const gossip = (content: Uint8Array, round: number): Message<string> => ({
  kind: 'gossip',
  id: idOf(content),
  content,
  round,
})

/** What is to be written; each frame once. */
class Captured {
  readonly frames: CapturedFrame[] = []
  readonly #version = `iroh-gossip ${crateVersion('iroh-gossip')}`

  add(frame: RecordedFrame, how: string): void {
    this.addBytes(frame.message.kind, encodeFrame(frame.body), how)
  }

  addBytes(kind: string, bytes: Uint8Array, how: string): void {
    const hex = hexOf(bytes)
    if (!this.frames.some((known) => known.hex === hex)) this.frames.push({ kind, hex, version: this.#version, how })
  }
}

/** Peers with fixed keys, and what they expect to hear. */
class Scene {
  readonly captured: Captured
  readonly peers: readonly RawPeer[]

  private constructor(captured: Captured, peers: RawPeer[]) {
    this.captured = captured
    this.peers = peers
  }

  static async open(captured: Captured, count: number): Promise<Scene> {
    const keys = Array.from({ length: count }, (_, index) => SecretKey.fromBytes(blake3Hash(utf8(`recorder ${index}`))))
    return new Scene(captured, await Promise.all(keys.map((key) => RawPeer.open(key))))
  }

  /** Waits for such a message at a peer, and keeps it. */
  async expect<K extends Message<string>['kind']>(
    peer: RawPeer,
    from: string,
    kind: K,
    how: string,
    matches: (message: Of<K>) => boolean = () => true,
  ): Promise<void> {
    const isIt = (frame: RecordedFrame): boolean =>
      frame.from === from && frame.message.kind === kind && matches(frame.message as Of<K>)
    this.captured.add(await peer.frame(how, isIt), how)
  }

  async close(): Promise<void> {
    await Promise.all(this.peers.map((peer) => peer.close()))
  }
}

async function captureSwarm(binary: string, captured: Captured): Promise<void> {
  const swarm = await SwarmProgram.native(binary, { nodes: 2, seed: 'capture', shuffleMs: SHUFFLE_MS })
  const scene = await Scene.open(captured, RECORDERS)
  try {
    const [a, b] = swarm.nodes as [SwarmNode, SwarmNode]
    const [first, second] = scene.peers as [RawPeer, RawPeer]
    // one that never joins: while a request of its own waits, iroh-gossip leaves a Join unanswered
    const stranger = scene.peers.at(-1)!
    const toA = (peer: RawPeer, message: Message<string>): Promise<void> => peer.links(a.id)[0]!.send(TOPIC, message)
    const fromA = <K extends Message<string>['kind']>(
      peer: RawPeer,
      kind: K,
      how: string,
      matches?: (message: Of<K>) => boolean,
    ): Promise<void> => scene.expect(peer, a.id, kind, how, matches)
    const join = async (peer: RawPeer): Promise<void> => {
      await peer.dial(a.ticket)
      await toA(peer, { kind: 'join', data: peer.data })
      await fromA(peer, 'neighbor', 'answer to a Join', ({ priority }) => priority === 'high')
      await toA(peer, { kind: 'neighbor', priority: 'high', data: peer.data })
    }

    await swarm.subscribe(0, TOPIC)
    await join(first)
    captured.addBytes('header', encodeHeader(TopicId.parse(first.streams[0]!.topic!)), 'first frame of every stream')

    await swarm.subscribe(1, TOPIC, [first.ticket])
    await scene.expect(first, b.id, 'join', 'subscribe with us as bootstrap')
    await swarm.joinPeers(1, TOPIC, [a.ticket])
    await fromA(first, 'forward-join', 'a second native node joined our neighbour')
    await swarm.waitFor('neighbor-up', ({ node }) => node === 1)

    await toA(first, { kind: 'shuffle', origin: first.id, nodes: [], ttl: 0 })
    await fromA(first, 'shuffle-reply', 'answer to a Shuffle without nodes')
    await toA(first, { kind: 'shuffle', origin: first.id, nodes: [{ id: first.id, data: first.data }], ttl: 0 })
    await fromA(first, 'shuffle-reply', 'answer to a Shuffle with one node', ({ nodes }) => nodes.length === 1)
    await fromA(first, 'shuffle', 'its timer')

    await toA(first, { kind: 'shuffle-reply', nodes: [{ id: stranger.id, data: stranger.data }] })
    await fromA(stranger, 'neighbor', 'a ShuffleReply named us while it had room', ({ priority }) => priority === 'low')

    await captureBroadcasts(swarm, { first, toA, fromA })

    await join(second)
    await toA(first, { kind: 'prune' })
    const better = utf8('nearer to the author')
    await toA(first, { kind: 'ihave', announcements: [{ id: idOf(better), round: 2 }] })
    // on another connection: late enough to come second, early enough to come before a Graft for the id
    await new Promise((resolve) => setTimeout(resolve, 20))
    await toA(second, gossip(better, 9))
    await fromA(first, 'graft', 'optimisation', ({ id }) => id === undefined)
    await fromA(second, 'prune', 'optimisation')
    await toA(second, { kind: 'graft', id: idOf(better), round: 0 })
    await fromA(second, 'gossip', 'answer to our Graft', ({ id }) => id === idOf(better))
    await toA(first, gossip(utf8('many rounds'), 299))
    await fromA(second, 'gossip', 'passed on after 299 hops', ({ round }) => round === 300)

    for (const peer of scene.peers.slice(2, -1)) await join(peer)
    const evictions = scene.peers.map((peer) =>
      fromA(peer, 'disconnect', 'more peers joined than it has room for', ({ alive }) => alive),
    )
    await Promise.any(evictions)
    const stayed = await swarm.neighbors(0, TOPIC)
    await swarm.leave(0, TOPIC)
    for (const peer of scene.peers.filter(({ id }) => stayed.includes(id))) {
      await fromA(peer, 'shuffle-reply', 'before its Disconnect', ({ nodes }) => nodes.length > 2)
      await fromA(peer, 'disconnect', 'it left the topic', ({ alive }) => !alive)
    }
    await scene.close()
    await Promise.allSettled(evictions)
  } finally {
    await Promise.all([swarm.stop(), scene.close()])
  }
}

interface Stage {
  readonly first: RawPeer
  readonly toA: (peer: RawPeer, message: Message<string>) => Promise<void>
  readonly fromA: <K extends Message<string>['kind']>(
    peer: RawPeer,
    kind: K,
    how: string,
    matches?: (message: Of<K>) => boolean,
  ) => Promise<void>
}

async function captureBroadcasts(swarm: SwarmProgram, { first, toA, fromA }: Stage): Promise<void> {
  const hello = utf8('hello')
  await swarm.broadcast(0, TOPIC, hello)
  await fromA(first, 'gossip', 'broadcast by our neighbour', ({ round }) => round === 0)
  await swarm.broadcast(1, TOPIC, utf8('from afar'))
  await fromA(first, 'gossip', 'broadcast by its neighbour', ({ round }) => round === 1)
  await swarm.broadcast(0, TOPIC, hello, true)
  await fromA(first, 'gossip', 'broadcast to neighbours', ({ round }) => round === undefined)
  for (const length of [0, 127, 128, 300]) {
    await swarm.broadcast(0, TOPIC, new Uint8Array(length).fill(0x61))
    await fromA(first, 'gossip', `broadcast of ${length} bytes`, ({ content }) => content.length === length)
  }

  await toA(first, gossip(hello, 0))
  await fromA(first, 'prune', 'we sent what it knew')
  const announced = idOf(utf8('announced'))
  await swarm.broadcast(0, TOPIC, utf8('announced'))
  await fromA(first, 'ihave', 'broadcast when we were lazy')
  await toA(first, { kind: 'graft', id: announced, round: 0 })
  await fromA(first, 'gossip', 'answer to our Graft', ({ id }) => id === announced)
  await toA(first, { kind: 'prune' })
  for (const text of ['one', 'two', 'three']) await swarm.broadcast(0, TOPIC, utf8(text))
  const last = idOf(utf8('three'))
  await fromA(first, 'ihave', 'three broadcasts when we were lazy', ({ announcements }) =>
    announcements.some(({ id }) => id === last),
  )
  for (const round of [2, 300]) {
    const missing = idOf(utf8(`missing ${round}`))
    await toA(first, { kind: 'ihave', announcements: [{ id: missing, round }] })
    await fromA(first, 'graft', `we announced something with round ${round}`, ({ id }) => id === missing)
  }
}

/** Peer data with a relay and both families. */
async function captureAddresses(binary: string, relayBinary: string, captured: Captured): Promise<void> {
  const relay = await RealRelay.start({ binary: relayBinary })
  const bind = ['127.0.0.1:0', '[::1]:0']
  const swarm = await SwarmProgram.native(binary, { seed: 'capture', relay: relay.url, bind })
  const scene = await Scene.open(captured, 1)
  try {
    await swarm.subscribe(0, TOPIC, [scene.peers[0]!.ticket])
    await scene.expect(
      scene.peers[0]!,
      swarm.nodes[0]!.id,
      'join',
      'subscribe with a relay and sockets of both families',
    )
  } finally {
    await Promise.all([swarm.stop(), scene.close()])
    await relay.stop()
  }
}

const binary = process.env.TOM_NATIVE ?? (await buildNative())
const captured = new Captured()
await captureSwarm(binary, captured)
await captureAddresses(binary, process.env.TOM_RELAY ?? (await buildRelayServer()), captured)
const order = ['header', 'join', 'forward-join', 'shuffle', 'shuffle-reply', 'neighbor', 'disconnect']
const rank = ({ kind }: CapturedFrame): number => (order.includes(kind) ? order.indexOf(kind) : order.length)
const frames = captured.frames.sort((left, right) => rank(left) - rank(right))
writeFileSync(OUTPUT, `${JSON.stringify({ topic: TOPIC, frames }, undefined, 2)}\n`)
const kinds = new Set(frames.map(({ kind }) => kind))
console.log(`${frames.length} frames of ${kinds.size} kinds: ${[...kinds].join(', ')}`)
process.exit(0)
