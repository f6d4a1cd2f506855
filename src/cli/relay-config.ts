/**
 * The TOML file of `tom relay`: the keys of iroh-relay (spec/relay.md §4.5) and a few limits of ours, read strictly. What the keys mean to a
 * running server is `relay-options.ts`'s.
 */
import { messageOf } from '../bytes/index.ts'
import { EndpointId } from '../identity/index.ts'
import { parseBindAddress } from '../relay/server/index.ts'
import { parseToml, type TomlReader } from './toml-table.ts'

export type AccessConfig =
  | { readonly mode: 'everyone' }
  | { readonly mode: 'allowlist' | 'denylist'; readonly ids: readonly EndpointId[] }
  | { readonly mode: 'http'; readonly url: string; readonly bearerToken: string | undefined }
  | { readonly mode: 'shared_token'; readonly tokens: readonly string[] }

export interface TlsConfig {
  readonly httpsBindAddr: string | undefined
  readonly quicBindAddr: string | undefined
  readonly hostnames: readonly string[]
  readonly certPath: string
  readonly keyPath: string
  readonly dangerousHttpOnly: boolean
}

export interface LimitsConfig {
  /** Of one client, bytes a second; undefined = none. */
  readonly bytesPerSecond: number | undefined
  readonly maxBurstBytes: number | undefined
  /** Connections a second, from all. */
  readonly acceptConnLimit: number | undefined
  readonly acceptConnBurst: number | undefined
  readonly maxConnections: number | undefined
  readonly maxQadConnections: number | undefined
  /** Connections a second, from one address. */
  readonly acceptsPerIp: number | undefined
  readonly acceptsPerIpBurst: number | undefined
}

export interface RelayConfigFile {
  readonly enableRelay: boolean
  readonly httpBindAddr: string | undefined
  readonly enableQuicAddrDiscovery: boolean
  readonly enableMetrics: boolean | undefined
  readonly metricsBindAddr: string | undefined
  readonly access: AccessConfig
  readonly tls: TlsConfig | undefined
  readonly limits: LimitsConfig
}

const U32_MAX = 0xffff_ffff
const MODES = ['everyone', 'allowlist', 'denylist', 'http', 'shared_token'] as const

/** Throws UsageError: one line, with the file and the key. */
export function parseRelayConfig(text: string, file: string): RelayConfigFile {
  const root = parseToml(text, file)
  // It sizes a cache that this server does not have.
  root.integer('key_cache_capacity', 0, Number.MAX_SAFE_INTEGER)
  const config: RelayConfigFile = {
    enableRelay: root.boolean('enable_relay') ?? true,
    httpBindAddr: address(root, 'http_bind_addr'),
    enableQuicAddrDiscovery: root.boolean('enable_quic_addr_discovery') ?? false,
    enableMetrics: root.boolean('enable_metrics'),
    metricsBindAddr: address(root, 'metrics_bind_addr'),
    access: readAccess(root),
    tls: readTls(root),
    limits: readLimits(root),
  }
  root.end()
  return config
}

function address(table: TomlReader, key: string): string | undefined {
  const text = table.string(key)
  if (text === undefined) return undefined
  try {
    parseBindAddress(text, key)
  } catch {
    throw table.error(key, `expected ip:port or [ipv6]:port, got ${JSON.stringify(text)}`)
  }
  return text
}

