/** Waiting for something that an event will tell, with an AbortSignal and without leaks. Whoever waits looks again when woken. */

interface Waiter {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class Waiters {
  #waiters: Waiter[] = []

  get size(): number {
    return this.#waiters.length
  }

  /** Resolves at the next `wake`; rejects with the signal's reason, or with what `fail` is given. */
  wait(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal === undefined) this.#waiters.push({ resolve, reject })
      else if (signal.aborted) reject(signal.reason)
      else this.#waiters.push(this.#abortable(resolve, reject, signal))
    })
  }

  wake(): void {
    if (this.#waiters.length === 0) return
    for (const waiter of this.#waiters.splice(0)) waiter.resolve()
  }

  fail(error: unknown): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error)
  }

  #abortable(resolve: () => void, reject: (error: unknown) => void, signal: AbortSignal): Waiter {
    const onAbort = (): void => {
      this.#waiters = this.#waiters.filter((other) => other !== waiter)
      reject(signal.reason)
    }
    const waiter: Waiter = {
      resolve: () => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      },
      reject: (error) => {
        signal.removeEventListener('abort', onAbort)
        reject(error)
      },
    }
    signal.addEventListener('abort', onAbort)
    return waiter
  }
}
