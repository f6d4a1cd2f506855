/**
 * Questions to STUN servers as promises: a `StunClient` with a timer and sockets around it. Which servers are asked, and what the answers mean, stands elsewhere.
 */
import { formatIp, parseReportedIp } from '../../bytes/index.ts'
import type { Platform, Timer, UdpSocket } from '../../platform/index.ts'
import { StunClient, type StunOutcome, type StunQuestion, type StunTransaction } from './stun-client.ts'

/** What carries questions: a driver, or sockets of one's own. */
export interface StunSockets {
  socketOf(family: 4 | 6): UdpSocket | undefined
  /** To a numeric address. Nobody changes `bytes` afterwards. */
  sendForeign(socket: UdpSocket, bytes: Uint8Array, host: string, port: number): void
}

type SocketQuestion = StunQuestion<UdpSocket>
type Settle = (outcome: StunOutcome | undefined) => void

export class StunAsker {
  readonly #platform: Pick<Platform, 'now' | 'createTimer' | 'random'>
  readonly #sockets: () => StunSockets | undefined
  readonly #client: StunClient<UdpSocket>
  readonly #timer: Timer
  readonly #waiting: Map<StunTransaction<UdpSocket>, Settle>
  #isDriving: boolean
  #isClosed: boolean

  /** `sockets` is asked at each send: what it has changes when the network does. */
  constructor(platform: Pick<Platform, 'now' | 'createTimer' | 'random'>, sockets: () => StunSockets | undefined) {
    this.#platform = platform
    this.#sockets = sockets
    this.#client = new StunClient(platform.random)
    this.#timer = platform.createTimer(() => this.#drive())
    this.#waiting = new Map()
    this.#isDriving = false
    this.#isClosed = false
  }

  /** Resolves within 3 s; undefined when the signal was aborted or the asker closed. Never rejects. */
  ask(question: SocketQuestion, signal?: AbortSignal): Promise<StunOutcome | undefined> {
    if (this.#isClosed || signal?.aborted === true) return Promise.resolve(undefined)
    return new Promise((resolve) => {
      const transaction = this.#client.ask(question, this.#platform.now())
      const onAbort = (): void => {
        this.#client.cancel(transaction)
        this.#settle(transaction, undefined)
        this.#drive()
      }
      this.#waiting.set(transaction, (outcome) => {
        signal?.removeEventListener('abort', onAbort)
        resolve(outcome)
      })
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#drive()
    })
  }

  /** A STUN packet that came in on `socket` from a numeric address; only read during the call. */
  receive(data: Uint8Array, host: string, port: number, socket: UdpSocket): void {
    if (this.#isClosed) return
    this.#client.receive(data, { ip: parseReportedIp(host), port }, socket)
    this.#drive()
  }

  /** All questions end without an answer, and nothing more is sent. */
  close(): void {
    this.#isClosed = true
    this.#timer.cancel()
    for (const transaction of [...this.#waiting.keys()]) this.#settle(transaction, undefined)
  }

  #settle(transaction: StunTransaction<UdpSocket>, outcome: StunOutcome | undefined): void {
    const settle = this.#waiting.get(transaction)
    this.#waiting.delete(transaction)
    settle?.(outcome)
  }

  #drive(): void {
    // A socket may deliver while it sends.
    if (this.#isDriving || this.#isClosed) return
    this.#isDriving = true
    const now = this.#platform.now()
    this.#client.tick(now)
    for (let due = this.#client.poll(now); due !== undefined; due = this.#client.poll(now)) {
      const { socket, server } = due.question
      this.#sockets()?.sendForeign(socket, due.bytes, formatIp(server.ip), server.port)
    }
    for (let end = this.#client.nextEnd(); end !== undefined; end = this.#client.nextEnd())
      this.#settle(end.transaction, end.outcome)
    this.#isDriving = false
    const deadline = this.#client.deadline()
    if (deadline === Number.POSITIVE_INFINITY) this.#timer.cancel()
    else this.#timer.arm(deadline)
  }
}
