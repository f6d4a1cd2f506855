/** js-libp2p over TCP with Noise and Yamux: pure JavaScript above node:net, where the kernel segments and batches. */
import { Arrivals } from './chunk-queue.ts'
import { load } from './load.ts'
import { ALPNS, type BenchConnection, type BenchEndpoint, type BenchStream } from './peer.ts'

interface ByteList {
  subarray(): Uint8Array
}

interface P2pStream extends AsyncIterable<Uint8Array | ByteList> {
  readonly protocol: string
  send(bytes: Uint8Array): boolean
  onDrain(): Promise<void>
  close(): Promise<void>
}

interface P2pConnection {
  readonly id: string
  newStream(protocol: string, options: object): Promise<P2pStream>
  close(): Promise<void>
}

interface Node {
  getMultiaddrs(): { toString(): string }[]
  dial(address: unknown, options: object): Promise<P2pConnection>
  handle(
    protocol: string,
    handler: (stream: P2pStream, connection: P2pConnection) => void,
    options: object,
  ): Promise<void>
}

/** libp2p's limits are for the open network; a benchmark opens many at once from one host. */
const MANY = 100_000

class Stream implements BenchStream {
  readonly #stream: P2pStream
  readonly #chunks: AsyncIterator<Uint8Array | ByteList>

  constructor(stream: P2pStream) {
    this.#stream = stream
    this.#chunks = stream[Symbol.asyncIterator]()
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (!this.#stream.send(bytes)) await this.#stream.onDrain()
  }

  async finish(): Promise<void> {
    this.#stream.close().catch(() => {})
  }

  async read(): Promise<Uint8Array | undefined> {
    const { done, value } = await this.#chunks.next()
    return done === true ? undefined : value.subarray()
  }
}

class Connection implements BenchConnection {
  readonly #connection: P2pConnection
  readonly #alpn: string
  readonly incoming = new Arrivals<BenchStream>()

  constructor(connection: P2pConnection, alpn: string) {
    this.#connection = connection
    this.#alpn = alpn
  }

  async openBi(): Promise<BenchStream> {
    return new Stream(await this.#connection.newStream(this.#alpn, { maxOutboundStreams: MANY }))
  }

  acceptBi(): Promise<BenchStream> {
    return this.incoming.next()
  }

  datagramsSent(): undefined {
    return undefined
  }

  close(): void {
    this.#connection.close().catch(() => {})
  }
}

/** libp2p 3 asks for Node 22; this one function is all it misses on Node 20. */
function fillInNode20(): void {
  const promise = Promise as unknown as { withResolvers?: unknown }
  promise.withResolvers ??= () => {
    let resolve: unknown
    let reject: unknown
    const fresh = new Promise((...both) => {
      ;[resolve, reject] = both
    })
    return { promise: fresh, resolve, reject }
  }
}

export async function bind(): Promise<BenchEndpoint> {
  fillInNode20()
  const { createLibp2p } = await load<{ createLibp2p: (options: object) => Promise<Node> }>('libp2p')
  const { tcp } = await load<{ tcp: () => unknown }>('@libp2p/tcp')
  const { noise } = await load<{ noise: () => unknown }>('@libp2p/noise')
  const { yamux } = await load<{ yamux: (options: object) => unknown }>('@libp2p/yamux')
  const { multiaddr } = await load<{ multiaddr: (text: string) => unknown }>('@multiformats/multiaddr')
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux({ maxInboundStreams: MANY, maxOutboundStreams: MANY, maxEarlyStreams: MANY })],
    connectionManager: {
      maxConnections: MANY,
      maxIncomingPendingConnections: MANY,
      inboundConnectionThreshold: MANY,
    },
  })
  const accepted = new Arrivals<{ connection: BenchConnection; alpn: string }>()
  // libp2p names the protocol per stream: a connection is news with its first one
  const known = new Map<string, Connection>()
  for (const alpn of ALPNS)
    await node.handle(
      alpn,
      (stream, raw) => {
        let connection = known.get(raw.id)
        if (connection === undefined) {
          connection = new Connection(raw, alpn)
          known.set(raw.id, connection)
          accepted.push({ connection, alpn })
        }
        connection.incoming.push(new Stream(stream))
      },
      { maxInboundStreams: MANY, maxOutboundStreams: MANY },
    )
  // dials to one peer at the same time would share a connection
  let dialling: Promise<unknown> = Promise.resolve()
  return {
    address: node.getMultiaddrs()[0]!.toString(),
    connect: async (address, alpn) => {
      const dial = dialling.then(() => node.dial(multiaddr(address), { force: true }))
      dialling = dial.catch(() => {})
      return new Connection(await dial, alpn)
    },
    accept: () => accepted.next(),
  }
}
