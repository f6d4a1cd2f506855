/** tom-transport, through its public face. */
import { type Connection, Endpoint, EndpointTicket, type RecvStream, type SendStream } from '../../src/index.ts'
import type { BenchConnection, BenchEndpoint, BenchStream } from './peer.ts'

class TomStream implements BenchStream {
  readonly #send: SendStream
  readonly #recv: RecvStream

  constructor({ send, recv }: { send: SendStream; recv: RecvStream }) {
    this.#send = send
    this.#recv = recv
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#send.write(bytes)
  }

  async finish(): Promise<void> {
    // the stack's promise is about the acknowledgement, which no figure waits for
    this.#send.finish().catch(() => {})
  }

  read(): Promise<Uint8Array | undefined> {
    return this.#recv.read()
  }
}

class TomConnection implements BenchConnection {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  async openBi(): Promise<BenchStream> {
    return new TomStream(await this.#connection.openBi())
  }

  async acceptBi(): Promise<BenchStream> {
    return new TomStream(await this.#connection.acceptBi())
  }

  datagramsSent(): number {
    return this.#connection.stats().paths.reduce((sum, path) => sum + path.datagramsSent, 0)
  }

  close(): void {
    this.#connection.close()
  }
}

/** `maxMtu`: UDP payload bound of path MTU discovery, bytes; default the stack's own. */
export async function bind(alpns: readonly string[], options: { maxMtu?: number }): Promise<BenchEndpoint> {
  const endpoint = await Endpoint.bind({
    alpns,
    bind: ['127.0.0.1:0'],
    ...(options.maxMtu === undefined ? {} : { settings: { maxMtu: options.maxMtu } }),
  })
  // a ticket is read once and dialled often: the handshake is what is timed
  const tickets = new Map<string, EndpointTicket>()
  const read = (address: string): EndpointTicket => {
    const ticket = tickets.get(address) ?? EndpointTicket.parse(address)
    tickets.set(address, ticket)
    return ticket
  }
  return {
    address: endpoint.ticket().toString(),
    connect: async (address, alpn) => new TomConnection(await endpoint.connect(read(address), alpn)),
    accept: async () => {
      const connection = await endpoint.accept()
      return connection && { connection: new TomConnection(connection), alpn: connection.alpnText }
    },
  }
}
