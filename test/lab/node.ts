/**
 * One of our endpoints as a program that speaks the JSON lines of conformance/README.md (`tom-native listen`), as far as the lab needs them: it accepts connections and echoes,
 * connects on request, tells every change of path, and pings. Ends with its stdin.
 *
 *     node.mjs [--relay URL]... [--relay-ca FILE] [--bind ADDR]... [--options JSON: more of EndpointOptions]
 */
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { formatSocketAddress } from '../../src/bytes/index.ts'
import type { Connection } from '../../src/endpoint/index.ts'
import { Endpoint } from '../../src/endpoint/node.ts'
import { EndpointAddr, EndpointId, ipAddr, relayAddr } from '../../src/identity/index.ts'

type Line = Record<string, unknown>

const ALPN = 'tom/echo/1'
const PING_LIMIT = 1024

function emit(line: Line): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

/** ms since 1970, with fractions. */
function unixMs(): number {
  return performance.timeOrigin + performance.now()
}

class Node {
  readonly #endpoint: Endpoint
  readonly #connections = new Map<number, Connection>()
  /** Aborted to end the pings of a connection. */
  readonly #pinging = new Map<number, AbortController>()
  #next = 1

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint
  }

  /** Path events are told from the first on; `say` comes before them. */
  #add(connection: Connection, say: (number: number) => void): number {
    const number = this.#next++
    this.#connections.set(number, connection)
    const events = connection.pathEvents()
    say(number)
    void this.#tellPaths(connection, number, events)
    void connection.closed.then(({ code, closeCode }) => {
      this.#connections.delete(number)
      emit({ event: 'closed', connection: number, reason: { kind: code, code: closeCode }, at: unixMs() })
    })
    return number
  }

  async #tellPaths(
    connection: Connection,
    number: number,
    events: ReturnType<Connection['pathEvents']>,
  ): Promise<void> {
    for await (const event of events) {
      if (event.type === 'lagged') {
        // what was missed does not matter, where it ended does
        const selected = connection.paths().find((path) => path.selected)
        if (selected === undefined) continue
        const { id, kind, remote } = selected
        emit({ event: 'path', connection: number, path: id, change: 'selected', kind, remote, at: unixMs() })
        continue
      }
      const { type, id, kind, remote } = event
      emit({ event: 'path', connection: number, path: id, change: type, kind, remote, at: unixMs() })
    }
  }

  accepted(connection: Connection): void {
    this.#add(connection, (number) => {
      emit({
        event: 'connection',
        connection: number,
        remote: connection.remoteId.toString(),
        alpn: connection.alpnText,
        validated: true,
        paths: pathsOf(connection),
      })
    })
    void echoStreams(connection)
  }

  async answer(command: Line): Promise<Line> {
    switch (command.cmd) {
      case 'connect':
        return this.#connect(command)
      case 'pings':
        return this.#pings(command)
      case 'stop-pings':
        this.#pinging.get(Number(command.connection))?.abort()
        return { event: 'result' }
      case 'paths':
        return { event: 'result', paths: pathsOf(this.#get(command)) }
      case 'relays': {
        const { homeRelay, netReport } = this.#endpoint
        return {
          event: 'result',
          relays: homeRelay === undefined ? [] : [homeRelay],
          netReport,
          addrs: addrsOf(this.#endpoint),
        }
      }
      case 'stats':
        return { event: 'result', stats: this.#endpoint.stats() }
      default:
        throw new Error(`there is no command ${command.cmd}`)
    }
  }

  async #connect(command: Line): Promise<Line> {
    const addrs = (command.addrs as string[]).map((text) => (text.includes('://') ? relayAddr(text) : ipAddr(text)))
    const target = new EndpointAddr(EndpointId.parse(String(command.id)), addrs)
    const begin = performance.now()
    const timeoutMs = Number(command['timeout-ms'] ?? 30_000)
    const connection = await this.#endpoint.connect(target, ALPN, { timeoutMs })
    const connectMs = performance.now() - begin
    const number = this.#add(connection, () => {})
    return { event: 'result', connection: number, connectMs, paths: pathsOf(connection) }
  }

  /** A ping every `interval-ms`, whether or not those before were answered; see `pings.rs`. */
  async #pings(command: Line): Promise<Line> {
    const number = Number(command.connection)
    const connection = this.#get(command)
    const stop = new AbortController()
    this.#pinging.set(number, stop)
    const { count = Number.POSITIVE_INFINITY, 'interval-ms': interval = 100, 'grace-ms': grace = 1000 } = command
    let sent = 0
    let answered = 0
    const out = new Set<Promise<void>>()
    while (sent < Number(count) && !stop.signal.aborted) {
      const one = ping(connection, number, ++sent)
        .then(() => {
          answered++
        })
        .catch(() => {})
        .finally(() => out.delete(one))
      out.add(one)
      await sleep(Number(interval), stop.signal)
    }
    await Promise.race([Promise.all(out), sleep(Number(grace), undefined)])
    return { event: 'result', sent, answered, lost: sent - answered }
  }

  #get({ connection }: Line): Connection {
    const found = this.#connections.get(Number(connection))
    if (found === undefined) throw new Error(`there is no connection ${connection}`)
    return found
  }
}

