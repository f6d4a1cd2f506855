/**
 * Which relay is home: the lowest latency of the last five minutes among those that answered, and reluctance to move. Knows latencies and
 * times only; measuring is the probes' business. spec/relay.md §5.7, spec/endpoint.md §6.4.
 */
import { bestLatencyMs, type RelayLatency } from './report.ts'

/** Latencies count for so long, ms. */
const MEMORY_MS = 5 * 60_000
/** Another relay must be at or below this part of the present one's latency to take its place. */
const BETTER_BY = 2 / 3

interface Sample {
  readonly at: number
  readonly ms: number
}

/** The lowest latency of each relay in the last five minutes. */
export class RelayMemory {
  /** Oldest first and rising: a sample with a lower one after it can never be the lowest again. */
  readonly #samples = new Map<string, Sample[]>()

  /** A relay answered after `ms`. */
  record(url: string, ms: number, now: number): void {
    const samples = this.#samples.get(url) ?? []
    while (samples.length > 0 && samples.at(-1)!.ms >= ms) samples.pop()
    samples.push({ at: now, ms })
    this.#samples.set(url, samples)
  }

  /** Undefined: it has not answered for five minutes. */
  lowestMs(url: string, now: number): number | undefined {
    return this.#samples.get(url)?.find(({ at }) => now - at <= MEMORY_MS)?.ms
  }

  /** The best of `urls`, the first of equals; undefined when none has answered for five minutes. */
  best(urls: Iterable<string>, now: number): string | undefined {
    let best: string | undefined
    let bestMs = Number.POSITIVE_INFINITY
    for (const url of urls) {
      const ms = this.lowestMs(url, now)
      if (ms === undefined || ms >= bestMs) continue
      best = url
      bestMs = ms
    }
    return best
  }

  /** Drops what is too old to count, and relays of which nothing is left. */
  prune(now: number): void {
    for (const [url, samples] of this.#samples) {
      const fresh = samples.findIndex(({ at }) => now - at <= MEMORY_MS)
      if (fresh < 0) this.#samples.delete(url)
      else samples.splice(0, fresh)
    }
  }

  /** Samples kept. */
  get size(): number {
    let size = 0
    for (const samples of this.#samples.values()) size += samples.length
    return size
  }
}

export interface HomeQuestion {
  /** Relays that answered in this report and may be home. */
  readonly latencies: ReadonlyMap<string, RelayLatency>
  /** The latencies of this report are in it already. */
  readonly memory: RelayMemory
  /** The home until now, if it may go on. */
  readonly home: string | undefined
  /** Home was asked in this report. When it was not, its silence says nothing. */
  readonly wasHomeAsked: boolean
  /** False after a full report: it compares all relays afresh. */
  readonly isSticky: boolean
  readonly now: number
}

/** The home relay from now on; undefined only when there was none and no relay answered. */
export function chooseHome({ latencies, memory, home, wasHomeAsked, isSticky, now }: HomeQuestion): string | undefined {
  const best = memory.best(latencies.keys(), now)
  if (best === undefined || home === undefined) return best ?? home
  const bestMs = memory.lowestMs(best, now)!
  const answer = latencies.get(home)
  if (answer === undefined && wasHomeAsked) return best
  // Equals are not worth a move, whatever the report.
  const lowestMs = memory.lowestMs(home, now)
  if (lowestMs !== undefined && lowestMs <= bestMs) return home
  if (answer === undefined) return lowestMs === undefined || bestMs > lowestMs * BETTER_BY ? home : best
  return isSticky && bestMs > presentMs(answer) * BETTER_BY ? home : best
}

/** The latency that a rival has to beat, of several samples, ms. */
function presentMs(latency: RelayLatency): number {
  return latency.qadV6Ms ?? latency.qadV4Ms ?? bestLatencyMs(latency)
}
