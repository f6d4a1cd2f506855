/**
 * Maps a port with UPnP (WANIPConnection:1 and :2, WANPPPConnection:1): search, description, then actions over HTTP. What a router's number for an
 * error means is in spec/disco-stun-nat.md §7.1.
 */
import { parseIp, sameBytes } from '../../bytes/index.ts'
import type { HttpRequestOptions, Platform } from '../../platform/index.ts'
import { searchDevices } from './device-search.ts'
import { isPublicIpv4 } from './ip-scope.ts'
import {
  attempt,
  LEASE_SECONDS,
  type Lease,
  leaseOf,
  type MappingClient,
  type MappingContext,
} from './mapping-client.ts'
import { decodeAction, encodeAction, type SoapAnswer, UpnpError } from './soap.ts'
import { parseDescription, WAN_SERVICES, type WanService } from './upnp-description.ts'

/** One exchange over HTTP, ms: routers are slow. */
const EXCHANGE_MS = 3000
/** Of any answer, bytes (spec/disco-stun-nat.md §7.3). */
const MAX_BODY_BYTES = 1024 * 1024

const DESCRIPTION = 'tom-transport'

/** External ports that are tried when the wished one is taken; drawn from these (spec/disco-stun-nat.md §7.1). */
const MOST_TRIES = 8
const LEAST_PORT = 32_768
const MOST_PORT = 65_534

export class UpnpClient implements MappingClient {
  readonly protocol = 'upnp'
  externalIp: Uint8Array | undefined = undefined
  readonly #context: MappingContext
  readonly #platform: Pick<Platform, 'bindUdp' | 'web'>
  #service: WanService | undefined = undefined
  /** The address and port that our mapping was made with. */
  #mappedIp: Uint8Array | undefined = undefined
  #externalPort: number | undefined = undefined
  /** 0, for ever, once the router said that it knows nothing else. */
  #leaseSeconds: number = LEASE_SECONDS
  /** External ports that the router may have mapped to us: it was asked to, and has not refused. */
  readonly #mayHold = new Set<number>()

  constructor(context: MappingContext, platform: Pick<Platform, 'bindUdp' | 'web'>) {
    this.#context = context
    this.#platform = platform
  }

