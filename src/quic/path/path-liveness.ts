/**
 * When a path counts as dead although nobody said so: it was silent for long enough, and while it was, another path of the same connection got answers to
 * what went out at the very moments at which this one was asked in vain. A burst of loss on a link that the paths share silences both, so it kills
 * neither. Pure: time and probe timeout come in, steps come out. All times in ms.
 */

/** Challenges that must have gone unanswered, and the least time between two that count. */
const CHALLENGES = 3
/** Of these, so many must have a counterpart on another path: the last needs none, for it cannot be late yet. */
const PAIRS = 2
/** Challenges that wait for their counterparts; older ones have lost theirs. */
const MAX_UNPAIRED = 16
const LEAST_GAP_MS = 50
/** Longest time between challenges when the other paths say little. */
const MOST_GAP_MS = 2000
const NEVER = Number.POSITIVE_INFINITY

/**
 * `ask-others`: the other paths are to be pinged. `challenge`: this path is to be asked (PATH_CHALLENGE), and the others pinged at the same time. `dead`:
 * told once for each silence.
 */
export type LivenessStep = 'none' | 'ask-others' | 'challenge' | 'dead'

export class PathLiveness {
  readonly #minMs: number
  /** Since when what was sent is unanswered; Infinity while nothing is. */
  #since = NEVER
  /** When the others were to be asked. */
  #askedAt = NEVER
  /** When another path first answered something sent after it was asked. */
  #provedAt = NEVER
  #nextAt = NEVER
  #gapMs = 0
  /** When challenges went out, newest last: those that wait for their counterpart, which went out on another path with them and was answered there. */
  #unpaired: number[] = []
  #challenges = 0
  #challengedAt = NEVER
  /** Challenges with a counterpart, and when the later of the first two went out. */
  #pairs = 0
  #pairedAt = Number.NEGATIVE_INFINITY
  #wasTold = false

  /** `minMs`: the least silence. Three probe timeouts, where that is longer. */
  constructor(minMs: number) {
    this.#minMs = minMs
  }

  /** Something that asks for an answer went out on the path. */
  sent(now: number): void {
    if (this.#since === NEVER) this.#restart(now)
  }

  /** The peer was heard on the path, or answered something sent on it. `isWaiting`: more is unanswered still. */
  answered(now: number, isWaiting: boolean): void {
    this.#restart(isWaiting ? now : NEVER)
  }

  #restart(since: number): void {
    this.#since = since
    this.#askedAt = NEVER
    this.#provedAt = NEVER
    this.#nextAt = NEVER
    if (this.#challenges > 0) this.#unpaired = []
    this.#challenges = 0
    this.#pairs = 0
    this.#pairedAt = Number.NEGATIVE_INFINITY
    this.#wasTold = false
  }

  /** A challenge went out on the path. */
  challenged(now: number): void {
    if (this.#provedAt === NEVER || (this.#challenges > 0 && now - this.#challengedAt < LEAST_GAP_MS)) return
    this.#challenges++
    this.#challengedAt = now
    this.#unpaired.push(now)
    if (this.#unpaired.length > MAX_UNPAIRED) this.#unpaired.shift()
  }

  /** Another path got an answer to something it sent at `sentAt`. */
  otherAnswered(sentAt: number, now: number, ptoMs: number): void {
    if (sentAt < this.#askedAt) return
    if (this.#provedAt === NEVER) {
      this.#provedAt = now
      this.#nextAt = now
      // spread over what is left of the silence, so that short bursts hit one and not all
      const left = this.#since + this.#silenceMs(ptoMs) - now - ptoMs
      this.#gapMs = Math.min(Math.max(Math.floor(left / CHALLENGES), LEAST_GAP_MS), MOST_GAP_MS)
      return
    }
    const index = this.#unpaired.findLastIndex((at) => at <= sentAt && sentAt < at + LEAST_GAP_MS)
    if (index === -1) return
    const [challengedAt] = this.#unpaired.splice(index, 1)
    if (this.#pairs < PAIRS) this.#pairedAt = Math.max(this.#pairedAt, challengedAt!)
    this.#pairs++
  }

  /** So long silent, or longer. */
  #silenceMs(ptoMs: number): number {
    return Math.max(this.#minMs, 3 * ptoMs)
  }

  #deadAt(ptoMs: number): number {
    if (this.#challenges < CHALLENGES || this.#pairs < PAIRS) return NEVER
    return Math.max(this.#since + this.#silenceMs(ptoMs), this.#pairedAt + ptoMs)
  }

  /** When `tick` has something to do. `ptoMs`: of the path, without back-off. */
  deadline(ptoMs: number): number {
    if (this.#since === NEVER || this.#wasTold) return NEVER
    if (this.#askedAt === NEVER) return this.#since + Math.max(ptoMs, this.#minMs / 3)
    return Math.min(this.#nextAt, this.#deadAt(ptoMs))
  }

  tick(now: number, ptoMs: number): LivenessStep {
    if (now < this.deadline(ptoMs)) return 'none'
    if (this.#askedAt === NEVER) {
      this.#askedAt = now
      return 'ask-others'
    }
    if (this.#deadAt(ptoMs) <= now) {
      this.#wasTold = true
      return 'dead'
    }
    this.#nextAt = now + this.#gapMs
    // who has not been found dead by now is asked less and less
    if (this.#challenges >= CHALLENGES) this.#gapMs = Math.min(2 * this.#gapMs, MOST_GAP_MS)
    return 'challenge'
  }
}
