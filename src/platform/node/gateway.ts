/**
 * The default IPv4 router, from the kernel's table on Linux and from the system's own commands elsewhere, each asked once and for a short time.
 * Whatever goes wrong means that none is known.
 */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { isIPv4 } from 'node:net'
import { endianness, networkInterfaces } from 'node:os'
import type { Gateway } from '../platform.ts'
import { defaultRoute4 } from './default-routes.ts'

/** Of all commands together, ms; `Platform.gateway` promises no more. */
const TIMEOUT_MS = 2000
/** Of what a command says, bytes. */
const MAX_OUTPUT_BYTES = 1024 * 1024

/** A default route as a system names it. */
export interface GatewayRoute {
  readonly address: string
  /** The interface that leads there. */
  readonly name?: string
  /** Our address on it, where the system says that instead. */
  readonly local?: string
}

type Interfaces = ReturnType<typeof networkInterfaces>

/** What the system at hand has; the tests bring their own. */
export interface GatewaySources {
  readonly system: NodeJS.Platform
  /** A whole file, or throws. */
  readonly read: (path: string) => string
  /** What a command prints; rejects when it fails. */
  readonly run: (command: string, args: readonly string[], timeoutMs: number) => Promise<string>
  readonly interfaces: () => Interfaces
  readonly isLittleEndian: boolean
}

/** Undefined when there is none or it cannot be learned. Never rejects. */
export async function findGateway(sources: GatewaySources = systemSources()): Promise<Gateway | undefined> {
  try {
    const route = await readRoute(sources)
    if (route === undefined || !isIPv4(route.address)) return undefined
    const local = route.local ?? localAddress(sources.interfaces(), route)
    return local === undefined || !isIPv4(local) ? undefined : { address: route.address, local }
  } catch {
    return undefined
  }
}

async function readRoute({ system, read, run, isLittleEndian }: GatewaySources): Promise<GatewayRoute | undefined> {
  switch (system) {
    case 'linux':
    case 'android':
      return parseProcRoute(read('/proc/net/route'), isLittleEndian)
    case 'win32': {
      // By its full name: a program of that name in the current folder is not meant.
      const folder = process.env.SystemRoot ?? 'C:\\Windows'
      return parseRoutePrint(await run(`${folder}\\System32\\route.exe`, ['print', '-4', '0.0.0.0'], TIMEOUT_MS))
    }
    case 'darwin':
    case 'freebsd':
    case 'openbsd':
    case 'netbsd':
      return parseRouteGet(await run('/sbin/route', ['-n', 'get', 'default'], TIMEOUT_MS))
    default:
      return parseNetstat(await run('netstat', ['-rn'], TIMEOUT_MS))
  }
}

/** /proc/net/route: name, destination, gateway, flags, …, metric, mask a line; addresses as the 32-bit numbers of the machine, in hex. */
export function parseProcRoute(table: string, isLittleEndian: boolean): GatewayRoute | undefined {
  const name = defaultRoute4(table)
  for (const line of table.split('\n')) {
    const [itsName, destination, gateway, , , , , mask] = line.trim().split(/\s+/)
    if (itsName !== name || destination !== '00000000' || mask !== '00000000') continue
    if (gateway === undefined || !/^[0-9A-Fa-f]{8}$/.test(gateway) || gateway === '00000000') continue
    const bytes = [...Buffer.from(gateway, 'hex')]
    return { address: (isLittleEndian ? bytes.reverse() : bytes).join('.'), name: itsName! }
  }
  return undefined
}

/** `route -n get default` of the BSDs and macOS: one `name: value` a line. */
export function parseRouteGet(text: string): GatewayRoute | undefined {
  const value = (name: string): string | undefined => new RegExp(`^\\s*${name}: *(\\S+) *$`, 'm').exec(text)?.[1]
  const [address, name] = [value('gateway'), value('interface')]
  return address === undefined || name === undefined ? undefined : { address, name }
}

/** `netstat -rn`: `default` or `0.0.0.0`, the gateway, and the interface as the line's last word that is one. */
export function parseNetstat(text: string): GatewayRoute | undefined {
  for (const line of text.split('\n')) {
    const [destination, address, ...rest] = line.trim().split(/\s+/)
    if ((destination !== 'default' && destination !== '0.0.0.0') || address === undefined || !isIPv4(address)) continue
    const name = rest.findLast((word) => /^[a-z][\w.:-]*\d$/i.test(word))
    if (name !== undefined) return { address, name }
  }
  return undefined
}

/** `route print -4 0.0.0.0` of Windows, in any language: destination, mask, gateway, our address, metric. The lowest metric counts. */
export function parseRoutePrint(text: string): GatewayRoute | undefined {
  let best: (GatewayRoute & { readonly metric: number }) | undefined
  for (const line of text.split('\n')) {
    const [destination, mask, address, local, metric] = line.trim().split(/\s+/)
    if (destination !== '0.0.0.0' || mask !== '0.0.0.0' || !/^\d+$/.test(metric ?? '')) continue
    // A route without a router says "On-link" there, in the system's language.
    if (address === undefined || local === undefined || !isIPv4(address) || !isIPv4(local)) continue
    if (best === undefined || Number(metric) < best.metric) best = { address, local, metric: Number(metric) }
  }
  return best
}

/** Of the addresses on the interface the one in the router's network, or the first. */
function localAddress(interfaces: Interfaces, { address, name }: GatewayRoute): string | undefined {
  const found = (interfaces[name ?? ''] ?? []).filter(({ family }) => family === 'IPv4')
  const isNear = (local: string, mask: string): boolean =>
    (number(local) & number(mask)) === (number(address) & number(mask))
  return (found.find((one) => isNear(one.address, one.netmask)) ?? found[0])?.address
}

/** As a signed 32-bit number. */
function number(ip: string): number {
  return ip.split('.').reduce((sum, part) => (sum << 8) | Number(part), 0)
}

function systemSources(): GatewaySources {
  return {
    system: process.platform,
    read: (path) => readFileSync(path, 'utf8'),
    run,
    interfaces: networkInterfaces,
    isLittleEndian: endianness() === 'LE',
  }
}

function run(command: string, args: readonly string[], timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      timeout: timeoutMs,
      maxBuffer: MAX_OUTPUT_BYTES,
      windowsHide: true,
      env: { ...process.env, LC_ALL: 'C' },
    }
    execFile(command, [...args], options, (error, stdout) => {
      if (error === null) resolve(stdout)
      else reject(error)
    })
  })
}
