/**
 * Waiting for something that an event will tell, with an AbortSignal and without leaks: whoever waits is woken to look again, or is
 * rejected. Knows no timers; what bounds a wait is the connection's idle timeout or the caller's signal.
 */

export interface WaitOptions {
  /** Rejects the wait with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

interface Waiter {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class WaitQueue {
  /** Undefined while nobody waits: most queues of most connections are never used. */
  #waiters: Waiter[] | undefined = undefined

  get size(): number {
    return this.#waiters?.length ?? 0
  }

  /** Resolves at the next `wake`: look again then. Rejects when the signal is aborted, or with what `fail` is given. */
  wait(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal === undefined) this.#add({ resolve, reject })
      else if (signal.aborted) reject(signal.reason)
      else this.#add(this.#abortable(resolve, reject, signal))
    })
  }

  wake(): void {
    const waiters = this.#waiters
    if (waiters === undefined) return
    this.#waiters = undefined
    for (const waiter of waiters) waiter.resolve()
  }

  fail(error: unknown): void {
    const waiters = this.#waiters
    if (waiters === undefined) return
    this.#waiters = undefined
    for (const waiter of waiters) waiter.reject(error)
  }

  #add(waiter: Waiter): void {
    if (this.#waiters === undefined) this.#waiters = [waiter]
    else this.#waiters.push(waiter)
  }

  #abortable(resolve: () => void, reject: (error: unknown) => void, signal: AbortSignal): Waiter {
    const onAbort = (): void => {
      const left = this.#waiters?.filter((other) => other !== waiter) ?? []
      this.#waiters = left.length === 0 ? undefined : left
      waiter.reject(signal.reason)
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

const nothing = (): void => {}

/** A promise with its two ends, made so that it never counts as unhandled: nobody has to look at it. */
export class Settled<T> {
  readonly promise: Promise<T>
  #resolve: (value: T) => void = nothing
  #reject: (error: unknown) => void = nothing

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.promise.catch(nothing)
  }

  resolve(value: T): void {
    this.#resolve(value)
    this.#letGo()
  }

  reject(error: unknown): void {
    this.#reject(error)
    this.#letGo()
  }

  /** A second call has no effect anyway. */
  #letGo(): void {
    this.#resolve = nothing
    this.#reject = nothing
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
