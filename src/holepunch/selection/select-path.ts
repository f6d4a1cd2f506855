/**
 * Which of the open paths to a peer carries the data: the rule of the biased RTT. A pure function of what is known about the paths;
 * opening, closing and PATH_STATUS are its caller's. spec/endpoint.md §4.1.
 */

/** What IPv6 is given ahead of IPv4, ms. */
const IPV6_BONUS_MS = 3
/** A path must be better by so much to take the place of the present one of its tier, ms. */
const HYSTERESIS_MS = 5

export interface PathCandidate<Key> {
  /** The 4-tuple: equal keys (`===`) are the same path, on several connections to the peer. */
  readonly key: Key
  readonly kind: 'ipv4' | 'ipv6' | 'relay'
  /** Smoothed RTT, ms. A path without a sample is measured by what is assumed of it, not by 0. */
  readonly rttMs: number
  /** Data goes here now. */
  readonly isCurrent: boolean
}

/**
 * The key of the path to use: the lowest RTT, any direct path before any relay. The present path stays while no other of its tier is 5 ms better.
 * Undefined when there is no candidate: then nothing changes. To be asked when paths come and go, not for each RTT sample.
 */
export function selectPath<Key>(candidates: readonly PathCandidate<Key>[]): Key | undefined {
  let best: PathCandidate<Key> | undefined
  let current: PathCandidate<Key> | undefined
  for (const candidate of candidates) {
    if (best === undefined || isBefore(candidate, best)) best = candidate
    if (candidate.isCurrent && (current === undefined || isBefore(candidate, current))) current = candidate
  }
  if (best === undefined) return undefined
  if (current === undefined || current.key === best.key) return best.key
  // The same path on another connection may say less than the one that is marked.
  for (const candidate of candidates)
    if (candidate.key === current.key && isBefore(candidate, current)) current = candidate
  if (isBackup(best) !== isBackup(current)) return best.key
  return biasedMs(best) + HYSTERESIS_MS <= biasedMs(current) ? best.key : current.key
}

function isBackup(candidate: PathCandidate<unknown>): boolean {
  return candidate.kind === 'relay'
}

function biasedMs({ kind, rttMs }: PathCandidate<unknown>): number {
  return kind === 'ipv6' ? rttMs - IPV6_BONUS_MS : rttMs
}

/** Strictly: of equals the first stays. */
function isBefore(left: PathCandidate<unknown>, right: PathCandidate<unknown>): boolean {
  if (isBackup(left) !== isBackup(right)) return isBackup(right)
  return biasedMs(left) < biasedMs(right)
}
