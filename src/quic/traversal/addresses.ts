/** Lists of socket addresses as NAT traversal tells them: canonical, each once. */
import { canonicalSocketAddress, formatSocketAddress } from '../../bytes/index.ts'
import type { AddressBytes } from '../../platform/index.ts'

/** By their text, in the given order; IPv4-mapped IPv6 is made plain (spec/quic.md §5.8). */
export function distinctAddresses(addresses: readonly AddressBytes[]): Map<string, AddressBytes> {
  const distinct = new Map<string, AddressBytes>()
  for (const address of addresses.map(canonicalSocketAddress)) {
    const key = formatSocketAddress(address)
    if (!distinct.has(key)) distinct.set(key, address)
  }
  return distinct
}
