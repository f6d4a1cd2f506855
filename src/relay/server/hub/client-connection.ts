/**
 * One client that was let in: forwards its datagrams, answers its pings, pings it when it is silent, and writes to it no faster than it reads. Meets spec/relay.md
 * §3, §3.1–3.6, §4.1; who is active is the table's (`endpoint-table.ts`). An idle one holds no queue, no tracker and no timer.
 */
import { encodeHex, Reader } from '../../../bytes/index.ts'
import type { WebSocketEnd, WebSocketLink } from '../../../platform/index.ts'
import {
  BATCH_HEADER,
  DATAGRAM_HEADER,
  FrameType,
  type FrameView,
  HEALTH_TEXT,
  isForwardable,
  PingTracker,
  type RelayProtocol,
  RelayProtocolError,
  readClientFrame,
  StatusCode,
  toPongFrame,
  toReceiverFrame,
  writeHealth,
  writeStatus,
} from '../../protocol/index.ts'
import type { HubDeadlined } from './deadlines.ts'
import type { ConnectedEndpoint } from './endpoint-table.ts'
import type { HubContext } from './hub-context.ts'
import { OutgoingQueue } from './outgoing-queue.ts'
import { ReadGate } from './read-gate.ts'

const NEVER = Number.POSITIVE_INFINITY

/** Pings of silent clients are due at multiples of this, ms, so that ten thousand of them wake the process twenty times a second at most. */
const PING_GRID_MS = 50

/** What a frame counts besides its bytes when it is about turns: about what it costs to find its receiver. */
const FRAME_COST = 256

/** Types that a client sends after the handshake. */
const CLIENT_FRAMES: readonly number[] = [
  FrameType.ClientToRelayDatagram,
  FrameType.ClientToRelayDatagramBatch,
  FrameType.Ping,
  FrameType.Pong,
]

/** For links that nobody listens to any more. */
export function ignore(): void {}

export class ClientConnection implements HubDeadlined {
  deadline: number
  heapIndex: number
  /** Written by the table only: set when the connection was added, before anything else. */
  endpoint!: ConnectedEndpoint
  /** Written by the table only: the connection of the same id that was active before this one. */
  older: ClientConnection | undefined
  readonly link: WebSocketLink
  readonly remoteAddress: string
  readonly #context: HubContext
  readonly #onEnded: () => void
  readonly #hasStatus: boolean
  #isGone: boolean
  #heardAt: number
  /** Silence before the next ping, ms. */
  #pingGapMs: number
  /** Work since the last turn that was waited for, in bytes. */
  #work: number
  #tracker: PingTracker | undefined
  #isPongLate: boolean
  #queue: OutgoingQueue | undefined
  #gate: ReadGate | undefined

  /** `onEnded` is called once, when the link is closed. `gate` is that of the handshake, if it had one. */
  constructor(
    context: HubContext,
    link: WebSocketLink,
    protocol: RelayProtocol,
    remoteAddress: string,
    gate: ReadGate | undefined,
    onEnded: () => void,
  ) {
    this.deadline = NEVER
    this.heapIndex = -1
    this.older = undefined
    this.link = link
    this.remoteAddress = remoteAddress
    this.#context = context
    this.#onEnded = onEnded
    this.#hasStatus = protocol === 'iroh-relay-v2'
    this.#isGone = false
    this.#heardAt = context.platform.now()
    this.#pingGapMs = 0
    this.#work = 0
    this.#tracker = undefined
    this.#isPongLate = false
    this.#queue = undefined
    this.#gate = gate
  }

  /** When a frame came last, ms. */
  get heardAt(): number {
    return this.#heardAt
  }

  /** What waits for this client; undefined when nothing does. */
  get queue(): OutgoingQueue | undefined {
    return this.#queue
  }

