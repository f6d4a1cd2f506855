/**
 * Who a certificate is for: the name that was dialled, the subjectAltName entries that may stand for it, and the name constraints of the
 * authorities above. RFC 9525 §6 (which replaces RFC 6125), RFC 5280 §4.2.1.6 and §4.2.1.10, RFC 6066 §3.
 */
import { EncodingError, formatIp, parseIp, sameBytes } from '../../bytes/index.ts'
import { contextTag, DerError, type DerReader, DerTag, readDer } from '../../crypto/index.ts'

/** The service that was dialled. */
export type ServerName =
  | { readonly kind: 'dns'; readonly name: string }
  | { readonly kind: 'ip'; readonly bytes: Uint8Array; readonly name: string }

/** A GeneralName that was not looked into: tag and contents, a view. */
export interface GeneralName {
  readonly tag: number
  readonly value: Uint8Array
}

/** RFC 5280 §4.2.1.6; IMPLICIT, so the tag tells the form. A directoryName is a CHOICE and therefore wrapped. */
export const GeneralNameTag = {
  RFC822: contextTag(1, false),
  DNS: contextTag(2, false),
  DIRECTORY: contextTag(4, true),
  URI: contextTag(6, false),
  IP: contextTag(7, false),
} as const

/** RFC 5280 §4.2.1.10. */
export interface NameConstraints {
  readonly permitted: readonly GeneralName[]
  readonly excluded: readonly GeneralName[]
}

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/
const NAME_MAX_LENGTH = 253

/** Lower-case letters, digits, hyphens and (seen in practice) underscores, and nothing that could be read as an IPv4 address. */
function isHostName(name: string): boolean {
  const labels = name.split('.')
  return name.length <= NAME_MAX_LENGTH && labels.every((label) => LABEL.test(label)) && !/^\d+$/.test(labels.at(-1)!)
}

/**
 * What the application dials: a host name (internationalised ones as A-labels, a final dot is dropped) or an IP address. Throws RangeError
 * for anything else.
 */
export function parseServerName(text: string): ServerName {
  const ip = readIp(text)
  if (ip !== undefined) return { kind: 'ip', bytes: ip, name: formatIp(ip) }
  const name = text.toLowerCase().replace(/\.$/, '')
  if (!isHostName(name))
    throw new RangeError(`the server name ${JSON.stringify(text)} is no host name and no IP address`)
  return { kind: 'dns', name }
}

function readIp(text: string): Uint8Array | undefined {
  try {
    return parseIp(text)
  } catch (error) {
    if (error instanceof EncodingError) return undefined
    throw error
  }
}

/** The SNI of a client, RFC 6066 §3: lower case; undefined when it is no host name. */
export function readSniName(bytes: Uint8Array): string | undefined {
  const name = latin1(bytes).toLowerCase()
  return isHostName(name) ? name : undefined
}

/** Whether one of the names stands for the server. RFC 9525 §6.2: the common name of the subject has no say. */
export function matchesServer(names: readonly GeneralName[], server: ServerName): boolean {
  if (server.kind === 'ip') {
    return names.some(({ tag, value }) => tag === GeneralNameTag.IP && sameBytes(value, server.bytes))
  }
  return names.some(
    ({ tag, value }) => tag === GeneralNameTag.DNS && matchesHost(latin1(value).toLowerCase(), server.name),
  )
}

/** RFC 9525 §6.3: `*` is a whole label, the first one, and stands for exactly one; two labels must follow it. */
function matchesHost(presented: string, host: string): boolean {
  if (!presented.startsWith('*.')) return presented === host
  const suffix = presented.slice(1)
  const first = host.indexOf('.')
  return first > 0 && host.slice(first) === suffix && suffix.indexOf('.', 1) !== -1
}

/** For people: at most three of the names. */
export function describeNames(names: readonly GeneralName[]): string {
  const texts = names
    .filter(({ tag }) => tag === GeneralNameTag.DNS || tag === GeneralNameTag.IP)
    .map(({ tag, value }) => (tag === GeneralNameTag.DNS ? printable(value, 64) : ipText(value)))
  if (texts.length === 0) return 'no host name and no address at all'
  const more = texts.length > 3 ? ` and ${texts.length - 3} more` : ''
  return texts.slice(0, 3).join(', ') + more
}

/** ASCII of at most `length` characters; other bytes as `?`. */
export function printable(bytes: Uint8Array, length: number): string {
  const text = latin1(bytes.subarray(0, length)).replace(/[^\x20-\x7e]/g, '?')
  return bytes.length > length ? `${text}…` : text
}

function ipText(bytes: Uint8Array): string {
  return bytes.length === 4 || bytes.length === 16 ? formatIp(bytes) : 'a malformed address'
}

function latin1(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}

/** GeneralNames: at least one. */
export function readGeneralNames(reader: DerReader): GeneralName[] {
  const list = reader.sequence()
  if (list.isEmpty) throw new DerError('an empty list of names')
  const names: GeneralName[] = []
  while (!list.isEmpty) names.push(readGeneralName(list))
  return names
}

