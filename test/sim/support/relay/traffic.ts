/** Echo over one connection, and what came back when: the longest pause in it is what a person would feel. */
import type { Connection } from '../../../../src/endpoint/index.ts'
import { EndpointAddr, type TransportAddr } from '../../../../src/identity/index.ts'
import { ALPN, type RelayWorld, type SimEndpoint } from './world.ts'

/** Every stream is echoed, for as long as the node lives. */
export function serveEcho(node: SimEndpoint): Connection[] {
  const connections: Connection[] = []
  node.endpoint.router().accept(ALPN, async (connection) => {
    connections.push(connection)
    for (;;) {
      const stream = await connection.acceptBi().catch(() => undefined)
      if (stream === undefined) return
      const { send, recv } = stream
      const echo = async (): Promise<void> => {
        for await (const chunk of recv) await send.write(chunk)
        await send.finish()
      }
      echo().catch(() => send.reset(0))
    }
  })
  return connections
}

/** Its address with only what `keep` says. */
export function addrOf(node: SimEndpoint, keep: (addr: TransportAddr) => boolean = () => true): EndpointAddr {
  const { id, addrs } = node.endpoint.addr()
  return new EndpointAddr(id, addrs.filter(keep))
}

/** A ping of 100 bytes on one stream, every 20 ms unless told otherwise. */
export class Pinging {
  sent = 0
  received = 0
  /** Longest time without an answer while pings were out, ms. */
  longestPause = 0
  error: unknown = undefined
  #lastAt: number
  #isOver = false
  readonly #world: RelayWorld
  readonly #connection: Connection
  readonly #everyMs: number

  constructor(world: RelayWorld, connection: Connection, everyMs = 20) {
    this.#world = world
    this.#connection = connection
    this.#everyMs = everyMs
    this.#lastAt = world.now
    this.#run().catch((error: unknown) => {
      this.error = error
    })
  }

  /** Forgets the pauses so far. */
  reset(): void {
    this.longestPause = 0
    this.#lastAt = this.#world.now
  }

  stop(): void {
    this.#isOver = true
  }

  get pause(): number {
    return Math.max(this.longestPause, this.#world.now - this.#lastAt)
  }

  async #run(): Promise<void> {
    const { send, recv } = await this.#connection.openBi()
    const read = async (): Promise<void> => {
      for await (const chunk of recv) {
        this.received += chunk.length
        this.longestPause = Math.max(this.longestPause, this.#world.now - this.#lastAt)
        this.#lastAt = this.#world.now
      }
    }
    read().catch((error: unknown) => {
      this.error = error
    })
    const body = new Uint8Array(100).fill(7)
    while (!this.#isOver) {
      await send.write(body)
      this.sent += body.length
      await new Promise<void>((resolve) => {
        this.#world.clock.after(this.#everyMs, resolve)
      })
    }
    await send.finish()
  }
}

/** The kind of path in use, and the kinds of all open ones. */
export function kinds(connection: Connection): { selected: string | undefined; open: string[] } {
  const paths = connection.paths()
  return { selected: paths.find(({ selected }) => selected)?.kind, open: paths.map(({ kind }) => kind).sort() }
}

/** `bytes` there and back on a stream of their own; the promise rejects when something else comes back. */
export async function echoed(connection: Connection, bytes: number): Promise<void> {
  const body = new Uint8Array(bytes).map((_, index) => (index * 31 + 7) & 255)
  const { send, recv } = await connection.openBi()
  const [answer] = await Promise.all([recv.readToEnd(bytes), send.write(body).then(() => send.finish())])
  if (answer.length !== bytes || answer.some((byte, index) => byte !== body[index]))
    throw new Error('not what was sent')
}
