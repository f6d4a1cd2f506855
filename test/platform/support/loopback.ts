/** Real sockets on the loopback, and proof that none is left: what the tests of Node's WebSockets and web client share. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { WebSocketEnd, WebSocketLink } from '../../../src/platform/index.ts'
import { NodeWebSocket, type NodeWebSocketOptions, type WebSocketMemory } from '../../../src/platform/node/index.ts'

export const MAX_MESSAGE = 1 << 20

/** What a test opened, to be ended whatever became of it. */
export class Cleanup {
  readonly #steps: (() => unknown)[] = []

  add<T extends { destroy(): unknown } | { close(): unknown } | { terminate(): unknown }>(opened: T): T {
    this.#steps.push(() => {
      if ('destroy' in opened) return opened.destroy()
      return 'terminate' in opened ? opened.terminate() : opened.close()
    })
    return opened
  }

  async run(): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) step()
    await until(() => openSockets() === 0)
  }
}

/** TCP sockets, connection attempts and listeners that this process has open. Pipes to the test runner are none of these. */
export function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => /^(TCP|TLS)/.test(name)).length
}

/** The same without listeners. */
export function openConnections(): number {
  return process.getActiveResourcesInfo().filter((name) => /^(TCP(?!Server)|TLS)/.test(name)).length
}

/** Taken before a test replaces it. */
const { setTimeout: realSetTimeout } = globalThis

/** Waits until `condition` holds: a few turns of the event loop, then milliseconds, at most three seconds of them. */
export async function until(condition: () => boolean, what = 'the condition'): Promise<void> {
  for (let turn = 0; turn < 3000; turn++) {
    if (condition()) return
    if (turn < 30) await turns(1)
    else await new Promise((resolve) => realSetTimeout(resolve, 1))
  }
  throw new Error(`${what} did not come true`)
}

export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
}

export async function listen(server: Server, host = '127.0.0.1'): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, host, resolve)
  })
  return (server.address() as AddressInfo).port
}

export interface Pair {
  readonly client: Socket
  readonly server: Socket
}

/** Two ends of one TCP connection; whether the client's end stays open when the other has ended. */
export async function tcpPair(cleanup: Cleanup, allowHalfOpen = false): Promise<Pair> {
  // As node:http makes them.
  const listener = createServer({ allowHalfOpen: true })
  const port = await listen(listener)
  const accepted = new Promise<Socket>((resolve) => listener.once('connection', resolve))
  const client = cleanup.add(connect({ port, host: '127.0.0.1', allowHalfOpen }))
  const server = cleanup.add(await accepted)
  client.on('error', () => {})
  server.on('error', () => {})
  listener.close()
  return { client, server }
}

export interface Watched {
  readonly link: WebSocketLink
  readonly messages: Uint8Array[]
  /** One entry when it is over. */
  readonly ends: WebSocketEnd[]
  readonly drains: { count: number }
  readonly reads: number[]
}

/** Sets all handlers and notes what they hear. */
export function watch(link: WebSocketLink): Watched {
  const watched: Watched = { link, messages: [], ends: [], drains: { count: 0 }, reads: [] }
  link.onMessage = (message) => watched.messages.push(message.slice())
  link.onClose = (end) => watched.ends.push(end)
  link.onDrain = () => watched.drains.count++
  link.onRead = (bytes) => watched.reads.push(bytes)
  return watched
}

export function webSocket(
  socket: Socket,
  role: 'client' | 'server',
  memory?: WebSocketMemory,
  options: Partial<NodeWebSocketOptions> = {},
): NodeWebSocket {
  return new NodeWebSocket(socket, {
    role,
    protocol: 'test',
    head: new Uint8Array(0),
    maxMessageSize: MAX_MESSAGE,
    ...(memory === undefined ? {} : { memory }),
    ...options,
  })
}

/** A socket whose system takes what the test lets it take, when it lets it. */
export class StubSocket extends Duplex {
  /** What was written, one entry per write. */
  readonly writes: Buffer[] = []
  /** Take everything at once, as a TCP socket with room does. */
  takesAll = true
  readonly #held: (() => void)[] = []
  readonly calls: string[] = []

  setNoDelay(): void {
    this.calls.push('setNoDelay')
  }
  setTimeout(): void {}
  destroySoon(): void {
    this.calls.push('destroySoon')
    this.end(() => this.destroy())
  }
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.writes.push(Buffer.from(chunk))
    if (this.takesAll) callback()
    else this.#held.push(callback)
  }
  /** The system has taken the oldest write. */
  takeOne(): void {
    this.#held.shift()?.()
  }
  asSocket(): Socket {
    return this as unknown as Socket
  }
}
