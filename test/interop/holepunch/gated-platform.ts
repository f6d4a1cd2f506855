/**
 * Node's platform with a gate before its UDP sockets: while it is shut, datagrams are lost both ways, as behind a firewall that lets nothing but the relay
 * through. The sockets can also be taken away, as systems do when the network is another one.
 */
import type { UdpSocket, UdpSocketOptions } from '../../../src/platform/index.ts'
import { NodePlatform } from '../../../src/platform/node/index.ts'

/** What sockets say that are taken away. */
export const NETWORK_DOWN = 'the network is down'

export class GatedPlatform extends NodePlatform {
  isOpen: boolean
  /** Datagrams that found the gate shut. */
  dropped = 0
  readonly #sockets = new Set<GatedSocket>()
  /** Not to be had any more. */
  readonly #taken = new Set<number>()

  /** `ca`: PEM text of the authority that vouches for relays. */
  constructor(isOpen: boolean, ca?: string) {
    // a relay on loopback needs no proxy
    super({ proxy: null, ...(ca === undefined ? {} : { ca: [ca] }) })
    this.isOpen = isOpen
  }

  override async bindUdp(options: UdpSocketOptions): Promise<UdpSocket> {
    if (this.#taken.has(options.port)) throw new Error(`port ${options.port} is somebody else's now`)
    const socket = new GatedSocket(await super.bindUdp(options), this)
    this.#sockets.add(socket)
    return socket
  }

  /** The sockets break, and their ports are gone for good. */
  breakSockets(): void {
    for (const socket of this.#sockets) {
      this.#taken.add(socket.port)
      socket.onError(new Error(NETWORK_DOWN))
    }
    this.#sockets.clear()
  }
}

class GatedSocket implements UdpSocket {
  readonly #inner: UdpSocket
  readonly #platform: GatedPlatform
  onMessage: UdpSocket['onMessage'] = () => {}
  onError: UdpSocket['onError'] = () => {}

  constructor(inner: UdpSocket, platform: GatedPlatform) {
    this.#inner = inner
    this.#platform = platform
    inner.onMessage = (data, host, port) => {
      if (platform.isOpen) this.onMessage(data, host, port)
      else platform.dropped++
    }
    inner.onError = (error) => this.onError(error)
  }

  get family(): 4 | 6 {
    return this.#inner.family
  }

  get host(): string {
    return this.#inner.host
  }

  get port(): number {
    return this.#inner.port
  }

  get receiveBufferSize(): number {
    return this.#inner.receiveBufferSize
  }

  get queued(): number {
    return this.#inner.queued
  }

  send(data: Uint8Array, start: number, length: number, host: string, port: number, done: () => void): void {
    if (this.#platform.isOpen) {
      this.#inner.send(data, start, length, host, port, done)
      return
    }
    this.#platform.dropped++
    done()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}
