/**
 * Anything that can be done to a connection with several paths, at random and from a seed: paths opened and abandoned, ways cut and healed, keys
 * updated, NATs rebound, while both sides write. After all of it the ways are healed, and then everything must have arrived and both sides
 * must agree. The client has one duty, as hole punching will have: while no path works but some way does, it opens a path there.
 */
import type { TraceSink } from '../../../../src/quic/index.ts'
import { SimRandom } from '../random.ts'
import { drawSettings, drawWay } from './draw.ts'
import type { Pair, Side } from './pair.ts'
import { type MultipathOptions, MultipathSimulation } from './simulation.ts'
import type { Talker } from './talker.ts'
import type { Direction, Way, WaySpec } from './way.ts'

/** Time passes in slices of this, ms, and after each the client looks after its paths. */
const SLICE_MS = 200
/** The client opens a path where a way works after so long without one that does, ms. */
const RESCUE_AFTER_MS = 1000
/** Keep-alives are heard more often than this, ms. */
const SILENCE_MS = 7500
/** Path ids that are left for such a case: while nothing gets through none is given back. */
const SPARE_IDS = 3
/** After so long in the dark the ways are healed: longer and the connection may rightly be idle for too long, ms. */
const DARK_MS = 14_000
/** Data that has not moved for so long, ms, although one and the same path has been good for it, waits for nothing. */
const STALL_MS = 8000
/** All that must have settled when nobody does anything any more, ms: validation, silence and draining of paths, one after the other. */
const QUIET_MS = 45_000
const PATIENCE_MS = 180_000
const SIDES = ['client', 'server'] as const

export interface InteractionOutcome {
  readonly violations: readonly string[]
  /** What was done, a line each. */
  readonly deeds: readonly string[]
  readonly virtualMs: number
}

export function interact(seed: number, trace?: MultipathOptions['trace']): InteractionOutcome {
  return new Interaction(seed, trace).run()
}

class Interaction {
  readonly #random: SimRandom
  readonly #sim: MultipathSimulation
  readonly #deeds: string[] = []
  /** The smaller of what both sides allow. */
  readonly #maxPathId: number
  #pair!: Pair
  /** Every packet that arrives can be opened. */
  readonly #mustOpen: boolean
  /** Since when no path works, ms; -1 while one does. */
  #darkSince = -1
  #rescueAt = 0
  /** Bytes read by both sides, and since when nobody did anything, no more was read, and a path was good, ms. */
  #read = 0
  #calmSince = 0
  /** Datagrams that each side has received on its paths, and when that changed last, ms. */
  readonly #heard = { client: { datagrams: 0, at: 0 }, server: { datagrams: 0, at: 0 } }

