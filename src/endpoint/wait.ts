/**
 * Waiting for something that an event will tell, with an AbortSignal and without leaks: whoever waits is woken to look again, or is
 * rejected. Knows no timers; what bounds a wait is the connection's idle timeout or the caller's signal.
 */

export interface WaitOptions {
  /** Rejects the wait with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

interface Waiter {
  resolve(): void
  reject(error: unknown): void
}

export class WaitQueue {
  readonly #waiters = new Set<Waiter>()

  get size(): number {
    return this.#waiters.size
  }

  /** Resolves at the next `wake`: look again then. Rejects when the signal is aborted, or with what `fail` is given. */
  wait(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason)
        return
      }
      const leave = (): void => {
        this.#waiters.delete(waiter)
        signal?.removeEventListener('abort', onAbort)
      }
      const onAbort = (): void => {
        leave()
        reject(signal?.reason)
      }
      const waiter: Waiter = {
        resolve: () => {
          leave()
          resolve()
        },
        reject: (error) => {
          leave()
          reject(error)
        },
      }
      this.#waiters.add(waiter)
      signal?.addEventListener('abort', onAbort)
    })
  }

  wake(): void {
    for (const waiter of [...this.#waiters]) waiter.resolve()
  }

  fail(error: unknown): void {
    for (const waiter of [...this.#waiters]) waiter.reject(error)
  }
}

/** A promise with its two ends, made so that it never counts as unhandled: nobody has to look at it. */
export class Settled<T> {
  readonly promise: Promise<T>
  resolve: (value: T) => void
  reject: (error: unknown) => void

  constructor() {
    this.resolve = () => {}
    this.reject = () => {}
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    this.promise.catch(() => {})
  }
}

/** `promise`, unless the signal is aborted first. */
export async function withSignal<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  if (signal.aborted) throw signal.reason
  const aborted = new Settled<never>()
  const onAbort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort)
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
