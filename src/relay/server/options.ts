/** What a relay server can be told, with units and defaults, and what it says. Values come from an application, or from the config file of `tom relay`. */
import type { CryptoProvider } from '../../crypto/index.ts'
import type { Platform } from '../../platform/index.ts'
import type { PemFiles, PemPair } from './certificate.ts'
import type { ListenerLimits } from './http-listener.ts'
import { type AccessControl, DEFAULT_RELAY_LIMITS, type RelayLimits, type RelayLogEvent } from './hub/index.ts'

/** Bounds of the listeners; those of the clients behind them are `RelayLimits`. */
export interface RelayServerLimits extends RelayLimits {
  /** Bytes of a request's head. Default 16 KiB (node:http). */
  readonly maxHeaderBytes: number
  /** For the head of a request, and for a TLS handshake, ms. Default 10,000 (guess). */
  readonly headerTimeoutMs: number
  /** After this a connection that was not upgraded is cut, ms. Default 30,000 (iroh). */
  readonly establishTimeoutMs: number
  /** New connections from one IPv4 address or IPv6 /64, a second in the long run; 0 = no limit. Loopback is exempt. Default 50 (guess). */
  readonly acceptsPerIp: number
  /** The same at once, after silence. Default 500 (guess). */
  readonly acceptsPerIpBurst: number
  /** New connections from all together, a second; 0 = no limit. Default 0 (iroh). */
  readonly accepts: number
  /** The same at once. Default: ten seconds of `accepts`. */
  readonly acceptsBurst: number | undefined
  /** Connections of address discovery. Default 20,000 (guess). */
  readonly maxQadConnections: number
}

const DEFAULTS = {
  maxHeaderBytes: 16 * 1024,
  headerTimeoutMs: 10_000,
  establishTimeoutMs: 30_000,
  acceptsPerIp: 50,
  acceptsPerIpBurst: 500,
  accepts: 0,
  maxQadConnections: 20_000,
} as const

/** On the main listener besides the clients' own connections: probes come and go. */
const PROBE_CONNECTIONS = 1024

export interface SplitLimits {
  readonly hub: Partial<RelayLimits>
  readonly listener: ListenerLimits & { readonly maxQadConnections: number }
}

/** Fills in the defaults of what is the listeners'; the rest is the hub's. */
export function splitLimits(given: Partial<RelayServerLimits>): SplitLimits {
  const {
    maxHeaderBytes = DEFAULTS.maxHeaderBytes,
    headerTimeoutMs = DEFAULTS.headerTimeoutMs,
    establishTimeoutMs = DEFAULTS.establishTimeoutMs,
    acceptsPerIp = DEFAULTS.acceptsPerIp,
    acceptsPerIpBurst = DEFAULTS.acceptsPerIpBurst,
    accepts = DEFAULTS.accepts,
    acceptsBurst = 10 * accepts,
    maxQadConnections = DEFAULTS.maxQadConnections,
    ...hub
  } = given
  const listener = {
    maxConnections: (hub.maxConnections ?? DEFAULT_RELAY_LIMITS.maxConnections) + PROBE_CONNECTIONS,
    maxHeaderBytes,
    headerTimeoutMs,
    establishTimeoutMs,
    acceptsPerIp: { perSecond: acceptsPerIp, burst: acceptsPerIpBurst },
    accepts: { perSecond: accepts, burst: acceptsBurst },
    maxQadConnections,
  }
  return { hub, listener }
}

/** A certificate: PEM texts that stay, or PEM files. */
export type CertificateSource =
  | PemPair
  | (PemFiles & {
      /** Read the files again when they change. Default true. */
      readonly reload?: boolean
    })

export interface RelayTlsOptions {
  readonly certificate: CertificateSource
  /** `ip:port`. Default: the address of `httpBind`, port 443. */
  readonly bind?: string
}

export interface RelayQuicOptions {
  /** `ip:port`; `[::]:…` means both families. Default: the address of the TLS listener (without TLS: of `httpBind`), port 7842. */
  readonly bind?: string
  /** Default: that of `tls`. */
  readonly certificate?: CertificateSource
}

export interface RelayServerOptions {
  /** `ip:port` of plain HTTP. Default `[::]:3340`; with `tls`, where only `/generate_204` is answered here, `[::]:80`. */
  readonly httpBind?: string
  /** Absent: plain HTTP, for behind a proxy or for development. */
  readonly tls?: RelayTlsOptions
  /** QUIC address discovery. Default false. Needs a certificate. */
  readonly quic?: RelayQuicOptions | false
  /** `ip:port` of the metrics, plain HTTP. Absent: none. */
  readonly metricsBind?: string
  /** Host name of `url`. Default: the first in the certificate, else the address that was bound, else `localhost`. */
  readonly hostname?: string
  /** False: `/relay` is answered 404; what is left are the probes and address discovery. Default true. */
  readonly relay?: boolean
  /** Who may use the relay. Default: everybody. */
  readonly access?: AccessControl
  readonly limits?: Partial<RelayServerLimits>
  readonly onLog?: RelayServerLog
  /** In the answer of `/healthz`. Default `unknown`. */
  readonly version?: string
  readonly platform?: Platform
  readonly crypto?: CryptoProvider
}

export type RelayServerEvent =
  | RelayLogEvent
  /** The files changed, and new connections are shown the new certificate. */
  | 'certificate-replaced'
  /** The files changed into something unusable; the old certificate stays. */
  | 'certificate-bad'
  /** The certificate is no longer valid, or not for long. */
  | 'certificate-expires'
  /** A socket broke, or a defect of ours; the server goes on. */
  | 'fault'

export interface RelayServerLogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly event: RelayServerEvent
  /** One line. */
  readonly message: string
  /** Of a client, as hex, where it is proven. */
  readonly endpoint: string | undefined
  /** Of a client. */
  readonly remoteAddress: string | undefined
}

/** Called synchronously; must not throw. */
export type RelayServerLog = (entry: RelayServerLogEntry) => void
