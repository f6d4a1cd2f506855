/** What hosts send, as it leaves them: counted by where it goes, and kept where a test wants to send it again. */
import { type Address, addressKey } from '../network.ts'
import type { SimHost } from './host.ts'
import type { Packet } from './segment.ts'
import type { NatWorld } from './world.ts'

const NOTHING = { datagrams: 0, bytes: 0 }

export class Traces {
  readonly #counts = new Map<string, { datagrams: number; bytes: number }>()
  readonly #kept: Packet[] = []
  #keep = 0

  /** Of what `host` sends from now on. */
  constructor(world: NatWorld, host: SimHost) {
    world.internet.egress.push((from, packet) => {
      if (from !== host) return
      const key = addressKey(packet.target.host, packet.target.port)
      const { datagrams, bytes } = this.#counts.get(key) ?? NOTHING
      this.#counts.set(key, { datagrams: datagrams + 1, bytes: bytes + packet.bytes.length })
      if (this.#kept.length < this.#keep) this.#kept.push({ ...packet, bytes: packet.bytes.slice() })
    })
  }

  /** Datagrams to any of the addresses. */
  to(targets: readonly Address[]): number {
    return targets.reduce((sum, target) => sum + this.#to(target).datagrams, 0)
  }

  bytesTo(targets: readonly Address[]): number {
    return targets.reduce((sum, target) => sum + this.#to(target).bytes, 0)
  }

  #to({ host, port }: Address): { datagrams: number; bytes: number } {
    return this.#counts.get(addressKey(host, port)) ?? NOTHING
  }

  /** The next `count` datagrams are kept. */
  keep(count: number): readonly Packet[] {
    this.#kept.length = 0
    this.#keep = count
    return this.#kept
  }
}
