/**
 * What links would do with frames, abstractly: dials that fail after a while, frames that are late, doubled, lost although the transport took them, or arrive although it gave
 * them up; connections that come with the first frame and end of idleness, death or a cut. What links do really is `src/envelope/link`'s and its tests'.
 */
import type { PeerKey } from '../../../../src/envelope/wire/envelope.ts'
import type { EnvelopeWorld, Station } from './world.ts'

/** Until a connection whose other end is silent counts as dead, ms. */
const IDLE_TIMEOUT_MS = 30_000
/** Frames kept for those who repeat them: the first so many, and the latest. */
const FIRST_FRAMES = 400
const MOST_FRAMES = 1_600

export interface PassedFrame {
  readonly frame: Uint8Array
  readonly to: PeerKey
}

interface Connection {
  readonly ends: readonly [Station, Station]
  readonly lives: readonly [number, number]
}

export interface Cut {
  readonly side: ReadonlySet<Station>
}

export class Lines {
  readonly cuts = new Set<Cut>()
  /** What passed, for those who listen. */
  readonly passed: PassedFrame[] = []
  frames = 0
  readonly #world: EnvelopeWorld
  readonly #connections = new Map<number, Connection>()

  constructor(world: EnvelopeWorld) {
    this.#world = world
  }

  isCut(left: Station, right: Station): boolean {
    for (const { side } of this.cuts) if (side.has(left) !== side.has(right)) return true
    return false
  }

  /** Between these and all others nothing passes for so long. */
  cut(side: ReadonlySet<Station>, ms: number): void {
    const cut = { side }
    this.cuts.add(cut)
    this.#world.after(ms, () => this.cuts.delete(cut))
    this.#world.after(IDLE_TIMEOUT_MS, () => {
      if (!this.cuts.has(cut)) return
      for (const [key, { ends }] of this.#connections) if (side.has(ends[0]) !== side.has(ends[1])) this.#end(key)
    })
  }

  /** `outcome` is called once, later. */
  send(from: Station, peer: PeerKey, frame: Uint8Array, outcome: (isAccepted: boolean) => void): void {
    const { random, weather } = this.#world
    this.frames++
    const to = this.#world.stationOf(peer)
    if (to === undefined || to === from) {
      this.#world.after(random.between(500, 30_000), () => outcome(false))
      return
    }
    this.#record(frame, peer)
    if (!to.isUp || this.isCut(from, to)) {
      this.#tryInVain(from, to, frame, outcome)
      return
    }
    const [low, high] = weather.latency
    const delay = random.between(low, high) + (random.chance(weather.late) ? random.between(500, 30_000) : 0)
    const dice = random.unit()
    if (dice < weather.lost) {
      this.#world.after(delay, () => outcome(true))
      return
    }
    if (dice < weather.lost + weather.failed) {
      if (random.chance(0.5)) this.#world.after(delay, () => this.#arrive(from, to, frame))
      this.#world.after(random.between(1_000, 45_000), () => outcome(false))
      return
    }
    this.#world.after(delay, () => this.#arrive(from, to, frame))
    this.#world.after(delay + random.between(0, high), () => outcome(true))
    if (random.chance(weather.doubled))
      this.#world.after(delay + random.between(0, 5_000), () => this.#arrive(from, to, frame))
  }

  /** Nobody is there, or no way: it may still have been taken by a connection that seems to live; else dials fail, and one of them may not. */
  #tryInVain(from: Station, to: Station, frame: Uint8Array, outcome: (isAccepted: boolean) => void): void {
    const { random } = this.#world
    const connection = this.#connections.get(keyOf(from, to))
    if (connection !== undefined && random.chance(0.5)) {
      this.#world.after(random.between(1, 60), () => outcome(true))
      return
    }
    this.#world.after(random.between(1_000, 30_000), () => {
      const isThere = from.isUp && to.isUp && !this.isCut(from, to)
      if (isThere) this.#arrive(from, to, frame)
      outcome(isThere)
    })
  }

  #arrive(from: Station, to: Station, frame: Uint8Array): void {
    if (!to.isUp || this.isCut(from, to)) return
    if (from.isUp) this.#connect(from, to)
    // each arrival has bytes of its own, for they are the receiver's to keep
    to.receive(frame.slice(), from.key)
  }

  #connect(from: Station, to: Station): void {
    const key = keyOf(from, to)
    const known = this.#connections.get(key)
    const lives = [from.lifeNumber, to.lifeNumber] as const
    if (known !== undefined) {
      const isSame =
        known.ends[0] === from
          ? known.lives[0] === lives[0] && known.lives[1] === lives[1]
          : known.lives[0] === lives[1] && known.lives[1] === lives[0]
      if (isSame) return
    }
    const connection: Connection = { ends: [from, to], lives }
    this.#connections.set(key, connection)
    from.connected(to.key)
    to.connected(from.key)
    // whoever says nothing for long is closed: nobody here counts what passes
    this.#world.after(this.#world.random.between(20_000, 300_000), () => {
      if (this.#connections.get(key) === connection) this.#end(key)
    })
  }

  /** The station died: those it was connected with notice later, or at once when it said goodbye. */
  left(station: Station, isFarewell: boolean): void {
    for (const [key, connection] of this.#connections) {
      if (!connection.ends.includes(station)) continue
      if (isFarewell) {
        this.#end(key)
        continue
      }
      this.#world.after(this.#world.random.between(0, IDLE_TIMEOUT_MS), () => {
        // it may be back, with a connection of its new life
        if (this.#connections.get(key) === connection) this.#end(key)
      })
    }
  }

  breakAll(): void {
    for (const key of [...this.#connections.keys()]) this.#end(key)
  }

  #end(key: number): void {
    const connection = this.#connections.get(key)
    if (!this.#connections.delete(key) || connection === undefined) return
    const [left, right] = connection.ends
    if (left.lifeNumber === connection.lives[0]) left.disconnected(right.key)
    if (right.lifeNumber === connection.lives[1]) right.disconnected(left.key)
  }

  #record(frame: Uint8Array, to: PeerKey): void {
    if (this.passed.length >= MOST_FRAMES) this.passed.splice(FIRST_FRAMES, MOST_FRAMES / 4)
    this.passed.push({ frame, to })
    for (const hostile of this.#world.hostiles) hostile.overhear(frame)
  }
}

function keyOf(left: Station, right: Station): number {
  return Math.min(left.index, right.index) * 65_536 + Math.max(left.index, right.index)
}
