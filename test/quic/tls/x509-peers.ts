import type { CryptoProvider, SignatureKeyKind } from '../../../src/crypto/index.ts'
import { rawPublicKeyCredential, X509Credential } from '../../../src/quic/tls/credentials.ts'
import type { ServerAuthentication, X509Authentication } from '../../../src/quic/tls/session.ts'
import { TrustedRoots } from '../../../src/quic/tls/trusted-roots.ts'
import { authority, dns, ip, keys, NOW, server, subjectAltName } from './certificates.ts'
import { type Edit, nodeCrypto, SERVER_SEED } from './harness.ts'

export const KINDS: readonly SignatureKeyKind[] = ['ed25519', 'p256', 'p384', 'rsa', 'rsa-pss']
export const KEYS = {
  ed25519: keys('ed25519'),
  p256: keys('p256'),
  p384: keys('p384'),
  rsa: keys('rsa'),
  'rsa-pss': keys('rsa-pss'),
}
export const ROOT_KEYS = keys('p256')
export const ROOT = authority('Test Root', ROOT_KEYS)
export const ROOTS = new TrustedRoots([ROOT.der])
export const NAMES = subjectAltName(dns('example.test'), ip(192, 0, 2, 1))
export const LEAFS = Object.fromEntries(
  KINDS.map((kind) => [kind, server(ROOT, KEYS[kind], { extensions: [NAMES] })]),
) as Record<SignatureKeyKind, ReturnType<typeof server>>

export function x509(change: Partial<X509Authentication> = {}): X509Authentication {
  return { kind: 'x509', serverName: 'example.test', roots: ROOTS, nowUnixSeconds: NOW, ...change }
}

export function credential(kind: SignatureKeyKind, crypto: CryptoProvider = nodeCrypto): X509Credential {
  return new X509Credential(crypto, { chain: [LEAFS[kind].der], privateKey: KEYS[kind].pkcs8 })
}

export const both = (kind: SignatureKeyKind): ServerAuthentication => ({
  rawPublicKey: rawPublicKeyCredential(nodeCrypto.signer(SERVER_SEED)),
  x509: credential(kind),
})

export const list = (extensions: ReturnType<Edit>) => [...extensions] as [number, Uint8Array][]
