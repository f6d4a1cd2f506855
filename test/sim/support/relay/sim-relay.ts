/** A relay in virtual time: the real `RelayHub`, which can be killed and started again. */
import { createNodeCrypto } from '../../../../src/crypto/node/index.ts'
import type { WebSocketLink } from '../../../../src/platform/index.ts'
import {
  type AccessControl,
  type RelayClientRequest,
  RelayHub,
  type RelayLimits,
} from '../../../../src/relay/server/hub/index.ts'
import type { SimPlatform } from '../platform.ts'
import type { SimLink } from './link.ts'

export class SimRelay {
  readonly url: string
  readonly log: string[] = []
  /** Server ends of all connections since the last start. */
  links: SimLink[] = []
  readonly #platform: SimPlatform
  readonly #limits: Partial<RelayLimits>
  readonly #access: AccessControl | undefined
  #hub: RelayHub | undefined

  constructor(host: string, platform: SimPlatform, limits: Partial<RelayLimits> = {}, access?: AccessControl) {
    this.url = `http://${host}/`
    this.#platform = platform
    this.#limits = limits
    this.#access = access
    this.#hub = this.#start()
  }

  get hub(): RelayHub {
    if (this.#hub === undefined) throw new Error('the relay is down')
    return this.#hub
  }

  get isDown(): boolean {
    return this.#hub === undefined
  }

  #start(): RelayHub {
    return new RelayHub({
      platform: this.#platform,
      crypto: createNodeCrypto(),
      limits: this.#limits,
      access: this.#access,
    })
  }

  accept(link: WebSocketLink, request: RelayClientRequest): void {
    this.links.push(link as SimLink)
    this.hub.accept(link, request)
  }

  /** The process dies: every connection is reset. */
  kill(): void {
    for (const link of this.links) link.terminate()
    this.links = []
    this.#hub = undefined
  }

  /** The host vanishes from the network: nobody is told. */
  vanish(): void {
    for (const link of this.links) {
      link.isCut = true
      link.peer.isCut = true
    }
    this.links = []
    this.#hub = undefined
  }

  restart(): void {
    if (this.#hub === undefined) this.#hub = this.#start()
  }
}
