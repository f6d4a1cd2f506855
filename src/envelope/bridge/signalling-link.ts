/**
 * One registration at a signalling server, for as long as it is wanted: dial, register, heartbeats, and again after a loss, with back-off (spec/envelope.md §2.5). The server speaks of one
 * id a connection, so each presented peer has a link of its own.
 */
import { messageOf } from '../../bytes/index.ts'
import type { Platform, Timer, WebSocketLink } from '../../platform/index.ts'
import { Backoff, TokenBucket } from '../../relay/index.ts'
import { EnvelopeError } from '../errors.ts'
import { MAX_FRAME_LENGTH } from '../wire/envelope.ts'
import {
  heartbeatText,
  isParticipantList,
  probeText,
  readSignalling,
  registerText,
  type SignallingMessage,
} from './signalling-message.ts'
import type { BridgeSettings, V1Participant } from './types.ts'

const NEVER = Number.POSITIVE_INFINITY
/** What may be read at once, in seconds of the rate. */
const READ_BURST = 4
const NORMAL = 1000

export interface SignallingHandler {
  /** The server has answered the registration. */
  onUp(): void
  /** Lost (`wasUp`), or not to be had at the first attempt; it is tried again, and the next news is `onUp`. */
  onDown(reason: string, wasUp: boolean): void
  /** All but probes; lists of participants only where `readsParticipants`. */
  onMessage(message: SignallingMessage): void
  /** A message that could not be read. */
  onRefused(): void
}

export interface SignallingLinkSetup {
  readonly platform: Platform
  /** `ws:` or `wss:`. */
  readonly url: string
  /** As whom. */
  readonly self: V1Participant
  readonly readsParticipants: boolean
  readonly settings: BridgeSettings
  readonly handler: SignallingHandler
}

/** `registering`: the socket stands, the server has not answered. */
type State = 'waiting' | 'dialling' | 'registering' | 'up' | 'closed'

export class SignallingLink {
  readonly #setup: SignallingLinkSetup
  readonly #timer: Timer
  readonly #backoff = new Backoff()
  #state: State = 'waiting'
  #abort: AbortController | undefined = undefined
  #link: WebSocketLink | undefined = undefined
  #budget: TokenBucket | undefined = undefined
  /** The handler knows that we are not up. */
  #isDownKnown = false
  #closing: Promise<void> | undefined = undefined
  #ended: (() => void) | undefined = undefined
  // monotonic ms
  #upAt = 0
  #dialAt: number
  #answerBy = NEVER
  #heartbeatAt = NEVER
  #probeAt = NEVER
  #resumeAt = NEVER

  constructor(setup: SignallingLinkSetup) {
    this.#setup = setup
    this.#timer = setup.platform.createTimer(() => this.#tick())
    this.#dialAt = setup.platform.now()
    this.#arm()
  }

  get isUp(): boolean {
    return this.#state === 'up'
  }

  /** False: not connected, or the server does not read what it is sent. */
  send(text: string): boolean {
    const link = this.#link
    if (this.#state !== 'up' || link === undefined) return false
    if (link.queuedBytes > this.#setup.settings.maxQueuedBytes) {
      this.#lose('the server does not read what it is sent')
      return false
    }
    link.sendText(text)
    return true
  }

  /** Says goodbye. Resolves when the connection has ended. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  #close(): Promise<void> {
    const link = this.#link
    this.#state = 'closed'
    this.#abort?.abort(new Error('closed'))
    this.#timer.cancel()
    if (link === undefined) return Promise.resolve()
    return new Promise((resolve) => {
      this.#ended = resolve
      link.resume()
      link.close(NORMAL, '')
    })
  }

  async #dial(): Promise<void> {
    const { platform, url, settings } = this.#setup
    const abort = new AbortController()
    this.#state = 'dialling'
    this.#abort = abort
    this.#answerBy = platform.now() + settings.connectTimeoutMs
    this.#arm()
    try {
      if (platform.web === undefined) throw new Error('this platform has no WebSockets')
      const link = await platform.web.openWebSocket({
        url,
        protocols: [],
        maxMessageSize: MAX_FRAME_LENGTH,
        signal: abort.signal,
      })
      if (abort.signal.aborted) link.terminate()
      else this.#opened(link)
    } catch (error) {
      if (!abort.signal.aborted) this.#lose(messageOf(error))
    }
  }

  #opened(link: WebSocketLink): void {
    const { platform, settings, self } = this.#setup
    const rate = settings.readBytesPerSecond
    this.#state = 'registering'
    this.#link = link
    this.#budget = new TokenBucket(rate, READ_BURST * rate, platform.now())
    link.onText = (text) => this.#receive(link, text)
    link.onClose = ({ code, reason }) => {
      if (this.#link === link) this.#closed(reason === '' ? `the server closed the connection (${code})` : reason)
    }
    link.sendText(registerText(self))
  }

  #receive(link: WebSocketLink, text: string): void {
    if (this.#link !== link || this.#state === 'closed') return
    this.#pace(link, text.length)
    const { handler, readsParticipants, settings } = this.#setup
    const isList = isParticipantList(text)
    if (isList && this.#state === 'registering') this.#registered()
    if (isList && !readsParticipants) return
    let message: SignallingMessage
    try {
      message = readSignalling(text, settings.maxParticipants)
    } catch (error) {
      if (!(error instanceof EnvelopeError)) throw error
      handler.onRefused()
      return
    }
    if (message.kind === 'probe') this.#probed(message.from)
    else if (this.#state === 'up') handler.onMessage(message)
  }

  /** What a server sends faster than we read waits in its own queues. */
  #pace(link: WebSocketLink, length: number): void {
    const now = this.#setup.platform.now()
    const readableAt = this.#budget!.take(length, now)
    if (readableAt <= now) return
    link.pause()
    this.#resumeAt = readableAt
    this.#arm()
  }

