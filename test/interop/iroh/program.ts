/**
 * The npm package `@number0/iroh` as a program that speaks the JSON lines of conformance/README.md (`tom-native listen`), so that
 * `NativePeer` runs it as well. It takes less: --bind, --secret, and no transport settings, which the package does not offer.
 */
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import type { Connection, Endpoint, EndpointAddr, Incoming } from '@number0/iroh'
import { closeOf, messageOf } from './close-text.ts'
import { type Dial, run } from './dial.ts'
import { ALPNS, serve } from './serve.ts'

const iroh = createRequire(import.meta.url)('@number0/iroh/index.js') as typeof import('@number0/iroh')

type Line = Record<string, unknown>

function emit(line: Line): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

let mode = 'accept'
let nextNumber = 1
const connections = new Map<number, Connection>()

async function acceptOne(incoming: Incoming): Promise<Connection> {
  return (await incoming.accept()).connect()
}

async function bind(args: readonly string[]): Promise<Endpoint> {
  const builder = iroh.Endpoint.builder()
  builder.applyMinimal()
  builder.relayMode(iroh.RelayMode.disabled())
  const binds: string[] = []
  const extra: string[] = []
  for (let index = 0; index < args.length; index += 2) {
    const [flag, value = ''] = [args[index], args[index + 1]]
    if (flag === '--bind') binds.push(value)
    else if (flag === '--secret') builder.secretKey([...Buffer.from(value, 'hex')])
    else if (flag === '--alpn-extra') extra.push(value)
    else throw new Error(`the npm node has no ${flag}`)
  }
  // Both families, or it opens a wildcard socket for the one that is missing.
  for (const addr of binds.length > 0 ? binds : ['127.0.0.1:0', '[::1]:0']) builder.bindAddr(addr)
  builder.alpns([...ALPNS, ...extra].map((alpn) => [...Buffer.from(alpn)]))
  return builder.bind()
}

async function decide(incoming: Incoming): Promise<void> {
  const validated = await incoming.remoteAddrValidated()
  if (mode === 'refuse' || mode === 'ignore' || (mode === 'retry' && !validated)) {
    emit({ event: 'incoming', decision: mode })
    await incoming[mode]()
    return
  }
  const connection = await acceptOne(incoming)
  const number = nextNumber++
  connections.set(number, connection)
  emit({
    event: 'connection',
    connection: number,
    remote: connection.remoteId().toString(),
    alpn: Buffer.from(connection.alpn()).toString(),
    validated,
    paths: pathsOf(connection),
  })
  serve(connection, number, emit)
  const text = await connection.closed()
  connections.delete(number)
  const stats = connection.stats()
  emit({
    event: 'closed',
    connection: number,
    reason: closeOf(text) ?? { kind: 'local-transport', reason: text },
    stats: {
      sentDatagrams: stats.udpTxDatagrams,
      sentBytes: stats.udpTxBytes,
      receivedDatagrams: stats.udpRxDatagrams,
      receivedBytes: stats.udpRxBytes,
      lostPackets: stats.lostPackets,
    },
  })
}

function pathsOf(connection: Connection): Line[] {
  return connection.paths().map(({ id, remoteAddr, isSelected, rttMs, stats }) => ({
    id,
    remote: remoteAddr,
    selected: isSelected,
    rttMs,
    mtu: stats.currentMtu,
    sentBytes: stats.udpTxBytes,
    receivedBytes: stats.udpRxBytes,
    lostPackets: stats.lostPackets,
  }))
}

async function acceptLoop(endpoint: Endpoint): Promise<void> {
  for (;;) {
    const incoming = await endpoint.acceptNext()
    if (incoming === null) return
    decide(incoming).catch((error) => {
      const message = messageOf(error)
      emit({ event: 'error', stage: 'accept', message, reason: closeOf(message) ?? null })
    })
  }
}

function dialOf(command: Line): Dial {
  const text = (name: string, fallback: string): string => String(command[name] ?? fallback)
  const number = (name: string, fallback: number): number => Number(command[name] ?? fallback)
  const action = text('action', 'echo')
  const own = ['sink', 'source', 'push', 'close', 'reset'].includes(action) ? action : 'echo'
  return {
    addr: addrOf(command),
    action,
    alpn: text('alpn', `tom/${own}/1`),
    size: number('size', action === 'rtt' ? 1 : 1024),
    count: number('count', 1),
    streams: number('streams', 1),
    uni: command.uni === true,
    code: number('code', 0),
    reason: text('reason', 'done'),
    holdMs: number('hold-ms', 0),
    timeoutMs: number('timeout-ms', 30_000),
  }
}

function addrOf(command: Line): EndpointAddr {
  if (command.ticket !== undefined) return iroh.EndpointTicket.fromString(String(command.ticket)).endpointAddr()
  return new iroh.EndpointAddr(iroh.EndpointId.fromString(String(command.id)), null, command.addrs as string[])
}

function accepted({ connection }: Line): Connection {
  const found = connections.get(Number(connection))
  if (found === undefined) throw new Error(`there is no connection ${connection}`)
  return found
}

async function answer(endpoint: Endpoint, command: Line): Promise<Line> {
  switch (command.cmd) {
    case 'dial':
      return run(endpoint, dialOf(command))
    case 'incoming':
      mode = String(command.mode)
      return { event: 'result' }
    case 'close': {
      const meant = command.connection === undefined ? [...connections.values()] : [accepted(command)]
      for (const connection of meant)
        connection.close(BigInt(Number(command.code ?? 0)), [...Buffer.from(String(command.reason ?? ''))])
      return { event: 'result', closed: meant.length }
    }
    case 'paths':
      return { event: 'result', paths: pathsOf(accepted(command)) }
    default:
      throw new Error(`the npm node knows no command ${command.cmd}`)
  }
}

async function main(): Promise<void> {
  const [verb, ...args] = process.argv.slice(2)
  if (verb !== 'listen') throw new Error('the only verb is listen')
  const endpoint = await bind(args)
  const addrs = endpoint.boundSockets()
  const ticket = iroh.EndpointTicket.fromAddr(new iroh.EndpointAddr(endpoint.id(), null, addrs))
  emit({ event: 'listening', id: endpoint.id().toString(), addrs, ticket: ticket.toString() })
  void acceptLoop(endpoint)
  for await (const text of createInterface({ input: process.stdin })) {
    if (text.trim() === '') continue
    const command = JSON.parse(text) as Line
    if (command.cmd === 'quit') break
    answer(endpoint, command).then(
      (line) => emit({ ...line, tag: command.tag }),
      (error) => emit({ event: 'error', stage: command.cmd, tag: command.tag, message: messageOf(error) }),
    )
  }
  // Whoever is left hears of it, but nobody waits long.
  await Promise.race([endpoint.close(), new Promise((resolve) => setTimeout(resolve, 1000))])
}

main().then(
  () => process.exit(0),
  (error) => {
    emit({ event: 'error', stage: 'start', message: messageOf(error) })
    process.exit(2)
  },
)
