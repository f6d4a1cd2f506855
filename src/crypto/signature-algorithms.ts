/**
 * The signatures of TLS 1.3 and X.509 that this project knows, and which kind of key makes which: the vocabulary between `quic/tls/`,
 * which maps code points and object identifiers to it, and the providers, which compute. RFC 8446 §4.2.3, RFC 5280 §4.1.1.2.
 */

/**
 * Algorithm and hash. The curve of ECDSA is the key's, the signature a DER SEQUENCE { r, s } (RFC 3279 §2.2.3). RSA-PSS takes the same
 * hash for MGF1 and a salt of its length (RFC 8446 §4.2.3).
 */
export type SignatureAlgorithm =
  | 'ed25519'
  | 'ecdsa-sha256'
  | 'ecdsa-sha384'
  | 'ecdsa-sha512'
  | 'rsa-pss-sha256'
  | 'rsa-pss-sha384'
  | 'rsa-pss-sha512'
  | 'rsa-pkcs1-sha256'
  | 'rsa-pkcs1-sha384'
  | 'rsa-pkcs1-sha512'

/** `rsa` is for any RSA signature (rsaEncryption), `rsa-pss` for RSA-PSS alone (id-RSASSA-PSS, RFC 4055 §1.2). */
export type SignatureKeyKind = 'ed25519' | 'p256' | 'p384' | 'rsa' | 'rsa-pss'

/** Whether a key of this kind makes signatures of this algorithm. */
export function fitsKey(algorithm: SignatureAlgorithm, kind: SignatureKeyKind): boolean {
  switch (kind) {
    case 'ed25519':
      return algorithm === 'ed25519'
    case 'p256':
    case 'p384':
      return algorithm.startsWith('ecdsa-')
    case 'rsa':
      return algorithm.startsWith('rsa-')
    case 'rsa-pss':
      return algorithm.startsWith('rsa-pss-')
  }
}

/** The hash inside. */
export function signatureHash(algorithm: Exclude<SignatureAlgorithm, 'ed25519'>): 'sha256' | 'sha384' | 'sha512' {
  return algorithm.slice(-6) as 'sha256' | 'sha384' | 'sha512'
}
