/** What a link does to packets, and the program that does it (`link.py`), controlled while it runs. */
import { fileURLToPath } from 'node:url'
import type { Namespaces } from './namespaces.ts'
import type { LabProcess } from './process.ts'

export interface LinkConditions {
  /** Added to the round trip, ms; half of it each way. */
  readonly rttMs?: number
  /** Each way up to so much more or less, ms. Packets stay in order. */
  readonly jitterMs?: number
  readonly rateKbit?: number
  /** Share of packets lost, per cent, in bursts of `burst` packets in the mean (Gilbert-Elliott). */
  readonly lossPct?: number
  readonly burst?: number
}

/** iroh's ladder (its own lab, tests/patchbay/degrade.rs at 1.4.1): from good Wi-Fi to what no real link sustains. */
export const LADDER: readonly (LinkConditions & { readonly label: string })[] = [
  { label: 'good Wi-Fi', rateKbit: 100_000, rttMs: 16, lossPct: 0.1, burst: 1 },
  { label: 'congested Wi-Fi', rateKbit: 25_000, rttMs: 40, jitterMs: 12, lossPct: 1, burst: 6 },
  { label: 'weak 4G', rateKbit: 8_000, rttMs: 90, jitterMs: 15, lossPct: 2, burst: 8 },
  { label: 'slow 3G', rateKbit: 3_000, rttMs: 200, jitterMs: 30, lossPct: 3, burst: 10 },
  { label: 'congested cellular', rateKbit: 1_500, rttMs: 300, jitterMs: 40, lossPct: 5, burst: 12 },
  { label: 'very bad cellular', rateKbit: 800, rttMs: 450, jitterMs: 60, lossPct: 8, burst: 20 },
  { label: 'satellite', rateKbit: 25_000, rttMs: 600, jitterMs: 40, lossPct: 1.5, burst: 6 },
  { label: 'barely usable', rateKbit: 500, rttMs: 450, jitterMs: 80, lossPct: 12, burst: 25 },
  { label: 'absurd', rateKbit: 256, rttMs: 800, jitterMs: 150, lossPct: 25, burst: 40 },
]

export const LINK_PROGRAM = fileURLToPath(new URL('link.py', import.meta.url))

export interface WayCounts {
  readonly forwarded: number
  readonly lost: number
  readonly overflowed: number
}

/** A running link. "Up" is away from the host or router that it belongs to. */
export class Link {
  readonly #process: LabProcess

  private constructor(process_: LabProcess) {
    this.#process = process_
  }

  /** Two TUN devices, `near` and `far`, made in the namespace `name`; the caller moves `far` where it belongs. */
  static async start(
    spaces: Namespaces,
    name: string,
    near: string,
    far: string,
    conditions: LinkConditions,
  ): Promise<Link> {
    const args = [LINK_PROGRAM, 'tun', near, far, JSON.stringify(conditions)]
    const process_ = spaces.start(name, 'python3', args)
    await process_.match(/"event": "ready"/, 10_000)
    return new Link(process_)
  }

  set(conditions: LinkConditions, way: 'up' | 'down' | 'both' = 'both'): void {
    this.#process.write(JSON.stringify({ set: conditions, way }))
  }

  cut(): void {
    this.#process.write('{"cut": true}')
  }

  restore(): void {
    this.#process.write('{"cut": false}')
  }

  /** Packets so far. Once a link. */
  async counts(): Promise<{ readonly up: WayCounts; readonly down: WayCounts }> {
    this.#process.write('{"stats": true}')
    return JSON.parse(await this.#process.match(/^(\{"event": "stats".*)$/, 5_000))
  }

  /** Its devices vanish. */
  stop(): Promise<void> {
    return this.#process.stop('SIGKILL')
  }
}
