/**
 * Messengers without a network: frames and gossip pass over lines of this file's making, in virtual time, and what is written survives a crash. For what one messenger
 * means to another; lossy lines and broken disks are `test/sim/envelope`'s.
 */
import { type CryptoProvider, seededKeyExchange } from '../../../../src/crypto/index.ts'
import { createNodeCrypto } from '../../../../src/crypto/node/index.ts'
import type { JournalRecord, Restored, StoredMessage } from '../../../../src/envelope/backup/stored-message.ts'
import type { Taken } from '../../../../src/envelope/core/deliveries.ts'
import { Messenger } from '../../../../src/envelope/core/messenger.ts'
import type { MessengerSettings } from '../../../../src/envelope/core/settings.ts'
import type { MessengerEvent, MessengerWorld } from '../../../../src/envelope/core/world.ts'
import type { DeliveryState } from '../../../../src/envelope/routing/delivery-state.ts'
import type { PeerKey } from '../../../../src/envelope/wire/envelope.ts'
import { SecretKey } from '../../../../src/identity/index.ts'
import { SimRandom } from '../../../sim/support/random.ts'

/** Ms. */
const LATENCY = 5
/** How long the transport tries to reach somebody who is not there, ms: three dials. */
const UNREACHABLE_AFTER = 20_000
export const WALL = 1_800_000_000_000

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (content: Uint8Array): string => new TextDecoder().decode(content)

interface Task {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

export interface NodeOptions {
  readonly settings?: Partial<MessengerSettings>
  readonly secretKey?: SecretKey
  /** Takes messages as they come. Default true. */
  readonly reads?: boolean
  readonly trusts?: (peer: PeerKey) => boolean
}

export class CoreNode implements MessengerWorld {
  readonly name: string
  readonly key: PeerKey
  readonly taken: Taken[] = []
  readonly events: MessengerEvent[] = []
  /** States of messages of ours, by id. */
  readonly states = new Map<string, DeliveryState[]>()
  isUp = true
  /** What survives. */
  readonly disk: JournalRecord[] = []
  isDiskFull = false
  reads: boolean
  messenger: Messenger
  readonly #swarm: CoreSwarm
  readonly #options: NodeOptions
  readonly #secretKey: SecretKey
  #life = 0

  constructor(name: string, swarm: CoreSwarm, options: NodeOptions) {
    this.name = name
    this.#swarm = swarm
    this.#options = options
    this.#secretKey = options.secretKey ?? SecretKey.generate(swarm.random.fork(`key of ${name}`))
    this.key = this.#secretKey.id.toString()
    this.reads = options.reads ?? true
    this.messenger = this.#born()
  }

  /** With what is on the disk. */
  #born(): Messenger {
    const { crypto, random } = this.#swarm
    return new Messenger({
      secretKey: this.#secretKey,
      crypto,
      random: random.fork(`${this.name} ${this.#life}`),
      world: this,
      name: this.name,
      addr: () => undefined,
      trusts: this.#options.trusts,
      restored: restoredOf(this.disk),
      settings: this.#options.settings,
    })
  }

