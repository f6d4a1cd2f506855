/**
 * `npm run demo:transport`: a relay, a listener and a dialler, three processes of the `tom` command on the loopback interface, and a native iroh node (npm
 * `@number0/iroh`) at home at the same relay. No Internet is needed; it ends with code 0 only when everybody reached everybody.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Endpoint as IrohEndpoint } from '@number0/iroh'
import { EndpointAddr, EndpointId, EndpointTicket } from '../src/index.ts'
import { buildCli } from './build.ts'

/** What `tom listen` and `tom connect` speak unless told otherwise. */
const ALPN = 'tom-protocol/poc/nat-test/0'
const BYTES = 256 * 1024
const PINGS = ['--pings', '3', '--delay', '100', '--timeout', '5000']
const LIMIT_MS = 14_000
/** For a program to end after it was asked to, ms. */
const STOP_LIMIT_MS = 3_000

const require = createRequire(import.meta.url)
const folder = mkdtempSync(join(tmpdir(), 'tom-demo-'))
const running = new Set<ChildProcess>()

/** One `tom` process; its lines are printed with its name before them. */
class Tom {
  readonly #child: ChildProcess
  readonly #lines: string[]
  readonly #ended: Promise<number | null>
  #onLine: () => void

  constructor(name: string, args: readonly string[]) {
    this.#lines = []
    this.#onLine = () => {}
    const child = spawn(process.execPath, [join(folder, 'tom.mjs'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    running.add(child)
    for (const stream of [child.stdout!, child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => {
        console.log(`   ${name.padEnd(8)} | ${shorten(line)}`)
        this.#lines.push(line)
        this.#onLine()
      })
    }
    this.#ended = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code) => {
        running.delete(child)
        resolve(code)
        this.#onLine()
      })
    })
  }

  /** What the first line that matches has in its brackets. Throws when the program ends without one. */
  async find(pattern: RegExp): Promise<string> {
    for (;;) {
      for (const line of this.#lines) {
        const found = pattern.exec(line)?.[1]
        if (found !== undefined) return found
      }
      if (!running.has(this.#child)) throw new Error(`no line like ${pattern} came; see above`)
      await new Promise<void>((resolve) => {
        this.#onLine = resolve
      })
    }
  }

  /** Throws unless it ends with code 0. */
  async success(): Promise<void> {
    const code = await this.#ended
    if (code !== 0) throw new Error(`a process ended with code ${code}; see above`)
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT_MS)
    await this.success()
    clearTimeout(timer)
  }
}

/** Tickets and ids fill a terminal. */
function shorten(line: string): string {
  return line.replace(/\b(endpoint[a-z2-7]{24})[a-z2-7]{40,}/g, '$1…').replace(/\b([0-9a-f]{10})[0-9a-f]{54}\b/g, '$1…')
}

function say(line: string): void {
  console.log(`\n${line}`)
}

// the native node

function iroh(): typeof import('@number0/iroh') {
  // CommonJS with a native addon, hence not a static import.
  return require('@number0/iroh/index.js')
}

async function openNative(relayUrl: string): Promise<IrohEndpoint> {
  const { Endpoint, RelayMode } = iroh()
  const builder = Endpoint.builder()
  builder.applyMinimal()
  builder.relayMode(RelayMode.customFromUrls([relayUrl]))
  // Both families, or it opens a wildcard socket for the one that is missing.
  builder.bindAddr('127.0.0.1:0')
  builder.bindAddr('[::1]:0')
  builder.alpns([[...Buffer.from(ALPN)]])
  const endpoint = await builder.bind()
  await endpoint.online()
  return endpoint
}

