/**
 * Relays: our client at the real server, the crate's client and real nodes at ours, address discovery both ways, endpoints through either. `TOM_NATIVE` and
 * `TOM_RELAY` name the binaries; conformance/run.ts builds them.
 */
import { afterAll, beforeAll, describe } from 'vitest'
import { ourDiscoverySuite, theirDiscoverySuite, theirNodeDiscoverySuite } from './relay/discovery-suite.ts'
import { dyingRelaySuite, endpointSuite, twoRelaysSuite } from './relay/endpoint-suite.ts'
import { ourClientSuite } from './relay/our-client-suite.ts'
import { theirClientSuite, theirNodeSuite } from './relay/our-server-suite.ts'
import { RelayLab } from './relay/setup.ts'
import { relayServerName } from './relay-server.ts'
import { nativePeerName } from './versions.ts'

const { TOM_NATIVE: native, TOM_RELAY: relay } = process.env
if (native === undefined || relay === undefined)
  throw new Error('TOM_NATIVE or TOM_RELAY is not set: start this with `npm run conformance`')

let lab: RelayLab
const labNow = (): RelayLab => lab

beforeAll(() => {
  lab = new RelayLab({ native, relay })
})
afterAll(() => lab.close())

describe(relayServerName(), () => {
  describe('our relay client', () => ourClientSuite(labNow))
  describe('our relay server', () => theirClientSuite(labNow))
  describe('address discovery', () => {
    describe('our server', () => theirDiscoverySuite(labNow))
    describe('its server', () => ourDiscoverySuite(labNow))
  })
})

describe(nativePeerName(), () => {
  describe('our relay server', () => theirNodeSuite(labNow))
  describe('address discovery', () => {
    describe('our server', () => theirNodeDiscoverySuite(labNow))
  })
  describe('endpoints through a relay', () => {
    describe('iroh-relay', () =>
      endpointSuite(labNow, async () => {
        const { url, quicPort } = await lab.real()
        return { url, quicPort }
      }))
    describe('iroh-relay over TLS', () =>
      endpointSuite(labNow, async () => {
        const { url, quicPort } = await lab.realSecure()
        return { url, quicPort }
      }))
    describe('our relay', () =>
      endpointSuite(labNow, async () => ({ url: (await lab.ours()).url.href, quicPort: null })))
    describe('iroh-relay', () => dyingRelaySuite(labNow))
    twoRelaysSuite(labNow)
  })
})
