/**
 * The way to one relay, for as long as it is wanted: dial, handshake, connected, wait, dial again, for ever (spec/relay.md §2.2, §5.2, §5.3), and the idle
 * rule of relays that are not home (§5.5). What happens on a connection that stands is `relay-session.ts`.
 */
import type { Signer } from '../../crypto/index.ts'
import type { RelayUrl } from '../../identity/index.ts'
import type { WebSocketLink } from '../../platform/index.ts'
import { Backoff, ClientHandshake, RELAY_PROTOCOLS, type RelayProtocol } from '../protocol/index.ts'
import { dialRelay } from './dial.ts'
import { closedText, foreignText, oneLine, RelayError, type RelayErrorCode, reasonOf, relayLabel } from './errors.ts'
import { detach, RelaySession, type SessionHost, type SessionOwner } from './relay-session.ts'
import { SendQueue } from './send-queue.ts'
import type { RelayStatus } from './types.ts'

const NEVER = Number.POSITIVE_INFINITY

const CONNECTING: RelayStatus = { state: 'connecting' }
const CONNECTED: RelayStatus = { state: 'connected' }
const IDLE: RelayStatus = { state: 'disconnected', error: undefined }

export interface ConnectionHost extends SessionHost {
  readonly signer: Signer
  /** Bearer token for this relay. */
  token(url: string): string | undefined
  /** IPv6 is known to work: it goes first. */
  preferIpv6(): boolean
  /** Some `deadline` may have become earlier. */
  onDeadline(): void
  /** `connection` closed itself, being idle: it is to be forgotten. */
  onGone(connection: RelayConnection): void
  /** Closes `link` in a friendly way; the host waits for its end. */
  retire(link: WebSocketLink): void
}

/**
 * `dialling`: until the handshake is done; `waiting`: for the next attempt; `stopped`: no attempt can ever succeed; `closed`: for good.
 */
type State = 'dialling' | 'connected' | 'waiting' | 'stopped' | 'closed'

export class RelayConnection implements SessionOwner {
  readonly url: RelayUrl
  /** On the transport's list of connections to flush. */
  isTouched: boolean
  readonly #host: ConnectionHost
  readonly #label: string
  readonly #queue: SendQueue
  readonly #backoff: Backoff
  #state: State
  #status: RelayStatus
  #isHome: boolean
  #wasConnected: boolean
  /** What `isBlocked` was when the owner was told last. */
  #wasBlocked: boolean
  /** Of the dial that is under way. */
  #abort: AbortController | undefined
  /** During the handshake. */
  #link: WebSocketLink | undefined
  #session: RelaySession | undefined
  #connectBy: number
  #retryAt: number
  #dropQueueAt: number
  #lastSentAt: number
  /** When the last attempt was made that did not wait. */
  #lastImmediateAt: number
  /** Before that the relay wants no new attempt. */
  #notBefore: number

  constructor(host: ConnectionHost, url: RelayUrl, isHome: boolean, now: number) {
    this.url = url
    this.isTouched = false
    this.#host = host
    this.#label = relayLabel(url)
    this.#queue = new SendQueue(host.limits.maxWaitingDatagrams, host.limits.maxWaitingBytes)
    this.#backoff = new Backoff()
    this.#state = 'waiting'
    this.#status = CONNECTING
    this.#isHome = isHome
    this.#wasConnected = false
    this.#wasBlocked = false
    this.#abort = undefined
    this.#link = undefined
    this.#session = undefined
    this.#connectBy = NEVER
    this.#retryAt = now
    this.#dropQueueAt = NEVER
    this.#lastSentAt = now
    this.#lastImmediateAt = Number.NEGATIVE_INFINITY
    this.#notBefore = now
  }

  get status(): RelayStatus {
    return this.#status
  }

  get isHome(): boolean {
    return this.#isHome
  }

  get isConnected(): boolean {
    return this.#session !== undefined
  }

  /** Lost after it had been connected, or too much waits in the link. */
  get isBlocked(): boolean {
    return this.#session === undefined ? this.#wasConnected : this.#session.isFull
  }

  /** When the last datagram was sent, or when it was made. */
  get lastSentAt(): number {
    return this.#lastSentAt
  }

  /** Whether this relay has a way back to the 32-byte `peer`. */
  hears(peer: Uint8Array): boolean {
    return this.#session?.hears(peer) ?? false
  }

  /** The first attempt. */
  start(now: number): void {
    this.#dial(now)
  }

