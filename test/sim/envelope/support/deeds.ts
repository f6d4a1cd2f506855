/** A swarm to which everything happens that may happen, drawn from a seed as it goes; then peace, a look at the ledger, a day without messages, and another look. */
import type { SimRandom } from '../../support/random.ts'
import { Hostile } from './hostile.ts'
import type { Entry } from './ledger.ts'
import type { SimNode } from './node.ts'
import type { Weather } from './weather.ts'
import { CALM } from './weather.ts'
import { EnvelopeWorld, type Station } from './world.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

export interface Shape {
  readonly nodes: number
  readonly hostiles: number
  readonly steps: number
  /** Of all nodes that hear a content of gossip. */
  readonly heard: number
  /** Between two bouts of a hostile node, ms. */
  readonly hostilePauseMs: number
  /** Waits between two deeds, ms. */
  readonly pauses: readonly number[]
  /** Between two waits so many deeds and messages at most. */
  readonly deeds: number
  readonly messages: number
  readonly peaceMs: number
  /** How long all sleep when they do, minutes. */
  readonly sleeps: readonly number[]
  /** Nobody says who he is in the form of upstream's nodes as well, which nobody here needs. */
  readonly isTerse?: boolean
}

/** Of a seed: six to twelve nodes, every tenth time twenty; none to two hostile ones. */
export function shapeOf(seed: number): Shape {
  const isLarge = seed % 10 === 0
  return {
    nodes: isLarge ? 20 : 6 + (seed % 7),
    hostiles: seed % 3,
    steps: isLarge ? 40 : 50,
    heard: isLarge ? 0.5 : 0.7,
    hostilePauseMs: 2_000,
    pauses: [0, 1, 20, 200, 1_000, 3_000, 8_000],
    deeds: 1,
    messages: 2,
    peaceMs: 6 * MINUTE_MS,
    sleeps: [10, 60, 60, 300, 1_410, 1_450],
  }
}

/** A hundred nodes, some minutes of trouble. */
export const HUNDRED: Shape = {
  nodes: 100,
  hostiles: 2,
  steps: 45,
  heard: 0.28,
  isTerse: true,
  hostilePauseMs: 4_000,
  pauses: [0, 20, 200, 1_000, 2_000],
  deeds: 5,
  messages: 6,
  peaceMs: 5.2 * MINUTE_MS,
  sleeps: [10, 60, 300],
}

export class Interaction {
  readonly world: EnvelopeWorld
  readonly deeds: string[] = []
  readonly #shape: Shape
  readonly #random: SimRandom
  #words = 0

  constructor(name: string, shape: Shape) {
    this.world = new EnvelopeWorld(name)
    this.#shape = shape
    this.#random = this.world.random.fork('deeds')
  }

  get ledger() {
    return this.world.ledger
  }

