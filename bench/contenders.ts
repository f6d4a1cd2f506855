/** The stacks in the table, each with both ends in processes of their own, behind one interface. */
import { readFileSync } from 'node:fs'
import { buildNative, startListener } from '../conformance/peer.ts'
import type { RoundFigure } from './figure-list.ts'
import type { FigureName, FigureOptions, FigureResult } from './figures.ts'
import { type Usage, Worker } from './processes.ts'

export interface Contender {
  readonly spec: ContenderSpec
  run(figure: FigureName, options: FigureOptions): Promise<FigureResult>
  /** `collect`: after a garbage collection, for memory. */
  usage(collect?: boolean): Promise<{ client: Usage; server: Usage }>
  stop(): Promise<void>
}

export interface ContenderSpec {
  /** The column of the table. */
  readonly stack: string
  /** What it takes part in. */
  readonly figures: readonly (RoundFigure | 'idle')[]
  /** From `bench/peers/package.json`. */
  readonly isInstalled?: boolean
  /** How much of a bulk's bytes is enough for this one: slow stacks would take all the time. Default 1. */
  readonly share?: number
  /** Handshakes instead of the usual count, and how many of the usual idle connections, where each takes a second. */
  readonly connections?: { readonly handshakes: number; readonly idleShare: number }
  start(): Promise<Contender>
}

const IROH: ContenderSpec['figures'] = ['bulk', 'bulk16', 'rtt', 'handshake', 'streams', 'idle']

function javascript(peer: string, options: object, spec: Omit<ContenderSpec, 'start'>): ContenderSpec {
  const complete: ContenderSpec = {
    ...spec,
    start: async () => {
      const server = await Worker.start(peer, 'server', options)
      const client = await Worker.start(peer, 'client', options).catch(async (error) => {
        await server.stop()
        throw error
      })
      return {
        spec: complete,
        run: async (figure, figureOptions) =>
          (await client.ask({
            cmd: 'run',
            figure,
            address: server.address,
            options: figureOptions,
          })) as unknown as FigureResult,
        usage: async (collect = false) => ({
          client: await client.usage(collect),
          server: await server.usage(collect),
        }),
        stop: async () => {
          await Promise.all([client.stop(), server.stop()])
        },
      }
    },
  }
  return complete
}

/** Clock ticks a second in /proc/<pid>/stat; 100 on every Linux that Node runs on. */
const TICKS = 100

export function usageOfProcess(pid: number): Usage {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const rss = Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) * 1024
  return { cpuUs: ((Number(fields[11]) + Number(fields[12])) * 1e6) / TICKS, rss, heap: 0, buffers: 0 }
}