  start(): void {
    this.messenger.start(this.#swarm.now, this.#swarm.wall)
    this.#swarm.arm(this)
  }

  /** The process dies. */
  crash(): void {
    this.isUp = false
    this.#life++
    // a dead node's timer shall not fire
    this.#swarm.arm(this)
    this.#swarm.left(this)
  }

  /** It comes back, with its disk. */
  restart(): void {
    this.messenger = this.#born()
    this.isUp = true
    this.start()
    this.#swarm.came(this)
  }

  send(to: CoreNode | PeerKey, content: string, options: { isClear?: boolean; via?: readonly PeerKey[] } = {}): string {
    const key = typeof to === 'string' ? to : to.key
    const id = this.messenger.send(key, bytes(content), options, this.#swarm.now)
    this.#swarm.arm(this)
    return id
  }

  get texts(): string[] {
    return this.taken.map((taken) => text(taken.bytes))
  }

  statesOf(id: string): DeliveryState[] {
    return this.states.get(id) ?? []
  }

  /** Takes what waits. */
  read(): void {
    for (let taken = this.messenger.take(this.#swarm.now); taken; taken = this.messenger.take(this.#swarm.now))
      this.taken.push(taken)
  }

  // MessengerWorld

  transmit(peer: PeerKey, frame: Uint8Array, ticket: number): void {
    this.#swarm.transmit(this, peer, frame, (isAccepted) => {
      this.act((messenger) => messenger.transmitted(ticket, isAccepted, this.#swarm.now))
    })
  }

  broadcast(content: Uint8Array): void {
    this.#swarm.broadcast(this, content)
  }

  tellNeighbors(content: Uint8Array, neighbor?: PeerKey): void {
    this.#swarm.tellNeighbors(this, content, neighbor)
  }

  persist(record: JournalRecord, done: (isDurable: boolean) => void): void {
    const isDurable = !this.isDiskFull
    this.#later(1, () => {
      if (isDurable) this.disk.push(record)
      done(isDurable)
    })
  }

  learned(): void {}
  answered(): void {}
  unanswered(): void {}

  emit(event: MessengerEvent): void {
    this.events.push(event)
    if (event.kind === 'state') this.states.set(event.id, [...this.statesOf(event.id), event.state])
    if (event.kind === 'message' && this.reads) this.#later(0, () => this.read())
  }

  /** Only this life of the node does it. */
  #later(ms: number, run: () => void): void {
    const life = this.#life
    this.#swarm.after(ms, () => {
      if (life !== this.#life || !this.isUp) return
      run()
      this.#swarm.arm(this)
    })
  }

  /** Does something in this life, if it is up. */
  act(run: (messenger: Messenger) => void): void {
    if (!this.isUp) return
    run(this.messenger)
    this.#swarm.arm(this)
  }

  get life(): number {
    return this.#life
  }
}

export class CoreSwarm {
  readonly random: SimRandom
  /** Lengths of envelopes follow from their keys. */
  readonly crypto: CryptoProvider
  readonly nodes: CoreNode[] = []
  now = 1_000
  /** Newcomers are neighbours of the first node only, which passes gossip on to all. */
  isStar = false
  /** What is for neighbours only arrives. */
  handsOn = true
  /** Frames that passed, for those who look at them. */
  readonly frames: { readonly from: string; readonly to: string; readonly frame: Uint8Array }[] = []
  /** Contents for neighbours only that arrived. */
  readonly handed: { readonly from: string; readonly to: string; readonly content: Uint8Array }[] = []
  /** Between two nodes, both ways: names in any order. */
  readonly cuts = new Set<string>()
  /** Names of two, either way. */
  readonly #neighbors = new Set<string>()
  readonly #tasks: Task[] = []
  readonly #armed = new Map<CoreNode, number>()
  #order = 0

  constructor(seed = 'core') {
    this.random = new SimRandom(seed)
    this.crypto = seededKeyExchange(createNodeCrypto(), this.random.fork('keys'))
  }

  get wall(): number {
    return WALL + this.now
  }

  /** All who are up are neighbours of each other. */
  node(name: string, options: NodeOptions = {}): CoreNode {
    const node = new CoreNode(name, this, options)
    this.nodes.push(node)
    node.start()
    this.came(node)
    return node
  }

  came(node: CoreNode): void {
    const others = this.isStar ? this.nodes.slice(0, 1) : this.nodes
    for (const other of others) if (other !== node && other.isUp && !this.isCut(other, node)) this.meet(node, other)
  }

  /** They become neighbours. */
  meet(left: CoreNode, right: CoreNode): void {
    for (const [node, other] of [
      [left, right],
      [right, left],
    ] as const) {
      this.#neighbors.add(`${node.name} ${other.name}`)
      node.act((messenger) => messenger.neighborUp(other.key, this.now))
    }
  }

  left(node: CoreNode): void {
    for (const other of this.nodes) {
      if (other !== node) other.act((messenger) => messenger.disconnected(node.key, this.now))
    }
  }

