/**
 * All relays of an endpoint: the home relay, the others on demand, and which of them carries a datagram (spec/relay.md §5.1). One timer and one batch
 * writer serve all connections; a single connection is `relay-connection.ts`.
 */
import { canonicalIpText, parseUrl } from '../../bytes/index.ts'
import type { CryptoProvider, Signer } from '../../crypto/index.ts'
import { RelayUrl, type SecretKey } from '../../identity/index.ts'
import type { Platform, Timer, WebSocketLink } from '../../platform/index.ts'
import { FrameView, ID_LENGTH, MAX_DATAGRAM_CONTENTS, PeerIdCheck } from '../protocol/index.ts'
import { BatchWriter } from './batch-writer.ts'
import { type RelayClientLimits, relayClientLimits } from './limits.ts'
import { type ConnectionHost, RelayConnection } from './relay-connection.ts'
import { detach } from './relay-session.ts'
import type { RelayConfig, RelayStatus, RelayTransportHandler, RelayTransportStats } from './types.ts'

const NEVER = Number.POSITIVE_INFINITY

export interface RelayTransportOptions {
  readonly platform: Platform
  readonly crypto: CryptoProvider
  /** Proves to the relays who we are. */
  readonly secretKey: SecretKey
  /** The relay map. Others are dialled as well when a datagram goes there, without a token. */
  readonly relays: readonly RelayConfig[]
  readonly handler: RelayTransportHandler
  /** Asked before each dial: does IPv6 work here (spec/relay.md §5.2)? Default: no, IPv4 goes first. */
  readonly preferIpv6?: () => boolean
  readonly limits?: Partial<RelayClientLimits>
}

export class RelayTransport {
  readonly stats: RelayTransportStats
  readonly #platform: Platform
  readonly #limits: RelayClientLimits
  readonly #signer: Signer
  readonly #writer: BatchWriter
  readonly #timer: Timer
  readonly #host: ConnectionHost
  /** By `RelayUrl.href`. */
  readonly #connections: Map<string, RelayConnection>
  #tokens: ReadonlyMap<string, string>
  #home: string | undefined
  /** Something was sent there since the last flush. */
  #touched: RelayConnection[]
  /** Links that were closed and have not ended yet. */
  readonly #retired: Set<WebSocketLink>
  #closed: Promise<void> | undefined
  #onEnd: (() => void) | undefined
  #lastUnknown: string
  #lastNormalised: RelayUrl | undefined

