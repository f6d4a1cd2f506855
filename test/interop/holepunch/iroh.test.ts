/** `npm test` proves that hole punching works with real iroh: nodes of the npm package `@number0/iroh` over our relay, from the relay to a direct path and in both roles. */
import { networkInterfaces } from 'node:os'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { NativePeer } from '../../../conformance/peer.ts'
import { npmPeerName } from '../../../conformance/versions.ts'
import { RelayServer } from '../../../src/relay/server/index.ts'
import { startIrohPeer } from '../reference-peer.ts'
import { dialByRelay, dialledByRelay, openOurs, type PunchSetup, punchSuite, theySee } from './punch-suite.ts'

const MIB = 1024 * 1024

let relay: RelayServer
let peer: NativePeer
const setupNow = (): PunchSetup => ({ url: relay.url.href, quicPort: null, peer, echoBytes: 4 * MIB })

beforeAll(async () => {
  relay = await RelayServer.start({ httpBind: '127.0.0.1:0' })
  peer = await startIrohPeer({ relays: [relay.url.href] })
  await peer.waitFor('online')
})
afterAll(async () => {
  await peer.stop()
  await relay.close()
})

describe(npmPeerName(), () => {
  punchSuite(setupNow)

  const outside = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)

  test.skipIf(outside === undefined)(
    'endpoint.md §3.2: sockets on any address: the direct path is between addresses of the interfaces, in both roles',
    async () => {
      const url = relay.url.href
      const other = await startIrohPeer({ relays: [url], bind: ['0.0.0.0:0'] })
      onTestFinished(() => other.stop())
      await other.waitFor('online')
      const setup = { url, peer: other }
      for (const dial of [dialByRelay, dialledByRelay]) {
        const ours = await openOurs({ url, quicPort: null }, { bind: ['0.0.0.0:0'] })
        const { log, theirs } = await dial(ours, setup)
        await log.goes('direct')
        await log.settles()
        await theySee(theirs, 'direct, selected', 'relay')
        expect(log.selected?.remote).not.toMatch(/^127\./)
        log.connection.close()
      }
    },
  )
})
