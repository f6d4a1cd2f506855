/**
 * Whether a router still has the state it had: each of its answers says for how many seconds, and that number must grow as our clock does
 * (RFC 6886 §3.6, RFC 6887 §8.5). Pure; time in ms comes in.
 */

/** How much the router's clock may run slow, and for PCP fast as well; RFC 6886 takes an eighth, RFC 6887 a sixteenth. */
const DRIFT = { 'nat-pmp': 1 / 8, pcp: 1 / 16 } as const
/** Seconds that rounding and delay on the way explain. */
const SLACK = 2

export class RouterEpoch {
  readonly #protocol: keyof typeof DRIFT
  /** Seconds, as it was last heard; at `#heardAt`, ms. */
  #epoch = 0
  #heardAt: number | undefined = undefined

  constructor(protocol: keyof typeof DRIFT) {
    this.#protocol = protocol
  }

  /** Takes the number in an answer. True: the state is lost since the one before. */
  note(epoch: number, now: number): boolean {
    const before = this.#heardAt
    const grown = epoch - this.#epoch
    this.#epoch = epoch
    this.#heardAt = now
    if (before === undefined) return false
    const passed = (now - before) / 1000
    const drift = DRIFT[this.#protocol]
    if (grown + SLACK < passed * (1 - drift)) return true
    if (this.#protocol === 'nat-pmp') return false
    // RFC 6887 §8.5: one second back at most, and no faster than our clock either
    return grown < -1 || passed + SLACK < grown * (1 - drift)
  }
}
