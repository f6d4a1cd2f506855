/** Whom the application wants to join: targets of all forms become keys, and their addresses are kept for the dial (spec/gossip.md §8.1). */
import { messageOf } from '../../bytes/index.ts'
import type { ConnectTarget } from '../../endpoint/index.ts'
import { addrOf, type EndpointAddr } from '../../identity/index.ts'
import { GossipError } from '../errors.ts'

export interface TargetHost {
  readonly me: string
  name(addr: EndpointAddr): string
}

/** Keys without duplicates, ascending, and without our own. Throws GossipError INVALID_OPTION; then nothing was kept. */
export function targetKeys(targets: readonly ConnectTarget[], host: TargetHost): string[] {
  const addrs = targets.map(toAddr)
  const keys = new Set(addrs.map((addr) => host.name(addr)))
  keys.delete(host.me)
  return [...keys].sort()
}

function toAddr(target: ConnectTarget): EndpointAddr {
  try {
    return addrOf(target)
  } catch (error) {
    throw new GossipError('INVALID_OPTION', `a peer to join: ${messageOf(error)}`, { cause: error })
  }
}
