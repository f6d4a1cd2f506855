/**
 * The seams over a browser: Web Crypto's random source, `fetch` and `WebSocket`, timeouts, and a message channel for one macrotask of delay. A page cannot open
 * UDP sockets; a browser node reaches its peers through relays only.
 */
import { LazyTimer } from '../lazy-timer.ts'
import type { InterfaceAddress, Platform, RandomSource, Timer, UdpSocket, WebClient } from '../platform.ts'
import { BrowserWebClient } from './browser-web-client.ts'

/** `crypto.getRandomValues` fills at most this many bytes a call. */
const RANDOM_CHUNK = 65_536

const random: RandomSource = {
  fill(out) {
    for (let at = 0; at < out.length; at += RANDOM_CHUNK) {
      crypto.getRandomValues(out.subarray(at, at + RANDOM_CHUNK) as Uint8Array<ArrayBuffer>)
    }
  },
}

/** Thrown by `bindUdp`. */
export class UdpUnsupportedError extends Error {
  override readonly name = 'UdpUnsupportedError'
  readonly code = 'UDP_UNSUPPORTED'
  constructor() {
    super('browsers cannot open UDP sockets: bind no addresses and reach peers through a relay')
  }
}

export class BrowserPlatform implements Platform {
  readonly random: RandomSource = random
  readonly web: WebClient = new BrowserWebClient()
  readonly #waiting: (() => void)[] = []
  #channel: MessageChannel | undefined = undefined

  now(): number {
    return performance.now()
  }

  wallClock(): number {
    return Date.now()
  }

  createTimer(callback: () => void): Timer {
    return new LazyTimer(
      () => performance.now(),
      (deferred) => this.defer(deferred),
      callback,
    )
  }

  /** A message to ourselves: nested timeouts would be stretched to 4 ms. The port is open only while something waits. */
  defer(callback: () => void): void {
    this.#waiting.push(callback)
    if (this.#channel !== undefined) return
    const channel = new MessageChannel()
    this.#channel = channel
    channel.port1.onmessage = () => {
      this.#channel = undefined
      channel.port1.close()
      const due = this.#waiting.splice(0)
      for (const deferred of due) deferred()
    }
    channel.port2.postMessage(undefined)
  }

  bindUdp(): Promise<UdpSocket> {
    return Promise.reject(new UdpUnsupportedError())
  }

  interfaces(): InterfaceAddress[] {
    return []
  }
}
