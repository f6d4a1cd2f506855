/**
 * PoC-2 of ToM (spec/gossip.md §14.2): nodes that discover each other by gossip alone. Each knows one other at most; what each says reaches all.
 *
 *     npx tsx examples/poc-2-gossip.ts                     three nodes in this process
 *     npx tsx examples/poc-2-gossip.ts --listen            one node; prints its ticket, and waits for two more
 *     npx tsx examples/poc-2-gossip.ts --join <ticket>     another one, elsewhere
 *
 * It ends by itself: with code 0 when every node has heard all others, else with code 1 after --limit seconds.
 */
import { parseArgs } from 'node:util'
import { Endpoint, Gossip, type GossipEvent, type GossipTopic } from '../src/index.ts'

/** 32 bytes: the topic id itself. */
const TOPIC = 'tom-protocol-poc-gossip-topic-01'
const SAY_EVERY_MS = 5_000

const { values: flags } = parseArgs({
  options: {
    listen: { type: 'boolean' },
    join: { type: 'string', multiple: true },
    name: { type: 'string' },
    nodes: { type: 'string', default: '3' },
    limit: { type: 'string', default: '60' },
    bind: { type: 'string', multiple: true },
  },
})
const OTHERS = Number(flags.nodes) - 1

interface Other {
  readonly name: string
  readonly afterMs: number
  /** It says that it has found everybody, too. */
  isContent: boolean
}

class Node {
  readonly name: string
  readonly #start = performance.now()
  readonly #endpoint: Endpoint
  readonly #gossip: Gossip
  readonly #topic: GossipTopic
  readonly #others = new Map<string, Other>()
  /** Everybody who ever was a neighbour. */
  readonly #met = new Set<string>()
  readonly #timer: NodeJS.Timeout
  #firstNeighborMs: number | undefined = undefined
  #done = (): void => {}
  readonly #isDone = new Promise<void>((resolve) => {
    this.#done = resolve
  })

  static async start(name: string, bind: readonly string[] | undefined, bootstrap: readonly string[]): Promise<Node> {
    return new Node(name, await Endpoint.bind(bind === undefined ? {} : { bind }), bootstrap)
  }

  private constructor(name: string, endpoint: Endpoint, bootstrap: readonly string[]) {
    this.name = name
    this.#endpoint = endpoint
    this.#gossip = Gossip.on(endpoint)
    this.#topic = this.#gossip.subscribe(TOPIC, { bootstrap })
    this.#timer = setInterval(() => this.#say(), SAY_EVERY_MS)
    this.#hear()
  }

  get ticket(): string {
    return this.#endpoint.ticket().toString()
  }

  joined(): Promise<void> {
    return this.#topic.joined()
  }

  /** Whether everybody was found, and everybody says the same, before the signal is aborted. */
  async complete(signal: AbortSignal): Promise<boolean> {
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    await Promise.race([this.#isDone, stopped])
    return this.#isComplete
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    // leaves the topic and waits until neighbours have what they were sent; the endpoint alone would cut it off
    await this.#gossip.close()
    await this.#endpoint.close()
  }

  summary(): string {
    const heard = [...this.#others.values()].map(({ name, afterMs }) => `${name} after ${afterMs.toFixed(0)} ms`)
    const neighbor = this.#firstNeighborMs === undefined ? 'none' : `after ${this.#firstNeighborMs.toFixed(0)} ms`
    return `${this.name}: first neighbour ${neighbor}, ${this.#met.size} met; heard ${heard.join(', ') || 'nobody'}`
  }

  /** Found everybody. Not all have to be neighbours: in a large swarm hardly anybody is. */
  get #isContent(): boolean {
    return this.#others.size >= OTHERS
  }

  get #isComplete(): boolean {
    return this.#isContent && [...this.#others.values()].every(({ isContent }) => isContent)
  }

  /** The author stands in the text, for the message travels; and a nonce, for equal texts are one message. */
  #say(): void {
    const state = this.#isContent ? 'found everybody' : 'hello'
    const text = [this.name, this.#endpoint.id, state, crypto.randomUUID()].join('|')
    this.#topic.broadcast(new TextEncoder().encode(text)).catch((error) => console.error(`${this.name}:`, error))
  }

  async #hear(): Promise<void> {
    for await (const event of this.#topic) {
      const wasContent = this.#isContent
      this.#take(event)
      // A new neighbour may have heard nothing of us yet: what was said before it came is not repeated by gossip.
      if (event.kind === 'neighbor-up' || this.#isContent !== wasContent) this.#say()
      if (this.#isComplete) this.#done()
    }
  }

  #take(event: GossipEvent): void {
    const afterMs = performance.now() - this.#start
    if (event.kind === 'neighbor-up') {
      this.#firstNeighborMs ??= afterMs
      this.#met.add(event.peer.toString())
      console.log(`${this.name}: neighbour ${event.peer.toShortString()} after ${afterMs.toFixed(0)} ms`)
    } else if (event.kind === 'received') {
      const [name, id, state] = new TextDecoder().decode(event.content).split('|')
      if (name === undefined || id === undefined) return
      const other = this.#others.get(id)
      const isContent = state === 'found everybody'
      if (other === undefined) {
        this.#others.set(id, { name, afterMs, isContent })
        console.log(`${this.name}: heard ${name}, ${event.round + 1} hops, via ${event.deliveredFrom.toShortString()}`)
      } else other.isContent ||= isContent
    }
  }
}

const isAlone = flags.listen === true || flags.join !== undefined
const limit = AbortSignal.timeout(Number(flags.limit) * 1000)
const nodes: Node[] = []
try {
  if (isAlone) {
    const node = await Node.start(flags.name ?? `node ${process.pid}`, flags.bind, flags.join ?? [])
    nodes.push(node)
    console.log(`others join with: npx tsx examples/poc-2-gossip.ts --join ${node.ticket}`)
  } else {
    // a chain, one after the other: Bob knows Alice, Carol knows Bob
    for (const name of ['Alice', 'Bob', 'Carol']) {
      const before = nodes.at(-1)
      const node = await Node.start(name, ['127.0.0.1:0'], before === undefined ? [] : [before.ticket])
      nodes.push(node)
      if (before !== undefined) await node.joined()
    }
  }
  const results = await Promise.all(nodes.map((node) => node.complete(limit)))
  for (const node of nodes) console.log(node.summary())
  const isSuccess = results.every((result) => result)
  console.log(isSuccess ? 'everybody found everybody' : 'SOMEBODY IS MISSING')
  process.exitCode = isSuccess ? 0 : 1
} finally {
  await Promise.all(nodes.map((node) => node.close()))
}
