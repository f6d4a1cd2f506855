/** TomNodes on the loopback interface, all of which are closed after the test. */
import { afterEach } from 'vitest'
import type { IncomingMessage } from '../../../../src/envelope/index.ts'
import { type NodeTomNodeOptions, TomNode } from '../../../../src/envelope/node.ts'

/** How long a test waits for anything, ms. */
export const LIMIT_MS = 10_000
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (message: IncomingMessage): string => new TextDecoder().decode(message.bytes)

const open = new Set<TomNode>()

afterEach(async () => {
  await Promise.all([...open].map((node) => node.close()))
  open.clear()
})

export const errors: unknown[] = []

export async function start(options: NodeTomNodeOptions = {}): Promise<TomNode> {
  const node = await TomNode.start({
    bind: ['127.0.0.1:0'],
    networkMonitor: false,
    onError: (error) => errors.push(error),
    ...options,
  })
  open.add(node)
  return node
}

/** Nodes that have met, the first one's ticket being all that the others knew. */
export async function swarm(count: number, options: NodeTomNodeOptions = {}): Promise<TomNode[]> {
  const first = await start({ name: 'n0', ...options })
  const others = await Promise.all(
    Array.from({ length: count - 1 }, (_, index) =>
      start({ name: `n${index + 1}`, bootstrap: [first.ticket()], ...options }),
    ),
  )
  const nodes = [first, ...others]
  await Promise.all(nodes.map((node) => until(node, () => node.peers().filter(isOnline).length === count - 1)))
  return nodes
}

function isOnline({ liveness, name }: { liveness: string; name: string }): boolean {
  return liveness === 'online' && name !== ''
}

/** Waits for a state of the node that comes with an event about its peers. */
export async function until(node: TomNode, isDone: () => boolean): Promise<void> {
  const events = node.peerEvents({ signal: AbortSignal.timeout(LIMIT_MS) })
  while (!isDone()) await events.next()
  await events.return?.()
}

/** So many messages. */
export async function take(node: TomNode, count: number): Promise<IncomingMessage[]> {
  const taken: IncomingMessage[] = []
  for await (const message of node.messages({ signal: AbortSignal.timeout(LIMIT_MS) })) {
    taken.push(message)
    if (taken.length === count) break
  }
  return taken
}
