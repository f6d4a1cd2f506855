/**
 * Keeps the local UDP port mapped at the router for as long as it runs: finds the router, has the port mapped by the best protocol it speaks, renews
 * in time, notices that the router forgot, and deletes the mapping at the end. spec/disco-stun-nat.md §7.3.
 */
import type { SocketAddress } from '../../bytes/index.ts'
import { compareSocketAddresses } from '../../bytes/index.ts'
import { type Gateway, type Platform, uniform } from '../../platform/index.ts'
import { Alarms } from '../net-report/alarms.ts'
import { isPublicIpv4 } from './ip-scope.ts'
import { attempt, type Lease, type MappingClient, type PortMapProtocol } from './mapping-client.ts'
import { PCP_NONCE_BYTES } from './pcp.ts'
import { type Held, Router } from './router.ts'

/** Parts of a lease after which it is renewed; the first a tenth more or less, so that not all clients of a router come at once. */
const RENEWALS = [1 / 2, 3 / 4, 7 / 8] as const
const JITTER = 0.1

/** After the first, second, … failure in a row; the last one for all that follow. ms; guesses, routers take a minute to start. */
const PAUSES_MS = [5000, 20_000, 80_000, 320_000, 600_000] as const

/** `request` asks the router for nothing when it was asked less than this before, ms: net reports come every 20 s. */
const REQUEST_PAUSE_MS = 60_000

/** Of what is said to a router that is left, ms; `close` promises no more than a second. */
const RELEASE_MS = 900

/** Networks between which somebody goes to and fro. */
const MOST_NONCES = 8

export interface PortMapping {
  /** Where the router takes datagrams for us; IPv4, not private. It may still differ from what others see, when there is another NAT behind. */
  readonly external: SocketAddress
  readonly protocol: PortMapProtocol
}

export interface PortMapperOptions {
  readonly platform: Platform
  /** The mapping is another one now, or gone. Never inside a call of the owner, and not after `close`. */
  readonly onChange: (mapping: PortMapping | undefined) => void
  /** `onChange` or the platform threw. That there is no router, or none that maps ports, is no error. */
  readonly onError?: (error: unknown) => void
}

export class PortMapper {
  readonly #options: PortMapperOptions
  readonly #platform: Platform
  readonly #alarms: Alarms
  readonly #end = new AbortController()
  /** Aborted when the network is another one: all begins anew. */
  #life = new AbortController()
  #loop: Promise<void> | undefined = undefined
  #closing: Promise<void> | undefined = undefined
  #localPort = 0
  #router: Router | undefined = undefined
  /** By router and our address there. */
  readonly #nonces = new Map<string, Uint8Array>()
  /** Routers that are being left, as above. */
  readonly #leaving = new Map<string, Promise<void>>()
  #mapping: PortMapping | undefined = undefined
  /** In a row. */
  #failures = 0
  /** When the router was asked for something, ms. */
  #askedAt = Number.NEGATIVE_INFINITY
  /** Whoever waits for a time is to look now. */
  #isWoken = false
  #wake: () => void = () => {}
  #comparing: 'no' | 'yes' | 'again' = 'no'

  constructor(options: PortMapperOptions) {
    this.#options = options
    this.#platform = options.platform
    this.#alarms = new Alarms(options.platform)
  }

  /** What others may use now; undefined while there is none. */
  get mapping(): PortMapping | undefined {
    return this.#mapping
  }

