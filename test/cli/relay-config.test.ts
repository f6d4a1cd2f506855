import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parseRelayConfig } from '../../src/cli/relay-config.ts'
import { relayServerOptions } from '../../src/cli/relay-options.ts'
import { SecretKey } from '../../src/identity/index.ts'
import { createRelayCounters } from '../../src/relay/server/hub/index.ts'
import type { AccessRequest, RelayServerOptions } from '../../src/relay/server/index.ts'
import { metricsText } from '../../src/relay/server/metrics.ts'

const ID = SecretKey.fromBytes(new Uint8Array(32).fill(1)).id
const parse = (text: string) => parseRelayConfig(text, 'relay.toml')
const options = (text: string, flags: { dev?: boolean; bind?: string } = {}, environment = {}): RelayServerOptions =>
  relayServerOptions(parse(text), { dev: flags.dev ?? false, bind: flags.bind }, environment)

function failure(text: string, act: (text: string) => unknown = parse): string {
  try {
    act(text)
  } catch (error) {
    expect(error).toMatchObject({ name: 'UsageError' })
    return (error as Error).message
  }
  return 'nothing is wrong'
}

describe('spec/relay.md §4.5: the config file', () => {
  test('every key', () => {
    const text = `
      enable_relay = true
      http_bind_addr = "127.0.0.1:8080"
      enable_quic_addr_discovery = true
      enable_metrics = true
      metrics_bind_addr = "127.0.0.1:9091"
      key_cache_capacity = 1048576
      access = "everyone"
      [tls]
      https_bind_addr = "0.0.0.0:8443"
      quic_bind_addr = "[::]:7843"
      cert_mode = "Reloading"
      hostname = ["relay.example", "other.example"]
      contact = "someone@relay.example"
      prod_tls = false
      cert_dir = "/certs"
      manual_cert_path = "/certs/full.pem"
      manual_key_path = "/certs/key.pem"
      dangerous_http_only = false
      [limits]
      accept_conn_limit = 12.5
      accept_conn_burst = 40
      max_connections = 5000
      max_qad_connections = 6000
      accepts_per_ip = 0
      accepts_per_ip_burst = 7
      [limits.client.rx]
      bytes_per_second = 1000000
      max_burst_bytes = 50000
    `
    expect(options(text)).toEqual({
      httpBind: '127.0.0.1:8080',
      relay: true,
      tls: {
        bind: '0.0.0.0:8443',
        certificate: { certPath: '/certs/full.pem', keyPath: '/certs/key.pem' },
      },
      quic: { bind: '[::]:7843' },
      metricsBind: '127.0.0.1:9091',
      hostname: 'relay.example',
      limits: {
        rateLimit: { bytesPerSecond: 1_000_000, maxBurstBytes: 50_000 },
        accepts: 12.5,
        acceptsBurst: 40,
        maxConnections: 5000,
        maxQadConnections: 6000,
        acceptsPerIp: 0,
        acceptsPerIpBurst: 7,
      },
    })
  })

  test('the defaults', () => {
    expect(options('')).toEqual({ httpBind: '[::]:80', relay: true, limits: {}, metricsBind: '[::]:9090' })
    expect(options('', { dev: true })).toEqual({ httpBind: '[::]:3340', relay: true, limits: {} })
    const tls = '[tls]\ncert_mode = "Manual"\nhostname = "relay.example"\n'
    const certificate = { certPath: './default.crt', keyPath: './default.key' }
    expect(options(`http_bind_addr = "192.0.2.1:80"\n${tls}`)).toEqual({
      httpBind: '192.0.2.1:80',
      relay: true,
      limits: {},
      metricsBind: '192.0.2.1:9090',
      hostname: 'relay.example',
      tls: { certificate },
    })
    const quic = `enable_quic_addr_discovery = true\n${tls}`
    expect(options(quic)).toMatchObject({ tls: { certificate }, quic: {} })
    // With --dev, TLS is left out, but address discovery keeps its certificate.
    expect(options(quic, { dev: true })).toMatchObject({ httpBind: '[::]:3340', quic: { certificate } })
    expect(options(quic, { dev: true })).not.toHaveProperty('tls')
    expect(options(`${quic}dangerous_http_only = true\n`)).not.toHaveProperty('tls')
  })

  test('metrics: on, but with --dev only where they are asked for', () => {
    const bind = (text: string, dev = false) => options(text, { dev }).metricsBind
    expect(bind('enable_metrics = false')).toBeUndefined()
    expect(bind('enable_metrics = true', true)).toBe('[::]:9090')
    expect(bind('metrics_bind_addr = "127.0.0.1:1"', true)).toBe('127.0.0.1:1')
    expect(bind('enable_metrics = false\nmetrics_bind_addr = "127.0.0.1:1"')).toBeUndefined()
  })

  test('--bind is the listener that clients use', () => {
    const bind = '127.0.0.1:1'
    expect(options('', { bind })).toMatchObject({ httpBind: bind, metricsBind: '127.0.0.1:9090' })
    expect(options('http_bind_addr = "[::]:2"', { bind, dev: true })).toMatchObject({ httpBind: bind })
    const tls = 'http_bind_addr = "[::]:2"\n[tls]\ncert_mode = "Manual"\nhttps_bind_addr = "[::]:3"'
    expect(options(tls, { bind })).toMatchObject({ httpBind: '[::]:2', tls: { bind } })
  })
})

