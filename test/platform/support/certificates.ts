/** A certificate authority and a server's certificate, valid now, for the TLS servers of these tests. */
import {
  authority,
  certify,
  DAY,
  dns,
  extendedKeyUsage,
  ip,
  keys,
  keyUsage,
  SERVER_AUTH,
  subjectAltName,
} from '../../quic/tls/certificates.ts'

const pem = (label: string, der: Uint8Array): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(der).toString('base64').replace(/.{64}/g, '$&\n')}\n-----END ${label}-----\n`

/** PEM texts: who is to be trusted, and what a server shows. It is `relay.test`, `proxy.test`, `localhost` and 127.0.0.1. */
export function testCertificates(): { readonly ca: string; readonly cert: string; readonly key: string } {
  const now = Math.floor(Date.now() / 1000)
  const validity = { notBefore: now - DAY, notAfter: now + DAY }
  const root = authority('Test Root', keys('p256'), validity)
  const own = keys('p256')
  const names = [dns('relay.test'), dns('proxy.test'), dns('localhost'), ip(127, 0, 0, 1)]
  const leaf = certify({
    by: root,
    keys: own,
    extensions: [subjectAltName(...names), keyUsage(0), extendedKeyUsage(SERVER_AUTH)],
    ...validity,
  })
  return { ca: pem('CERTIFICATE', root.der), cert: pem('CERTIFICATE', leaf.der), key: pem('PRIVATE KEY', own.pkcs8) }
}
