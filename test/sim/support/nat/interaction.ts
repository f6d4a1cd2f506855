/**
 * A connection between two hosts at random places of the internet, while random things happen to boxes, lines, relays and interfaces. At the end all is well again, and then every
 * ping and every echo came back, the connection is the same, and it is direct where the NATs allow it and on the relay where they do not.
 */
import { messageOf } from '../../../../src/bytes/index.ts'
import { SimRandom } from '../random.ts'
import { echoed } from '../relay/traffic.ts'
import { type LineShape, line } from './access-link.ts'
import { BY_ADDRESS, FULL_CONE, isDirectPossible, MASQUERADE, RESTRICTED, SYMMETRIC } from './kinds.ts'
import type { NatBehaviour } from './nat-table.ts'
import type { Router } from './router.ts'
import { type Side, type SideShape, Story } from './story.ts'

const BEHAVIOURS = { FULL_CONE, RESTRICTED, MASQUERADE, BY_ADDRESS, SYMMETRIC } as const
type Name = keyof typeof BEHAVIOURS
const NAMES = Object.keys(BEHAVIOURS) as Name[]

const STEPS = 8
/** A connection without any way ends after 30 s of silence; accidents with their consequences are over sooner. */
const LONGEST_ACCIDENT_MS = 8_000
/** The longest pause between punching rounds and between net reports, and then some. */
const DIRECT_AT_LAST_MS = 130_000

export interface Interaction {
  /** What was done, a line each. */
  readonly deeds: readonly string[]
  /** What was wrong. */
  readonly violations: readonly string[]
}

export async function interactOverNats(seed: number): Promise<Interaction> {
  const run = new Run(seed)
  try {
    await run.go()
  } catch (error) {
    run.violations.push(messageOf(error))
  }
  return run
}

/** Where one of the two is. */
interface Place {
  readonly name: 'client' | 'server'
  /** The boxes on its way out, its own first. */
  boxes: Name[]
  /** What they were before they became others: a path of those days may live on. */
  readonly earlier: Name[][]
  v6: string | undefined
  /** Its interface, and the box behind that. */
  plug: string
  router: Router | undefined
}

class Run implements Interaction {
  readonly deeds: string[] = []
  readonly violations: string[] = []
  readonly #seed: string
  readonly #random: SimRandom
  readonly #echoes: Promise<void>[] = []
  readonly #places: readonly [Place, Place]
  readonly #isOneHousehold: boolean
  readonly #isBirthday: boolean
  #networks = 0
  #addresses = 0

  constructor(seed: number) {
    this.#seed = `nat:${seed}`
    this.#random = new SimRandom(`${this.#seed} deeds`)
    this.#isBirthday = this.#random.chance(0.3)
    this.#places = [this.#place('client'), this.#place('server')]
    this.#isOneHousehold = this.#places[0].boxes.length > 0 && this.#random.chance(0.1)
  }

