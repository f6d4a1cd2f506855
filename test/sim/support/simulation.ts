/**
 * Runs a scenario in virtual time to its very end and says what was wrong: data, hangs, leaks, amplification, ends that nobody planned. One
 * seed, one outcome, whatever the machine.
 */
import type { CloseReason, Incoming, Role, Route, TraceSink } from '../../../src/quic/index.ts'
import { AmplificationWatch } from './amplification.ts'
import { VirtualClock } from './clock.ts'
import { allowedEnds, describeReason, isLossy } from './ends.ts'
import { makeLink } from './make-link.ts'
import { type Address, Nat, Network, type SimSocket, type Watcher } from './network.ts'
import { SimNode } from './node.ts'
import { SimPeer } from './peer.ts'
import { SimRandom } from './random.ts'
import { ConnectionRun, type RunHost } from './run.ts'
import type { ConnectionPlan, Scenario } from './scenario.ts'

const PORT = 4433
/** Site names and addresses of the two nodes. */
const SITES = [
  { site: 'a', v4: '10.0.0.1', v6: 'fd00::a' },
  { site: 'b', v4: '192.0.2.2', v6: 'fd00::b' },
] as const
const NAT_HOSTS = ['198.51.100.1', '198.51.100.2', '198.51.100.3', '198.51.100.4'] as const
const ATTACKER: Address = { host: '203.0.113.66', port: 666 }
/** Events at one instant that mean a loop which never ends. */
const MOST_AT_ONCE = 50_000

export interface SimulationOptions {
  readonly trace?: (site: string, role: Role, originalDestinationId: string) => TraceSink | undefined
}

export interface Outcome {
  readonly violations: readonly string[]
  /** Of every datagram sent, with time, addresses and bytes. */
  readonly fingerprint: string
  readonly virtualMs: number
  readonly steps: number
  readonly datagrams: number
  readonly bytes: number
  /** Rounds of the drivers beyond one for each datagram: wake-ups for little. */
  readonly rounds: number
  readonly ends: readonly string[]
}

/** Folds all traffic into one number. */
class Fingerprint implements Watcher {
  #hash = 0x811c9dc5
  datagrams = 0
  bytes = 0

  sent(_local: SimSocket, source: Address, remote: Address, bytes: Uint8Array, now: number): void {
    this.datagrams++
    this.bytes += bytes.length
    let hash = this.#hash
    const mix = (value: number) => {
      hash = Math.imul(hash ^ value, 0x01000193)
    }
    mix(Math.floor(now * 4096))
    mix(source.port)
    mix(remote.port)
    mix(bytes.length)
    for (let at = 0; at < bytes.length; at += 37) mix(bytes[at]!)
    this.#hash = hash
  }

  get text(): string {
    return `${(this.#hash >>> 0).toString(16)}-${this.datagrams}-${this.bytes}`
  }
}

/** An attacker on the way who is faster: copies of datagrams arrive from its own address as well (RFC 9000 §9.3.3). */
class Attacker implements Watcher {
  readonly #network: Network
  readonly #from: number
  #left: number

  constructor(network: Network, from: number, count: number) {
    this.#network = network
    this.#from = from
    this.#left = count
  }

  sent(local: SimSocket, _source: Address, remote: Address, bytes: Uint8Array, now: number): void {
    if (local.site !== 'a' || local.family !== 4 || now < this.#from || this.#left === 0) return
    if ((bytes[0]! & 0x80) !== 0) return
    this.#left--
    this.#network.inject('attacker', ATTACKER, bytes.slice(), remote.host, remote.port)
  }
}

export class Simulation implements RunHost {
  readonly scenario: Scenario
  readonly clock = new VirtualClock()
  readonly network: Network
  readonly nodes: [SimNode, SimNode]
  readonly runs: ConnectionRun[] = []
  readonly violations: string[] = []
  retries = 0
  /** Nodes that were replaced. */
  readonly #formerNodes: SimNode[] = []
  readonly #random: SimRandom
  readonly #options: SimulationOptions
  readonly #watch = new AmplificationWatch()
  readonly #fingerprint = new Fingerprint()
  readonly #nat: Nat | undefined
  readonly #start: number
  readonly #strangers: SimPeer[] = []
  #cutAt = Number.POSITIVE_INFINITY
  #isRebinding = false

