/** Whether two texts name the same address of this host, for the check after a network change (spec/relay.md §5.6). */
import { canonicalIp, formatIp, parseIp } from '../../bytes/index.ts'

/** A numeric address as `formatIp` writes it, IPv4 never mapped into IPv6, without a zone; other text as it is. */
export function canonicalAddress(address: string): string {
  try {
    return formatIp(canonicalIp(parseIp(address.split('%', 1)[0]!)))
  } catch {
    return address
  }
}
