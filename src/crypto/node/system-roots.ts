/**
 * The certificates that this system trusts, for clients that verify X.509 servers (quic/tls). Node knows them; which of them can be used is
 * decided where they are parsed.
 */
import { readFileSync } from 'node:fs'
import { decodePem } from '../pem.ts'
import { CryptoError } from '../provider.ts'

/** What newer releases of Node tell (22.15, 23.10). */
type CertificateSource = 'default' | 'system'
interface TlsModule {
  readonly rootCertificates: readonly string[]
  readonly getCACertificates?: (source: CertificateSource) => string[]
}

/**
 * DER, each once: the list that comes with Node, the file of NODE_EXTRA_CA_CERTS, and the store of the operating system where Node can
 * read it. It takes some milliseconds; keep what is made of it.
 */
export function systemRootCertificates(): Uint8Array[] {
  // Only when asked for: node:tls is not small.
  const tls: TlsModule = process.getBuiltinModule('node:tls')
  const found = new Map<string, Uint8Array>()
  for (const pem of [...listed(tls), ...systemStore(tls)]) {
    for (const der of certificates(pem)) found.set(Buffer.from(der).toString('latin1'), der)
  }
  return [...found.values()]
}

/** A file that is damaged adds nothing: Node, too, only warns. */
function certificates(pem: string): Uint8Array[] {
  try {
    return decodePem(pem, 'CERTIFICATE')
  } catch (error) {
    if (error instanceof CryptoError) return []
    throw error
  }
}

function listed(tls: TlsModule): readonly string[] {
  if (tls.getCACertificates !== undefined) return tls.getCACertificates('default')
  const extra = process.env.NODE_EXTRA_CA_CERTS
  if (extra === undefined || extra === '') return tls.rootCertificates
  try {
    return [...tls.rootCertificates, readFileSync(extra, 'utf8')]
  } catch {
    return tls.rootCertificates
  }
}

function systemStore(tls: TlsModule): readonly string[] {
  try {
    return tls.getCACertificates?.('system') ?? []
  } catch {
    return []
  }
}