  constructor(scenario: Scenario, options: SimulationOptions = {}) {
    this.scenario = scenario
    this.#options = options
    this.#random = new SimRandom(scenario.name)
    this.network = new Network(this.clock)
    this.#start = this.clock.now
    this.#makeLinks()
    this.#nat = scenario.nat ? new Nat(NAT_HOSTS[0]) : undefined
    if (this.#nat !== undefined) this.network.setNat('a', this.#nat)
    this.network.watchers.push(this.#watch, this.#fingerprint)
    const { attacker } = scenario
    if (attacker !== undefined)
      this.network.watchers.push(new Attacker(this.network, this.#start + attacker.at, attacker.count))
    this.nodes = [this.#makeNode(0, 'first'), this.#makeNode(1, 'first')]
    for (const plan of scenario.connections) this.#plan(plan, plan.startsAt)
    this.#planPowerCut()
  }

  #makeLinks(): void {
    for (const [from, to] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const)
      for (const family of [4, 6] as const) {
        const random = this.#random.fork(`link ${from}>${to} ${family}`)
        this.network.setLink(from, to, family, makeLink(this.scenario.paths[family], random))
      }
  }

  #makeNode(index: 0 | 1, life: string): SimNode {
    const { site, v4, v6 } = SITES[index]
    const { scenario } = this
    return new SimNode({
      clock: this.clock,
      network: this.network,
      random: this.#random.fork(`node ${site} ${life}`),
      site,
      hosts: [v4, v6],
      port: PORT,
      secretKey: this.#random.fork(`key ${site}`).bytes(32),
      timerGrainMs: scenario.timerGrainMs,
      pace: () => (scenario.socketPerMs === undefined ? undefined : { count: scenario.socketPerMs, everyMs: 1 }),
      slots: scenario.slots,
      alpns: () => this.runs.map((run) => this.#alpn(run.index)),
      onIncoming: (node, incoming) => this.#incoming(node, index, incoming),
      trace: this.#options.trace,
    })
  }

  #plan(plan: ConnectionPlan, startsAt: number): void {
    const run = new ConnectionRun(this.runs.length, plan, this)
    this.runs.push(run)
    this.clock.after(startsAt, () => this.#dial(run))
  }

  #alpn(index: number): Uint8Array {
    return new TextEncoder().encode(`sim/${index}`)
  }

  #routes(run: ConnectionRun, families: readonly (4 | 6)[]): Route[] {
    const { dialler } = run.plan
    const node = this.nodes[dialler]
    const { v4, v6 } = SITES[dialler === 0 ? 1 : 0]
    return families.map((family) => {
      const host = family === 4 ? v4 : v6
      this.#watch.dialled(node.site, { host, port: PORT })
      return node.driver.route(host, PORT)!
    })
  }

  #dial(run: ConnectionRun): void {
    const { plan } = run
    const node = this.nodes[plan.dialler]
    if (node.isOff) {
      this.settled(run)
      return
    }
    const other = this.nodes[plan.dialler === 0 ? 1 : 0]
    const families: (4 | 6)[] = plan.fanOut ? (plan.family === 4 ? [4, 6] : [6, 4]) : [plan.family]
    const token =
      plan.showsToken === true ? this.runs.find((one) => one.client?.token !== undefined)?.client?.token : undefined
    run.client = new SimPeer(
      node,
      'client',
      (peer) =>
        node.driver.connect(
          {
            peer: other.driver.engine.publicKey,
            alpns: [this.#alpn(run.index)],
            routes: this.#routes(run, families),
            settings: plan.settings,
            ...(token === undefined ? {} : { token }),
          },
          peer,
        ),
      () => undefined,
    )
    run.client.run = run
    if (plan.close.at !== 'done') this.clock.after(plan.close.at, () => this.#closeEarly(run))
  }

  #closeEarly(run: ConnectionRun): void {
    run.isCut = true
    run.close()
  }

  #incoming(node: SimNode, index: 0 | 1, incoming: Incoming): void {
    if (this.scenario.retry[index] && !incoming.validated) {
      this.retries++
      node.driver.retry(incoming)
      return
    }
    const stranger = new SimPeer(
      node,
      'server',
      (peer) => node.driver.accept(incoming, peer, this.scenario.answering[index]),
      (peer) => this.#identify(peer),
    )
    this.#strangers.push(stranger)
  }

  #identify(peer: SimPeer): ConnectionRun | undefined {
    const alpn = new TextDecoder().decode(peer.connection.alpn)
    const run = this.runs[Number(alpn.slice(4))]
    if (run === undefined) {
      this.violation(`a server got the ALPN ${alpn}`)
      return undefined
    }
    if (run.server !== undefined) {
      this.violation(`connection ${run.index} came to the server twice`)
      return undefined
    }
    run.server = peer
    return run
  }

