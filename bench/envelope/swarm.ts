/**
 * ToM nodes over two processes: node g lives in process g mod 2. All know the first one alone and come one after the other, each once the one before has a neighbour; who knows
 * whom is asked of the processes.
 */

import { pause } from '../pause.ts'
import type { Line, NodeProcess } from './types.ts'
import type { Newcomer, SendPlan, Sent } from './worker-node.ts'

export const PROCESSES = 2
/** A newcomer that has no neighbour by then is left alone; the next one comes. ms. */
const JOIN_PATIENCE_MS = 3_000
/** Between two looks at who knows whom, ms. */
const POLL_MS = 20

interface Member {
  readonly process: number
  /** Of its process. */
  readonly node: number
  /** 64 hex digits. */
  readonly id: string
  readonly ticket: string
}

export interface SwarmUsage {
  readonly cpuUs: number
  readonly rssBytes: number
}

/** Of the newcomer itself, and when all others knew it, ms from the same beginning. */
export interface NewcomerFigures extends Newcomer {
  readonly knownMs: number | undefined
}

/** Stop it, or its processes live as long as this one. */
export class NodeSwarm {
  readonly #processes: readonly NodeProcess[]
  readonly #members: Member[] = []

  private constructor(processes: readonly NodeProcess[]) {
    this.#processes = processes
  }

  /** Two processes without a node. */
  static async start(startProcess: () => Promise<NodeProcess>): Promise<NodeSwarm> {
    const processes: NodeProcess[] = []
    try {
      for (let index = 0; index < PROCESSES; index++) processes.push(await startProcess())
    } catch (error) {
      await Promise.all(processes.map((process) => process.stop()))
      throw error
    }
    return new NodeSwarm(processes)
  }

  get size(): number {
    return this.#members.length
  }

  /** Adds nodes until there are `size`. */
  async grow(size: number): Promise<void> {
    while (this.size < size) {
      const [first] = this.#members
      const process = this.size % PROCESSES
      const bootstrap = first === undefined ? [] : [first.ticket]
      this.#add(
        process,
        await this.#processes[process]!.request({ cmd: 'start', bootstrap, limitMs: JOIN_PATIENCE_MS }),
      )
    }
  }

  /** Nodes that do not have all others for online. */
  async ignorant(): Promise<number> {
    const counts = await this.#online()
    return counts.flat().filter((online) => online < this.size - 1).length
  }

  /** When everybody has everybody else for online (`performance.now`); undefined when that has not come about within `limitMs`. */
  async whole(limitMs: number): Promise<number | undefined> {
    const deadline = performance.now() + limitMs
    do {
      if ((await this.ignorant()) === 0) return performance.now()
      await pause(POLL_MS)
    } while (performance.now() < deadline)
    return undefined
  }

  send(from: number, to: number, plan: SendPlan): Promise<Sent> {
    const { process, node } = this.#members[from]!
    const command = { cmd: 'send', node, to: this.#members[to]!.id, ...plan }
    return this.#processes[process]!.request(
      command,
      plan.count * plan.patienceMs + JOIN_PATIENCE_MS,
    ) as Promise<unknown> as Promise<Sent>
  }

  /** One more node, which becomes a member: how it finds the others, and they it. */
  async newcomer(limitMs: number): Promise<NewcomerFigures> {
    const process = this.size % PROCESSES
    const { ticket, id } = this.#members[0]!
    const command = { cmd: 'newcomer', bootstrap: ticket, bootstrapId: id, want: this.size, limitMs }
    const began = performance.now()
    const coming = this.#processes[process]!.request(command, 2 * limitMs + JOIN_PATIENCE_MS)
    const known = this.#knownToAll(this.size, began + limitMs)
    const [line, knownAt] = await Promise.all([coming, known])
    this.#add(process, line)
    const { neighborMs, strangerMs, messageMs, everybodyMs } = line as unknown as Newcomer
    const knownMs = knownAt === undefined ? undefined : knownAt - began
    return { neighborMs, strangerMs, messageMs, everybodyMs, knownMs }
  }

  /** `collect`: after a garbage collection. */
  async usage(collect = false): Promise<SwarmUsage> {
    const answers = await Promise.all(this.#processes.map((process) => process.request({ cmd: 'usage', collect })))
    const sum = (of: keyof SwarmUsage): number => answers.reduce((total, answer) => total + (answer[of] as number), 0)
    return { cpuUs: sum('cpuUs'), rssBytes: sum('rssBytes') }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.stop()))
  }

  /** When all members have `online` others (`performance.now`). Who is about to become one does not count. */
  async #knownToAll(online: number, deadline: number): Promise<number | undefined> {
    while (performance.now() < deadline) {
      const counts = await this.#online()
      if (this.#members.every(({ process, node }) => counts[process]![node]! >= online)) return performance.now()
      await pause(POLL_MS)
    }
    return undefined
  }

  /** Of each process and node. */
  async #online(): Promise<number[][]> {
    const answers = await Promise.all(this.#processes.map((process) => process.request({ cmd: 'online' })))
    return answers.map(({ online }) => online as number[])
  }

  #add(process: number, { node, peer, ticket }: Line): void {
    this.#members.push({ process, node: node as number, id: String(peer), ticket: String(ticket) })
  }
}
