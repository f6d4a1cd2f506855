/**
 * Notices that the host's network has become another one (spec/endpoint.md §5): an address, an interface or a default route came or went, or the host slept.
 * Node has no notifications, so it looks once a second: some 90 µs each time on Linux. It only watches; what follows from a change is its owner's business.
 */
import type { InterfaceAddress, Platform, Timer } from '../../platform/index.ts'
import {
  hasAddress,
  isUsable,
  type NetworkDifference,
  type NetworkState,
  networkDifference,
  networkState,
} from './network-state.ts'

export interface NetworkChange {
  /** A family, a default route, an interface or an address of one came or went. Otherwise: woken from sleep, or nothing that peers could notice. */
  readonly isMajor: boolean
  /** For people. */
  readonly reason: string
  /** There is an address, and a default route where there usually is one. False: none came within 5 s. */
  readonly isUsable: boolean
}

export interface NetworkMonitorOptions {
  readonly platform: Pick<Platform, 'now' | 'wallClock' | 'createTimer' | 'interfaces' | 'defaultRoutes'>
  /** Called from a timer of the platform. It may close the monitor. */
  readonly onChange: (change: NetworkChange) => void
}

/** Between two looks, ms (spec/endpoint.md §5.1: 1–2 s). */
const LOOK_MS = 1000
/** A change comes in several steps: after the first this long is waited for the others, ms (netwatch). */
const DEBOUNCE_MS = 250
/** More time than this between two looks was spent asleep, ms (netwatch). */
const ASLEEP_MS = 22_500
/** While the network is not usable: the first wait, ms; each is twice the one before, up to `LOOK_MS` (spec/endpoint.md §5.2). */
const FIRST_WAIT_MS = 100
/** After this a network that is not usable is reported as it is, ms. */
const LONGEST_WAIT_MS = 5000

/** What the platform says, as it says it: compared first, for it nearly always says the same. */
interface Reading {
  readonly addresses: readonly InterfaceAddress[]
  readonly v4: string | undefined
  readonly v6: string | undefined
  readonly state: NetworkState
}

/** A change that was seen and not yet told. */
interface Pending {
  /** ms asleep; 0: was awake. */
  asleepMs: number
  difference: NetworkDifference | undefined
  /** Undefined: still within the debounce. */
  wait: { readonly until: number; nextMs: number } | undefined
}

export class NetworkMonitor {
  readonly #options: NetworkMonitorOptions
  readonly #timer: Timer
  /** Undefined: not started, or closed. */
  #latest: Reading | undefined = undefined
  /** What the owner knows: the state of the start, or the one last told. */
  #told: NetworkState | undefined = undefined
  /** The last told one that had an address. */
  #usual: NetworkState | undefined = undefined
  #pending: Pending | undefined = undefined
  #lookedAt = 0
  #lookedAtWall = 0

  constructor(options: NetworkMonitorOptions) {
    this.#options = options
    // A process that has nothing else to do is not kept alive to watch its network.
    this.#timer = options.platform.createTimer(() => this.#look(), { isBackground: true })
  }