  transmit(from: CoreNode, peer: PeerKey, frame: Uint8Array, outcome: (isAccepted: boolean) => void): void {
    const to = this.nodes.find(({ key }) => key === peer)
    const { life } = from
    const tell = (isAccepted: boolean): void => {
      if (from.life === life) outcome(isAccepted)
    }
    if (to === undefined || !to.isUp || this.isCut(from, to)) {
      this.after(UNREACHABLE_AFTER, () => tell(false))
      return
    }
    this.frames.push({ from: from.name, to: to.name, frame })
    this.after(LATENCY, () => {
      tell(to.isUp)
      to.act((messenger) => {
        messenger.connected(from.key, this.now)
        messenger.receive(frame, from.key, this.now)
      })
      from.act((messenger) => messenger.connected(to.key, this.now))
    })
  }

  broadcast(from: CoreNode, content: Uint8Array): void {
    this.after(LATENCY, () => {
      for (const to of this.nodes) {
        if (to !== from && !this.isCut(from, to)) to.act((messenger) => messenger.gossip(content, from.key, this.now))
      }
    })
  }

  tellNeighbors(from: CoreNode, content: Uint8Array, neighbor: PeerKey | undefined): void {
    if (!this.handsOn) return
    this.after(LATENCY, () => {
      for (const to of this.nodes) {
        if (this.isCut(from, to) || !this.#neighbors.has(`${from.name} ${to.name}`)) continue
        if (neighbor !== undefined && to.key !== neighbor) continue
        this.handed.push({ from: from.name, to: to.name, content })
        to.act((messenger) => messenger.gossip(content, from.key, this.now, true))
      }
    })
  }

  isCut(left: CoreNode, right: CoreNode): boolean {
    return this.cuts.has(`${left.name} ${right.name}`) || this.cuts.has(`${right.name} ${left.name}`)
  }

  after(ms: number, run: () => void): void {
    this.#tasks.push({ at: this.now + ms, order: this.#order++, run })
  }

  /** Its deadline may be another one now. */
  arm(node: CoreNode): void {
    if (node.isUp) this.#armed.set(node, node.messenger.deadline())
    else this.#armed.delete(node)
  }

  run(ms: number): void {
    const end = this.now + ms
    while (this.#step(end));
    this.now = end
  }

  runUntil(isDone: () => boolean, ms: number): void {
    const end = this.now + ms
    while (!isDone()) if (!this.#step(end)) throw new Error(`it did not come about within ${ms} ms`)
  }

  #step(end: number): boolean {
    const task = this.#earliest()
    const [node, deadline] = this.#due()
    const at = Math.min(task?.at ?? Number.POSITIVE_INFINITY, deadline)
    if (at > end) return false
    this.now = Math.max(this.now, at)
    if (task !== undefined && task.at <= deadline) {
      this.#tasks.splice(this.#tasks.indexOf(task), 1)
      task.run()
    } else {
      node!.messenger.tick(this.now)
      this.arm(node!)
    }
    return true
  }

  #earliest(): Task | undefined {
    let first: Task | undefined
    for (const task of this.#tasks) {
      if (first === undefined || task.at < first.at || (task.at === first.at && task.order < first.order)) first = task
    }
    return first
  }

  #due(): [CoreNode | undefined, number] {
    let due: CoreNode | undefined
    let at = Number.POSITIVE_INFINITY
    for (const [node, deadline] of this.#armed) {
      if (deadline >= at) continue
      due = node
      at = deadline
    }
    return [due, at]
  }
}

/** What a journal would find. */
function restoredOf(disk: readonly JournalRecord[]): Restored {
  const messages = new Map<string, StoredMessage>()
  const delivered: Restored['delivered'][number][] = []
  for (const record of disk) {
    if (record.kind === 'keep') messages.set(`${record.message.id}:${record.message.from}`, record.message)
    else if (record.kind === 'drop') messages.delete(`${record.id}:${record.from}`)
    else delivered.push({ id: record.id, from: record.from, timestamp: record.timestamp })
  }
  return { messages: [...messages.values()], delivered }
}
