/**
 * Addresses to listen on: `ip:port` texts, what the system says when one cannot be had in words that help, and IPv4 alone where a host has
 * no IPv6. TCP only; the UDP sockets of address discovery are `qad.ts`'s.
 */
import type { Server } from 'node:net'
import { formatHostPort, formatIp, parseSocketAddress } from '../../bytes/index.ts'
import { lineOf, RelayServerError } from './errors.ts'

export interface BindAddress {
  /** Numeric. */
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
}

/** Reads `127.0.0.1:3340` or `[::]:3340`. Throws RelayServerError INVALID_OPTION that names `option`. */
export function parseBindAddress(text: string, option: string): BindAddress {
  try {
    const { ip, port } = parseSocketAddress(text)
    return { host: formatIp(ip), port }
  } catch {
    throw new RelayServerError(
      'INVALID_OPTION',
      `${option}: expected ip:port or [ipv6]:port, got ${JSON.stringify(text)}`,
    )
  }
}

/** `ip:port`, as `parseBindAddress` reads it. */
export function formatBindAddress({ host, port }: BindAddress): string {
  return formatHostPort(host, port)
}

/** All addresses of the host, `0.0.0.0` or `::`. */
export function isUnspecified(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

/** The system has no IPv6, or not on this address. */
export function lacksIpv6(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL'
}

/** What to do about an address that could not be had. `option` is what sets it. */
export function bindFailure(address: BindAddress, option: string, error: unknown): RelayServerError {
  const { code } = error as NodeJS.ErrnoException
  const place = `${option}: cannot listen on ${formatBindAddress(address)}`
  const advice =
    code === 'EADDRINUSE'
      ? 'another program has this port; stop it or choose another port'
      : code === 'EACCES'
        ? 'not permitted; ports below 1024 need root, CAP_NET_BIND_SERVICE, or another port and a forwarding'
        : code === 'EADDRNOTAVAIL'
          ? 'this host has no such address'
          : code === 'EAFNOSUPPORT'
            ? 'this host does not speak this family of addresses'
            : lineOf(error)
  return new RelayServerError('BIND_FAILED', `${place}: ${advice}`, { cause: error })
}

/**
 * Listens, and resolves to the address it got. `[::]` takes IPv4 as well, and becomes 0.0.0.0 where there is no IPv6. Rejects with
 * RelayServerError BIND_FAILED.
 */
export async function listenTcp(server: Server, address: BindAddress, option: string): Promise<BindAddress> {
  try {
    return await listen(server, address)
  } catch (error) {
    if (address.host !== '::' || !lacksIpv6(error)) throw bindFailure(address, option, error)
  }
  const fallback = { host: '0.0.0.0', port: address.port }
  try {
    return await listen(server, fallback)
  } catch (error) {
    throw bindFailure(fallback, option, error)
  }
}

function listen(server: Server, { host, port }: BindAddress): Promise<BindAddress> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    // Exclusive: cluster workers would share one socket, and each knows only its own clients.
    server.listen({ host, port, exclusive: true, backlog: BACKLOG }, () => {
      server.off('error', reject)
      const bound = server.address()
      resolve({ host, port: typeof bound === 'object' && bound !== null ? bound.port : port })
    })
  })
}

/** Connections that wait for `accept`: after a restart all clients come at once. The system cuts it to what it allows. */
const BACKLOG = 4096
