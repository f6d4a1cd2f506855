/**
 * One end of a measurement in a process of its own: `worker.ts <peer> <server|client>`. Commands come as JSON lines on stdin, answers go as
 * JSON lines to stdout; it ends with stdin.
 */
import { createInterface } from 'node:readline'
import { type FigureName, type FigureOptions, runFigure, serve } from './figures.ts'
import { ALPNS, type BenchConnection, type BindPeer } from './peers/peer.ts'

const [peer, role] = process.argv.slice(2) as [string, 'server' | 'client']
const { bind } = (await import(`./peers/${peer}.ts`)) as { bind: BindPeer }
const endpoint = await bind(role === 'server' ? ALPNS : [])
const held: BenchConnection[] = []

function say(line: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

interface Command {
  tag: number
  cmd: 'run' | 'usage' | 'release'
  figure?: FigureName
  address?: string
  options?: FigureOptions
  /** usage: collect garbage first. */
  collect?: boolean
}

async function obey(command: Command): Promise<Record<string, unknown>> {
  switch (command.cmd) {
    case 'usage': {
      const { user, system } = process.cpuUsage()
      // only for the memory figure: a forced collection throws compiled code away, and the next round would measure the compiler
      if (command.collect === true) globalThis.gc?.()
      const { rss, external } = process.memoryUsage()
      return { cpuUs: user + system, rss, external }
    }
    case 'release':
      for (const connection of held.splice(0)) connection.close()
      return {}
    case 'run':
      return runFigure(command.figure!, endpoint, command.address!, command.options ?? {}, held)
  }
}

if (role === 'server') void serve(endpoint, held)
say({ ready: endpoint.address })
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as Command
  obey(command)
    .then((result) => say({ tag: command.tag, ...result }))
    .catch((error) =>
      say({ tag: command.tag, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    )
}
process.exit(0)
