/** The interop suite against the npm package `@number0/iroh`. */
import { createRequire } from 'node:module'
import { describePeer } from './peer-suite.ts'
import { startIrohPeer } from './reference-peer.ts'

const { version } = createRequire(import.meta.url)('@number0/iroh/package.json') as { version: string }

describePeer({ name: `npm @number0/iroh ${version}`, start: startIrohPeer })
