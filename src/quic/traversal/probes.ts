/**
 * Probes of NAT traversal: which routes are probed when, which answers are good, and how many packets all that may cost (spec/quic.md §5.8). Sends
 * nothing itself. All times in ms.
 */
import { sameBytes } from '../../bytes/index.ts'
import type { Route } from '../path/route.ts'

/** When the packets to one route go out, after the first: gaps double from a tenth of the usual first RTT, up to 2 s. */
const SCHEDULE = [0, 33, 67, 133, 267, 533, 1067, 2133, 4133] as const
/** Routes probed in one round: as many as an iroh node has addresses. */
const MAX_ROUTES = 32
/** Packets that may go out at once, two rounds' worth, and how many more each millisecond: what a peer can make us send to strangers. */
const MAX_BUDGET = 2 * MAX_ROUTES * SCHEDULE.length
const BUDGET_PER_MS = 60 / 1000
/** Challenges that ride on answers and whose answers are still good; older ones are forgotten. */
const MAX_RIDERS = 64
const NEVER = Number.POSITIVE_INFINITY

export interface Probe {
  readonly route: Route
  readonly startedAt: number
  /** Data of the challenges sent; the next answer to any of them counts. */
  tokens: readonly Uint8Array[]
  /** A packet is wanted now. */
  isDue: boolean
  /** When the next one is, Infinity when none is, or one is due. */
  nextAt: number
  /** Packets that may still go out, and are taken from the budget already. */
  reserved: number
  answered: boolean
}

interface Rider {
  readonly route: Route
  readonly token: Uint8Array
}

export class Probes {
  /** When `tick` has something to do. */
  deadline = NEVER
  /** Some probe is due: `next` may have it. */
  hasDue = false
  readonly #probes = new Map<Route, Probe>()
  /** What the last round's challenges held, where no answer came: it may still be on its way. */
  #late = new Map<Route, readonly Uint8Array[]>()
  #riders: Rider[] = []
  #budget = MAX_BUDGET
  #budgetAt = 0

  /**
   * Another round: nothing more is sent for the last. Its answers still count, unlike iroh's: the first rounds follow each other within a round trip, as the peer's addresses come in.
   */
  startRound(): void {
    this.#late = new Map()
    for (const probe of this.#probes.values()) {
      this.#finish(probe)
      if (probe.tokens.length > 0) this.#late.set(probe.route, probe.tokens)
    }
    this.#probes.clear()
    this.#schedule()
  }

  /** True when `route` is probed, or was in this round. False when there is no room or budget for it. */
  add(route: Route, now: number): boolean {
    if (this.#probes.has(route)) return true
    if (this.#probes.size >= MAX_ROUTES) return false
    this.#budget = Math.min(MAX_BUDGET, this.#budget + Math.max(now - this.#budgetAt, 0) * BUDGET_PER_MS)
    this.#budgetAt = now
    if (this.#budget < SCHEDULE.length) return false
    this.#budget -= SCHEDULE.length
    this.#probes.set(route, {
      route,
      startedAt: now,
      tokens: [],
      isDue: true,
      nextAt: NEVER,
      reserved: SCHEDULE.length,
      answered: false,
    })
    this.hasDue = true
    return true
  }

  /** One that is due and whose route is not blocked. */
  next(isBlocked: (route: Route) => boolean): Probe | undefined {
    for (const probe of this.#probes.values()) if (probe.isDue && !isBlocked(probe.route)) return probe
    return undefined
  }

  /** A challenge with `token` (8 bytes) went to the probe's route. */
  sent(probe: Probe, token: Uint8Array, now: number): void {
    probe.tokens = [...probe.tokens, token]
    probe.isDue = false
    probe.reserved--
    // what could not go out in time is left out
    const at = SCHEDULE.find((offset) => probe.startedAt + offset > now)
    if (at === undefined) this.#finish(probe)
    else probe.nextAt = probe.startedAt + at
    this.#schedule()
  }

  /** A challenge with `token` rode on an answer to `route`. */
  rode(route: Route, token: Uint8Array): void {
    this.#riders.push({ route, token })
    if (this.#riders.length > MAX_RIDERS) this.#riders.shift()
  }

  /** A PATH_RESPONSE with `token` came on `route`. True when it is the first answer to a challenge that went there. */
  receiveResponse(route: Route, token: Uint8Array): boolean {
    const probe = this.#probes.get(route)
    const isOurs = (sent: Uint8Array) => sameBytes(sent, token)
    const rode = this.#riders.some((rider) => rider.route === route && isOurs(rider.token))
    const isLate = this.#late.get(route)?.some(isOurs) === true
    if (!rode && !isLate && probe?.tokens.some(isOurs) !== true) return false
    // one path is enough for a route, however many answers come
    if (probe?.answered === true) return false
    this.#late.delete(route)
    this.#riders = this.#riders.filter((rider) => rider.route !== route)
    if (probe !== undefined) {
      this.#finish(probe)
      probe.tokens = []
      probe.answered = true
      this.#schedule()
    }
    return true
  }

  tick(now: number): void {
    if (now < this.deadline) return
    for (const probe of this.#probes.values()) {
      if (probe.nextAt > now) continue
      probe.nextAt = NEVER
      probe.isDue = true
    }
    this.#schedule()
  }

  #finish(probe: Probe): void {
    this.#budget += probe.reserved
    probe.reserved = 0
    probe.isDue = false
    probe.nextAt = NEVER
  }

  #schedule(): void {
    this.deadline = NEVER
    this.hasDue = false
    for (const { nextAt, isDue } of this.#probes.values()) {
      this.deadline = Math.min(this.deadline, nextAt)
      if (isDue) this.hasDue = true
    }
  }

  /** Routes of this round, and challenges that ride: what there is to remember. */
  get count(): number {
    return this.#probes.size + this.#late.size + this.#riders.length
  }

  /** The connection has ended. */
  clear(): void {
    this.#probes.clear()
    this.#late.clear()
    this.#riders = []
    this.#schedule()
  }
}
