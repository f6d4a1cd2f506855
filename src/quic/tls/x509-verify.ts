/**
 * Whether a server's chain of certificates leads to a root that we trust, now, and for the name that was dialled: RFC 5280 §6 without
 * policies and revocation, RFC 8446 §4.4.2. Time is an argument, signatures are checked by the crypto provider.
 */
import { sameBytes } from '../../bytes/index.ts'
import { type CryptoProvider, DerError, fitsKey } from '../../crypto/index.ts'
import { TransportError } from '../errors.ts'
import { Alert, fatal } from './alerts.ts'
import type { TrustedRoots } from './trusted-roots.ts'
import { type Certificate, KeyUsage, nameText, parseCertificate } from './x509.ts'
import { constraintViolation, describeNames, matchesServer, type ServerName } from './x509-names.ts'
import { formatTime } from './x509-time.ts'

export interface ServerVerification {
  readonly crypto: CryptoProvider
  readonly roots: TrustedRoots
  readonly server: ServerName
  /** Seconds since 1970. */
  readonly nowUnixSeconds: number
}

/** Certificates in a Certificate message. Chains on the web have two to four; a guess with room. */
export const MAX_CHAIN_LENGTH = 10
/** Authorities between a root and a server; other verifiers stop at 6 as well. */
const MAX_INTERMEDIATES = 6
/** Signatures checked for one chain, so that many authorities of one name cannot keep us busy. A guess: honest chains need two or three. */
const MAX_SIGNATURE_CHECKS = 24

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const ANY_PURPOSE = '2.5.29.37.0'
/** RFC 8446 §4.4.2.4: to be refused with bad_certificate. */
const BROKEN_SIGNATURES: readonly string[] = [
  '1.2.840.113549.1.1.4', // MD5 with RSA
  '1.2.840.113549.1.1.5', // SHA-1 with RSA
  '1.2.840.10045.4.1', // SHA-1 with ECDSA
]

/**
 * The server's own certificate, the first of `chain` (DER), when the chain passes. Throws TransportError with the alert that fits, RFC 8446
 * §6.2, and nothing else, whatever the bytes are.
 */
export function verifyServerChain(chain: readonly Uint8Array[], verification: ServerVerification): Certificate {
  if (chain.length > MAX_CHAIN_LENGTH) {
    throw fatal(Alert.BAD_CERTIFICATE, `a chain of ${chain.length} certificates, at most ${MAX_CHAIN_LENGTH} are taken`)
  }
  const [leaf, ...others] = chain.map(parseCertificate)
  const { server, nowUnixSeconds } = verification
  try {
    checkServer(leaf!, nowUnixSeconds)
    new PathSearch(verification, others).run(leaf!)
  } catch (error) {
    // Names inside of constraints are not looked into before they are compared.
    if (error instanceof DerError) throw fatal(Alert.BAD_CERTIFICATE, `malformed names: ${error.message}`)
    throw error
  }
  if (!matchesServer(leaf!.extensions.names, server)) {
    const names = describeNames(leaf!.extensions.names)
    throw fatal(Alert.BAD_CERTIFICATE, `the certificate is for ${names}, and not for ${server.name}`)
  }
  return leaf!
}

/** What holds for every certificate on the path. */
function checkCertificate(certificate: Certificate, nowUnixSeconds: number): void {
  const { extensions, notBefore, notAfter, publicKey } = certificate
  const who = () => `the certificate of ${nameText(certificate.subject)}`
  if (extensions.unknownCritical !== undefined) {
    const text = `${who()} has the critical extension ${extensions.unknownCritical}, which is not known here`
    throw fatal(Alert.UNSUPPORTED_CERTIFICATE, text)
  }
  if (nowUnixSeconds < notBefore) {
    throw fatal(Alert.CERTIFICATE_EXPIRED, `${who()} is valid only from ${formatTime(notBefore)}; is our clock right?`)
  }
  if (nowUnixSeconds > notAfter) throw fatal(Alert.CERTIFICATE_EXPIRED, `${who()} expired on ${formatTime(notAfter)}`)
  if (publicKey.kind === undefined) {
    throw fatal(
      Alert.UNSUPPORTED_CERTIFICATE,
      `${who()} has a key of an algorithm or size that is not used (${publicKey.algorithm})`,
    )
  }
}

