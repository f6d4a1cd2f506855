/**
 * Where an endpoint can be reached: its own addresses from all sources, and what changes them (interfaces, relays and STUN servers that see us, a router that forwards a port). Says
 * when they are other ones (spec/endpoint.md §3.2, §5).
 */
import {
  canonicalSocketAddress,
  formatIp,
  formatSocketAddress,
  messageOf,
  parseSocketAddress,
  type SocketAddress,
  sameBytes,
} from '../bytes/index.ts'
import type { Driver } from '../driver/index.ts'
import {
  localAddresses,
  type NetReport,
  type NetworkChange,
  NetworkMonitor,
  type OwnCandidate,
  ownCandidates,
  PortMapper,
} from '../holepunch/index.ts'
import type { DefaultRoutes, Platform } from '../platform/index.ts'
import { EndpointError } from './errors.ts'

export interface ReachabilitySetup {
  readonly platform: Platform
  readonly report: () => NetReport | undefined
  readonly configuredPortV4: () => number | undefined
  /** `ip:port` as others see us, from the application. */
  readonly external: readonly string[]
  /** Ask the router to forward a port. */
  readonly portMapping: boolean
  /** Look for changes of the network. */
  readonly monitor: boolean
  /** The addresses of `candidates` are other ones. */
  readonly onCandidates: () => void
  /** `isMoved`: an address of ours is gone, or packets leave by another interface: what the peer sends to us may reach nobody. */
  readonly onNetworkChange: (change: NetworkChange, isMoved: boolean) => void
  readonly onError: (error: unknown) => void
}

export class Reachability {
  readonly #setup: ReachabilitySetup
  readonly #external = new Map<string, SocketAddress>()
  readonly #portMapper: PortMapper | undefined
  readonly #monitor: NetworkMonitor | undefined
  #driver: Driver | undefined = undefined
  #local: readonly SocketAddress[] = []
  #candidates: readonly OwnCandidate[] = []
  #told = ''
  #routes: DefaultRoutes | undefined = undefined

  /** Throws EndpointError INVALID_OPTION for an external address that is none. */
  constructor(setup: ReachabilitySetup) {
    const { platform, external, portMapping, monitor, onError } = setup
    this.#setup = setup
    for (const text of external) this.#addExternal(text)
    if (portMapping) this.#portMapper = new PortMapper({ platform, onChange: () => this.refresh(), onError })
    if (monitor) this.#monitor = new NetworkMonitor({ platform, onChange: (change) => this.networkChanged(change) })
  }

  start(driver: Driver): void {
    this.#driver = driver
    this.#routes = this.#setup.platform.defaultRoutes?.()
    this.refresh()
    const socket = driver.socketOf(4)
    // a socket on one address may not be where the router would send to
    if (socket?.host === '0.0.0.0') this.#portMapper?.start(socket.port)
    this.#monitor?.start()
  }

  /** What peers are told, the most promising first. */
  get candidates(): readonly OwnCandidate[] {
    return this.#candidates
  }

  /** Of our interfaces and sockets. */
  get local(): readonly SocketAddress[] {
    return this.#local
  }

  /** All that is ours. */
  get own(): readonly SocketAddress[] {
    return [...this.#local, ...this.#candidates.map(({ address }) => address)]
  }

  /** Our IPv4 address as others see it: what the router forwards, or what was seen from outside. */
  get publicV4(): SocketAddress | undefined {
    return this.#mapped ?? this.#setup.report()?.globalV4
  }

  /** What the router forwards. Where others see us at another IP it is not the last router on the way, and of no use to peers. */
  get #mapped(): SocketAddress | undefined {
    const external = this.#portMapper?.mapping?.external
    const seen = this.#setup.report()?.globalV4
    return external === undefined || (seen !== undefined && !sameBytes(seen.ip, external.ip)) ? undefined : external
  }

  /** Looks at all sources again; tells when the result is another one. */
  refresh(): void {
    const driver = this.#driver
    if (driver === undefined) return
    const { platform, report, configuredPortV4, onCandidates } = this.#setup
    this.#local = localAddresses(driver.sockets, platform.interfaces())
    this.#candidates = ownCandidates({
      portMapping: this.#mapped,
      report: report(),
      configuredPortV4: configuredPortV4(),
      local: this.#local,
      external: [...this.#external.values()],
    })
    const text = this.#candidates.map(({ address }) => formatSocketAddress(address)).join()
    if (text === this.#told) return
    this.#told = text
    onCandidates()
  }

  /** Throws EndpointError INVALID_OPTION. */
  addExternal(text: string): void {
    this.#addExternal(text)
    this.refresh()
  }

  removeExternal(text: string): void {
    this.#external.delete(formatSocketAddress(parseExternal(text)))
    this.refresh()
  }

  #addExternal(text: string): void {
    const address = parseExternal(text)
    this.#external.set(formatSocketAddress(address), address)
  }

  networkChanged(change: NetworkChange): void {
    const before = this.#local.map(({ ip }) => formatIp(ip))
    this.refresh()
    const now = new Set(this.#local.map(({ ip }) => formatIp(ip)))
    if (change.isMajor) this.#portMapper?.networkChanged()
    const hasNewRoute = this.#lookAtRoutes()
    this.#setup.onNetworkChange(change, hasNewRoute || before.some((ip) => !now.has(ip)))
  }

  /** Whether packets of a family leave by another interface than before, or not at all. */
  #lookAtRoutes(): boolean {
    const before = this.#routes
    const after = this.#setup.platform.defaultRoutes?.()
    this.#routes = after
    if (before === undefined || after === undefined) return false
    return (before.v4 !== undefined && before.v4 !== after.v4) || (before.v6 !== undefined && before.v6 !== after.v6)
  }

  /** There is a new net report. */
  reported(): void {
    this.refresh()
    this.#portMapper?.request()
  }

  /** Removes the port mapping; at most a second. */
  async close(): Promise<void> {
    this.#driver = undefined
    this.#monitor?.close()
    await this.#portMapper?.close()
  }
}

function parseExternal(text: string): SocketAddress {
  let address: SocketAddress
  try {
    address = canonicalSocketAddress(parseSocketAddress(text))
  } catch (error) {
    throw new EndpointError('INVALID_OPTION', `externalAddresses: ${messageOf(error)}`, { cause: error })
  }
  if (address.port === 0)
    throw new EndpointError('INVALID_OPTION', `externalAddresses: ${text} has no port; say where peers reach it`)
  return address
}
