/**
 * X.509 certificates from DER, strictly and without judgement: RFC 5280 §4.1 and the extensions of §4.2.1 that decide about a TLS server.
 * Whatever is not a certificate ends in bad_certificate; whether one may be trusted is decided in x509-verify.ts.
 */
import { sameBytes } from '../../bytes/index.ts'
import {
  contextTag,
  DerError,
  DerReader,
  DerTag,
  decodePublicKeyInfo,
  type PublicKeyInfo,
  readDer,
  type SignatureAlgorithm,
} from '../../crypto/index.ts'
import { Alert, fatal } from './alerts.ts'
import {
  type GeneralName,
  type NameConstraints,
  printable,
  readGeneralNames,
  readNameConstraints,
} from './x509-names.ts'
import { readTime } from './x509-time.ts'

/** All arrays are views of `der`. */
export interface Certificate {
  readonly der: Uint8Array
  /** What the issuer signed. */
  readonly signed: Uint8Array
  readonly signature: Uint8Array
  /** Undefined: one that we do not know; `signatureOid` tells which. */
  readonly signatureAlgorithm: SignatureAlgorithm | undefined
  readonly signatureOid: string
  /** 1 to 3. */
  readonly version: number
  /** DER Names, compared as bytes. */
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  /** Seconds since 1970; both ends belong to the time. */
  readonly notBefore: number
  readonly notAfter: number
  /** DER SubjectPublicKeyInfo. */
  readonly publicKeyInfo: Uint8Array
  readonly publicKey: PublicKeyInfo
  readonly extensions: CertificateExtensions
}

/** Undefined: the extension is not there. */
export interface CertificateExtensions {
  readonly isAuthority: boolean
  /** Certificates of authorities that may stand between this one and the server's. Undefined: any number. */
  readonly pathLength: number | undefined
  /** Bit n of RFC 5280 §4.2.1.3 is 1 << n. */
  readonly keyUsage: number | undefined
  /** Dotted object identifiers. */
  readonly extendedKeyUsage: readonly string[] | undefined
  /** subjectAltName. */
  readonly names: readonly GeneralName[]
  readonly nameConstraints: NameConstraints | undefined
  /** Dotted object identifier of a critical extension that we do not know. */
  readonly unknownCritical: string | undefined
}

export const KeyUsage = { DIGITAL_SIGNATURE: 1 << 0, KEY_CERT_SIGN: 1 << 5 } as const

/** RFC 5280 §4.1.2.2: 20 bytes. Some authorities count the sign byte extra. */
const SERIAL_MAX_LENGTH = 21

/** Throws TransportError with bad_certificate for anything that is not exactly one certificate. */
export function parseCertificate(der: Uint8Array): Certificate {
  try {
    return readDer(der, (outer) => readCertificate(der, outer.sequence()))
  } catch (error) {
    if (error instanceof DerError) throw fatal(Alert.BAD_CERTIFICATE, `not an X.509 certificate: ${error.message}`)
    throw error
  }
}

function readCertificate(der: Uint8Array, certificate: DerReader): Certificate {
  const signed = certificate.element(DerTag.SEQUENCE)
  const identifier = certificate.element(DerTag.SEQUENCE)
  const signature = certificate.bitString()
  certificate.end()
  const { oid, algorithm } = readSignatureAlgorithm(identifier)
  return readDer(signed, (reader) => {
    const fields = reader.sequence()
    const version = readVersion(fields)
    if (fields.integer().length > SERIAL_MAX_LENGTH) throw new DerError('a serial number that is too long')
    // RFC 5280 §4.1.1.2: the same inside and outside of what is signed.
    if (!sameBytes(fields.element(DerTag.SEQUENCE), identifier)) throw new DerError('two signature algorithms')
    const issuer = fields.element(DerTag.SEQUENCE)
    if (issuer.length === 2) throw new DerError('an issuer without a name')
    const validity = fields.sequence()
    const notBefore = readTime(validity)
    const notAfter = readTime(validity)
    validity.end()
    const subject = fields.element(DerTag.SEQUENCE)
    const publicKeyInfo = fields.element(DerTag.SEQUENCE)
    if (version > 1) {
      fields.optional(contextTag(1, false)) // issuerUniqueID
      fields.optional(contextTag(2, false)) // subjectUniqueID
    }
    const extensions = version === 3 ? readExtensions(fields.optional(contextTag(3, true))) : NO_EXTENSIONS
    fields.end()
    return {
      der,
      signed,
      signature,
      signatureAlgorithm: algorithm,
      signatureOid: oid,
      version,
      issuer,
      subject,
      notBefore,
      notAfter,
      publicKeyInfo,
      publicKey: decodePublicKeyInfo(publicKeyInfo),
      extensions,
    }
  })
}