test('docs/relay.md has every key, and every metric it names exists', () => {
  const page = readFileSync(new URL('../../docs/relay.md', import.meta.url), 'utf8')
  const known = (text: string): string[] => /known here: (.*)\)$/.exec(failure(text))![1]!.split(', ')
  const keys = [
    ...known('x = 1').filter((key) => key !== 'tls' && key !== 'limits'),
    ...known('[tls]\ncert_mode = "Manual"\nx = 1').map((key) => `tls.${key}`),
    ...known('[limits]\nx = 1').flatMap((key) => (key === 'client' ? [] : [`limits.${key}`])),
    ...known('[limits.client.rx]\nx = 1').map((key) => `limits.client.rx.${key}`),
  ]
  expect(keys.length).toBe(25)
  expect(keys.filter((key) => !page.includes(`\`${key}\``))).toEqual([])
  const metrics = metricsText(createRelayCounters(), [])
  const named = [...page.matchAll(/`((?:tom_relay|relayserver)_[a-z_]+)`/g)].map(([, name]) => name!)
  const own = ['tom_relay_http_refused_total', 'tom_relay_resident_bytes', 'tom_relay_certificate_not_after_seconds']
  expect(named.filter((name) => !metrics.includes(`\n${name} `) && !own.includes(name))).toEqual([])
  expect(named.length).toBeGreaterThan(10)
})

