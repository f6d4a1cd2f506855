/** What the doctor is told, and what it says. Types only. */
import type { SocketAddress } from '../../bytes/index.ts'
import type { InterfaceAddress } from '../../platform/index.ts'
import type { NatKind, NetReport } from '../net-report/report.ts'
import type { PortMapProbe } from '../portmap/probe.ts'
import type { FilteringBehaviour, MappingBehaviour } from '../stun/classify.ts'
import type { StunReport } from '../stun/stun-prober.ts'

export interface DoctorInput {
  /** URLs of the relays that were asked. */
  readonly relays: readonly string[]
  /** `host:port` of the STUN servers that were asked. */
  readonly stunServers: readonly string[]
  /** Of the endpoint; undefined where none came in time. */
  readonly report: NetReport | undefined
  /** What the endpoint's sockets have themselves. */
  readonly localAddresses: readonly SocketAddress[]
  readonly interfaces: readonly InterfaceAddress[]
  /** Asked from sockets beside the endpoint's, other addresses of the servers too. Absent: no servers. */
  readonly stun?: { readonly report: StunReport; readonly localAddresses: readonly SocketAddress[] }
  /** Over IPv4. Absent: no server that can tell was found. */
  readonly filtering?: FilteringBehaviour
  /** Absent: the router was not asked. */
  readonly portMap?: PortMapProbe
  /** Absent: none was found. */
  readonly homeRelay?: { readonly url: string; readonly isConnected: boolean; readonly error?: string }
}

export type FindingTopic =
  | 'udp'
  | 'captive-portal'
  | 'ipv4'
  | 'ipv6'
  | 'nat'
  | 'filtering'
  | 'second-nat'
  | 'port-mapping'
  | 'direct'
  | 'relays'

export interface Finding {
  /** Stable, for programs; the rest is for people. */
  readonly topic: FindingTopic
  readonly title: string
  readonly status: 'good' | 'fair' | 'bad' | 'unknown'
  /** What was found, in a few words. */
  readonly value: string
  /** What that means for connections. */
  readonly meaning: string
  /** What can be done, where something can. */
  readonly advice?: string
}

export type PeerKind = 'open' | 'easy' | 'hard'

/** `search`: only by probing many ports, between two nodes of ours. `relay`: it stays there. */
export type PairOutcome = 'direct' | 'search' | 'relay' | 'unknown'

export interface Diagnosis {
  /** Over IPv4, as is the rest. */
  readonly natKind: NatKind
  readonly mapping: MappingBehaviour
  readonly filtering: FilteringBehaviour
  /** With whom connections go direct: peers without a NAT, behind an easy one, behind a hard one. */
  readonly pairs: Readonly<Record<PeerKind, PairOutcome>>
  readonly findings: readonly Finding[]
}
