/** Findings about the way out: UDP, portals, both families, relays. Pure. */
import { formatSocketAddress } from '../../bytes/index.ts'
import { bestLatencyMs, type RelayLatency } from '../net-report/report.ts'
import type { DoctorInput, Finding } from './diagnosis.ts'
import type { Facts } from './facts.ts'

export function udpFinding({ relays, stunServers, report }: DoctorInput, facts: Facts): Finding {
  const base = { topic: 'udp', title: 'UDP' } as const
  const { udpV4, udpV6, httpsAnswers, isUdpAsked } = facts
  if (udpV4 || udpV6) {
    const families = [...(udpV4 ? ['IPv4'] : []), ...(udpV6 ? ['IPv6'] : [])].join(' and ')
    return {
      ...base,
      status: 'good',
      value: `works over ${families}`,
      meaning: 'Packets go out and answers come back, which direct connections need.',
    }
  }
  if (!isUdpAsked) {
    return {
      ...base,
      status: 'unknown',
      value: 'not tested',
      meaning: 'Nobody was asked, so nothing is known of the way out.',
      advice: 'Give --relay with the URL of a relay, or --stun with a STUN server, better two.',
    }
  }
  if (httpsAnswers > 0 && stunServers.length > 0) {
    return {
      ...base,
      status: 'bad',
      value: 'blocked',
      meaning: 'Relays answer over HTTPS, and nothing comes back over UDP. All connections stay on a relay.',
      advice: `Let UDP out to any port, or at least ${ports(stunServers)}, and answers back in.`,
    }
  }
  if (httpsAnswers > 0) {
    return {
      ...base,
      status: 'bad',
      value: 'no answer',
      meaning:
        'Relays answer over HTTPS and not over UDP port 7842: UDP is blocked, or these relays offer no address discovery.',
      advice: 'Give --stun with a STUN server to tell which.',
    }
  }
  const asked = [...(relays.length > 0 ? ['relays'] : []), ...(stunServers.length > 0 ? ['STUN servers'] : [])]
  return {
    ...base,
    status: 'bad',
    value: 'no answer',
    meaning: `None of the ${asked.join(' and ')} answered in any way.${
      report?.captivePortal === true ? ' A captive portal stands in between.' : ''
    }`,
    advice:
      report?.captivePortal === true
        ? 'Sign in to the network first, then try again.'
        : 'Check that the network is up, and the names that were given.',
  }
}

/** Those that were asked at the servers, and that of relays. */
function ports(stunServers: readonly string[]): string {
  const found = new Set(['7842'])
  for (const server of stunServers) found.add(/:(\d+)$/.exec(server)?.[1] ?? '3478')
  return [...found].join(', ')
}

export function portalFinding({ report, relays }: DoctorInput, { udpV4, udpV6 }: Facts): Finding {
  const base = { topic: 'captive-portal', title: 'Captive portal' } as const
  if (report?.captivePortal === true) {
    return {
      ...base,
      status: 'bad',
      value: 'found',
      meaning: 'Something else answers plain HTTP in the relay’s place: a page that wants you to sign in.',
      advice: 'Open any page in a browser and sign in, then try again.',
    }
  }
  if (report?.captivePortal === false || udpV4 || udpV6)
    return { ...base, status: 'good', value: 'none', meaning: 'Nothing stands between us and the servers.' }
  return {
    ...base,
    status: 'unknown',
    value: 'not tested',
    meaning:
      relays.length === 0 ? 'Only a relay can tell, and none was given.' : 'No relay answered plain HTTP on port 80.',
    ...(relays.length === 0 ? { advice: 'Give --relay.' } : {}),
  }
}

