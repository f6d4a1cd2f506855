/** The receiving end of the blast: opens, parses, copies out, and acknowledges every 64th packet and the last one. Echoes what asks for it. */
import { ECHO, type Packets, Received, STREAM_FIN } from './packets.ts'
import type { BlastSocket } from './socket.ts'

const ACK_EVERY = 64

export class BlastReceiver {
  readonly #socket: BlastSocket
  readonly #packets: Packets
  readonly #received = new Received()
  /** Where the application finds the data. */
  readonly #slab = new Uint8Array(65_536)
  #filled = 0
  #run = -1
  #largest = -1
  #ackedUpTo = -1
  #bytes = 0
  #next = 0

  constructor(socket: BlastSocket, packets: Packets) {
    this.#socket = socket
    this.#packets = packets
    socket.onMessage = (data) => this.#receive(data)
  }

  #receive(data: Buffer): void {
    const packets = this.#packets
    const received = this.#received
    packets.memory.set(data, 0)
    if (!packets.read(0, data.length, this.#largest, received)) return
    if (received.run !== this.#run) {
      this.#run = received.run
      this.#largest = -1
      this.#ackedUpTo = -1
      this.#bytes = 0
      this.#next = 0
    }
    if (received.packetNumber > this.#largest) this.#largest = received.packetNumber
    if (received.type === ECHO) {
      const at = packets.slotSize
      this.#send(at, packets.writeEcho(at, this.#run, this.#next++, received.end - received.start))
      return
    }
    const length = received.end - received.start
    if (this.#filled + length > this.#slab.length) this.#filled = 0
    this.#slab.set(packets.memory.subarray(received.start, received.end), this.#filled)
    this.#filled += length
    this.#bytes += length
    // a window of few large datagrams needs acks sooner
    const every = length > 2048 ? 4 : ACK_EVERY
    if (this.#largest - this.#ackedUpTo >= every || received.type === STREAM_FIN) this.#acknowledge()
  }

  #acknowledge(): void {
    this.#ackedUpTo = this.#largest
    // the first slot is received into, the second sent from
    const at = this.#packets.slotSize
    this.#send(at, this.#packets.writeAck(at, this.#run, this.#next++, this.#largest, this.#bytes))
  }

  #send(at: number, length: number): void {
    this.#socket.send(this.#packets.memory, at, length)
  }
}
