/** An IP address with a port: text (`1.2.3.4:5`, `[::1]:5`), order and canonical form. The IP part is `ip.ts`'s. */
import { EncodingError, quote } from './encoding-error.ts'
import { canonicalIp, compareIp, formatIp, parseIp, sameBytes } from './ip.ts'

/** Read-only by contract: nobody writes into `ip` (4 or 16 bytes, network order). */
export interface SocketAddress {
  readonly ip: Uint8Array
  /** 0 … 65535 */
  readonly port: number
}

/** Reads `1.2.3.4:5` or `[2001:db8::1]:5`, strictly; an IPv4-mapped address stays as it is. Throws EncodingError. */
export function parseSocketAddress(text: string): SocketAddress {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
  const [, ipv6, ipv4, digits] = match ?? []
  const port = Number(digits)
  // brackets are for IPv6 and only for IPv6
  if (match === null || port > 65535 || ipv6?.includes(':') === false) {
    throw new EncodingError(`expected ip:port or [ipv6]:port, got ${quote(text)}`)
  }
  return { ip: parseIp(ipv6 ?? ipv4!), port }
}

export function formatSocketAddress({ ip, port }: SocketAddress): string {
  return ip.length === 16 ? `[${formatIp(ip)}]:${port}` : `${formatIp(ip)}:${port}`
}

/** IPv4-mapped IPv6 becomes IPv4; anything else is returned as it is. */
export function canonicalSocketAddress(address: SocketAddress): SocketAddress {
  const ip = canonicalIp(address.ip)
  return ip === address.ip ? address : { ip, port: address.port }
}

/** All IPv4 before all IPv6, then address bytes, then port: negative, 0 or positive. */
export function compareSocketAddresses(left: SocketAddress, right: SocketAddress): number {
  return compareIp(left.ip, right.ip) || left.port - right.port
}

/** `host:port`, with brackets around IPv6. `host` is taken as it is. */
export function formatHostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** The same IP, in the same form, and port. */
export function sameSocketAddress(left: SocketAddress, right: SocketAddress): boolean {
  return left.port === right.port && sameBytes(left.ip, right.ip)
}
