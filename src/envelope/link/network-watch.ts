/**
 * Tells when this node is in another network (TRN-10): of the direct addresses that it had since the last change none is left, be they replaced at once or one after the other. A further
 * address, or one that went, is no such thing.
 */
import { formatIp } from '../../bytes/index.ts'
import type { Endpoint } from '../../endpoint/index.ts'
import type { EndpointAddr } from '../../identity/index.ts'

/** Resolves when `signal` is aborted or the endpoint ends; never rejects. */
export async function watchNetwork(
  endpoint: Pick<Endpoint, 'addr' | 'addrChanges'>,
  signal: AbortSignal,
  onChange: () => void,
): Promise<void> {
  /** At the last change, or the first. */
  let known = hosts(endpoint.addr())
  try {
    for await (const addr of endpoint.addrChanges({ signal })) {
      const now = hosts(addr)
      // without any there is nothing to move to yet
      if (now.size === 0 || [...now].some((host) => known.has(host))) continue
      const isFirst = known.size === 0
      known = now
      if (!isFirst) onChange()
    }
  } catch {
    // aborted
  }
}

/** Without ports: a NAT that maps us anew is no other network. */
function hosts(addr: EndpointAddr): ReadonlySet<string> {
  return new Set(addr.ipAddrs.map(({ ip }) => formatIp(ip)))
}
