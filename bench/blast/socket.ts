/** A UDP socket as cheap as Node's public interface makes it: large buffers, connected, no callback per datagram. */
import { createSocket, type Socket } from 'node:dgram'

/** Bytes the kernel charges for a received datagram of up to 1,452 bytes, and about for larger ones (spec/fast-path.md §4). */
const SMALL_CHARGE = 2304
const LARGE_OVERHEAD = 4096

export class BlastSocket {
  readonly socket: Socket
  readonly port: number
  onMessage: (data: Buffer) => void = () => {}
  #isConnected = false
  #isConnecting = false

  private constructor(socket: Socket) {
    this.socket = socket
    this.port = socket.address().port
    for (const set of ['setRecvBufferSize', 'setSendBufferSize'] as const) {
      try {
        socket[set](4 << 20)
      } catch {
        // the system's default is kept
      }
    }
    socket.on('message', (data, { port }) => {
      // the first to say something is the only one that ever will
      if (!this.#isConnecting) void this.connect(port)
      this.onMessage(data)
    })
    socket.on('error', () => {})
  }

  static bind(): Promise<BlastSocket> {
    const socket = createSocket('udp4')
    return new Promise((resolve, reject) => {
      socket.once('error', reject)
      socket.bind(0, '127.0.0.1', () => {
        socket.off('error', reject)
        resolve(new BlastSocket(socket))
      })
    })
  }

  connect(port: number): Promise<void> {
    this.#isConnecting = true
    return new Promise((resolve) => {
      this.socket.connect(port, '127.0.0.1', () => {
        this.#isConnected = true
        resolve()
      })
    })
  }

  /** Datagrams of `length` bytes that the receive buffer holds while nobody reads. */
  capacity(length: number): number {
    const charge = length <= 1452 ? SMALL_CHARGE : length + LARGE_OVERHEAD
    return Math.floor(this.socket.getRecvBufferSize() / charge)
  }

  /** Dropped while the connection is being made, as any datagram may be. */
  send(memory: Uint8Array, start: number, length: number): void {
    if (this.#isConnected) this.socket.send(memory, start, length)
  }
}
