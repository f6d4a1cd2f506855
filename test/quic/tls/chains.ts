/** One root, its authorities, and attempts to verify what they issued: what the tests of x509-verify.ts share. */
import { expect } from 'vitest'
import { alertName } from '../../../src/quic/tls/alerts.ts'
import { TrustedRoots } from '../../../src/quic/tls/trusted-roots.ts'
import { parseServerName } from '../../../src/quic/tls/x509-names.ts'
import { verifyServerChain } from '../../../src/quic/tls/x509-verify.ts'
import { authority, basicConstraints, certify, type Issued, keys, keyUsage, NOW, type Order } from './certificates.ts'
import { caught, expectAlert, nodeCrypto } from './harness.ts'

export const KEYS = {
  ed25519: keys('ed25519'),
  p256: keys('p256'),
  p384: keys('p384'),
  rsa: keys('rsa'),
  'rsa-pss': keys('rsa-pss'),
}
export const other = keys('p256')
export const between = keys('p256')
export const ROOT = authority('Test Root', KEYS.p256)

export interface Attempt {
  readonly roots?: readonly Issued[]
  readonly server?: string
  readonly now?: number
  readonly crypto?: Parameters<typeof verifyServerChain>[1]['crypto']
}

export function verify(chain: readonly Issued[], attempt: Attempt = {}) {
  return verifyServerChain(
    chain.map((certificate) => certificate.der),
    {
      crypto: attempt.crypto ?? nodeCrypto,
      roots: new TrustedRoots((attempt.roots ?? [ROOT]).map((root) => root.der)),
      server: parseServerName(attempt.server ?? 'example.test'),
      nowUnixSeconds: attempt.now ?? NOW,
    },
  )
}

export function expectRefused(alert: number, text: RegExp, chain: readonly Issued[], attempt: Attempt = {}): void {
  const run = () => verify(chain, attempt)
  expectAlert(alert, run)
  const { message } = caught(run) as Error
  expect(message.startsWith(`${alertName(alert)}: `)).toBe(true)
  expect(message).toMatch(text)
}

/** An authority under `by`. */
export const intermediate = (by: Issued, change: Partial<Order> = {}) =>
  certify({ subject: 'Between', keys: between, by, extensions: [basicConstraints(), keyUsage(5)], ...change })

export const MIDDLE = intermediate(ROOT)
