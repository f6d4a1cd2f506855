/** The npm node as the dialling side: one connection, one action, one result line, as conformance/README.md describes them. */
import type { Connection, Endpoint, EndpointAddr } from '@number0/iroh'
import type { NativeClose } from '../../../conformance/peer.ts'
import { PATTERN_BLOCK, PatternCheck, patternHash } from '../pattern.ts'
import { closeOf, messageOf } from './close-text.ts'
import { pieces, u64, writePattern } from './serve.ts'

export interface Task {
  readonly action: string
  readonly alpn: string
  readonly size: number
  readonly count: number
  readonly streams: number
  readonly uni: boolean
  readonly code: number
  readonly reason: string
  readonly holdMs: number
  readonly timeoutMs: number
}

export interface Dial extends Task {
  readonly addr: EndpointAddr
}

type Line = Record<string, unknown>

export async function run(endpoint: Endpoint, dial: Dial): Promise<Line> {
  const begin = performance.now()
  let connection: Connection
  try {
    connection = await dialed(endpoint, dial)
  } catch (error) {
    const message = messageOf(error)
    return { event: 'error', stage: 'connect', message, reason: closeOf(message) ?? null }
  }
  const connected = performance.now()
  const line = await perform(connection, dial)
  if (dial.holdMs > 0) await within(dial.holdMs, connection.closed()).catch(() => {})
  connection.close(BigInt(dial.code), [...Buffer.from(dial.reason)])
  return { ...line, alpn: dial.alpn, connectMs: connected - begin }
}

export function dialed(endpoint: Endpoint, { addr, alpn, timeoutMs }: Dial): Promise<Connection> {
  return within(timeoutMs, endpoint.connect(addr, [...Buffer.from(alpn)]))
}

/** One action on a connection that there is already: its result or error line. */
export async function perform(connection: Connection, dial: Task): Promise<Line> {
  const begin = performance.now()
  let line: Line
  try {
    line = { event: 'result', ...(await within(dial.timeoutMs, act(connection, dial))) }
  } catch (error) {
    line = { event: 'error', stage: dial.action, message: messageOf(error) }
  }
  const ms = performance.now() - begin
  return { ...line, action: dial.action, ms, reason: closeReason(connection) }
}

function closeReason(connection: Connection): NativeClose | null {
  const text = connection.closeReason()
  return text === null ? null : (closeOf(text) ?? null)
}

async function closed(connection: Connection): Promise<Line> {
  const text = await connection.closed()
  return { closed: closeOf(text) ?? { kind: 'local-transport', reason: text } }
}

async function act(connection: Connection, dial: Task): Promise<Line> {
  switch (dial.action) {
    case 'connect':
      return {}
    case 'hold':
      return closed(connection)
    case 'close': {
      const { send } = await connection.openBi()
      await send.writeAll([1])
      return closed(connection)
    }
    case 'echo':
    case 'sink':
    case 'source':
      return transfers(connection, dial)
    case 'push':
      return push(connection, dial)
    case 'datagram':
      return datagrams(connection, dial)
    case 'rtt':
      return pingPong(connection, dial)
    case 'reset':
      return reset(connection)
    default:
      throw new Error(`the npm node knows no action ${dial.action}`)
  }
}

async function transfers(connection: Connection, dial: Task): Promise<Line> {
  const task = async (): Promise<void> => {
    for (let index = 0; index < dial.count; index++) await transfer(connection, dial)
  }
  await Promise.all(Array.from({ length: dial.streams }, task))
  return { bytes: dial.size * dial.count * dial.streams, verified: true }
}

async function transfer(connection: Connection, { action, size, uni }: Task): Promise<void> {
  if (uni) {
    const send = await connection.openUni()
    await writePattern(send, size)
    await send.finish()
    await send.stopped()
    return
  }
  const { send, recv } = await connection.openBi()
  const give = async (): Promise<void> => {
    if (action === 'source') await send.writeAll(u64(size))
    else await writePattern(send, size)
    await send.finish()
  }
  const take = async (): Promise<void> => {
    if (action === 'sink') {
      const answer = Buffer.from(await recv.readToEnd(16)).toString('hex')
      const expected = size.toString(16).padStart(16, '0') + patternHash(size)
      if (answer !== expected) throw new Error(`the sink answered ${answer}, not ${expected}`)
      return
    }
    const check = new PatternCheck()
    for await (const piece of pieces(recv)) check.update(piece)
    if (check.received !== size) throw new Error(`expected ${size} bytes, got ${check.received}`)
  }
  // Both at once, or flow control would stop an echo.
  await Promise.all([give(), take()])
}

async function push(connection: Connection, { size, count }: Task): Promise<Line> {
  const { send, recv } = await connection.openBi()
  await send.writeAll([...u64(size), ...u64(count)])
  await send.finish()
  const one = async (): Promise<void> => {
    const uni = await connection.acceptUni()
    const check = new PatternCheck()
    for await (const piece of pieces(uni)) check.update(piece)
    if (check.received !== size) throw new Error(`expected ${size} bytes, got ${check.received}`)
  }
  await Promise.all(Array.from({ length: count }, one))
  await recv.readToEnd(0)
  return { bytes: size * count, verified: true }
}

async function datagrams(connection: Connection, dial: Task): Promise<Line> {
  const maxSize = connection.maxDatagramSize()
  if (maxSize === null) throw new Error('the peer takes no datagrams')
  const size = Math.min(Math.max(dial.size, 4), maxSize)
  const seen = new Set<number>()
  const send = async (): Promise<void> => {
    for (let number = 0; number < dial.count; number++) {
      const datagram = Buffer.from(PATTERN_BLOCK.slice(0, size))
      datagram.writeUInt32BE(number)
      await connection.sendDatagramWait([...datagram])
    }
  }
  const receive = async (): Promise<void> => {
    while (seen.size < dial.count) {
      const datagram = Buffer.from(await within(2000, connection.readDatagram()))
      if (datagram.length !== size) throw new Error(`a datagram of ${size} bytes came back as ${datagram.length}`)
      seen.add(datagram.readUInt32BE())
    }
  }
  await Promise.all([
    send(),
    receive().catch((error) => (error instanceof TimeLimit ? undefined : Promise.reject(error))),
  ])
  return { sent: dial.count, received: seen.size, size, maxSize }
}

async function pingPong(connection: Connection, { size, count }: Task): Promise<Line> {
  const { send, recv } = await connection.openBi()
  const ping = [...PATTERN_BLOCK.subarray(0, size)]
  const times: number[] = []
  for (let index = 0; index < count; index++) {
    const begin = performance.now()
    await send.writeAll(ping)
    await recv.readExact(size)
    times.push(performance.now() - begin)
  }
  await send.finish()
  times.sort((left, right) => left - right)
  const at = (share: number): number => times[Math.floor((times.length - 1) * share)]!
  return { count, minMs: at(0), medianMs: at(0.5), p99Ms: at(0.99), maxMs: at(1) }
}

async function reset(connection: Connection): Promise<Line> {
  const { send, recv } = await connection.openBi()
  await send.writeAll([1])
  return { stoppedCode: await send.stopped(), resetCode: await recv.receivedReset() }
}

class TimeLimit extends Error {}

async function within<T>(limitMs: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TimeLimit('time limit')), limitMs)
  })
  try {
    return await Promise.race([promise, limit])
  } finally {
    clearTimeout(timer)
    promise.catch(() => {})
  }
}
