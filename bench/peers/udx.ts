/**
 * udx-native with @hyperswarm/secret-stream, as hyperswarm joins them: reliable UDP in C, Noise XX and a sealed stream over it. One stream is a
 * connection of its own; who gets which stream ids is told in one message each way, where hyperswarm asks its DHT.
 */
import { Arrivals, ChunkQueue } from './chunk-queue.ts'
import { load } from './load.ts'
import type { BenchConnection, BenchEndpoint, BenchStream } from './peer.ts'

interface Emitter {
  on(event: string, listener: (...args: never[]) => void): unknown
  once(event: string, listener: (...args: never[]) => void): unknown
}

interface UdxStream extends Emitter {
  readonly id: number
  readonly packetsTransmitted: number
  connect(socket: UdxSocket, remoteId: number, port: number, host: string): void
}

interface UdxSocket extends Emitter {
  bind(port: number, host: string): void
  address(): { port: number }
  trySend(message: Uint8Array, port: number, host: string): void
  setRecvBufferSize(bytes: number): void
  setSendBufferSize(bytes: number): void
}

interface Udx {
  createSocket(): UdxSocket
  createStream(id: number): UdxStream
}

interface Secret extends Emitter {
  write(bytes: Uint8Array): boolean
  end(): void
  destroy(): void
  pause(): void
  resume(): void
}

interface SecretStreamClass {
  new (isInitiator: boolean, raw: UdxStream, options: { keyPair: unknown }): Secret
  keyPair(): unknown
}

/** Unread bytes at which the stream is paused, and half of it goes on. */
const HIGH_WATER = 1 << 20
/** What we ask the system for as well; it grants what it grants. */
const BUFFER_BYTES = 4 << 20

class Stream implements BenchStream {
  readonly #secret: Secret
  readonly #queue = new ChunkQueue()
  #isPaused = false
  #drained: () => void = () => {}

  constructor(secret: Secret) {
    this.#secret = secret
    secret.on('data', (chunk: Uint8Array) => {
      this.#queue.push(chunk)
      if (this.#isPaused || this.#queue.length < HIGH_WATER) return
      this.#isPaused = true
      secret.pause()
    })
    secret.on('drain', () => this.#drained())
    secret.on('end', () => this.#queue.end())
    secret.on('close', () => {
      this.#queue.end()
      this.#drained()
    })
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#secret.write(bytes)) return
    await new Promise<void>((resolve) => {
      this.#drained = resolve
    })
  }

  async finish(): Promise<void> {
    this.#secret.end()
  }

  async read(): Promise<Uint8Array | undefined> {
    const chunk = await this.#queue.read()
    if (this.#isPaused && this.#queue.length < HIGH_WATER / 2) {
      this.#isPaused = false
      this.#secret.resume()
    }
    return chunk
  }
}

class Connection implements BenchConnection {
  readonly #secret: Secret
  readonly #raw: UdxStream
  #stream: Stream | undefined

  constructor(secret: Secret, raw: UdxStream) {
    this.#secret = secret
    this.#raw = raw
    this.#stream = new Stream(secret)
  }

  async openBi(): Promise<BenchStream> {
    const stream = this.#stream
    if (stream === undefined) throw new Error('a udx stream is one connection')
    this.#stream = undefined
    return stream
  }

  /** The one stream, then none ever. */
  acceptBi(): Promise<BenchStream> {
    return this.#stream === undefined ? new Promise(() => {}) : this.openBi()
  }

  datagramsSent(): number {
    return this.#raw.packetsTransmitted
  }

  close(): void {
    this.#secret.destroy()
  }
}

export async function bind(): Promise<BenchEndpoint> {
  const { default: UDX } = await load<{ default: new () => Udx }>('udx-native')
  const { default: SecretStream } = await load<{ default: SecretStreamClass }>('@hyperswarm/secret-stream')
  const udx = new UDX()
  const socket = udx.createSocket()
  socket.bind(0, '127.0.0.1')
  for (const set of ['setRecvBufferSize', 'setSendBufferSize'] as const) {
    try {
      socket[set](BUFFER_BYTES)
    } catch {
      // the default then
    }
  }
  const keyPair = SecretStream.keyPair()
  const accepted = new Arrivals<{ connection: BenchConnection; alpn: string }>()
  const answers = new Map<number, (remoteId: number) => void>()
  let nextId = 1

  const open = (isInitiator: boolean, raw: UdxStream, remoteId: number, port: number) => {
    raw.on('error', () => {})
    raw.connect(socket, remoteId, port, '127.0.0.1')
    const secret = new SecretStream(isInitiator, raw, { keyPair })
    secret.on('error', () => {})
    return secret
  }

  socket.on('message', (message: Uint8Array, from: { port: number }) => {
    // what comes late for a stream that is gone is handed out as a message, too
    if (message[0] !== 0x7b) return
    const said = JSON.parse(new TextDecoder().decode(message)) as { to?: number; id: number; alpn?: string }
    if (said.to !== undefined) {
      answers.get(said.to)?.(said.id)
      answers.delete(said.to)
      return
    }
    const raw = udx.createStream(nextId++)
    const secret = open(false, raw, said.id, from.port)
    accepted.push({ connection: new Connection(secret, raw), alpn: said.alpn! })
    socket.trySend(new TextEncoder().encode(JSON.stringify({ to: said.id, id: raw.id })), from.port, '127.0.0.1')
  })

  return {
    address: String(socket.address().port),
    connect: async (address, alpn) => {
      const raw = udx.createStream(nextId++)
      const remoteId = await new Promise<number>((resolve) => {
        answers.set(raw.id, resolve)
        const request = new TextEncoder().encode(JSON.stringify({ id: raw.id, alpn }))
        socket.trySend(request, Number(address), '127.0.0.1')
      })
      const secret = open(true, raw, remoteId, Number(address))
      await new Promise<void>((resolve, reject) => {
        secret.once('connect', resolve)
        secret.once('close', () => reject(new Error('the stream closed during its handshake')))
      })
      return new Connection(secret, raw)
    },
    accept: () => accepted.next(),
  }
}
