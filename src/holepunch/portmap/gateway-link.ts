/**
 * Questions to the router over UDP: sent again until an answer is taken, and only what comes from the router's own address and port is looked at
 * (RFC 6886 §3.1, RFC 6887 §8.3).
 */
import type { Gateway, UdpSocket } from '../../platform/index.ts'
import type { Alarms, CancelAlarm } from '../net-report/alarms.ts'

/** Of PCP and NAT-PMP. */
const PORT = 5351

/** Returns what an answer says, or undefined when it is not one to this question: then others may look at it, and it is waited on. */
export type ReadAnswer<T> = (data: Uint8Array) => T | undefined

export class GatewayLink {
  readonly #alarms: Alarms
  readonly #gateway: Gateway
  readonly #socket: UdpSocket
  /** Each takes the answer if it is its own. */
  readonly #open = new Set<(data: Uint8Array) => boolean>()
  #isBroken = false

  /** Takes over `socket`, which is bound to `gateway.local`. */
  constructor(alarms: Alarms, gateway: Gateway, socket: UdpSocket) {
    this.#alarms = alarms
    this.#gateway = gateway
    this.#socket = socket
    socket.onMessage = (data, host, port) => this.#receive(data, host, port)
    socket.onError = () => {
      this.#isBroken = true
    }
  }

  /** The socket may deliver nothing more: what is asked next should be asked over another link. */
  get isBroken(): boolean {
    return this.#isBroken
  }

  /**
   * Sends `question` at once and again after each of `waitsMs` but the last, after which it is over. Undefined: no answer, or `signal` was aborted
   * before. Never rejects.
   */
  ask<T>(
    question: Uint8Array,
    waitsMs: readonly number[],
    read: ReadAnswer<T>,
    signal: AbortSignal,
  ): Promise<T | undefined> {
    if (signal.aborted) return Promise.resolve(undefined)
    return new Promise((resolve) => {
      let cancel: CancelAlarm = () => {}
      const settle = (answer: T | undefined): void => {
        cancel()
        this.#open.delete(take)
        signal.removeEventListener('abort', onAbort)
        resolve(answer)
      }
      const onAbort = (): void => settle(undefined)
      const take = (data: Uint8Array): boolean => {
        const answer = read(data)
        if (answer !== undefined) settle(answer)
        return answer !== undefined
      }
      const send = (index: number): void => {
        if (index === waitsMs.length) {
          settle(undefined)
          return
        }
        this.#socket.send(question, 0, question.length, this.#gateway.address, PORT, () => {})
        cancel = this.#alarms.after(waitsMs[index]!, () => send(index + 1))
      }
      signal.addEventListener('abort', onAbort)
      this.#open.add(take)
      send(0)
    })
  }

  close(): Promise<void> {
    return this.#socket.close()
  }

  #receive(data: Uint8Array, host: string, port: number): void {
    if (port !== PORT || host !== this.#gateway.address) return
    for (const take of [...this.#open]) if (take(data)) return
  }
}
