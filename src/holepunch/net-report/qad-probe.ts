/**
 * QUIC address discovery as a client: one connection over one of our own sockets to one relay, which says from where our packets come. The RTT
 * is the relay's latency; the connection may then stay and tells of changes. spec/relay.md §6.1.
 */
import { type SocketAddress, sameSocketAddress } from '../../bytes/index.ts'
import type { Driver } from '../../driver/index.ts'
import type { Connection, ConnectionEvent, QuicSettings, TrustedRoots } from '../../quic/index.ts'
import type { RelayConfig } from '../../relay/index.ts'
import type { Family } from './families.ts'

const ALPN = '/iroh-qad/0'
const DEFAULT_PORT = 7842
/** Application code and reason of a close, the same from either side. */
const FINISHED = 1
const FINISHED_REASON = 'finished'

/** A probe has so long for name, handshake and address together, ms. */
export const QAD_LIMIT_MS = 3_000

/** Of the client, spec/relay.md §6.1. Nobody sends data, so there are no streams and no datagrams, and the path's MTU does not matter. */
const SETTINGS: Partial<QuicSettings> = {
  initialRttMs: 111,
  keepAliveMs: 25_000,
  maxIdleTimeoutMs: 35_000,
  handshakeTimeoutMs: QAD_LIMIT_MS,
  maxPathId: undefined,
  tomCapabilities: undefined,
  observedAddressRole: 1,
  maxStreamsBidi: 0,
  maxStreamsUni: 0,
  maxDatagramFrameSize: 0,
  maxMtu: 1200,
}

/** Where a relay is asked. */
export interface QadTarget {
  /** `RelayUrl.href` */
  readonly url: string
  /** As it stands in the URL, but without the brackets of IPv6: a numeric address, or a name to look up (a final dot included). */
  readonly host: string
  readonly port: number
}

/** Undefined: the relay offers none. */
export function qadTarget({ url, quicPort }: RelayConfig): QadTarget | undefined {
  const { hostname } = url.toURL()
  if (quicPort === null || hostname === '') return undefined
  const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
  // 0 stands for the default: so it is written in iroh's relay maps.
  return { url: url.href, host, port: quicPort || DEFAULT_PORT }
}

/** Who hears of a connection. Calls come from the driver's rounds. */
export interface QadListener {
  /** The relay sees us at `connection.address`: the first time, and then when that has changed. */
  onObserved(connection: QadConnection): void
  /** It ended, and not by `close`. */
  onEnded(connection: QadConnection): void
}

export interface QadDialOptions {
  readonly driver: Driver
  readonly target: QadTarget
  readonly family: Family
  /** Numeric, of `family`. */
  readonly address: string
  readonly roots: TrustedRoots
  /** Unix time, seconds: certificates are valid or not. */
  readonly nowUnixSeconds: number
  readonly listener: QadListener
}

export class QadConnection {
  readonly url: string
  readonly family: Family
  /** May be replaced: whoever keeps the connection hears of it. */
  listener: QadListener
  readonly #driver: Driver
  readonly #connection: Connection
  #address: SocketAddress | undefined
  #isEnded: boolean

  /** Undefined where there is nothing to dial with: no socket of the family, or a host that cannot be the name of a server. */
  static dial(options: QadDialOptions): QadConnection | undefined {
    const { driver, target, address } = options
    try {
      const route = driver.route(address, target.port)
      return route === undefined ? undefined : new QadConnection(options, route)
    } catch {
      // The engine checks names and is closed before us when the endpoint goes.
      return undefined
    }
  }

  private constructor({ driver, target, family, roots, nowUnixSeconds, listener }: QadDialOptions, route: number) {
    this.url = target.url
    this.family = family
    this.listener = listener
    this.#driver = driver
    this.#address = undefined
    this.#isEnded = false
    this.#connection = driver.connect(
      {
        // A final dot is part of the relay's identity, not of the name in its certificate.
        authentication: { kind: 'x509', serverName: target.host.replace(/\.$/, ''), roots, nowUnixSeconds },
        alpns: [new TextEncoder().encode(ALPN)],
        routes: [route],
        settings: SETTINGS,
      },
      { onEvent: (event) => this.#onEvent(event) },
    )
  }

  /** Ours, as the relay sees it; undefined until it has said so. */
  get address(): SocketAddress | undefined {
    return this.#address
  }

  /** Smoothed, ms. */
  get rttMs(): number {
    return this.#connection.rttMs
  }

  /** Says that we have what we wanted. The listener hears nothing more. */
  close(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#driver.closeConnection(this.#connection, FINISHED, FINISHED_REASON)
  }

  #onEvent(event: ConnectionEvent): void {
    if (this.#isEnded) return
    if (event.type === 'observed-address') this.#observe(event.address)
    else if (event.type === 'closed' || event.type === 'drained') {
      this.#isEnded = true
      this.listener.onEnded(this)
    }
  }

  /** A relay can say what it likes: an address of the other family, or without a port, is none of ours. */
  #observe({ ip, port }: SocketAddress): void {
    if (ip.length !== (this.family === 4 ? 4 : 16) || port === 0) return
    if (this.#address !== undefined && sameSocketAddress(this.#address, { ip, port })) return
    this.#address = { ip, port }
    this.listener.onObserved(this)
  }
}
