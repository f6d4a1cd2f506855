/**
 * One node of the worker: a `TomNode` with a UDP socket of its own on loopback, its reader, and the clocks around what it sends. Latencies begin just before `send` is called and
 * end when the acknowledgement has been verified; knows no lines and no other node.
 */
import { TomNode } from '../../src/envelope/node.ts'
import { EndpointId } from '../../src/identity/index.ts'
import { HEAD_BYTES, latencyUs, wallUs, writeTimed } from '../gossip/content.ts'

export interface NodeSettings {
  /** Tickets. */
  readonly bootstrap: readonly string[]
  /** A folder: what is sent and received is there before it is said to be. */
  readonly storage?: string | undefined
  /** Nobody is kept waiting for being fast. */
  readonly isTrusting: boolean
}

export interface SendPlan {
  /** Of plaintext, bytes; below 16 the contents do not tell their way's time. */
  readonly size: number
  readonly count: number
  /** Messages without an acknowledgement yet, at most. */
  readonly inFlight: number
  /** A message that takes longer counts as not delivered, ms. */
  readonly patienceMs: number
}

export interface Sent {
  readonly delivered: number
  /** From just before `send` until the receipt says delivered; of those that were. */
  readonly latenciesUs: readonly number[]
  /** From the first `send` until the last receipt. */
  readonly ms: number
  /** What the first message that was not delivered says. */
  readonly problem: string | undefined
}

export interface Newcomer {
  /** All from just before its endpoint is opened, ms; undefined: not in time. */
  readonly neighborMs: number | undefined
  /** Somebody else than the peer it was told of is online. */
  readonly strangerMs: number | undefined
  /** A message to that stranger, by its key alone, is acknowledged. */
  readonly messageMs: number | undefined
  /** `want` peers are online. */
  readonly everybodyMs: number | undefined
}

const LOOPBACK = ['127.0.0.1:0']

export class WorkerNode {
  readonly node: TomNode
  /** Messages that the application got. */
  received = 0
  /** From just before `send` until the application has it, µs, since it was last asked. */
  oneWayUs: number[] = []
  #sequence = 0

  private constructor(node: TomNode) {
    this.node = node
    void this.#read()
  }

  static async start({ bootstrap, storage, isTrusting }: NodeSettings): Promise<WorkerNode> {
    const node = await TomNode.start({
      bind: LOOPBACK,
      bootstrap,
      proxy: null,
      ...(storage === undefined ? {} : { storage }),
      ...(isTrusting ? { trusts: () => true } : {}),
    })
    return new WorkerNode(node)
  }

  get ticket(): string {
    return String(this.node.ticket())
  }

  async hasJoined(limitMs: number): Promise<boolean> {
    return succeeds(this.node.joined({ signal: AbortSignal.timeout(limitMs) }))
  }

  /** Peers that proved their key and are there. */
  get online(): number {
    return this.node.metrics().online
  }

  /** `to`: an id. A message each, `inFlight` of them at a time. */
  async send(to: string, { size, count, inFlight, patienceMs }: SendPlan): Promise<Sent> {
    const id = EndpointId.parse(to)
    const latenciesUs: number[] = []
    let problem: string | undefined
    let left = count
    const one = async (): Promise<void> => {
      const content = size < HEAD_BYTES ? new Uint8Array(size) : writeTimed(size, wallUs(), 0, this.#sequence++)
      const began = performance.now()
      try {
        const receipt = await this.node.send(id, content)
        await receipt.delivered({ timeoutMs: patienceMs })
        latenciesUs.push((performance.now() - began) * 1000)
      } catch (error) {
        problem ??= error instanceof Error ? error.message : String(error)
      }
    }
    const began = performance.now()
    const oneByOne = async (): Promise<void> => {
      while (left-- > 0) await one()
    }
    await Promise.all(Array.from({ length: inFlight }, oneByOne))
    return { delivered: latenciesUs.length, latenciesUs, ms: performance.now() - began, problem }
  }

  /** From nothing to the first message and to everybody. */
  static async newcomer(
    bootstrap: string,
    bootstrapId: string,
    want: number,
    limitMs: number,
  ): Promise<{ one: WorkerNode; newcomer: Newcomer }> {
    const began = performance.now()
    const elapsed = (): number => performance.now() - began
    const one = await WorkerNode.start({ bootstrap: [bootstrap], isTrusting: false })
    const neighbor = one.hasJoined(limitMs).then((isIn) => (isIn ? elapsed() : undefined))
    let [strangerMs, everybodyMs]: (number | undefined)[] = []
    let message: Promise<number | undefined> = Promise.resolve(undefined)
    const signal = AbortSignal.timeout(limitMs)
    try {
      for await (const { kind, peer } of one.node.peerEvents({ signal })) {
        if (strangerMs === undefined && kind === 'online' && String(peer) !== bootstrapId) {
          strangerMs = elapsed()
          const plan = { size: 5, count: 1, inFlight: 1, patienceMs: limitMs }
          message = one.send(String(peer), plan).then(({ delivered }) => (delivered === 1 ? elapsed() : undefined))
        }
        if (one.online < want) continue
        everybodyMs = elapsed()
        break
      }
    } catch {
      // the time is up
    }
    const newcomer = { neighborMs: await neighbor, strangerMs, messageMs: await message, everybodyMs }
    return { one, newcomer }
  }

  /** Since it was last asked. */
  collect(): readonly number[] {
    const { oneWayUs } = this
    this.oneWayUs = []
    return oneWayUs
  }

  async #read(): Promise<void> {
    for await (const { bytes } of this.node.messages()) {
      this.received++
      const latency = latencyUs(bytes, wallUs())
      if (latency !== undefined) this.oneWayUs.push(latency)
    }
  }
}

function succeeds(work: Promise<void>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  )
}
