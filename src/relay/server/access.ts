/**
 * Who may use the relay, besides what an application decides itself: lists of ids and shared tokens (spec/relay.md §2.5, §4.4). Asking
 * another server is `access-hook.ts`'s.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { EndpointId } from '../../identity/index.ts'
import { NOT_AUTHORIZED } from '../protocol/index.ts'
import { RelayServerError } from './errors.ts'
import type { AccessControl, AccessDecision, AccessRequest } from './hub/index.ts'

export const ALLOWED: AccessDecision = { allowed: true }
export const DENIED: AccessDecision = { allowed: false, reason: NOT_AUTHORIZED }

function decision(isAllowed: boolean): AccessDecision {
  return isAllowed ? ALLOWED : DENIED
}

/** Only these. */
export class AllowList implements AccessControl {
  readonly #ids: ReadonlySet<string>

  constructor(ids: Iterable<EndpointId>) {
    this.#ids = textsOf(ids)
  }

  allow({ id }: AccessRequest): AccessDecision {
    return decision(this.#ids.has(id.toString()))
  }
}

/** All but these. */
export class DenyList implements AccessControl {
  readonly #ids: ReadonlySet<string>

  constructor(ids: Iterable<EndpointId>) {
    this.#ids = textsOf(ids)
  }

  allow({ id }: AccessRequest): AccessDecision {
    return decision(!this.#ids.has(id.toString()))
  }
}

/** Whoever shows one of these tokens, as a bearer token or as `?token=` in the URL. */
export class SharedToken implements AccessControl {
  readonly #hashes: readonly Buffer[]

  /** Throws RelayServerError INVALID_OPTION for no token, or an empty one: that would let everybody in, or nobody. */
  constructor(tokens: readonly string[]) {
    if (tokens.length === 0) throw new RelayServerError('INVALID_OPTION', 'shared_token: expected at least one token')
    if (tokens.includes('')) throw new RelayServerError('INVALID_OPTION', 'shared_token: a token is empty')
    this.#hashes = tokens.map(sha256)
  }

  allow({ token }: AccessRequest): AccessDecision {
    if (token === undefined) return DENIED
    const hash = sha256(token)
    let isOne = false
    // All of them, and each in constant time: how long it takes tells nothing about a token.
    for (const expected of this.#hashes) isOne = timingSafeEqual(hash, expected) || isOne
    return decision(isOne)
  }
}

function textsOf(ids: Iterable<EndpointId>): ReadonlySet<string> {
  return new Set([...ids].map((id) => id.toString()))
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest()
}
