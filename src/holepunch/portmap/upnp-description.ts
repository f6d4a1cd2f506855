/**
 * What a gateway device says about itself (UPnP Device Architecture 1.1 §2.3): which of its services maps ports, and where that is asked. Also which
 * addresses may be asked at all: a description comes from whoever answered first on the local network. Pure.
 */
import { parseIp, parseUrl } from '../../bytes/index.ts'
import { isPrivateIpv4 } from './ip-scope.ts'
import { childrenOf, parseXml, textOf, walk } from './xml.ts'

/** Best first. */
export const WAN_SERVICES = [
  'urn:schemas-upnp-org:service:WANIPConnection:2',
  'urn:schemas-upnp-org:service:WANIPConnection:1',
  'urn:schemas-upnp-org:service:WANPPPConnection:1',
] as const
export type WanServiceType = (typeof WAN_SERVICES)[number]

/** A router has one WAN connection or two. */
const MOST_SERVICES = 4

export interface WanService {
  readonly type: WanServiceType
  /** Absolute, on the host that was asked. */
  readonly controlUrl: string
}

/** Services that map ports, best first, those of one kind in the order of the document. `location`: where the description came from. */
export function parseDescription(xml: string, location: URL): WanService[] {
  const root = parseXml(xml)
  if (root === undefined || root.name !== 'root') return []
  const base = textOf(root, 'URLBase') ?? ''
  const found: WanService[] = []
  walk(root, (element) => {
    if (element.name !== 'serviceList') return
    for (const service of childrenOf(element, 'service')) {
      const type = WAN_SERVICES.find((one) => one === textOf(service, 'serviceType'))
      const controlUrl = controlUrlOf(textOf(service, 'controlURL') ?? '', base, location)
      if (type !== undefined && controlUrl !== undefined) found.push({ type, controlUrl })
    }
  })
  const rank = ({ type }: WanService): number => WAN_SERVICES.indexOf(type)
  return found.sort((left, right) => rank(left) - rank(right)).slice(0, MOST_SERVICES)
}

/** Relative to URLBase, which is relative to LOCATION. On another host than that it is not asked. */
function controlUrlOf(path: string, base: string, location: URL): string | undefined {
  if (path === '') return undefined
  const from = base === '' ? location : resolve(base, location)
  const url = from === undefined ? undefined : resolve(path, from)
  return url?.protocol === 'http:' && url.hostname === location.hostname ? url.href : undefined
}

function resolve(reference: string, base: URL): URL | undefined {
  const absolute = parseUrl(reference)
  if (absolute !== undefined) return absolute
  try {
    return new URL(reference, base)
  } catch {
    return undefined
  }
}

/**
 * The LOCATION in an answer from `sender`, if it may be asked: plain HTTP, a numeric IPv4 address, the gateway's or a private one, and the
 * sender's own unless it is the gateway's, so that nobody makes us ask others. Undefined otherwise.
 */
export function acceptLocation(location: string, sender: string, gateway: string): URL | undefined {
  const url = parseUrl(location)
  if (url === undefined || url.protocol !== 'http:' || url.username !== '' || url.password !== '') return undefined
  if (url.hostname === gateway) return url
  return url.hostname === sender && isPrivateText(sender) ? url : undefined
}

function isPrivateText(host: string): boolean {
  try {
    const ip = parseIp(host)
    return ip.length === 4 && isPrivateIpv4(ip)
  } catch {
    return false
  }
}