/** RFC 8446 §4.4.2.2 and RFC 5280 §4.2.1.12. An authority's certificate is taken, too: that is how openssl makes self-signed ones. */
function checkServer(leaf: Certificate, nowUnixSeconds: number): void {
  checkCertificate(leaf, nowUnixSeconds)
  const { keyUsage } = leaf.extensions
  if (keyUsage !== undefined && (keyUsage & KeyUsage.DIGITAL_SIGNATURE) === 0) {
    throw fatal(
      Alert.UNSUPPORTED_CERTIFICATE,
      'the key of the certificate of the server is not for signing (key usage)',
    )
  }
  if (!servesServers(leaf)) {
    throw fatal(Alert.UNSUPPORTED_CERTIFICATE, 'the certificate of the server is not for servers (extended key usage)')
  }
}

/** In authorities the extension limits what they issue, as all verifiers of the web have it. */
function servesServers({ extensions }: Certificate): boolean {
  const purposes = extensions.extendedKeyUsage
  return purposes === undefined || purposes.includes(SERVER_AUTH) || purposes.includes(ANY_PURPOSE)
}

/** `below`: authorities on the path under this one that did not issue themselves, RFC 5280 §6.1.4 (k) to (n). */
function checkAuthority(authority: Certificate, isRoot: boolean, below: number, nowUnixSeconds: number): void {
  checkCertificate(authority, nowUnixSeconds)
  const { extensions } = authority
  const who = nameText(authority.subject)
  // Certificates of version 1 cannot say that they are authorities; as a root, the application says so.
  if (!extensions.isAuthority && !(isRoot && authority.version === 1)) {
    throw fatal(Alert.UNKNOWN_CA, `${who} issued a certificate and is no authority (basic constraints)`)
  }
  if (extensions.pathLength !== undefined && below > extensions.pathLength) {
    throw fatal(Alert.UNKNOWN_CA, `${who} has more authorities under it than its path length allows`)
  }
  if (extensions.keyUsage !== undefined && (extensions.keyUsage & KeyUsage.KEY_CERT_SIGN) === 0) {
    throw fatal(Alert.UNSUPPORTED_CERTIFICATE, `the key of ${who} is not for signing certificates (key usage)`)
  }
  if (!servesServers(authority)) {
    throw fatal(Alert.UNSUPPORTED_CERTIFICATE, `${who} may not issue certificates of servers (extended key usage)`)
  }
}

/** Looks for a path from the server's certificate to a root, whatever the order of the others, and beside those that do not belong. */
class PathSearch {
  readonly #verification: ServerVerification
  readonly #others: readonly Certificate[]
  #checks = 0
  /** What was wrong with the first candidate that looked right: it says more than that nothing was found. */
  #failure: TransportError | undefined = undefined

  constructor(verification: ServerVerification, others: readonly Certificate[]) {
    this.#verification = verification
    // A copy can lead nowhere else.
    this.#others = others.filter(({ der }, index) => others.findIndex((other) => sameBytes(other.der, der)) === index)
  }

