/**
 * Two `tom-native tom` processes. The program sends what a line tells it and tells what came in lines, so each message costs a line there and two back in the orchestrator's
 * process, which holds the clock; `line` measures what that takes alone.
 */

import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { promisify } from 'node:util'
import type { TomEvent } from '../../conformance/envelope/tom-program.ts'
import { NativeProgram } from '../../conformance/native-program.ts'
import { buildNative } from '../../conformance/peer.ts'
import { median } from '../statistics.ts'
import type { SealResult } from './seal.ts'
import type { Pair } from './types.ts'
import type { SendPlan, Sent } from './worker-node.ts'

const BENCH_LIMIT_MS = 60_000
const LINES = 500

/** Rejects when it fails or takes longer than a minute. */
export async function nativeSealing(sizes: readonly number[], ms: number): Promise<SealResult[]> {
  const args = ['envelope-bench', '--sizes', sizes.join(','), '--ms', String(ms)]
  const { stdout } = await promisify(execFile)(await buildNative(), args, { timeout: BENCH_LIMIT_MS })
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as SealResult)
}

type Program = NativeProgram<TomEvent>

export class NativePair implements Pair {
  readonly #sender: Program
  readonly #recipient: Program
  /** By id: called when the message is acknowledged. */
  readonly #waiting = new Map<string, () => void>()

  private constructor(recipient: Program, sender: Program) {
    this.#recipient = recipient
    this.#sender = sender
    sender.listen((event) => {
      if (event.event !== 'ack') return
      this.#waiting.get(event.original)?.()
      this.#waiting.delete(event.original)
    })
  }

  /** `command`: what speaks these lines, with arguments before its own. Default: the native program, built if need be. */
  static async start(command?: readonly [string, ...string[]]): Promise<NativePair> {
    const [program, ...before] = command ?? [await buildNative()]
    const start = (args: readonly string[]): Promise<Program> =>
      NativeProgram.start<TomEvent>(program, [...before, 'tom', '--quiet', ...args], 'listening')
    const recipient = await start([])
    try {
      const sender = await start(['--bootstrap', String(recipient.hello.ticket)])
      // the way back as well
      await recipient.request({ cmd: 'add-peers', tickets: [sender.hello.ticket] })
      return new NativePair(recipient, sender)
    } catch (error) {
      await recipient.stop()
      throw error
    }
  }

  async send({ size, count, inFlight, patienceMs }: SendPlan): Promise<Sent> {
    const payload = '67'.repeat(size)
    const to = this.#recipient.hello.id
    const latenciesUs: number[] = []
    let problem: string | undefined
    let left = count
    const oneByOne = async (): Promise<void> => {
      while (left-- > 0) {
        const id: string = randomUUID()
        const began = performance.now()
        try {
          const acknowledged = this.#acknowledged(id, patienceMs)
          const command = { cmd: 'send', type: 'Chat', encrypt: true, to, payload, id }
          await Promise.all([this.#sender.request(command), acknowledged])
          latenciesUs.push((performance.now() - began) * 1000)
        } catch (error) {
          problem ??= error instanceof Error ? error.message : String(error)
        }
      }
    }
    const began = performance.now()
    await Promise.all(Array.from({ length: inFlight }, oneByOne))
    return { delivered: latenciesUs.length, latenciesUs, ms: performance.now() - began, problem }
  }

  async oneWayUs(): Promise<undefined> {
    return undefined
  }

  async cpuUs(): Promise<number> {
    const answers = await Promise.all([this.#sender, this.#recipient].map((one) => one.request({ cmd: 'usage' })))
    return answers.reduce((sum, { cpuUserUs, cpuSystemUs }) => sum + Number(cpuUserUs) + Number(cpuSystemUs), 0)
  }

  /** A line there and the answer back, without a message: the median, µs. */
  async line(): Promise<number> {
    const taken: number[] = []
    for (let line = 0; line < LINES; line++) {
      const began = performance.now()
      await this.#sender.request({ cmd: 'status' })
      taken.push((performance.now() - began) * 1000)
    }
    return median(taken)
  }

  async stop(): Promise<void> {
    await Promise.all([this.#sender.stop(), this.#recipient.stop()])
  }

  #acknowledged(id: string, patienceMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id)
        reject(new Error(`no acknowledgement within ${patienceMs / 1000} s`))
      }, patienceMs)
      this.#waiting.set(id, () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
}
