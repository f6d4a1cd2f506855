/** The client's and the server's side of each figure, over any `BenchEndpoint`. Numbers only; what they mean is measure.ts's. */
import {
  ALPNS,
  type BenchConnection,
  type BenchEndpoint,
  type BenchStream,
  type BindPeer,
  type Side,
} from './peers/peer.ts'
import { median } from './statistics.ts'

export interface FigureOptions {
  readonly bytes?: number
  readonly streams?: number
  readonly count?: number
  /** Handshakes before those that count; default 10. */
  readonly warmUp?: number
  /** Only the blast: UDP payload, bytes. */
  readonly datagram?: number
}

export type FigureName = 'bulk' | 'roundTrips' | 'handshakes' | 'freshStreams' | 'idle' | 'release' | 'sequence'

/** Milliseconds unless the name says otherwise. */
export type FigureResult = Record<string, number>

const CHUNK = 65_536
const PING = 64

// the server

async function serve(endpoint: BenchEndpoint, held: BenchConnection[]): Promise<void> {
  for (;;) {
    let accepted: Awaited<ReturnType<BenchEndpoint['accept']>>
    try {
      accepted = await endpoint.accept()
    } catch {
      // one failed handshake is not the end of the server
      continue
    }
    if (accepted === undefined) return
    const { connection, alpn } = accepted
    held.push(connection)
    const handle = alpn === 'tom/echo/1' ? echo : drain
    serveStreams(connection, handle)
      .catch(() => {})
      .finally(() => held.splice(held.indexOf(connection), 1))
  }
}

async function serveStreams(
  connection: BenchConnection,
  handle: (stream: BenchStream) => Promise<void>,
): Promise<void> {
  for (;;) {
    const stream = await connection.acceptBi()
    handle(stream).catch(() => {})
  }
}

async function drain(stream: BenchStream): Promise<void> {
  let total = 0
  for (;;) {
    const chunk = await stream.read()
    if (chunk === undefined) break
    total += chunk.length
  }
  const answer = new Uint8Array(8)
  new DataView(answer.buffer).setBigUint64(0, BigInt(total))
  await stream.write(answer)
  await stream.finish()
}

async function echo(stream: BenchStream): Promise<void> {
  for (;;) {
    const chunk = await stream.read()
    if (chunk === undefined) break
    await stream.write(chunk)
  }
  await stream.finish()
}

// the client

async function readAll(stream: BenchStream): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for (;;) {
    const chunk = await stream.read()
    if (chunk === undefined) break
    pieces.push(chunk)
  }
  return pieces.length === 1 ? pieces[0]! : Uint8Array.from(pieces.flatMap((piece) => [...piece]))
}

async function bulk(endpoint: BenchEndpoint, address: string, options: FigureOptions): Promise<FigureResult> {
  const bytes = options.bytes ?? 32 << 20
  const streams = options.streams ?? 1
  const chunk = new Uint8Array(CHUNK).map((_, index) => index * 31 + 7)
  const connection = await endpoint.connect(address, 'tom/drain/1')
  const each = Math.floor(bytes / streams / CHUNK) * CHUNK
  const started = performance.now()
  await Promise.all(
    Array.from({ length: streams }, async () => {
      const stream = await connection.openBi()
      for (let sent = 0; sent < each; sent += CHUNK) await stream.write(chunk)
      await stream.finish()
      const answer = await readAll(stream)
      const total = Number(new DataView(answer.buffer, answer.byteOffset).getBigUint64(0))
      if (total !== each) throw new Error(`the server counted ${total} bytes of ${each}`)
    }),
  )
  const ms = performance.now() - started
  const datagrams = connection.datagramsSent()
  connection.close()
  return { ms, bytes: each * streams, ...(datagrams === undefined ? {} : { datagrams }) }
}

async function roundTrips(endpoint: BenchEndpoint, address: string, options: FigureOptions): Promise<FigureResult> {
  const count = options.count ?? 2000
  const ping = new Uint8Array(PING)
  const connection = await endpoint.connect(address, 'tom/echo/1')
  const stream = await connection.openBi()
  const times = new Float64Array(count)
  const warmUp = Math.floor(count / 4)
  for (let index = -warmUp; index < count; index++) {
    const started = performance.now()
    await stream.write(ping)
    for (let received = 0; received < PING; ) {
      const chunk = await stream.read()
      if (chunk === undefined) throw new Error('the echo ended early')
      received += chunk.length
    }
    if (index >= 0) times[index] = performance.now() - started
  }
  await stream.finish()
  connection.close()
  times.sort()
  return { p50: times[Math.floor(count / 2)]!, p99: times[Math.floor(count * 0.99)]! }
}

