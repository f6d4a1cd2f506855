/**
 * One end of a measurement in a process of its own: `worker.ts <peer> <server|client> <options as JSON>`. Commands come as JSON lines on stdin,
 * answers go as JSON lines to stdout; it ends with stdin.
 */
import { createInterface } from 'node:readline'
import { type FigureName, type FigureOptions, overStreams } from './figures.ts'
import type { PeerModule, Side } from './peers/peer.ts'
import { CpuProfile } from './profiler.ts'

// spelled out: a bundler takes a name put together at run time for every file below the folder, installed packages included
const PEERS: Readonly<Record<string, () => Promise<PeerModule>>> = {
  tom: () => import('./peers/tom.ts'),
  blast: () => import('./peers/blast.ts'),
  number0: () => import('./peers/number0.ts'),
  udx: () => import('./peers/udx.ts'),
  libp2p: () => import('./peers/libp2p.ts'),
  datachannel: () => import('./peers/datachannel.ts'),
}

const [peer, role, options] = process.argv.slice(2) as [string, 'server' | 'client', string]
const module = await PEERS[peer]!()
const settings = JSON.parse(options) as object
const side: Side =
  'openSide' in module ? await module.openSide(role, settings) : await overStreams(module.bind, role, settings)

function say(line: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify({ tom: line })}\n`)
}

interface Command {
  readonly tag: number
  readonly cmd: 'run' | 'usage' | 'profile'
  readonly figure?: FigureName
  readonly address?: string
  readonly options?: FigureOptions
  /** usage: collect garbage first. */
  readonly collect?: boolean
  /** profile: begin or end. */
  readonly isOn?: boolean
}

let profile: CpuProfile | undefined

async function obey(command: Command): Promise<Record<string, unknown>> {
  switch (command.cmd) {
    case 'usage': {
      const { user, system } = process.cpuUsage()
      // only for the memory figure: a forced collection throws compiled code away, and the next round would measure the compiler
      if (command.collect === true) {
        globalThis.gc?.()
        globalThis.gc?.()
      }
      const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
      return { cpuUs: user + system, rss, heap: heapUsed, buffers: arrayBuffers }
    }
    case 'profile':
      if (command.isOn === true) {
        profile = new CpuProfile()
        await profile.start()
        return {}
      }
      return { lines: (await profile!.stop()).slice(0, 30) }
    case 'run':
      return side.run(command.figure!, command.address!, command.options ?? {})
  }
}

// a peer whose connection breaks behind the scenes must not take the process with it
process.on('unhandledRejection', () => {})

say({ ready: side.address })
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as Command
  obey(command)
    .then((result) => say({ tag: command.tag, ...result }))
    .catch((error) =>
      say({ tag: command.tag, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    )
}
process.exit(0)