  async probe(signal: AbortSignal): Promise<boolean> {
    return (await this.#search(signal)) !== undefined
  }

  async check(signal: AbortSignal): Promise<boolean> {
    const [mappedIp, port] = [this.#mappedIp, this.#externalPort]
    if (mappedIp === undefined || port === undefined) return true
    const ip = await this.#findAddress(signal)
    const service = this.#service
    if (ip === undefined || service === undefined) return true
    if (!sameBytes(ip, mappedIp)) return false
    const entry = await this.#act(service, 'GetSpecificPortMappingEntry', keyOf(port), signal)
    if (entry === undefined) return true
    if (entry.error !== undefined) return entry.error !== UpnpError.NoSuchEntryInArray
    return entry.values.get('NewInternalClient') === this.#context.gateway.local
  }

  async map(signal: AbortSignal): Promise<Lease | undefined> {
    const ip = await this.#findAddress(signal)
    const service = this.#service
    if (ip === undefined || service === undefined) return undefined
    const port = await this.#addMapping(service, signal)
    if (port === undefined) return undefined
    this.#mappedIp = ip
    this.#externalPort = port
    return leaseOf(ip, port, LEASE_SECONDS)
  }

  async release(signal: AbortSignal): Promise<void> {
    const ports = [...this.#mayHold]
    const service = this.#service
    if (service === undefined || signal.aborted) return
    this.#mayHold.clear()
    this.#externalPort = undefined
    await Promise.all(ports.map((port) => this.#act(service, 'DeletePortMapping', keyOf(port), signal)))
  }

  /** The external address. A router that was restarted may be found under another URL: then it is looked for again. */
  async #findAddress(signal: AbortSignal): Promise<Uint8Array | undefined> {
    const ip = this.#service === undefined ? undefined : await this.#askAddress(this.#service, signal)
    if (ip === undefined) return this.#search(signal)
    this.externalIp = ip
    return ip
  }

  /** Takes the first service that has a public address, or the first that has any, and gives that. Keeps the former one when there is none. */
  async #search(signal: AbortSignal): Promise<Uint8Array | undefined> {
    if (this.#platform.web?.request === undefined) return undefined
    const { alarms, gateway } = this.#context
    let best: { readonly service: WanService; readonly ip: Uint8Array } | undefined
    for (const location of await searchDevices(this.#platform, alarms, gateway, signal).catch(() => [])) {
      for (const service of await this.#describe(location, signal)) {
        if (best !== undefined && isPublicIpv4(best.ip)) break
        const ip = await this.#askAddress(service, signal)
        if (ip !== undefined && (best === undefined || isPublicIpv4(ip))) best = { service, ip }
      }
    }
    if (best === undefined) return undefined
    this.#service = best.service
    this.externalIp = best.ip
    return best.ip
  }

  async #describe(location: URL, signal: AbortSignal): Promise<WanService[]> {
    const found = await this.#exchange({ method: 'GET', url: location.href }, signal, (status, text) =>
      status === 200 ? parseDescription(text, location) : [],
    )
    return found ?? []
  }

  async #askAddress(service: WanService, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const answer = await this.#act(service, 'GetExternalIPAddress', [], signal)
    const text = answer?.error === undefined ? answer?.values.get('NewExternalIPAddress') : undefined
    if (text === undefined) return undefined
    try {
      const ip = parseIp(text)
      // 0.0.0.0: there is no way out at the moment
      return ip.length === 4 && ip.some((byte) => byte !== 0) ? ip : undefined
    } catch {
      return undefined
    }
  }

  /** The external port that was mapped. */
  async #addMapping(service: WanService, signal: AbortSignal): Promise<number | undefined> {
    const { localPort } = this.#context
    let port = this.#externalPort ?? localPort
    // WANIPConnection:2 §2.5.20: the router may choose, and need not be asked again; a port that we have stays ours.
    let mayChoose = service.type === WAN_SERVICES[0] && this.#externalPort === undefined
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const action = mayChoose ? 'AddAnyPortMapping' : 'AddPortMapping'
      this.#mayHold.add(port)
      const answer = await this.#act(service, action, this.#mappingOf(port), signal)
      if (answer === undefined) return undefined
      if (answer.error === undefined) return mayChoose ? this.#reserved(port, answer.values) : port
      this.#mayHold.delete(port)
      switch (answer.error) {
        case UpnpError.InvalidAction:
        case UpnpError.OptionalActionNotImplemented:
          if (!mayChoose) return undefined
          mayChoose = false
          break
        case UpnpError.OnlyPermanentLeasesSupported:
          if (this.#leaseSeconds === 0) return undefined
          this.#leaseSeconds = 0
          break
        case UpnpError.SamePortValuesRequired:
          if (port === localPort) return undefined
          port = localPort
          break
        case UpnpError.ConflictInMappingEntry:
          port = LEAST_PORT + Math.floor(this.#context.uniform() * (MOST_PORT - LEAST_PORT + 1))
          break
        default:
          return undefined
      }
    }
    return undefined
  }

  #reserved(asked: number, values: ReadonlyMap<string, string>): number | undefined {
    const text = values.get('NewReservedPort') ?? ''
    const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
    if (port === 0 || port > 65_535) return undefined
    this.#mayHold.delete(asked)
    this.#mayHold.add(port)
    return port
  }

  #mappingOf(port: number): (readonly [string, string])[] {
    const { gateway, localPort } = this.#context
    return [
      ...keyOf(port),
      ['NewInternalPort', String(localPort)],
      ['NewInternalClient', gateway.local],
      ['NewEnabled', '1'],
      ['NewPortMappingDescription', DESCRIPTION],
      ['NewLeaseDuration', String(this.#leaseSeconds)],
    ]
  }

  #act(
    service: WanService,
    action: string,
    args: readonly (readonly [string, string])[],
    signal: AbortSignal,
  ): Promise<SoapAnswer | undefined> {
    const request = { method: 'POST', url: service.controlUrl, ...encodeAction(service.type, action, args) }
    // a fault comes with status 500
    return this.#exchange(request, signal, (_status, text) => decodeAction(text, action))
  }

  #exchange<T>(
    request: Omit<HttpRequestOptions, 'maxBody' | 'signal'>,
    outer: AbortSignal,
    read: (status: number, text: string) => T | undefined,
  ): Promise<T | undefined> {
    return attempt(this.#context.alarms, EXCHANGE_MS, outer, async (signal) => {
      const answer = await this.#platform.web?.request?.({ ...request, maxBody: MAX_BODY_BYTES, signal })
      // Not strict: what is not UTF-8 stands in names for people, which nobody reads here.
      return answer && read(answer.status, new TextDecoder().decode(answer.body))
    })
  }
}

/** What names a mapping, in all actions. */
function keyOf(externalPort: number): (readonly [string, string])[] {
  return [
    ['NewRemoteHost', ''],
    ['NewExternalPort', String(externalPort)],
    ['NewProtocol', 'UDP'],
  ]
}