  /** The table knows it: frames flow. */
  start(): void {
    const { counters } = this.#context
    counters.accepts++
    counters.tom_connections++
    this.link.onMessage = (message) => this.#receive(message)
    this.link.onClose = (end) => this.#onClose(end)
    this.#drawPingGap()
    this.#schedule()
    this.#report('info', 'connected', 'was let in')
    if (this.#gate === undefined) return
    this.#openGate()
    this.link.onRead = (bytes) => this.#onRead(bytes)
    if (this.#gate.wasThrottled) this.#tellRateLimited()
  }

  /**
   * Sends the datagram frame `message[start, end)` to this client, or queues a copy of it. False when it was dropped and counted. `length` is
   * that of its contents.
   */
  deliver(message: Uint8Array, start: number, end: number, length: number, sender: ConnectedEndpoint): boolean {
    const { link } = this
    if (this.#queue !== undefined || link.queuedBytes >= this.#context.limits.linkBytes) {
      return this.#openQueue().pushDatagram(message, start, end, sender)
    }
    this.#countSent(length)
    link.send(message, start, end)
    return true
  }

  /** Sends any other frame, or queues a copy. False when it was dropped and counted. */
  tell(frame: Uint8Array): boolean {
    if (this.#isGone) return false
    if (this.#queue !== undefined || this.link.queuedBytes >= this.#context.limits.linkBytes) {
      return this.#openQueue().pushMessage(frame)
    }
    this.link.send(frame)
    return true
  }

  /** Says what Status `code` says, in the words of the client's version: version 1 knows a text for 0 and 1, and nothing for 2. */
  tellStatus(code: number): void {
    const { scratch } = this.#context
    let end = 0
    if (this.#hasStatus) end = writeStatus(scratch, 0, code)
    else if (code === StatusCode.Healthy) end = writeHealth(scratch, 0, HEALTH_TEXT.Healthy)
    else if (code === StatusCode.SameEndpointIdConnected) {
      end = writeHealth(scratch, 0, HEALTH_TEXT.SameEndpointIdConnected)
    }
    if (end > 0) this.tell(scratch.subarray(0, end))
    if (code === StatusCode.Healthy) this.#report('info', 'reactivated', 'is the active connection of its id again')
    if (code === StatusCode.SameEndpointIdConnected) {
      this.#report('info', 'deactivated', 'a newer connection of the same id took over')
    }
  }

  /** A new limit for what comes in; see `ReadGate.setRate`. */
  applyRateLimit(): void {
    const { rateLimit, platform } = this.#context
    if (rateLimit === undefined && this.#gate === undefined) return
    this.#openGate().setRate(rateLimit, platform.now())
    this.link.onRead = rateLimit === undefined ? ignore : (bytes) => this.#onRead(bytes)
  }

  /** Says Close and forgets the client. */
  close(code: number, reason: string): void {
    if (this.#leave(`closed: ${reason}`)) this.link.close(code, reason)
  }

  onDeadline(now: number): void {
    if (this.#isStalled(now)) {
      this.#context.counters.tom_write_timeouts++
      this.#terminate(`took no bytes for ${this.#context.limits.writeTimeoutMs} ms`)
      return
    }
    const tracker = this.#tracker
    if (tracker !== undefined && tracker.deadline <= now) {
      if (!this.#isPongLate) {
        this.#lookAgain()
        return
      }
      this.#context.counters.tom_ping_timeouts++
      this.#terminate('did not answer a ping in time')
      return
    }
    if (this.#pingDueAt() <= now) this.#ping(now)
    this.#schedule()
  }

  /** The pong is late, but perhaps it was us who stood still: what has arrived is read before the client is given up. */
  #lookAgain(): void {
    const { platform, deadlines } = this.#context
    this.#isPongLate = true
    deadlines.set(this, NEVER)
    platform.defer(() => {
      if (!this.#isGone) this.onDeadline(platform.now())
    })
  }

  #receive(message: Uint8Array): void {
    const { view, platform, limits, turns, counters } = this.#context
    this.#work += message.length + FRAME_COST
    try {
      readClientFrame(message, view)
    } catch (error) {
      this.#breakProtocol(error, message)
      return
    }
    const now = platform.now()
    this.#heardAt = now
    switch (view.type) {
      case FrameType.ClientToRelayDatagram:
      case FrameType.ClientToRelayDatagramBatch:
        this.#forward(message, view)
        break
      case FrameType.Ping:
        this.#answer(message, view)
        break
      case FrameType.Pong:
        this.#tracker?.receivePong(message, view.contentsAt, now)
        this.#schedule()
        break
    }
    if (this.#work < limits.turnBytes) return
    this.#work = 0
    if (!this.#isGone && turns.wait(this.#openGate())) counters.tom_turn_pauses++
  }

  /** spec/relay.md §3.2. */
  #forward(message: Uint8Array, view: FrameView): void {
    const { counters, endpoints, limits } = this.#context
    const { endpoint } = this
    const { end } = view
    const length = end - view.contentsAt
    counters.send_packets_recv++
    counters.bytes_recv += length
    if (!isForwardable(view)) {
      counters.tom_unforwardable_frames++
      return
    }
    const to = endpoints.destination(endpoint, message, view.peerAt)
    const receiver = to?.active
    if (to === undefined || receiver === undefined) {
      counters.send_packets_dropped++
      return
    }
    const start = toReceiverFrame(message, view, endpoint.id)
    if (receiver.deliver(message, start, end, length, endpoint) && endpoint.lastDestination !== to) {
      endpoint.rememberDestination(to, limits.maxDestinations)
    }
  }

  #answer(message: Uint8Array, view: FrameView): void {
    const { counters, limits } = this.#context
    const { end } = view
    const start = toPongFrame(message, view)
    counters.got_ping++
    if (this.#queue !== undefined || this.link.queuedBytes >= limits.linkBytes) {
      this.#openQueue().setPong(message, start)
      return
    }
    counters.sent_pong++
    this.link.send(message, start, end)
  }

  #ping(now: number): void {
    // a client that may not be heard cannot answer
    if (this.#gate?.isThrottled === true) {
      this.#heardAt = now
      return
    }
    const { scratch, platform, counters } = this.#context
    this.#drawPingGap()
    this.#tracker ??= new PingTracker()
    const end = this.#tracker.writePing(scratch, 0, platform.random, now)
    this.#isPongLate = false
    counters.tom_pings_sent++
    // past the queue: one of nine bytes, and no other until it is answered
    this.link.send(scratch, 0, end)
  }

  #drawPingGap(): void {
    const { limits, platform, scratch } = this.#context
    const random = scratch.subarray(0, 2)
    platform.random.fill(random)
    const part = (random[0]! * 256 + random[1]!) / 65_536
    const spread = limits.pingJitterMaxMs - limits.pingJitterMinMs
    this.#pingGapMs = Math.floor(limits.pingIntervalMs + limits.pingJitterMinMs + part * spread)
  }

  /** When the next ping is sent if nothing comes until then; Infinity while one is unanswered. */
  #pingDueAt(): number {
    if (this.#tracker !== undefined && this.#tracker.deadline !== NEVER) return NEVER
    return Math.ceil((this.#heardAt + this.#pingGapMs) / PING_GRID_MS) * PING_GRID_MS
  }

  #schedule(): void {
    const at = Math.min(this.#pingDueAt(), this.#tracker?.deadline ?? NEVER, this.#queue?.stallAt ?? NEVER)
    this.#context.deadlines.set(this, at)
  }

  /** The queue, made when the first frame has to wait: from then on the link has to move. */
  #openQueue(): OutgoingQueue {
    if (this.#queue !== undefined) return this.#queue
    const { limits, counters, deadlines } = this.#context
    const queue = new OutgoingQueue(limits, counters)
    this.#queue = queue
    this.link.onDrain = () => this.#pump()
    this.#watch(queue)
    deadlines.setBy(this, queue.stallAt)
    return queue
  }

  #watch(queue: OutgoingQueue): void {
    queue.stallAt = this.#context.platform.now() + this.#context.limits.writeTimeoutMs
    queue.stallMark = this.link.queuedBytes
  }

  /** Writes what waits, as far as the link takes it: pong, datagrams, the rest. */
  #pump(): void {
    const queue = this.#queue
    if (queue === undefined) return
    const { link } = this
    const { limits, counters } = this.#context
    if (link.queuedBytes >= limits.linkBytes) return
    while (link.queuedBytes < limits.linkBytes) {
      const pong = queue.takePong()
      if (pong !== undefined) {
        counters.sent_pong++
        link.send(pong)
        continue
      }
      const datagram = queue.takeDatagram()
      if (datagram !== undefined) {
        this.#countSent(contentsLength(datagram))
        link.send(datagram)
        continue
      }
      const message = queue.takeMessage()
      if (message === undefined) break
      link.send(message)
    }
    if (queue.isEmpty) {
      this.#queue = undefined
      link.onDrain = ignore
    } else {
      this.#watch(queue)
    }
  }

  /** Whether frames wait, and the system has taken none of the link's bytes for the write timeout. */
  #isStalled(now: number): boolean {
    // in case a drain was not told
    this.#pump()
    const queue = this.#queue
    if (queue === undefined || queue.stallAt > now) return false
    if (this.link.queuedBytes >= queue.stallMark) return true
    this.#watch(queue)
    return false
  }

  #countSent(length: number): void {
    const { counters } = this.#context
    counters.send_packets_sent++
    counters.bytes_sent += length
  }

  #openGate(): ReadGate {
    if (this.#gate?.onFirstLimit !== undefined) return this.#gate
    const { deadlines, counters } = this.#context
    this.#gate ??= new ReadGate(this.link, deadlines, counters)
    this.#gate.onFirstLimit = () => this.#tellRateLimited()
    return this.#gate
  }

  #onRead(bytes: number): void {
    this.#gate?.take(bytes, this.#context.platform.now())
    // what was asked cannot be heard now
    if (this.#gate?.isThrottled === true && this.#tracker?.deadline !== NEVER) this.#tracker = undefined
  }

  #tellRateLimited(): void {
    this.tellStatus(StatusCode.RateLimited)
    this.#report('info', 'rate-limited', 'sends faster than its rate limit')
  }

  #breakProtocol(error: unknown, message: Uint8Array): void {
    if (!(error instanceof RelayProtocolError)) throw error
    const { counters } = this.#context
    if (isFrameOfClients(message)) counters.tom_protocol_errors_frame_length++
    else counters.tom_protocol_errors_frame_type++
    this.#report('warn', 'protocol-error', error.reason)
    // RFC 6455 §7.4.1: 1002 is a protocol error
    if (this.#leave(error.reason)) this.link.close(1002, 'protocol error')
  }

  #terminate(why: string): void {
    if (this.#leave(why)) this.link.terminate()
  }

  #onClose(end: WebSocketEnd): void {
    this.#leave(end.reason === '' ? `the link ended (${end.code})` : `the link ended (${end.code}): ${end.reason}`)
    this.#onEnded()
  }

