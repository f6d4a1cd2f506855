/**
 * What disco knows of one address of a peer, and which of its addresses payload takes: the rule of iroh 0.91 and later, evaluated when it is asked
 * (spec/disco-stun-nat.md §3.2 to §3.4).
 */
import { PRUNE_AFTER_MS, SESSION_ACTIVE_MS, TRUST_MS } from './constants.ts'
import type { DiscoAddress } from './message.ts'

export interface PathValidity {
  readonly latestPong: number
  readonly latencyMs: number
  readonly trustUntil: number
}

export class DiscoPath {
  readonly address: DiscoAddress
  lastPingSent: number | undefined = undefined
  /** `transactionId` as hex. */
  lastPingReceived: { readonly at: number; readonly transactionId: string } | undefined = undefined
  callMeMaybeAt: number | undefined = undefined
  lastPayload: number | undefined = undefined
  validity: PathValidity | undefined = undefined

  constructor(address: DiscoAddress) {
    this.address = address
  }

  get isIpv6(): boolean {
    return this.address.kind === 'udp' && this.address.ip.length === 16
  }

  /** Undefined: never. */
  get lastAlive(): number | undefined {
    let last: number | undefined
    const signs = [this.validity?.latestPong, this.lastPayload, this.callMeMaybeAt, this.lastPingReceived?.at]
    for (const at of signs) if (at !== undefined && (last === undefined || at > last)) last = at
    return last
  }

  isValid(now: number): boolean {
    return this.validity !== undefined && now < this.validity.trustUntil
  }

  ponged(latencyMs: number, now: number): void {
    this.validity = { latestPong: now, latencyMs, trustUntil: now + TRUST_MS }
  }

  /** Payload came in: it prolongs trust, but never brings it back. */
  payload(now: number): void {
    if (this.validity !== undefined && this.isValid(now))
      this.validity = { ...this.validity, trustUntil: now + TRUST_MS }
    this.lastPayload = now
  }

  /** The ping that was sent last, or before, got no answer. */
  timedOut(now: number, silenceMs: number): void {
    this.lastPingSent = undefined
    const { lastAlive } = this
    if (lastAlive === undefined || now - lastAlive >= silenceMs) this.validity = undefined
  }

  /** After a network change nothing is known but the address. */
  reset(): void {
    this.lastPingSent = undefined
    this.validity = undefined
  }

  isPrunable(now: number): boolean {
    if (this.lastPayload !== undefined && now - this.lastPayload <= SESSION_ACTIVE_MS) return false
    const { lastAlive } = this
    return lastAlive === undefined || now - lastAlive > PRUNE_AFTER_MS
  }
}

/** How sure the choice is: a Pong that is fresh, one that is not, none, or no address at all. */
export type ChoiceState = 'valid' | 'outdated' | 'unconfirmed' | 'none'

export interface Choice {
  readonly state: ChoiceState
  readonly path: DiscoPath | undefined
}

/** Of the UDP paths: the fastest valid, else the fastest outdated, else any; IPv6 first among equals, and only where there is IPv6 or it works. */
export function choosePath(paths: Iterable<DiscoPath>, hasIpv6: boolean, now: number): Choice {
  let best: DiscoPath | undefined
  let bestRank = 0
  for (const path of paths) {
    const rank = path.isValid(now) ? 3 : path.validity !== undefined ? 2 : 1
    if (path.isIpv6 && !hasIpv6 && rank < 3) continue
    if (best !== undefined && (rank < bestRank || (rank === bestRank && !isBetter(path, best)))) continue
    best = path
    bestRank = rank
  }
  return { state: (['none', 'unconfirmed', 'outdated', 'valid'] as const)[bestRank]!, path: best }
}

function isBetter(path: DiscoPath, than: DiscoPath): boolean {
  const difference = (path.validity?.latencyMs ?? 0) - (than.validity?.latencyMs ?? 0)
  return difference !== 0 ? difference < 0 : path.isIpv6 && !than.isIpv6
}