function readGeneralName(reader: DerReader): GeneralName {
  const tag = reader.nextTag
  if (tag === undefined || (tag & 0xc0) !== 0x80) throw new DerError('a name of no known form')
  return { tag, value: reader.contents(tag) }
}

/** The contents of the extension. */
export function readNameConstraints(reader: DerReader): NameConstraints {
  const sequence = reader.sequence()
  if (sequence.isEmpty) throw new DerError('name constraints that constrain nothing')
  const permitted = readSubtrees(sequence.optional(contextTag(0, true)))
  const excluded = readSubtrees(sequence.optional(contextTag(1, true)))
  sequence.end()
  return { permitted, excluded }
}

function readSubtrees(contents: Uint8Array | undefined): GeneralName[] {
  if (contents === undefined) return []
  const names: GeneralName[] = []
  readDer(contents, (list) => {
    if (list.isEmpty) throw new DerError('an empty list of subtrees')
    while (!list.isEmpty) {
      const subtree = list.sequence()
      names.push(checkBase(readGeneralName(subtree)))
      // RFC 5280 §4.2.1.10: minimum is zero, which DER leaves out, and maximum absent.
      subtree.end()
    }
  })
  return names
}

function checkBase(name: GeneralName): GeneralName {
  if (name.tag === GeneralNameTag.DIRECTORY) relativeNames(name.value)
  if (name.tag !== GeneralNameTag.IP) return name
  const half = name.value.length / 2
  if (half !== 4 && half !== 16) throw new DerError('an address range of odd size')
  // RFC 4632 §3.1: a mask is ones, then zeros.
  let zeroSeen = false
  for (const byte of name.value.subarray(half)) {
    for (let bit = 7; bit >= 0; bit--) {
      const isOne = ((byte >> bit) & 1) === 1
      if (isOne && zeroSeen) throw new DerError('an address mask with holes')
      if (!isOne) zeroSeen = true
    }
  }
  return name
}

/** Where a name breaks the constraints: a text; undefined where it does not. `subject` is a DER Name. */
export function constraintViolation(
  constraints: NameConstraints,
  subject: Uint8Array,
  names: readonly GeneralName[],
): string | undefined {
  const { permitted, excluded } = constraints
  const isEmptySubject = subject.length === 2
  const all = isEmptySubject ? names : [...names, { tag: GeneralNameTag.DIRECTORY, value: subject }]
  for (const name of all) {
    const allowing = permitted.filter(({ tag }) => tag === name.tag)
    const forbidding = excluded.filter(({ tag }) => tag === name.tag)
    if (allowing.length === 0 && forbidding.length === 0) continue
    if (!COMPARABLE.includes(name.tag)) return 'a name of a constrained form that is not supported'
    if (allowing.length > 0 && !allowing.some((base) => isWithin(name, base, false)))
      return 'a name that is not permitted'
    if (forbidding.some((base) => isWithin(name, base, true))) return 'a name that is excluded'
  }
  return undefined
}

const COMPARABLE: readonly number[] = [GeneralNameTag.DNS, GeneralNameTag.IP, GeneralNameTag.DIRECTORY]

/** `touches`: also where a wildcard only may stand for a name inside. */
function isWithin(name: GeneralName, base: GeneralName, touches: boolean): boolean {
  switch (name.tag) {
    case GeneralNameTag.DNS:
      return isHostWithin(latin1(name.value).toLowerCase(), latin1(base.value).toLowerCase(), touches)
    case GeneralNameTag.IP:
      return isIpWithin(name.value, base.value)
    default:
      return isDirectoryWithin(name.value, base.value)
  }
}

/** RFC 5280 §4.2.1.10: labels may be added on the left. With a leading dot, as some authorities write it, at least one must be. */
function isHostWithin(host: string, base: string, touches: boolean): boolean {
  if (base === '') return true
  if (base.startsWith('.') ? host.endsWith(base) : host === base || host.endsWith(`.${base}`)) return true
  if (!touches || !host.startsWith('*.')) return false
  const suffix = host.slice(1)
  return base.endsWith(suffix) && base.length > suffix.length && !base.slice(0, -suffix.length).includes('.')
}

function isIpWithin(ip: Uint8Array, range: Uint8Array): boolean {
  const half = range.length / 2
  return ip.length === half && ip.every((byte, index) => ((byte ^ range[index]!) & range[half + index]!) === 0)
}

/** The base's relative names are the first of the other's; compared as bytes (docs/deviations.md). */
function isDirectoryWithin(name: Uint8Array, base: Uint8Array): boolean {
  const [inner, outer] = [relativeNames(name), relativeNames(base)]
  return outer.length <= inner.length && outer.every((part, index) => sameBytes(part, inner[index]!))
}

/** The RelativeDistinguishedNames of a DER Name. */
function relativeNames(name: Uint8Array): Uint8Array[] {
  return readDer(name, (reader) => {
    const list = reader.sequence()
    const parts: Uint8Array[] = []
    while (!list.isEmpty) parts.push(list.element(DerTag.SET))
    return parts
  })
}
