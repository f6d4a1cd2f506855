/**
 * The plainest program that punches, over raw sockets: what it reaches is a property of the NATs and of nothing else (spec/disco-stun-nat.md §8.3). It learns its
 * address from a STUN server, is told the other's by the test, pings all it knows, and pings back whoever pings it.
 */
import { decodeUtf8, encodeUtf8 } from '../../../../src/bytes/index.ts'
import { type Address, addressKey, type SimSocket } from '../network.ts'
import { askStun } from './ask-stun.ts'
import type { SimHost } from './host.ts'
import type { NatWorld } from './world.ts'

export class Puncher {
  readonly #socket: SimSocket
  readonly #known = new Map<string, Address>()
  /** Whose pong came, by address. */
  readonly pongs = new Set<string>()

  private constructor(socket: SimSocket) {
    this.#socket = socket
    socket.onMessage = (data, host, port) => this.#hear(decodeUtf8(data), { host, port })
  }

  /** On `host`, with all the addresses it has. */
  static async start(world: NatWorld, host: SimHost): Promise<{ puncher: Puncher; addresses: Address[] }> {
    const socket = host.open('0.0.0.0', 0)
    const seen = await askStun(world, socket, world.stunServers[0]!)
    const addresses = host.addresses.map((address) => ({ host: address, port: socket.port }))
    if (seen !== undefined) addresses.push(seen)
    return { puncher: new Puncher(socket), addresses }
  }

  get isDirect(): boolean {
    return this.pongs.size > 0
  }

  learn(addresses: readonly Address[]): void {
    for (const address of addresses) this.#known.set(addressKey(address.host, address.port), address)
  }

  pingAll(): void {
    for (const address of this.#known.values()) this.#send('ping', address)
  }

  #hear(word: string, from: Address): void {
    if (word === 'pong') this.pongs.add(addressKey(from.host, from.port))
    if (word !== 'ping') return
    this.#send('pong', from)
    const isNew = !this.#known.has(addressKey(from.host, from.port))
    this.learn([from])
    if (isNew) this.#send('ping', from)
  }

  #send(word: string, { host, port }: Address): void {
    const bytes = encodeUtf8(word)
    this.#socket.send(bytes, 0, bytes.length, host, port, () => {})
  }
}
