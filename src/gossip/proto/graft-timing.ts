/**
 * How long an announced payload may be on its way before it is asked for (spec/gossip.md §7.3, §11.1 P9): two fixed times as upstream, or the time that the tree may
 * still need, from what `TreeTempo` learned of it. Local, nothing of it is on the wire.
 */
import type { TreeTempo } from './plumtree-tempo.ts'
import type { GraftTiming } from './settings.ts'

export interface GraftTimes {
  /** From a first announcement with this round to the first request, ms. */
  firstMs(round: number): number
  /** As `firstMs` when the tree is broken next to us. */
  readonly brokenMs: number
  /** From a request to the next one, ms. `roundTripMs` is that of the peer asked; undefined when it is not known. */
  nextMs(roundTripMs: number | undefined): number
  /** A payload came by the tree after it was asked for, so much later than its first announcement, which named this round, ms. */
  tooShort(ms: number, round: number): void
  /** An announced payload came before it was asked for. */
  longEnough(): void
}

export function createGraftTimes(timing: GraftTiming, tempo: TreeTempo): GraftTimes {
  return timing.kind === 'fixed' ? new FixedGraftTimes(timing) : new MeasuredGraftTimes(timing, tempo)
}

class FixedGraftTimes implements GraftTimes {
  readonly brokenMs: number
  readonly #firstMs: number
  readonly #nextMs: number

  constructor(timing: Extract<GraftTiming, { kind: 'fixed' }>) {
    this.#firstMs = timing.firstMs
    this.#nextMs = timing.nextMs
    this.brokenMs = timing.firstMs
  }

  firstMs(): number {
    return this.#firstMs
  }

  nextMs(): number {
    return this.#nextMs
  }

  tooShort(): void {}

  longEnough(): void {}
}

/** The way of a payload through the tree may be longer than all we saw, by this factor. */
const DEPTH_MARGIN = 1.5
/**
 * What came too late stretches the times so that it would just have been in time, with this margin, but by little at once and not beyond a bound: others on the way may
 * have waited for a timeout. Then it fades with each payload that was in time.
 */
const LATE_MARGIN = 1.1
const STRETCH_STEP = 1.5
const MAX_STRETCH = 3
const STRETCH_FADE = 1 / 64
/** An answer may take longer than the round trip, by this factor. */
const ANSWER_MARGIN = 2

class MeasuredGraftTimes implements GraftTimes {
  readonly #timing: Extract<GraftTiming, { kind: 'measured' }>
  readonly #tempo: TreeTempo
  #stretch = 1

  constructor(timing: Extract<GraftTiming, { kind: 'measured' }>, tempo: TreeTempo) {
    this.#timing = timing
    this.#tempo = tempo
  }

  get brokenMs(): number {
    return this.#timing.minMs
  }

  firstMs(round: number): number {
    return this.#bound(this.#restMs(round) * this.#stretch)
  }

  nextMs(roundTripMs: number | undefined): number {
    const { hopMs, isKnown } = this.#tempo
    if (roundTripMs !== undefined) return this.#bound(ANSWER_MARGIN * roundTripMs)
    return this.#bound(isKnown ? ANSWER_MARGIN * 2 * hopMs : this.#timing.initialMs / 2)
  }

  tooShort(ms: number, round: number): void {
    const wanted = (ms * LATE_MARGIN) / this.#restMs(round)
    this.#stretch = Math.max(this.#stretch, Math.min(wanted, this.#stretch * STRETCH_STEP, MAX_STRETCH))
  }

  longEnough(): void {
    this.#stretch += (1 - this.#stretch) * STRETCH_FADE
  }

  /** The announcer is `round` hops from the author: the tree's way to us takes at most the rest of its depth longer. */
  #restMs(round: number): number {
    const { depth, hopMs, isKnown } = this.#tempo
    return isKnown ? this.#bound((DEPTH_MARGIN * depth - round + 1) * hopMs) : this.#timing.initialMs
  }

  #bound(ms: number): number {
    return Math.min(Math.max(ms, this.#timing.minMs), this.#timing.maxMs)
  }
}