  /** Copies. The transport flushes later. */
  send(peer: Uint8Array, data: Uint8Array): void {
    if (this.#session !== undefined) this.#host.writer.add(this.#session, peer, data)
    else if (!this.#queue.push(peer, data)) this.#host.stats.datagramsDropped++
  }

  /** Something was sent in the round that ends at `now`. */
  flush(now: number): void {
    this.#lastSentAt = now
    if (this.#session !== undefined) this.#session.flush(now)
    else if (this.#queue.length > 0 && this.#dropQueueAt === NEVER) {
      this.#dropQueueAt = now + this.#host.limits.staleQueueMs
      this.#host.onDeadline()
    }
  }

  /** spec/relay.md §5.5: a relay that is not home any more closes when it has not been used for long enough, perhaps at once. */
  setHome(isHome: boolean, now: number): void {
    this.#isHome = isHome
    this.#host.onDeadline()
    if (now >= this.#idleAt()) this.leave()
  }

  /** Something changed that may make the next attempt succeed: no waiting. */
  retryNow(now: number): void {
    if (this.#state !== 'waiting') return
    this.#backoff.reset()
    this.#retryAt = Math.max(now, this.#notBefore)
    this.#host.onDeadline()
  }

  /** spec/relay.md §5.6. `addresses` as `canonicalIpText` writes them. */
  networkChanged(addresses: ReadonlySet<string>, now: number): void {
    if (this.#session !== undefined) this.#session.networkChanged(addresses, now)
    else this.retryNow(now)
  }

  /** As `RelaySession.check`; nothing while there is no session. */
  check(now: number): void {
    this.#session?.check(now)
  }

  /** When `tick` wants to be called. */
  deadline(): number {
    return Math.min(this.#stateDeadline(), this.#dropQueueAt, this.#idleAt())
  }

  tick(now: number): void {
    if (now >= this.#idleAt()) {
      this.leave()
      return
    }
    if (now >= this.#dropQueueAt) this.#dropQueue()
    if (this.#session !== undefined) this.#session.tick(now)
    else if (now >= this.#retryAt) this.#dial(now)
    else if (now >= this.#connectBy)
      this.#fail('RELAY_TIMEOUT', `not connected within ${this.#host.limits.connectTimeoutMs} ms`)
  }

  /** Ends everything, deliberately (Close 1000, spec/relay.md §1.5), and says nothing about it. */
  close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#dropQueue()
    this.#retryAt = NEVER
    this.#connectBy = NEVER
    this.#abort?.abort()
    this.#abort = undefined
    const link = this.#session?.end() ?? this.#link
    this.#session = undefined
    this.#link = undefined
    if (link !== undefined) this.#host.retire(link)
  }

  onLost(code: RelayErrorCode, what: string): void {
    const isEstablished = this.#session?.isEstablished ?? false
    this.#session = undefined
    this.#wait(isEstablished, new RelayError(code, this.#label, what))
  }

  onFullChange(): void {
    this.#tellBlocked()
  }

  onDeadline(): void {
    this.#host.onDeadline()
  }

  onRestarting(reconnectInMs: number): void {
    const { platform, limits } = this.#host
    this.#notBefore = platform.now() + Math.min(reconnectInMs, limits.maxRestartWaitMs)
  }

  #stateDeadline(): number {
    switch (this.#state) {
      case 'connected':
        return this.#session === undefined ? NEVER : this.#session.deadline()
      case 'waiting':
        return this.#retryAt
      case 'dialling':
        return this.#connectBy
      default:
        return NEVER
    }
  }

  #idleAt(): number {
    return this.#isHome || this.#state === 'closed' ? NEVER : this.#lastSentAt + this.#host.limits.idleMs
  }

  #dropQueue(): void {
    this.#dropQueueAt = NEVER
    this.#host.stats.datagramsDropped += this.#queue.clear()
  }

  #dial(now: number): void {
    const { web } = this.#host.platform
    this.#retryAt = NEVER
    if (web === undefined) {
      this.#stop('RELAY_UNSUPPORTED', 'out of reach: this runtime has no WebSocket client')
      return
    }
    const token = this.#host.token(this.url.href)
    const abort = new AbortController()
    let opening: Promise<WebSocketLink>
    try {
      opening = dialRelay(web, this.#host.signer, this.url, token, this.#host.preferIpv6(), abort.signal)
    } catch {
      this.#stop('RELAY_INVALID_URL', 'cannot be dialled: a relay needs a URL with a host, like https://relay.example/')
      return
    }
    this.#abort = abort
    this.#state = 'dialling'
    this.#connectBy = now + this.#host.limits.connectTimeoutMs
    opening.then(
      (link) => {
        if (this.#abort === abort) this.#greet(link)
        else link.terminate()
      },
      (error: unknown) => {
        if (this.#abort === abort) this.#fail('RELAY_UNREACHABLE', foreignText(error, this.url, token))
      },
    )
    this.#host.onDeadline()
    this.#setStatus(CONNECTING)
  }

  #greet(link: WebSocketLink): void {
    this.#link = link
    const protocol = RELAY_PROTOCOLS.find((name) => name === link.protocol)
    if (protocol === undefined) {
      this.#fail('RELAY_PROTOCOL', 'the server speaks no version of the relay protocol that we know')
      return
    }
    const handshake = new ClientHandshake(this.#host.signer)
    link.onMessage = (message) => this.#receiveGreeting(link, protocol, handshake, message)
    link.onClose = (end) => this.#fail('RELAY_CLOSED', `${closedText(end)} during the handshake`)
  }

  #receiveGreeting(
    link: WebSocketLink,
    protocol: RelayProtocol,
    handshake: ClientHandshake,
    message: Uint8Array,
  ): void {
    let answer: Uint8Array | undefined
    try {
      answer = handshake.receive(message)
    } catch (error) {
      this.#fail('RELAY_PROTOCOL', `the relay broke the protocol during the handshake: ${reasonOf(error)}`)
      return
    }
    if (answer !== undefined) {
      link.send(answer)
      link.flush()
    }
    if (handshake.state === 'denied') this.#fail('RELAY_DENIED', `denied: ${oneLine(handshake.reason)}`)
    else if (handshake.state === 'done') this.#connected(link, protocol)
  }

  #connected(link: WebSocketLink, protocol: RelayProtocol): void {
    const { platform, writer } = this.#host
    const now = platform.now()
    this.#abort = undefined
    this.#link = undefined
    this.#connectBy = NEVER
    this.#state = 'connected'
    this.#wasConnected = true
    this.#dropQueueAt = NEVER
    const session = new RelaySession(this.#host, this, this.url.href, link, protocol, now)
    this.#session = session
    session.start(now)
    if (this.#session !== session) return
    this.#queue.drain((peer, data) => writer.add(session, peer, data))
    writer.flush()
    session.flush(now)
    if (this.#session !== session) return
    this.#setStatus(CONNECTED)
    this.#tellBlocked()
  }

  /** The attempt that is under way has failed. On errors the socket is dropped without a Close (spec/relay.md §1.5). */
  #fail(code: RelayErrorCode, what: string): void {
    this.#endAttempt()
    this.#wait(false, new RelayError(code, this.#label, what))
  }

  #endAttempt(): void {
    this.#abort?.abort()
    this.#abort = undefined
    this.#connectBy = NEVER
    const link = this.#link
    this.#link = undefined
    if (link === undefined) return
    detach(link)
    link.terminate()
  }

  /** No attempt can succeed. */
  #stop(code: RelayErrorCode, what: string): void {
    this.#state = 'stopped'
    this.#dropQueue()
    this.#host.onDeadline()
    this.#setStatus({ state: 'disconnected', error: new RelayError(code, this.#label, what) })
  }

  /** spec/relay.md §5.3. */
  #wait(isEstablished: boolean, error: RelayError): void {
    const { platform, limits } = this.#host
    const now = platform.now()
    this.#state = 'waiting'
    if (isEstablished && now >= this.#lastImmediateAt + limits.immediateReconnectMs) {
      this.#backoff.reset()
      this.#lastImmediateAt = now
      this.#retryAt = now
    } else {
      this.#retryAt = now + this.#backoff.next(platform.random)
    }
    this.#retryAt = Math.max(this.#retryAt, this.#notBefore)
    this.#host.onDeadline()
    this.#setStatus({ state: 'disconnected', error })
    this.#tellBlocked()
  }

  /** Idle for too long. */
  leave(): void {
    const isBlocked = this.#wasBlocked
    this.close()
    this.#host.onGone(this)
    const { handler } = this.#host
    handler.onStatus(this.url.href, IDLE)
    if (isBlocked) handler.onBlockedChange(this.url.href)
  }

  #setStatus(status: RelayStatus): void {
    this.#status = status
    this.#host.handler.onStatus(this.url.href, status)
  }

  #tellBlocked(): void {
    const { isBlocked } = this
    if (isBlocked === this.#wasBlocked || this.#state === 'closed') return
    this.#wasBlocked = isBlocked
    this.#host.handler.onBlockedChange(this.url.href)
  }
}