function readVersion(fields: DerReader): number {
  const wrapped = fields.optional(contextTag(0, true))
  if (wrapped === undefined) return 1
  const version = readDer(wrapped, (reader) => reader.smallInteger()) + 1
  if (version !== 2 && version !== 3) throw new DerError(`certificate version ${version}`)
  return version
}

// signature algorithms

/** Parameters must be absent. RFC 5758 §3.2, RFC 8410 §3. */
const BARE_SIGNATURES: Readonly<Record<string, SignatureAlgorithm>> = {
  '1.3.101.112': 'ed25519',
  '1.2.840.10045.4.3.2': 'ecdsa-sha256',
  '1.2.840.10045.4.3.3': 'ecdsa-sha384',
  '1.2.840.10045.4.3.4': 'ecdsa-sha512',
}
/** Parameters are NULL; also taken when absent (RFC 4055 §5). */
const PKCS1_SIGNATURES: Readonly<Record<string, SignatureAlgorithm>> = {
  '1.2.840.113549.1.1.11': 'rsa-pkcs1-sha256',
  '1.2.840.113549.1.1.12': 'rsa-pkcs1-sha384',
  '1.2.840.113549.1.1.13': 'rsa-pkcs1-sha512',
}
const RSASSA_PSS = '1.2.840.113549.1.1.10'
const MGF1 = '1.2.840.113549.1.1.8'
/** By the hash's identifier, with its length: the only salt that is taken, as in TLS. */
const PSS_SIGNATURES: Readonly<Record<string, readonly [SignatureAlgorithm, saltLength: number]>> = {
  '2.16.840.1.101.3.4.2.1': ['rsa-pss-sha256', 32],
  '2.16.840.1.101.3.4.2.2': ['rsa-pss-sha384', 48],
  '2.16.840.1.101.3.4.2.3': ['rsa-pss-sha512', 64],
}

function readSignatureAlgorithm(identifier: Uint8Array): { oid: string; algorithm: SignatureAlgorithm | undefined } {
  return readDer(identifier, (reader) => {
    const fields = reader.sequence()
    const oid = fields.objectIdentifier()
    if (oid === RSASSA_PSS) return { oid, algorithm: readPssParameters(fields) }
    const bare = BARE_SIGNATURES[oid]
    const algorithm = bare ?? PKCS1_SIGNATURES[oid]
    if (algorithm !== undefined) {
      if (bare === undefined && !fields.isEmpty) fields.null()
      fields.end()
    }
    return { oid, algorithm }
  })
}

/** RFC 4055 §3.1. Undefined for a combination that TLS has no code point for. */
function readPssParameters(fields: DerReader): SignatureAlgorithm | undefined {
  // Absent, or without a hash: SHA-1.
  if (fields.isEmpty) return undefined
  const parameters = fields.sequence()
  fields.end()
  const hash = readHash(parameters.optional(contextTag(0, true)))
  const mask = parameters.optional(contextTag(1, true))
  const salt = parameters.optional(contextTag(2, true))
  const trailer = parameters.optional(contextTag(3, true))
  parameters.end()
  const known = hash === undefined ? undefined : PSS_SIGNATURES[hash]
  if (known === undefined || mask === undefined || salt === undefined) return undefined
  const maskHash = readDer(mask, (reader) => {
    const identifier = reader.sequence()
    return identifier.objectIdentifier() === MGF1 ? readHashIdentifier(identifier.sequence()) : undefined
  })
  const saltLength = readDer(salt, (reader) => reader.smallInteger())
  const isDefaultTrailer = trailer === undefined || readDer(trailer, (reader) => reader.smallInteger()) === 1
  return maskHash === hash && saltLength === known[1] && isDefaultTrailer ? known[0] : undefined
}

function readHash(wrapped: Uint8Array | undefined): string | undefined {
  return wrapped === undefined ? undefined : readDer(wrapped, (reader) => readHashIdentifier(reader.sequence()))
}

function readHashIdentifier(identifier: DerReader): string {
  const oid = identifier.objectIdentifier()
  if (!identifier.isEmpty) identifier.null()
  identifier.end()
  return oid
}

// extensions

const NO_EXTENSIONS: CertificateExtensions = {
  isAuthority: false,
  pathLength: undefined,
  keyUsage: undefined,
  extendedKeyUsage: undefined,
  names: [],
  nameConstraints: undefined,
  unknownCritical: undefined,
}

