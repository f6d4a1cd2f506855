/** What the relay suites are run with: the programs, certificates, and helpers to wait for things that happen in other processes. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { RelayServer, type RelayServerOptions } from '../../src/relay/server/index.ts'
import { RelayPeer as Peer, type RelayPeer, type RelayPeerOptions } from '../native-relay.ts'
import { type Certificate, makeCertificate } from '../oracles/certificates.ts'
import { type NativeOptions, type NativePeer, startListener } from '../peer.ts'
import { hasIpv6, RealRelay, type RealRelayOptions } from '../relay-server.ts'

export interface RelayPrograms {
  /** `tom-native`. */
  readonly native: string
  /** `iroh-relay`. */
  readonly relay: string
}

/** Longest wait for something that should come within milliseconds. */
const WAIT_MS = 10_000

/** Everything that is started here ends with the test. */
export class RelayLab {
  readonly #programs: RelayPrograms
  readonly #folder: string
  readonly certificate: Certificate
  /** PEM text of the authority. */
  readonly ca: string

  constructor(programs: RelayPrograms) {
    this.#programs = programs
    this.#folder = mkdtempSync(join(tmpdir(), 'tom-relay-'))
    this.certificate = makeCertificate(this.#folder, 'ECDSA P-256')
    this.ca = readFileSync(this.certificate.ca, 'utf8')
  }

  /** After the last test. */
  close(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  get native(): string {
    return this.#programs.native
  }

  /** The real server on plain HTTP. */
  async real(options: Omit<RealRelayOptions, 'binary' | 'tls'> = {}): Promise<RealRelay> {
    const relay = await RealRelay.start({ binary: this.#programs.relay, ...options })
    onTestFinished(() => relay.stop())
    return relay
  }

  /** The real server with TLS and address discovery. */
  async realSecure(options: Omit<RealRelayOptions, 'binary' | 'tls'> = {}): Promise<RealRelay> {
    const relay = await RealRelay.start({ binary: this.#programs.relay, tls: this.certificate, ...options })
    onTestFinished(() => relay.stop())
    return relay
  }

  /** Our server on plain HTTP. */
  async ours(options: RelayServerOptions = {}): Promise<RelayServer> {
    const server = await RelayServer.start({ httpBind: '127.0.0.1:0', ...options })
    onTestFinished(() => server.close())
    return server
  }

  /** Our server with TLS and address discovery. */
  ourSecure(options: RelayServerOptions = {}): Promise<RelayServer> {
    const { chain, key } = this.certificate
    return this.ours({
      tls: { bind: '127.0.0.1:0', certificate: { certPath: chain, keyPath: key } },
      quic: { bind: hasIpv6() ? '[::]:0' : '127.0.0.1:0' },
      ...options,
    })
  }

  /** The client of the crate. */
  async peer(options: Omit<RelayPeerOptions, 'binary'>): Promise<RelayPeer> {
    const peer = await Peer.connect({ binary: this.native, ca: this.certificate.ca, ...options })
    onTestFinished(() => peer.stop())
    return peer
  }

  /** A real iroh endpoint on loopback, or (`ip: false`) with no socket at all. */
  async node(options: Omit<NativeOptions, 'binary'>): Promise<NativePeer> {
    const peer = await startListener({ binary: this.native, relayCa: this.certificate.ca, ...options })
    onTestFinished(() => peer.stop())
    return peer
  }
}

/** Resolves when the condition holds; asked every few milliseconds. Rejects after 10 s with `what`. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + WAIT_MS
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${WAIT_MS / 1000} s`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
