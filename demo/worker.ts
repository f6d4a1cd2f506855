/** The demo's endpoint, in a Worker: a page that is busy drawing must not keep the relay waiting for a pong (spec/relay.md §1.7). */
import { type Connection, Endpoint } from '../src/index.browser.ts'
import { CHAT_ALPN, MAX_MESSAGE, type ToPage, type ToWorker } from './messages.ts'

/** How often the page learns of the home relay, of a connection's path and its round trip, ms. */
const LOOK_INTERVAL_MS = 500

const connections = new Map<number, Connection>()
let endpoint: Endpoint | undefined
let wasConnected = false
let next = 1

function tell(message: ToPage): void {
  self.postMessage(message)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

async function start(relays: readonly string[]): Promise<void> {
  endpoint = await Endpoint.bind({ relays })
  endpoint.router().accept(CHAT_ALPN, keep)
  tell({ type: 'bound', id: endpoint.id.toString() })
  await endpoint.online()
  tellHome(endpoint)
  setInterval(tellHome, LOOK_INTERVAL_MS, endpoint)
}

/** When it changed: a relay may go away and come back. */
function tellHome(endpoint: Endpoint): void {
  const { homeRelay } = endpoint
  if (homeRelay === undefined || homeRelay.isConnected === wasConnected) return
  wasConnected = homeRelay.isConnected
  const ticket = wasConnected ? endpoint.ticket().toString() : undefined
  tell({ type: 'home', relay: homeRelay.url.href, ticket })
}

async function dial(ticket: string): Promise<void> {
  if (endpoint === undefined) throw new Error('the endpoint is not ready yet')
  keep(await endpoint.connect(ticket, CHAT_ALPN, { timeoutMs: 10_000 })).catch((error) => console.error(error))
}

/** Whoever dialled: from here on both sides are alike. Until the connection ends. */
async function keep(connection: Connection): Promise<void> {
  const peer = next++
  connections.set(peer, connection)
  tell({ type: 'connected', peer, id: connection.remoteId.toString(), side: connection.side })
  tellPath(peer, connection)
  const timer = setInterval(() => tellPath(peer, connection), LOOK_INTERVAL_MS)
  hear(peer, connection).catch(() => {
    // The connection ended, which is told below.
  })
  const { message } = await connection.closed
  clearInterval(timer)
  connections.delete(peer)
  tell({ type: 'closed', peer, reason: message })
}

function tellPath(peer: number, connection: Connection): void {
  const path = connection.paths().find(({ selected }) => selected)
  if (path !== undefined) tell({ type: 'path', peer, kind: path.kind, remote: path.remote, rttMs: path.rttMs })
}

async function hear(peer: number, connection: Connection): Promise<never> {
  for (;;) {
    const { send, recv } = await connection.acceptBi()
    const bytes = await recv.readToEnd(MAX_MESSAGE)
    tell({ type: 'heard', peer, text: new TextDecoder().decode(bytes) })
    await send.write(bytes)
    await send.finish()
  }
}

async function say(peer: number, text: string): Promise<void> {
  const connection = connections.get(peer)
  if (connection === undefined) throw new Error('that connection has ended')
  const begin = performance.now()
  const { send, recv } = await connection.openBi()
  await send.write(new TextEncoder().encode(text))
  await send.finish()
  const echo = new TextDecoder().decode(await recv.readToEnd(MAX_MESSAGE))
  const rttMs = performance.now() - begin
  if (echo !== text) throw new Error('what came back is not what was sent')
  tell({ type: 'echoed', peer, text, rttMs })
  tellPath(peer, connection)
}

self.onmessage = async ({ data }: MessageEvent<ToWorker>): Promise<void> => {
  if (data.type === 'hang-up') {
    connections.get(data.peer)?.close(0, 'hung up')
    return
  }
  try {
    if (data.type === 'start') await start(data.relays)
    else if (data.type === 'dial') await dial(data.ticket)
    else await say(data.peer, data.text)
  } catch (error) {
    tell({ type: 'failed', what: data.type, reason: messageOf(error) })
  }
}
