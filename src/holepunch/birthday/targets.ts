/**
 * Where birthday probing may send at all: to the peer's public IPv4 address, as it announced it for hole punching, and nowhere else (spec/disco-stun-nat.md §8.5).
 */
import { type SocketAddress, sameBytes } from '../../bytes/index.ts'
import { isProbeable } from '../candidates/interface-addresses.ts'
import type { BirthdayRole } from './message.ts'

/** Networks that end at some router: RFC 1918, RFC 6598, RFC 3927. */
const PRIVATE: readonly (readonly [first: number, second: number, bits: number])[] = [
  [10, 0, 8],
  [100, 64, 10],
  [169, 254, 16],
  [172, 16, 12],
  [192, 168, 16],
]

/** An IPv4 address behind which there is one NAT that everybody reaches. */
export function isPublicIpv4(ip: Uint8Array): boolean {
  if (ip.length !== 4 || !isProbeable({ ip, port: 1 }, [])) return false
  const start = (ip[0]! << 8) | ip[1]!
  return !PRIVATE.some(([first, second, bits]) => start >> (16 - bits) === ((first << 8) | second) >> (16 - bits))
}

/**
 * Whether what the peer calls its address may be sent to. `candidates` are what it announced for punching: of an easy NAT the address itself is among them, of a hard
 * one only the IP counts, for the ports are what we are looking for. Refused: `own` IPs, whose NAT would send it back to us.
 */
export function isPeersAddress(
  role: BirthdayRole,
  { ip, port }: SocketAddress,
  candidates: readonly SocketAddress[],
  own: readonly Uint8Array[],
  isPublic: (ip: Uint8Array) => boolean = isPublicIpv4,
): boolean {
  if (!isPublic(ip) || own.some((ours) => sameBytes(ours, ip))) return false
  if (role === 'easy' && port === 0) return false
  return candidates.some((candidate) => sameBytes(candidate.ip, ip) && (role === 'hard' || candidate.port === port))
}
