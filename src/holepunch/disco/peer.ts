/** A peer that disco knows: its addresses, and when what was last done for it (spec/disco-stun-nat.md §3.2). */
import { DISCOVERY_INTERVAL_MS, GOOD_ENOUGH_MS, MAX_INACTIVE_PATHS, UPGRADE_INTERVAL_MS } from './constants.ts'
import type { DiscoAddress } from './message.ts'
import { type ChoiceState, DiscoPath } from './path.ts'

export class DiscoPeer {
  /** 32 bytes. */
  readonly id: Uint8Array
  /** By the text of the address. */
  readonly udp = new Map<string, DiscoPath>()
  relay: DiscoPath | undefined = undefined
  /** Payload went or came; pings and pongs do not count. */
  lastUsed: number
  lastFullPing: number | undefined = undefined
  lastCallMeMaybe: number | undefined = undefined
  /** A CallMeMaybe waits for fresh addresses of ours. */
  owesCallMeMaybe = false
  /** The application asked for it. */
  isWanted = false
  /** It sent something that opened. */
  hasSpoken = false

  constructor(id: Uint8Array, now: number) {
    this.id = id
    this.lastUsed = now
  }

  /** The path through a relay, which takes the place of the one through another. */
  setRelay(url: string): DiscoPath {
    return this.relayBy(url) ?? this.#replaceRelay(url)
  }

  /** Undefined when `url` is not the relay we know. */
  relayBy(url: string): DiscoPath | undefined {
    const address = this.relay?.address
    return address?.kind === 'relay' && address.url === url ? this.relay : undefined
  }

  #replaceRelay(url: string): DiscoPath {
    this.relay = new DiscoPath({ kind: 'relay', url })
    return this.relay
  }

  addPath(name: string, address: DiscoAddress): DiscoPath {
    const path = new DiscoPath(address)
    this.udp.set(name, path)
    return path
  }

  /** Never pinged, or more than 5 s ago. */
  isDue(path: DiscoPath, now: number): boolean {
    return path.lastPingSent === undefined || now - path.lastPingSent > DISCOVERY_INTERVAL_MS
  }

  /** Whether to look for (better) paths; `state` and `path` are the present choice. */
  wantsFullPing(state: ChoiceState, path: DiscoPath | undefined, now: number): boolean {
    if (this.lastFullPing === undefined || state !== 'valid') return true
    const latencyMs = path?.validity?.latencyMs ?? 0
    return latencyMs > GOOD_ENOUGH_MS && now - this.lastFullPing >= UPGRADE_INTERVAL_MS
  }

  /** Those that may be forgotten now: all but the 20 that were alive last. */
  prunablePaths(now: number): DiscoPath[] {
    if (this.udp.size <= MAX_INACTIVE_PATHS) return []
    return [...this.udp.values()]
      .filter((path) => path.isPrunable(now))
      .sort((left, right) => (right.lastAlive ?? -1) - (left.lastAlive ?? -1))
      .slice(MAX_INACTIVE_PATHS)
  }
}
