/** Gossip over real endpoints on loopback, closed after each test whatever happened, and bounded waits for events. */
import { afterEach, expect } from 'vitest'
import { Endpoint, type NodeEndpointOptions } from '../../../src/endpoint/node.ts'
import { Gossip, type GossipEvent, type GossipOptions, type GossipTopic } from '../../../src/gossip/net/gossip.ts'
import { NET_SETTINGS, type NetSettings } from '../../../src/gossip/net/settings.ts'

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (content: Uint8Array): string => new TextDecoder().decode(content)

export interface Node {
  readonly endpoint: Endpoint
  readonly gossip: Gossip
  readonly id: string
  readonly errors: unknown[]
}

/** Longest wait for anything, ms. */
const PATIENCE_MS = 8_000
const open: Endpoint[] = []

/** Each test file calls this once: the files of a suite share this module, so a hook of its own would belong to one of them only. */
export function closeAfterEach(): void {
  afterEach(async () => {
    await Promise.all(open.splice(0).map((endpoint) => endpoint.close()))
  })
}

export async function bindEndpoint(options: NodeEndpointOptions = {}): Promise<Endpoint> {
  const endpoint = await Endpoint.bind({ bind: ['127.0.0.1:0'], networkMonitor: false, ...options })
  open.push(endpoint)
  return endpoint
}

export async function node(
  options: GossipOptions = {},
  settings: Partial<NetSettings> = {},
  endpointOptions: NodeEndpointOptions = {},
): Promise<Node> {
  const errors: unknown[] = []
  const onError = (error: unknown): void => {
    errors.push(error)
  }
  const endpoint = await bindEndpoint({ onError, ...endpointOptions })
  const gossip = new Gossip(endpoint, { onError, ...options }, { ...NET_SETTINGS, ...settings })
  return { endpoint, gossip, id: endpoint.id.toString(), errors }
}

/** The events of a topic, read as they come and kept. */
export class Log {
  readonly topic: GossipTopic
  readonly events: GossipEvent[] = []
  isEnded = false
  readonly #waiting: (() => void)[] = []

  constructor(topic: GossipTopic) {
    this.topic = topic
    this.#read()
  }

  get texts(): string[] {
    return this.events.flatMap((event) => (event.kind === 'received' ? [text(event.content)] : []))
  }

  count(kind: GossipEvent['kind']): number {
    return this.events.filter((event) => event.kind === kind).length
  }

  /** Resolves when `isDone`; fails with what came so far. */
  async until(isDone: (log: Log) => boolean, what = 'what was waited for'): Promise<void> {
    const end = performance.now() + PATIENCE_MS
    while (!isDone(this)) {
      if (performance.now() >= end) throw new Error(`${what} did not come; events: ${this.#summary}`)
      // several may wait for one log
      const timer = setTimeout(() => this.#wakeAll(), PATIENCE_MS)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
      clearTimeout(timer)
    }
  }

  #wakeAll(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  async #read(): Promise<void> {
    for await (const event of this.topic) {
      this.events.push(event)
      this.#wakeAll()
    }
    this.isEnded = true
    this.#wakeAll()
  }

  get #summary(): string {
    return this.events
      .map(({ kind }) => kind)
      .join(', ')
      .slice(0, 1_000)
  }
}

/** Polls, for what no event tells. */
export async function eventually(isDone: () => boolean, what: string): Promise<void> {
  const end = performance.now() + PATIENCE_MS
  while (!isDone()) {
    expect(performance.now(), what).toBeLessThan(end)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
