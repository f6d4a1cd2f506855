/**
 * Several of our nodes in a process of their own, told by JSON lines what to do: `start`, `newcomer`, `send`, `online`, `collect`, `usage`. Node k of a process is the one that was
 * started as the k-th. Ends with its stdin.
 */
import { createInterface } from 'node:readline'
import { type SendPlan, WorkerNode } from './worker-node.ts'

type Line = Readonly<Record<string, unknown>>

const nodes: WorkerNode[] = []
const say = (line: Line): boolean => process.stdout.write(`${JSON.stringify(line)}\n`)

function add(node: WorkerNode): Line {
  nodes.push(node)
  return { node: nodes.length - 1, peer: String(node.node.id), ticket: node.ticket }
}

/** Resolves once it has a neighbour, where there is anybody to be one. */
async function start({ bootstrap, storage, trusting, limitMs }: Line): Promise<Line> {
  const node = await WorkerNode.start({
    bootstrap: bootstrap as string[],
    storage: storage as string | undefined,
    isTrusting: trusting === true,
  })
  const started = add(node)
  const isAlone = (bootstrap as string[]).length === 0
  return { ...started, hasJoined: isAlone || (await node.hasJoined(Number(limitMs))) }
}

async function newcomer({ bootstrap, bootstrapId, want, limitMs }: Line): Promise<Line> {
  const found = await WorkerNode.newcomer(String(bootstrap), String(bootstrapId), Number(want), Number(limitMs))
  return { ...add(found.one), ...found.newcomer }
}

/** `collect`: after a garbage collection. */
function usage(isCollected: boolean): Line {
  // what was just let go may need a second one
  if (isCollected) for (let run = 0; run < 2; run++) globalThis.gc?.()
  const { user, system } = process.cpuUsage()
  return { cpuUs: user + system, rssBytes: process.memoryUsage().rss }
}

async function obey({ cmd, ...command }: Line): Promise<Line> {
  switch (cmd) {
    case 'start':
      return start(command)
    case 'newcomer':
      return newcomer(command)
    case 'send': {
      const node = nodes[Number(command.node)]
      if (node === undefined) throw new Error(`there is no node ${command.node}`)
      return { ...(await node.send(String(command.to), command as unknown as SendPlan)) }
    }
    case 'online':
      return { online: nodes.map((node) => node.online) }
    case 'collect':
      return {
        oneWayUs: nodes.flatMap((node) => node.collect()),
        received: nodes.reduce((sum, node) => sum + node.received, 0),
      }
    case 'usage':
      return usage(command.collect === true)
    default:
      throw new Error(`no command ${cmd}`)
  }
}

createInterface({ input: process.stdin })
  .on('line', (text) => {
    const { id, ...command } = JSON.parse(text) as Line
    obey(command).then(
      (line) => say({ event: 'result', ...line, id }),
      (error: unknown) => {
        const message = error instanceof Error ? error.message : String(error)
        say({ event: 'error', id, stage: command.cmd, message })
      },
    )
  })
  .once('close', () => process.exit(0))
say({ event: 'listening', nodes: [] })