  otherRoute(run: ConnectionRun): Route {
    const now = run.client!.connection.route
    const [v4, v6] = this.#routes(run, [4, 6])
    return now === v4 ? v6! : v4!
  }

  violation(text: string): void {
    this.violations.push(`${(this.clock.now - this.#start).toFixed(1)} ms: ${text}`)
  }

  settled(run: ConnectionRun): void {
    run.isSettled = true
    if (this.#isRebinding || !this.runs.every((one) => one.isSettled)) return
    this.#isRebinding = true
    for (const { at, host } of this.scenario.rebinds) this.clock.after(at, () => this.#rebind(host))
  }

  /** Not while a handshake runs: a server only follows confirmed connections (RFC 9000 §9). */
  #rebind(host: boolean): void {
    if (this.runs.every((one) => one.isSettled))
      this.#nat!.rebind(host ? this.#random.pick(NAT_HOSTS) : this.#nat!.host)
    else this.clock.after(50, () => this.#rebind(host))
  }

  // power

  #planPowerCut(): void {
    const { powerCut, connections } = this.scenario
    if (powerCut === undefined) return
    const { node: index, at, back } = powerCut
    this.clock.after(at, () => {
      this.#cutAt = this.clock.now
      const node = this.nodes[index]
      this.violations.push(...node.powerOff())
      this.#formerNodes.push(node)
      for (const run of this.runs) run.isCut = true
      if (back === undefined) return
      this.clock.after(back, () => {
        this.nodes[index] = this.#makeNode(index, 'second')
        // Somebody dials again.
        this.#plan({ ...connections[0]!, close: { by: 'client', at: 'done', code: 7, reason: '' } }, 100)
      })
    })
  }

  // the end

  run(): Outcome {
    const deadline = this.#start + this.scenario.deadlineMs
    let instant = -1
    let atOnce = 0
    while (this.clock.step(deadline)) {
      if (this.clock.now !== instant) {
        instant = this.clock.now
        atOnce = 0
      } else if (++atOnce > MOST_AT_ONCE) {
        this.violation('time stands still: a loop without end')
        break
      }
      if (this.violations.length > 20) break
    }
    if (this.clock.pending > 0) this.#reportHang()
    else this.#checkEnds()
    const rounds = this.#allNodes.reduce((sum, node) => sum + node.driver.stats.rounds, 0)
    const received = this.#allNodes.reduce((sum, node) => sum + node.driver.stats.datagramsReceived, 0)
    if (rounds - received > 3 * this.#fingerprint.datagrams + 500)
      this.violation(
        `${rounds} rounds of the drivers for ${this.#fingerprint.datagrams} datagrams: timers fire for nothing`,
      )
    for (const node of this.#allNodes) {
      for (const fault of node.faults)
        this.violations.push(
          `${node.site}: the driver caught ${fault instanceof Error ? (fault.stack ?? fault.message) : String(fault)}`,
        )
      if (this.clock.pending === 0) this.violations.push(...node.leftovers())
      this.violations.push(...node.powerOff())
    }
    this.violations.push(...this.#watch.violations.slice(0, 5))
    if (this.network.openSockets > 0) this.violations.push(`${this.network.openSockets} sockets are still open`)
    return {
      violations: [...new Set(this.violations)],
      fingerprint: this.#fingerprint.text,
      virtualMs: this.clock.now - this.#start,
      steps: this.clock.steps,
      datagrams: this.#fingerprint.datagrams,
      bytes: this.#fingerprint.bytes,
      rounds: rounds - received,
      ends: this.runs.map((run) =>
        run.peers.map((peer) => `${peer.side} ${describeReason(peer.closeReason)}`).join(', '),
      ),
    }
  }

  get #allNodes(): readonly SimNode[] {
    return [...new Set([...this.nodes, ...this.#formerNodes])]
  }

  #reportHang(): void {
    this.violation(`not over: ${this.clock.pending} events pending`)
    for (const run of this.runs) {
      if (run.peers.every((peer) => peer.isDrained)) continue
      this.violations.push(`connection ${run.index} lacks ${run.undone}`)
      for (const peer of run.peers) this.violations.push(`  ${peer.describe()}`)
    }
    for (const peer of this.#strangers)
      if (peer.run === undefined && !peer.isDrained) this.violations.push(`  stranger ${peer.describe()}`)
  }

  #checkEnds(): void {
    for (const run of this.runs) {
      if (run.client === undefined && !run.isCut) this.violation(`connection ${run.index} was never dialled`)
      if (!run.isCut && !run.isDone) this.violation(`connection ${run.index} ended without ${run.undone}`)
      for (const peer of run.peers) if (!peer.node.isOff) this.#checkEnd(run, peer)
    }
    for (const peer of this.#strangers) {
      if (peer.run !== undefined || peer.node.isOff) continue
      // A late copy of a first packet, or a client that left during the handshake.
      const kind = peer.closeReason?.kind
      if (kind !== 'handshake-timeout' && kind !== 'peer-transport' && kind !== 'idle-timeout')
        this.violation(`a stranger ended by ${describeReason(peer.closeReason)}`)
    }
  }

  #checkEnd(run: ConnectionRun, peer: SimPeer): void {
    const { closeReason } = peer
    const where = `connection ${run.index}: ${peer.side}`
    if (closeReason === undefined || !peer.isDrained) {
      this.violation(`${where} has no end`)
      return
    }
    const text = describeReason(closeReason)
    if (!allowedEnds(run, peer.side, this.#isLossy, Number.isFinite(this.#cutAt)).includes(text))
      this.violation(`${where} ended by ${text}: ${JSON.stringify(closeReason)}`)
    this.#checkPatience(run, peer, closeReason)
  }

  get #isLossy(): boolean {
    const { paths, attacker, rebinds } = this.scenario
    return attacker !== undefined || rebinds.length > 0 || [paths[4], paths[6]].some(isLossy)
  }

  /** A silent peer is given up after the idle timeout, and not much later: a keep-alive may go out before the silence is noticed. */
  #checkPatience(run: ConnectionRun, peer: SimPeer, reason: CloseReason): void {
    if (reason.kind !== 'idle-timeout' && reason.kind !== 'handshake-timeout') return
    const since = Math.max(
      Math.min(this.#cutAt, run.isClosing ? run.closeAskedAt : Number.POSITIVE_INFINITY),
      this.#start,
    )
    const waited = peer.closedAt - since
    if (waited > 45_000)
      this.violation(`connection ${run.index}: ${peer.side} waited ${waited.toFixed(0)} ms for a silent peer`)
  }
}
