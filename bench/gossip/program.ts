/**
 * A process with several gossip nodes, ours or native, spoken to by JSON lines (bench/gossip/worker.ts has the other side): commands with time limits, and what it
 * told of neighbours.
 */
import { NativeProgram } from '../../conformance/native-program.ts'

type Line = Readonly<Record<string, unknown>>

export interface SwarmNode {
  /** 64 hex digits. */
  readonly id: string
  readonly ticket: string
}

interface NeighborEvent<Kind extends string> {
  readonly event: Kind
  /** Of this process. */
  readonly node: number
  readonly peer: string
}

/** Those that are looked at; there are others. */
export type SwarmEvent = NeighborEvent<'neighbor-up'> | NeighborEvent<'neighbor-down'>

/** What orchestration needs of a process. */
export interface SwarmProcess {
  readonly nodes: readonly SwarmNode[]
  /** All so far, in order. */
  readonly events: readonly SwarmEvent[]
  /** True once the node has had a neighbour; false when that has not come about within `limitMs`. */
  hasHadNeighbor(node: number, limitMs: number): Promise<boolean>
  /** The answer. Rejects when the process refuses, ends, or takes longer than `limitMs` (default 30 s). */
  request(command: Line, limitMs?: number): Promise<Line>
  stop(): Promise<void>
}

const REQUEST_LIMIT_MS = 30_000

/** Stop it, or it lives as long as this process. */
export class SwarmProgram implements SwarmProcess {
  readonly nodes: readonly SwarmNode[]
  readonly #program: NativeProgram<SwarmEvent>

  private constructor(program: NativeProgram<SwarmEvent>) {
    this.nodes = program.hello.nodes as SwarmNode[]
    this.#program = program
  }

  static async start(command: string, args: readonly string[]): Promise<SwarmProgram> {
    return new SwarmProgram(await NativeProgram.start<SwarmEvent>(command, args, 'listening', 'id'))
  }

  get events(): readonly SwarmEvent[] {
    return this.#program.events
  }

  hasHadNeighbor(node: number, limitMs: number): Promise<boolean> {
    return this.#program
      .waitFor('neighbor-up', (event) => event.node === node, limitMs)
      .then(
        () => true,
        () => false,
      )
  }

  request(command: Line, limitMs = REQUEST_LIMIT_MS): Promise<Line> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`no answer to ${command.cmd} within ${limitMs / 1000} s`)),
        limitMs,
      )
      this.#program
        .request(command)
        .then(resolve, reject)
        .finally(() => clearTimeout(timer))
    })
  }

  /** By force when it takes longer than 3 s. */
  stop(): Promise<void> {
    return this.#program.stop()
  }
}