/** Handshakes before the first that count: what a process does for the thousandth time is compiled, in every stack that compiles. */
const WARM_HANDSHAKES = 1000

async function handshakes(
  endpoint: BenchEndpoint,
  address: string,
  options: FigureOptions,
  isWarm: boolean,
): Promise<FigureResult> {
  const count = options.count ?? 100
  const times = new Float64Array(count)
  for (let index = -(options.warmUp ?? (isWarm ? 10 : WARM_HANDSHAKES)); index < count; index++) {
    const started = performance.now()
    const connection = await endpoint.connect(address, 'tom/drain/1')
    if (index >= 0) times[index] = performance.now() - started
    connection.close()
    // let the close go out, so that one handshake does not pay for the last one's end
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  times.sort()
  return { median: times[Math.floor(count / 2)]!, p90: times[Math.floor(count * 0.9)]! }
}

async function freshStreams(endpoint: BenchEndpoint, address: string, options: FigureOptions): Promise<FigureResult> {
  const count = options.count ?? 4000
  const streams = options.streams ?? 32
  const connection = await endpoint.connect(address, 'tom/echo/1')
  const one = Uint8Array.of(1)
  let left = count
  const started = performance.now()
  await Promise.all(
    Array.from({ length: streams }, async () => {
      while (left-- > 0) {
        const stream = await connection.openBi()
        await stream.write(one)
        await stream.finish()
        const answer = await readAll(stream)
        if (answer.length !== 1) throw new Error('the echo is not what was sent')
      }
    }),
  )
  const ms = performance.now() - started
  connection.close()
  return { ms, count }
}

/** Opens `count` connections and leaves them idle. */
async function idle(
  endpoint: BenchEndpoint,
  address: string,
  options: FigureOptions,
  held: BenchConnection[],
): Promise<FigureResult> {
  const count = options.count ?? 1000
  for (let index = 0; index < count; index += 10)
    held.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(10, count - index) }, () => endpoint.connect(address, 'tom/drain/1')),
      )),
    )
  return { count }
}

/**
 * `count` connections one after the other, `bytes` on each. The rates of the first and of the last tenth, Mbit/s: they differ when something
 * of a connection stays behind.
 */
async function sequence(endpoint: BenchEndpoint, address: string, options: FigureOptions): Promise<FigureResult> {
  const count = options.count ?? 1000
  const bytes = options.bytes ?? 256 * 1024
  const rates: number[] = []
  for (let index = 0; index < count; index++) {
    const result = await bulk(endpoint, address, { bytes })
    rates.push((result.bytes! * 8) / result.ms! / 1000)
  }
  const tenth = Math.ceil(count / 10)
  return { first: median(rates.slice(0, tenth)), last: median(rates.slice(-tenth)) }
}

/** A stack with connections and streams as one end of a measurement. */
export async function overStreams(bind: BindPeer, role: 'server' | 'client', options: object): Promise<Side> {
  const endpoint = await bind(role === 'server' ? ALPNS : [], options)
  const held: BenchConnection[] = []
  let warmed = false
  if (role === 'server') void serve(endpoint, held)
  return {
    address: endpoint.address,
    run: (figure, address, figureOptions) => {
      const isWarm = warmed
      switch (figure) {
        case 'bulk':
          return bulk(endpoint, address, figureOptions)
        case 'roundTrips':
          return roundTrips(endpoint, address, figureOptions)
        case 'handshakes':
          warmed = true
          return handshakes(endpoint, address, figureOptions, isWarm)
        case 'freshStreams':
          return freshStreams(endpoint, address, figureOptions)
        case 'idle':
          return idle(endpoint, address, figureOptions, held)
        case 'release': {
          const released = held.splice(0)
          for (const connection of released) connection.close()
          return Promise.resolve({ count: released.length })
        }
        case 'sequence':
          return sequence(endpoint, address, figureOptions)
      }
    },
  }
}
