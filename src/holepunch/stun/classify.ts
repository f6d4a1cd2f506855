/**
 * What kind of NAT stands in front of us, from what servers see of one socket: mapping (RFC 5780 §4.3) and filtering (RFC 5780 §4.4). Pure functions; asking is done elsewhere.
 * Words are those of RFC 4787.
 */
import { type SocketAddress, sameBytes, sameSocketAddress } from '../../bytes/index.ts'

/** One server, and where it saw the socket. */
export interface MappingSample {
  readonly server: SocketAddress
  readonly mapped: SocketAddress
}

/**
 * `none`: no NAT, the servers see the socket's own address. `varies`: by destination, but whether by its address or also by its port was not asked. `unknown`: two servers
 * are needed, with different addresses.
 */
export type MappingBehaviour =
  | 'none'
  | 'endpoint-independent'
  | 'address-dependent'
  | 'address-and-port-dependent'
  | 'varies'
  | 'unknown'

/**
 * `samples`: of one socket, over one family, in any order. `local`: the addresses that the socket has itself. spec/disco-stun-nat.md §6.4, rows 1 and 2.
 */
export function classifyMapping(
  samples: readonly MappingSample[],
  local: readonly SocketAddress[] = [],
): MappingBehaviour {
  const varies = variesByDestination(samples)
  if (varies !== true) {
    const [first] = samples
    if (first !== undefined && local.some((own) => sameSocketAddress(own, first.mapped))) return 'none'
    return varies === false ? 'endpoint-independent' : 'unknown'
  }
  const byPort = pairs(samples).filter(([left, right]) => isSameHost(left, right) && !isSameServer(left, right))
  if (byPort.length === 0) return 'varies'
  return byPort.some(isDifferent) ? 'address-and-port-dependent' : 'address-dependent'
}

/**
 * True: two servers saw different addresses. False: two servers of different IP addresses saw the same one; two ports of one address say nothing then, for a mapping for each
 * address looks just like that. Undefined: neither.
 */
export function variesByDestination(samples: readonly MappingSample[]): boolean | undefined {
  const all = pairs(samples).filter(([left, right]) => !isSameServer(left, right))
  if (all.some(isDifferent)) return true
  return all.some(([left, right]) => !isSameHost(left, right)) ? false : undefined
}

type Pair = readonly [MappingSample, MappingSample]

function pairs(samples: readonly MappingSample[]): Pair[] {
  return samples.flatMap((left, index) => samples.slice(index + 1).map((right): Pair => [left, right]))
}

function isSameHost(left: MappingSample, right: MappingSample): boolean {
  return sameBytes(left.server.ip, right.server.ip)
}

function isSameServer(left: MappingSample, right: MappingSample): boolean {
  return sameSocketAddress(left.server, right.server)
}

function isDifferent([left, right]: Pair): boolean {
  return !sameSocketAddress(left.mapped, right.mapped)
}

/** Whose packets get in where only one server was sent something. */
export type FilteringBehaviour =
  | 'endpoint-independent'
  | 'address-dependent'
  | 'address-and-port-dependent'
  /** The server does not answer, or not from other addresses. */
  | 'unknown'

/** How a question from a socket that has sent to this server alone went. `undefined`: it was not asked. */
export interface FilteringAnswers {
  /** To answer from another address and port. */
  readonly otherAddress: 'answered' | 'silent' | 'refused' | undefined
  /** To answer from another port. */
  readonly otherPort: 'answered' | 'silent' | 'refused' | undefined
}

/** spec/disco-stun-nat.md §6.4, row 3. */
export function classifyFiltering({ otherAddress, otherPort }: FilteringAnswers): FilteringBehaviour {
  if (otherAddress === 'answered') return 'endpoint-independent'
  if (otherAddress !== 'silent') return 'unknown'
  if (otherPort === 'answered') return 'address-dependent'
  return otherPort === 'silent' ? 'address-and-port-dependent' : 'unknown'
}
