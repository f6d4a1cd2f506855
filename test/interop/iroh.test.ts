/** The interop suite against the npm package `@number0/iroh`. */
import { npmPeerName } from '../../conformance/versions.ts'
import { describePeer } from './peer-suite.ts'
import { startIrohPeer } from './reference-peer.ts'

describePeer({ name: npmPeerName(), start: startIrohPeer })
