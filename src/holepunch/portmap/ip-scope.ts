/** What an IPv4 address is good for when a router names it: reachable from anywhere, or only from near by. Pure. */

/** RFC 1918, link-local, and the shared space of carriers' NATs (RFC 6598). `ip`: 4 bytes. */
export function isPrivateIpv4(ip: Uint8Array): boolean {
  const [a, b] = [ip[0]!, ip[1]!]
  if (a === 10) return true
  if (a === 172) return (b & 0xf0) === 16
  if (a === 192) return b === 168
  if (a === 169) return b === 254
  return a === 100 && (b & 0xc0) === 64
}

/**
 * Whether peers elsewhere may use it as the outside of a mapping: IPv4, not private, and not one of those that belong to no host (this network,
 * loopback, multicast, reserved). A router that has no such address stands behind another NAT, or is offline.
 */
export function isPublicIpv4(ip: Uint8Array): boolean {
  if (ip.length !== 4 || isPrivateIpv4(ip)) return false
  const first = ip[0]!
  return first !== 0 && first !== 127 && first < 224
}
