/** The topic of a swarm, abstractly: a content reaches each node that is there and not cut off with a probability, some time later; nodes have neighbours, which change. */
import type { EnvelopeWorld, Station } from './world.ts'

/** Neighbours a newcomer gets. */
const NEIGHBORS = 3
/** Contents kept for those who repeat them. */
const MOST_HEARD = 400

export class Topic {
  /** What was said, the latest last. */
  readonly said: Uint8Array[] = []
  readonly #world: EnvelopeWorld
  /** Keys of two, either way. */
  readonly #pairs = new Set<string>()

  constructor(world: EnvelopeWorld) {
    this.#world = world
  }

  /** `speaker` is up, and becomes somebody's neighbour. */
  enter(speaker: Station): void {
    const { random, nodes } = this.#world
    const there = nodes.filter((node) => node !== speaker && node.isUp && !this.#world.lines.isCut(node, speaker))
    for (let count = 0; count < NEIGHBORS && there.length > 0; count++) {
      const [neighbor] = there.splice(random.int(0, there.length - 1), 1)
      this.#world.after(random.between(20, 400), () => {
        if (!neighbor!.isUp || !speaker.isUp) return
        for (const pair of [`${speaker.key} ${neighbor!.key}`, `${neighbor!.key} ${speaker.key}`]) this.#pairs.add(pair)
        neighbor!.act((messenger, now) => messenger.neighborUp(speaker.key, now))
        this.#world.nodeOf(speaker.key)?.act((messenger, now) => messenger.neighborUp(neighbor!.key, now))
      })
    }
  }

  /** `speaker` is gone, and some notice. */
  left(speaker: Station, isFarewell: boolean): void {
    const { random, nodes } = this.#world
    for (const node of nodes) {
      if (node === speaker || !random.chance(0.3)) continue
      this.#world.after(isFarewell ? random.between(10, 200) : random.between(1_000, 35_000), () => {
        if (!speaker.isUp) node.act((messenger, now) => messenger.neighborLost(speaker.key, now))
      })
    }
  }

  /** As a broadcast, between neighbours only. */
  tellNeighbors(speaker: Station, content: Uint8Array, neighbor: string | undefined): void {
    const { random, weather, lines } = this.#world
    for (const station of this.#world.stations) {
      if (!station.isUp || !this.#pairs.has(`${speaker.key} ${station.key}`)) continue
      if ((neighbor !== undefined && station.key !== neighbor) || !random.chance(weather.heard)) continue
      this.#world.after(random.between(3, 100), () => {
        if (station.isUp && !lines.isCut(station, speaker)) station.gossip(content, speaker.key, true)
      })
    }
  }

  broadcast(speaker: Station, content: Uint8Array): void {
    const { random, weather, lines } = this.#world
    this.said.push(content)
    if (this.said.length > MOST_HEARD) this.said.splice(0, MOST_HEARD / 4)
    if (weather.heard === 0) return
    for (const station of this.#world.stations) {
      if (station === speaker || !station.isUp || !random.chance(weather.heard)) continue
      const delay = random.between(3, 300)
      this.#world.after(delay, () => {
        if (station.isUp && !lines.isCut(station, speaker)) station.gossip(content, speaker.key)
      })
    }
  }
}
