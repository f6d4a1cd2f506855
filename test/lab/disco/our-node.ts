/** Our endpoint with disco, as a child in a network namespace. JSON lines as iroh-0.35.ts: says what it does, dials on request, echoes. */
import { createInterface } from 'node:readline'
import { parseSocketAddress } from '../../../src/bytes/index.ts'
import { ipAddr } from '../../../src/identity/index.ts'
import type { Connection } from '../../../src/index.ts'
import { Endpoint, EndpointAddr, EndpointId } from '../../../src/index.ts'

const ALPN = 'tom/echo/1'
const [host = '0.0.0.0', port = '7000', disco = 'disco'] = process.argv.slice(2)

function say(line: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

const endpoint = await Endpoint.bind({
  alpns: [ALPN],
  bind: [`${host}:${port}`],
  disco: disco === 'disco',
})
say({ event: 'ready', id: endpoint.id.toString() })

async function echo(connection: Connection): Promise<void> {
  const { send, recv } = await connection.acceptBi()
  const bytes = await recv.readToEnd(1_000_000)
  await send.write(bytes)
  await send.finish()
  say({ event: 'served', peer: connection.remoteId.toString(), bytes: bytes.length })
  await connection.closed
}

async function dial(id: string, address: string, text: string): Promise<void> {
  const target = new EndpointAddr(EndpointId.parse(id), [ipAddr(parseSocketAddress(address))])
  const connection = await endpoint.connect(target, ALPN, { timeoutMs: 6_000 })
  const { send, recv } = await connection.openBi()
  await send.write(new TextEncoder().encode(text))
  await send.finish()
  const answer = await recv.readToEnd(1_000_000)
  const paths = connection.paths().map(({ kind, remote }) => `${kind} ${remote}`)
  say({ event: 'echoed', text: new TextDecoder().decode(answer), paths })
  connection.close(0, 'bye')
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const { dial: target, text } = JSON.parse(line)
  dial(target.id, target.address, text).catch((error) => say({ event: 'failed', message: String(error) }))
})

for (;;) {
  const connection = await endpoint.accept()
  if (connection === undefined) break
  echo(connection).catch((error) => say({ event: 'failed', message: String(error) }))
}
