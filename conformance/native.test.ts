/** The interop suite against the native program. `TOM_NATIVE` names the binary; conformance/run.ts builds it. */
import { describePeer } from '../test/interop/peer-suite.ts'
import { startListener } from './peer.ts'
import { nativePeerName } from './versions.ts'

const binary = process.env.TOM_NATIVE
if (binary === undefined) throw new Error('TOM_NATIVE is not set: start this with `npm run conformance`')

describePeer({ name: nativePeerName(), start: () => startListener({ binary }) })
