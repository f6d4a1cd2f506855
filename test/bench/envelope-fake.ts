/** Processes with ToM nodes without a process: all nodes know each other at once, and what goes wrong can be chosen. */
import type { Line, NodeProcess, Pair } from '../../bench/envelope/types.ts'
import type { SendPlan, Sent } from '../../bench/envelope/worker-node.ts'

export interface FakeOptions {
  /** The node with this number among all is known to nobody and gets nothing. */
  readonly deaf?: number
  /** The node with this number hears of nobody. */
  readonly blind?: number
  /** Refused. */
  readonly refuses?: string
}

const LATENCY_US = 1_500

export class FakeWorld {
  readonly options: FakeOptions
  /** What was asked for, in order: `start ticket <- bootstrap`, `send from to size`, `newcomer …`. */
  readonly log: string[] = []
  /** Of all nodes. */
  readonly ids: string[] = []
  /** Processes that run. */
  running = 0

  constructor(options: FakeOptions = {}) {
    this.options = options
  }

  readonly startProcess = async (): Promise<NodeProcess> => {
    this.running++
    return new FakeProcess(this, this.running - 1)
  }

  isDeaf(id: string): boolean {
    return this.ids.indexOf(id) === this.options.deaf
  }

  /** Others that `id` has for online. */
  online(id: string): number {
    if (this.isDeaf(id) || this.ids.indexOf(id) === this.options.blind) return 0
    return this.ids.filter((other) => other !== id && !this.isDeaf(other)).length
  }
}

class FakeProcess implements NodeProcess {
  readonly #world: FakeWorld
  readonly #index: number
  readonly #own: string[] = []
  #cpuUs = 0

  constructor(world: FakeWorld, index: number) {
    this.#world = world
    this.#index = index
  }

  async request({ cmd, ...rest }: Line): Promise<Line> {
    const world = this.#world
    const { options, log } = world
    if (options.refuses === cmd) throw new Error(`${cmd} is refused`)
    switch (cmd) {
      case 'start':
        return { ...this.#start((rest.bootstrap as string[]).join()), hasJoined: true }
      case 'newcomer':
        log.push(`newcomer ${rest.bootstrap} ${rest.want}`)
        return { ...this.#start(String(rest.bootstrap)), neighborMs: 1, strangerMs: 2, messageMs: 3, everybodyMs: 4 }
      case 'send': {
        const { to, size, count } = rest as unknown as SendPlan & { readonly to: string }
        const from = this.#own[Number(rest.node)]!
        log.push(`send ${from} ${to} ${size}`)
        this.#cpuUs += 1_000 * count
        return sent(count, !world.isDeaf(to)) as unknown as Line
      }
      case 'online':
        return { online: this.#own.map((id) => world.online(id)) }
      case 'collect':
        return { oneWayUs: [700], received: 1 }
      case 'usage':
        return { cpuUs: this.#cpuUs, rssBytes: 1e6 }
      default:
        throw new Error(`no command ${cmd}`)
    }
  }

  async stop(): Promise<void> {
    this.#world.running--
  }

  #start(bootstrap: string): Line {
    const id = `${this.#index}.${this.#own.length}`
    this.#world.log.push(`start ${id} <- ${bootstrap}`)
    this.#own.push(id)
    this.#world.ids.push(id)
    return { node: this.#own.length - 1, peer: id, ticket: `t${id}` }
  }
}

function sent(count: number, isDelivered: boolean): Sent {
  if (!isDelivered) return { delivered: 0, latenciesUs: [], ms: 1, problem: 'not acknowledged' }
  return { delivered: count, latenciesUs: new Array<number>(count).fill(LATENCY_US), ms: count / 2, problem: undefined }
}

/** Two messages a millisecond; `lost` of each run are not delivered. */
export class FakePair implements Pair {
  readonly plans: SendPlan[] = []
  readonly #lost: number
  isStopped = false
  #cpuUs = 0

  constructor(lost = 0) {
    this.#lost = lost
  }

  async send(plan: SendPlan): Promise<Sent> {
    this.plans.push(plan)
    this.#cpuUs += 100 * plan.count
    const all = sent(plan.count, true)
    return { ...all, delivered: plan.count - this.#lost, problem: this.#lost === 0 ? undefined : 'too slow' }
  }

  async oneWayUs(): Promise<readonly number[]> {
    return [700]
  }

  async cpuUs(): Promise<number> {
    return this.#cpuUs
  }

  async stop(): Promise<void> {
    this.isStopped = true
  }
}
