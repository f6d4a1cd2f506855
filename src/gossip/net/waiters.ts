/** Waiting for something that an event will tell, with an AbortSignal and without leaks. Whoever waits looks again when woken. */

export class Waiters {
  #waiters: (() => void)[] = []

  get size(): number {
    return this.#waiters.length
  }

  /** Resolves at the next `wake`; rejects with the signal's reason. */
  wait(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal === undefined) this.#waiters.push(resolve)
      else if (signal.aborted) reject(signal.reason)
      else this.#waiters.push(this.#abortable(resolve, reject, signal))
    })
  }

  wake(): void {
    if (this.#waiters.length === 0) return
    for (const wake of this.#waiters.splice(0)) wake()
  }

  #abortable(resolve: () => void, reject: (error: unknown) => void, signal: AbortSignal): () => void {
    const onAbort = (): void => {
      this.#waiters = this.#waiters.filter((other) => other !== wake)
      reject(signal.reason)
    }
    const wake = (): void => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }
    signal.addEventListener('abort', onAbort)
    return wake
  }
}
