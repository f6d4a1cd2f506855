/** The relay server alone in a process, so that what it holds and what it costs is its own. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { RelayServer, type RelayServerLimits } from '../../../src/relay/server/index.ts'
import { answer } from './answer.ts'

/** Memory is looked at so often, ms: a peak does not get by. */
const SAMPLE_MS = 20

/** That this process may have. Node raises its own limit as far as it may. */
const openFiles = openFilesLimit()
let server: RelayServer | undefined
let peakRss = 0

const commands = {
  /** Once. */
  start: async (limits: Partial<RelayServerLimits>) => {
    server = await RelayServer.start({ httpBind: '127.0.0.1:0', limits })
    return { port: server.httpAddress!.port, openFiles }
  },

  /** `collect`: after garbage collections. */
  look: async ({ collect }: { readonly collect: boolean }) => {
    const relay = server!
    // What was let go in one collection may let go of more in the next.
    for (let round = 0; collect && round < 3; round++) {
      globalThis.gc!()
      await nextTurn()
    }
    const { heapUsed, external, rss } = process.memoryUsage()
    const { user, system } = process.cpuUsage()
    peakRss = collect ? rss : Math.max(peakRss, rss)
    return {
      clients: relay.clientCount,
      connections: relay.connectionCount,
      /** TCP connections that were not upgraded. */
      waiting: Number(/^tom_relay_http_waiting (\d+)$/m.exec(relay.metrics())![1]),
      counters: { ...relay.counters },
      rss,
      /** The most since the last collection that was asked for. */
      peakRss,
      /** On the heap of JavaScript, bytes; and in its buffers, of which links share some that stay. */
      heap: heapUsed,
      buffers: external,
      /** Timers that run. */
      timers: process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length,
      cpuMs: (user + system) / 1000,
    }
  },
}

export type RelayCommands = typeof commands

setInterval(sample, SAMPLE_MS)
answer(commands)

function sample(): void {
  peakRss = Math.max(peakRss, process.memoryUsage.rss())
}

function openFilesLimit(): number {
  const report = process.report.getReport() as unknown as { userLimits?: { open_files?: { soft: number | string } } }
  const soft = Number(report.userLimits?.open_files?.soft)
  return Number.isNaN(soft) ? Number.POSITIVE_INFINITY : soft
}