  async go(): Promise<void> {
    const [client, server] = this.#places
    const story = await Story.begin(this.#seed, {
      client: this.#shape(client),
      server: this.#shape(server),
      isOneHousehold: this.#isOneHousehold,
      options: { birthday: this.#isBirthday },
    })
    if (this.#isOneHousehold) server.boxes = [...client.boxes]
    for (const place of this.#places) place.router = story[place.name].router
    this.#did(`${this.#isOneHousehold ? 'one household' : 'two places'}, birthday probing ${this.#isBirthday}`)
    await story.world.run(this.#random.int(0, 5_000))
    for (let step = 0; step < STEPS; step++) {
      await this.#step(story)
      await story.world.run(this.#random.int(200, 6_000))
    }
    this.#did('all is well')
    await this.#end(story)
  }

  async #end(story: Story): Promise<void> {
    const { world } = story
    await world.value(Promise.all(this.#echoes), 60_000, 'the echoes')
    const [client, server] = this.#places
    const isOnLan = this.#isOneHousehold && this.#networks === 0
    const isV6 = this.#places.every(({ v6 }) => v6 !== undefined)
    if (isOnLan || isV6 || isPossible(client.boxes, server.boxes)) await story.direct(DIRECT_AT_LAST_MS)
    else if (!this.#isBirthday && !wasPossible(client, server)) {
      await world.until(() => story.isRelayed, DIRECT_AT_LAST_MS, 'both on the relay')
      await story.stays('relay', 20_000)
    }
    await story.end(60_000)
  }

  // places

  #place(name: Place['name']): Place {
    const count = this.#random.pick([0, 1, 1, 1, 1, 2])
    const v6 = this.#random.chance(0.25) ? `2001:db8:${name === 'client' ? 1 : 2}::1` : undefined
    const boxes = Array.from({ length: count }, () => this.#random.pick(NAMES))
    this.#did(`${name} behind ${boxes.join(' behind ') || 'nothing'}${v6 === undefined ? '' : ', with IPv6'}`)
    return { name, boxes, earlier: [], v6, plug: 'eth0', router: undefined }
  }

  #shape({ boxes: [own, provider], v6 }: Place): SideShape {
    return {
      nat: own === undefined ? 'none' : BEHAVIOURS[own],
      provider: provider === undefined ? undefined : BEHAVIOURS[provider],
      line: this.#line(),
      ...(v6 === undefined ? {} : { v6 }),
    }
  }

  #line(): LineShape {
    const random = this.#random
    const delayMs = random.int(1, 80)
    const loss = random.chance(0.4) ? random.between(0.001, 0.02) : 0
    return line({ delayMs, jitterMs: random.chance(0.3) ? delayMs / 4 : 0, rate: random.int(200, 10_000), loss })
  }

  // what happens

  async #step(story: Story): Promise<void> {
    const random = this.#random
    const place = random.pick(this.#places)
    const side = story[place.name]
    const forMs = random.int(200, LONGEST_ACCIDENT_MS)
    const box = place.router
    switch (random.int(0, 9)) {
      case 0:
      case 1:
        if (box !== undefined) this.#block(story, box, forMs)
        break
      case 2:
        if (box !== undefined) this.#reboot(box, place)
        break
      case 3:
        if (box !== undefined && this.#places[0].router !== this.#places[1].router) this.#replace(box, place)
        break
      case 4:
        this.#did(`the relay is killed for ${forMs / 2} ms`)
        story.relay.kill()
        await story.world.run(forMs / 2)
        story.relay.restart()
        break
      case 5:
        await this.#cut(story, side, forMs)
        break
      case 6:
        this.#move(story, place)
        break
      case 7:
        await this.#flap(story, place, forMs)
        break
      default: {
        const bytes = random.int(1, 60_000)
        this.#did(`an echo of ${bytes} bytes`)
        const echo = echoed(story.connection, bytes)
        // its error is looked at in the end
        echo.catch(() => {})
        this.#echoes.push(echo)
      }
    }
  }

  #block(story: Story, box: Router, forMs: number): void {
    const what = this.#random.pick(['all', 'outbound', 'inbound'] as const)
    this.#did(`${box.host} blocks ${what} UDP for ${forMs} ms`)
    box.blocked = what
    story.world.clock.after(forMs, () => {
      box.blocked = 'nothing'
    })
  }

  #reboot(box: Router, { boxes }: Place): void {
    const isNew = boxes.length === 1 && this.#random.chance(0.5)
    const address = isNew ? `198.51.100.${++this.#addresses}` : box.host
    this.#did(`${box.host} is restarted, as ${address}`)
    box.reboot(address)
  }

  #replace(box: Router, place: Place): void {
    const name = this.#random.pick(NAMES)
    this.#did(`${box.host} becomes ${name}`)
    place.earlier.push(place.boxes)
    place.boxes = [name, ...place.boxes.slice(1)]
    box.replace(BEHAVIOURS[name])
  }

  async #cut(story: Story, { host }: Side, forMs: number): Promise<void> {
    this.#did(`the line of the ${host.name} is cut for ${forMs} ms`)
    const links = host.uplink()?.links ?? []
    for (const link of links) link.cut(true)
    await story.world.run(forMs)
    for (const link of links) link.cut(false)
  }

  /** To another network altogether. */
  #move(story: Story, place: Place): void {
    const { internet } = story.world
    const { host } = story[place.name]
    host.unplug(place.plug)
    const number = ++this.#networks
    const behaviour = this.#random.pick(NAMES)
    const behind = internet.router(`network ${number}`, {
      behaviour: BEHAVIOURS[behaviour],
      line: this.#line(),
      net: '10.9.8',
    })
    place.plug = `wlan${number}`
    place.router = behind
    place.boxes = [behaviour]
    place.earlier.length = 0
    place.v6 = undefined
    internet.plug(host, { name: place.plug, behind })
    this.#did(`the ${place.name} moves behind ${behaviour}`)
  }

  /** Away for a while, and back with the same address. */
  async #flap(story: Story, place: Place, forMs: number): Promise<void> {
    const { host } = story[place.name]
    this.#did(`the ${place.name} is without a network for ${forMs} ms`)
    const plug = host.unplug(place.plug)
    await story.world.run(forMs)
    host.plug(plug)
  }

  #did(what: string): void {
    this.deeds.push(what)
  }
}

function isPossible(left: readonly Name[], right: readonly Name[]): boolean {
  const behaviours = (boxes: readonly Name[]): NatBehaviour[] => boxes.map((name) => BEHAVIOURS[name])
  return isDirectPossible(behaviours(left), behaviours(right))
}

function wasPossible(left: Place, right: Place): boolean {
  return [...left.earlier, left.boxes].some((one) =>
    [...right.earlier, right.boxes].some((two) => isPossible(one, two)),
  )
}
