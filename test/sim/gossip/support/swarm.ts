/**
 * A simulated swarm: nodes, the network between them and the time, one event after the other (spec/gossip.md §12.1, §12.8). Upstream's model of the network with its
 * rules for connections, and what it leaves out as options: dial times, partitions, loss, slow nodes, nodes that come back.
 */
import type { TopicEvent, TopicTimer } from '../../../../src/gossip/proto/effects.ts'
import type { Message } from '../../../../src/gossip/proto/messages.ts'
import type { GossipProfile } from '../../../../src/gossip/proto/settings.ts'
import { TopicState } from '../../../../src/gossip/proto/topic-state.ts'
import { SimRandom } from '../../support/random.ts'
import { EventQueue } from './event-queue.ts'
import { Faults } from './faults.ts'
import type { LatencyModel } from './latency.ts'
import { Ledger } from './ledger.ts'
import { bodySize, FRAME_PREFIX } from './message-size.ts'
import { type NodeHost, SimNode } from './node.ts'
import { Payloads } from './payloads.ts'
import { TraceHash } from './trace-hash.ts'
import { kindCode, Traffic } from './traffic.ts'
import { overTheWire } from './wire-mode.ts'

export interface SwarmOptions {
  readonly seed: string
  readonly profile: GossipProfile
  readonly latency: LatencyModel
  /** Encodes and decodes every message (spec/gossip.md §12.8 S7). Default false. */
  readonly isWire?: boolean
  /** A first message to a peer waits this long for its connection, in round trips of the pair; default 0 as upstream (spec/gossip.md §12.8 S8). */
  readonly dialRoundTrips?: number
  /** The sender learns after so many ms that it dialled a node that is gone or out of reach. Default: never, as upstream. */
  readonly deadDialMs?: number
  /** Bytes of each payload; default 64. */
  readonly payloadSize?: number
  /** What nodes say about how to reach them; default empty, as upstream. */
  readonly peerData?: Uint8Array
}

const MESSAGE = 0
const TIMER = 1
/** The other side closed the connection. */
const CLOSED = 2
/** Nothing was heard for too long. */
const SILENCE = 3
/** A dial came to nothing. */
const UNREACHABLE = 4
/** The connection with a node that went without a word is found dead. */
const FOUND_DEAD = 5
/** Not in the queue: what the scenario does. */
const COMMAND = 6

/** Comes after all messages sent until now (spec/gossip.md §12.1). */
const AFTER_MESSAGES_US = 1

export class Swarm implements NodeHost {
  readonly options: SwarmOptions
  readonly nodes: SimNode[] = []
  readonly traffic = new Traffic()
  readonly ledger: Ledger
  readonly payloads: Payloads
  readonly faults: Faults
  /** For the scenario: who sends, who fails. */
  readonly random: SimRandom
  /** Called for every event of every topic. */
  onEvent: ((node: SimNode, event: TopicEvent<number>) => void) | undefined
  nowUs = 0
  eventCount = 0
  readonly #queue = new EventQueue()
  readonly #trace = new TraceHash()
  readonly #seeds: SimRandom
  readonly #data: Uint8Array
  readonly #releases: number[] = []
  /** Until when a dial from → to takes, by from × 2^21 + to. Empty without dial times. */
  readonly #dials = new Map<number, number>()
  /** Messages of the broadcast layer on their way. */
  #inFlight = 0

