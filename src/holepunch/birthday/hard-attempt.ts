/**
 * The side whose NAT has a mapping for each destination: many sockets that each ping the peer's one address, so that there are many ports by which the peer could get in.
 * It decides which socket won: the first whose ping came back.
 */
import { encodeHex, type SocketAddress, sameBytes } from '../../bytes/index.ts'
import type { DiscoMessage } from '../disco/message.ts'
import { BATCH_MS, type BirthdayAction, BirthdayAttempt } from './attempt.ts'
import type { BirthdayMessage } from './message.ts'

/** The mappings are refreshed after this, ms: some NATs forget those that were never answered within five seconds. */
const REFRESH_MS = 3_000
/** A socket that was hit pings again after this, ms, and so often. */
const HIT_AGAIN_MS = 250
const HIT_PINGS = 4
/** With fewer sockets it is not worth the packets: one of 64,512 ports in 1,920 tries. */
const LEAST_SOCKETS = 32
const NEVER = Number.POSITIVE_INFINITY

interface Hit {
  pings: number
  againAt: number
}

export class HardAttempt extends BirthdayAttempt {
  readonly role = 'hard'
  /** Sockets there are. */
  #count = 0
  /** The next socket of this pass over all of them, and when it goes on, ms. */
  #next = 0
  #nextAt = NEVER
  #passBegan = 0
  #isReady = false
  /** Transaction id as hex → the socket that pinged. */
  readonly #pings = new Map<string, number>()
  /** Sockets that the peer's ping came in by. */
  readonly #hits = new Map<number, Hit>()
  /** The last ping that each socket answered. */
  readonly #answered = new Map<number, string>()

  protected get nextAt(): number {
    let at = this.#nextAt
    for (const { againAt } of this.#hits.values()) at = Math.min(at, againAt)
    return at
  }

  protected begin(): BirthdayAction[] {
    return [{ type: 'bind', sockets: this.sockets }]
  }

  override bound(sockets: number, now: number): BirthdayAction[] {
    if (this.isOver || this.#count > 0) return []
    if (sockets < Math.min(LEAST_SOCKETS, this.sockets)) return this.abort()
    this.#count = sockets
    this.#nextAt = now
    this.#passBegan = now
    return this.run(now)
  }

  protected run(now: number): BirthdayAction[] {
    const actions: BirthdayAction[] = []
    for (const [socket, hit] of this.#hits) {
      if (now < hit.againAt) continue
      hit.pings++
      hit.againAt = hit.pings < HIT_PINGS ? now + HIT_AGAIN_MS : NEVER
      actions.push(...this.#ping(socket))
    }
    if (now >= this.#nextAt) actions.push(...this.#batch(now))
    return actions
  }

  #batch(now: number): BirthdayAction[] {
    const actions: BirthdayAction[] = []
    for (let sent = 0; sent < this.packetsPerBatch && this.#next < this.#count; sent++) {
      if (!this.budget.hasSearch) {
        this.#nextAt = NEVER
        return actions
      }
      actions.push(...this.#ping(this.#next++))
    }
    this.#nextAt = now + BATCH_MS
    if (this.#next < this.#count) return actions
    if (!this.#isReady) {
      this.#isReady = true
      actions.push({ type: 'message', message: { type: 'ready', id: this.id, sockets: this.#count } })
    }
    this.#next = 0
    this.#nextAt = Math.max(this.#passBegan + REFRESH_MS, now + BATCH_MS)
    this.#passBegan = this.#nextAt
    return actions
  }

  #ping(socket: number): BirthdayAction[] {
    return this.ping(socket, this.peer!, (transactionId) => this.#pings.set(encodeHex(transactionId), socket))
  }

  protected isFromPeer({ ip, port }: SocketAddress): boolean {
    return port === this.peer!.port && sameBytes(ip, this.peer!.ip)
  }

  protected onPeerMessage(_message: BirthdayMessage, _now: number): BirthdayAction[] {
    return []
  }

  protected onPing(socket: number, from: SocketAddress, transactionId: Uint8Array, now: number): BirthdayAction[] {
    const name = encodeHex(transactionId)
    if (socket < 0 || socket >= this.#count || this.#answered.get(socket) === name) return []
    this.#answered.set(socket, name)
    const actions = this.pong(socket, from, transactionId)
    if (this.#hits.has(socket)) return actions
    this.#hits.set(socket, { pings: 1, againAt: now + HIT_AGAIN_MS })
    return [...actions, ...this.#ping(socket)]
  }

  protected onPong(
    socket: number,
    _from: SocketAddress,
    { transactionId, observed }: DiscoMessage & { readonly type: 'pong' },
  ): BirthdayAction[] {
    if (this.#pings.get(encodeHex(transactionId)) !== socket) return []
    // The port by which the peer sees this socket: it knows it under no other name.
    if (observed.kind !== 'udp' || observed.port === 0 || !sameBytes(observed.ip, this.own.ip)) return []
    return [
      this.win(socket, this.peer!),
      { type: 'message', message: { type: 'won', id: this.id, port: observed.port } },
    ]
  }
}