  run(leaf: Certificate): void {
    if (this.#extend([leaf])) return
    throw this.#failure ?? unknownIssuer(leaf, this.#others)
  }

  /** The path goes from the server's certificate upwards; every certificate but the last was found to be signed by the next. */
  #extend(path: readonly Certificate[]): boolean {
    const { roots } = this.#verification
    const last = path.at(-1)!
    if (roots.has(last)) return this.#passes(() => checkConstraints(path))
    for (const root of roots.named(last.issuer)) {
      const isIssuer = this.#passes(() => this.#checkIssuer(path, root, true))
      if (isIssuer && this.#passes(() => checkConstraints([...path, root]))) return true
    }
    if (path.length > MAX_INTERMEDIATES) return false
    for (const candidate of this.#others) {
      if (!sameBytes(candidate.subject, last.issuer) || path.some(({ der }) => sameBytes(der, candidate.der))) continue
      const isIssuer = this.#passes(() => this.#checkIssuer(path, candidate, false))
      if (isIssuer && this.#extend([...path, candidate])) return true
    }
    return false
  }

  #passes(check: () => void): boolean {
    try {
      check()
      return true
    } catch (error) {
      if (!(error instanceof TransportError) || error instanceof SearchGivenUp) throw error
      this.#failure ??= error
      return false
    }
  }

  #checkIssuer(path: readonly Certificate[], issuer: Certificate, isRoot: boolean): void {
    const { crypto, nowUnixSeconds } = this.#verification
    const below = path.slice(1).filter(({ subject, issuer: above }) => !sameBytes(subject, above)).length
    checkAuthority(issuer, isRoot, below, nowUnixSeconds)
    const child = path.at(-1)!
    const algorithm = child.signatureAlgorithm
    if (BROKEN_SIGNATURES.includes(child.signatureOid)) {
      throw fatal(Alert.BAD_CERTIFICATE, `the certificate of ${nameText(child.subject)} is signed with MD5 or SHA-1`)
    }
    if (algorithm === undefined || !crypto.signatureAlgorithms.includes(algorithm)) {
      const text = `the certificate of ${nameText(child.subject)} is signed with ${algorithm ?? child.signatureOid}, which is not used here`
      throw fatal(Alert.UNSUPPORTED_CERTIFICATE, text)
    }
    if (++this.#checks > MAX_SIGNATURE_CHECKS) throw new SearchGivenUp()
    const isSigned =
      fitsKey(algorithm, issuer.publicKey.kind!) &&
      crypto.verifySignature(algorithm, issuer.publicKeyInfo, child.signed, child.signature)
    if (!isSigned) {
      const text = `the signature of ${nameText(issuer.subject)} under the certificate of ${nameText(child.subject)} is wrong`
      throw fatal(Alert.BAD_CERTIFICATE, text)
    }
  }
}

/** RFC 5280 §6.1.4 (g), §6.1.3 (b) and (c): each authority's constraints bind all certificates below it. */
function checkConstraints(path: readonly Certificate[]): void {
  for (const [index, authority] of path.entries()) {
    const constraints = authority.extensions.nameConstraints
    if (constraints === undefined) continue
    for (const [depth, certificate] of path.slice(0, index).entries()) {
      // Those that issued themselves are left out, but never the server's own.
      if (depth > 0 && sameBytes(certificate.subject, certificate.issuer)) continue
      const violation = constraintViolation(constraints, certificate.subject, certificate.extensions.names)
      if (violation === undefined) continue
      const text = `${nameText(authority.subject)} may not issue for ${nameText(certificate.subject)}: ${violation}`
      throw fatal(Alert.BAD_CERTIFICATE, text)
    }
  }
}

function unknownIssuer(leaf: Certificate, others: readonly Certificate[]): TransportError {
  const who = nameText(leaf.subject)
  if (sameBytes(leaf.issuer, leaf.subject)) {
    return fatal(Alert.UNKNOWN_CA, `the certificate of ${who} is signed by itself and is not among the trusted roots`)
  }
  const issuers = new Set([leaf, ...others].map(({ issuer }) => nameText(issuer)))
  return fatal(
    Alert.UNKNOWN_CA,
    `no trusted root for the certificate of ${who}; its chain names ${[...issuers].slice(0, 3).join(', ')}`,
  )
}

/** Not one candidate's fault: the whole search ends. */
class SearchGivenUp extends TransportError {
  constructor() {
    const { code, message } = fatal(Alert.BAD_CERTIFICATE, 'a chain in which too many certificates could be the next')
    super(code, 0, message)
  }
}
