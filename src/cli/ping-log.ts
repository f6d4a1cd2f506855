/** Counts the pings of a run and makes its summary (spec/envelope.md §8.3). Pure: it is told what happened. */
import type { Via } from './path-monitor.ts'
import type { PocFields } from './poc-events.ts'

export class PingLog {
  total = 0
  successful = 0
  failed = 0
  reconnections = 0
  disconnectedMs = 0
  #directCount = 0
  #directSum = 0
  #relayCount = 0
  #relaySum = 0
  #firstRelayRtt = 0
  /** Fields of hole_punch, once it was printed. */
  #holePunch: PocFields<'hole_punch'> | undefined = undefined

  /** A ping was answered. Returns what to print as hole_punch, once a run. */
  answered(
    rttMs: number,
    via: Via,
    elapsedS: number,
    directSince: number | undefined,
  ): PocFields<'hole_punch'> | undefined {
    this.successful++
    if (via === 'RELAY') {
      if (this.#relayCount++ === 0) this.#firstRelayRtt = rttMs
      this.#relaySum += rttMs
    }
    if (via !== 'DIRECT') return undefined
    this.#directCount++
    this.#directSum += rttMs
    if (this.#holePunch !== undefined) return undefined
    this.#holePunch = {
      success: true,
      time_to_direct_s: elapsedS,
      relay_rtt_ms: this.#firstRelayRtt,
      direct_rtt_ms: rttMs,
      direct_path_at_s: directSince ?? elapsedS,
    }
    return this.#holePunch
  }

  /** CLI-4: what a run that never went direct prints at its end; undefined when it did. */
  get missedHolePunch(): PocFields<'hole_punch'> | undefined {
    if (this.#holePunch !== undefined) return undefined
    return { success: false, time_to_direct_s: 0, relay_rtt_ms: 0, direct_rtt_ms: 0, direct_path_at_s: 0 }
  }

  summary(name: string, elapsedS: number): PocFields<'summary'> {
    return {
      name,
      total_pings: this.total,
      successful_pings: this.successful,
      failed_pings: this.failed,
      direct_pings: this.#directCount,
      relay_pings: this.#relayCount,
      direct_pct: this.successful === 0 ? 0 : (this.#directCount / this.successful) * 100,
      avg_rtt_direct_ms: this.#directCount === 0 ? 0 : this.#directSum / this.#directCount,
      avg_rtt_relay_ms: this.#relayCount === 0 ? 0 : this.#relaySum / this.#relayCount,
      hole_punch_success: this.#holePunch !== undefined,
      time_to_direct_s: this.#holePunch?.time_to_direct_s ?? 0,
      reconnections: this.reconnections,
      total_disconnected_s: this.disconnectedMs / 1000,
      elapsed_s: elapsedS,
    }
  }
}
