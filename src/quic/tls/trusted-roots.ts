/**
 * The certificates that a client trusts: authorities, or single servers that signed themselves. Parsed once, for any number of connections;
 * what follows from them is decided in x509-verify.ts. RFC 5280 §6.1.1 (d).
 */
import { encodeHex, sameBytes } from '../../bytes/index.ts'
import { TransportError } from '../errors.ts'
import { type Certificate, parseCertificate } from './x509.ts'

const NONE: readonly Certificate[] = []

export class TrustedRoots {
  /** By subject, in hex. */
  readonly #bySubject = new Map<string, Certificate[]>()
  #size = 0
  #ignored = 0

  /** From DER; the arrays are copied. Throws RangeError for one that is not a certificate. */
  constructor(certificates: readonly Uint8Array[]) {
    for (const [index, der] of certificates.entries()) {
      try {
        this.#add(parseCertificate(der.slice()))
      } catch (error) {
        if (error instanceof TransportError) throw new RangeError(`trusted root ${index}: ${error.message}`)
        throw error
      }
    }
  }

  /** Leaves out what cannot be parsed, for the stores of systems, which nobody here can repair. */
  static lenient(certificates: readonly Uint8Array[]): TrustedRoots {
    const roots = new TrustedRoots([])
    for (const der of certificates) {
      try {
        roots.#add(parseCertificate(der.slice()))
      } catch (error) {
        if (!(error instanceof TransportError)) throw error
        roots.#ignored++
      }
    }
    return roots
  }

  #add(certificate: Certificate): void {
    if (this.has(certificate)) return
    const key = encodeHex(certificate.subject)
    const known = this.#bySubject.get(key)
    if (known === undefined) this.#bySubject.set(key, [certificate])
    else known.push(certificate)
    this.#size++
  }

  /** Different certificates in here. */
  get size(): number {
    return this.#size
  }

  /** How many `lenient` left out. */
  get ignored(): number {
    return this.#ignored
  }

  /** Whether exactly this certificate is trusted. */
  has(certificate: Certificate): boolean {
    return this.named(certificate.subject).some((root) => sameBytes(root.der, certificate.der))
  }

  /** Those with this subject, a DER Name. */
  named(subject: Uint8Array): readonly Certificate[] {
    return this.#bySubject.get(encodeHex(subject)) ?? NONE
  }
}
