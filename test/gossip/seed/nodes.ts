/** Gossip nodes on loopback for the tests of this folder, closed after each test whatever happened. */
import { afterEach } from 'vitest'
import { Endpoint } from '../../../src/endpoint/node.ts'
import { Gossip, type GossipTopic } from '../../../src/gossip/index.ts'

/** For whatever is waited for; none of it takes a tenth of that. */
export const LIMIT = { timeout: 10_000, interval: 5 }

export interface GossipNode {
  readonly endpoint: Endpoint
  readonly gossip: Gossip
}

const open: GossipNode[] = []

/** Each test file calls this once. */
export function closeNodesAfterEach(): void {
  afterEach(async () => {
    await Promise.all(
      open.splice(0).map(async ({ endpoint, gossip }) => {
        await gossip.close()
        await endpoint.close()
      }),
    )
  })
}

export async function bindNode(): Promise<GossipNode> {
  // what goes wrong after a node was cut off on purpose is no news
  const endpoint = await Endpoint.bind({ bind: ['127.0.0.1:0'], onError: () => {} })
  const node = { endpoint, gossip: Gossip.on(endpoint) }
  open.push(node)
  return node
}

export const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

/** What is received from now on, as text, in the order of arrival. */
export function hear(topic: GossipTopic): string[] {
  const heard: string[] = []
  const read = async (): Promise<void> => {
    for await (const event of topic) {
      if (event.kind === 'received') heard.push(new TextDecoder().decode(event.content))
    }
  }
  read().catch(() => {})
  return heard
}
