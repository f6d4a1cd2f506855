/**
 * ToM's envelopes: ours and those of the libraries that the ToM stack is made of, and our node among nodes of native iroh that speak them. `TOM_NATIVE` and `TOM_RELAY` name
 * the binaries; conformance/run.ts builds them.
 */
import { afterAll, beforeAll, describe } from 'vitest'
import { leniencySuite } from './envelope/leniency-suite.ts'
import { NodeLab } from './envelope/node-lab.ts'
import { nodeSuite } from './envelope/node-suite.ts'
import { refusalSuite } from './envelope/refusal-suite.ts'
import { type EnvelopeLab, startLab } from './envelope/setup.ts'
import { wireSuite } from './envelope/wire-suite.ts'
import { envelopePeerName } from './versions.ts'

const { TOM_NATIVE: native, TOM_RELAY: relay } = process.env
if (native === undefined || relay === undefined)
  throw new Error('TOM_NATIVE or TOM_RELAY is not set: start this with `npm run conformance`')

const nodes = new NodeLab({ native, relay })
let lab: EnvelopeLab | undefined
const labNow = (): EnvelopeLab => {
  if (lab === undefined) throw new Error('the program does not run')
  return lab
}

beforeAll(async () => {
  lab = await startLab(native)
})
afterAll(() => lab?.rust.stop())

describe(envelopePeerName(), () => {
  describe('envelopes, both ways', () => wireSuite(labNow))
  describe('envelopes, what else is read', () => leniencySuite(labNow))
  describe('envelopes, nodes among nodes', () => nodeSuite(nodes))
  describe('envelopes, what nodes refuse', () => refusalSuite(nodes, labNow))
})