export function ipv4Finding({ interfaces }: DoctorInput, { globalV4, isUdpAsked }: Facts): Finding {
  const base = { topic: 'ipv4', title: 'IPv4' } as const
  if (globalV4 !== undefined) {
    return {
      ...base,
      status: 'good',
      value: formatSocketAddress(globalV4),
      meaning: 'So others see this host; peers are told this address.',
    }
  }
  if (!interfaces.some(({ family, internal }) => family === 4 && !internal)) {
    return {
      ...base,
      status: 'fair',
      value: 'none',
      meaning: 'This host has no IPv4 address: peers with IPv4 alone are reached through a relay.',
    }
  }
  return {
    ...base,
    status: isUdpAsked ? 'bad' : 'unknown',
    value: 'no address seen from outside',
    meaning: isUdpAsked
      ? 'No answer came over IPv4, so peers cannot be told where we are.'
      : 'Nobody was asked how this host looks from outside.',
  }
}

export function ipv6Finding({ interfaces }: DoctorInput, { globalV6, isUdpAsked }: Facts): Finding {
  const base = { topic: 'ipv6', title: 'IPv6' } as const
  if (globalV6 !== undefined) {
    return {
      ...base,
      status: 'good',
      value: formatSocketAddress(globalV6),
      meaning: 'Between two hosts with IPv6 there is mostly no NAT, only firewalls, so connections go direct.',
    }
  }
  const hasAddress = interfaces.some(({ host, family, internal }) => family === 6 && !internal && /^[23]/.test(host))
  if (hasAddress && isUdpAsked) {
    return {
      ...base,
      status: 'fair',
      value: 'an address, but no answer',
      meaning: 'Either IPv6 does not lead out, or those that were asked have none.',
      advice: 'Give a --stun server with IPv6, as [address]:port, to tell which.',
    }
  }
  if (hasAddress)
    return { ...base, status: 'unknown', value: 'an address, not tested', meaning: 'Nobody was asked over IPv6.' }
  return {
    ...base,
    status: 'fair',
    value: 'none',
    meaning: 'IPv6 would often avoid the NAT altogether.',
    advice: 'Ask the network provider for IPv6.',
  }
}

export function relaysFinding({ relays, report, homeRelay }: DoctorInput): Finding {
  const base = { topic: 'relays', title: 'Relays' } as const
  if (relays.length === 0) {
    return {
      ...base,
      status: 'unknown',
      value: 'none given',
      meaning:
        'Without a relay there is no way around a NAT that does not let a connection through, and none to meet first.',
      advice: 'Give --relay with the URL of a relay.',
    }
  }
  const latencies = [...(report?.relayLatencies ?? [])].sort(
    ([, left], [, right]) => bestLatencyMs(left) - bestLatencyMs(right),
  )
  if (latencies.length === 0 && homeRelay?.isConnected !== true) {
    return {
      ...base,
      status: 'bad',
      value: `none of ${relays.length} answered`,
      meaning: 'Nobody can be met through these relays.',
      advice: 'Check the URLs, and whether HTTPS gets out (TCP port 443); behind a proxy set https_proxy.',
    }
  }
  const value = latencies.map(([url, latency]) => `${url} ${latencyText(latency)}`).join('; ')
  const missing = relays.length - latencies.length
  const rest = missing > 0 ? ` ${missing} of ${relays.length} did not answer.` : ''
  if (homeRelay?.isConnected !== true) {
    return {
      ...base,
      status: 'bad',
      value: value === '' ? 'not connected' : value,
      meaning: `They answer, but no connection to ${homeRelay?.url ?? 'one of them'} came up${
        homeRelay?.error === undefined ? '' : `: ${homeRelay.error}`
      }.${rest}`,
      advice: 'Check the token (--relay-token) and whether a proxy or firewall ends WebSockets.',
    }
  }
  return {
    ...base,
    status: missing > 0 ? 'fair' : 'good',
    value: value === '' ? homeRelay.url : value,
    meaning: `Peers find us at ${homeRelay.url}.${rest}`,
  }
}

function latencyText({ qadV4Ms, qadV6Ms, httpsMs }: RelayLatency): string {
  const parts: [string, number | undefined][] = [
    ['UDP IPv4', qadV4Ms],
    ['UDP IPv6', qadV6Ms],
    ['HTTPS', httpsMs],
  ]
  return parts.flatMap(([way, ms]) => (ms === undefined ? [] : [`${ms.toFixed(1)} ms ${way}`])).join(', ')
}