/** Dials the listener where the relay has it, and has a message echoed. */
async function nativeDials(native: IrohEndpoint, id: string, relayUrl: string): Promise<void> {
  const { EndpointAddr: IrohAddr, EndpointId } = iroh()
  const message = Uint8Array.from({ length: BYTES }, (_, index) => index * 31 + 7)
  let begin = performance.now()
  const target = new IrohAddr(EndpointId.fromString(id), relayUrl)
  const connection = await native.connect(target, [...Buffer.from(ALPN)])
  console.log(`   iroh     | connected to ${connection.remoteId().fmtShort()} in ${since(begin)}`)
  begin = performance.now()
  const { send, recv } = await connection.openBi()
  const sending = send.writeAll([...message]).then(() => send.finish())
  const [echoed] = await Promise.all([recv.readToEnd(BYTES), sending])
  if (echoed.length !== BYTES || !message.every((byte, index) => byte === echoed[index]))
    throw new Error('what the listener sent back is not what was sent')
  console.log(`   iroh     | echo of ${BYTES.toLocaleString('en')} bytes in ${since(begin)}, every byte equal`)
  connection.close(0n, [...Buffer.from('done')])
}

/** Echoes the streams of one connection, until it ends. */
async function nativeAnswers(native: IrohEndpoint): Promise<void> {
  const incoming = await native.acceptNext()
  const connection = await (await incoming!.accept()).connect()
  console.log(`   iroh     | ${connection.remoteId().fmtShort()} dialled`)
  const echo = async (): Promise<never> => {
    for (;;) {
      const { send, recv } = await connection.acceptBi()
      await send.writeAll(await recv.readToEnd(BYTES))
      await send.finish()
    }
  }
  // It ends with the error that the closed connection gives.
  await echo().catch(() => {})
}

function since(begin: number): string {
  return `${(performance.now() - begin).toFixed(0)} ms`
}

async function demo(): Promise<void> {
  await buildCli(join(folder, 'tom.mjs'))
  say('1. A relay, and a listener that can be found there')
  const relay = new Tom('relay', ['relay', '--dev', '--bind', '127.0.0.1:0'])
  const relayUrl = await relay.find(/^relay: (\S+)$/)
  const nativeStarts = openNative(relayUrl)
  // It may fail while nobody waits for it yet.
  nativeStarts.catch(() => {})
  const listener = new Tom('listener', ['listen', '--relay', relayUrl, '--name', 'listener'])
  const { addr } = EndpointTicket.parse(await listener.find(/^ticket: (\S+)$/))
  const relayed = new EndpointTicket(new EndpointAddr(addr.id).withRelay(relayUrl))

  say('2. A dialler whose ticket names only the relay: every packet goes through it, and it can read none')
  await dial(relayed.toString(), relayUrl, 'relay')
  say(
    "3. The same with the whole ticket: relay and addresses are dialled at once, the first that answers with the listener's key wins",
  )
  await dial(new EndpointTicket(addr).toString(), relayUrl)

  const { version } = require('@number0/iroh/package.json') as { version: string }
  say(`4. A native iroh node (npm @number0/iroh ${version}) at the same relay dials the listener`)
  const native = await nativeStarts
  await nativeDials(native, addr.id.toString(), relayUrl)
  say('5. A dialler dials the native node through the relay')
  const nativeAtRelay = new EndpointAddr(EndpointId.parse(native.id().toString())).withRelay(relayUrl)
  await Promise.all([nativeAnswers(native), dial(new EndpointTicket(nativeAtRelay).toString(), relayUrl, 'relay')])

  say('6. The end: listener, then relay')
  await native.close()
  await listener.stop()
  await relay.stop()
}

/** Throws unless every ping came back, by the kind of path that is expected. */
async function dial(ticket: string, relayUrl: string, via?: 'relay'): Promise<void> {
  const dialler = new Tom('dialler', ['connect', ticket, '--relay', relayUrl, '--name', 'dialler', ...PINGS])
  await dialler.success()
  if (via !== undefined) await dialler.find(new RegExp(`^(ping 1: .* ${via})$`))
}

function end(code: number): never {
  for (const child of running) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
  process.exit(code)
}

setTimeout(() => {
  console.error(`\ndemo failed: it took longer than ${LIMIT_MS / 1000} s; run it again on a machine with less to do`)
  end(1)
}, LIMIT_MS)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end(130))

demo().then(
  () => {
    console.log('\neverybody reached everybody')
    end(0)
  },
  (error: unknown) => {
    console.error(`\ndemo failed: ${error instanceof Error ? error.message : String(error)}`)
    end(1)
  },
)
