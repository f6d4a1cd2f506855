/**
 * What a net report says, and which addresses of ours follow from it. Types, and pure functions of them. spec/endpoint.md §3.2, §6.3.
 */
import { type SocketAddress, sameSocketAddress } from '../../bytes/index.ts'
import type { StunSample } from '../stun/stun-prober.ts'
import type { Family } from './families.ts'

/** How long a relay took to answer, by the way it was asked; the least of several samples, ms. At least one is there. */
export interface RelayLatency {
  readonly qadV4Ms?: number
  readonly qadV6Ms?: number
  /** From the request to the head of the answer: name, TCP and TLS are in it. */
  readonly httpsMs?: number
}

export type LatencyKind = keyof RelayLatency

export interface NetReport {
  /** A relay or a STUN server answered over UDP in this report. */
  readonly udpV4: boolean
  readonly udpV6: boolean
  /** Our address as the first relay that answered sees it, else as the first STUN server does. Absent: none answered over UDP. */
  readonly globalV4?: SocketAddress
  readonly globalV6?: SocketAddress
  /** Another relay or STUN server saw us at another address: a NAT with a mapping for each destination. Absent: never asked two. */
  readonly mappingVariesByDestV4?: boolean
  readonly mappingVariesByDestV6?: boolean
  /** What STUN servers answered in this report. Absent: nothing, or none was asked. */
  readonly stun?: readonly StunSample[]
  /** Relays that answered in this report, by `RelayUrl.href`. */
  readonly relayLatencies: ReadonlyMap<string, RelayLatency>
  /** The home relay after this report: where none answered, what it was before. */
  readonly preferredRelay: string | undefined
  /** Something that is not the relay answered plain HTTP in its place. Absent: not asked, or no answer. */
  readonly captivePortal?: boolean
  readonly isFull: boolean
  readonly durationMs: number
}

/** The least of all kinds, ms. */
export function bestLatencyMs({ qadV4Ms, qadV6Ms, httpsMs }: RelayLatency): number {
  const never = Number.POSITIVE_INFINITY
  return Math.min(qadV4Ms ?? never, qadV6Ms ?? never, httpsMs ?? never)
}

export interface ReportedAddress {
  readonly address: SocketAddress
  /** `qad`: as a relay or a STUN server sees us. `qad4localport`: the port is the one of our socket, in case the router forwards it. */
  readonly source: 'qad' | 'qad4localport'
}

/**
 * The addresses that peers may be told because of a report, without duplicates. `configuredPortV4`: the port that the application asked the IPv4
 * socket to have; 0 or undefined when it left the choice to the system.
 */
export function reportedAddresses(report: NetReport, configuredPortV4: number | undefined): ReportedAddress[] {
  const { globalV4, globalV6, mappingVariesByDestV4 } = report
  const found: ReportedAddress[] = []
  if (globalV4 !== undefined) {
    found.push({ address: globalV4, source: 'qad' })
    const port = configuredPortV4 ?? 0
    if (mappingVariesByDestV4 === true && port !== 0 && port !== globalV4.port) {
      found.push({ address: { ip: globalV4.ip, port }, source: 'qad4localport' })
    }
  }
  if (globalV6 !== undefined) found.push({ address: globalV6, source: 'qad' })
  return found
}

/**
 * `none`: others see the socket's own address. `easy`: one mapping for all destinations, which peers can be told. `hard`: one for each. `unknown`: too few servers have answered.
 */
export type NatKind = 'none' | 'easy' | 'hard' | 'unknown'

/** `localAddresses`: those that the socket of this family has itself. */
export function natKind(report: NetReport, localAddresses: readonly SocketAddress[], family: Family = 4): NatKind {
  const isV4 = family === 4
  const global = isV4 ? report.globalV4 : report.globalV6
  const varies = isV4 ? report.mappingVariesByDestV4 : report.mappingVariesByDestV6
  if (global === undefined) return 'unknown'
  if (varies === true) return 'hard'
  if (localAddresses.some((own) => sameSocketAddress(own, global))) return 'none'
  return varies === false ? 'easy' : 'unknown'
}
