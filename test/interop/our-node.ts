/**
 * Our side of the interop tests: endpoints that serve the ALPNs of conformance/README.md through the public face, and the transfers of a dialling
 * side. What the public face does not offer stands in low-node.ts.
 */
import { onTestFinished } from 'vitest'
import {
  type BiStream,
  type Connection,
  Endpoint,
  EndpointAddr,
  EndpointId,
  type EndpointOptions,
  type RecvStream,
  type Router,
  SecretKey,
  type SendStream,
} from '../../src/index.ts'
import { NodePlatform } from '../../src/platform/node/index.ts'
import { Fnv, PatternCheck, patternHash, patternPieces } from './pattern.ts'
import type { ReferencePeer } from './reference-peer.ts'

export const LOOPBACK = ['127.0.0.1:0']
/** For what is about one path: without NAT traversal the two ends find no way around a wire that is cut. */
export const ONE_WAY = { settings: { natTraversalAddresses: undefined } }
/** What `serve` serves. */
export const ALPNS = ['echo', 'sink', 'source', 'push', 'close', 'reset', 'hold'].map((name) => `tom/${name}/1`)

/** An endpoint on loopback that is closed with the test. */
export async function openEndpoint(options: Partial<EndpointOptions> = {}): Promise<Endpoint> {
  const endpoint = await Endpoint.bind({ bind: LOOPBACK, ...options })
  onTestFinished(() => endpoint.close())
  return endpoint
}

/** The same, serving; `onConnection` sees each connection first. */
export async function openServer(
  options: Partial<EndpointOptions> = {},
  onConnection: (connection: Connection) => void = () => {},
): Promise<{ endpoint: Endpoint; router: Router }> {
  const endpoint = await openEndpoint(options)
  const router = endpoint.router()
  for (const alpn of ALPNS)
    router.accept(alpn, (connection) => {
      onConnection(connection)
      return serve(connection)
    })
  return { endpoint, router }
}

/** For `connect`: the peer at the address of its IPv4 or IPv6 socket, or at any other. */
export function addrOf(peer: ReferencePeer, address: string = v4(peer.addrs)): EndpointAddr {
  return new EndpointAddr(EndpointId.parse(peer.id)).withIp(address)
}

export function v4(addrs: readonly string[]): string {
  return addrs.find((addr) => !addr.startsWith('['))!
}

export function v6(addrs: readonly string[]): string | undefined {
  return addrs.find((addr) => addr.startsWith('['))
}

/** A key that nobody has. */
export function strangerId(): EndpointId {
  return SecretKey.generate(new NodePlatform().random).id
}

// serving

/** Until the connection ends, which is no error. */
export async function serve(connection: Connection): Promise<void> {
  const alpn = connection.alpnText
  if (alpn === 'tom/hold/1') return
  await Promise.allSettled([serveStreams(connection, alpn), serveDatagrams(connection)])
}

async function serveStreams(connection: Connection, alpn: string): Promise<never> {
  for (;;) {
    const stream = await connection.acceptBi()
    // A stream that fails is the dialling side's to report.
    serveStream(connection, alpn, stream).catch(() => {})
  }
}

async function serveDatagrams(connection: Connection): Promise<never> {
  for (;;) {
    const datagram = await connection.readDatagram()
    if (datagram.length <= (connection.maxDatagramSize ?? 0)) connection.sendDatagram(datagram)
  }
}

async function serveStream(connection: Connection, alpn: string, { send, recv }: BiStream): Promise<void> {
  switch (alpn) {
    case 'tom/sink/1': {
      const hash = await hashOf(recv)
      const answer = Buffer.from(hash.bytes.toString(16).padStart(16, '0') + hash.hex, 'hex')
      await send.write(answer)
      return send.finish()
    }
    case 'tom/source/1': {
      const [length] = await readNumbers(recv, 1)
      await writePattern(send, length!)
      return
    }
    case 'tom/push/1': {
      const [length, count] = await readNumbers(recv, 2)
      const one = async (): Promise<void> => {
        const uni = await connection.openUni()
        await writePattern(uni, length!)
        await uni.closed
      }
      await Promise.all(Array.from({ length: count! }, one))
      return send.finish()
    }
    case 'tom/close/1':
      connection.close(7, 'server done')
      return
    case 'tom/reset/1':
      await recv.read(1)
      send.reset(8)
      recv.stop(9)
      return
    default:
      for await (const chunk of recv) await send.write(chunk)
      return send.finish()
  }
}

async function readNumbers(recv: RecvStream, count: number): Promise<number[]> {
  const bytes = Buffer.from(await recv.readToEnd(8 * count))
  return Array.from({ length: count }, (_, index) => Number(bytes.readBigUInt64BE(8 * index)))
}

export async function hashOf(recv: RecvStream): Promise<Fnv> {
  const hash = new Fnv()
  for await (const chunk of recv) hash.update(chunk)
  return hash
}

export async function checkPattern(recv: RecvStream, size: number): Promise<void> {
  const check = new PatternCheck()
  for await (const chunk of recv) check.update(chunk)
  if (check.received !== size) throw new Error(`expected ${size} bytes, got ${check.received}`)
}

/** All of it and the end. */
export async function writePattern(send: SendStream, size: number): Promise<void> {
  for (const piece of patternPieces(size)) await send.write(piece)
  await send.finish()
}

// dialling

export async function echo(connection: Connection, size: number): Promise<void> {
  const { send, recv } = await connection.openBi()
  await Promise.all([writePattern(send, size), checkPattern(recv, size)])
}

export async function toSink(connection: Connection, size: number): Promise<void> {
  const { send, recv } = await connection.openBi()
  await writePattern(send, size)
  const answer = Buffer.from(await recv.readToEnd(16)).toString('hex')
  const expected = size.toString(16).padStart(16, '0') + patternHash(size)
  if (answer !== expected) throw new Error(`the sink answered ${answer}, not ${expected}`)
}

export async function fromSource(connection: Connection, size: number): Promise<void> {
  const { send, recv } = await connection.openBi()
  await send.write(u64(size))
  await send.finish()
  await checkPattern(recv, size)
}

export function u64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

export function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1))
}