function readAccess(root: TomlReader): AccessConfig {
  if (!root.has('access')) return { mode: 'everyone' }
  const choices = MODES.map((mode) => (mode === 'everyone' ? '"everyone"' : `access.${mode}`)).join(', ')
  if (root.kind('access') !== 'table') {
    if (root.string('access') === 'everyone') return { mode: 'everyone' }
    throw root.error('access', `expected one of ${choices}`)
  }
  const table = root.table('access')!
  const given = MODES.filter((mode) => mode !== 'everyone' && table.has(mode))
  const [mode] = given
  if (given.length > 1) throw table.error(undefined, `only one of ${given.join(', ')} can be in force`)
  switch (mode) {
    case 'allowlist':
    case 'denylist':
      return { mode, ids: table.strings(mode)!.map((text) => endpointId(table, mode, text)) }
    case 'shared_token':
      return { mode, tokens: table.strings(mode)! }
    case 'http': {
      const http = table.table(mode)!
      const url = http.string('url')
      if (url === undefined) throw http.error('url', 'missing')
      return { mode, url, bearerToken: http.string('bearer_token') }
    }
    default:
      table.end()
      throw table.error(undefined, `expected one of ${choices}`)
  }
}

function endpointId(table: TomlReader, key: string, text: string): EndpointId {
  try {
    return EndpointId.parse(text)
  } catch (error) {
    throw table.error(key, `${JSON.stringify(text)}: ${messageOf(error)}`)
  }
}

function readTls(root: TomlReader): TlsConfig | undefined {
  const table = root.table('tls')
  if (table === undefined) return undefined
  const mode = table.string('cert_mode')
  if (mode === 'LetsEncrypt') {
    throw table.error(
      'cert_mode',
      'LetsEncrypt is not supported: get the certificate with another ACME client (certbot, lego, acme.sh) and use "Reloading" with manual_cert_path and manual_key_path',
    )
  }
  // both read the files again when they change: whoever replaces a certificate wants it used
  if (mode !== 'Manual' && mode !== 'Reloading') {
    const got = mode === undefined ? 'nothing' : JSON.stringify(mode)
    throw table.error('cert_mode', `expected "Manual" or "Reloading", got ${got}`)
  }
  // Only ACME has a use for these two.
  table.string('contact')
  table.boolean('prod_tls')
  const folder = table.string('cert_dir') ?? '.'
  return {
    httpsBindAddr: address(table, 'https_bind_addr'),
    quicBindAddr: address(table, 'quic_bind_addr'),
    hostnames: hostnames(table),
    certPath: table.string('manual_cert_path') ?? `${folder}/default.crt`,
    keyPath: table.string('manual_key_path') ?? `${folder}/default.key`,
    dangerousHttpOnly: table.boolean('dangerous_http_only') ?? false,
  }
}

function hostnames(table: TomlReader): string[] {
  if (!table.has('hostname')) return []
  const names = table.kind('hostname') === 'list' ? table.strings('hostname')! : [table.string('hostname')!]
  for (const name of names)
    if (!/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9.])?$/.test(name))
      throw table.error('hostname', `expected a host name, got ${JSON.stringify(name)}`)
  return names
}

function readLimits(root: TomlReader): LimitsConfig {
  const limits = root.table('limits')
  const rx = limits?.table('client')?.table('rx')
  const bytesPerSecond = rx?.integer('bytes_per_second', 10, U32_MAX)
  const maxBurstBytes = rx?.integer('max_burst_bytes', 1, U32_MAX)
  if (rx !== undefined && maxBurstBytes !== undefined && bytesPerSecond === undefined)
    throw rx.error('max_burst_bytes', 'it means nothing without bytes_per_second')
  const result: LimitsConfig = {
    bytesPerSecond,
    maxBurstBytes,
    acceptConnLimit: limits?.positive('accept_conn_limit'),
    acceptConnBurst: limits?.integer('accept_conn_burst', 1, U32_MAX),
    maxConnections: limits?.integer('max_connections', 1, U32_MAX),
    maxQadConnections: limits?.integer('max_qad_connections', 1, U32_MAX),
    acceptsPerIp: limits?.integer('accepts_per_ip', 0, U32_MAX),
    acceptsPerIpBurst: limits?.integer('accepts_per_ip_burst', 1, U32_MAX),
  }
  if (limits !== undefined && result.acceptConnBurst !== undefined && result.acceptConnLimit === undefined)
    throw limits.error('accept_conn_burst', 'it means nothing without accept_conn_limit')
  return result
}
