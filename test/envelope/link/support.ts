/** Links over real endpoints on loopback, and peers made by hand, closed after each test whatever happened. */
import { afterEach, expect } from 'vitest'
import { MemoryLookup } from '../../../src/discovery/index.ts'
import type { BiStream, Connection, Endpoint as PortableEndpoint } from '../../../src/endpoint/index.ts'
import { Endpoint, type NodeEndpointOptions } from '../../../src/endpoint/node.ts'
import { ENVELOPE_ALPN } from '../../../src/envelope/link/alpns.ts'
import { frameHeader } from '../../../src/envelope/link/framing.ts'
import { type LinkHandler, Links, type LinksSetup } from '../../../src/envelope/link/links.ts'
import type { LinkSettings } from '../../../src/envelope/link/settings.ts'

/** Longest wait for anything, ms. */
const PATIENCE_MS = 8_000

export interface Heard {
  readonly peer: string
  readonly kind: 'v1' | 'v2'
  readonly frame: Uint8Array
}

/** What links tell, in the order of its coming. */
export class Log implements LinkHandler {
  readonly frames: Heard[] = []
  /** `up`, `down` with the peer. */
  readonly events: [string, string][] = []
  readonly refused: [string, string][] = []
  readonly errors: unknown[] = []
  /** Called with each frame. */
  onEach: (heard: Heard) => void = () => {}

  onFrame(frame: Uint8Array, peer: string, kind: 'v1' | 'v2'): void {
    const heard = { peer, kind, frame }
    this.frames.push(heard)
    this.onEach(heard)
  }

  onConnection(): void {}

  onUp(peer: string): void {
    this.events.push(['up', peer])
  }

  onDown(peer: string): void {
    this.events.push(['down', peer])
  }

  onRefused(peer: string, reason: string): void {
    this.refused.push([peer, reason])
  }

  onError(error: unknown): void {
    this.errors.push(error)
  }

  get numbers(): number[] {
    return this.frames.map(({ frame }) => numberOf(frame))
  }
}

/** The `number`th frame, of `length` bytes, which looks like an envelope of version 2 to begin with. */
export function frameOf(number: number, length = 100): Uint8Array {
  const frame = new Uint8Array(length).fill(number & 0xff)
  frame[0] = 0x9a
  new DataView(frame.buffer).setUint32(1, number)
  return frame
}

export function numberOf(frame: Uint8Array): number {
  return new DataView(frame.buffer, frame.byteOffset).getUint32(1)
}

/** With its length in front, as it stands on a stream. */
export function onWire(frame: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + frame.length)
  bytes.set(frameHeader(frame.length))
  bytes.set(frame, 4)
  return bytes
}

export interface LinkNode {
  readonly endpoint: Endpoint
  readonly links: Links
  readonly log: Log
  readonly id: string
}

/** Where everybody is: what gossip and lookups tell in earnest. */
let book = new MemoryLookup({ now: () => 0 })
const open: Endpoint[] = []

/** Each test file calls this once: files share this module. */
export function closeAfterEach(): void {
  afterEach(async () => {
    await Promise.all(open.splice(0).map((endpoint) => endpoint.close()))
    book = new MemoryLookup({ now: () => 0 })
  })
}

/** `isKnown`: the others can dial it by its id. */
export async function bindEndpoint(options: NodeEndpointOptions = {}, isKnown = true): Promise<Endpoint> {
  const endpoint = await Endpoint.bind({ bind: ['127.0.0.1:0'], networkMonitor: false, ...options })
  open.push(endpoint)
  endpoint.addAddressLookup(book)
  if (isKnown) book.add(endpoint.addr())
  return endpoint
}

export interface LinkNodeOptions {
  readonly endpoint?: NodeEndpointOptions
  readonly setup?: Partial<LinksSetup>
}

export async function linkNode(
  settings: Partial<LinkSettings> = {},
  { endpoint: options = {}, setup = {} }: LinkNodeOptions = {},
): Promise<LinkNode> {
  const log = new Log()
  const endpoint = await bindEndpoint({ onError: (error) => log.onError(error), ...options })
  return { endpoint, links: new Links({ endpoint, handler: log, settings, ...setup }), log, id: endpoint.id.toString() }
}

/** A peer whose streams a test writes and reads itself. */
export class HandPeer {
  readonly endpoint: PortableEndpoint
  readonly id: string
  /** That others dialled. */
  readonly accepted: Connection[] = []
  onAccepted: (connection: Connection) => void = () => {}
  #taken = 0

  constructor(endpoint: PortableEndpoint) {
    this.endpoint = endpoint
    this.id = endpoint.id.toString()
    this.#accept()
  }

  static async bind(options: NodeEndpointOptions = {}): Promise<HandPeer> {
    return new HandPeer(await bindEndpoint({ alpns: [ENVELOPE_ALPN], ...options }))
  }

  dial(node: { readonly endpoint: Pick<Endpoint, 'addr'> }): Promise<Connection> {
    return this.endpoint.connect(node.endpoint.addr(), ENVELOPE_ALPN)
  }

  /** The next connection that somebody dials. */
  async next(): Promise<Connection> {
    await eventually(() => this.#taken < this.accepted.length, 'a connection')
    return this.accepted[this.#taken++]!
  }

  async #accept(): Promise<void> {
    for (;;) {
      const connection = await this.endpoint.accept()
      if (connection === undefined) return
      this.accepted.push(connection)
      this.onAccepted(connection)
    }
  }
}

/** A stream with these bytes on it, not finished. */
export async function say(connection: Connection, bytes: Uint8Array): Promise<BiStream> {
  const stream = await connection.openBi()
  await stream.send.write(bytes)
  return stream
}

/** How the peer ended the direction towards us: 'fin', or the code of its reset. */
export async function reverseEnd({ recv }: BiStream): Promise<'fin' | number | undefined> {
  try {
    const bytes = await recv.read()
    expect(bytes, 'the reverse direction carries no data').toBeUndefined()
    return 'fin'
  } catch (error) {
    return (error as { closeCode?: number }).closeCode
  }
}

/** Polls, for what no event tells. */
export async function eventually(isDone: () => boolean, what: string): Promise<void> {
  const end = performance.now() + PATIENCE_MS
  while (!isDone()) {
    expect(performance.now(), what).toBeLessThan(end)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