  async run(): Promise<void> {
    const { steps, pauses, messages, deeds } = this.#shape
    await this.#begin()
    this.world.weather = this.#drawWeather()
    for (let step = 0; step < steps; step++) {
      for (let count = this.#random.int(0, messages); count > 0; count--) this.#message()
      for (let count = this.#random.int(1, deeds); count > 0; count--) this.#deed()
      await this.world.run(this.#random.pick(pauses))
    }
    await this.#peace()
    await this.#vigil()
    await this.#quiet(2)
    await this.#day()
  }

  get summary(): string {
    const { counts } = this.ledger
    const misdeeds = this.world.hostiles.reduce((sum, hostile) => sum + hostile.misdeeds, 0)
    return JSON.stringify({ ...counts, misdeeds, frames: this.world.lines.frames, events: this.world.clock.steps })
  }

  async #begin(): Promise<void> {
    const { nodes, hostiles, hostilePauseMs, isTerse = false } = this.#shape
    this.world.settings = { announcesUnsigned: !isTerse }
    for (let count = 0; count < nodes; count++) {
      const node = this.world.node({ skewMs: this.#random.int(-MINUTE_MS, MINUTE_MS) })
      this.world.after(this.#random.between(0, 2_000), () => node.start())
    }
    for (let count = 0; count < hostiles; count++) {
      const hostile = new Hostile(this.world, `h${count}`, nodes + count, hostilePauseMs)
      this.world.hostiles.push(hostile)
      hostile.start()
    }
    await this.world.run(4_000)
  }

  #drawWeather(): Weather {
    const random = this.#random
    const isBad = random.chance(0.6)
    return {
      latency: random.pick([
        [1, 20],
        [10, 300],
        [50, 2_000],
      ]),
      lost: isBad ? random.between(0, 0.3) : 0.01,
      failed: isBad ? random.between(0, 0.2) : 0.01,
      doubled: random.between(0, 0.2),
      late: random.between(0, 0.1),
      heard: random.between(0.2, 1) * this.#shape.heard,
    }
  }

  #say(what: string): void {
    this.deeds.push(`${Math.round(this.world.now)} ${what}`)
  }

  #some(isWanted: (node: SimNode) => boolean): SimNode | undefined {
    const nodes = this.world.nodes.filter(isWanted)
    return nodes.length === 0 ? undefined : this.#random.pick(nodes)
  }

  /** `isQuiet`: by hops that are there and mean well. */
  #message(isQuiet = false): Entry | undefined {
    const random = this.#random
    const from = this.#some((node) => node.isUp)
    const to = this.#some((node) => node !== from && !node.isGone)
    if (from === undefined || to === undefined) return undefined
    const length = random.pick([0, 10, 10, 80, 80, 400, 400, 3_000, 20_000])
    const bytes = new Uint8Array([...Buffer.from(`word ${this.#words++} `), ...random.bytes(length)])
    const stations: Station[] = isQuiet ? this.world.nodes.filter((node) => node.isUp) : [...this.world.stations]
    const others = stations.filter((station) => station !== from && station !== to)
    const hops = random.chance(0.12) ? Math.min(others.length, random.int(1, 2)) : 0
    const via = Array.from({ length: hops }, () => others.splice(random.int(0, others.length - 1), 1)[0]!.key)
    const id = from.send(to, bytes, { isClear: random.chance(0.3), via })
    this.#say(`${from.name} sends ${id?.slice(0, 8)} to ${to.name}${hops > 0 ? ` via ${hops}` : ''}`)
    return this.ledger.entries.get(id!)
  }

  #deed(): void {
    const random = this.#random
    const dice = random.int(0, 99)
    const one = this.#some((node) => node.isUp)
    if (one === undefined || dice < 22) this.#birth()
    else if (dice < 34) this.#death(one)
    else if (dice < 42) this.#leave(one)
    else if (dice < 48) this.#dieAtStep(one)
    else if (dice < 55) this.#trouble(one)
    else if (dice < 65) this.#partition()
    else if (dice < 73) this.#deafness(one)
    else if (dice < 78) this.#damage()
    else if (dice < 82) this.#setClock(one)
    else if (dice < 90) {
      this.world.weather = this.#drawWeather()
      this.#say('the weather changes')
    } else if (dice < 92) this.#sleep()
    else if (dice < 96) this.#desert(one)
    else this.#burst(one)
  }