  #registered(): void {
    const { platform, settings, handler } = this.#setup
    const now = platform.now()
    this.#state = 'up'
    this.#isDownKnown = false
    this.#upAt = now
    this.#answerBy = NEVER
    this.#heartbeatAt = now + settings.heartbeatMs
    this.#probeAt = now + settings.probeMs
    this.#arm()
    handler.onUp()
  }

  #probed(from: string): void {
    const { platform, settings, self } = this.#setup
    if (from !== self.id || this.#answerBy === NEVER || this.#state !== 'up') return
    this.#answerBy = NEVER
    this.#probeAt = platform.now() + settings.probeMs
    this.#arm()
  }

  #tick(): void {
    const now = this.#setup.platform.now()
    if (now >= this.#resumeAt) {
      this.#resumeAt = NEVER
      this.#link?.resume()
    }
    if (now >= this.#answerBy) this.#lose('the signalling server does not answer')
    else if (this.#state === 'waiting' && now >= this.#dialAt) void this.#dial()
    else if (this.#state === 'up') this.#beat(now)
    this.#arm()
  }

  #beat(now: number): void {
    const { settings, self } = this.#setup
    if (now >= this.#heartbeatAt) {
      this.#heartbeatAt = now + settings.heartbeatMs
      this.send(heartbeatText())
    }
    if (now < this.#probeAt) return
    this.#probeAt = NEVER
    this.#answerBy = now + settings.probeTimeoutMs
    this.send(probeText(self.id))
  }

  /** The connection ended by itself. */
  #closed(reason: string): void {
    this.#link = undefined
    if (this.#state === 'closed') this.#ended?.()
    else this.#down(reason)
  }

  /** We end it. */
  #lose(reason: string): void {
    const link = this.#link
    this.#link = undefined
    this.#abort?.abort(new Error(reason))
    link?.terminate()
    if (this.#state !== 'closed') this.#down(reason)
  }

  #down(reason: string): void {
    const { platform, settings, handler } = this.#setup
    const now = platform.now()
    const wasUp = this.#state === 'up'
    if (wasUp && now - this.#upAt >= settings.steadyMs) this.#backoff.reset()
    this.#state = 'waiting'
    this.#dialAt = now + this.#backoff.next(platform.random)
    this.#answerBy = NEVER
    this.#heartbeatAt = NEVER
    this.#probeAt = NEVER
    this.#resumeAt = NEVER
    this.#arm()
    if (this.#isDownKnown) return
    this.#isDownKnown = true
    handler.onDown(reason, wasUp)
  }

  #arm(): void {
    if (this.#state === 'closed') return
    const dialAt = this.#state === 'waiting' ? this.#dialAt : NEVER
    const at = Math.min(dialAt, this.#answerBy, this.#heartbeatAt, this.#probeAt, this.#resumeAt)
    if (at === NEVER) this.#timer.cancel()
    else this.#timer.arm(at)
  }
}
