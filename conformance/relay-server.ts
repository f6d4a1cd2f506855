/**
 * The real relay server: builds `iroh-relay` from its crate, at the version that the native program is locked to, starts it on free ports of loopback
 * and stops it. For tests and benchmarks.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { homedir, networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { cargo } from './cargo.ts'
import { crateVersion } from './versions.ts'

/** How long it may take to answer, and to end, ms. */
const START_LIMIT_MS = 10_000
const STOP_LIMIT_MS = 5_000

function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'tom-transport')
}

export function relayServerName(): string {
  return `iroh-relay ${crateVersion('iroh-relay')}`
}

/** Where `buildRelayServer` puts everything that cargo says. */
export function relayBuildLog(): string {
  return join(cacheFolder(), 'iroh-relay-build.log')
}

/**
 * The path of the binary, built with `cargo install --locked` unless it is there already (about 4 minutes the first time on two cores). Throws when
 * cargo is missing or fails.
 */
export async function buildRelayServer(limitMs = 1_200_000): Promise<string> {
  const version = crateVersion('iroh-relay')
  const root = join(cacheFolder(), 'iroh-relay')
  const binary = join(root, 'bin', process.platform === 'win32' ? 'iroh-relay.exe' : 'iroh-relay')
  if (existsSync(binary) && execFileSync(binary, ['--version'], { encoding: 'utf8' }).includes(version)) return binary
  mkdirSync(root, { recursive: true })
  const args = ['install', '--locked', 'iroh-relay', '--version', `=${version}`, '--features', 'server']
  await cargo([...args, '--root', root, '--target-dir', join(cacheFolder(), 'target-relay')], {
    cwd: root,
    log: relayBuildLog(),
    limitMs,
  })
  return binary
}

export interface RealRelayOptions {
  /** From `buildRelayServer`. */
  readonly binary: string
  /** PEM files. Without them it is plain HTTP (`--dev`), and there is no address discovery. */
  readonly tls?: { readonly chain: string; readonly key: string }
  /** More lines for the head of its TOML configuration, such as `access.shared_token = ["a"]`. */
  readonly config?: readonly string[]
  /** Where plain HTTP listens, such as where another one did before. Default: a free port. */
  readonly httpPort?: number
  /** File descriptors it may open; default what the system gives. */
  readonly maxFiles?: number
}

interface Ports {
  readonly http: number
  readonly https: number
  readonly quic: number
  readonly metrics: number
}

/** A running iroh-relay. Stop it, or it lives as long as this process. */
export class RealRelay {
  /** For clients, `localhost` by name where there is TLS. */
  readonly url: string
  /** `ip:port` of the listener that takes clients. */
  readonly address: string
  /** `ip:port` of plain HTTP: with TLS only for captive portal checks. */
  readonly httpAddress: string
  /** `ip:port`, UDP; undefined without TLS. Where there is IPv6, [::1] answers at the same port. */
  readonly quicAddress: string | undefined
  readonly #metrics: string
  readonly #child: ChildProcess
  readonly #folder: string
  readonly #said: { text: string }

  private constructor(child: ChildProcess, folder: string, said: { text: string }, ports: Ports, isSecure: boolean) {
    this.url = isSecure ? `https://localhost:${ports.https}/` : `http://127.0.0.1:${ports.http}/`
    this.address = `127.0.0.1:${isSecure ? ports.https : ports.http}`
    this.httpAddress = `127.0.0.1:${ports.http}`
    this.quicAddress = isSecure ? `127.0.0.1:${ports.quic}` : undefined
    this.#metrics = `http://127.0.0.1:${ports.metrics}/metrics`
    this.#child = child
    this.#folder = folder
    this.#said = said
  }

