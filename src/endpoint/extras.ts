/** What shares the sockets with QUIC: STUN, disco, birthday probing. Each is there only where it is wanted. */
import { messageOf, type SocketAddress } from '../bytes/index.ts'
import type { Driver, ForeignPacket } from '../driver/index.ts'
import { Birthday, DiscoPort, DiscoSocket, parseStunServer, StunProber } from '../holepunch/index.ts'
import type { SecretKey } from '../identity/index.ts'
import type { Platform } from '../platform/index.ts'
import { EndpointError } from './errors.ts'

export interface ExtrasSetup {
  readonly platform: Platform
  readonly secretKey: SecretKey
  readonly driver: () => Driver
  readonly stunServers: readonly string[]
  readonly birthday: boolean
  readonly disco: boolean
  /** What disco peers are told, the most promising first. */
  readonly ownAddresses: () => readonly SocketAddress[]
  /** Our NAT has a mapping for each destination; undefined while that is not known. */
  readonly isHard: () => boolean | undefined
}

export interface StunServers {
  readonly prober: StunProber
  readonly servers: readonly string[]
}

export class Extras {
  readonly stun: StunServers | undefined = undefined
  readonly birthday: Birthday | undefined = undefined
  readonly #port: DiscoPort | undefined = undefined
  readonly #disco: DiscoSocket | undefined = undefined

  /** Throws EndpointError INVALID_OPTION for a STUN server that is no `host:port`. */
  constructor(setup: ExtrasSetup) {
    const { platform, secretKey, driver, stunServers, birthday, disco, ownAddresses, isHard } = setup
    for (const text of stunServers) checkStunServer(text)
    if (stunServers.length > 0) this.stun = { prober: new StunProber({ platform, driver }), servers: stunServers }
    if (!birthday && !disco) return
    const port = new DiscoPort({ platform, secretKey })
    const common = { platform, driver, port, ownId: secretKey.id.toBytes() }
    this.#port = port
    if (birthday) this.birthday = new Birthday({ ...common, isHard })
    if (disco) this.#disco = new DiscoSocket({ ...common, ownAddresses })
  }

  onForeign(packet: ForeignPacket): void {
    if (packet.kind === 'stun') this.stun?.prober.onForeign(packet)
    else this.#port?.onForeign(packet)
  }

  /** A connection to `peer` (32 bytes of id) begins, at these addresses if we dial. To be told when it ended; undefined where nobody wants to know. */
  hold(peer: Uint8Array, addresses: readonly SocketAddress[]): (() => void) | undefined {
    return this.#disco?.prepare(peer, addresses)
  }

  /** Somebody wants to know of incoming connections. */
  get holdsPeers(): boolean {
    return this.#disco !== undefined
  }

  networkChanged(): void {
    this.#disco?.networkChanged()
  }

  async close(): Promise<void> {
    this.birthday?.close()
    this.#disco?.close()
    await this.stun?.prober.close()
  }
}

function checkStunServer(text: string): void {
  try {
    parseStunServer(text)
  } catch (error) {
    throw new EndpointError('INVALID_OPTION', `stunServers: ${messageOf(error)}`, { cause: error })
  }
}
