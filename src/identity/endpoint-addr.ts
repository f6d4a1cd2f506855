/** `EndpointAddr`: an endpoint id and the ordered set of ways to reach it (spec/endpoint.md §1.2). */
import type { SocketAddress } from '../bytes/index.ts'
import { EndpointId } from './endpoint-id.ts'
import { IdentityError } from './errors.ts'
import type { RelayUrl } from './relay-url.ts'
import {
  compareTransportAddrs,
  ipAddr,
  relayAddr,
  type TransportAddr,
  type TransportAddrJson,
  transportAddrFromJson,
  transportAddrToJson,
} from './transport-addr.ts'

export interface EndpointAddrJson {
  id: string
  addrs: TransportAddrJson[]
}

/** Immutable: the `with…` methods return a new one. No addresses at all is legal and means "look it up". */
export class EndpointAddr {
  readonly id: EndpointId
  /** Sorted, without duplicates: relays, then IPv4, IPv6, custom. */
  readonly addrs: readonly TransportAddr[]

  constructor(id: EndpointId, addrs: Iterable<TransportAddr> = []) {
    const sorted = [...addrs].sort(compareTransportAddrs)
    this.id = id
    this.addrs = Object.freeze(
      sorted.filter((addr, index) => index === 0 || compareTransportAddrs(sorted[index - 1]!, addr) !== 0),
    )
  }

  /** Throws IdentityError INVALID_RELAY_URL for text that is no URL. */
  withRelay(url: RelayUrl | string): EndpointAddr {
    return this.withAddrs([relayAddr(url)])
  }

  /** Takes `1.2.3.4:5`, `[::1]:5` or an address. Throws IdentityError INVALID_ADDRESS. */
  withIp(address: SocketAddress | string): EndpointAddr {
    return this.withAddrs([ipAddr(address)])
  }

  withAddrs(addrs: Iterable<TransportAddr>): EndpointAddr {
    return new EndpointAddr(this.id, [...this.addrs, ...addrs])
  }

  /** Whether only the id is known. */
  get isEmpty(): boolean {
    return this.addrs.length === 0
  }

  get relayUrls(): RelayUrl[] {
    return this.addrs.flatMap((addr) => (addr.kind === 'relay' ? [addr.url] : []))
  }

  get ipAddrs(): SocketAddress[] {
    return this.addrs.flatMap((addr) => (addr.kind === 'ip' ? [addr.address] : []))
  }

  equals(other: EndpointAddr): boolean {
    return (
      this.id.equals(other.id) &&
      this.addrs.length === other.addrs.length &&
      this.addrs.every((addr, index) => compareTransportAddrs(addr, other.addrs[index]!) === 0)
    )
  }

  toJSON(): EndpointAddrJson {
    return { id: this.id.toString(), addrs: this.addrs.map(transportAddrToJson) }
  }

  /** Reads what `toJSON` gives (parsed). Throws IdentityError. */
  static fromJSON(value: unknown): EndpointAddr {
    const { id, addrs } = (typeof value === 'object' && value !== null ? value : {}) as {
      id?: unknown
      addrs?: unknown
    }
    if (typeof id !== 'string' || !Array.isArray(addrs)) {
      throw new IdentityError('INVALID_ADDRESS', 'an endpoint address in JSON has an "id" (text) and "addrs" (list)')
    }
    return new EndpointAddr(EndpointId.parse(id), addrs.map(transportAddrFromJson))
  }
}
