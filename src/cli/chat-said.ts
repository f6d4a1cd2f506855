/** What became of what was said: which messages are still on their way, which failed, and waiting for that to change. Knows no node: it is told. */
import type { DeliveryState } from '../envelope/index.ts'
import { limited } from './run.ts'

/** What is needed of a `Receipt`. */
export interface SaidReceipt {
  readonly id: string
  readonly state: DeliveryState
  /** Nodes that keep it for the recipient. */
  readonly holders: number
}

/** `text`: the beginning of it. */
export interface Unsettled {
  readonly id: string
  readonly text: string
  readonly holders: number
}

export class Said {
  /** Neither delivered nor failed, with what they say. */
  readonly #open = new Map<SaidReceipt, string>()
  /** They may be delivered yet. */
  readonly #failed = new Map<SaidReceipt, string>()
  #count = 0
  #waiters: (() => void)[] = []

  /** All, whatever became of them. */
  get count(): number {
    return this.#count
  }

  /** Neither delivered nor failed. */
  get openCount(): number {
    return this.#open.size
  }

  /** What is not delivered, oldest first. */
  get rest(): Unsettled[] {
    return [...this.#failed, ...this.#open]
      .filter(([{ state }]) => !isDelivered(state))
      .map(([{ id, holders }, text]) => ({ id, text, holders }))
  }

  add(receipt: SaidReceipt, text: string): void {
    this.#count++
    this.#open.set(receipt, text)
  }

  /** The receipt says something else than before. */
  changed(receipt: SaidReceipt): void {
    const { state } = receipt
    const text = this.#open.get(receipt)
    if (text !== undefined && (isDelivered(state) || state === 'failed')) {
      this.#open.delete(receipt)
      if (state === 'failed') this.#failed.set(receipt, text)
    }
    for (const waiter of this.#waiters.splice(0)) waiter()
  }

  /**
   * Resolves when nothing is on its way any more, or the limit is reached. What others keep is waited for only so long after the last change, ms: it may still be delivered, or find a
   * second keeper.
   */
  async settled(limit: AbortSignal, keptGraceMs: number): Promise<void> {
    while (this.#open.size > 0 && !limit.aborted) {
      const isKept = [...this.#open.keys()].every(({ holders }) => holders > 0)
      const hasChanged = await this.#change(isKept ? limited(limit, keptGraceMs) : limit)
      if (isKept && !hasChanged) return
    }
  }

  /** Whether something changed before the signal was aborted. */
  #change(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const onAbort = (): void => resolve(false)
      if (signal.aborted) return onAbort()
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiters.push(() => {
        signal.removeEventListener('abort', onAbort)
        resolve(true)
      })
    })
  }
}

/** Lock 1: the recipient's acknowledgement, and nothing else. */
export function isDelivered(state: DeliveryState): boolean {
  return state === 'delivered' || state === 'read'
}
