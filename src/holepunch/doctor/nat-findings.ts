/** Findings about the NAT: mapping, filtering, a second one behind it, port mapping, and with whom connections go direct. Pure. */
import type { MappingBehaviour } from '../stun/classify.ts'
import type { DoctorInput, Finding, PairOutcome, PeerKind } from './diagnosis.ts'
import { type Facts, pairsOf } from './facts.ts'

const MAPPING: Readonly<Record<MappingBehaviour, string>> = {
  none: 'none',
  'endpoint-independent': 'easy: one mapping for all destinations',
  'address-dependent': 'hard: a mapping for each address',
  'address-and-port-dependent': 'hard: a mapping for each address and port',
  varies: 'hard: a mapping for each destination',
  unknown: 'unknown',
}

export function natFinding({ relays, stunServers }: DoctorInput, { kind, mapping, udpV4 }: Facts): Finding {
  const base = { topic: 'nat', title: 'NAT', value: MAPPING[mapping] } as const
  switch (kind) {
    case 'none':
      return { ...base, status: 'good', meaning: 'Others see the address that our socket has: nothing translates it.' }
    case 'easy':
      return {
        ...base,
        status: 'good',
        meaning: 'The address that one server sees holds for all, so peers can be told it and packets can meet.',
      }
    case 'hard':
      return {
        ...base,
        status: 'bad',
        meaning:
          'Each peer meets another port than the one that a server sees, so what peers are told is wrong for them.',
        advice:
          'Switch on UPnP, NAT-PMP or PCP in the router and use --port-mapping; or forward a UDP port by hand and use --bind with it and --external; or use IPv6.',
      }
    case 'unknown':
      return {
        ...base,
        status: 'unknown',
        meaning: udpV4
          ? 'Two servers with different IP addresses must answer to tell.'
          : 'No answer came over IPv4 that could tell.',
        ...(udpV4 || relays.length + stunServers.length === 0
          ? { advice: 'Give --stun twice, with servers of different addresses, or two relays.' }
          : {}),
      }
  }
}

/** Undefined: not known, which is no finding. */
export function filteringFinding({ filtering, kind }: Facts): Finding | undefined {
  const base = { topic: 'filtering', title: 'Filtering' } as const
  const who = kind === 'none' ? 'The firewall' : 'The NAT'
  switch (filtering) {
    case 'unknown':
      return undefined
    case 'endpoint-independent':
      return {
        ...base,
        status: 'good',
        value: 'none',
        meaning: `${who === 'The NAT' ? 'The NAT lets' : 'This host gets'} packets in from anybody once a socket has sent something.`,
      }
    case 'address-dependent':
      return {
        ...base,
        status: 'good',
        value: 'by address',
        meaning: `${who} lets in any port of a host that we have sent something to, so peers behind hard NATs get through.`,
      }
    case 'address-and-port-dependent':
      return {
        ...base,
        status: 'fair',
        value: 'by address and port',
        meaning: `${who} lets in only what comes from where we have sent to, as most do. Both sides must send at the same time, and do.`,
      }
  }
}

export function secondNatFinding({ portMap }: DoctorInput, { secondNat, globalV4 }: Facts): Finding {
  const base = { topic: 'second-nat', title: 'Second NAT' } as const
  const external = portMap?.externalIp
  const router = `The router’s outer address is ${external}`
  const forward = 'Ports that the router forwards are not reachable from outside.'
  switch (secondNat) {
    case 'carrier':
      return {
        ...base,
        status: 'bad',
        value: 'at the provider (CGNAT)',
        meaning: `${router}, which providers use between their customers and their own NAT. ${forward}`,
        advice: 'Ask the provider for a public IPv4 address, or use IPv6.',
      }
    case 'private':
      return {
        ...base,
        status: 'bad',
        value: 'another router',
        meaning: `${router}, which is private: it stands behind another router. ${forward}`,
        advice: 'Make the inner router a bridge, or forward the ports in the outer one too.',
      }
    case 'differs':
      return {
        ...base,
        status: 'fair',
        value: 'likely',
        meaning: `${router}, and others see ${globalV4 === undefined ? 'another' : globalV4.ip.join('.')}: another NAT, a VPN, or a second line. Ports that the router forwards may not be reachable.`,
      }
    case 'hint':
      return {
        ...base,
        status: 'fair',
        value: 'possible',
        meaning: 'This host has an address of 100.64.0.0/10: a provider’s NAT (CGNAT), or a VPN such as Tailscale.',
      }
    case 'none':
      return { ...base, status: 'good', value: 'none', meaning: 'What others see is what stands nearest to us.' }
    case 'unknown':
      return {
        ...base,
        status: 'unknown',
        value: portMap === undefined ? 'not tested' : 'unknown',
        meaning:
          external === undefined
            ? 'Only a router that tells its outer address can show it.'
            : `${router}, but nobody says how we look from outside.`,
      }
  }
}

