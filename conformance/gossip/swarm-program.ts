/**
 * Several gossip nodes in a process of their own, on JSON lines: `tom-native gossip`, or anything that speaks the same (conformance/README.md). What the nodes do is not
 * known here; events are kept, commands typed.
 */
import { NativeProgram } from '../native-program.ts'

export interface SwarmNode {
  /** 64 hex digits. */
  readonly id: string
  readonly ticket: string
}

/** Of a node's topic, which is 64 hex digits. */
interface OnTopic {
  readonly node: number
  readonly topic: string
}

export type SwarmEvent =
  | (OnTopic & { readonly event: 'neighbor-up' | 'neighbor-down'; readonly peer: string })
  | (OnTopic & {
      readonly event: 'received'
      /** The last hop. */
      readonly from: string
      readonly scope: 'swarm' | 'neighbors'
      /** Hops before the last link. Missing for `neighbors`. */
      readonly round?: number
      /** Bytes. */
      readonly size: number
      /** The content, where it has at most 256 bytes. */
      readonly hex?: string
    })
  | (OnTopic & { readonly event: 'lagged' })
  /** What iroh-gossip complains of, with the flag `--warnings`. */
  | { readonly event: 'warning'; readonly message: string }

export interface SwarmUsage {
  readonly cpuUserUs: number
  readonly cpuSystemUs: number
  readonly rssBytes: number
}

export interface NativeSwarmOptions {
  /** Default 1. */
  readonly nodes?: number
  readonly relay?: string
  readonly alpn?: string
  readonly maxMessageSize?: number
  /** Makes the keys: the same ones for the same text. */
  readonly seed?: string
  /** Default 60,000, as iroh-gossip. */
  readonly shuffleMs?: number
  /** Each node on a thread of its own, so that `kill` sends nothing. */
  readonly ownRuntimes?: boolean
  /** Without a UDP socket: everything goes through the relay. Default true. */
  readonly ip?: boolean
  /** `ip:port`…; default `127.0.0.1:0`. */
  readonly bind?: readonly string[]
  /** When a connection is given up, and what keeps it, ms; default iroh's. */
  readonly idleMs?: number
  readonly keepAliveMs?: number
}

/** Stop it, or it lives as long as this process. */
export class SwarmProgram {
  /** By index, as commands name them. A restart makes a new entry. */
  readonly nodes: SwarmNode[]
  readonly #program: NativeProgram<SwarmEvent>

  private constructor(program: NativeProgram<SwarmEvent>) {
    this.nodes = program.hello.nodes as SwarmNode[]
    this.#program = program
  }

  static async start(command: string, args: readonly string[]): Promise<SwarmProgram> {
    return new SwarmProgram(await NativeProgram.start<SwarmEvent>(command, args, 'listening', 'id'))
  }

  /** Nodes of iroh-gossip. `binary`: from `buildNative`. They report their warnings. */
  static native(binary: string, options: NativeSwarmOptions = {}): Promise<SwarmProgram> {
    return SwarmProgram.start(binary, ['gossip', '--warnings', ...nativeArgs(options)])
  }

  get events(): readonly SwarmEvent[] {
    return this.#program.events
  }

  /** Hears every event: those so far at once, the others as they come. */
  listen(listener: (event: SwarmEvent) => void): void {
    this.#program.listen(listener)
  }

  get pid(): number {
    return this.#program.pid
  }

  /** Returns when the node knows of it, which says nothing about neighbours. `quiet`: what is received is counted only. */
  async subscribe(node: number, topic: string, bootstrap: readonly string[] = [], quiet = false): Promise<void> {
    await this.#program.request({ cmd: 'subscribe', node, topic, bootstrap, quiet })
  }

  async joinPeers(node: number, topic: string, bootstrap: readonly string[]): Promise<void> {
    await this.#program.request({ cmd: 'join-peers', node, topic, bootstrap })
  }

  async leave(node: number, topic: string): Promise<void> {
    await this.#program.request({ cmd: 'leave', node, topic })
  }

  /** The endpoint is gone, its peers hear nothing of it. */
  async kill(node: number): Promise<void> {
    await this.#program.request({ cmd: 'kill', node })
  }

  /** A killed node, or one that is killed now, comes back without topics. */
  async restart(node: number, keepKey = true): Promise<SwarmNode> {
    const { ticket, peer } = await this.#program.request({ cmd: 'restart', node, 'keep-key': keepKey })
    const fresh = { id: String(peer), ticket: String(ticket) }
    this.nodes[node] = fresh
    return fresh
  }

  /** To the swarm, or to the neighbours alone. Returns when it is with the node. */
  async broadcast(node: number, topic: string, content: Uint8Array, neighbors = false): Promise<void> {
    await this.#program.request({ cmd: 'broadcast', node, topic, hex: Buffer.from(content).toString('hex'), neighbors })
  }

  /** `count` messages that say when they were sent. */
  async broadcastTimed(node: number, topic: string, size: number, count = 1): Promise<void> {
    await this.#program.request({ cmd: 'broadcast', node, topic, size, count })
  }

  /** Ids. */
  async neighbors(node: number, topic: string): Promise<string[]> {
    return (await this.#program.request({ cmd: 'neighbors', node, topic })).peers as string[]
  }

  /** What all its nodes received since the last call, and the ages of what was timed. */
  async collect(topic: string): Promise<{ received: number; latenciesUs: number[] }> {
    return (await this.#program.request({ cmd: 'collect', topic })) as { received: number; latenciesUs: number[] }
  }

  async usage(): Promise<SwarmUsage> {
    return (await this.#program.request({ cmd: 'usage' })) as unknown as SwarmUsage
  }

  /** The first event, past or future, that matches. Rejects after `limitMs`. */
  waitFor<E extends SwarmEvent['event']>(
    event: E,
    matches: (event: Extract<SwarmEvent, { event: E }>) => boolean = () => true,
    limitMs = 10_000,
  ): Promise<Extract<SwarmEvent, { event: E }>> {
    return this.#program.waitFor(event, matches, limitMs)
  }

  /** The nodes leave their topics; by force when it takes longer than 3 s. */
  stop(): Promise<void> {
    return this.#program.stop()
  }
}

function nativeArgs(options: NativeSwarmOptions): string[] {
  const {
    nodes,
    relay,
    alpn,
    maxMessageSize,
    seed,
    shuffleMs,
    ownRuntimes,
    ip,
    bind = [],
    idleMs,
    keepAliveMs,
  } = options
  const args: string[] = []
  const add = (flag: string, value: string | number | undefined): void => {
    if (value !== undefined) args.push(`--${flag}`, String(value))
  }
  add('nodes', nodes)
  add('alpn', alpn)
  add('max-message-size', maxMessageSize)
  add('seed', seed)
  add('shuffle-ms', shuffleMs)
  add('idle-ms', idleMs)
  add('keep-alive-ms', keepAliveMs)
  for (const address of bind) add('bind', address)
  // a relay without address discovery: iroh would wait for it
  if (relay !== undefined) args.push('--relay', relay, '--relay-quic-port', 'none')
  if (ownRuntimes === true) args.push('--own-runtimes')
  if (ip === false) args.push('--no-ip')
  return args
}
