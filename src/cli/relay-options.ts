/**
 * What `tom relay` makes of its config file, flags and environment: the options of a RelayServer, with the defaults of iroh-relay
 * (spec/relay.md §4.4, §4.5). Opens nothing.
 */
import { messageOf } from '../bytes/index.ts'
import {
  type AccessControl,
  AccessHook,
  AllowList,
  DenyList,
  formatBindAddress,
  parseBindAddress,
  RelayServerError,
  type RelayServerLimits,
  type RelayServerOptions,
  SharedToken,
} from '../relay/server/index.ts'
import type { AccessConfig, LimitsConfig, RelayConfigFile, TlsConfig } from './relay-config.ts'
import { UsageError } from './run.ts'

export interface RelayFlags {
  readonly dev: boolean
  /** `ip:port` of the listener that clients use. */
  readonly bind: string | undefined
}

/** `IROH_RELAY_HTTP_BEARER_TOKEN`, `IROH_RELAY_ACCESS_TOKEN`. */
export type Environment = Readonly<Record<string, string | undefined>>

const DEV_BIND = '[::]:3340'
const PLAIN_BIND = '[::]:80'
const METRICS_PORT = 9090

/** Throws UsageError. */
export function relayServerOptions(
  config: RelayConfigFile,
  { dev, bind }: RelayFlags,
  environment: Environment,
): RelayServerOptions {
  const { tls, enableQuicAddrDiscovery: hasQuic } = config
  const isPlain = dev || tls === undefined || tls.dangerousHttpOnly
  const httpBind = (isPlain ? bind : undefined) ?? config.httpBindAddr ?? (dev ? DEV_BIND : PLAIN_BIND)
  if (hasQuic && tls === undefined)
    throw new UsageError('enable_quic_addr_discovery needs the certificate of a [tls] table')
  if (!config.enableRelay && !hasQuic)
    throw new UsageError('enable_relay = false leaves nothing to do without enable_quic_addr_discovery = true')
  const certificate = tls === undefined ? undefined : certificateOf(tls)
  const httpsBind = bind ?? tls?.httpsBindAddr
  const metricsBind = metricsAddress(config, dev, parse(httpBind, '--bind').host)
  const hostname = tls?.hostnames[0]
  return {
    httpBind,
    relay: config.enableRelay,
    limits: limitsOf(config.limits),
    ...(isPlain || certificate === undefined
      ? {}
      : { tls: { certificate, ...(httpsBind === undefined ? {} : { bind: httpsBind }) } }),
    ...(hasQuic && tls !== undefined && certificate !== undefined
      ? {
          quic: {
            ...(isPlain ? { certificate } : {}),
            ...(tls.quicBindAddr === undefined ? {} : { bind: tls.quicBindAddr }),
          },
        }
      : {}),
    ...(metricsBind === undefined ? {} : { metricsBind }),
    ...(hostname === undefined ? {} : { hostname }),
    ...(config.access.mode === 'everyone' ? {} : { access: accessOf(config.access, environment) }),
  }
}

function parse(text: string, option: string): { host: string; port: number } {
  return usage(() => parseBindAddress(text, option))
}

/** With `--dev` only where the file asks for it: two relays on one machine must not fight about a port that nobody named. */
function metricsAddress(config: RelayConfigFile, dev: boolean, host: string): string | undefined {
  const { metricsBindAddr } = config
  if (!(config.enableMetrics ?? (!dev || metricsBindAddr !== undefined))) return undefined
  return metricsBindAddr ?? formatBindAddress({ host, port: METRICS_PORT })
}

function certificateOf({ certPath, keyPath }: TlsConfig): { certPath: string; keyPath: string } {
  return { certPath, keyPath }
}

function limitsOf(config: LimitsConfig): Partial<RelayServerLimits> {
  const { bytesPerSecond, maxBurstBytes } = config
  const given = {
    rateLimit: bytesPerSecond === undefined ? undefined : { bytesPerSecond, maxBurstBytes },
    maxConnections: config.maxConnections,
    maxQadConnections: config.maxQadConnections,
    accepts: config.acceptConnLimit,
    acceptsBurst: config.acceptConnBurst,
    acceptsPerIp: config.acceptsPerIp,
    acceptsPerIpBurst: config.acceptsPerIpBurst,
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

function accessOf(config: Exclude<AccessConfig, { mode: 'everyone' }>, environment: Environment): AccessControl {
  switch (config.mode) {
    case 'allowlist':
      return new AllowList(config.ids)
    case 'denylist':
      return new DenyList(config.ids)
    case 'shared_token': {
      const token = environment.IROH_RELAY_ACCESS_TOKEN
      return usage(() => new SharedToken(token === undefined ? config.tokens : [token]))
    }
    case 'http': {
      const { url } = config
      const bearerToken = environment.IROH_RELAY_HTTP_BEARER_TOKEN ?? config.bearerToken
      return usage(() => new AccessHook({ url, ...(bearerToken === undefined ? {} : { bearerToken }) }))
    }
  }
}

/** What the server cannot do is wrong usage here. */
export function usage<T>(act: () => T): T {
  try {
    return act()
  } catch (error) {
    throw error instanceof RelayServerError ? new UsageError(messageOf(error), { cause: error }) : error
  }
}
