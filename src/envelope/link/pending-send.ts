/** One frame from `send` until the transport has taken it, and the queue of those that wait for a stream. */
import type { SendStream } from '../../endpoint/index.ts'

export class PendingSend {
  readonly frame: Uint8Array
  /** Given up then, ms. */
  readonly deadline: number
  /** That failed. */
  attempts: number
  /** What the last one met. */
  lastError: unknown
  /** The next attempt, ms. */
  readyAt: number
  /** While it is being written. */
  stream: SendStream | undefined
  /** By the transport, with its end. */
  isTaken: boolean
  isSettled: boolean
  readonly #resolve: () => void
  readonly #reject: (error: unknown) => void
  #signal: AbortSignal | undefined
  #onAbort: (() => void) | undefined

  constructor(frame: Uint8Array, deadline: number, resolve: () => void, reject: (error: unknown) => void) {
    this.frame = frame
    this.deadline = deadline
    this.attempts = 0
    this.lastError = undefined
    this.readyAt = 0
    this.stream = undefined
    this.isTaken = false
    this.isSettled = false
    this.#resolve = resolve
    this.#reject = reject
    this.#signal = undefined
    this.#onAbort = undefined
  }

  /** `onAbort` is called once at most, and not after it was settled. */
  watch(signal: AbortSignal, onAbort: () => void): void {
    this.#signal = signal
    this.#onAbort = onAbort
    signal.addEventListener('abort', onAbort)
  }

  resolve(): void {
    this.#settle()
    this.#resolve()
  }

  reject(error: unknown): void {
    this.#settle()
    this.#reject(error)
  }

  #settle(): void {
    this.isSettled = true
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener('abort', this.#onAbort)
  }
}

/** Places at the front that were taken before the queue is moved up. */
const MAX_GAP = 256

/** First in, first out. */
export class SendQueue {
  readonly #sends: (PendingSend | undefined)[] = []
  #first = 0

  push(send: PendingSend): void {
    this.#sends.push(send)
  }

  /** The next that nobody gave up meanwhile. */
  peek(): PendingSend | undefined {
    for (;;) {
      const send = this.#sends[this.#first]
      if (send === undefined || !send.isSettled) return send
      this.shift()
    }
  }

  /** Takes what `peek` showed. */
  shift(): void {
    this.#sends[this.#first++] = undefined
    if (this.#first >= this.#sends.length) {
      this.#sends.length = 0
      this.#first = 0
    } else if (this.#first > MAX_GAP && this.#first > this.#sends.length / 2) {
      this.#sends.splice(0, this.#first)
      this.#first = 0
    }
  }

  /** All that were not given up, in their order; the queue is empty then. */
  takeAll(): PendingSend[] {
    const taken: PendingSend[] = []
    for (let send = this.peek(); send !== undefined; send = this.peek()) {
      taken.push(send)
      this.shift()
    }
    return taken
  }
}
