/**
 * Makes clients that send very much take turns: one that had its share is not read from until the event loop has turned (spec/relay.md §4.8). Without that, a
 * few that flood a relay with small frames keep it for so long that the pings of all others go unanswered.
 */
import type { Platform } from '../../../platform/index.ts'
import type { ReadGate } from './read-gate.ts'

export class ReadTurns {
  readonly #platform: Pick<Platform, 'defer'>
  #waiting: ReadGate[]

  constructor(platform: Pick<Platform, 'defer'>) {
    this.#platform = platform
    this.#waiting = []
  }

  /** Closes `gate` until the next turn. False when it was closed already. */
  wait(gate: ReadGate): boolean {
    if (!gate.closeForTurn()) return false
    if (this.#waiting.push(gate) === 1) this.#platform.defer(() => this.#turn())
    return true
  }

  #turn(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const gate of waiting) gate.openForTurn()
  }
}
