/**
 * From the v2 side: texts that presented peers send to the bridge for v1 peers. Each is held until the v1 peer has acknowledged it, sent again meanwhile, and given up in time; its sender hears
 * either, in a message of its own: that the bridge took it is all its v2 acknowledgement says.
 */
import { encodeUtf8 } from '../../bytes/index.ts'
import { EndpointId } from '../../identity/index.ts'
import { EnvelopeError } from '../errors.ts'
import { RateBuckets } from '../routing/rate-buckets.ts'
import { isV1Box } from '../v1/v1-box.ts'
import type { V1Reading } from '../v1/v1-envelope.ts'
import { contentOfV1, type V1Content } from '../v1/v1-mapping.ts'
import { readV1 } from '../v1/v1-reader.ts'
import type { PeerKey } from '../wire/envelope.ts'
import { writeUndelivered } from './bridged-text.ts'
import { envelopeText } from './signalling-message.ts'
import type { FlowSetup } from './to-v2.ts'
import type { BridgeMail, UndeliveredReason } from './types.ts'

/** Acknowledged texts of which it may still be told that they were read; the oldest go first. */
const MAX_ACKED = 1_000
/** Refusals told to one sender, a second, and at once; of so many senders. */
const REFUSALS_PER_SECOND = 1
const REFUSALS_AT_ONCE = 10
const MAX_REFUSED_SENDERS = 1_000

interface Held {
  readonly id: string
  readonly from: PeerKey
  readonly to: PeerKey
  readonly text: string
  // monotonic ms
  readonly giveUpAt: number
  sendAt: number
  wasSent: boolean
}

export interface ToV1Setup extends FlowSetup {
  /** Presents a peer that writes, where that is allowed. */
  readonly presents: (peer: EndpointId) => boolean
  /** Something was let go: there is room. */
  readonly onRoom: () => void
}

export class ToV1 {
  readonly #setup: ToV1Setup
  /** By sender and id. */
  readonly #held = new Map<string, Held>()
  /** To whom they went. */
  readonly #acked = new Map<string, PeerKey>()
  readonly #refusals = new RateBuckets(MAX_REFUSED_SENDERS)

  constructor(setup: ToV1Setup) {
    this.#setup = setup
  }

  get inFlight(): number {
    return this.#held.size
  }

  get hasRoom(): boolean {
    return this.#held.size < this.#setup.settings.maxToV1
  }

  /** A message that a v2 peer sent to the bridge. Never throws for what is in it. */
  receive({ from, bytes }: BridgeMail): void {
    const { metrics, crypto, settings } = this.#setup
    let reading: V1Reading
    try {
      if (bytes.length > settings.maxEnvelopeLength) throw new EnvelopeError('TOO_LARGE', `${bytes.length} bytes`)
      reading = readV1(bytes, crypto)
    } catch (error) {
      if (!(error instanceof EnvelopeError)) throw error
      metrics.foreignMail++
      return
    }
    this.#take(from, reading)
  }

  #take(sender: EndpointId, reading: V1Reading): void {
    const from = sender.toString()
    const { presents, platform, settings, metrics, emit } = this.#setup
    const { envelope, signatureState, text } = reading
    const { id, to } = envelope
    const key = keyOf(from, id)
    if (this.#held.has(key)) return
    // Who sends it must have signed it: nobody speaks for another on the far side.
    if (envelope.from !== from || signatureState !== 'valid' || to === '' || to === from || !isChat(reading)) {
      this.#refuse(from, id, 'refused')
      return
    }
    if (!presents(sender)) {
      this.#refuse(from, id, 'not-presented')
      return
    }
    if (this.#countOf(from) >= settings.maxToV1PerPeer) {
      this.#refuse(from, id, 'busy')
      return
    }
    const now = platform.now()
    const held: Held = { id, from, to, text, giveUpAt: now + settings.holdMs, sendAt: now, wasSent: false }
    this.#held.set(key, held)
    metrics.textsToV1++
    emit({ kind: 'text', direction: 'to-v1', id, from, to, signatureState })
    this.#send(held, now)
  }

