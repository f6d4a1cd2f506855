/** `Receipt`: what became of one message that was sent, as far as its acknowledgements say (spec/envelope.md §4.4, lock 1). */
import type { EndpointId } from '../../identity/index.ts'
import { TomError } from '../errors.ts'
import type { DeliveryState } from '../routing/delivery-state.ts'
import { Feeds } from './feed.ts'
import type { DeliveredOptions, ReceiptState } from './types.ts'

/** What a receipt needs of its node. */
export interface ReceiptClock {
  wallClock(): number
  /** Aborts after `ms`; `cancel` when it need not any more. */
  timeout(ms: number): { readonly signal: AbortSignal; cancel(): void }
}

export class Receipt implements AsyncIterable<ReceiptState> {
  /** Of the message. */
  readonly id: string
  readonly to: EndpointId
  readonly #clock: ReceiptClock
  readonly #history: ReceiptState[]
  readonly #news = new Feeds<ReceiptState>()
  #isOver = false

  /** Made by `TomNode.send`. */
  constructor(id: string, to: EndpointId, clock: ReceiptClock) {
    this.id = id
    this.to = to
    this.#clock = clock
    this.#history = [{ state: 'pending', holders: 0, at: clock.wallClock() }]
  }

  get state(): DeliveryState {
    return this.#last.state
  }

  /** How many other nodes keep the message for the recipient. */
  get holders(): number {
    return this.#last.holders
  }

  /** Every state so far, the first first. */
  get history(): readonly ReceiptState[] {
    return this.#history
  }

  get isDelivered(): boolean {
    return this.state === 'delivered' || this.state === 'read'
  }

  /**
   * Resolves when the recipient has acknowledged the message, and only then. Rejects with TomError NOT_DELIVERED when the state becomes `failed`, after `timeoutMs`, or when the node
   * is closed before; the message may be delivered all the same, later. Or with the signal's reason.
   */
  async delivered({ signal, timeoutMs }: DeliveredOptions = {}): Promise<void> {
    if (timeoutMs !== undefined && !(timeoutMs > 0))
      throw new TomError('INVALID_OPTION', 'timeoutMs is a number of milliseconds above 0')
    const timer = timeoutMs === undefined ? undefined : this.#clock.timeout(timeoutMs)
    const signals = [signal, timer?.signal].filter((one) => one !== undefined)
    try {
      for await (const { state } of this.#read(signals.length === 0 ? undefined : AbortSignal.any(signals))) {
        if (state === 'delivered' || state === 'read') return
        if (state === 'failed') throw this.#notDelivered('was not acknowledged in time')
      }
      throw this.#notDelivered('was not acknowledged before the node was closed')
    } catch (error) {
      if (timer?.signal.aborted === true && signal?.aborted !== true)
        throw this.#notDelivered(`was not acknowledged within ${timeoutMs} ms`)
      throw error
    } finally {
      timer?.cancel()
    }
  }

  /** The present state and those that follow; ends when nothing can follow: after `read`, or with the node. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ReceiptState> {
    return this.#read(undefined)
  }

  #read(signal: AbortSignal | undefined): AsyncIterableIterator<ReceiptState> {
    return this.#news.read(signal === undefined ? {} : { signal }, [this.#last])
  }

  // Called by the node.

  update(state: DeliveryState, holders: number): void {
    const { state: before, holders: known } = this.#last
    if (this.#isOver || (state === before && holders === known)) return
    const next = { state, holders, at: this.#clock.wallClock() }
    this.#history.push(next)
    this.#news.push(next)
    if (state === 'read') this.end()
  }

  end(): void {
    this.#isOver = true
    this.#news.end()
  }

  get #last(): ReceiptState {
    return this.#history.at(-1)!
  }

  #notDelivered(what: string): TomError {
    const kept = this.holders === 0 ? '' : `; ${this.holders} other nodes keep it for the recipient`
    const text = `message ${this.id} to ${this.to.toShortString()} ${what}${kept}`
    return new TomError('NOT_DELIVERED', text)
  }
}
