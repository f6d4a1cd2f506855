/**
 * What a NAT or a stateful firewall remembers, without a network: packets out make mappings, packets in need one. Mapping and filtering are chosen apart, as
 * RFC 4787 has them; each remote an inside endpoint talks to has a time of its own, as in Linux.
 */
import { type Address, addressKey } from '../network.ts'
import type { SimRandom } from '../random.ts'

/** What else than the inside endpoint decides about the outside port: nothing, the remote host, or its port as well (RFC 4787 §4.1). */
export type Mapping = 'EIM' | 'ADM' | 'APDM'
/** Who may send to a mapping: anybody, hosts that were sent to, or only the same ports of them (RFC 4787 §5). */
export type Filtering = 'EIF' | 'ADF' | 'APDF'

export interface NatBehaviour {
  readonly mapping: Mapping
  readonly filtering: Filtering
  /** `preserved`: the inside port where it is free, else a random one. `identity`: no translation, only filtering (a firewall). Default random. */
  readonly ports?: 'preserved' | 'random' | 'identity'
  /** Inside hosts reach each other by their outside addresses (RFC 4787 §6). Default false. */
  readonly hairpin?: boolean
  /** A remote that never answered is forgotten after this, ms. Default 30,000 (Linux). */
  readonly unansweredMs?: number
  /** One that did, after this of silence both ways, ms. Default 120,000 (Linux). */
  readonly answeredMs?: number
}

const UNANSWERED_MS = 30_000
const ANSWERED_MS = 120_000
const FIRST_PORT = 1024
const LAST_PORT = 65_535

interface Session {
  isAnswered: boolean
  until: number
}

interface Entry {
  readonly inside: Address
  readonly outside: Address
  readonly key: string
  /** By remote. */
  readonly sessions: Map<string, Session>
  /** The latest end of a session. */
  until: number
}

export class NatTable {
  readonly behaviour: NatBehaviour
  /** The outside address. */
  host: string
  readonly #random: SimRandom
  readonly #entries = new Map<string, Entry>()
  readonly #outside = new Map<string, Entry>()

  constructor(host: string, behaviour: NatBehaviour, random: SimRandom) {
    this.host = host
    this.behaviour = behaviour
    this.#random = random
  }

  /** From where the world sees a packet that goes out. */
  outbound(source: Address, target: Address, now: number): Address {
    const entry = this.#entryOf(source, target, now)
    const remote = addressKey(target.host, target.port)
    const session = entry.sessions.get(remote)
    if (session === undefined || session.until <= now)
      this.#refresh(entry, remote, { isAnswered: false, until: 0 }, now)
    else this.#refresh(entry, remote, session, now)
    return entry.outside
  }

  /** The inside endpoint a packet is for; undefined when it is dropped. */
  inbound(source: Address, target: Address, now: number): Address | undefined {
    const entry = this.#outside.get(addressKey(target.host, target.port))
    if (entry === undefined || !this.#isLive(entry, now)) return undefined
    const remote = addressKey(source.host, source.port)
    const session = entry.sessions.get(remote)
    const isKnown = session !== undefined && session.until > now
    if (!isKnown && !this.#letsIn(entry, source, now)) return undefined
    if (isKnown) {
      session.isAnswered = true
      this.#refresh(entry, remote, session, now)
    }
    return entry.inside
  }

  /** Mappings that have not run out. */
  size(now: number): number {
    let live = 0
    for (const entry of this.#entries.values()) if (entry.until > now) live++
    return live
  }

  /** All is forgotten; perhaps the outside address is another one from now on. */
  reboot(host = this.host): void {
    this.host = host
    this.#entries.clear()
    this.#outside.clear()
  }

  #letsIn(entry: Entry, source: Address, now: number): boolean {
    if (this.behaviour.filtering === 'EIF') return true
    if (this.behaviour.filtering === 'APDF') return false
    const prefix = addressKey(source.host, 0).slice(0, -1)
    for (const [remote, { until }] of entry.sessions) if (until > now && remote.startsWith(prefix)) return true
    return false
  }

  #refresh(entry: Entry, remote: string, session: Session, now: number): void {
    const { unansweredMs = UNANSWERED_MS, answeredMs = ANSWERED_MS } = this.behaviour
    session.until = now + (session.isAnswered ? answeredMs : unansweredMs)
    entry.sessions.set(remote, session)
    entry.until = Math.max(entry.until, session.until)
  }

  #entryOf(source: Address, target: Address, now: number): Entry {
    const key = this.#keyOf(source, target)
    const known = this.#entries.get(key)
    if (known !== undefined && this.#isLive(known, now)) return known
    const outside = this.#outsideOf(source, now)
    const entry: Entry = { inside: source, outside, key, sessions: new Map(), until: 0 }
    this.#entries.set(key, entry)
    this.#outside.set(addressKey(outside.host, outside.port), entry)
    return entry
  }

  #keyOf(source: Address, target: Address): string {
    const inside = addressKey(source.host, source.port)
    if (this.behaviour.mapping === 'EIM') return inside
    if (this.behaviour.mapping === 'ADM') return `${inside}>${target.host}`
    return `${inside}>${addressKey(target.host, target.port)}`
  }

  #outsideOf(source: Address, now: number): Address {
    const { ports = 'random' } = this.behaviour
    if (ports === 'identity') return source
    // RFC 4787 §4.2.1: never two inside endpoints on one port
    let { port } = source
    if (ports === 'random') port = this.#randomPort()
    while (!this.#isFree(port, now)) port = this.#randomPort()
    return { host: this.host, port }
  }

  #randomPort(): number {
    return this.#random.int(FIRST_PORT, LAST_PORT)
  }

  #isFree(port: number, now: number): boolean {
    const entry = this.#outside.get(addressKey(this.host, port))
    return entry === undefined || !this.#isLive(entry, now)
  }

  /** Takes it out when its time is over. */
  #isLive(entry: Entry, now: number): boolean {
    if (entry.until > now) return true
    this.#entries.delete(entry.key)
    this.#outside.delete(addressKey(entry.outside.host, entry.outside.port))
    return false
  }
}
