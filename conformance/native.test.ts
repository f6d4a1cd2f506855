/** The interop suite against the native program, iroh first, then noq alone. `TOM_NATIVE` names the binary; conformance/run.ts builds it. */
import { describeNoq } from '../test/interop/noq-suite.ts'
import { describePeer } from '../test/interop/peer-suite.ts'
import { startListener } from './peer.ts'
import { crateVersion, nativePeerName } from './versions.ts'

const binary = process.env.TOM_NATIVE
if (binary === undefined) throw new Error('TOM_NATIVE is not set: start this with `npm run conformance`')

describePeer({ name: nativePeerName(), start: () => startListener({ binary }) })
describeNoq(nativePeerName(), crateVersion('noq'), (options) => startListener({ binary, noq: true, ...options }))
