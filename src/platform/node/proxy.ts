/**
 * HTTP CONNECT proxies (spec/relay.md §1.8): which one serves a host, by option or by the usual environment variables, and the request that
 * opens a tunnel. How the proxy itself is reached is the dialler's affair.
 */

import { BlockList, isIP, type Socket } from 'node:net'
import { parseUrl } from '../../bytes/index.ts'
import { WebError } from '../web-error.ts'
import { readResponseHead, requestHead } from './http-head.ts'

export interface Proxy {
  /** Without brackets. */
  readonly host: string
  readonly port: number
  /** The proxy itself is reached over TLS. */
  readonly usesTls: boolean
  /** Value of `Proxy-Authorization`. */
  readonly authorization: string | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

/** Reads `http://user:password@host:port`, `https://…`; without a scheme it is http. Throws WebError WEB_PROXY, which calls it `what`. */
export function parseProxy(text: string, what = 'the proxy'): Proxy {
  const href = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  const url = parseUrl(href)
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    // The text may hold a password.
    throw new WebError('WEB_PROXY', `${what} is not a URL like http://host:port or https://host:port`)
  }
  const usesTls = url.protocol === 'https:'
  const port = url.port === '' ? (usesTls ? 443 : 80) : Number(url.port)
  let authorization: string | undefined
  if (url.username !== '' || url.password !== '') {
    const credentials = `${decode(url.username)}:${decode(url.password)}`
    authorization = `Basic ${Buffer.from(credentials).toString('base64')}`
  }
  return { host: bareHost(url.hostname), port, usesTls, authorization }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The host of a URL as the system wants it: an IPv6 address without its brackets. */
export function bareHost(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
}

/** Which proxy a TLS connection to a host goes through. */
export type ChooseProxy = (host: string, port: number) => Proxy | undefined

/**
 * From `https_proxy`, `HTTPS_PROXY`, `all_proxy`, `ALL_PROXY`, the first that is set and is not a SOCKS proxy, and `no_proxy` or `NO_PROXY`. Throws
 * WebError WEB_PROXY when that one is no URL of an HTTP proxy.
 */
export function proxyFromEnvironment(environment: Environment): ChooseProxy {
  for (const name of ['https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY']) {
    const value = environment[name]?.trim()
    if (value === undefined || value === '' || /^socks/i.test(value)) continue
    const proxy = parseProxy(value, `the environment variable ${name}`)
    const isExempt = parseNoProxy(environment.no_proxy ?? environment.NO_PROXY ?? '')
    return (host, port) => (isExempt(host, port) ? undefined : proxy)
  }
  return () => undefined
}

/**
 * Reads a list separated by commas or blanks: `*`, names (which stand for the names below them too; a leading dot or `*.` changes nothing),
 * numeric addresses, networks like `10.0.0.0/8`; names and IPv4 addresses may have a port.
 */
export function parseNoProxy(list: string): (host: string, port: number) => boolean {
  const networks = new BlockList()
  const names: { name: string; port: number | undefined }[] = []
  let all = false
  for (const entry of list.toLowerCase().split(/[\s,]+/)) {
    const network = /^\[?([0-9a-f.:]+?)\]?(?:\/([0-9]{1,3}))?$/.exec(entry)
    const family = network === null ? 0 : isIP(network[1]!)
    if (entry === '*') all = true
    else if (family !== 0) {
      const bits = network![2] === undefined ? (family === 4 ? 32 : 128) : Number(network![2])
      if (bits <= (family === 4 ? 32 : 128)) networks.addSubnet(network![1]!, bits, family === 4 ? 'ipv4' : 'ipv6')
    } else if (entry !== '') {
      const [, name, port] = /^(?:\*?\.)?(.*?)\.?(?::([0-9]+))?$/.exec(entry)!
      names.push({ name: name!, port: port === undefined ? undefined : Number(port) })
    }
  }
  return (host, port) => {
    if (all) return true
    const family = isIP(host)
    if (family !== 0 && networks.check(host, family === 4 ? 'ipv4' : 'ipv6')) return true
    const name = host.toLowerCase().replace(/\.$/, '')
    return names.some((entry) => {
      if (entry.port !== undefined && entry.port !== port) return false
      return name === entry.name || (family === 0 && name.endsWith(`.${entry.name}`))
    })
  }
}

/**
 * Asks the proxy at the other end of `socket` for a tunnel to `host` and `port`; any 2xx opens it. Rejects with WebError WEB_PROXY, whose `status`
 * is the proxy's; the socket is destroyed then.
 */
export async function openTunnel(
  socket: Socket,
  proxy: Proxy,
  host: string,
  port: number,
  signal: AbortSignal,
): Promise<void> {
  const name = isIP(host) === 6 ? `[${host}]` : host
  const headers: [string, string][] = [
    ['Host', name],
    ['Proxy-Connection', 'Keep-Alive'],
  ]
  if (proxy.authorization !== undefined) headers.push(['Proxy-Authorization', proxy.authorization])
  const failed = (reason: string, cause?: unknown): WebError =>
    new WebError(
      'WEB_PROXY',
      `no tunnel to ${name}:${port} through the proxy ${proxy.host}: ${reason}`,
      undefined,
      cause,
    )
  socket.write(requestHead(`CONNECT ${name}:${port}`, headers), 'latin1')
  const { head, rest } = await readResponseHead(socket, signal, failed)
  if (head.status < 200 || head.status > 299) {
    socket.destroy()
    throw new WebError(
      'WEB_PROXY',
      `the proxy ${proxy.host} refused a tunnel to ${name}:${port}: ${head.status} ${head.statusText}`,
      head.status,
    )
  }
  if (rest.length > 0) socket.unshift(rest)
}
