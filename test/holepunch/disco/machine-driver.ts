/** A disco machine with a hand-turned clock: says what it sends in short words. */
import { encodeHex, formatSocketAddress, parseSocketAddress } from '../../../src/bytes/index.ts'
import { DiscoMachine } from '../../../src/holepunch/disco/machine.ts'
import type { DiscoAddress, DiscoMessage } from '../../../src/holepunch/disco/message.ts'
import { SimRandom } from '../../sim/support/random.ts'

export const PEER = new Uint8Array(32).fill(0xb0)
export const RELAY = 'https://relay.example./'

export function udp(text: string): DiscoAddress & { kind: 'udp' } {
  return { kind: 'udp', ...parseSocketAddress(text) }
}

export const A = udp('192.0.2.1:1')
export const B = udp('192.0.2.2:2')
export const V6 = udp('[2001:db8::1]:6')
export const VIA_RELAY: DiscoAddress = { kind: 'relay', url: RELAY }

export interface Sent {
  readonly to: string
  readonly message: DiscoMessage
  readonly peer: string
}

export class Bench {
  now = 100_000
  readonly machine: DiscoMachine
  readonly random = new SimRandom('disco machine')
  /** Pings that were sent, the newest last. */
  readonly pings: Sent[] = []
  refreshes = 0

  constructor(hasIpv6 = true) {
    this.machine = new DiscoMachine({ ownId: new Uint8Array(32), random: this.random, hasIpv6: () => hasIpv6 })
  }

  /** What waits to be sent: `ping 192.0.2.1:1`. */
  sent(): string[] {
    return this.take().map(({ to, message }) => `${message.type} ${to}`)
  }

  take(): Sent[] {
    const all: Sent[] = []
    for (let output = this.machine.nextOutput(); output !== undefined; output = this.machine.nextOutput()) {
      if (output.type === 'refresh-addresses') {
        this.refreshes++
        continue
      }
      const { to, message, peer } = output
      const sent = { to: nameOf(to), message, peer: encodeHex(peer) }
      if (message.type === 'ping') this.pings.push(sent)
      all.push(sent)
    }
    return all
  }

  /** Lets `ms` pass, with all that falls due. Returns what was sent meanwhile, with the time since: `5000 ping 192.0.2.1:1`. */
  pass(ms: number): string[] {
    const began = this.now
    const end = began + ms
    const said: string[] = []
    for (let deadline = this.machine.deadline(); deadline <= end; deadline = this.machine.deadline()) {
      this.now = Math.max(this.now, deadline)
      this.machine.tick(this.now)
      said.push(...this.sent().map((text) => `${this.now - began} ${text}`))
    }
    this.now = end
    return said
  }

  know(addresses: readonly DiscoAddress[], peer: Uint8Array = PEER): this {
    this.machine.addPeer(peer, addresses, this.now)
    return this
  }

  ping(from: DiscoAddress, peer: Uint8Array = PEER, transactionId = this.random.bytes(12)): Uint8Array {
    this.machine.receive(peer, from, { type: 'ping', transactionId, key: peer }, this.now)
    return transactionId
  }

  /** Answers the last ping to `to`; from there, or from elsewhere. */
  pong(to: DiscoAddress, from = to, peer: Uint8Array = PEER): void {
    const ping = this.pings.findLast((one) => one.to === nameOf(to))
    if (ping?.message.type !== 'ping') throw new Error(`no ping to ${nameOf(to)}`)
    const { transactionId } = ping.message
    this.machine.receive(peer, from, { type: 'pong', transactionId, observed: A }, this.now)
  }

  callMeMaybe(addresses: readonly (DiscoAddress & { kind: 'udp' })[], from: DiscoAddress = VIA_RELAY): void {
    this.machine.receive(PEER, from, { type: 'call-me-maybe', addresses }, this.now)
  }

  /** Pings `path` and has it answered after `latencyMs`. */
  validate(path: DiscoAddress & { kind: 'udp' }, latencyMs = 1): void {
    this.ping(path)
    this.take()
    if (!this.pings.some(({ to }) => to === nameOf(path))) throw new Error('no ping back')
    this.now += latencyMs
    this.pong(path)
  }

  get state(): string {
    const { state, address } = this.machine.choice(PEER, this.now)
    return address === undefined ? state : `${state} ${nameOf(address)}`
  }

  payload(): string[] {
    return this.machine.payloadTo(PEER, this.now).map(nameOf)
  }
}

export function nameOf(address: DiscoAddress): string {
  return address.kind === 'relay' ? 'relay' : formatSocketAddress(address)
}
