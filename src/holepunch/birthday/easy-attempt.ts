/**
 * The side whose NAT has one mapping for all destinations: from its main socket it pings ports of the peer's address at random, each of which also opens its own NAT for
 * an answer from there, until one of them is a mapping of the peer's (the birthday paradox).
 */
import { encodeHex, type SocketAddress, sameBytes } from '../../bytes/index.ts'
import type { DiscoMessage } from '../disco/message.ts'
import { BATCH_MS, type BirthdayAction, BirthdayAttempt, MAIN_SOCKET } from './attempt.ts'
import type { BirthdayMessage } from './message.ts'
import { PortDraw } from './port-draw.ts'

/** After a hit the search waits so long for the peer's decision, ms. */
const HIT_PAUSE_MS = 1_000
/** When all was sent, the last answers get so long, ms. */
const LAST_ANSWERS_MS = 2_000
const NEVER = Number.POSITIVE_INFINITY

export class EasyAttempt extends BirthdayAttempt {
  readonly role = 'easy'
  #nextAt = NEVER
  /** Everything was sent: when to give up, ms. */
  #givesUpAt = NEVER
  #ports: PortDraw | undefined = undefined
  /** Transaction id as hex → the port that was pinged. */
  readonly #pings = new Map<string, number>()
  /** Ports of the peer that something of it came from, and the last ping of each that was answered. */
  readonly #heard = new Map<number, string>()

  protected get nextAt(): number {
    return Math.min(this.#nextAt, this.#givesUpAt)
  }

  protected begin(): BirthdayAction[] {
    return []
  }

  protected onPeerMessage(message: BirthdayMessage, now: number): BirthdayAction[] {
    if (message.type === 'ready' && this.#ports === undefined) {
      this.#ports = new PortDraw(this.random)
      this.#nextAt = now
      return this.run(now)
    }
    if (message.type !== 'won') return []
    // The peer can only have got a Pong by that port if something of it came from there.
    if (!this.#heard.has(message.port)) return this.abort()
    return [this.win(MAIN_SOCKET, { ip: this.peer!.ip, port: message.port })]
  }

  protected run(now: number): BirthdayAction[] {
    if (now >= this.#givesUpAt) return this.abort()
    if (now < this.#nextAt) return []
    const actions: BirthdayAction[] = []
    for (let sent = 0; sent < this.packetsPerBatch; sent++) {
      const port = this.budget.hasSearch ? this.#ports?.next() : undefined
      if (port === undefined) {
        this.#nextAt = NEVER
        this.#givesUpAt = now + LAST_ANSWERS_MS
        return actions
      }
      actions.push(
        ...this.ping(MAIN_SOCKET, { ip: this.peer!.ip, port }, (transactionId) =>
          this.#pings.set(encodeHex(transactionId), port),
        ),
      )
    }
    this.#nextAt = now + BATCH_MS
    return actions
  }

  /** From which port is what we want to know. */
  protected isFromPeer({ ip, port }: SocketAddress): boolean {
    return port !== 0 && sameBytes(ip, this.peer!.ip)
  }

  protected onPing(_socket: number, from: SocketAddress, transactionId: Uint8Array, now: number): BirthdayAction[] {
    const name = encodeHex(transactionId)
    if (this.#heard.get(from.port) === name) return []
    this.#hit(from.port, name, now)
    return this.pong(MAIN_SOCKET, from, transactionId)
  }

  protected onPong(
    _socket: number,
    from: SocketAddress,
    { transactionId }: DiscoMessage & { readonly type: 'pong' },
    now: number,
  ): BirthdayAction[] {
    if (this.#pings.get(encodeHex(transactionId)) === from.port)
      this.#hit(from.port, this.#heard.get(from.port) ?? '', now)
    return []
  }

  #hit(port: number, ping: string, now: number): void {
    const isNew = !this.#heard.has(port)
    this.#heard.set(port, ping)
    if (isNew && this.#nextAt !== NEVER) this.#nextAt = now + HIT_PAUSE_MS
    if (isNew && this.#givesUpAt !== NEVER) this.#givesUpAt = now + LAST_ANSWERS_MS
  }
}
