/** Makes every client an old one: a TCP proxy that leaves `iroh-relay-v1` alone of the protocols a client offers. The crate itself always offers both. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

const OFFER = /^(sec-websocket-protocol: ).*$/im

export class OldClientProxy {
  readonly url: string
  readonly #server: Server
  readonly #sockets: Set<Socket>

  private constructor(server: Server, sockets: Set<Socket>) {
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    this.#server = server
    this.#sockets = sockets
  }

  /** In front of the relay at `port` of 127.0.0.1, plain HTTP, until the test ends. */
  static async start(port: number): Promise<OldClientProxy> {
    const sockets = new Set<Socket>()
    const server = createServer((client) => {
      const relay = connect(port, '127.0.0.1')
      for (const [socket, other] of [
        [client, relay],
        [relay, client],
      ] as const) {
        sockets.add(socket)
        socket.setNoDelay(true)
        socket
          .on('error', () => {})
          .once('close', () => {
            sockets.delete(socket)
            other.destroy()
          })
      }
      // the head comes in one piece on loopback, and is all that is rewritten
      client.once('data', (head) => {
        relay.write(head.toString('latin1').replace(OFFER, '$1iroh-relay-v1'), 'latin1')
        client.pipe(relay)
        relay.pipe(client)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const proxy = new OldClientProxy(server, sockets)
    onTestFinished(() => proxy.close())
    return proxy
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}
