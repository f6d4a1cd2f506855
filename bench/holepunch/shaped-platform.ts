/**
 * Node's platform as if it were behind a slow uplink: what goes out, by UDP and to the relay, passes a `Shaper` each; direct datagrams can be shut out both ways.
 * What comes in is not held up, for the other end has done that.
 */
import type {
  Platform,
  UdpSocket,
  UdpSocketOptions,
  WebClient,
  WebSocketLink,
} from '../../src/platform/index.ts'
import { NodePlatform } from '../../src/platform/node/index.ts'
import { type LinkShape, Shaper } from './shaper.ts'

export interface ShapedOptions {
  readonly direct: LinkShape
  readonly relay: LinkShape
  /** Whether direct datagrams get through. */
  readonly isOpen: boolean
}

export class ShapedPlatform extends NodePlatform implements Platform {
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
      openWebSocket: async (options) => shapedLink(await inner.openWebSocket(options), relay),
      get: (options) => inner.get(options),
    }
  }

  override async bindUdp(options: UdpSocketOptions): Promise<UdpSocket> {
    const socket = await super.bindUdp(options)
    const shaper = new Shaper(this.#direct, () => this.now())
    const send = socket.send.bind(socket)
    socket.send = (data, start, length, host, port, done) => {
      if (this.isOpen) {
        const copy = data.slice(start, start + length)
        shaper.push(length, () => {
          if (this.isOpen) send(copy, 0, length, host, port, () => {})
        })
      }
      done()
    }
    return gated(socket, this)
  }
}

/** What the driver sets as `onMessage` is called only while the gate is open. */
function gated(socket: UdpSocket, platform: ShapedPlatform): UdpSocket {
  let owner = socket.onMessage
  let listener: UdpSocket['onMessage'] = (data, host, port) => {
    if (platform.isOpen) owner(data, host, port)
  }
  socket.onMessage = listener
  return new Proxy(socket, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' && name !== 'send' ? value.bind(target) : value
    },
    set: (target, name, value) => {
      if (name !== 'onMessage') return Reflect.set(target, name, value, target)
      owner = value as UdpSocket['onMessage']
      listener = (data, host, port) => {
        if (platform.isOpen) owner(data, host, port)
      }
      target.onMessage = listener
      return true
    },
  })
}

function shapedLink(link: WebSocketLink, shape: LinkShape): WebSocketLink {
  return link
}