  /** What a v1 peer says of a text of `self`; unsigned, it is a claim, and goes to `self` as one (V1-2). */
  acknowledged(self: PeerKey, { envelope, text }: V1Reading, content: V1Content): void {
    const { metrics, emit, onRoom } = this.#setup
    if (content.kind !== 'read' && (content.kind !== 'ack' || content.ack.kind !== 'RecipientReceived')) return
    const id = content.kind === 'read' ? content.receipt.originalId : content.ack.originalId
    const key = keyOf(self, id)
    const held = this.#held.get(key)
    const to = held?.to ?? this.#acked.get(key)
    if (to === undefined || to !== envelope.from || (held !== undefined && !held.wasSent)) {
      metrics.refused++
      return
    }
    // an acknowledgement comes again when the text did
    if (content.kind === 'ack' && held === undefined) return
    this.#held.delete(key)
    if (content.kind === 'read') this.#acked.delete(key)
    else this.#remember(key, to)
    metrics.acksToV2++
    this.#notify(self, encodeUtf8(text))
    emit({ kind: content.kind === 'read' ? 'read' : 'delivered', direction: 'to-v1', id })
    if (held !== undefined) onRoom()
  }

  /** Somebody came, or a connection stands again: what waits goes out now. */
  retry(): void {
    const now = this.#setup.platform.now()
    for (const held of this.#held.values()) if (!held.wasSent) this.#send(held, now)
  }

  /** Gives up what waited too long, and sends what was not acknowledged. */
  tick(now: number): void {
    const { v1, onRoom } = this.#setup
    let hasRoom = false
    for (const [key, held] of this.#held) {
      if (now >= held.giveUpAt) {
        this.#held.delete(key)
        this.#giveUp(held.from, held.id, held.wasSent && v1.isPresent(held.to) ? 'no-answer' : 'absent')
        hasRoom = true
      } else if (now >= held.sendAt) this.#send(held, now)
    }
    if (hasRoom) onRoom()
  }

  /** When `tick` has something to do, monotonic ms; Infinity: never. */
  deadline(): number {
    let at = Number.POSITIVE_INFINITY
    for (const { giveUpAt, sendAt } of this.#held.values()) at = Math.min(at, giveUpAt, sendAt)
    return at
  }

  #send(held: Held, now: number): void {
    const { v1, settings } = this.#setup
    const { from, to, text } = held
    held.sendAt = now + settings.resendMs
    if (v1.isPresent(to) && v1.send(from, envelopeText(from, to, text))) held.wasSent = true
  }

  /** At once, and told within a rate: who floods us is not answered each time. */
  #refuse(from: PeerKey, id: string, reason: UndeliveredReason): void {
    const isTold = this.#refusals.take(from, REFUSALS_PER_SECOND, REFUSALS_AT_ONCE, this.#setup.platform.now())
    if (isTold) this.#giveUp(from, id, reason)
    else this.#setup.metrics.flooded++
  }

  #giveUp(from: PeerKey, id: string, reason: UndeliveredReason): void {
    const { metrics, emit } = this.#setup
    metrics.undelivered++
    this.#notify(from, writeUndelivered(id, reason))
    emit({ kind: 'undelivered', direction: 'to-v1', id, reason })
  }

  /** Nobody waits for what becomes of it: a sender that hears nothing knows nothing, and says so. */
  async #notify(peer: PeerKey, bytes: Uint8Array): Promise<void> {
    try {
      await this.#setup.node.send(EndpointId.parse(peer), bytes)
    } catch {
      // the node is full or closed
      this.#setup.metrics.flooded++
    }
  }

  #remember(key: string, to: PeerKey): void {
    this.#acked.set(key, to)
    if (this.#acked.size <= MAX_ACKED) return
    for (const oldest of this.#acked.keys()) {
      this.#acked.delete(oldest)
      break
    }
  }

  #countOf(from: PeerKey): number {
    let count = 0
    for (const held of this.#held.values()) if (held.from === from) count++
    return count
  }
}

function keyOf(from: PeerKey, id: string): string {
  return `${from} ${id}`
}

/** A text, or a box that its recipient will open. */
function isChat({ envelope }: V1Reading): boolean {
  const { type, payload } = envelope
  if (type !== 'chat') return false
  if (isV1Box(payload)) return true
  try {
    return contentOfV1(envelope, payload).kind === 'chat'
  } catch {
    return false
  }
}
