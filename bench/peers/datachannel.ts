/**
 * node-datachannel: WebRTC data channels (ICE, DTLS, SCTP) in C++. Descriptions and candidates travel over a TCP connection of the benchmark's
 * own, in place of a signalling server; a stream is a data channel, which has no half-close, so the text message `fin` ends one direction.
 */
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { Arrivals, ChunkQueue } from './chunk-queue.ts'
import { load } from './load.ts'
import type { BenchConnection, BenchEndpoint, BenchStream } from './peer.ts'

interface Channel {
  getLabel(): string
  isOpen(): boolean
  sendMessage(text: string): boolean
  sendMessageBinary(bytes: Uint8Array): boolean
  bufferedAmount(): number
  setBufferedAmountLowThreshold(bytes: number): void
  onOpen(listener: () => void): void
  onClosed(listener: () => void): void
  onMessage(listener: (message: string | Uint8Array | ArrayBuffer) => void): void
  onBufferedAmountLow(listener: () => void): void
  close(): void
}

interface PeerConnection {
  createDataChannel(label: string): Channel
  setRemoteDescription(sdp: string, type: string): void
  addRemoteCandidate(candidate: string, mid: string): void
  onLocalDescription(listener: (sdp: string, type: string) => void): void
  onLocalCandidate(listener: (candidate: string, mid: string) => void): void
  onDataChannel(listener: (channel: Channel) => void): void
  close(): void
}

interface Library {
  readonly PeerConnection: new (name: string, options: object) => PeerConnection
}

/** With many at once an attempt gets stuck now and then; it is given up and made again. Milliseconds. */
const STUCK_MS = 5_000
const ATTEMPTS = 4

/** Unsent bytes at which a writer waits, and at which it goes on. */
const HIGH_WATER = 1 << 20
const LOW_WATER = 256 << 10

class Stream implements BenchStream {
  readonly #channel: Channel
  readonly #queue = new ChunkQueue()
  #drained: () => void = () => {}

  constructor(channel: Channel) {
    this.#channel = channel
    channel.setBufferedAmountLowThreshold(LOW_WATER)
    channel.onBufferedAmountLow(() => this.#drained())
    channel.onClosed(() => {
      this.#queue.end()
      this.#drained()
    })
    channel.onMessage((message) => {
      if (typeof message === 'string') this.#queue.end()
      else this.#queue.push(message instanceof ArrayBuffer ? new Uint8Array(message) : message)
    })
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#channel.sendMessageBinary(bytes)
    if (this.#channel.bufferedAmount() < HIGH_WATER) return
    await new Promise<void>((resolve) => {
      this.#drained = resolve
    })
  }

  async finish(): Promise<void> {
    this.#channel.sendMessage('fin')
  }

  read(): Promise<Uint8Array | undefined> {
    return this.#queue.read()
  }
}

function opened(channel: Channel): Promise<void> {
  if (channel.isOpen()) return Promise.resolve()
  return new Promise((resolve) => channel.onOpen(resolve))
}

class Connection implements BenchConnection {
  readonly #peer: PeerConnection
  readonly #signal: Socket
  readonly incoming = new Arrivals<BenchStream>()

  constructor(peer: PeerConnection, signal: Socket) {
    this.#peer = peer
    this.#signal = signal
  }

  async openBi(): Promise<BenchStream> {
    const channel = this.#peer.createDataChannel('stream')
    const stream = new Stream(channel)
    await opened(channel)
    return stream
  }

  acceptBi(): Promise<BenchStream> {
    return this.incoming.next()
  }

  datagramsSent(): undefined {
    return undefined
  }

  close(): void {
    this.#signal.destroy()
    this.#peer.close()
  }
}

export async function bind(): Promise<BenchEndpoint> {
  const { PeerConnection } = await load<Library>('node-datachannel')
  const accepted = new Arrivals<{ connection: BenchConnection; alpn: string }>()

  const open = (signal: Socket): PeerConnection => {
    const peer = new PeerConnection('bench', { iceServers: [], bindAddress: '127.0.0.1' })
    const say = (line: object): void => {
      signal.write(`${JSON.stringify(line)}\n`)
    }
    signal.on('error', () => {})
    signal.setNoDelay(true)
    peer.onLocalDescription((sdp, type) => say({ sdp, type }))
    peer.onLocalCandidate((candidate, mid) => say({ candidate, mid }))
    // with many at once a candidate comes before the library is ready for it: it is offered again
    const addCandidate = (candidate: string, mid: string, attempts = 100): void => {
      try {
        peer.addRemoteCandidate(candidate, mid)
      } catch {
        if (attempts > 0 && !signal.destroyed) setTimeout(addCandidate, 10, candidate, mid, attempts - 1)
      }
    }
    createInterface({ input: signal }).on('line', (text) => {
      const line = JSON.parse(text) as { sdp: string; type: string } | { candidate: string; mid: string }
      if ('sdp' in line) peer.setRemoteDescription(line.sdp, line.type)
      else addCandidate(line.candidate, line.mid)
    })
    return peer
  }

  const server = createServer((signal) => {
    const peer = open(signal)
    let connection: Connection | undefined
    // the first channel is the client's, named by the protocol
    peer.onDataChannel((channel) => {
      if (connection === undefined) {
        connection = new Connection(peer, signal)
        const gone = connection
        signal.once('close', () => gone.close())
        accepted.push({ connection, alpn: channel.getLabel() })
      } else connection.incoming.push(new Stream(channel))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    address: String((server.address() as { port: number }).port),
    connect: async (address, alpn) => {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const signal = connectTcp(Number(address), '127.0.0.1')
        await new Promise((resolve) => signal.once('connect', resolve))
        const peer = open(signal)
        const connection = new Connection(peer, signal)
        let timer: NodeJS.Timeout | undefined
        const isStuck = await Promise.race([
          opened(peer.createDataChannel(alpn)).then(() => false),
          new Promise<boolean>((resolve) => {
            timer = setTimeout(resolve, STUCK_MS, true)
          }),
        ])
        clearTimeout(timer)
        if (!isStuck) return connection
        connection.close()
      }
      throw new Error(`no connection after ${ATTEMPTS} attempts of ${STUCK_MS / 1000} s`)
    },
    accept: () => accepted.next(),
  }
}
