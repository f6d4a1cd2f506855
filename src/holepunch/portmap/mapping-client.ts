/** What the three protocols have in common: somebody who can have one UDP port mapped, seen from above. */
import type { SocketAddress } from '../../bytes/index.ts'
import type { Gateway } from '../../platform/index.ts'
import type { Alarms } from '../net-report/alarms.ts'

export type PortMapProtocol = 'pcp' | 'nat-pmp' | 'upnp'

/** What is asked for, seconds (spec/disco-stun-nat.md §7.2). */
export const LEASE_SECONDS = 7200

/** A granted mapping. */
export interface Lease {
  /** IPv4. Whether others can reach it is not judged here. */
  readonly external: SocketAddress
  readonly lifetimeMs: number
}

/** A mapping shorter than this is not worth the packets, and one is renewed once a day whatever the router says; seconds. Guesses. */
const LEAST_SECONDS = 10
const MOST_SECONDS = 86_400

/** Undefined for what is no use. `lifetime` in seconds. */
export function leaseOf(ip: Uint8Array, port: number, lifetime: number): Lease | undefined {
  if (ip.length !== 4 || port === 0 || lifetime < LEAST_SECONDS) return undefined
  return { external: { ip, port }, lifetimeMs: Math.min(lifetime, MOST_SECONDS) * 1000 }
}

/**
 * One protocol on one router for one local port. All promises settle soon after `signal` aborts, and none rejects. The calls of one client follow
 * each other, but `release` may come at any time after the others' signals were aborted.
 */
export interface MappingClient {
  readonly protocol: PortMapProtocol
  /** The router's external IPv4 address, 4 bytes, as it was last heard; undefined while it is not known. */
  readonly externalIp: Uint8Array | undefined
  /** Whether the router speaks the protocol. */
  probe(signal: AbortSignal): Promise<boolean>
  /** Makes the mapping, or renews it: as patient as there is time. Undefined: refused, or no answer. */
  map(signal: AbortSignal, isRenewal: boolean): Promise<Lease | undefined>
  /** False when the router says that the mapping is gone, or has another external address; true otherwise, also when it says nothing. */
  check(signal: AbortSignal): Promise<boolean>
  /** Deletes whatever mapping the router may have of us. Does nothing when it can have none, or when `signal` is aborted already. */
  release(signal: AbortSignal): Promise<void>
}

export interface MappingContext {
  readonly alarms: Alarms
  readonly gateway: Gateway
  readonly localPort: number
  readonly now: () => number
  /** 0 ≤ x < 1 */
  readonly uniform: () => number
}

/** From one sending to the next, ms, the last one until the question is given up (spec/disco-stun-nat.md §7.3). */
export const PROBE_WAITS_MS = [250, 500, 1000] as const
export const MAP_WAITS_MS = [250, 500, 1000, 2000] as const
/** As often as fits the time that closing may take. */
export const RELEASE_WAITS_MS = [150, 250, 400] as const

/**
 * Runs `work` with a signal that aborts when `outer` does, or after `ms`; waits no longer than that. What `work` throws gives undefined: routers fail
 * in many ways, and all mean no.
 */
export function attempt<T>(
  alarms: Alarms,
  ms: number,
  outer: AbortSignal,
  work: (signal: AbortSignal) => Promise<T | undefined>,
): Promise<T | undefined> {
  if (outer.aborted) return Promise.resolve(undefined)
  return new Promise((resolve) => {
    const controller = new AbortController()
    const finish = (result: T | undefined): void => {
      cancel()
      outer.removeEventListener('abort', give)
      resolve(result)
    }
    const give = (): void => {
      controller.abort()
      finish(undefined)
    }
    const cancel = alarms.after(ms, give)
    outer.addEventListener('abort', give)
    work(controller.signal).then(finish, () => finish(undefined))
  })
}
