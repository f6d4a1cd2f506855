/**
 * What a topic remembers of payloads: the payloads themselves for those who ask (Graft), and for longer their ids, so that none is delivered twice
 * (spec/gossip.md §7.1). Entries go at the first eviction after their time, or earlier, the oldest first, when a bound is reached.
 */
import type { BroadcastMessage, MessageId } from './messages.ts'

export type Payload = Extract<BroadcastMessage, { kind: 'gossip' }>

export interface PayloadCacheSettings {
  readonly payloadRetentionMs: number
  readonly idRetentionMs: number
  /** Bytes of content at most (a small charge for each payload included), and ids at most. Infinity: as upstream, only time counts. */
  readonly maxBytes: number
  readonly maxIds: number
}

/** Charged for a payload beyond its content, bytes: a guess at the objects around it. */
const PAYLOAD_CHARGE = 200
/** Sums of fractional milliseconds may miss a tick by rounding, ms. */
const ROUNDING_MS = 0.001

interface Kept {
  readonly payload: Payload
  readonly expiresAt: number
}

export class PayloadCache {
  readonly #settings: PayloadCacheSettings
  // both in the order of their expiry, because retentions are constant
  readonly #payloads = new Map<MessageId, Kept>()
  readonly #ids = new Map<MessageId, number>()
  #bytes = 0

  constructor(settings: PayloadCacheSettings) {
    this.#settings = settings
  }

  /** Remembers a payload as it would be sent on; once more if it was known. */
  add(payload: Payload, now: number): void {
    const { id } = payload
    this.#dropPayload(id)
    this.#payloads.set(id, { payload, expiresAt: now + this.#settings.payloadRetentionMs })
    this.#bytes += payload.content.length + PAYLOAD_CHARGE
    while (this.#bytes > this.#settings.maxBytes) this.#dropPayload(oldest(this.#payloads))
    this.#ids.delete(id)
    this.#ids.set(id, now + this.#settings.idRetentionMs)
    if (this.#ids.size > this.#settings.maxIds) this.#ids.delete(oldest(this.#ids))
  }

  /** Was delivered or sent here already. */
  has(id: MessageId): boolean {
    return this.#ids.has(id)
  }

  payload(id: MessageId): Payload | undefined {
    return this.#payloads.get(id)?.payload
  }

  evict(now: number): void {
    const until = now + ROUNDING_MS
    for (const [id, kept] of this.#payloads) {
      if (kept.expiresAt > until) break
      this.#dropPayload(id)
    }
    for (const [id, expiresAt] of this.#ids) {
      if (expiresAt > until) break
      this.#ids.delete(id)
    }
  }

  get isEmpty(): boolean {
    return this.#ids.size === 0 && this.#payloads.size === 0
  }

  get ids(): number {
    return this.#ids.size
  }

  get payloads(): number {
    return this.#payloads.size
  }

  /** Bytes held, as they count against `maxBytes`. */
  get bytes(): number {
    return this.#bytes
  }

  #dropPayload(id: MessageId): void {
    const kept = this.#payloads.get(id)
    if (kept === undefined) return
    this.#payloads.delete(id)
    this.#bytes -= kept.payload.content.length + PAYLOAD_CHARGE
  }
}

function oldest(map: ReadonlyMap<MessageId, unknown>): MessageId {
  return map.keys().next().value as MessageId
}
