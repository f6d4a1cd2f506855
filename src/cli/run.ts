/** What every command shares: the clock of the run, where its output goes, and the signal of an interruption. */
import type { Output, Reporter } from './reporter.ts'

export interface Run {
  readonly output: Output
  readonly reporter: Reporter
  /** Aborted by Ctrl-C. */
  readonly interrupted: AbortSignal
  /** Monotonic, ms. */
  now(): number
  /** ms since 1970. */
  wallClock(): number
  /** Seconds since the process started. */
  elapsed(): number
  /** Resolves after `ms`, or at once when the run is interrupted. */
  sleep(ms: number): Promise<void>
}

/** Wrong usage: exit code 2, one line. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Resolves after `ms`, or at once when the signal is aborted. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve()
      return
    }
    const done = (): void => {
      clearTimeout(timeout)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timeout = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}

/**
 * Aborted after `ms`, or with `signal`. Not `AbortSignal.any` with `AbortSignal.timeout`: nothing but weak references holds such a pair together, and once the garbage collector has come by
 * it never fires (Node 20).
 */
export function limited(signal: AbortSignal, ms: number): AbortSignal {
  const controller = new AbortController()
  const end = (): void => {
    clearTimeout(timeout)
    signal.removeEventListener('abort', end)
    controller.abort(signal.aborted ? signal.reason : new DOMException(`nothing for ${ms} ms`, 'TimeoutError'))
  }
  const timeout = setTimeout(end, ms)
  // what is waited for keeps the process, not the limit
  timeout.unref()
  if (signal.aborted) end()
  else signal.addEventListener('abort', end)
  return controller.signal
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
