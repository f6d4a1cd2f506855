/**
 * A node of iroh 0.35 (npm), which speaks disco, run as a child in a network namespace without any way out: its relays are n0's, and cannot be chosen. Writes JSON lines; takes
 * `{"dial": {"id", "address"}, "text"}` lines, and echoes to whoever dials it.
 */
import { createInterface } from 'node:readline'
import { type Connection, Iroh } from 'iroh-0.35'

const ALPN = Buffer.from('tom/echo/1')
const [host = '0.0.0.0', port = '7000', seed = '02'] = process.argv.slice(2)

function say(line: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

async function echo(connection: Connection): Promise<void> {
  const { send, recv } = await connection.acceptBi()
  const bytes = await recv.readToEnd(1_000_000)
  await send.writeAll(bytes)
  await send.finish()
  say({ event: 'served', peer: connection.remoteNodeId().toString(), bytes: bytes.length })
  await connection.closed()
}

const iroh = await Iroh.memory({
  ipv4Addr: `${host}:${port}`,
  nodeDiscovery: 'None' as never,
  secretKey: [...Buffer.alloc(32, seed, 'hex')],
  protocols: {
    [ALPN as unknown as string]: () => ({
      accept: (_error: unknown, connection: Connection) => {
        echo(connection).catch((error) => say({ event: 'failed', message: String(error) }))
      },
    }),
  } as never,
})
// Held here for as long as the process lives: the binding stops accepting when the node is collected as garbage.
const held = { iroh, endpoint: iroh.node.endpoint() }
say({ event: 'ready', id: held.endpoint.nodeId(), version: (await iroh.node.status()).version })

async function dial(id: string, address: string, text: string): Promise<void> {
  const connection = await held.endpoint.connect({ nodeId: id, addresses: [address] }, ALPN)
  const { send, recv } = await connection.openBi()
  await send.writeAll(Buffer.from(text))
  await send.finish()
  const answer = await recv.readToEnd(1_000_000)
  say({ event: 'echoed', text: answer.toString(), rtt: Number(connection.rtt()) })
  connection.close(0n, Buffer.from('bye'))
}

process.on('exit', () => held.iroh.net)
createInterface({ input: process.stdin }).on('line', (line) => {
  const { dial: target, text } = JSON.parse(line)
  dial(target.id, target.address, text).catch((error) => say({ event: 'failed', message: String(error) }))
})
