/**
 * IP addresses as bytes (4 or 16, network order): strict text parsing, canonical text (RFC 5952), order, and the folding of
 * IPv4-mapped IPv6 into IPv4. No ports here, and no zones: a scope id is refused, since no wire format of ours carries one.
 */
import { EncodingError, quote } from './encoding-error.ts'

/** As `parseIp`, of an address as systems report it: a link-local one has its interface behind it (`fe80::1%eth0`), which no wire format carries. Throws EncodingError. */
export function parseReportedIp(text: string): Uint8Array {
  const zone = text.indexOf('%')
  return parseIp(zone < 0 ? text : text.slice(0, zone))
}

/** Reads IPv4 dotted decimal (RFC 6943 §3.1.1 strict form: no leading zeros) or IPv6 (RFC 4291 §2.2). Throws EncodingError. */
export function parseIp(text: string): Uint8Array {
  const bytes = text.includes(':') ? parseIpv6(text) : parseIpv4(text)
  if (bytes === undefined) throw new EncodingError(`expected an IPv4 or IPv6 address, got ${quote(text)}`)
  return bytes
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  const bytes = new Uint8Array(4)
  for (const [index, part] of parts.entries()) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined
    bytes[index] = Number(part)
  }
  return bytes
}

function parseIpv6(text: string): Uint8Array | undefined {
  if (text.length > 45) return undefined
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = parseGroups(halves[0]!, halves.length === 1)
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : []
  if (head === undefined || tail === undefined) return undefined
  const given = head.length + tail.length
  // RFC 4291 §2.2: "::" stands for at least one group
  if (halves.length === 2 ? given > 7 : given !== 8) return undefined
  const bytes = new Uint8Array(16)
  const groups = [...head, ...new Array<number>(8 - given).fill(0), ...tail]
  for (const [index, group] of groups.entries()) {
    bytes[2 * index] = group >>> 8
    bytes[2 * index + 1] = group
  }
  return bytes
}

/** The groups between colons; `isLast` allows dotted decimal at the end, which counts as two. */
function parseGroups(text: string, isLast: boolean): number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16))
      continue
    }
    const ipv4 = isLast && index === parts.length - 1 ? parseIpv4(part) : undefined
    if (ipv4 === undefined) return undefined
    groups.push((ipv4[0]! << 8) | ipv4[1]!, (ipv4[2]! << 8) | ipv4[3]!)
  }
  return groups
}

/** Canonical text of 4 or 16 bytes; RFC 5952 for IPv6. */
export function formatIp(ip: Uint8Array): string {
  if (ip.length === 4) return ip.join('.')
  if (ip.length !== 16) throw new EncodingError(`an IP address has 4 or 16 bytes, not ${ip.length}`)
  // RFC 5952 §5: the mapped prefix is known, so its tail is written as IPv4
  if (isIpv4Mapped(ip)) return `::ffff:${ip.subarray(12).join('.')}`
  const groups = Array.from({ length: 8 }, (_, index) => (ip[2 * index]! << 8) | ip[2 * index + 1]!)
  const run = longestZeroRun(groups)
  const hex = groups.map((group) => group.toString(16))
  if (run.length < 2) return hex.join(':')
  return `${hex.slice(0, run.start).join(':')}::${hex.slice(run.start + run.length).join(':')}`
}

/** RFC 5952 §4.2: the longest run, the first of equals; a single zero group is not shortened. */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let start = 0
  for (let index = 0; index <= groups.length; index++) {
    if (index < groups.length && groups[index] === 0) continue
    if (index - start > best.length) best = { start, length: index - start }
    start = index + 1
  }
  return best
}

/** ::ffff:0:0/96, RFC 4291 §2.5.5.2. */
export function isIpv4Mapped(ip: Uint8Array): boolean {
  if (ip.length !== 16 || ip[10] !== 0xff || ip[11] !== 0xff) return false
  for (let index = 0; index < 10; index++) if (ip[index] !== 0) return false
  return true
}

/** The IPv4 address inside an IPv4-mapped one, else `ip` itself. */
export function canonicalIp(ip: Uint8Array): Uint8Array {
  return isIpv4Mapped(ip) ? ip.slice(12) : ip
}

/** A numeric address as systems write it, in the one text of its kind: as `formatIp`, IPv4 never mapped into IPv6, without a zone. Other text as it is. */
export function canonicalIpText(address: string): string {
  try {
    return formatIp(canonicalIp(parseIp(address.split('%', 1)[0]!)))
  } catch {
    return address
  }
}

/** IPv4 before IPv6, then by bytes: negative, 0 or positive. */
export function compareIp(left: Uint8Array, right: Uint8Array): number {
  return left.length - right.length || compareBytes(left, right)
}

/** Lexicographic; a prefix comes first. */
export function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const shared = Math.min(left.length, right.length)
  for (let index = 0; index < shared; index++) {
    const difference = left[index]! - right[index]!
    if (difference !== 0) return difference
  }
  return left.length - right.length
}

/** Not in constant time: for what is no secret. */
export function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && compareBytes(left, right) === 0
}
