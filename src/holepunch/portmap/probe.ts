/** Which ways of port mapping the router offers, for a report of the network. Nothing is mapped. */
import { formatIp } from '../../bytes/index.ts'
import type { Gateway, Platform } from '../../platform/index.ts'
import { Alarms } from '../net-report/alarms.ts'
import { isPublicIpv4 } from './ip-scope.ts'
import { PCP_NONCE_BYTES } from './pcp.ts'
import { Router } from './router.ts'

export interface PortMapProbe {
  readonly pcp: boolean
  readonly natPmp: boolean
  readonly upnp: boolean
  /** IPv4, what the router says; a private one means that there is another NAT behind it. Absent when it does not say (PCP alone does not). */
  readonly externalIp?: string
  /** IPv4 of the router; absent: none is known, and nobody was asked. */
  readonly gateway?: string
}

/** Takes up to about 10 s; when `signal` aborts, what is known by then counts. Rejects only with what the platform throws. */
export async function probePortMapping(platform: Platform, signal: AbortSignal): Promise<PortMapProbe> {
  const gateway = await platform.gateway?.()
  if (gateway === undefined) return { pcp: false, natPmp: false, upnp: false }
  const alarms = new Alarms(platform)
  try {
    return await probe(platform, alarms, gateway, signal)
  } finally {
    alarms.clear()
  }
}

async function probe(platform: Platform, alarms: Alarms, gateway: Gateway, signal: AbortSignal): Promise<PortMapProbe> {
  // no port is mapped, so these do not matter
  const nonce = new Uint8Array(PCP_NONCE_BYTES)
  const router = await Router.open({ platform, alarms, gateway, localPort: 0, nonce })
  try {
    const found = await Promise.all(
      router.clients.map(async (client) => ((await client.probe(signal)) ? client : undefined)),
    )
    const isThere = (protocol: string): boolean => found.some((client) => client?.protocol === protocol)
    const addresses = found.flatMap((client) => client?.externalIp ?? [])
    const externalIp = addresses.find(isPublicIpv4) ?? addresses[0]
    return {
      pcp: isThere('pcp'),
      natPmp: isThere('nat-pmp'),
      upnp: isThere('upnp'),
      ...(externalIp === undefined ? {} : { externalIp: formatIp(externalIp) }),
      gateway: gateway.address,
    }
  } finally {
    await router.close()
  }
}
