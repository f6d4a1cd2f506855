/**
 * From the v1 side: envelopes that the signalling server brings for a presented peer. Texts go to that peer as they are, and its acknowledgement back to who claims to have written them; what is
 * meant for another v1 peer is passed on, for the earlier stack makes any of its peers a relay (spec/envelope.md §2.4, §4.1).
 */
import { encodeUtf8 } from '../../bytes/index.ts'
import type { CryptoProvider } from '../../crypto/index.ts'
import { EndpointId } from '../../identity/index.ts'
import type { Platform } from '../../platform/index.ts'
import { EnvelopeError } from '../errors.ts'
import { RateBuckets } from '../routing/rate-buckets.ts'
import { isV1Box } from '../v1/v1-box.ts'
import type { V1Envelope, V1Reading } from '../v1/v1-envelope.ts'
import { contentOfV1, type V1Body, type V1Content, v1AckBody, v1ReadBody } from '../v1/v1-mapping.ts'
import { readV1 } from '../v1/v1-reader.ts'
import { v1Text } from '../v1/v1-writer.ts'
import { CLOCK_SKEW_MS, LIFETIME_MS, type PeerKey } from '../wire/envelope.ts'
import { newMessageId } from '../wire/message-id.ts'
import { envelopeText } from './signalling-message.ts'
import type { BridgeEvent, BridgeMetrics, BridgeNode, BridgeReceipt, BridgeSettings } from './types.ts'

/** At once, in seconds of a rate. */
const BURST_SECONDS = 5
const FORWARDS = 'forwards'
const ALL = 'all'
/** Acknowledgements that wait for the server or for who is to hear them; the oldest go first. */
const MAX_UNTOLD = 1_000

export interface V1Side {
  /** To the server, as the presented peer `as`; false: not connected. */
  send(as: PeerKey, text: string): boolean
  isPresent(peer: PeerKey): boolean
}

export interface FlowSetup {
  readonly node: BridgeNode
  readonly platform: Pick<Platform, 'now' | 'wallClock' | 'random'>
  readonly crypto: Pick<CryptoProvider, 'verify'>
  readonly settings: BridgeSettings
  readonly metrics: BridgeMetrics
  readonly v1: V1Side
  readonly emit: (event: BridgeEvent) => void
}

interface Untold {
  readonly as: PeerKey
  readonly to: PeerKey
  /** The envelope. */
  readonly text: string
}

/** Of a text that came: while it waits for its acknowledgement, and then remembered. */
type Progress = 'carried' | 'delivered' | 'read'

export class ToV2 {
  readonly #setup: FlowSetup
  /** `acknowledged`: a v1 peer says what became of a text of the presented peer's. */
  readonly #acknowledged: (self: PeerKey, reading: V1Reading, content: V1Content) => void
  readonly #buckets: RateBuckets
  /** By author, id and recipient; the oldest go first. */
  readonly #seen = new Map<string, Progress>()
  readonly #inFlight = new Map<PeerKey, number>()
  #total = 0
  #untold: Untold[] = []

  constructor(setup: FlowSetup, acknowledged: (self: PeerKey, reading: V1Reading, content: V1Content) => void) {
    this.#setup = setup
    this.#acknowledged = acknowledged
    this.#buckets = new RateBuckets(setup.settings.maxPresented + 2)
  }

  /** Texts that wait for their acknowledgement. */
  get inFlight(): number {
    return this.#total
  }

  /** An envelope, as JSON, came over the connection that is registered as `self`. Never throws for what is in it. */
  receive(self: PeerKey, text: string): void {
    const { metrics } = this.#setup
    try {
      this.#receive(self, text)
    } catch (error) {
      if (!(error instanceof EnvelopeError)) throw error
      metrics.refused++
    }
  }

  /** Somebody came, or a connection stands again: what could not be told is told now. */
  retry(): void {
    this.#untold = this.#untold.filter((untold) => !this.#isTold(untold))
  }

