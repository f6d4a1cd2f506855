/** Names of relays and STUN servers to addresses. */
import { parseIp } from '../../bytes/index.ts'
import type { WebClient } from '../../platform/index.ts'
import type { Family } from './families.ts'

/** The first address of each family; none where the name cannot be looked up. Never rejects. */
export async function lookUp(
  web: WebClient | undefined,
  host: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<Family, string>> {
  const found = new Map<Family, string>()
  const literal = familyOfLiteral(host)
  if (literal !== undefined) return found.set(literal, host)
  try {
    for (const address of (await web?.resolve?.(host, signal)) ?? []) {
      const family: Family = address.includes(':') ? 6 : 4
      if (!found.has(family)) found.set(family, address)
    }
  } catch {
    // Ordinary: the name server is out of reach, or knows no such name.
  }
  return found
}

/** The family of a numeric address; undefined for a name. */
function familyOfLiteral(host: string): Family | undefined {
  if (host.includes(':')) return 6
  // In a parsed URL nothing but an IPv4 address ends in a number.
  return /\d$/.test(host) && isIp(host) ? 4 : undefined
}

function isIp(host: string): boolean {
  try {
    parseIp(host)
    return true
  } catch {
    return false
  }
}
