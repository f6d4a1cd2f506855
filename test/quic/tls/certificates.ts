/** Certificates made to order, good and bad: a small DER writer and an authority that signs whatever it is told. */
import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { SignatureAlgorithm, SignatureKeyKind } from '../../../src/crypto/index.ts'

/** 2030-01-01 00:00:00 UTC: the time of all tests. */
export const NOW = 1_893_456_000
export const DAY = 86_400

// DER

const joined = (parts: readonly Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]))

export function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const contents = joined(parts)
  const { length } = contents
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Uint8Array.of(tag, ...size, ...contents)
}

export const bytes = (...values: readonly number[]) => Uint8Array.from(values)
export const ascii = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0))
export const sequence = (...parts: readonly Uint8Array[]) => der(0x30, ...parts)
export const octets = (...parts: readonly Uint8Array[]) => der(0x04, ...parts)
export const bits = (contents: Uint8Array, unused = 0) => der(0x03, bytes(unused), contents)
export const integer = (value: number) => der(0x02, value < 0x80 ? bytes(value) : bytes(value >> 8, value & 0xff))
export const TRUE = der(0x01, bytes(0xff))
export const NULL = der(0x05)

export function oid(text: string): Uint8Array {
  const [root, second, ...rest] = text.split('.').map(BigInt)
  const arcs = [root! * 40n + second!, ...rest]
  const contents = arcs.flatMap((arc) => {
    const digits = [Number(arc & 0x7fn)]
    for (let left = arc >> 7n; left > 0n; left >>= 7n) digits.unshift(Number(left & 0x7fn) | 0x80)
    return digits
  })
  return der(0x06, Uint8Array.from(contents))
}

/** A DER Name; the empty text gives one without any part. */
export function name(commonName: string): Uint8Array {
  return commonName === '' ? sequence() : sequence(der(0x31, sequence(oid('2.5.4.3'), der(0x0c, ascii(commonName)))))
}

/** UTCTime up to 2049, then GeneralizedTime. */
export function time(unixSeconds: number): Uint8Array {
  const text = new Date(unixSeconds * 1000).toISOString().replace(/[-:T]|\.000/g, '')
  return unixSeconds < 2_524_608_000 && unixSeconds > -631_152_000
    ? der(0x17, ascii(text.slice(2)))
    : der(0x18, ascii(text))
}

// names of a subjectAltName

export const dns = (text: string) => der(0x82, ascii(text))
export const ip = (...address: readonly number[]) => der(0x87, Uint8Array.from(address))
export const mail = (text: string) => der(0x81, ascii(text))
export const directory = (commonName: string) => der(0xa4, name(commonName))

// extensions

export const extension = (id: string, critical: boolean, value: Uint8Array) =>
  critical ? sequence(oid(id), TRUE, octets(value)) : sequence(oid(id), octets(value))

export const basicConstraints = (pathLength?: number) =>
  extension('2.5.29.19', true, pathLength === undefined ? sequence(TRUE) : sequence(TRUE, integer(pathLength)))
export const subjectAltName = (...names: readonly Uint8Array[]) => extension('2.5.29.17', false, sequence(...names))
/** Bit numbers of RFC 5280 §4.2.1.3 below 8. */
export function keyUsage(...usages: readonly number[]): Uint8Array {
  const byte = usages.reduce((sum, usage) => sum | (0x80 >> usage), 0)
  return extension('2.5.29.15', true, bits(bytes(byte), 7 - Math.max(...usages)))
}
export const extendedKeyUsage = (...purposes: readonly string[]) =>
  extension('2.5.29.37', false, sequence(...purposes.map(oid)))
export const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
export const ANY_PURPOSE = '2.5.29.37.0'
export function nameConstraints(permitted: readonly Uint8Array[], excluded: readonly Uint8Array[] = []): Uint8Array {
  const subtrees = (tag: number, names: readonly Uint8Array[]) =>
    names.length === 0 ? [] : [der(tag, ...names.map((base) => sequence(base)))]
  return extension('2.5.29.30', true, sequence(...subtrees(0xa0, permitted), ...subtrees(0xa1, excluded)))
}

// keys and signatures

export interface Keys {
  readonly kind: SignatureKeyKind
  readonly privateKey: KeyObject
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
  readonly pkcs8: Uint8Array
}

export function keys(kind: SignatureKeyKind, bits = 2048): Keys {
  const { privateKey, publicKey } = pair(kind, bits)
  const spki = Uint8Array.from(publicKey.export({ format: 'der', type: 'spki' }))
  return { kind, privateKey, spki, pkcs8: Uint8Array.from(privateKey.export({ format: 'der', type: 'pkcs8' })) }
}

function pair(kind: SignatureKeyKind, modulusLength: number) {
  switch (kind) {
    case 'ed25519':
      return generateKeyPairSync('ed25519')
    case 'p256':
      return generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
    case 'p384':
      return generateKeyPairSync('ec', { namedCurve: 'secp384r1' })
    case 'rsa':
      return generateKeyPairSync('rsa', { modulusLength })
    case 'rsa-pss':
      return generateKeyPairSync('rsa-pss', { modulusLength })
  }
}