  constructor(seed: number, trace: MultipathOptions['trace']) {
    const random = new SimRandom(`multipath:${seed}`)
    this.#random = random
    const ways = Array.from({ length: random.int(2, 4) }, () => drawWay(random))
    const client = drawSettings(random)
    const server = drawSettings(random)
    this.#maxPathId = Math.min(client.maxPathId!, server.maxPathId!)
    this.#sim = new MultipathSimulation({
      name: `multipath:${seed}`,
      ways,
      client,
      server,
      timerGrainMs: random.pick([0, 1]),
      slots: random.pick([256, 256, 64, 16]),
      trace: trace ?? ((site) => this.#listen(site)),
    })
    // neither damaged on the way, nor so late that its shortened number means another, or that the keys of its phase are gone
    const isOrderly = ({ corrupt, duplicate, jitterMs, straggle, bottleneck }: WaySpec) =>
      corrupt === 0 && duplicate === 0 && jitterMs! <= 1 && straggle?.share === 0 && bottleneck === undefined
    this.#mustOpen = ways.every(isOrderly)
  }

  #listen(site: string): TraceSink {
    const nothing = () => {}
    return {
      packetSent: nothing,
      packetReceived: nothing,
      packetDropped: (_now, _size, reason) => {
        if (this.#mustOpen && reason === 'decryption_failure')
          this.#sim.violation(`the ${site} could not open a packet`)
      },
      metrics: nothing,
      event: nothing,
    }
  }

  run(): InteractionOutcome {
    const sim = this.#sim
    try {
      this.#pair = sim.connect(this.#random.int(0, sim.ways.length - 1))
      for (let count = this.#random.int(15, 40); count > 0 && !this.#isOver; count--) {
        this.#deed()
        this.#pass(this.#random.pick([0, 1, 20, 20, 200, 200, 1000, 2000, 6000, 16_000]))
      }
      if (!this.#isOver) this.#settle()
    } catch (error) {
      sim.violation(error instanceof Error ? (error.stack ?? error.message) : String(error))
    }
    return { violations: sim.finish(this.#random.pick(SIDES)), deeds: this.#deeds, virtualMs: sim.now }
  }

  /** Something is wrong already, or the connection ended. */
  get #isOver(): boolean {
    const sim = this.#sim
    if (sim.check().length > 0) return true
    for (const { side, closeReason } of this.#pair.ends)
      if (closeReason !== undefined) sim.violation(`the ${side} lost the connection: ${JSON.stringify(closeReason)}`)
    return sim.violations.length > 0
  }

  #note(text: string): void {
    this.#calmSince = this.#sim.now
    this.#deeds.push(`${this.#sim.now.toFixed(1)} ms: ${text}`)
  }

  // deeds

  #deed(): void {
    const random = this.#random
    const side = random.pick(SIDES)
    const end = this.#pair.end(side)
    switch (random.int(0, 17)) {
      case 0:
      case 1:
      case 2:
        if (this.#idsLeft > SPARE_IDS) this.#open(random.int(0, this.#sim.ways.length - 1))
        break
      case 3:
      case 4:
        this.#abandon(side, end)
        break
      case 5:
        this.#setStatus(side, end)
        break
      case 6:
      case 7:
      case 8:
        this.#write(side)
        break
      case 9:
      case 10:
        this.#cut(random.pick(this.#sim.ways))
        break
      case 11:
        this.#heal(random.pick(this.#sim.ways), random.pick(['up', 'down', 'both', 'both'] as const))
        break
      case 12:
        this.#note(`${side} updates keys: ${this.#pair.updateKeys(side)}`)
        break
      case 13:
        this.#rebind()
        break
      case 14:
        this.#small(side, end)
        break
      case 15:
        this.#crossAbandon()
        break
      case 16:
        this.#setClocks(end)
        break
      case 17:
        this.#darken()
        break
    }
  }

  /** Path ids that the client may use before any is given back. */
  get #idsLeft(): number {
    return this.#maxPathId + 1 - this.#pair.client.connection.paths().length
  }

  /** False when there was no path to be had. */
  #open(way: number): boolean {
    const status = this.#random.pick(['available', 'available', 'backup'] as const)
    const id = this.#pair.open(way, status)
    this.#note(`client opens path ${id} on way ${way}, ${status}`)
    return id !== undefined
  }

  #abandon(side: Side, end: Talker): void {
    const ids = end.openPaths
    if (ids.length < 2 || this.#idsLeft < SPARE_IDS) return
    const id = this.#random.pick(ids)
    this.#note(`${side} abandons path ${id}`)
    this.#pair.abandon(side, id, this.#random.pick([0x3e, 0x3e75, 12345]))
  }

  /** Each side gives up another path, at the same moment. */
  #crossAbandon(): void {
    const [first, second] = this.#pair.client.openPaths
    const { openPaths } = this.#pair.server
    if (first === undefined || second === undefined || openPaths.length < 2 || !openPaths.includes(second)) return
    if (this.#idsLeft < SPARE_IDS) return
    this.#note(`client abandons path ${first}, server path ${second}`)
    this.#pair.abandon('client', first)
    this.#pair.abandon('server', second)
  }

  #setClocks(end: Talker): void {
    const ids = end.openPaths
    if (ids.length === 0) return
    const id = this.#random.pick(ids)
    const keepAliveMs = this.#random.pick([1000, 4000])
    const idleMs = this.#random.pick([0, 6000, 30_000])
    this.#note(`${end.side} keeps path ${id} alive every ${keepAliveMs} ms and lets it be silent for ${idleMs}`)
    end.connection.setPathClocks(id, keepAliveMs, idleMs, this.#sim.now)
    end.touch()
  }

  /** Large datagrams vanish on a way, or everything on all of them. */
  #darken(): void {
    const way = this.#random.pick(this.#sim.ways)
    if (this.#random.chance(0.5)) {
      const size = this.#random.pick([1200, 1300])
      this.#note(`way ${way.index} carries ${size} bytes`)
      way.shrink(size)
      return
    }
    this.#note('all ways are cut')
    for (const each of this.#sim.ways) each.cut()
  }

  #setStatus(side: Side, end: Talker): void {
    const ids = end.openPaths
    if (ids.length === 0) return
    const id = this.#random.pick(ids)
    const status = this.#random.pick(['available', 'backup'] as const)
    this.#note(`${side} calls path ${id} ${status}`)
    this.#pair.setStatus(side, id, status)
  }

  #write(side: Side): void {
    const size = this.#random.pick([10, 3000, 40_000, 150_000])
    this.#note(`${side} writes ${size} bytes`)
    this.#pair.send(side, size)
  }

  #cut(way: Way): void {
    const direction = this.#random.pick<Direction>(['up', 'down', 'both', 'both'])
    this.#note(`way ${way.index} is cut ${direction}`)
    way.cut(direction)
  }

  #heal(way: Way, direction: Direction): void {
    this.#note(`way ${way.index} is healed ${direction}`)
    way.heal(direction)
  }

  #rebind(): void {
    const ways = this.#sim.ways.filter(({ nat }) => nat !== undefined)
    if (ways.length === 0) return
    const { index } = this.#random.pick(ways)
    const newHost = this.#random.chance(0.3)
    this.#note(`way ${index} is rebound${newHost ? ' to a new host' : ''}`)
    this.#sim.rebind(index, newHost)
  }

  #small(side: Side, end: Talker): void {
    switch (this.#random.int(0, 2)) {
      case 0:
        this.#note(`${side} pings`)
        end.connection.ping()
        end.touch()
        break
      case 1:
        this.#note(`${side} sends datagrams`)
        for (let count = this.#random.int(1, 20); count > 0; count--)
          end.sendDatagram(this.#random.pick([1, 300, 5000]))
        break
      default:
        this.#migrate()
    }
  }

  #migrate(): void {
    const way = this.#random.int(0, this.#sim.ways.length - 1)
    const { client } = this.#pair
    try {
      client.connection.migrate(this.#sim.route(way), this.#sim.now)
    } catch (error) {
      if (!(error instanceof Error) || !error.message.includes('spare connection id')) throw error
      return
    }
    this.#note(`client migrates to way ${way}`)
    client.touch()
  }

  // time

  #pass(ms: number): void {
    if (ms > 0) this.#note(`${ms} ms pass`)
    for (let left = ms; ; left -= SLICE_MS) {
      this.#sim.run(Math.min(left, SLICE_MS))
      if (left <= SLICE_MS || this.#isOver) return
      this.#lookAfter()
      this.#watchProgress()
    }
  }

  /** Ways of the client's open paths. */
  get #openWays(): Way[] {
    const { client } = this.#pair
    const routes = new Set(client.connection.paths().flatMap((path) => (path.state === 'open' ? [path.route] : [])))
    return this.#sim.ways.filter(({ index }) => routes.has(this.#sim.route(index)))
  }

  #lookAfter(): void {
    const sim = this.#sim
    const { client, server } = this.#pair
    const isBare = client.openPaths.length === 0 || server.openPaths.length === 0
    if (!isBare && !this.#isSilent && this.#openWays.some(({ isUsable }) => isUsable)) {
      this.#darkSince = -1
      return
    }
    if (this.#darkSince === -1) this.#darkSince = sim.now
    const dark = sim.now - this.#darkSince
    if (dark > DARK_MS || (isBare && !sim.ways.some(({ isUsable }) => isUsable))) this.#healAll()
    if ((dark < RESCUE_AFTER_MS && !isBare) || sim.now < this.#rescueAt) return
    const usable = sim.ways.filter(({ isUsable }) => isUsable)
    if (usable.length === 0) return
    this.#rescueAt = sim.now + (isBare ? RESCUE_AFTER_MS : 2 * RESCUE_AFTER_MS)
    if (!this.#open(this.#random.pick(usable).index)) this.#healAll()
  }

  /** Data moves while there is a path that both sides know to work and whose way does. */
  #watchProgress(): void {
    const { now } = this.#sim
    const { client, server, transfers } = this.#pair
    const all = [...transfers.values()]
    const read = all.reduce((sum, transfer) => sum + transfer.read, 0)
    const isGood = client.connection.paths().some(({ id, state, validated, route }) => {
      const way = this.#sim.ways.find(({ index }) => this.#sim.route(index) === route)
      return state === 'open' && validated && server.path(id)?.validated === true && way?.isUsable === true
    })
    if (read !== this.#read || !isGood || this.#isSilent || all.every(({ isDone }) => isDone)) this.#calmSince = now
    this.#read = read
    if (now - this.#calmSince <= STALL_MS) return
    this.#calmSince = now
    this.#sim.violation(`nothing was read for ${STALL_MS} ms: ${this.#pair.describe().join(' | ')}`)
  }

  /** One of the sides hears nothing. */
  get #isSilent(): boolean {
    const { now } = this.#sim
    let isSilent = false
    for (const end of this.#pair.ends) {
      const heard = end.connection.paths().reduce((sum, path) => sum + path.datagramsReceived, 0)
      const last = this.#heard[end.side]
      if (heard !== last.datagrams) this.#heard[end.side] = { datagrams: heard, at: now }
      else if (now - last.at > SILENCE_MS) isSilent = true
    }
    return isSilent
  }

  #healAll(): void {
    this.#darkSince = -1
    for (const way of this.#sim.ways) this.#heal(way, 'both')
  }

  // the end

  #settle(): void {
    const sim = this.#sim
    const pair = this.#pair
    this.#note('all is healed')
    for (const way of sim.ways) way.heal()
    const deadline = sim.now + PATIENCE_MS
    while (![...pair.transfers.values()].every(({ isDone }) => isDone) && sim.now < deadline && !this.#isOver)
      this.#pass(1000)
    for (const { channel, read, size, isDone } of pair.transfers.values())
      if (!isDone) sim.violation(`channel ${channel} arrived up to ${read} of ${size}`)
    if (this.#isOver) return
    this.#pass(QUIET_MS)
    this.#agree()
    if (this.#isOver) return
    this.#useAllIds()
    if (!this.#isOver) pair.carries(20_000, 60_000)
  }

  /** Every path id that was used has been given back: as many paths as ever can be open at once. */
  #useAllIds(): void {
    const { client } = this.#pair
    const free = this.#maxPathId + 1 - client.openPaths.length
    for (let count = 0; count < free; count++)
      if (!this.#open(count % this.#sim.ways.length)) {
        this.#sim.violation(`${free} paths should be free, but only ${count} are: ${client.describe()}`)
        return
      }
    if (this.#open(0)) this.#sim.violation(`${free} paths were free, and another one: ${client.describe()}`)
    this.#pass(5000)
  }

  #agree(): void {
    const sim = this.#sim
    const { client, server } = this.#pair
    const say = (text: string) => sim.violation(`${text}: ${[client.describe(), server.describe()].join(' | ')}`)
    const states = (end: Talker) => end.connection.paths().map(({ id, state }) => `${id} ${state}`)
    if (states(client).join() !== states(server).join()) {
      say('the sides do not agree on the paths')
      return
    }
    if (states(client).some((text) => !text.endsWith('open'))) say('a path is still not discarded')
    for (const path of client.connection.paths()) {
      const other = server.path(path.id)!
      if (!path.validated || !other.validated) say(`path ${path.id} is not validated`)
      if (path.peerStatus !== other.status || path.status !== other.peerStatus)
        say(`the statuses of path ${path.id} differ`)
      if (path.bytesInFlight > 3000 || other.bytesInFlight > 3000) say(`path ${path.id} has too much in flight`)
    }
    if (client.connection.stats().keyUpdates !== server.connection.stats().keyUpdates) say('the key phases differ')
  }
}
