/** What the npm node does with a connection it accepted, chosen by its ALPN: the table in conformance/README.md. */
import type { BiStream, Connection, RecvStream, SendStream } from '@number0/iroh'
import { Fnv, PATTERN_BLOCK } from '../pattern.ts'
import { messageOf } from './close-text.ts'

/** Most bytes of one read: fewer calls count more than the memory. */
const READ_SIZE = 262_144
/** What one write takes. The binding takes and gives arrays of numbers. */
const BLOCK: readonly number[] = [...PATTERN_BLOCK]

export const ALPNS = ['echo', 'sink', 'drain', 'source', 'push', 'close', 'reset'].map((name) => `tom/${name}/1`)

/** The binding prints an id as `client unidirectional stream 3`, counted per kind; this is QUIC's number (RFC 9000 §2.1). */
async function idOf(recv: RecvStream): Promise<number> {
  const [, role, kind, index] = /(client|server) (bi|uni)directional stream (\d+)/.exec(await recv.id()) ?? []
  return Number(index) * 4 + (role === 'server' ? 1 : 0) + (kind === 'uni' ? 2 : 0)
}

export type Emit = (line: Record<string, unknown>) => void

export async function writePattern(send: SendStream, length: number): Promise<void> {
  for (let left = length; left > 0; left -= BLOCK.length)
    await send.writeAll(left >= BLOCK.length ? (BLOCK as number[]) : BLOCK.slice(0, left))
}

export async function* pieces(recv: RecvStream): AsyncGenerator<number[]> {
  for (;;) {
    const piece = await recv.read(READ_SIZE)
    if (piece.length === 0) return
    yield piece
  }
}

async function hashOf(recv: RecvStream): Promise<Fnv> {
  const hash = new Fnv()
  for await (const piece of pieces(recv)) hash.update(piece)
  return hash
}

export function u64(value: number | bigint): number[] {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return [...bytes]
}

async function readU64(recv: RecvStream): Promise<number> {
  return Number(Buffer.from(await recv.readExact(8)).readBigUInt64BE())
}

async function echo({ send, recv }: BiStream): Promise<void> {
  for await (const piece of pieces(recv)) await send.writeAll(piece)
  await send.finish()
}

async function sink({ send, recv }: BiStream, hashed: boolean): Promise<void> {
  const hash = await hashOf(recv)
  await send.writeAll([...u64(hash.bytes), ...(hashed ? u64(BigInt(`0x${hash.hex}`)) : [])])
  await send.finish()
}

async function source({ send, recv }: BiStream): Promise<void> {
  await writePattern(send, await readU64(recv))
  await send.finish()
}

async function push(connection: Connection, { send, recv }: BiStream): Promise<void> {
  const length = await readU64(recv)
  const count = await readU64(recv)
  const one = async (): Promise<void> => {
    const uni = await connection.openUni()
    await writePattern(uni, length)
    await uni.finish()
    await uni.stopped()
  }
  await Promise.all(Array.from({ length: count }, one))
  await send.finish()
}

async function reset({ send, recv }: BiStream): Promise<void> {
  await recv.read(1)
  await send.reset(8n)
  await recv.stop(9n)
}

async function serveStream(connection: Connection, alpn: string, stream: BiStream): Promise<void> {
  switch (alpn) {
    case 'tom/sink/1':
      return sink(stream, true)
    case 'tom/drain/1':
      return sink(stream, false)
    case 'tom/source/1':
      return source(stream)
    case 'tom/push/1':
      return push(connection, stream)
    case 'tom/close/1':
      return connection.close(7n, [...Buffer.from('server done')])
    case 'tom/reset/1':
      return reset(stream)
    default:
      return echo(stream)
  }
}

/** Serves until the connection ends; each loop ends with the error that the binding then throws. */
export function serve(connection: Connection, number: number, emit: Emit): void {
  const alpn = Buffer.from(connection.alpn()).toString()
  const failed = async (recv: RecvStream, error: unknown): Promise<void> => {
    emit({ event: 'stream-error', connection: number, stream: await idOf(recv), message: messageOf(error) })
  }
  const streams = async (): Promise<never> => {
    for (;;) {
      const stream = await connection.acceptBi()
      serveStream(connection, alpn, stream).catch((error) => failed(stream.recv, error))
    }
  }
  const uniStreams = async (): Promise<never> => {
    for (;;) {
      const recv = await connection.acceptUni()
      const report = async (): Promise<void> => {
        const stream = await idOf(recv)
        const hash = await hashOf(recv)
        emit({ event: 'received', connection: number, stream, bytes: hash.bytes, fnv: hash.hex })
      }
      report().catch((error) => failed(recv, error))
    }
  }
  const datagrams = async (): Promise<never> => {
    for (;;) {
      const datagram = await connection.readDatagram()
      const fits = datagram.length <= (connection.maxDatagramSize() ?? 0)
      if (fits && alpn !== 'tom/sink/1' && alpn !== 'tom/drain/1') connection.sendDatagram(datagram)
    }
  }
  for (const loop of [streams, uniStreams, datagrams]) loop().catch(() => {})
}
