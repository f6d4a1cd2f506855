/**
 * The SignatureScheme code points of RFC 8446 §4.2.3 that this stack knows: which algorithm and which kind of key each stands for. What is
 * offered follows from what the crypto provider can verify.
 */
import { fitsKey, type SignatureAlgorithm, type SignatureKeyKind } from '../../crypto/index.ts'

export interface SignatureScheme {
  readonly id: number
  /** As in the RFC. */
  readonly name: string
  readonly algorithm: SignatureAlgorithm
  /** TLS 1.3 binds the curve to the hash, and tells RSA-PSS keys from RSA keys. Undefined: only for certificates, with any key. */
  readonly key: SignatureKeyKind | undefined
}

/** In our order: what is cheap to verify comes first. */
const SCHEMES: readonly SignatureScheme[] = [
  { id: 0x0807, name: 'ed25519', algorithm: 'ed25519', key: 'ed25519' },
  { id: 0x0403, name: 'ecdsa_secp256r1_sha256', algorithm: 'ecdsa-sha256', key: 'p256' },
  { id: 0x0503, name: 'ecdsa_secp384r1_sha384', algorithm: 'ecdsa-sha384', key: 'p384' },
  { id: 0x0804, name: 'rsa_pss_rsae_sha256', algorithm: 'rsa-pss-sha256', key: 'rsa' },
  { id: 0x0805, name: 'rsa_pss_rsae_sha384', algorithm: 'rsa-pss-sha384', key: 'rsa' },
  { id: 0x0806, name: 'rsa_pss_rsae_sha512', algorithm: 'rsa-pss-sha512', key: 'rsa' },
  { id: 0x0809, name: 'rsa_pss_pss_sha256', algorithm: 'rsa-pss-sha256', key: 'rsa-pss' },
  { id: 0x080a, name: 'rsa_pss_pss_sha384', algorithm: 'rsa-pss-sha384', key: 'rsa-pss' },
  { id: 0x080b, name: 'rsa_pss_pss_sha512', algorithm: 'rsa-pss-sha512', key: 'rsa-pss' },
  // RFC 8446 §4.2.3: for signatures in certificates only, never in a CertificateVerify.
  { id: 0x0401, name: 'rsa_pkcs1_sha256', algorithm: 'rsa-pkcs1-sha256', key: undefined },
  { id: 0x0501, name: 'rsa_pkcs1_sha384', algorithm: 'rsa-pkcs1-sha384', key: undefined },
  { id: 0x0601, name: 'rsa_pkcs1_sha512', algorithm: 'rsa-pkcs1-sha512', key: undefined },
]

/** The scheme of a CertificateVerify; undefined for one that we do not know or that may not stand there. */
export function handshakeScheme(id: number): SignatureScheme | undefined {
  return SCHEMES.find((scheme) => scheme.id === id && scheme.key !== undefined)
}

/** `rsa_pss_rsae_sha256`, or the number. */
export function schemeName(id: number): string {
  return SCHEMES.find((scheme) => scheme.id === id)?.name ?? `0x${id.toString(16).padStart(4, '0')}`
}

/** For signature_algorithms: what a CertificateVerify may use. */
export function handshakeSchemes(algorithms: readonly SignatureAlgorithm[]): number[] {
  return certificateSchemes(algorithms).filter((id) => handshakeScheme(id) !== undefined)
}

/** For signature_algorithms_cert: what the certificates of the chain may be signed with. */
export function certificateSchemes(algorithms: readonly SignatureAlgorithm[]): number[] {
  return SCHEMES.filter((scheme) => algorithms.includes(scheme.algorithm)).map((scheme) => scheme.id)
}

/** The schemes that a key of this kind makes in a handshake, ours first. */
export function schemesOfKey(kind: SignatureKeyKind): readonly SignatureScheme[] {
  return SCHEMES.filter((scheme) => scheme.key === kind && fitsKey(scheme.algorithm, kind))
}