  /** Out of all tables; only the end of the link is still awaited. False when it was done before. */
  #leave(why: string): boolean {
    if (this.#isGone) return false
    const { counters, deadlines, endpoints, isClosing } = this.#context
    this.#isGone = true
    this.link.onMessage = ignore
    this.link.onRead = ignore
    this.link.onDrain = ignore
    counters.disconnects++
    counters.tom_connections--
    counters.tom_queue_lost_frames += this.#queue?.datagramCount ?? 0
    this.#queue = undefined
    this.#tracker = undefined
    this.#gate?.end()
    this.#gate = undefined
    deadlines.set(this, NEVER)
    this.#report('info', 'disconnected', why)
    this.#context.tellLeft(this.endpoint.id, this.remoteAddress)
    endpoints.remove(this, isClosing)
    return true
  }

  #report(
    level: 'info' | 'warn',
    event: 'connected' | 'disconnected' | 'deactivated' | 'reactivated' | 'rate-limited' | 'protocol-error',
    message: string,
  ): void {
    if (this.#context.log === undefined) return
    this.#context.report(level, event, message, this.remoteAddress, encodeHex(this.endpoint.id))
  }
}

/** Whether the type of a message that could not be read is one that clients send: then its length was wrong. */
function isFrameOfClients(message: Uint8Array): boolean {
  if (message.length < 1 << ((message[0] ?? 0) >>> 6)) return true
  return CLIENT_FRAMES.includes(new Reader(message).varint())
}

/** What stands in a frame for a receiver besides its header. */
function contentsLength(frame: Uint8Array): number {
  return frame.length - (frame[0] === FrameType.RelayToClientDatagram ? DATAGRAM_HEADER : BATCH_HEADER)
}
