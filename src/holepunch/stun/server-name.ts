/** How a STUN server is named: `stun.example.org:3478`, `192.0.2.1:3478`, `[2001:db8::1]:3478`; without a port it is 3478. */
import { EncodingError, parseIp, quote } from '../../bytes/index.ts'

/** RFC 8489 §18.6. */
const DEFAULT_PORT = 3478

export interface StunServerName {
  /** A name to look up, or a numeric address without brackets. */
  readonly host: string
  readonly port: number
}

/** Throws EncodingError. */
export function parseStunServer(text: string): StunServerName {
  const match = /^(?:\[([^\]]+)\]|([A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})))(?::(\d{1,5}))?$/.exec(text)
  const [, ipv6, name, digits] = match ?? []
  const port = digits === undefined ? DEFAULT_PORT : Number(digits)
  if (match === null || port === 0 || port > 65_535)
    throw new EncodingError(`expected host:port or [ipv6]:port, got ${quote(text)}`)
  if (ipv6 !== undefined && parseIp(ipv6).length !== 16) throw new EncodingError(`${quote(ipv6)} is no IPv6 address`)
  return { host: ipv6 ?? name!, port }
}