  /** Begins to have `localPort`, of the IPv4 socket, mapped. Once; later calls do nothing. */
  start(localPort: number): void {
    if (this.#loop !== undefined || this.#closing !== undefined) return
    this.#localPort = localPort
    this.#loop = this.#run()
  }

  /**
   * Somebody would like to know: without a mapping it is tried again now, with one the router is asked whether it still knows it. At most once a
   * minute, so it may be called with every net report.
   */
  request(): void {
    if (this.#platform.now() - this.#askedAt >= REQUEST_PAUSE_MS) this.#rouse()
  }

  /** Interfaces, addresses or routes changed. A mapping at another router is gone; at the same one it is checked. */
  networkChanged(): void {
    if (this.#loop === undefined || this.#closing !== undefined) return
    this.#failures = 0
    if (this.#comparing === 'no') void this.#compare()
    else this.#comparing = 'again'
  }

  /** Deletes the mapping and ends all. Takes at most 1 s, never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#end.abort()
    this.#life.abort()
    await this.#loop
    this.#leave()
    await Promise.all(this.#leaving.values())
    this.#mapping = undefined
    this.#alarms.clear()
  }

  async #run(): Promise<void> {
    while (!this.#end.signal.aborted) {
      this.#life = new AbortController()
      const { signal } = this.#life
      try {
        if (await this.#map(signal)) continue
      } catch (error) {
        this.#announce(undefined)
        this.#report(error)
      }
      if (!signal.aborted) await this.#pause(signal)
    }
  }

  /** Has the port mapped for as long as that goes well. False: it did not. */
  async #map(signal: AbortSignal): Promise<boolean> {
    const router = await this.#findRouter()
    const held = signal.aborted ? undefined : await router?.acquire(signal)
    this.#askedAt = this.#platform.now()
    this.#isWoken = false
    if (held === undefined) return false
    this.#failures = 0
    await this.#hold(held, signal)
    this.#announce(undefined)
    return true
  }

  // the router

  async #findRouter(): Promise<Router | undefined> {
    const gateway = await this.#findGateway()
    if (this.#end.signal.aborted) return undefined
    const former = this.#router
    if (former !== undefined && !former.isBroken && isSameGateway(former.gateway, gateway)) return former
    this.#leave()
    if (gateway === undefined) return undefined
    const nonce = this.#nonceFor(gateway)
    // Its last word must not take away what we ask for now.
    await this.#leaving.get(keyOf(gateway))
    if (this.#end.signal.aborted) return undefined
    try {
      this.#router = await Router.open({
        platform: this.#platform,
        alarms: this.#alarms,
        gateway,
        localPort: this.#localPort,
        nonce,
      })
    } catch {
      // The address is gone again already.
    }
    return this.#router
  }

  /** The one that was used there before, if any: that a mapping is deleted when a network goes away is not sure. */
  #nonceFor(gateway: Gateway): Uint8Array {
    const key = keyOf(gateway)
    const nonce = this.#nonces.get(key) ?? new Uint8Array(PCP_NONCE_BYTES)
    if (!this.#nonces.delete(key)) this.#platform.random.fill(nonce)
    // the newest last
    this.#nonces.set(key, nonce)
    for (const oldest of this.#nonces.keys()) if (this.#nonces.size > MOST_NONCES) this.#nonces.delete(oldest)
    return nonce
  }

  /** Does not wait for a platform that does not answer, once all is over. */
  async #findGateway(): Promise<Gateway | undefined> {
    const { signal } = this.#end
    return new Promise((resolve) => {
      const end = (): void => resolve(undefined)
      signal.addEventListener('abort', end)
      const ask = async (): Promise<Gateway | undefined> => this.#platform.gateway?.()
      ask()
        .catch((error) => {
          this.#report(error)
          return undefined
        })
        .then((gateway) => {
          signal.removeEventListener('abort', end)
          resolve(gateway)
        })
    })
  }

  /** Starts over if the router is another one. */
  async #compare(): Promise<void> {
    do {
      this.#comparing = 'yes'
      const gateway = await this.#findGateway()
      if (this.#end.signal.aborted) break
      if (this.#router !== undefined && isSameGateway(this.#router.gateway, gateway)) this.#rouse()
      else this.#life.abort()
    } while (this.#isAskedAgain())
    this.#comparing = 'no'
  }

  #isAskedAgain(): boolean {
    return this.#comparing === 'again'
  }

  /** Deletes what the router has of us, on the side. */
  #leave(): void {
    const router = this.#router
    if (router === undefined) return
    this.#router = undefined
    const leave = async (): Promise<void> => {
      await attempt(this.#alarms, RELEASE_MS, new AbortController().signal, (signal) => router.release(signal))
      await router.close()
    }
    const key = keyOf(router.gateway)
    const left = leave()
      .catch((error) => this.#report(error))
      .finally(() => this.#leaving.delete(key))
    this.#leaving.set(key, left)
  }

  // the mapping

  /** Until it is gone. */
  async #hold(held: Held, signal: AbortSignal): Promise<void> {
    const { client } = held
    for (let lease: Lease | undefined = held.lease; lease !== undefined; ) {
      if (!isPublicIpv4(lease.external.ip)) {
        await client.release(signal)
        return
      }
      this.#announce({ external: lease.external, protocol: client.protocol })
      lease = await this.#renew(client, lease, signal)
    }
  }

  /** The next lease; undefined when this one has run out, or the router has lost it and gives no other. */
  async #renew(client: MappingClient, lease: Lease, signal: AbortSignal): Promise<Lease | undefined> {
    const { lifetimeMs } = lease
    const grantedAt = this.#platform.now()
    const endsAt = grantedAt + lifetimeMs
    const jitter = 1 + (2 * uniform(this.#platform.random) - 1) * JITTER
    for (const [index, part] of RENEWALS.entries()) {
      const dueAt = grantedAt + lifetimeMs * part * (index === 0 ? jitter : 1)
      if (!(await this.#watch(client, dueAt, signal))) return signal.aborted ? undefined : client.map(signal, false)
      this.#askedAt = this.#platform.now()
      const left = Math.max(0, endsAt - this.#askedAt)
      const renewed = await attempt(this.#alarms, left, signal, (inner) => client.map(inner, true))
      if (renewed !== undefined) return renewed
    }
    if (await this.#watch(client, endsAt, signal)) return undefined
    return signal.aborted ? undefined : client.map(signal, false)
  }

  /** Waits until `at`, and asks the router in between when somebody wants to know. False: it has lost the mapping, or `signal` was aborted. */
  async #watch(client: MappingClient, at: number, signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      if (this.#isWoken) {
        this.#isWoken = false
        this.#askedAt = this.#platform.now()
        if (!(await client.check(signal))) return false
      } else if (this.#platform.now() >= at) return true
      else await this.#sleep(at, signal)
    }
    return false
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const ms = PAUSES_MS[Math.min(this.#failures++, PAUSES_MS.length - 1)]!
    const until = this.#platform.now() + ms
    while (!signal.aborted && !this.#isWoken && this.#platform.now() < until) await this.#sleep(until, signal)
  }

  /** Until `at`, `#rouse`, or the end of `signal`. */
  #sleep(at: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        cancel()
        signal.removeEventListener('abort', finish)
        this.#wake = () => {}
        resolve()
      }
      const cancel = this.#alarms.after(at - this.#platform.now(), finish)
      signal.addEventListener('abort', finish)
      this.#wake = finish
    })
  }

  #rouse(): void {
    this.#isWoken = true
    this.#wake()
  }

  // the owner

  #announce(mapping: PortMapping | undefined): void {
    if (this.#end.signal.aborted || isSameMapping(this.#mapping, mapping)) return
    this.#mapping = mapping
    try {
      this.#options.onChange(mapping)
    } catch (error) {
      this.#report(error)
    }
  }

  #report(error: unknown): void {
    this.#options.onError?.(error)
  }
}

function keyOf({ address, local }: Gateway): string {
  return `${address} ${local}`
}

function isSameGateway(left: Gateway, right: Gateway | undefined): boolean {
  return right !== undefined && keyOf(left) === keyOf(right)
}

function isSameMapping(left: PortMapping | undefined, right: PortMapping | undefined): boolean {
  if (left === undefined || right === undefined) return left === right
  return left.protocol === right.protocol && compareSocketAddresses(left.external, right.external) === 0
}
