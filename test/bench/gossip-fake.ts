/** Swarm processes without a process: all nodes of a stack share one topic in memory, and what goes wrong can be chosen. */
import type { SwarmEvent, SwarmProcess } from '../../bench/gossip/program.ts'
import type { SwarmStack } from '../../bench/gossip/stacks.ts'

type Line = Readonly<Record<string, unknown>>

export interface FakeOptions {
  /** Of the stack. */
  readonly name: string
  /** The node with this number among all never gets a neighbour nor a message. */
  readonly deaf?: number
  /** Every message comes so often to all. */
  readonly copies?: number
  /** The stack does not count copies. */
  readonly isSilentAboutCopies?: boolean
  readonly latencyUs?: number
  /** Refused. */
  readonly refuses?: string
}

interface FakeNode {
  readonly process: FakeProcess
  readonly local: number
  readonly ticket: string
  isIn: boolean
  received: number
}

export class FakeStack implements SwarmStack {
  readonly name: string
  readonly options: FakeOptions
  /** What was asked for, in order: `subscribe ticket <- bootstrap`, `broadcast ticket size count`. */
  readonly log: string[] = []
  nodes: FakeNode[] = []
  /** Processes that run. */
  running = 0

  constructor(options: FakeOptions) {
    this.name = options.name
    this.options = options
  }

  async start(nodes: number): Promise<SwarmProcess> {
    if (this.running === 0) this.nodes = []
    this.running++
    return new FakeProcess(this, this.running - 1, nodes)
  }
}

class FakeProcess implements SwarmProcess {
  readonly nodes: { id: string; ticket: string }[]
  readonly events: SwarmEvent[] = []
  readonly #stack: FakeStack
  readonly #own: FakeNode[]
  #latenciesUs: number[] = []
  #copies = 0
  #cpuUs = 0

  constructor(stack: FakeStack, index: number, count: number) {
    this.#stack = stack
    this.nodes = Array.from({ length: count }, (_, local) => ({
      id: `id${index}.${local}`,
      ticket: `t${index}.${local}`,
    }))
    this.#own = this.nodes.map(({ ticket }, local) => ({ process: this, local, ticket, isIn: false, received: 0 }))
    stack.nodes.push(...this.#own)
  }

  async request({ cmd, node, ...rest }: Line): Promise<Line> {
    const { options, log, nodes } = this.#stack
    if (options.refuses === cmd) throw new Error(`${cmd} is refused`)
    this.#cpuUs += 1000
    const own = this.#own[Number(node)]!
    const others = nodes.filter((other) => other !== own && other.isIn && !this.#isDeaf(other))
    switch (cmd) {
      case 'subscribe':
        log.push(`subscribe ${own.ticket} <- ${(rest.bootstrap as string[]).join()}`)
        own.isIn = true
        if (!this.#isDeaf(own) && others.length > 0) {
          this.#neighbors(own, others[0]!)
          this.#neighbors(others[0]!, own)
        }
        return {}
      case 'broadcast':
        log.push(`broadcast ${own.ticket} ${rest.size} ${rest.count}`)
        for (const other of others) other.process.#receive(other, rest.count as number)
        return {}
      case 'collect': {
        const received = this.#own.reduce((sum, one) => sum + one.received, 0)
        for (const one of this.#own) one.received = 0
        const [latenciesUs, duplicates] = [rest.latencies === true ? this.#latenciesUs : [], this.#copies]
        this.#latenciesUs = []
        this.#copies = 0
        return { received, latenciesUs, ...(options.isSilentAboutCopies === true ? {} : { duplicates }) }
      }
      case 'usage':
        return { cpuUserUs: this.#cpuUs, cpuSystemUs: 0, rssBytes: 1e6 + this.#own.length * 50_000 }
      default:
        throw new Error(`no command ${cmd}`)
    }
  }

  async hasHadNeighbor(node: number): Promise<boolean> {
    return this.events.some((event) => event.event === 'neighbor-up' && event.node === node)
  }

  async stop(): Promise<void> {
    this.#stack.running--
  }

  #isDeaf(node: FakeNode): boolean {
    return this.#stack.nodes.indexOf(node) === this.#stack.options.deaf
  }

  #neighbors(node: FakeNode, peer: FakeNode): void {
    node.process.events.push({ event: 'neighbor-up', node: node.local, peer: peer.ticket })
  }

  #receive(node: FakeNode, count: number): void {
    const { copies = 1, latencyUs = 500 } = this.#stack.options
    node.received += count
    this.#copies += (copies - 1) * count
    for (let message = 0; message < count; message++) this.#latenciesUs.push(latencyUs)
  }
}
