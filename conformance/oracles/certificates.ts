/** Certificates for one run: an authority and a server's leaf for `localhost` and 127.0.0.1, made by the openssl command in a folder that the caller removes. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../../scripts/run.ts'

/** PEM files. */
export interface Certificate {
  /** The chain, leaf first, without the authority. */
  readonly chain: string
  /** PKCS #8. */
  readonly key: string
  /** The authority. */
  readonly ca: string
}

export const KEY_TYPES = ['ECDSA P-256', 'Ed25519', 'RSA-PSS'] as const
export type KeyType = (typeof KEY_TYPES)[number]

const KEY_ARGUMENTS: Readonly<Record<KeyType, readonly string[]>> = {
  'ECDSA P-256': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  Ed25519: ['-algorithm', 'ED25519'],
  // An ordinary RSA key; TLS 1.3 signs with RSA-PSS alone (RFC 8446 §4.2.3).
  'RSA-PSS': ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
}
const DAYS = '2'

/** Authority and leaf have keys of the same type. */
export function makeCertificate(folder: string, type: KeyType): Certificate {
  const file = (name: string): string => join(folder, `${type.replaceAll(' ', '-').toLowerCase()}-${name}`)
  const openssl = (...args: string[]): void => {
    run('openssl', args, { cwd: folder })
  }
  const [ca, caKey, chain, key, request, extensions] = [
    'ca.pem',
    'ca.key',
    'cert.pem',
    'key.pem',
    'csr.pem',
    'ext.cnf',
  ].map(file)
  for (const keyFile of [caKey!, key!]) openssl('genpkey', ...KEY_ARGUMENTS[type], '-out', keyFile)
  const authority = ['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign']
  openssl('req', '-x509', '-key', caKey!, '-out', ca!, '-days', DAYS, '-subj', '/CN=oracle authority', ...authority)
  openssl('req', '-new', '-key', key!, '-out', request!, '-subj', '/CN=localhost')
  writeFileSync(
    extensions!,
    [
      'subjectAltName=DNS:localhost,IP:127.0.0.1',
      'basicConstraints=critical,CA:FALSE',
      'keyUsage=critical,digitalSignature',
      'extendedKeyUsage=serverAuth',
      '',
    ].join('\n'),
  )
  const signing = ['-CA', ca!, '-CAkey', caKey!, '-CAcreateserial', '-extfile', extensions!]
  openssl('x509', '-req', '-in', request!, '-out', chain!, '-days', DAYS, ...signing)
  return { chain: chain!, key: key!, ca: ca! }
}