  #receive(self: PeerKey, text: string): void {
    const { settings, metrics, crypto } = this.#setup
    // in UTF-16 units, of which each is a byte or more
    if (text.length > settings.maxEnvelopeLength)
      throw new EnvelopeError('TOO_LARGE', `an envelope of more than ${settings.maxEnvelopeLength} bytes`)
    if (!this.#mayCome(self, settings.perPeerPerSecond) || !this.#mayCome(ALL, settings.perSecond)) {
      metrics.flooded++
      return
    }
    const reading = readV1(text, crypto)
    const { envelope } = reading
    this.#checkTime(envelope)
    if (envelope.to !== self) {
      this.#forward(self, reading)
      return
    }
    // what is in a box is the recipient's
    const isSealed = isV1Box(envelope.payload)
    if (envelope.type === 'chat') {
      if (!isSealed) contentOfV1(envelope, envelope.payload)
      this.#carry(self, reading)
      return
    }
    const content = contentOfV1(envelope, envelope.payload)
    if (content.kind === 'other') metrics.notCarried++
    else this.#acknowledged(self, reading, content)
  }

  #checkTime({ timestamp }: V1Envelope): void {
    const age = this.#setup.platform.wallClock() - timestamp
    if (age > LIFETIME_MS) throw new EnvelopeError('EXPIRED', 'made more than a day ago')
    if (age < -CLOCK_SKEW_MS) throw new EnvelopeError('FROM_FUTURE', 'made more than five minutes from now')
  }

  /** A text for `self`. */
  #carry(self: PeerKey, { envelope, signatureState, text }: V1Reading): void {
    const { settings, metrics, emit } = this.#setup
    const bytes = encodeUtf8(text)
    if (bytes.length > settings.maxEnvelopeLength) throw new EnvelopeError('TOO_LARGE', `${bytes.length} bytes`)
    const { id, from } = envelope
    // W4: a forged copy with the same id does not take the place of the signed one
    const key = `${from} ${id} ${self} ${signatureState === 'valid'}`
    const before = this.#seen.get(key)
    if (before !== undefined) {
      // its author did not hear of it: once more
      if (before !== 'carried') this.#tell(self, from, v1AckBody({ originalId: id, kind: 'RecipientReceived' }))
      return
    }
    const mine = this.#inFlight.get(self) ?? 0
    if (this.#total >= settings.maxToV2 || mine >= settings.maxToV2PerPeer) {
      metrics.flooded++
      return
    }
    this.#note(key, 'carried')
    this.#inFlight.set(self, mine + 1)
    this.#total++
    metrics.textsToV2++
    emit({ kind: 'text', direction: 'to-v2', id, from, to: self, signatureState })
    void this.#send(self, envelope, bytes, key)
  }

  async #send(self: PeerKey, { id, from }: V1Envelope, bytes: Uint8Array, key: string): Promise<void> {
    let isWaiting = true
    const settled = (): void => {
      if (isWaiting) this.#release(self)
      isWaiting = false
    }
    try {
      const receipt = await this.#setup.node.send(EndpointId.parse(self), bytes)
      await this.#follow(receipt, self, id, from, key, settled)
    } catch {
      // the node cannot take it now: its author may send it again
      this.#seen.delete(key)
      this.#setup.emit({ kind: 'undelivered', direction: 'to-v2', id, reason: 'failed' })
    }
    settled()
  }

  /** Until the recipient has read it, or nothing can follow: a message that failed may still be delivered, for a day. */
  async #follow(
    receipt: BridgeReceipt,
    self: PeerKey,
    id: string,
    author: PeerKey,
    key: string,
    settled: () => void,
  ): Promise<void> {
    const { metrics, emit, platform } = this.#setup
    let isDelivered = false
    for await (const { state } of receipt) {
      if (state === 'failed') {
        settled()
        emit({ kind: 'undelivered', direction: 'to-v2', id, reason: 'failed' })
      }
      if (state !== 'delivered' && state !== 'read') continue
      settled()
      if (!isDelivered) {
        isDelivered = true
        metrics.acksToV1++
        this.#note(key, 'delivered')
        this.#tell(self, author, v1AckBody({ originalId: id, kind: 'RecipientReceived' }))
        emit({ kind: 'delivered', direction: 'to-v2', id })
      }
      if (state === 'read') {
        this.#note(key, 'read')
        this.#tell(self, author, v1ReadBody({ originalId: id, readAt: platform.wallClock() }))
        emit({ kind: 'read', direction: 'to-v2', id })
      }
    }
  }

  #release(self: PeerKey): void {
    this.#total--
    const left = (this.#inFlight.get(self) ?? 1) - 1
    if (left === 0) this.#inFlight.delete(self)
    else this.#inFlight.set(self, left)
  }

  /**
   * Says something to a v1 peer in the name of `self`. Unsigned, as everything is there: we do not have the key of `self`, and to sign with ours would only make it invalid.
   */
  #tell(self: PeerKey, to: PeerKey, { type, payload }: V1Body): void {
    const { platform } = this.#setup
    const id = newMessageId(platform.random)
    const text = v1Text(self, { id, to, type, payload, timestamp: platform.wallClock() }, '')
    const untold = { as: self, to, text }
    if (this.#isTold(untold)) return
    this.#untold.push(untold)
    if (this.#untold.length > MAX_UNTOLD) this.#untold.shift()
  }

  #isTold({ as, to, text }: Untold): boolean {
    const { v1 } = this.#setup
    return v1.isPresent(to) && v1.send(as, envelopeText(as, to, text))
  }

  /** For another v1 peer: to the next hop, or to the recipient; once, and only between peers that are there. */
  #forward(self: PeerKey, { envelope, text, signatureState }: V1Reading): void {
    const { settings, metrics, v1 } = this.#setup
    const { id, from, to, via, type } = envelope
    const place = via.indexOf(self)
    const next = place < 0 ? to : (via[place + 1] ?? to)
    const key = `${from} ${id} ${to} by ${self} ${signatureState === 'valid'}`
    if (next === '' || next === self || this.#seen.has(key) || !v1.isPresent(from) || !v1.isPresent(next)) {
      metrics.refused++
      return
    }
    if (!this.#mayCome(FORWARDS, settings.forwardsPerSecond)) {
      metrics.flooded++
      return
    }
    if (!v1.send(self, envelopeText(self, next, text))) return
    this.#note(key, 'carried')
    metrics.forwarded++
    // ACK-5: acknowledgements are not acknowledged
    if (type !== 'ack' && type !== 'read-receipt')
      this.#tell(self, from, v1AckBody({ originalId: id, kind: 'RelayForwarded' }))
  }

  #mayCome(who: string, perSecond: number): boolean {
    return this.#buckets.take(who, perSecond, BURST_SECONDS * perSecond, this.#setup.platform.now())
  }

  #note(key: string, progress: Progress): void {
    const isNew = !this.#seen.has(key)
    this.#seen.set(key, progress)
    if (!isNew || this.#seen.size <= this.#setup.settings.maxSeen) return
    for (const oldest of this.#seen.keys()) {
      this.#seen.delete(oldest)
      break
    }
  }
}