describe('one line that names the file and the key', () => {
  const cases: readonly [text: string, message: string][] = [
    ['a = ', 'relay.toml:1:5: '],
    ['enable_relay = true\nenable_relay = false', 'relay.toml:2:'],
    [
      'htp_bind_addr = "[::]:80"',
      'relay.toml: htp_bind_addr: unknown key (known here: key_cache_capacity, enable_relay, ',
    ],
    ['[tls]\ncert_mode = "Manual"\nport = 1', 'relay.toml: tls.port: unknown key (known here: cert_mode, '],
    ['[limits.client.tx]\nbytes_per_second = 1', 'relay.toml: limits.client.tx: unknown key (known here: rx)'],
    [
      '[access.http]\nurl = "http://h/"\ntoken = "t"',
      'relay.toml: access.http.token: unknown key (known here: url, bearer_token)',
    ],
    ['enable_relay = "yes"', 'relay.toml: enable_relay: expected true or false, got "yes"'],
    ['http_bind_addr = 80', 'relay.toml: http_bind_addr: expected a text in quotes, got 80'],
    [
      'http_bind_addr = "localhost:80"',
      'relay.toml: http_bind_addr: expected ip:port or [ipv6]:port, got "localhost:80"',
    ],
    ['metrics_bind_addr = "[::]"', 'relay.toml: metrics_bind_addr: expected ip:port or [ipv6]:port, got "[::]"'],
    ['[tls]\ncert_mode = "Manual"\nquic_bind_addr = ":1"', 'relay.toml: tls.quic_bind_addr: expected ip:port'],
    ['key_cache_capacity = -1', 'relay.toml: key_cache_capacity: expected a whole number from 0 to '],
    ['tls = true', 'relay.toml: tls: expected a table, got true'],
    ['[tls]', 'relay.toml: tls.cert_mode: expected "Manual" or "Reloading", got nothing'],
    ['[tls]\ncert_mode = "manual"', 'relay.toml: tls.cert_mode: expected "Manual" or "Reloading", got "manual"'],
    [
      '[tls]\ncert_mode = "LetsEncrypt"',
      'relay.toml: tls.cert_mode: LetsEncrypt is not supported: get the certificate with another ACME client (certbot, lego, acme.sh)',
    ],
    ['[tls]\ncert_mode = "Manual"\nhostname = ["a b"]', 'relay.toml: tls.hostname: expected a host name, got "a b"'],
    ['[tls]\ncert_mode = "Manual"\nhostname = 1', 'relay.toml: tls.hostname: expected a text in quotes, got 1'],
    ['[tls]\ncert_mode = "Manual"\nhostname = [1]', 'relay.toml: tls.hostname: expected a list of texts, got a list'],
    [
      'access = "nobody"',
      'relay.toml: access: expected one of "everyone", access.allowlist, access.denylist, access.http, access.shared_token',
    ],
    ['[access]', 'relay.toml: access: expected one of "everyone", '],
    [
      '[access]\nblocklist = []',
      'relay.toml: access.blocklist: unknown key (known here: allowlist, denylist, http, shared_token)',
    ],
    [
      `access.allowlist = ["${ID}"]\naccess.shared_token = ["t"]`,
      'relay.toml: access: only one of allowlist, shared_token can be in force',
    ],
    ['access.allowlist = "x"', 'relay.toml: access.allowlist: expected a list of texts, got "x"'],
    [
      'access.denylist = ["x"]',
      'relay.toml: access.denylist: "x": an endpoint id has 64 hex digits or 52 base32 characters',
    ],
    ['[access.http]', 'relay.toml: access.http.url: missing'],
    [
      '[limits.client.rx]\nbytes_per_second = 0',
      'relay.toml: limits.client.rx.bytes_per_second: expected a whole number from 10 to 4294967295, got 0',
    ],
    [
      '[limits.client.rx]\nbytes_per_second = 1e6',
      'relay.toml: limits.client.rx.bytes_per_second: expected a whole number from 10 to 4294967295, got 1000000',
    ],
    [
      '[limits.client.rx]\nbytes_per_second = 4294967296',
      'relay.toml: limits.client.rx.bytes_per_second: expected a whole number',
    ],
    [
      '[limits.client.rx]\nmax_burst_bytes = 5',
      'relay.toml: limits.client.rx.max_burst_bytes: it means nothing without bytes_per_second',
    ],
    ['limits.accept_conn_limit = 0', 'relay.toml: limits.accept_conn_limit: expected a number above 0, got 0'],
    ['limits.accept_conn_limit = nan', 'relay.toml: limits.accept_conn_limit: expected a number above 0, got NaN'],
    [
      'limits.accept_conn_burst = 5',
      'relay.toml: limits.accept_conn_burst: it means nothing without accept_conn_limit',
    ],
  ]

  test.each(cases)('%j', (text, message) => {
    const said = failure(text)
    expect(said.startsWith(message), said).toBe(true)
    expect(said).not.toContain('\n')
  })

  test('what cannot be together', () => {
    expect(failure('enable_quic_addr_discovery = true', options)).toBe(
      'enable_quic_addr_discovery needs the certificate of a [tls] table',
    )
    expect(failure('enable_relay = false', options)).toMatch(/^enable_relay = false leaves nothing to do /)
    expect(failure('access.shared_token = []', options)).toBe('shared_token: expected at least one token')
    expect(failure('access.http.url = "h"', options)).toMatch(/^access\.http\.url: expected an http or https URL/)
    expect(failure('', (text) => options(text, { bind: '80' }))).toMatch(/^--bind: expected ip:port/)
  })
})

describe('spec/relay.md §4.4: access', () => {
  const allows = async (text: string, request: Partial<AccessRequest>, environment = {}) => {
    const access = options(text, {}, environment).access!
    const whole = { id: ID, protocol: 'iroh-relay-v2', url: '/relay', token: undefined, remoteAddress: '::1' } as const
    return (await access.allow({ ...whole, ...request })).allowed
  }

  test('lists, in hex or base32', async () => {
    const other = SecretKey.fromBytes(new Uint8Array(32).fill(2)).id
    expect(await allows(`access.allowlist = ["${ID}"]`, {})).toBe(true)
    expect(await allows(`access = { allowlist = ["${ID.toBase32()}"] }`, {})).toBe(true)
    expect(await allows(`access.allowlist = ["${ID}"]`, { id: other })).toBe(false)
    expect(await allows(`access.denylist = ["${ID}"]`, {})).toBe(false)
    expect(options('access = "everyone"')).not.toHaveProperty('access')
  })

  test('IROH_RELAY_ACCESS_TOKEN replaces the tokens of the file; an empty one is refused', async () => {
    const text = 'access.shared_token = ["a", "b"]'
    const environment = { IROH_RELAY_ACCESS_TOKEN: 'c' }
    expect(await Promise.all(['a', 'b', 'c'].map((token) => allows(text, { token })))).toEqual([true, true, false])
    const replaced = ['a', 'b', 'c'].map((token) => allows(text, { token }, environment))
    expect(await Promise.all(replaced)).toEqual([false, false, true])
    expect(() => options(text, {}, { IROH_RELAY_ACCESS_TOKEN: '' })).toThrow('shared_token: a token is empty')
  })
})
