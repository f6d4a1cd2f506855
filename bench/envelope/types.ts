/** What orchestration needs of processes and of pairs of nodes. Types only. */
import type { SendPlan, Sent } from './worker-node.ts'

export type Line = Readonly<Record<string, unknown>>

/** A process with nodes (bench/envelope/worker.ts has the other side). */
export interface NodeProcess {
  /** The answer. Rejects when the process refuses, ends, or takes longer than `limitMs` (default 30 s). */
  request(command: Line, limitMs?: number): Promise<Line>
  stop(): Promise<void>
}

/** Two nodes in processes of their own that know each other; the second writes to the first. */
export interface Pair {
  send(plan: SendPlan): Promise<Sent>
  /** From just before `send` until the application has it, since it was last asked; undefined where the stack does not say. */
  oneWayUs(): Promise<readonly number[] | undefined>
  /** Of both processes, µs. */
  cpuUs(): Promise<number>
  stop(): Promise<void>
}

export interface PairStack {
  /** The column of the table. */
  readonly name: string
  readonly isStored: boolean
  start(): Promise<Pair>
}
