/** Maps a port with PCP (RFC 6887). */
import { parseIp, type SocketAddress, sameBytes } from '../../bytes/index.ts'
import type { GatewayLink } from './gateway-link.ts'
import {
  LEASE_SECONDS,
  type Lease,
  leaseOf,
  MAP_WAITS_MS,
  type MappingClient,
  type MappingContext,
  PROBE_WAITS_MS,
  RELEASE_WAITS_MS,
} from './mapping-client.ts'
import { isNatPmpOnly } from './nat-pmp.ts'
import {
  decodePcp,
  encodePcpAnnounce,
  encodePcpMap,
  PCP_NONCE_BYTES,
  type PcpMapping,
  type PcpResponse,
  PcpResult,
} from './pcp.ts'
import { RouterEpoch } from './router-epoch.ts'

/** RFC 6887 §8.1.1: 3 s, doubling, each a tenth more or less; ms. */
const RENEWAL_WAITS_MS = [3000, 6000, 12_000] as const
const JITTER = 0.1

/** What the answer to ANNOUNCE says. */
interface Announcement {
  readonly isThere: boolean
  readonly isStateLost: boolean
}

export class PcpClient implements MappingClient {
  readonly protocol = 'pcp'
  /** PCP tells it with a mapping only. */
  readonly externalIp = undefined
  readonly #context: MappingContext
  readonly #link: GatewayLink
  readonly #client: Uint8Array
  readonly #nonce: Uint8Array
  readonly #epoch = new RouterEpoch('pcp')
  /** Granted, and wished for when it is asked for again. */
  #external: SocketAddress | undefined = undefined
  /** The router may have a mapping of ours: it was asked for one, and has not refused. */
  #mayHold = false

  /** `nonce`: 12 random bytes. With another one the router would not take us for the owner of a mapping it has. */
  constructor(context: MappingContext, link: GatewayLink, nonce: Uint8Array) {
    if (nonce.length !== PCP_NONCE_BYTES) throw new RangeError(`a nonce has ${PCP_NONCE_BYTES} bytes`)
    this.#context = context
    this.#link = link
    this.#client = parseIp(context.gateway.local)
    this.#nonce = nonce
  }

  async probe(signal: AbortSignal): Promise<boolean> {
    return (await this.#announce(signal))?.isThere ?? false
  }

  async check(signal: AbortSignal): Promise<boolean> {
    return !((await this.#announce(signal))?.isStateLost ?? false)
  }

  async map(signal: AbortSignal, isRenewal: boolean): Promise<Lease | undefined> {
    const waits = isRenewal ? RENEWAL_WAITS_MS.map((ms) => this.#jittered(ms)) : MAP_WAITS_MS
    if (signal.aborted) return undefined
    this.#mayHold = true
    const answer = await this.#ask(LEASE_SECONDS, this.#external, waits, signal)
    if (answer === undefined) return undefined
    if (answer.result !== PcpResult.Success) {
      if (!isRenewal) this.#mayHold = false
      return undefined
    }
    const lease = leaseOf(answer.map.externalIp, answer.map.externalPort, answer.lifetime)
    this.#external = lease?.external
    return lease
  }

  async release(signal: AbortSignal): Promise<void> {
    if (!this.#mayHold || signal.aborted) return
    await this.#ask(0, undefined, RELEASE_WAITS_MS, signal)
    this.#mayHold = false
    this.#external = undefined
  }

  async #announce(signal: AbortSignal): Promise<Announcement | undefined> {
    return this.#link.ask(
      encodePcpAnnounce(this.#client),
      PROBE_WAITS_MS,
      (data) => {
        if (isNatPmpOnly(data)) return { isThere: false, isStateLost: false }
        const answer = decodePcp(data)
        // RFC 6887 §9: who speaks another version only names it; what version that is, is no matter
        if (answer === undefined || answer.map !== undefined || answer.result === PcpResult.UnsupportedVersion) {
          return undefined
        }
        // RFC 6887 §7.4: a NAT between us and the router
        const isThere = answer.result !== PcpResult.AddressMismatch
        return { isThere, isStateLost: this.#note(answer) }
      },
      signal,
    )
  }

  #ask(
    lifetime: number,
    wished: SocketAddress | undefined,
    waits: readonly number[],
    signal: AbortSignal,
  ): Promise<(PcpResponse & { readonly map: PcpMapping }) | undefined> {
    const { localPort } = this.#context
    const question = encodePcpMap({
      client: this.#client,
      lifetime,
      nonce: this.#nonce,
      internalPort: localPort,
      // RFC 6887 §15.1: to delete, no external address or port is named
      externalPort: lifetime === 0 ? 0 : (wished?.port ?? localPort),
      externalIp: lifetime === 0 ? undefined : wished?.ip,
    })
    return this.#link.ask(
      question,
      waits,
      (data) => {
        const answer = decodePcp(data)
        if (answer?.map === undefined || !sameBytes(answer.map.nonce, this.#nonce)) return undefined
        if (answer.map.internalPort !== localPort) return undefined
        // the late answer to a request that was given up
        if ((answer.lifetime === 0) !== (lifetime === 0) && answer.result === PcpResult.Success) return undefined
        this.#note(answer)
        return { ...answer, map: answer.map }
      },
      signal,
    )
  }

  #note({ epoch }: PcpResponse): boolean {
    return this.#epoch.note(epoch, this.#context.now())
  }

  #jittered(ms: number): number {
    return ms * (1 + (2 * this.#context.uniform() - 1) * JITTER)
  }
}
