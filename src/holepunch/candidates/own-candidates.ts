/** The addresses where a peer may reach us, the most promising first, each with where it is known from (spec/endpoint.md §3.2). Pure. */
import { canonicalSocketAddress, formatSocketAddress, type SocketAddress } from '../../bytes/index.ts'
import { type NetReport, reportedAddresses } from '../net-report/report.ts'
import { isLoopback } from './interface-addresses.ts'

/** `portmap`: the router forwards it. `qad`, `qad4localport`: seen from outside (relays, STUN). `local`: an interface of ours. `config`: the application said so. */
export type CandidateSource = 'portmap' | 'qad' | 'qad4localport' | 'local' | 'config'

export interface OwnCandidate {
  readonly address: SocketAddress
  readonly source: CandidateSource
}

export interface CandidateInputs {
  /** What the router forwards to our IPv4 socket. */
  readonly portMapping?: SocketAddress | undefined
  readonly report?: NetReport | undefined
  /** The port that the application asked the IPv4 socket to have; 0 or undefined when the system chose. */
  readonly configuredPortV4?: number | undefined
  /** Of our interfaces and sockets. */
  readonly local: readonly SocketAddress[]
  readonly external: readonly SocketAddress[]
}

/** Addresses that a peer is told at most: as many as it says it takes (spec/endpoint.md §3.2). */
export const MAX_CANDIDATES = 32

/** Without duplicates: the first source is the one that counts. At most `MAX_CANDIDATES`; what comes last is left out. */
export function ownCandidates(inputs: CandidateInputs): OwnCandidate[] {
  const { portMapping, report, configuredPortV4, local, external } = inputs
  const found = new Map<string, OwnCandidate>()
  const add = (address: SocketAddress, source: CandidateSource): void => {
    const canonical = canonicalSocketAddress(address)
    const text = formatSocketAddress(canonical)
    if (!found.has(text)) found.set(text, { address: canonical, source })
  }
  if (portMapping !== undefined) add(portMapping, 'portmap')
  if (report !== undefined)
    for (const { address, source } of reportedAddresses(report, configuredPortV4)) add(address, source)
  // loopback means nothing elsewhere, so it is told only where nothing else is known
  const elsewhere = found.size > 0 ? local.filter(({ ip }) => !isLoopback(ip)) : local
  for (const address of elsewhere) add(address, 'local')
  for (const address of external) add(address, 'config')
  return [...found.values()].slice(0, MAX_CANDIDATES)
}
