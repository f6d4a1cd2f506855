/** The two stacks that are compared, each as processes of several nodes on loopback without a relay. */
import { buildNative } from '../../conformance/peer.ts'
import { TOM } from '../contenders.ts'
import { bundle } from '../processes.ts'
import { IROH_GOSSIP } from './names.ts'
import { type SwarmProcess, SwarmProgram } from './program.ts'

export interface SwarmStack {
  /** The column of the table. */
  readonly name: string
  /** A process with so many nodes, each an endpoint with a UDP socket of its own on 127.0.0.1. */
  start(nodes: number): Promise<SwarmProcess>
}

/** `nodeArgs`: for Node itself, a profiler for example. */
export function ourStack(nodeArgs: readonly string[] = []): SwarmStack {
  return {
    name: TOM,
    start: async (nodes) => {
      const script = await bundle('gossip/worker.ts')
      return SwarmProgram.start(process.execPath, [...nodeArgs, '--expose-gc', script, '--nodes', String(nodes)])
    },
  }
}

export const NATIVE_STACK: SwarmStack = {
  name: IROH_GOSSIP,
  start: async (nodes) => SwarmProgram.start(await buildNative(), ['gossip', '--nodes', String(nodes)]),
}