const ExtensionOid = {
  KEY_USAGE: '2.5.29.15',
  SUBJECT_ALT_NAME: '2.5.29.17',
  BASIC_CONSTRAINTS: '2.5.29.19',
  NAME_CONSTRAINTS: '2.5.29.30',
  // Every policy is fine with us, and no policy can forbid what we do (docs/deviations.md).
  CERTIFICATE_POLICIES: '2.5.29.32',
  EXTENDED_KEY_USAGE: '2.5.29.37',
} as const

function readExtensions(wrapped: Uint8Array | undefined): CertificateExtensions {
  if (wrapped === undefined) return NO_EXTENSIONS
  const found = { ...NO_EXTENSIONS } as { -readonly [K in keyof CertificateExtensions]: CertificateExtensions[K] }
  const seen = new Set<string>()
  readDer(wrapped, (outer) => {
    const list = outer.sequence()
    if (list.isEmpty) throw new DerError('an empty list of extensions')
    while (!list.isEmpty) {
      const extension = list.sequence()
      const oid = extension.objectIdentifier()
      const isCritical = readFlag(extension)
      const value = extension.contents(DerTag.OCTET_STRING)
      extension.end()
      // RFC 5280 §4.2.
      if (seen.has(oid)) throw new DerError(`extension ${oid} twice`)
      seen.add(oid)
      switch (oid) {
        case ExtensionOid.BASIC_CONSTRAINTS:
          Object.assign(found, readDer(value, readBasicConstraints))
          break
        case ExtensionOid.KEY_USAGE:
          found.keyUsage = readDer(value, readKeyUsage)
          break
        case ExtensionOid.EXTENDED_KEY_USAGE:
          found.extendedKeyUsage = readDer(value, readPurposes)
          break
        case ExtensionOid.SUBJECT_ALT_NAME:
          found.names = readDer(value, readGeneralNames)
          break
        case ExtensionOid.NAME_CONSTRAINTS:
          found.nameConstraints = readDer(value, readNameConstraints)
          break
        case ExtensionOid.CERTIFICATE_POLICIES:
          break
        default:
          if (isCritical) found.unknownCritical ??= oid
      }
    }
  })
  return found
}

/** BOOLEAN DEFAULT FALSE. A FALSE that DER would leave out is seen in practice and means the same. */
function readFlag(reader: DerReader): boolean {
  const contents = reader.optional(DerTag.BOOLEAN)
  if (contents === undefined) return false
  if (contents.length !== 1 || (contents[0] !== 0xff && contents[0] !== 0))
    throw new DerError('a boolean that is not one')
  return contents[0] === 0xff
}

/** RFC 5280 §4.2.1.9. */
function readBasicConstraints(reader: DerReader): Pick<CertificateExtensions, 'isAuthority' | 'pathLength'> {
  const fields = reader.sequence()
  const isAuthority = readFlag(fields)
  const pathLength = fields.isEmpty ? undefined : fields.smallInteger()
  fields.end()
  return { isAuthority, pathLength }
}

/** RFC 5280 §4.2.1.3: named bits, first bit first. */
function readKeyUsage(reader: DerReader): number {
  const [unused, ...bytes] = reader.contents(DerTag.BIT_STRING)
  if (unused === undefined || unused > 7 || bytes.length === 0 || bytes.length > 2)
    throw new DerError('a malformed key usage')
  let usage = 0
  for (const [index, byte] of bytes.entries()) {
    for (let bit = 0; bit < 8; bit++) if ((byte >> (7 - bit)) & 1) usage |= 1 << (index * 8 + bit)
  }
  return usage
}

/** RFC 5280 §4.2.1.12. */
function readPurposes(reader: DerReader): string[] {
  const list = reader.sequence()
  if (list.isEmpty) throw new DerError('an empty list of purposes')
  const purposes: string[] = []
  while (!list.isEmpty) purposes.push(list.objectIdentifier())
  return purposes
}

// for people

const COMMON_NAME = '2.5.4.3'
const ORGANIZATION = '2.5.4.10'

/** The common name of a DER Name, else the organisation, in quotes; for error texts. */
export function nameText(name: Uint8Array): string {
  try {
    const parts = new Map<string, Uint8Array>()
    readDer(name, (reader) => {
      const list = reader.sequence()
      while (!list.isEmpty) {
        const set = new DerReader(list.contents(DerTag.SET))
        while (!set.isEmpty) {
          const attribute = set.sequence()
          const type = attribute.objectIdentifier()
          parts.set(type, attribute.contents(attribute.nextTag ?? 0))
        }
      }
    })
    const text = parts.get(COMMON_NAME) ?? parts.get(ORGANIZATION)
    return text === undefined ? 'a name without words' : `"${printable(text, 64)}"`
  } catch (error) {
    if (error instanceof DerError) return 'a name without words'
    throw error
  }
}
