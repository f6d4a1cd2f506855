/**
 * One connection to a relay after its handshake: frames in and out, pings, write stalls, back-pressure, and which peers were heard. Meets spec/relay.md §3,
 * §3.5, §5.4 and §5.6; dialling, reconnecting and idling are `relay-connection.ts`.
 */
import { canonicalIpText } from '../../bytes/index.ts'
import type { Platform, WebSocketEnd, WebSocketLink } from '../../platform/index.ts'
import {
  FrameType,
  type FrameView,
  ID_LENGTH,
  type PeerIdCheck,
  PING_LENGTH,
  PingTracker,
  type RelayProtocol,
  readServerFrame,
  StatusCode,
  writePong,
} from '../protocol/index.ts'
import type { BatchWriter, FrameSink } from './batch-writer.ts'
import { closedText, oneLine, type RelayErrorCode, reasonOf } from './errors.ts'
import type { RelayClientLimits } from './limits.ts'
import { ReturnRoutes } from './return-routes.ts'
import type { RelayTransportHandler, RelayTransportStats } from './types.ts'

/** A relay that sent something within this is there, ms. A guess. */
const HEARD_JUST_NOW_MS = 250
const NEVER = Number.POSITIVE_INFINITY
/** Datagrams taken out of one batch frame, more than any sender puts in; the rest is lost. So a frame of one-byte datagrams cannot stall us. */
const MAX_SEGMENTS_TAKEN = 512
/** What a pong may take at most (spec/relay.md §0). */
const LONGEST_PONG_MS = 5_000

/** What all connections of a transport share. */
export interface SessionHost {
  readonly platform: Platform
  readonly handler: RelayTransportHandler
  readonly limits: RelayClientLimits
  readonly stats: RelayTransportStats
  readonly writer: BatchWriter
  /** Scratch: its fields are read before anything else happens. */
  readonly frame: FrameView
  readonly peerIds: PeerIdCheck
}

export interface SessionOwner {
  /** Called once, last, unless the owner ended the session itself. The link is gone. */
  onLost(code: RelayErrorCode, what: string): void
  /** `isFull` may have changed. */
  onFullChange(): void
  /** `deadline` may have become earlier. */
  onDeadline(): void
  /** The relay is about to restart, and asks to wait so long (ms) before the next dial. */
  onRestarting(reconnectInMs: number): void
}

export class RelaySession implements FrameSink {
  readonly #host: SessionHost
  readonly #owner: SessionOwner
  readonly #url: string
  readonly #link: WebSocketLink
  readonly #protocol: RelayProtocol
  readonly #pings: PingTracker
  readonly #routes: ReturnRoutes
  #isOver: boolean
  #isEstablished: boolean
  #isFull: boolean
  /** The pong is late, but what has arrived meanwhile was not read yet. */
  #isPongLate: boolean
  #lastPingAt: number
  #lastReceivedAt: number
  /** Frames came since the clock was read for them. */
  #hasNewFrames: boolean
  /** The link tells when a chunk was read, so the clock is read once a chunk. */
  #tellsReads: boolean
  /** When it is looked whether the system took anything of what waited, and what waited at the beginning of that time. */
  #stallAt: number
  #stallBytes: number
  /** Bytes handed to the link since then. */
  #stallSent: number
  /** The newest pong that had to wait for a full link. */
  #waitingPong: Uint8Array | undefined
  #lastNotice: string

  /** `url` is `RelayUrl.href`; `start` follows. */
  constructor(
    host: SessionHost,
    owner: SessionOwner,
    url: string,
    link: WebSocketLink,
    protocol: RelayProtocol,
    now: number,
  ) {
    this.#host = host
    this.#owner = owner
    this.#url = url
    this.#link = link
    this.#protocol = protocol
    this.#pings = new PingTracker()
    this.#routes = new ReturnRoutes(host.limits.maxPeers)
    this.#isOver = false
    this.#isEstablished = false
    this.#isFull = false
    this.#isPongLate = false
    this.#lastPingAt = now
    this.#lastReceivedAt = now
    this.#hasNewFrames = false
    this.#tellsReads = false
    this.#stallAt = NEVER
    this.#stallBytes = 0
    this.#stallSent = 0
    this.#waitingPong = undefined
    this.#lastNotice = ''
  }

  /** Takes the link over, and pings at once (spec/relay.md §3.5). */
  start(now: number): void {
    const link = this.#link
    link.onMessage = this.#onMessage
    link.onRead = this.#onRead
    link.onDrain = this.#onDrain
    link.onClose = this.#onClose
    this.#ping(now)
  }

  /** A pong came on this connection: spec/relay.md §5.3. */
  get isEstablished(): boolean {
    return this.#isEstablished
  }

  /** So much waits in the link that nothing should be sent for now. */
  get isFull(): boolean {
    return this.#isFull
  }

