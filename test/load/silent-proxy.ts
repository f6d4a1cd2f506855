/** A TCP proxy that can fall silent: nothing is forwarded any more, neither way, and nobody is told. So a cable looks that was pulled somewhere on the way. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { TestContext } from 'vitest'

export class SilentProxy {
  /** Connections that came. */
  accepted = 0
  readonly #server: Server
  readonly #relayPort: number
  readonly #sockets: Set<Socket>
  /** Of the connections that are forwarded. */
  #forwarded: Set<Socket>
  #isSilent = false

  private constructor(relayPort: number) {
    this.#relayPort = relayPort
    this.#sockets = new Set()
    this.#forwarded = new Set()
    this.#server = createServer((socket) => this.#accept(socket))
  }

  static async start({ onTestFinished }: Pick<TestContext, 'onTestFinished'>, relayPort: number): Promise<SilentProxy> {
    const proxy = new SilentProxy(relayPort)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    onTestFinished(() => {
      proxy.#server.close()
      for (const socket of proxy.#sockets) socket.destroy()
    })
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** All connections that there are, and all that come until `heal`, which those are not saved by. */
  silence(): void {
    this.#isSilent = true
    for (const socket of this.#forwarded) socket.pause()
    this.#forwarded = new Set()
  }

  /** What comes from now on is forwarded. */
  heal(): void {
    this.#isSilent = false
  }

  #accept(socket: Socket): void {
    this.accepted++
    this.#watch(socket)
    if (this.#isSilent) return
    const upstream = connect(this.#relayPort, '127.0.0.1')
    this.#watch(upstream)
    this.#forward(socket, upstream)
    this.#forward(upstream, socket)
  }

  #watch(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => this.#sockets.delete(socket))
  }

  #forward(from: Socket, to: Socket): void {
    this.#forwarded.add(from)
    from.on('data', (chunk) => to.write(chunk))
    // One that fell silent says nothing of the other's end.
    from.once('close', () => this.#forwarded.has(from) && to.destroy())
  }
}
