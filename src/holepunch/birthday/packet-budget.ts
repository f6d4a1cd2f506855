/** Counts every packet that one side sends in an attempt, of whatever kind (spec/disco-stun-nat.md §8.5). */

/** Packets a side and attempt, pings, pongs and repeats. */
export const MAX_PACKETS = 2_048
/** Kept for answers: searching stops before it would take these. */
export const ANSWER_PACKETS = 128

export class PacketBudget {
  #sent = 0

  get sent(): number {
    return this.#sent
  }

  /** May one more be sent for searching? Does not count it. */
  get hasSearch(): boolean {
    return this.#sent < MAX_PACKETS - ANSWER_PACKETS
  }

  /** Counts one that is sent now; false when it must not be. */
  take(): boolean {
    if (this.#sent >= MAX_PACKETS) return false
    this.#sent++
    return true
  }
}