  /** Whether a datagram came from the 32-byte `peer`, and it has not left since. */
  hears(peer: Uint8Array): boolean {
    return this.#routes.find(peer, 0) !== undefined
  }

  /** When `tick` wants to be called. */
  deadline(): number {
    return Math.min(this.#pongBy(), this.#pingAt(), this.#stallAt)
  }

  tick(now: number): void {
    if (now >= this.#pongBy()) {
      if (this.#isPongLate) {
        this.#lose(
          'RELAY_UNRESPONSIVE',
          `no answer to a ping within ${Math.round(this.#pongBy() - this.#lastPingAt)} ms`,
        )
        return
      }
      // Perhaps it was us who stood still: what has arrived is read before the timer fires again.
      this.#isPongLate = true
      this.#owner.onDeadline()
    }
    if (now >= this.#stallAt) {
      this.#checkStall(now)
      if (this.#isOver) return
    }
    if (now >= this.#pingAt()) this.#ping(now)
  }

  /** Of the batch writer; `flush` follows. */
  sendFrame(bytes: Uint8Array, start: number, end: number, count: number, length: number): void {
    const { stats, limits } = this.#host
    if (this.#isOver || this.#link.queuedBytes >= limits.dropAtBytes) {
      stats.datagramsDropped += count
      return
    }
    stats.datagramsSent += count
    stats.bytesSent += length
    stats.framesSent++
    this.#stallSent += end - start
    this.#link.send(bytes, start, end)
  }

  /** Hands what was sent to the system. */
  flush(now: number): void {
    this.#link.flush()
    if (this.#isOver) return
    const queued = this.#link.queuedBytes
    if (queued === 0) return
    if (this.#stallAt === NEVER) this.#watchStall(now, queued)
    if (queued < this.#host.limits.blockAtBytes) return
    this.#isFull = true
    this.#owner.onFullChange()
  }

  /** spec/relay.md §5.6: `addresses` are those that this host has now, each as `canonicalIpText` writes it. */
  networkChanged(addresses: ReadonlySet<string>, now: number): void {
    const address = this.#link.localAddress
    if (address !== undefined && addresses.has(canonicalIpText(address))) this.#ping(now)
    else this.#lose('RELAY_NETWORK_CHANGED', 'the network changed')
  }

  /** Somebody doubts that the relay still hears us: it is pinged, unless it was heard just now or is asked already. */
  check(now: number): void {
    if (this.#pings.deadline === NEVER && now - this.#lastReceivedAt >= HEARD_JUST_NOW_MS) this.#ping(now)
  }

  /** The owner takes the link back: nothing more comes from here. */
  end(): WebSocketLink {
    this.#finish()
    return this.#link
  }

  readonly #onMessage = (message: Uint8Array): void => {
    const { frame } = this.#host
    let peer: Uint8Array | undefined
    try {
      readServerFrame(message, frame, this.#protocol)
      if (frame.type === FrameType.RelayToClientDatagram || frame.type === FrameType.RelayToClientDatagramBatch)
        peer = this.#sender(message, frame.peerAt)
      else if (frame.type === FrameType.EndpointGone) this.#host.peerIds.check(message, frame.peerAt)
    } catch (error) {
      this.#lose('RELAY_PROTOCOL', `the relay broke the protocol: ${reasonOf(error)}`)
      return
    }
    if (this.#tellsReads) this.#hasNewFrames = true
    else this.#lastReceivedAt = this.#host.platform.now()
    if (peer === undefined) this.#receiveOther(message, frame)
    else this.#deliver(peer, message, frame.contentsAt, frame.end, frame.segmentSize)
  }

  readonly #onRead = (): void => {
    this.#tellsReads = true
    if (this.#hasNewFrames) {
      this.#hasNewFrames = false
      this.#lastReceivedAt = this.#host.platform.now()
    }
    this.#host.handler.onRead?.()
  }

  readonly #onDrain = (): void => {
    const pong = this.#waitingPong
    if (pong !== undefined) {
      this.#waitingPong = undefined
      this.#link.send(pong)
      if (this.#isOver) return
    }
    this.#isFull = false
    this.#owner.onFullChange()
  }

  readonly #onClose = (end: WebSocketEnd): void => {
    this.#finish()
    this.#owner.onLost('RELAY_CLOSED', closedText(end))
  }

  /** Our copy of the id at `at`. Throws RelayProtocolError when it is no key. */
  #sender(message: Uint8Array, at: number): Uint8Array {
    const known = this.#routes.find(message, at)
    if (known !== undefined) return known
    this.#host.peerIds.check(message, at)
    return this.#routes.add(message, at)
  }

  #deliver(peer: Uint8Array, message: Uint8Array, start: number, end: number, segmentSize: number): void {
    const { handler, stats } = this.#host
    const step = segmentSize === 0 ? end - start : segmentSize
    let at = start
    for (let count = 0; at < end && count < MAX_SEGMENTS_TAKEN; count++) {
      const next = Math.min(at + step, end)
      stats.datagramsReceived++
      stats.bytesReceived += next - at
      handler.onDatagram(this.#url, peer, message.subarray(at, next))
      if (this.#isOver) return
      at = next
    }
  }

  #receiveOther(message: Uint8Array, frame: FrameView): void {
    switch (frame.type) {
      case FrameType.Ping:
        this.#pong(message, frame.contentsAt)
        return
      case FrameType.Pong:
        if (!this.#pings.receivePong(message, frame.contentsAt, this.#host.platform.now())) return
        this.#isEstablished = true
        this.#owner.onDeadline()
        return
      case FrameType.EndpointGone: {
        const peer = message.subarray(frame.peerAt, frame.peerAt + ID_LENGTH)
        this.#routes.delete(peer, 0)
        this.#host.handler.onPeerGone(this.#url, peer)
        return
      }
      case FrameType.Restarting:
        this.#owner.onRestarting(frame.reconnectInMs)
        return
      case FrameType.Status:
        this.#notice(statusText(frame.status))
        return
      case FrameType.Health:
        this.#notice(oneLine(frame.text))
        return
    }
  }

  #notice(text: string): void {
    if (text === this.#lastNotice) return
    this.#lastNotice = text
    this.#host.handler.onNotice?.(this.#url, text)
  }

  /** Before anything that the batch writer holds. While the link is full only the newest waits: an older one answers nothing any more. */
  #pong(message: Uint8Array, payloadAt: number): void {
    const pong = new Uint8Array(PING_LENGTH)
    writePong(pong, 0, message, payloadAt)
    if (this.#link.queuedBytes >= this.#host.limits.blockAtBytes) this.#waitingPong = pong
    else this.#link.send(pong)
  }

  /**
   * A relay that sends other frames meanwhile is not dead: the ping may stand behind what we send. It gets the full time, not three round trips
   * (spec/relay.md §3.5).
   */
  #pongBy(): number {
    const { deadline } = this.#pings
    if (deadline === NEVER || this.#lastReceivedAt <= this.#lastPingAt) return deadline
    return Math.max(deadline, this.#lastPingAt + LONGEST_PONG_MS)
  }

  /** Not while an answer is awaited: a new ping would put off the time limit of the old one. */
  #pingAt(): number {
    if (this.#pings.deadline !== NEVER) return NEVER
    return Math.max(this.#lastPingAt, this.#lastReceivedAt) + this.#host.limits.pingIntervalMs
  }

  #ping(now: number): void {
    const ping = new Uint8Array(PING_LENGTH)
    this.#pings.writePing(ping, 0, this.#host.platform.random, now)
    this.#isPongLate = false
    this.#lastPingAt = now
    this.#link.send(ping)
    this.#link.flush()
    if (!this.#isOver) this.#owner.onDeadline()
  }

  #watchStall(now: number, queued: number): void {
    this.#stallAt = now + this.#host.limits.writeStallMs
    this.#stallBytes = queued
    this.#stallSent = 0
    this.#owner.onDeadline()
  }

  #checkStall(now: number): void {
    const queued = this.#link.queuedBytes
    // Frame headers may be among what is queued, so little progress can look like none: then it is a stall all the same.
    if (queued > 0 && queued >= this.#stallBytes + this.#stallSent) {
      this.#lose('RELAY_UNRESPONSIVE', `nothing could be sent for ${this.#host.limits.writeStallMs} ms`)
      return
    }
    this.#stallAt = NEVER
    if (queued > 0) this.#watchStall(now, queued)
  }

  /** On errors the socket is dropped without a Close (spec/relay.md §1.5). */
  #lose(code: RelayErrorCode, what: string): void {
    if (this.#isOver) return
    this.#finish()
    this.#link.terminate()
    this.#owner.onLost(code, what)
  }

  #finish(): void {
    this.#isOver = true
    this.#waitingPong = undefined
    detach(this.#link)
  }
}

/** The link's owner is not interested any more: no reference back from it. */
export function detach(link: WebSocketLink): void {
  link.onMessage = ignore
  link.onRead = ignore
  link.onDrain = ignore
  link.onClose = ignore
}

function ignore(): void {}

function statusText(status: number): string {
  switch (status) {
    case StatusCode.Healthy:
      return 'this connection is healthy again'
    case StatusCode.SameEndpointIdConnected:
      return 'another endpoint connected with the same id: this one receives nothing any more'
    case StatusCode.RateLimited:
      return 'the relay limits how fast this endpoint may send'
    default:
      return `unknown status ${status}`
  }
}
