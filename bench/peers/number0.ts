/** `@number0/iroh`, the official Node binding: bytes travel as arrays of numbers. */
import { createRequire } from 'node:module'
import type { BenchConnection, BenchEndpoint, BenchStream } from './peer.ts'

const iroh = createRequire(import.meta.url)('@number0/iroh')

/** As much as one read asks for; larger ones make the binding slower. */
const READ_SIZE = 65_536

const text = (value: string): number[] => [...new TextEncoder().encode(value)]

/** Arrays of numbers for buffers that are sent again and again: the conversion is the binding's price, but not every time. */
const asArrays = new WeakMap<Uint8Array, number[]>()

function toArray(bytes: Uint8Array): number[] {
  let array = asArrays.get(bytes)
  if (array === undefined) {
    array = Array.from(bytes)
    asArrays.set(bytes, array)
  }
  return array
}

class IrohStream implements BenchStream {
  // biome-ignore lint/suspicious/noExplicitAny: the binding's own types are not loaded
  readonly #bi: any

  // biome-ignore lint/suspicious/noExplicitAny: as above
  constructor(bi: any) {
    this.#bi = bi
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#bi.send.writeAll(toArray(bytes))
  }

  async finish(): Promise<void> {
    await this.#bi.send.finish()
  }

  async read(): Promise<Uint8Array | undefined> {
    const array: number[] | null = await this.#bi.recv.read(READ_SIZE)
    return array === null || array.length === 0 ? undefined : Uint8Array.from(array)
  }
}

class IrohConnection implements BenchConnection {
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly #connection: any

  // biome-ignore lint/suspicious/noExplicitAny: as above
  constructor(connection: any) {
    this.#connection = connection
  }

  async openBi(): Promise<BenchStream> {
    return new IrohStream(await this.#connection.openBi())
  }

  async acceptBi(): Promise<BenchStream> {
    return new IrohStream(await this.#connection.acceptBi())
  }

  datagramsSent(): number | undefined {
    return undefined
  }

  close(): void {
    this.#connection.close(0n, [])
  }
}

export async function bind(alpns: readonly string[]): Promise<BenchEndpoint> {
  const builder = iroh.Endpoint.builder()
  builder.applyMinimal()
  builder.relayMode(iroh.RelayMode.disabled())
  builder.bindAddr('127.0.0.1:0')
  builder.bindAddr('[::1]:0')
  builder.alpns(alpns.map(text))
  const endpoint = await builder.bind()
  const targets = new Map<string, unknown>()
  const port = endpoint
    .boundSockets()
    .find((address: string) => address.startsWith('127.0.0.1:'))
    .split(':')[1]
  return {
    address: `${endpoint.id().toString()}@127.0.0.1:${port}`,
    connect: async (address, alpn) => {
      let target = targets.get(address)
      if (target === undefined) {
        const [id, socket] = address.split('@') as [string, string]
        target = new iroh.EndpointAddr(iroh.EndpointId.fromBytes([...Buffer.from(id, 'hex')]), null, [socket])
        targets.set(address, target)
      }
      return new IrohConnection(await endpoint.connect(target, text(alpn)))
    },
    accept: async () => {
      const incoming = await endpoint.acceptNext()
      if (incoming === null || incoming === undefined) return undefined
      const connection = await (await incoming.accept()).connect()
      return { connection: new IrohConnection(connection), alpn: Buffer.from(connection.alpn()).toString() }
    },
  }
}
