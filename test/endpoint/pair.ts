/** Two endpoints on loopback and a connection between them, closed after each test whatever happened. */
import { afterEach } from 'vitest'
import type { Connection } from '../../src/endpoint/index.ts'
import { Endpoint, type NodeEndpointOptions } from '../../src/endpoint/node.ts'

export const ALPN = 'test/1'
export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
export const bytes = (string: string): Uint8Array => new TextEncoder().encode(string)

const open: Endpoint[] = []
export const faults: unknown[] = []

/** Each test file calls this once: the files of a suite share this module, so a hook of its own would belong to one of them only. */
export function closeAfterEach(): void {
  afterEach(async () => {
    await Promise.all(open.splice(0).map((endpoint) => endpoint.close()))
    faults.length = 0
  })
}

export async function bind(options: NodeEndpointOptions = {}): Promise<Endpoint> {
  const endpoint = await Endpoint.bind({
    alpns: [ALPN],
    bind: ['127.0.0.1:0'],
    onError: (error) => faults.push(error),
    ...options,
  })
  open.push(endpoint)
  return endpoint
}

export interface Pair {
  readonly client: Endpoint
  readonly server: Endpoint
  /** The client's side. */
  readonly near: Connection
  /** The server's side. */
  readonly far: Connection
}

export async function connectedPair(
  clientOptions: NodeEndpointOptions = {},
  serverOptions: NodeEndpointOptions = {},
): Promise<Pair> {
  const [client, server] = await Promise.all([bind(clientOptions), bind(serverOptions)])
  const accepted = server.accept()
  const near = await client.connect(server.addr(), ALPN)
  const far = await accepted
  return { client, server, near, far: far! }
}
