/** Maps a port with NAT-PMP (RFC 6886): first the external address is asked for, then the mapping. */
import { sameBytes } from '../../bytes/index.ts'
import type { GatewayLink } from './gateway-link.ts'
import {
  LEASE_SECONDS,
  type Lease,
  leaseOf,
  MAP_WAITS_MS,
  type MappingClient,
  type MappingContext,
  RELEASE_WAITS_MS,
} from './mapping-client.ts'
import {
  decodeNatPmpAddress,
  decodeNatPmpMap,
  encodeNatPmpAddress,
  encodeNatPmpMap,
  type NatPmpMapping,
  NatPmpResult,
} from './nat-pmp.ts'
import { RouterEpoch } from './router-epoch.ts'

/** What the router says about itself. */
interface Outside {
  readonly ip: Uint8Array | undefined
  readonly isStateLost: boolean
}

export class NatPmpClient implements MappingClient {
  readonly protocol = 'nat-pmp'
  externalIp: Uint8Array | undefined = undefined
  readonly #context: MappingContext
  readonly #link: GatewayLink
  readonly #epoch = new RouterEpoch('nat-pmp')
  #externalPort: number | undefined = undefined
  /** The address that our mapping was made with. */
  #mappedIp: Uint8Array | undefined = undefined
  /** The router may have a mapping of ours: it was asked for one, and has not refused. */
  #mayHold = false

  constructor(context: MappingContext, link: GatewayLink) {
    this.#context = context
    this.#link = link
  }

  async probe(signal: AbortSignal): Promise<boolean> {
    return (await this.#askAddress(signal))?.ip !== undefined
  }

  async check(signal: AbortSignal): Promise<boolean> {
    const outside = await this.#askAddress(signal)
    if (outside === undefined) return true
    const [ip, mappedIp] = [outside.ip, this.#mappedIp]
    return !outside.isStateLost && (ip === undefined || mappedIp === undefined || sameBytes(ip, mappedIp))
  }

  async map(signal: AbortSignal, isRenewal: boolean): Promise<Lease | undefined> {
    const outside = await this.#askAddress(signal)
    if (outside?.ip === undefined) return undefined
    if (signal.aborted) return undefined
    this.#mayHold = true
    const wished = this.#externalPort ?? this.#context.localPort
    const answer = await this.#askMapping(LEASE_SECONDS, wished, MAP_WAITS_MS, signal)
    if (answer === undefined) return undefined
    if (answer.result !== NatPmpResult.Success) {
      if (!isRenewal) this.#mayHold = false
      return undefined
    }
    this.#externalPort = answer.externalPort
    this.#mappedIp = outside.ip
    return leaseOf(outside.ip, answer.externalPort, answer.lifetime)
  }

  async release(signal: AbortSignal): Promise<void> {
    if (!this.#mayHold || signal.aborted) return
    await this.#askMapping(0, 0, RELEASE_WAITS_MS, signal)
    this.#mayHold = false
    this.#externalPort = undefined
  }

  async #askAddress(signal: AbortSignal): Promise<Outside | undefined> {
    const outside = await this.#link.ask<Outside>(
      encodeNatPmpAddress(),
      MAP_WAITS_MS,
      (data) => {
        const answer = decodeNatPmpAddress(data)
        return answer && { ip: answer.externalIp, isStateLost: this.#note(answer.epoch) }
      },
      signal,
    )
    if (outside?.ip !== undefined) this.externalIp = outside.ip
    return outside
  }

  #askMapping(
    lifetime: number,
    externalPort: number,
    waits: readonly number[],
    signal: AbortSignal,
  ): Promise<NatPmpMapping | undefined> {
    const { localPort } = this.#context
    return this.#link.ask(
      encodeNatPmpMap({ internalPort: localPort, externalPort, lifetime }),
      waits,
      (data) => {
        const answer = decodeNatPmpMap(data)
        if (answer === undefined || answer.internalPort !== localPort) return undefined
        // the late answer to a request that was given up
        if ((answer.lifetime === 0) !== (lifetime === 0) && answer.result === NatPmpResult.Success) return undefined
        this.#note(answer.epoch)
        return answer
      },
      signal,
    )
  }

  #note(epoch: number): boolean {
    return this.#epoch.note(epoch, this.#context.now())
  }
}
