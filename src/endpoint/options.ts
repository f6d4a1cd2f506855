/** What can be asked of an endpoint: options with their defaults. */
import type { CryptoProvider } from '../crypto/index.ts'
import type { SecretKey, Target } from '../identity/index.ts'
import type { Platform } from '../platform/index.ts'
import type { EngineConfig, QuicSettings, TrustedRoots } from '../quic/index.ts'
import type { Alpn } from './alpn.ts'
import type { RelayList } from './relay-options.ts'
import type { RelayPolicy } from './relays.ts'
import type { WaitOptions } from './wait.ts'

/** The world an endpoint runs in. */
export interface EndpointRuntime {
  readonly platform: Platform
  readonly crypto: CryptoProvider
  /** Certificate authorities that vouch for relays' address discovery (QUIC). Absent: none is asked. */
  readonly trustedRoots?: (() => TrustedRoots | undefined) | undefined
}

export interface EndpointOptions {
  /** Default: a fresh one. */
  readonly secretKey?: SecretKey
  /** Protocols that incoming connections may ask for, the most wanted first. Default: none, so nobody can connect. */
  readonly alpns?: readonly Alpn[]
  /**
   * Relays, one of which becomes our home, where peers find us: the one that answers fastest. Default: none; relays of peers that we dial are used all the same.
   */
  readonly relays?: RelayList
  /**
   * May a relay be dialled that only a peer's address names? Default: yes, up to 4 for a peer and 16 at once; whoever writes an address can make us open
   * a WebSocket to a host of his choice (docs/security.md).
   */
  readonly relayPolicy?: RelayPolicy
  /** `ip:port` where others reach us although nothing here can know it: a port forwarded by hand, a load balancer. Peers are told. */
  readonly externalAddresses?: readonly string[]
  /** Ask the router to forward our IPv4 port (PCP, NAT-PMP, UPnP), and to stop when the endpoint is closed. Default false: it changes a device that may not be ours to change. */
  readonly portMapping?: boolean
  /** STUN servers, `host:port`, that tell us our address besides what relays say; two of them tell which kind of NAT we are behind. Default: none. */
  readonly stunServers?: readonly string[]
  /**
   * Between two nodes of ours, one behind a NAT with a port for each destination: many ports are tried, at most 2,048 packets a side. Default true, with peers that offer it
   * as well.
   */
  readonly birthday?: boolean
  /** Speak disco on our sockets, so that iroh 0.35 to 0.95 accepts QUIC from us over direct addresses. Default false. */
  readonly disco?: boolean
  /** Notice when interfaces and addresses change. Default true; without it, call `networkChange`. */
  readonly networkMonitor?: boolean
  /** Local addresses, `ip:port` or `[ipv6]:port`; port 0 = any. Default `0.0.0.0:0` and, where the system has IPv6, `[::]:0`. */
  readonly bind?: readonly string[]
  /** QUIC settings for all connections. */
  readonly settings?: Partial<QuicSettings>
  /** Gets SSLKEYLOGFILE lines, with which all traffic can be decrypted. */
  readonly keyLog?: (line: string) => void
  /** Makes a trace (qlog) for a connection. */
  readonly trace?: EngineConfig['trace']
  /** Hears what would otherwise be lost: errors of router handlers, broken sockets, defects. Default: console.error. */
  readonly onError?: (error: unknown) => void
  readonly runtime: EndpointRuntime
}

export interface ConnectOptions extends WaitOptions {
  /** Give up after this, ms. Default 30,000 (iroh). */
  readonly timeoutMs?: number
  /** Offered besides the ALPN of the call; where the peer speaks several, it chooses. Default: none. */
  readonly additionalAlpns?: readonly Alpn[]
  /** QUIC settings for this connection, over those of the endpoint. */
  readonly settings?: Partial<QuicSettings>
}

export interface OnlineOptions extends WaitOptions {
  /** Give up after this, ms. Default 30,000. */
  readonly timeoutMs?: number
}

export type ConnectTarget = Target