function addrsOf(endpoint: Endpoint): string[] {
  const { ipAddrs, relayUrls } = endpoint.addr()
  return [...ipAddrs.map(formatSocketAddress), ...relayUrls.map(String)]
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal?.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

async function ping(connection: Connection, number: number, seq: number): Promise<void> {
  const [sentAt, begin] = [unixMs(), performance.now()]
  const text = `PING|${seq}`
  const { send, recv } = await connection.openBi()
  await send.write(new TextEncoder().encode(text))
  await send.finish()
  if (new TextDecoder().decode(await recv.readToEnd(PING_LIMIT)) !== text) throw new Error('the echo differs')
  const via = connection.paths().find((path) => path.selected)?.kind ?? null
  emit({ event: 'ping', connection: number, seq, sentAt, at: unixMs(), rttMs: performance.now() - begin, via })
}

async function echoStreams(connection: Connection): Promise<void> {
  for (;;) {
    let stream: Awaited<ReturnType<Connection['acceptBi']>>
    try {
      stream = await connection.acceptBi()
    } catch {
      return
    }
    const { send, recv } = stream
    const echo = async (): Promise<void> => {
      for await (const chunk of recv) await send.write(chunk)
      await send.finish()
    }
    // a stream that breaks is its opener's business
    echo().catch(() => send.reset(0))
  }
}

function pathsOf(connection: Connection): Line[] {
  return connection
    .paths()
    .map(({ id, kind, remote, selected, rttMs, mtu }) => ({ id: String(id), kind, remote, selected, rttMs, mtu }))
}

async function bind(args: readonly string[]): Promise<Endpoint> {
  const [relays, binds, cas]: [string[], string[], string[]] = [[], [], []]
  let more: object = {}
  for (let index = 0; index < args.length; index += 2) {
    const [flag, value = ''] = [args[index], args[index + 1]]
    if (flag === '--relay') relays.push(value)
    else if (flag === '--bind') binds.push(value)
    else if (flag === '--relay-ca') cas.push(readFileSync(value, 'utf8'))
    else if (flag === '--options') more = JSON.parse(value) as object
    else throw new Error(`there is no ${flag}`)
  }
  return Endpoint.bind({
    alpns: [ALPN],
    relays: relays.map((url) => ({ url })),
    ...(cas.length === 0 ? {} : { caCertificates: cas }),
    ...(binds.length === 0 ? {} : { bind: binds }),
    onError: (error) =>
      emit({
        event: 'error',
        stage: 'endpoint',
        message: error instanceof Error ? (error.stack ?? error.message) : String(error),
      }),
    ...more,
  })
}

async function tellOnline(endpoint: Endpoint): Promise<void> {
  const begin = performance.now()
  await endpoint.online({ timeoutMs: 60_000 })
  emit({
    event: 'online',
    ms: performance.now() - begin,
    addrs: addrsOf(endpoint),
    ticket: endpoint.ticket().toString(),
  })
}

async function acceptLoop(endpoint: Endpoint, node: Node): Promise<void> {
  for (;;) {
    const connection = await endpoint.accept()
    if (connection === undefined) return
    node.accepted(connection)
  }
}

async function main(): Promise<void> {
  const endpoint = await bind(process.argv.slice(2))
  const node = new Node(endpoint)
  emit({
    event: 'listening',
    id: endpoint.id.toString(),
    addrs: endpoint.boundAddresses(),
    ticket: endpoint.ticket().toString(),
    at: unixMs(),
  })
  acceptLoop(endpoint, node).catch(() => {})
  tellOnline(endpoint).catch((error: unknown) => emit({ event: 'error', stage: 'online', message: String(error) }))
  for await (const text of createInterface({ input: process.stdin })) {
    if (text.trim() === '') continue
    const command = JSON.parse(text) as Line
    node.answer(command).then(
      (line) => emit({ ...line, tag: command.tag }),
      (error: unknown) => emit({ event: 'error', stage: command.cmd, tag: command.tag, message: String(error) }),
    )
  }
  // whoever is left hears of it, but nobody waits long
  await Promise.race([endpoint.close(), sleep(500, undefined)])
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    emit({ event: 'error', stage: 'start', message: String(error) })
    process.exit(2)
  },
)
