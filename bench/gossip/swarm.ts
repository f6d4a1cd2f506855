/**
 * One topic over two processes: node g lives in process g mod 2. Knows the neighbours of all nodes from events, adds up what both processes count, and lets the swarm
 * grow as the figures want it: all nodes know the first one, and come one after the other.
 */
import { randomBytes } from 'node:crypto'
import { pause } from '../pause.ts'
import type { SwarmEvent, SwarmProcess } from './program.ts'
import type { SwarmStack } from './stacks.ts'

export const PROCESSES = 2

/** Of all nodes since it was last asked. */
export interface Collected {
  /** Contents delivered to applications. */
  readonly received: number
  /** Of timed broadcasts: from just before the call until the application of a receiver had it. */
  readonly latenciesUs: readonly number[]
  /** Payloads that came although they were there; undefined where the stack does not say. */
  readonly duplicates: number | undefined
}

/** Of both processes, since their start. */
export interface SwarmUsage {
  readonly cpuUs: number
  readonly rssBytes: number
}

/** Counts are asked for this often, ms: at first and, growing by half each time, at last. */
const FIRST_POLL_MS = 2
const LAST_POLL_MS = 25
const LONELY_POLL_MS = 5

type Line = Readonly<Record<string, unknown>>

/** Stop it, or its processes live as long as this one. */
export class Swarm {
  readonly size: number
  readonly #processes: readonly SwarmProcess[]
  readonly #topic: string
  readonly #neighbors: readonly Set<string>[]
  /** Events that were looked at, of each process. */
  readonly #seen: number[]

  private constructor(processes: readonly SwarmProcess[], size: number) {
    this.size = size
    this.#processes = processes
    this.#topic = randomBytes(32).toString('hex')
    this.#neighbors = Array.from({ length: size }, () => new Set<string>())
    this.#seen = processes.map(() => 0)
  }

  /** Fresh processes and endpoints; nobody has subscribed yet. */
  static async start(stack: SwarmStack, size: number): Promise<Swarm> {
    const processes: SwarmProcess[] = []
    try {
      for (let index = 0; index < PROCESSES; index++)
        processes.push(await stack.start(Math.ceil((size - index) / PROCESSES)))
    } catch (error) {
      await Promise.all(processes.map((process) => process.stop()))
      throw error
    }
    return new Swarm(processes, size)
  }

  /** Nodes without a neighbour. */
  lonely(): number {
    for (const [index, { events }] of this.#processes.entries()) {
      for (const event of events.slice(this.#seen[index])) this.#onEvent(index, event)
      this.#seen[index] = events.length
    }
    return this.#neighbors.filter((peers) => peers.size === 0).length
  }

  /** Subscribes all nodes, the first without a bootstrap, each further one with the first as its bootstrap once the one before has a neighbour, or `limitMs` after. */
  async subscribeAll(limitMs: number): Promise<void> {
    const first = this.#processes[0]!.nodes[0]!.ticket
    for (let node = 0; node < this.size; node++) {
      await this.#ask(node, { cmd: 'subscribe', bootstrap: node === 0 ? [] : [first], quiet: true })
      if (node > 0) await this.#processes[node % PROCESSES]!.hasHadNeighbor(Math.floor(node / PROCESSES), limitMs)
    }
  }

  /** Timed contents, one after the other as fast as they are taken. Resolves when the last is taken. */
  async broadcast(node: number, size: number, count: number, limitMs?: number): Promise<void> {
    await this.#ask(node, { cmd: 'broadcast', size, count }, limitMs)
  }

  /** `withLatencies` false: where thousands of messages are only counted, the list is not wanted. */
  async collect(withLatencies = true): Promise<Collected> {
    const command = { cmd: 'collect', topic: this.#topic, latencies: withLatencies }
    const answers = await Promise.all(this.#processes.map((process) => process.request(command)))
    const duplicates = answers.map((answer) => answer.duplicates as number | undefined)
    return {
      received: answers.reduce((sum, { received }) => sum + (received as number), 0),
      latenciesUs: answers.flatMap(({ latenciesUs = [] }) => latenciesUs as number[]),
      duplicates: duplicates.every((count) => count !== undefined)
        ? duplicates.reduce((sum, count) => sum + count, 0)
        : undefined,
    }
  }

  /** Collects until `wanted` contents were received, or none came for `patienceMs`. `lastAt` (`performance.now`): when the last of them was seen to be there. */
  async drain(
    wanted: number,
    patienceMs: number,
    withLatencies = true,
  ): Promise<Collected & { readonly lastAt: number }> {
    let [received, lastAt] = [0, performance.now()]
    const latenciesUs: number[] = []
    let duplicates: number | undefined = 0
    for (let waitMs = FIRST_POLL_MS; ; waitMs = Math.min(LAST_POLL_MS, waitMs * 1.5)) {
      const found = await this.collect(withLatencies)
      const now = performance.now()
      if (found.received > 0) lastAt = now
      received += found.received
      for (const latency of found.latenciesUs) latenciesUs.push(latency)
      duplicates =
        duplicates === undefined || found.duplicates === undefined ? undefined : duplicates + found.duplicates
      if (received >= wanted || now - lastAt > patienceMs) return { received, latenciesUs, duplicates, lastAt }
      await pause(waitMs)
    }
  }

  /** `collectGarbage`: first, where the stack has any. */
  async usage(collectGarbage = false): Promise<SwarmUsage> {
    const command = { cmd: 'usage', collect: collectGarbage }
    const answers = await Promise.all(this.#processes.map((process) => process.request(command)))
    const sum = (of: string): number => answers.reduce((total, answer) => total + (answer[of] as number), 0)
    return { cpuUs: sum('cpuUserUs') + sum('cpuSystemUs'), rssBytes: sum('rssBytes') }
  }

  /** False when that has not come about within `limitMs`. */
  async nobodyIsLonely(limitMs: number): Promise<boolean> {
    const deadline = performance.now() + limitMs
    while (this.lonely() > 0) {
      if (performance.now() > deadline) return false
      await pause(LONELY_POLL_MS)
    }
    return true
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.stop()))
  }

  #ask(node: number, command: Line, limitMs?: number): Promise<Line> {
    const line = { node: Math.floor(node / PROCESSES), topic: this.#topic, ...command }
    return this.#processes[node % PROCESSES]!.request(line, limitMs)
  }

  #onEvent(process: number, event: SwarmEvent): void {
    const peers = this.#neighbors[event.node * PROCESSES + process]
    if (event.event === 'neighbor-up') peers?.add(event.peer)
    else if (event.event === 'neighbor-down') peers?.delete(event.peer)
  }
}