/** The Rust program of conformance/native. `segmentationOffload`: GSO, which Node cannot have. */
function native(stack: string, segmentationOffload: boolean, figures: ContenderSpec['figures']): ContenderSpec {
  const spec: ContenderSpec = {
    stack,
    figures,
    start: async () => {
      const binary = await buildNative()
      const options = { binary, bind: ['127.0.0.1:0'], gso: segmentationOffload, mtuMax: 1452 }
      const [server, client] = await Promise.all([startListener(options), startListener(options)])
      const to = { id: server.id, addrs: server.addrs }
      const drain = async (bytes: number, streams: number): Promise<FigureResult> => {
        const size = Math.max(1, Math.floor(bytes / streams / 65_536)) * 65_536
        const result = await client.dial({ ...to, action: 'drain', size, streams, count: 1, verify: false })
        return { ms: result.ms, bytes: size * streams, datagrams: result.stats.sentDatagrams }
      }
      return {
        spec,
        run: async (figure, { bytes = 32 << 20, streams = 1, count, warmUp = 10 }) => {
          switch (figure) {
            case 'bulk':
              return drain(bytes, streams)
            case 'roundTrips': {
              const result = await client.dial({ ...to, action: 'rtt', size: 64, count: count ?? 2000 })
              return { p50: result.medianMs!, p99: result.p99Ms! }
            }
            case 'handshakes': {
              const times: number[] = []
              for (let index = -warmUp; index < (count ?? 100); index++) {
                const { connectMs } = await client.dial({ ...to, action: 'connect' })
                if (index >= 0) times.push(connectMs)
              }
              times.sort((left, right) => left - right)
              return { median: times[Math.floor(times.length / 2)]!, p90: times[Math.floor(times.length * 0.9)]! }
            }
            case 'freshStreams': {
              const each = Math.ceil((count ?? 4000) / streams)
              const result = await client.dial({ ...to, action: 'echo', size: 1, streams, count: each, verify: false })
              return { ms: result.ms, count: each * streams }
            }
            case 'idle': {
              for (let index = 0; index < (count ?? 1000); index++) {
                client.dial({ ...to, action: 'hold', timeoutMs: 600_000 }).catch(() => {})
                if (index % 10 === 9) await new Promise((resolve) => setTimeout(resolve, 20))
              }
              return { count: count ?? 1000 }
            }
            case 'sequence':
            case 'release':
              throw new Error('not measured for the native program')
          }
        },
        usage: async () => ({ client: usageOfProcess(client.pid), server: usageOfProcess(server.pid) }),
        stop: async () => {
          await Promise.all([client.stop(), server.stop()])
        },
      }
    },
  }
  return spec
}

export const TOM = 'tom-transport'
export const NATIVE_PLAIN = 'native iroh, no offload'
export const NATIVE_OFFLOAD = 'native iroh, offload'
export const NUMBER0 = '@number0/iroh'
export const BLAST = 'blast'
export const BARE_UDP = 'bare UDP'

/** Our own, with the datagrams that Ethernet allows, and as it comes. */
export const TOM_1452 = javascript('tom', { maxMtu: 1452 }, { stack: TOM, figures: ['bulk', 'bulk16', 'idle'] })
export const TOM_DEFAULT = javascript(
  'tom',
  {},
  { stack: TOM, figures: ['bulk-loopback', 'rtt', 'handshake', 'streams'] },
)

/** A QUIC-shaped one-way transfer without a protocol, sealed as ours is: what the machine allows. */
export const BLAST_SEALED = javascript(
  'blast',
  { sealed: true },
  { stack: BLAST, figures: ['bulk', 'bulk-loopback', 'rtt'] },
)
/** The same without cryptography. */
export const BLAST_BARE = javascript(
  'blast',
  { sealed: false },
  { stack: BARE_UDP, figures: ['bulk', 'bulk-loopback', 'rtt'] },
)

/** Native iroh first: it is what we are measured against. */
export function peerContenders(withNative: boolean): ContenderSpec[] {
  const natives = [
    native(NATIVE_PLAIN, false, IROH),
    native(
      NATIVE_OFFLOAD,
      true,
      IROH.filter((figure) => figure !== 'idle'),
    ),
  ]
  return [
    ...(withNative ? natives : []),
    javascript('number0', {}, { stack: NUMBER0, figures: IROH, share: 0.25 }),
    javascript(
      'udx',
      {},
      {
        stack: 'udx + secret-stream',
        isInstalled: true,
        figures: ['bulk', 'bulk-loopback', 'rtt', 'handshake', 'idle'],
      },
    ),
    javascript(
      'libp2p',
      {},
      {
        stack: 'js-libp2p, TCP',
        isInstalled: true,
        figures: ['bulk-loopback', 'rtt', 'handshake', 'streams', 'idle'],
      },
    ),
    javascript(
      'datachannel',
      {},
      {
        stack: 'node-datachannel',
        isInstalled: true,
        figures: ['bulk', 'bulk-loopback', 'rtt', 'handshake', 'idle'],
        share: 0.5,
        connections: { handshakes: 2, idleShare: 0.2 },
      },
    ),
  ]
}
