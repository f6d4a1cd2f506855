/** What follows from all that was measured, before anything is said about it: each fact once, for all findings. Pure. */
import { formatIp, parseIp, type SocketAddress } from '../../bytes/index.ts'
import { natKind as kindOfReport, type NatKind } from '../net-report/report.ts'
import { isPrivateIpv4 } from '../portmap/ip-scope.ts'
import { classifyMapping, type FilteringBehaviour, type MappingBehaviour } from '../stun/classify.ts'
import type { DoctorInput, PairOutcome, PeerKind } from './diagnosis.ts'

export interface Facts {
  /** Somebody was asked over UDP. */
  readonly isUdpAsked: boolean
  readonly udpV4: boolean
  readonly udpV6: boolean
  /** Relays that answered over HTTPS. */
  readonly httpsAnswers: number
  readonly globalV4: SocketAddress | undefined
  readonly globalV6: SocketAddress | undefined
  readonly kind: NatKind
  readonly mapping: MappingBehaviour
  readonly filtering: FilteringBehaviour
  /** The router can forward a port, and what it forwards can be reached. */
  readonly canMapPorts: boolean
  readonly secondNat: SecondNat
}

/**
 * `carrier`: the router's outer address is of the shared space of providers' NATs (RFC 6598). `private`: it is another private one. `differs`: it is public, but not the one that others see. `hint`: an
 * interface of this host has an address of the shared space. `none`: there is no second one. `unknown`: the router does not say.
 */
export type SecondNat = 'carrier' | 'private' | 'differs' | 'hint' | 'none' | 'unknown'

export function factsOf(input: DoctorInput): Facts {
  const { report, relays, stunServers, filtering = 'unknown' } = input
  const samples = input.stun?.report.samples ?? []
  const seen = (family: 4 | 6): SocketAddress | undefined => samples.find((sample) => sample.family === family)?.mapped
  const globalV4 = report?.globalV4 ?? seen(4)
  const globalV6 = report?.globalV6 ?? seen(6)
  const mapping = mappingOf(input)
  const kind = kindOf(mapping)
  const secondNat = secondNatOf(input, kind, globalV4)
  const { portMap } = input
  const isOffered = portMap !== undefined && (portMap.pcp || portMap.natPmp || portMap.upnp)
  return {
    isUdpAsked: relays.length + stunServers.length > 0,
    udpV4: globalV4 !== undefined,
    udpV6: globalV6 !== undefined,
    httpsAnswers: [...(report?.relayLatencies.values() ?? [])].filter(({ httpsMs }) => httpsMs !== undefined).length,
    globalV4,
    globalV6,
    kind,
    mapping,
    filtering,
    canMapPorts: isOffered && !['carrier', 'private', 'differs'].includes(secondNat),
    secondNat,
  }
}

/** Two measurements, from different sockets: that of the STUN servers says more, but that it varies is true if either says so. */
function mappingOf({ report, localAddresses, stun }: DoctorInput): MappingBehaviour {
  const samples = stun?.report.samples.filter(({ family }) => family === 4) ?? []
  const detailed = classifyMapping(samples, stun?.localAddresses)
  const kind = report === undefined ? 'unknown' : kindOfReport(report, localAddresses)
  if (kind === 'hard' && kindOf(detailed) !== 'hard') return 'varies'
  if (detailed !== 'unknown') return detailed
  return kind === 'none' ? 'none' : kind === 'easy' ? 'endpoint-independent' : 'unknown'
}

function kindOf(mapping: MappingBehaviour): NatKind {
  if (mapping === 'none' || mapping === 'unknown') return mapping
  return mapping === 'endpoint-independent' ? 'easy' : 'hard'
}

function secondNatOf(
  { portMap, interfaces }: DoctorInput,
  kind: NatKind,
  global: SocketAddress | undefined,
): SecondNat {
  const external = portMap?.externalIp
  if (external !== undefined) {
    const ip = parseIp(external)
    if (isShared(ip)) return 'carrier'
    if (isPrivateIpv4(ip)) return 'private'
    if (global === undefined) return 'unknown'
    return formatIp(global.ip) === external ? 'none' : 'differs'
  }
  if (kind === 'none') return 'none'
  return interfaces.some(({ host, family }) => family === 4 && isShared(parseIp(host))) ? 'hint' : 'unknown'
}

/** 100.64.0.0/10, RFC 6598. */
function isShared(ip: Uint8Array): boolean {
  return ip.length === 4 && ip[0] === 100 && (ip[1]! & 0xc0) === 64
}

/** As measured in the laboratory, spec/disco-stun-nat.md §8.4 and §8.5. */
export function pairsOf(facts: Facts): Readonly<Record<PeerKind, PairOutcome>> {
  const { kind, filtering, isUdpAsked, udpV4, udpV6, canMapPorts } = facts
  if (isUdpAsked && !udpV4 && !udpV6) return { open: 'relay', easy: 'relay', hard: 'relay' }
  if (canMapPorts) return { open: 'direct', easy: 'direct', hard: 'direct' }
  // Whoever lets in all ports of a host that was sent something need not know from which one it answers.
  const isLenient = filtering === 'endpoint-independent' || filtering === 'address-dependent'
  switch (kind) {
    case 'unknown':
      return { open: udpV4 ? 'direct' : 'unknown', easy: 'unknown', hard: 'unknown' }
    case 'none':
      // Without a NAT only a firewall can be in the way, and that was not seen.
      return { open: 'direct', easy: 'direct', hard: isLenient || filtering === 'unknown' ? 'direct' : 'search' }
    case 'easy':
      return { open: 'direct', easy: 'direct', hard: isLenient ? 'direct' : 'search' }
    case 'hard':
      return { open: 'direct', easy: 'search', hard: 'relay' }
  }
}
