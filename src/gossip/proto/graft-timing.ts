/**
 * How long an announced payload may be on its way before it is asked for (spec/gossip.md §7.3, §11.1 P9): two fixed times as upstream, or learned from how late
 * payloads came after their announcement. Local, nothing of it is on the wire.
 */
import type { GraftTiming } from './settings.ts'

export interface GraftTimes {
  /** From the first announcement to the first request, ms. */
  readonly firstMs: number
  /** From a request to the next one, ms. `roundTripMs` is that of the peer asked; undefined when it is not known. */
  nextMs(roundTripMs: number | undefined): number
  /** A payload came by the tree so long after its first announcement. */
  late(ms: number): void
}

export function createGraftTimes(timing: GraftTiming): GraftTimes {
  return timing.kind === 'fixed' ? new FixedGraftTimes(timing) : new MeasuredGraftTimes(timing)
}

class FixedGraftTimes implements GraftTimes {
  readonly firstMs: number
  readonly #nextMs: number

  constructor(timing: Extract<GraftTiming, { kind: 'fixed' }>) {
    this.firstMs = timing.firstMs
    this.#nextMs = timing.nextMs
  }

  nextMs(): number {
    return this.#nextMs
  }

  late(): void {}
}

class MeasuredGraftTimes implements GraftTimes {
  readonly #timing: Extract<GraftTiming, { kind: 'measured' }>
  #mean = 0
  #deviation = 0
  #firstMs: number

  constructor(timing: Extract<GraftTiming, { kind: 'measured' }>) {
    this.#timing = timing
    this.#firstMs = timing.initialMs
  }

  get firstMs(): number {
    return this.#firstMs
  }

  nextMs(roundTripMs: number | undefined): number {
    return this.#bound(roundTripMs === undefined ? this.#firstMs / 2 : 2 * roundTripMs)
  }

  late(ms: number): void {
    // as RFC 6298 §2 does for round trips
    if (this.#mean === 0) {
      this.#mean = ms
      this.#deviation = ms / 2
    } else {
      this.#deviation += (Math.abs(this.#mean - ms) - this.#deviation) / 4
      this.#mean += (ms - this.#mean) / 8
    }
    this.#firstMs = this.#bound(this.#mean + 4 * this.#deviation)
  }

  #bound(ms: number): number {
    return Math.min(Math.max(ms, this.#timing.minMs), this.#timing.maxMs)
  }
}
