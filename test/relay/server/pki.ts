/** A certificate authority for the tests of one file, and servers that it vouches for: valid now, for this host. */
import { Buffer } from 'node:buffer'
import { TrustedRoots } from '../../../src/quic/index.ts'
import {
  authority,
  DAY,
  dns,
  extendedKeyUsage,
  type Issued,
  ip,
  keys,
  keyUsage,
  SERVER_AUTH,
  server,
  subjectAltName,
} from '../../quic/tls/certificates.ts'

export interface Pem {
  readonly cert: string
  readonly key: string
}

export function pem(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .match(/.{1,64}/g)!
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

export class Pki {
  readonly root: Issued
  readonly rootPem: string
  readonly roots: TrustedRoots

  constructor(name = 'Test Root') {
    const now = Math.floor(Date.now() / 1000)
    this.root = authority(name, keys('p256'), { notBefore: now - DAY, notAfter: now + 100 * DAY })
    this.rootPem = pem('CERTIFICATE', this.root.der)
    this.roots = new TrustedRoots([this.root.der])
  }

  /** For `localhost`, 127.0.0.1, ::1 and `name`. */
  issue(name = 'relay.test', days = 90): Pem {
    const now = Math.floor(Date.now() / 1000)
    const own = keys('p256')
    const leaf = server(this.root, own, {
      notBefore: now - 2 * DAY,
      notAfter: now + days * DAY,
      extensions: [
        subjectAltName(
          dns(name),
          dns('localhost'),
          ip(127, 0, 0, 1),
          ip(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
        ),
        keyUsage(0),
        extendedKeyUsage(SERVER_AUTH),
      ],
    })
    return { cert: pem('CERTIFICATE', leaf.der), key: pem('PRIVATE KEY', own.pkcs8) }
  }
}
