/**
 * Traces that the environment asks for: `SSLKEYLOGFILE` (the secrets of all connections, for Wireshark) and `QLOGDIR` (one qlog file a
 * connection, for qvis). Both off by default; both open only what is really written.
 */
import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { NodeEndpointOptions } from '../endpoint/node.ts'
import { QlogTrace } from '../quic/index.ts'

export function tracesFromEnvironment(env: NodeJS.ProcessEnv): Pick<NodeEndpointOptions, 'keyLog' | 'trace'> {
  const { SSLKEYLOGFILE: keyLogFile, QLOGDIR: qlogFolder } = env
  const options: { -readonly [key in 'keyLog' | 'trace']?: NonNullable<NodeEndpointOptions[key]> } = {}
  if (keyLogFile) options.keyLog = (line) => appendFileSync(keyLogFile, `${line}\n`, { mode: 0o600 })
  if (qlogFolder) {
    mkdirSync(qlogFolder, { recursive: true })
    options.trace = (role, originalDestinationId) => {
      const file = join(qlogFolder, `${originalDestinationId}_${role}.sqlog`)
      return new QlogTrace({
        role,
        originalDestinationId,
        write: (record) => appendFileSync(file, record),
        referenceTimeMs: Date.now(),
      })
    }
  }
  return options
}