  constructor(options: SwarmOptions) {
    this.options = options
    this.payloads = new Payloads(options.payloadSize ?? 64)
    this.ledger = new Ledger(this.payloads)
    this.#seeds = new SimRandom(`gossip/${options.seed}`)
    this.random = this.#seeds.fork('scenario')
    this.faults = new Faults(this.#seeds.fork('network'))
    this.#data = options.peerData ?? new Uint8Array(0)
  }

  get traceHash(): string {
    return this.#trace.toString()
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** Those that are there, by id. */
  alive(): SimNode[] {
    return this.nodes.filter((node) => node.topic !== undefined)
  }

  /** A new node that joins through `contacts` now. */
  add(contacts: readonly number[]): SimNode {
    const id = this.nodes.length
    const node = new SimNode(id, this, this.#seeds.fork(`node ${id}`))
    this.nodes.push(node)
    this.traffic.addNode()
    this.restart(node, contacts)
    return node
  }

  /** A node that is gone comes back with its id and nothing else. */
  restart(node: SimNode, contacts: readonly number[]): void {
    const { profile } = this.options
    node.epoch++
    node.topic = new TopicState({
      me: node.id,
      data: this.#data,
      profile,
      dice: node,
      hash: this.payloads.idOf,
      effects: node,
    })
    this.#command(node, (topic, now) => topic.join(contacts, now))
  }

  join(node: SimNode, contacts: readonly number[]): void {
    this.#command(node, (topic, now) => topic.join(contacts, now))
  }

  broadcast(node: SimNode, content: Uint8Array, isForNeighbors = false): void {
    this.#command(node, (topic, now) => topic.broadcast(content, isForNeighbors, now))
  }

  /** It leaves with a word to its neighbours. */
  quit(node: SimNode): void {
    this.#command(node, (topic, now) => topic.quit(now))
    this.remove(node)
  }

  /** It is gone at once. `noticeMs`: its peers notice after so long that the connection is dead; default: the connection closes behind the last message. */
  remove(node: SimNode, noticeMs?: number): void {
    node.topic = undefined
    for (const peer of [...node.links].sort((a, b) => a - b)) {
      this.#unlink(node, peer)
      const kind = noticeMs === undefined ? CLOSED : FOUND_DEAD
      const afterUs =
        noticeMs === undefined ? this.#latencyUs(node.id, peer) + AFTER_MESSAGES_US : Math.round(noticeMs * 1000)
      this.#queue.push(this.nowUs + afterUs, kind, peer, node.id, this.nodes[peer]!.epoch, undefined)
    }
  }

  /** Nodes reach only their own part from now on. Connections that cross are found dead after `noticeMs`, unless the network is whole again by then. */
  split(parts: (node: number) => number, noticeMs: number): void {
    const partition = this.faults.split(parts)
    const at = this.nowUs + Math.round(noticeMs * 1000)
    for (const node of this.nodes)
      for (const peer of [...node.links].sort((a, b) => a - b))
        if (this.faults.isBlocked(node.id, peer)) this.#queue.push(at, SILENCE, node.id, peer, node.epoch, partition)
  }

  heal(): void {
    this.faults.heal()
  }

  /** Handles everything until `timeUs`, or until `isDone` says so after an event: then true, and the time stands still there. */
  runUntil(timeUs: number, isDone?: () => boolean): boolean {
    while (this.#queue.nextTime <= timeUs) {
      this.#step()
      if (isDone?.() === true) return true
    }
    this.nowUs = timeUs
    return false
  }

  runForMs(ms: number, isDone?: () => boolean): boolean {
    return this.runUntil(this.nowUs + Math.round(ms * 1000), isDone)
  }

  /** So many times the longest latency (spec/gossip.md §12.1). */
  runTrips(count: number, isDone?: () => boolean): boolean {
    return this.runUntil(this.nowUs + count * this.options.latency.maxUs, isDone)
  }

  send(from: SimNode, to: number, message: Message<number>): void {
    const code = kindCode(message.kind)
    this.traffic.sent(from.id, code, FRAME_PREFIX + bodySize(message))
    if (message.kind === 'gossip') this.ledger.sent(message.content)
    const target = this.nodes[to]
    if (target === undefined) throw new Error(`node ${from.id} sends to ${to}, which never was`)
    if (this.faults.isBlocked(from.id, to) || target.topic === undefined) {
      this.#unreachable(from, to)
      return
    }
    if (this.faults.isLost()) return
    if (code >= 6) this.#inFlight++
    const travelUs = this.#latencyUs(from.id, to)
    const leavesUs = this.options.dialRoundTrips === undefined ? this.nowUs : this.#dialledUs(from, to, travelUs)
    this.#queue.push(leavesUs + travelUs, MESSAGE, to, from.id, target.epoch, message)
  }

  release(_from: SimNode, to: number): void {
    this.#releases.push(to)
  }

  schedule(node: SimNode, timer: TopicTimer<number>, afterMs: number): void {
    this.#queue.push(this.nowUs + Math.round(afterMs * 1000), TIMER, node.id, 0, node.epoch, timer)
  }

  emit(node: SimNode, event: TopicEvent<number>): void {
    if (event.kind === 'received') this.ledger.received(node.id, event, this.nowUs)
    this.onEvent?.(node, event)
  }

  roundTripMs(node: SimNode, peer: number): number | undefined {
    return node.isLinked(peer) ? this.#latencyUs(node.id, peer) / 500 : undefined
  }

  #command(node: SimNode, run: (topic: TopicState<number>, now: number) => void): void {
    const { topic } = node
    if (topic === undefined) throw new Error(`node ${node.id} is not there`)
    this.#trace.add(this.nowUs, COMMAND, node.id, node.epoch)
    run(topic, this.nowUs / 1000)
    if (this.#releases.length > 0) this.#cut(node)
  }

  #step(): void {
    const queue = this.#queue
    queue.pop()
    const { kind, source, payload } = queue
    this.nowUs = queue.time
    this.eventCount++
    const node = this.nodes[queue.target]!
    const { topic } = node
    const now = queue.time / 1000
    const isLate = topic === undefined || node.epoch !== queue.epoch
    switch (kind) {
      case MESSAGE: {
        const message = payload as Message<number>
        const code = kindCode(message.kind)
        this.#trace.add(queue.time, 16 + code, node.id, source)
        if (code >= 6) this.#inFlight--
        if (isLate || this.faults.isBlocked(node.id, source)) return
        this.#link(node, source)
        this.traffic.arrived(code)
        topic.receive(source, this.options.isWire === true ? overTheWire(message) : message, now)
        break
      }
      case TIMER:
        if (isLate) return
        this.#trace.add(queue.time, TIMER, node.id, 0)
        topic.fire(payload as TopicTimer<number>, now)
        break
      case SILENCE:
        if (isLate || payload !== this.faults.partition || !node.isLinked(source)) return
        this.#trace.add(queue.time, SILENCE, node.id, source)
        // the other end has an event of its own
        node.unlink(source)
        topic.disconnected(source, now)
        break
      case FOUND_DEAD:
        // it came back meanwhile, and there is a connection again (spec/gossip.md §3.8 C7)
        if (isLate || node.isLinked(source)) return
        this.#trace.add(queue.time, FOUND_DEAD, node.id, source)
        topic.disconnected(source, now)
        break
      default:
        if (isLate) return
        this.#trace.add(queue.time, kind, node.id, source)
        topic.disconnected(source, now)
    }
    if (this.#releases.length > 0) this.#cut(node)
  }

  /** Connections that the node gave up while it handled its input: the peers learn it behind the messages. */
  #cut(node: SimNode): void {
    for (const peer of this.#releases) {
      if (!node.isLinked(peer)) continue
      this.#unlink(node, peer)
      if (this.faults.isBlocked(node.id, peer)) continue
      const other = this.nodes[peer]!
      const at = this.nowUs + this.#latencyUs(node.id, peer) + AFTER_MESSAGES_US
      this.#queue.push(at, CLOSED, peer, node.id, other.epoch, undefined)
    }
    this.#releases.length = 0
  }

  #link(node: SimNode, peer: number): void {
    if (node.isLinked(peer)) return
    const other = this.nodes[peer]!
    // a message of one that is gone, or came back since, is read; a connection with it there is none
    if (other.topic === undefined) return
    node.links.push(peer)
    other.links.push(node.id)
  }

  #unlink(node: SimNode, peer: number): void {
    node.unlink(peer)
    this.nodes[peer]!.unlink(node.id)
  }

  #latencyUs(a: number, b: number): number {
    return this.options.latency.betweenUs(a, b) + this.faults.delayUs(a, b)
  }

  /** When a message leaves: now over a connection, else when the dial that it starts or finds is through. */
  #dialledUs(from: SimNode, to: number, travelUs: number): number {
    const key = from.id * 0x200000 + to
    const until = this.#dials.get(key)
    if (until !== undefined && until > this.nowUs) return until
    if (from.isLinked(to)) return this.nowUs
    const leavesUs = this.nowUs + Math.round(2 * travelUs * (this.options.dialRoundTrips ?? 0))
    this.#dials.set(key, leavesUs)
    return leavesUs
  }

  #unreachable(from: SimNode, to: number): void {
    const { deadDialMs } = this.options
    // over a connection that is not yet known to be dead nothing comes back
    if (deadDialMs === undefined || from.isLinked(to)) return
    const at = this.nowUs + Math.round(deadDialMs * 1000)
    this.#queue.push(at, UNREACHABLE, from.id, to, from.epoch, undefined)
  }
}
