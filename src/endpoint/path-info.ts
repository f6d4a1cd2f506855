/** How the application sees the paths of a connection: a snapshot of each, and events about their changes (spec/endpoint.md §9.4). */
import type { PathStats } from '../quic/index.ts'

export interface PathInfo {
  /** QUIC path id. */
  readonly id: number
  readonly kind: 'direct' | 'relay'
  /** `ip:port`, or the relay's URL. */
  readonly remote: string
  /** Smoothed round trip, ms; 0 before the first sample. */
  readonly rttMs: number
  /** Datagram size in use, bytes. */
  readonly mtu: number
  /** New data goes here. */
  readonly selected: boolean
  readonly stats: PathStats
}

export type PathEvent =
  /** `remote` as in `PathInfo`. */
  | {
      readonly type: 'opened' | 'selected' | 'closed'
      readonly id: number
      readonly kind: 'direct' | 'relay'
      readonly remote: string
    }
  /** The reader was too slow: `missed` events were dropped. Read `paths()` for the state of things. */
  | { readonly type: 'lagged'; readonly missed: number }

/** Events kept for a slow reader (iroh). */
const MAX_EVENTS = 8

/** Events of one reader. */
export class PathEventBuffer {
  readonly #events: PathEvent[] = []
  #missed = 0
  #wake: () => void = () => {}
  isEnded = false

  push(event: PathEvent): void {
    if (this.#events.length < MAX_EVENTS) this.#events.push(event)
    else this.#missed++
    this.#wake()
  }

  end(): void {
    this.isEnded = true
    this.#wake()
  }

  take(): PathEvent | undefined {
    const event = this.#events.shift()
    if (event !== undefined) return event
    if (this.#missed === 0) return undefined
    const missed = this.#missed
    this.#missed = 0
    return { type: 'lagged', missed }
  }

  /** Resolves at the next event or at the end. One reader only. */
  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}