/** With OpenSSL, whatever the key: a wrong match of both is the tests' business. */
export function signed(algorithm: SignatureAlgorithm, key: KeyObject, message: Uint8Array): Uint8Array {
  if (algorithm === 'ed25519') return Uint8Array.from(sign(null, message, key))
  const padding = algorithm.startsWith('rsa-pss-')
    ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
    : {}
  return Uint8Array.from(sign(algorithm.slice(-6), message, { key, ...padding }))
}

const DEFAULT_ALGORITHM: Readonly<Record<SignatureKeyKind, SignatureAlgorithm>> = {
  ed25519: 'ed25519',
  p256: 'ecdsa-sha256',
  p384: 'ecdsa-sha384',
  rsa: 'rsa-pkcs1-sha256',
  'rsa-pss': 'rsa-pss-sha256',
}

const HASH_OIDS = {
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
}

export function pssIdentifier(hash: keyof typeof HASH_OIDS, saltLength: number, maskHash = hash): Uint8Array {
  const hashed = (which: keyof typeof HASH_OIDS) => sequence(oid(HASH_OIDS[which]), NULL)
  return sequence(
    oid('1.2.840.113549.1.1.10'),
    sequence(
      der(0xa0, hashed(hash)),
      der(0xa1, sequence(oid('1.2.840.113549.1.1.8'), hashed(maskHash))),
      der(0xa2, integer(saltLength)),
    ),
  )
}

/** AlgorithmIdentifier. */
export function identifier(algorithm: SignatureAlgorithm): Uint8Array {
  if (algorithm === 'ed25519') return sequence(oid('1.3.101.112'))
  const hash = algorithm.slice(-6) as keyof typeof HASH_OIDS
  const index = Object.keys(HASH_OIDS).indexOf(hash)
  if (algorithm.startsWith('ecdsa-')) return sequence(oid(`1.2.840.10045.4.3.${2 + index}`))
  if (algorithm.startsWith('rsa-pkcs1-')) return sequence(oid(`1.2.840.113549.1.1.${11 + index}`), NULL)
  return pssIdentifier(hash, [32, 48, 64][index]!)
}

// certificates

export interface Issued {
  readonly der: Uint8Array
  readonly keys: Keys
  /** DER Name. */
  readonly subject: Uint8Array
}

export interface Order {
  /** Common name, or a DER Name. */
  readonly subject?: string | Uint8Array
  readonly keys: Keys
  /** Who signs. Default: the certificate itself. */
  readonly by?: Issued
  /** Each an Extension; an empty list leaves them out. */
  readonly extensions?: readonly Uint8Array[]
  readonly notBefore?: number
  readonly notAfter?: number
  /** Default 3, written as 2. */
  readonly version?: number
  readonly algorithm?: SignatureAlgorithm
  /** Instead of the algorithm's: inside, and outside of what is signed. */
  readonly identifiers?: readonly [inner: Uint8Array, outer: Uint8Array]
  /** Instead of the subject of `by`. */
  readonly issuer?: Uint8Array
  readonly serial?: Uint8Array
  readonly spki?: Uint8Array
  readonly validity?: Uint8Array
  readonly signature?: (real: Uint8Array) => Uint8Array
  /** Of the signature's BIT STRING. */
  readonly unusedBits?: number
}

export function certify(order: Order): Issued {
  const subject = order.subject instanceof Uint8Array ? order.subject : name(order.subject ?? 'server')
  const signer = order.by?.keys ?? order.keys
  const algorithm = order.algorithm ?? DEFAULT_ALGORITHM[signer.kind]
  const [inner, outer] = order.identifiers ?? [identifier(algorithm), identifier(algorithm)]
  const { version = 3, extensions = [] } = order
  const toBeSigned = sequence(
    version === 1 ? bytes() : der(0xa0, integer(version - 1)),
    order.serial ?? integer(77),
    inner,
    order.issuer ?? order.by?.subject ?? subject,
    order.validity ?? sequence(time(order.notBefore ?? NOW - DAY), time(order.notAfter ?? NOW + DAY)),
    subject,
    order.spki ?? order.keys.spki,
    extensions.length === 0 ? bytes() : der(0xa3, sequence(...extensions)),
  )
  const signature = signed(algorithm, signer.privateKey, toBeSigned)
  return {
    der: sequence(toBeSigned, outer, bits(order.signature?.(signature) ?? signature, order.unusedBits)),
    keys: order.keys,
    subject,
  }
}

/** A root that may do everything. */
export const authority = (subject: string, own: Keys, change: Partial<Order> = {}): Issued =>
  certify({ subject, keys: own, extensions: [basicConstraints(), keyUsage(5, 6)], ...change })

/** A server's certificate for `example.test`. */
export const server = (by: Issued, own: Keys, change: Partial<Order> = {}): Issued =>
  certify({
    by,
    keys: own,
    extensions: [subjectAltName(dns('example.test')), keyUsage(0), extendedKeyUsage(SERVER_AUTH)],
    ...change,
  })