  /** Resolves when it answers. Rejects with what it said when it ends instead. */
  static async start({ binary, tls, config = [], httpPort, maxFiles }: RealRelayOptions): Promise<RealRelay> {
    const [http, https, metrics, quic] = await freePorts()
    const ports: Ports = { http: httpPort ?? http!, https: https!, quic: quic!, metrics: metrics! }
    const folder = mkdtempSync(join(tmpdir(), 'tom-iroh-relay-'))
    const file = join(folder, 'config.toml')
    const at = (port: number): string => `"127.0.0.1:${port}"`
    const secure = tls && [
      'enable_quic_addr_discovery = true',
      '[tls]',
      `https_bind_addr = ${at(ports.https)}`,
      `quic_bind_addr = "${hasIpv6() ? '[::]' : '127.0.0.1'}:${ports.quic}"`,
      'cert_mode = "Manual"',
      `manual_cert_path = ${JSON.stringify(tls.chain)}`,
      `manual_key_path = ${JSON.stringify(tls.key)}`,
    ]
    const head = [`http_bind_addr = ${at(ports.http)}`, `metrics_bind_addr = ${at(ports.metrics)}`, ...config]
    writeFileSync(file, [...head, ...(secure ?? []), ''].join('\n'))
    const args = [...(tls === undefined ? ['--dev'] : []), '--config-path', file]
    const said = { text: '' }
    const child =
      maxFiles === undefined
        ? spawn(binary, args, { stdio: ['ignore', 'ignore', 'pipe'] })
        : spawn('sh', ['-c', `ulimit -n ${maxFiles} && exec "$0" "$@"`, binary, ...args], {
            stdio: ['ignore', 'ignore', 'pipe'],
          })
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said.text = (said.text + text).slice(-4000)
    })
    // what ended it is read from its exit code
    child.on('error', (error) => {
      said.text += error.message
    })
    const relay = new RealRelay(child, folder, said, ports, tls !== undefined)
    try {
      // the last thing it binds is UDP, a moment after what is asked here; QUIC sends again
      await relay.#answers()
    } catch (error) {
      await relay.stop()
      throw error
    }
    return relay
  }

  /** Of the process, for its memory and CPU time. */
  get pid(): number {
    return this.#child.pid!
  }

  /** UDP port of address discovery, for a relay configuration; null: none. */
  get quicPort(): number | null {
    return this.quicAddress === undefined ? null : Number(this.quicAddress.split(':')[1])
  }

  /** Its counters by name, without `relayserver_` and `_total`. */
  async counters(): Promise<ReadonlyMap<string, number>> {
    const text = await (await fetch(this.#metrics)).text()
    const lines = text.matchAll(/^relayserver_(\w+?)(?:_total)? (\d+)$/gm)
    return new Map(Array.from(lines, ([, name, value]) => [name!, Number(value)]))
  }

  /** Ends it, by force when it takes longer than 5 s. `kill`: at once, without a word to its clients. */
  async stop(kill = false): Promise<void> {
    const child = this.#child
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill(kill ? 'SIGKILL' : 'SIGINT')
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS)
      await ended
      clearTimeout(timer)
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #answers(): Promise<void> {
    const deadline = performance.now() + START_LIMIT_MS
    while (performance.now() < deadline) {
      if (this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null)
        throw new Error(`iroh-relay ended at once: ${this.#said.text.trim()}`)
      // plain HTTP answers something in both modes, and is bound after HTTPS
      const answer = await fetch(`http://${this.httpAddress}/generate_204`).catch(() => undefined)
      if (answer !== undefined) return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error(`iroh-relay did not answer within ${START_LIMIT_MS / 1000} s: ${this.#said.text.trim()}`)
  }
}

export function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'))
}

/** Three TCP ports and a UDP port of 127.0.0.1 that nobody has at the moment. */
async function freePorts(): Promise<number[]> {
  const servers = [createServer(), createServer(), createServer()]
  const socket = createSocket('udp4')
  const portOf = (address: unknown): number => (address as { port: number }).port
  try {
    const listening = servers.map(
      (server) =>
        new Promise<void>((resolve, reject) => {
          server.once('error', reject)
          server.listen(0, '127.0.0.1', resolve)
        }),
    )
    await Promise.all(listening)
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
    return [...servers.map((server) => portOf(server.address())), portOf(socket.address())]
  } finally {
    for (const server of servers) server.close()
    socket.close()
  }
}
