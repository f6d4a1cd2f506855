/** Names of the relay's figures and of what it is measured against, as they stand in rows and tables. */
import { relayServerName } from '../../conformance/relay-server.ts'

/** As `--only` names it, in the rows too. */
export const RELAY = 'relay'

/** The column of the real server. */
export const IROH_RELAY: string = relayServerName()
