/** The two servers that are compared, each a process of its own on loopback, plain HTTP. */
import { readFileSync } from 'node:fs'
import { NativeProgram } from '../../conformance/native-program.ts'
import { buildRelayServer, RealRelay } from '../../conformance/relay-server.ts'
import { TOM } from '../contenders.ts'
import { bundle } from '../processes.ts'
import { IROH_RELAY } from './names.ts'

export interface MeasuredServer {
  /** The column of the table. */
  readonly stack: string
  /** `ip:port`. */
  readonly address: string
  readonly pid: number
  /** Bytes of JavaScript heap and buffers, after a collection; undefined where there is no JavaScript. */
  javascript(): Promise<number | undefined>
  stop(): Promise<void>
}

/** What the hard limit of file descriptors usually allows; Node takes it by itself. */
const MAX_FILES = 20_000

export async function startOurs(): Promise<MeasuredServer> {
  const script = await bundle('relay/server.ts')
  const program = await NativeProgram.start(process.execPath, ['--expose-gc', script], 'listening')
  return {
    stack: TOM,
    address: String(program.hello.address),
    pid: program.pid,
    javascript: async () => (await program.request({ cmd: 'usage' })).javascript as number,
    stop: () => program.stop(),
  }
}

export async function startReal(): Promise<MeasuredServer> {
  const relay = await RealRelay.start({ binary: await buildRelayServer(), maxFiles: MAX_FILES })
  return {
    stack: IROH_RELAY,
    address: relay.address,
    pid: relay.pid,
    javascript: () => Promise.resolve(undefined),
    stop: () => relay.stop(),
  }
}

/** Resident bytes of a process. */
export function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}
