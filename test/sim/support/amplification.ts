/**
 * RFC 9000 §8, §9.3.1 judged from the wire alone: to an address that was not dialled and has not proved itself, a node sends at most three
 * times what came from there. Proof of a new connection's address is a Handshake packet or a token, of a migration a round trip.
 */
import { PacketHeader, PacketKind, parseHeader } from '../../../src/quic/wire/header.ts'
import { type Address, addressKey, type SimSocket, type Watcher } from './network.ts'

interface Ledger {
  received: number
  sent: number
  validated: boolean
  /** A 1-RTT datagram of ours, which may hold a PATH_CHALLENGE, reached it, ms. */
  reachedAt: number
}

export class AmplificationWatch implements Watcher {
  readonly violations: string[] = []
  /** By local socket and remote address. */
  readonly #ledgers = new Map<SimSocket, Map<string, Ledger>>()
  readonly #dialled = new Set<string>()
  readonly #header = new PacketHeader()

  /** `site` sends to this address on its own account. */
  dialled(site: string, remote: Address): void {
    this.#dialled.add(`${site} ${addressKey(remote.host, remote.port)}`)
  }

  sent(local: SimSocket, _source: Address, remote: Address, bytes: Uint8Array, now: number): void {
    const key = addressKey(remote.host, remote.port)
    if (this.#dialled.has(`${local.site} ${key}`)) return
    const ledger = this.#ledgers.get(local)?.get(key)
    if (ledger?.validated === true) return
    if (ledger !== undefined) ledger.sent += bytes.length
    if (ledger === undefined || ledger.sent > 3 * ledger.received)
      this.violations.push(
        `${now.toFixed(1)} ms: ${local.site} sent ${ledger?.sent ?? bytes.length} bytes to ${key}, which had sent ${ledger?.received ?? 0}`,
      )
  }

  delivered(local: SimSocket, source: Address, target: Address, bytes: Uint8Array, sentAt: number, now: number): void {
    if (isShort(bytes)) this.#reached(source, target, now)
    let ledgers = this.#ledgers.get(local)
    if (ledgers === undefined) {
      ledgers = new Map()
      this.#ledgers.set(local, ledgers)
    }
    const key = addressKey(source.host, source.port)
    let ledger = ledgers.get(key)
    if (ledger === undefined) {
      ledger = {
        received: 0,
        sent: 0,
        validated: false,
        reachedAt: Number.POSITIVE_INFINITY,
      }
      ledgers.set(key, ledger)
    }
    ledger.received += bytes.length
    if (!ledger.validated) ledger.validated = this.#proves(ledger, bytes, sentAt)
  }

  /** What `source` sent has come to `target`: from now on an answer from there proves the address. */
  #reached(source: Address, target: Address, now: number): void {
    for (const [socket, ledgers] of this.#ledgers) {
      if (socket.host !== source.host || socket.port !== source.port) continue
      const ledger = ledgers.get(addressKey(target.host, target.port))
      if (ledger !== undefined) ledger.reachedAt = Math.min(ledger.reachedAt, now)
    }
  }

  #proves(ledger: Ledger, bytes: Uint8Array, sentAt: number): boolean {
    if (isShort(bytes)) return sentAt >= ledger.reachedAt
    const header = this.#header
    for (let at = 0; at < bytes.length; at = header.end) {
      if (!parseHeader(bytes, at, bytes.length, 8, header)) return false
      if (header.kind === PacketKind.Handshake) return true
      if (header.kind === PacketKind.Initial && header.tokenLength > 0) return true
    }
    return false
  }
}

function isShort(bytes: Uint8Array): boolean {
  return (bytes[0]! & 0x80) === 0
}
