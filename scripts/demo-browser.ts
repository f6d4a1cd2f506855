/**
 * `npm run demo:browser`: a relay, a TypeScript node that echoes, and a page for a person with a browser, which is an endpoint itself. Everything is on
 * the loopback interface and nothing needs the Internet; Ctrl-C ends it all. The browser tests open the same page.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { CHAT_ALPN, type DemoConfig, MAX_MESSAGE } from '../demo/messages.ts'
import { type Connection, Endpoint } from '../src/index.ts'
import { RelayServer } from '../src/relay/server/index.ts'
import { ROOT } from './build.ts'
import { bundleForBrowser, servePages, type WebFile } from './demo-pages.ts'
import { isMain } from './run.ts'

/** Its own files, WebAssembly for the fast cipher, and relays of this machine. */
const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' http://127.0.0.1:* ws://127.0.0.1:*"
/** An orderly end takes no longer, ms. */
const CLOSE_LIMIT_MS = 4_000

export interface BrowserDemo {
  /** Of the page. */
  readonly url: string
  readonly relayUrl: string
  readonly nodeId: string
  /** Says something to every page that is connected. */
  say(text: string): void
  close(): Promise<void>
}

/** Starts all of it; `onLine` hears what happens at the node, a line each. */
export async function startBrowserDemo(onLine: (line: string) => void): Promise<BrowserDemo> {
  const relay = await RelayServer.start({ httpBind: '127.0.0.1:0', quic: false })
  const relayUrl = relay.url.href
  const node = await Endpoint.bind({ bind: ['127.0.0.1:0'], relays: [relayUrl] })
  const pages = new Set<Connection>()
  node.router().accept(CHAT_ALPN, (connection) => chat(connection, pages, onLine))
  await node.online()
  const file = (type: WebFile['type'], name: string): WebFile => ({
    type,
    body: readFileSync(join(ROOT, 'demo', name)),
  })
  const [page, worker] = await Promise.all(
    ['page.ts', 'worker.ts'].map((name) => bundleForBrowser(join(ROOT, 'demo', name))),
  )
  const config: DemoConfig = { relays: [relayUrl], node: node.ticket().toString() }
  const server = await servePages(
    {
      '/': file('text/html', 'index.html'),
      '/style.css': file('text/css', 'style.css'),
      '/icon.svg': file('image/svg+xml', 'icon.svg'),
      '/page.js': page!,
      '/worker.js': worker!,
      '/config.json': { type: 'application/json', body: JSON.stringify(config) },
    },
    POLICY,
  )
  return {
    url: `${server.origin}/`,
    relayUrl,
    nodeId: node.id.toString(),
    say: (text) => {
      for (const connection of pages) speak(connection, text).catch((error) => onLine(`not said: ${String(error)}`))
    },
    close: async () => {
      await server.close()
      await node.close()
      await relay.close()
    },
  }
}

/** The node's side of a conversation: shows each message and sends it back. */
async function chat(connection: Connection, pages: Set<Connection>, onLine: (line: string) => void): Promise<void> {
  const name = connection.remoteId.toShortString()
  pages.add(connection)
  onLine(`${name} connected, ${connection.paths().find(({ selected }) => selected)?.kind ?? 'unknown'} path`)
  try {
    for (;;) {
      const { send, recv } = await connection.acceptBi()
      const bytes = await recv.readToEnd(MAX_MESSAGE)
      onLine(`${name} says: ${printable(new TextDecoder().decode(bytes))}`)
      await send.write(bytes)
      await send.finish()
    }
  } catch {
    // Told below.
  }
  pages.delete(connection)
  onLine(`${name} left: ${(await connection.closed).message}`)
}

/** A terminal obeys control characters: those of a stranger are shown, not sent. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '\u{fffd}')
}

async function speak(connection: Connection, text: string): Promise<void> {
  const { send, recv } = await connection.openBi()
  await send.write(new TextEncoder().encode(text))
  await send.finish()
  await recv.readToEnd(MAX_MESSAGE)
}

async function main(): Promise<void> {
  const demo = await startBrowserDemo((line) => console.log(`  ${line}`))
  console.log(`relay            ${demo.relayUrl}`)
  console.log(`TypeScript node  ${demo.nodeId}`)
  console.log(`\nOpen ${demo.url} in a browser on this machine, and dial. Two tabs can dial each other, too.`)
  console.log('What you type here is said to every page that is connected. Ctrl-C ends everything.\n')
  const input = createInterface({ input: process.stdin })
  input.on('line', (line) => {
    if (line.trim() !== '') demo.say(line)
  })
  let isEnding = false
  const end = (): void => {
    if (isEnding) process.exit(130)
    isEnding = true
    input.close()
    setTimeout(() => process.exit(1), CLOSE_LIMIT_MS).unref()
    demo.close().then(
      () => process.exit(0),
      (error: unknown) => fail(error),
    )
  }
  process.on('SIGINT', end)
  process.on('SIGTERM', end)
}

function fail(error: unknown): void {
  console.error(`demo:browser failed: ${error instanceof Error ? error.message : String(error)}`)
  process.exit(1)
}

if (isMain(import.meta.url)) main().catch(fail)