export function portMappingFinding({ portMap }: DoctorInput, { kind, canMapPorts }: Facts): Finding {
  const base = { topic: 'port-mapping', title: 'Port mapping' } as const
  if (portMap === undefined) {
    return {
      ...base,
      status: 'unknown',
      value: 'not tested',
      meaning: 'The router was not asked whether it forwards ports.',
    }
  }
  const { gateway } = portMap
  if (gateway === undefined) {
    return {
      ...base,
      status: 'unknown',
      value: 'no router known',
      meaning: 'The system does not say where its default router is, so nobody was asked.',
    }
  }
  const protocols = [
    ...(portMap.pcp ? ['PCP'] : []),
    ...(portMap.natPmp ? ['NAT-PMP'] : []),
    ...(portMap.upnp ? ['UPnP'] : []),
  ]
  if (protocols.length > 0) {
    return {
      ...base,
      status: canMapPorts ? 'good' : 'fair',
      value: `${protocols.join(', ')} at ${gateway}`,
      meaning: canMapPorts
        ? 'The router forwards a port when asked, and then any peer reaches us.'
        : 'The router forwards ports when asked, but another NAT stands before it.',
      ...(canMapPorts ? { advice: 'Use --port-mapping, or the option portMapping.' } : {}),
    }
  }
  return {
    ...base,
    status: kind === 'none' ? 'good' : 'fair',
    value: `none at ${gateway}`,
    meaning:
      kind === 'none'
        ? 'The router forwards no ports when asked, and there is no need.'
        : 'The router forwards no ports when asked.',
    ...(kind === 'hard' ? { advice: 'Switch on UPnP, NAT-PMP or PCP in the router.' } : {}),
  }
}

const PEERS: Readonly<Record<PeerKind, string>> = {
  open: 'without a NAT',
  easy: 'behind an easy NAT',
  hard: 'behind a hard NAT',
}
const OUTCOMES: Readonly<Record<PairOutcome, string>> = {
  direct: 'direct',
  search: 'direct only by searching ports',
  relay: 'by relay',
  unknown: 'unknown',
}

export function directFinding(facts: Facts): Finding {
  const pairs = pairsOf(facts)
  const kinds = ['open', 'easy', 'hard'] as const
  const outcomes = kinds.map((peer) => pairs[peer])
  const count = (wanted: PairOutcome): number => outcomes.filter((outcome) => outcome === wanted).length
  const status =
    count('unknown') > 1 ? 'unknown' : count('direct') === 3 ? 'good' : count('direct') > 0 ? 'fair' : 'bad'
  const notes = [
    ...(count('search') > 0
      ? ['Searching ports takes both sides to be nodes of this project, and a few seconds.']
      : []),
    ...(facts.kind === 'hard' && !facts.canMapPorts
      ? ['Peers whose NAT filters by address alone, or not at all, are reached directly too.']
      : []),
    ...(facts.canMapPorts && facts.kind !== 'none' ? ['This holds with port mapping switched on.'] : []),
  ]
  return {
    topic: 'direct',
    title: 'Direct connections',
    status,
    value: kinds.map((peer) => `${PEERS[peer]}: ${OUTCOMES[pairs[peer]]}`).join('; '),
    meaning: ['Over IPv4, by the NAT that the peer is behind.', ...notes].join(' '),
  }
}
