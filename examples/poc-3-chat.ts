/**
 * PoC-3 of ToM (spec/gossip.md §14.2), the shape of the whole protocol: gossip only announces who is there; messages go over direct QUIC streams.
 *
 *     npx tsx examples/poc-3-chat.ts                     three nodes in this process
 *     npx tsx examples/poc-3-chat.ts --listen            one node; prints its ticket, and waits for two more
 *     npx tsx examples/poc-3-chat.ts --join <ticket>     another one, elsewhere
 *
 * Each node sends each other one a message. It ends by itself: with code 0 when all messages were sent and received, else with code 1 after --limit seconds.
 */
import { parseArgs } from 'node:util'
import { type Connection, Endpoint, EndpointTicket, Gossip, type GossipTopic } from '../src/index.ts'

/** 32 bytes: the topic id itself. */
const TOPIC = 'tom-protocol-poc-discovery-top01'
const CHAT_ALPN = 'tom-protocol/poc/chat/0'
const ANNOUNCE_EVERY_MS = 3_000
/** Bytes. */
const MAX_MESSAGE = 64 * 1024

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

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

class ChatNode {
  readonly name: string
  readonly #start = performance.now()
  readonly #endpoint: Endpoint
  readonly #gossip: Gossip
  readonly #topic: GossipTopic
  readonly #timer: NodeJS.Timeout
  /** By endpoint id: when it was announced first, when our message to it was acknowledged, when its message came; ms. */
  readonly #found = new Map<string, { readonly name: string; readonly afterMs: number }>()
  readonly #told = new Map<string, number>()
  readonly #heard = new Map<string, number>()
  readonly #telling = new Set<string>()
  #done = (): void => {}
  readonly #isDone = new Promise<void>((resolve) => {
    this.#done = resolve
  })

  static async start(
    name: string,
    bind: readonly string[] | undefined,
    bootstrap: readonly string[],
  ): Promise<ChatNode> {
    return new ChatNode(name, await Endpoint.bind(bind === undefined ? {} : { bind }), bootstrap)
  }

  private constructor(name: string, endpoint: Endpoint, bootstrap: readonly string[]) {
    this.name = name
    this.#endpoint = endpoint
    endpoint.router().accept(CHAT_ALPN, (connection) => this.#serve(connection))
    this.#gossip = Gossip.on(endpoint)
    this.#topic = this.#gossip.subscribe(TOPIC, { bootstrap })
    this.#timer = setInterval(() => this.#announce(), ANNOUNCE_EVERY_MS)
    this.#discover()
  }

  get ticket(): string {
    return this.#endpoint.ticket().toString()
  }

  /** Whether our messages reached everybody, and theirs us, before the signal is aborted. */
  async complete(signal: AbortSignal): Promise<boolean> {
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    await Promise.race([this.#isDone, stopped])
    return this.#isComplete
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#gossip.close()
    await this.#endpoint.close()
  }

  summary(): string {
    const all = [...this.#found].map(([id, { name, afterMs }]) => {
      const [told, heard] = [this.#told, this.#heard].map((times) => times.get(id)?.toFixed(0) ?? '-')
      return `${name} found after ${afterMs.toFixed(0)}, told after ${told}, heard after ${heard} ms`
    })
    return `${this.name}: ${all.join('; ') || 'found nobody'}`
  }

  get #isComplete(): boolean {
    return this.#told.size >= OTHERS && this.#heard.size >= OTHERS
  }

  get #elapsedMs(): number {
    return performance.now() - this.#start
  }

  // presence, by gossip

  /** The ticket says who and where we are; the nonce makes each announcement a new message. */
  #announce(): void {
    const content = encode(['ANNOUNCE', this.name, this.ticket, crypto.randomUUID()].join('|'))
    this.#topic.broadcast(content).catch((error) => console.error(`${this.name}:`, error))
  }

  async #discover(): Promise<void> {
    for await (const event of this.#topic) {
      // An announcement made before there was a neighbour went nowhere, and a neighbour that comes later has missed it.
      if (event.kind === 'neighbor-up') this.#announce()
      // Who announces stands in the payload; `deliveredFrom` is only the last hop.
      else if (event.kind === 'received') this.#onAnnouncement(decode(event.content))
    }
  }

  #onAnnouncement(text: string): void {
    const [kind, name, ticketText] = text.split('|')
    if (kind !== 'ANNOUNCE' || name === undefined || ticketText === undefined) return
    let ticket: EndpointTicket
    try {
      ticket = EndpointTicket.parse(ticketText)
    } catch {
      return
    }
    const id = ticket.addr.id.toString()
    if (!this.#found.has(id)) {
      this.#found.set(id, { name, afterMs: this.#elapsedMs })
      console.log(`${this.name}: found ${name}`)
    }
    if (this.#told.has(id) || this.#telling.has(id)) return
    this.#telling.add(id)
    this.#tell(ticket, `hello ${name}`)
      .then(() => this.#told.set(id, this.#elapsedMs))
      // its next announcement is another chance
      .catch((error) => console.error(`${this.name}: ${name} was not told: ${error.message}`))
      .finally(() => {
        this.#telling.delete(id)
        this.#check()
      })
  }

  // messages, by streams

  /** Resolves when the peer has read it. That it is who was announced is proved by its key; the announcement proves nothing. */
  async #tell(ticket: EndpointTicket, text: string): Promise<void> {
    const connection = await this.#endpoint.connect(ticket, CHAT_ALPN)
    try {
      const { send, recv } = await connection.openBi()
      await send.write(encode(`${this.name}|${text}`))
      await send.finish()
      // Closing a connection throws away what was not delivered: wait for the other side's finish.
      await recv.readToEnd(0)
    } finally {
      connection.close(0, 'told')
    }
  }

  /** One stream, one message. The side that spoke closes the connection. */
  async #serve(connection: Connection): Promise<void> {
    for (;;) {
      const { send, recv } = await connection.acceptBi()
      const [name, ...text] = decode(await recv.readToEnd(MAX_MESSAGE)).split('|')
      await send.finish()
      console.log(`${this.name}: ${name} says: ${text.join('|')}`)
      // the same on this side: whoever is done may close, and the speaker still waits for our finish
      await send.closed
      this.#heard.set(connection.remoteId.toString(), this.#elapsedMs)
      this.#check()
    }
  }

  #check(): void {
    if (this.#isComplete) this.#done()
  }
}

const isAlone = flags.listen === true || flags.join !== undefined
const limit = AbortSignal.timeout(Number(flags.limit) * 1000)
const nodes: ChatNode[] = []
try {
  if (isAlone) {
    const node = await ChatNode.start(flags.name ?? `node ${process.pid}`, flags.bind, flags.join ?? [])
    nodes.push(node)
    console.log(`others join with: npx tsx examples/poc-3-chat.ts --join ${node.ticket}`)
  } else {
    // a chain: Bob knows Alice, Carol knows Bob
    for (const name of ['Alice', 'Bob', 'Carol']) {
      const before = nodes.at(-1)
      nodes.push(await ChatNode.start(name, ['127.0.0.1:0'], before === undefined ? [] : [before.ticket]))
    }
  }
  const results = await Promise.all(nodes.map((node) => node.complete(limit)))
  for (const node of nodes) console.log(node.summary())
  const isSuccess = results.every((result) => result)
  console.log(isSuccess ? 'everybody told everybody' : 'SOMETHING IS MISSING')
  process.exitCode = isSuccess ? 0 : 1
} finally {
  await Promise.all(nodes.map((node) => node.close()))
}
