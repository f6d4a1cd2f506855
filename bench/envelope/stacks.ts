/** What is compared: processes with nodes of ours, and pairs of nodes, ours (in memory, or stored on disk first) and native. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { TOM } from '../contenders.ts'
import { SwarmProgram } from '../gossip/program.ts'
import { bundle } from '../processes.ts'
import { RUST } from './names.ts'
import { NativePair } from './native-pair.ts'
import type { NodeProcess, Pair, PairStack } from './types.ts'
import type { SendPlan, Sent } from './worker-node.ts'

export async function startOurs(): Promise<NodeProcess> {
  return SwarmProgram.start(process.execPath, ['--expose-gc', await bundle('envelope/worker.ts')])
}

const JOIN_LIMIT_MS = 10_000
/** Of a whole run of messages, ms. */
const SEND_LIMIT_MS = 60_000

export class OurPair implements Pair {
  readonly #processes: readonly NodeProcess[]
  readonly #to: string
  readonly #folder: string | undefined

  private constructor(processes: readonly NodeProcess[], to: string, folder: string | undefined) {
    this.#processes = processes
    this.#to = to
    this.#folder = folder
  }

  static async start(isStored: boolean, startProcess = startOurs): Promise<OurPair> {
    const processes: NodeProcess[] = []
    const folder = isStored ? await storageFolder() : undefined
    try {
      const bootstrap: string[] = []
      let to = ''
      for (const name of ['recipient', 'sender']) {
        const process = await startProcess()
        processes.push(process)
        const storage = folder === undefined ? {} : { storage: join(folder, name) }
        const command = { cmd: 'start', bootstrap, trusting: true, limitMs: JOIN_LIMIT_MS, ...storage }
        const { ticket, peer, hasJoined } = await process.request(command)
        if (hasJoined !== true) throw new Error('the two nodes did not find each other')
        if (name === 'sender') continue
        bootstrap.push(String(ticket))
        to = String(peer)
      }
      return new OurPair(processes, to, folder)
    } catch (error) {
      await stopAll(processes, folder)
      throw error
    }
  }

  async send(plan: SendPlan): Promise<Sent> {
    const command = { cmd: 'send', node: 0, to: this.#to, ...plan }
    return (await this.#processes[1]!.request(command, SEND_LIMIT_MS)) as unknown as Sent
  }

  async oneWayUs(): Promise<readonly number[]> {
    return (await this.#processes[0]!.request({ cmd: 'collect' })).oneWayUs as number[]
  }

  async cpuUs(): Promise<number> {
    const answers = await Promise.all(this.#processes.map((process) => process.request({ cmd: 'usage' })))
    return answers.reduce((sum, { cpuUs }) => sum + (cpuUs as number), 0)
  }

  stop(): Promise<void> {
    return stopAll(this.#processes, this.#folder)
  }
}

async function stopAll(processes: readonly NodeProcess[], folder: string | undefined): Promise<void> {
  await Promise.all(processes.map((process) => process.stop()))
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
}

/** Beside the bundles: on the disk of the project, for a temporary folder may be memory. */
async function storageFolder(): Promise<string> {
  const cache = dirname(await bundle('envelope/worker.ts'))
  mkdirSync(cache, { recursive: true })
  return mkdtempSync(join(cache, 'storage-'))
}

/** In the order of their turns. */
export function pairStacks(withNative: boolean): readonly PairStack[] {
  const ours = [false, true].map((isStored) => ({ name: TOM, isStored, start: () => OurPair.start(isStored) }))
  const native = { name: RUST, isStored: false, start: () => NativePair.start() }
  return withNative ? [...ours, native] : ours
}
