/**
 * Node's platform as if it were behind a slow uplink: what goes out, by UDP and to relays, passes a `Shaper` each; direct datagrams can be shut out both ways.
 * What comes in is not held up, for the other end has done that.
 */
import type { UdpSocket, UdpSocketOptions, WebClient, WebSocketLink } from '../../src/platform/index.ts'
import { NodePlatform } from '../../src/platform/node/index.ts'
import { type LinkShape, Shaper } from './shaper.ts'

export interface ShapedOptions {
  readonly direct: LinkShape
  /** Never loses: a WebSocket cannot. */
  readonly relay: Omit<LinkShape, 'queueBytes'>
  /** Whether direct datagrams get through. */
  readonly isOpen: boolean
}

/** A link's owner hears of room below this, bytes. */
const LOW_MARK = 65_536

export class ShapedPlatform extends NodePlatform {
  /** As to any other host: datagrams of 16,000 bytes through a link of 20 Mbit/s would be nobody's network. */
  override readonly maxLoopbackDatagramSize = 1_452
  isOpen: boolean
  override readonly web: WebClient
  readonly #direct: LinkShape

  constructor({ direct, relay, isOpen }: ShapedOptions) {
    super({ proxy: null })
    this.isOpen = isOpen
    this.#direct = direct
    const inner = new NodePlatform({ proxy: null }).web
    this.web = {
      canSetHeaders: inner.canSetHeaders,
      openWebSocket: async (options) =>
        new ShapedLink(await inner.openWebSocket(options), { ...relay, queueBytes: undefined }, this.now),
      get: (options) => inner.get(options),
    }
  }

  override async bindUdp(options: UdpSocketOptions): Promise<UdpSocket> {
    return new ShapedSocket(await super.bindUdp(options), this.#direct, this)
  }
}

class ShapedSocket implements UdpSocket {
  readonly #inner: UdpSocket
  readonly #shaper: Shaper
  readonly #gate: { readonly isOpen: boolean }
  onMessage: UdpSocket['onMessage'] = () => {}
  onError: UdpSocket['onError'] = () => {}

  constructor(inner: UdpSocket, shape: LinkShape, platform: ShapedPlatform) {
    this.#inner = inner
    this.#shaper = new Shaper(shape, platform.now)
    this.#gate = platform
    inner.onMessage = (data, host, port) => {
      if (platform.isOpen) this.onMessage(data, host, port)
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
    if (this.#gate.isOpen) {
      const copy = data.slice(start, start + length)
      this.#shaper.push(length, () => {
        if (this.#gate.isOpen) this.#inner.send(copy, 0, length, host, port, () => {})
      })
    }
    done()
  }

  close(): Promise<void> {
    this.#shaper.clear()
    return this.#inner.close()
  }
}

class ShapedLink implements WebSocketLink {
  readonly #inner: WebSocketLink
  readonly #shaper: Shaper
  onMessage: WebSocketLink['onMessage'] = () => {}
  onClose: WebSocketLink['onClose'] = () => {}
  onDrain: WebSocketLink['onDrain'] = () => {}
  onRead: WebSocketLink['onRead'] = () => {}
  onText: WebSocketLink['onText'] = () => {}
  #wasHigh = false

  constructor(inner: WebSocketLink, shape: LinkShape, now: () => number) {
    this.#inner = inner
    this.#shaper = new Shaper(shape, now, () => this.#onLeave())
    inner.onMessage = (message) => this.onMessage(message)
    inner.onRead = (bytes) => this.onRead(bytes)
    inner.onClose = (end) => {
      this.#shaper.clear()
      this.onClose(end)
    }
  }

  get protocol(): string {
    return this.#inner.protocol
  }

  get localAddress(): string | undefined {
    return this.#inner.localAddress
  }

  get queuedBytes(): number {
    return this.#shaper.queuedBytes
  }

  send(message: Uint8Array, start = 0, end = message.length): void {
    const copy = message.slice(start, end)
    this.#shaper.push(copy.length, () => {
      this.#inner.send(copy)
      this.#inner.flush()
    })
    if (this.queuedBytes >= LOW_MARK) this.#wasHigh = true
  }

  /** Relays know no text. */
  sendText(): void {}

  flush(): void {}

  pause(): void {
    this.#inner.pause()
  }

  resume(): void {
    this.#inner.resume()
  }

  close(code: number, reason: string): void {
    this.#inner.close(code, reason)
  }

  terminate(): void {
    this.#inner.terminate()
  }

  #onLeave(): void {
    if (!this.#wasHigh || this.queuedBytes >= LOW_MARK) return
    this.#wasHigh = false
    this.onDrain()
  }
}
