/** `tom listen`: waits for connections and echoes every stream, as PoC-4's listener does. */
import { messageOf } from '../bytes/index.ts'
import type { Connection } from '../endpoint/index.ts'
import { Endpoint } from '../endpoint/node.ts'
import { type EndpointFlags, endpointOptions } from './endpoint-flags.ts'
import { PathMonitor } from './path-monitor.ts'
import { pocTimestamp } from './poc-events.ts'
import { aborted, type Run } from './run.ts'

/** Then the ticket is printed anyway, ms. */
const ONLINE_WAIT_MS = 10_000

export interface ListenOptions extends EndpointFlags {
  readonly name: string
  readonly alpn: string
}

/** Runs until it is interrupted. */
export async function listen(options: ListenOptions, run: Run): Promise<void> {
  const { name, alpn } = options
  const { reporter } = run
  const endpoint = await Endpoint.bind({ ...endpointOptions(options, run), alpns: [alpn] })
  let connections = 0
  let streams = 0
  try {
    endpoint.router().accept(alpn, async (connection) => {
      connections++
      reporter.note(`connection from ${connection.remoteId}`)
      new PathMonitor(connection, run)
      await echoStreams(connection, () => streams++)
      const { code, closeCode } = await connection.closed
      reporter.note(`connection from ${connection.remoteId.toShortString()} ended: ${code}, code ${closeCode}`)
    })
    reporter.event('started', {
      name,
      id: endpoint.id.toString(),
      mode: 'listen',
      timestamp: pocTimestamp(run.wallClock()),
    })
    reporter.note(`listening on ${endpoint.boundAddresses().join(' and ')}`)
    await goOnline(endpoint, run)
    reporter.note(`ticket: ${endpoint.ticket()}`)
    await aborted(run.interrupted)
  } finally {
    await endpoint.close()
  }
  reporter.note(`${connections} connections, ${streams} streams echoed`)
}

/** A ticket without the relay is of little use elsewhere, but in a local network it does: no relay is no reason to give up. */
async function goOnline(endpoint: Endpoint, { reporter, interrupted }: Run): Promise<void> {
  try {
    await endpoint.online({ signal: interrupted, timeoutMs: ONLINE_WAIT_MS })
  } catch (error) {
    if (interrupted.aborted) return
    reporter.note(`${messageOf(error)}; going on without`)
  }
  const { homeRelay } = endpoint
  if (homeRelay?.isConnected === true) reporter.note(`online at ${homeRelay.url}`)
}

/** Until the connection ends. */
async function echoStreams(connection: Connection, onEcho: () => void): Promise<void> {
  for (;;) {
    let stream: Awaited<ReturnType<Connection['acceptBi']>>
    try {
      stream = await connection.acceptBi()
    } catch {
      return
    }
    const { send, recv } = stream
    const echo = async (): Promise<void> => {
      for await (const chunk of recv) await send.write(chunk)
      await send.finish()
      onEcho()
    }
    // A stream that breaks is its opener's business; the connection goes on.
    echo().catch(() => send.reset(0))
  }
}
