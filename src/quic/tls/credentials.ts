/**
 * The two halves of authentication, for raw public keys and for X.509 alike: what we show and sign with, and the key that the peer showed and
 * has yet to prove. RFC 8446 §4.4.2 and §4.4.3, RFC 7250, spec/quic.md §1.2.
 */
import { sameBytes } from '../../bytes/index.ts'
import type { CryptoProvider, Signer, SigningKey } from '../../crypto/index.ts'
import { TransportError } from '../errors.ts'
import { Alert, fatal } from './alerts.ts'
import { ED25519 } from './extensions.ts'
import { encodeCertificate } from './messages.ts'
import { decodeRawPublicKey, encodeRawPublicKey } from './raw-public-key.ts'
import { handshakeScheme, schemeName, schemesOfKey } from './signature-schemes.ts'
import { type Certificate, parseCertificate } from './x509.ts'

/** What one side shows and signs with. */
export interface Credential {
  /** The whole Certificate message. */
  readonly message: Uint8Array
  /** What a CertificateVerify of ours may use, most wanted first. */
  readonly schemes: readonly number[]
  sign(scheme: number, content: Uint8Array): Uint8Array
}

export function rawPublicKeyCredential(signer: Signer): Credential {
  return {
    message: encodeCertificate(encodeRawPublicKey(signer.publicKey)),
    schemes: [ED25519],
    sign: (_scheme, content) => signer.sign(content),
  }
}

/** A server's certificate and the key in it. */
export interface ServerCertificate {
  /** DER: the server's own certificate, then the authorities up to the root, which is left out. */
  readonly chain: readonly Uint8Array[]
  /** PKCS #8 DER of an Ed25519, P-256, P-384 or RSA key (2048 to 8192 bits). */
  readonly privateKey: Uint8Array
}

/** Made once, for any number of connections. */
export class X509Credential implements Credential {
  readonly message: Uint8Array
  readonly schemes: readonly number[]
  readonly #key: SigningKey

  /** Throws RangeError when the chain is unusable or the key belongs to another certificate, CryptoError when the key cannot be used here. */
  constructor(crypto: CryptoProvider, { chain, privateKey }: ServerCertificate) {
    const leaf = parseOwnChain(chain)
    this.#key = crypto.signingKey(privateKey)
    if (!sameBytes(leaf.publicKeyInfo, this.#key.publicKeyInfo)) {
      this.#key.free()
      throw new RangeError('the private key does not belong to the first certificate of the chain')
    }
    this.message = encodeCertificate(...chain)
    this.schemes = schemesOfKey(this.#key.kind).map((scheme) => scheme.id)
  }

  sign(scheme: number, content: Uint8Array): Uint8Array {
    return this.#key.sign(handshakeScheme(scheme)!.algorithm, content)
  }

  free(): void {
    this.#key.free()
  }
}

function parseOwnChain(chain: readonly Uint8Array[]): Certificate {
  if (chain.length === 0) throw new RangeError('the certificate chain is empty')
  try {
    return chain.map(parseCertificate)[0]!
  } catch (error) {
    if (error instanceof TransportError) throw new RangeError(`the certificate chain: ${error.message}`)
    throw error
  }
}

/** The key that the peer showed. It is the peer's once its CertificateVerify was checked. */
export interface ClaimedKey {
  /** Raw public keys: the 32 bytes. */
  readonly publicKey: Uint8Array | undefined
  /** X.509: the chain in DER. */
  readonly certificates: readonly Uint8Array[] | undefined
  /** Whether the signature holds. Throws TransportError when the scheme may not be used with this key, RFC 8446 §4.4.3. */
  verify(scheme: number, content: Uint8Array, signature: Uint8Array): boolean
}

/** From the bytes of the one certificate entry, RFC 7250 §3. */
export function claimRawPublicKey(crypto: CryptoProvider, spki: Uint8Array): ClaimedKey & { publicKey: Uint8Array } {
  const publicKey = decodeRawPublicKey(spki)
  return {
    publicKey,
    certificates: undefined,
    verify: (scheme, content, signature) => {
      if (scheme !== ED25519) throw notOffered(scheme)
      return crypto.verify(publicKey, content, signature)
    },
  }
}

/** The chain was verified; `leaf` is its first certificate. */
export function claimCertificate(
  crypto: CryptoProvider,
  leaf: Certificate,
  certificates: readonly Uint8Array[],
): ClaimedKey {
  const { publicKey, publicKeyInfo } = leaf
  return {
    publicKey: undefined,
    certificates,
    verify: (id, content, signature) => {
      const scheme = handshakeScheme(id)
      // RFC 8446 §4.2.3: a PKCS #1 signature is for certificates alone, and ends here as well.
      if (scheme === undefined || !crypto.signatureAlgorithms.includes(scheme.algorithm)) throw notOffered(id)
      if (scheme.key !== publicKey.kind) {
        throw fatal(Alert.ILLEGAL_PARAMETER, `the certificate holds no key for ${scheme.name}`)
      }
      return crypto.verifySignature(scheme.algorithm, publicKeyInfo, content, signature)
    },
  }
}

function notOffered(scheme: number): TransportError {
  return fatal(Alert.ILLEGAL_PARAMETER, `signature scheme ${schemeName(scheme)} was not offered`)
}