  #birth(): void {
    const node = this.#some((candidate) => candidate.life === undefined && !candidate.isGone)
    if (node === undefined) return
    this.#say(`${node.name} starts`)
    node.start()
  }

  #death(node: SimNode): void {
    const isMachine = this.#random.chance(0.5)
    this.#say(`${node.name} dies${isMachine ? ' with its machine' : ''}`)
    node.die(isMachine)
    this.#comeBack(node)
  }

  #leave(node: SimNode): void {
    this.#say(`${node.name} leaves`)
    node.leave()
    this.#comeBack(node)
  }

  /** Some come back soon, some when they are born by a deed, some never. */
  #comeBack(node: SimNode): void {
    if (this.#random.chance(0.04)) {
      node.isGone = true
      this.#say(`${node.name} will not come back`)
      return
    }
    if (this.#random.chance(0.5)) this.world.after(this.#random.between(100, 30_000), () => node.start())
  }

  #dieAtStep(node: SimNode): void {
    node.diesAtStep = this.#random.int(0, 12)
    this.#say(`${node.name} will die at a step of its disk, after ${node.diesAtStep} others`)
    this.#comeBack(node)
  }

  #trouble(node: SimNode): void {
    const isFull = this.#random.chance(0.5)
    const share = this.#random.pick([0.05, 0.3, 1])
    const ms = this.#random.pick([500, 5_000, 40_000])
    this.#say(`the disk of ${node.name} ${isFull ? 'is full' : `fails (${share})`} for ${ms} ms`)
    node.troubled(isFull ? { kind: 'full' } : { kind: 'failing', share })
    this.world.after(ms, () => node.troubled(undefined))
  }

  #partition(): void {
    const share = this.#random.pick([0.1, 0.3, 0.5])
    const ms = this.#random.pick([1_000, 8_000, 40_000, 3 * MINUTE_MS])
    const side = new Set<Station>([...this.world.stations].filter(() => this.#random.chance(share)))
    this.#say(`${[...side].map(({ name }) => name).join(' ')} are cut off for ${ms} ms`)
    this.world.lines.cut(side, ms)
  }

  #deafness(node: SimNode): void {
    node.setReading(false)
    if (this.#random.chance(0.2)) {
      this.#say(`${node.name} does not read`)
      return
    }
    const ms = this.#random.pick([1_000, 10_000, 60_000])
    this.#say(`${node.name} does not read for ${ms} ms`)
    this.world.after(ms, () => node.setReading(true))
  }

  /** Of a disk whose process does not run. */
  #damage(): void {
    const node = this.#some(({ life, isGone }) => life === undefined && !isGone)
    if (node === undefined) return
    const files = [...node.folder.files()].filter(([, content]) => content.length > 0)
    node.ruined()
    if (files.length === 0 || this.#random.chance(0.3)) {
      this.#say(`the disk of ${node.name} is emptied`)
      node.emptyDisk()
      return
    }
    const [name, content] = this.#random.pick(files)
    const flips = this.#random.int(1, 3)
    this.#say(`${flips} bits of ${name} of ${node.name} flip`)
    for (let count = 0; count < flips; count++) node.folder.flip(name, this.#random.int(0, content.length * 8 - 1))
  }

  #setClock(node: SimNode): void {
    const skew = this.#random.int(-2 * MINUTE_MS, 2 * MINUTE_MS)
    this.#say(`the clock of ${node.name} is set by ${skew - node.skewMs} ms`)
    node.skewMs = skew
  }

  #sleep(): void {
    const ms = this.#random.pick(this.#shape.sleeps) * MINUTE_MS
    this.#say(`all sleep for ${ms / MINUTE_MS} min`)
    this.world.jump(ms)
  }

  /** Somebody writes to one who is not there, and goes away himself. */
  #desert(from: SimNode): void {
    const to = this.#some((node) => node !== from && !node.isGone)
    if (to === undefined) return
    if (to.isUp) to.die(this.#random.chance(0.5))
    const words = this.#random.int(1, 4)
    const isOrderly = this.#random.chance(0.5)
    const ms = this.#random.pick([500, 3_000, 15_000])
    this.#say(`${from.name} writes to ${to.name}, who has died, and ${isOrderly ? 'leaves' : 'dies'} after ${ms} ms`)
    for (let word = 0; word < words; word++) from.send(to, Buffer.from(`word ${this.#words++}`))
    this.world.after(ms, () => {
      if (isOrderly) from.leave()
      else from.die(false)
      if (this.#random.chance(0.3)) from.isGone = true
    })
    this.world.after(this.#random.between(ms, 60_000), () => to.start())
  }

  #burst(from: SimNode): void {
    const to = this.#some((node) => node !== from && !node.isGone)
    if (to === undefined) return
    const count = this.#random.int(5, 40)
    this.#say(`${from.name} sends ${count} to ${to.name} at once`)
    for (let word = 0; word < count; word++) from.send(to, Buffer.from(`word ${this.#words++}`), { isClear: true })
  }

  /** Nothing is wrong any more, and everybody is there who will be. */
  async #peace(): Promise<void> {
    this.#say('peace')
    const { nodes, lines } = this.world
    this.world.weather = { ...CALM, heard: this.#shape.heard }
    lines.cuts.clear()
    for (const node of nodes) {
      node.diesAtStep = Number.POSITIVE_INFINITY
      node.troubled(undefined)
      node.setReading(true)
    }
    // those who are just leaving, or whose death at a step of the disk is due
    await this.world.run(31_000)
    for (const node of nodes) node.start()
    const isThere = await this.world.until(() => nodes.every((node) => node.isUp || node.isGone), 60_000)
    if (!isThere) this.ledger.violation('somebody does not come back')
    await this.world.run(this.#shape.peaceMs)
    this.ledger.checkCustody()
    this.ledger.checkFiles()
  }

  /**
   * Somebody writes to two who are not there, over lines that lose half of everything, and dies for ever some minutes later: others have the messages by then, and they arrive. Hostile
   * nodes do not say now that they keep what they do not, for nobody can help that.
   */
  async #vigil(): Promise<void> {
    const { world } = this
    const up = world.nodes.filter((node) => node.isUp && !node.isGone)
    // small swarms show it as well as large ones, in a tenth of the time
    if (up.length < 5 || up.length > 20) return
    this.#say('a vigil')
    for (const hostile of world.hostiles) hostile.isSilent = true
    const [from, ...recipients] = up.slice(0, 3) as [SimNode, SimNode, SimNode]
    for (const recipient of recipients) recipient.die(this.#random.chance(0.5))
    await world.run(45_000)
    world.weather = { ...world.weather, lost: 0.5 }
    const entries: Entry[] = []
    for (const to of [...recipients, ...recipients]) {
      const id = from.send(to, Buffer.from(`word ${this.#words++}`))
      entries.push(this.ledger.entries.get(id!)!)
    }
    await world.run(this.#random.pick([1_000, 5_000]))
    world.weather = { ...world.weather, lost: 0 }
    await world.run(150_000)
    from.die(false)
    from.isGone = true
    for (const recipient of recipients) recipient.start()
    await world.run(60_000)
    this.ledger.checkCame(entries)
    for (const hostile of world.hostiles) hostile.isSilent = false
  }

  /** What is sent now arrives within seconds. */
  async #quiet(each: number): Promise<void> {
    this.#say('quiet')
    const entries: Entry[] = []
    const count = Math.min(60, each * this.world.nodes.length)
    for (let word = 0; word < count; word++) {
      const entry = this.#message(true)
      if (entry !== undefined) entries.push(entry)
      await this.world.run(50)
    }
    await this.world.run(8_000)
    this.ledger.checkPrompt(entries)
  }

  /** A day and a clean-up period, in which nobody hears anything. */
  async #day(): Promise<void> {
    this.#say('a day')
    this.world.weather = { ...CALM, heard: 0 }
    for (const hostile of this.world.hostiles) hostile.isOnlyRepeating = true
    for (const hours of [1, 5, 11, 6.9]) {
      this.world.jump(hours * HOUR_MS)
      await this.world.run(500)
    }
    this.world.jump(0.1 * HOUR_MS + 8 * MINUTE_MS)
    await this.world.run(500)
    for (let count = 0; count < 16; count++) {
      this.world.jump(0.5 * MINUTE_MS)
      await this.world.run(500)
    }
    this.ledger.checkEmpty()
    for (const node of this.world.nodes) if (node.life?.isActing === true) this.ledger.checkMetrics(node, node.life)
  }
}
