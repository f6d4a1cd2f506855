/**
 * What was said and not sent yet: gossip has no replay, so a message sent while there is no neighbour is lost (spec/gossip.md §14.4, bug 1). Here it waits until there is
 * one, in order; a full outbox makes its writer wait.
 */

export interface OutboxSetup<T> {
  /** Items that may wait; the next `put` waits for room. */
  readonly capacity: number
  /** Is there anybody to hear it? Asked before each item; call `wake` when the answer becomes yes. */
  isReady(): boolean
  /** One at a time. An item whose sending fails counts as lost, and the next one is tried. */
  send(item: T): Promise<void>
  lost(item: T, error: unknown): void
}

export class Outbox<T> {
  readonly #setup: OutboxSetup<T>
  readonly #items: T[] = []
  #isSending = false
  #waiters: (() => void)[] = []

  constructor(setup: OutboxSetup<T>) {
    this.#setup = setup
  }

  /** Items not sent yet, the one on its way included. */
  get size(): number {
    return this.#items.length
  }

  /** Resolves when it is taken over, or the signal aborted: then it is not. */
  async put(item: T, signal: AbortSignal): Promise<boolean> {
    while (this.#items.length >= this.#setup.capacity && !signal.aborted) await this.#change(signal)
    if (signal.aborted) return false
    this.#items.push(item)
    this.wake()
    return true
  }

  /** Resolves when nothing waits any more, or the signal is aborted. */
  async drained(signal: AbortSignal): Promise<void> {
    while (this.#items.length > 0 && !signal.aborted) await this.#change(signal)
  }

  /** Sends what waits, if somebody is there. */
  wake(): void {
    if (!this.#isSending) this.#sendAll()
  }

  async #sendAll(): Promise<void> {
    this.#isSending = true
    for (;;) {
      const [item] = this.#items
      if (item === undefined || !this.#setup.isReady()) break
      try {
        await this.#setup.send(item)
      } catch (error) {
        this.#setup.lost(item, error)
      }
      this.#items.shift()
      for (const waiter of this.#waiters.splice(0)) waiter()
    }
    this.#isSending = false
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done)
        resolve()
      }
      signal.addEventListener('abort', done)
      this.#waiters.push(done)
    })
  }
}
