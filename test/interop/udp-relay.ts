/** A UDP forwarder between one client and one server on loopback: a NAT that can move to another port, and a wire that can be cut. */
import { createSocket, type Socket } from 'node:dgram'

async function bound(onMessage: (data: Buffer, port: number) => void): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.on('message', (data, { port }) => onMessage(data, port))
  socket.on('error', () => {})
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  return socket
}

export class UdpRelay {
  /** While true, nothing reaches the client, or the server. */
  dropToClient = false
  dropToServer = false
  readonly #target: number
  #front: Socket | undefined = undefined
  #back: Socket | undefined = undefined
  #clientPort = 0

  private constructor(target: number) {
    this.#target = target
  }

  /** Forwards to `target`, `127.0.0.1:port`. */
  static async open(target: string): Promise<UdpRelay> {
    const relay = new UdpRelay(Number(target.slice(target.lastIndexOf(':') + 1)))
    relay.#front = await bound((data, port) => {
      relay.#clientPort = port
      if (!relay.dropToServer) relay.#back?.send(data, relay.#target, '127.0.0.1')
    })
    await relay.rebind()
    return relay
  }

  /** Where the client sends to. */
  get address(): string {
    return `127.0.0.1:${this.#front!.address().port}`
  }

  /** Where the server sees the client. */
  get clientAddress(): string {
    return `127.0.0.1:${this.#back!.address().port}`
  }

  /** From now on the server sees another port; what comes to the old one is lost. */
  async rebind(): Promise<void> {
    const old = this.#back
    this.#back = await bound((data) => {
      if (!this.dropToClient && this.#clientPort !== 0) this.#front!.send(data, this.#clientPort, '127.0.0.1')
    })
    old?.close()
  }

  close(): void {
    this.#front?.close()
    this.#back?.close()
  }
}
