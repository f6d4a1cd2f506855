/** HTTP and WebSockets of one site in virtual time: relays are found by their host name. */
import type {
  HttpAnswer,
  HttpGetOptions,
  WebClient,
  WebSocketLink,
  WebSocketOptions,
} from '../../../../src/platform/index.ts'
import { chooseProtocol } from '../../../../src/relay/index.ts'
import type { VirtualClock } from '../clock.ts'
import { type Direction, type LinkShape, linkPair } from './link.ts'
import type { SimRelay } from './sim-relay.ts'

/** Of what opens a connection, and of a request, bytes. */
const HEAD = 300

/** What a site has on its way to the relays. */
export interface SimSite {
  /** To the relay of this host. Throws when there is no way out. */
  shape(host: string): LinkShape
  /** Our end of what is opened now. */
  localAddress?(): string | undefined
}

export class SimWeb implements WebClient {
  readonly canSetHeaders: boolean
  readonly #clock: VirtualClock
  readonly #relays: ReadonlyMap<string, SimRelay>
  readonly #site: SimSite
  /** Links of this site that were opened, oldest first. */
  readonly opened: { readonly host: string; readonly link: ReturnType<typeof linkPair>['client'] }[] = []

  constructor(clock: VirtualClock, relays: ReadonlyMap<string, SimRelay>, site: SimSite, canSetHeaders = true) {
    this.#clock = clock
    this.#relays = relays
    this.#site = site
    this.canSetHeaders = canSetHeaders
  }

  async openWebSocket(options: WebSocketOptions): Promise<WebSocketLink> {
    const { protocols, headers, signal } = options
    const url = new URL(options.url)
    const shape = this.#site.shape(url.hostname)
    // TCP, then the upgrade
    await this.#roundTrips(shape, signal)
    const relay = this.#relay(url.hostname)
    const protocol = chooseProtocol(protocols.join(', '))
    if (protocol === undefined) throw new Error('the relay speaks none of these protocols')
    const { client, server } = linkPair(this.#clock, shape, protocol, this.#site.localAddress?.())
    this.opened.push({ host: url.hostname, link: client })
    const lines = new Map(
      Object.entries(headers?.(undefined) ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
    )
    const authorization = lines.get('authorization')
    relay.accept(server, {
      protocol,
      url: `${url.pathname}${url.search}`,
      authorization: authorization === undefined ? [] : [authorization],
      authHeader: undefined,
      exporter: undefined,
      remoteAddress: '10.0.0.2',
    })
    return client
  }

  async get({ url, signal }: HttpGetOptions): Promise<HttpAnswer> {
    const { hostname } = new URL(url)
    await this.#roundTrips(this.#site.shape(hostname), signal)
    this.#relay(hostname)
    return { status: 200, header: () => undefined }
  }

  /** Throws when it is down. */
  #relay(host: string): SimRelay {
    const relay = this.#relays.get(host)
    if (relay === undefined || relay.isDown) throw new Error(`cannot connect to ${host}`)
    return relay
  }

  /** Two. */
  #roundTrips({ delayMs, carry }: LinkShape, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        if (event !== undefined) this.#clock.cancel(event)
        reject(signal?.reason)
      }
      const done = (): void => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }
      const legs: Direction[] = ['up', 'down', 'up', 'down']
      const next = (): void => {
        const leg = legs.shift()
        if (leg === undefined) done()
        else carry!(leg, HEAD, next)
      }
      const event = carry === undefined ? this.#clock.after(4 * delayMs, done) : undefined
      if (carry !== undefined) next()
      if (signal?.aborted === true) onAbort()
      else signal?.addEventListener('abort', onAbort, { once: true })
    })
  }
}
