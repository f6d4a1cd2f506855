/**
 * The npm package `@number0/iroh` as a program that speaks the JSON lines of conformance/README.md (`tom-native listen`), so that
 * `NativePeer` runs it as well. It takes less: --bind, --secret, relays (but not their roots), and no transport settings, which the package does not offer.
 */
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import type { Connection, Endpoint, EndpointAddr, Incoming, RelayMode } from '@number0/iroh'
import { closeOf, messageOf } from './close-text.ts'
import { type Dial, dialed, perform, run, type Task } from './dial.ts'
import { ALPNS, serve } from './serve.ts'
import { watchPaths } from './watch-paths.ts'

const iroh = createRequire(import.meta.url)('@number0/iroh/index.js') as typeof import('@number0/iroh')

type Line = Record<string, unknown>

function emit(line: Line): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

let mode = 'accept'
let nextNumber = 1
/** Without relays nothing happens to paths that nobody asked for. */
let hasRelays = false
const connections = new Map<number, Connection>()

async function acceptOne(incoming: Incoming): Promise<Connection> {
  return (await incoming.accept()).connect()
}

async function bind(args: readonly string[]): Promise<Endpoint> {
  const builder = iroh.Endpoint.builder()
  builder.applyMinimal()
  const binds: string[] = []
  const extra: string[] = []
  const relays: string[] = []
  const quicPorts: string[] = []
  let token: string | undefined
  for (let index = 0; index < args.length; index += 2) {
    const [flag, value = ''] = [args[index], args[index + 1]]
    if (flag === '--bind') binds.push(value)
    else if (flag === '--secret') builder.secretKey([...Buffer.from(value, 'hex')])
    else if (flag === '--alpn-extra') extra.push(value)
    else if (flag === '--relay') relays.push(value)
    else if (flag === '--relay-quic-port') quicPorts.push(value)
    else if (flag === '--relay-token') token = value
    else throw new Error(`the npm node has no ${flag}`)
  }
  // Both families, or it opens a wildcard socket for the one that is missing.
  for (const addr of binds.length > 0 ? binds : ['127.0.0.1:0', '[::1]:0']) builder.bindAddr(addr)
  builder.alpns([...ALPNS, ...extra].map((alpn) => [...Buffer.from(alpn)]))
  builder.relayMode(relayMode(relays, quicPorts, token))
  hasRelays = relays.length > 0
  return builder.bind()
}

/** A port goes for its relay and for those that follow; without any there is no address discovery. */
function relayMode(urls: readonly string[], quicPorts: readonly string[], authToken: string | undefined): RelayMode {
  if (urls.length === 0) return iroh.RelayMode.disabled()
  const map = iroh.RelayMap.empty()
  for (const [index, url] of urls.entries()) {
    const port = quicPorts[Math.min(index, quicPorts.length - 1)] ?? 'none'
    map.insert({
      url,
      ...(port === 'none' ? {} : { quicPort: Number(port) }),
      ...(authToken === undefined ? {} : { authToken }),
    })
  }
  return iroh.RelayMode.custom(map)
}

/** The addresses that it would publish: `ip:port` and its relay. */
function addrsOf(endpoint: Endpoint): string[] {
  const addr = endpoint.addr()
  const relay = addr.relayUrl()
  return [...addr.directAddresses(), ...(relay === null ? [] : [relay])]
}

async function tellOnline(endpoint: Endpoint): Promise<void> {
  const begin = performance.now()
  await endpoint.online()
  const ticket = iroh.EndpointTicket.fromAddr(endpoint.addr()).toString()
  emit({ event: 'online', ms: performance.now() - begin, addrs: addrsOf(endpoint), ticket })
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
  await keep(connection, number)
}

/** Reports what happens to it until it ends. */
async function keep(connection: Connection, number: number): Promise<void> {
  if (hasRelays) watchPaths(connection, number, emit)
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
  return connection.paths().map(({ id, remoteAddr, isRelay, isSelected, rttMs, stats }) => ({
    id,
    kind: isRelay ? 'relay' : 'direct',
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
  return { ...taskOf(command), addr: addrOf(command) }
}

function taskOf(command: Line): Task {
  const text = (name: string, fallback: string): string => String(command[name] ?? fallback)
  const number = (name: string, fallback: number): number => Number(command[name] ?? fallback)
  const action = text('action', 'echo')
  const own = ['sink', 'source', 'push', 'close', 'reset'].includes(action) ? action : 'echo'
  return {
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

/** A connection that stays: `run`, `paths` and `close` name it by its number. */
async function connect(endpoint: Endpoint, command: Line): Promise<Line> {
  const begin = performance.now()
  const dial = dialOf(command)
  const connection = await dialed(endpoint, dial)
  const number = nextNumber++
  connections.set(number, connection)
  void keep(connection, number)
  return { event: 'result', connection: number, alpn: dial.alpn, connectMs: performance.now() - begin }
}

function addrOf(command: Line): EndpointAddr {
  if (command.ticket !== undefined) return iroh.EndpointTicket.fromString(String(command.ticket)).endpointAddr()
  const addrs = command.addrs as string[]
  const relay = addrs.find((addr) => addr.includes('://'))
  const direct = addrs.filter((addr) => !addr.includes('://'))
  return new iroh.EndpointAddr(iroh.EndpointId.fromString(String(command.id)), relay ?? null, direct)
}

function kept({ connection }: Line): Connection {
  const found = connections.get(Number(connection))
  if (found === undefined) throw new Error(`there is no connection ${connection}`)
  return found
}

async function answer(endpoint: Endpoint, command: Line): Promise<Line> {
  switch (command.cmd) {
    case 'dial':
      return run(endpoint, dialOf(command))
    case 'connect':
      return connect(endpoint, command)
    case 'run':
      return perform(kept(command), taskOf(command))
    case 'add-address':
      await endpoint.addExternalAddr(String(command.addr))
      return { event: 'result' }
    case 'remove-address':
      return { event: 'result', removed: await endpoint.removeExternalAddr(String(command.addr)) }
    case 'incoming':
      mode = String(command.mode)
      return { event: 'result' }
    case 'close': {
      const meant = command.connection === undefined ? [...connections.values()] : [kept(command)]
      for (const connection of meant)
        connection.close(BigInt(Number(command.code ?? 0)), [...Buffer.from(String(command.reason ?? ''))])
      return { event: 'result', closed: meant.length }
    }
    case 'paths':
      return { event: 'result', paths: pathsOf(kept(command)) }
    case 'relays':
      // The package tells where the endpoint is, and nothing of how it fares there.
      return { event: 'result', relays: [], netReport: null, addrs: addrsOf(endpoint) }
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
  if (args.includes('--relay')) void tellOnline(endpoint)
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
