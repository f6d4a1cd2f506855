/**
 * One step of a dial over one socket, as a promise: it settles once, listens no longer then, and when it fails, for whatever reason, the socket
 * is destroyed. So no way out of a dial leaves a socket behind.
 */
import type { Socket } from 'node:net'

export interface SocketStep<T> {
  on(event: string, listener: (...values: never[]) => void): void
  done(value: T): void
  fail(error: unknown): void
}

/**
 * Runs `begin`, and fails when `signal` aborts (with its reason), when the socket breaks, closes or is ended by the other side; `failed` makes
 * the error from the reason.
 */
export function socketStep<T>(
  socket: Socket,
  signal: AbortSignal,
  failed: (reason: string, cause?: unknown) => Error,
  begin: (step: SocketStep<T>) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const listeners: [string, () => void][] = []
    const settle = (): void => {
      signal.removeEventListener('abort', onAbort)
      for (const [event, listener] of listeners.splice(0)) socket.off(event, listener)
    }
    const step: SocketStep<T> = {
      on: (event, listener) => {
        // Node types each event apart; here the step's author knows what its listeners take.
        const plain = listener as () => void
        listeners.push([event, plain])
        socket.on(event, plain)
      },
      done: (value) => {
        settle()
        resolve(value)
      },
      fail: (error) => {
        settle()
        socket.destroy()
        reject(error)
      },
    }
    const onAbort = (): void => step.fail(signal.reason)
    if (signal.aborted) {
      onAbort()
      return
    }
    if (socket.destroyed) {
      step.fail(failed('the connection was closed'))
      return
    }
    signal.addEventListener('abort', onAbort)
    step.on('error', (error: Error) => step.fail(failed(error.message, error)))
    step.on('end', () => step.fail(failed('the other side ended the connection')))
    step.on('close', () => step.fail(failed('the connection was closed')))
    begin(step)
  })
}

/** Sockets of a dial always have a listener for errors: between two steps nobody else would hear one, and Node would end the process. */
export function ignoreError(): void {}
