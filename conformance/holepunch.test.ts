/**
 * Hole punching with native iroh in both roles, over the real relay and over ours, and its frames with noq alone. `TOM_NATIVE` and `TOM_RELAY` name the
 * binaries; conformance/run.ts builds them.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe } from 'vitest'
import { RelayServer } from '../src/relay/server/index.ts'
import { type PunchSetup, punchSuite } from '../test/interop/holepunch/punch-suite.ts'
import { candidatesSuite } from './holepunch/candidates-suite.ts'
import { failingPathsSuite } from './holepunch/failing-paths-suite.ts'
import { networkChangeSuite } from './holepunch/network-change-suite.ts'
import { noqSuite } from './holepunch/noq-suite.ts'
import { type Certificate, makeCertificate } from './oracles/certificates.ts'
import { type NativePeer, startListener } from './peer.ts'
import { RealRelay, relayServerName } from './relay-server.ts'
import { crateVersion, nativePeerName } from './versions.ts'

const { TOM_NATIVE: native, TOM_RELAY: binary } = process.env
if (native === undefined || binary === undefined)
  throw new Error('TOM_NATIVE or TOM_RELAY is not set: start this with `npm run conformance`')

const MIB = 1024 * 1024

interface Relay {
  readonly url: string
  readonly quicPort: number | null
  stop(): Promise<void>
}

/** A relay and a peer at home there, for all tests of the group. */
function over(
  name: string,
  start: (tls: Certificate) => Promise<Relay>,
  suite: (setupNow: () => PunchSetup) => void,
): void {
  describe(name, () => {
    let relay: Relay | undefined
    let peer: NativePeer | undefined
    let folder: string
    let certificate: Certificate
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'tom-punch-'))
      certificate = makeCertificate(folder, 'ECDSA P-256')
      relay = await start(certificate)
      const relays = { relays: [relay.url], relayQuicPorts: [relay.quicPort], relayCa: certificate.ca }
      peer = await startListener({ binary: native!, ...relays })
      await peer.waitFor('online')
    })
    afterAll(async () => {
      await peer?.stop()
      await relay?.stop()
      rmSync(folder, { recursive: true, force: true })
    })
    suite(() => {
      const { url, quicPort } = relay!
      return { url, quicPort, ca: readFileSync(certificate.ca, 'utf8'), peer: peer!, echoBytes: 64 * MIB }
    })
  })
}

const real = (tls?: Certificate): Promise<Relay> => RealRelay.start({ binary, ...(tls === undefined ? {} : { tls }) })

async function ours(): Promise<Relay> {
  const server = await RelayServer.start({ httpBind: '127.0.0.1:0' })
  return { url: server.url.href, quicPort: null, stop: () => server.close() }
}

describe(nativePeerName(), () => {
  describe('hole punching', () => {
    over(relayServerName(), () => real(), punchSuite)
    over(`${relayServerName()} with TLS and address discovery`, real, punchSuite)
    over('our relay', ours, punchSuite)
    over('a direct path dies', () => real(), failingPathsSuite)
    over('the network changes', () => real(), networkChangeSuite)
    over('many addresses', ours, (setupNow) => candidatesSuite(setupNow, native))
    describe(`noq ${crateVersion('noq')} alone`, () => noqSuite(native))
  })
})
