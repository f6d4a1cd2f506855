/** A swarm to which everything happens that may happen, drawn from a seed as it goes; and what must be true at the end all the same. */
import { Link, type LinkPart } from '../../support/link-parts.ts'
import type { SimRandom } from '../../support/random.ts'
import { type Ear, GossipWorld, OTHER_TOPIC, type Peer } from './world.ts'

const STEPS = 40
const MOST = 7
/** Longer than the idle timeout of connections and the longest wait between two attempts to join. */
const TO_SETTLE_MS = 70_000

interface Living {
  readonly peer: Peer
  ear: Ear
  /** Of a second topic, which some leave and enter. */
  other: Ear | undefined
}

export class Interaction {
  readonly world: GossipWorld
  readonly deeds: string[] = []
  readonly #random: SimRandom
  readonly #living: Living[] = []
  readonly #dead: Peer[] = []
  /** Pairs of names, the earlier born first, between which nothing passes. */
  readonly #cuts = new Set<string>()
  readonly #isBad: boolean
  #births = 0
  #words = 0

  constructor(seed: number) {
    this.world = new GossipWorld(`gossip-net:${seed}`)
    this.#random = this.world.random.fork('deeds')
    this.#isBad = seed % 2 === 1
  }

  async run(): Promise<void> {
    for (let count = 0; count < 3; count++) await this.#birth()
    for (let step = 0; step < STEPS; step++) {
      await this.#deed()
      await this.world.run(this.#random.pick([0, 0, 1, 20, 200, 1_000, 4_000]))
    }
    await this.#settle()
  }

  /** Everything that is wrong now. */
  async violations(): Promise<string[]> {
    const found: string[] = []
    const ids = new Map(this.#living.map((one) => [one.peer.id, one]))
    for (const { peer, ear } of this.#living) {
      if (peer.faults.length > 0) found.push(`${peer.name}: ${peer.faults.join(', ')}`)
      if (ear.neighbors.length === 0) found.push(`${peer.name} is alone`)
      for (const neighbor of ear.neighbors) {
        const there = ids.get(neighbor)
        if (there === undefined) found.push(`${peer.name} has a dead neighbour`)
        else if (!there.ear.neighbors.includes(peer.id))
          found.push(`${there.peer.name} does not know that ${peer.name} is its neighbour`)
      }
    }
    for (const { peer, ear } of this.#living) {
      const what = `final word of ${peer.name}`
      const others = this.#living.filter((one) => one.peer !== peer)
      try {
        await this.world.expectHeard(
          ear,
          others.map((one) => one.ear),
          what,
          10_000,
        )
      } catch {
        const deaf = others.filter((one) => !one.ear.hears(what)).map((one) => one.peer.name)
        found.push(`${deaf.join(', ')} did not hear ${peer.name}`)
      }
    }
    for (const { peer, ear } of this.#living) {
      const { texts } = ear
      if (new Set(texts).size !== texts.length) found.push(`${peer.name} heard something twice`)
    }
    const links = this.#living.reduce(
      (sum, { ear, other }) => sum + new Set([...ear.neighbors, ...(other?.neighbors ?? [])]).size,
      0,
    )
    const open = this.#living.reduce((sum, { peer }) => sum + 2 * peer.openAccepted, 0)
    // a second connection is left where two dialled at once, and of those that were born again
    if (open > 2 * links + 4) found.push(`${open / 2} connections for ${links / 2} links`)
    return found
  }

  /** Closes everything; what is left then. */
  async end(): Promise<string[]> {
    const found: string[] = []
    await this.world.value(Promise.all(this.#living.map(({ peer }) => peer.gossip.close())), 10_000, 'farewells')
    for (const { peer, ear, other } of this.#living) {
      if (!ear.isEnded || other?.isEnded === false) found.push(`events of ${peer.name} do not end`)
      const { topics, peers } = peer.gossip.metrics()
      if (topics + peers > 0) found.push(`${peer.name} has ${topics} topics and ${peers} peers left`)
    }
    await this.world.close()
    // connections drain for three probe timeouts; nothing else may still happen
    await this.world.run(5_000)
    if (this.world.clock.pending > 0) found.push(`${this.world.clock.pending} timers are left`)
    return found
  }

  async #birth(secretKeyOf?: Peer): Promise<void> {
    const name = `p${this.#births++}`
    this.deeds.push(
      `${this.world.now} birth of ${name}${secretKeyOf === undefined ? '' : ` who was ${secretKeyOf.name}`}`,
    )
    const peer = await this.world.peer(name, secretKeyOf === undefined ? {} : { secretKey: secretKeyOf.secretKey })
    for (let earlier = 0; earlier < this.#births - 1; earlier++) this.#wire(`p${earlier}`, name)
    const ear = peer.subscribe(this.#some())
    this.#living.push({ peer, ear, other: undefined })
  }

  /** One or two of the living. */
  #some(): Peer[] {
    if (this.#living.length === 0) return []
    return Array.from({ length: this.#random.int(1, 2) }, () => this.#random.pick(this.#living).peer)
  }

  async #deed(): Promise<void> {
    const { world, deeds } = this
    const random = this.#random
    const one = random.pick(this.#living)
    const { name } = one.peer
    const others = this.#living.filter((other) => other !== one)
    const dice = random.int(0, 99)
    const say = (what: string) => deeds.push(`${world.now} ${what}`)
    if (dice < 35) {
      say(`${name} says something`)
      // nobody waits for it: a node that is cut off may have to
      one.ear.topic.broadcast(new TextEncoder().encode(`word ${this.#words++}`)).catch(() => {})
    } else if (dice < 45) {
      if (this.#living.length < MOST) await this.#birth(random.chance(0.4) ? this.#dead.pop() : undefined)
    } else if (dice < 55) {
      say(`${name} leaves and comes back at once`)
      one.ear.topic.close()
      one.ear = one.peer.subscribe(this.#some().filter((peer) => peer !== one.peer))
    } else if (dice < 62) {
      say(`${name} ${one.other === undefined ? 'enters' : 'leaves'} the other topic`)
      one.other?.topic.close()
      one.other =
        one.other === undefined
          ? one.peer.subscribe(
              this.#some().filter((peer) => peer !== one.peer),
              OTHER_TOPIC,
            )
          : undefined
    } else if (dice < 68 && others.length > 1) {
      say(`${name} closes`)
      this.#living.splice(this.#living.indexOf(one), 1)
      one.peer.gossip.close().then(() => one.peer.endpoint.close())
      this.#dead.push(one.peer)
    } else if (dice < 74 && others.length > 1) {
      say(`${name} dies`)
      this.#living.splice(this.#living.indexOf(one), 1)
      world.kill(one.peer)
      this.#dead.push(one.peer)
    } else if (dice < 84 && others.length > 0) {
      const other = random.pick(others).peer
      const ms = random.pick([300, 3_000, 45_000])
      say(`nothing passes between ${name} and ${other.name} for ${ms} ms`)
      const way = [name, other.name].sort(byBirth).join(' ')
      this.#cuts.add(way)
      world.clock.after(ms, () => this.#cuts.delete(way))
    } else if (dice < 90) {
      const ms = random.pick([300, 3_000, 20_000])
      say(`${name} is cut off for ${ms} ms`)
      world.network.silence(name)
      const { peer } = one
      world.clock.after(ms, () => {
        if (this.#living.some((living) => living.peer === peer)) world.network.restore(name)
      })
    } else if (others.length > 0) {
      say(`${name} joins somebody`)
      one.ear.topic.joinPeers([random.pick(others).peer.endpoint.addr()])
    }
  }

  /** Every second seed has lines that lose datagrams and change their order. */
  #wire(left: string, right: string): void {
    const isBad = this.#isBad
    const random = this.world.random.fork(`line ${left} ${right}`)
    const part: LinkPart = {
      pass: (parcel, next) => {
        if (this.#cuts.has(`${left} ${right}`)) return
        if (!isBad) next({ ...parcel, at: parcel.at + 1 })
        else if (!random.chance(0.04)) next({ ...parcel, at: parcel.at + random.int(10, 50) })
      },
    }
    this.world.network.setLink(left, right, 4, new Link([part]))
    this.world.network.setLink(right, left, 4, new Link([part]))
  }

  /** All ways are open. Halves that lost each other cannot find each other by themselves (spec/gossip.md §11.1 P12). */
  async #settle(): Promise<void> {
    this.deeds.push(`${this.world.now} peace`)
    await this.world.run(46_000)
    for (const { peer } of this.#living) this.world.network.restore(peer.name)
    const [first, ...rest] = this.#living
    for (const { ear } of rest) ear.topic.joinPeers([first!.peer.endpoint.addr()])
    await this.world.run(TO_SETTLE_MS)
  }
}

function byBirth(left: string, right: string): number {
  return Number(left.slice(1)) - Number(right.slice(1))
}
