/** Whole nodes that write to each other while they die, leave, come back elsewhere and are cut off from each other; and what must be true in the end. */
import type { SimRandom } from '../../support/random.ts'
import { type Member, TomWorld, wayOf } from './tom-world.ts'

const STEPS = 24
const NODES = 6
/** Longer than connections take to be given up, dials to fail, and holders who heard of no delivery to look three times whether they still keep something. */
const TO_SETTLE_MS = 200_000

export class NodeInteraction {
  readonly world: TomWorld
  readonly deeds: string[] = []
  readonly #random: SimRandom
  readonly #violations: string[] = []
  #words = 0

  constructor(seed: number) {
    this.world = new TomWorld(`envelope-nodes:${seed}`)
    this.#random = this.world.random.fork('deeds')
    this.world.loss = seed % 2 === 1 ? 0.04 : 0
  }

  /** What is wrong. */
  async run(): Promise<string[]> {
    const { world } = this
    for (let count = 0; count < NODES; count++) await this.#birth(world.member(`m${count}`))
    await world.run(3_000)
    for (let step = 0; step < STEPS; step++) {
      await this.#deed()
      await world.run(this.#random.pick([0, 5, 100, 1_000, 5_000]))
    }
    await this.#peace()
    await this.#quiet()
    await world.close()
    await world.run(5_000)
    return this.#violations
  }

  #say(what: string): void {
    this.deeds.push(`${Math.round(this.world.now)} ${what}`)
  }

  #living(): Member[] {
    return this.world.members.filter(({ run }) => run !== undefined)
  }

  async #birth(member: Member): Promise<void> {
    this.#say(`${member.name} starts`)
    const others = this.#living().filter((other) => other !== member)
    const bootstrap = others.length === 0 ? [] : [this.#random.pick(others).run!.node.endpoint.addr()]
    await this.world.start(member, bootstrap)
  }

  async #deed(): Promise<void> {
    const random = this.#random
    const living = this.#living()
    const one = random.pick(living)
    const others = this.world.members.filter((member) => member !== one)
    const dice = random.int(0, 99)
    if (dice < 45) {
      const to = random.pick(others)
      const word = `word ${this.#words++}`
      const via = random.chance(0.15) ? [random.pick(others.filter((member) => member !== to))] : []
      this.#say([`${one.name} says ${word} to ${to.name}`, ...via.map(({ name }) => `via ${name}`)].join(' '))
      await this.world.send(one, to, word, via)
    } else if (dice < 58 && living.length > 3) {
      const isMachine = random.chance(0.5)
      this.#say(`${one.name} dies${isMachine ? ' with its machine' : ''}`)
      this.world.kill(one, isMachine)
    } else if (dice < 66 && living.length > 3) {
      this.#say(`${one.name} leaves`)
      await this.world.leave(one)
    } else if (dice < 82) {
      const absent = this.world.members.filter(({ run }) => run === undefined)
      if (absent.length > 0) await this.#birth(random.pick(absent))
    } else {
      const other = random.pick(others)
      const ms = random.pick([500, 5_000, 45_000])
      const way = wayOf(one.name, other.name)
      this.#say(`nothing passes between ${one.name} and ${other.name} for ${ms} ms`)
      this.world.cuts.add(way)
      this.world.clock.after(ms, () => this.world.cuts.delete(way))
    }
  }

  /** Everybody is there, and everything passes. */
  async #peace(): Promise<void> {
    this.#say('peace')
    const { world } = this
    world.cuts.clear()
    world.loss = 0
    for (const member of world.members) if (member.run === undefined) await this.#birth(member)
    const [first, ...rest] = world.members
    for (const { run } of rest) run!.node.joinPeers([first!.run!.node.endpoint.addr()])
    await world.run(TO_SETTLE_MS)
    const heard = new Map<string, number>()
    for (const member of world.members) {
      for (const word of member.heard)
        heard.set(`${word} ${member.name}`, (heard.get(`${word} ${member.name}`) ?? 0) + 1)
    }
    for (const { text, from, to, receipt } of world.sent) {
      const count = heard.get(`${text} ${to.name}`) ?? 0
      const what = `${text} of ${from.name} for ${to.name}`
      if (count === 0) this.#violations.push(`${what} did not arrive: ${receipt.state}, ${receipt.holders} holders`)
      if (count > 1) this.#violations.push(`${what} arrived ${count} times`)
      if (count === 0 && receipt.state === 'delivered') this.#violations.push(`${what} is not delivered as it says`)
    }
    const total = world.members.reduce((sum, member) => sum + member.heard.length, 0)
    if (total !== world.sent.length) this.#violations.push(`${world.sent.length} were sent, and ${total} heard`)
  }

  /** What is said now arrives within seconds. */
  async #quiet(): Promise<void> {
    this.#say('quiet')
    const { world } = this
    for (const [index, from] of world.members.entries()) {
      const to = world.members[(index + 1 + this.#random.int(0, NODES - 2)) % NODES]!
      const { receipt, text } = await world.send(from, to, `last word of ${from.name}`)
      const isDelivered = await world
        .value(receipt.delivered({ timeoutMs: 4_000 }), 5_000)
        .then(() => true)
        .catch(() => false)
      if (!isDelivered || !to.heard.includes(text))
        this.#violations.push(`${text} did not arrive at ${to.name} in time`)
    }
    for (const { name, run } of world.members) {
      const { pending, stored, waiting, sent, delivered } = run!.node.metrics()
      if (stored > 0 || waiting > 0) this.#violations.push(`${name} has ${stored} messages and ${waiting} unread ones`)
      if (delivered > sent || pending > sent) this.#violations.push(`${name}: ${delivered} of ${sent} delivered`)
    }
  }
}