  /** Takes the network as it is now for the known one, and watches it from now on. */
  start(): void {
    if (this.#latest !== undefined) return
    const { platform } = this.#options
    this.#latest = this.#read()
    this.#told = this.#latest.state
    this.#usual = this.#told
    this.#lookedAt = platform.now()
    this.#lookedAtWall = platform.wallClock()
    this.#timer.arm(this.#lookedAt + LOOK_MS)
  }

  /** Looks now: something suggests a change. What is found is told after the usual debounce. Without effect before `start` and after `close`. */
  check(): void {
    if (this.#latest !== undefined && this.#pending === undefined) this.#look()
  }

  close(): void {
    this.#timer.cancel()
    this.#latest = undefined
    this.#pending = undefined
  }

  #look(): void {
    const before = this.#latest
    if (before === undefined) return
    const now = this.#options.platform.now()
    const asleepMs = this.#asleepMs(now)
    const latest = this.#read(before)
    this.#latest = latest
    if (asleepMs > 0 && this.#pending !== undefined) this.#pending.asleepMs += asleepMs
    if (this.#pending !== undefined) {
      this.#proceed(this.#pending, latest.state, now)
    } else if (asleepMs > 0 || latest !== before) {
      this.#pending = { asleepMs, difference: undefined, wait: undefined }
      this.#timer.arm(now + DEBOUNCE_MS)
    } else {
      this.#timer.arm(now + LOOK_MS)
    }
  }

  /** The debounce is over, or another wait for a usable network. */
  #proceed(pending: Pending, state: NetworkState, now: number): void {
    // What came back meanwhile was away all the same: once waited for, a change stays one.
    const found = networkDifference(this.#told!, state)
    if (found !== undefined && (found.isMajor || pending.difference?.isMajor !== true)) pending.difference = found
    if (pending.difference === undefined && pending.asleepMs === 0) {
      this.#pending = undefined
      this.#timer.arm(now + LOOK_MS)
      return
    }
    const usable = isUsable(state, this.#usual!)
    pending.wait ??= { until: now + LONGEST_WAIT_MS, nextMs: FIRST_WAIT_MS }
    const { wait } = pending
    if (!usable && now < wait.until) {
      this.#timer.arm(Math.min(now + wait.nextMs, wait.until))
      wait.nextMs = Math.min(2 * wait.nextMs, LOOK_MS)
      return
    }
    if (found === undefined && pending.difference !== undefined) {
      const { isMajor, reason } = pending.difference
      pending.difference = { isMajor, reason: `${reason}, and all is as before` }
    }
    this.#tell(pending, state, usable, now)
  }

  #tell({ asleepMs, difference }: Pending, state: NetworkState, usable: boolean, now: number): void {
    this.#pending = undefined
    this.#told = state
    if (hasAddress(state)) this.#usual = state
    // Before the owner hears of it, so that it may close us.
    this.#timer.arm(now + LOOK_MS)
    const reasons = [asleepMs > 0 ? `asleep for ${Math.round(asleepMs / 1000)} s` : undefined, difference?.reason]
    this.#options.onChange({
      isMajor: difference?.isMajor === true,
      reason: reasons.filter((reason) => reason !== undefined).join(', '),
      isUsable: usable,
    })
  }

  /** How long the host slept since the last look, 0 when it did not. The monotonic clock stands still meanwhile on some systems and goes on on others. */
  #asleepMs(now: number): number {
    const wall = this.#options.platform.wallClock()
    const passed = Math.max(now - this.#lookedAt, wall - this.#lookedAtWall)
    this.#lookedAt = now
    this.#lookedAtWall = wall
    return passed > ASLEEP_MS ? passed : 0
  }

  /** `before` itself when the platform says the same. */
  #read(before?: Reading): Reading {
    const { platform } = this.#options
    let addresses: readonly InterfaceAddress[]
    try {
      addresses = platform.interfaces()
    } catch {
      // Systems refuse the list for a moment, or for good: nothing new is known then.
      addresses = before?.addresses ?? []
    }
    const routes = platform.defaultRoutes?.()
    if (
      before !== undefined &&
      before.v4 === routes?.v4 &&
      before.v6 === routes?.v6 &&
      sameAddresses(before.addresses, addresses)
    ) {
      return before
    }
    return { addresses, v4: routes?.v4, v6: routes?.v6, state: networkState(addresses, routes) }
  }
}

function sameAddresses(before: readonly InterfaceAddress[], after: readonly InterfaceAddress[]): boolean {
  if (before.length !== after.length) return false
  for (let index = 0; index < before.length; index++) {
    const old = before[index]!
    const now = after[index]!
    if (old.host !== now.host || old.name !== now.name) return false
  }
  return true
}
