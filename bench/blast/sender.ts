/**
 * The sending end of the blast: copies application data into slots, seals, sends, and stays within a window that acks move. Also the round trip
 * of one small datagram. No recovery: what is lost stays lost and is counted.
 */
import { ACK, ECHO, type Packets, Received } from './packets.ts'
import type { BlastSocket } from './socket.ts'

/** Datagrams per turn of the event loop. */
const BURST = 32
/** Silence after which everything in flight counts as lost, ms. */
const STALL_MS = 20
/** Bytes in a ping, as those of the streams. */
const PING = 64

export interface BlastResult {
  ms: number
  /** Application bytes that arrived. */
  bytes: number
  datagrams: number
  stalls: number
}

export class BlastSender {
  readonly #socket: BlastSocket
  readonly #packets: Packets
  readonly #slots: number
  readonly #source = new Uint8Array(65_536).map((_, index) => index * 31 + 7)
  readonly #received = new Received()
  #run = 0
  #datagram = 1452
  #window = 64
  #total = 0
  #sent = 0
  #next = 0
  #acked = -1
  #stalls = 0
  #delivered = 0
  #isPumping = false
  #onDone: () => void = () => {}
  #onEcho: () => void = () => {}
  #stall: NodeJS.Timeout | undefined = undefined

  /** The last slot is for what arrives, the others are sent from in turn. */
  constructor(socket: BlastSocket, packets: Packets, slots: number) {
    this.#socket = socket
    this.#packets = packets
    this.#slots = slots - 1
    socket.onMessage = (data) => this.#receive(data)
  }

  /** Sends about `bytes` in datagrams of `datagram` bytes; resolves when the other side has said what arrived. */
  async blast(bytes: number, datagram: number): Promise<BlastResult> {
    this.#begin()
    this.#datagram = datagram
    this.#total = bytes
    this.#window = Math.max(4, Math.min(256, Math.floor((this.#socket.capacity(datagram) * 2) / 3), this.#slots))
    const started = performance.now()
    await new Promise<void>((resolve) => {
      this.#onDone = resolve
      this.#stall = setTimeout(this.#onStall, STALL_MS)
      this.#pump()
    })
    this.#stopWatching()
    const ms = performance.now() - started
    return { ms, bytes: this.#delivered, datagrams: this.#next, stalls: this.#stalls }
  }

  /** Times of `count` round trips, ms, sorted. */
  async roundTrips(count: number): Promise<Float64Array> {
    this.#begin()
    const times = new Float64Array(count)
    const warmUp = Math.floor(count / 4)
    for (let index = -warmUp; index < count; index++) {
      const started = performance.now()
      await new Promise<void>((resolve) => {
        this.#onEcho = resolve
        this.#ping()
      })
      if (index >= 0) times[index] = performance.now() - started
    }
    this.#stopWatching()
    return times.sort()
  }

  #begin(): void {
    this.#run++
    this.#sent = 0
    this.#next = 0
    this.#acked = -1
    this.#stalls = 0
    this.#delivered = 0
  }

  #stopWatching(): void {
    clearTimeout(this.#stall)
    this.#stall = undefined
  }

  #ping(): void {
    const packetNumber = this.#next++
    const at = (packetNumber % this.#slots) * this.#packets.slotSize
    this.#socket.send(this.#packets.memory, at, this.#packets.writeEcho(at, this.#run, packetNumber, PING))
    if (this.#stall === undefined) this.#stall = setTimeout(this.#onEchoLost, 5 * STALL_MS)
    else this.#stall.refresh()
  }

  readonly #onEchoLost = (): void => {
    this.#stall = undefined
    this.#ping()
  }

  readonly #pump = (): void => {
    this.#isPumping = false
    for (let burst = 0; burst < BURST; burst++) {
      if (this.#sent >= this.#total || this.#next - 1 - this.#acked >= this.#window) return
      this.#sendOne()
    }
    this.#pumpLater()
  }

  #pumpLater(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    setImmediate(this.#pump)
  }

  /** A slot is used again only when its datagram was acknowledged, so the system has read it long ago. */
  #sendOne(): void {
    const packetNumber = this.#next++
    const packets = this.#packets
    const at = (packetNumber % this.#slots) * packets.slotSize
    const length = Math.min(packets.room(this.#datagram), Math.max(1, this.#total - this.#sent))
    const isLast = this.#sent + length >= this.#total
    const data = packets.writeStream(at, this.#run, packetNumber, this.#sent, isLast)
    const from = this.#sent % (this.#source.length - length)
    packets.memory.set(this.#source.subarray(from, from + length), data)
    this.#sent += length
    this.#socket.send(packets.memory, at, packets.seal(at, packetNumber, data + length))
  }

  #receive(data: Buffer): void {
    const at = this.#slots * this.#packets.slotSize
    this.#packets.memory.set(data, at)
    const received = this.#received
    if (!this.#packets.read(at, data.length, this.#acked, received) || received.run !== this.#run) return
    if (received.type === ECHO) this.#onEcho()
    if (received.type !== ACK) return
    this.#acked = Math.max(this.#acked, received.largest)
    this.#delivered = received.bytes
    this.#stall?.refresh()
    if (this.#sent >= this.#total && this.#acked === this.#next - 1) this.#onDone()
    else this.#pumpLater()
  }

  /** A burst did not fit the receive buffer, or an ack got lost: all in flight is given up, one more packet asks how things are. */
  readonly #onStall = (): void => {
    this.#stalls++
    this.#acked = this.#next - 1
    this.#sent = Math.min(this.#sent, this.#total - 1)
    this.#pumpLater()
    this.#stall = setTimeout(this.#onStall, STALL_MS)
  }
}
