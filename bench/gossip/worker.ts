/**
 * Several of our gossip nodes in a process of their own, told by JSON lines what to do; the Rust program of conformance/native speaks the same lines (`tom-native
 * gossip`). Options: --nodes K, --relay URL, --max-message-size N, --alpn A, --bind ip:port. Ends with its stdin.
 */
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { decodeHex } from '../../src/bytes/index.ts'
import { HEAD_BYTES } from './content.ts'
import { WorkerNode } from './worker-node.ts'

type Line = Readonly<Record<string, unknown>>

const { values: flags } = parseArgs({
  options: {
    nodes: { type: 'string', default: '1' },
    relay: { type: 'string' },
    'max-message-size': { type: 'string' },
    alpn: { type: 'string' },
    bind: { type: 'string', default: '127.0.0.1:0' },
  },
})
const say = (line: Line): boolean => process.stdout.write(`${JSON.stringify(line)}\n`)

const maxMessageSize = flags['max-message-size']
const options = {
  bind: flags.bind,
  relay: flags.relay,
  maxMessageSize: maxMessageSize === undefined ? undefined : Number(maxMessageSize),
  alpn: flags.alpn,
}
const nodes = Array.from({ length: Number(flags.nodes) }, (_, index) => new WorkerNode(index, options, say))

async function broadcast(node: WorkerNode, command: Line): Promise<Line> {
  const topic = String(command.topic)
  const isForNeighbors = command.neighbors === true
  if (typeof command.hex === 'string') {
    await node.broadcast(topic, decodeHex(command.hex), isForNeighbors)
    return {}
  }
  const size = Number(command.size)
  if (size < HEAD_BYTES) throw new Error(`a timed content has at least ${HEAD_BYTES} bytes`)
  await node.broadcastTimed(topic, size, Number(command.count ?? 1), isForNeighbors)
  return {}
}

/** `latencies` false: only counts, for whoever asks often while thousands come in. */
function collect({ topic, latencies = true }: Line): Line {
  const all = nodes.map((node) => node.collect(String(topic)))
  return {
    received: all.reduce((sum, { received }) => sum + received, 0),
    lagged: all.reduce((sum, { lagged }) => sum + lagged, 0),
    latenciesUs: latencies === true ? all.flatMap(({ latenciesUs }) => latenciesUs) : [],
    duplicates: nodes.reduce((sum, node) => sum + node.duplicates(), 0),
  }
}

/** `collect`: after a garbage collection. */
function usage(isCollected: boolean): Line {
  // what was just let go may need a second one
  if (isCollected) for (let run = 0; run < 2; run++) globalThis.gc?.()
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed, external } = process.memoryUsage()
  return { cpuUserUs: user, cpuSystemUs: system, rssBytes: rss, javascriptBytes: heapUsed + external }
}

async function obey({ cmd, ...command }: Line): Promise<Line> {
  if (cmd === 'collect') return collect(command)
  if (cmd === 'usage') return usage(command.collect === true)
  const node = nodes[Number(command.node)]
  if (node === undefined) throw new Error(`there is no node ${command.node}`)
  const topic = String(command.topic)
  const bootstrap = (command.bootstrap ?? []) as string[]
  switch (cmd) {
    case 'subscribe':
      node.subscribe(topic, bootstrap, command.quiet === true)
      return {}
    case 'join-peers':
      node.joinPeers(topic, bootstrap)
      return {}
    case 'leave':
      await node.leave(topic)
      return {}
    case 'kill':
      node.kill()
      return {}
    case 'restart':
      await node.restart(command['keep-key'] === true)
      return { ticket: node.ticket }
    case 'broadcast':
      return broadcast(node, command)
    case 'neighbors':
      return { peers: node.neighbors(topic) }
    default:
      throw new Error(`no command ${cmd}`)
  }
}

for (const node of nodes) await node.open()
createInterface({ input: process.stdin })
  .on('line', (text) => {
    const { id, ...command } = JSON.parse(text) as Line
    obey(command).then(
      (line) => say({ event: 'result', ...line, id }),
      (error: unknown) =>
        say({
          event: 'error',
          id,
          stage: command.cmd,
          message: error instanceof Error ? error.message : String(error),
        }),
    )
  })
  .once('close', () => process.exit(0))
say({ event: 'listening', nodes: nodes.map(({ id, ticket }) => ({ id, ticket })) })
