/** The two kinds of node that are measured, each end a process of its own that is spoken to by JSON lines, and where they meet. */
import { NativeProgram } from '../../conformance/native-program.ts'
import { buildNative, type NativePeer, startListener } from '../../conformance/peer.ts'
import { EndpointAddr, EndpointId, EndpointTicket } from '../../src/identity/index.ts'
import { bundle } from '../processes.ts'
import type { ShapedOptions } from './shaped-platform.ts'

/** A path was selected. */
export interface Selection {
  readonly kind: string
  /** ms since 1970. */
  readonly at: number
  /** Of the connection until then: handshake, relay, probes and all. */
  readonly sentDatagrams: number
}

interface PathLine extends Selection {
  readonly event: 'path'
  /** Of the connection, from 0. */
  readonly number: number
}

/** ms since 1970 with fractions: processes of one machine agree on it. */
export function wallMs(): number {
  return performance.timeOrigin + performance.now()
}

/** Names the relay and no address. */
export function relayTicket(id: string, url: string): string {
  return String(new EndpointTicket(new EndpointAddr(EndpointId.parse(id)).withRelay(url)))
}

/** Ours: bench/holepunch/node.ts. */
export class OurNode {
  readonly #program: NativeProgram<PathLine>

  private constructor(program: NativeProgram<PathLine>) {
    this.#program = program
  }

  static async start(relay: string, shape?: ShapedOptions): Promise<OurNode> {
    const script = await bundle('holepunch/node.ts')
    const args = [script, relay, ...(shape === undefined ? [] : [JSON.stringify(shape)])]
    return new OurNode(await NativeProgram.start<PathLine>(process.execPath, args, 'ready'))
  }

  /** A fresh endpoint, at home at the relay. Its id. */
  async bind(): Promise<string> {
    return (await this.#program.request({ cmd: 'bind' })).id as string
  }

  /** The number of the connection, and how long the handshake took, ms. */
  async dial(target: string): Promise<{ number: number; connectMs: number }> {
    return (await this.#program.request({ cmd: 'dial', target })) as unknown as { number: number; connectMs: number }
  }

  /** Connection `number` selects a path of this kind, after `since` (ms since 1970). */
  async selects(number: number, kind: 'direct' | 'relay', since = 0, limitMs = 10_000): Promise<Selection> {
    const isIt = (line: PathLine): boolean => line.number === number && line.kind === kind && line.at >= since
    return this.#program.waitFor('path', isIt, limitMs)
  }

  /** Lets direct datagrams through, or not. */
  async gate(isOpen: boolean): Promise<void> {
    await this.#program.request({ cmd: 'gate', isOpen })
  }

  /** Writes on a stream of the connection without end. */
  async send(number: number): Promise<void> {
    await this.#program.request({ cmd: 'send', number })
  }

  /** Ends that. Its smoothed RTT over time: ms since 1970, ms. */
  async end(): Promise<readonly (readonly [number, number])[]> {
    return (await this.#program.request({ cmd: 'end' })).rtts as [number, number][]
  }

  /** Stream bytes that came in each step: its number since 1970, bytes. */
  async received(): Promise<{ stepMs: number; steps: readonly (readonly [number, number])[] }> {
    return (await this.#program.request({ cmd: 'received' })) as unknown as {
      stepMs: number
      steps: [number, number][]
    }
  }

  /** How many connections are on a direct path. */
  async direct(): Promise<number> {
    return (await this.#program.request({ cmd: 'direct' })).direct as number
  }

  async usage(): Promise<{ cpuUs: number; datagramsSent: number }> {
    return (await this.#program.request({ cmd: 'usage' })) as unknown as { cpuUs: number; datagramsSent: number }
  }

  stop(): Promise<void> {
    return this.#program.stop()
  }
}

/** At home at the relay, one socket on loopback, as ours. */
export async function startNative(relay: string): Promise<NativePeer> {
  const binary = await buildNative()
  const peer = await startListener({ binary, bind: ['127.0.0.1:0'], relays: [relay], relayQuicPorts: [null] })
  await peer.waitFor('online')
  return peer
}

/** Connection `number` of a native node is on a direct path. */
export async function nativeSelects(peer: NativePeer, number: number): Promise<Selection> {
  const line = await peer.waitFor(
    'path',
    ({ connection, change, kind }) => connection === number && change === 'selected' && kind === 'direct',
  )
  return { kind: 'direct', at: line.at!, sentDatagrams: line.sentDatagrams ?? Number.NaN }
}
