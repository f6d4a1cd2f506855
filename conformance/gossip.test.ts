/**
 * Gossip: nodes of iroh-gossip and ours in one swarm, and the specification against iroh-gossip alone. `TOM_NATIVE` and `TOM_RELAY` name the binaries;
 * conformance/run.ts builds them.
 */
import { describe } from 'vitest'
import { disturbedSuite } from './gossip/disturbed-suite.ts'
import { mixedSuite } from './gossip/mixed-suite.ts'
import { pairSuite } from './gossip/pair-suite.ts'
import { GossipLab } from './gossip/setup.ts'
import { specificationSuite } from './gossip/specification-suite.ts'
import { gossipPeerName } from './versions.ts'

const { TOM_NATIVE: native, TOM_RELAY: relay } = process.env
if (native === undefined || relay === undefined)
  throw new Error('TOM_NATIVE or TOM_RELAY is not set: start this with `npm run conformance`')

const lab = new GossipLab({ native, relay })

describe(gossipPeerName(), () => {
  describe('gossip, one of each', () => pairSuite(() => lab))
  describe('gossip, mixed swarms', () => mixedSuite(() => lab))
  describe('gossip, disturbed swarms', () => disturbedSuite(() => lab))
  describe('gossip, what the specification says of it', () => specificationSuite(() => lab))
})