  constructor(options: RelayTransportOptions) {
    const { platform, crypto, secretKey, handler } = options
    this.stats = {
      datagramsSent: 0,
      bytesSent: 0,
      framesSent: 0,
      datagramsReceived: 0,
      bytesReceived: 0,
      datagramsDropped: 0,
    }
    this.#platform = platform
    this.#limits = relayClientLimits(options.limits)
    this.#signer = crypto.signer(secretKey.toBytes())
    this.#writer = new BatchWriter()
    this.#timer = platform.createTimer(() => this.#onTimer())
    this.#host = {
      platform,
      handler,
      limits: this.#limits,
      stats: this.stats,
      writer: this.#writer,
      frame: new FrameView(),
      peerIds: new PeerIdCheck(),
      signer: this.#signer,
      token: (url) => this.#tokens.get(url),
      preferIpv6: options.preferIpv6 ?? (() => false),
      onDeadline: () => this.#arm(),
      onGone: (connection) => this.#forget(connection),
      retire: (link) => this.#retire(link),
    }
    this.#connections = new Map()
    this.#tokens = tokensOf(options.relays)
    this.#home = undefined
    this.#touched = []
    this.#retired = new Set()
    this.#closed = undefined
    this.#onEnd = undefined
    this.#lastUnknown = ''
    this.#lastNormalised = undefined
  }

  /**
   * Keeps `url` connected for ever; the relay that was home before falls under the idle rule, and closes at once if it was not used of late.
   * undefined: no home. Throws IdentityError INVALID_RELAY_URL for what is no URL.
   */
  setHome(url: string | undefined): void {
    const home = url === undefined ? undefined : RelayUrl.parse(url)
    if (this.#closed !== undefined || home?.href === this.#home) return
    // what is on its way makes the old one used
    this.flush()
    const now = this.#platform.now()
    const before = this.#home === undefined ? undefined : this.#connections.get(this.#home)
    this.#home = home?.href
    if (home !== undefined) {
      const known = this.#connections.get(home.href)
      if (known === undefined) this.#add(home, now)
      else known.setHome(true, now)
      known?.retryNow(now)
    }
    before?.setHome(false, now)
    if (before !== undefined) this.#makeRoom(0)
  }

  /** Replaces the relay map. Connections stay; a changed token is used by the next attempt, which then does not wait. */
  configure(relays: readonly RelayConfig[]): void {
    const before = this.#tokens
    this.#tokens = tokensOf(relays)
    if (this.#closed !== undefined) return
    const now = this.#platform.now()
    for (const [url, connection] of this.#connections) {
      if (this.#tokens.get(url) !== before.get(url)) connection.retryNow(now)
    }
  }

  /**
   * Sends `data` to the 32-byte `peer` through the relay `url`, or through one that has a way back to the peer while that one is not connected; dials
   * if need be. Copies, gathers until `flush`, and never throws. Drops what is empty, longer than 65,502 bytes, or more than the queues hold.
   */
  send(url: string, peer: Uint8Array, data: Uint8Array): void {
    const { length } = data
    const isSendable = length > 0 && length <= MAX_DATAGRAM_CONTENTS && peer.length === ID_LENGTH
    const connection = isSendable && this.#closed === undefined ? this.#choose(url, peer) : undefined
    if (connection === undefined) {
      this.stats.datagramsDropped++
      return
    }
    if (!connection.isTouched) {
      connection.isTouched = true
      this.#touched.push(connection)
    }
    connection.send(peer, data)
  }

  /** The end of a round: what was gathered goes out. */
  flush(): void {
    if (this.#touched.length === 0) return
    this.#writer.flush()
    const now = this.#platform.now()
    const touched = this.#touched
    this.#touched = []
    for (const connection of touched) {
      connection.isTouched = false
      connection.flush(now)
    }
  }

  /** True while `url` is lost after it had been connected, or while too much waits to be sent there: other paths are better. */
  isBlocked(url: string): boolean {
    return this.#find(url)?.isBlocked ?? false
  }

  /** undefined: not wanted at the moment. */
  status(url: string): RelayStatus | undefined {
    return this.#find(url)?.status
  }

  /** The network changed (spec/relay.md §5.6): connections whose local address is not among these (numeric) are dropped and dialled again, the others pinged. */
  networkChanged(localAddresses: readonly string[]): void {
    if (this.#closed !== undefined) return
    const addresses = new Set(localAddresses.map(canonicalIpText))
    const now = this.#platform.now()
    for (const connection of [...this.#connections.values()]) connection.networkChanged(addresses, now)
  }

  /** What goes through `url` is not answered: is the relay still there? It is pinged at once, and lost when it does not answer in time (spec/relay.md §3.5). */
  check(url: string): void {
    if (this.#closed === undefined) this.#find(url)?.check(this.#platform.now())
  }

  /** Closes everything. Resolves when the links have ended, each within about 2 s; nothing is called back any more. */
  close(): Promise<void> {
    if (this.#closed !== undefined) return this.#closed
    // a last word to peers may be among it
    this.flush()
    if (this.#closed !== undefined) return this.#closed
    this.#closed = new Promise((resolve) => {
      this.#onEnd = resolve
    })
    const connections = [...this.#connections.values()]
    this.#connections.clear()
    for (const connection of connections) connection.close()
    this.#timer.cancel()
    this.#signer.free()
    this.#checkEnd()
    return this.#closed
  }

  #find(url: string): RelayConnection | undefined {
    const connection = this.#connections.get(url)
    if (connection !== undefined) return connection
    const normal = this.#normalised(url)
    return normal === undefined ? undefined : this.#connections.get(normal.href)
  }

  /** Remembers its last answer: a relay without a connection of its own may be asked for with every datagram. */
  #normalised(url: string): RelayUrl | undefined {
    if (url !== this.#lastUnknown) {
      this.#lastUnknown = url
      this.#lastNormalised = parseUrl(url) === undefined ? undefined : RelayUrl.parse(url)
    }
    return this.#lastNormalised
  }

  /** spec/relay.md §5.1, but a relay that is known and not connected leaves the way to one that is. */
  #choose(url: string, peer: Uint8Array): RelayConnection | undefined {
    const own = this.#find(url)
    if (own?.isConnected) return own
    for (const connection of this.#connections.values()) if (connection.hears(peer)) return connection
    if (own !== undefined) return own
    const normal = this.#normalised(url)
    return normal !== undefined && this.#makeRoom(1) ? this.#add(normal, this.#platform.now()) : undefined
  }

  #add(url: RelayUrl, now: number): RelayConnection | undefined {
    // a callback on the way here may have closed everything
    if (this.#closed !== undefined) return undefined
    const connection = new RelayConnection(this.#host, url, url.href === this.#home, now)
    this.#connections.set(url.href, connection)
    connection.start(now)
    return connection
  }

  /** Closes the connections on demand that were unused for longest, until `count` more may come. False when all are in use in this very round. */
  #makeRoom(count: number): boolean {
    for (;;) {
      let onDemand = 0
      let oldest: RelayConnection | undefined
      for (const connection of this.#connections.values()) {
        if (connection.isHome) continue
        onDemand++
        if (connection.isTouched) continue
        if (oldest === undefined || connection.lastSentAt < oldest.lastSentAt) oldest = connection
      }
      if (onDemand + count <= this.#limits.maxOnDemand) return true
      if (oldest === undefined) return false
      oldest.leave()
    }
  }

  #forget(connection: RelayConnection): void {
    this.#connections.delete(connection.url.href)
  }

  #retire(link: WebSocketLink): void {
    detach(link)
    this.#retired.add(link)
    link.onClose = () => {
      this.#retired.delete(link)
      this.#checkEnd()
    }
    link.close(1000, '')
  }

  #checkEnd(): void {
    if (this.#retired.size === 0) this.#onEnd?.()
  }

  #arm(): void {
    let earliest = NEVER
    for (const connection of this.#connections.values()) earliest = Math.min(earliest, connection.deadline())
    if (earliest === NEVER) this.#timer.cancel()
    else this.#timer.arm(earliest)
  }

  #onTimer(): void {
    if (this.#closed !== undefined) return
    const now = this.#platform.now()
    for (const connection of [...this.#connections.values()]) if (connection.deadline() <= now) connection.tick(now)
    this.#arm()
  }
}

function tokensOf(relays: readonly RelayConfig[]): ReadonlyMap<string, string> {
  const tokens = new Map<string, string>()
  for (const { url, token } of relays) if (token !== undefined) tokens.set(url.href, token)
  return tokens
}
