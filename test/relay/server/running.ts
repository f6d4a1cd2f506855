/** Relay servers for one test, on ports that the system chooses, closed afterwards whatever happened. */
import { onTestFinished } from 'vitest'
import { RelayServer, type RelayServerLogEntry, type RelayServerOptions } from '../../../src/relay/server/index.ts'

export interface Running {
  readonly server: RelayServer
  readonly port: number
  readonly log: RelayServerLogEntry[]
}

export async function start(options: RelayServerOptions = {}): Promise<Running> {
  const log: RelayServerLogEntry[] = []
  const server = await RelayServer.start({
    httpBind: '127.0.0.1:0',
    onLog: (entry) => log.push(entry),
    ...options,
    ...(options.tls === undefined ? {} : { tls: { bind: '127.0.0.1:0', ...options.tls } }),
  })
  onTestFinished(() => server.close())
  return { server, port: (server.httpsAddress ?? server.httpAddress)!.port, log }
}
